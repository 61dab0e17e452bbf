//! The memory through which messages and secrets pass between JavaScript and the core.

use std::cell::RefCell;

use wasm_bindgen::prelude::*;

/// Fits every SKIP reply (at most 64 KiB), so that its address never changes; only longer texts need memory of their own.
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

/// The address of memory for a text of `bytes` bytes. The next call that takes the length reads the text and wipes it.
#[wasm_bindgen]
#[must_use]
pub fn reserve(bytes: usize) -> *const u8 {
    BUFFER.with_borrow_mut(|buffer| {
        let memory = buffer.of(bytes);
        if memory.len() < bytes {
            // the old contents were wiped already
            *memory = vec![0; bytes];
        }
        memory.as_ptr()
    })
}

/// Overwrites the first `length` bytes of the reserved memory.
#[wasm_bindgen]
pub fn wipe(reserved: usize, length: usize) {
    read(reserved, length, |_| ());
}

/// Reads the first `length` bytes of the reserved memory, then wipes them; the memory of a long text is freed.
pub fn read<T>(reserved: usize, length: usize, read: impl FnOnce(&[u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| {
        let memory = buffer.of(reserved);
        let end = length.min(memory.len());
        let text = &mut memory[..end];
        let result = read(text);
        text.fill(0);
        if reserved > USUAL {
            // the compiler must not drop the wiping of memory that is freed next
            std::hint::black_box(&*text);
            *memory = Vec::new();
        }
        result
    })
}

/// Leaves a secret at the start of the buffer, where JavaScript reads and wipes it; returns its length in digits.
pub fn leave(secret: &[u8]) -> String {
    BUFFER.with_borrow_mut(|buffer| buffer.usual[..secret.len()].copy_from_slice(secret));
    secret.len().to_string()
}
