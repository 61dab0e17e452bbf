//! The client against the development pair: the exchange, each switch, trust, deadlines, cancellation.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use skip_client::{Advice, BitLength, CancelToken, Client, ClientBuilder, ErrorCode, KeyId, Psk, SystemId, TlsVersion};
use skip_key_provider::{Endpoint, Fault, KeyProviderPair, PairOptions, Quirk};

fn pair(change: impl FnOnce(&mut PairOptions)) -> KeyProviderPair {
    let mut options = PairOptions::default();
    change(&mut options);
    KeyProviderPair::start(options).expect("the pair starts")
}

fn ca(pair: &KeyProviderPair) -> Vec<u8> {
    std::fs::read(pair.ca()).expect("ca.pem")
}

/// The two TLS stacks, which must behave the same.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Certificates,
    Psk,
}

/// Runs each of these tests in each mode.
macro_rules! in_both_modes {
    ($($name:ident),* $(,)?) => {
        mod certificates {
            $(#[test] fn $name() { super::$name(super::Mode::Certificates); })*
        }
        mod psk {
            $(#[test] fn $name() { super::$name(super::Mode::Psk); })*
        }
    };
}

in_both_modes! {
    both_ends_get_the_same_key_and_only_once,
    each_quirk_is_borne,
    each_fault_has_its_code_and_shows_no_key,
    faults_of_one_method_are_seen_there,
    the_next_provider_takes_over_when_one_is_down,
    what_does_not_speak_tls_or_does_not_speak_ends_in_time,
    a_running_call_ends_when_it_is_cancelled_or_the_client_closed,
    the_caller_is_asked_whether_to_go_on,
    a_proxy_carries_the_connection,
    a_record_that_was_changed_on_the_way_is_a_lost_reply,
    a_hundred_at_once_lose_nothing_and_get_nothing_twice,
}

fn psk(pair: &KeyProviderPair) -> Psk {
    Psk::from_file_content(&std::fs::read(pair.psk()).expect("psk.txt"), None).expect("one key")
}

fn url(mode: Mode, side: &Endpoint) -> &str {
    match mode {
        Mode::Certificates => &side.url,
        Mode::Psk => &side.psk_url,
    }
}

/// Adds the credentials for both sides.
fn trusting(mode: Mode, pair: &KeyProviderPair, builder: ClientBuilder) -> ClientBuilder {
    match mode {
        Mode::Certificates => builder.ca_pem(ca(pair)),
        Mode::Psk => builder.psk(psk(pair)),
    }
}

fn builder(mode: Mode, pair: &KeyProviderPair, side: &Endpoint) -> ClientBuilder {
    trusting(mode, pair, Client::builder(url(mode, side)).expect("a URL"))
}

fn alice(mode: Mode, pair: &KeyProviderPair) -> Client {
    builder(mode, pair, pair.alice()).build().expect("a client")
}

fn bob(mode: Mode, pair: &KeyProviderPair) -> Client {
    builder(mode, pair, pair.bob()).build().expect("a client")
}

fn id(text: &str) -> SystemId {
    text.parse().expect("an id")
}

fn bits(n: u64) -> BitLength {
    BitLength::new(n).expect("a length")
}

fn both_ends_get_the_same_key_and_only_once(mode: Mode) {
    let pair = pair(|_| {});
    let (alice, bob) = (alice(mode, &pair), bob(mode, &pair));
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
            // the responder does not know the size, so it rejects sizes that no consumer can use
            let error = bob.key_by_id(key.key_id(), &id("Alice")).expect_err("an odd size");
            assert_eq!(error.code(), ErrorCode::SizeMismatch);
        }
    }
    assert_eq!(alice.new_key(&id("Bob")).expect("the default").bits(), 256);
    assert_eq!(alice.entropy(Some(bits(512))).expect("entropy").secret().len(), 64);
}

