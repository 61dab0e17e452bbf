//! The built-in transport: HTTP over TLS to one Key Provider. The only code that opens sockets, but for the transport of whoever brings an agent of ureq.

mod alert;
mod certificate;
mod client_certificate;
mod connection;
mod dial;
mod divert;
#[cfg(test)]
mod exactly_once;
#[cfg(any(test, fuzzing))]
mod fuzzing;
#[cfg(feature = "probe")]
mod hello;
mod http1;
#[cfg(feature = "psk")]
mod openssl;
#[cfg(feature = "ureq")]
mod over_ureq;
mod pin;
mod private_key;
#[cfg(feature = "probe")]
mod probe;
mod renewal;
mod route;
mod rustls;
mod stack;
mod url;
mod verifier;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::fork::PerProcess;
use crate::logging;
use crate::options::Options;
use crate::request::Request;
use crate::transport::{ConnectionInfo, Control, Response, Transport, TransportError};

use connection::Connection;
use http1::{Target, exchange};
use renewal::{Renewal, Setup};
use route::{Dialer, Route};
use url::Url;

#[cfg(feature = "psk")]
pub use self::openssl::read_private_key;
#[cfg(fuzzing)]
pub use fuzzing::reply as fuzz_reply;
#[cfg(feature = "probe")]
pub use hello::HelloAnswer;
#[cfg(feature = "ureq")]
pub use over_ureq::UreqTransport;
pub use pin::Pin;
#[cfg(feature = "probe")]
pub use probe::{Ending, Probe, ProbeConnection, ProbeReply};
pub(crate) use renewal::read_credentials;

/// The maximum number of idle connections in the pool.
const IDLE_LIMIT: usize = 128;
/// The idle timeout of a pooled connection.
const IDLE_TIME: Duration = Duration::from_mins(1);

/// The connection pool for one Key Provider.
pub(crate) struct Https {
    route: Route,
    target: Target,
    tls: Renewal,
    /// A child process has its own connections.
    pool: PerProcess<Mutex<Pool>>,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    last: Option<Arc<ConnectionInfo>>,
    closed: bool,
}

impl Https {
    pub fn new(url: &str, options: &Options) -> Result<Self> {
        let url = Url::parse(url)?;
        let tls = Renewal::new(options, &url)?;
        let target = Target {
            base_path: url.path.clone(),
            authority: url.authority.clone(),
        };
        Ok(Self {
            route: Route::new(url, options)?,
            target,
            tls,
            pool: PerProcess::default(),
        })
    }

    /// Checks a URL and returns its normal form.
    pub fn check_url(url: &str) -> Result<String> {
        Url::parse(url).map(|url| url.text)
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.get().lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an idle connection of this generation that is still open. The most recently used comes first, so that the others can expire
    /// in quiet periods.
    fn take_idle(&self, generation: u64) -> Option<Connection> {
        loop {
            let mut connection = self.pool().idle.pop()?;
            if connection.generation == generation
                && connection.idle_since.elapsed() < IDLE_TIME
                && connection.is_usable()
            {
                return Some(connection);
            }
        }
    }

    fn put_idle(&self, mut connection: Connection) {
        let mut pool = self.pool();
        if !pool.closed && pool.idle.len() < IDLE_LIMIT {
            connection.idle_since = Instant::now();
            pool.idle.push(connection);
            let stale = pool
                .idle
                .iter()
                .take_while(|c| c.idle_since.elapsed() >= IDLE_TIME)
                .count();
            let dropped: Vec<_> = pool.idle.drain(..stale).collect();
            // they are closed without holding the lock
            drop(pool);
            drop(dropped);
        }
    }

    /// Closes this process's descriptors of idle connections inherited from a parent process, without notifying the peer.
    fn let_inherited_go(&self) {
        for pool in self.pool.inherited() {
            // a thread of the parent may have held it during the fork
            let idle = pool.try_lock().map(|mut pool| std::mem::take(&mut pool.idle));
            drop(idle);
        }
    }

    /// Connects, including name resolution, proxy and TLS, within the connect deadline.
    fn connect(&self, setup: &Setup, control: &Control<'_>) -> Result<Connection> {
        self.let_inherited_go();
        let connecting = control.while_connecting();
        let mut dialer = Dialer::new(&self.route, &connecting)?;
        let opened = setup.tls.open(&mut dialer);
        let (tls, mut info) = opened.map_err(|error| {
            if self.route.has_small_hello() {
                error.with_small_hello()
            } else {
                error
            }
        })?;
        info.warnings.extend(setup.warning.clone());
        let info = ConnectionInfo {
            url: self.route.url.text.clone(),
            address: dialer.address(),
            ..info
        };
        let connection = Connection::new(tls, info, setup.generation);
        let before = self.pool().last.replace(Arc::clone(&connection.info));
        logging::connected(&connection.info, before.as_ref().map_or(&[], |info| &info.warnings));
        Ok(connection)
    }
}

impl Transport for Https {
    fn exchange(&self, request: &Request, control: &Control<'_>) -> std::result::Result<Response, TransportError> {
        let unsent = |error| TransportError { error, sent: false };
        let setup = self.tls.current().map_err(unsent)?;
        loop {
            let (mut connection, reused) = match self.take_idle(setup.generation) {
                Some(connection) => (connection, true),
                None => (self.connect(&setup, control).map_err(unsent)?, false),
            };
            let socket = Arc::clone(connection.socket());
            let watch = control.watch(&socket);
            let result = exchange(&mut connection, &self.target, request, control);
            drop(watch);
            match result {
                Ok(done) => {
                    let mut pool = self.pool();
                    if !pool
                        .last
                        .as_ref()
                        .is_some_and(|last| Arc::ptr_eq(last, &connection.info))
                    {
                        pool.last = Some(Arc::clone(&connection.info));
                    }
                    drop(pool);
                    // a connection cancelled meanwhile is shut down
                    if done.reusable && !socket.is_ended() {
                        self.put_idle(connection);
                    }
                    return Ok(done.response);
                }
                // closed between the check and the first byte: nothing was sent, so use a new connection
                Err(error) if reused && !error.sent && control.check().is_ok() => {
                    logging::reconnecting(&self.route.url.text);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn url(&self) -> &str {
        &self.route.url.text
    }

    fn connection(&self) -> Option<ConnectionInfo> {
        self.pool().last.as_deref().cloned()
    }

    fn close(&self) {
        let mut pool = self.pool();
        pool.closed = true;
        let idle = std::mem::take(&mut pool.idle);
        drop(pool);
        drop(idle);
        self.tls.close();
    }
}
