//! Clears traces of keys from the stack and registers.
//!
//! Functions that decode, decrypt or copy a key leave parts of it in their stack frames and in vector registers. Registers matter too: when
//! a host program calls a function for the first time, a lazily binding dynamic linker saves all of them on the stack, where they are never
//! wiped. So code that handles a key runs as a closure, and registers and stack are cleared when it returns.
#![cfg_attr(
    all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)),
    allow(unsafe_code)
)]

/// The stack that copying, decoding or comparing may use, in bytes.
const COPY: usize = 1 << 10;
/// The stack that one exchange over an open connection may use, in bytes: TLS, HTTP and JSON.
#[cfg(feature = "https")]
const CALL: usize = 16 << 10;
/// What one that fails may use: errors are made of texts in deep calls, and take their time anyway.
#[cfg(feature = "https")]
const FAILED_CALL: usize = 32 << 10;

/// Runs code that copies, decodes or compares a secret, then clears the registers and the stack below.
pub fn clear_after_copy<T>(f: impl FnOnce() -> T) -> T {
    let result = frame(f);
    clear::<COPY>();
    result
}

/// Runs code that receives a secret over a connection, then clears the registers and the stack below.
#[cfg(feature = "https")]
pub(crate) fn clear_after_call<T, E>(f: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let result = frame(f);
    if result.is_ok() {
        clear::<CALL>();
    } else {
        clear::<FAILED_CALL>();
    }
    result
}

/// Runs a closure in a separate stack frame, below the caller's.
#[inline(never)]
fn frame<T>(f: impl FnOnce() -> T) -> T {
    f()
}

/// Zeroes the registers that a function may change, and `DEPTH` bytes of stack below the caller's frame.
#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
#[allow(clippy::inline_always)] // the frame of another function would cover what is to be cleared
fn clear<const DEPTH: usize>() {
    use std::arch::{asm, is_x86_feature_detected};

    // no step is longer than a page, so that none skips a guard page
    const { assert!(DEPTH.is_power_of_two() && DEPTH >= 1024) };
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has these registers, and they are declared as clobbered
        unsafe {
            asm!(
                "vpxorq zmm16, zmm16, zmm16",
                "vpxorq zmm17, zmm17, zmm17",
                "vpxorq zmm18, zmm18, zmm18",
                "vpxorq zmm19, zmm19, zmm19",
                "vpxorq zmm20, zmm20, zmm20",
                "vpxorq zmm21, zmm21, zmm21",
                "vpxorq zmm22, zmm22, zmm22",
                "vpxorq zmm23, zmm23, zmm23",
                "vpxorq zmm24, zmm24, zmm24",
                "vpxorq zmm25, zmm25, zmm25",
                "vpxorq zmm26, zmm26, zmm26",
                "vpxorq zmm27, zmm27, zmm27",
                "vpxorq zmm28, zmm28, zmm28",
                "vpxorq zmm29, zmm29, zmm29",
                "vpxorq zmm30, zmm30, zmm30",
                "vpxorq zmm31, zmm31, zmm31",
                clobber_abi("sysv64"),
                options(nomem, nostack, preserves_flags),
            );
        }
    }
    if is_x86_feature_detected!("avx") {
        // SAFETY: as above
        unsafe {
            asm!(
                "vzeroall",
                clobber_abi("sysv64"),
                options(nomem, nostack, preserves_flags)
            );
        };
    } else {
        // SAFETY: as above
        unsafe {
            asm!(
                "xorps xmm0, xmm0",
                "xorps xmm1, xmm1",
                "xorps xmm2, xmm2",
                "xorps xmm3, xmm3",
                "xorps xmm4, xmm4",
                "xorps xmm5, xmm5",
                "xorps xmm6, xmm6",
                "xorps xmm7, xmm7",
                "xorps xmm8, xmm8",
                "xorps xmm9, xmm9",
                "xorps xmm10, xmm10",
                "xorps xmm11, xmm11",
                "xorps xmm12, xmm12",
                "xorps xmm13, xmm13",
                "xorps xmm14, xmm14",
                "xorps xmm15, xmm15",
                clobber_abi("sysv64"),
                options(nomem, nostack, preserves_flags),
            );
        }
    }
    // SAFETY: without `nostack`, none of the caller's data lies below the stack pointer. The pointer moves over what it writes, in steps,
    // so that a stack without that much room ends at its guard page as in any call, and is restored.
    unsafe {
        asm!(
            "mov r8, rsp",
            "mov ecx, {steps}",
            "2:",
            "sub rsp, 1024",
            "mov qword ptr [rsp], 0",
            "dec ecx",
            "jnz 2b",
            "mov rdi, rsp",
            "mov ecx, {words}",
            "xor eax, eax",
            "rep stosq",
            "mov rsp, r8",
            "xor edx, edx",
            "xor esi, esi",
            "xor r9d, r9d",
            "xor r10d, r10d",
            "xor r11d, r11d",
            steps = const DEPTH / 1024,
            words = const DEPTH / 8,
            clobber_abi("sysv64"),
        );
    }
}

