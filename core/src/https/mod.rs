//! The built-in transport: HTTP over TLS to one Key Provider. The only code that opens sockets.

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
mod pin;
mod private_key;
#[cfg(feature = "probe")]
mod probe;
mod renewal;
mod rustls;
mod url;
mod verifier;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::credentials::wrong_form;
use crate::error::{Error, Result};
use crate::fork::{PerProcess, hold_off};
use crate::logging;
use crate::options::{ClientCert, Options, TlsVersion};
use crate::request::Request;
use crate::transport::{ConnectionInfo, Control, Response, Socket, Transport, TransportError, Watch};
use ::rustls::pki_types::pem::PemObject;
use ::rustls::pki_types::{CertificateDer, ServerName};

use connection::{Connection, TlsStream, Wire};
use http1::{Target, exchange};
use renewal::{Renewal, Setup};
use url::{Host, Proxy, Url};

#[cfg(feature = "psk")]
pub(crate) use self::openssl::open_with_password;
#[cfg(fuzzing)]
pub use fuzzing::reply as fuzz_reply;
#[cfg(feature = "probe")]
pub use hello::HelloAnswer;
pub use private_key::read as read_private_key;
#[cfg(feature = "probe")]
pub use probe::{Ending, Probe, ProbeConnection, ProbeReply};

/// The maximum number of idle connections in the pool.
const IDLE_LIMIT: usize = 128;
/// The idle timeout of a pooled connection.
const IDLE_TIME: Duration = Duration::from_mins(1);

/// The connection pool for one Key Provider.
pub(crate) struct Https {
    url: Url,
    target: Target,
    /// Without the credentials.
    options: Options,
    proxy: Option<Proxy>,
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
        let proxy = options.proxy.as_deref().map(Proxy::parse).transpose()?;
        let tls = Renewal::new(options, &url)?;
        let target = Target {
            base_path: url.path.clone(),
            authority: url.authority.clone(),
        };
        Ok(Self {
            url,
            target,
            options: options.without_credentials(),
            proxy,
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
        let mut dialer = Dialer {
            https: self,
            control: &connecting,
            addresses: self.resolve(&connecting)?,
        };
        let opened = setup.tls.open(&mut dialer);
        let (tls, mut info) = opened.map_err(|error| {
            if self.options.post_quantum {
                error
            } else {
                error.with_small_hello()
            }
        })?;
        info.warnings.extend(setup.warning.clone());
        let info = ConnectionInfo {
            url: self.url.text.clone(),
            address: dialer.addresses.first().map(SocketAddr::to_string).unwrap_or_default(),
            ..info
        };
        let connection = Connection::new(tls, info, setup.generation);
        let before = self.pool().last.replace(Arc::clone(&connection.info));
        logging::connected(&connection.info, before.as_ref().map_or(&[], |info| &info.warnings));
        Ok(connection)
    }

    /// The addresses to try.
    fn resolve(&self, connecting: &Control<'_>) -> Result<Vec<SocketAddr>> {
        let (host, port) = self
            .proxy
            .as_ref()
            .map_or((&self.url.host, self.url.port), |p| (&p.host, p.port));
        dial::resolve(host, port, connecting).map_err(|error| self.of_the_next_hop(error))
    }

    /// With a proxy, what cannot be reached is the proxy.
    fn of_the_next_hop(&self, error: Error) -> Error {
        match self.proxy {
            Some(_) => error.at_the_proxy(),
            None => error,
        }
    }

    /// Opens a TCP connection, through the proxy if there is one.
    fn open_socket(&self, addresses: &[SocketAddr], connecting: &Control<'_>) -> Result<(Arc<Socket>, SocketAddr)> {
        let (socket, address) =
            dial::connect(addresses, &self.options, connecting).map_err(|error| self.of_the_next_hop(error))?;
        if let Some(proxy) = &self.proxy {
            let _watch = connecting.watch(&socket);
            dial::tunnel(&socket, proxy, &self.url, connecting)?;
        }
        Ok((socket, address))
    }
}

fn tls_stack(options: &Options, url: &Url) -> Result<Arc<dyn TlsStack>> {
    hold_off(|| -> Result<Arc<dyn TlsStack>> {
        #[cfg(feature = "psk")]
        if let Some(psk) = &options.psk {
            return Ok(Arc::new(openssl::WithPsk::new(psk, options, url)?));
        } else if options.legacy {
            return Ok(Arc::new(openssl::Legacy::new(options, url)?));
        }
        Ok(Arc::new(rustls::Rustls::new(options, url)?))
    })
}

/// Opens TCP connections to one Key Provider, for handshake attempts.
struct Dialer<'a> {
    https: &'a Https,
    control: &'a Control<'a>,
    /// The resolved addresses; after the first connection only the one that answered.
    addresses: Vec<SocketAddr>,
}

impl<'a> Dialer<'a> {
    /// Opens a connection that is shut down when the call is cancelled or the client closed, while the guards live.
    fn dial(&mut self) -> Result<(Wire, [Option<Watch<'a>>; 2])> {
        let (socket, address) = self.https.open_socket(&self.addresses, self.control)?;
        self.addresses = vec![address];
        let watch = self.control.watch(&socket);
        Ok((Wire::new(socket), watch))
    }
}

impl Transport for Https {
    fn exchange(&self, request: &Request, control: &Control<'_>) -> std::result::Result<Response, TransportError> {
        let unsent = |error| TransportError { error, sent: false };
        let setup = self.tls.current();
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
                    logging::reconnecting(&self.url.text);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn url(&self) -> &str {
        &self.url.text
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
    }
}

/// A TLS library, configured for one Key Provider.
trait TlsStack: Send + Sync {
    /// Opens a connection that is ready for a request. A handshake with fallbacks dials for each attempt.
    fn open(&self, dialer: &mut Dialer<'_>) -> Result<Open>;
}

/// A stream that is ready for a request, and information about it (without URL and address).
type Open = (Box<dyn TlsStream>, ConnectionInfo);

/// The configured CA certificates.
fn ca_certificates(options: &Options) -> Result<Vec<CertificateDer<'static>>> {
    let mut all = Vec::new();
    for pem in &options.ca_pem {
        all.extend(certificates(pem, "ca")?);
    }
    Ok(all)
}

/// The certificates of the system's store; none if it has no store.
fn system_certificates() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

/// The name that the certificate must have.
fn server_name(options: &Options, url: &Url) -> Result<ServerName<'static>> {
    let name = match (&options.server_name, &url.host) {
        (Some(name), _) => name.clone(),
        (None, Host::Address(address)) => return Ok(ServerName::IpAddress((*address).into())),
        (None, Host::Zoned(address, _)) => return Ok(ServerName::IpAddress(std::net::IpAddr::V6(*address).into())),
        (None, Host::Name(name)) => name.strip_suffix('.').unwrap_or(name).to_owned(),
    };
    ServerName::try_from(name).map_err(|_| Error::server_name())
}

fn certificates(pem: &[u8], field: &'static str) -> Result<Vec<CertificateDer<'static>>> {
    let read: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(list) if !list.is_empty() => Ok(list),
        _ => Err(wrong_form(field, pem, "must hold at least one certificate in PEM form")),
    }
}
