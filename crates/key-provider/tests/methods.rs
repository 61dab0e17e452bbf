//! The six methods of Table 2 and their status codes, over TLS, as the draft wants them.

mod common;

use std::fs;
use std::net::TcpStream;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use common::{Connection, End, config, get, is_private, new_key, start};
use skip_key_provider::{KeyProviderPair, PairOptions, SideOptions};

#[test]
fn capabilities_are_those_of_each_side() {
    let pair = start(PairOptions::default());
    let reply = get(&pair, pair.alice(), "/capabilities");
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, Some("application/json"))
    );
    let json = reply.json();
    assert_eq!((&json["key"], &json["entropy"]), (&true.into(), &true.into()));
    assert_eq!(json["localSystemID"], "Alice");
    assert_eq!(json["remoteSystemID"], serde_json::json!(["Bob"]));
    assert!(json["algorithm"].is_string());
    assert_eq!(get(&pair, pair.bob(), "/capabilities").text("localSystemID"), "Bob");
}

#[test]
fn a_key_is_the_same_at_both_ends_in_every_size() {
    let pair = start(PairOptions::default());
    let mut alice = Connection::open(&pair, pair.alice());
    let mut bob = Connection::open(&pair, pair.bob());
    for (query, bits) in [("", 256), ("&size=8", 8), ("&size=128", 128), ("&size=65536", 65_536)] {
        let fresh = alice.get(&format!("/key?remoteSystemID=Bob{query}"));
        let key_id = fresh.text("keyId");
        assert_eq!((key_id.len(), fresh.text("key").len()), (32, bits / 4));
        let same = bob.get(&format!("/key/{key_id}?remoteSystemID=Alice"));
        assert_eq!(same.text("keyId"), key_id);
        assert!(same.text("key") == fresh.text("key"), "the ends differ");
    }
    // and the other way round
    let fresh = bob.get("/key?remoteSystemID=Alice");
    let same = alice.get(&format!(
        "/key/{}?remoteSystemID=Bob",
        fresh.text("keyId").to_uppercase()
    ));
    assert!(same.text("key") == fresh.text("key"), "the ends differ");
}

#[test]
fn each_side_gets_a_key_once() {
    let pair = start(PairOptions::default());
    let (key_id, _) = new_key(&pair);
    // the issuer delivered it at creation
    assert_eq!(
        get(&pair, pair.alice(), &format!("/key/{key_id}?remoteSystemID=Bob")).status,
        400
    );
    let by_id = format!("/key/{key_id}?remoteSystemID=Alice");
    assert_eq!(get(&pair, pair.bob(), &by_id).status, 200);
    assert_eq!(get(&pair, pair.bob(), &by_id).status, 400);
    let stats = pair.stats();
    assert_eq!((stats.keys_issued, stats.keys_delivered), (1, 1));
    assert_eq!((stats.refused, stats.requests), (2, 4));
}

#[test]
fn keys_expire() {
    let pair = start(PairOptions {
        key_lifetime: Duration::from_secs(1),
        ..PairOptions::default()
    });
    let (key_id, _) = new_key(&pair);
    thread::sleep(Duration::from_millis(2100));
    let late = get(&pair, pair.bob(), &format!("/key/{key_id}?remoteSystemID=Alice"));
    assert_eq!(late.status, 400);
    let (key_id, _) = new_key(&pair);
    assert_eq!(
        get(&pair, pair.bob(), &format!("/key/{key_id}?remoteSystemID=Alice")).status,
        200
    );
}

#[test]
fn entropy_has_at_least_the_bits_asked_for() {
    let pair = start(PairOptions::default());
    let mut alice = Connection::open(&pair, pair.alice());
    for (query, bits, digits) in [
        ("", 256, 64),
        ("?minentropy=8", 8, 2),
        ("?minentropy=129", 129, 34),
        ("?minentropy=65536", 65_536, 16_384),
    ] {
        let reply = alice.get(&format!("/entropy{query}"));
        assert_eq!((reply.status, reply.json()["minentropy"].as_u64()), (200, Some(bits)));
        assert_eq!(reply.text("randomStr").len(), digits);
    }
    let (one, two) = (alice.get("/entropy"), alice.get("/entropy"));
    assert!(one.body != two.body, "twice the same");
}

