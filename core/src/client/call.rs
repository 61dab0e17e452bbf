//! One call, to the first Key Provider that can be reached.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bits::BitLength;
use crate::capabilities::Capabilities;
use crate::entropy::Entropy;
use crate::error::{Error, Result, Side};
use crate::key::Key;
use crate::key_id::KeyId;
use crate::logging;
use crate::options::check_seconds;
use crate::residue::clear_after_call;
use crate::system_id::SystemId;
use crate::transport::{CancelToken, Control, TransportError};
use crate::typed_request::TypedRequest;

use super::Client;
use super::provider::{Provider, Running};

/// One call, with options that differ from the client's.
pub struct Call<'a> {
    client: &'a Client,
    size: Option<BitLength>,
    timeout: Duration,
    cancel: Option<&'a CancelToken>,
    interrupted: Option<&'a dyn Fn() -> bool>,
}

impl<'a> Call<'a> {
    pub(super) fn new(client: &'a Client) -> Self {
        Self {
            client,
            size: None,
            timeout: client.options.timeout,
            cancel: None,
            interrupted: None,
        }
    }

    /// Sets the size of the fresh key, in bits; for [`Call::new_key`] only.
    #[must_use]
    pub fn size(mut self, bits: BitLength) -> Self {
        self.size = Some(bits);
        self
    }

    /// Sets the timeout of the whole call, instead of the client's.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Cancels the call with the token: it fails with `connection_lost`, and advice that depends on what was already sent.
    #[must_use]
    pub fn cancel(mut self, token: &'a CancelToken) -> Self {
        self.cancel = Some(token);
        self
    }

    /// Sets a callback that is called in this thread after an interrupted system call and at least every 100 ms of waiting;
    /// `true` cancels the call.
    #[must_use]
    pub fn interrupted(mut self, ask: &'a dyn Fn() -> bool) -> Self {
        self.interrupted = Some(ask);
        self
    }

    /// See [`Client::capabilities`].
    ///
    /// # Errors
    /// The same as [`Client::capabilities`].
    pub fn capabilities(&self) -> Result<Arc<Capabilities>> {
        self.on_first(|provider, call| match provider.remembered() {
            Some(capabilities) => Ok(capabilities),
            None => provider.fetch_capabilities(call),
        })
    }

    /// See [`Client::refresh_capabilities`].
    ///
    /// # Errors
    /// The same as [`Client::refresh_capabilities`].
    pub fn refresh_capabilities(&self) -> Result<Arc<Capabilities>> {
        self.on_first(Provider::fetch_capabilities)
    }

    /// See [`Client::new_key`].
    ///
    /// # Errors
    /// The same as [`Client::new_key`].
    pub fn new_key(&self, remote: &SystemId) -> Result<Key> {
        let request = TypedRequest::new_key(remote, self.size)?;
        self.key(&request, remote)
    }

    /// See [`Client::key_by_id`].
    ///
    /// # Errors
    /// The same as [`Client::key_by_id`].
    pub fn key_by_id(&self, key_id: &KeyId, remote: &SystemId) -> Result<Key> {
        let request = TypedRequest::key_by_id(key_id, remote)?;
        self.key(&request, remote)
    }

    /// See [`Client::entropy`].
    ///
    /// # Errors
    /// The same as [`Client::entropy`].
    pub fn entropy(&self, bits: Option<BitLength>) -> Result<Entropy> {
        let request = TypedRequest::entropy(bits);
        self.on_first(|provider, call| {
            provider.check_offer(request.request(), None, call)?;
            provider.ask(&request, call)
        })
    }

    fn key(&self, request: &TypedRequest<Key>, remote: &SystemId) -> Result<Key> {
        self.on_first(|provider, call| {
            provider.check_offer(request.request(), Some(remote), call)?;
            provider.ask(request, call)
        })
    }

    /// Uses the first provider that can be reached, and leaves no trace of the reply on the stack or in registers.
    fn on_first<T>(
        &self,
        ask: impl Fn(&Provider, &Running<'_>) -> std::result::Result<T, TransportError>,
    ) -> Result<T> {
        clear_after_call(|| self.in_turn(ask))
    }

    /// The next one is used only while no byte of a request has been sent.
    fn in_turn<T>(&self, ask: impl Fn(&Provider, &Running<'_>) -> std::result::Result<T, TransportError>) -> Result<T> {
        if self.client.closed.is_cancelled() {
            return Err(Error::client_closed());
        }
        check_seconds("timeout", self.timeout, false)?;
        let deadline = Instant::now() + self.timeout;
        // a signal is reported once, and ends everything that the call would still do
        let was_interrupted = Cell::new(false);
        let interrupted = || {
            let now = was_interrupted.get() || self.interrupted.is_some_and(|ask| ask());
            was_interrupted.set(now);
            now
        };
        let mut last = None;
        let mut providers = self.client.in_order().into_iter().peekable();
        while let Some(provider) = providers.next() {
            let control = Control {
                deadline,
                connect_timeout: self.client.options.connect_timeout,
                cancel: self.cancel,
                closed: Some(&self.client.closed),
                interrupted: self.interrupted.map(|_| &interrupted as &dyn Fn() -> bool),
            };
            match ask(
                provider,
                &Running {
                    control: &control,
                    options: &self.client.options,
                },
            ) {
                Ok(answer) => {
                    provider.rest(false);
                    self.client.note_reply(provider);
                    return Ok(answer);
                }
                Err(failed) if control.is_closed() && failed.error.code().side() == Side::Network => {
                    return Err(Error::client_closed().with_advice(failed.error.advice()));
                }
                Err(failed) if failed.is_unreachable() => {
                    provider.rest(true);
                    let may_go_on = control.check().is_ok();
                    if let Some(next) = providers.peek()
                        && may_go_on
                    {
                        logging::trying_next_provider(provider.transport.url(), &failed.error, next.transport.url());
                    }
                    last = Some(failed.error);
                    if !may_go_on {
                        break;
                    }
                }
                Err(failed) => {
                    self.client.note_reply(provider);
                    return Err(failed.error);
                }
            }
        }
        // a builder creates no client without a provider
        Err(last.unwrap_or_else(Error::client_closed))
    }
}
