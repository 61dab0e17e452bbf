//! The memory that JavaScript writes messages to, and reads secrets from.

use std::cell::RefCell;

use wasm_bindgen::prelude::*;

/// Every SKIP reply fits (the client takes 64 KiB at most), so its place never changes; only longer texts need memory of their own.
const USUAL: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Buffer> = RefCell::new(Buffer { usual: vec![0; USUAL], long: Vec::new() });
}

struct Buffer {
    usual: Vec<u8>,
    long: Vec<u8>,
}

impl Buffer {
    fn of(&mut self, bytes: usize) -> &mut Vec<u8> {
        if bytes <= USUAL {
            &mut self.usual
        } else {
            &mut self.long
        }
    }
}

/// Where a text of so many bytes may be written. It is read and wiped by the next call that is told its length.
#[wasm_bindgen]
#[must_use]
pub fn reserve(bytes: usize) -> *const u8 {
    BUFFER.with_borrow_mut(|buffer| {
        let memory = buffer.of(bytes);
        if memory.len() < bytes {
            // what it held was wiped already
            *memory = vec![0; bytes];
        }
        memory.as_ptr()
    })
}

/// Overwrites the first `length` bytes of what was reserved.
#[wasm_bindgen]
pub fn wipe(reserved: usize, length: usize) {
    read(reserved, length, |_| ());
}

/// Reads the first `length` bytes of what was reserved, and then wipes them; memory of a long text is given back.
pub fn read<T>(reserved: usize, length: usize, read: impl FnOnce(&[u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| {
        let memory = buffer.of(reserved);
        let end = length.min(memory.len());
        let text = &mut memory[..end];
        let result = read(text);
        text.fill(0);
        if reserved > USUAL {
            // seen again, so that wiping cannot be optimised away before the memory is freed
            std::hint::black_box(&*text);
            *memory = Vec::new();
        }
        result
    })
}

/// Leaves a secret at the beginning of the buffer, for JavaScript to take and wipe.
pub fn leave(secret: &[u8]) {
    BUFFER.with_borrow_mut(|buffer| buffer.usual[..secret.len()].copy_from_slice(secret));
}
