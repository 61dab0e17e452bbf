//! The interface between the protocol and the network: one request in, one reply out.

use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use zeroize::Zeroize;

use crate::error::Error;
use crate::fork::PerProcess;
use crate::request::Request;
use crate::response::Headers;

#[cfg(feature = "ureq")]
pub use crate::https::UreqTransport;

/// Carries requests to one Key Provider.
///
/// A GET in SKIP has side effects (draft 4.2.2: a key is given once), so an implementation must never send a request twice or
/// follow redirects, and [`TransportError::sent`] must be accurate.
pub trait Transport: Send + Sync {
    /// Sends one request and returns the complete reply, whatever its status.
    ///
    /// # Errors
    /// If there is no reply: connecting or TLS failed, a deadline passed, the call was cancelled, the connection was lost, or
    /// the reply is too large or not HTTP.
    fn exchange(&self, request: &Request, control: &Control<'_>) -> Result<Response, TransportError>;

    /// The URL of the Key Provider, for messages.
    fn url(&self) -> &str;

    /// Information about the last connection, if there was one.
    fn connection(&self) -> Option<ConnectionInfo> {
        None
    }

    /// Cancels the running calls and closes idle connections; later calls fail.
    fn close(&self) {}
}

/// A call that ended without a reply.
#[derive(Debug, Clone)]
pub struct TransportError {
    /// What happened.
    pub error: Error,
    /// Whether any byte of the request may have reached the Key Provider. If not, another one can be tried instead.
    pub sent: bool,
}

/// A raw reply; its bytes are wiped on drop.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The relevant headers.
    pub headers: Headers,
    /// The body, after transfer decoding.
    pub body: WipedBuffer,
}

/// Information about a connection to a Key Provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The Key Provider's URL.
    pub url: String,
    /// Address and port of the Key Provider, or of the proxy.
    pub address: String,
    /// `TLS 1.2` or `TLS 1.3`.
    pub tls_version: String,
    /// The IANA name of the cipher suite, as in Table 1.
    pub cipher_suite: String,
    /// The key exchange group, for example `X25519MLKEM768`.
    pub group: Option<String>,
    /// Deviations from Table 1.
    pub warnings: Vec<String>,
}

/// When a call has to end: its deadlines, its cancel token, the caller's callback, and closing the client. A transport calls
/// [`Control::check`] around every operation that may block.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    /// The deadline of the whole call.
    pub deadline: Instant,
    /// The time that name resolution, TCP and TLS may take together, from when a connection is needed.
    pub connect_timeout: Duration,
    /// Cancels the call from another thread.
    pub(crate) cancel: Option<&'a CancelToken>,
    /// Cancels every call of the client.
    pub(crate) closed: Option<&'a CancelToken>,
    /// Called in the calling thread after an interrupted system call and at least every 100 ms; `true` cancels the call.
    pub(crate) interrupted: Option<&'a dyn Fn() -> bool>,
}

/// Why a call has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The deadline has passed.
    Deadline,
    /// The call was cancelled.
    Cancelled,
}

impl Control<'_> {
    /// Checks whether the call may continue.
    ///
    /// # Errors
    /// The reason, if it may not.
    pub fn check(&self) -> Result<(), Ended> {
        if self.is_cancelled() || self.interrupted.is_some_and(|ask| ask()) {
            return Err(Ended::Cancelled);
        }
        if Instant::now() >= self.deadline {
            Err(Ended::Deadline)
        } else {
            Ok(())
        }
    }

    /// The same with an earlier deadline.
    #[must_use]
    pub fn until(self, deadline: Instant) -> Self {
        Self {
            deadline: self.deadline.min(deadline),
            ..self
        }
    }

    /// The same with the deadline of a connection that is opened now.
    pub(crate) fn while_connecting(&self) -> Self {
        self.until(Instant::now() + self.connect_timeout)
    }

    /// Whether the token was cancelled or the client closed.
    pub(crate) fn is_cancelled(&self) -> bool {
        [self.cancel, self.closed]
            .into_iter()
            .flatten()
            .any(CancelToken::is_cancelled)
    }

    /// Whether the client was closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_some_and(CancelToken::is_cancelled)
    }

    /// Shuts the socket down when the call is cancelled or the client closed, while the guard lives.
    pub(crate) fn watch<'s>(&'s self, socket: &Arc<Socket>) -> [Option<Watch<'s>>; 2] {
        [self.cancel, self.closed].map(|token| token.map(|token| token.watch(socket)))
    }
}

