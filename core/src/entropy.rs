//! Random bytes from a Key Provider (draft 4.3).

use std::fmt;

use crate::secret::Secret;
use crate::validate::Problem;

/// Random bytes from a Key Provider (draft 4.3); wiped on drop and accessible only through [`Entropy::secret`].
pub struct Entropy {
    bits: u32,
    secret: Secret,
    warnings: Vec<Problem>,
}

impl Entropy {
    pub(crate) fn new(bits: u32, secret: Secret, warnings: Vec<Problem>) -> Self {
        Self { bits, secret, warnings }
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
