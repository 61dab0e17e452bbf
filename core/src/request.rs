//! The six requests of Table 2.

use crate::bits::BitLength;
use crate::error::{Error, Result};
use crate::key_id::KeyId;
use crate::system_id::SystemId;

/// One request to a Key Provider, without any I/O: a GET of [`Request::target`], whose reply is parsed by
/// [`parse_response`](crate::parse_response).
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

/// The method of a request, as in the draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// `GET /capabilities` (draft 4.1).
    Capabilities,
    /// `GET /key`: a fresh key (draft 4.2).
    NewKey,
    /// `GET /key/{keyId}`: the key that the other end received with that keyId (draft 4.2).
    KeyById,
    /// `GET /entropy` (draft 4.3).
    Entropy,
}

impl Request {
    /// Method 1 of Table 2: the KP's capabilities.
    #[must_use]
    pub fn capabilities() -> Self {
        Self {
            kind: RequestKind::Capabilities,
            target: "/capabilities".into(),
            bits: None,
            key_id: None,
        }
    }

    /// Methods 2 and 3 of Table 2: a fresh key shared with the KP `remote`, of `size` bits or of the KP's default size.
    ///
    /// # Errors
    /// `invalid_argument` if `remote` is a pattern: a pattern does not identify a single KP.
    pub fn new_key(remote: &SystemId, size: Option<BitLength>) -> Result<Self> {
        let mut target = String::from("/key");
        push_remote(&mut target, remote)?;
        push_bits(&mut target, "&size=", size);
        Ok(Self {
            kind: RequestKind::NewKey,
            target,
            bits: size,
            key_id: None,
        })
    }

    /// Method 4 of Table 2: the key that the KP `remote` issued with `key_id`.
    ///
    /// # Errors
    /// `invalid_argument` if `remote` is a pattern: a pattern does not identify a single KP.
    pub fn key_by_id(key_id: &KeyId, remote: &SystemId) -> Result<Self> {
        let mut target = String::from("/key/");
        target.push_str(key_id.as_str());
        push_remote(&mut target, remote)?;
        Ok(Self {
            kind: RequestKind::KeyById,
            target,
            bits: None,
            key_id: Some(key_id.clone()),
        })
    }

    /// Methods 5 and 6 of Table 2: at least `bits` random bits, or the KP's default.
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

    /// The method of this request.
    #[must_use]
    pub fn kind(&self) -> RequestKind {
        self.kind
    }

    /// The request target below the KP's base URL: path and query, percent-encoded, beginning with `/`.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The requested size or minentropy.
    pub(crate) fn bits(&self) -> Option<BitLength> {
        self.bits
    }

    /// The requested keyId.
    pub(crate) fn key_id(&self) -> Option<&KeyId> {
        self.key_id.as_ref()
    }
}

/// Characters that RFC 3986 allows in a query and that separate nothing there stay as they are, because some Key Providers do not
/// decode. Everything else is percent-encoded, including the space (`%20`, never `+`).
fn push_remote(target: &mut String, remote: &SystemId) -> Result<()> {
    if remote.is_pattern() {
        return Err(Error::remote_is_pattern());
    }
    target.push_str("?remoteSystemID=");
    for byte in remote.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'@' | b'/' | b';' | b'\'')
        {
            target.push(char::from(byte));
            continue;
        }
        target.push('%');
        for digit in [byte >> 4, byte & 0xF] {
            target.push(char::from(digit + if digit < 10 { b'0' } else { b'A' - 10 }));
        }
    }
    Ok(())
}

fn push_bits(target: &mut String, name: &str, bits: Option<BitLength>) {
    if let Some(bits) = bits {
        target.push_str(name);
        target.push_str(&bits.to_string());
    }
}
