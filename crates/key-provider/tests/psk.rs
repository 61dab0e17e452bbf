//! The listeners with pre-shared keys, seen by a client on OpenSSL.

mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{Connection, config, is_private, start};
use openssl::ssl::{ShutdownState, Ssl, SslContext, SslContextBuilder, SslMethod, SslStream, SslVersion};
use skip_key_provider::{DEFAULT_IDENTITY, KeyProviderPair, PairOptions, Psk, Quirk, SideOptions, random_psk};
use skip_tls_psk::{Hash, negotiated_group, offer};

const SUITES: [&str; 4] = [
    "DHE-PSK-AES256-GCM-SHA384",
    "DHE-PSK-AES256-CBC-SHA384",
    "PSK-AES256-GCM-SHA384",
    "DHE-PSK-AES256-CBC-SHA",
];

/// What a client offers.
#[derive(Clone, Copy)]
enum Hello<'a> {
    /// TLS 1.2 with these suites
    Tls12(&'a str),
    /// TLS 1.3 with a key bound to this hash
    Tls13(Hash),
    /// everything, like a client that does not know its server
    Both,
}

/// Identity and key as in `psk.txt`. No `Debug`: a test never prints a key.
struct Entry {
    identity: String,
    key: Vec<u8>,
}

/// The keys of a pair, read from its file by independent code.
fn entries(pair: &KeyProviderPair) -> Vec<Entry> {
    let text = fs::read_to_string(pair.psk()).expect("psk.txt");
    let entry = |line: &str| {
        let (identity, hex) = line.rsplit_once(':').expect("identity:hex");
        let octet = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        Entry {
            identity: identity.to_owned(),
            key: (0..hex.len()).step_by(2).map(octet).collect(),
        }
    };
    text.lines().map(entry).collect()
}

fn context(hello: Hello<'_>) -> SslContextBuilder {
    let (oldest, newest, suites) = match hello {
        Hello::Tls12(suites) => (SslVersion::TLS1_2, SslVersion::TLS1_2, suites.to_owned()),
        Hello::Tls13(_) => (SslVersion::TLS1_3, SslVersion::TLS1_3, SUITES.join(":")),
        Hello::Both => (SslVersion::TLS1_2, SslVersion::TLS1_3, SUITES.join(":")),
    };
    let mut context = SslContext::builder(SslMethod::tls_client()).expect("a context");
    context.set_min_proto_version(Some(oldest)).expect("a version");
    context.set_max_proto_version(Some(newest)).expect("a version");
    context.set_cipher_list(&suites).expect("suites");
    context
}

/// Performs a handshake; the error is OpenSSL's text, which contains the alert.
fn handshake(to: SocketAddr, context: &SslContext) -> Result<SslStream<TcpStream>, String> {
    let tcp = TcpStream::connect(to).expect("connects");
    tcp.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
    let ssl = Ssl::new(context).expect("a connection");
    ssl.connect(tcp).map_err(|error| error.to_string())
}

fn connect(to: SocketAddr, identity: &str, key: &[u8], hello: Hello<'_>) -> Result<SslStream<TcpStream>, String> {
    let hash = match hello {
        Hello::Tls12(_) => None,
        Hello::Tls13(hash) => Some(hash),
        Hello::Both => Some(Hash::Sha384),
    };
    let mut context = context(hello);
    offer(&mut context, skip_tls_psk::Psk::new(identity.as_bytes(), key), hash).expect("offered");
    handshake(to, &context.build())
}

/// With the first key of the pair, at Alice.
fn open(pair: &KeyProviderPair, hello: Hello<'_>) -> Result<SslStream<TcpStream>, String> {
    let entry = &entries(pair)[0];
    connect(pair.alice().psk_address, &entry.identity, &entry.key, hello)
}

fn is_served(pair: &KeyProviderPair, hello: Hello<'_>) -> bool {
    open(pair, hello).is_ok_and(|mut stream| {
        get(&mut stream, "/capabilities");
        true
    })
}

/// Version and suite in OpenSSL's words.
fn negotiated(stream: &SslStream<TcpStream>) -> (&'static str, &'static str) {
    let ssl = stream.ssl();
    assert!(ssl.peer_certificate().is_none(), "a certificate");
    (ssl.version_str(), ssl.current_cipher().expect("a suite").name())
}

