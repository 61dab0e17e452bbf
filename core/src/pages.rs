//! Memory for secrets that rest: locked in RAM and left out of core dumps, as far as the system has that.
//!
//! Unsafe, because these are pages of the system's, not of the allocator's.
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

/// Pieces have 32, 64, ... 8192 bytes. That takes the longest key (65,536 bits); what is longer has pages of its own.
const SMALLEST: usize = 32;
const CLASSES: usize = 9;
/// What is asked of the system at once: whole pages everywhere.
const CHUNK: usize = 16 << 10;

/// Free pieces of each size, all zeros. They are kept for the next secret and never given back. A child process maps its own: it may have
/// inherited a lock that is held, and locks on memory are not inherited.
static FREE: PerProcess<Mutex<[Vec<Piece>; CLASSES]>> = PerProcess::new(Mutex::new([const { Vec::new() }; CLASSES]));

/// The beginning of a piece that nobody uses.
struct Piece(NonNull<u8>);

// SAFETY: it owns what it points to, which is bound to no thread
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
        // SAFETY: `start` has at least `len` bytes, which are initialised and nobody else's
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
            // SAFETY: they were mapped with this length, and nothing refers to them any more. A system that does not take
            // them back keeps zeros.
            None => drop(unsafe { munmap(self.start.as_ptr().cast(), self.len) }),
        }
    }
}

fn class_of(len: usize) -> Option<usize> {
    (0..CLASSES).find(|class| len <= SMALLEST << class)
}

/// Held for a push or a pop, never while the system is called.
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

/// Pages of zeros. Where the limit on locked memory is reached, they are only left out of dumps.
fn map(len: usize) -> NonNull<u8> {
    // SAFETY: new memory at a place of the system's choice
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
    // SAFETY: the memory was just mapped, and locking changes nothing in it
    let _ = unsafe { mlock(start.as_ptr(), len) };
    start.cast()
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn keep_out_of_dumps(start: *mut c_void, len: usize) {
    // SAFETY: the memory was just mapped, and the advice changes nothing in it
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