/// A socket that another thread can shut down.
#[derive(Debug)]
pub(crate) struct Socket {
    pub tcp: TcpStream,
    ended: AtomicBool,
}

impl Socket {
    pub fn new(tcp: TcpStream) -> Self {
        Self {
            tcp,
            ended: AtomicBool::new(false),
        }
    }

    /// Wakes any thread that waits on it, and prevents further reads and writes.
    pub fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        // a socket that is already closed needs no waking
        let _ = self.tcp.shutdown(Shutdown::Both);
    }

    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }
}

/// Cancels calls from another thread, immediately. Clones refer to the same token.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<Token>);

#[derive(Debug, Default)]
struct Token {
    cancelled: AtomicBool,
    /// The sockets that calls wait on. A child process does not touch those of its parent.
    sockets: PerProcess<Mutex<Vec<Arc<Socket>>>>,
}

impl CancelToken {
    /// Creates a token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels every call that uses this token, now or later.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::SeqCst);
        for socket in self.0.sockets().iter() {
            socket.end();
        }
    }

    /// Whether [`CancelToken::cancel`] was called.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::SeqCst)
    }

    /// Shuts this socket down when the token is cancelled, while the guard lives.
    fn watch(&self, socket: &Arc<Socket>) -> Watch<'_> {
        self.0.sockets().push(Arc::clone(socket));
        if self.is_cancelled() {
            socket.end();
        }
        Watch {
            token: self,
            socket: Arc::clone(socket),
        }
    }
}

impl Token {
    fn sockets(&self) -> MutexGuard<'_, Vec<Arc<Socket>>> {
        self.sockets.get().lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Watch<'a> {
    token: &'a CancelToken,
    socket: Arc<Socket>,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let mut sockets = self.token.0.sockets();
        if let Some(at) = sockets.iter().position(|s| Arc::ptr_eq(s, &self.socket)) {
            sockets.swap_remove(at);
        }
    }
}

/// Bytes of a reply: wiped on drop and on reallocation. `Debug` shows only their number.
#[derive(Default)]
pub struct WipedBuffer {
    /// Fully initialised; everything beyond `filled` is zero.
    bytes: Vec<u8>,
    filled: usize,
}

impl WipedBuffer {
    /// Creates a buffer with a copy of `bytes`.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            filled: bytes.len(),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// The bytes, mutable.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.filled]
    }

    /// Space for at least `room` more bytes after the filled part. Whoever writes to it calls `advance` for all of it.
    pub(crate) fn spare(&mut self, room: usize) -> &mut [u8] {
        if self.bytes.len() - self.filled < room {
            let mut larger = vec![0; (self.filled + room).max(2 * self.bytes.len())];
            larger[..self.filled].copy_from_slice(&self.bytes[..self.filled]);
            wipe(&mut self.bytes);
            self.bytes = larger;
        }
        &mut self.bytes[self.filled..]
    }

    /// Marks `n` bytes of the spare space as filled.
    pub(crate) fn advance(&mut self, n: usize) {
        self.filled = (self.filled + n).min(self.bytes.len());
    }

    /// Removes the bytes from `start` to `end`; those behind move down, and the vacated space is wiped.
    pub(crate) fn remove(&mut self, start: usize, end: usize) {
        self.bytes.copy_within(end..self.filled, start);
        self.truncate(self.filled - (end - start));
    }

    /// Keeps the first `len` bytes and wipes the rest.
    pub(crate) fn truncate(&mut self, len: usize) {
        wipe(&mut self.bytes[len..self.filled]);
        self.filled = len;
    }

    pub(crate) fn len(&self) -> usize {
        self.filled
    }
}

impl Drop for WipedBuffer {
    fn drop(&mut self) {
        self.truncate(0);
    }
}

/// Wipes a slice: a vector would be wiped byte by byte, which takes longer than decryption.
fn wipe(bytes: &mut [u8]) {
    bytes.zeroize();
}

impl std::fmt::Debug for WipedBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{} bytes]", self.filled)
    }
}
