//! Errors of the core as what JavaScript makes a `SkipError` of.

use std::fmt::Write as _;

use skip_client::Error;
use wasm_bindgen::prelude::*;

use crate::json::{member, string};

/// What is thrown: the parts of the error as JSON text.
pub fn thrown(error: &Error) -> JsValue {
    let mut out = String::from("{");
    member(&mut out, "code", error.code().as_str());
    member(&mut out, "message", error.message());
    member(&mut out, "hint", error.hint());
    member(&mut out, "advice", error.advice().as_str());
    if let Some(status) = error.status() {
        // writing to a String cannot fail
        let _ = write!(out, ",\"status\":{status}");
    }
    if let Some(text) = error.provider_text() {
        out.push_str(",\"providerText\":");
        string(&mut out, text);
    }
    out.push('}');
    JsValue::from_str(&out)
}

/// Gives results of the core to JavaScript.
pub trait OrThrow<T> {
    /// The value, or what is thrown.
    fn or_throw(self) -> Result<T, JsValue>;
}

impl<T> OrThrow<T> for Result<T, Error> {
    fn or_throw(self) -> Result<T, JsValue> {
        self.map_err(|error| thrown(&error))
    }
}
