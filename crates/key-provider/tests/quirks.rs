//! Each quirk, seen at the wire.

mod common;

use std::time::{Duration, Instant};

use common::{Connection, End, get, new_key, start};
use skip_key_provider::{Fault, KeyProviderPair, PairOptions, Quirk, SideOptions};

fn with(quirk: Quirk) -> KeyProviderPair {
    start(PairOptions {
        quirks: vec![quirk],
        ..PairOptions::default()
    })
}

/// A keyId that no key has.
const UNKNOWN: &str = "/key/00112233445566778899aabbccddeeff?remoteSystemID=Bob";

#[test]
fn connections_close_when_told_with_or_without_notice() {
    let pair = with(Quirk::ConnectionClose);
    let mut alice = Connection::open(&pair, pair.alice());
    assert_eq!(alice.get("/capabilities").header("connection"), Some("close"));
    assert_eq!(alice.end(), End::Notified);

    pair.set_quirks(&[Quirk::ConnectionClose, Quirk::NoCloseNotify]);
    let mut alice = Connection::open(&pair, pair.alice());
    assert_eq!(alice.get("/capabilities").status, 200);
    assert_eq!(alice.end(), End::Cut);

    pair.set_quirks(&[]);
    let mut alice = Connection::open(&pair, pair.alice());
    for _ in 0..3 {
        let reply = alice.get("/capabilities");
        assert_eq!((reply.status, reply.header("connection")), (200, None));
    }
}

#[test]
fn chunked_bodies_have_no_length() {
    let pair = with(Quirk::Chunked);
    let mut alice = Connection::open(&pair, pair.alice());
    for target in [
        "/capabilities",
        "/key?remoteSystemID=Bob",
        "/entropy?minentropy=65536",
        "/nowhere",
    ] {
        let reply = alice.get(target);
        assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
        assert_eq!(reply.header("content-length"), None);
        assert!(reply.json().is_object());
    }
}

#[test]
fn percent_signs_are_kept_when_told() {
    let pair = start(PairOptions {
        alice: SideOptions::new("Alice", "Zug%201"),
        quirks: vec![Quirk::NoPercentDecoding],
        ..PairOptions::default()
    });
    assert_eq!(get(&pair, pair.alice(), "/key?remoteSystemID=Zug%201").status, 200);
    assert_eq!(get(&pair, pair.alice(), "/%6bey?remoteSystemID=Zug%201").status, 404);
    pair.set_quirks(&[]);
    assert_eq!(get(&pair, pair.alice(), "/key?remoteSystemID=Zug%201").status, 400);
    assert_eq!(get(&pair, pair.alice(), "/%6bey?remoteSystemID=Zug%25201").status, 200);
}

#[test]
fn hex_can_have_capitals() {
    let pair = with(Quirk::UppercaseHex);
    let mut alice = Connection::open(&pair, pair.alice());
    let fresh = alice.get("/key?remoteSystemID=Bob&size=4096");
    let capital = |text: String| text.chars().all(|c| matches!(c, '0'..='9' | 'A'..='F'));
    assert!(capital(fresh.text("keyId")) && capital(fresh.text("key")));
    assert!(capital(alice.get("/entropy").text("randomStr")));
    let same = get(
        &pair,
        pair.bob(),
        &format!("/key/{}?remoteSystemID=Alice", fresh.text("keyId")),
    );
    assert!(same.body == fresh.body, "the ends differ");
}

#[test]
fn a_key_id_of_another_length_is_malformed_when_told() {
    let pair = with(Quirk::KeyId32Only);
    let error = |id: &str| get(&pair, pair.alice(), &format!("/key/{id}?remoteSystemID=Bob")).text("error");
    let (short, unknown) = (error("aabb"), error(&"ab".repeat(16)));
    assert!(
        short.contains("malformed") && unknown.contains("not found"),
        "{short}, {unknown}"
    );
    pair.set_quirks(&[Quirk::KeyId32Only, Quirk::NotFoundUnknownKey]);
    assert_eq!(get(&pair, pair.alice(), "/key/aabb?remoteSystemID=Bob").status, 400);
    pair.set_quirks(&[Quirk::NotFoundUnknownKey]);
    assert_eq!(get(&pair, pair.alice(), "/key/aabb?remoteSystemID=Bob").status, 404);
}

