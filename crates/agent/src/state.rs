//! What is remembered on disk: counters and keyIds, never keys. One small file a tunnel, replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The form of the files.
const VERSION: u32 = 1;
/// More than any record has.
const MAX_BYTES: u64 = 16 << 10;

/// How far the rotation with the record's counter has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    /// Nothing under way: the key in use is the current one.
    Idle,
    /// Initiator: the peer may have the keyId; the own gateway has not seen the key.
    Offered,
    /// Initiator: the peer has prepared; the own gateway may use the key already.
    Installing,
    /// Initiator: the key is in use; the peer was not told yet, or did not say so.
    Confirming,
    /// Both: the key is in use; the gateway may still have others.
    Retiring,
    /// Initiator: nobody knows whether the gateway uses this key or the one before. A fresh rotation settles it.
    Unclear,
    /// Responder: the Key Provider may have been asked for the key, and must not be asked again.
    Taking,
    /// Responder: the Key Provider was not asked, and may be.
    Untaken,
    /// Responder: the gateway has the key, beside or instead of the current one.
    Prepared,
    /// Responder: there is no such key here, and will not be.
    Failed,
}

impl Stage {
    /// As the state's files and the hand-off spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Offered => "offered",
            Self::Installing => "installing",
            Self::Confirming => "confirming",
            Self::Retiring => "retiring",
            Self::Unclear => "unclear",
            Self::Taking => "taking",
            Self::Untaken => "untaken",
            Self::Prepared => "prepared",
            Self::Failed => "failed",
        }
    }
}

/// The key that the tunnel uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Current {
    pub counter: u64,
    pub key_id: String,
    /// Milliseconds from the start of the machine to the key's.
    pub since_boot: u64,
    /// Which start of the machine that was.
    pub boot: String,
    /// The time of day, for people.
    pub since: String,
}

/// What is remembered of one tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Record {
    version: u32,
    /// The number of the last rotation that was begun (initiator) or heard of (responder). Only grows.
    pub counter: u64,
    pub stage: Stage,
    /// Of the rotation with that number.
    pub key_id: Option<String>,
    pub current: Option<Current>,
    /// The gateway's, when it was given its last key.
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

/// What was found of a tunnel.
#[derive(Debug)]
pub(crate) enum Loaded {
    Nothing,
    Found(Record),
    /// Why the record cannot be used; it has to be agreed anew.
    Broken(String),
}

/// Where records are kept.
pub(crate) trait Store: Send + Sync {
    fn load(&self, tunnel: &str) -> Loaded;
    /// When this returns, the record survives a loss of power.
    fn save(&self, tunnel: &str, record: &Record) -> io::Result<()>;
}

/// Records in a folder.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
}

impl Folder {
    /// Makes the folder, for the owner only, when it is missing.
    pub fn open(state: &Path) -> io::Result<Self> {
        let dir = state.join("tunnels");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        Ok(Self { dir })
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

    fn save(&self, tunnel: &str, record: &Record) -> io::Result<()> {
        let text = serde_json::to_string(record).map_err(io::Error::other)? + "\n";
        replace(&self.path(tunnel), text.as_bytes(), 0o600)
    }
}

/// Replaces a file as a whole: readers see the old or the new one, also after a loss of power.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let dir = dir.unwrap_or_else(|| Path::new("."));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let unfinished = dir.join(name);
    let written = (|| {
        match fs::remove_file(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&unfinished)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        File::open(dir)?.sync_all()
    })();
    if written.is_err() {
        // the file may be there or not, and may hold a secret
        let _ = fs::remove_file(&unfinished);
    }
    written
}

fn parse(text: &str) -> Result<Record, &'static str> {
    let record: Record = serde_json::from_str(text).map_err(|_| "is not a record of this program")?;
    if record.version != VERSION {
        return Err("was written by another version");
    }
    let needs_key_id = !matches!(record.stage, Stage::Idle | Stage::Failed | Stage::Unclear);
    if needs_key_id && record.key_id.is_none() {
        return Err("has no keyId for its stage");
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::{Folder, Loaded, Record, Stage, Store};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn records_come_back_and_broken_ones_are_named() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(dir.path()).expect("made");
        assert!(matches!(folder.load("a"), Loaded::Nothing));
        let record = Record {
            counter: 7,
            stage: Stage::Offered,
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
        ] {
            fs::write(&path, bad).expect("written");
            assert!(
                matches!(folder.load("a"), Loaded::Broken(why) if why.contains("a.json")),
                "{bad}"
            );
        }
    }
}
