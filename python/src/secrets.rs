//! Keys and random bytes: read through the buffer protocol without a copy, wiped on request and when collected. Once wiped, access
//! raises an exception.
// for the code that PyO3 generates from `__getbuffer__` inside a macro
#![allow(unsafe_code, unsafe_op_in_unsafe_fn)]

use std::ffi::c_int;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};
use pyo3::{IntoPyObjectExt, ffi};
use skip_client::residue::clear_after_copy;
use skip_client::{ExportFormat, Secret};

use crate::buffer;
use crate::errors::OrRaise;
use crate::messages::{Problem, problems};
use crate::values::quoted_text;

/// The error for `copy` and `pickle`.
pub fn no_copies(class: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "{class} objects cannot be copied or pickled: nothing would wipe the copy"
    ))
}

/// Defines a class that holds a secret: the common methods, and those of this class.
macro_rules! secret_class {
    ($(#[$doc:meta])* $name:ident { $($methods:tt)* }) => {
        $(#[$doc])*
        #[pyclass(frozen, module = "skip_client")]
        pub struct $name(Mutex<skip_client::$name>);

        impl From<skip_client::$name> for $name {
            fn from(secret: skip_client::$name) -> Self {
                Self(Mutex::new(secret))
            }
        }

        impl $name {
            /// Never held while Python code runs (raising an error does): another thread could wait for it with the GIL.
            fn lock(&self) -> MutexGuard<'_, skip_client::$name> {
                self.0.lock().unwrap_or_else(PoisonError::into_inner)
            }

            /// Reads the bytes; `read` runs no Python code.
            fn read<T>(&self, py: Python<'_>, read: impl FnOnce(&[u8]) -> T) -> PyResult<T> {
                let found = self.lock().secret().try_expose().map(read);
                found.or_raise(py)
            }
        }

        #[pymethods]
        impl $name {
            $($methods)*

            #[getter]
            fn bits(&self) -> u32 {
                self.lock().bits()
            }

            #[getter]
            fn warnings(&self) -> Vec<Problem> {
                problems(self.lock().warnings())
            }

            fn hex<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
                let digits = self.lock().secret().hex();
                let digits = digits.or_raise(py)?;
                // no String between: nobody would wipe it
                clear_after_copy(|| PyString::from_bytes(py, &digits))
            }

            pub fn wipe(&self) {
                self.lock().wipe();
            }

            fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
                self.read(py, |bytes| clear_after_copy(|| PyBytes::new(py, bytes)))
            }

            fn __len__(&self) -> usize {
                self.lock().secret().len()
            }

            fn __eq__(&self, other: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
                let py = other.py();
                let Ok(other) = other.cast::<Self>() else {
                    return Ok(py.NotImplemented());
                };
                // one lock at a time, so that two threads cannot deadlock
                let copy = other.get().read(py, Secret::copy_of)?;
                self.read(py, |_| ())?;
                let equal = *self.lock().secret() == copy;
                equal.into_py_any(py)
            }

            #[classattr]
            const __hash__: Option<Py<PyAny>> = None;

            fn __enter__(slf: Py<Self>) -> Py<Self> {
                slf
            }

            #[pyo3(signature = (*_error))]
            fn __exit__(&self, _error: &Bound<'_, PyTuple>) {
                self.wipe();
            }

            #[allow(clippy::unused_self)]
            fn __reduce__(&self) -> PyResult<()> {
                Err(no_copies(stringify!($name)))
            }

            /// # Safety
            /// Called by Python with a view to fill.
            unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
                let (start, len) = slf.get().read(slf.py(), |bytes| (bytes.as_ptr(), bytes.len()))?;
                // SAFETY: the bytes do not move while the object that the view refers to is alive
                unsafe { buffer::fill(slf.into_any(), view, flags, start, len) }
            }
        }
    };
}

secret_class! {
    /// A key and its keyId (draft 4.2).
    Key {
        #[getter]
        fn key_id(&self) -> String {
            self.lock().key_id().to_string()
        }

        #[getter]
        fn fingerprint(&self) -> String {
            self.lock().fingerprint()
        }

        fn export<'py>(&self, py: Python<'py>, format: &str) -> PyResult<Bound<'py, PyAny>> {
            let format: ExportFormat = format.parse().or_raise(py)?;
            let exported = self.lock().export(format);
            let exported = exported.or_raise(py)?;
            Ok(clear_after_copy(|| match std::str::from_utf8(&exported) {
                Ok(text) if format != ExportFormat::Raw => PyString::new(py, text).into_any(),
                _ => PyBytes::new(py, &exported).into_any(),
            }))
        }

        #[pyo3(signature = (file_descriptor, format="raw"))]
        fn export_to(&self, py: Python<'_>, file_descriptor: i32, format: &str) -> PyResult<()> {
            let format: ExportFormat = format.parse().or_raise(py)?;
            let exported = self.lock().export(format);
            let exported = exported.or_raise(py)?;
            py.detach(|| clear_after_copy(|| buffer::write_to(file_descriptor, &exported)))?;
            Ok(())
        }

        fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
            let (key_id, bits) = (self.key_id(), self.bits());
            Ok(format!("Key(key_id={}, bits={bits}, [redacted])", quoted_text(py, &key_id)?))
        }
    }
}

secret_class! {
    /// Random bytes (draft 4.3).
    Entropy {
        fn __repr__(&self) -> String {
            format!("Entropy(bits={}, [redacted])", self.lock().bits())
        }
    }
}
