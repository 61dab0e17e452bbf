//! One connection: a TLS stream, the socket under it, and waiting that ends in time.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::fork::Process;
use crate::transport::{ConnectionInfo, Control, Ended, Socket};

/// What reads and writes over a [`Wire`].
pub(super) trait OnWire {
    fn wire(&mut self) -> &mut Wire;
}

/// A TLS session over a connected socket, whichever library speaks it.
///
/// Reads and writes end with `WouldBlock` when the [`Wire`] interrupts them, and can then be repeated.
pub(super) trait TlsStream: OnWire + Send {
    /// Writes all of it.
    fn write_all(&mut self, data: &[u8]) -> io::Result<()>;
    /// Goes on with a write of the same data that was interrupted.
    fn resume_write(&mut self, data: &[u8]) -> io::Result<()>;
    /// Reads some plaintext; 0 at the end of the stream, with or without `close_notify`.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Whether the library holds nothing of the peer's that was not read: no plaintext, no part of a record, no `close_notify`.
    fn is_drained(&mut self) -> bool;
    /// Sends `close_notify`; the socket closes on drop.
    fn close(&mut self);
    /// Whether the peer sent `close_notify` before its end was read.
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

    /// Whether all that came was read and the peer has not closed: otherwise what is left would be taken for the next reply.
    pub fn is_drained(&mut self) -> bool {
        self.tls.is_drained()
    }

    /// Whether a request may be written: as [`Connection::is_drained`], and the socket has nothing either.
    pub fn is_usable(&mut self) -> bool {
        self.tls.is_drained() && self.tls.wire().is_silent()
    }

    /// `sent` becomes true as soon as the kernel has one byte.
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
        // ending a socket reads as the end of the connection
        if n == 0 && self.socket().is_ended() {
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
        if self.tls.wire().begin_goodbye() {
            self.tls.close();
        }
    }
}

/// Does something over a wire, again and again until it is done or the call has to end.
pub(super) fn wait<S: OnWire + ?Sized, T>(
    stream: &mut S,
    control: &Control<'_>,
    mut operation: impl FnMut(&mut S) -> io::Result<T>,
) -> Result<T, Stop> {
    loop {
        stream.wire().arm(control);
        match operation(stream) {
            Ok(done) => return Ok(done),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => control.check().map_err(Stop::Ended)?,
            Err(_) if stream.wire().socket.is_ended() => return Err(Stop::Ended(Ended::Cancelled)),
            Err(error) => return Err(Stop::Io(error)),
        }
    }
}

/// A socket as TLS sees it. Every single read and write looks first whether the call may go on: a library may read any number of times
/// before it returns, and whoever is on the path decides when the bytes come.
pub(super) struct Wire {
    pub socket: Arc<Socket>,
    /// The process that made the connection. In another one nothing is read from it or written to it: the parent goes on with it.
    process: Process,
    deadline: Instant,
    /// When the caller wants to be asked whether to go on.
    ask_at: Option<Instant>,
    /// The socket's own timeout for reads and writes.
    timeout: Duration,
    /// Whether reads and writes wait.
    waits: bool,
    /// Whether any byte went out since this was last reset.
    pub has_written: bool,
    records: Records,
}

impl Wire {
    /// The longest that one system call waits; then the deadline is looked at again.
    const SLICE: Duration = Duration::from_secs(1);
    /// The same while the caller wants to be asked whether to go on; also how often that is.
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

    /// Whether what was read ends with a whole record of TLS.
    pub fn is_between_records(&self) -> bool {
        self.records.is_between()
    }

    /// Whether the socket is open, and has nothing to read.
    pub fn is_silent(&self) -> bool {
        let nothing = || peek_now(&self.socket).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        self.process.is_current() && nothing()
    }

    /// Takes the limits of a call.
    fn arm(&mut self, control: &Control<'_>) {
        self.deadline = control.deadline;
        self.ask_at = control.interrupted.map(|_| Instant::now() + Self::SHORT_SLICE);
    }

    /// From now on nothing waits. `false` when nothing may be sent either.
    fn begin_goodbye(&mut self) -> bool {
        self.waits = false;
        // the flag belongs to the connection, so a child would change it for its parent
        self.process.is_current() && !self.socket.is_ended() && self.socket.tcp.set_nonblocking(true).is_ok()
    }

    /// Whether the next read or write may begin; it will not wait for longer than it may.
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
        // only when what it has would be too long, or needlessly short
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
        let n = (&self.socket.tcp).read(buffer).map_err(interrupted)?;
        self.records.pass(&buffer[..n]);
        Ok(n)
    }
}

impl Write for Wire {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.begin()?;
        let done = (&self.socket.tcp).write(data);
        self.wrote(done)
    }

    /// Raises no SIGPIPE when the connection is gone: for several buffers at once the standard library has no such flag. Only Rust's
    /// own programs, Python and the JVM ignore that signal; it would end a Swift program.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn write_vectored(&mut self, data: &[io::IoSlice<'_>]) -> io::Result<usize> {
        use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
        self.begin()?;
        let mut nothing = SendAncillaryBuffer::default();
        let done = sendmsg(&self.socket.tcp, data, &mut nothing, SendFlags::NOSIGNAL);
        self.wrote(done.map_err(io::Error::from))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// OpenSSL lets only this kind of error be tried again.
fn interrupted(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::TimedOut => io::ErrorKind::WouldBlock.into(),
        _ => error,
    }
}

/// Where in a record of TLS (RFC 8446, 5.1) the bytes end that have passed.
#[derive(Default)]
struct Records {
    /// How much of a header has passed.
    header: u8,
    /// The last two bytes of that.
    length: u16,
    /// How much of the record is still to come.
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

/// Looks whether something has come, without waiting; 0 at the end of the connection.
#[cfg(unix)]
fn peek_now(socket: &Socket) -> io::Result<usize> {
    use rustix::net::{RecvFlags, recv};
    Ok(recv(&socket.tcp, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT)?.0)
}

// Windows can say that of a socket only, not of a call; nobody else reads from it now
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
