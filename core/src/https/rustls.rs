//! TLS with certificates, by rustls and aws-lc-rs.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs as provider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, InconsistentKeys, NamedGroup,
    PeerIncompatible, RootCertStore, SignatureScheme,
};

use crate::error::{Error, Result, warnings};
use crate::transport::{ConnectionInfo, WipedBuffer};

use super::connection::{OnWire, Stop, TlsStream, Wire, wait};
use super::dial::not_connected;
use super::divert;
use super::pin::Pin;
use super::private_key;
use super::url::Url;
use super::{ClientCert, Dialer, Open, Options, TlsStack, TlsVersion};
use super::{ca_certificates, certificates, server_name, system_certificates};

/// What is the same for all connections to one Key Provider.
pub(super) struct Rustls {
    config: Arc<ClientConfig>,
    /// There, and true once the Key Provider asked for one, when there is no client certificate.
    wants_client_cert: Arc<AtomicBool>,
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
        let verifier = verifier(options, &provider)?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(|_| Error::tls_setup())?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let wants_client_cert = Arc::new(AtomicBool::new(false));
        let mut config = match &options.client_cert {
            None => config.with_client_cert_resolver(Arc::new(NoCertificate(Arc::clone(&wants_client_cert)))),
            Some(client) => config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity(client)?))),
        };
        // draft 4.2.2: a key is given once, so a request must not be replayable: never early data
        config.enable_early_data = false;
        Ok(Self {
            config: Arc::new(config),
            wants_client_cert,
            server_name: server_name(options, url)?,
        })
    }
}

impl TlsStack for Rustls {
    fn open(&self, dialer: &mut Dialer<'_>) -> Result<Open> {
        let (wire, _watch) = dialer.dial()?;
        let session =
            ClientConnection::new(Arc::clone(&self.config), self.server_name.clone()).map_err(|e| explain(&e))?;
        let mut stream = Stream {
            session,
            wire,
            wants_client_cert: Arc::clone(&self.wants_client_cert),
            received: WipedBuffer::default(),
            peer_has_closed: false,
            said_goodbye: false,
        };
        wait(&mut stream, dialer.control, Stream::handshake).map_err(|stop| match stop {
            Stop::Ended(ended) => not_connected(ended, "the TLS handshake"),
            Stop::Refused(error) => error,
            Stop::Io(error) => stream
                .explain(&error)
                .unwrap_or_else(|| stream.or_client_cert_wanted(Error::tls_closed())),
        })?;
        let info = stream.info();
        Ok((Box::new(stream), info))
    }
}

/// Table 1 for certificates: `TLS_AES_256_GCM_SHA384` and `TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384`; last the RSA sister of the latter,
/// because Key Providers with RSA certificates exist. Post-quantum key exchange (draft 8: MAY) comes first.
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

