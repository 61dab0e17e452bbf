//! A program that is run for each step, with the key on its stdin.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use skip_client::{ExportFormat, Key, KeyId};

use super::{Consumer, ConsumerError, Observation, Rules};
use crate::files::check_trusted;
use crate::reader::{Mistakes, Table};

/// How much output of a program is kept; the rest is read and dropped.
const MAX_OUTPUT: u64 = 16 << 10;
/// Exit status of a program that has nothing to do for a step, or cannot tell (`EX_UNAVAILABLE`).
const NOT_MINE: i32 = 69;

/// The table of a command consumer.
///
/// The program is run with the step as an additional argument: `prepare`, `activate`, `retire-others`, `abandon`,
/// `observe` or `take-down`. The first four are followed by the keyId. The key is on stdin for `prepare` and
/// `activate`; for `abandon`, the key that stays is, if known. The environment is empty except for `PATH`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The program, as an absolute path, and its leading arguments.
    pub run: Vec<String>,
    /// The form of the key on stdin: one of the names of [`ExportFormat`]; `hex` by default.
    pub format: String,
    /// Seconds that a run may take; 10 by default.
    pub timeout: u64,
}

impl Settings {
    pub(crate) fn read(table: &mut Table<'_>, mistakes: &mut Mistakes<'_>) -> Option<Self> {
        let run = table.texts("run", mistakes);
        if run.is_none() && !table.had("run") {
            mistakes.add(&table.at("run"), "is missing", "a list: the program and its arguments");
        }
        let format = table.text_or("format", "hex", mistakes);
        Some(Self {
            timeout: table.seconds("timeout", 10, 1..3601, mistakes),
            run: run?.value,
            format,
        })
    }

    pub(crate) fn check(&self, size_bits: Option<u32>) -> Result<(), String> {
        let mut rules = Rules::default();
        rules.also(check_program("run", &self.run));
        rules.also(check_format(&self.format, size_bits).map(drop));
        rules.done()
    }
}

/// Checks the name of a format, and that it accepts keys of this size.
pub(super) fn check_format(name: &str, size_bits: Option<u32>) -> Result<ExportFormat, String> {
    let format: ExportFormat = name
        .parse()
        .map_err(|error: skip_client::Error| format!("format: {}; {}", error.message(), error.hint()))?;
    match format {
        ExportFormat::Wireguard if size_bits != Some(256) => Err("size: must be 256 for the format wireguard".into()),
        ExportFormat::Wpa if !matches!(size_bits, Some(128 | 256)) => {
            Err("size: must be 128 or 256 for the format wpa".into())
        }
        _ => Ok(format),
    }
}

/// Checks a program named in the configuration.
pub(crate) fn check_program(field: &str, run: &[String]) -> Result<(), String> {
    let Some(program) = run.first() else {
        return Err(format!("{field}: must not be empty"));
    };
    if !Path::new(program).is_absolute() {
        return Err(format!("{field}: must begin with the absolute path of a program"));
    }
    if run.iter().any(|word| word.contains('\0')) {
        return Err(format!("{field}: must have no NUL"));
    }
    Ok(())
}

pub(crate) fn open(settings: &Settings) -> Result<Box<dyn Consumer>, ConsumerError> {
    let format = settings.format.parse();
    Ok(Box::new(Commanded {
        program: Program::new(&settings.run, settings.timeout),
        format: format.map_err(|_| ConsumerError::new("the format is not known", ""))?,
    }))
}

struct Commanded {
    program: Program,
    format: ExportFormat,
}

impl Commanded {
    fn give(&self, step: &str, key_id: &KeyId, key: Option<&Key>) -> Result<(), ConsumerError> {
        // a program would take it for an option
        if key_id.as_str().starts_with('-') {
            return Err(ConsumerError::new(
                "the keyId begins with a hyphen and is given to no program",
                "the Key Provider should give hexadecimal keyIds",
            ));
        }
        let content = key.map(|key| key.export(self.format)).transpose()?;
        let input = content.as_ref().map(|bytes| bytes.as_slice());
        self.program.run(&[step, key_id.as_str()], input).map(drop)
    }
}

impl Consumer for Commanded {
    fn ready(&mut self, _starts: bool) -> Result<(), ConsumerError> {
        self.program.check()
    }

    fn prepare(&mut self, key: &Key) -> Result<(), ConsumerError> {
        self.give("prepare", key.key_id(), Some(key))
    }

    fn activate(&mut self, key: &Key) -> Result<(), ConsumerError> {
        self.give("activate", key.key_id(), Some(key))
    }

