//! Parses private keys in PEM form without leaving copies behind, unlike a general parser.

use base64ct::{Base64, Encoding};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use zeroize::{Zeroize, Zeroizing};

use crate::credentials::wrong_form;
use crate::error::{Error, Result};

const KINDS: [&str; 3] = ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"];
#[cfg(feature = "psk")]
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

/// Parses the first private key of a PEM text and lends it to `take`; its bytes are wiped afterwards.
///
/// # Errors
/// `invalid_argument` if there is none, and any error of `take`.
pub fn read<T>(pem: &[u8], take: impl FnOnce(&PrivateKeyDer<'static>) -> Result<T>) -> Result<T> {
    let wrong_form = || wrong_form("key", pem, Error::PRIVATE_KEY);
    let (kind, digits) = section(pem, &KINDS).ok_or_else(wrong_form)?;
    let mut der = Zeroizing::new(vec![0; digits.len() / 4 * 3]);
    let length = Base64::decode(&*digits, &mut der).map_err(|_| wrong_form())?.len();
    der.truncate(length);
    let der = std::mem::take(&mut *der);
    let mut key = match kind {
        "PRIVATE KEY" => PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der)),
        "EC PRIVATE KEY" => PrivateKeyDer::Sec1(PrivateSec1KeyDer::from(der)),
        _ => PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(der)),
    };
    let taken = take(&key);
    key.zeroize();
    taken
}

/// The encrypted PKCS#8 of a PEM text that has no plain private key.
#[cfg(feature = "psk")]
pub(super) fn encrypted(pem: &[u8]) -> Option<Vec<u8>> {
    let (kind, digits) = section(pem, &[KINDS.as_slice(), &[ENCRYPTED]].concat())?;
    let digits = std::str::from_utf8(&digits).ok()?;
    (kind == ENCRYPTED).then(|| Base64::decode_vec(digits).ok()).flatten()
}

/// The kind of the first section of these kinds, and its base64 without line breaks. A section with headers is encrypted and cannot be
/// used.
fn section(pem: &[u8], kinds: &[&'static str]) -> Option<(&'static str, Zeroizing<Vec<u8>>)> {
    let mut lines = pem.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii);
    let kind = lines
        .by_ref()
        .find_map(|line| kinds.iter().copied().find(|kind| is_boundary(line, "BEGIN", kind)))?;
    // allocated in full: growing would leave copies behind
    let mut digits = Zeroizing::new(Vec::with_capacity(pem.len()));
    for line in lines {
        if is_boundary(line, "END", kind) {
            return Some((kind, digits));
        }
        digits.extend_from_slice(line);
    }
    None
}

fn is_boundary(line: &[u8], word: &str, kind: &str) -> bool {
    let inner = line.strip_prefix(b"-----").and_then(|rest| rest.strip_suffix(b"-----"));
    let inner = inner.and_then(|inner| inner.strip_prefix(word.as_bytes()));
    inner.and_then(|inner| inner.strip_prefix(b" ")) == Some(kind.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::read;

    fn bytes(pem: &str) -> Option<Vec<u8>> {
        read(pem.as_bytes(), |key| Ok(key.secret_der().to_vec())).ok()
    }

    #[test]
    fn the_first_private_key_of_a_text_is_read() {
        let pem = "certificate:\r\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n\
                   -----BEGIN PRIVATE KEY-----\r\nbWFy\r\na2Vy\r\n-----END PRIVATE KEY-----\r\n";
        assert_eq!(bytes(pem).as_deref(), Some(&b"marker"[..]));
        let sec1 = "-----BEGIN EC PRIVATE KEY-----\nbWFyaw==\n-----END EC PRIVATE KEY-----";
        assert_eq!(bytes(sec1).as_deref(), Some(&b"mark"[..]));
    }

    #[test]
    fn what_is_no_plain_private_key_is_refused() {
        for pem in [
            "",
            "bWFyaw==",
            "-----BEGIN PRIVATE KEY-----\nbWFyaw==\n",
            "-----BEGIN PRIVATE KEY-----\nbWFy$w==\n-----END PRIVATE KEY-----",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nbWFyaw==\n-----END ENCRYPTED PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nbWFyaw==\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN PUBLIC KEY-----\nbWFyaw==\n-----END PUBLIC KEY-----",
        ] {
            assert!(bytes(pem).is_none(), "{pem}");
        }
    }
}
