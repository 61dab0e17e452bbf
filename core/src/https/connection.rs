//! One connection: a TLS stream, and waiting on it that ends in time.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::transport::{ConnectionInfo, Control, Ended};

/// A TLS session over a connected socket, whichever library speaks it.
///
/// Reads and writes block until the socket's own timeouts, which [`Connection`] sets.
pub(super) trait TlsStream: Send {
    /// Writes some bytes; `sent` becomes true as soon as one byte of the record is with the kernel.
    fn write_all(&mut self, data: &[u8], sent: &mut bool) -> io::Result<()>;
    /// Goes on with a write of the same data that the socket's timeout interrupted.
    fn resume_write(&mut self, data: &[u8], sent: &mut bool) -> io::Result<()>;
    /// Reads some plaintext; 0 at the end of the stream, with or without `close_notify`.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Takes in what came while nobody asked (session tickets); false when the peer has closed or sent data.
    fn is_quiet(&mut self) -> bool;
    /// Says goodbye; the socket closes on drop.
    fn close(&mut self);
    /// Whether the peer said goodbye (`close_notify`) before its end was read.
    fn closed_cleanly(&mut self) -> bool {
        false
    }
    /// The certificates that the peer showed, its own first, in DER.
    fn certificates(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }
    /// What the peer's alert means, if it ended the stream because it refused this client; any other end is a lost
    /// connection.
    fn refusal(&self, error: &io::Error) -> Option<Error>;
}

/// Why reading or writing stopped.
#[derive(Debug)]
pub(super) enum Stop {
    Ended(Ended),
    /// The peer took no request, because it refused this client.
    Refused(Error),
    Io(io::Error),
}

pub(super) struct Connection {
    tls: Box<dyn TlsStream>,
    wire: Wire,
    pub info: ConnectionInfo,
    pub idle_since: Instant,
}

impl Connection {
    pub fn new(tls: Box<dyn TlsStream>, wire: Wire, info: ConnectionInfo) -> Self {
        Self {
            tls,
            wire,
            info,
            idle_since: Instant::now(),
        }
    }

    pub fn socket(&self) -> &Arc<TcpStream> {
        &self.wire.socket
    }

    /// Whether a request may be written: nothing came unasked, and the peer has not closed.
    pub fn is_usable(&mut self) -> bool {
        self.tls.is_quiet()
    }

    pub fn write_all(&mut self, data: &[u8], control: &Control<'_>, sent: &mut bool) -> Result<(), Stop> {
        let tls = &mut self.tls;
        let mut first = true;
        let done = self.wire.wait(control, || {
            if std::mem::take(&mut first) {
                tls.write_all(data, sent)
            } else {
                tls.resume_write(data, sent)
            }
        });
        done.map_err(|stop| self.explain(stop))
    }

    pub fn read(&mut self, buffer: &mut [u8], control: &Control<'_>) -> Result<usize, Stop> {
        let tls = &mut self.tls;
        let n = self
            .wire
            .wait(control, || tls.read(buffer))
            .map_err(|stop| self.explain(stop))?;
        // a cancelled call shuts the socket down, which reads as its end
        if n == 0 && control.cancel.is_cancelled() {
            Err(Stop::Ended(Ended::Cancelled))
        } else {
            Ok(n)
        }
    }

    pub fn closed_cleanly(&mut self) -> bool {
        self.tls.closed_cleanly()
    }

    pub fn certificates(&self) -> Vec<Vec<u8>> {
        self.tls.certificates()
    }

    fn explain(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Io(error) => self.tls.refusal(&error).map_or(Stop::Io(error), Stop::Refused),
            other => other,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.tls.close();
    }
}

/// A socket whose blocking calls return often enough to look at the deadline.
pub(super) struct Wire {
    pub socket: Arc<TcpStream>,
    timeout: Duration,
}

impl Wire {
    /// The longest that one system call waits; then the deadline is looked at again.
    const SLICE: Duration = Duration::from_secs(1);
    /// The same while the caller wants to be asked whether to go on.
    const SHORT_SLICE: Duration = Duration::from_millis(100);

    pub fn new(socket: Arc<TcpStream>) -> Self {
        Self {
            socket,
            timeout: Duration::ZERO,
        }
    }

    /// Does one blocking operation, again and again until it is done or the call has to end.
    pub fn wait<T>(&mut self, control: &Control<'_>, mut operation: impl FnMut() -> io::Result<T>) -> Result<T, Stop> {
        loop {
            self.arm(control)?;
            match operation() {
                Ok(done) => return Ok(done),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
                    ) =>
                {
                    control.check().map_err(Stop::Ended)?;
                }
                Err(_) if control.cancel.is_cancelled() => return Err(Stop::Ended(Ended::Cancelled)),
                Err(error) => return Err(Stop::Io(error)),
            }
        }
    }

    /// Sets the socket's timeouts, but only when the ones it has would be too long or needlessly short.
    fn arm(&mut self, control: &Control<'_>) -> Result<(), Stop> {
        let left = control.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Stop::Ended(Ended::Deadline));
        }
        let slice = if control.interrupted.is_some() {
            Self::SHORT_SLICE
        } else {
            Self::SLICE
        };
        let wanted = left.min(slice).max(Duration::from_millis(1));
        if self.timeout != wanted {
            self.socket.set_read_timeout(Some(wanted)).map_err(Stop::Io)?;
            self.socket.set_write_timeout(Some(wanted)).map_err(Stop::Io)?;
            self.timeout = wanted;
        }
        Ok(())
    }
}

/// Takes what has come, without waiting.
#[cfg(feature = "psk")]
pub(super) fn take_now(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    now(socket, buffer, false)
}

/// Looks whether something has come, without waiting; 0 at the end of the connection.
pub(super) fn peek_now(socket: &TcpStream) -> io::Result<usize> {
    now(socket, &mut [0], true)
}

#[cfg(unix)]
fn now(socket: &TcpStream, buffer: &mut [u8], peek: bool) -> io::Result<usize> {
    use rustix::net::{RecvFlags, recv};
    let peek = if peek { RecvFlags::PEEK } else { RecvFlags::empty() };
    Ok(recv(socket, buffer, peek | RecvFlags::DONTWAIT)?.0)
}

// Windows can say that of a socket only, not of a call; nobody else reads from it now
#[cfg(not(unix))]
fn now(mut socket: &TcpStream, buffer: &mut [u8], peek: bool) -> io::Result<usize> {
    socket.set_nonblocking(true)?;
    let done = if peek {
        socket.peek(buffer)
    } else {
        io::Read::read(&mut socket, buffer)
    };
    socket.set_nonblocking(false)?;
    done
}
