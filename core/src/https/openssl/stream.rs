//! A TLS connection of OpenSSL over a socket whose timeouts interrupt it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use openssl::ssl::{self, ErrorCode, ShutdownState, Ssl, SslCipherRef, SslRef, SslStream};
use skip_tls_psk::negotiated_group;

use crate::error::Error;
use crate::https::alert;
use crate::https::connection::{Stop, TlsStream, Wire, take_now};
use crate::transport::{ConnectionInfo, Control, Ended};

pub(super) struct Stream(SslStream<Socket>);

/// Why a handshake failed.
pub(super) enum Why {
    Ended(Ended),
    /// The peer closed or reset the connection.
    Closed,
    /// The peer sent this alert.
    Alert(u8),
    /// OpenSSL itself gave up, for this reason of its `SSL_R_` numbers.
    Reason(i32),
}

pub(super) const CERTIFICATE_VERIFY_FAILED: i32 = 134;
pub(super) const UNSUPPORTED_PROTOCOL: i32 = 258;
pub(super) const DH_KEY_TOO_SMALL: i32 = 394;
/// Records that are not TLS: wrong version number, bad record type, packet length too long, wrong SSL version.
pub(super) const NOT_TLS: [i32; 4] = [267, 443, 198, 266];
/// What is above is the number of an alert that was received.
const ALERT_OFFSET: i32 = 1000;

impl Stream {
    /// Does the handshake; a failure comes with the connection as it was then.
    pub fn connect(
        ssl: Ssl,
        socket: &Arc<TcpStream>,
        control: &Control<'_>,
    ) -> Result<Self, (Why, Option<SslStream<Socket>>)> {
        let mut wire = Wire::new(Arc::clone(socket));
        let socket = Socket {
            tcp: Arc::clone(socket),
            waits: true,
            has_written: false,
        };
        let mut stream = SslStream::new(ssl, socket).map_err(|_| (Why::Reason(0), None))?;
        match wire.wait(control, || stream.connect().map_err(into_io)) {
            Ok(()) => Ok(Self(stream)),
            Err(Stop::Ended(ended)) => Err((Why::Ended(ended), Some(stream))),
            Err(Stop::Refused(_)) => Err((Why::Closed, Some(stream))),
            Err(Stop::Io(error)) => Err((why(&error), Some(stream))),
        }
    }

    pub fn ssl(&self) -> &SslRef {
        self.0.ssl()
    }

    /// How the connection came up; URL and address are for the caller to add.
    pub fn info(&self, warnings: Vec<String>) -> ConnectionInfo {
        ConnectionInfo {
            tls_version: match self.ssl().version_str() {
                "TLSv1.3" => "TLS 1.3".into(),
                _ => "TLS 1.2".into(),
            },
            cipher_suite: suite(self.ssl()).into(),
            group: negotiated_group(self.ssl()),
            warnings,
            ..ConnectionInfo::default()
        }
    }
}

/// The suite's IANA name.
pub(super) fn suite(ssl: &SslRef) -> &'static str {
    ssl.current_cipher()
        .and_then(SslCipherRef::standard_name)
        .unwrap_or_default()
}

impl TlsStream for Stream {
    fn write_all(&mut self, data: &[u8], sent: &mut bool) -> io::Result<()> {
        self.0.get_mut().has_written = false;
        self.resume_write(data, sent)
    }

    fn resume_write(&mut self, data: &[u8], sent: &mut bool) -> io::Result<()> {
        // all or nothing: partial writes are off
        let written = self.0.ssl_write(data);
        *sent |= self.0.get_ref().has_written;
        written.map(drop).map_err(into_io)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.ssl_read(buffer) {
            Ok(n) => Ok(n),
            Err(error) if is_end(&error) => Ok(0),
            Err(error) => Err(into_io(error)),
        }
    }

    fn is_quiet(&mut self) -> bool {
        // session tickets are taken in on the way; a goodbye or data nobody asked for is not quiet
        self.0.get_mut().waits = false;
        let mut byte = [0];
        let quiet = matches!(self.0.ssl_peek(&mut byte), Err(error) if error.code() == ErrorCode::WANT_READ);
        self.0.get_mut().waits = true;
        quiet
    }

    fn close(&mut self) {
        // best effort: nothing is waited for
        let _ = self.0.get_ref().tcp.set_nonblocking(true);
        let _ = self.0.shutdown();
    }

    fn closed_cleanly(&mut self) -> bool {
        self.0.get_shutdown().contains(ShutdownState::RECEIVED)
    }

    fn certificates(&self) -> Vec<Vec<u8>> {
        let chain = self.ssl().peer_cert_chain().into_iter().flatten();
        chain.filter_map(|certificate| certificate.to_der().ok()).collect()
    }

    fn refusal(&self, error: &io::Error) -> Option<Error> {
        match why(error) {
            Why::Alert(alert) if alert::refuses_client(alert) => Some(alert::explain(alert)),
            Why::Alert(_) | Why::Reason(_) | Why::Ended(_) | Why::Closed => None,
        }
    }
}

/// The socket as OpenSSL sees it.
pub(super) struct Socket {
    tcp: Arc<TcpStream>,
    /// Whether a read waits for data.
    waits: bool,
    /// Whether any byte went out since this was last reset.
    has_written: bool,
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.waits {
            self.tcp.as_ref().read(buffer).map_err(retry)
        } else {
            take_now(&self.tcp, buffer).map_err(retry)
        }
    }
}

impl Write for Socket {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = self.tcp.as_ref().write(data).map_err(retry)?;
        self.has_written |= n > 0;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// OpenSSL lets only this kind of error be tried again.
fn retry(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::TimedOut => io::ErrorKind::WouldBlock.into(),
        _ => error,
    }
}

fn is_end(error: &ssl::Error) -> bool {
    error.code() == ErrorCode::ZERO_RETURN
        || (error.code() == ErrorCode::SYSCALL && error.io_error().is_none() && error.ssl_error().is_none())
}

fn into_io(error: ssl::Error) -> io::Error {
    match error.code() {
        ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => io::ErrorKind::WouldBlock.into(),
        _ => error
            .into_io_error()
            .unwrap_or_else(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}

fn why(error: &io::Error) -> Why {
    let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<ssl::Error>()) else {
        return Why::Closed;
    };
    match error.ssl_error().and_then(|stack| stack.errors().first()) {
        Some(first) if first.reason_code() > ALERT_OFFSET => {
            u8::try_from(first.reason_code() - ALERT_OFFSET).map_or(Why::Reason(0), Why::Alert)
        }
        Some(first) => Why::Reason(first.reason_code()),
        None => Why::Closed,
    }
}
