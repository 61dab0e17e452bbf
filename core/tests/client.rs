//! The client over a scripted transport: what is requested, in which order, and what is never retried.
#![cfg(feature = "https")]

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use skip_client::transport::{ConnectionInfo, Control, Response, Transport, TransportError, WipedBuffer};
use skip_client::{Advice, CancelToken, Client, ClientBuilder, Error, ErrorCode, Headers, Request, SystemId};

const CAPABILITIES: &str =
    r#"{"entropy":true,"key":true,"algorithm":"PRF","localSystemID":"Alice","remoteSystemID":["Bob","KP_*_LOC1"]}"#;
const KEY: &str = r#"{"keyId":"00112233445566778899aabbccddeeff","key":"ad229dfb8a276e74c1f3b6c09349a69fb2fed73c541270663f0e5cbbfb031670"}"#;
const ENTROPY: &str = r#"{"randomStr":"AD229DFB8A276E74C1F3B6C09349A69F","minentropy":128}"#;

#[derive(Clone)]
enum Play {
    Reply(u16, &'static str),
    Busy(&'static str),
    Unsent(ErrorCode),
    Lost,
}

/// The recorded requests, and the replies to send.
#[derive(Clone, Default)]
struct Script {
    name: &'static str,
    plays: Arc<Mutex<VecDeque<Play>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn new(name: &'static str, asked: &Arc<Mutex<Vec<String>>>, plays: &[Play]) -> Self {
        Self {
            name,
            plays: Arc::new(Mutex::new(plays.iter().cloned().collect())),
            asked: Arc::clone(asked),
        }
    }
}

/// An error with the given code, created through the public API.
fn error_of(code: ErrorCode) -> Error {
    let builder = match code {
        ErrorCode::ConnectFailed => "https://127.0.0.1:1",
        _ => unreachable!("only what a test needs"),
    };
    Client::builder(builder)
        .and_then(|b| b.pin("sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").build())
        .and_then(|client| client.capabilities())
        .expect_err("nothing listens on port 1")
}

impl Transport for Script {
    fn connection(&self) -> Option<ConnectionInfo> {
        Some(ConnectionInfo {
            url: self.name.to_owned(),
            ..ConnectionInfo::default()
        })
    }

    fn exchange(&self, request: &Request, control: &Control<'_>) -> Result<Response, TransportError> {
        self.asked
            .lock()
            .unwrap()
            .push(format!("{}{}", self.name, request.target()));
        let reply = |status, body: &str, retry_after: Option<&str>| Response {
            status,
            headers: Headers {
                retry_after: retry_after.map(Into::into),
                ..Headers::default()
            },
            body: WipedBuffer::copy_of(body.as_bytes()),
        };
        assert!(control.deadline > Instant::now());
        // this transport does not end its call for that
        let _ = control.check();
        match self
            .plays
            .lock()
            .unwrap()
            .pop_front()
            .expect("no more requests were expected")
        {
            Play::Reply(status, body) => Ok(reply(status, body, None)),
            Play::Busy(seconds) => Ok(reply(503, "", Some(seconds))),
            Play::Unsent(code) => Err(TransportError {
                error: error_of(code),
                sent: false,
            }),
            Play::Lost => Err(TransportError {
                error: error_of(ErrorCode::ConnectFailed),
                sent: true,
            }),
        }
    }

    fn url(&self) -> &str {
        self.name
    }
}

struct Stage {
    asked: Arc<Mutex<Vec<String>>>,
    client: Client,
}

fn stage(scripts: &[&[Play]], options: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Stage {
    let asked = Arc::default();
    let mut names = ["", "second:", "third:"].into_iter();
    let mut transports = scripts
        .iter()
        .map(|plays| Box::new(Script::new(names.next().expect("a name"), &asked, plays)));
    let mut builder = Client::over(transports.next().expect("one at least"));
    for transport in transports {
        builder = builder.or_over(transport);
    }
    Stage {
        client: options(builder).build().expect("a client"),
        asked,
    }
}

impl Stage {
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn id(text: &str) -> SystemId {
    text.parse().expect("an id")
}

#[test]
fn capabilities_are_asked_once_and_remembered() {
    let stage = stage(
        &[&[
            Play::Reply(200, CAPABILITIES),
            Play::Reply(200, KEY),
            Play::Reply(200, KEY),
            Play::Reply(200, CAPABILITIES),
        ]],
        |b| b,
    );
    for _ in 0..2 {
        assert_eq!(stage.client.new_key(&id("Bob")).expect("a key").bits(), 256);
    }
    assert_eq!(
        stage.client.capabilities().expect("remembered").local_system_id(),
        "Alice"
    );
    stage.client.refresh_capabilities().expect("asked again");
    assert_eq!(
        stage.asked(),
        [
            "/capabilities",
            "/key?remoteSystemID=Bob",
            "/key?remoteSystemID=Bob",
            "/capabilities"
        ]
    );
}

#[test]
fn an_unknown_remote_is_looked_up_once_more_and_then_refused_without_a_key() {
    let stage = stage(
        &[&[Play::Reply(200, CAPABILITIES), Play::Reply(200, CAPABILITIES)]],
        |b| b,
    );
    stage.client.capabilities().expect("fetched");
    let error = stage.client.new_key(&id("Mallory")).expect_err("not in the list");
    assert_eq!((error.code(), error.advice()), (ErrorCode::UnknownRemote, Advice::No));
    assert_eq!(stage.asked(), ["/capabilities", "/capabilities"]);
}

#[test]
fn a_remote_that_a_pattern_covers_is_asked_for_by_its_own_name() {
    let stage = stage(&[&[Play::Reply(200, CAPABILITIES), Play::Reply(200, KEY)]], |b| b);
    stage.client.new_key(&id("KP_BOB_LOC1")).expect("covered");
    assert_eq!(
        stage.asked().last().expect("a request"),
        "/key?remoteSystemID=KP_BOB_LOC1"
    );
    let error = stage.client.new_key(&id("KP_*_LOC1")).expect_err("a pattern is nobody");
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
}

#[test]
fn what_the_flags_exclude_is_refused_without_asking() {
    const NOTHING: &str =
        r#"{"entropy":false,"key":false,"algorithm":"","localSystemID":"A","remoteSystemID":["Bob"]}"#;
    let stage = stage(&[&[Play::Reply(200, NOTHING), Play::Reply(200, NOTHING)]], |b| b);
    assert_eq!(
        stage.client.new_key(&id("Bob")).expect_err("no keys").code(),
        ErrorCode::NotSupported
    );
    assert_eq!(
        stage.client.entropy(None).expect_err("no entropy").code(),
        ErrorCode::NotSupported
    );
    assert_eq!(stage.asked(), ["/capabilities", "/capabilities"]);
}

#[test]
fn without_the_check_nothing_but_the_request_is_sent() {
    let stage = stage(&[&[Play::Reply(200, KEY), Play::Reply(200, ENTROPY)]], |b| {
        b.check_remote(false)
    });
    stage.client.new_key(&id("Anyone")).expect("a key");
    let bits = skip_client::BitLength::new(128).expect("valid");
    assert_eq!(stage.client.entropy(Some(bits)).expect("entropy").bits(), 128);
    assert_eq!(stage.asked(), ["/key?remoteSystemID=Anyone", "/entropy?minentropy=128"]);
}

#[test]
fn the_next_provider_is_asked_only_while_nothing_was_sent() {
    let plays: [&[Play]; 2] = [&[Play::Unsent(ErrorCode::ConnectFailed)], &[Play::Reply(200, KEY)]];
    let reached = stage(&plays, |b| b.check_remote(false));
    reached.client.new_key(&id("Bob")).expect("from the second");
    assert_eq!(
        reached.asked(),
        ["/key?remoteSystemID=Bob", "second:/key?remoteSystemID=Bob"]
    );

    let lost = stage(&[&[Play::Lost], &[]], |b| b.check_remote(false));
    lost.client
        .new_key(&id("Bob"))
        .expect_err("the first may have used up a key");
    assert_eq!(lost.asked(), ["/key?remoteSystemID=Bob"]);

    let refused = stage(&[&[Play::Reply(500, "")], &[]], |b| b.check_remote(false));
    assert_eq!(
        refused
            .client
            .new_key(&id("Bob"))
            .expect_err("an answer is an answer")
            .code(),
        ErrorCode::ProviderFailed
    );
    assert_eq!(refused.asked(), ["/key?remoteSystemID=Bob"]);
}

#[test]
fn an_unreachable_provider_is_asked_last_for_a_while() {
    let plays: [&[Play]; 2] = [
        &[Play::Unsent(ErrorCode::ConnectFailed)],
        &[Play::Reply(200, KEY), Play::Reply(200, KEY)],
    ];
    let stage = stage(&plays, |b| b.check_remote(false));
    for _ in 0..2 {
        stage.client.new_key(&id("Bob")).expect("from the second");
        assert_eq!(stage.client.connection().expect("the last one").url, "second:");
    }
    assert_eq!(
        stage.asked(),
        [
            "/key?remoteSystemID=Bob",
            "second:/key?remoteSystemID=Bob",
            "second:/key?remoteSystemID=Bob"
        ]
    );
}

#[test]
fn a_busy_provider_is_asked_again_only_on_request_and_in_time() {
    let impatient = stage(&[&[Play::Busy("1")]], |b| b.check_remote(false));
    let error = impatient.client.entropy(None).expect_err("busy");
    assert_eq!(
        (error.code(), error.advice(), error.status()),
        (ErrorCode::Busy, Advice::SameRequest, Some(503))
    );

    let patient = stage(&[&[Play::Busy("1"), Play::Reply(200, ENTROPY)]], |b| {
        b.check_remote(false).wait_when_busy(Duration::from_secs(2))
    });
    patient.client.entropy(None).expect("after a second");

    // 3600 counts as 30, which is more than the remaining time
    let hopeless = stage(&[&[Play::Busy("3600")]], |b| {
        b.check_remote(false).wait_when_busy(Duration::from_mins(1))
    });
    assert_eq!(hopeless.client.entropy(None).expect_err("busy").code(), ErrorCode::Busy);
    assert_eq!(hopeless.asked().len(), 1);
}

#[test]
fn waiting_for_a_busy_provider_can_be_cancelled() {
    let stage = stage(&[&[Play::Busy("25")]], |b| {
        b.check_remote(false)
            .wait_when_busy(Duration::from_mins(1))
            .timeout(Duration::from_mins(2))
    });
    let token = CancelToken::new();
    let other = token.clone();
    let canceller = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        other.cancel();
    });
    let error = stage.client.call().cancel(&token).entropy(None).expect_err("cancelled");
    // it is not retried, which would happen at the end of the pause
    assert_eq!((error.code(), stage.asked().len()), (ErrorCode::Busy, 1));
    canceller.join().expect("canceller");
}

#[test]
fn an_interrupt_that_is_reported_once_ends_everything_that_the_call_would_do() {
    let stage = stage(&[&[Play::Busy("1"), Play::Reply(200, ENTROPY)]], |b| {
        b.check_remote(false).wait_when_busy(Duration::from_secs(2))
    });
    let reported = Cell::new(false);
    let once = || !reported.replace(true);
    let error = stage
        .client
        .call()
        .interrupted(&once)
        .entropy(None)
        .expect_err("interrupted");
    assert_eq!((error.code(), stage.asked().len()), (ErrorCode::Busy, 1));
}

#[test]
fn bad_options_are_refused_before_anything_is_connected() {
    let pin = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let build = |change: fn(ClientBuilder) -> ClientBuilder| {
        Client::builder("https://kp").map(change).and_then(ClientBuilder::build)
    };
    for (name, result) in [
        ("nobody to trust", build(|b| b)),
        ("not PEM", build(|b| b.ca_pem("nonsense"))),
        ("short pin", build(|b| b.pin("sha256/AAAA"))),
        ("pin of another hash", build(|b| b.pin("md5/AAAA"))),
        ("https proxy", build(|b| b.ca_system().proxy("https://proxy"))),
        ("no time", build(|b| b.ca_system().timeout(Duration::ZERO))),
        ("endless", build(|b| b.ca_system().timeout(Duration::MAX))),
        (
            "client certificate that is none",
            build(|b| b.ca_system().client_cert_pem("x", "y")),
        ),
    ] {
        let error = result.expect_err(name);
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{name}");
        assert!(!error.hint().is_empty(), "{name}");
    }
    assert!(Client::builder("https://kp").and_then(|b| b.pin(pin).build()).is_ok());
}
