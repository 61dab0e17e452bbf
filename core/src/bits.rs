//! Lengths in bits.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// A length in bits that a request may ask for: a multiple of 8 from 8 to 65536.
///
/// The draft (4.2, 4.3) gives all lengths in bits and sets no limits. These limits ensure a whole number of bytes and a reply
/// within the client's body limit.
///
/// ```
/// use skip_client::BitLength;
/// assert_eq!(BitLength::new(256)?.bytes(), 32);
/// assert!(BitLength::new(250).is_err());
/// # Ok::<(), skip_client::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BitLength(u32);

impl BitLength {
    /// The largest length, 65536 bits.
    pub const MAX: BitLength = BitLength(65_536);
    /// The draft's default for keys (4.2.2) and entropy (4.3), 256 bits.
    pub const DEFAULT: BitLength = BitLength(256);

    /// Creates a length from a number of bits.
    ///
    /// # Errors
    /// `invalid_argument` unless `bits` is a multiple of 8 from 8 to 65536.
    pub fn new(bits: u64) -> Result<Self> {
        match u32::try_from(bits) {
            Ok(n @ 8..=65_536) if n % 8 == 0 => Ok(Self(n)),
            _ => Err(Error::bit_length(&bits.to_string())),
        }
    }

    /// The number of bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        (self.0 / 8) as usize
    }
}

impl fmt::Display for BitLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BitLength {
    type Err = Error;

    /// Parses decimal digits.
    fn from_str(text: &str) -> Result<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_number = !digits.is_empty() && digits.len() <= 20 && digits.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(bits) if is_number && digits.len() == text.len() => Self::new(bits),
            _ if is_number => Err(Error::bit_length(text)),
            _ => Err(Error::not_bits()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::BitLength;

    #[test]
    fn whole_bytes_within_the_limits_are_lengths() {
        for good in [8, 16, 128, 192, 256, 384, 512, 4096, 65_536] {
            assert_eq!(u64::from(BitLength::new(good).expect("valid").bits()), good);
        }
        for bad in [0, 1, 7, 9, 255, 257, 65_537, 65_544, u64::MAX, 1 << 32 | 256] {
            assert!(BitLength::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn text_is_plain_decimal_digits() {
        assert_eq!("256".parse(), BitLength::new(256));
        for bad in ["", " 256", "+256", "0x100", "256.0", "-8", "99999999999999999999"] {
            assert!(bad.parse::<BitLength>().is_err(), "{bad}");
        }
        let error = "-8".parse::<BitLength>().expect_err("negative");
        assert_eq!(error.seen(), Some("-8"), "{error}");
    }
}
