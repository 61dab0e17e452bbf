//! The Prometheus endpoint: one path, over HTTP/1.1, on a local address.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::handoff::{Timed, wake};

/// The maximum length of a request's head.
const MAX_HEAD: usize = 4096;
/// How long a request and its response may take.
const REQUEST: Duration = Duration::from_secs(2);
/// Concurrent requests; further connections are closed.
const AT_ONCE: usize = 16;

/// Renders the page.
pub(crate) type Page = Arc<dyn Fn() -> String + Send + Sync>;

/// The listener and its thread. Dropping it ends both.
pub(crate) struct MetricsPage {
    pub address: SocketAddr,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl MetricsPage {
    pub fn start(address: SocketAddr, page: Page) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let served = Arc::new(AtomicUsize::new(0));
        let thread = thread::Builder::new()
            .name("metrics".to_owned())
            .stack_size(512 << 10)
            .spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    match listener.accept() {
                        Ok(_) if stop.load(Ordering::SeqCst) => {}
                        Ok((socket, _)) => serve_beside(socket, &page, &served),
                        // out of file descriptors, for example
                        Err(_) => thread::sleep(Duration::from_millis(100)),
                    }
                }
            })?;
        Ok(Self {
            address,
            stopping,
            thread: Some(thread),
        })
    }
}

impl Drop for MetricsPage {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        wake(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves each request on its own thread, so that an idle client does not block others.
fn serve_beside(socket: TcpStream, page: &Page, served: &Arc<AtomicUsize>) {
    if served.fetch_add(1, Ordering::SeqCst) >= AT_ONCE {
        served.fetch_sub(1, Ordering::SeqCst);
        return;
    }
    let (page, for_thread) = (Arc::clone(page), Arc::clone(served));
    let spawned = thread::Builder::new()
        .name("metrics-page".to_owned())
        .stack_size(512 << 10)
        .spawn(move || {
            // a client that disconnects or is too slow misses this scrape
            let _ = serve(socket, &page);
            for_thread.fetch_sub(1, Ordering::SeqCst);
        });
    if spawned.is_err() {
        served.fetch_sub(1, Ordering::SeqCst);
    }
}

fn serve(socket: TcpStream, page: &Page) -> io::Result<()> {
    let mut socket = Timed::new(socket);
    socket.within(REQUEST);
    let head = head(&mut socket)?;
    let (status, kind, body) = match head.split(' ').take(2).collect::<Vec<_>>()[..] {
        ["GET", "/metrics"] => ("200 OK", "text/plain; version=0.0.4", page()),
        ["GET", "/"] => ("200 OK", "text/plain", "see /metrics\n".to_owned()),
        ["GET", _] => ("404 Not Found", "text/plain", "see /metrics\n".to_owned()),
        [_, _] => ("405 Method Not Allowed", "text/plain", "GET only\n".to_owned()),
        _ => ("400 Bad Request", "text/plain", "no HTTP\n".to_owned()),
    };
    let length = body.len();
    let reply = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    socket.write_all(reply.as_bytes())?;
    socket.close();
    Ok(())
}

fn head(socket: &mut Timed) -> io::Result<String> {
    let mut head = Vec::new();
    let mut buffer = [0; 512];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match socket.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => head.extend_from_slice(&buffer[..n]),
        }
        if head.len() > MAX_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(String::from_utf8_lossy(&head)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned())
}

impl Timed {
    /// Signals that nothing follows.
    pub fn close(&self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }
}
