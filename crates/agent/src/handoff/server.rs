//! Hearing what peers' agents ask: bounded in connections, time, bytes and rate, because anybody can reach the port.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::message::{Answer, Request};
use super::tls::{HANDSHAKE, is_named};
use super::{Line, Timed, read_line, wake};
use crate::metrics::{HANDOFF_HANDLED, HANDOFF_REFUSED, Metrics};

/// Connections of strangers: those that have not proven who they are.
const STRANGERS: usize = 16;
/// Strangers from one address.
const STRANGERS_OF_ONE: usize = 4;
/// Connections of one peer.
const OF_ONE_PEER: usize = 8;
/// Connections in all.
const CONNECTIONS: usize = 256;
/// How long a connection may rest.
const REST: Duration = Duration::from_mins(5);
/// How long a line may take from its first byte on, and an answer to be taken.
const LINE: Duration = Duration::from_secs(10);
/// Requests a second of one peer, and how many may come at once.
const RATE: f64 = 500.0;
const BURST: f64 = 1000.0;
/// How often the listener looks whether it is to stop.
const LOOK: Duration = Duration::from_secs(1);

/// Who answers.
pub(crate) trait Handler: Send + Sync {
    /// The peer that has this certificate.
    fn peer_of(&self, is_named: &dyn Fn(&str) -> bool) -> Option<String>;
    /// The answer; `None` ends the connection without one.
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
    tls: RwLock<Arc<ServerConfig>>,
    metrics: Arc<Metrics>,
    stopping: AtomicBool,
    guests: Mutex<Guests>,
}

#[derive(Default)]
struct Guests {
    next: u64,
    /// All connections, to end them.
    sockets: HashMap<u64, TcpStream>,
    strangers: HashMap<IpAddr, usize>,
    peers: HashMap<String, PeerGuests>,
    running: Vec<JoinHandle<()>>,
}

struct PeerGuests {
    connections: usize,
    budget: f64,
    at: Instant,
}

impl Server {
    pub fn start(
        listen: SocketAddr,
        tls: Arc<ServerConfig>,
        handler: Arc<dyn Handler>,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        // a wait with an end, so that stopping needs no connection from outside
        socket2::SockRef::from(&listener).set_read_timeout(Some(LOOK))?;
        let shared = Arc::new(Shared {
            handler,
            tls: RwLock::new(tls),
            metrics,
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

    /// Uses other certificates for connections from now on.
    pub fn set_tls(&self, tls: Arc<ServerConfig>) {
        *self.shared.tls.write().unwrap_or_else(PoisonError::into_inner) = tls;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        wake(self.address);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
        let running = {
            let mut guests = self.shared.guests();
            for socket in guests.sockets.values() {
                let _ = socket.shutdown(Shutdown::Both);
            }
            std::mem::take(&mut guests.running)
        };
        for thread in running {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn listen(self: Arc<Self>, listener: &TcpListener) {
        while !self.stopping.load(Ordering::SeqCst) {
            match listener.accept() {
                Ok(_) if self.stopping.load(Ordering::SeqCst) => {}
                Ok((socket, address)) => self.admit(socket, address.ip()),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                // no descriptors left, for example: the next look may find some
                Err(_) => thread::sleep(LOOK),
            }
        }
    }

    /// Takes a connection in, or closes it at once when there are too many.
    fn admit(self: &Arc<Self>, socket: TcpStream, ip: IpAddr) {
        let mut guests = self.guests();
        guests.running.retain(|thread| !thread.is_finished());
        let strangers: usize = guests.strangers.values().sum();
        let of_one = guests.strangers.get(&ip).copied().unwrap_or(0);
        if guests.sockets.len() >= CONNECTIONS || strangers >= STRANGERS || of_one >= STRANGERS_OF_ONE {
            drop(guests);
            self.refused("too_many");
            return;
        }
        let Ok(copy) = socket.try_clone() else {
            return;
        };
        let id = guests.next;
        guests.next += 1;
        guests.sockets.insert(id, copy);
        *guests.strangers.entry(ip).or_default() += 1;
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
            less(&mut guests.strangers, &ip);
        }
    }

    fn refused(&self, reason: &str) {
        self.metrics.count(HANDOFF_REFUSED, &[("reason", reason)]);
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
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
        let greeted = self.greet(socket);
        less(&mut self.shared.guests().strangers, &self.ip);
        if let Some((peer, stream)) = greeted {
            if self.let_in(&peer) {
                self.converse(&peer, stream);
                if let Some(guests) = self.shared.guests().peers.get_mut(&peer) {
                    guests.connections -= 1;
                }
            } else {
                self.shared.refused("too_many_of_peer");
            }
        }
        self.shared.guests().sockets.remove(&self.id);
    }

    /// The handshake, and whose certificate that was.
    fn greet(&self, socket: TcpStream) -> Option<(String, StreamOwned<ServerConnection, Timed>)> {
        let _ = socket.set_nodelay(true);
        let tls = Arc::clone(&self.shared.tls.read().unwrap_or_else(PoisonError::into_inner));
        let session = ServerConnection::new(tls).ok()?;
        let mut timed = Timed::new(socket);
        timed.within(HANDSHAKE);
        let mut stream = StreamOwned::new(session, timed);
        while stream.conn.is_handshaking() {
            if let Err(error) = stream.conn.complete_io(&mut stream.sock) {
                let late = error.kind() == io::ErrorKind::TimedOut;
                self.shared
                    .refused(if late { "handshake_timed_out" } else { "tls_failed" });
                return None;
            }
        }
        let certificate = stream.conn.peer_certificates()?.first()?.clone();
        let peer = self.shared.handler.peer_of(&|name| is_named(&certificate, name));
        if peer.is_none() {
            self.shared.refused("unknown_peer");
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

    fn converse(&self, peer: &str, mut stream: StreamOwned<ServerConnection, Timed>) {
        let mut pending = Vec::new();
        loop {
            if pending.is_empty() {
                stream.sock.within(REST);
                // waits for the first byte, without taking it
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
                    self.shared.refused(reason);
                    return;
                }
            };
            self.slow_down(peer);
            let (name, answer) = if let Ok(request) = Request::of_line(&line) {
                (request.ask.name(), self.shared.handler.handle(peer, &request))
            } else {
                self.shared.refused("malformed");
                ("malformed", Some(Answer::Version))
            };
            let Some(answer) = answer else {
                return;
            };
            let labels = [("peer", peer), ("request", name), ("answer", answer.name())];
            self.shared.metrics.count(HANDOFF_HANDLED, &labels);
            stream.sock.within(LINE);
            let sent = stream.write_all(&answer.to_line()).and_then(|()| stream.flush());
            // whoever speaks another language is not listened to any longer
            if sent.is_err() || answer == Answer::Version || self.shared.stopping.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    /// A peer that asks too often waits.
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

fn less(counts: &mut HashMap<IpAddr, usize>, of: &IpAddr) {
    if let Some(count) = counts.get_mut(of) {
        *count -= 1;
        if *count == 0 {
            counts.remove(of);
        }
    }
}
