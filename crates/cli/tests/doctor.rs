//! doctor: exit status, report formats, budget, and interruption by a signal.
#![cfg(unix)]

mod common;

use std::process::Stdio;

use common::{Ran, command, has_long_hex, pair, run, run_with, signal, wait_for};
use serde_json::Value;
use skip_key_provider::{Fault, KeyProviderPair, Quirk};

fn doctor(pair: &KeyProviderPair, more: &[&str]) -> Ran {
    let peer = ["--peer", &pair.bob().url];
    run_with(
        pair,
        &[&["doctor", &pair.alice().url][..], &peer, &["--timeout", "60"], more].concat(),
    )
}

fn result(report: &Value, id: &str) -> String {
    let checks = report["checks"].as_array().expect("a list");
    let check = checks.iter().find(|check| check["id"] == id).expect("a check");
    check["result"].as_str().expect("text").to_owned()
}

/// A URL is alone on its line, so that no terminal breaks it.
fn fits(line: &str) -> bool {
    line.chars().count() <= 80 || line.trim_start().starts_with("https://")
}

#[test]
fn all_forms_of_a_report_are_written_and_none_has_a_secret() {
    let pair = pair();
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
    let (xml, page) = (path("report.xml"), path("report.html"));
    let ran = doctor(&pair, &["--junit", &xml, "--html", &page]);
    let text = ran.ok();
    assert!(
        text.contains("Verdict (draft): pass") && text.lines().all(fits),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "colours are for terminals");
    assert!(ran.stderr.contains("at most 136 keys"), "{}", ran.stderr);
    let xml = std::fs::read_to_string(xml).expect("written");
    assert!(xml.starts_with("<?xml") && xml.contains("failures=\"0\"") && xml.contains("name=\"peer-same-key\"/>"));
    let page = std::fs::read_to_string(page).expect("written");
    assert!(page.contains("<svg") && page.contains("No requirement failed") && !page.contains("<script"));
    let ran = doctor(&pair, &["--json"]);
    let report = ran.json();
    assert_eq!(report["verdict"], "pass");
    for check in report["checks"].as_array().expect("a list") {
        for member in ["id", "section", "level", "result", "message", "remedy"] {
            assert!(check[member].is_string(), "{check}");
        }
    }
    for form in [text, &xml, &page, &ran.stdout, &ran.stderr] {
        assert!(!has_long_hex(form), "{form}");
    }
}

#[test]
fn the_exit_status_is_the_verdict() {
    let pair = pair();
    pair.set_faults(&[Fault::WrongSize]);
    let ran = doctor(&pair, &["--json", "--budget", "20"]);
    assert_eq!(ran.status, Some(1), "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(
        (report["verdict"].as_str(), result(&report, "key-size-kept").as_str()),
        (Some("fail"), "fail")
    );
    pair.set_faults(&[]);

    // the draft requires TLS 1.3; IOS XE does without, but needs pre-shared keys
    pair.set_quirks(&[Quirk::Tls12Only]);
    for (profile, tls13, psk) in [("draft", "fail", None), ("ios-xe", "warn", Some("fail"))] {
        let ran = doctor(&pair, &["--json", "--budget", "0", "--profile", profile]);
        let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!(result(&report, "tls-1.3"), tls13, "{profile}");
        if let Some(psk) = psk {
            assert_eq!(result(&report, "device-psk"), psk, "{profile}");
        }
        assert_eq!(ran.status, Some(1));
    }
    for wrong in [
        &["--profile", "x"][..],
        &["--budget", "-1"],
        &["--fallback", "https://kp"],
        &["--remote", "a*b\n"],
    ] {
        assert_eq!(doctor(&pair, wrong).status, Some(2), "{wrong:?}");
    }
}

