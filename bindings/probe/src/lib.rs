//! Looks for copies of a key in the memory of its own process: for the tests of the Kotlin and Swift packages.
//!
//! The heap is not used while searching (one mapping, made first and left out, takes what is read), because an
//! allocation would overwrite what was freed and hide it. The needle is masked, and unmasked byte by byte: else it
//! would be found.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr;

/// What the caller XORs each byte of the needle with.
const MASK: u8 = 0xA5;
/// The needle is at most this long.
const LONGEST: usize = 64;
const WINDOW: usize = 1 << 20;
/// /proc/self/maps is read into this much.
const MAPS: usize = 1 << 21;

/// How often the needle (masked) is in private writable memory of this process; -1 when that cannot be read.
///
/// Memory from `skip_from` to `skip_to` is left out: the heap of a JVM, which has its own garbage
/// collector. With `only` not zero nothing but that memory is searched.
///
/// # Safety
/// `needle` has `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_probe_count(
    needle: *const u8,
    length: usize,
    skip_from: u64,
    skip_to: u64,
    only: i32,
) -> i64 {
    if length == 0 || length > LONGEST {
        return -1;
    }
    let mut masked = [0; LONGEST];
    // SAFETY: promised by the caller; not longer than LONGEST
    unsafe { ptr::copy_nonoverlapping(needle, masked.as_mut_ptr(), length) };
    let Some(room) = Room::new() else { return -1 };
    let skipped = |from: u64, to: u64| {
        let overlaps = from < skip_to && to > skip_from;
        overlaps == (only == 0)
    };
    room.count(&masked[..length], &skipped).unwrap_or(-1)
}

/// One mapping for everything that is read.
struct Room {
    start: *mut u8,
    mem: i32,
}

impl Room {
    fn new() -> Option<Self> {
        // SAFETY: a new private mapping, and a file of this process
        unsafe {
            let start = libc::mmap(
                ptr::null_mut(),
                MAPS + WINDOW,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            let mem = libc::open(c"/proc/self/mem".as_ptr(), libc::O_RDONLY);
            (start != libc::MAP_FAILED && mem >= 0).then_some(Self {
                start: start.cast(),
                mem,
            })
        }
    }

    fn count(&self, masked: &[u8], skipped: &dyn Fn(u64, u64) -> bool) -> Option<i64> {
        // SAFETY: the two parts of the mapping, which lives as long as self and has no other user
        let (maps, window) = unsafe {
            (
                std::slice::from_raw_parts_mut(self.start, MAPS),
                std::slice::from_raw_parts_mut(self.start.add(MAPS), WINDOW),
            )
        };
        let length = read_maps(maps)?;
        let own = self.start as u64;
        let mut found = 0;
        for line in maps[..length].split(|byte| *byte == b'\n') {
            let Some((from, to)) = writable(line) else { continue };
            if skipped(from, to) || (from <= own && own < to && to - from == (MAPS + WINDOW) as u64) {
                continue;
            }
            found += self.count_in(from, to, masked, window, own);
        }
        Some(found)
    }

    fn count_in(&self, from: u64, to: u64, masked: &[u8], window: &mut [u8], own: u64) -> i64 {
        let mut found = 0;
        let mut at = from;
        while at < to {
            // the kernel may have joined our mapping with a neighbour
            if at >= own && at < own + (MAPS + WINDOW) as u64 {
                at = own + (MAPS + WINDOW) as u64;
                continue;
            }
            let mut wanted = usize::try_from(to - at).unwrap_or(WINDOW).min(WINDOW);
            if at < own {
                wanted = wanted.min(usize::try_from(own - at).unwrap_or(WINDOW));
            }
            let Ok(offset) = libc::off_t::try_from(at) else { break };
            // SAFETY: window has at least as many bytes
            let got = unsafe { libc::pread(self.mem, window.as_mut_ptr().cast::<c_void>(), wanted, offset) };
            let Some(got) = usize::try_from(got).ok().filter(|got| *got > 0) else {
                // a page that was never touched, or is guarded
                at += 4096;
                continue;
            };
            let first = masked[0] ^ MASK;
            for (at, byte) in window[..got].iter().enumerate() {
                if *byte == first
                    && at + masked.len() <= got
                    && window[at..]
                        .iter()
                        .zip(masked)
                        .all(|(byte, masked)| byte ^ masked == MASK)
                {
                    found += 1;
                }
            }
            // the next window begins with what could be the start of a needle
            let step = if got < wanted || at + got as u64 >= to {
                got
            } else {
                got - (masked.len() - 1)
            };
            at += step.max(1) as u64;
        }
        found
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // SAFETY: made in new
        unsafe {
            libc::close(self.mem);
            libc::munmap(self.start.cast(), MAPS + WINDOW);
        }
    }
}

fn read_maps(into: &mut [u8]) -> Option<usize> {
    let mut length = 0;
    // SAFETY: a file of this process, read into memory that the caller owns
    unsafe {
        let maps = libc::open(c"/proc/self/maps".as_ptr(), libc::O_RDONLY);
        while maps >= 0 && length < into.len() {
            let got = libc::read(maps, into[length..].as_mut_ptr().cast::<c_void>(), into.len() - length);
            match usize::try_from(got) {
                Ok(got) if got > 0 => length += got,
                _ => break,
            }
        }
        libc::close(maps);
    }
    (length > 0 && length < into.len()).then_some(length)
}

/// Start and end of a line of /proc/self/maps, if it is of private memory that may be read and written.
fn writable(line: &[u8]) -> Option<(u64, u64)> {
    let dash = line.iter().position(|byte| *byte == b'-')?;
    let space = line.iter().position(|byte| *byte == b' ')?;
    let rights = line.get(space + 1..space + 5)?;
    let hex = |digits: &[u8]| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    (rights == b"rw-p").then_some((hex(&line[..dash])?, hex(line.get(dash + 1..space)?)?))
}