#[test]
fn refusals_have_the_status_of_the_draft_and_a_json_error() {
    let pair = start(PairOptions::default());
    let mut alice = Connection::open(&pair, pair.alice());
    for (target, status) in [
        ("/", 404),
        ("/keys", 404),
        ("/capabilities/", 404),
        ("/key/00/00?remoteSystemID=Bob", 404),
        ("/key", 400),
        ("/key?remoteSystemID=", 400),
        ("/key?remoteSystemID=Eve", 400),
        ("/key?remoteSystemID=bob", 400),
        ("/key?remoteSystemID=*", 400),
        ("/key?remoteSystemID=Bob&remoteSystemID=Bob", 400),
        ("/key?remoteSystemID=%42ob%", 400),
        ("/key?remoteSystemID=%ff", 400),
        ("/key?remoteSystemID=Bob&size=", 400),
        ("/key?remoteSystemID=Bob&size=0", 400),
        ("/key?remoteSystemID=Bob&size=100", 400),
        ("/key?remoteSystemID=Bob&size=65544", 400),
        ("/key?remoteSystemID=Bob&size=+128", 400),
        ("/key?remoteSystemID=Bob&size=256&size=256", 400),
        ("/key/?remoteSystemID=Bob", 400),
        ("/key/xyz?remoteSystemID=Bob", 400),
        ("/key/abc?remoteSystemID=Bob", 400),
        ("/key/00112233445566778899aabbccddeeff?remoteSystemID=Bob", 400),
        ("/key/00112233445566778899aabbccddeeff", 400),
        ("/entropy?minentropy=7", 400),
        ("/entropy?minentropy=65537", 400),
        ("/entropy?minentropy=256.0", 400),
        ("/entropy?minentropy=99999999999999999999", 400),
        ("/key?remoteSystemID=%42ob", 200),
        ("/key?remoteSystemID=Bob&size=128&unknown=x", 200),
    ] {
        let reply = alice.get(target);
        assert_eq!(reply.status, status, "{target}");
        assert_eq!(reply.header("content-type"), Some("application/json"), "{target}");
        assert_eq!(reply.json()["error"].is_string(), status != 200, "{target}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        for (target, status) in [
            ("/key?remoteSystemID=Bob", 405),
            ("/capabilities", 405),
            ("/nowhere", 404),
        ] {
            alice.send(method, target);
            let reply = alice.reply().expect("an answer");
            assert_eq!(reply.status, status, "{method} {target}");
            assert_eq!(reply.header("allow").is_some(), status == 405);
        }
    }
}

#[test]
fn remotes_may_be_patterns_and_ids_any_text() {
    let pair = start(PairOptions {
        alice: SideOptions {
            remotes: vec!["KP_[A-C]*".to_owned(), "Zürich + 1/2".to_owned()],
            ..SideOptions::new("Alice & Co", "-")
        },
        bob: SideOptions::new("Zürich + 1/2", "Alice*"),
        ..PairOptions::default()
    });
    let mut alice = Connection::open(&pair, pair.alice());
    for (remote, status) in [("KP_BOB", 200), ("KP_D", 400), ("KP_%5BA-C%5D*", 400), ("kp_a", 400)] {
        assert_eq!(
            alice.get(&format!("/key?remoteSystemID={remote}")).status,
            status,
            "{remote}"
        );
    }
    // a plus is a plus
    let fresh = alice.get("/key?remoteSystemID=Z%C3%BCrich%20+%201%2f2");
    let other = alice.get("/key?remoteSystemID=KP_BOB");
    let by_id = |reply: &common::Reply| format!("/key/{}?remoteSystemID=Alice%20%26%20Co", reply.text("keyId"));
    let same = get(&pair, pair.bob(), &by_id(&fresh));
    assert!(same.text("key") == fresh.text("key"), "the ends differ");
    // a key for another provider is not for this one
    assert_eq!(get(&pair, pair.bob(), &by_id(&other)).status, 400);
}

#[test]
fn both_tls_versions_are_spoken() {
    let pair = start(PairOptions::default());
    for (version, suite) in [
        (&rustls::version::TLS12, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        (&rustls::version::TLS13, "TLS13_AES_256_GCM_SHA384"),
    ] {
        let config = Arc::new(config(&pair.ca(), None, &[version]));
        for name in ["localhost", "127.0.0.1", "::1", "kp-alice"] {
            let mut alice = Connection::with_config(Arc::clone(&config), pair.alice(), name);
            assert_eq!(alice.get("/capabilities").status, 200, "{name}");
            let negotiated = alice.session().negotiated_cipher_suite().expect("a suite").suite();
            assert_eq!(negotiated.as_str(), Some(suite));
            if version.version == rustls::ProtocolVersion::TLSv1_3 {
                let group = alice.session().negotiated_key_exchange_group().expect("a group");
                assert_eq!(group.name(), rustls::NamedGroup::X25519MLKEM768);
            }
        }
    }
}

#[test]
fn a_client_certificate_can_be_required() {
    let pair = start(PairOptions {
        require_client_cert: true,
        ..PairOptions::default()
    });
    let mut nobody = Connection::open(&pair, pair.alice());
    nobody.send("GET", "/capabilities");
    assert!(nobody.reply().is_err());
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let client = (pair.client_cert(), pair.client_key());
        let config = config(&pair.ca(), Some((&client.0, &client.1)), versions);
        let mut client = Connection::with_config(Arc::new(config), pair.alice(), "localhost");
        assert_eq!(client.get("/capabilities").status, 200);
    }
}

