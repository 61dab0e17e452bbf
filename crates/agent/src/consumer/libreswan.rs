//! `libreswan`, through a file of secrets that it rereads.
//!
//! `libreswan` takes a PPK when it establishes an `IKE_SA`, and does not establish a second one beside the first for
//! the same connection. The initiator therefore restarts the tunnel; packets sent in the meantime, for a few round
//! trips, are lost.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use skip_client::{ExportFormat, Key, KeyId};
use zeroize::Zeroizing;

use super::command::{Program, check_program};
use super::{Consumer, ConsumerError, Observation, Rules};
use crate::files::{can_replace, replace};
use crate::reader::{Mistakes, Table};

/// The table of a `libreswan` consumer.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The name of the connection, which must have `ppk=insist`.
    pub connection: String,
    /// Its `leftid`, as in `ipsec.conf`: the secrets apply to this pair of IDs only.
    pub left_id: String,
    /// Its `rightid`.
    pub right_id: String,
    /// A file with the secrets of this tunnel alone, included by `ipsec.secrets`: `/etc/ipsec.d/skip-NAME.secrets`, for
    /// example. The agent creates it, readable by its owner only.
    pub secrets: PathBuf,
    /// The path of `ipsec`; `/usr/sbin/ipsec` by default.
    pub ipsec: String,
    /// Seconds that a run of `ipsec` may take; 10 by default.
    pub timeout: u64,
}

impl Settings {
    pub(crate) fn read(table: &mut Table<'_>, mistakes: &mut Mistakes<'_>) -> Option<Self> {
        let [connection, left_id, right_id, secrets] =
            ["connection", "left-id", "right-id", "secrets"].map(|name| table.required_text(name, mistakes));
        let ipsec = table.text_or("ipsec", "/usr/sbin/ipsec", mistakes);
        Some(Self {
            timeout: table.seconds("timeout", 10, 1..3601, mistakes),
            connection: connection?.value,
            left_id: left_id?.value,
            right_id: right_id?.value,
            secrets: secrets?.value.into(),
            ipsec,
        })
    }

    pub(crate) fn check(&self, _size_bits: Option<u32>) -> Result<(), String> {
        let mut rules = Rules::default();
        let fields = [
            ("connection", &self.connection),
            ("left-id", &self.left_id),
            ("right-id", &self.right_id),
        ];
        for (field, value) in fields {
            let allowed = |c: char| c.is_ascii_graphic() && !"\":#'".contains(c);
            rules.must(
                (1..=200).contains(&value.len()) && !value.starts_with('-') && value.chars().all(allowed),
                &format!(
                    "{field}: must be 1 to 200 printable characters without spaces, quotes, ':' and '#', no '-' in front"
                ),
            );
        }
        rules.must(self.secrets.is_absolute(), "secrets: must be absolute");
        rules.also(check_program("ipsec", std::slice::from_ref(&self.ipsec)));
        rules.done()
    }
}

// all consumers share this signature
#[allow(clippy::unnecessary_wraps)]
pub(crate) fn open(settings: &Settings) -> Result<Box<dyn Consumer>, ConsumerError> {
    Ok(Box::new(Libreswan {
        ipsec: Program::new(std::slice::from_ref(&settings.ipsec), settings.timeout),
        settings: settings.clone(),
    }))
}

struct Libreswan {
    settings: Settings,
    ipsec: Program,
}

impl Consumer for Libreswan {
    fn prepare(&mut self, key: &Key) -> Result<(), ConsumerError> {
        self.rewrite(|id| id != key.key_id().as_str(), Some(key))
    }

