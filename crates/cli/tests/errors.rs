//! The exit status of each side, the two forms of an error, and every fault of the development Key Providers.

mod common;

use std::io::{Read as _, Write as _};

use common::{faulty, fresh_key, has_long_hex, pair, run, run_with};
use insta::assert_snapshot;
use skip_client::ErrorCode;
use skip_key_provider::{Fault, KeyProviderPair, PairOptions, Quirk};

#[test]
fn wrong_use_is_2() {
    let pair = pair();
    let url = &pair.alice().url;
    for (args, code) in [
        (vec!["new-key", url, "--remote", "Eve", "--json"], "unknown_remote"),
        (vec!["new-key", url, "--remote", "*", "--json"], "invalid_argument"),
        (vec!["new-key", url, "--remote", "", "--json"], "invalid_argument"),
        (
            vec!["new-key", url, "--remote", "Bob", "--size", "250", "--json"],
            "invalid_argument",
        ),
        (
            vec!["new-key", url, "--remote", "Bob", "--size", "many", "--json"],
            "invalid_argument",
        ),
        (vec!["key", url, "xyz", "--remote", "Bob", "--json"], "invalid_argument"),
        (vec!["entropy", url, "--bits", "0", "--json"], "invalid_argument"),
        (vec!["entropy", url, "--timeout", "soon", "--json"], "invalid_argument"),
        (vec!["capabilities", url, "--tls", "1.1", "--json"], "invalid_argument"),
        (
            vec!["capabilities", url, "--pin", "sha256/x", "--json"],
            "invalid_argument",
        ),
        (
            vec!["capabilities", url, "--no-such-option", "--json"],
            "invalid_argument",
        ),
        (vec!["capabilities", "ftp://x", "--json"], "invalid_argument"),
    ] {
        let error = run_with(&pair, &args).json_error(2);
        assert_eq!(
            (&error["code"], &error["advice"]),
            (&code.into(), &"no".into()),
            "{args:?}"
        );
        assert_eq!(error["status"], serde_json::Value::Null);
        assert!(!error["message"].as_str().expect("text").is_empty(), "{args:?}");
    }
    assert_eq!(pair.stats().keys_issued, 0);
}

#[test]
fn a_proxy_that_fails_is_named() {
    let pair = pair();
    let answering = |status: &'static str| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("a client");
            let _ = socket.read(&mut [0; 4096]);
            let _ = socket.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes());
        });
        address
    };
    let dead = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let closed = dead.local_addr().expect("an address").to_string();
    drop(dead);
    for (user, proxy, message, hint) in [
        (
            "",
            closed,
            "the proxy cannot be reached: cannot connect to",
            "(--proxy)",
        ),
        (
            "",
            answering("407 x"),
            "wants a user name and password",
            "put them into",
        ),
        ("me@", answering("407 x"), "does not accept the user name", "check them"),
        (
            "",
            answering("503 x"),
            "cannot reach the Key Provider (its status is 503)",
            "what the proxy can reach",
        ),
        (
            "",
            answering("403 x"),
            "refused the tunnel (its status is 403)",
            "what the proxy allows",
        ),
    ] {
        let ran = run_with(
            &pair,
            &[
                "capabilities",
                &pair.alice().url,
                "--proxy",
                &format!("http://{user}{proxy}"),
            ],
        );
        let error = ran.error(3);
        assert!(
            error.contains(message) && error.contains(&proxy) && error.contains(hint),
            "{error}"
        );
    }
}

#[test]
fn a_hint_names_no_option_that_is_set_already() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", silent.local_addr().expect("an address"));
    let args = ["capabilities", &url, "--ca", "system", "--connect-timeout", "0.3"];
    assert!(run(&args).error(3).contains("--no-post-quantum"));
    let again = run(&[&args[..], &["--no-post-quantum"]].concat());
    assert!(!again.error(3).contains("--no-post-quantum"), "{again:?}");
}