#[test]
fn the_folder_has_what_a_client_needs() {
    let parent = tempfile::tempdir().expect("a folder");
    let dir = parent.path().join("new/dir");
    let pair = start(PairOptions {
        dir: Some(dir.clone()),
        ..PairOptions::default()
    });
    assert_eq!(pair.dir(), dir);
    let json: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.join("endpoints.json")).expect("there")).expect("JSON");
    assert_eq!(json["alice"]["id"], "Alice");
    assert_eq!(json["bob"]["url"], pair.bob().url.as_str());
    assert_eq!(json["bob"]["psk_url"], pair.bob().psk_url.as_str());
    assert!(is_private(&pair.psk()) && pair.psk() == dir.join("psk.txt"));
    for name in ["ca", "client_cert", "client_key", "psk"] {
        assert!(dir.join(json[name].as_str().expect("a name")).is_file(), "{name}");
    }
    for name in ["alice", "bob", "client"] {
        assert!(dir.join(format!("{name}.pem")).is_file());
        assert!(is_private(&dir.join(format!("{name}.key"))), "{name}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&dir).expect("there").permissions().mode() & 0o777, 0o700);
    }
    drop(pair);
    // a second start in the same folder replaces everything
    let again = start(PairOptions {
        dir: Some(dir.clone()),
        ..PairOptions::default()
    });
    assert_eq!(get(&again, again.alice(), "/capabilities").status, 200);
    let temporary = start(PairOptions::default()).dir().to_owned();
    assert!(!temporary.exists(), "the temporary folder stays");
}

#[test]
fn dropping_the_pair_ends_everything() {
    let pair = start(PairOptions::default());
    let mut idle = Connection::open(&pair, pair.alice());
    assert_eq!(idle.get("/capabilities").status, 200);
    let address = pair.alice().address;
    drop(pair);
    assert_eq!(idle.end(), End::Cut);
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_pair_can_live_inside_another_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let pair = start(PairOptions::default());
        assert_eq!(get(&pair, pair.alice(), "/capabilities").status, 200);
    });
}

#[test]
fn a_pair_that_cannot_start_says_why() {
    let pair = start(PairOptions::default());
    let taken = PairOptions {
        alice: SideOptions {
            listen: pair.alice().address,
            ..SideOptions::new("Alice", "Bob")
        },
        ..PairOptions::default()
    };
    let error = KeyProviderPair::start(taken).expect_err("taken").to_string();
    assert!(error.contains("cannot listen on 127.0.0.1:"), "{error}");
}

#[test]
fn a_hundred_connections_exchange_at_once() {
    const CLIENTS: usize = 100;
    const EACH: usize = 10;
    let pair = Arc::new(start(PairOptions::default()));
    let config = Arc::new(config(&pair.ca(), None, rustls::ALL_VERSIONS));
    let barrier = Arc::new(Barrier::new(CLIENTS));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (pair, config, barrier) = (Arc::clone(&pair), Arc::clone(&config), Arc::clone(&barrier));
            thread::spawn(move || {
                let mut alice = Connection::with_config(Arc::clone(&config), pair.alice(), "localhost");
                let mut bob = Connection::with_config(config, pair.bob(), "localhost");
                barrier.wait();
                let exchange = |_| {
                    let fresh = alice.get("/key?remoteSystemID=Bob");
                    let same = bob.get(&format!("/key/{}?remoteSystemID=Alice", fresh.text("keyId")));
                    assert!(same.body == fresh.body, "the ends differ");
                    fresh.text("keyId")
                };
                (0..EACH).map(exchange).collect::<Vec<_>>()
            })
        })
        .collect();
    let mut ids: Vec<String> = clients.into_iter().flat_map(|c| c.join().expect("no panic")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), CLIENTS * EACH);
    assert_eq!(pair.stats().keys_delivered, (CLIENTS * EACH) as u64);
}
