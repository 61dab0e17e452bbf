//! A model of the exchange, checked against the client: two encryptors, one to three Key Providers each, and a network
//! that can fail at every point, before, during and after a request and its reply.
//!
//! Everything but TLS is real: the client with its pool and deadlines, sockets, Key Providers in threads. The stack
//! below records on the client's side what was written, so that checks do not depend on timing.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::Https;
use super::connection::{OnWire, TlsStream, Wire};
use super::http1::Target;
use super::renewal::Renewal;
use super::route::{Dialer, Route};
use super::stack::{Open, TlsStack};
use super::url::Url;
use crate::client::Client;
use crate::error::{Advice, Error, ErrorCode};
use crate::fork::PerProcess;
use crate::key::Key;
use crate::options::Options;
use crate::transport::{CancelToken, ConnectionInfo};

/// The fate of a connection before a request is written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Dial {
    Up,
    /// Connection refused.
    Down,
    /// The handshake fails.
    NoTls,
    /// No response until the connect deadline.
    Silent,
}

/// The fate of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Answered,
    /// Answered in two halves.
    Dripped,
    /// Answered with `Connection: close`.
    Closed,
    /// Answered, then closed without notice: the pool has to detect it.
    ClosedSilently,
    /// The socket fails after this many bytes of the request.
    Unwritten(usize),
    /// The Key Provider disconnects before it reads the request.
    Lost,
    /// The Key Provider handles the request, and disconnects before it replies.
    Unanswered,
    /// The connection ends after this many bytes of the reply.
    Cut(usize),
    /// Part of the reply arrives, then a record that TLS rejects.
    Corrupted,
    /// The Key Provider handles the request, but the reply does not arrive before the deadline.
    Stalled,
    /// The caller cancels while the Key Provider has the request.
    Cancelled,
    /// The Key Provider verifies the client's certificate only now (TLS 1.3), and refuses it.
    RefusedByAlert,
    /// 503, and no key is consumed.
    Busy,
    /// 500, and the key is lost.
    Failed,
    /// A reply that is not a key message.
    Nonsense,
    /// The Key Provider restarts: it closes all connections and loses all keys.
    Restarted,
}

fn dials() -> impl Strategy<Value = Dial> {
    prop_oneof![6 => Just(Dial::Up), 2 => Just(Dial::Down), 1 => Just(Dial::NoTls), 1 => Just(Dial::Silent)]
}

fn fates() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Answered),
        1 => Just(Fate::Dripped),
        1 => Just(Fate::Closed),
        2 => Just(Fate::ClosedSilently),
        2 => prop_oneof![Just(0), 1..200_usize].prop_map(Fate::Unwritten),
        1 => Just(Fate::Lost),
        2 => Just(Fate::Unanswered),
        2 => (0..160_usize).prop_map(Fate::Cut),
        1 => Just(Fate::Corrupted),
        1 => Just(Fate::Stalled),
        1 => Just(Fate::Cancelled),
        1 => Just(Fate::RefusedByAlert),
        1 => Just(Fate::Busy),
        1 => Just(Fate::Failed),
        1 => Just(Fate::Nonsense),
        1 => Just(Fate::Restarted),
    ]
}

/// The state of the run so far.
#[derive(Default)]
struct Book {
    dials: VecDeque<Dial>,
    fates: VecDeque<Fate>,
    /// The keys that the responder's Key Providers hold, and all keys ever made.
    keys: HashMap<String, String>,
    made: usize,
    /// How often the key of each keyId was delivered to the responder.
    given: HashMap<String, usize>,
    /// Requests of which at least one byte was written, in order.
    written: Vec<Written>,
    /// The fate of the request that comes from this port.
    at_port: HashMap<u16, Fate>,
    connections: usize,
    /// Connections that must not be reused.
    spoilt: HashSet<usize>,
    /// The Key Providers' open connections, so that a restart can close them.
    open: Vec<TcpStream>,
    /// Cancels the running call.
    token: CancelToken,
    stopped: bool,
}

#[derive(Debug, Clone)]
struct Written {
    provider: usize,
    path: String,
    fate: Fate,
}

impl Written {
    fn is_for_a_key(&self) -> bool {
        self.path.starts_with("/key")
    }
}

type Shared = Arc<Mutex<Book>>;

fn book(shared: &Shared) -> MutexGuard<'_, Book> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Replaces TLS: injects the model's network failures and records what was written.
struct Network {
    book: Shared,
    provider: usize,
}

