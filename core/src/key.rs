//! A key and its keyId (draft 4.2).

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::error::Result;
use crate::export::{ExportFormat, export};
use crate::key_id::KeyId;
use crate::problem::Problem;
use crate::residue::clear_after_copy;
use crate::secret::Secret;

/// A key from a Key Provider (draft 4.2), with the keyId that identifies it to the peer.
///
/// The key is wiped on drop, compared in constant time, and accessible only through [`Key::secret`] and [`Key::export`].
pub struct Key {
    id: KeyId,
    secret: Secret,
    /// Still available after the key is wiped.
    fingerprint: Option<String>,
    warnings: Vec<Problem>,
}

impl Key {
    /// Creates a key from its parts, for tests without a Key Provider and for bindings that hold the bytes themselves.
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

    /// The keyId, as spelled by the KP for a fresh key, and by the caller for a key requested by keyId.
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

    /// Eight hexadecimal digits that match at both ends if the keys do: the first digits of SHA-256 over a fixed label and the
    /// key. Intended for people; programs should compare keys with `==`.
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

    /// Exports the key in a format that other software reads; the buffer is wiped on drop.
    ///
    /// # Errors
    /// `invalid_argument` if the format does not support a key of this length or this keyId, and after [`Key::wipe`].
    pub fn export(&self, format: ExportFormat) -> Result<Zeroizing<Vec<u8>>> {
        clear_after_copy(|| export(&self.id, &self.secret, format))
    }

    /// Overwrites the key with zeros. The keyId, length and fingerprint remain available; reading or exporting the key fails.
    pub fn wipe(&mut self) {
        if !self.secret.is_wiped() {
            self.fingerprint = Some(self.fingerprint());
        }
        self.secret.wipe();
    }

    /// Warnings about the reply, which is valid.
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
