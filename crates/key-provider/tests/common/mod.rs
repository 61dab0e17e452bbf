//! A raw HTTPS client that exposes everything on the wire: the status line, all headers, the body bytes, and how the
//! connection ended.

#![allow(dead_code, reason = "each test file uses a part")]

use std::fmt;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use skip_key_provider::{Endpoint, KeyProviderPair, PairOptions};

/// How long a test waits for a reply before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A reply. Its `Debug` does not show the body, which may contain a key.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// The received part of a truncated body; not shown by `Debug`.
pub struct Part(pub Vec<u8>);

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// with a TLS `close_notify`
    Notified,
    /// TCP closed or reset without it
    Cut,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}, {} bytes", self.status, self.body.len())
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("status {}: no JSON: {e}", self.status))
    }

    pub fn text(&self, name: &str) -> String {
        self.json()[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name}"))
            .to_owned()
    }
}

/// An open connection.
pub struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
    unread: Vec<u8>,
}

pub fn start(options: PairOptions) -> KeyProviderPair {
    KeyProviderPair::start(options).expect("the pair starts")
}

pub fn config(
    ca: &Path,
    client: Option<(&Path, &Path)>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    use aws_lc_rs::kx_group::{SECP256R1, X25519, X25519MLKEM768};
    let kx_groups = vec![X25519MLKEM768, X25519, SECP256R1];
    let provider = CryptoProvider {
        kx_groups,
        ..aws_lc_rs::default_provider()
    };
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(ca).expect("ca.pem"))
        .expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots);
    match client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_file(certificate).expect("client.pem")],
                PrivateKeyDer::from_pem_file(key).expect("client.key"),
            )
            .expect("a client certificate"),
    }
}

impl Connection {
    pub fn open(pair: &KeyProviderPair, to: &Endpoint) -> Self {
        let config = config(&pair.ca(), None, rustls::ALL_VERSIONS);
        Self::with_config(Arc::new(config), to, "localhost")
    }

    pub fn with_config(config: Arc<ClientConfig>, to: &Endpoint, name: &str) -> Self {
        let tcp = TcpStream::connect(to.address).expect("connects");
        tcp.set_nodelay(true).expect("nodelay");
        tcp.set_read_timeout(Some(PATIENCE)).expect("timeout");
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let session = ClientConnection::new(config, name).expect("a session");
        Self {
            stream: StreamOwned::new(session, tcp),
            unread: Vec::new(),
        }
    }

    pub fn session(&self) -> &ClientConnection {
        &self.stream.conn
    }

    /// Whether the handshake succeeds.
    pub fn is_accepted(&mut self) -> bool {
        let StreamOwned { conn, sock } = &mut self.stream;
        conn.complete_io(sock).is_ok()
    }

    pub fn read_timeout(&self, timeout: Duration) {
        self.stream.sock.set_read_timeout(Some(timeout)).expect("timeout");
    }

    /// Sends a request without reading the answer.
    pub fn send(&mut self, method: &str, target: &str) {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        self.stream.write_all(request.as_bytes()).expect("written");
        self.stream.flush().expect("flushed");
    }

    pub fn get(&mut self, target: &str) -> Reply {
        self.send("GET", target);
        self.reply().expect("an answer")
    }

    /// Reads a reply; `Err` with the received part of the body if it is truncated.
    pub fn reply(&mut self) -> Result<Reply, Part> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if self.fill().is_err() {
                return Err(Part(Vec::new()));
            }
        };
        let head = String::from_utf8(self.unread.drain(..end + 4).collect()).expect("a text head");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|l| l.split(' ').nth(1)).expect("a status");
        let mut reply = Reply {
            status: status.parse().expect("a number"),
            headers: lines
                .map(|line| line.split_once(": ").expect("a header"))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: Vec::new(),
        };
        if reply.header("transfer-encoding") == Some("chunked") {
            loop {
                let line = self.line()?;
                let length = usize::from_str_radix(&line, 16).expect("a chunk length");
                reply.body.extend(self.exactly(length)?);
                self.line()?;
                if length == 0 {
                    break;
                }
            }
        } else {
            let length = reply
                .header("content-length")
                .expect("a length")
                .parse()
                .expect("a number");
            reply.body = self.exactly(length)?;
        }
        Ok(reply)
    }

    /// Waits for the end of the connection; panics when there is more data.
    pub fn end(&mut self) -> End {
        match self.fill() {
            Ok(()) => panic!("more data"),
            Err(end) => end,
        }
    }

    /// The number of bytes that arrive before the read timeout.
    pub fn wait(&mut self) -> usize {
        let mut chunk = [0; 4096];
        let mut all = 0;
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => panic!("closed"),
                Ok(n) => all += n,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return all,
                Err(e) => panic!("{e}"),
            }
        }
    }

    /// The bytes of one read.
    pub fn wait_once(&mut self) -> usize {
        self.stream.read(&mut [0; 4096]).expect("data")
    }

    fn line(&mut self) -> Result<String, Part> {
        loop {
            if let Some(at) = self.unread.windows(2).position(|w| w == b"\r\n") {
                let line: Vec<u8> = self.unread.drain(..at + 2).collect();
                return Ok(String::from_utf8(line).expect("text").trim_end().to_owned());
            }
            if self.fill().is_err() {
                return Err(Part(self.unread.clone()));
            }
        }
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>, Part> {
        while self.unread.len() < length {
            if self.fill().is_err() {
                return Err(Part(self.unread.clone()));
            }
        }
        Ok(self.unread.drain(..length).collect())
    }

    fn fill(&mut self) -> Result<(), End> {
        let mut chunk = [0; 16_384];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(End::Notified),
            Ok(n) => {
                self.unread.extend_from_slice(&chunk[..n]);
                Ok(())
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => panic!("no answer"),
            Err(_) => Err(End::Cut),
        }
    }
}

/// One request on a connection of its own.
pub fn get(pair: &KeyProviderPair, to: &Endpoint, target: &str) -> Reply {
    Connection::open(pair, to).get(target)
}

/// A fresh key of Alice for Bob: (keyId, key).
pub fn new_key(pair: &KeyProviderPair) -> (String, String) {
    let reply = get(pair, pair.alice(), "/key?remoteSystemID=Bob");
    assert_eq!(reply.status, 200);
    (reply.text("keyId"), reply.text("key"))
}

pub fn is_private(path: &Path) -> bool {
    #[cfg(unix)]
    {
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).expect("exists").permissions()) & 0o777 == 0o600
    }
    #[cfg(not(unix))]
    {
        fs::metadata(path).is_ok()
    }
}