impl TlsStack for Network {
    fn open(&self, dialer: &mut Dialer<'_>) -> Result<Open, Error> {
        let (wire, _watch) = dialer.dial()?;
        let mut book = book(&self.book);
        match book.dials.pop_front().unwrap_or(Dial::Up) {
            Dial::Up => {}
            Dial::Down => {
                return Err(Error::connect_failed(
                    "the model",
                    Some(io::ErrorKind::ConnectionRefused),
                ));
            }
            Dial::NoTls => return Err(Error::tls_closed()),
            Dial::Silent => {
                drop(book);
                thread::sleep(dialer.control.deadline.saturating_duration_since(Instant::now()));
                return Err(Error::timed_out("the TLS handshake", Advice::SameRequest));
            }
        }
        book.connections += 1;
        let stream = Stream {
            port: wire.socket.tcp.local_addr().expect("an address").port(),
            wire,
            book: Arc::clone(&self.book),
            connection: book.connections,
            provider: self.provider,
            fate: Fate::Answered,
            read: 0,
        };
        Ok((Box::new(stream), ConnectionInfo::default()))
    }
}

struct Stream {
    wire: Wire,
    port: u16,
    book: Shared,
    connection: usize,
    provider: usize,
    fate: Fate,
    read: usize,
}

impl OnWire for Stream {
    fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }
}

impl TlsStream for Stream {
    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        let mut book = book(&self.book);
        self.fate = book.fates.pop_front().unwrap_or(Fate::Answered);
        self.read = 0;
        assert!(
            !book.spoilt.contains(&self.connection),
            "a half-used connection came back"
        );
        if !matches!(
            self.fate,
            Fate::Answered | Fate::Dripped | Fate::ClosedSilently | Fate::Busy | Fate::Failed | Fate::Nonsense
        ) {
            book.spoilt.insert(self.connection);
        }
        book.at_port.insert(self.port, self.fate);
        let allowed = match self.fate {
            Fate::Unwritten(bytes) => bytes.min(data.len() - 1),
            _ => data.len(),
        };
        if allowed > 0 {
            let line = String::from_utf8_lossy(data);
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            book.written.push(Written {
                provider: self.provider,
                path,
                fate: self.fate,
            });
        }
        drop(book);
        self.wire.write_all(&data[..allowed])?;
        if allowed < data.len() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    fn resume_write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = match self.fate {
            Fate::Cut(bytes) if self.read >= bytes => return Ok(0),
            Fate::Cut(bytes) => buffer.len().min(bytes - self.read),
            Fate::Corrupted if self.read >= 20 => return Err(io::ErrorKind::InvalidData.into()),
            Fate::Corrupted => buffer.len().min(20),
            Fate::RefusedByAlert => return Err(io::ErrorKind::PermissionDenied.into()),
            _ => buffer.len(),
        };
        let n = self.wire.read(&mut buffer[..room])?;
        self.read += n;
        Ok(n)
    }

    fn is_drained(&mut self) -> bool {
        true
    }

    fn close(&mut self) {
        let _ = self.wire.socket.tcp.shutdown(Shutdown::Both);
    }

    fn refusal(&self, error: &io::Error) -> Option<Error> {
        (error.kind() == io::ErrorKind::PermissionDenied).then(Error::tls_client_cert_wanted)
    }
}

/// The Key Providers of both sides, in threads.
struct Providers {
    book: Shared,
    addresses: Vec<SocketAddr>,
    threads: Vec<JoinHandle<()>>,
}

impl Providers {
    fn start(book: &Shared, count: usize) -> Self {
        let mut providers = Self {
            book: Arc::clone(book),
            addresses: Vec::new(),
            threads: Vec::new(),
        };
        for _ in 0..count {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            providers.addresses.push(listener.local_addr().expect("an address"));
            let book = Arc::clone(book);
            providers.threads.push(thread::spawn(move || listen(&listener, &book)));
        }
        providers
    }

    /// A client of `count` Key Providers from `first` on; a patient one waits for a busy Key Provider.
    fn client(&self, first: usize, count: usize, check_remote: bool, patient: bool) -> Client {
        let https = |provider: usize| {
            let url = Url::parse(&format!("https://{}", self.addresses[provider])).expect("a URL");
            let target = Target {
                base_path: String::new(),
                authority: url.authority.clone(),
            };
            let network = Network {
                book: Arc::clone(&self.book),
                provider,
            };
            Box::new(Https {
                route: Route::new(url, &Options::default()).expect("without a proxy"),
                target,
                tls: Renewal::fixed(Arc::new(network)),
                pool: PerProcess::default(),
            })
        };
        let mut builder = Client::over(https(first));
        for provider in first + 1..first + count {
            builder = builder.or_over(https(provider));
        }
        let builder = builder
            .check_remote(check_remote)
            .connect_timeout(Duration::from_millis(60))
            .timeout(Duration::from_millis(150));
        let builder = if patient {
            // one pause of Retry-After, and some margin
            builder
                .wait_when_busy(Duration::from_secs(1))
                .timeout(Duration::from_millis(1500))
        } else {
            builder
        };
        builder.build().expect("a client")
    }
}

