//! Low-level access to a Key Provider: single connections, raw requests with any method, and how the connection ends.
//!
//! For tools that examine a Key Provider. Programs that need keys use [`Client`](crate::Client), which sends only what
//! the draft describes. Replies are wiped like those of the client.

use std::sync::Arc;
use std::time::Instant;

use crate::error::{Advice, Error, Result};
use crate::options::{Options, TlsVersion};
#[cfg(feature = "psk")]
use crate::psk::Psk;
use crate::request::Request;
use crate::transport::{CancelToken, ConnectionInfo, Control, Ended, Response, WipedBuffer};

use super::Https;
use super::connection::{Connection, Stop};
use super::hello::{self, HelloAnswer};
use super::http1::{Noted, head, read_reply};

/// Opens single connections to one Key Provider. See [`ClientBuilder::probe`](crate::ClientBuilder::probe).
pub struct Probe {
    https: Https,
    options: Options,
}

/// A connection outside the connection pool.
pub struct ProbeConnection {
    connection: Connection,
    base_path: String,
    authority: String,
    /// The data that followed the last reply.
    rest: WipedBuffer,
}

/// A reply to a raw request.
#[derive(Debug)]
pub struct ProbeReply {
    /// Status, headers and body; wiped on drop.
    pub response: Response,
    /// `Cache-Control`, as received.
    pub cache_control: Option<String>,
    /// `Allow`, as received.
    pub allow: Option<String>,
    /// Whether the reply's headers keep the connection open.
    pub keeps_alive: bool,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a TLS `close_notify`.
    CloseNotify,
    /// TCP was closed or reset without one.
    Cut,
    /// Not at all: it is still open.
    Open,
    /// Unsolicited data arrived.
    Data,
}

impl Probe {
    pub(crate) fn new(url: &str, options: Options) -> Result<Self> {
        Ok(Self {
            https: Https::new(url, &options)?,
            options,
        })
    }

    /// The same Key Provider, with other TLS versions offered.
    ///
    /// # Errors
    /// The same as [`ClientBuilder::build`](crate::ClientBuilder::build).
    pub fn offering(&self, versions: TlsVersion) -> Result<Self> {
        self.with(|options| options.tls = versions)
    }

    /// The same Key Provider, without the client certificate.
    ///
    /// # Errors
    /// The same as [`ClientBuilder::build`](crate::ClientBuilder::build).
    pub fn without_client_cert(&self) -> Result<Self> {
        self.with(|options| options.client_cert = None)
    }

    /// The same Key Provider, with a different pre-shared key.
    ///
    /// # Errors
    /// The same as [`ClientBuilder::build`](crate::ClientBuilder::build).
    #[cfg(feature = "psk")]
    pub fn with_psk(&self, psk: Psk) -> Result<Self> {
        self.with(|options| options.psk = Some(psk))
    }

    fn with(&self, change: impl FnOnce(&mut Options)) -> Result<Self> {
        let mut options = self.options.clone();
        change(&mut options);
        Self::new(&self.https.route.url.text, options)
    }

    /// The URL of the Key Provider.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.https.route.url.text
    }

    /// The port of that URL.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.https.route.url.port
    }

    /// The pre-shared key, if one is used instead of certificates.
    #[cfg(feature = "psk")]
    #[must_use]
    pub fn psk(&self) -> Option<&Psk> {
        self.options.psk.as_ref()
    }

    /// Whether there is a client certificate.
    #[must_use]
    pub fn has_client_cert(&self) -> bool {
        self.options.client_cert.is_some()
    }

    /// Whether the Key Provider's chain, name and dates are verified: not in PSK mode, nor with a pin alone.
    #[must_use]
    pub fn verifies_chain(&self) -> bool {
        self.options.ca_system || !self.options.ca_pem.is_empty()
    }

    /// The configured deadlines for a request that starts now.
    #[must_use]
    pub fn control<'a>(&self, cancel: &'a CancelToken, interrupted: Option<&'a dyn Fn() -> bool>) -> Control<'a> {
        Control {
            deadline: Instant::now() + self.options.timeout,
            connect_timeout: self.options.connect_timeout,
            cancel: Some(cancel),
            closed: None,
            interrupted,
        }
    }

    /// Opens a new connection.
    ///
    /// # Errors
    /// Any code of the network side.
    pub fn connect(&self, control: &Control<'_>) -> Result<ProbeConnection> {
        Ok(ProbeConnection {
            connection: self.https.connect(&self.https.tls.current()?, control)?,
            base_path: self.https.target.base_path.clone(),
            authority: self.https.target.authority.clone(),
            rest: WipedBuffer::default(),
        })
    }

    /// Sends a `ClientHello` that offers only `version` (0x0301 to 0x0303 for TLS 1.0 to 1.2) and these suites, by
    /// number. The handshake is not completed, so nothing is authenticated and no secret is used.
    ///
    /// # Errors
    /// Any code of the network side.
    pub fn hello(&self, version: u16, suites: &[u16], control: &Control<'_>) -> Result<HelloAnswer> {
        let connecting = control.while_connecting();
        let (socket, _) = self
            .https
            .route
            .open_socket(&self.https.route.resolve(&connecting)?, &connecting)?;
        let name = self.options.server_name.as_deref();
        hello::ask(&socket, &self.https.route.url, name, version, suites, &connecting)
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe")
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}

