//! Keys and random bytes: read by the buffer protocol without a copy, wiped on request and when collected.
//!
//! The only unsafe code of the package: Python's buffer protocol hands out a pointer.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::{PyBool, PyBytes, PyString};
use pyo3::{PyClass, ffi};
use skip_client::{ExportFormat, Secret};

use crate::errors::OrRaise;
use crate::messages::{Problem, problems};

/// A key and its keyId (draft 4.2).
#[pyclass(frozen, module = "skip_client")]
pub struct Key(Mutex<skip_client::Key>);

/// Random bytes (draft 4.3).
#[pyclass(frozen, module = "skip_client")]
pub struct Entropy(Mutex<skip_client::Entropy>);

impl From<skip_client::Key> for Key {
    fn from(key: skip_client::Key) -> Self {
        Self(Mutex::new(key))
    }
}

impl From<skip_client::Entropy> for Entropy {
    fn from(entropy: skip_client::Entropy) -> Self {
        Self(Mutex::new(entropy))
    }
}

impl Key {
    fn lock(&self) -> MutexGuard<'_, skip_client::Key> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entropy {
    fn lock(&self) -> MutexGuard<'_, skip_client::Entropy> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Key {
    #[getter]
    fn key_id(&self) -> String {
        self.lock().key_id().to_string()
    }

    #[getter]
    fn bits(&self) -> u32 {
        self.lock().bits()
    }

    #[getter]
    fn fingerprint(&self) -> String {
        self.lock().fingerprint()
    }

    #[getter]
    fn warnings(&self) -> Vec<Problem> {
        problems(self.lock().warnings())
    }

    fn hex(&self, py: Python<'_>) -> PyResult<String> {
        let text = self.lock().export(ExportFormat::Hex).or_raise(py)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn export<'py>(&self, py: Python<'py>, format: &str) -> PyResult<Bound<'py, PyAny>> {
        let format: ExportFormat = format.parse().or_raise(py)?;
        let exported = self.lock().export(format).or_raise(py)?;
        match std::str::from_utf8(&exported) {
            Ok(text) if format != ExportFormat::Raw => Ok(PyString::new(py, text).into_any()),
            _ => Ok(PyBytes::new(py, &exported).into_any()),
        }
    }

    #[pyo3(signature = (file_descriptor, format="raw"))]
    fn export_to(&self, py: Python<'_>, file_descriptor: i32, format: &str) -> PyResult<()> {
        let format: ExportFormat = format.parse().or_raise(py)?;
        let exported = self.lock().export(format).or_raise(py)?;
        py.detach(|| write_to(file_descriptor, &exported))?;
        Ok(())
    }

    pub fn wipe(&self) {
        self.lock().wipe();
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.lock().secret().expose())
    }

    fn __len__(&self) -> usize {
        self.lock().secret().len()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> Py<PyAny> {
        compare(other, |other: &Self| are_equal(&self.0, &other.0))
    }

    #[classattr]
    const __hash__: Option<Py<PyAny>> = None;

    fn __repr__(&self) -> String {
        let key = self.lock();
        format!(
            "Key(key_id={:?}, bits={}, [redacted])",
            key.key_id().as_str(),
            key.bits()
        )
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, _error: &Bound<'_, pyo3::types::PyTuple>) {
        self.wipe();
    }

    #[allow(clippy::unused_self)]
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("a Key cannot be copied or pickled"))
    }

    /// # Safety
    /// Called by Python with a view to fill.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let (start, len) = span(slf.get().lock().secret());
        // SAFETY: the bytes are on the heap and live, at one place, as long as the Key that the view refers to
        unsafe { fill(slf.into_any(), view, flags, start, len) }
    }
}

#[pymethods]
impl Entropy {
    #[getter]
    fn bits(&self) -> u32 {
        self.lock().bits()
    }

    #[getter]
    fn warnings(&self) -> Vec<Problem> {
        problems(self.lock().warnings())
    }

    fn hex(&self) -> String {
        use std::fmt::Write as _;
        self.lock()
            .secret()
            .expose()
            .iter()
            .fold(String::new(), |mut text, byte| {
                // writing to a String cannot fail
                let _ = write!(text, "{byte:02x}");
                text
            })
    }

    pub fn wipe(&self) {
        self.lock().wipe();
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.lock().secret().expose())
    }

    fn __len__(&self) -> usize {
        self.lock().secret().len()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> Py<PyAny> {
        compare(other, |other: &Self| are_equal(&self.0, &other.0))
    }

    #[classattr]
    const __hash__: Option<Py<PyAny>> = None;

    fn __repr__(&self) -> String {
        format!("Entropy(bits={}, [redacted])", self.lock().bits())
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, _error: &Bound<'_, pyo3::types::PyTuple>) {
        self.wipe();
    }

    #[allow(clippy::unused_self)]
    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err("an Entropy cannot be copied or pickled"))
    }

    /// # Safety
    /// Called by Python with a view to fill.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let (start, len) = span(slf.get().lock().secret());
        // SAFETY: the bytes are on the heap and live, at one place, as long as the Entropy that the view refers to
        unsafe { fill(slf.into_any(), view, flags, start, len) }
    }
}

/// What `==` gives: `NotImplemented` for another type.
fn compare<T: PyClass<Frozen = True> + Sync>(other: &Bound<'_, PyAny>, equal: impl FnOnce(&T) -> bool) -> Py<PyAny> {
    match other.cast::<T>() {
        Ok(other) => PyBool::new(other.py(), equal(other.get()))
            .to_owned()
            .into_any()
            .unbind(),
        Err(_) => other.py().NotImplemented(),
    }
}

/// Compares in constant time. The locks are taken in the order of addresses, so that two threads cannot wait for each other.
fn are_equal<T: PartialEq>(one: &Mutex<T>, other: &Mutex<T>) -> bool {
    if ptr::eq(one, other) {
        return true;
    }
    let (first, second) = if ptr::from_ref(one) < ptr::from_ref(other) {
        (one, other)
    } else {
        (other, one)
    };
    let first = first.lock().unwrap_or_else(PoisonError::into_inner);
    let second = second.lock().unwrap_or_else(PoisonError::into_inner);
    *first == *second
}

fn span(secret: &Secret) -> (*const u8, usize) {
    (secret.expose().as_ptr(), secret.len())
}

/// Fills a read-only view of bytes that belong to `owner`; the view keeps it alive. After a wipe the view reads zeros.
///
/// # Safety
/// `start` and `len` name memory that lives as long as `owner`; `view` is null or may be written.
unsafe fn fill(
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
    // SAFETY: promised by the caller; PyBuffer_FillInfo checks for null and takes its own reference to owner
    let filled =
        unsafe { ffi::PyBuffer_FillInfo(view, owner.as_ptr(), start.cast::<c_void>().cast_mut(), len, 1, flags) };
    if filled == 0 {
        Ok(())
    } else {
        Err(PyErr::fetch(owner.py()))
    }
}

/// Writes everything to a descriptor that stays open and belongs to the caller.
#[cfg(unix)]
fn write_to(file_descriptor: i32, bytes: &[u8]) -> std::io::Result<()> {
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

/// Python's descriptors on Windows are of a C library that is not ours.
#[cfg(not(unix))]
fn write_to(_file_descriptor: i32, _bytes: &[u8]) -> std::io::Result<()> {
    Err(std::io::Error::new(
        std::io::ErrorKind::Unsupported,
        "writing to a descriptor is not supported on Windows: use memoryview(key)",
    ))
}
