//! A connection: a TLS stream and its socket, with I/O that respects deadlines.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::fork::{Process, hold_off, let_through};
use crate::transport::{ConnectionInfo, Control, Ended, Socket};

/// Anything that reads and writes over a [`Wire`].
pub(super) trait OnWire {
    fn wire(&mut self) -> &mut Wire;
}

/// A TLS session over a connected socket, whichever library speaks it.
///
/// Reads and writes return `WouldBlock` when the [`Wire`] interrupts them, and can then be retried.
pub(super) trait TlsStream: OnWire + Send {
    /// Writes all of it.
    fn write_all(&mut self, data: &[u8]) -> io::Result<()>;
    /// Continues an interrupted write of the same data.
    fn resume_write(&mut self, data: &[u8]) -> io::Result<()>;
    /// Reads some plaintext; 0 at the end of the stream, with or without `close_notify`.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Whether the library has no unread data from the peer: no plaintext, no partial record, no `close_notify`.
    fn is_drained(&mut self) -> bool;
    /// Sends `close_notify`; the socket closes on drop.
    fn close(&mut self);
    /// Whether the peer sent `close_notify` before its end was read.
    #[cfg_attr(not(feature = "probe"), allow(dead_code))]
    fn closed_cleanly(&mut self) -> bool {
        false
    }
    /// The peer's certificate chain, its own certificate first, in DER.
    #[cfg_attr(not(feature = "probe"), allow(dead_code))]
    fn certificates(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }
    /// The error for the peer's alert, if it ended the stream because it rejected this client; any other end is a lost connection.
    fn refusal(&self, error: &io::Error) -> Option<Error>;
}

/// Why reading or writing stopped.
#[derive(Debug)]
pub(super) enum Stop {
    Ended(Ended),
    /// The peer rejected this client and accepted no request.
    Refused(Error),
    Io(io::Error),
}

pub(super) struct Connection {
    tls: Box<dyn TlsStream>,
    pub info: Arc<ConnectionInfo>,
    pub idle_since: Instant,
    /// That of the credentials it was made with.
    pub generation: u64,
}

impl Connection {
    pub fn new(tls: Box<dyn TlsStream>, info: ConnectionInfo, generation: u64) -> Self {
        Self {
            tls,
            info: Arc::new(info),
            idle_since: Instant::now(),
            generation,
        }
    }

    pub fn socket(&mut self) -> &Arc<Socket> {
        &self.tls.wire().socket
    }

    /// Whether all received data was read and the peer has not closed: leftover data would be taken for the next reply.
    pub fn is_drained(&mut self) -> bool {
        self.tls.is_drained()
    }

    /// Whether a request can be sent: as [`Connection::is_drained`], and the socket has no unread data either.
    pub fn is_usable(&mut self) -> bool {
        self.tls.is_drained() && self.tls.wire().is_silent()
    }

    /// `sent` becomes true once the kernel has accepted a byte.
    pub fn write_all(&mut self, data: &[u8], control: &Control<'_>, sent: &mut bool) -> Result<(), Stop> {
        self.tls.wire().has_written = false;
        let mut first = true;
        let done = wait(&mut *self.tls, control, |tls| {
            if std::mem::take(&mut first) {
                tls.write_all(data)
            } else {
                tls.resume_write(data)
            }
        });
        *sent |= self.tls.wire().has_written;
        done.map_err(|stop| self.explain(stop))
    }

    pub fn read(&mut self, buffer: &mut [u8], control: &Control<'_>) -> Result<usize, Stop> {
        let n = wait(&mut *self.tls, control, |tls| tls.read(buffer)).map_err(|stop| self.explain(stop))?;
        // a socket that was shut down reads as the end of the connection
        if n == 0 && self.socket().is_ended() {
            Err(Stop::Ended(Ended::Cancelled))
        } else {
            Ok(n)
        }
    }

    #[cfg(feature = "probe")]
    pub fn closed_cleanly(&mut self) -> bool {
        self.tls.closed_cleanly()
    }

    #[cfg(feature = "probe")]
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
        if self.tls.wire().begin_goodbye() {
            hold_off(|| self.tls.close());
        }
    }
}

/// Retries an operation over a wire until it is done or the call has to end.
pub(super) fn wait<S: OnWire + ?Sized, T>(
    stream: &mut S,
    control: &Control<'_>,
    mut operation: impl FnMut(&mut S) -> io::Result<T>,
) -> Result<T, Stop> {
    loop {
        stream.wire().arm(control);
        match hold_off(|| operation(stream)) {
            Ok(done) => return Ok(done),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => control.check().map_err(Stop::Ended)?,
            Err(_) if stream.wire().socket.is_ended() => return Err(Stop::Ended(Ended::Cancelled)),
            Err(error) => return Err(Stop::Io(error)),
        }
    }
}

/// The socket that the TLS library uses. Every read and write first checks whether the call may continue: a library may read any
/// number of times before it returns, and someone on the path controls when the bytes arrive.
pub(super) struct Wire {
    pub socket: Arc<Socket>,
    /// The process that opened the connection. Other processes neither read from it nor write to it, because this one still uses it.
    process: Process,
    deadline: Instant,
    /// When to call the caller's callback next.
    ask_at: Option<Instant>,
    /// The socket's own timeout for reads and writes.
    timeout: Duration,
    /// Whether reads and writes block.
    waits: bool,
    /// Whether any byte was sent since this was last reset.
    pub has_written: bool,
    records: Records,
}

impl Wire {
    /// The maximum wait of one system call; then the deadline is checked again.
    const SLICE: Duration = Duration::from_secs(1);
    /// The same if the caller has a callback; also its interval.
    const SHORT_SLICE: Duration = Duration::from_millis(50);

