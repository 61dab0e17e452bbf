//! Secret bytes: redacted when shown, compared in constant time, wiped when dropped.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::pages::Pages;

/// Bytes that must not be seen: a key, a random string, a pre-shared key.
///
/// `Debug` prints `[redacted]`; `==` takes the same time wherever two values of one length differ; the memory is wiped on drop.
/// Reading is spelled out: [`Secret::expose`].
///
/// On Unix the bytes lie in memory that is locked in RAM, within the limit that the system sets on that (`RLIMIT_MEMLOCK`), and
/// on Linux they are left out of core dumps. After a fork that is true of dumps only in the child.
pub struct Secret(Pages);

impl Secret {
    /// Takes a copy of `bytes`; wiping the original is the caller's part.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut secret = Self(Pages::zeroed(bytes.len()));
        secret.0.copy_from_slice(bytes);
        secret
    }

    /// Decodes hexadecimal digits of either case without branches on their values.
    ///
    /// `None` when the length is odd or a character is not a hexadecimal digit.
    #[must_use]
    pub fn from_hex(digits: &[u8]) -> Option<Self> {
        let mut secret = Self(Pages::zeroed(digits.len() / 2));
        base16ct::mixed::decode(digits, &mut secret.0).ok()?;
        Some(secret)
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Overwrites the bytes with zeros now; the length stays.
    pub fn wipe(&mut self) {
        self.0.zeroize();
    }
}

impl Clone for Secret {
    fn clone(&self) -> Self {
        Self::copy_of(&self.0)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_shows_nothing_of_the_bytes() {
        assert_eq!(format!("{:?}", Secret::copy_of(b"marker")), "[redacted]");
    }

    #[test]
    fn hex_is_decoded_in_either_case_and_refused_when_broken() {
        let secret = Secret::from_hex(b"00fFaB").expect("valid");
        assert_eq!(secret.expose(), [0x00, 0xFF, 0xAB]);
        for bad in [&b"0"[..], b"0g", b"00 1", b"\xc3\xa4"] {
            assert!(Secret::from_hex(bad).is_none());
        }
    }

    #[test]
    fn equality_looks_at_length_and_bytes() {
        let a = Secret::copy_of(b"abc");
        assert_eq!(a, a.clone());
        assert_ne!(a, Secret::copy_of(b"abd"));
        assert_ne!(a, Secret::copy_of(b"abcd"));
    }

    #[test]
    fn wiping_leaves_zeros_of_the_same_length() {
        let mut secret = Secret::copy_of(b"marker");
        secret.wipe();
        assert_eq!(secret.expose(), [0; 6]);
    }
}
