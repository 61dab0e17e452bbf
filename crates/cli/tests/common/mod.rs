//! Shared by all tests of the command: the binary, a pair of Key Providers, and the captured output.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use skip_key_provider::{Fault, KeyProviderPair, PairOptions};

/// The binary under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_skip-client");

/// A pair without quirks or faults.
pub fn pair() -> KeyProviderPair {
    KeyProviderPair::start(PairOptions::default()).expect("the pair starts")
}

/// A pair with one fault.
pub fn faulty(fault: Fault) -> KeyProviderPair {
    let pair = pair();
    pair.set_faults(&[fault]);
    pair
}

/// The command with these arguments, without the caller's SKIP_ variables, and with empty stdin.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SKIP_") {
            command.env_remove(name);
        }
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs the command to completion.
pub fn run(args: &[&str]) -> Ran {
    command(args).output().expect("runs").into()
}

/// Runs the command with the pair's CA.
pub fn run_with(pair: &KeyProviderPair, args: &[&str]) -> Ran {
    command(args).arg("--ca").arg(pair.ca()).output().expect("runs").into()
}

/// A fresh key of 256 bits from Alice: keyId and key.
pub fn fresh_key(pair: &KeyProviderPair) -> (String, String) {
    let ran = run_with(
        pair,
        &[
            "new-key",
            &pair.alice().url,
            "--remote",
            "Bob",
            "--size",
            "256",
            "--json",
        ],
    );
    let json = ran.json();
    let member = |name: &str| json[name].as_str().expect("text").to_owned();
    (member("keyId"), member("key"))
}

/// The result of a command.
#[derive(Debug)]
pub struct Ran {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    /// stdout of a command that succeeded.
    pub fn ok(&self) -> &str {
        assert_eq!(self.status, Some(0), "{}", self.stderr);
        &self.stdout
    }

    /// stdout of a command that succeeded, as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(self.ok()).expect("stdout is JSON")
    }

    /// stderr of a command that failed with this status, which must be a single JSON object.
    pub fn json_error(&self, status: i32) -> Value {
        assert_eq!(self.status, Some(status), "{}", self.stderr);
        assert_eq!(self.stdout, "");
        serde_json::from_str(&self.stderr).expect("stderr is JSON")
    }

    /// stderr of a command that failed with this status, with its `error:` line.
    pub fn error(&self, status: i32) -> &str {
        assert_eq!(self.status, Some(status), "{}", self.stderr);
        assert!(self.stderr.starts_with("error: "), "{}", self.stderr);
        &self.stderr
    }
}

/// Whether a text contains 16 or more consecutive hexadecimal digits, as secrets do.
pub fn has_long_hex(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_hexdigit()).any(|run| run.len() >= 16)
}

/// The permission bits of a file.
#[cfg(unix)]
pub fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).expect("exists").permissions().mode() & 0o7777
}

/// Sends a named signal to a child process.
pub fn signal(child: &std::process::Child, name: &str) {
    // the shell's builtin, since minimal systems have no such program
    let sent = Command::new("sh")
        .args(["-c", "kill -s \"$0\" \"$1\"", name, &child.id().to_string()])
        .status()
        .expect("sh runs");
    assert!(sent.success());
}

/// Waits until `ready` returns true; panics after a minute.
pub fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < Duration::from_mins(1), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
