//! Pre-shared keys: what may be one, and the file `psk.txt` that holds them.

use std::fmt;
use std::fs;
use std::path::Path;

use zeroize::Zeroizing;

use crate::options::StartError;
use crate::pki;

/// An identity and its key, for TLS with pre-shared keys. The key is wiped on drop and shown by nothing.
#[derive(Clone)]
pub struct Psk {
    identity: String,
    key: Zeroizing<Vec<u8>>,
}

impl Psk {
    /// The identity of a pair that is given none.
    pub const DEFAULT_IDENTITY: &str = "encryptor";

    /// A key that is known already.
    ///
    /// # Errors
    /// When the identity has not 1 to 128 bytes or has a control character (a line of `psk.txt` could not hold it), or
    /// when the key has not 1 to 256 bytes.
    pub fn new(identity: &str, key: &[u8]) -> Result<Self, StartError> {
        let refused = |what: &str| Err(StartError::options(what.to_owned()));
        // RFC 4279, 5.3: what is not longer is supported everywhere; a NUL would cut an identity in TLS 1.2
        if !(1..=128).contains(&identity.len()) {
            return refused("identity of a pre-shared key: must have 1 to 128 bytes");
        }
        if identity.chars().any(char::is_control) {
            return refused("identity of a pre-shared key: must have no control characters");
        }
        if !(1..=256).contains(&key.len()) {
            return refused("pre-shared key: must have 1 to 256 bytes");
        }
        Ok(Self {
            identity: identity.to_owned(),
            key: Zeroizing::new(key.to_vec()),
        })
    }

    /// A fresh key of 32 random bytes.
    ///
    /// # Errors
    /// As [`Psk::new`], and when there are no random numbers.
    pub fn random(identity: &str) -> Result<Self, StartError> {
        let mut key = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(key.as_mut()).map_err(|e| StartError::because("no random numbers", e))?;
        Self::new(identity, key.as_ref())
    }

    /// Reads a file as [`KeyProviderPair::psk`](crate::KeyProviderPair::psk) is one: a line `identity:hex` for each key.
    /// The last colon of a line separates, so that an identity may have some.
    ///
    /// # Errors
    /// When the file cannot be read, has no line, or has one that is not of this form; never with what it holds.
    pub fn read_file(path: &Path) -> Result<Vec<Self>, StartError> {
        let shown = path.display();
        let text = fs::read(path).map_err(|error| StartError::because(&format!("cannot read {shown}"), error))?;
        let text = Zeroizing::new(text);
        let text = std::str::from_utf8(&text).map_err(|_| StartError::options(format!("{shown} is not UTF-8")))?;
        let mut psks = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let psk = Self::parse(line)
                .map_err(|error| StartError::options(format!("{shown}, line {}: {error}", number + 1)))?;
            psks.push(psk);
        }
        if psks.is_empty() {
            return Err(StartError::options(format!("{shown} has no line")));
        }
        Ok(psks)
    }

    /// The identity.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    fn parse(line: &str) -> Result<Self, StartError> {
        let (identity, hex) = line
            .rsplit_once(':')
            .ok_or_else(|| StartError::options("must be identity:hex".to_owned()))?;
        let key = base16ct::mixed::decode_vec(hex.trim_end())
            .map_err(|_| StartError::options("the key must be pairs of hexadecimal digits".to_owned()))?;
        Self::new(identity, &Zeroizing::new(key))
    }
}

impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Psk {{ identity: {:?}, key: [redacted] }}", self.identity)
    }
}

/// Writes `psk.txt`, for its owner only.
pub(crate) fn write_file(path: &Path, psks: &[Psk]) -> Result<(), StartError> {
    // the room is there from the start: growing would leave copies behind
    let room = psks.iter().map(|psk| psk.identity.len() + 2 + 2 * psk.key.len()).sum();
    let mut text = Zeroizing::new(String::with_capacity(room));
    for psk in psks {
        let hex = Zeroizing::new(base16ct::lower::encode_string(&psk.key));
        for part in [&psk.identity, ":", &hex, "\n"] {
            text.push_str(part);
        }
    }
    pki::write(path, text.as_bytes(), true)
}

#[cfg(test)]
mod tests {
    use super::{Psk, write_file};
    use std::fs;

    #[test]
    fn the_limits_are_those_of_the_field() {
        assert!(Psk::new(&"i".repeat(128), &[7; 256]).is_ok());
        assert!(Psk::new("a:b c,\u{e9}", &[7]).is_ok());
        for (identity, key) in [
            (String::new(), 1),
            ("i".repeat(129), 1),
            ("\u{e9}".repeat(65), 1),
            ("a\0b".into(), 1),
            ("a\nb".into(), 1),
            ("a".into(), 0),
            ("a".into(), 257),
        ] {
            assert!(Psk::new(&identity, &vec![7; key]).is_err(), "{identity:?} {key}");
        }
    }

    #[test]
    fn a_file_is_read_back_whatever_the_identity() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("psk.txt");
        let psks = ["a", "a:b", ": ", "Zug \u{e9}"].map(|identity| Psk::random(identity).expect("valid"));
        write_file(&path, &psks).expect("written");
        let read = Psk::read_file(&path).expect("read");
        assert_eq!(read.len(), psks.len());
        for (one, other) in psks.iter().zip(&read) {
            assert_eq!(one.identity(), other.identity());
            assert!(one.key() == other.key(), "another key");
        }
    }

    #[test]
    fn a_bad_file_is_named_with_the_line_and_without_its_content() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("psk.txt");
        for (text, what) in [
            ("", "has no line"),
            ("c0ffee\n", "line 1: must be identity:hex"),
            ("a:c0ffee\n\n", "line 2: must be identity:hex"),
            ("a:c0ffee0\n", "line 1: the key must be pairs of hexadecimal digits"),
            ("a:\n", "line 1: pre-shared key: must have 1 to 256 bytes"),
            (":c0ffee\n", "line 1: identity"),
        ] {
            fs::write(&path, text).expect("written");
            let error = Psk::read_file(&path).expect_err(text).to_string();
            assert!(error.contains(what) && error.contains("psk.txt"), "{error}");
            assert!(!error.contains("c0ffee"), "{error}");
        }
        assert!(Psk::read_file(&dir.path().join("none")).is_err());
        fs::write(&path, "a:C0ffee \r\nb:00\r\n").expect("written");
        assert_eq!(Psk::read_file(&path).expect("read").len(), 2);
    }

    #[test]
    fn debug_shows_no_key() {
        let psk = Psk::new("me", &[0xAB; 16]).expect("valid");
        assert_eq!(format!("{psk:?}"), r#"Psk { identity: "me", key: [redacted] }"#);
    }
}
