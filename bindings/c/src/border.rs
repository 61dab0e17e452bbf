//! Shared by all functions: strings and buffers, handles, and catching panics.

use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use skip_client::residue::clear_after_copy;
use skip_client::{Error, Result};

use crate::SkipError;

/// Passed as the length of a NUL-terminated string; cbindgen.toml has it for C.
pub(crate) const SKIP_NUL_TERMINATED: usize = usize::MAX;

/// The version of the library, for example "0.1.0".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_version(length: *mut usize) -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    // SAFETY: the caller gives NULL or room for a length
    unsafe { store(length, VERSION.len() - 1) };
    VERSION.as_ptr().cast()
}

/// Runs the body of a fallible function. A panic becomes an error: it must not unwind into C.
pub(crate) fn fallible(body: impl FnOnce() -> Result<()>) -> *mut SkipError {
    let failed = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return ptr::null_mut(),
        Ok(Err(error)) => SkipError::from(&error),
        Err(panic) => {
            // dropping the payload can panic as well
            std::mem::forget(panic);
            SkipError::internal()
        }
    };
    Box::into_raw(Box::new(failed))
}

/// Runs the body of an infallible function; a panic returns `otherwise`.
pub(crate) fn infallible<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        std::mem::forget(panic);
        otherwise
    })
}

/// Runs the body of a function that creates a handle; the handle is NULL if it fails.
///
/// # Safety
/// `out` is NULL or points to space for a pointer.
pub(crate) unsafe fn making<T>(out: *mut *mut T, body: impl FnOnce() -> Result<T>) -> *mut SkipError {
    // SAFETY: guaranteed by the caller of this function
    unsafe { store(out, ptr::null_mut()) };
    fallible(|| {
        if out.is_null() {
            return Err(null("the result's address"));
        }
        let made = Box::into_raw(Box::new(body()?));
        // SAFETY: guaranteed by the caller of this function
        unsafe { out.write(made) };
        Ok(())
    })
}

/// Frees a handle.
///
/// # Safety
/// `handle` is NULL or was created by [`making`], and is no longer used.
pub(crate) unsafe fn free<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: guaranteed by the caller of this function
        infallible((), || drop(unsafe { Box::from_raw(handle) }));
    }
}

/// The object of a required handle.
///
/// # Safety
/// `handle` is NULL or a live handle of this type.
pub(crate) unsafe fn object<'a, T>(name: &str, handle: *const T) -> Result<&'a T> {
    // SAFETY: guaranteed by the caller of this function
    unsafe { handle.as_ref() }.ok_or_else(|| null(name))
}

/// The text of a required string.
///
/// # Safety
/// `data` is NULL or points to `length` bytes, or to a NUL-terminated string if `length` says so.
pub(crate) unsafe fn text<'a>(name: &str, data: *const c_char, length: usize) -> Result<&'a str> {
    // SAFETY: guaranteed by the caller of this function
    let bytes = unsafe { bytes(name, data, length) }?;
    utf_8(name, bytes)
}

/// Bytes that have to be text.
pub(crate) fn utf_8<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str> {
    str::from_utf8(bytes).map_err(|_| Error::invalid_argument(name, "is not UTF-8", "strings are UTF-8 without a BOM"))
}

/// The same for a string that may be NULL.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn optional_text<'a>(name: &str, data: *const c_char, length: usize) -> Result<Option<&'a str>> {
    if data.is_null() {
        return Ok(None);
    }
    // SAFETY: guaranteed by the caller of this function
    unsafe { text(name, data, length) }.map(Some)
}

/// Bytes; `data` may be NULL if the length is 0.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn bytes<'a>(name: &str, data: *const c_char, length: usize) -> Result<&'a [u8]> {
    match (data.is_null(), length) {
        (true, 0) => Ok(&[]),
        (true, _) => Err(null(name)),
        // SAFETY: the caller guarantees that it is NUL-terminated
        (false, SKIP_NUL_TERMINATED) => Ok(unsafe { CStr::from_ptr(data) }.to_bytes()),
        // SAFETY: the caller guarantees the length
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(data.cast(), length) }),
    }
}

/// A buffer of the caller, and where to store the length of the content.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    buffer: *mut u8,
    capacity: usize,
    length: *mut usize,
}

impl Room {
    pub const fn new(buffer: *mut u8, capacity: usize, length: *mut usize) -> Self {
        Self {
            buffer,
            capacity,
            length,
        }
    }

    /// Copies `content` to the buffer. Without a buffer, only stores the length, so that the caller can allocate one.
    ///
    /// # Safety
    /// `buffer` is NULL or points to `capacity` bytes owned by the caller; `length` is NULL or points to space for a
    /// length.
    pub unsafe fn fill(self, content: &[u8]) -> Result<()> {
        // SAFETY: guaranteed by the caller of this function
        unsafe { store(self.length, content.len()) };
        if self.buffer.is_null() {
            return Ok(());
        }
        if self.capacity < content.len() {
            let rule = format!("is too small: {} bytes are needed", content.len());
            return Err(Error::invalid_argument(
                "buffer",
                rule,
                "pass NULL first to learn the length",
            ));
        }
        // SAFETY: guaranteed by the caller of this function
        clear_after_copy(|| unsafe { ptr::copy_nonoverlapping(content.as_ptr(), self.buffer, content.len()) });
        Ok(())
    }
}

/// Stores a result if the caller wants it.
///
/// # Safety
/// `place` is NULL or points to space for it.
pub(crate) unsafe fn store<T>(place: *mut T, value: T) {
    if !place.is_null() {
        // SAFETY: guaranteed by the caller of this function
        unsafe { place.write(value) };
    }
}

/// A NUL-terminated text that C borrows. It may contain NULs; the length is authoritative.
pub(crate) struct Text(Box<str>);

impl Text {
    pub fn new(text: &str) -> Self {
        Self(format!("{text}\0").into())
    }

    pub fn as_str(&self) -> &str {
        &self.0[..self.0.len() - 1]
    }
}

/// Lends a text, or NULL if there is none.
///
/// # Safety
/// `length` is NULL or points to space for a length.
pub(crate) unsafe fn lend(text: Option<&Text>, length: *mut usize) -> *const c_char {
    // SAFETY: guaranteed by the caller of this function
    unsafe { store(length, text.map_or(0, |text| text.as_str().len())) };
    text.map_or(ptr::null(), |text| text.0.as_ptr().cast())
}

pub(crate) fn null(name: &str) -> Error {
    Error::invalid_argument(name, "must not be NULL", "see skip_client.h")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SkipCode, skip_error_code, skip_error_free};

    #[test]
    fn a_panic_is_an_error() {
        let error = fallible(|| panic!("marker"));
        // SAFETY: just created
        unsafe {
            assert!(matches!(skip_error_code(error), SkipCode::Internal));
            skip_error_free(error);
        }
        assert_eq!(infallible(7, || panic!("marker")), 7);
    }

    #[test]
    fn a_text_ends_with_a_nul_and_may_contain_others() {
        let text = Text::new("a\0b");
        let mut length = 0;
        // SAFETY: `length` points to space for a length
        let lent = unsafe { lend(Some(&text), &raw mut length) };
        // SAFETY: a NUL follows the text
        let bytes = unsafe { std::slice::from_raw_parts(lent.cast::<u8>(), length + 1) };
        assert_eq!(bytes, b"a\0b\0");
    }
}