fn verifier(options: &Options, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>> {
    let pin = options.pin.as_deref().map(Pin::parse).transpose()?;
    let mut roots = RootCertStore::empty();
    for certificate in ca_certificates(options)? {
        roots.add(certificate).map_err(|_| Error::ca_not_x509())?;
    }
    if options.ca_system {
        // a store may hold certificates that rustls cannot read; the others count
        let (added, _) = roots.add_parsable_certificates(system_certificates());
        if added == 0 {
            return Err(Error::no_system_store());
        }
    }
    let chain = if roots.is_empty() {
        None
    } else {
        let built = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
        Some(built.map_err(|_| Error::tls_setup())?)
    };
    match (chain, pin) {
        (None, None) => Err(Error::no_trust()),
        (Some(chain), None) => Ok(chain),
        (chain, Some(pin)) => Ok(Arc::new(Pinned {
            pin,
            chain,
            algorithms: provider.signature_verification_algorithms,
        })),
    }
}

/// The client's certificate with its chain, and its key.
fn identity(client: &ClientCert) -> Result<CertifiedKey> {
    let chain = certificates(&client.cert_pem, "cert")?;
    let key = private_key::read(&client.key_pem, |key| {
        provider::sign::any_supported_type(key).map_err(|_| Error::private_key())
    })?;
    let identity = CertifiedKey::new(chain, key);
    match identity.keys_match() {
        // a key that does not say its public half may still be the right one
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(identity),
        Err(_) => Err(Error::client_cert_does_not_fit()),
    }
}

/// Trusts one public key; if there are CAs too, both must hold.
struct Pinned {
    pin: Pin,
    chain: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pinned")
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let wrong = match self.pin.fits(end_entity) {
            Some(true) => None,
            Some(false) => Some(CertificateError::ApplicationVerificationFailure),
            None => Some(CertificateError::BadEncoding),
        };
        if let Some(reason) = wrong {
            return Err(rustls::Error::InvalidCertificate(reason));
        }
        match &self.chain {
            Some(chain) => chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// No client certificate, but a note that one was asked for: with TLS 1.2 a Key Provider's alert does not say what it misses.
#[derive(Debug)]
struct NoCertificate(Arc<AtomicBool>);

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

struct Stream {
    session: ClientConnection,
    wire: Wire,
    wants_client_cert: Arc<AtomicBool>,
    /// Plaintext that nobody read yet; rustls has ciphertext of the same length in its place.
    received: WipedBuffer,
    /// Whether `close_notify` came.
    peer_has_closed: bool,
    /// Whether the end that was read is one by `close_notify`.
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

    /// Writes what rustls has to say.
    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut self.wire)?;
        }
        Ok(())
    }

    /// Takes what the socket has; 0 at its end.
    fn receive(&mut self) -> io::Result<usize> {
        let n = self.session.read_tls(&mut self.wire)?;
        match self.process() {
            Ok(state) => self.peer_has_closed |= state.peer_has_closed(),
            Err(error) => {
                // the alert that says why; the error is what counts
                let _ = self.session.write_tls(&mut self.wire);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        Ok(n)
    }

    /// Has rustls take in what was read from the socket.
    fn process(&mut self) -> std::result::Result<rustls::IoState, rustls::Error> {
        let session = &mut self.session;
        divert::into(&mut self.received, || session.process_new_packets())
    }

    /// What a failure of rustls means, if that is what this is.
    fn explain(&self, error: &io::Error) -> Option<Error> {
        let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        let explained = explain(error);
        Some(match error {
            rustls::Error::AlertReceived(_) => self.or_client_cert_wanted(explained),
            _ => explained,
        })
    }

    /// The error, unless the lack of a client certificate explains it better.
    fn or_client_cert_wanted(&self, error: Error) -> Error {
        if self.wants_client_cert.load(Ordering::Relaxed) {
            Error::tls_client_cert_wanted()
        } else {
            error
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
                    // rustls has carried the length, the sink has the bytes
                    buffer[..n].copy_from_slice(&self.received.as_slice()[..n]);
                    self.received.remove(0, n);
                    self.said_goodbye |= n == 0;
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // no close_notify: whether something is missing is for HTTP to say
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
        // best effort: nothing is waited for
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

/// `kp.example` of `DnsName("kp.example")`, as rustls lists the names of a certificate.
fn plain_name(listed: &str) -> String {
    let inner = listed
        .split_once('(')
        .map_or(listed, |(_, rest)| rest.trim_end_matches(')'));
    inner.trim_matches('"').to_owned()
}

/// What a failure of rustls means to the user. Names of certificates are shown, nothing else of the peer's.
fn explain(error: &rustls::Error) -> Error {
    match error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            // another CA of the same name did not sign it either
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Error::tls_unknown_issuer(),
            CertificateError::NotValidForName => Error::tls_wrong_name(&[]),
            CertificateError::NotValidForNameContext { presented, .. } => {
                Error::tls_wrong_name(&presented.iter().map(|name| plain_name(name)).collect::<Vec<_>>())
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Error::tls_expired(),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Error::tls_not_yet_valid(),
            CertificateError::ApplicationVerificationFailure => Error::tls_other_key(),
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                Error::tls_ca_as_server()
            }
            _ => Error::tls_bad_certificate(),
        },
        rustls::Error::AlertReceived(alert) => super::alert::explain((*alert).into()),
        rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => Error::tls_version(),
        rustls::Error::PeerIncompatible(_) => Error::tls_no_shared_suite(),
        rustls::Error::InvalidMessage(_)
        | rustls::Error::InappropriateMessage { .. }
        | rustls::Error::InappropriateHandshakeMessage { .. } => Error::tls_not_tls(),
        _ => Error::tls_broken(),
    }
}

#[cfg(test)]
mod tests {
    use super::plain_name;

    #[test]
    fn names_of_certificates_are_shown_plainly() {
        assert_eq!(plain_name("DnsName(\"kp.example\")"), "kp.example");
        assert_eq!(plain_name("IpAddress(127.0.0.1)"), "127.0.0.1");
        assert_eq!(plain_name("kp.example"), "kp.example");
    }
}