#[test]
fn sizes_can_be_three_only() {
    let pair = with(Quirk::Sizes128192256);
    let mut alice = Connection::open(&pair, pair.alice());
    for (bits, status) in [(128, 200), (192, 200), (256, 200), (384, 400), (8, 400)] {
        assert_eq!(
            alice.get(&format!("/key?remoteSystemID=Bob&size={bits}")).status,
            status
        );
        assert_eq!(alice.get(&format!("/entropy?minentropy={bits}")).status, status);
    }
}

#[test]
fn messages_can_have_more_members() {
    let pair = with(Quirk::ExtraMembers);
    let mut alice = Connection::open(&pair, pair.alice());
    for (target, known) in [("/capabilities", 5), ("/key?remoteSystemID=Bob", 2), ("/entropy", 2)] {
        let members = alice.get(target).json().as_object().expect("an object").len();
        assert!(members > known, "{target}");
    }
}

#[test]
fn status_codes_can_be_others() {
    let pair = with(Quirk::Html500);
    pair.set_faults(&[Fault::Key500]);
    let reply = get(&pair, pair.alice(), "/key?remoteSystemID=Bob");
    assert_eq!((reply.status, reply.header("content-type")), (500, Some("text/html")));
    assert!(reply.body.starts_with(b"<!doctype html>"));
    pair.set_faults(&[]);

    let (key_id, _) = new_key(&pair);
    let used = format!("/key/{key_id}?remoteSystemID=Alice");
    assert_eq!(get(&pair, pair.bob(), &used).status, 200);
    for (quirk, unknown, malformed) in [(Quirk::NotFoundUnknownKey, 404, 400), (Quirk::Unprocessable, 422, 422)] {
        pair.set_quirks(&[quirk]);
        assert_eq!(get(&pair, pair.alice(), UNKNOWN).status, unknown);
        assert_eq!(get(&pair, pair.bob(), &used).status, unknown);
        for bad in [
            "/key/xyz?remoteSystemID=Bob",
            "/key?remoteSystemID=Bob&size=1",
            "/entropy?minentropy=1",
        ] {
            assert_eq!(get(&pair, pair.alice(), bad).status, malformed, "{bad}");
        }
    }
}

#[test]
fn answers_can_take_a_second() {
    let pair = with(Quirk::Slow);
    let begin = Instant::now();
    assert_eq!(get(&pair, pair.alice(), "/capabilities").status, 200);
    assert!(begin.elapsed() >= Duration::from_secs(1));
}

#[test]
fn json_can_be_called_html() {
    let pair = with(Quirk::TextHtmlType);
    let reply = get(&pair, pair.alice(), "/entropy");
    assert_eq!(reply.header("content-type"), Some("text/html"));
    assert!(reply.json()["randomStr"].is_string());
}

#[test]
fn a_key_can_be_given_to_every_remote_of_the_list() {
    let pair = start(PairOptions {
        bob: SideOptions {
            remotes: vec!["Alice".to_owned(), "Eve".to_owned()],
            ..SideOptions::new("Bob", "Alice")
        },
        quirks: vec![Quirk::UnboundKeys],
        ..PairOptions::default()
    });
    let (id, _) = new_key(&pair);
    let stranger = format!("/key/{id}?remoteSystemID=Mallory");
    assert_eq!(get(&pair, pair.bob(), &stranger).status, 400);
    let (id, key) = new_key(&pair);
    let target = format!("/key/{id}?remoteSystemID=Eve");
    let reply = get(&pair, pair.bob(), &target);
    assert!(reply.status == 200 && reply.text("key") == key, "not the same key");
    assert_eq!(get(&pair, pair.bob(), &target).status, 400, "given twice");

    pair.set_quirks(&[]);
    let (id, _) = new_key(&pair);
    let target = format!("/key/{id}?remoteSystemID=Eve");
    assert_eq!(get(&pair, pair.bob(), &target).status, 400);
}
