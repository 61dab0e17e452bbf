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
use crate::error::text;
use crate::json::{array, member, problems, string};

/// Path and query of a request. `kind` counts the methods in the order of `RequestKind`; texts that it does not take are ignored, and
/// no `bits` are an empty text.
///
/// # Errors
/// `invalid_argument`.
#[wasm_bindgen]
pub fn request_target(kind: u32, remote: &str, key_id: &str, bits: &str, lenient: bool) -> String {
    text(request(kind, remote, key_id, bits, lenient).map(|request| request.target().to_owned()))
}

/// Reads the reply in the buffer. The first five arguments are those of [`request_target`]; headers that are missing are empty. The
/// result is JSON text; a secret is left in the buffer, and its length is in `bytes`.
///
/// # Errors
/// `invalid_argument`, what the status stands for, or what is wrong with the reply.
#[wasm_bindgen]
#[allow(clippy::too_many_arguments)] // an object of wasm-bindgen would be larger than all that it holds
pub fn parse_reply(
    kind: u32,
    remote: &str,
    id: &str,
    bits: &str,
    lenient: bool,
    content_type: &str,
    content_encoding: &str,
    status: u16,
    reserved: usize,
    length: usize,
) -> String {
    let header = |value: &str| (!value.is_empty()).then(|| value.to_owned());
    let headers = Headers {
        content_type: header(content_type),
        content_encoding: header(content_encoding),
        retry_after: None,
    };
    let answer = buffer::read(reserved, length, |body| {
        let request = request(kind, remote, id, bits, lenient)?;
        parse_response(&request, status, &headers, body, Rules::of_lenient(lenient))
    });
    text(answer.map(|answer| answer_json(&answer)))
}

/// Writes the key in the buffer in the form of a consumer, leaves that in the buffer instead, and returns its length.
///
/// # Errors
/// `invalid_argument` when the consumer does not take this key or keyId.
#[wasm_bindgen]
pub fn export_key(id: &str, format: &str, length: usize) -> String {
    let key = buffer::read(0, length, Secret::copy_of);
    let exported =
        KeyId::parse(id, Rules::Lenient).and_then(|id| Key::new(id, key).export(format.parse::<ExportFormat>()?));
    text(exported.map(|exported| buffer::leave(&exported)))
}

fn request(kind: u32, remote: &str, id: &str, bits: &str, lenient: bool) -> skip_client::Result<Request> {
    let remote = || SystemId::new(remote);
    let bits = || match bits {
        "" => Ok(None),
        digits => digits.parse::<BitLength>().map(Some),
    };
    match kind {
        0 => Ok(Request::capabilities()),
        1 => Request::new_key(&remote()?, bits()?),
        2 => Request::key_by_id(&key_id(id, lenient)?, &remote()?),
        _ => Ok(Request::entropy(bits()?)),
    }
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
    let bytes = buffer::leave(secret.expose());
    let comma = if out.ends_with('{') { "" } else { "," };
    // writing to a String cannot fail
    let _ = write!(out, "{comma}\"bits\":{bits},\"bytes\":{bytes}");
}
