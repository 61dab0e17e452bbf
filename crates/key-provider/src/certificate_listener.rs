//! The certificate listeners, using rustls.

use std::io;
use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream as RustlsStream;

use crate::error::StartError;
use crate::listener::{Acceptor, TlsStream};
use crate::pki::{Authority, ServerIdentity};
use crate::switches::{Quirk, Snapshot, Versions};

/// A server with its certificate, for each choice of versions.
#[derive(Clone)]
pub(crate) struct CertificateAcceptor {
    both: TlsAcceptor,
    tls12: TlsAcceptor,
    tls13: TlsAcceptor,
    tls13_without_ml_kem: TlsAcceptor,
}

impl CertificateAcceptor {
    /// With `require_client_cert`, only clients with a certificate of this authority are served.
    pub(crate) fn new(
        authority: &Authority,
        identity: &ServerIdentity,
        require_client_cert: bool,
    ) -> Result<Self, StartError> {
        let acceptor =
            |versions: &[&'static SupportedProtocolVersion], ml_kem: bool| -> Result<TlsAcceptor, StartError> {
                let config = authority.tls(identity, require_client_cert, versions, ml_kem)?;
                Ok(Arc::new(config).into())
            };
        Ok(Self {
            both: acceptor(&[&TLS13, &TLS12], true)?,
            tls12: acceptor(&[&TLS12], true)?,
            tls13: acceptor(&[&TLS13], true)?,
            tls13_without_ml_kem: acceptor(&[&TLS13], false)?,
        })
    }
}

impl Acceptor for CertificateAcceptor {
    type Stream = RustlsStream<TcpStream>;

    async fn handshake(&self, tcp: TcpStream, switches: Snapshot) -> io::Result<Self::Stream> {
        let acceptor = match switches.versions() {
            Versions::Both | Versions::Tls13 if switches.quirk(Quirk::NoMlKem) => &self.tls13_without_ml_kem,
            Versions::Both => &self.both,
            Versions::Tls12 => &self.tls12,
            Versions::Tls13 => &self.tls13,
        };
        acceptor.accept(tcp).await
    }
}

impl TlsStream for RustlsStream<TcpStream> {
    fn tcp(&mut self) -> &mut TcpStream {
        self.get_mut().0
    }
}
