//! Each fault, seen at the wire.

mod common;

use std::time::Duration;

use common::{Connection, End, Reply, get, new_key, start};
use skip_key_provider::{Fault, KeyProviderPair, PairOptions};

const KEY: &str = "/key?remoteSystemID=Bob";

fn with(fault: Fault) -> KeyProviderPair {
    start(PairOptions {
        faults: vec![fault],
        ..PairOptions::default()
    })
}

/// The replies for a fresh key and for entropy; the capabilities are fine.
fn replies(fault: Fault) -> [Reply; 2] {
    let pair = with(fault);
    let mut alice = Connection::open(&pair, pair.alice());
    let capabilities = alice.get("/capabilities");
    assert_eq!(
        (capabilities.status, capabilities.json()["key"].as_bool()),
        (200, Some(true))
    );
    [alice.get(KEY), alice.get("/entropy")]
}

#[test]
fn a_dropped_answer_has_spent_the_key() {
    let pair = start(PairOptions::default());
    let (key_id, _) = new_key(&pair);
    let by_id = format!("/key/{key_id}?remoteSystemID=Alice");
    pair.set_faults(&[Fault::DropBeforeResponse]);
    let mut bob = Connection::open(&pair, pair.bob());
    assert_eq!(bob.get("/capabilities").status, 200);
    bob.send("GET", &by_id);
    assert_eq!(bob.end(), End::Cut);
    assert_eq!(pair.stats().keys_delivered, 1);
    pair.set_faults(&[]);
    assert_eq!(get(&pair, pair.bob(), &by_id).status, 400);
}

#[test]
fn a_body_can_end_in_the_middle() {
    let pair = with(Fault::DropMidBody);
    for target in [KEY, "/entropy"] {
        let mut alice = Connection::open(&pair, pair.alice());
        alice.send("GET", target);
        let half = alice.reply().expect_err("cut").0;
        assert!(half.starts_with(b"{\"") && !half.ends_with(b"}"));
    }
}

#[test]
fn an_answer_can_name_another_key() {
    let pair = with(Fault::WrongKeyId);
    let (key_id, key) = new_key(&pair);
    let reply = get(&pair, pair.bob(), &format!("/key/{key_id}?remoteSystemID=Alice"));
    assert_eq!((reply.status, reply.text("keyId").len()), (200, 32));
    assert_ne!(reply.text("keyId"), key_id);
    assert!(reply.text("key") == key, "the ends differ");
}

#[test]
fn secrets_can_have_the_wrong_form() {
    let lengths = |fault| {
        let [key, entropy] = replies(fault);
        [key.text("key"), entropy.text("randomStr")]
    };
    assert!(lengths(Fault::WrongSize).iter().all(|text| text.len() == 16));
    assert!(
        lengths(Fault::AllZeroKey)
            .iter()
            .all(|text| text.len() == 64 && text.bytes().all(|b| b == b'0'))
    );
    assert!(lengths(Fault::OddKey).iter().all(|text| text.len() == 63));
    for text in lengths(Fault::NotHex) {
        assert_eq!(
            (text.len(), text.bytes().filter(|b| !b.is_ascii_hexdigit()).count()),
            (64, 1)
        );
    }
    let pair = with(Fault::WrongSize);
    let reply = get(&pair, pair.alice(), "/key?remoteSystemID=Bob&size=64");
    assert_eq!(reply.text("key").len(), 32);
}

#[test]
fn bodies_and_heads_can_be_huge() {
    for reply in replies(Fault::HugeBody) {
        assert!(reply.body.len() > 10_000_000);
        assert!(reply.json().is_object());
    }
    for reply in replies(Fault::HugeHeader) {
        assert_eq!(reply.header("x-padding").map(str::len), Some(100_000));
    }
    for reply in replies(Fault::ManyHeaders) {
        assert!(reply.headers.len() > 10_000);
    }
}

#[test]
fn a_redirect_goes_to_the_same_place_and_makes_no_key() {
    let pair = with(Fault::Redirect);
    let reply = get(&pair, pair.alice(), KEY);
    assert_eq!((reply.status, reply.header("location")), (302, Some(KEY)));
    assert_eq!(pair.stats().keys_issued, 0);
}