fn each_quirk_is_borne(mode: Mode) {
    for &quirk in Quirk::ALL {
        let pair = pair(|o| o.quirks = vec![quirk]);
        let (alice, bob) = (alice(mode, &pair), bob(mode, &pair));
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

fn each_fault_has_its_code_and_shows_no_key(mode: Mode) {
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
        if matches!(fault.as_str(), "wrong-key-id" | "entropy-503") || !fault.is_in_one_reply() {
            continue;
        }
        let pair = pair(|o| o.faults = vec![fault]);
        let alice = alice(mode, &pair);
        alice.capabilities().expect("a connection");
        // a short timeout only where it is the fault: the machine may be busy
        let ends_by_time = expected(fault).0 == C::TimedOut;
        let error = alice
            .call()
            .timeout(Duration::from_millis(if ends_by_time { 1500 } else { 60_000 }))
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

fn faults_of_one_method_are_seen_there(mode: Mode) {
    let pair = pair(|_| {});
    let (alice, bob) = (alice(mode, &pair), bob(mode, &pair));
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
        let client = builder(Mode::Certificates, &pair, pair.alice())
            .tls(versions)
            .build()
            .expect("a client");
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
        let without = builder(Mode::Certificates, &pair, pair.alice())
            .tls(versions)
            .build()
            .expect("a client");
        let error = without.capabilities().expect_err("a certificate is wanted");
        assert_eq!(error.code(), ErrorCode::TlsFailed, "{error:?}");
        assert!(error.hint().contains("cert"), "{error:?}");
        let cert = std::fs::read(pair.client_cert()).expect("client.pem");
        let key = std::fs::read(pair.client_key()).expect("client.key");
        let with = builder(Mode::Certificates, &pair, pair.alice())
            .tls(versions)
            .client_cert_pem(cert, key)
            .build()
            .expect("a client");
        with.capabilities().expect("accepted");
    }
}

fn the_next_provider_takes_over_when_one_is_down(mode: Mode) {
    let pair = pair(|_| {});
    let nowhere = || Client::builder("https://127.0.0.1:1").expect("a URL");
    let both = nowhere().or_url(url(mode, pair.alice())).expect("a URL");
    let client = trusting(mode, &pair, both).build().expect("a client");
    client.new_key(&id("Bob")).expect("from the second");
    let nobody = trusting(mode, &pair, nowhere()).build().expect("a client");
    assert_eq!(
        nobody.capabilities().expect_err("nothing there").code(),
        ErrorCode::ConnectFailed
    );
}

fn what_does_not_speak_tls_or_does_not_speak_ends_in_time(mode: Mode) {
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
        let patience = if code == ErrorCode::TimedOut { 500 } else { 60_000 };
        let client = trusting(mode, &pair, Client::builder(&url).expect("a URL"))
            .connect_timeout(Duration::from_millis(patience))
            .timeout(Duration::from_mins(1))
            .build()
            .expect("a client");
        assert_eq!(client.capabilities().expect_err(name).code(), code, "{name}");
        server.join().expect("server");
    }
}

fn a_running_call_ends_when_it_is_cancelled_or_the_client_closed(mode: Mode) {
    type End = fn(&Client, &CancelToken);
    let pair = pair(|o| o.faults = vec!["stall".parse().expect("a fault")]);
    let client = Arc::new(alice(mode, &pair));
    client.capabilities().expect("remembered");
    let enders: [(&str, End); 2] = [
        ("cancelled", |_, token| token.cancel()),
        ("closed", |client, _| client.close()),
    ];
    for (name, end) in enders {
        let token = CancelToken::new();
        let (other, theirs) = (Arc::clone(&client), token.clone());
        let before = pair.stats().requests;
        let error = thread::scope(|scope| {
            scope.spawn(|| {
                while pair.stats().requests == before {
                    thread::sleep(Duration::from_millis(5));
                }
                end(&other, &theirs);
            });
            let call = client.call().cancel(&token).timeout(Duration::from_mins(5));
            call.new_key(&id("Bob")).expect_err(name)
        });
        assert_ne!(error.code(), ErrorCode::TimedOut, "{name}");
        assert_eq!(error.advice(), Advice::NewKey, "{name}: the key may be used up");
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

fn the_caller_is_asked_whether_to_go_on(mode: Mode) {
    let pair = pair(|o| o.faults = vec!["stall".parse().expect("a fault")]);
    let client = alice(mode, &pair);
    let asked = AtomicUsize::new(0);
    let ask = || asked.fetch_add(1, Ordering::Relaxed) >= 3;
    let error = client
        .call()
        .timeout(Duration::from_mins(5))
        .interrupted(&ask)
        .new_key(&id("Bob"))
        .expect_err("interrupted");
    assert_eq!(error.code(), ErrorCode::ConnectionLost);
}

fn a_proxy_carries_the_connection(mode: Mode) {
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
    let client = || {
        builder(mode, &pair, pair.alice())
            .proxy(&proxy)
            .build()
            .expect("a client")
    };
    client().new_key(&id("Bob")).expect("through the proxy");
    let head = seen.lock().expect("lock").clone();
    assert!(
        head.starts_with(&format!(
            "CONNECT {} HTTP/1.1\r\n",
            url(mode, pair.alice()).trim_start_matches("https://")
        )),
        "{head}"
    );
    assert!(head.contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"), "{head}");
    let error = client().capabilities().expect_err("refused");
    assert_eq!(error.code(), ErrorCode::ConnectFailed);
    assert!(error.message().contains("user name"), "{error}");
    server.join().expect("server");
}

fn a_record_that_was_changed_on_the_way_is_a_lost_reply(mode: Mode) {
    let pair = pair(|_| {});
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let to = match mode {
        Mode::Certificates => pair.alice().address,
        Mode::Psk => pair.alice().psk_address,
    };
    let change = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let changing = Arc::clone(&change);
    let proxy = thread::spawn(move || {
        let (mut client, _) = listener.accept().expect("a client");
        let mut kp = TcpStream::connect(to).expect("the KP");
        let (mut from_client, mut to_kp) = (client.try_clone().expect("clone"), kp.try_clone().expect("clone"));
        let up = thread::spawn(move || {
            let _ = std::io::copy(&mut from_client, &mut to_kp);
            let _ = to_kp.shutdown(std::net::Shutdown::Both);
        });
        let mut buffer = [0; 16 * 1024];
        while let Ok(n @ 1..) = kp.read(&mut buffer) {
            if changing.load(Ordering::SeqCst) {
                buffer[n - 1] ^= 1;
            }
            // the client hangs up on modified data
            let _ = client.write_all(&buffer[..n]);
        }
        let _ = client.shutdown(std::net::Shutdown::Both);
        up.join().expect("up");
    });
    let client = trusting(
        mode,
        &pair,
        Client::builder(&format!("https://{address}")).expect("a URL"),
    );
    let client = client.build().expect("a client");
    client.capabilities().expect("unchanged");
    change.store(true, Ordering::SeqCst);
    let error = client.new_key(&id("Bob")).expect_err("changed");
    assert_eq!(
        (error.code(), error.advice()),
        (ErrorCode::ConnectionLost, Advice::NewKey),
        "{error:?}"
    );
    drop(client);
    proxy.join().expect("proxy");
}

fn a_hundred_at_once_lose_nothing_and_get_nothing_twice(mode: Mode) {
    const CALLERS: usize = 100;
    const EACH: usize = 20;
    let pair = pair(|_| {});
    let (alice, bob) = (alice(mode, &pair), bob(mode, &pair));
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

/// The result of connecting with this key: version, suite and the number of warnings, or the error.
fn negotiated(pair: &KeyProviderPair, psk: Psk, versions: TlsVersion) -> Result<(String, String, usize), String> {
    let kp = Client::builder(&pair.alice().psk_url).expect("a URL");
    let kp = kp.psk(psk).tls(versions).build().expect("a client");
    kp.capabilities().map_err(|error| {
        assert_eq!((error.code(), error.advice()), (ErrorCode::TlsFailed, Advice::No));
        error.message().to_owned()
    })?;
    let info = kp.connection().expect("connected");
    Ok((info.tls_version, info.cipher_suite, info.warnings.len()))
}

#[test]
fn pre_shared_keys_work_in_both_versions_and_with_servers_of_the_old_callback() {
    use TlsVersion::{Auto, Tls12, Tls13};
    let (sha384, sha256) = ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256");
    let dhe = "TLS_DHE_PSK_WITH_AES_256_GCM_SHA384";
    for (quirks, wanted, version, suite, warnings) in [
        ("", Auto, "TLS 1.3", sha384, 0),
        ("", Tls13, "TLS 1.3", sha384, 0),
        ("", Tls12, "TLS 1.2", dhe, 0),
        ("tls-1.2-only", Auto, "TLS 1.2", dhe, 0),
        ("classic-psk", Auto, "TLS 1.3", sha256, 1),
        ("classic-psk", Tls12, "TLS 1.2", dhe, 0),
        ("classic-psk", Tls13, "TLS 1.3", sha256, 1),
        ("classic-psk tls-1.3-only", Auto, "TLS 1.3", sha256, 1),
    ] {
        let pair = pair(|o| o.quirks = quirks.split_whitespace().map(|q| q.parse().expect("a quirk")).collect());
        let got = negotiated(&pair, psk(&pair), wanted);
        let expected = Ok((version.to_owned(), suite.to_owned(), warnings));
        assert_eq!(got, expected, "{quirks:?} {wanted:?}");
    }
}

#[test]
fn plain_psk_is_used_with_a_warning() {
    let pair = pair(|o| o.psk_ciphers = Some("PSK-AES256-GCM-SHA384".into()));
    let got = negotiated(&pair, psk(&pair), TlsVersion::Tls12).expect("connects");
    assert_eq!(got, ("TLS 1.2".into(), "TLS_PSK_WITH_AES_256_GCM_SHA384".into(), 1));
}

#[test]
fn what_is_wrong_with_a_pre_shared_key_is_said() {
    for quirk in [
        None,
        Some(Quirk::ClassicPsk),
        Some(Quirk::Tls12Only),
        Some(Quirk::Tls13Only),
    ] {
        let pair = pair(|o| o.quirks.extend(quirk));
        let right = psk(&pair);
        for versions in [TlsVersion::Auto, TlsVersion::Tls12, TlsVersion::Tls13] {
            let other_key = Psk::from_bytes(right.identity(), &[7; 32]).expect("a key");
            let other_identity = Psk::from_bytes("somebody", right.key().expose()).expect("a key");
            let wrong_version = matches!(
                (quirk, versions),
                (Some(Quirk::Tls12Only), TlsVersion::Tls13) | (Some(Quirk::Tls13Only), TlsVersion::Tls12)
            );
            for (psk, said) in [(other_key, "another key"), (other_identity, "identity")] {
                let error = negotiated(&pair, psk, versions).expect_err("refused");
                let said = if wrong_version { "version of TLS" } else { said };
                assert!(error.contains(said), "{quirk:?} {versions:?}: {error}");
            }
        }
    }
}

#[test]
fn a_client_has_either_certificates_or_a_pre_shared_key() {
    let pair = pair(|_| {});
    let build = |change: fn(ClientBuilder) -> ClientBuilder| {
        let error = change(builder(Mode::Psk, &pair, pair.alice()))
            .build()
            .expect_err("both");
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        error.message().to_owned()
    };
    assert!(build(ClientBuilder::ca_system).starts_with("ca: "));
    assert!(build(|b| b.pin("sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")).starts_with("pin: "));
    assert!(build(|b| b.legacy(true)).starts_with("legacy: "));
}

#[test]
fn the_port_for_certificates_says_what_it_wants() {
    let pair = pair(|o| o.require_client_cert = true);
    let kp = Client::builder(&pair.alice().url).expect("a URL").psk(psk(&pair));
    let error = kp.build().expect("a client").capabilities().expect_err("no such port");
    assert_eq!(error.code(), ErrorCode::TlsFailed);
    let kp = Client::builder(&pair.alice().psk_url).expect("a URL").ca_pem(ca(&pair));
    let error = kp
        .build()
        .expect("a client")
        .capabilities()
        .expect_err("no certificate there");
    assert!(error.hint().contains("pre-shared"), "{error}");
}
