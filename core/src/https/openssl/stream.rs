//! A TLS connection using OpenSSL.

use std::io;
use std::sync::Arc;

use openssl::ssl::{self, ErrorCode, ShutdownState, Ssl, SslCipherRef, SslRef, SslStream};
use skip_tls_psk::negotiated_group;

use crate::error::Error;
use crate::https::alert;
use crate::https::client_certificate::Shown;
use crate::https::connection::{OnWire, Stop, TlsStream, Wire, wait};
use crate::options::TlsVersion;
use crate::transport::{ConnectionInfo, Control, Ended};

pub(super) struct Stream {
    tls: SslStream<Wire>,
    /// The client certificate, if certificates are used.
    shown: Option<Arc<Shown>>,
}

/// Why a handshake failed.
pub(super) enum Why {
    Ended(Ended),
    /// The peer closed or reset the connection.
    Closed,
    /// The peer sent this alert.
    Alert(u8),
    /// OpenSSL itself failed with this `SSL_R_` reason.
    Reason(i32),
}

pub(super) const CERTIFICATE_VERIFY_FAILED: i32 = 134;
pub(super) const UNSUPPORTED_PROTOCOL: i32 = 258;
/// TLS 1.2 from a server whose hello says that it supports TLS 1.3.
pub(super) const INAPPROPRIATE_FALLBACK: i32 = 373;
pub(super) const DH_KEY_TOO_SMALL: i32 = 394;
/// Records that are not TLS: wrong version number, bad record type, packet length too long, wrong SSL version.
pub(super) const NOT_TLS: [i32; 4] = [267, 443, 198, 266];
/// Reasons above this are numbers of received alerts.
const ALERT_OFFSET: i32 = 1000;

impl Stream {
    /// Performs the handshake; a failure includes the connection as it was then.
    pub fn connect(ssl: Ssl, wire: Wire, control: &Control<'_>) -> Result<Self, (Why, Option<SslStream<Wire>>)> {
        let mut stream = SslStream::new(ssl, wire).map_err(|_| (Why::Reason(0), None))?;
        match wait(&mut stream, control, |stream| stream.connect().map_err(into_io)) {
            Ok(()) => Ok(Self {
                tls: stream,
                shown: None,
            }),
            Err(Stop::Ended(ended)) => Err((Why::Ended(ended), Some(stream))),
            Err(Stop::Refused(_)) => Err((Why::Closed, Some(stream))),
            Err(Stop::Io(error)) => Err((why(&error), Some(stream))),
        }
    }

    /// Sets the client certificate, because it may be refused after the handshake.
    pub fn shows(&mut self, shown: Arc<Shown>) {
        self.shown = Some(shown);
    }

    pub fn ssl(&self) -> &SslRef {
        self.tls.ssl()
    }

    /// Information about the connection; the caller adds URL and address.
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

impl OnWire for SslStream<Wire> {
    fn wire(&mut self) -> &mut Wire {
        self.get_mut()
    }
}

impl OnWire for Stream {
    fn wire(&mut self) -> &mut Wire {
        self.tls.get_mut()
    }
}

impl TlsStream for Stream {
    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        // all or nothing: partial writes are disabled
        self.tls.ssl_write(data).map(drop).map_err(into_io)
    }

    fn resume_write(&mut self, data: &[u8]) -> io::Result<()> {
        self.write_all(data)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.tls.ssl_read(buffer) {
            Ok(n) => Ok(n),
            Err(error) if is_end(&error) => Ok(0),
            Err(error) => Err(into_io(error)),
        }
    }

    fn is_drained(&mut self) -> bool {
        // without read-ahead OpenSSL reads no byte of a record before it needs that record
        self.ssl().pending() == 0 && self.tls.get_ref().is_between_records() && !self.closed_cleanly()
    }

    fn close(&mut self) {
        // best effort, without waiting
        let _ = self.tls.shutdown();
    }

    fn closed_cleanly(&mut self) -> bool {
        self.tls.get_shutdown().contains(ShutdownState::RECEIVED)
    }

    fn certificates(&self) -> Vec<Vec<u8>> {
        let chain = self.ssl().peer_cert_chain().into_iter().flatten();
        chain.filter_map(|certificate| certificate.to_der().ok()).collect()
    }

    fn refusal(&self, error: &io::Error) -> Option<Error> {
        match why(error) {
            Why::Alert(alert) if alert::refuses_client(alert) => {
                let about_client = self.shown.as_ref().and_then(|shown| {
                    // on this side the handshake is complete: only a certificate is verified later
                    shown.note_request(&[]);
                    shown.explain(alert)
                });
                Some(about_client.unwrap_or_else(|| alert::explain(alert, TlsVersion::Auto)))
            }
            Why::Alert(_) | Why::Reason(_) | Why::Ended(_) | Why::Closed => None,
        }
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
