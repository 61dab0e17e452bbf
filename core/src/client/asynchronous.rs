//! The client for tokio: the blocking client on threads of the runtime, and futures that end their call when dropped.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::bits::BitLength;
use crate::capabilities::Capabilities;
use crate::entropy::Entropy;
use crate::error::{Advice, Error, Result};
use crate::key::Key;
use crate::key_id::KeyId;
use crate::system_id::SystemId;
use crate::transport::{CancelToken, ConnectionInfo};
use crate::validate::Rules;

use super::{Call, Client};

/// How many calls run at once unless given: as many as the client keeps connections.
const MAX_CALLS: usize = 128;

/// The same client for tokio (feature `tokio`): each call is a future.
///
/// Dropping a future ends its call at once, as cancellation does: its connection is closed, nothing is repeated, and a key
/// that comes all the same is wiped. What was sent by then is known only by awaiting the future to its end.
///
/// A call runs on a blocking thread of the runtime ([`spawn_blocking`]). At most 128 run at once, or as many as
/// [`AsyncClient::max_calls`] says; the others wait for their turn without a thread, and their timeout begins with their
/// turn. Clones are the same client.
///
/// ```no_run
/// # async fn fetch() -> Result<(), Box<dyn std::error::Error>> {
/// use skip_client::{AsyncClient, BitLength, Client};
/// let kp = AsyncClient::from(Client::builder("https://kp-alice:8443")?.ca_pem(std::fs::read("ca.pem")?).build()?);
/// let key = kp.call().size(BitLength::new(256)?).new_key(&"Bob".parse()?).await?;
/// println!("tell the other end: {}", key.key_id());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AsyncClient {
    client: Arc<Client>,
    turns: Arc<Semaphore>,
}

impl From<Client> for AsyncClient {
    fn from(client: Client) -> Self {
        Self {
            client: Arc::new(client),
            turns: Arc::new(Semaphore::new(MAX_CALLS)),
        }
    }
}

impl AsyncClient {
    /// How many calls run at once, each on a thread; at least one. To be set before the first call.
    #[must_use]
    pub fn max_calls(self, calls: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(calls.clamp(1, Semaphore::MAX_PERMITS))),
            ..self
        }
    }

    /// See [`Client::capabilities`].
    ///
    /// # Errors
    /// As there.
    pub async fn capabilities(&self) -> Result<Arc<Capabilities>> {
        self.call().capabilities().await
    }

    /// See [`Client::refresh_capabilities`].
    ///
    /// # Errors
    /// As there.
    pub async fn refresh_capabilities(&self) -> Result<Arc<Capabilities>> {
        self.call().refresh_capabilities().await
    }

    /// See [`Client::new_key`].
    ///
    /// # Errors
    /// As there.
    pub async fn new_key(&self, remote: &SystemId) -> Result<Key> {
        self.call().new_key(remote).await
    }

    /// See [`Client::key_by_id`].
    ///
    /// # Errors
    /// As there.
    pub async fn key_by_id(&self, key_id: &KeyId, remote: &SystemId) -> Result<Key> {
        self.call().key_by_id(key_id, remote).await
    }

    /// See [`Client::entropy`].
    ///
    /// # Errors
    /// As there.
    pub async fn entropy(&self, bits: Option<BitLength>) -> Result<Entropy> {
        self.call().entropy(bits).await
    }

    /// One call with options of its own.
    pub fn call(&self) -> AsyncCall<'_> {
        AsyncCall {
            client: self,
            size: None,
            timeout: None,
        }
    }

    /// See [`Client::connection`].
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionInfo> {
        self.client.connection()
    }

    /// See [`Client::rules`].
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.client.rules()
    }

    /// See [`Client::close`]. It does not wait for anything.
    pub fn close(&self) {
        self.client.close();
    }
}

/// One call, with options that differ from the client's.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct AsyncCall<'a> {
    client: &'a AsyncClient,
    size: Option<BitLength>,
    timeout: Option<Duration>,
}

// a method's path has one lifetime, and the calls here have any
#[allow(clippy::redundant_closure_for_method_calls)]
impl AsyncCall<'_> {
    /// See [`Call::size`].
    pub fn size(mut self, bits: BitLength) -> Self {
        self.size = Some(bits);
        self
    }

    /// See [`Call::timeout`]; it begins with the call's turn.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// See [`Client::capabilities`].
    ///
    /// # Errors
    /// As there.
    pub async fn capabilities(self) -> Result<Arc<Capabilities>> {
        self.run(|call| call.capabilities()).await
    }

    /// See [`Client::refresh_capabilities`].
    ///
    /// # Errors
    /// As there.
    pub async fn refresh_capabilities(self) -> Result<Arc<Capabilities>> {
        self.run(|call| call.refresh_capabilities()).await
    }

    /// See [`Client::new_key`].
    ///
    /// # Errors
    /// As there.
    pub async fn new_key(self, remote: &SystemId) -> Result<Key> {
        let remote = remote.clone();
        self.run(move |call| call.new_key(&remote)).await
    }

    /// See [`Client::key_by_id`].
    ///
    /// # Errors
    /// As there.
    pub async fn key_by_id(self, key_id: &KeyId, remote: &SystemId) -> Result<Key> {
        let (key_id, remote) = (key_id.clone(), remote.clone());
        self.run(move |call| call.key_by_id(&key_id, &remote)).await
    }

    /// See [`Client::entropy`].
    ///
    /// # Errors
    /// As there.
    pub async fn entropy(self, bits: Option<BitLength>) -> Result<Entropy> {
        self.run(move |call| call.entropy(bits)).await
    }

    async fn run<T: Send + 'static>(self, ask: impl FnOnce(&Call<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        let turns = Arc::clone(&self.client.turns);
        // nobody closes the semaphore
        let turn = turns.acquire_owned().await.map_err(|_| Error::client_closed())?;
        let (client, size, timeout) = (Arc::clone(&self.client.client), self.size, self.timeout);
        let dropped = CancelOnDrop(CancelToken::new());
        let token = dropped.0.clone();
        let asked = spawn_blocking(move || {
            let mut call = client.call().cancel(&token);
            if let Some(size) = size {
                call = call.size(size);
            }
            if let Some(timeout) = timeout {
                call = call.timeout(timeout);
            }
            let answer = ask(&call);
            // the thread is free from here on, whoever waits for the answer
            drop(turn);
            answer
        });
        match asked.await {
            Ok(answer) => answer,
            Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
            // the runtime ends, and has not begun the call
            Err(_) => Err(Error::cancelled(Advice::SameRequest)),
        }
    }
}

/// Lives as long as a future.
struct CancelOnDrop(CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