    pub fn new(socket: Arc<Socket>) -> Self {
        Self {
            socket,
            process: Process::current(),
            deadline: Instant::now(),
            ask_at: None,
            timeout: Duration::ZERO,
            waits: true,
            has_written: false,
            records: Records::default(),
        }
    }

    /// Whether the data read so far ends with a complete TLS record.
    pub fn is_between_records(&self) -> bool {
        self.records.is_between()
    }

    /// Whether the socket is open and has no data to read.
    pub fn is_silent(&self) -> bool {
        let nothing = || peek_now(&self.socket).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        self.process.is_current() && nothing()
    }

    /// Applies the limits of a call.
    fn arm(&mut self, control: &Control<'_>) {
        self.deadline = control.deadline;
        self.ask_at = control.interrupted.map(|_| Instant::now() + Self::SHORT_SLICE);
    }

    /// Stops blocking from now on. Returns `false` if nothing may be sent either.
    fn begin_goodbye(&mut self) -> bool {
        self.waits = false;
        // the flag belongs to the connection, so a child would change it for its parent
        self.process.is_current() && !self.socket.is_ended() && self.socket.tcp.set_nonblocking(true).is_ok()
    }

    /// Checks whether the next read or write may start, and limits how long it can block.
    fn begin(&mut self) -> io::Result<()> {
        if self.socket.is_ended() || !self.process.is_current() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if !self.waits {
            return Ok(());
        }
        let now = Instant::now();
        let left = self.deadline.saturating_duration_since(now);
        if left.is_zero() || self.ask_at.is_some_and(|at| at <= now) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let slice = if self.ask_at.is_some() {
            Self::SHORT_SLICE
        } else {
            Self::SLICE
        };
        let wanted = left.min(slice).max(Duration::from_millis(1));
        // only if the current one is too long or needlessly short
        if self.timeout != wanted {
            self.socket.tcp.set_read_timeout(Some(wanted))?;
            self.socket.tcp.set_write_timeout(Some(wanted))?;
            self.timeout = wanted;
        }
        Ok(())
    }

    fn wrote(&mut self, done: io::Result<usize>) -> io::Result<usize> {
        let n = done.map_err(interrupted)?;
        self.has_written |= n > 0;
        Ok(n)
    }
}

impl OnWire for Wire {
    fn wire(&mut self) -> &mut Wire {
        self
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.begin()?;
        let n = let_through(|| (&self.socket.tcp).read(buffer)).map_err(interrupted)?;
        self.records.pass(&buffer[..n]);
        Ok(n)
    }
}

impl Write for Wire {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.begin()?;
        let done = let_through(|| (&self.socket.tcp).write(data));
        self.wrote(done)
    }

    /// Does not raise SIGPIPE if the connection is gone; the standard library cannot do that for vectored writes. Rust programs,
    /// Python and the JVM ignore the signal, but it would terminate a Swift program.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn write_vectored(&mut self, data: &[io::IoSlice<'_>]) -> io::Result<usize> {
        use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
        self.begin()?;
        let mut nothing = SendAncillaryBuffer::default();
        let done = let_through(|| sendmsg(&self.socket.tcp, data, &mut nothing, SendFlags::NOSIGNAL));
        self.wrote(done.map_err(io::Error::from))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// OpenSSL allows retries only after this kind of error.
fn interrupted(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::TimedOut => io::ErrorKind::WouldBlock.into(),
        _ => error,
    }
}

/// The position within a TLS record (RFC 8446, 5.1) of the bytes read so far.
#[derive(Default)]
struct Records {
    /// How much of the header was read.
    header: u8,
    /// The last two bytes of the header.
    length: u16,
    /// How much of the record is left to read.
    left: usize,
}

impl Records {
    const HEADER: u8 = 5;

    fn pass(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let n = self.left.min(bytes.len());
                self.left -= n;
                bytes = &bytes[n..];
                continue;
            }
            self.length = self.length << 8 | u16::from(*first);
            self.header += 1;
            if self.header == Self::HEADER {
                self.header = 0;
                self.left = usize::from(self.length);
            }
            bytes = rest;
        }
    }

    fn is_between(&self) -> bool {
        self.header == 0 && self.left == 0
    }
}

/// Peeks for data without blocking; 0 at the end of the connection.
#[cfg(unix)]
fn peek_now(socket: &Socket) -> io::Result<usize> {
    use rustix::net::{RecvFlags, recv};
    Ok(recv(&socket.tcp, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT)?.0)
}

// Windows has no such flag for one call, only for the socket; no other thread reads from it now
#[cfg(not(unix))]
fn peek_now(socket: &Socket) -> io::Result<usize> {
    socket.tcp.set_nonblocking(true)?;
    let done = socket.tcp.peek(&mut [0]);
    socket.tcp.set_nonblocking(false)?;
    done
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Records;

    proptest! {
        #[test]
        fn records_end_where_they_end(
            lengths in prop::collection::vec(prop_oneof![0..40_usize, 250..600_usize, Just(16_640)], 1..6),
            piece in 1..700_usize,
        ) {
            let mut ends = vec![0];
            let mut bytes = Vec::new();
            for length in lengths {
                bytes.extend([23, 3, 3]);
                bytes.extend(u16::try_from(length).expect("a length").to_be_bytes());
                bytes.resize(bytes.len() + length, 0xa5);
                ends.push(bytes.len());
            }
            let mut records = Records::default();
            let mut passed = 0;
            for piece in bytes.chunks(piece) {
                records.pass(piece);
                passed += piece.len();
                prop_assert_eq!(records.is_between(), ends.contains(&passed));
            }
        }
    }
}
