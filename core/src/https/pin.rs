//! A pinned public key: SHA-256 over the `SubjectPublicKeyInfo` of a certificate.

use std::fmt;

use base64ct::{Base64, Encoding};
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::{Error, Result};

/// Displayed as it is configured: `sha256/` followed by base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pin([u8; 32]);

impl Pin {
    /// Parses `sha256/` followed by base64.
    ///
    /// # Errors
    /// `invalid_argument` if it is anything else.
    pub fn parse(text: &str) -> Result<Self> {
        let mut pin = [0; 32];
        let decoded = text
            .strip_prefix("sha256/")
            .and_then(|digest| Base64::decode(digest, &mut pin).ok());
        match decoded {
            Some(bytes) if bytes.len() == 32 => Ok(Self(pin)),
            _ => Err(Error::bad_pin()),
        }
    }

    /// The pin of a certificate's key; `None` if the certificate cannot be parsed.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
        Some(Self(Sha256::digest(parsed.subject_public_key_info()).into()))
    }

    /// Whether this is the certificate's key; `None` if the certificate cannot be parsed.
    #[must_use]
    pub fn fits(&self, certificate: &CertificateDer<'_>) -> Option<bool> {
        Self::of(certificate).map(|pin| pin.0.ct_eq(&self.0).into())
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256/{}", Base64::encode_string(&self.0))
    }
}
