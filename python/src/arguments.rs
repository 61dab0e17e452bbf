//! Arguments from Python: text, numbers of bits, seconds, files.

use std::path::PathBuf;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyInt, PyString};
use skip_client::{BitLength, Error};

use crate::errors::{OrRaise, raise};

/// Text that can be encoded as UTF-8; a `str` with lone surrogates is an invalid argument, not a `UnicodeEncodeError`.
pub fn text(field: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
    let Ok(text) = value.cast::<PyString>() else {
        return Err(PyTypeError::new_err(format!("{field} must be a str")));
    };
    let Ok(text) = text.to_str() else {
        let error = Error::invalid_argument(
            field,
            "has characters that UTF-8 cannot carry",
            "remove lone surrogates",
        );
        return Err(raise(value.py(), &error));
    };
    Ok(text.to_owned())
}

/// A length in bits.
pub fn bits(field: &'static str, value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<BitLength>> {
    let Some(value) = value else { return Ok(None) };
    if !value.is_instance_of::<PyInt>() || value.is_instance_of::<PyBool>() {
        return Err(PyTypeError::new_err(format!("{field} must be an int, in bits")));
    }
    let length = match value.extract::<u64>() {
        Ok(bits) => BitLength::new(bits),
        // negative, or out of range
        Err(_) => value.extract::<i64>().unwrap_or(i64::MAX).to_string().parse(),
    };
    length
        .map_err(|error| error.about(field))
        .or_raise(value.py())
        .map(Some)
}

/// PEM itself, or what the core reads: a path, or a `str` that begins with `-----BEGIN`.
pub enum Pem {
    Bytes(Vec<u8>),
    File(PathBuf),
}

/// PEM as bytes or `str`, or the path of a file that contains it.
pub fn pem(field: &str, value: &Bound<'_, PyAny>) -> PyResult<Pem> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Pem::Bytes(bytes.as_bytes().to_vec()));
    }
    value
        .extract()
        .map(Pem::File)
        .map_err(|_| PyTypeError::new_err(format!("{field} must be a path, or PEM as bytes or str")))
}
