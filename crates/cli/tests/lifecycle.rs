//! serve, demo, and termination from outside.
#![cfg(unix)]

mod common;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use common::{PROGRAM, command, faulty, has_long_hex, mode, run, signal, wait_for};
use skip_key_provider::Fault;

const FREE_PORTS: [&str; 8] = [
    "--alice",
    "127.0.0.1:0",
    "--bob",
    "127.0.0.1:0",
    "--psk-alice",
    "127.0.0.1:0",
    "--psk-bob",
    "127.0.0.1:0",
];

/// A `serve` process that is stopped even if the test fails.
struct Serving {
    child: Child,
    lines: Vec<String>,
}

impl Serving {
    fn start(args: &[&str]) -> Self {
        let mut child = command(&serve_with(args))
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = Vec::new();
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            lines.push(line.expect("text"));
            if lines.last().is_some_and(|line| line == "ready") {
                break;
            }
        }
        Self { child, lines }
    }

    /// The rest of the line that begins with `label`.
    fn value(&self, label: &str) -> &str {
        self.lines
            .iter()
            .find_map(|line| line.strip_prefix(label))
            .expect("a line")
            .trim()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The arguments of `serve`, with free ports unless given.
fn serve_with<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["serve"];
    for port in FREE_PORTS.chunks(2).filter(|port| !args.contains(&port[0])) {
        all.extend(port);
    }
    [&all, args].concat()
}

#[test]
fn serve_writes_its_folder_and_ends_at_sigterm() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().join("kp");
    let mut serving = Serving::start(&["--dir", folder.to_str().expect("UTF-8"), "--alice-id", "KP A"]);
    assert_eq!(serving.value("folder"), folder.to_str().expect("UTF-8"));
    for name in ["ca.pem", "alice.pem", "bob.pem", "client.pem", "endpoints.json"] {
        assert!(folder.join(name).is_file(), "{name}");
    }
    for name in ["alice.key", "bob.key", "client.key", "psk.txt"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
    let endpoints = std::fs::read(folder.join("endpoints.json")).expect("there");
    let endpoints: serde_json::Value = serde_json::from_slice(&endpoints).expect("JSON");
    assert_eq!(endpoints["alice"]["id"], "KP A");
    assert_eq!(endpoints["bob"]["url"], serving.value("Bob"));
    assert_eq!(endpoints["bob"]["psk_url"], serving.value("psk     Bob"));
    signal(&serving.child, "TERM");
    assert_eq!(serving.child.wait().expect("ends").code(), Some(0));
    let address = serving.value("Bob").strip_prefix("https://").expect("a URL");
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[cfg(target_os = "linux")]
#[test]
fn the_command_leaves_no_core_dumps() {
    let serving = Serving::start(&[]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", serving.child.id())).expect("a running process");
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
    let core: Vec<&str> = core.expect("a limit").split_whitespace().collect();
    assert_eq!(core[..2], ["0", "0"]);
}

#[test]
fn the_commands_that_serve_shows_can_be_pasted() {
    let mut serving = Serving::start(&["--require-client-cert", "--alice-id", "it's Alice"]);
    let shown: Vec<String> = serving
        .lines
        .iter()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| line.starts_with("skip-client "))
        .map(str::to_owned)
        .collect();
    let mut key_id = String::new();
    for line in &shown {
        let line = line.replacen("skip-client", PROGRAM, 1).replace("KEYID", &key_id);
        let ran = common::Ran::from(
            std::process::Command::new("sh")
                .arg("-c")
                .arg(&line)
                .output()
                .expect("runs"),
        );
        let text = ran.ok();
        if let Some(id) = text.lines().find_map(|line| line.strip_prefix("keyId")) {
            id.trim().clone_into(&mut key_id);
        }
    }
    assert_eq!(shown.len(), 4);
    let folder = serving.value("folder").to_owned();
    signal(&serving.child, "INT");
    assert_eq!(serving.child.wait().expect("ends").code(), Some(0));
    assert!(!std::path::Path::new(&folder).exists(), "the temporary folder stays");
}

#[test]
fn serve_takes_pre_shared_keys_and_shows_none() {
    let dir = tempfile::tempdir().expect("a folder");
    let folder = dir.path().to_str().expect("UTF-8");
    let identities = ["--psk-identity", "router 1", "--psk-identity", "a:b"];
    let first = Serving::start(&[&["--dir", folder][..], &identities].concat());
    let file = dir.path().join("psk.txt");
    let keys = std::fs::read_to_string(&file).expect("psk.txt");
    let identities: Vec<_> = keys.lines().filter_map(|line| line.rsplit_once(':')).collect();
    assert_eq!((identities[0].0, identities[1].0), ("router 1", "a:b"));
    let text = first.lines.join("\n");
    let port = first.value("psk     Alice").rsplit(':').next().expect("a port");
    assert!(text.contains("--psk-identity 'router 1' --remote Bob"), "{text}");
    assert!(
        text.contains(&format!(" server ipv4 127.0.0.1 port {port}\n")),
        "{text}"
    );
    assert!(text.contains(" psk id router 1 key hex HEX\n"), "{text}");
    assert!(!identities.iter().any(|(_, hex)| text.contains(hex)), "a key is shown");
    drop(first);

    // the same keys again, also if the file is the one being written
    let again = Serving::start(&["--dir", folder, "--psk-file", file.to_str().expect("UTF-8")]);
    assert!(
        std::fs::read_to_string(&file).expect("psk.txt") == keys,
        "the keys changed"
    );
    assert!(!has_long_hex(&again.lines.join("\n").replace(folder, "")));
}

#[test]
fn serve_takes_switches_and_patterns() {
    let serving = Serving::start(&[
        "--quirk",
        "uppercase-hex",
        "--fault",
        "entropy-503",
        "--alice-remote",
        "B*",
    ]);
    let ca = format!("{}/ca.pem", serving.value("folder"));
    let url = serving.value("Alice");
    let key = run(&["new-key", url, "--ca", &ca, "--remote", "Bob", "--json"]).json();
    assert!(!key["key"].as_str().expect("text").is_empty());
    assert!(run(&["capabilities", url, "--ca", &ca]).ok().contains("B*"));
    assert_eq!(
        run(&["entropy", url, "--ca", &ca, "--json"]).json_error(4)["code"],
        "busy"
    );
}

#[test]
fn serve_says_which_option_to_change() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let taken = holder.local_addr().expect("bound").to_string();
    for (option, args) in [
        ("--alice", ["--alice", &taken]),
        ("--bob", ["--bob", &taken]),
        ("--psk-alice", ["--psk-alice", &taken]),
        ("--psk-bob", ["--psk-bob", &taken]),
        ("--alice", ["--alice", "nonsense"]),
        ("--psk-bob", ["--psk-bob", "nonsense"]),
        ("--psk-identity", ["--psk-identity", ""]),
        ("--psk-file", ["--psk-file", "no such file"]),
    ] {
        let ran = run(&serve_with(&args));
        assert!(ran.error(2).starts_with(&format!("error: {option}: ")), "{ran:?}");
    }
    let twice = run(&serve_with(&["--psk-identity", "a", "--psk-identity", "a"]));
    assert!(twice.error(2).starts_with("error: --psk-identity: "), "{twice:?}");
    for (option, known) in [("--quirk", "chunked"), ("--fault", "stall")] {
        let ran = run(&["serve", option, "no-such-name"]);
        assert!(
            ran.error(2).starts_with(&format!("error: {option}: ")) && ran.stderr.contains(known),
            "{ran:?}"
        );
    }
}

