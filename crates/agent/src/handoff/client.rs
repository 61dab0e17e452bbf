//! The client of the hand-off: a few connections to a peer, kept open and shared by all its tunnels.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::message::{Answer, Request};
use super::tls::{HANDSHAKE, why_failed};
use super::{Line, Link, LinkError, Timed, read_line};
use crate::config::{Identity, PeerTable};
use crate::metrics::{HANDOFF_SENT, Metrics};
use crate::reach::Reach;
use crate::report::ReachReport;

/// The maximum number of concurrent requests to one peer.
const CONNECTIONS: usize = 4;
/// How long name resolution and TCP connect may take.
const CONNECT: Duration = Duration::from_secs(3);
/// The maximum age of a connection, so that both ends show their certificates again.
const OLDEST: Duration = Duration::from_hours(1);
/// A connection idle for longer may have been dropped by a middlebox.
const REST: Duration = Duration::from_mins(2);

/// A peer's agent.
pub(crate) struct Peer {
    reach: Reach,
    table: PeerTable,
    tls: RwLock<Arc<ClientConfig>>,
    answer_within: Duration,
    metrics: Arc<Metrics>,
    pool: Mutex<Pool>,
    returned: Condvar,
    /// The address of the latest connection.
    at: Mutex<Option<IpAddr>>,
}

#[derive(Default)]
struct Pool {
    idle: Vec<Connection>,
    busy: usize,
}

struct Connection {
    stream: StreamOwned<ClientConnection, Timed>,
    pending: Vec<u8>,
    since: Instant,
    rests_since: Instant,
}

impl Peer {
    pub fn new(
        reach: Reach,
        table: PeerTable,
        tls: Arc<ClientConfig>,
        answer_within: Duration,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            reach,
            table,
            tls: RwLock::new(tls),
            answer_within,
            metrics,
            pool: Mutex::default(),
            returned: Condvar::new(),
            at: Mutex::default(),
        }
    }

    /// Uses other certificates for new connections.
    pub fn set_tls(&self, tls: Arc<ClientConfig>) {
        *self.tls.write().unwrap_or_else(PoisonError::into_inner) = tls;
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).idle.clear();
    }

    /// Whether the peer was last reached at this address, or is configured to be there.
    pub fn is_at(&self, ip: IpAddr) -> bool {
        let configured = self
            .table
            .address
            .parse::<SocketAddr>()
            .is_ok_and(|address| address.ip() == ip);
        configured || *self.at.lock().unwrap_or_else(PoisonError::into_inner) == Some(ip)
    }

    /// Whether the peer answers.
    pub fn reach(&self) -> ReachReport {
        self.reach.report()
    }

    /// Connects and authenticates both sides, for a dry run; no request is sent.
    pub fn try_connection(&self) -> Result<(), LinkError> {
        self.connect().map(drop)
    }

    /// Checks whether the peer is there.
    pub fn probe(&self) {
        let outcome = self.try_connection();
        self.reach
            .note(outcome.map_err(|error| format!("{}: {error}", error.code)));
    }

    fn exchange(&self, request: &Request) -> Result<Answer, LinkError> {
        let rested = self.take()?;
        let outcome = match rested {
            Some(mut connection) => match connection.ask(request, self.answer_within) {
                Ok(answer) => Ok((answer, connection)),
                // an idle connection may be gone, and every request may be repeated
                Err(Ended::Gone(_)) => self.ask_anew(request),
                Err(Ended::Failed(error)) => Err(error),
            },
            None => self.ask_anew(request),
        };
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.busy -= 1;
        let outcome = outcome.map(|(answer, mut connection)| {
            connection.rests_since = Instant::now();
            pool.idle.push(connection);
            answer
        });
        drop(pool);
        self.returned.notify_one();
        outcome
    }

    fn ask_anew(&self, request: &Request) -> Result<(Answer, Connection), LinkError> {
        let mut connection = self.connect()?;
        match connection.ask(request, self.answer_within) {
            Ok(answer) => Ok((answer, connection)),
            Err(Ended::Gone(error) | Ended::Failed(error)) => Err(error),
        }
    }

    /// Reserves a slot for a request, with an idle connection if there is one.
    fn take(&self) -> Result<Option<Connection>, LinkError> {
        let until = Instant::now() + self.answer_within;
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        while pool.busy >= CONNECTIONS {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(failed("timed_out", "too many requests wait for this peer".to_owned()));
            }
            pool = self
                .returned
                .wait_timeout(pool, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        pool.busy += 1;
        pool.idle
            .retain(|connection| connection.rests_since.elapsed() < REST && connection.since.elapsed() < OLDEST);
        Ok(pool.idle.pop())
    }

    fn connect(&self) -> Result<Connection, LinkError> {
        let address = &self.table.address;
        let refused = |error: &io::Error| failed("connect_failed", format!("cannot connect to {address}: {error}"));
        let until = Instant::now() + CONNECT;
        let mut last = None;
        let mut socket = None;
        for candidate in address.to_socket_addrs().map_err(|error| refused(&error))? {
            let left = until
                .saturating_duration_since(Instant::now())
                .max(Duration::from_millis(1));
            match TcpStream::connect_timeout(&candidate, left) {
                Ok(connected) => {
                    *self.at.lock().unwrap_or_else(PoisonError::into_inner) = Some(candidate.ip());
                    socket = Some(connected);
                    break;
                }
                Err(error) => last = Some(error),
            }
        }
        let Some(socket) = socket else {
            let error = last.unwrap_or_else(|| io::Error::other("the name has no address"));
            return Err(refused(&error));
        };
        let _ = socket.set_nodelay(true);
        let name = match &self.table.identity {
            Identity::Name(name) => ServerName::try_from(name.clone())
                .map_err(|_| failed("tls_failed", "the peer's certificate-name is no name".to_owned()))?,
            // an address is not sent
            Identity::Pin(_) => ServerName::from(IpAddr::from(Ipv4Addr::UNSPECIFIED)),
        };
        let tls = Arc::clone(&self.tls.read().unwrap_or_else(PoisonError::into_inner));
        let session = ClientConnection::new(tls, name).map_err(|error| failed("tls_failed", error.to_string()))?;
        let mut timed = Timed::new(socket);
        timed.within(HANDSHAKE);
        let mut stream = StreamOwned::new(session, timed);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|error| {
                let what = format!(
                    "no TLS with {} ({address}): {}",
                    self.table.identity,
                    why_failed(&error)
                );
                failed("tls_failed", what)
            })?;
        }
        Ok(Connection {
            stream,
            pending: Vec::new(),
            since: Instant::now(),
            rests_since: Instant::now(),
        })
    }
}

