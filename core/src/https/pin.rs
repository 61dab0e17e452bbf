//! A pinned public key: SHA-256 over the `SubjectPublicKeyInfo` of the Key Provider's certificate.

use base64ct::{Base64, Encoding};
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::{Error, Result};

#[derive(Clone, Copy)]
pub(super) struct Pin([u8; 32]);

impl Pin {
    /// Parses `sha256/` followed by base64.
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

    /// Whether this is the certificate's key; `None` if the certificate cannot be parsed.
    pub fn fits(&self, certificate: &CertificateDer<'_>) -> Option<bool> {
        let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
        let digest = Sha256::digest(parsed.subject_public_key_info());
        Some(digest.as_slice().ct_eq(&self.0).into())
    }
}
