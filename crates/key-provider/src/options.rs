//! The options of a pair.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use skip_client::{Psk, SystemId};

use crate::error::StartError;
use crate::psk;
use crate::switches::{Fault, Quirk};

/// The options of a pair. The default: ids `Alice` and `Bob`, free ports on 127.0.0.1, a temporary folder, no switches.
#[derive(Debug, Clone)]
pub struct PairOptions {
    /// The folder for the certificates, `psk.txt` and `endpoints.json`; created if missing. `None`: a temporary folder
    /// that is removed with the pair.
    pub dir: Option<PathBuf>,
    /// The first Key Provider.
    pub alice: SideOptions,
    /// The second Key Provider.
    pub bob: SideOptions,
    /// Quirks that are on from the start.
    pub quirks: Vec<Quirk>,
    /// Faults that are on from the start.
    pub faults: Vec<Fault>,
    /// Whether only clients with a certificate of this pair's authority (`client.pem`) are served.
    pub require_client_cert: bool,
    /// The pre-shared keys that both sides accept. Identities must be unique, without control characters or a leading
    /// space. Empty: a new key for [`DEFAULT_IDENTITY`](crate::DEFAULT_IDENTITY).
    pub psks: Vec<Psk>,
    /// The TLS 1.2 suites for pre-shared keys, as an OpenSSL cipher list, instead of those of the draft.
    pub psk_ciphers: Option<String>,
    /// How long the peer can fetch a key, in whole seconds (rounded up; may last up to a second longer).
    pub key_lifetime: Duration,
    /// How long the certificates are valid from now on, in whole seconds.
    pub certificate_validity: Duration,
    /// How long [`Quirk::Slow`] waits before each response.
    pub delay: Duration,
}

/// One of the two Key Providers.
#[derive(Debug, Clone)]
pub struct SideOptions {
    /// Its localSystemID: 1 to 255 bytes of UTF-8, no control characters, not a pattern, not the id of the other side.
    pub id: String,
    /// Its remoteSystemID list, which can contain patterns (draft 4.1.2); at least one entry.
    pub remotes: Vec<String>,
    /// The address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The address to listen on for clients with a pre-shared key; port 0 picks a free one.
    pub psk_listen: SocketAddr,
}

impl Default for PairOptions {
    fn default() -> Self {
        Self {
            dir: None,
            alice: SideOptions::new("Alice", "Bob"),
            bob: SideOptions::new("Bob", "Alice"),
            quirks: Vec::new(),
            faults: Vec::new(),
            require_client_cert: false,
            psks: Vec::new(),
            psk_ciphers: None,
            key_lifetime: Duration::from_hours(1),
            certificate_validity: Duration::from_hours(365 * 24),
            delay: Duration::from_secs(1),
        }
    }
}

impl SideOptions {
    /// A side with this id that shares keys with one other, on free ports on 127.0.0.1.
    #[must_use]
    pub fn new(id: &str, remote: &str) -> Self {
        Self {
            id: id.to_owned(),
            remotes: vec![remote.to_owned()],
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            psk_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        }
    }
}

impl PairOptions {
    pub(crate) fn check(&self) -> Result<(), StartError> {
        for (name, side) in [("alice", &self.alice), ("bob", &self.bob)] {
            let id = SystemId::new(&side.id).map_err(|e| StartError::options(format!("id of {name}: {e}")))?;
            if id.is_pattern() {
                return Err(StartError::options(format!("id of {name}: must not be a pattern")));
            }
            // draft 4.1.2 (MUST): at least one remote is listed
            if side.remotes.is_empty() {
                return Err(StartError::options(format!("remotes of {name}: must not be empty")));
            }
            for remote in &side.remotes {
                SystemId::new(remote).map_err(|e| StartError::options(format!("remotes of {name}: {e}")))?;
            }
        }
        if self.alice.id == self.bob.id {
            return Err(StartError::options("alice and bob must have different ids".to_owned()));
        }
        psk::check(&self.psks)
    }
}

#[cfg(test)]
mod tests {
    use super::{PairOptions, SideOptions};

    #[test]
    fn bad_ids_empty_lists_and_doubled_identities_are_refused() {
        let with = |alice: SideOptions| PairOptions {
            alice,
            ..PairOptions::default()
        };
        assert!(PairOptions::default().check().is_ok());
        assert!(with(SideOptions::new("A", "KP_*")).check().is_ok());
        let psk = crate::random_psk("a").expect("valid");
        let twice = PairOptions {
            psks: vec![psk.clone(), psk],
            ..PairOptions::default()
        };
        assert!(twice.check().is_err());
        for alice in [
            SideOptions::new("", "Bob"),
            SideOptions::new("A*", "Bob"),
            SideOptions::new("Bob", "Bob"),
            SideOptions::new("A", ""),
            SideOptions {
                remotes: Vec::new(),
                ..SideOptions::new("A", "Bob")
            },
        ] {
            assert!(with(alice.clone()).check().is_err(), "{alice:?}");
        }
    }
}