#[test]
fn ctrl_c_ends_a_request_at_once() {
    let pair = faulty(Fault::Stall);
    for (name, after) in [("INT", 2), ("TERM", 4)] {
        let child = command(&["new-key", &pair.alice().url, "--remote", "Bob", "--timeout", "60"])
            .arg("--ca")
            .arg(pair.ca())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        wait_for("the request", || pair.stats().requests >= after);
        signal(&child, name);
        let ran = common::Ran::from(child.wait_with_output().expect("ends"));
        assert_eq!(ran.status, Some(130), "{ran:?}");
        assert!(ran.stdout.is_empty() && ran.stderr.contains("cancelled"), "{ran:?}");
    }
}

#[test]
fn the_demo_ends_in_equal_fingerprints_and_shows_no_key() {
    let ran = run(&["demo"]);
    assert!(
        ran.ok()
            .lines()
            .next()
            .is_some_and(|line| line.contains("certificates")),
        "{}",
        ran.stdout
    );
    let at = |id: &str| {
        let label = format!("fingerprint at {id}: ");
        ran.stdout
            .lines()
            .find_map(|line| line.trim().strip_prefix(&label))
            .expect("a fingerprint")
            .to_owned()
    };
    assert_eq!(at("Alice"), at("Bob"));
    assert_eq!(at("Alice").len(), 8);
    assert!(
        ran.stdout.contains("refused (rejected") && ran.stdout.contains("entropy"),
        "{}",
        ran.stdout
    );
    // the only long run of digits is the keyId
    assert!(has_long_hex(&ran.stdout));
    assert!(
        !ran.stdout
            .split(|c: char| !c.is_ascii_hexdigit())
            .any(|run| run.len() > 32),
        "{}",
        ran.stdout
    );
}
