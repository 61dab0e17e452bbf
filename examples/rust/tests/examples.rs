//! Runs the examples as their users do, against a pair of development Key Providers.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use skip_key_provider::{KeyProviderPair, PairOptions};

/// Cargo builds the examples of a package next to its tests.
fn example(name: &str) -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    let target = test.parent().and_then(Path::parent).expect("the target folder");
    target
        .join("examples")
        .join(format!("{name}{}", env::consts::EXE_SUFFIX))
}

fn run(name: &str, args: &[&str]) -> Output {
    Command::new(example(name))
        .args(args)
        .output()
        .expect("the example starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn fingerprint(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stderr)
        .split_whitespace()
        .last()
        .expect("a fingerprint")
        .to_owned()
}

#[test]
fn initiator_and_responder_end_with_the_same_key() {
    let pair = KeyProviderPair::start(PairOptions::default()).expect("a pair");
    let ca = pair.ca().display().to_string();

    let initiator = run("initiator", &[&pair.alice().url, &ca, "Bob"]);
    let sent = text(&initiator.stdout);
    let (key_id, alice) = sent.trim().split_once(' ').expect("keyId and localSystemID");
    let responder = run("responder", &[&pair.bob().url, &ca, key_id, alice]);
    assert_eq!(fingerprint(&initiator), fingerprint(&responder));

    let again = run("responder", &[&pair.bob().url, &ca, key_id, alice]);
    assert!(!again.status.success());
    assert!(text(&again.stderr).contains("new key"), "{}", text(&again.stderr));
}

#[test]
fn consumers_get_their_files() {
    let pair = KeyProviderPair::start(PairOptions::default()).expect("a pair");
    let ca = pair.ca().display().to_string();
    let folder = tempfile::tempdir().expect("a folder");

    for (name, marks) in [
        ("strongswan", ["secret", "0x"]),
        ("wireguard", ["=", ""]),
        ("macsec", ["mka_cak=", "mka_ckn="]),
    ] {
        let file = folder.path().join(name).display().to_string();
        let args = [pair.alice().url.as_str(), &ca, "Bob", &file];
        let output = run(name, &args);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let written = fs::read_to_string(&file).expect("the file");
        assert!(
            marks.iter().all(|mark| written.contains(mark)),
            "{name}: a mark is missing"
        );

        // A file is never overwritten: the key in it may be in use.
        assert!(!run(name, &args).status.success());
    }
}

#[test]
fn an_example_without_arguments_says_how_it_is_used() {
    for name in ["initiator", "responder", "strongswan", "wireguard", "macsec"] {
        let output = run(name, &[]);
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains("usage:"), "{name}");
    }
}
