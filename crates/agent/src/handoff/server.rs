//! The server of the hand-off, with limits on connections, time, bytes and rate, because anybody can reach the port.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Display;
use std::io::{self, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustls::{ServerConnection, StreamOwned};

use super::message::{Answer, Request};
use super::refusals::Refusals;
use super::tls::{HANDSHAKE, Tls, names, why_failed};
use super::{Line, Timed, read_line, wake};
use crate::journal::Journal;
use crate::metrics::{HANDOFF_HANDLED, HANDOFF_REFUSED, Metrics};
use crate::threads::join_until;

/// Unauthenticated connections from addresses that are not a peer's.
const STRANGERS: usize = 16;
/// Unauthenticated connections from any one of these addresses.
const STRANGERS_OF_ONE: usize = 4;
/// Handshakes from a peer's address, which unauthenticated clients elsewhere cannot use up.
const HANDSHAKES_OF_PEER: usize = 8;
/// Unauthenticated connections older than this may be closed in favour of the next one.
const FAIR: Duration = Duration::from_millis(250);
/// Connections of one peer.
const OF_ONE_PEER: usize = 8;
/// Connections in total.
const CONNECTIONS: usize = 256;
/// The maximum age of a connection, so that its certificate has to be shown again.
const OLDEST: Duration = Duration::from_hours(1);
/// How long a connection may be idle.
const REST: Duration = Duration::from_mins(5);
/// How long a line may take from its first byte, and how long sending an answer may take.
const LINE: Duration = Duration::from_secs(10);
/// Requests per second from one peer, and the permitted burst.
const RATE: f64 = 500.0;
const BURST: f64 = 1000.0;
/// How often the listener checks whether to stop.
const LOOK: Duration = Duration::from_secs(1);

/// Answers the requests of peers.
pub(crate) trait Handler: Send + Sync {
    /// Whether this is the known address of a peer.
    fn is_peer_address(&self, ip: IpAddr) -> bool;
    /// The answer; `None` closes the connection without one.
    fn handle(&self, peer: &str, request: &Request) -> Option<Answer>;
}

/// A listener with its connections. Dropping it ends them all.
pub(crate) struct Server {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

struct Shared {
    handler: Arc<dyn Handler>,
    tls: RwLock<Arc<Tls>>,
    /// Changes when existing connections must be authenticated again.
    epoch: AtomicU64,
    metrics: Arc<Metrics>,
    refusals: Refusals,
    stopping: AtomicBool,
    guests: Mutex<Guests>,
}

#[derive(Default)]
struct Guests {
    next: u64,
    /// All connections, so that they can be closed.
    sockets: HashMap<u64, TcpStream>,
    /// Connections that have not been authenticated, by number.
    strangers: BTreeMap<u64, Stranger>,
    /// Addresses from which peers have authenticated.
    known: HashSet<IpAddr>,
    peers: HashMap<String, PeerGuests>,
    running: Vec<JoinHandle<()>>,
}

struct Stranger {
    ip: IpAddr,
    since: Instant,
    /// Whether it comes from a peer's address.
    known: bool,
}

struct PeerGuests {
    connections: usize,
    budget: f64,
    at: Instant,
}

impl Server {
    pub fn start(
        listen: SocketAddr,
        tls: Arc<Tls>,
        handler: Arc<dyn Handler>,
        metrics: Arc<Metrics>,
        journal: Arc<Journal>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        // a bounded wait, so that stopping does not depend on a connection from outside
        socket2::SockRef::from(&listener).set_read_timeout(Some(LOOK))?;
        let shared = Arc::new(Shared {
            handler,
            tls: RwLock::new(tls),
            epoch: AtomicU64::new(0),
            metrics,
            refusals: Refusals::new(journal),
            stopping: AtomicBool::new(false),
            guests: Mutex::default(),
        });
        let for_thread = Arc::clone(&shared);
        let listening = thread::Builder::new()
            .name("hand-off".to_owned())
            .spawn(move || for_thread.listen(&listener))?;
        Ok(Self {
            address,
            shared,
            listening: Some(listening),
        })
    }

    /// Closes all connections; answers in progress may be finished until the deadline.
    pub fn stop(mut self, until: Instant) {
        self.end(until);
    }

    fn end(&mut self, until: Instant) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let Some(listening) = self.listening.take() else {
            return;
        };
        wake(self.address);
        join_until(listening, until);
        let running = {
            let mut guests = self.shared.guests();
            for socket in guests.sockets.values() {
                let _ = socket.shutdown(Shutdown::Both);
            }
            std::mem::take(&mut guests.running)
        };
        for thread in running {
            join_until(thread, until);
        }
    }

    /// Switches to other certificates or peers. Connections accepted under the old ones are closed.
    pub fn take_over(&self, tls: Arc<Tls>) {
        let mut current = self.shared.tls.write().unwrap_or_else(PoisonError::into_inner);
        let is_same = current.is_same(&tls);
        *current = tls;
        drop(current);
        if is_same {
            return;
        }
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
        let mut guests = self.shared.guests();
        guests.known.clear();
        for socket in guests.sockets.values() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end(Instant::now() + LOOK * 10);
    }
}

impl Shared {
    fn listen(self: Arc<Self>, listener: &TcpListener) {
        while !self.stopping.load(Ordering::SeqCst) {
            match listener.accept() {
                Ok(_) if self.stopping.load(Ordering::SeqCst) => {}
                Ok((socket, address)) => self.admit(socket, address.ip()),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                // out of file descriptors, for example: retry later
                Err(_) => thread::sleep(LOOK),
            }
        }
    }

    /// Accepts a connection, or closes it at once if there are too many.
    fn admit(self: &Arc<Self>, socket: TcpStream, ip: IpAddr) {
        let mut guests = self.guests();
        guests.running.retain(|thread| !thread.is_finished());
        let known = guests.known.contains(&ip) || self.handler.is_peer_address(ip);
        if guests.sockets.len() >= CONNECTIONS || !guests.has_room(ip, known) {
            drop(guests);
            self.refused(
                "too_many",
                ip,
                &"too many connections that have not shown a certificate",
            );
            return;
        }
        let Ok(copy) = socket.try_clone() else {
            return;
        };
        let id = guests.next;
        guests.next += 1;
        guests.sockets.insert(id, copy);
        let since = Instant::now();
        guests.strangers.insert(id, Stranger { ip, since, known });
        let shared = Arc::clone(self);
        let spawned = thread::Builder::new()
            .name("hand-off-peer".to_owned())
            .stack_size(512 << 10)
            .spawn(move || {
                let guest = Guest { id, ip, shared };
                guest.serve(socket);
            });
        if let Ok(thread) = spawned {
            guests.running.push(thread);
        } else {
            guests.sockets.remove(&id);
            guests.strangers.remove(&id);
        }
    }

    fn refused(&self, reason: &'static str, ip: IpAddr, why: &dyn Display) {
        self.metrics.count(HANDOFF_REFUSED, &[("reason", reason)]);
        self.refusals.note(reason, ip, why);
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guests {
    /// Whether there is room for one more handshake. The oldest makes way, so that idle clients cannot block others.
    fn has_room(&mut self, ip: IpAddr, known: bool) -> bool {
        let most_of_one = if known { HANDSHAKES_OF_PEER } else { STRANGERS_OF_ONE };
        let same = |stranger: &Stranger| stranger.ip == ip;
        if self.strangers.values().filter(|stranger| same(stranger)).count() >= most_of_one {
            return self.give_way(same);
        }
        let unknown = |stranger: &Stranger| !stranger.known;
        if !known && self.strangers.values().filter(|stranger| unknown(stranger)).count() >= STRANGERS {
            return self.give_way(unknown);
        }
        true
    }

    /// Closes the oldest of the matching connections, unless it is brand new.
    fn give_way(&mut self, which: impl Fn(&Stranger) -> bool) -> bool {
        let oldest = self.strangers.iter().find(|(_, stranger)| which(stranger));
        let Some((&id, _)) = oldest.filter(|(_, stranger)| stranger.since.elapsed() > FAIR) else {
            return false;
        };
        self.strangers.remove(&id);
        if let Some(socket) = self.sockets.get(&id) {
            let _ = socket.shutdown(Shutdown::Both);
        }
        true
    }
}

/// One connection.
struct Guest {
    id: u64,
    ip: IpAddr,
    shared: Arc<Shared>,
}

impl Guest {
    fn serve(&self, socket: TcpStream) {
        let epoch = self.shared.epoch.load(Ordering::SeqCst);
        let greeted = self.greet(socket);
        let mut guests = self.shared.guests();
        guests.strangers.remove(&self.id);
        if greeted.is_some() && guests.known.len() < CONNECTIONS {
            guests.known.insert(self.ip);
        }
        drop(guests);
        if let Some((peer, stream)) = greeted {
            if self.let_in(&peer) {
                self.converse(&peer, stream, epoch);
                if let Some(guests) = self.shared.guests().peers.get_mut(&peer) {
                    guests.connections -= 1;
                }
            } else {
                self.refused("too_many_of_peer", &format_args!("{peer} has too many connections"));
            }
        }
        self.shared.guests().sockets.remove(&self.id);
    }

    fn refused(&self, reason: &'static str, why: &dyn Display) {
        self.shared.refused(reason, self.ip, why);
    }

    /// Runs the handshake; returns the peer with this certificate.
    fn greet(&self, socket: TcpStream) -> Option<(String, StreamOwned<ServerConnection, Timed>)> {
        let _ = socket.set_nodelay(true);
        // verified and identified by the same configuration, even if another one comes in between
        let tls = Arc::clone(&self.shared.tls.read().unwrap_or_else(PoisonError::into_inner));
        let session = ServerConnection::new(Arc::clone(&tls.server)).ok()?;
        let mut timed = Timed::new(socket);
        timed.within(HANDSHAKE);
        let mut stream = StreamOwned::new(session, timed);
        while stream.conn.is_handshaking() {
            if let Err(error) = stream.conn.complete_io(&mut stream.sock) {
                if error.kind() == io::ErrorKind::TimedOut {
                    self.refused("handshake_timed_out", &"no handshake in time");
                } else {
                    let shown = stream.conn.peer_certificates().and_then(<[_]>::first).map(names);
                    let whose = shown.map_or_else(String::new, |names| format!(" (of {})", names.join(", ")));
                    self.refused("tls_failed", &format_args!("{}{whose}", why_failed(&error)));
                }
                return None;
            }
        }
        let certificate = stream.conn.peer_certificates()?.first()?.clone();
        let peer = tls.peer_of(&certificate);
        if peer.is_none() {
            let names = names(&certificate).join(", ");
            let why = format!("its certificate is for {names}, which is no peer's certificate-name");
            self.refused("unknown_peer", &why);
        }
        Some((peer?, stream))
    }

    fn let_in(&self, peer: &str) -> bool {
        let mut guests = self.shared.guests();
        let entry = guests.peers.entry(peer.to_owned()).or_insert_with(|| PeerGuests {
            connections: 0,
            budget: BURST,
            at: Instant::now(),
        });
        let fits = entry.connections < OF_ONE_PEER;
        entry.connections += usize::from(fits);
        fits
    }

    fn converse(&self, peer: &str, mut stream: StreamOwned<ServerConnection, Timed>, epoch: u64) {
        let since = Instant::now();
        let mut pending = Vec::new();
        loop {
            if pending.is_empty() {
                stream.sock.within(REST);
                // waits for the first byte without consuming it
                if stream.conn.wants_read() && !matches!(stream.sock.wait_readable(), Ok(true)) {
                    return;
                }
            }
            stream.sock.within(LINE);
            let line = match read_line(&mut stream, &mut pending) {
                Ok(Line::Text(line)) => line,
                Ok(Line::End) => return,
                Err(error) => {
                    let reason = match error.kind() {
                        io::ErrorKind::TimedOut => "line_timed_out",
                        io::ErrorKind::InvalidData => "line_too_long",
                        _ => "connection_lost",
                    };
                    self.refused(reason, &format_args!("{peer}: {error}"));
                    return;
                }
            };
            // another configuration may not know this peer, or not trust its CA
            if self.shared.epoch.load(Ordering::SeqCst) != epoch {
                return;
            }
            self.slow_down(peer);
            let (name, answer) = match Request::of_line(&line) {
                Ok(request) => (request.ask.name(), self.shared.handler.handle(peer, &request)),
                Err(rule) => {
                    self.refused("malformed", &format_args!("{peer}: {rule}"));
                    ("malformed", Some(Answer::Version))
                }
            };
            let Some(answer) = answer else {
                return;
            };
            let labels = [("peer", peer), ("request", name), ("answer", answer.name())];
            self.shared.metrics.count(HANDOFF_HANDLED, &labels);
            stream.sock.within(LINE);
            let sent = stream.write_all(&answer.to_line()).and_then(|()| stream.flush());
            // a peer that speaks another version gets one answer
            let ends = answer == Answer::Version || since.elapsed() > OLDEST;
            if sent.is_err() || ends || self.shared.stopping.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    /// Delays a peer that exceeds the rate limit.
    fn slow_down(&self, peer: &str) {
        let wait = {
            let mut guests = self.shared.guests();
            let Some(entry) = guests.peers.get_mut(peer) else {
                return;
            };
            let now = Instant::now();
            let earned = now.duration_since(entry.at).as_secs_f64() * RATE;
            entry.budget = (entry.budget + earned).min(BURST) - 1.0;
            entry.at = now;
            (-entry.budget / RATE).max(0.0)
        };
        if wait > 0.0 {
            thread::sleep(Duration::from_secs_f64(wait.min(1.0)));
        }
    }
}
