//! The pair: two listeners on their own threads, and the folder with its certificates and pre-shared keys.

use std::fs;
use std::io;
use std::net::{self, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use skip_client::RemoteSystemIds;
use skip_client::fork::Process;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::oneshot;

use crate::certificate_listener::CertificateAcceptor;
use crate::error::StartError;
use crate::keys::{KeyBook, SharedSecret};
use crate::listener;
use crate::message;
use crate::options::{PairOptions, SideOptions};
use crate::pki::{self, Authority};
use crate::psk;
use crate::psk_listener::PskAcceptor;
use crate::service::{Counters, Provider};
use crate::switches::{Fault, Quirk, Switches};

/// Two running Key Providers. Dropping it stops them: when `drop` returns, their threads have ended and their sockets
/// are closed. In a child process, dropping the copy of this value has no effect.
#[derive(Debug)]
pub struct KeyProviderPair {
    alice: Endpoint,
    bob: Endpoint,
    dir: PathBuf,
    switches: Arc<Switches>,
    counters: Arc<Counters>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Removes the folder; dropped last, after the threads.
    temporary: Option<TempDir>,
    process: Process,
}

/// The addresses of one Key Provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its localSystemID.
    pub id: String,
    /// `https://` with host and port, without a trailing slash.
    pub url: String,
    /// The address it listens on.
    pub address: SocketAddr,
    /// As `url`, for clients with a pre-shared key.
    pub psk_url: String,
    /// The address it listens on for clients with a pre-shared key.
    pub psk_address: SocketAddr,
}

/// Counters since the start, for both sides together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Fresh keys issued.
    pub keys_issued: u64,
    /// Keys delivered by keyId.
    pub keys_delivered: u64,
    /// Responses with a status of 400 to 499.
    pub refused: u64,
    /// All requests, whatever their outcome.
    pub requests: u64,
}

/// One side before its threads are started.
struct Side {
    certificates: (net::TcpListener, CertificateAcceptor),
    psk: (net::TcpListener, PskAcceptor),
    provider: Arc<Provider>,
}

impl KeyProviderPair {
    /// Starts both. When this returns, they accept connections and `endpoints.json` is written.
    ///
    /// A missing folder is created with permissions 0700; an existing one keeps its permissions. Private keys and
    /// `psk.txt` in it are always 0600.
    ///
    /// # Errors
    /// If an id or remote is invalid, an address is in use, or the folder cannot be written.
    pub fn start(options: PairOptions) -> Result<Self, StartError> {
        options.check()?;
        let (dir, temporary) = folder(options.dir.as_deref())?;
        remove_stale(&dir.join(ENDPOINTS))?;
        let authority = Authority::create(&dir, options.certificate_validity)?;
        authority.client(&dir)?;
        let psks = if options.psks.is_empty() {
            vec![psk::random_psk(psk::DEFAULT_IDENTITY)?]
        } else {
            options.psks
        };
        psk::write_file(&dir.join(PSK), &psks)?;
        let psk_acceptor = PskAcceptor::new(&psks, options.psk_ciphers.as_deref())?;

        let switches = Arc::new(Switches::default());
        switches.set_quirks(&options.quirks);
        switches.set_faults(&options.faults);
        let counters = Arc::new(Counters::default());
        let secret = SharedSecret::generate().map_err(|e| StartError::because("no random numbers", e))?;
        let secret = Arc::new(secret);
        let (lifetime, delay) = (options.key_lifetime, options.delay);
        let side = |name: &str, side: SideOptions| -> Result<(Endpoint, Side), StartError> {
            let identity = authority.server(&dir, name, side.listen.ip())?;
            let (listener, address) = bind(side.listen)?;
            let (psk_listener, psk_address) = bind(side.psk_listen)?;
            let endpoint = Endpoint {
                id: side.id.clone(),
                url: url(address),
                address,
                psk_url: url(psk_address),
                psk_address,
            };
            let provider = Provider {
                id: side.id,
                remotes: RemoteSystemIds::new(side.remotes),
                is_second: name == "bob",
                delay,
                book: KeyBook::new(lifetime),
                secret: Arc::clone(&secret),
                switches: Arc::clone(&switches),
                counters: Arc::clone(&counters),
            };
            let side = Side {
                certificates: (
                    listener,
                    CertificateAcceptor::new(&authority, &identity, options.require_client_cert)?,
                ),
                psk: (psk_listener, psk_acceptor.clone()),
                provider: Arc::new(provider),
            };
            Ok((endpoint, side))
        };
        let (alice, alice_side) = side("alice", options.alice)?;
        let (bob, bob_side) = side("bob", options.bob)?;
        let (stop, thread) = run([alice_side, bob_side])?;
        let pair = Self {
            alice,
            bob,
            dir,
            switches,
            counters,
            stop: Some(stop),
            thread: Some(thread),
            temporary,
            process: Process::current(),
        };
        pair.write_endpoints()?;
        Ok(pair)
    }

    /// The first Key Provider.
    #[must_use]
    pub fn alice(&self) -> &Endpoint {
        &self.alice
    }

    /// The second Key Provider.
    #[must_use]
    pub fn bob(&self) -> &Endpoint {
        &self.bob
    }

    /// The folder with the certificates, the pre-shared keys and `endpoints.json`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The CA certificate (PEM).
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// A client certificate issued by that CA (PEM).
    #[must_use]
    pub fn client_cert(&self) -> PathBuf {
        self.dir.join("client.pem")
    }

    /// The private key of the client certificate (PEM, PKCS #8).
    #[must_use]
    pub fn client_key(&self) -> PathBuf {
        self.dir.join("client.key")
    }