/// The body of the reply to the last request of a connection, and whether the end was announced.
fn get(stream: &mut SslStream<TcpStream>, target: &str) -> (serde_json::Value, bool) {
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    .expect("written");
    let mut reply = Vec::new();
    // without close_notify, OpenSSL reports the end as an error; the data before it is there
    let _ = stream.read_to_end(&mut reply);
    let reply = String::from_utf8(reply).expect("text");
    let (head, body) = reply.split_once("\r\n\r\n").expect("an answer");
    assert!(head.starts_with("HTTP/1.1 200 "), "refused");
    let is_announced = stream.get_shutdown().contains(ShutdownState::RECEIVED);
    (
        serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON")),
        is_announced,
    )
}

fn with(quirks: &[Quirk]) -> KeyProviderPair {
    start(PairOptions {
        quirks: quirks.to_vec(),
        ..PairOptions::default()
    })
}

#[test]
fn each_suite_of_tls_1_2_gives_the_same_key_at_both_ends() {
    let pair = with(&[]);
    let entry = &entries(&pair)[0];
    for suite in SUITES {
        let hello = Hello::Tls12(suite);
        let mut alice = connect(pair.alice().psk_address, &entry.identity, &entry.key, hello).expect(suite);
        assert_eq!(negotiated(&alice), ("TLSv1.2", suite));
        let (fresh, _) = get(&mut alice, "/key?remoteSystemID=Bob");
        let mut bob = connect(pair.bob().psk_address, &entry.identity, &entry.key, hello).expect(suite);
        let key_id = fresh["keyId"].as_str().expect("a keyId");
        let (same, _) = get(&mut bob, &format!("/key/{key_id}?remoteSystemID=Alice"));
        assert!(same == fresh, "{suite}: the ends differ");
    }
    let all = open(
        &pair,
        Hello::Tls12("PSK-AES256-GCM-SHA384:DHE-PSK-AES256-CBC-SHA:DHE-PSK-AES256-GCM-SHA384"),
    );
    assert_eq!(
        negotiated(&all.expect("served")),
        ("TLSv1.2", SUITES[0]),
        "the client's order counted"
    );
    assert!(!is_served(
        &pair,
        Hello::Tls12("PSK-AES128-GCM-SHA256:ECDHE-PSK-AES256-CBC-SHA384")
    ));
}

#[test]
fn tls_1_3_is_preferred_with_the_suite_of_the_draft() {
    let pair = with(&[]);
    let ml_kem = openssl::version::number() >= 0x3050_0000;
    let group = if ml_kem { "X25519MLKEM768" } else { "x25519" };
    for hello in [Hello::Tls13(Hash::Sha384), Hello::Both] {
        let mut stream = open(&pair, hello).expect("served");
        assert_eq!(negotiated(&stream), ("TLSv1.3", "TLS_AES_256_GCM_SHA384"));
        assert_eq!(negotiated_group(stream.ssl()).as_deref(), Some(group));
        assert_eq!(get(&mut stream, "/capabilities").0["localSystemID"], "Alice");
    }
    // a key with another hash, and no certificate to fall back to
    assert!(open(&pair, Hello::Tls13(Hash::Sha256)).is_err());
}

#[test]
fn a_wrong_identity_or_key_and_none_are_refused() {
    let pair = with(&[]);
    let Entry { identity, key } = &entries(&pair)[0];
    let wrong = [key.as_slice(), b"?"].concat();
    for hello in [
        Hello::Tls12(SUITES[0]),
        Hello::Tls12(SUITES[2]),
        Hello::Tls13(Hash::Sha384),
        Hello::Both,
    ] {
        for (identity, key) in [
            (identity.as_str(), &wrong[..]),
            (identity.as_str(), &key[1..]),
            ("Encryptor", key),
            ("encryptor2", key),
            ("e", key),
        ] {
            assert!(
                connect(pair.alice().psk_address, identity, key, hello).is_err(),
                "{identity}"
            );
        }
        assert!(
            handshake(pair.alice().psk_address, &context(hello).build()).is_err(),
            "served without a key"
        );
    }
    let unknown = connect(pair.alice().psk_address, "nobody", key, Hello::Tls12(SUITES[0]));
    assert!(unknown.expect_err("refused").contains("unknown psk identity"));
    assert_eq!(pair.stats().requests, 0);
    assert!(is_served(&pair, Hello::Both));
}

