//! The client.

#[cfg(feature = "tokio")]
mod asynchronous;
mod builder;
mod call;
mod provider;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bits::BitLength;
use crate::capabilities::Capabilities;
use crate::entropy::Entropy;
use crate::error::{Error, Result};
use crate::key::Key;
use crate::key_id::KeyId;
use crate::options::Options;
use crate::problem::Rules;
use crate::system_id::SystemId;
use crate::transport::{CancelToken, ConnectionInfo, Transport};
use provider::Provider;

#[cfg(feature = "tokio")]
pub use asynchronous::{AsyncCall, AsyncClient};
pub use builder::ClientBuilder;
pub use call::Call;

/// A client of one Key Provider, or of several in order of preference. Blocking; can be shared between threads.
///
/// ```no_run
/// use skip_client::Client;
/// let kp = Client::builder("https://kp-alice:8443")?.ca_pem(std::fs::read("ca.pem")?).build()?;
/// let key = kp.new_key(&"Bob".parse()?)?;
/// println!("tell the other end: {}", key.key_id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client {
    providers: Vec<Provider>,
    /// Without the credentials.
    options: Options,
    /// Cancelled when the client is closed.
    closed: CancelToken,
    /// The index of the provider that replied last.
    last: AtomicUsize,
}

impl Client {
    /// Returns a builder for a client of the Key Provider at `url`: `https://host[:port][/path]`, where host is a name or an
    /// address.
    ///
    /// # Errors
    /// `invalid_argument` if this is not an `https://` URL of a host.
    pub fn builder(url: &str) -> Result<ClientBuilder> {
        ClientBuilder::new().or_url(url)
    }

    /// Returns a builder for a client of several Key Providers, in order of preference: each is used only if those before it cannot
    /// be reached.
    ///
    /// # Errors
    /// `invalid_argument` if there is no URL, or one is not an `https://` URL of a host.
    pub fn of_urls<S: AsRef<str>>(urls: impl IntoIterator<Item = S>) -> Result<ClientBuilder> {
        let mut builder = ClientBuilder::new();
        for url in urls {
            builder = builder.or_url(url.as_ref())?;
        }
        if builder.is_empty() {
            return Err(Error::no_url());
        }
        Ok(builder)
    }

    /// Returns a builder for a client with a custom transport.
    pub fn over(transport: Box<dyn Transport>) -> ClientBuilder {
        ClientBuilder::new().or_over(transport)
    }

    /// The KP's capabilities (draft 4.1): fetched once, then cached.
    ///
    /// # Errors
    /// Any code of the network and provider sides.
    pub fn capabilities(&self) -> Result<Arc<Capabilities>> {
        self.call().capabilities()
    }

    /// Fetches the KP's capabilities again and updates the cache.
    ///
    /// # Errors
    /// Any code of the network and provider sides.
    pub fn refresh_capabilities(&self) -> Result<Arc<Capabilities>> {
        self.call().refresh_capabilities()
    }

    /// Requests a fresh key of the KP's default length, shared with the KP `remote` (draft 4.2); for another length see
    /// [`Call::size`].
    ///
    /// # Errors
    /// Any code. If [`Error::advice`] is `new_key`, the key may be lost at both ends: request another.
    pub fn new_key(&self, remote: &SystemId) -> Result<Key> {
        self.call().new_key(remote)
    }

    /// Requests the key that the initiator got from the KP `remote` with `key_id` (draft 4.2). A KP gives it once.
    ///
    /// # Errors
    /// Any code. If [`Error::advice`] is `new_key`, the initiator has to request another key.
    pub fn key_by_id(&self, key_id: &KeyId, remote: &SystemId) -> Result<Key> {
        self.call().key_by_id(key_id, remote)
    }

    /// Requests at least `bits` random bits, or the KP's default of 256 bits (draft 4.3).
    ///
    /// # Errors
    /// Any code.
    pub fn entropy(&self, bits: Option<BitLength>) -> Result<Entropy> {
        self.call().entropy(bits)
    }

    /// Starts a call with options that differ from the client's.
    #[must_use]
    pub fn call(&self) -> Call<'_> {
        Call::new(self)
    }

    /// Information about the last connection, which of several Key Providers is the one that replied last; `None` before the first one.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionInfo> {
        let last = self.providers.get(self.last.load(Ordering::Relaxed));
        last.into_iter()
            .chain(&self.providers)
            .find_map(|p| p.transport.connection())
    }

    fn note_reply(&self, from: &Provider) {
        let at = self.providers.iter().position(|p| std::ptr::eq(p, from));
        self.last.store(at.unwrap_or_default(), Ordering::Relaxed);
    }

    /// The URLs of the Key Providers, in order of preference.
    #[must_use]
    pub fn urls(&self) -> Vec<&str> {
        self.providers.iter().map(|p| p.transport.url()).collect()
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// The rules for replies and keyIds.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules::of_lenient(self.options.lenient)
    }

    /// Closes the idle connections, cancels the running calls, and wipes the client's own keys as soon as those have ended; later calls
    /// fail with `invalid_argument`.
    pub fn close(&self) {
        self.closed.cancel();
        for provider in &self.providers {
            provider.transport.close();
        }
    }

    /// The providers in order of preference; those that were recently unreachable come last.
    fn in_order(&self) -> Vec<&Provider> {
        if let [only] = self.providers.as_slice() {
            return vec![only];
        }
        let (ready, resting): (Vec<_>, Vec<_>) = self.providers.iter().partition(|p| !p.is_resting());
        ready.into_iter().chain(resting).collect()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("urls", &self.urls())
            .finish_non_exhaustive()
    }
}