    fn retire_others(&mut self, keep: &KeyId) -> Result<(), ConsumerError> {
        self.give("retire-others", keep, None)
    }

    fn abandon(&mut self, key_id: &KeyId, in_use: Option<&Key>) -> Result<(), ConsumerError> {
        self.give("abandon", key_id, in_use)
    }

    /// The program prints lines, all of them optional: `up` or `down`, `key-id=…`, `instance=…`.
    fn observe(&mut self) -> Result<Observation, ConsumerError> {
        let Some(said) = self.program.run(&["observe"], None)? else {
            return Ok(Observation {
                reachable: true,
                ..Observation::default()
            });
        };
        Ok(observation(&String::from_utf8_lossy(&said)))
    }

    fn take_down(&mut self) -> Result<(), ConsumerError> {
        self.program.run(&["take-down"], None).map(drop)
    }
}

fn observation(said: &str) -> Observation {
    let mut seen = Observation {
        reachable: true,
        ..Observation::default()
    };
    for line in said.lines().map(str::trim) {
        match line.split_once('=') {
            Some(("key-id", id)) => seen.key_id = KeyId::lenient(id).ok(),
            Some(("instance", text)) => seen.instance = Some(text.chars().take(100).collect()),
            None if line == "up" => seen.tunnel_up = Some(true),
            None if line == "down" => seen.tunnel_up = Some(false),
            None if line == "unreachable" => {
                seen.reachable = false;
                seen.why_unreachable = Some("the program says that it is unreachable".to_owned());
            }
            _ => {}
        }
    }
    seen
}

/// A program that is run with a clean environment, a deadline, and an output limit.
pub(crate) struct Program {
    run: Vec<String>,
    timeout: Duration,
}

impl Program {
    pub fn new(run: &[String], timeout: u64) -> Self {
        Self {
            run: run.to_vec(),
            timeout: Duration::from_secs(timeout),
        }
    }

    /// Checks that the program exists, as far as possible without running it.
    pub fn check(&self) -> Result<(), ConsumerError> {
        let name = self.run.first().map(String::as_str).unwrap_or_default();
        let failed = |what: String| ConsumerError::new(what, "check the path and its permissions");
        let meta = std::fs::metadata(name).map_err(|error| failed(format!("cannot run {name}: {error}")))?;
        if !meta.is_file() || meta.permissions().mode() & 0o111 == 0 {
            return Err(failed(format!("cannot run {name}: it is no program")));
        }
        check_trusted(Path::new(name)).map_err(|why| failed(format!("{name} is not run: {why}")))
    }

    /// Runs it with further arguments and `input` on its stdin. Returns its output; `None` if it does not implement
    /// this step.
    pub fn run(&self, arguments: &[&str], input: Option<&[u8]>) -> Result<Option<Vec<u8>>, ConsumerError> {
        let name = self.run.first().map(String::as_str).unwrap_or_default();
        let mut command = Command::new(name);
        command
            .args(self.run.iter().skip(1))
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            // stderr could contain anything, including the key
            .stderr(Stdio::null())
            // with what it starts; and Ctrl-C in a terminal is for the agent, which finishes the step
            .process_group(0);
        let mut child = command.spawn().map_err(|error| {
            let what = format!("cannot run {name}: {error}");
            ConsumerError::new(what, "check the path and its permissions")
        })?;
        let until = Instant::now() + self.timeout;
        let outcome = Self::converse(&mut child, input, until);
        let Some((said, status)) = outcome else {
            // what it has started must not go on either: it could set a key that was given up long ago
            let _ = rustix::process::kill_process_group(Pid::from_child(&child), Signal::KILL);
            let _ = child.wait();
            let what = format!("{name} did not end within {} s", self.timeout.as_secs());
            return Err(ConsumerError::new(what, "run it by hand with the same arguments"));
        };
        let status = match status.code() {
            Some(0) => return Ok(Some(said)),
            Some(NOT_MINE) => return Ok(None),
            Some(code) => format!("{name} ended with status {code}"),
            None => format!("{name} was ended by a signal"),
        };
        Err(ConsumerError::new(status, "run it by hand with the same arguments"))
    }

    /// `None` if it does not finish in time.
    fn converse(
        child: &mut Child,
        input: Option<&[u8]>,
        until: Instant,
    ) -> Option<(Vec<u8>, std::process::ExitStatus)> {
        if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
            // a key fits the pipe's buffer; a program that ignores its stdin may have exited
            let _ = stdin.write_all(input);
        }
        let said = child.stdout.take().map(listen);
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(5)),
                Ok(None) | Err(_) => return None,
            }
        };
        // a grandchild may hold the pipe open
        let left = until
            .saturating_duration_since(Instant::now())
            .min(Duration::from_secs(1));
        let said = said.and_then(|said| said.recv_timeout(left).ok());
        Some((said.unwrap_or_default(), status))
    }
}