    fn activate(&mut self, key: &Key) -> Result<(), ConsumerError> {
        // given several keys, an initiator could take any of them
        self.rewrite(|_| false, Some(key))?;
        let connection = &self.settings.connection;
        // fails if the connection is not up
        let _ = self.ipsec.run(&["auto", "--down", connection], None);
        let failed = |why: &dyn std::fmt::Display| {
            ConsumerError::new(
                format!("the tunnel {connection} did not come up with the new key: {why}"),
                "pluto's log at both ends says why; the peer needs the same key, the same subnets, and ppk=insist",
            )
        };
        let up = ["auto", "--up", connection];
        self.ipsec.run(&up, None).map_err(|error| failed(&error))?;
        // the exit status is also 0 when the peer has refused the child (TS_UNACCEPTABLE, for example)
        for _ in 0..10 {
            if self.carries()? {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        Err(failed(&"ipsec trafficstatus does not show it"))
    }

    fn ready(&mut self, _starts: bool) -> Result<(), ConsumerError> {
        self.ipsec.check()?;
        can_replace(&self.settings.secrets).map_err(|error| self.failed("write", &error))
    }

    fn retire_others(&mut self, keep: &KeyId) -> Result<(), ConsumerError> {
        self.rewrite(|id| id == keep.as_str(), None)
    }

    fn abandon(&mut self, key_id: &KeyId, in_use: Option<&Key>) -> Result<(), ConsumerError> {
        let stays = in_use.map(|key| key.key_id().as_str());
        self.rewrite(|id| id != key_id.as_str() && Some(id) != stays, in_use)
    }

    /// `libreswan` does not report which PPK it used. Its keys are in a file, so they survive a restart.
    fn observe(&mut self) -> Result<Observation, ConsumerError> {
        Ok(match self.carries() {
            Ok(carries) => Observation {
                reachable: true,
                tunnel_up: Some(carries),
                ..Observation::default()
            },
            Err(error) => Observation::unreachable(&error),
        })
    }

    fn take_down(&mut self) -> Result<(), ConsumerError> {
        // the keys first, so that the tunnel cannot be restarted with them
        self.rewrite(|_| false, None)?;
        let _ = self.ipsec.run(&["auto", "--down", &self.settings.connection], None);
        Ok(())
    }
}

impl Libreswan {
    /// Whether pluto lists a tunnel of this connection that carries traffic.
    fn carries(&self) -> Result<bool, ConsumerError> {
        let said = self.ipsec.run(&["trafficstatus"], None).map_err(|error| {
            ConsumerError::new(
                format!("pluto does not answer: {error}"),
                "check that ipsec is started, and that this user may control it",
            )
        })?;
        let said = String::from_utf8_lossy(said.as_deref().unwrap_or_default()).into_owned();
        // a connection with several subnets has a number after its name
        let [name, numbered] = ["\"", "\"["].map(|end| format!("\"{}{end}", self.settings.connection));
        Ok(said.contains(&name) || said.contains(&numbered))
    }

    fn failed(&self, what: &str, error: &io::Error) -> ConsumerError {
        ConsumerError::new(
            format!("cannot {what} {}: {error}", self.settings.secrets.display()),
            "check the folder, its permissions, and the space on the disk",
        )
    }

    /// Rewrites the file with the lines to keep and one more key, and makes pluto reread it.
    fn rewrite(&self, stays: impl Fn(&str) -> bool, more: Option<&Key>) -> Result<(), ConsumerError> {
        let path = &self.settings.secrets;
        let before = match fs::read(path) {
            Ok(content) => Zeroizing::new(content),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Zeroizing::default(),
            Err(error) => return Err(self.failed("read", &error)),
        };
        let text = more.map(|key| key.export(ExportFormat::Libreswan)).transpose()?;
        let text = text.as_ref().map(|bytes| bytes.as_slice()).unwrap_or_default();
        let ids = format!("{} {} ", self.settings.left_id, self.settings.right_id);
        // allocated at its final size, because growing would leave copies of a key behind
        let mut after = Zeroizing::new(Vec::with_capacity(before.len() + ids.len() + text.len() + 1));
        for line in before.split(|byte| *byte == b'\n') {
            if key_id_of(line).is_some_and(&stays) {
                after.extend_from_slice(line);
                after.push(b'\n');
            }
        }
        if !text.is_empty() {
            after.extend_from_slice(ids.as_bytes());
            after.extend_from_slice(text);
        }
        replace(path, &after, 0o600).map_err(|error| self.failed("write", &error))?;
        self.ipsec
            .run(&["auto", "--rereadsecrets"], None)
            .map(drop)
            .map_err(|error| {
                ConsumerError::new(
                    format!("the secrets cannot be read again: {error}"),
                    "check that pluto runs, and that this user may control it",
                )
            })
    }
}

/// The keyId of a line written by this agent.
fn key_id_of(line: &[u8]) -> Option<&str> {
    let quoted = line.split(|byte| *byte == b'"').nth(1)?;
    std::str::from_utf8(quoted).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::write_program;
    use super::*;
    use crate::test_keys::keys;

    fn fake(script: &str) -> (tempfile::TempDir, Settings) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ipsec");
        let log = folder.path().join("log");
        write_program(
            &path,
            &format!("#!/bin/sh\necho \"$*\" >> {}\n{script}\n", log.display()),
        );
        let settings = Settings {
            connection: "site-b".to_owned(),
            left_id: "@west".to_owned(),
            right_id: "@east".to_owned(),
            secrets: folder.path().join("skip.secrets"),
            ipsec: path.to_str().unwrap().to_owned(),
            timeout: 10,
        };
        (folder, settings)
    }

    /// The lines of the file, each without its key.
    fn lines(settings: &Settings) -> Vec<String> {
        let text = fs::read_to_string(&settings.secrets).unwrap();
        text.lines()
            .map(|line| line.split(" 0x").next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_responder_has_both_keys_until_one_is_retired() {
        let (folder, settings) = fake("");
        let mut consumer = open(&settings).unwrap();
        let [old, new] = keys();
        let line = |key: &Key| format!("@west @east : PPKS \"{}\"", key.key_id());
        consumer.prepare(&old).unwrap();
        consumer.prepare(&new).unwrap();
        consumer.prepare(&new).unwrap();
        assert_eq!(lines(&settings), [line(&old), line(&new)]);
        let mode = fs::metadata(&settings.secrets).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        consumer.abandon(new.key_id(), Some(&old)).unwrap();
        assert_eq!(lines(&settings), [line(&old)]);
        consumer.prepare(&new).unwrap();
        consumer.retire_others(new.key_id()).unwrap();
        assert_eq!(lines(&settings), [line(&new)]);
        consumer.take_down().unwrap();
        assert_eq!(lines(&settings), [""; 0]);
        let log = fs::read_to_string(folder.path().join("log")).unwrap();
        assert_eq!(log, "auto --rereadsecrets\n".repeat(7) + "auto --down site-b\n");
    }

    #[test]
    fn an_exit_status_of_0_without_a_tunnel_is_a_failure() {
        // how `ipsec auto --up` behaves on TS_UNACCEPTABLE
        let (_folder, settings) = fake("echo '002 \"site-b\" #2: TS_UNACCEPTABLE'; [ $1 != trafficstatus ] || exit 0");
        let mut settings = settings;
        settings.connection = "site".to_owned();
        let error = open(&settings).unwrap().activate(&keys()[0]).unwrap_err();
        assert!(
            error.to_string().ends_with("ipsec trafficstatus does not show it"),
            "{error}"
        );
    }

    #[test]
    fn the_initiator_restarts_the_tunnel() {
        let (folder, settings) = fake("echo '006 #2: \"site-b\"[1], type=ESP, add_time=1'");
        let mut consumer = open(&settings).unwrap();
        let [old, new] = keys();
        consumer.prepare(&old).unwrap();
        consumer.activate(&new).unwrap();
        assert_eq!(lines(&settings).len(), 1);
        let log = fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(log.ends_with("auto --down site-b\nauto --up site-b\ntrafficstatus\n"));
    }

    #[test]
    fn the_output_of_pluto_is_parsed() {
        let (_folder, settings) = fake(r#"echo '006 #2: "site-b", type=ESP, add_time=1'"#);
        assert_eq!(open(&settings).unwrap().observe().unwrap().tunnel_up, Some(true));
        let (_folder, settings) = fake("");
        assert_eq!(open(&settings).unwrap().observe().unwrap().tunnel_up, Some(false));
        let (_folder, settings) = fake("exit 1");
        assert!(!open(&settings).unwrap().observe().unwrap().reachable);
        let error = open(&settings).unwrap().prepare(&keys()[0]).unwrap_err();
        assert!(error.to_string().starts_with("the secrets cannot be read again: "));
    }

    #[test]
    fn settings_are_checked() {
        let (_folder, good) = fake("");
        assert_eq!(good.check(None), Ok(()));
        let bad = |change: fn(&mut Settings)| {
            let mut settings = good.clone();
            change(&mut settings);
            settings.check(None).unwrap_err()
        };
        assert!(bad(|s| s.left_id = "a b".to_owned()).starts_with("left-id:"));
        assert!(bad(|s| s.connection = "--all".to_owned()).starts_with("connection:"));
        assert!(bad(|s| s.secrets = PathBuf::from("here")).starts_with("secrets:"));
    }
}
