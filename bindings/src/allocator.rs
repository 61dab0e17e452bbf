//! The allocator of the native library: wipes memory when it is freed, and counts what is in use.
//!
//! `UniFFI` passes arguments and results in its own buffers and frees them without wiping: keys in messages to
//! validate, pre-shared keys, exported forms. With this allocator, freed memory keeps no content.
//!
//! Contains unsafe code because the trait is unsafe, and freed memory is overwritten before it is returned to the
//! system.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering, compiler_fence};

/// The system's allocator with wiping. The default `realloc` of the trait allocates, copies and frees, so it wipes as
/// well.
struct Wiping;

#[global_allocator]
static ALLOCATOR: Wiping = Wiping;

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// The number of bytes in use by the native library, for leak tests.
#[uniffi::export]
pub fn live_bytes() -> u64 {
    LIVE.load(Ordering::Relaxed) as u64
}

// SAFETY: all memory comes from the system allocator, allocated and freed with the caller's layouts
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller upholds the contract of alloc, which is the same there
        counted(unsafe { System.alloc(layout) }, layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in alloc
        counted(unsafe { System.alloc_zeroed(layout) }, layout)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller returns a block of this allocator with its layout, so all of it may be written
        unsafe { ptr::write_bytes(block, 0, layout.size()) };
        wiped(block);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the block came from the system's allocator with this layout
        unsafe { System.dealloc(block, layout) };
    }
}

fn counted(block: *mut u8, layout: Layout) -> *mut u8 {
    if !block.is_null() {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
    }
    block
}

/// Prevents the compiler from removing a write to memory that is about to be freed: it must assume that the block is
/// read here.
fn wiped(block: *mut u8) {
    std::hint::black_box(block);
    compiler_fence(Ordering::SeqCst);
}
