//! Errors of the core as what JavaScript makes a `SkipError` of.

use std::fmt::Write as _;

use skip_client::error::Spelling;
use skip_client::{Error, Result};

use crate::json::{member, string};

/// The spelling of `FrontEnd::Node`, for the few names in the errors of requests and replies. With the other front ends, it would make
/// up a quarter of the package.
struct Node;

impl Spelling for Node {
    fn name(&self, name: &str) -> String {
        match name {
            "remoteSystemID" => "remote",
            other => other,
        }
        .to_owned()
    }

    fn setting(&self, name: &str, value: &str) -> String {
        [name, ": ", value].concat()
    }
}

/// A result as text, or the parts of the error as JSON text behind an exclamation mark, with which no result begins.
///
/// A `Result` would be thrown by wasm-bindgen, but its table of references to JavaScript's values is 1 KB of the package.
pub fn text(result: Result<String>) -> String {
    result.unwrap_or_else(|error| thrown(&error))
}

fn thrown(error: &Error) -> String {
    let mut out = String::from("!{");
    member(&mut out, "code", error.code().as_str());
    member(&mut out, "message", &error.message_in(&Node));
    member(&mut out, "hint", &error.hint_in(&Node));
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
