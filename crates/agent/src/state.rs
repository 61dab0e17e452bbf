//! The state on disk: counters and keyIds, never keys. One small file per tunnel, replaced atomically.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::{can_replace, replace_for_good};

/// The version of the file format.
const VERSION: u32 = 1;
/// The last rotation number; at one a second it lasts for 100 million years. Numbering then restarts at 1.
pub(crate) const MAX_COUNTER: u64 = 1 << 52;
/// How far a number may jump without asking the initiator: more rotations than an end can miss.
const MAX_JUMP: u64 = 1 << 20;

/// Whether a request with this number is plausible after the last known one.
pub(crate) fn is_plausible(last: u64, counter: u64) -> bool {
    let begins_again = last > MAX_COUNTER - MAX_JUMP && counter < MAX_JUMP;
    counter <= last.saturating_add(MAX_JUMP) && !begins_again
}

/// More than any record has.
const MAX_BYTES: u64 = 16 << 10;

/// The progress of the rotation with the record's counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub(crate) enum Stage {
    /// No rotation in progress: the key in use is the current one.
    Idle,
    /// The state was lost, or the agent stopped while the gateway was being changed: it is unknown which key is in use.
    /// A fresh rotation resolves it.
    Unclear,
    /// The new key is in use; the gateway may still have others.
    Retiring,
    /// A stage of the initiator.
    Initiator(InitiatorStage),
    /// A stage of the responder.
    Responder(ResponderStage),
}

/// The stages of the end that starts the rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InitiatorStage {
    /// The peer may have the keyId; this end's gateway does not have the key.
    Offered,
    /// The peer has prepared; this end's gateway may already use the key.
    Installing,
    /// The key is in use; the peer has not acknowledged the confirmation.
    Confirming,
}

/// The stages of the end that accepts the offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResponderStage {
    /// The Key Provider may have been asked for the key, and must not be asked again.
    Taking,
    /// The Key Provider has not been asked for the key yet, or has answered that the request may be repeated.
    Untaken,
    /// The gateway has the key, beside or instead of the current one.
    Prepared,
    /// This end does not have the key, and never will.
    Failed,
}

impl Stage {
    const ALL: [Self; 10] = [
        Self::Idle,
        Self::Unclear,
        Self::Retiring,
        Self::Initiator(InitiatorStage::Offered),
        Self::Initiator(InitiatorStage::Installing),
        Self::Initiator(InitiatorStage::Confirming),
        Self::Responder(ResponderStage::Taking),
        Self::Responder(ResponderStage::Untaken),
        Self::Responder(ResponderStage::Prepared),
        Self::Responder(ResponderStage::Failed),
    ];

    /// The name used in the state files and the hand-off.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Unclear => "unclear",
            Self::Retiring => "retiring",
            Self::Initiator(InitiatorStage::Offered) => "offered",
            Self::Initiator(InitiatorStage::Installing) => "installing",
            Self::Initiator(InitiatorStage::Confirming) => "confirming",
            Self::Responder(ResponderStage::Taking) => "taking",
            Self::Responder(ResponderStage::Untaken) => "untaken",
            Self::Responder(ResponderStage::Prepared) => "prepared",
            Self::Responder(ResponderStage::Failed) => "failed",
        }
    }

    /// Whether a record in this stage is useless without the keyId of its rotation.
    fn needs_key_id(self) -> bool {
        !matches!(
            self,
            Self::Idle | Self::Unclear | Self::Responder(ResponderStage::Failed)
        )
    }
}

impl From<Stage> for &'static str {
    fn from(stage: Stage) -> Self {
        stage.as_str()
    }
}

impl TryFrom<String> for Stage {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let found = Self::ALL.into_iter().find(|stage| stage.as_str() == name);
        found.ok_or("no such stage")
    }
}

/// The key in use by the tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Current {
    pub counter: u64,
    pub key_id: String,
    /// When the key came into use, in milliseconds since the machine booted.
    pub since_boot: u64,
    /// Identifies that boot.
    pub boot: String,
    /// The same as a time of day, for people.
    pub since: String,
}

/// The saved state of one tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Record {
    version: u32,
    /// The number of the last rotation started (initiator) or seen (responder) by this end. Only grows.
    pub counter: u64,
    pub stage: Stage,
    /// The keyId of that rotation.
    pub key_id: Option<String>,
    pub current: Option<Current>,
    /// The gateway instance that was given the last key.
    pub instance: Option<String>,
    /// Whether the tunnel was taken down because its key was too old.
    pub taken_down: bool,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            version: VERSION,
            counter: 0,
            stage: Stage::Idle,
            key_id: None,
            current: None,
            instance: None,
            taken_down: false,
        }
    }
}

