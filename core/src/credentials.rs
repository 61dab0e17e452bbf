//! Credentials as users supply them: as PEM text, or as the path of a file that contains it.

use std::ffi::OsStr;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
pub use crate::redact::looks_like;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Returns `value` itself if it begins with `-----BEGIN`, otherwise the content of the file at that path.
///
/// # Errors
/// `invalid_argument` for the option `field` if the file cannot be read or is UTF-16.
pub fn pem(field: &str, value: &OsStr) -> Result<Zeroizing<Vec<u8>>> {
    let text = value.as_encoded_bytes();
    let inner = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text).trim_ascii_start();
    if inner.starts_with(b"-----BEGIN") {
        return Ok(Zeroizing::new(inner.to_vec()));
    }
    let content = file(field, Path::new(value))?;
    if content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff") {
        return Err(Error::utf_16(field));
    }
    match content.strip_prefix(BYTE_ORDER_MARK) {
        Some(text) => Ok(Zeroizing::new(text.to_vec())),
        None => Ok(content),
    }
}

/// Returns the content of the file named by the option `field`.
///
/// # Errors
/// `invalid_argument` if it cannot be read. The message includes the path unless that looks like a secret.
pub fn file(field: &str, path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    std::fs::read(path)
        .map(Zeroizing::new)
        .map_err(|error| Error::unreadable_file(field, path, &error))
}

/// Returns the password in the first line of the file named by the option `field`.
///
/// # Errors
/// `invalid_argument` if it cannot be read or the line is empty.
pub(crate) fn password(field: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let content = std::fs::read(path).map(Zeroizing::new);
    let content = content.map_err(|error| Error::password_file_unreadable(field, &error))?;
    let text = content.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&content);
    let line = text
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .next()
        .unwrap_or_default();
    if line.is_empty() {
        return Err(Error::password_file_empty(field));
    }
    Ok(Zeroizing::new(line.to_vec()))
}

/// Whether `content` is PKCS#12, which begins with version 3 (RFC 7292, 4).
pub(crate) fn is_pkcs12(content: &[u8]) -> bool {
    matches!(sequence(content), Some([2, 1, 3, ..]))
}

/// The error for `content` that is not the expected PEM: names its actual form, and how to convert it.
pub(crate) fn wrong_form(field: &'static str, content: &[u8], rule: &'static str) -> Error {
    let has = |words: &[u8]| content.windows(words.len()).any(|part| part == words);
    let is_encrypted = has(b"BEGIN ENCRYPTED PRIVATE KEY") || has(b"Proc-Type: 4,ENCRYPTED");
    let (form, command) = match (field, sequence(content)) {
        ("key", _) if is_encrypted => (
            "is an encrypted private key, and must be decrypted first",
            "openssl pkey -in FILE -out key.pem",
        ),
        ("key", _) if is_pkcs12(content) => (
            "is PKCS#12, not PEM",
            "openssl pkcs12 -in FILE -nocerts -noenc -out key.pem",
        ),
        ("ca", _) if is_pkcs12(content) => (
            "is PKCS#12, not PEM",
            "openssl pkcs12 -in FILE -nokeys -cacerts -out ca.pem",
        ),
        _ if is_pkcs12(content) => ("is PKCS#12, not PEM", "openssl pkcs12 -in FILE -nokeys -out cert.pem"),
        ("key", Some(_)) => ("is DER, not PEM", "openssl pkey -inform DER -in FILE -out key.pem"),
        (_, Some(_)) => ("is DER, not PEM", "openssl x509 -inform DER -in FILE -out cert.pem"),
        (_, None) => return Error::bad_pem(field, rule),
    };
    Error::other_form(field, form, command)
}

/// The content of the SEQUENCE that binary content starts with.
fn sequence(content: &[u8]) -> Option<&[u8]> {
    match content {
        _ if content.is_ascii() => None,
        [0x30, n @ 0x81..=0x84, rest @ ..] => rest.get(usize::from(n & 0x0f)..),
        [0x30, _, rest @ ..] => Some(rest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{looks_like, pem};

    #[test]
    fn pem_is_taken_as_it_is_and_a_path_is_read() {
        let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let folder = tempfile::tempdir().expect("a folder");
        for (before, is_fine) in [(&b""[..], true), (b"\xef\xbb\xbf", true), (b"\xff\xfe", false)] {
            let path = folder.path().join("ca.pem");
            std::fs::write(&path, [before, text.as_bytes()].concat()).expect("written");
            match pem("ca", path.as_os_str()) {
                Ok(read) => assert!(is_fine && *read == text.as_bytes()),
                Err(error) => assert!(!is_fine && error.message().contains("UTF-16"), "{error}"),
            }
        }
        for given in [text.to_owned(), format!("\u{feff}{text}"), format!("\n{text}")] {
            assert_eq!(*pem("ca", given.as_ref()).expect("PEM"), text.as_bytes());
        }
        let missing = pem("ca", "/nowhere/ca.pem".as_ref()).expect_err("no file");
        assert!(missing.message().contains("/nowhere/ca.pem"), "{missing}");
    }

    #[test]
    fn what_looks_like_a_secret_is_not_shown() {
        let hex = "00112233445566778899aabbccddeeff";
        for secret in [
            format!("secret -----BEGIN PRIVATE KEY-----\n{hex}"),
            format!("{hex}{hex}"),
            format!("router:{hex}"),
            "router:0011223344".to_owned(),
            "one\nmarker".to_owned(),
        ] {
            let error = pem("key", secret.as_ref()).expect_err("no file");
            let shown = format!("{error} {error:?} {}", error.hint());
            assert!(!shown.contains("0011") && !shown.contains("marker"), "{shown}");
            assert!(
                error.message().contains(looks_like(&secret).expect("a secret")),
                "{error}"
            );
        }
    }
}
