//! Replaces `pages.rs` where the system has no such memory, and under Miri: secrets live on the heap.

use std::ops::{Deref, DerefMut};

use zeroize::Zeroizing;

/// Bytes on the heap; wiped on drop.
pub(crate) struct Pages(Zeroizing<Box<[u8]>>);

impl Pages {
    pub fn zeroed(len: usize) -> Self {
        Self(vec![0; len].into_boxed_slice().into())
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}