#[test]
fn without_a_connection_it_says_why() {
    let pair = pair();
    let closed = run_with(&pair, &["doctor", "https://127.0.0.1:1", "--json"]);
    let plain = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let plain_url = format!("https://{}", plain.local_addr().expect("an address"));
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        while let Ok((mut peer, _)) = plain.accept() {
            let _ = peer.read(&mut [0; 16]);
            let _ = peer.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let plain = run_with(&pair, &["doctor", &plain_url, "--json"]);
    let other_pair = common::pair();
    let unknown_ca = run_with(&other_pair, &["doctor", &pair.alice().url, "--json"]);
    let psk = [
        "--psk-identity",
        "encryptor",
        "--psk-hex",
        "00112233445566778899aabbccddeeff",
    ];
    let wrong_psk = run(&[&["doctor", &pair.alice().psk_url, "--json"][..], &psk].concat());
    let dead_peer = run_with(
        &pair,
        &["doctor", &pair.alice().url, "--peer", "https://127.0.0.1:1", "--json"],
    );
    for (ran, id) in [
        (&closed, "connect"),
        (&plain, "connect"),
        (&unknown_ca, "connect"),
        (&wrong_psk, "connect"),
        (&dead_peer, "peer-connect"),
    ] {
        assert_eq!(ran.status, Some(3), "{}", ran.stderr);
        let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!(report["verdict"], "no-connection");
        let check = report["checks"]
            .as_array()
            .expect("a list")
            .iter()
            .find(|check| check["id"] == id);
        let check = check.expect("a check");
        assert_eq!(check["result"], "fail");
        assert!(check["message"].as_str().expect("text").len() > 20, "{check}");
        assert!(check["remedy"].as_str().expect("text").len() > 10, "{check}");
    }
    assert!(unknown_ca.stdout.contains("(--ca)"), "{}", unknown_ca.stdout);
}

#[test]
fn no_more_keys_than_the_budget_are_used() {
    let pair = pair();
    for budget in ["0", "1", "7", "40"] {
        let before = pair.stats().keys_issued;
        let report = doctor(&pair, &["--json", "--budget", budget]).json();
        let made = pair.stats().keys_issued - before;
        assert!(made <= budget.parse().expect("a number"), "{made} of {budget}");
        assert!(made <= report["keys"]["used"].as_u64().expect("a number"));
        assert!(report["keys"]["used"].as_u64() <= report["keys"]["at_most"].as_u64());
    }
}

#[test]
fn a_signal_ends_it_with_what_was_found() {
    let pair = pair();
    pair.set_quirks(&[Quirk::Slow]);
    let child = command(&["doctor", &pair.alice().url, "--json", "--ca"])
        .arg(pair.ca())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    wait_for("requests", || pair.stats().requests >= 2);
    signal(&child, "INT");
    let ran: Ran = child.wait_with_output().expect("ends").into();
    assert_eq!(ran.status, Some(130), "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(
        (&report["stopped"], result(&report, "connect").as_str()),
        (&Value::Bool(true), "pass")
    );
    assert_eq!(result(&report, "latency"), "skip");
}

#[test]
fn one_check_is_made_with_what_it_is_measured_against() {
    let pair = pair();
    let before = pair.stats().keys_issued;
    let report = doctor(&pair, &["--only", "key-cache", "--json"]).json();
    assert_eq!(report["checks"].as_array().map(Vec::len), Some(1));
    assert_eq!(result(&report, "key-cache"), "pass");
    assert_eq!(pair.stats().keys_issued - before, 1);
    let page = report["checks"][0]["page"].as_str().expect("text");
    assert!(page.ends_with("/docs/checks/key-cache.md"), "{page}");
    doctor(&pair, &["--only", "no-such-check"]).error(2);
}

#[test]
fn the_list_needs_no_key_provider() {
    let text = run(&["doctor", "--list"]).ok().to_owned();
    assert!(text.lines().any(|line| line.starts_with("key-issuer ")), "{text}");
    let list = run(&["doctor", "--list", "--profile", "ios-xe", "--json"]).json();
    let port = list
        .as_array()
        .expect("a list")
        .iter()
        .find(|check| check["id"] == "device-port");
    assert_eq!(port.expect("a check")["level"], "MUST");
    run(&["doctor"]).error(2);
}

#[test]
fn a_baseline_says_what_got_better_and_worse() {
    let pair = pair();
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("before.json");
    let only = ["--only", "key-cache", "--only", "key-default-size", "--only", "key-new"];
    pair.set_quirks(&[Quirk::NoCacheControl]);
    let before = doctor(&pair, &[&only[..], &["--json"]].concat());
    std::fs::write(&file, before.ok()).expect("written");
    pair.set_quirks(&[Quirk::Default128]);
    let given = ["--baseline", file.to_str().expect("UTF-8")];
    let report = doctor(&pair, &[&only[..], &given, &["--json"]].concat()).json();
    let ids = |list: &str| -> Vec<&str> {
        let changes = report["baseline"][list].as_array().expect("a list");
        changes
            .iter()
            .map(|change| change["id"].as_str().expect("text"))
            .collect()
    };
    assert_eq!(
        (ids("better"), ids("worse")),
        (vec!["key-cache"], vec!["key-default-size"])
    );
    let text = doctor(&pair, &[&only[..], &given, &["--summary"]].concat());
    assert_eq!(
        text.ok(),
        "SKIP draft: pass, 2 of 3 (1 warning)\nSince the baseline: 1 better, 1 worse, 0 not comparable.\n\
         better  key-cache: warn, now pass\nworse   key-default-size: pass, now warn\n"
    );
    std::fs::write(&file, "no report").expect("written");
    doctor(&pair, &given).error(2);
}

#[test]
fn each_end_has_its_own_credentials() {
    let pair = pair();
    let psk = pair.psk();
    let run = |more: &[&str]| {
        let url = [
            "doctor",
            &pair.alice().url,
            "--peer",
            &pair.bob().psk_url,
            "--json",
            "--timeout",
            "60",
        ];
        run_with(
            &pair,
            &[&url[..], &["--connect-timeout", "60", "--only", "peer-same-key"], more].concat(),
        )
    };
    let report = run(&["--peer-psk-file", psk.to_str().expect("UTF-8")]).json();
    assert_eq!(result(&report, "peer-same-key"), "pass");
    assert_eq!(run(&[]).status, Some(3), "with the first end's CA");
    assert_eq!(
        run_with(&pair, &["doctor", &pair.alice().url, "--peer-ca", "x"]).status,
        Some(2)
    );
}

#[test]
fn a_watch_has_a_line_for_each_change() {
    use std::io::{BufRead as _, BufReader};
    let pair = pair();
    let mut child = command(&["doctor", &pair.alice().url, "--watch", "0.1", "--json", "--ca"])
        .arg(pair.ca())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut seen = |what: &str, good: bool| {
        let line = lines.find(|line| {
            let change: Value = serde_json::from_str(line.as_ref().expect("text")).expect("JSON");
            change["what"] == what && change["good"] == good
        });
        line.expect("a line").expect("text")
    };
    assert!(seen("reachable", true).contains("TLS 1.3"));
    assert!(seen("certificate", true).contains("days left"));
    assert!(!has_long_hex(&seen("keys", true)));
    pair.set_faults(&[Fault::Key500]);
    assert!(seen("keys", false).contains("500"));
    pair.set_faults(&[]);
    seen("keys", true);
    drop(pair);
    seen("reachable", false);
    signal(&child, "INT");
    assert_eq!(child.wait().expect("ends").code(), Some(130));
}
