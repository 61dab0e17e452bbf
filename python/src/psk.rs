//! TLS pre-shared keys.

use std::path::PathBuf;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use skip_client::{Error, credentials};
use zeroize::Zeroizing;

use crate::arguments::text;
use crate::errors::OrRaise;
use crate::secrets::no_copies;
use crate::values::quoted_text;

/// An identity and its key.
#[pyclass(frozen, module = "skip_client")]
pub struct Psk(pub(crate) skip_client::Psk);

#[pymethods]
impl Psk {
    #[new]
    #[pyo3(signature = (identity, *, hex=None, text=None, base64=None, raw=None))]
    fn new(
        identity: &Bound<'_, PyAny>,
        hex: Option<&Bound<'_, PyAny>>,
        text: Option<&Bound<'_, PyAny>>,
        base64: Option<&Bound<'_, PyAny>>,
        raw: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = identity.py();
        let identity = crate::arguments::text("identity", identity)?;
        let psk = match (hex, text, base64, raw) {
            (Some(digits), None, None, None) => skip_client::Psk::from_hex(
                &identity,
                &Zeroizing::new(crate::arguments::text("hex", digits)?.into_bytes()),
            ),
            (None, Some(words), None, None) => {
                skip_client::Psk::from_text(&identity, &Zeroizing::new(crate::arguments::text("text", words)?))
            }
            (None, None, Some(digits), None) => skip_client::Psk::from_base64(
                &identity,
                &Zeroizing::new(crate::arguments::text("base64", digits)?.into_bytes()),
            ),
            (None, None, None, Some(bytes)) => {
                let buffer: PyBuffer<u8> =
                    PyBuffer::get(bytes).map_err(|_| PyTypeError::new_err("raw must be bytes-like"))?;
                let mut copy = Zeroizing::new(vec![0; buffer.item_count()]);
                buffer.copy_to_slice(py, &mut copy)?;
                skip_client::Psk::from_bytes(&identity, &copy)
            }
            _ => Err(Error::invalid_argument(
                "psk",
                "must have the key in exactly one form: hex, text, base64 or raw",
                "the same characters are another key in another form, so say which it is",
            )),
        };
        psk.or_raise(py).map(Self)
    }

    #[staticmethod]
    #[pyo3(signature = (path, identity=None))]
    fn from_file(py: Python<'_>, path: PathBuf, identity: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let identity = identity.map(|identity| text("identity", identity)).transpose()?;
        let content = credentials::file("psk", &path).or_raise(py)?;
        skip_client::Psk::from_file_content(&content, identity.as_deref())
            .or_raise(py)
            .map(Self)
    }

    #[getter]
    fn identity(&self) -> &str {
        self.0.identity()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Psk({}, [redacted])", quoted_text(py, self.0.identity())?))
    }

    #[allow(clippy::unused_self)]
    fn __reduce__(&self) -> PyResult<()> {
        Err(no_copies("Psk"))
    }
}
