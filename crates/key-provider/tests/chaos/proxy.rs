//! A proxy that disrupts connections as networks and attackers do: resets (also of the first flight), early ends, stalls, dripping,
//! flipped bytes, latency, reordered connects.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

/// A deterministic random generator (`SplitMix64`).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

/// The maximum number of bytes a connection carries in one direction: without a limit, a few lucky connections would carry nearly
/// everything.
const LIFE: usize = 30_000;

/// The faults of a connection, by their names in the tally.
pub const FAULTS: [&str; 8] = [
    "none",
    "reset",
    "end",
    "stall",
    "corrupt",
    "latency",
    "drip",
    "reset-hello",
];

#[derive(Clone, Copy)]
struct Plan {
    fault: &'static str,
    /// Whether it happens in the direction of the Key Provider.
    up: bool,
    /// After how many bytes in that direction.
    at: usize,
    /// How long the connection is delayed, so that later ones overtake it.
    hold: Duration,
}

impl Plan {
    fn of(random: &mut Random) -> Self {
        let fault = FAULTS[match random.below(100) {
            0..40 => 0,
            40..55 => 1,
            55..70 => 2,
            70..73 => 3,
            73..82 => 4,
            82..93 => 5,
            93..96 => 6,
            _ => 7,
        }];
        let up = random.below(3) == 0 || fault == "reset-hello";
        // half of them during the handshake or soon after it
        let reach = if random.below(2) == 0 { 3000 } else { 20_000 };
        let at = random.below(if up { reach / 2 } else { reach });
        // within the first flight of the client
        let at = usize::try_from(if fault == "reset-hello" { at % 200 } else { at }).unwrap_or(0);
        let hold = Duration::from_millis(if random.below(20) == 0 { random.below(15) } else { 0 });
        Self { fault, up, at, hold }
    }
}

pub struct Proxy {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    to: Mutex<SocketAddr>,
    /// How often each fault was planned, in the order of `FAULTS`.
    planned: Mutex<[usize; FAULTS.len()]>,
    stopped: AtomicBool,
}

impl Proxy {
    pub fn start(to: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            to: Mutex::new(to),
            planned: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        let thread = Some(thread::spawn(move || accept(&listener, &theirs, &mut Random(seed))));
        Self {
            address,
            shared,
            thread,
        }
    }

    /// Sets the target of new connections.
    pub fn set_target(&self, to: SocketAddr) {
        *self.shared.to.lock().expect("lock") = to;
    }

    pub fn planned(&self) -> [usize; FAULTS.len()] {
        *self.shared.planned.lock().expect("lock")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, random: &mut Random) {
    let mut connections: Vec<JoinHandle<()>> = Vec::new();
    while let Ok((client, _)) = listener.accept() {
        if shared.stopped.load(Ordering::SeqCst) {
            break;
        }
        let plan = Plan::of(random);
        let number = FAULTS.iter().position(|fault| *fault == plan.fault).unwrap_or(0);
        shared.planned.lock().expect("lock")[number] += 1;
        let to = *shared.to.lock().expect("lock");
        connections.retain(|connection| !connection.is_finished());
        connections.push(thread::spawn(move || carry(client, to, plan)));
    }
    for connection in connections {
        let _ = connection.join();
    }
}

fn carry(client: TcpStream, to: SocketAddr, plan: Plan) {
    thread::sleep(plan.hold);
    let Ok(provider) = TcpStream::connect(to) else {
        // the Key Provider is restarting
        return;
    };
    let _ = (client.set_nodelay(true), provider.set_nodelay(true));
    let (client, provider) = (Arc::new(client), Arc::new(provider));
    let up = {
        let (client, provider) = (Arc::clone(&client), Arc::clone(&provider));
        thread::spawn(move || pump(&client, &provider, &client, plan.up.then_some(plan)))
    };
    pump(&provider, &client, &client, (!plan.up).then_some(plan));
    let _ = up.join();
}

/// Forwards one direction until it ends or its fault occurs; then both directions end.
fn pump(mut from: &TcpStream, mut to: &TcpStream, client: &TcpStream, plan: Option<Plan>) {
    let mut buffer = [0; 4096];
    let mut carried = 0;
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        let data = &mut buffer[..n];
        let due = plan.filter(|plan| carried + n > plan.at);
        let keep = due.map_or(n, |plan| plan.at.saturating_sub(carried));
        carried += n;
        match due.map(|plan| plan.fault) {
            Some("reset" | "reset-hello") => {
                let _ = to.write_all(&data[..keep]);
                // closing sends a reset now; the other direction is woken without a clean close
                let _ = SockRef::from(client).set_linger(Some(Duration::ZERO));
                let _ = client.shutdown(Shutdown::Read);
                let _ = if std::ptr::eq(from, client) { to } else { from }.shutdown(Shutdown::Both);
                return;
            }
            Some("end") => {
                let _ = to.write_all(&data[..keep]);
                break;
            }
            Some("stall") => {
                let _ = to.write_all(&data[..keep]);
                // discards all further data until the peer closes
                while matches!(from.read(&mut buffer), Ok(1..)) {}
                break;
            }
            Some("corrupt") if keep < n => data[keep] ^= 0x20,
            Some("drip") => {
                // longer than the timeout of any call
                for byte in data {
                    if to.write_all(std::slice::from_ref(byte)).is_err() {
                        break;
                    }
                    thread::sleep(Duration::from_millis(5));
                }
                break;
            }
            Some("latency") => thread::sleep(Duration::from_millis(2)),
            _ => {}
        }
        if to.write_all(data).is_err() || carried > LIFE {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
