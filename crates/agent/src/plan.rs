//! The plan of a tunnel, from its configuration: role, intervals, policy for old keys.

use std::time::Duration;

use skip_client::{BitLength, SystemId};

/// Which end starts a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Requests fresh keys from its Key Provider and offers them.
    Initiator,
    /// Accepts the keys that are offered.
    Responder,
}

impl Role {
    /// The name used in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initiator => "initiator",
            Self::Responder => "responder",
        }
    }

    /// The role that both ends derive from the IDs of their Key Providers: the smaller one, bytewise, is the initiator.
    #[must_use]
    pub fn agreed(local: &str, remote: &str) -> Option<Self> {
        match local.as_bytes().cmp(remote.as_bytes()) {
            std::cmp::Ordering::Less => Some(Self::Initiator),
            std::cmp::Ordering::Greater => Some(Self::Responder),
            std::cmp::Ordering::Equal => None,
        }
    }
}

/// What to do when no fresh key is available for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenTooOld {
    /// The tunnel keeps the old key, and the log warns.
    Keep,
    /// The tunnel is taken down until there is a fresh key.
    TakeDown,
}

/// The agent's intervals, shared by all its tunnels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    pub check_every: Duration,
    pub retry_first: Duration,
    pub retry_longest: Duration,
    /// How long a responder waits for the confirmation before it asks.
    pub confirm_within: Duration,
}

/// The configuration of a tunnel without its gateway.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub name: String,
    pub remote: SystemId,
    /// `None`: derived from the IDs.
    pub role: Option<Role>,
    pub interval: Duration,
    pub jitter: Duration,
    pub size: Option<BitLength>,
    pub max_key_age: Option<Duration>,
    pub when_too_old: WhenTooOld,
    /// A program and its arguments, run after each rotation and after the tunnel has been taken down.
    pub then: Option<Vec<String>>,
    /// The operator's assurance that no packet leaves unprotected when the tunnel is down.
    pub clear_text_closed: bool,
    pub pace: Pace,
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn both_ends_agree_on_their_roles() {
        for (a, b) in [("Alice", "Bob"), ("a", "B"), ("KP1", "KP10"), ("é", "e")] {
            let (one, other) = (Role::agreed(a, b), Role::agreed(b, a));
            assert!(one.is_some() && other.is_some() && one != other, "{a} {b}");
        }
        assert_eq!(Role::agreed("x", "x"), None);
    }
}
