//! The client for tokio: runs the blocking client on threads of the runtime; dropping a future cancels its call.

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
use crate::problem::Rules;
use crate::system_id::SystemId;
use crate::transport::{CancelToken, ConnectionInfo};

use super::{Call, Client};

/// The default number of concurrent calls: the size of the client's connection pool.
const MAX_CALLS: usize = 128;

/// The same client for tokio (feature `tokio`): each call is a future.
///
/// Dropping a future cancels its call immediately: the connection is closed, nothing is retried, and a key that still
/// arrives is wiped. Only awaiting the future to completion tells whether the request was sent.
///
/// A call runs on a blocking thread of the runtime ([`spawn_blocking`]). At most 128 run concurrently, or as many as set
/// with [`AsyncClient::max_calls`]; the others are queued without occupying a thread, and their timeout starts when they
/// leave the queue. Clones share the same client.
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
    /// Sets the number of concurrent calls, each on a thread; at least one. Must be set before the first call.
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
    /// The same as [`Client::capabilities`].
    pub async fn capabilities(&self) -> Result<Arc<Capabilities>> {
        self.call().capabilities().await
    }

    /// See [`Client::refresh_capabilities`].
    ///
    /// # Errors
    /// The same as [`Client::refresh_capabilities`].
    pub async fn refresh_capabilities(&self) -> Result<Arc<Capabilities>> {
        self.call().refresh_capabilities().await
    }

    /// See [`Client::new_key`].
    ///
    /// # Errors
    /// The same as [`Client::new_key`].
    pub async fn new_key(&self, remote: &SystemId) -> Result<Key> {
        self.call().new_key(remote).await
    }

    /// See [`Client::key_by_id`].
    ///
    /// # Errors
    /// The same as [`Client::key_by_id`].
    pub async fn key_by_id(&self, key_id: &KeyId, remote: &SystemId) -> Result<Key> {
        self.call().key_by_id(key_id, remote).await
    }

    /// See [`Client::entropy`].
    ///
    /// # Errors
    /// The same as [`Client::entropy`].
    pub async fn entropy(&self, bits: Option<BitLength>) -> Result<Entropy> {
        self.call().entropy(bits).await
    }

    /// Starts a call with options that differ from the client's.
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

    /// See [`Client::close`]. Does not block.
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

    /// See [`Call::timeout`]; it starts when the call leaves the queue.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// See [`Client::capabilities`].
    ///
    /// # Errors
    /// The same as [`Client::capabilities`].
    pub async fn capabilities(self) -> Result<Arc<Capabilities>> {
        self.run(|call| call.capabilities()).await
    }

    /// See [`Client::refresh_capabilities`].
    ///
    /// # Errors
    /// The same as [`Client::refresh_capabilities`].
    pub async fn refresh_capabilities(self) -> Result<Arc<Capabilities>> {
        self.run(|call| call.refresh_capabilities()).await
    }

    /// See [`Client::new_key`].
    ///
    /// # Errors
    /// The same as [`Client::new_key`].
    pub async fn new_key(self, remote: &SystemId) -> Result<Key> {
        let remote = remote.clone();
        self.run(move |call| call.new_key(&remote)).await
    }

    /// See [`Client::key_by_id`].
    ///
    /// # Errors
    /// The same as [`Client::key_by_id`].
    pub async fn key_by_id(self, key_id: &KeyId, remote: &SystemId) -> Result<Key> {
        let (key_id, remote) = (key_id.clone(), remote.clone());
        self.run(move |call| call.key_by_id(&key_id, &remote)).await
    }

    /// See [`Client::entropy`].
    ///
    /// # Errors
    /// The same as [`Client::entropy`].
    pub async fn entropy(self, bits: Option<BitLength>) -> Result<Entropy> {
        self.run(move |call| call.entropy(bits)).await
    }

    async fn run<T: Send + 'static>(self, ask: impl FnOnce(&Call<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        let turns = Arc::clone(&self.client.turns);
        // the semaphore is never closed
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
            // from here on the thread is free, even if the result is not awaited yet
            drop(turn);
            answer
        });
        match asked.await {
            Ok(answer) => answer,
            Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
            // the runtime is shutting down and has not started the call
            Err(_) => Err(Error::cancelled(Advice::SameRequest)),
        }
    }
}

/// Cancels the call when the future is dropped.
struct CancelOnDrop(CancelToken);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