/// Zeroes the registers that a function may change, and `DEPTH` bytes of stack below the caller's frame.
#[cfg(all(target_arch = "aarch64", not(miri)))]
#[inline(always)]
#[allow(clippy::inline_always)] // the frame of another function would cover what is to be cleared
fn clear<const DEPTH: usize>() {
    use std::arch::asm;

    const { assert!(DEPTH > 0 && DEPTH.is_multiple_of(32) && DEPTH < 1 << 16) };
    // SAFETY: every processor with this instruction set has these registers, and they are declared as clobbered (a write to the low half of
    // an SVE register clears the rest). Without `nostack`, none of the caller's data lies below the stack pointer. The pointer moves down
    // over what it writes, so that a stack without that much room ends at its guard page as in any call, and is restored.
    unsafe {
        asm!(
            "movi v0.2d, #0",
            "movi v1.2d, #0",
            "movi v2.2d, #0",
            "movi v3.2d, #0",
            "movi v4.2d, #0",
            "movi v5.2d, #0",
            "movi v6.2d, #0",
            "movi v7.2d, #0",
            "movi v16.2d, #0",
            "movi v17.2d, #0",
            "movi v18.2d, #0",
            "movi v19.2d, #0",
            "movi v20.2d, #0",
            "movi v21.2d, #0",
            "movi v22.2d, #0",
            "movi v23.2d, #0",
            "movi v24.2d, #0",
            "movi v25.2d, #0",
            "movi v26.2d, #0",
            "movi v27.2d, #0",
            "movi v28.2d, #0",
            "movi v29.2d, #0",
            "movi v30.2d, #0",
            "movi v31.2d, #0",
            "mov x9, sp",
            "mov x10, #{depth}",
            "2:",
            "stp q0, q0, [sp, #-32]!",
            "subs x10, x10, #32",
            "b.ne 2b",
            "mov sp, x9",
            "mov x0, #0",
            "mov x1, #0",
            "mov x2, #0",
            "mov x3, #0",
            "mov x4, #0",
            "mov x5, #0",
            "mov x6, #0",
            "mov x7, #0",
            "mov x8, #0",
            "mov x11, #0",
            "mov x12, #0",
            "mov x13, #0",
            "mov x14, #0",
            "mov x15, #0",
            "mov x16, #0",
            "mov x17, #0",
            depth = const DEPTH,
            clobber_abi("C"),
        );
    }
}

/// Zeroes `DEPTH` bytes of stack, as far as this can be expressed in Rust.
#[cfg(any(not(any(target_arch = "x86_64", target_arch = "aarch64")), miri))]
#[inline(never)]
fn clear<const DEPTH: usize>() {
    zeroize::Zeroize::zeroize(&mut [0_u8; DEPTH][..]);
}

#[cfg(all(test, target_arch = "x86_64", target_os = "linux", feature = "https", not(miri)))]
mod tests {
    use std::arch::asm;
    use std::fs::File;
    use std::hint::black_box;
    use std::os::unix::fs::FileExt as _;

    use super::{CALL, clear_after_call, clear_after_copy, frame};

    const MARK: [u8; 16] = *b"0123456789abcdef";

    /// Leaves the mark deep in its stack frame; returns its address.
    fn mark_stack() -> u64 {
        let mut room = [0_u8; CALL - 1024];
        room[..MARK.len()].copy_from_slice(&MARK);
        black_box(&mut room).as_ptr().addr() as u64
    }

    #[test]
    fn the_stack_of_a_call_is_cleared() {
        // read by the system, because the memory no longer belongs to any Rust object
        let memory = File::open("/proc/self/mem").expect("readable");
        let read = |at| {
            let mut found = [0; MARK.len()];
            memory.read_exact_at(&mut found, at).expect("mapped");
            found
        };
        let at = frame(mark_stack);
        assert_eq!(read(at), MARK, "the control");
        for failed in [false, true] {
            let marked = clear_after_call(|| if failed { Err(mark_stack()) } else { Ok(mark_stack()) });
            let (Ok(at) | Err(at)) = marked;
            assert_eq!(read(at), [0; MARK.len()]);
        }
    }

    fn mark_register() {
        // SAFETY: reads the mark into a declared register
        unsafe { asm!("movups xmm7, [{}]", in(reg) MARK.as_ptr(), out("xmm7") _, options(readonly, nostack)) };
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // nothing may come between
    fn register() -> [u8; 16] {
        let mut found = [0; 16];
        // SAFETY: writes 16 bytes to 16 bytes
        unsafe { asm!("movups [{}], xmm7", in(reg) found.as_mut_ptr(), options(nostack)) };
        found
    }

    #[test]
    fn vector_registers_are_cleared() {
        frame(mark_register);
        assert_eq!(register(), MARK, "the control");
        clear_after_copy(mark_register);
        assert_eq!(register(), [0; 16]);
    }
}