#[test]
fn several_identities_each_with_its_key() {
    let long = "\u{e9}".repeat(64);
    let identities = ["router", "12345678", "with:colon", long.as_str()];
    let psks = identities.map(|identity| random_psk(identity).expect("valid")).to_vec();
    let pair = start(PairOptions {
        psks,
        ..PairOptions::default()
    });
    let entries = entries(&pair);
    assert!(is_private(&pair.psk()));
    assert_eq!(
        entries.iter().map(|entry| entry.identity.as_str()).collect::<Vec<_>>(),
        identities
    );
    for (number, entry) in entries.iter().enumerate() {
        for hello in [Hello::Tls12(SUITES[0]), Hello::Tls13(Hash::Sha384)] {
            for to in [pair.alice().psk_address, pair.bob().psk_address] {
                assert!(
                    connect(to, &entry.identity, &entry.key, hello).is_ok(),
                    "{}",
                    entry.identity
                );
            }
            let other = &entries[(number + 1) % entries.len()].key;
            assert!(connect(pair.alice().psk_address, &entry.identity, other, hello).is_err());
        }
    }
}

#[test]
fn keys_of_any_length_work() {
    for length in [1, 16, 256] {
        let pair = start(PairOptions {
            psks: vec![Psk::from_bytes("i", &vec![0x5A; length]).expect("valid")],
            ..PairOptions::default()
        });
        for hello in [Hello::Tls12(SUITES[0]), Hello::Tls13(Hash::Sha384)] {
            assert!(is_served(&pair, hello), "{length}");
        }
    }
}

#[test]
fn a_pair_started_again_takes_the_same_keys() {
    let dir = tempfile::tempdir().expect("a folder");
    let options = |psks| PairOptions {
        dir: Some(dir.path().to_owned()),
        psks,
        ..PairOptions::default()
    };
    let first = start(options(Vec::new()));
    let before = fs::read(first.psk()).expect("psk.txt");
    let Entry { identity, key } = &entries(&first)[0];
    assert_eq!((identity.as_str(), key.len()), (DEFAULT_IDENTITY, 32));
    drop(first);

    let again = start(options(Psk::all_of_file_content(&before).expect("read")));
    assert!(fs::read(again.psk()).expect("psk.txt") == before, "the file changed");
    assert!(connect(again.bob().psk_address, identity, key, Hello::Both).is_ok());
    drop(again);

    let other = start(options(Vec::new()));
    assert!(
        fs::read(other.psk()).expect("psk.txt") != before,
        "the key is not fresh"
    );
    assert!(connect(other.bob().psk_address, identity, key, Hello::Both).is_err());
}

#[test]
fn connections_end_with_and_without_notice() {
    let pair = with(&[]);
    for hello in [
        Hello::Tls12(SUITES[0]),
        Hello::Tls12(SUITES[3]),
        Hello::Tls13(Hash::Sha384),
    ] {
        for (quirks, expected) in [(&[][..], true), (&[Quirk::NoCloseNotify], false)] {
            pair.set_quirks(quirks);
            let mut stream = open(&pair, hello).expect("served");
            let (message, is_announced) = get(&mut stream, "/capabilities");
            assert_eq!(message["localSystemID"], "Alice");
            assert_eq!(is_announced, expected, "{quirks:?}");
        }
    }
}

#[test]
fn classic_servers_bind_keys_to_sha_256() {
    let pair = with(&[Quirk::ClassicPsk]);
    assert!(!is_served(&pair, Hello::Tls13(Hash::Sha384)));
    assert!(!is_served(&pair, Hello::Both));
    let stream = open(&pair, Hello::Tls13(Hash::Sha256)).expect("served");
    let (version, suite) = negotiated(&stream);
    assert!(version == "TLSv1.3" && suite.ends_with("_SHA256"), "{suite}");
    assert!(is_served(&pair, Hello::Tls13(Hash::Sha256)));
    assert!(is_served(&pair, Hello::Tls12(SUITES[0])));

    pair.set_quirks(&[]);
    assert!(is_served(&pair, Hello::Both));
}

