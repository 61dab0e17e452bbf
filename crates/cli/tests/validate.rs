//! Messages checked offline.

mod common;

use std::io::Write as _;
use std::process::Stdio;

use common::{Ran, command, has_long_hex};

const KEY: &str = r#"{"keyId": "1726e9ae76234fb1dd1283d4dca1911e", "key": "ad229dfefad40b1f7a0a4dd4a34ddbbb"}"#;

fn validate(args: &[&str], text: &[u8]) -> Ran {
    let mut child = command(&[&["validate"], args].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    // the command may end before it has read everything
    let _ = child.stdin.take().expect("piped").write_all(text);
    child.wait_with_output().expect("ends").into()
}

#[test]
fn a_good_message_is_valid() {
    let ran = validate(&["key"], KEY.as_bytes());
    assert!(
        ran.ok().ends_with("valid\n") && !ran.stdout.contains("error"),
        "{ran:?}"
    );
    assert_eq!(validate(&["key", "-", "--json"], KEY.as_bytes()).json()["valid"], true);
}

#[test]
fn a_bad_message_is_5_with_every_problem() {
    let text = r#"{"key": "ad229dfefad40b1f7a0a4dd4a34ddbbb0", "keyId": 3}"#;
    let ran = validate(&["key", "--json"], text.as_bytes());
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(5), ""));
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(json["valid"], false);
    let problems = json["problems"].as_array().expect("a list");
    for path in ["/keyId", "/key"] {
        let problem = problems.iter().find(|problem| problem["path"] == path).expect("listed");
        for member in ["path", "code", "message", "severity", "section"] {
            assert!(problem[member].is_string(), "{problem}");
        }
    }
    assert!(!has_long_hex(&ran.stdout));
    let text = validate(&["key"], text.as_bytes());
    assert!(
        text.status == Some(5) && text.stdout.ends_with("invalid\n") && text.stdout.contains("/keyId"),
        "{text:?}"
    );
}

#[test]
fn the_published_schema_is_laxer() {
    let text = br#"{"entropy": true, "key": true, "algorithm": "x", "localSystemID": "A", "remoteSystemID": []}"#;
    assert_eq!(validate(&["capabilities", "--schema", "strict"], text).status, Some(5));
    assert_eq!(
        validate(&["capabilities", "--schema", "as-published"], text).status,
        Some(0)
    );
}

#[test]
fn lenient_accepts_what_it_accepts_from_a_key_provider() {
    let text = br#"{"randomStr": "ad229dfefad40b1f7a0a4dd4a34ddbbb", "minentropy": "128"}"#;
    assert_eq!(validate(&["entropy"], text).status, Some(5));
    assert_eq!(validate(&["entropy", "--lenient"], text).status, Some(0));
}

#[test]
fn files_are_read_and_a_missing_one_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("key.json");
    std::fs::write(&file, KEY).expect("written");
    validate(&["key", file.to_str().expect("UTF-8")], b"").ok();
    assert!(
        validate(&["key", "no-such-file"], b"")
            .error(2)
            .contains("no-such-file")
    );
    let error = validate(&["key", "no-such-file", "--json"], b"").json_error(2);
    assert_eq!(error["code"], "invalid_argument");
}

#[test]
fn anything_at_all_gets_an_answer() {
    let huge = vec![b'['; 1 << 20];
    for text in [&b""[..], b"\xff\xfe", b"nul", b"[]", b"\"", huge.as_slice()] {
        assert_eq!(validate(&["key"], text).status, Some(5), "{} bytes", text.len());
    }
    assert_eq!(validate(&["key"], &vec![b' '; (16 << 20) + 1]).status, Some(2));
}
