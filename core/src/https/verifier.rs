//! Verifies a Key Provider's certificate for rustls: by CA, by pin, or both.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};

use crate::error::{Error, Result};
use crate::options::Options;

use super::certificate::{self, Verdict};
use super::pin::Pin;
use super::stack::{ca_certificates, system_certificates};

/// Trusts CAs, a pinned public key, or a pinned public key with a certificate from a CA.
pub(super) struct Verifier {
    pin: Option<Pin>,
    chain: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub fn new(options: &Options, provider: &Arc<CryptoProvider>) -> Result<Self> {
        let pin = options.pin.as_deref().map(Pin::parse).transpose()?;
        let mut roots = RootCertStore::empty();
        for certificate in ca_certificates(options)? {
            roots.add(certificate).map_err(|_| Error::ca_not_x509())?;
        }
        if options.ca_system {
            // a store may contain certificates that rustls cannot parse; the others are used
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
        if chain.is_none() && pin.is_none() {
            return Err(Error::no_trust());
        }
        Ok(Self {
            pin,
            chain,
            algorithms: provider.signature_verification_algorithms,
        })
    }
}

/// Wraps the reason for refusing a certificate; [`reason`] unwraps it.
fn refused(error: Error) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(error))).into()
}

/// Why a certificate was refused, if an error of rustls says so.
pub(super) fn reason(error: &rustls::Error) -> Option<Error> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => other.0.downcast_ref::<Error>().cloned(),
        _ => None,
    }
}

fn verdict(reason: &CertificateError) -> Verdict {
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Verdict::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Verdict::NotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Verdict::Name,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Verdict::Purpose,
        CertificateError::UnhandledCriticalExtension => Verdict::CriticalExtension,
        CertificateError::Other(other) => match other.0.downcast_ref::<webpki::Error>() {
            Some(webpki::Error::CaUsedAsEndEntity) => Verdict::CaAsServer,
            Some(webpki::Error::EndEntityUsedAsCa) => Verdict::CaUsage,
            Some(webpki::Error::NameConstraintViolation) => Verdict::NameConstraint,
            Some(webpki::Error::PathLenConstraintViolated) => Verdict::PathLength,
            Some(webpki::Error::UnsupportedCriticalExtension) => Verdict::CriticalExtension,
            _ => Verdict::Untrusted,
        },
        _ => Verdict::Untrusted,
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verifier")
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        match self.pin.map(|pin| pin.fits(end_entity)) {
            None | Some(Some(true)) => {}
            Some(Some(false)) => return Err(refused(Error::tls_other_key())),
            Some(None) => return Err(refused(Error::tls_bad_certificate())),
        }
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        chain
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|error| match error {
                rustls::Error::InvalidCertificate(reason) => {
                    let presented = [std::slice::from_ref(end_entity), intermediates].concat();
                    let now = Duration::from_secs(now.as_secs());
                    refused(certificate::explain(verdict(&reason), &presented, server_name, now))
                }
                other => other,
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
            .map_err(|error| small_key(cert).unwrap_or(error))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
            .map_err(|error| small_key(cert).unwrap_or(error))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Signatures of short RSA keys are treated as invalid.
fn small_key(certificate: &CertificateDer<'_>) -> Option<rustls::Error> {
    certificate::small_rsa(certificate).map(refused)
}
