//! Requests that parse their own replies.

use crate::bits::BitLength;
use crate::capabilities::Capabilities;
use crate::entropy::Entropy;
use crate::error::Result;
use crate::key::Key;
use crate::key_id::KeyId;
use crate::problem::Rules;
use crate::request::Request;
use crate::residue::clear_after_copy;
use crate::response::{self, Headers, Reply};
use crate::system_id::SystemId;

/// A request with the type of its reply: [`Capabilities`], [`Key`] or [`Entropy`].
///
/// ```
/// use skip_client::{Headers, Rules, TypedRequest};
/// let request = TypedRequest::new_key(&"Bob".parse()?, None)?;
/// assert_eq!(request.request().target(), "/key?remoteSystemID=Bob");
/// let body = br#"{"keyId": "1726e9AE76234FB1", "key": "ad229dfb8a276e74c1f3b6e09a1852aa"}"#;
/// let key = request.parse(200, &Headers::default(), body, Rules::Strict)?;
/// assert_eq!(key.bits(), 128);
/// # Ok::<(), skip_client::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TypedRequest<T> {
    request: Request,
    read: fn(&Request, &Reply<'_>) -> Result<T>,
}

impl TypedRequest<Capabilities> {
    /// See [`Request::capabilities`].
    #[must_use]
    pub fn capabilities() -> Self {
        Self {
            request: Request::capabilities(),
            read: response::read_capabilities,
        }
    }
}

impl TypedRequest<Key> {
    /// See [`Request::new_key`].
    ///
    /// # Errors
    /// The same as [`Request::new_key`].
    pub fn new_key(remote: &SystemId, size: Option<BitLength>) -> Result<Self> {
        let read = response::read_key;
        Request::new_key(remote, size).map(|request| Self { request, read })
    }

    /// See [`Request::key_by_id`].
    ///
    /// # Errors
    /// The same as [`Request::key_by_id`].
    pub fn key_by_id(key_id: &KeyId, remote: &SystemId) -> Result<Self> {
        let read = response::read_key;
        Request::key_by_id(key_id, remote).map(|request| Self { request, read })
    }
}

impl TypedRequest<Entropy> {
    /// See [`Request::entropy`].
    #[must_use]
    pub fn entropy(bits: Option<BitLength>) -> Self {
        Self {
            request: Request::entropy(bits),
            read: response::read_entropy,
        }
    }
}

impl<T> TypedRequest<T> {
    /// The untyped request, to be sent.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Parses the reply; see [`parse_response`](crate::parse_response).
    ///
    /// # Errors
    /// The same as [`parse_response`](crate::parse_response).
    pub fn parse(&self, status: u16, headers: &Headers, body: &[u8], rules: Rules) -> Result<T> {
        clear_after_copy(|| self.read(status, headers, body, rules))
    }

    /// The same for a caller that clears the stack itself.
    pub(crate) fn read(&self, status: u16, headers: &Headers, body: &[u8], rules: Rules) -> Result<T> {
        let reply = Reply::of(&self.request, status, headers, body, rules)?;
        (self.read)(&self.request, &reply)
    }
}