#[test]
fn ids_and_the_list_are_shown() {
    let pair = pair();
    let ran = run_with(&pair, &["new-key", &pair.alice().url, "--remote", "Carol"]);
    assert!(
        ran.error(2).contains("matches the remote Carol; the list has Bob"),
        "{ran:?}"
    );
    let undecoding = |id: &str| {
        let mut options = PairOptions {
            quirks: vec![Quirk::NoPercentDecoding],
            ..PairOptions::default()
        };
        options.alice.remotes = vec![id.to_owned()];
        options.bob.id = id.to_owned();
        KeyProviderPair::start(options).expect("starts")
    };
    let pair = undecoding("site B: rack 'é'");
    let ran = run_with(&pair, &["new-key", &pair.alice().url, "--remote", "site B: rack 'é'"]);
    assert!(
        ran.error(4)
            .contains("percent-encoded, which some Key Providers do not decode"),
        "{ran:?}"
    );
    let pair = undecoding("a:b@c/d;e'f");
    let ran = run_with(
        &pair,
        &["new-key", &pair.alice().url, "--remote", "a:b@c/d;e'f", "--json"],
    );
    assert!(ran.json()["keyId"].is_string());
}

#[test]
fn each_error_leads_to_its_explanation() {
    let ran = run(&["capabilities", "https://127.0.0.1:1", "--ca", "system"]);
    let more = ran.error(3).lines().last().expect("a line").to_owned();
    assert_eq!(more, "more: skip-client explain connect_failed");
    let args: Vec<&str> = more.split(' ').skip(2).collect();
    assert_snapshot!("explained", run(&args).ok());

    let list = run(&["explain"]);
    assert_eq!(list.ok().lines().count(), ErrorCode::ALL.len());
    for code in ErrorCode::ALL {
        let text = run(&["explain", code.as_str()]);
        for part in [
            "\ncause: ",
            "\nremedy: ",
            "\nadvice: ",
            &format!("docs/errors.md#{code}\n"),
        ] {
            assert!(text.ok().contains(part), "{code}");
        }
        let fits = |line: &str| line.len() <= 80 || line.starts_with("https://");
        assert!(text.ok().lines().all(fits), "{}", text.ok());
    }
    assert!(run(&["explain", "tls_fail"]).error(2).contains("tls_failed"));
}

#[test]
fn usage_errors_of_people_have_clap_s_form() {
    for args in [
        &[][..],
        &["no-such-command"],
        &["new-key"],
        &["key", "--remote", "x"],
        &["validate", "nothing"],
    ] {
        let ran = run(args);
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(2), ""), "{args:?}");
    }
}

#[test]
fn messages_name_the_option() {
    let pair = pair();
    let url = &pair.alice().url;
    for (args, option) in [
        (vec!["entropy", url, "--bits", "9"], "error: --bits: "),
        (
            vec!["new-key", url, "--remote", "Bob", "--size", "9"],
            "error: --size: ",
        ),
        (vec!["key", url, "9", "--remote", "Bob"], "error: KEYID: "),
        (vec!["new-key", url, "--remote", ""], "error: --remote: "),
        (vec!["capabilities", "x"], "error: URL: "),
        (
            vec!["capabilities", url, "--connect-timeout", "x"],
            "error: --connect-timeout: ",
        ),
        (vec!["capabilities", url, "--pin", "x"], "error: --pin: "),
    ] {
        let ran = run_with(&pair, &args);
        assert!(
            ran.error(2).starts_with(option) && ran.stderr.contains("\nhint: "),
            "{ran:?}"
        );
    }
}

#[test]
fn the_network_is_3() {
    let pair = pair();
    let closed = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        format!("https://{}", socket.local_addr().expect("bound"))
    };
    assert_eq!(
        run_with(&pair, &["capabilities", &closed, "--json"]).json_error(3)["code"],
        "connect_failed"
    );
    let other = common::pair();
    let error = run_with(&other, &["capabilities", &pair.alice().url, "--json"]).json_error(3);
    assert_eq!(error["code"], "tls_failed");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let url = format!("https://{}", silent.local_addr().expect("bound"));
    let error = run_with(&pair, &["capabilities", &url, "--json", "--connect-timeout", "0.5"]).json_error(3);
    assert_eq!(error["code"], "timed_out");
}

