//! The allocator of the native library: wipes what is freed, and counts what is not.
//!
//! `UniFFI` carries arguments and answers in buffers of its own and frees them as they are: keys of messages to
//! validate, pre-shared keys, exported forms. Here nothing that is freed keeps its content.
//!
//! Unsafe: the trait is, and freed memory is written to before it goes back to the system.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering, compiler_fence};

/// The system's allocator with wiping. The default `realloc` of the trait allocates, copies and frees, and so wipes
/// too.
struct Wiping;

#[global_allocator]
static ALLOCATOR: Wiping = Wiping;

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// How many bytes the native library has in use now, for tests that look for leaks.
#[uniffi::export]
pub fn live_bytes() -> u64 {
    LIVE.load(Ordering::Relaxed) as u64
}

// SAFETY: all memory is the system allocator's, asked for and given back with the layouts that the caller gave
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of alloc, which is the same there
        counted(unsafe { System.alloc(layout) }, layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in alloc
        counted(unsafe { System.alloc_zeroed(layout) }, layout)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller gives a block of this allocator back, with its layout: all of it may be written
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

/// Has the compiler keep a write to memory that is freed next: it must suppose that the block is read here.
fn wiped(block: *mut u8) {
    std::hint::black_box(block);
    compiler_fence(Ordering::SeqCst);
}
