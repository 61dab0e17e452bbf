//! Errors of the core as what JavaScript makes a `SkipError` of.

use std::fmt::Write as _;

use skip_client::{Error, Result};

use crate::json::{member, string};

/// A result as text, or the parts of the error as JSON text behind an exclamation mark, with which no result begins.
///
/// A `Result` would be thrown by wasm-bindgen, but its table of references to JavaScript's values is 1 KB of the package.
pub fn text(result: Result<String>) -> String {
    result.unwrap_or_else(|error| thrown(&error))
}

fn thrown(error: &Error) -> String {
    let mut out = String::from("!{");
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
    out
}
