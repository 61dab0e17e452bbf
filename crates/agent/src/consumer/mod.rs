//! The gateways that take keys: one trait, and a file for each type.

pub mod command;
pub mod file;
pub mod libreswan;
pub mod macsec;
pub mod strongswan;
pub mod wireguard;

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use skip_client::{Key, KeyId};

use crate::reader::{Mistakes, Table};

/// A gateway that takes the keys of one tunnel.
///
/// Only one thread uses it at a time. A call may block up to its own deadline, and each may be repeated with the same
/// key. The default implementations suit a gateway that holds a single key and replaces it.
pub trait Consumer: Send {
    /// From now on the gateway accepts this key from its peer. It keeps using the current key if it can hold two. The
    /// responder calls this before it acknowledges an offer, the initiator before it activates the key.
    ///
    /// # Errors
    /// The gateway cannot be reached, or does not accept the key.
    fn prepare(&mut self, key: &Key) -> Result<(), ConsumerError>;

    /// Initiator only, once the responder has prepared: use this key now. Returns once the gateway shows that it uses
    /// the key, if it can show that.
    ///
    /// # Errors
    /// As for [`Consumer::prepare`]; also when the tunnel does not come up with this key.
    fn activate(&mut self, key: &Key) -> Result<(), ConsumerError> {
        self.prepare(key)
    }

    /// Both ends, once the new key is in use: remove every other key of this tunnel from the gateway.
    ///
    /// # Errors
    /// The gateway cannot be reached, or does not remove a key.
    fn retire_others(&mut self, _keep: &KeyId) -> Result<(), ConsumerError> {
        Ok(())
    }

    /// This key will not be used after all. `in_use` is the key that stays, if the agent still has it. Without it, a
    /// gateway that holds a single key keeps the abandoned one until the next rotation, because no key at all would be
    /// worse.
    ///
    /// # Errors
    /// As for [`Consumer::prepare`].
    fn abandon(&mut self, _key_id: &KeyId, in_use: Option<&Key>) -> Result<(), ConsumerError> {
        in_use.map_or(Ok(()), |key| self.prepare(key))
    }

    /// Checks whether the gateway could take a key now, as far as possible without one. Called before a Key Provider is
    /// asked, so that no key is wasted. `starts`: this end starts the tunnel.
    ///
    /// # Errors
    /// Why it could not take one.
    fn ready(&mut self, _starts: bool) -> Result<(), ConsumerError> {
        Ok(())
    }

    /// Where packets go once the tunnel is taken down.
    fn clear_text(&mut self) -> ClearText {
        ClearText::Unknown
    }

    /// Asks the gateway for the state of the tunnel.
    ///
    /// # Errors
    /// The gateway's answer cannot be parsed. An unreachable gateway is not an error but an [`Observation`].
    fn observe(&mut self) -> Result<Observation, ConsumerError>;

    /// Takes the tunnel down, as the policy for old keys demands. The next [`Consumer::activate`] brings it up.
    ///
    /// # Errors
    /// The gateway cannot be reached, or does not comply.
    fn take_down(&mut self) -> Result<(), ConsumerError>;
}

/// What happens to packets when the tunnel is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClearText {
    /// The gateway drops them.
    Dropped,
    /// They may leave unprotected: nothing that the gateway reports prevents it.
    MayLeave,
    /// The agent cannot tell.
    Unknown,
}

impl ClearText {
    /// What operators must know before they choose to have tunnels taken down; `None` if packets are dropped.
    #[must_use]
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Self::Dropped => None,
            Self::MayLeave => Some(
                "after a take-down, packets may leave unprotected: the gateway has no trap or drop policy (add one, or a \
                 blackhole route, or a firewall rule and clear-text-closed = true)",
            ),
            Self::Unknown => Some(
                "after a take-down, packets may leave unprotected: the agent cannot see what the gateway does with them \
                 (close the way, and set clear-text-closed = true)",
            ),
        }
    }
}

/// The state of a tunnel, as its gateway reports it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observation {
    /// Whether the gateway answers at all.
    pub reachable: bool,
    /// Why not, and what to do, in one line.
    pub why_unreachable: Option<String>,
    /// Whether the tunnel carries traffic; `None` if the gateway cannot tell.
    pub tunnel_up: Option<bool>,
    /// The key in use; `None` if the gateway cannot tell.
    pub key_id: Option<KeyId>,
    /// Changes when the gateway restarts and loses its keys: its PID or start time, for example.
    pub instance: Option<String>,
}

impl Observation {
    /// The observation of a gateway that does not answer, for this reason.
    #[must_use]
    pub fn unreachable(why: &ConsumerError) -> Self {
        Self {
            why_unreachable: Some(why.with_hint()),
            ..Self::default()
        }
    }
}

/// Why a gateway did not do what it was asked. Never contains key bytes, and program output only when redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerError {
    what: Cow<'static, str>,
    hint: Cow<'static, str>,
}

