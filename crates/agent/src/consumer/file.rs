//! A file that another program reads, replaced atomically and readable by its owner only.

use std::path::PathBuf;
use std::time::SystemTime;

use skip_client::{ExportFormat, Key, KeyId};

use super::command::{Program, check_format, check_program};
use super::{Consumer, ConsumerError, Observation, Rules};
use crate::files::{can_replace, replace};
use crate::reader::{Mistakes, Table};

/// The table of a file consumer.
///
/// The initiator writes the new key once the responder has it; the responder writes it as soon as it is fetched. The
/// file holds one key: its reader should read it again when the old key stops working.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The file, as an absolute path.
    pub path: PathBuf,
    /// The form of its content: one of the names of [`ExportFormat`]; `hex` by default.
    pub format: String,
    /// A program and its arguments, run each time the file has changed. It is given no secrets.
    pub then: Option<Vec<String>>,
    /// Seconds that the program may take; 10 by default.
    pub timeout: u64,
}

impl Settings {
    pub(crate) fn read(table: &mut Table<'_>, mistakes: &mut Mistakes<'_>) -> Option<Self> {
        let path = table.required_text("path", mistakes);
        let format = table.text_or("format", "hex", mistakes);
        let then = table.texts("then", mistakes);
        Some(Self {
            timeout: table.seconds("timeout", 10, 1..3601, mistakes),
            path: path?.value.into(),
            format,
            then: then.map(|found| found.value),
        })
    }

    pub(crate) fn check(&self, size_bits: Option<u32>) -> Result<(), String> {
        let mut rules = Rules::default();
        rules.must(self.path.is_absolute(), "path: must be absolute");
        rules.must(!self.path.is_dir(), "path: is a folder; name a file in it");
        let is_special = self
            .path
            .metadata()
            .is_ok_and(|found| !found.is_file() && !found.is_dir());
        rules.must(!is_special, "path: is a device, a pipe or a socket; name a file");
        rules.also(check_format(&self.format, size_bits).map(drop));
        rules.also(self.then.as_ref().map_or(Ok(()), |run| check_program("then", run)));
        rules.done()
    }
}

pub(crate) fn open(settings: &Settings) -> Result<Box<dyn Consumer>, ConsumerError> {
    let format = settings
        .format
        .parse()
        .map_err(|_| ConsumerError::new("the format is not known", ""))?;
    Ok(Box::new(KeyFile {
        path: settings.path.clone(),
        format,
        then: settings.then.as_ref().map(|run| Program::new(run, settings.timeout)),
        holds: None,
    }))
}

struct KeyFile {
    path: PathBuf,
    format: ExportFormat,
    then: Option<Program>,
    /// The key last written, and the file's modification time right after.
    holds: Option<(KeyId, Option<SystemTime>)>,
}

impl KeyFile {
    fn write(&mut self, key: &Key) -> Result<(), ConsumerError> {
        if self
            .holds
            .as_ref()
            .is_some_and(|(id, when)| id == key.key_id() && *when == self.modified())
        {
            return Ok(());
        }
        let content = key.export(self.format)?;
        replace(&self.path, &content, 0o600).map_err(|error| self.failed("write", &error))?;
        self.holds = Some((key.key_id().clone(), self.modified()));
        self.then()
    }

    fn failed(&self, what: &str, error: &std::io::Error) -> ConsumerError {
        let what = format!("cannot {what} {}: {error}", self.path.display());
        ConsumerError::new(what, "check the folder, its permissions, and the space on the disk")
    }

    fn then(&self) -> Result<(), ConsumerError> {
        self.then
            .as_ref()
            .map_or(Ok(()), |program| program.run(&[], None).map(drop))
    }

    fn modified(&self) -> Option<SystemTime> {
        std::fs::metadata(&self.path).and_then(|meta| meta.modified()).ok()
    }
}

impl Consumer for KeyFile {
    fn ready(&mut self, _starts: bool) -> Result<(), ConsumerError> {
        can_replace(&self.path).map_err(|error| self.failed("write", &error))?;
        self.then.as_ref().map_or(Ok(()), Program::check)
    }

    fn prepare(&mut self, key: &Key) -> Result<(), ConsumerError> {
        self.write(key)
    }

    fn abandon(&mut self, key_id: &KeyId, in_use: Option<&Key>) -> Result<(), ConsumerError> {
        match in_use {
            Some(key) => self.write(key),
            // the new key was never written, or there is nothing to replace it with
            None if self.holds.as_ref().is_none_or(|(id, _)| id != key_id) => Ok(()),
            None => Err(ConsumerError::new(
                "the file holds a key that the peer will not use, and the one before is not known any more",
                "the next rotation replaces it",
            )),
        }
    }

    fn observe(&mut self) -> Result<Observation, ConsumerError> {
        let folder = self.path.parent().filter(|folder| folder.is_dir());
        if folder.is_none() {
            let gone = std::io::ErrorKind::NotFound.into();
            return Ok(Observation::unreachable(&self.failed("write", &gone)));
        }
        let key_id = self
            .holds
            .as_ref()
            .filter(|(_, when)| *when == self.modified())
            .map(|(id, _)| id.clone());
        Ok(Observation {
            reachable: true,
            key_id,
            ..Observation::default()
        })
    }

    fn take_down(&mut self) -> Result<(), ConsumerError> {
        self.holds = None;
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(self.failed("remove", &error)),
            _ => self.then(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Settings, open};
    use crate::test_keys::keys;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_file_holds_one_key_that_only_its_owner_can_read_and_the_program_runs_after_each_change() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("psk");
        let log = dir.path().join("log");
        let settings = Settings {
            path: path.clone(),
            format: "hex".to_owned(),
            then: Some(vec![
                "/bin/sh".to_owned(),
                "-c".to_owned(),
                format!("ls {} >> {} 2>&1; true", path.display(), log.display()),
            ]),
            timeout: 10,
        };
        settings.check(None).expect("fine");
        let [first, second] = keys();
        let mut consumer = open(&settings).expect("opened");
        assert!(consumer.observe().expect("seen").reachable);
        consumer.prepare(&first).expect("written");
        consumer.activate(&first).expect("is there already");
        let hex = first.export(skip_client::ExportFormat::Hex).expect("a form");
        assert!(fs::read(&path).expect("read") == *hex);
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(consumer.observe().expect("seen").key_id.as_ref(), Some(first.key_id()));
        consumer.prepare(&second).expect("written");
        consumer.abandon(second.key_id(), Some(&first)).expect("put back");
        assert!(fs::read(&path).expect("read") == *hex);
        consumer.prepare(&second).expect("written");
        consumer
            .abandon(second.key_id(), None)
            .expect_err("nothing to put back");
        consumer.retire_others(second.key_id()).expect("nothing to do");
        assert_eq!(fs::read_to_string(&log).expect("read").lines().count(), 4);
        fs::write(&path, "somebody else").expect("written");
        consumer.take_down().expect("removed");
        assert!(!path.exists());
        assert_eq!(
            fs::read_dir(dir.path()).expect("listed").count(),
            1,
            "only the log is left"
        );
    }
}