#[test]
fn a_hint_is_sent_when_told() {
    let pair = with(&[]);
    let entry = &entries(&pair)[0];
    for suite in [SUITES[0], SUITES[2]] {
        for (quirks, expected) in [(&[][..], None), (&[Quirk::PskIdentityHint], Some("skip-key-provider"))] {
            pair.set_quirks(quirks);
            let seen = Arc::new(Mutex::new(None));
            let (seen_too, own_key) = (Arc::clone(&seen), entry.key.clone());
            let own_identity = format!("{}\0", entry.identity);
            let mut context = context(Hello::Tls12(suite));
            context.set_psk_client_callback(move |_, hint, identity, key| {
                *seen_too.lock().expect("not poisoned") = hint.map(|hint| String::from_utf8_lossy(hint).into_owned());
                identity[..own_identity.len()].copy_from_slice(own_identity.as_bytes());
                key[..own_key.len()].copy_from_slice(&own_key);
                Ok(own_key.len())
            });
            assert!(handshake(pair.alice().psk_address, &context.build()).is_ok(), "{suite}");
            assert_eq!(seen.lock().expect("not poisoned").as_deref(), expected, "{suite}");
        }
    }
}

#[test]
fn versions_can_be_restricted_on_both_kinds_of_listeners() {
    let pair = with(&[]);
    for (quirks, with_12, with_13) in [
        (&[][..], true, true),
        (&[Quirk::Tls12Only], true, false),
        (&[Quirk::Tls13Only], false, true),
        (&[Quirk::Tls12Only, Quirk::Tls13Only], true, false),
        (&[Quirk::PskGcmOnly, Quirk::Tls13Only], true, false),
    ] {
        pair.set_quirks(quirks);
        assert_eq!(is_served(&pair, Hello::Tls12(SUITES[0])), with_12, "{quirks:?}");
        assert_eq!(is_served(&pair, Hello::Tls13(Hash::Sha384)), with_13, "{quirks:?}");
        assert!(is_served(&pair, Hello::Both), "{quirks:?}");
        if quirks.contains(&Quirk::PskGcmOnly) {
            continue;
        }
        for (version, expected) in [(&rustls::version::TLS12, with_12), (&rustls::version::TLS13, with_13)] {
            let config = config(&pair.ca(), None, &[version]);
            let mut session = Connection::with_config(Arc::new(config), pair.alice(), "localhost");
            assert_eq!(session.is_accepted(), expected, "{quirks:?} {version:?}");
        }
    }
}

#[test]
fn the_suites_can_be_restricted() {
    let served = |pair: &KeyProviderPair| SUITES.map(|suite| is_served(pair, Hello::Tls12(suite)));
    let pair = with(&[Quirk::PskGcmOnly]);
    assert_eq!(served(&pair), [true, false, true, false]);
    let options = |list: &str| PairOptions {
        psk_ciphers: Some(list.to_owned()),
        ..PairOptions::default()
    };
    assert_eq!(served(&start(options(SUITES[3]))), [false, false, false, true]);
    let error = KeyProviderPair::start(options("NO-SUCH-SUITE"))
        .expect_err("refused")
        .to_string();
    assert!(error.contains("psk_ciphers"), "{error}");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let pair = with(&[]);
    let taken = pair.bob().psk_address;
    let error = KeyProviderPair::start(PairOptions {
        alice: SideOptions {
            psk_listen: taken,
            ..SideOptions::new("Alice", "Bob")
        },
        ..PairOptions::default()
    });
    let error = error.expect_err("taken").to_string();
    assert!(error.contains(&format!("cannot listen on {taken}")), "{error}");
}

#[test]
fn dropping_the_pair_ends_psk_connections_too() {
    let pair = with(&[]);
    let mut idle = open(&pair, Hello::Both).expect("served");
    // one in the middle of its handshake
    let silent = TcpStream::connect(pair.bob().psk_address).expect("connects");
    silent.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
    let addresses = [pair.alice().psk_address, pair.bob().psk_address];
    drop(pair);
    assert!(matches!(idle.read(&mut [0; 16]), Ok(0) | Err(_)));
    assert!(matches!((&silent).read(&mut [0; 16]), Ok(0) | Err(_)));
    for address in addresses {
        assert!(TcpStream::connect(address).is_err());
    }
}

#[test]
fn many_connections_at_once_get_distinct_keys() {
    const CLIENTS: usize = 24;
    let pair = Arc::new(with(&[]));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let pair = Arc::clone(&pair);
            let hello = [Hello::Both, Hello::Tls12(SUITES[2])][number % 2];
            thread::spawn(move || {
                let mut stream = open(&pair, hello).expect("served");
                let (message, _) = get(&mut stream, "/key?remoteSystemID=Bob");
                message["keyId"].as_str().expect("a keyId").to_owned()
            })
        })
        .collect();
    let mut ids: Vec<String> = clients.into_iter().map(|c| c.join().expect("no panic")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), CLIENTS);
}
