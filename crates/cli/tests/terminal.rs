//! Output on a terminal: no secrets unless requested.
#![cfg(target_os = "linux")]

mod common;

use std::process::{Command, Stdio};

use common::{PROGRAM, fresh_key, pair};

/// Runs the command on a pseudo-terminal (util-linux `script`), stdout and stderr on one screen.
fn on_terminal(args: &[&str]) -> (Option<i32>, String) {
    let words: Vec<String> = args.iter().map(|arg| format!("'{arg}'")).collect();
    let line = format!("'{PROGRAM}' {}", words.join(" "));
    let out = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .env_remove("SKIP_URL")
        .env_remove("SKIP_CA")
        .stdin(Stdio::null())
        .output()
        .expect("script (util-linux) runs");
    (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned())
}

#[test]
fn no_form_shows_a_key_unless_told() {
    let pair = pair();
    let ca = pair.ca();
    let ca = ca.to_str().expect("UTF-8");
    let (key_id, key) = fresh_key(&pair);
    let base = ["key", &pair.bob().url, &key_id, "--remote", "Alice", "--ca", ca];
    let forms = [
        "json",
        "hex",
        "base64",
        "raw",
        "strongswan",
        "libreswan",
        "vyos",
        "wireguard",
        "wpa",
        "cisco",
    ];
    for form in forms {
        let (status, screen) = on_terminal(&[&base[..], &["--format", form]].concat());
        assert_eq!(status, Some(2), "{form}: {screen}");
        assert!(screen.contains("--show"), "{form}: {screen}");
    }
    assert_eq!(pair.stats().keys_delivered, 0, "a key was spent");
    let (status, screen) = on_terminal(&base);
    assert_eq!(status, Some(0));
    assert!(screen.contains("fingerprint") && !screen.contains(&key));
}

#[test]
fn show_shows_it() {
    let pair = pair();
    let ca = pair.ca();
    let ca = ca.to_str().expect("UTF-8");
    for form in ["text", "json", "hex"] {
        let (key_id, key) = fresh_key(&pair);
        let args = [
            "key",
            &pair.bob().url,
            &key_id,
            "--remote",
            "Alice",
            "--ca",
            ca,
            "--show",
            "--format",
            form,
        ];
        let (status, screen) = on_terminal(&args);
        assert_eq!(status, Some(0), "{screen}");
        assert!(screen.contains(&key), "{form}");
    }
}

#[test]
fn entropy_is_a_secret_too_and_capabilities_are_not() {
    let pair = pair();
    let ca = pair.ca();
    let ca = ca.to_str().expect("UTF-8");
    let url = &pair.alice().url;
    assert_eq!(on_terminal(&["entropy", url, "--ca", ca, "--json"]).0, Some(2));
    let (status, screen) = on_terminal(&["entropy", url, "--ca", ca]);
    assert!(status == Some(0) && !common::has_long_hex(&screen), "{screen}");
    let (status, screen) = on_terminal(&["capabilities", url, "--ca", ca, "--json"]);
    assert!(status == Some(0) && screen.contains("localSystemID"), "{screen}");
}
