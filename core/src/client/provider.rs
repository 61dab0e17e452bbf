//! One Key Provider of a client: its cached state, and retries when it is busy.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use crate::capabilities::Capabilities;
use crate::error::{Error, ErrorCode};
use crate::fork::PerProcess;
use crate::logging;
use crate::options::Options;
use crate::problem::Rules;
use crate::request::{Request, RequestKind};
use crate::system_id::SystemId;
use crate::transport::{Control, Transport, TransportError};
use crate::typed_request::TypedRequest;

/// How long a Key Provider that could not be reached is tried last instead of first.
const REST: Duration = Duration::from_secs(30);
/// The maximum `Retry-After` that is honoured.
const RETRY_AFTER_CAP: Duration = Duration::from_secs(30);

pub(super) struct Provider {
    pub transport: Box<dyn Transport>,
    /// Kept for each endpoint: draft 4.1.1 allows a localSystemID to be unique only within a connection.
    capabilities: PerProcess<RwLock<Option<Arc<Capabilities>>>>,
    unreachable_since: PerProcess<Mutex<Option<Instant>>>,
}

/// A call in progress.
pub(super) struct Running<'a> {
    pub control: &'a Control<'a>,
    pub options: &'a Options,
}

impl TransportError {
    /// Whether another Key Provider can be tried: this one was never reached.
    pub(super) fn is_unreachable(&self) -> bool {
        !self.sent
            && matches!(
                self.error.code(),
                ErrorCode::ConnectFailed | ErrorCode::TlsFailed | ErrorCode::TimedOut
            )
    }
}

impl Provider {
    pub fn new(transport: Box<dyn Transport>) -> Self {
        Self {
            transport,
            capabilities: PerProcess::default(),
            unreachable_since: PerProcess::default(),
        }
    }

    pub fn is_resting(&self) -> bool {
        self.unreachable_since
            .get()
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some_and(|since| since.elapsed() < REST)
    }

    pub fn rest(&self, unreachable: bool) {
        *self
            .unreachable_since
            .get()
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = unreachable.then(Instant::now);
    }

    pub fn remembered(&self) -> Option<Arc<Capabilities>> {
        self.capabilities
            .get()
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub fn fetch_capabilities(&self, call: &Running<'_>) -> std::result::Result<Arc<Capabilities>, TransportError> {
        let capabilities = Arc::new(self.ask(&TypedRequest::capabilities(), call)?);
        *self.capabilities.get().write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&capabilities));
        Ok(capabilities)
    }

    /// Rejects requests that the capabilities rule out, before a key is wasted. Cached capabilities are refreshed before
    /// rejecting.
    pub fn check_offer(
        &self,
        request: &Request,
        remote: Option<&SystemId>,
        call: &Running<'_>,
    ) -> std::result::Result<(), TransportError> {
        if !call.options.check_remote {
            return Ok(());
        }
        let refusal = |capabilities: &Capabilities| match (request.kind(), remote) {
            (RequestKind::Entropy, _) if !capabilities.supports_entropy() => Some(Error::not_supported("entropy")),
            (RequestKind::NewKey | RequestKind::KeyById, _) if !capabilities.supports_key() => {
                Some(Error::not_supported("keys"))
            }
            // draft 4.1.2: the list names the KPs, or patterns of them, that share keys with this one
            (_, Some(remote)) if !capabilities.matches_remote(remote.as_str()) => {
                Some(Error::unknown_remote(remote.as_str(), capabilities.remote_system_ids()))
            }
            _ => None,
        };
        if self
            .remembered()
            .is_some_and(|capabilities| refusal(&capabilities).is_none())
        {
            return Ok(());
        }
        let capabilities = self.fetch_capabilities(call)?;
        refusal(&capabilities).map_or(Ok(()), |error| Err(TransportError { error, sent: true }))
    }

    /// Sends a request and parses its reply; retries while the KP is busy and the caller is willing to wait.
    pub fn ask<T>(&self, request: &TypedRequest<T>, call: &Running<'_>) -> std::result::Result<T, TransportError> {
        let rules = Rules::of_lenient(call.options.lenient);
        let mut patience = call.options.wait_when_busy;
        loop {
            let response = self.transport.exchange(request.request(), call.control)?;
            let body = response.body.as_slice();
            let parsed = request.read(response.status, &response.headers, body, rules);
            let error = match parsed {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let pause = retry_after(response.headers.retry_after.as_deref());
            let in_time = Instant::now()
                .checked_add(pause)
                .is_some_and(|until| until < call.control.deadline);
            let waits = error.code() == ErrorCode::Busy && patience >= pause && in_time;
            if waits {
                logging::waiting(self.transport.url(), pause);
            }
            if !waits || pause_ended(pause, call.control) {
                return Err(TransportError { error, sent: true });
            }
            patience -= pause;
        }
    }
}

/// The delay of a Retry-After header, from 1 to 30 seconds; a date counts as one second.
fn retry_after(value: Option<&str>) -> Duration {
    let seconds = value.and_then(|v| v.trim().parse::<u64>().ok()).unwrap_or(1).max(1);
    Duration::from_secs(seconds).min(RETRY_AFTER_CAP)
}

/// Waits; returns `true` if the call has to end before the pause does.
fn pause_ended(pause: Duration, control: &Control<'_>) -> bool {
    const SLICE: Duration = Duration::from_millis(50);
    let until = Instant::now() + pause;
    loop {
        if control.check().is_err() {
            return true;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        thread::sleep(SLICE.min(left));
    }
}