#[test]
fn a_refusal_is_4_with_the_provider_s_words() {
    let pair = pair();
    let (key_id, _) = fresh_key(&pair);
    let args = ["key", &pair.bob().url, &key_id, "--remote", "Alice"];
    run_with(&pair, &args).ok();
    let again = run_with(&pair, &args);
    assert!(
        again.error(4).contains("\nprovider said: ") && again.stderr.contains("\nhint: "),
        "{again:?}"
    );
    let error = run_with(&pair, &[&args[..], &["--json"]].concat()).json_error(4);
    assert_eq!(
        (&error["code"], &error["advice"], &error["status"]),
        (&"rejected".into(), &"new_key".into(), &400.into())
    );
    assert!(error["provider_text"].is_string());
    let members: Vec<&str> = error.as_object().expect("object").keys().map(String::as_str).collect();
    assert_eq!(
        members,
        ["advice", "code", "hint", "message", "provider_text", "status"]
    );
}

/// Each fault, with the commands that it affects (n: new-key, k: key, e: entropy), its code, and its exit status.
const FAULTS: [(Fault, &str, &str, i32); 23] = [
    (Fault::DropBeforeResponse, "nke", "connection_lost", 3),
    (Fault::DropMidBody, "nke", "connection_lost", 3),
    (Fault::WrongKeyId, "k", "key_id_mismatch", 5),
    (Fault::WrongSize, "nk", "size_mismatch", 5),
    // shorter than its own minentropy
    (Fault::WrongSize, "e", "malformed_response", 5),
    (Fault::NotHex, "nke", "malformed_response", 5),
    (Fault::AllZeroKey, "nke", "weak_key", 5),
    (Fault::HugeBody, "nke", "response_too_large", 5),
    (Fault::HugeHeader, "nke", "response_too_large", 5),
    (Fault::ManyHeaders, "nke", "response_too_large", 5),
    (Fault::Redirect, "nke", "unexpected_status", 4),
    (Fault::DuplicateMember, "nke", "malformed_response", 5),
    (Fault::MissingMember, "nke", "malformed_response", 5),
    (Fault::Entropy503, "e", "busy", 4),
    (Fault::Key500, "nk", "provider_failed", 4),
    (Fault::Drip, "n", "timed_out", 3),
    (Fault::Stall, "n", "timed_out", 3),
    (Fault::ContentEncoding, "nke", "malformed_response", 5),
    (Fault::NotUtf8, "nke", "malformed_response", 5),
    (Fault::Html200, "nke", "malformed_response", 5),
    (Fault::TruncatedJson, "nke", "malformed_response", 5),
    (Fault::OddKey, "nke", "malformed_response", 5),
    (Fault::EchoKeyInError, "nke", "rejected", 4),
];

#[test]
fn each_fault_has_its_code_and_shows_no_secret() {
    for (fault, commands, code, status) in FAULTS {
        let pair = faulty(fault);
        for command in commands.chars() {
            pair.set_faults(&[]);
            let key_id = if command == 'k' {
                fresh_key(&pair).0
            } else {
                String::new()
            };
            pair.set_faults(&[fault]);
            let (alice, bob) = (&pair.alice().url, &pair.bob().url);
            let mut args = match command {
                'n' => vec!["new-key", alice, "--remote", "Bob", "--size", "256"],
                'k' => vec!["key", bob, &key_id, "--remote", "Alice"],
                _ => vec!["entropy", alice, "--bits", "256"],
            };
            args.extend(["--timeout", if code == "timed_out" { "1.5" } else { "20" }]);
            args.extend(["--show", "--json"]);
            let ran = run_with(&pair, &args);
            assert_eq!(ran.json_error(status)["code"], code, "{fault} {command}");
            assert!(!has_long_hex(&ran.stderr), "{fault} {command}: {}", ran.stderr);
        }
    }
}

#[test]
fn no_fault_is_forgotten() {
    for fault in Fault::ALL {
        let listed = FAULTS.iter().any(|(listed, ..)| listed == fault);
        assert_eq!(listed, fault.is_in_one_reply(), "{fault}");
    }
}

#[test]
fn a_busy_key_provider_can_be_waited_for() {
    let pair = faulty(Fault::Entropy503);
    let calm = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            run_with(
                &pair,
                &[
                    "entropy",
                    &pair.alice().url,
                    "--wait-when-busy",
                    "15",
                    "--timeout",
                    "20",
                ],
            )
        });
        common::wait_for("two requests", || pair.stats().requests >= 2);
        pair.set_faults(&[]);
        waiting.join().expect("ends")
    });
    assert!(calm.ok().contains("256"));
}
