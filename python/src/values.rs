//! What all classes of plain values do alike: `repr` is a call of the constructor, and copies are made by such a call.

use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

/// What `__reduce__` returns: the class, and the arguments that make an equal object.
pub type Reduced<'py> = (Bound<'py, PyType>, Bound<'py, PyTuple>);

/// `Name(field=value, ...)`.
pub fn repr(object: &Bound<'_, PyAny>, fields: &[&str]) -> PyResult<String> {
    let shown = |field: &&str| Ok(format!("{field}={}", quoted(&object.getattr(*field)?)?));
    let fields = fields.iter().map(shown).collect::<PyResult<Vec<_>>>()?;
    Ok(format!("{}({})", object.get_type().name()?, fields.join(", ")))
}

/// For `copy` and `pickle`: the fields are the constructor's arguments, in its order.
pub fn reduce<'py>(object: &Bound<'py, PyAny>, fields: &[&str]) -> PyResult<Reduced<'py>> {
    let values = fields.iter().map(|field| object.getattr(*field));
    let values = PyTuple::new(object.py(), values.collect::<PyResult<Vec<_>>>()?)?;
    Ok((object.get_type(), values))
}

/// A value in Python's spelling.
pub fn quoted(value: &Bound<'_, PyAny>) -> PyResult<String> {
    value.repr()?.extract()
}

/// A text in Python's spelling.
pub fn quoted_text(py: Python<'_>, text: &str) -> PyResult<String> {
    quoted(text.into_pyobject(py)?.as_any())
}