#[test]
fn members_can_be_doubled_or_missing() {
    for (reply, member) in replies(Fault::DuplicateMember)
        .iter()
        .zip(["\"key\":", "\"randomStr\":"])
    {
        let text = String::from_utf8(reply.body.clone()).expect("text");
        assert_eq!(text.matches(member).count(), 2);
    }
    for (reply, member) in replies(Fault::MissingMember).iter().zip(["keyId", "minentropy"]) {
        assert_eq!(reply.json().as_object().map(serde_json::Map::len), Some(1));
        assert!(reply.json()[member].is_null());
    }
}

#[test]
fn errors_can_be_forced() {
    let [key, entropy] = replies(Fault::Entropy503);
    assert_eq!((key.status, entropy.status), (200, 503));
    assert_eq!(entropy.header("retry-after"), Some("1"));
    let [key, entropy] = replies(Fault::Key500);
    assert_eq!((key.status, entropy.status), (500, 200));
    assert!(key.json()["error"].is_string());

    let pair = start(PairOptions::default());
    let (key_id, key) = new_key(&pair);
    pair.set_faults(&[Fault::EchoKeyInError]);
    let reply = get(&pair, pair.bob(), &format!("/key/{key_id}?remoteSystemID=Alice"));
    assert_eq!(reply.status, 400);
    assert!(reply.text("error").contains(&key), "no key in the error");
    assert_eq!(get(&pair, pair.alice(), "/entropy").status, 400);
}

#[test]
fn a_body_can_drip() {
    let pair = with(Fault::Drip);
    let mut alice = Connection::open(&pair, pair.alice());
    alice.send("GET", "/nowhere");
    assert_eq!(alice.reply().expect("an answer").status, 404);
    alice.send("GET", KEY);
    alice.read_timeout(Duration::from_millis(400));
    let head = alice.wait();
    alice.read_timeout(Duration::from_millis(1700));
    let more = alice.wait_once();
    assert!(head > 50 && more == 1, "{head}, {more}");
}

#[test]
fn a_request_can_stay_without_an_answer() {
    let pair = with(Fault::Stall);
    let mut alice = Connection::open(&pair, pair.alice());
    assert_eq!(alice.get("/capabilities").status, 200);
    alice.send("GET", KEY);
    alice.read_timeout(Duration::from_millis(500));
    assert_eq!(alice.wait(), 0);
    assert_eq!(pair.stats().keys_issued, 0);
}

#[test]
fn text_can_be_broken() {
    for reply in replies(Fault::ContentEncoding) {
        assert_eq!(reply.header("content-encoding"), Some("gzip"));
    }
    for reply in replies(Fault::NotUtf8) {
        assert!(String::from_utf8(reply.body).is_err());
    }
    for reply in replies(Fault::Html200) {
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/html")));
        assert!(reply.body.starts_with(b"<!doctype html>"));
    }
    for reply in replies(Fault::TruncatedJson) {
        let Err(error) = serde_json::from_slice::<serde_json::Value>(&reply.body) else {
            panic!("a whole document");
        };
        assert!(error.is_eof() && reply.body.starts_with(b"{\""));
    }
}

#[test]
fn faults_can_act_on_capabilities_too() {
    let pair = start(PairOptions::default());
    let ask = |fault| {
        pair.set_faults(&[fault, Fault::OnCapabilities]);
        get(&pair, pair.alice(), "/capabilities")
    };
    assert_eq!(ask(Fault::Key500).status, 500);
    assert_eq!(ask(Fault::Entropy503).status, 503);
    assert_eq!(ask(Fault::Redirect).status, 302);
    assert!(ask(Fault::MissingMember).json()["remoteSystemID"].is_null());
    assert!(ask(Fault::HugeBody).body.len() > 10_000_000);
    assert!(ask(Fault::Html200).body.starts_with(b"<"));
    assert!(serde_json::from_slice::<serde_json::Value>(&ask(Fault::TruncatedJson).body).is_err());
    let twice = String::from_utf8(ask(Fault::DuplicateMember).body).expect("text");
    assert_eq!(twice.matches("\"key\":").count(), 2);
}
