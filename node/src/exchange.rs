//! Requests, replies and keys, without I/O.
//!
//! A request crosses as its arguments each time, so that JavaScript holds no object of the core that it would have to free, or that
//! would outlive a restart of the WebAssembly.

use std::fmt::Write as _;

use skip_client::{
    Answer, BitLength, ExportFormat, Headers, Key, KeyId, Request, Rules, Secret, SystemId, parse_response,
};
use wasm_bindgen::prelude::*;

use crate::buffer;
use crate::error::OrThrow;
use crate::json::{array, member, problems, string};

/// Path and query of a request. `kind` counts the methods in the order of `RequestKind`; `arguments` are remote, keyId and digits of
/// the bits, empty where there is none.
///
/// # Errors
/// `invalid_argument`.
#[wasm_bindgen]
pub fn request_target(kind: u32, arguments: Vec<String>, lenient: bool) -> Result<String, JsValue> {
    let request = request(kind, &arguments, lenient).or_throw()?;
    Ok(request.target().to_owned())
}

/// Reads the reply in the buffer. `arguments` are those of the request, Content-Type and Content-Encoding. The result is JSON text; a
/// secret is left in the buffer, and its length is in `bytes`.
///
/// # Errors
/// `invalid_argument`, what the status stands for, or what is wrong with the reply.
#[wasm_bindgen]
pub fn parse_reply(
    kind: u32,
    arguments: Vec<String>,
    lenient: bool,
    status: u16,
    reserved: usize,
    length: usize,
) -> Result<String, JsValue> {
    let header = |at: usize| arguments.get(at).filter(|value| !value.is_empty()).cloned();
    let headers = Headers {
        content_type: header(3),
        content_encoding: header(4),
        retry_after: None,
    };
    buffer::read(reserved, length, |body| {
        let request = request(kind, &arguments, lenient)?;
        parse_response(&request, status, &headers, body, Rules::of_lenient(lenient))
    })
    .map(|answer| answer_json(&answer))
    .or_throw()
}

/// Writes the key in the buffer in the form of a consumer, leaves that in the buffer instead, and returns its length. `arguments` are
/// the keyId and the format.
///
/// # Errors
/// `invalid_argument` when the consumer does not take this key or keyId.
#[wasm_bindgen]
pub fn export_key(arguments: Vec<String>, length: usize) -> Result<usize, JsValue> {
    let key = buffer::read(0, length, Secret::copy_of);
    let exported = KeyId::parse(argument(&arguments, 0), Rules::Lenient)
        .and_then(|id| Key::new(id, key).export(argument(&arguments, 1).parse::<ExportFormat>()?))
        .or_throw()?;
    buffer::leave(&exported);
    Ok(exported.len())
}

fn request(kind: u32, arguments: &[String], lenient: bool) -> skip_client::Result<Request> {
    let remote = || SystemId::new(argument(arguments, 0));
    let bits = || match argument(arguments, 2) {
        "" => Ok(None),
        digits => digits.parse::<BitLength>().map(Some),
    };
    match kind {
        0 => Ok(Request::capabilities()),
        1 => Request::new_key(&remote()?, bits()?),
        2 => Request::key_by_id(&key_id(argument(arguments, 1), lenient)?, &remote()?),
        _ => Ok(Request::entropy(bits()?)),
    }
}

fn argument(arguments: &[String], at: usize) -> &str {
    arguments.get(at).map_or("", String::as_str)
}

/// A keyId by the strict rules or the lenient ones.
pub fn key_id(text: &str, lenient: bool) -> skip_client::Result<KeyId> {
    KeyId::parse(text, Rules::of_lenient(lenient))
}

fn answer_json(answer: &Answer) -> String {
    let mut out = String::from("{");
    let warnings = match answer {
        Answer::Capabilities(capabilities) => {
            member(&mut out, "localSystemId", capabilities.local_system_id());
            member(&mut out, "algorithm", capabilities.algorithm());
            let (key, entropy) = (capabilities.supports_key(), capabilities.supports_entropy());
            // writing to a String cannot fail
            let _ = write!(
                out,
                ",\"supportsKey\":{key},\"supportsEntropy\":{entropy},\"remoteSystemIds\":"
            );
            array(&mut out, capabilities.remote_system_ids(), |out, id| string(out, id));
            capabilities.warnings()
        }
        Answer::Key(key) => {
            member(&mut out, "keyId", key.key_id().as_str());
            member(&mut out, "fingerprint", &key.fingerprint());
            secret_json(&mut out, key.bits(), key.secret());
            key.warnings()
        }
        Answer::Entropy(entropy) => {
            secret_json(&mut out, entropy.bits(), entropy.secret());
            entropy.warnings()
        }
    };
    out.push_str(",\"warnings\":");
    problems(&mut out, warnings);
    out.push('}');
    out
}

fn secret_json(out: &mut String, bits: u32, secret: &Secret) {
    buffer::leave(secret.expose());
    let comma = if out.ends_with('{') { "" } else { "," };
    // writing to a String cannot fail
    let _ = write!(out, "{comma}\"bits\":{bits},\"bytes\":{}", secret.len());
}