impl ProbeConnection {
    /// Information about the connection.
    #[must_use]
    pub fn info(&self) -> &ConnectionInfo {
        &self.connection.info
    }

    /// The Key Provider's certificate chain, its own certificate first, in DER; empty in PSK mode.
    #[must_use]
    pub fn certificates(&self) -> Vec<Vec<u8>> {
        self.connection.certificates()
    }

    /// Whether a request can be sent: no unsolicited data arrived, and the Key Provider has not closed the connection.
    pub fn is_usable(&mut self) -> bool {
        self.rest.len() == 0 && self.connection.is_usable()
    }

    /// Sends one request and reads its reply. `target` starts with `/` and is appended to the URL's path verbatim.
    /// Methods whose replies have no body (HEAD) are not supported.
    ///
    /// # Errors
    /// If there is no complete reply.
    pub fn send(&mut self, method: &str, target: &str, control: &Control<'_>) -> Result<ProbeReply> {
        self.write(method, target, "", 1, control)?;
        self.read(control)
    }

    /// As [`ProbeConnection::send`], but asks the Key Provider to close the connection afterwards.
    ///
    /// # Errors
    /// If there is no complete reply.
    pub fn send_last(&mut self, method: &str, target: &str, control: &Control<'_>) -> Result<ProbeReply> {
        self.write(method, target, "Connection: close\r\n", 1, control)?;
        self.read(control)
    }

    /// Pipelines `count` identical GETs and reads the replies, fewer if the connection ends early. Only for requests
    /// without side effects, since after a lost connection it is unknown which of them were handled.
    ///
    /// # Errors
    /// If they cannot be sent, or the first reply does not arrive.
    pub fn pipeline(&mut self, target: &str, count: usize, control: &Control<'_>) -> Result<Vec<Result<ProbeReply>>> {
        self.write("GET", target, "", count, control)?;
        let mut replies = vec![Ok(self.read(control)?)];
        while replies.len() < count && replies.last().is_some_and(Result::is_ok) {
            replies.push(self.read(control));
        }
        Ok(replies)
    }

    /// Waits for the end of the connection until `control`'s deadline.
    ///
    /// # Errors
    /// If the call was cancelled.
    pub fn ending(&mut self, control: &Control<'_>) -> Result<Ending> {
        if self.rest.len() > 0 {
            return Ok(Ending::Data);
        }
        let mut byte = WipedBuffer::default();
        match self.connection.read(byte.spare(1), control) {
            Ok(0) if self.connection.closed_cleanly() => Ok(Ending::CloseNotify),
            Ok(0) | Err(Stop::Io(_) | Stop::Refused(_)) => Ok(Ending::Cut),
            Ok(_) => Ok(Ending::Data),
            Err(Stop::Ended(Ended::Deadline)) => Ok(Ending::Open),
            Err(Stop::Ended(Ended::Cancelled)) => Err(Error::cancelled(Advice::SameRequest)),
        }
    }

    fn write(&mut self, method: &str, target: &str, more: &str, count: usize, control: &Control<'_>) -> Result<()> {
        let one = head(method, &self.base_path, target, &self.authority, more);
        let socket = Arc::clone(self.connection.socket());
        let _watch = control.watch(&socket);
        self.connection
            .write_all(one.repeat(count).as_bytes(), control, &mut false)
            .map_err(|stop| match stop {
                Stop::Ended(Ended::Deadline) => Error::timed_out("the reply", Advice::SameRequest),
                Stop::Ended(Ended::Cancelled) => Error::cancelled(Advice::SameRequest),
                Stop::Refused(error) => error,
                Stop::Io(_) => Error::connection_lost(Advice::SameRequest),
            })
    }

    fn read(&mut self, control: &Control<'_>) -> Result<ProbeReply> {
        let socket = Arc::clone(self.connection.socket());
        let _watch = control.watch(&socket);
        let before = std::mem::take(&mut self.rest);
        // advice on retrying does not matter here: each request is sent once, to examine its reply
        let done = read_reply(&mut self.connection, &Request::capabilities(), before, control)?;
        self.rest = done.rest;
        let Noted { cache_control, allow } = done.noted;
        Ok(ProbeReply {
            keeps_alive: done.reusable || (self.rest.len() > 0 && done.keeps_alive),
            response: done.response,
            cache_control,
            allow,
        })
    }
}

impl std::fmt::Debug for ProbeConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProbeConnection")
            .field("info", self.info())
            .finish_non_exhaustive()
    }
}
