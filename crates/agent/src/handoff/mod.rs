//! The hand-off: how the agents at both ends of a tunnel exchange keyIds.
//!
//! Mutual TLS 1.3, and a line of JSON each way. A peer is identified by the name in its certificate, or by its public key.

pub(crate) mod client;
pub(crate) mod message;
mod pinned;
mod refusals;
pub(crate) mod server;
pub(crate) mod tls;

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use message::{Answer, MAX_LINE, Request};

/// The agent at the other end of a tunnel.
pub(crate) trait Link: Send + Sync {
    /// Sends a request and waits for the answer. After an error it is unknown whether the peer has handled the request.
    fn ask(&self, request: &Request) -> Result<Answer, LinkError>;
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkError {
    pub code: &'static str,
    pub what: String,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Wakes a listener, which checks after each connection whether to stop.
pub(crate) fn wake(mut address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    // without this connection the listener notices a little later by itself
    let _ = TcpStream::connect_timeout(&address, Duration::from_millis(500));
}

/// A socket with one deadline for all its operations.
#[derive(Debug)]
pub(crate) struct Timed {
    pub(crate) socket: TcpStream,
    until: Instant,
}

impl Timed {
    pub fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            until: Instant::now(),
        }
    }

    pub fn within(&mut self, time: Duration) {
        self.until = Instant::now() + time;
    }

    /// Waits until there is something to read, without consuming it. `false` at the end of the connection.
    pub fn wait_readable(&mut self) -> io::Result<bool> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        self.socket.peek(&mut [0]).map(|n| n > 0).map_err(timed_out)
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        self.socket.read(buffer).map_err(timed_out)
    }
}

impl Write for Timed {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        self.socket.write(data).map_err(timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// An expired timeout of a blocking socket is reported as "would block".
fn timed_out(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock {
        io::ErrorKind::TimedOut.into()
    } else {
        error
    }
}

/// The result of reading from a connection: a line without its line feed, or the end of the connection.
pub(crate) enum Line {
    Text(Vec<u8>),
    End,
}

/// Reads a line of at most [`MAX_LINE`] bytes; the bytes after it stay in `pending`.
pub(crate) fn read_line(source: &mut impl Read, pending: &mut Vec<u8>) -> io::Result<Line> {
    loop {
        if let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let mut line: Vec<u8> = pending.drain(..=end).collect();
            line.pop();
            return Ok(Line::Text(line));
        }
        if pending.len() >= MAX_LINE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
        }
        let mut buffer = [0; 1024];
        let room = buffer.len().min(MAX_LINE - pending.len());
        match source.read(&mut buffer[..room]) {
            Ok(0) => return Ok(Line::End),
            Ok(n) => pending.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // no close_notify: no message was truncated, since each line has a terminator
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Line::End),
            Err(error) => return Err(error),
        }
    }
}