impl Drop for Providers {
    fn drop(&mut self) {
        book(&self.book).stopped = true;
        for address in &self.addresses {
            drop(TcpStream::connect(address));
        }
        for thread in self.threads.drain(..) {
            thread.join().expect("a Key Provider that ends well");
        }
    }
}

fn listen(listener: &TcpListener, shared: &Shared) {
    let mut connections = Vec::new();
    while let Ok((stream, _)) = listener.accept() {
        if book(shared).stopped {
            break;
        }
        book(shared).open.push(stream.try_clone().expect("a second handle"));
        let shared = Arc::clone(shared);
        connections.push(thread::spawn(move || {
            // an error means that the client hung up
            let _ = serve(&stream, &shared);
            let _ = stream.shutdown(Shutdown::Both);
        }));
    }
    for connection in connections {
        connection.join().expect("a connection that ends well");
    }
}

/// Answers the requests of one connection until it ends.
fn serve(mut stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default();
        let mut book = book(shared);
        let fate = book.at_port[&stream.peer_addr()?.port()];
        let (status, body) = match fate {
            Fate::Lost | Fate::RefusedByAlert => return Ok(()),
            Fate::Busy => (503, String::new()),
            Fate::Restarted => {
                book.keys.clear();
                for open in book.open.drain(..) {
                    let _ = open.shutdown(Shutdown::Both);
                }
                return Ok(());
            }
            _ => book.answer(path),
        };
        let (status, body) = match fate {
            Fate::Failed => (500, String::new()),
            Fate::Nonsense => (200, "{}".into()),
            _ => (status, body),
        };
        let token = book.token.clone();
        drop(book);
        let close = if fate == Fate::Closed {
            "Connection: close\r\n"
        } else {
            ""
        };
        let reply = format!(
            "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\n{close}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        match fate {
            Fate::Unanswered => return Ok(()),
            Fate::Stalled | Fate::Cancelled => {
                if fate == Fate::Cancelled {
                    token.cancel();
                }
                // until the client hangs up
                let _ = stream.read(&mut [0]);
                return Ok(());
            }
            Fate::Dripped => {
                let (first, second) = reply.as_bytes().split_at(reply.len() - 40);
                stream.write_all(first)?;
                thread::yield_now();
                stream.write_all(second)?;
            }
            _ => stream.write_all(reply.as_bytes())?,
        }
        if matches!(fate, Fate::Closed | Fate::ClosedSilently) {
            return Ok(());
        }
    }
}