/// The result of loading a tunnel's record.
#[derive(Debug)]
pub(crate) enum Loaded {
    Nothing,
    Found(Record),
    /// Why the record cannot be used; its counter must be agreed with the peer.
    Broken(String),
}

/// Storage for records.
pub(crate) trait Store: Send + Sync {
    fn load(&self, tunnel: &str) -> Loaded;
    /// Whether a record can be saved, as far as can be told without the time that it takes.
    fn can_save(&self, tunnel: &str) -> io::Result<()>;
    /// When this returns, the record survives a power failure.
    fn save(&self, tunnel: &str, record: &Record) -> io::Result<()>;
}

/// Records in a folder.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
}

impl Folder {
    /// Creates the folder, accessible to its owner only, if it does not exist.
    pub fn open(state: &Path) -> io::Result<Self> {
        let folder = Self {
            dir: state.join("tunnels"),
        };
        folder.make()?;
        Ok(folder)
    }

    /// Creates the folder unless it exists.
    pub fn make(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)
    }

    pub fn path(&self, tunnel: &str) -> PathBuf {
        self.dir.join(format!("{tunnel}.json"))
    }
}

impl Store for Folder {
    fn load(&self, tunnel: &str) -> Loaded {
        let path = self.path(tunnel);
        let mut text = String::new();
        let read = File::open(&path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Loaded::Nothing,
            Err(error) => Loaded::Broken(format!("{}: {error}", path.display())),
            Ok(_) => parse(&text).map_or_else(
                |rule| Loaded::Broken(format!("{}: {rule}", path.display())),
                Loaded::Found,
            ),
        }
    }

    fn can_save(&self, tunnel: &str) -> io::Result<()> {
        can_replace(&self.path(tunnel))
    }

    fn save(&self, tunnel: &str, record: &Record) -> io::Result<()> {
        let text = serde_json::to_string(record).map_err(io::Error::other)? + "\n";
        replace_for_good(&self.path(tunnel), text.as_bytes(), 0o600)
    }
}

fn parse(text: &str) -> Result<Record, &'static str> {
    let record: Record = serde_json::from_str(text).map_err(|_| "is not a record of this program")?;
    if record.counter > MAX_COUNTER {
        return Err("has a number that cannot be");
    }
    if record.version != VERSION {
        return Err("was written by another version");
    }
    if record.stage.needs_key_id() && record.key_id.is_none() {
        return Err("has no keyId for its stage");
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::{Folder, InitiatorStage, Loaded, MAX_COUNTER, MAX_JUMP, Record, Stage, Store, is_plausible};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn numbers_may_only_jump_so_far() {
        assert!(is_plausible(0, 1) && is_plausible(7, 3) && is_plausible(7, 7 + MAX_JUMP));
        assert!(!is_plausible(7, 8 + MAX_JUMP) && !is_plausible(0, MAX_COUNTER));
        // after the maximum numbering restarts, if the initiator says so
        assert!(!is_plausible(MAX_COUNTER, 1) && is_plausible(MAX_COUNTER, MAX_COUNTER - 1));
    }

    #[test]
    fn records_are_loaded_again_and_broken_ones_are_reported() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(dir.path()).expect("made");
        assert!(matches!(folder.load("a"), Loaded::Nothing));
        let record = Record {
            counter: 7,
            stage: Stage::Initiator(InitiatorStage::Offered),
            key_id: Some("00ff".to_owned()),
            ..Record::default()
        };
        folder.save("a", &record).expect("saved");
        assert!(matches!(folder.load("a"), Loaded::Found(found) if found == record));
        let path = folder.path("a");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let good = fs::read_to_string(&path).expect("read");
        for bad in [
            "",
            "{",
            &good[..good.len() / 2],
            &good.replace("\"version\":1", "\"version\":2"),
            &good.replace("\"00ff\"", "null"),
            &good.replace("\"counter\"", "\"countr\""),
            &good.replace("\"counter\":7", "\"counter\":9007199254740993"),
        ] {
            fs::write(&path, bad).expect("written");
            assert!(
                matches!(folder.load("a"), Loaded::Broken(why) if why.contains("a.json")),
                "{bad}"
            );
        }
    }
}
