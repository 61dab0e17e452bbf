//! Memory for stored secrets: locked in RAM and excluded from core dumps, as far as the system supports that.
//!
//! Contains unsafe code because these pages come from the system, not from the allocator.
#![allow(unsafe_code)]

use std::alloc::{Layout, handle_alloc_error};
use std::ffi::c_void;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::mm::{MapFlags, ProtFlags, mlock, mmap_anonymous, munmap};
use zeroize::Zeroize;

use crate::fork::PerProcess;

/// Pieces have 32, 64, ... 8192 bytes, enough for the longest key (65,536 bits); longer secrets get pages of their own.
const SMALLEST: usize = 32;
const CLASSES: usize = 9;
/// The size of one mapping: whole pages on every system.
const CHUNK: usize = 16 << 10;

/// Free pieces of each size, all zeros. They are reused for later secrets and never unmapped. A child process maps its own: it may have
/// inherited a held lock, and memory locks are not inherited.
static FREE: PerProcess<Mutex<[Vec<Piece>; CLASSES]>> = PerProcess::new(Mutex::new([const { Vec::new() }; CLASSES]));

/// The start of an unused piece.
struct Piece(NonNull<u8>);

// SAFETY: it owns what it points to, which is not tied to a thread
unsafe impl Send for Piece {}

/// Bytes in such memory; wiped on drop.
pub(crate) struct Pages {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: it owns its bytes as a Box<[u8]> does
unsafe impl Send for Pages {}
// SAFETY: shared references only read
unsafe impl Sync for Pages {}

impl Pages {
    pub fn zeroed(len: usize) -> Self {
        let start = match class_of(len) {
            Some(class) => take(class),
            None => map(len),
        };
        Self { start, len }
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `start` points to at least `len` bytes, initialised and exclusively owned
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `self` is borrowed for writing
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.zeroize();
        match class_of(self.len) {
            Some(class) => free()[class].push(Piece(self.start)),
            // SAFETY: they were mapped with this length, and no references to them remain. If the system fails to unmap them, they hold
            // zeros.
            None => drop(unsafe { munmap(self.start.as_ptr().cast(), self.len) }),
        }
    }
}

fn class_of(len: usize) -> Option<usize> {
    (0..CLASSES).find(|class| len <= SMALLEST << class)
}

/// The lock is held for a push or a pop, never during a system call.
fn free() -> MutexGuard<'static, [Vec<Piece>; CLASSES]> {
    FREE.get().lock().unwrap_or_else(PoisonError::into_inner)
}

fn take(class: usize) -> NonNull<u8> {
    if let Some(piece) = free()[class].pop() {
        return piece.0;
    }
    let start = map(CHUNK);
    let size = SMALLEST << class;
    // SAFETY: the offset lies within the chunk
    let rest = (1..CHUNK / size).map(|n| Piece(unsafe { start.add(n * size) }));
    let rest: Vec<Piece> = rest.collect();
    free()[class].extend(rest);
    start
}

/// Maps zeroed pages. Beyond the limit on locked memory they are only excluded from dumps.
fn map(len: usize) -> NonNull<u8> {
    // SAFETY: maps new memory at an address chosen by the system
    let mapped = unsafe {
        mmap_anonymous(
            ptr::null_mut(),
            len,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE,
        )
    };
    let Some(start) = mapped.ok().and_then(NonNull::new) else {
        handle_alloc_error(Layout::array::<u8>(len).unwrap_or(Layout::new::<u8>()));
    };
    keep_out_of_dumps(start.as_ptr(), len);
    // SAFETY: the memory was just mapped, and locking does not modify it
    let _ = unsafe { mlock(start.as_ptr(), len) };
    start.cast()
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn keep_out_of_dumps(start: *mut c_void, len: usize) {
    // SAFETY: the memory was just mapped, and the advice does not modify it
    let _ = unsafe { rustix::mm::madvise(start, len, rustix::mm::Advice::LinuxDontDump) };
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn keep_out_of_dumps(_start: *mut c_void, _len: usize) {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::{CHUNK, Pages};

    #[test]
    fn every_length_is_zeros_and_its_own() {
        let mut kept: Vec<Pages> = Vec::new();
        for len in [0, 1, 31, 32, 33, 4096, 8191, 8192, 8193, CHUNK, CHUNK + 1, 1 << 20] {
            for mark in 1..=3 {
                let mut pages = Pages::zeroed(len);
                assert_eq!(pages.len(), len);
                assert!(pages.iter().all(|byte| *byte == 0));
                pages.fill(mark);
                kept.push(pages);
            }
        }
        for three in kept.chunks(3) {
            for (pages, mark) in three.iter().zip(1..) {
                assert!(pages.iter().all(|byte| *byte == mark));
            }
        }
        let places: HashSet<usize> = kept.iter().map(|pages| pages.as_ptr().addr()).collect();
        assert_eq!(places.len(), kept.len());
    }

    #[test]
    fn threads_share_them() {
        thread::scope(|scope| {
            for mark in 1..=8_u8 {
                scope.spawn(move || {
                    for round in 0..2000 {
                        let mut pages: Vec<Pages> = (0..5).map(|n| Pages::zeroed(16 << (n + round % 3))).collect();
                        for some in &mut pages {
                            assert!(
                                some.iter().all(|byte| *byte == 0),
                                "memory of a dropped secret was not wiped"
                            );
                            some.fill(mark);
                        }
                        assert!(pages.iter().all(|some| some.iter().all(|byte| *byte == mark)));
                    }
                });
            }
        });
    }
}
