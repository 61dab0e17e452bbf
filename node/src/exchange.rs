//! Requests and replies without I/O.

use std::fmt::Write as _;

use skip_client::{Answer, BitLength, Headers, Key, KeyId, Request, Rules, SystemId, parse_response};
use wasm_bindgen::prelude::*;

use crate::buffer;
use crate::error::{OrThrow, thrown};
use crate::json::{array, member, problems, string};

/// One request, for as long as a call from JavaScript takes.
#[wasm_bindgen]
pub struct Exchange {
    request: Request,
    lenient: bool,
}

#[wasm_bindgen]
impl Exchange {
    /// `GET /capabilities`.
    #[must_use]
    pub fn capabilities(lenient: bool) -> Exchange {
        Exchange {
            request: Request::capabilities(),
            lenient,
        }
    }

    /// `GET /key`.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub fn new_key(remote: &str, size: Option<String>, lenient: bool) -> Result<Exchange, JsValue> {
        let request = SystemId::new(remote)
            .and_then(|remote| Request::new_key(&remote, bits(size)?))
            .or_throw()?;
        Ok(Exchange { request, lenient })
    }

    /// `GET /key/{keyId}`.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub fn key_by_id(key_id: &str, remote: &str, lenient: bool) -> Result<Exchange, JsValue> {
        let key_id = self::key_id(key_id, lenient).or_throw()?;
        let request = SystemId::new(remote)
            .and_then(|remote| Request::key_by_id(&key_id, &remote))
            .or_throw()?;
        Ok(Exchange { request, lenient })
    }

    /// `GET /entropy`.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub fn entropy(minentropy: Option<String>, lenient: bool) -> Result<Exchange, JsValue> {
        let request = Request::entropy(bits(minentropy).or_throw()?);
        Ok(Exchange { request, lenient })
    }

    /// Path and query.
    #[must_use]
    pub fn target(&self) -> String {
        self.request.target().to_owned()
    }

    /// Reads the reply in the buffer. The result is JSON text; a secret is left in the buffer, and its length is in `bytes`.
    ///
    /// # Errors
    /// What the status stands for, or what is wrong with the reply.
    pub fn parse(
        &self,
        status: u16,
        content_type: Option<String>,
        content_encoding: Option<String>,
        reserved: usize,
        length: usize,
    ) -> Result<String, JsValue> {
        let headers = Headers {
            content_type,
            content_encoding,
            retry_after: None,
        };
        let parsed = buffer::read(reserved, length, |body| {
            parse_response(&self.request, status, &headers, body, Rules::of_lenient(self.lenient))
        });
        match parsed {
            Ok(answer) => Ok(answer_json(&answer)),
            Err(error) => Err(thrown(&error)),
        }
    }
}

fn bits(text: Option<String>) -> skip_client::Result<Option<BitLength>> {
    text.map(|digits| digits.parse()).transpose()
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
            key_json(&mut out, key);
            key.warnings()
        }
        Answer::Entropy(entropy) => {
            buffer::leave(entropy.secret().expose());
            let _ = write!(out, "\"bits\":{},\"bytes\":{}", entropy.bits(), entropy.secret().len());
            entropy.warnings()
        }
    };
    out.push_str(",\"warnings\":");
    problems(&mut out, warnings);
    out.push('}');
    out
}

fn key_json(out: &mut String, key: &Key) {
    buffer::leave(key.secret().expose());
    member(out, "keyId", key.key_id().as_str());
    // writing to a String cannot fail
    let _ = write!(out, ",\"bits\":{},\"bytes\":{}", key.bits(), key.secret().len());
}
