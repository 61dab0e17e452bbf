//! The Prometheus endpoint: one path, over HTTP/1.1, on a local address.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::handoff::{Timed, wake};

/// The maximum length of a request's head.
const MAX_HEAD: usize = 4096;
/// How long a request and its response may take.
const REQUEST: Duration = Duration::from_secs(2);
/// Concurrent requests; the oldest is closed for the next one.
const AT_ONCE: usize = 16;

/// The connections that are being served, oldest first.
type Served = Arc<Mutex<BTreeMap<u64, TcpStream>>>;

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
        let served = Served::default();
        let thread = thread::Builder::new()
            .name("metrics".to_owned())
            .stack_size(512 << 10)
            .spawn(move || {
                let mut id = 0;
                while !stop.load(Ordering::SeqCst) {
                    match listener.accept() {
                        Ok(_) if stop.load(Ordering::SeqCst) => {}
                        Ok((socket, _)) => {
                            id += 1;
                            serve_beside(id, socket, &page, &served);
                        }
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

/// Serves each request on its own thread, so that an idle client does not block others, and many do not either.
fn serve_beside(id: u64, socket: TcpStream, page: &Page, served: &Served) {
    let Ok(copy) = socket.try_clone() else { return };
    {
        let mut served = served.lock().unwrap_or_else(PoisonError::into_inner);
        if served.len() >= AT_ONCE
            && let Some((_, oldest)) = served.pop_first()
        {
            let _ = oldest.shutdown(Shutdown::Both);
        }
        served.insert(id, copy);
    }
    let end = move |served: &Served| drop(served.lock().unwrap_or_else(PoisonError::into_inner).remove(&id));
    let (page, for_thread) = (Arc::clone(page), Arc::clone(served));
    let spawned = thread::Builder::new()
        .name("metrics-page".to_owned())
        .stack_size(512 << 10)
        .spawn(move || {
            // a client that disconnects or is too slow misses this scrape
            let _ = serve(socket, &page);
            end(&for_thread);
        });
    if spawned.is_err() {
        end(served);
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::Arc;

    use super::{AT_ONCE, MetricsPage};

    #[test]
    fn idle_clients_do_not_block_others() {
        let address = "127.0.0.1:0".parse().expect("an address");
        let page = MetricsPage::start(address, Arc::new(|| "the page".to_owned())).expect("it listens");
        let idle: Vec<TcpStream> = (0..3 * AT_ONCE)
            .map(|_| TcpStream::connect(page.address).expect("connected"))
            .collect();
        for _ in 0..3 {
            let mut client = TcpStream::connect(page.address).expect("connected");
            client.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").expect("sent");
            let mut said = String::new();
            client.read_to_string(&mut said).expect("an answer");
            assert!(said.ends_with("the page"), "{said}");
        }
        drop(idle);
    }
}
