//! Random bytes from a Key Provider (draft 4.3).

use std::fmt;

use crate::problem::Problem;
use crate::secret::Secret;

/// Random bytes from a Key Provider (draft 4.3); wiped on drop and accessible only through [`Entropy::secret`].
pub struct Entropy {
    bits: u32,
    secret: Secret,
    warnings: Vec<Problem>,
}

impl Entropy {
    /// Random bytes from another source, for a test or another transport; `bits` is their entropy.
    #[must_use]
    pub fn new(bits: u32, secret: Secret) -> Self {
        Self {
            bits,
            secret,
            warnings: Vec::new(),
        }
    }

    pub(crate) fn with_warnings(mut self, warnings: Vec<Problem>) -> Self {
        self.warnings = warnings;
        self
    }

    /// The entropy in bits that the KP claims (`minentropy`), at least as much as was requested.
    #[must_use]
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// The random bytes (`randomStr`), at least [`Entropy::bits`] bits.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Overwrites the bytes with zeros. Reading them afterwards fails.
    pub fn wipe(&mut self) {
        self.secret.wipe();
    }

    /// Warnings about the reply, which is valid.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }
}

impl PartialEq for Entropy {
    fn eq(&self, other: &Self) -> bool {
        self.secret == other.secret
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entropy")
            .field("bits", &self.bits)
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}
