//! Output to files, and outputs that cannot be written.
#![cfg(unix)]

mod common;

use std::fs;
use std::path::Path;

use common::{Ran, command, fresh_key, mode, pair, run_with};
use skip_key_provider::KeyProviderPair;

fn new_key_into(pair: &KeyProviderPair, file: &Path, more: &[&str]) -> Ran {
    let file = file.to_str().expect("UTF-8");
    run_with(
        pair,
        &[&["new-key", &pair.alice().url, "--remote", "Bob", "-o", file], more].concat(),
    )
}

fn entries(dir: &Path) -> usize {
    fs::read_dir(dir).expect("a folder").count()
}

#[test]
fn a_file_is_for_its_owner_only_and_holds_json() {
    let (pair, dir) = (pair(), tempfile::tempdir().expect("a folder"));
    let file = dir.path().join("key.json");
    let out = new_key_into(&pair, &file, &[]);
    assert_eq!((out.ok(), out.stderr.as_str()), ("", ""));
    assert_eq!(mode(&file), 0o600);
    let json: serde_json::Value = serde_json::from_slice(&fs::read(&file).expect("written")).expect("JSON");
    assert_eq!(json["key"].as_str().map(str::len), Some(64));
    assert_eq!(entries(dir.path()), 1);
}

#[test]
fn a_file_is_not_replaced_unless_told_and_no_key_is_spent() {
    let (pair, dir) = (pair(), tempfile::tempdir().expect("a folder"));
    let file = dir.path().join("key");
    fs::write(&file, "mine").expect("written");
    let error = new_key_into(&pair, &file, &[]);
    assert!(
        error.error(2).contains("--force") && error.stderr.contains("key already exists"),
        "{error:?}"
    );
    assert_eq!(fs::read(&file).expect("there"), b"mine");
    assert_eq!(pair.stats().requests, 0);
    new_key_into(&pair, &file, &["--force", "--format", "hex"]).ok();
    assert_eq!(
        (fs::read(&file).expect("there").len(), mode(&file), entries(dir.path())),
        (65, 0o600, 1)
    );
}

#[test]
fn only_regular_files_are_replaced() {
    let (pair, dir) = (pair(), tempfile::tempdir().expect("a folder"));
    let link = dir.path().join("link");
    std::os::unix::fs::symlink("target", &link).expect("linked");
    for (file, more) in [
        (link.as_path(), "--force"),
        (dir.path(), "--force"),
        (link.as_path(), "--json"),
    ] {
        new_key_into(&pair, file, &[more]);
        assert_eq!(entries(dir.path()), 1);
    }
    assert_eq!(pair.stats().requests, 0);
}

#[test]
fn pipes_and_devices_are_outputs() {
    let (pair, dir) = (pair(), tempfile::tempdir().expect("a folder"));
    let hex = ["--format", "hex"];
    let ran = new_key_into(&pair, Path::new("/dev/stdout"), &hex);
    assert_eq!(ran.ok().trim_end().len(), 64);
    let fifo = dir.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo runs").success());
    let reader = std::thread::spawn({
        let fifo = fifo.clone();
        move || fs::read(fifo).expect("a key")
    });
    new_key_into(&pair, &fifo, &hex).ok();
    assert_eq!(reader.join().expect("reads").len(), 65);
}

#[cfg(target_os = "linux")]
#[test]
fn a_key_that_cannot_be_written_is_said_to_be_spent() {
    let pair = pair();
    let written = |file: &Path, stdout: std::process::Stdio| -> Ran {
        let mut command = command(&["new-key", &pair.alice().url, "--remote", "Bob", "--format", "hex"]);
        command.arg("--ca").arg(pair.ca()).arg("-o").arg(file).stdout(stdout);
        command.output().expect("runs").into()
    };
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let full = || fs::OpenOptions::new().write(true).open("/dev/full").expect("opens");
    for (ran, reason) in [
        (
            written(Path::new("/dev/full"), std::process::Stdio::null()),
            "No space left",
        ),
        (written(Path::new("-"), full().into()), "No space left"),
        (written(Path::new("-"), writer.into()), "Broken pipe"),
    ] {
        let error = ran.error(2);
        assert!(
            error.contains(reason) && error.contains("; the key is spent"),
            "{error}"
        );
        assert!(error.contains("request a new key"), "{error}");
    }
    assert_eq!(pair.stats().keys_issued, 3);
}

#[test]
fn a_failed_request_leaves_nothing() {
    let (pair, dir) = (pair(), tempfile::tempdir().expect("a folder"));
    let file = dir.path().join("key");
    let file = file.to_str().expect("UTF-8");
    run_with(
        &pair,
        &["key", &pair.bob().url, "00ff", "--remote", "Alice", "-o", file],
    )
    .error(4);
    assert_eq!(entries(dir.path()), 0);
}

#[test]
fn a_file_that_cannot_be_is_named_before_a_key_is_spent() {
    let (pair, dir) = (pair(), tempfile::tempdir().expect("a folder"));
    let long = "x".repeat(300);
    for name in ["no/such/key", "no-such-folder/", &long] {
        let error = new_key_into(&pair, &dir.path().join(name), &[]);
        assert!(error.error(2).contains(&name[..10]), "{error:?}");
        assert_eq!(entries(dir.path()), 0);
    }
    assert_eq!(pair.stats().requests, 0);
}

#[test]
fn a_dash_is_stdout() {
    let pair = pair();
    let (key_id, key) = fresh_key(&pair);
    let args = [
        "key",
        &pair.bob().url,
        &key_id,
        "--remote",
        "Alice",
        "--format",
        "hex",
        "-o",
        "-",
    ];
    assert_eq!(run_with(&pair, &args).ok().trim_end(), key);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_and_a_closed_pipe_are_reported() {
    let pair = pair();
    let args = ["new-key", &pair.alice().url, "--remote", "Bob", "--json"];
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("opens");
    for (stdout, reason) in [
        (full.into(), "No space left"),
        (std::process::Stdio::from(writer), "Broken pipe"),
    ] {
        let out = command(&args)
            .arg("--ca")
            .arg(pair.ca())
            .stdout(stdout)
            .output()
            .expect("runs");
        let error = Ran::from(out).json_error(2);
        assert!(error["message"].as_str().expect("text").contains(reason), "{error}");
    }
}

#[test]
fn files_that_cannot_be_read_are_named_with_their_option() {
    let pair = pair();
    let ca = pair.ca();
    let ca = ca.to_str().expect("UTF-8");
    for (option, args) in [
        ("--ca", vec!["--ca", "no-such.pem"]),
        ("--cert", vec!["--ca", ca, "--cert", "no-such.pem", "--key", ca]),
        ("--key", vec!["--ca", ca, "--cert", ca, "--key", "no-such.pem"]),
    ] {
        let error = common::run(&[&["capabilities", &pair.alice().url], args.as_slice()].concat());
        assert!(
            error.error(2).contains(&format!("{option}: cannot read no-such.pem")),
            "{error:?}"
        );
    }
}
