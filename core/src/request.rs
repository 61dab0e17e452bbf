//! The six requests of Table 2.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::bits::BitLength;
use crate::error::{Error, Result};
use crate::key_id::KeyId;
use crate::system_id::SystemId;

/// Everything but the unreserved characters of RFC 3986 is percent-encoded, also the space (`%20`, never `+`).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One request to a Key Provider, without any I/O: a GET of [`Request::target`], to be answered by what
/// [`parse_response`](crate::parse_response) reads.
///
/// ```
/// use skip_client::{BitLength, Request};
/// let request = Request::new_key(&"Bob".parse()?, Some(BitLength::new(128)?))?;
/// assert_eq!(request.target(), "/key?remoteSystemID=Bob&size=128");
/// # Ok::<(), skip_client::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    kind: RequestKind,
    target: String,
    bits: Option<BitLength>,
    key_id: Option<KeyId>,
}

/// Which of the draft's methods a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// `GET /capabilities` (draft 4.1).
    Capabilities,
    /// `GET /key`: a fresh key (draft 4.2).
    NewKey,
    /// `GET /key/{keyId}`: the key that the other end knows by that keyId (draft 4.2).
    KeyById,
    /// `GET /entropy` (draft 4.3).
    Entropy,
}

impl Request {
    /// Method 1 of Table 2: what the KP offers.
    #[must_use]
    pub fn capabilities() -> Self {
        Self {
            kind: RequestKind::Capabilities,
            target: "/capabilities".into(),
            bits: None,
            key_id: None,
        }
    }

    /// Methods 2 and 3 of Table 2: a fresh key shared with the KP `remote`, of `size` bits or of the KP's default.
    ///
    /// # Errors
    /// `invalid_argument` when `remote` is a pattern: a pattern names no single KP.
    pub fn new_key(remote: &SystemId, size: Option<BitLength>) -> Result<Self> {
        let mut target = format!("/key?remoteSystemID={}", encode_remote(remote)?);
        push_bits(&mut target, "&size=", size);
        Ok(Self {
            kind: RequestKind::NewKey,
            target,
            bits: size,
            key_id: None,
        })
    }

    /// Method 4 of Table 2: the key that the KP `remote` gave out under `key_id`.
    ///
    /// # Errors
    /// `invalid_argument` when `remote` is a pattern: a pattern names no single KP.
    pub fn key_by_id(key_id: &KeyId, remote: &SystemId) -> Result<Self> {
        let target = format!("/key/{key_id}?remoteSystemID={}", encode_remote(remote)?);
        Ok(Self {
            kind: RequestKind::KeyById,
            target,
            bits: None,
            key_id: Some(key_id.clone()),
        })
    }

    /// Methods 5 and 6 of Table 2: random bytes of at least `bits` bits, or of the KP's default.
    #[must_use]
    pub fn entropy(bits: Option<BitLength>) -> Self {
        let mut target = String::from("/entropy");
        push_bits(&mut target, "?minentropy=", bits);
        Self {
            kind: RequestKind::Entropy,
            target,
            bits,
            key_id: None,
        }
    }

    /// Which method this is.
    #[must_use]
    pub fn kind(&self) -> RequestKind {
        self.kind
    }

    /// The request target below the KP's base URL: path and query, percent-encoded, beginning with `/`.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The size or minentropy asked for.
    pub(crate) fn bits(&self) -> Option<BitLength> {
        self.bits
    }

    /// The keyId asked for.
    pub(crate) fn key_id(&self) -> Option<&KeyId> {
        self.key_id.as_ref()
    }
}

fn encode_remote(remote: &SystemId) -> Result<impl std::fmt::Display + '_> {
    if remote.is_pattern() {
        return Err(Error::remote_is_pattern());
    }
    Ok(utf8_percent_encode(remote.as_str(), RESERVED))
}

fn push_bits(target: &mut String, name: &str, bits: Option<BitLength>) {
    if let Some(bits) = bits {
        // writing to a String cannot fail
        let _ = write!(target, "{name}{bits}");
    }
}
