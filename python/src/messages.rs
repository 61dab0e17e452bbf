//! Messages without secrets: capabilities, problems, connections, and validation.

use std::sync::Arc;

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use skip_client::{MessageKind, Rules, SchemaStyle};

use crate::arguments::text;
use crate::errors::{OrRaise, raise};

/// The capabilities of a Key Provider (draft 4.1).
#[pyclass(frozen, module = "skip_client")]
pub struct Capabilities(pub Arc<skip_client::Capabilities>);

#[pymethods]
impl Capabilities {
    #[getter]
    fn local_system_id(&self) -> &str {
        self.0.local_system_id()
    }

    #[getter]
    fn remote_system_ids(&self) -> Vec<String> {
        self.0.remote_system_ids().to_vec()
    }

    #[getter]
    fn algorithm(&self) -> &str {
        self.0.algorithm()
    }

    #[getter]
    fn supports_key(&self) -> bool {
        self.0.supports_key()
    }

    #[getter]
    fn supports_entropy(&self) -> bool {
        self.0.supports_entropy()
    }

    #[getter]
    fn warnings(&self) -> Vec<Problem> {
        problems(self.0.warnings())
    }

    fn matches_remote(&self, id: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.0.matches_remote(&text("id", id)?))
    }

    fn __repr__(&self) -> String {
        format!(
            "Capabilities(local_system_id={:?}, remote_system_ids={:?}, algorithm={:?}, supports_key={}, supports_entropy={})",
            self.0.local_system_id(),
            self.0.remote_system_ids(),
            self.0.algorithm(),
            if self.0.supports_key() { "True" } else { "False" },
            if self.0.supports_entropy() { "True" } else { "False" },
        )
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

/// A problem with a message.
#[pyclass(frozen, eq, hash, module = "skip_client", get_all)]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Problem {
    path: String,
    code: String,
    message: String,
    severity: String,
    section: String,
}

#[pymethods]
impl Problem {
    fn __repr__(&self) -> String {
        format!(
            "Problem(path={:?}, code={:?}, message={:?}, severity={:?}, section={:?})",
            self.path, self.code, self.message, self.severity, self.section
        )
    }
}

pub fn problems(list: &[skip_client::Problem]) -> Vec<Problem> {
    list.iter()
        .map(|p| Problem {
            path: p.path.clone(),
            code: p.code.to_owned(),
            message: p.message.clone(),
            severity: p.severity.as_str().to_owned(),
            section: p.section.to_owned(),
        })
        .collect()
}

/// Information about a connection.
#[pyclass(frozen, module = "skip_client", get_all)]
pub struct ConnectionInfo {
    url: String,
    address: String,
    tls_version: String,
    cipher_suite: String,
    group: Option<String>,
    warnings: Vec<String>,
}

impl From<skip_client::ConnectionInfo> for ConnectionInfo {
    fn from(info: skip_client::ConnectionInfo) -> Self {
        Self {
            url: info.url,
            address: info.address,
            tls_version: info.tls_version,
            cipher_suite: info.cipher_suite,
            group: info.group,
            warnings: info.warnings,
        }
    }
}

#[pymethods]
impl ConnectionInfo {
    fn __repr__(&self) -> String {
        format!(
            "ConnectionInfo(url={:?}, tls_version={:?}, cipher_suite={:?}, group={:?})",
            self.url,
            self.tls_version,
            self.cipher_suite,
            self.group.as_deref().unwrap_or("None")
        )
    }
}

/// Calls `judge` with the bytes of a message, without a copy if Python has them as bytes.
fn with_bytes<T>(data: &Bound<'_, PyAny>, judge: impl FnOnce(&[u8]) -> T) -> PyResult<T> {
    if let Ok(text) = data.cast::<PyString>() {
        if let Ok(text) = text.to_str() {
            return Ok(judge(text.as_bytes()));
        }
        // lone surrogates become invalid UTF-8, and so an invalid message
        let bytes = data.call_method1("encode", ("utf-8", "surrogatepass"))?;
        return Ok(judge(bytes.cast::<PyBytes>()?.as_bytes()));
    }
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(judge(bytes.as_bytes()));
    }
    let buffer: PyBuffer<u8> =
        PyBuffer::get(data).map_err(|_| PyTypeError::new_err("a message must be a str, or bytes-like"))?;
    let mut bytes = zeroize::Zeroizing::new(vec![0; buffer.item_count()]);
    buffer.copy_to_slice(data.py(), &mut bytes)?;
    Ok(judge(&bytes))
}

/// `strict`, the opposite of `lenient`, is accepted until 1.0.
fn rules(lenient: bool, strict: Option<bool>) -> Rules {
    Rules::of_lenient(strict.map_or(lenient, |strict| !strict))
}

fn kind(py: Python<'_>, name: &str) -> PyResult<MessageKind> {
    name.parse().or_raise(py)
}

#[pyfunction]
#[pyo3(name = "validate", signature = (kind, data, *, lenient=false, strict=None))]
pub fn validate(
    py: Python<'_>,
    kind: &str,
    data: &Bound<'_, PyAny>,
    lenient: bool,
    strict: Option<bool>,
) -> PyResult<Vec<Problem>> {
    let kind = self::kind(py, kind)?;
    with_bytes(data, |bytes| {
        problems(&skip_client::validate(kind, bytes, rules(lenient, strict)))
    })
}

#[pyfunction]
#[pyo3(signature = (kind, data, *, lenient=false, strict=None))]
pub fn is_valid(
    py: Python<'_>,
    kind: &str,
    data: &Bound<'_, PyAny>,
    lenient: bool,
    strict: Option<bool>,
) -> PyResult<bool> {
    let kind = self::kind(py, kind)?;
    with_bytes(data, |bytes| skip_client::is_valid(kind, bytes, rules(lenient, strict)))
}

#[pyfunction]
pub fn matches_remote(remote_system_ids: Vec<Bound<'_, PyAny>>, id: &Bound<'_, PyAny>) -> PyResult<bool> {
    let entries = remote_system_ids
        .iter()
        .map(|entry| text("remote_system_ids", entry))
        .collect::<PyResult<Vec<_>>>()?;
    Ok(skip_client::matches_remote(&entries, &text("id", id)?))
}

#[pyfunction]
pub fn schema_text(py: Python<'_>, kind: &str, style: &str) -> PyResult<&'static str> {
    let kind = self::kind(py, kind)?;
    let style = match style {
        "strict" => SchemaStyle::Strict,
        "as-published" => SchemaStyle::AsPublished,
        _ => {
            let error = skip_client::Error::invalid_argument(
                "style",
                "must be strict or as-published",
                "strict is the default",
            );
            return Err(raise(py, &error));
        }
    };
    Ok(skip_client::schema(kind, style))
}
