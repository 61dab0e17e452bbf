//! The capabilities message of a Key Provider (draft 4.1).

use crate::problem::Problem;
use crate::remote_system_ids::RemoteSystemIds;

/// The capabilities of a Key Provider (draft 4.1, Table 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    pub(crate) entropy: bool,
    pub(crate) key: bool,
    pub(crate) algorithm: String,
    pub(crate) local_system_id: String,
    pub(crate) remote_system_ids: RemoteSystemIds,
    pub(crate) warnings: Vec<Problem>,
}

impl Capabilities {
    /// Whether the KP offers `GET /key`.
    #[must_use]
    pub fn supports_key(&self) -> bool {
        self.key
    }

    /// Whether the KP offers `GET /entropy`.
    #[must_use]
    pub fn supports_entropy(&self) -> bool {
        self.entropy
    }

    /// How the KP generates and synchronises keys, as free text (up to 1024 bytes); empty if it is missing and the rules are
    /// lenient.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// The KP's own id (draft 4.1.1); empty if it is missing and the rules are lenient.
    #[must_use]
    pub fn local_system_id(&self) -> &str {
        &self.local_system_id
    }

    /// The ids, or id patterns, of the KPs that share keys with this one (draft 4.1.2).
    #[must_use]
    pub fn remote_system_ids(&self) -> &[String] {
        self.remote_system_ids.as_slice()
    }

    /// Whether the KP lists the KP `id` as one that it shares keys with; see [`matches_remote`](crate::matches_remote).
    #[must_use]
    pub fn matches_remote(&self, id: &str) -> bool {
        self.remote_system_ids.matches(id)
    }

    /// Warnings about the message, which is valid.
    #[must_use]
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }
}
