//! Converts errors of the core to the exceptions of `skip_client.errors`.

use pyo3::prelude::*;
use skip_client::Error;
use skip_client::error::FrontEnd;

/// The Python exception for an error of the core.
pub fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let made = py.import("skip_client.errors").and_then(|module| {
        module.getattr("_from_core")?.call1((
            error.code().as_str(),
            error.message_in(&FrontEnd::Python),
            error.hint_in(&FrontEnd::Python),
            error.advice().as_str(),
            error.status(),
            error.provider_text(),
        ))
    });
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(broken) => broken,
    }
}

/// Converts results of the core for Python.
pub trait OrRaise<T> {
    /// The value, or the exception.
    fn or_raise(self, py: Python<'_>) -> PyResult<T>;
}

impl<T> OrRaise<T> for Result<T, Error> {
    fn or_raise(self, py: Python<'_>) -> PyResult<T> {
        self.map_err(|error| raise(py, &error))
    }
}