impl ConsumerError {
    /// `what` is the failure (one line, lower case, no full stop); `hint` says what to do.
    #[must_use]
    pub fn new(what: impl Into<Cow<'static, str>>, hint: impl Into<Cow<'static, str>>) -> Self {
        Self {
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// The error and the hint, in one line.
    #[must_use]
    pub fn with_hint(&self) -> String {
        if self.hint.is_empty() {
            self.what.to_string()
        } else {
            format!("{} ({})", self.what, self.hint)
        }
    }

    /// What to do about it; may be empty.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

/// The key does not have the required form.
impl From<skip_client::Error> for ConsumerError {
    fn from(error: skip_client::Error) -> Self {
        Self::new(error.to_string(), error.hint().to_owned())
    }
}

impl fmt::Display for ConsumerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for ConsumerError {}

/// The `consumer` table of a tunnel, whose `type` selects the variant.
#[derive(Debug, Clone, PartialEq)]
pub enum ConsumerConfig {
    /// `type = "strongswan"`
    Strongswan(strongswan::Settings),
    /// `type = "wireguard"`
    Wireguard(wireguard::Settings),
    /// `type = "macsec"`
    Macsec(macsec::Settings),
    /// `type = "libreswan"`
    Libreswan(libreswan::Settings),
    /// `type = "file"`
    File(file::Settings),
    /// `type = "command"`
    Command(command::Settings),
}

impl ConsumerConfig {
    /// The values that `type` may have.
    pub const TYPES: [&'static str; 6] = ["strongswan", "wireguard", "macsec", "libreswan", "file", "command"];

    /// Reads the rest of a `consumer` table whose `type` was `kind`, one of [`ConsumerConfig::TYPES`].
    pub(crate) fn read(kind: &str, table: &mut Table<'_>, mistakes: &mut Mistakes<'_>) -> Option<Self> {
        match kind {
            "strongswan" => strongswan::Settings::read(table, mistakes).map(Self::Strongswan),
            "wireguard" => wireguard::Settings::read(table, mistakes).map(Self::Wireguard),
            "macsec" => macsec::Settings::read(table, mistakes).map(Self::Macsec),
            "libreswan" => libreswan::Settings::read(table, mistakes).map(Self::Libreswan),
            "file" => file::Settings::read(table, mistakes).map(Self::File),
            "command" => command::Settings::read(table, mistakes).map(Self::Command),
            _ => None,
        }
    }

    /// A resource that two tunnels cannot share: a file, a connection, an interface. `None` if unknown.
    pub(crate) fn target(&self) -> Option<String> {
        Some(match self {
            Self::Strongswan(it) => format!("the connection {} of {}", it.connection, it.socket.display()),
            Self::Wireguard(it) => format!("the peer {} of {}", it.peer, it.interface),
            Self::Macsec(it) => format!("the network {} of {}", it.network, it.interface),
            Self::Libreswan(_) | Self::File(_) => {
                format!("the file {}", crate::files::resolved(self.writes()?).display())
            }
            Self::Command(_) => return None,
        })
    }

    /// The file that gets the keys.
    pub(crate) fn writes(&self) -> Option<&Path> {
        match self {
            Self::Libreswan(it) => Some(&it.secrets),
            Self::File(it) => Some(&it.path),
            _ => None,
        }
    }

    /// The gateway, and the prefix of the names of its keys. The agent removes all other keys with this prefix.
    pub(crate) fn prefix(&self) -> Option<(&Path, String)> {
        match self {
            Self::Strongswan(it) => Some((&it.socket, it.prefix())),
            _ => None,
        }
    }

    /// Checks whether this end can start the tunnel with a new key.
    ///
    /// # Errors
    /// The broken rule, in one line that begins with the name of the field.
    pub(crate) fn check_initiator(&self) -> Result<(), String> {
        match self {
            Self::Strongswan(settings) if settings.definition.is_none() => {
                Err("definition: is missing: this end starts the tunnel, and has to load its connection".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Checks rules that types cannot express, such as a key size that the gateway does not accept.
    ///
    /// # Errors
    /// Each broken rule, in a line that begins with the name of the field.
    pub fn check(&self, size_bits: Option<u32>) -> Result<(), String> {
        match self {
            Self::Strongswan(settings) => settings.check(size_bits),
            Self::Wireguard(settings) => settings.check(size_bits),
            Self::Macsec(settings) => settings.check(size_bits),
            Self::Libreswan(settings) => settings.check(size_bits),
            Self::File(settings) => settings.check(size_bits),
            Self::Command(settings) => settings.check(size_bits),
        }
    }
}

/// Collects broken rules, one per line.
#[derive(Default)]
pub(crate) struct Rules(Vec<String>);

impl Rules {
    /// `rule` begins with the name of the field.
    pub fn must(&mut self, holds: bool, rule: &str) {
        if !holds {
            self.0.push(rule.to_owned());
        }
    }

    pub fn also(&mut self, other: Result<(), String>) {
        self.0.extend(other.err());
    }

    pub fn done(self) -> Result<(), String> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(self.0.join("\n"))
        }
    }
}

/// Creates the consumer. The gateway need not be running yet.
///
/// # Errors
/// The settings cannot work on this machine.
pub fn open(config: &ConsumerConfig) -> Result<Box<dyn Consumer>, ConsumerError> {
    match config {
        ConsumerConfig::Strongswan(settings) => strongswan::open(settings),
        ConsumerConfig::Wireguard(settings) => wireguard::open(settings),
        ConsumerConfig::Macsec(settings) => macsec::open(settings),
        ConsumerConfig::Libreswan(settings) => libreswan::open(settings),
        ConsumerConfig::File(settings) => file::open(settings),
        ConsumerConfig::Command(settings) => command::open(settings),
    }
}

/// Writes a program for a test. A child process does so, because a program that this process has open for writing cannot
/// be run as long as a child of another thread holds the same file.
#[cfg(test)]
fn write_program(path: &Path, text: &str) {
    let write = r#"printf %s "$1" > "$0" && chmod 700 "$0""#;
    let written = std::process::Command::new("/bin/sh")
        .args(["-c", write])
        .arg(path)
        .arg(text)
        .status();
    assert!(written.expect("a shell").success());
}