    /// The file with the pre-shared keys that both sides accept, one line `identity:hex` for each.
    #[must_use]
    pub fn psk(&self) -> PathBuf {
        self.dir.join(PSK)
    }

    /// Replaces the faults of both sides, from the next request on.
    pub fn set_faults(&self, faults: &[Fault]) {
        self.switches.set_faults(faults);
    }

    /// Replaces the quirks of both sides, from the next request on.
    pub fn set_quirks(&self, quirks: &[Quirk]) {
        self.switches.set_quirks(quirks);
    }

    /// The counters since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            keys_issued: read(&self.counters.keys_issued),
            keys_delivered: read(&self.counters.keys_delivered),
            refused: read(&self.counters.refused),
            requests: read(&self.counters.requests),
        }
    }

    /// Written under another name first, so that no reader sees a partial file.
    fn write_endpoints(&self) -> Result<(), StartError> {
        let path = self.dir.join(ENDPOINTS);
        let unfinished = self.dir.join("endpoints.json.new");
        pki::write(&unfinished, &endpoints_json(&self.alice, &self.bob), false)?;
        fs::rename(&unfinished, &path).map_err(|error| StartError::file(&path, error))
    }
}

impl Drop for KeyProviderPair {
    fn drop(&mut self) {
        if !self.process.is_current() {
            // in a child: the threads, sockets and folder belong to the parent
            std::mem::forget((self.stop.take(), self.thread.take(), self.temporary.take()));
            return;
        }
        // an error means that the thread has already ended
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

const ENDPOINTS: &str = "endpoints.json";
const PSK: &str = "psk.txt";

/// Runs both sides until told to stop. The runtime has its own thread, so that a pair can be started and dropped
/// anywhere, even inside another runtime.
fn run(sides: [Side; 2]) -> Result<(oneshot::Sender<()>, JoinHandle<()>), StartError> {
    let failed = |error: io::Error| StartError::because("cannot start the threads of the Key Providers", error);
    let (stop, stopped) = oneshot::channel::<()>();
    let (started, ready) = mpsc::channel::<io::Result<()>>();
    let body = move || {
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("skip-kp")
            .enable_all()
            .build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return drop(started.send(Err(error))),
        };
        runtime.block_on(async {
            let accepting = sides.into_iter().try_for_each(|side| {
                let (listener, acceptor) = side.certificates;
                let (psk_listener, psk_acceptor) = side.psk;
                let listener = TcpListener::from_std(listener)?;
                let psk_listener = TcpListener::from_std(psk_listener)?;
                tokio::spawn(listener::serve(listener, acceptor, Arc::clone(&side.provider)));
                tokio::spawn(listener::serve(psk_listener, psk_acceptor, side.provider));
                Ok(())
            });
            let is_ok = accepting.is_ok();
            if started.send(accepting).is_ok() && is_ok {
                let _ = stopped.await;
            }
        });
        // drops every connection and joins the workers
        runtime.shutdown_timeout(Duration::from_millis(900));
    };
    let thread = thread::Builder::new()
        .name("skip-kp-pair".to_owned())
        .spawn(body)
        .map_err(failed)?;
    match ready.recv() {
        Ok(Ok(())) => Ok((stop, thread)),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(failed(io::ErrorKind::Other.into())),
    }
}

fn folder(wanted: Option<&Path>) -> Result<(PathBuf, Option<TempDir>), StartError> {
    let Some(path) = wanted else {
        let dir = tempfile::Builder::new()
            .prefix("skip-key-provider-")
            .tempdir()
            .map_err(|error| StartError::because("cannot make a temporary folder", error))?;
        return Ok((dir.path().to_owned(), Some(dir)));
    };
    let make = || -> io::Result<PathBuf> {
        let path = std::path::absolute(path)?;
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(path)
    };
    make()
        .map(|path| (path, None))
        .map_err(|error| StartError::file(path, error))
}

/// Removes the endpoints.json of an earlier pair, which would point readers to unused ports.
fn remove_stale(path: &Path) -> Result<(), StartError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StartError::file(path, error)),
        _ => Ok(()),
    }
}

fn bind(address: SocketAddr) -> Result<(net::TcpListener, SocketAddr), StartError> {
    let bound = || -> io::Result<_> {
        let listener = net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound().map_err(|error| StartError::listen(address, error))
}

/// A URL for the address that matches its certificate.
fn url(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("https://localhost:{}", address.port())
    } else {
        format!("https://{address}")
    }
}

fn endpoints_json(alice: &Endpoint, bob: &Endpoint) -> Vec<u8> {
    let mut out = b"{".to_vec();
    for (name, endpoint) in [("alice", alice), ("bob", bob)] {
        message::string(&mut out, name);
        out.extend_from_slice(br#": {"id": "#);
        message::string(&mut out, &endpoint.id);
        out.extend_from_slice(br#", "url": "#);
        message::string(&mut out, &endpoint.url);
        out.extend_from_slice(br#", "psk_url": "#);
        message::string(&mut out, &endpoint.psk_url);
        out.extend_from_slice(b"}, ");
    }
    out.extend_from_slice(
        br#""ca": "ca.pem", "client_cert": "client.pem", "client_key": "client.key", "psk": "psk.txt"}"#,
    );
    out.push(b'\n');
    out
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn urls_name_hosts_of_the_certificate() {
        assert_eq!(url(([127, 0, 0, 1], 8443).into()), "https://127.0.0.1:8443");
        assert_eq!(url((std::net::Ipv6Addr::LOCALHOST, 1).into()), "https://[::1]:1");
        assert_eq!(url(([0, 0, 0, 0], 9).into()), "https://localhost:9");
    }
}
