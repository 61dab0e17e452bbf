//! A reverse proxy for a Key Provider, with its certificate and key: forwards requests, and manipulates replies as a broken or
//! hostile Key Provider could: interim replies before them, other replies and partial records after them, `close_notify` in the same
//! segment.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::proxy::Random;

/// The manipulations of a reply, by their names in the tally.
pub const TRICKS: [&str; 6] = [
    "none",
    "interim",
    "planted",
    "planted-record",
    "part-of-record",
    "close-notify",
];

pub struct Front {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    to: SocketAddr,
    random: Mutex<Random>,
    done: Mutex<[usize; TRICKS.len()]>,
    /// The connections of clients, which are closed with the front.
    open: Mutex<Vec<Weak<TcpStream>>>,
    stopped: AtomicBool,
}

impl Front {
    /// Starts with the certificate and key of this name in the pair's folder.
    pub fn start(folder: &Path, name: &str, to: SocketAddr, seed: u64) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(folder.join("ca.pem")).expect("ca.pem");
        roots.add(ca).expect("an authority");
        let chain = CertificateDer::pem_file_iter(folder.join(format!("{name}.pem")))
            .and_then(Iterator::collect)
            .expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).expect("a key");
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("an identity");
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            server: Arc::new(server),
            client: Arc::new(client),
            to,
            random: Mutex::new(Random(seed)),
            done: Mutex::default(),
            open: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        let accept = move || {
            let mut connections: Vec<JoinHandle<()>> = Vec::new();
            while let Ok((tcp, _)) = listener.accept() {
                if theirs.stopped.load(Ordering::SeqCst) {
                    break;
                }
                connections.retain(|connection| !connection.is_finished());
                let shared = Arc::clone(&theirs);
                let tcp = Arc::new(tcp);
                let mut open = shared.open.lock().expect("lock");
                open.retain(|other| other.strong_count() > 0);
                open.push(Arc::downgrade(&tcp));
                drop(open);
                // however it ends, the client has to cope
                connections.push(thread::spawn(move || drop(serve(&tcp, &shared))));
            }
            for tcp in theirs.open.lock().expect("lock").iter().filter_map(Weak::upgrade) {
                let _ = tcp.shutdown(Shutdown::Both);
            }
            for connection in connections {
                let _ = connection.join();
            }
        };
        Self {
            address,
            shared,
            thread: Some(thread::spawn(accept)),
        }
    }

    /// How often each trick was applied, in the order of `TRICKS`.
    pub fn done(&self) -> [usize; TRICKS.len()] {
        *self.shared.done.lock().expect("lock")
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut tcp: &TcpStream, shared: &Shared) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let mut tls = ServerConnection::new(Arc::clone(&shared.server)).map_err(io::Error::other)?;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let session = ClientConnection::new(Arc::clone(&shared.client), name).map_err(io::Error::other)?;
    let mut provider = StreamOwned::new(session, TcpStream::connect(shared.to)?);
    let mut owed = Vec::new();
    loop {
        let request = message(&mut rustls::Stream::new(&mut tls, &mut tcp))?;
        provider.write_all(&request)?;
        let reply = message(&mut provider)?;
        let trick = {
            let mut random = shared.random.lock().expect("lock");
            let trick = usize::try_from(random.below(12)).unwrap_or(0);
            let trick = if trick < TRICKS.len() { trick } else { 0 };
            shared.done.lock().expect("lock")[trick] += 1;
            TRICKS[trick]
        };
        let planted = planted(&reply);
        let mut text = Vec::new();
        if trick == "interim" {
            text.extend(b"HTTP/1.1 104 x\r\nUpload-Draft: 1\r\n\r\nHTTP/1.1 199 y\r\n\r\n");
        }
        text.extend(&reply);
        if trick == "planted" {
            text.extend(&planted);
        }
        let mut out = std::mem::take(&mut owed);
        tls.writer().write_all(&text)?;
        out.extend(records(&mut tls)?);
        match trick {
            "planted-record" | "part-of-record" => {
                tls.writer().write_all(&planted)?;
                let mut record = records(&mut tls)?;
                if trick == "part-of-record" {
                    owed = record.split_off(record.len() / 2);
                }
                out.extend(record);
            }
            "close-notify" => {
                tls.send_close_notify();
                out.extend(records(&mut tls)?);
            }
            _ => {}
        }
        tcp.write_all(&out)?;
    }
}

/// The same reply with a different key: only the digits in the body are changed.
fn planted(reply: &[u8]) -> Vec<u8> {
    let body = reply.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| at + 4);
    let other = |byte: &u8| match byte {
        b'0'..=b'8' => byte + 1,
        b'9' => b'0',
        other => *other,
    };
    [
        &reply[..body],
        reply[body..].iter().map(other).collect::<Vec<_>>().as_slice(),
    ]
    .concat()
}

fn records(tls: &mut ServerConnection) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut bytes)?;
    }
    Ok(bytes)
}

/// Reads one head and a body of its Content-Length.
fn message(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length = length.and_then(|value| value.trim().parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return Ok(bytes);
            }
        }
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => bytes.extend(&piece[..n]),
        }
    }
}
