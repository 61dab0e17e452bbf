//! A key and its keyId (draft 4.2).

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::error::Result;
use crate::export::{ExportFormat, export};
use crate::key_id::KeyId;
use crate::residue::clear_after_copy;
use crate::secret::Secret;
use crate::validate::Problem;

/// A key that a Key Provider gave out (draft 4.2), with the keyId that names it at the other end.
///
/// The key is wiped on drop, compared in constant time, and shown by nothing but [`Key::secret`] and [`Key::export`].
pub struct Key {
    id: KeyId,
    secret: Secret,
    /// Kept when the key is wiped.
    fingerprint: Option<String>,
    warnings: Vec<Problem>,
}

impl Key {
    /// A key from its parts, for tests that need no Key Provider and for bindings that hold the bytes themselves.
    #[must_use]
    pub fn new(key_id: KeyId, secret: Secret) -> Self {
        Self {
            id: key_id,
            secret,
            fingerprint: None,
            warnings: Vec::new(),
        }
    }

    pub(crate) fn with_warnings(mut self, warnings: Vec<Problem>) -> Self {
        self.warnings = warnings;
        self
    }

    /// The keyId, in the spelling of the KP for a fresh key and of the caller for a key asked for by keyId.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.id
    }

    /// The length of the key in bits.
    #[must_use]
    pub fn bits(&self) -> u32 {
        // a key has at most 65536 bits (validate.rs)
        u32::try_from(self.secret.len() * 8).unwrap_or(u32::MAX)
    }

    /// The key's bytes.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Eight hexadecimal digits that are equal at both ends when the keys are: the beginning of SHA-256 over a fixed label and
    /// the key. For people to compare, not for programs: compare keys with `==`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        if let Some(kept) = &self.fingerprint {
            return kept.clone();
        }
        clear_after_copy(|| {
            let mut digest = Sha256::new_with_prefix(b"skip-client key fingerprint\0")
                .chain_update(self.secret.expose())
                .finalize();
            let text = base16ct::lower::encode_string(&digest[..4]);
            digest.as_mut_slice().zeroize();
            text
        })
    }

    /// The key in the form that a consumer wants; the buffer is wiped on drop.
    ///
    /// # Errors
    /// `invalid_argument` when that consumer cannot take a key of this length, or this keyId, and after [`Key::wipe`].
    pub fn export(&self, format: ExportFormat) -> Result<Zeroizing<Vec<u8>>> {
        clear_after_copy(|| export(&self.id, &self.secret, format))
    }

    /// Overwrites the key with zeros now. The keyId, length and fingerprint stay; reading and exporting fail from now on.
    pub fn wipe(&mut self) {
        if !self.secret.is_wiped() {
            self.fingerprint = Some(self.fingerprint());
        }
        self.secret.wipe();
    }

    /// What is odd in the reply though it is valid.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }
}

impl PartialEq for Key {
    /// Whether the bytes are equal, in constant time; keyIds are not compared. A wiped key equals nothing.
    fn eq(&self, other: &Self) -> bool {
        self.secret == other.secret
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("key_id", &self.id.as_str())
            .field("bits", &self.bits())
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}
