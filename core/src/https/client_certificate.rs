//! The client certificate: checked before it is sent, and examined again if a Key Provider refuses it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use crate::error::{Error, Result};
use crate::options::ClientCert;

use super::alert;
use super::certificate::Certificate;
use super::stack::certificates;

/// The certificate that a client presents, if any, and what a Key Provider asked for.
pub(super) struct Shown {
    own: Option<Own>,
    asked: AtomicU8,
}

struct Own {
    certificate: Certificate,
    /// Every issuer in its chain, in DER.
    issuers: Vec<Vec<u8>>,
}

/// Whether and how a Key Provider requested a certificate.
const NOT_ASKED: u8 = 0;
const ASKED: u8 = 1;
/// It listed the CAs that it accepts, and none of them is an issuer of our chain.
const ASKED_FOR_OTHERS: u8 = 2;

impl Shown {
    pub fn nothing() -> Self {
        Self {
            own: None,
            asked: AtomicU8::new(NOT_ASKED),
        }
    }

    /// Checks a chain, our own certificate first, and keeps what is needed to explain a refusal.
    pub fn checked(chain: &[CertificateDer<'_>]) -> Result<Self> {
        let read = |der: &CertificateDer<'_>| Certificate::read(der);
        let own = chain.first().and_then(read).ok_or_else(Error::client_cert_unreadable)?;
        if own.is_old() {
            return Err(Error::client_cert_old(own.version()));
        }
        if !own.is_for_clients() {
            return Err(Error::client_cert_not_for_clients());
        }
        let issuers = chain.iter().filter_map(read).filter_map(|it| it.issuer_der()).collect();
        let this = Self {
            own: Some(Own {
                certificate: own,
                issuers,
            }),
            asked: AtomicU8::new(NOT_ASKED),
        };
        this.check_dates()?;
        Ok(this)
    }

    /// Checks the validity period: a client may outlive its certificate.
    pub fn check_dates(&self) -> Result<()> {
        let Some(Own { certificate, .. }) = &self.own else {
            return Ok(());
        };
        if certificate.has_expired(now()) {
            Err(Error::client_cert_expired(&certificate.not_after()))
        } else if certificate.is_not_yet_valid(now()) {
            Err(Error::client_cert_not_yet_valid(&certificate.not_before()))
        } else {
            Ok(())
        }
    }

    /// The error for an alert about the client's certificate; `None` if it is about something else.
    pub fn explain(&self, received: u8) -> Option<Error> {
        let is_about_it = match received {
            // the Key Provider chose a suite before it asked for a certificate
            alert::HANDSHAKE_FAILURE => self.was_asked(),
            // a signature is wrong: of the certificate's CA, or by its key
            alert::DECRYPT_ERROR => self.own.is_some(),
            _ => alert::is_about_certificates(received),
        };
        is_about_it.then(|| match &self.own {
            None => Error::tls_client_cert_wanted(),
            Some(own) => Error::tls_client_cert_refused(alert::name(received), &self.look(own)),
        })
    }

    /// Whether the Key Provider requested a certificate and got none.
    pub fn is_missing(&self) -> bool {
        self.own.is_none() && self.was_asked()
    }

    fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed) != NOT_ASKED
    }

    /// Our own findings in the certificate.
    fn look(&self, own: &Own) -> String {
        let Own { certificate, .. } = own;
        match self.check_dates() {
            Err(error) => format!("it {}", error.what()),
            Ok(()) if self.asked.load(Ordering::Relaxed) == ASKED_FOR_OTHERS => {
                format!(
                    "the Key Provider accepts other CAs than its issuer, {}",
                    certificate.issuer()
                )
            }
            Ok(()) => format!(
                "here it is valid until {}; its issuer is {}",
                certificate.not_after(),
                certificate.issuer()
            ),
        }
    }

    pub fn note_request(&self, accepted: &[&[u8]]) {
        let is_accepted = |own: &Own| {
            accepted
                .iter()
                .any(|name| own.issuers.iter().any(|issuer| issuer == name))
        };
        let others = !accepted.is_empty() && self.own.as_ref().is_some_and(|own| !is_accepted(own));
        self.asked
            .store(if others { ASKED_FOR_OTHERS } else { ASKED }, Ordering::Relaxed);
    }
}

pub(super) fn now() -> Duration {
    // with a clock before 1970, every certificate is not yet valid
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Our own certificate with its chain.
pub(super) fn chain(client: &ClientCert) -> Result<Vec<CertificateDer<'static>>> {
    certificates(&client.cert_pem, "cert").map_err(|error| {
        let has = |pem: &[u8], kind: &[u8]| pem.windows(kind.len()).any(|part| part == kind);
        let is_swapped = has(&client.cert_pem, b"PRIVATE KEY-----") && has(&client.key_pem, b"BEGIN CERTIFICATE");
        if is_swapped {
            Error::client_cert_swapped()
        } else {
            error
        }
    })
}

/// Supplies the certificate to rustls when a Key Provider requests one, and records the request.
pub(super) struct Resolver {
    pub key: Option<Arc<CertifiedKey>>,
    pub shown: Arc<Shown>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesClientCert for Resolver {
    fn resolve(&self, accepted: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.shown.note_request(accepted);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}
