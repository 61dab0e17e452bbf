//! A Key Provider that controls every record: interim replies, unsolicited replies, partial records, `close_notify`, endless key
//! updates.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};

/// What follows a reply in the same segment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Behind {
    Nothing,
    /// Another reply, in the same record.
    Reply,
    /// Another reply in a separate record.
    Record,
    /// This many bytes of such a record; the rest follows with the next request on this connection.
    PartOfRecord(usize),
    CloseNotify,
}

/// The reply to a request.
#[derive(Debug, Clone)]
pub struct Reply {
    pub interim: Vec<u16>,
    pub status: u16,
    /// The length of head and body, if longer than necessary.
    pub length: usize,
    pub behind: Behind,
    /// Whether the start of the reply is sent in a separate segment.
    pub cut: bool,
    /// Instead of the length of the body.
    pub content_length: Option<String>,
    /// Key updates instead of a reply, until the client gives up.
    pub endless: bool,
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            interim: Vec::new(),
            status: 200,
            length: 0,
            behind: Behind::Nothing,
            cut: false,
            content_length: None,
            endless: false,
        }
    }
}

#[derive(Default)]
struct Book {
    script: VecDeque<Reply>,
    /// The keyId for each requested path.
    made: HashMap<String, String>,
    connections: usize,
    /// Connections with leftover data.
    spoilt: HashSet<usize>,
    /// What should not have happened.
    faults: Vec<String>,
}

pub struct Provider {
    pub address: SocketAddr,
    book: Arc<Mutex<Book>>,
    stopped: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Provider {
    /// Starts with the certificate of a development Key Provider, from its folder.
    pub fn start(folder: &std::path::Path, version: &'static SupportedProtocolVersion, tickets: usize) -> Self {
        let certificates = CertificateDer::pem_file_iter(folder.join("alice.pem"))
            .and_then(Iterator::collect)
            .expect("alice.pem");
        let key = PrivateKeyDer::from_pem_file(folder.join("alice.key")).expect("alice.key");
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .expect("an identity");
        config.send_tls13_tickets = tickets;
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (book, stopped) = (Arc::new(Mutex::new(Book::default())), Arc::new(AtomicBool::new(false)));
        let (theirs, ends) = (Arc::clone(&book), Arc::clone(&stopped));
        let accept = move || {
            let mut connections = Vec::new();
            while let Ok((tcp, _)) = listener.accept() {
                if ends.load(Ordering::SeqCst) {
                    break;
                }
                let (config, book) = (Arc::clone(&config), Arc::clone(&theirs));
                // the client determines how a connection ends
                connections.push(thread::spawn(move || drop(serve(tcp, config, &book))));
            }
            for connection in connections {
                connection.join().expect("a connection that ends well");
            }
        };
        Self {
            address,
            book,
            stopped,
            thread: Some(thread::spawn(accept)),
        }
    }

    pub fn will(&self, reply: Reply) {
        self.book.lock().expect("lock").script.push_back(reply);
    }

    /// The keyId that was made for a path.
    pub fn made(&self, path: &str) -> Option<String> {
        self.book.lock().expect("lock").made.get(path).cloned()
    }

    pub fn faults(&self) -> Vec<String> {
        self.book.lock().expect("lock").faults.clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking());
        }
    }
}

fn serve(mut tcp: TcpStream, config: Arc<ServerConfig>, book: &Mutex<Book>) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    // a client that waits in vain ends before this
    tcp.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
    let number = {
        let mut book = book.lock().expect("lock");
        book.connections += 1;
        book.connections
    };
    let mut owed = Vec::new();
    loop {
        let path = request(&mut tls, &mut tcp)?;
        let (reply, id) = {
            let mut book = book.lock().expect("lock");
            if book.spoilt.contains(&number) {
                book.faults.push(format!("{path} came where something was left behind"));
            }
            let id = format!("{:032x}", book.made.len() + 1);
            book.made.insert(path, id.clone());
            let reply = book.script.pop_front().unwrap_or_default();
            if reply.behind != Behind::Nothing {
                book.spoilt.insert(number);
            }
            (reply, id)
        };
        if reply.endless {
            loop {
                tls.refresh_traffic_keys().map_err(io::Error::other)?;
                tcp.write_all(&records(&mut tls)?)?;
                thread::sleep(Duration::from_micros(200));
            }
        }
        let mut out = std::mem::take(&mut owed);
        let mut text = String::new();
        for status in &reply.interim {
            let _ = write!(text, "HTTP/1.1 {status:03} interim\r\nLink: x\r\n\r\n");
        }
        text += &message(&id, reply.status, reply.length, reply.content_length.as_deref());
        if reply.behind == Behind::Reply {
            text += &message("ffffffffffffffffffffffffffffffff", 200, 0, None);
        }
        tls.writer().write_all(text.as_bytes())?;
        out.extend(records(&mut tls)?);
        if reply.cut {
            let first: Vec<u8> = out.drain(..out.len() / 2).collect();
            tcp.write_all(&first)?;
            thread::sleep(Duration::from_millis(2));
        }
        match reply.behind {
            Behind::Nothing | Behind::Reply => {}
            Behind::Record | Behind::PartOfRecord(_) => {
                let planted = message("ffffffffffffffffffffffffffffffff", 200, 0, None);
                tls.writer().write_all(planted.as_bytes())?;
                let mut record = records(&mut tls)?;
                if let Behind::PartOfRecord(bytes) = reply.behind {
                    owed = record.split_off(bytes.min(record.len() - 1));
                }
                out.extend(record);
            }
            Behind::CloseNotify => {
                tls.send_close_notify();
                out.extend(records(&mut tls)?);
            }
        }
        tcp.write_all(&out)?;
    }
}

/// A key message of at least this many bytes, head and body.
fn message(id: &str, status: u16, length: usize, content_length: Option<&str>) -> String {
    let body = format!(r#"{{"keyId":"{id}","key":"5a{id}c3"}}"#);
    let said = content_length.map_or_else(|| body.len().to_string(), str::to_owned);
    let head = |pad: usize| {
        format!(
            "HTTP/1.1 {status:03} x\r\nContent-Type: application/json\r\nX: {}\r\nContent-Length: {said}\r\n\r\n",
            "y".repeat(pad),
        )
    };
    let pad = length.saturating_sub(head(0).len() + body.len());
    head(pad) + &body
}

/// The pending TLS records, as bytes.
fn records(tls: &mut ServerConnection) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut bytes)?;
    }
    Ok(bytes)
}

/// Reads the head of a request; returns its target.
fn request(tls: &mut ServerConnection, tcp: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    loop {
        match tls.reader().read_to_end(&mut head) {
            // the client has closed
            Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if head.ends_with(b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&head);
            return Ok(head.split(' ').nth(1).unwrap_or_default().to_owned());
        }
        tcp.write_all(&records(tls)?)?;
        if tls.read_tls(tcp)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let processed = tls.process_new_packets();
        tcp.write_all(&records(tls)?)?;
        processed.map_err(io::Error::other)?;
    }
}