impl Link for Peer {
    fn ask(&self, request: &Request) -> Result<Answer, LinkError> {
        let answer = self.exchange(request);
        let outcome = answer
            .as_ref()
            .map(drop)
            .map_err(|error| format!("{}: {error}", error.code));
        self.reach.note(outcome);
        let name = answer.as_ref().map_or_else(|error| error.code, Answer::name);
        let labels = [
            ("peer", self.reach.name()),
            ("request", request.ask.name()),
            ("answer", name),
        ];
        self.metrics.count(HANDOFF_SENT, &labels);
        answer
    }
}

enum Ended {
    /// The connection ended before an answer arrived.
    Gone(LinkError),
    Failed(LinkError),
}

impl Connection {
    fn ask(&mut self, request: &Request, within: Duration) -> Result<Answer, Ended> {
        let gone = |error: io::Error| {
            if error.kind() == io::ErrorKind::TimedOut {
                Ended::Failed(failed(
                    "timed_out",
                    "the peer's agent did not answer in time".to_owned(),
                ))
            } else {
                Ended::Gone(failed("connection_lost", format!("the peer's agent is gone: {error}")))
            }
        };
        self.stream.sock.within(within);
        let line = request.to_line();
        self.stream
            .write_all(&line)
            .and_then(|()| self.stream.flush())
            .map_err(gone)?;
        match read_line(&mut self.stream, &mut self.pending).map_err(gone)? {
            Line::End => Err(gone(io::ErrorKind::UnexpectedEof.into())),
            Line::Text(_) if !self.pending.is_empty() => Err(Ended::Failed(failed(
                "malformed",
                "the peer's agent sent more than one answer".to_owned(),
            ))),
            Line::Text(line) => Answer::of_line(&line)
                .map_err(|rule| Ended::Failed(failed("malformed", format!("the peer's answer: {rule}")))),
        }
    }
}

fn failed(code: &'static str, what: String) -> LinkError {
    LinkError { code, what }
}
