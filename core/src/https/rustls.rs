//! TLS with certificates, using rustls and aws-lc-rs.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs as provider};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, InconsistentKeys, NamedGroup, PeerIncompatible};

use crate::error::{Error, Result, warnings};
use crate::fork::hold_off;
use crate::options::{ClientCert, Options, TlsVersion};
use crate::transport::{ConnectionInfo, WipedBuffer};

use super::client_certificate::{self, Resolver, Shown};
use super::connection::{OnWire, Stop, TlsStream, Wire, wait};
use super::dial::not_connected;
use super::divert;
use super::private_key;
use super::route::Dialer;
use super::stack::{Open, TlsStack, server_name};
use super::url::Url;
use super::verifier::{self, Verifier};

/// The state shared by all connections to one Key Provider.
pub(super) struct Rustls {
    config: Arc<ClientConfig>,
    shown: Arc<Shown>,
    versions: TlsVersion,
    server_name: ServerName<'static>,
}

impl Rustls {
    pub fn new(options: &Options, url: &Url) -> Result<Self> {
        let versions: &[&rustls::SupportedProtocolVersion] = match options.tls {
            TlsVersion::Auto => &[&rustls::version::TLS13, &rustls::version::TLS12],
            TlsVersion::Tls12 => &[&rustls::version::TLS12],
            TlsVersion::Tls13 => &[&rustls::version::TLS13],
        };
        let mut provider = skip_provider();
        if !options.post_quantum {
            provider
                .kx_groups
                .retain(|group| group.name() != NamedGroup::X25519MLKEM768);
        }
        let provider = Arc::new(provider);
        let verifier = Verifier::new(options, &provider)?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|_| Error::tls_setup())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let (shown, key) = match &options.client_cert {
            None => (Shown::nothing(), None),
            Some(client) => {
                let chain = client_certificate::chain(client)?;
                (Shown::checked(&chain)?, Some(Arc::new(identity(chain, client)?)))
            }
        };
        let shown = Arc::new(shown);
        let mut config = config.with_client_cert_resolver(Arc::new(Resolver {
            key,
            shown: Arc::clone(&shown),
        }));
        // draft 4.2.2: a key is given once, so a request must not be replayable: never early data
        config.enable_early_data = false;
        Ok(Self {
            config: Arc::new(config),
            shown,
            versions: options.tls,
            server_name: server_name(options, url)?,
        })
    }
}

impl TlsStack for Rustls {
    fn open(&self, dialer: &mut Dialer<'_>) -> Result<Open> {
        self.shown.check_dates()?;
        let (wire, _watch) = dialer.dial()?;
        let session = hold_off(|| ClientConnection::new(Arc::clone(&self.config), self.server_name.clone()))
            .map_err(|e| explain(&e, self.versions))?;
        let mut stream = Stream {
            session,
            wire,
            shown: Arc::clone(&self.shown),
            versions: self.versions,
            received: WipedBuffer::default(),
            peer_has_closed: false,
            said_goodbye: false,
        };
        wait(&mut stream, dialer.control, Stream::handshake).map_err(|stop| match stop {
            Stop::Ended(ended) => not_connected(ended, "the TLS handshake"),
            Stop::Refused(error) => error,
            Stop::Io(error) => stream.explain(&error).unwrap_or_else(|| stream.closed()),
        })?;
        let info = stream.info();
        Ok((Box::new(stream), info))
    }
}

/// The suites of Table 1 for certificates: `TLS_AES_256_GCM_SHA384` and `TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384`; last the RSA variant
/// of the latter, for Key Providers with RSA certificates. Post-quantum key exchange (draft 8: MAY) comes first.
fn skip_provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![divert::aes_256_gcm_sha384(), divert::ecdhe_ecdsa(), divert::ecdhe_rsa()],
        kx_groups: vec![
            provider::kx_group::X25519MLKEM768,
            provider::kx_group::X25519,
            provider::kx_group::SECP256R1,
            provider::kx_group::SECP384R1,
        ],
        ..provider::default_provider()
    }
}

/// The client's certificate with its chain, and its key.
fn identity(chain: Vec<CertificateDer<'static>>, client: &ClientCert) -> Result<CertifiedKey> {
    let key = private_key::read(&client.key_pem, |key| {
        provider::sign::any_supported_type(key).map_err(|_| Error::private_key())
    })?;
    let identity = CertifiedKey::new(chain, key);
    match identity.keys_match() {
        // a key without its public half may still be the right one
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(identity),
        Err(_) => Err(Error::client_cert_does_not_fit()),
    }
}

struct Stream {
    session: ClientConnection,
    wire: Wire,
    shown: Arc<Shown>,
    versions: TlsVersion,
    /// Unread plaintext; rustls has ciphertext of the same length in its place.
    received: WipedBuffer,
    /// Whether `close_notify` was received.
    peer_has_closed: bool,
    /// Whether the end of the stream was a `close_notify`.
    said_goodbye: bool,
}

