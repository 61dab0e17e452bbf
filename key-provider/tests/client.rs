//! The client against the development pair: the exchange, each switch, trust, deadlines, cancellation.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use skip_client::{Advice, BitLength, CancelToken, Client, ClientBuilder, ErrorCode, KeyId, SystemId, TlsVersion};
use skip_key_provider::{Endpoint, Fault, KeyProviderPair, PairOptions, Quirk};

fn pair(change: impl FnOnce(&mut PairOptions)) -> KeyProviderPair {
    let mut options = PairOptions::default();
    change(&mut options);
    KeyProviderPair::start(options).expect("the pair starts")
}

fn ca(pair: &KeyProviderPair) -> Vec<u8> {
    std::fs::read(pair.ca()).expect("ca.pem")
}

fn builder(pair: &KeyProviderPair, side: &Endpoint) -> ClientBuilder {
    Client::builder(&side.url).expect("a URL").ca_pem(ca(pair))
}

fn alice(pair: &KeyProviderPair) -> Client {
    builder(pair, pair.alice()).build().expect("a client")
}

fn bob(pair: &KeyProviderPair) -> Client {
    builder(pair, pair.bob()).build().expect("a client")
}

fn id(text: &str) -> SystemId {
    text.parse().expect("an id")
}

fn bits(n: u64) -> BitLength {
    BitLength::new(n).expect("a length")
}

#[test]
fn both_ends_get_the_same_key_and_only_once() {
    let pair = pair(|_| {});
    let (alice, bob) = (alice(&pair), bob(&pair));
    for size in [8, 128, 192, 256, 384, 512, 4096, 65_536] {
        let key = alice.call().size(bits(size)).new_key(&id("Bob")).expect("a fresh key");
        assert_eq!(u64::from(key.bits()), size);
        if (128..=4096).contains(&size) {
            let same = bob.key_by_id(key.key_id(), &id("Alice")).expect("its key");
            assert_eq!(key, same);
            assert_eq!(key.fingerprint(), same.fingerprint());
            let again = bob.key_by_id(key.key_id(), &id("Alice")).expect_err("given once");
            assert_eq!(
                (again.code(), again.advice(), again.status()),
                (ErrorCode::Rejected, Advice::NewKey, Some(400))
            );
        } else {
            // the responder does not know the size, so it takes none that no consumer can use
            let error = bob.key_by_id(key.key_id(), &id("Alice")).expect_err("an odd size");
            assert_eq!(error.code(), ErrorCode::SizeMismatch);
        }
    }
    assert_eq!(alice.new_key(&id("Bob")).expect("the default").bits(), 256);
    assert_eq!(alice.entropy(Some(bits(512))).expect("entropy").secret().len(), 64);
}

#[test]
fn each_quirk_is_borne() {
    for &quirk in Quirk::ALL {
        let pair = pair(|o| o.quirks = vec![quirk]);
        let (alice, bob) = (alice(&pair), bob(&pair));
        for _ in 0..2 {
            let key = alice
                .new_key(&id("Bob"))
                .unwrap_or_else(|e| panic!("{}: {e:?}", quirk.as_str()));
            assert_eq!(
                key,
                bob.key_by_id(key.key_id(), &id("Alice")).expect("its key"),
                "{}",
                quirk.as_str()
            );
        }
        alice
            .entropy(None)
            .unwrap_or_else(|e| panic!("{}: {e:?}", quirk.as_str()));
    }
}

