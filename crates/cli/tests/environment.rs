//! Environment variables, and secrets in place of a path or an option.

mod common;

use std::fs;

use common::{Ran, command, pair, run};

#[test]
fn an_empty_variable_is_not_set() {
    let pair = pair();
    let names = [
        "SKIP_CERT",
        "SKIP_KEY",
        "SKIP_PSK_FILE",
        "SKIP_PSK_IDENTITY",
        "SKIP_PSK_HEX",
        "SKIP_PSK_TEXT",
        "SKIP_PSK_BASE64",
        "SKIP_FALLBACK",
        "SKIP_SERVER_NAME",
        "SKIP_PIN",
        "SKIP_TLS",
        "SKIP_TIMEOUT",
        "SKIP_CONNECT_TIMEOUT",
        "SKIP_PROXY",
        "SKIP_SOURCE_ADDRESS",
        "SKIP_WAIT_WHEN_BUSY",
        "SKIP_LENIENT",
    ];
    let mut command = command(&["capabilities", "--json"]);
    command.env("SKIP_URL", &pair.alice().url).env("SKIP_CA", pair.ca());
    for name in names {
        command.env(name, "");
    }
    let ran: Ran = command.output().expect("runs").into();
    assert_eq!(ran.json()["localSystemID"], "Alice");
}

#[test]
fn pem_may_stand_in_a_variable() {
    let pair = pair();
    let text = |path: &std::path::Path| fs::read_to_string(path).expect("PEM");
    let ran: Ran = command(&["capabilities", &pair.alice().url, "--json"])
        .env("SKIP_CA", text(&pair.ca()))
        .env("SKIP_CERT", text(&pair.client_cert()))
        .env("SKIP_KEY", text(&pair.client_key()))
        .output()
        .expect("runs")
        .into();
    assert_eq!(ran.json()["localSystemID"], "Alice");
}

#[test]
fn a_line_feed_at_the_end_of_a_variable_is_named() {
    let ran: Ran = command(&["capabilities", "--json"])
        .env("SKIP_URL", "https://127.0.0.1:1\n")
        .output()
        .expect("runs")
        .into();
    let error = ran.json_error(2);
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| text.contains("SKIP_URL ends with a line feed")),
        "{error}"
    );
}

#[test]
fn a_secret_in_the_wrong_place_is_not_shown() {
    let url = "https://127.0.0.1:1";
    let pem = "-----BEGIN PRIVATE KEY-----\nmarker\n-----END PRIVATE KEY-----\n";
    let hex = "00112233445566778899aabbccddeeff";
    let line = format!("router:{hex}");
    for args in [
        vec!["capabilities", url, "--ca", hex],
        vec!["capabilities", url, "--psk-file", &line],
        vec!["capabilities", url, "--psk-file", pem],
        vec!["capabilities", url, pem],
        vec!["capabilities", url, &line],
        vec!["capabilities", url, hex, "--json"],
        vec!["capabilities", url, "--timeout", hex],
        vec!["new-key", url, "--remote", "Bob", "--size", hex],
        vec!["new-key", url, "--remote", "Bob", "--format", hex],
        vec![pem],
    ] {
        let ran = run(&args);
        let shown = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!shown.contains("marker") && !shown.contains(hex), "{shown}");
    }
}

#[test]
fn options_stand_anywhere() {
    let pair = pair();
    let made = common::run_with(&pair, &["new-key", "--json", &pair.alice().url, "--remote", "Bob"]);
    let key_id = made.json()["keyId"].as_str().expect("a keyId").to_owned();
    let ran = common::run_with(&pair, &["key", &pair.bob().url, "--json", "--remote", "Alice", &key_id]);
    assert_eq!(ran.json()["keyId"], key_id.as_str());
}
