//! Someone on the path without keys, who forwards bytes at will.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Forwards everything to the Key Provider at once, and its replies slowly.
pub struct Path {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

struct Shared {
    to: SocketAddr,
    /// How many bytes of a connection are forwarded immediately.
    fast: usize,
    /// How many bytes follow every 10 ms; none if it is zero.
    piece: usize,
    stopped: AtomicBool,
}

impl Path {
    pub fn start(to: SocketAddr, fast: usize, piece: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            to,
            fast,
            piece,
            stopped: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let mut connections = Vec::new();
            while let Ok((client, _)) = listener.accept() {
                if theirs.stopped.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&theirs);
                connections.push(thread::spawn(move || carry(&client, &shared)));
            }
            for connection in connections {
                connection.join().expect("a connection");
            }
        });
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn carry(client: &TcpStream, shared: &Shared) {
    let Ok(provider) = TcpStream::connect(shared.to) else {
        return;
    };
    let _ = (client.set_nodelay(true), provider.set_nodelay(true));
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut from, mut to) = (client, &provider);
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                if to.write_all(&buffer[..n]).is_err() {
                    break;
                }
            }
            let _ = provider.shutdown(Shutdown::Both);
        });
        let (mut from, mut to) = (&provider, client);
        let mut buffer = [0; 4096];
        let mut fast = shared.fast;
        'all: while let Ok(n @ 1..) = from.read(&mut buffer) {
            let now = n.min(fast);
            fast -= now;
            if to.write_all(&buffer[..now]).is_err() {
                break;
            }
            let slow = &buffer[now..n];
            if slow.is_empty() {
                continue;
            }
            if shared.piece == 0 {
                // until the client closes
                while matches!(from.read(&mut buffer), Ok(1..)) {}
                break;
            }
            for piece in slow.chunks(shared.piece) {
                thread::sleep(Duration::from_millis(10));
                if to.write_all(piece).is_err() {
                    break 'all;
                }
            }
        }
        let _ = (client.shutdown(Shutdown::Both), provider.shutdown(Shutdown::Both));
    });
}