#[test]
fn each_fault_has_its_code_and_shows_no_key() {
    use ErrorCode as C;
    let expected = |fault: Fault| match fault.as_str() {
        "drop-before-response" | "drop-mid-body" => (C::ConnectionLost, Advice::NewKey),
        "wrong-size" => (C::SizeMismatch, Advice::No),
        "not-hex" | "duplicate-member" | "missing-member" | "content-encoding" | "not-utf8" | "html-200"
        | "truncated-json" | "odd-key" => (C::MalformedResponse, Advice::No),
        "all-zero-key" => (C::WeakKey, Advice::No),
        "huge-body" | "huge-header" | "many-headers" => (C::ResponseTooLarge, Advice::No),
        "redirect" => (C::UnexpectedStatus, Advice::No),
        "key-500" => (C::ProviderFailed, Advice::NewKey),
        "drip" | "stall" => (C::TimedOut, Advice::NewKey),
        "echo-key-in-error" => (C::Rejected, Advice::No),
        other => panic!("the fault {other} has no expectation here"),
    };
    for &fault in Fault::ALL {
        if matches!(fault.as_str(), "wrong-key-id" | "entropy-503" | "on-capabilities") {
            continue;
        }
        let pair = pair(|o| o.faults = vec![fault]);
        let alice = builder(&pair, pair.alice())
            .timeout(Duration::from_millis(1500))
            .build()
            .expect("a client");
        let started = Instant::now();
        let error = alice
            .call()
            .size(bits(256))
            .new_key(&id("Bob"))
            .err()
            .unwrap_or_else(|| panic!("{} was taken", fault.as_str()));
        assert_eq!(
            (error.code(), error.advice()),
            expected(fault),
            "{}: {error:?}",
            fault.as_str()
        );
        assert!(started.elapsed() < Duration::from_secs(5), "{}", fault.as_str());
        let shown = format!(
            "{error} {error:?} {} {}",
            error.hint(),
            error.provider_text().unwrap_or_default()
        );
        let mut run = 0;
        for c in shown.chars() {
            run = if c.is_ascii_hexdigit() { run + 1 } else { 0 };
            assert!(run < 16, "{} shows what could be a key", fault.as_str());
        }
    }
}

#[test]
fn faults_of_one_method_are_seen_there() {
    let pair = pair(|_| {});
    let (alice, bob) = (alice(&pair), bob(&pair));
    let key = alice.new_key(&id("Bob")).expect("a key");
    pair.set_faults(&["wrong-key-id".parse().expect("a fault")]);
    assert_eq!(
        bob.key_by_id(key.key_id(), &id("Alice"))
            .expect_err("another id")
            .code(),
        ErrorCode::KeyIdMismatch
    );
    pair.set_faults(&["entropy-503".parse().expect("a fault")]);
    assert_eq!(alice.entropy(None).expect_err("none left").code(), ErrorCode::Busy);
    pair.set_faults(&["drop-before-response".parse().expect("a fault")]);
    assert_eq!(alice.entropy(None).expect_err("lost").advice(), Advice::SameRequest);
    pair.set_faults(&[]);
    alice.new_key(&id("Bob")).expect("all is well again");
}