impl OnWire for Stream {
    fn wire(&mut self) -> &mut Wire {
        &mut self.wire
    }
}

impl Stream {
    fn handshake(&mut self) -> io::Result<()> {
        while self.session.is_handshaking() {
            self.flush()?;
            if self.session.is_handshaking() && self.receive()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.flush()
    }

    /// Sends rustls's pending data.
    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut self.wire)?;
        }
        Ok(())
    }

    /// Reads from the socket; 0 at its end.
    fn receive(&mut self) -> io::Result<usize> {
        let n = self.session.read_tls(&mut self.wire)?;
        match self.process() {
            Ok(state) => self.peer_has_closed |= state.peer_has_closed(),
            Err(error) => {
                // sends the alert; only the error matters
                let _ = self.session.write_tls(&mut self.wire);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        Ok(n)
    }

    /// Lets rustls process what was read from the socket.
    fn process(&mut self) -> std::result::Result<rustls::IoState, rustls::Error> {
        let session = &mut self.session;
        divert::into(&mut self.received, || session.process_new_packets())
    }

    /// Translates an error of rustls, if it is one.
    fn explain(&self, error: &io::Error) -> Option<Error> {
        let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        let about_client = match error {
            rustls::Error::AlertReceived(alert) => self.shown.explain((*alert).into()),
            _ => None,
        };
        Some(about_client.unwrap_or_else(|| explain(error, self.versions)))
    }

    /// The error for a connection that ended during the handshake.
    fn closed(&self) -> Error {
        if self.shown.is_missing() {
            Error::tls_client_cert_wanted()
        } else {
            Error::tls_closed()
        }
    }

    fn info(&self) -> ConnectionInfo {
        let suite = self.session.negotiated_cipher_suite().map(|s| s.suite());
        let mut found = Vec::new();
        if suite == Some(rustls::CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) {
            found.push(warnings::RSA_CERTIFICATE.into());
        }
        ConnectionInfo {
            tls_version: match self.session.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3".into(),
                _ => "TLS 1.2".into(),
            },
            cipher_suite: suite
                .and_then(|s| s.as_str())
                .unwrap_or_default()
                .replace("TLS13_", "TLS_"),
            group: self
                .session
                .negotiated_key_exchange_group()
                .and_then(|g| g.name().as_str())
                .map(iana_group),
            warnings: found,
            ..ConnectionInfo::default()
        }
    }
}

fn iana_group(name: &str) -> String {
    match name {
        "X25519" => "x25519".into(),
        other => other.into(),
    }
}

impl TlsStream for Stream {
    fn write_all(&mut self, data: &[u8]) -> io::Result<()> {
        self.session.writer().write_all(data)?;
        self.flush()
    }

    fn resume_write(&mut self, _: &[u8]) -> io::Result<()> {
        self.flush()
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buffer) {
                Ok(n) => {
                    // rustls provides the length, the sink the bytes
                    buffer[..n].copy_from_slice(&self.received.as_slice()[..n]);
                    self.received.remove(0, n);
                    self.said_goodbye |= n == 0;
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // no close_notify: HTTP decides whether something is missing
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) => return Err(error),
            }
            self.receive()?;
            self.flush()?;
        }
    }

    fn is_drained(&mut self) -> bool {
        self.received.len() == 0 && self.wire.is_between_records() && !self.peer_has_closed
    }

    fn close(&mut self) {
        self.session.send_close_notify();
        // best effort, without waiting
        let _ = self.session.write_tls(&mut self.wire);
    }

    fn closed_cleanly(&mut self) -> bool {
        self.said_goodbye
    }

    fn certificates(&self) -> Vec<Vec<u8>> {
        let shown = self.session.peer_certificates().unwrap_or_default();
        shown.iter().map(|certificate| certificate.to_vec()).collect()
    }

    fn refusal(&self, error: &io::Error) -> Option<Error> {
        match error.get_ref()?.downcast_ref::<rustls::Error>()? {
            rustls::Error::AlertReceived(alert) if super::alert::refuses_client((*alert).into()) => self.explain(error),
            _ => None,
        }
    }
}

/// Translates an error of rustls, for a user who configured these versions. Names in certificates are shown, and nothing else from the
/// peer.
pub(super) fn explain(error: &rustls::Error, versions: TlsVersion) -> Error {
    match error {
        rustls::Error::InvalidCertificate(_) => verifier::reason(error).unwrap_or_else(Error::tls_bad_certificate),
        rustls::Error::AlertReceived(alert) => super::alert::explain((*alert).into(), versions),
        rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => Error::tls_version(versions),
        rustls::Error::PeerIncompatible(_) => Error::tls_no_shared_suite(),
        rustls::Error::InvalidMessage(_)
        | rustls::Error::InappropriateMessage { .. }
        | rustls::Error::InappropriateHandshakeMessage { .. } => Error::tls_not_tls(),
        _ => Error::tls_broken(),
    }
}