fn listen(stdout: ChildStdout) -> mpsc::Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut said = Vec::new();
        let mut stdout = stdout.take(MAX_OUTPUT);
        let _ = stdout.read_to_end(&mut said);
        let _ = send.send(said);
        let _ = std::io::copy(&mut stdout.into_inner(), &mut std::io::sink());
    });
    receive
}

#[cfg(test)]
mod tests {
    use super::{Settings, check_format, check_program, open};
    use crate::consumer::Consumer;
    use crate::test_keys::keys;
    use skip_client::ExportFormat;
    use std::fs;

    fn shell(script: &str, timeout: u64) -> Box<dyn Consumer> {
        open(&Settings {
            run: ["/bin/sh", "-c", script, "consumer"].map(str::to_owned).to_vec(),
            format: "hex".to_owned(),
            timeout,
        })
        .expect("opened")
    }

    #[test]
    fn each_step_has_its_arguments_and_the_key_is_only_on_stdin() {
        let dir = tempfile::tempdir().expect("a folder");
        let log = dir.path().join("log");
        let path = log.display();
        let mut consumer = shell(
            &format!(
                "{{ echo \"$@\"; cat | wc -c; env | grep -v -e ^PATH= -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD=; }} >> {path}; true"
            ),
            10,
        );
        let [first, second] = keys();
        consumer.prepare(&first).expect("runs");
        consumer.activate(&first).expect("runs");
        consumer.retire_others(first.key_id()).expect("runs");
        consumer.abandon(second.key_id(), Some(&first)).expect("runs");
        consumer.abandon(second.key_id(), None).expect("runs");
        consumer.take_down().expect("runs");
        let text = fs::read_to_string(&log).expect("read");
        let text = text
            .replace(first.key_id().as_str(), "FIRST")
            .replace(second.key_id().as_str(), "SECOND");
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "prepare FIRST",
                "64",
                "activate FIRST",
                "64",
                "retire-others FIRST",
                "0",
                "abandon SECOND",
                "64",
                "abandon SECOND",
                "0",
                "take-down",
                "0"
            ]
        );
    }

    #[test]
    fn the_output_of_observe_is_parsed() {
        let seen = shell("echo up; echo key-id=00ff; echo instance=7; echo other", 10).observe();
        let seen = seen.expect("read");
        assert_eq!((seen.reachable, seen.tunnel_up), (true, Some(true)));
        assert_eq!(seen.key_id.expect("a keyId").as_str(), "00ff");
        assert_eq!(seen.instance.as_deref(), Some("7"));
        let nothing = shell("exit 69", 10).observe().expect("does not do that");
        assert!(nothing.reachable && nothing.tunnel_up.is_none());
    }

    #[test]
    fn failures_never_show_the_output_of_the_program() {
        let [key, _] = keys();
        let error = shell("cat; cat >&2; exit 3", 10).prepare(&key).expect_err("fails");
        assert_eq!(error.to_string(), "/bin/sh ended with status 3");
        let error = shell("sleep 600", 1).prepare(&key).expect_err("fails");
        assert!(error.to_string().contains("did not end within 1 s"), "{error}");
        let dir = tempfile::tempdir().expect("a folder");
        let late = dir.path().join("late");
        let script = format!("(sleep 2; echo late > {}) & wait", late.display());
        shell(&script, 1).activate(&key).expect_err("fails");
        std::thread::sleep(std::time::Duration::from_secs(2));
        assert!(!late.exists(), "what it started is ended too");
        let flood = shell("head -c 3000000 /dev/zero", 30).prepare(&key);
        flood.expect("what it says is dropped");
    }

    #[test]
    fn settings_are_checked_before_anything_runs() {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert!(check_program("run", &words(&["/bin/true", "x"])).is_ok());
        for run in [&[][..], &["true"][..], &["/bin/true", "\0"][..]] {
            assert!(check_program("run", &words(run)).is_err(), "{run:?}");
        }
        assert_eq!(check_format("wireguard", Some(256)), Ok(ExportFormat::Wireguard));
        for (name, size) in [("wireguard", None), ("wpa", Some(192)), ("HEX", None)] {
            assert!(check_format(name, size).is_err(), "{name}");
        }
    }
}