#[test]
fn both_versions_of_tls_and_the_post_quantum_group_are_negotiated() {
    let pair = pair(|_| {});
    for (versions, version, suite) in [
        (TlsVersion::Auto, "TLS 1.3", "TLS_AES_256_GCM_SHA384"),
        (TlsVersion::Tls13, "TLS 1.3", "TLS_AES_256_GCM_SHA384"),
        (TlsVersion::Tls12, "TLS 1.2", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    ] {
        let client = builder(&pair, pair.alice()).tls(versions).build().expect("a client");
        assert_eq!(client.connection(), None);
        client.capabilities().expect("capabilities");
        let info = client.connection().expect("connected");
        assert_eq!(
            (info.tls_version.as_str(), info.cipher_suite.as_str()),
            (version, suite)
        );
        assert_eq!(info.address, pair.alice().address.to_string());
        if versions != TlsVersion::Tls12 {
            assert_eq!(info.group.as_deref(), Some("X25519MLKEM768"));
        }
    }
}

#[test]
fn trust_can_be_a_ca_a_pin_or_both() {
    let pair = pair(|_| {});
    let url = &pair.alice().url;
    let code = |builder: ClientBuilder| {
        builder
            .build()
            .and_then(|c| c.capabilities().map(drop))
            .map_err(|e| e.code())
    };
    let wrong_pin = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let plain = || Client::builder(url).expect("a URL");
    assert_eq!(code(plain().pin(wrong_pin)), Err(ErrorCode::TlsFailed));
    assert_eq!(
        code(plain().pin(wrong_pin).ca_pem(ca(&pair))),
        Err(ErrorCode::TlsFailed)
    );
    assert_eq!(code(plain().ca_pem(ca(&pair)).server_name("localhost")), Ok(()));
    assert_eq!(
        code(plain().ca_pem(ca(&pair)).server_name("elsewhere.example")),
        Err(ErrorCode::TlsFailed)
    );
    let other = KeyProviderPair::start(PairOptions::default()).expect("another pair");
    assert_eq!(code(plain().ca_pem(ca(&other))), Err(ErrorCode::TlsFailed));
}

#[test]
fn a_client_certificate_is_given_when_wanted() {
    let pair = pair(|o| o.require_client_cert = true);
    for versions in [TlsVersion::Tls13, TlsVersion::Tls12] {
        let without = builder(&pair, pair.alice()).tls(versions).build().expect("a client");
        let error = without.capabilities().expect_err("a certificate is wanted");
        assert_eq!(error.code(), ErrorCode::TlsFailed, "{error:?}");
        assert!(error.hint().contains("cert"), "{error:?}");
        let cert = std::fs::read(pair.client_cert()).expect("client.pem");
        let key = std::fs::read(pair.client_key()).expect("client.key");
        let with = builder(&pair, pair.alice())
            .tls(versions)
            .client_cert_pem(cert, key)
            .build()
            .expect("a client");
        with.capabilities().expect("accepted");
    }
}

#[test]
fn the_next_provider_takes_over_when_one_is_down() {
    let pair = pair(|_| {});
    let client = Client::builder("https://127.0.0.1:1")
        .and_then(|b| b.or_url(&pair.alice().url))
        .expect("URLs")
        .ca_pem(ca(&pair))
        .build()
        .expect("a client");
    client.new_key(&id("Bob")).expect("from the second");
    let nobody = Client::builder("https://127.0.0.1:1")
        .expect("a URL")
        .ca_pem(ca(&pair))
        .build()
        .expect("a client");
    assert_eq!(
        nobody.capabilities().expect_err("nothing there").code(),
        ErrorCode::ConnectFailed
    );
}

#[test]
fn what_does_not_speak_tls_or_does_not_speak_ends_in_time() {
    let pair = pair(|_| {});
    let answers: [(&str, &[u8], ErrorCode); 3] = [
        ("silence", b"", ErrorCode::TimedOut),
        ("plain HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n", ErrorCode::TlsFailed),
        (
            "garbage",
            &[0x16, 3, 3, 0xFF, 0xFF, 1, 2, 3, 4, 5, 6, 7, 8, 9],
            ErrorCode::TlsFailed,
        ),
    ];
    for (name, answer, code) in answers {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("an address"));
        let server = thread::spawn(move || {
            let (mut peer, _) = listener.accept().expect("a client");
            let _ = peer.read(&mut [0; 512]);
            let _ = peer.write_all(answer);
            // until the client hangs up
            while matches!(peer.read(&mut [0; 512]), Ok(n) if n > 0) {}
        });
        let client = Client::builder(&url)
            .expect("a URL")
            .ca_pem(ca(&pair))
            .connect_timeout(Duration::from_millis(500))
            .build()
            .expect("a client");
        let started = Instant::now();
        assert_eq!(client.capabilities().expect_err(name).code(), code, "{name}");
        assert!(started.elapsed() < Duration::from_secs(4), "{name}");
        server.join().expect("server");
    }
}

