//! Passes secrets to Python and to file descriptors without a copy. Contains the package's unsafe code, because both involve raw
//! pointers or descriptors.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::prelude::*;

/// Fills a read-only view of bytes that belong to `owner`, which the view keeps alive. After a wipe the view reads zeros.
///
/// # Safety
/// `start` and `len` describe memory that lives as long as `owner`; `view` is null or writable.
pub unsafe fn fill(
    owner: Bound<'_, PyAny>,
    view: *mut ffi::Py_buffer,
    flags: c_int,
    start: *const u8,
    len: usize,
) -> PyResult<()> {
    if flags & ffi::PyBUF_WRITABLE == ffi::PyBUF_WRITABLE {
        return Err(PyBufferError::new_err("a secret is read-only"));
    }
    let len = ffi::Py_ssize_t::try_from(len).map_err(|_| PyBufferError::new_err("too long"))?;
    // SAFETY: guaranteed by the caller; PyBuffer_FillInfo checks for null and takes its own reference to owner
    let filled =
        unsafe { ffi::PyBuffer_FillInfo(view, owner.as_ptr(), start.cast::<c_void>().cast_mut(), len, 1, flags) };
    if filled == 0 {
        Ok(())
    } else {
        Err(PyErr::fetch(owner.py()))
    }
}

/// Writes everything to a descriptor that belongs to the caller and stays open.
#[cfg(unix)]
pub fn write_to(file_descriptor: i32, bytes: &[u8]) -> std::io::Result<()> {
    use std::fs::File;
    use std::io::Write;
    use std::mem::ManuallyDrop;
    use std::os::fd::FromRawFd;
    if file_descriptor < 0 {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: the caller's descriptor is only borrowed: ManuallyDrop never closes it, and a closed one gives EBADF
    let mut file = ManuallyDrop::new(unsafe { File::from_raw_fd(file_descriptor) });
    file.write_all(bytes)
}

/// On Windows, Python's descriptors belong to a C library that we do not link.
#[cfg(not(unix))]
pub fn write_to(_file_descriptor: i32, _bytes: &[u8]) -> std::io::Result<()> {
    Err(std::io::Error::new(
        std::io::ErrorKind::Unsupported,
        "writing to a descriptor is not supported on Windows: use memoryview(key)",
    ))
}