impl Book {
    /// Handles a request: creates a key for a request without a keyId, and delivers it once to a request with it.
    fn answer(&mut self, path: &str) -> (u16, String) {
        let key_message = |id: &str, key: &str| format!(r#"{{"keyId":"{id}","key":"{key}"}}"#);
        if path == "/capabilities" {
            let text =
                r#"{"entropy":true,"key":true,"algorithm":"model","localSystemID":"Alice","remoteSystemID":["*"]}"#;
            return (200, text.into());
        }
        let Some(id) = path.strip_prefix("/key/").and_then(|rest| rest.split('?').next()) else {
            self.made += 1;
            let (id, key) = (
                format!("{:032x}", self.made),
                format!("{:064x}", u128::MAX / self.made as u128),
            );
            self.keys.insert(id.clone(), key.clone());
            return (200, key_message(&id, &key));
        };
        match self.keys.remove(id) {
            Some(key) => {
                *self.given.entry(id.to_owned()).or_default() += 1;
                (200, key_message(id, &key))
            }
            // longer than any cut of the model
            None => (400, "x".repeat(160)),
        }
    }
}

/// Makes one call, and checks what was written and the advice.
fn call(
    shared: &Shared,
    client: &Client,
    ask: impl FnOnce(crate::client::Call<'_>) -> Result<Key, Error>,
) -> Result<Key, Error> {
    let token = CancelToken::new();
    let (written, made, given) = {
        let mut book = book(shared);
        book.token = token.clone();
        (book.written.len(), book.made, book.given.len())
    };
    let result = ask(client.call().cancel(&token));
    let book = book(shared);
    let written = &book.written[written..];
    let waited = client_waits(written);
    let for_keys = written.iter().filter(|w| w.is_for_a_key()).count() - waited;
    assert!(
        for_keys <= 1,
        "a request for a key was written more than once: {written:?}"
    );
    for (at, one) in written.iter().enumerate() {
        let last = written.last().map(|w| w.provider);
        assert!(
            Some(one.provider) == last
                || !one.is_for_a_key() && written[at + 1..].iter().all(|w| w.provider == one.provider || at == 0),
            "another Key Provider was asked after a request went out: {written:?}"
        );
    }
    if let Err(error) = &result {
        let fate = written.last().map(|w| w.fate);
        match error.advice() {
            Advice::SameRequest => {
                assert_eq!(
                    (book.made, book.given.len()),
                    (made, given),
                    "used up, but {error}: {fate:?}"
                );
                assert!(
                    for_keys == 0 || fate == Some(Fate::Busy),
                    "maybe used up, but {error}: {fate:?}"
                );
            }
            Advice::NewKey => assert_eq!(for_keys, 1, "nothing was sent, but {error}"),
            Advice::No => assert!(
                matches!(fate, Some(Fate::RefusedByAlert | Fate::Nonsense)) || error.code() == ErrorCode::TlsFailed,
                "{error}: {fate:?}"
            ),
        }
    }
    result
}

/// The number of key requests that were answered only with busy, and retried for that reason.
fn client_waits(written: &[Written]) -> usize {
    let busy = |one: &Written| one.is_for_a_key() && one.fate == Fate::Busy;
    written
        .windows(2)
        .filter(|two| busy(&two[0]) && two[1].path == two[0].path)
        .count()
}

/// Acts as a pair of encryptors that follows all advice: in the end both have the same key, or both know why not.
fn exchange(shared: &Shared, alice: &Client, bob: &Client) -> Result<(), Error> {
    let [a, b] = ["Alice", "Bob"].map(|id| id.parse().expect("an id"));
    for _ in 0..40 {
        let key = match call(shared, alice, |call| call.new_key(&b)) {
            Ok(key) => key,
            Err(error) if error.advice() == Advice::No => return Err(error),
            Err(_) => continue,
        };
        loop {
            match call(shared, bob, |call| call.key_by_id(key.key_id(), &a)) {
                Ok(same) => {
                    assert!(same == key, "both ends have a key, and not the same");
                    return Ok(());
                }
                Err(error) => match error.advice() {
                    Advice::SameRequest => {}
                    Advice::NewKey => break,
                    Advice::No => return Err(error),
                },
            }
        }
    }
    panic!("advice was followed 40 times, and led nowhere");
}

fn check(count: usize, check_remote: bool, patient: bool, dials: Vec<Dial>, fates: Vec<Fate>) -> usize {
    let shared = Shared::default();
    {
        let mut book = book(&shared);
        (book.dials, book.fates) = (dials.into(), fates.into());
    }
    let providers = Providers::start(&shared, 2 * count);
    let (alice, bob) = (
        providers.client(0, count, check_remote, patient),
        providers.client(count, count, check_remote, patient),
    );
    // follows the script, then tries once without failures
    loop {
        let calm = {
            let mut book = book(&shared);
            let calm = book.fates.is_empty();
            if calm {
                book.dials.clear();
            }
            calm
        };
        match exchange(&shared, &alice, &bob) {
            Ok(()) if calm => break,
            Err(error) if calm => panic!("nothing in the way, and {error:?}"),
            _ => {}
        }
    }
    {
        let book = book(&shared);
        let mut asked: HashMap<&str, usize> = HashMap::new();
        for one in book
            .written
            .iter()
            .filter(|w| w.path.starts_with("/key/") && w.fate != Fate::Busy)
        {
            *asked.entry(&one.path).or_default() += 1;
        }
        assert!(
            asked.values().all(|times| *times == 1),
            "a keyId was asked for again: {asked:?}"
        );
        assert!(book.given.values().all(|times| *times == 1), "a key was given twice");
    }
    drop((alice, bob));
    client_waits(&book(&shared).written)
}

#[test]
fn a_busy_key_provider_is_waited_for() {
    let outcomes = [
        Fate::Answered,
        Fate::Unanswered,
        Fate::Cut(20),
        Fate::ClosedSilently,
        Fate::Busy,
        Fate::Restarted,
        Fate::Cancelled,
    ];
    let runs = outcomes.map(|then| {
        thread::spawn(move || {
            let waits = check(1, false, true, Vec::new(), vec![Fate::Busy, then]);
            assert!(waits > 0, "{then:?}: nobody waited");
        })
    });
    for run in runs {
        run.join().expect("a run that ends well");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        max_shrink_iters: 50,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn with_one_key_provider_each(
        check_remote: bool,
        dials in prop::collection::vec(dials(), 0..6),
        fates in prop::collection::vec(fates(), 0..16),
    ) {
        check(1, check_remote, false, dials, fates);
    }

    #[test]
    fn with_two_or_three_key_providers_each(
        count in 2..4_usize,
        check_remote: bool,
        dials in prop::collection::vec(dials(), 0..8),
        fates in prop::collection::vec(fates(), 0..16),
    ) {
        check(count, check_remote, false, dials, fates);
    }
}