#[test]
fn a_running_call_ends_when_it_is_cancelled_or_the_client_closed() {
    type End = fn(&Client, &CancelToken);
    let pair = pair(|o| o.faults = vec!["stall".parse().expect("a fault")]);
    let client = Arc::new(alice(&pair));
    client.capabilities().expect("remembered");
    let enders: [(&str, End); 2] = [
        ("cancelled", |_, token| token.cancel()),
        ("closed", |client, _| client.close()),
    ];
    for (name, end) in enders {
        let token = CancelToken::new();
        let (other, theirs) = (Arc::clone(&client), token.clone());
        let ender = thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            end(&other, &theirs);
        });
        let started = Instant::now();
        let error = client.call().cancel(&token).new_key(&id("Bob")).expect_err(name);
        assert!(started.elapsed() < Duration::from_secs(3), "{name}");
        assert_eq!(error.advice(), Advice::NewKey, "{name}: the key may be used up");
        ender.join().expect("ender");
    }
    assert_eq!(
        client
            .capabilities()
            .map(drop)
            .and_then(|()| client.entropy(None))
            .expect_err("closed")
            .code(),
        ErrorCode::InvalidArgument
    );
}

#[test]
fn the_caller_is_asked_whether_to_go_on() {
    let pair = pair(|o| o.faults = vec!["stall".parse().expect("a fault")]);
    let client = alice(&pair);
    let asked = AtomicUsize::new(0);
    let ask = || asked.fetch_add(1, Ordering::Relaxed) >= 3;
    let started = Instant::now();
    client
        .call()
        .interrupted(&ask)
        .new_key(&id("Bob"))
        .expect_err("interrupted");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[test]
fn a_proxy_carries_the_connection() {
    let pair = pair(|_| {});
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let proxy = format!("http://me:secret@{}", listener.local_addr().expect("an address"));
    let seen = Arc::new(Mutex::new(String::new()));
    let recorded = Arc::clone(&seen);
    let server = thread::spawn(move || {
        for status in ["200 Connection established", "407 Proxy Authentication Required"] {
            let (mut client, _) = listener.accept().expect("a client");
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                client.read_exact(&mut byte).expect("a request");
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).expect("text");
            let to = head.split_whitespace().nth(1).expect("a target").to_owned();
            *recorded.lock().expect("lock") = head;
            client
                .write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes())
                .expect("answered");
            if status.starts_with("200") {
                let mut kp = TcpStream::connect(to).expect("the KP");
                let (mut from_client, mut to_kp) = (client.try_clone().expect("clone"), kp.try_clone().expect("clone"));
                let up = thread::spawn(move || {
                    let _ = std::io::copy(&mut from_client, &mut to_kp);
                    let _ = to_kp.shutdown(std::net::Shutdown::Both);
                });
                let _ = std::io::copy(&mut kp, &mut client);
                let _ = client.shutdown(std::net::Shutdown::Both);
                up.join().expect("up");
            }
        }
    });
    let client = || builder(&pair, pair.alice()).proxy(&proxy).build().expect("a client");
    client().new_key(&id("Bob")).expect("through the proxy");
    let head = seen.lock().expect("lock").clone();
    assert!(
        head.starts_with(&format!("CONNECT {} HTTP/1.1\r\n", pair.alice().address)),
        "{head}"
    );
    assert!(head.contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"), "{head}");
    let error = client().capabilities().expect_err("refused");
    assert_eq!(error.code(), ErrorCode::ConnectFailed);
    assert!(error.message().contains("user name"), "{error}");
    server.join().expect("server");
}

#[test]
fn a_hundred_at_once_lose_nothing_and_get_nothing_twice() {
    const CALLERS: usize = 100;
    const EACH: usize = 20;
    let pair = pair(|_| {});
    let (alice, bob) = (alice(&pair), bob(&pair));
    let ids: Mutex<HashSet<KeyId>> = Mutex::default();
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                for _ in 0..EACH {
                    let key = alice.new_key(&id("Bob")).expect("a fresh key");
                    let same = bob.key_by_id(key.key_id(), &id("Alice")).expect("its key");
                    assert_eq!(key, same);
                    assert!(
                        ids.lock().expect("lock").insert(key.key_id().clone()),
                        "a keyId came twice"
                    );
                }
            });
        }
    });
    assert_eq!(ids.lock().expect("lock").len(), CALLERS * EACH);
}
