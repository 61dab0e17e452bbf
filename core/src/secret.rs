//! Secret bytes: redacted in `Debug`, compared in constant time, wiped on drop.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, Result};
use crate::pages::Pages;
use crate::residue::clear_after_copy;

/// Secret bytes: a key, a random string, a pre-shared key.
///
/// `Debug` prints `[redacted]`; `==` takes constant time for values of equal length; the memory is wiped on drop. Access is
/// explicit: [`Secret::expose`].
///
/// On Unix the bytes are kept in memory that is locked in RAM, up to the system's limit (`RLIMIT_MEMLOCK`), and on Linux
/// excluded from core dumps. In a forked child, copies made before the fork are only excluded from dumps.
pub struct Secret {
    bytes: Pages,
    wiped: bool,
}

impl Secret {
    /// Copies `bytes`; the caller is responsible for wiping the original.
    #[must_use]
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut secret = Self::zeroed(bytes.len());
        clear_after_copy(|| secret.bytes.copy_from_slice(bytes));
        secret
    }

    /// Decodes hexadecimal digits of either case without branching on their values.
    ///
    /// `None` if the length is odd or a character is not a hexadecimal digit.
    #[must_use]
    pub fn from_hex(digits: &[u8]) -> Option<Self> {
        let mut secret = Self::zeroed(digits.len() / 2);
        clear_after_copy(|| base16ct::mixed::decode(digits, &mut secret.bytes).is_ok()).then_some(secret)
    }

    fn zeroed(len: usize) -> Self {
        Self {
            bytes: Pages::zeroed(len),
            wiped: false,
        }
    }

    /// The bytes.
    ///
    /// # Panics
    /// After [`Secret::wipe`], so that the zeros are not used as a key. [`Secret::try_expose`] returns an error instead.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        assert!(!self.wiped, "a secret was read after it was wiped");
        &self.bytes
    }

    /// The bytes.
    ///
    /// # Errors
    /// `invalid_argument` after [`Secret::wipe`].
    pub fn try_expose(&self) -> Result<&[u8]> {
        if self.wiped {
            Err(Error::wiped())
        } else {
            Ok(&self.bytes)
        }
    }

    /// Whether [`Secret::wipe`] was called.
    #[must_use]
    pub fn is_wiped(&self) -> bool {
        self.wiped
    }

    /// Lower-case hexadecimal digits, encoded without branching on the bytes; the buffer is wiped on drop.
    ///
    /// # Errors
    /// `invalid_argument` after [`Secret::wipe`].
    pub fn hex(&self) -> Result<Zeroizing<Vec<u8>>> {
        let mut digits = Zeroizing::new(vec![0; self.len() * 2]);
        let bytes = self.try_expose()?;
        let encoded = clear_after_copy(|| base16ct::lower::encode(bytes, &mut digits).map_or(0, <[u8]>::len));
        debug_assert_eq!(encoded, digits.len());
        Ok(digits)
    }

    /// The number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Overwrites the bytes with zeros. The length remains; reading them afterwards fails.
    pub fn wipe(&mut self) {
        self.bytes.zeroize();
        self.wiped = true;
    }
}

impl Clone for Secret {
    fn clone(&self) -> Self {
        Self {
            wiped: self.wiped,
            ..Self::copy_of(&self.bytes)
        }
    }
}

/// A wiped secret is not equal to anything, including itself.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        !self.wiped && !other.wiped && clear_after_copy(|| self.bytes.ct_eq(&other.bytes).into())
    }
}

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
    fn a_wiped_secret_cannot_be_read_and_equals_nothing() {
        let mut secret = Secret::copy_of(b"marker");
        let before = secret.clone();
        secret.wipe();
        assert_eq!(secret.len(), 6);
        assert_eq!(*secret.bytes, [0; 6]);
        assert_eq!(secret.try_expose().unwrap_err().field(), Some("secret"));
        assert_ne!(secret, before);
        assert_ne!(secret, secret.clone());
        assert!(std::panic::catch_unwind(move || secret.expose().len()).is_err());
    }
}
