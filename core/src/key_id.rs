//! keyId: the public identifier of a key.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::hex;
use crate::problem::Rules;

/// A key identifier (draft 4.2.1): opaque text, kept exactly as it was received.
///
/// Strict form: an even number of hexadecimal digits of either case, 2 to 512. Some Key Providers use other identifiers; see
/// [`KeyId::lenient`]. A keyId is public: the encryptors exchange it in the clear.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyId(Box<str>);

impl KeyId {
    /// Parses a keyId according to `rules`: [`Rules::Strict`] requires an even number of hexadecimal digits, 2 to 512; the others
    /// also accept 1 to 255 characters of `A-Z a-z 0-9 . _ ~ -`, except `.` and `..`, which cannot be path segments.
    ///
    /// # Errors
    /// `invalid_argument` for anything else.
    pub fn parse(text: &str, rules: Rules) -> Result<Self> {
        let strict = rules == Rules::Strict;
        if is_strict(text) || (!strict && is_lenient(text)) {
            Ok(Self(text.into()))
        } else {
            Err(Error::key_id(!strict))
        }
    }

    /// [`KeyId::parse`] with strict rules.
    ///
    /// # Errors
    /// The same as [`KeyId::parse`].
    pub fn new(text: &str) -> Result<Self> {
        Self::parse(text, Rules::Strict)
    }

    /// [`KeyId::parse`] with lenient rules.
    ///
    /// # Errors
    /// The same as [`KeyId::parse`].
    pub fn lenient(text: &str) -> Result<Self> {
        Self::parse(text, Rules::Lenient)
    }

    /// The text exactly as received.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The octets encoded by the hexadecimal digits; `None` if this keyId is not hexadecimal.
    #[must_use]
    pub fn octets(&self) -> Option<Vec<u8>> {
        base16ct::mixed::decode_vec(self.0.as_bytes()).ok()
    }

    /// Whether two keyIds identify the same key: case-insensitive equality.
    #[must_use]
    pub fn matches(&self, other: &str) -> bool {
        self.0.eq_ignore_ascii_case(other)
    }
}

/// draft 4.2.1: a hexadecimal-encoded string.
pub(crate) fn is_strict(text: &str) -> bool {
    (2..=512).contains(&text.len()) && text.len().is_multiple_of(2) && hex::bits(text.as_bytes()).is_some()
}

pub(crate) fn is_lenient(text: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"._~-".contains(&b);
    is_strict(text) || ((1..=255).contains(&text.len()) && text.bytes().all(unreserved) && text != "." && text != "..")
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for KeyId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for KeyId {
    type Err = Error;

    /// The strict form; see [`KeyId::new`].
    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::KeyId;

    #[test]
    fn strict_takes_even_hexadecimal_only() {
        for good in [
            "00",
            "1726e9AE76234FB1dd1283d4dca1911e1f93864d70f3069e",
            &"ab".repeat(256),
        ] {
            assert!(KeyId::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "0",
            "0g",
            "abc",
            " 00",
            "00\n",
            "..",
            "SKIP-SAE-A",
            &"ab".repeat(257),
        ] {
            assert!(KeyId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn lenient_takes_unreserved_characters_but_no_path_steps() {
        for good in [
            "0",
            "SKIP-SAE-A-SAE-B-QKD-000001",
            "a.b~c_d",
            "...",
            &"x".repeat(255),
            &"ab".repeat(256),
        ] {
            assert!(KeyId::lenient(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a b", "a/b", "a%20", "ä", &"x".repeat(256)] {
            assert!(KeyId::lenient(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn case_is_kept_and_does_not_matter_for_matching() {
        let id = KeyId::new("aBcD").expect("valid");
        assert_eq!(id.as_str(), "aBcD");
        assert!(id.matches("AbCd"));
        assert!(!id.matches("AbCe"));
    }
}
