//! Messages without secrets: capabilities, problems, connections, and validation.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use skip_client::{MessageKind, Rules, SchemaStyle};

use crate::arguments::text;
use crate::errors::{OrRaise, raise};
use crate::values::{self, Reduced};

/// The capabilities of a Key Provider (draft 4.1).
#[pyclass(frozen, eq, module = "skip_client", get_all)]
#[derive(PartialEq, Eq)]
pub struct Capabilities {
    local_system_id: String,
    remote_system_ids: Vec<String>,
    algorithm: String,
    supports_key: bool,
    supports_entropy: bool,
    warnings: Vec<Problem>,
}

impl From<&skip_client::Capabilities> for Capabilities {
    fn from(found: &skip_client::Capabilities) -> Self {
        Self {
            local_system_id: found.local_system_id().to_owned(),
            remote_system_ids: found.remote_system_ids().to_vec(),
            algorithm: found.algorithm().to_owned(),
            supports_key: found.supports_key(),
            supports_entropy: found.supports_entropy(),
            warnings: problems(found.warnings()),
        }
    }
}

#[pymethods]
impl Capabilities {
    #[new]
    #[pyo3(signature = (
        local_system_id, remote_system_ids, algorithm="", supports_key=true, supports_entropy=true, warnings=Vec::new()
    ))]
    fn new(
        local_system_id: String,
        remote_system_ids: Vec<String>,
        algorithm: &str,
        supports_key: bool,
        supports_entropy: bool,
        warnings: Vec<Problem>,
    ) -> Self {
        Self {
            local_system_id,
            remote_system_ids,
            algorithm: algorithm.to_owned(),
            supports_key,
            supports_entropy,
            warnings,
        }
    }

    fn matches_remote(&self, id: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(skip_client::matches_remote(&self.remote_system_ids, &text("id", id)?))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        values::repr(slf.as_any(), &CAPABILITIES)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Reduced<'py>> {
        values::reduce(slf.as_any(), &CAPABILITIES)
    }
}

const CAPABILITIES: [&str; 6] = [
    "local_system_id",
    "remote_system_ids",
    "algorithm",
    "supports_key",
    "supports_entropy",
    "warnings",
];

/// A problem with a message.
#[pyclass(frozen, eq, hash, module = "skip_client", get_all, from_py_object)]
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
    #[new]
    #[pyo3(signature = (path, code, message, severity="error", section=""))]
    fn new(path: String, code: String, message: String, severity: &str, section: &str) -> Self {
        Self {
            path,
            code,
            message,
            severity: severity.to_owned(),
            section: section.to_owned(),
        }
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        values::repr(slf.as_any(), &PROBLEM)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Reduced<'py>> {
        values::reduce(slf.as_any(), &PROBLEM)
    }
}

const PROBLEM: [&str; 5] = ["path", "code", "message", "severity", "section"];

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
#[pyclass(frozen, eq, module = "skip_client", get_all)]
#[derive(PartialEq, Eq)]
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
    #[new]
    #[pyo3(signature = (url, address, tls_version, cipher_suite, group=None, warnings=Vec::new()))]
    fn new(
        url: String,
        address: String,
        tls_version: String,
        cipher_suite: String,
        group: Option<String>,
        warnings: Vec<String>,
    ) -> Self {
        Self {
            url,
            address,
            tls_version,
            cipher_suite,
            group,
            warnings,
        }
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        values::repr(slf.as_any(), &CONNECTION)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Reduced<'py>> {
        values::reduce(slf.as_any(), &CONNECTION)
    }
}

const CONNECTION: [&str; 6] = ["url", "address", "tls_version", "cipher_suite", "group", "warnings"];

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

/// `schema` goes first.
fn rules(py: Python<'_>, lenient: Option<bool>, strict: Option<bool>, schema: &str) -> PyResult<Rules> {
    let lenient = is_lenient(py, lenient, strict)?;
    Ok(match style(py, "schema", schema)? {
        SchemaStyle::AsPublished => Rules::AsPublished,
        SchemaStyle::Strict => Rules::of_lenient(lenient),
    })
}

/// `strict`, the opposite of `lenient`, is accepted until 1.0.
pub fn is_lenient(py: Python<'_>, lenient: Option<bool>, strict: Option<bool>) -> PyResult<bool> {
    if lenient.is_some() && lenient == strict {
        let error =
            skip_client::Error::invalid_argument("strict", "contradicts lenient, its opposite", "give lenient alone");
        return Err(raise(py, &error));
    }
    Ok(lenient.or(strict.map(|strict| !strict)).unwrap_or_default())
}

fn style(py: Python<'_>, field: &str, name: &str) -> PyResult<SchemaStyle> {
    match name {
        "strict" => Ok(SchemaStyle::Strict),
        "as-published" => Ok(SchemaStyle::AsPublished),
        _ => {
            let rule = "must be strict or as-published";
            Err(raise(
                py,
                &skip_client::Error::invalid_argument(field, rule, "strict is the default"),
            ))
        }
    }
}

fn kind(py: Python<'_>, name: &str) -> PyResult<MessageKind> {
    name.parse().or_raise(py)
}

#[pyfunction]
#[pyo3(signature = (kind, data, *, lenient=None, schema="strict", strict=None))]
pub fn validate(
    py: Python<'_>,
    kind: &str,
    data: &Bound<'_, PyAny>,
    lenient: Option<bool>,
    schema: &str,
    strict: Option<bool>,
) -> PyResult<Vec<Problem>> {
    let (kind, rules) = (self::kind(py, kind)?, rules(py, lenient, strict, schema)?);
    with_bytes(data, |bytes| problems(&skip_client::validate(kind, bytes, rules)))
}

#[pyfunction]
#[pyo3(signature = (kind, data, *, lenient=None, schema="strict", strict=None))]
pub fn is_valid(
    py: Python<'_>,
    kind: &str,
    data: &Bound<'_, PyAny>,
    lenient: Option<bool>,
    schema: &str,
    strict: Option<bool>,
) -> PyResult<bool> {
    let (kind, rules) = (self::kind(py, kind)?, rules(py, lenient, strict, schema)?);
    with_bytes(data, |bytes| skip_client::is_valid(kind, bytes, rules))
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
    Ok(skip_client::schema(
        self::kind(py, kind)?,
        self::style(py, "style", style)?,
    ))
}
