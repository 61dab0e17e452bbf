//! capabilities, new-key, key and entropy against a pair of Key Providers.

mod common;

use common::{command, fresh_key, has_long_hex, pair, run_with};
use skip_key_provider::{KeyProviderPair, PairOptions, SideOptions};

#[test]
fn capabilities_for_people_and_for_programs() {
    let pair = pair();
    let text = run_with(&pair, &["capabilities", &pair.alice().url]);
    let has = |label: &str, value: &str| {
        text.ok()
            .lines()
            .any(|line| line.starts_with(label) && line.contains(value))
    };
    assert!(
        has("localSystemID", "Alice") && has("remoteSystemID", "Bob") && has("key", "yes"),
        "{text:?}"
    );
    assert!(
        has("connection", "TLS 1.3, TLS_AES_256_GCM_SHA384, X25519MLKEM768"),
        "{text:?}"
    );
    let json = run_with(&pair, &["capabilities", &pair.bob().url, "--json"]).json();
    assert_eq!(json["localSystemID"], "Bob");
    assert_eq!(json["remoteSystemID"], serde_json::json!(["Alice"]));
    assert_eq!((&json["key"], &json["entropy"]), (&true.into(), &true.into()));
    assert!(json["algorithm"].is_string());
}

#[test]
fn both_ends_get_the_same_key() {
    let pair = pair();
    let (key_id, key) = fresh_key(&pair);
    let same = run_with(
        &pair,
        &["key", &pair.bob().url, &key_id, "--remote", "Alice", "--format", "json"],
    );
    assert_eq!(
        same.json(),
        serde_json::json!({"keyId": key_id, "bits": 256, "key": key})
    );
}

#[test]
fn text_shows_the_fingerprint_and_the_key_only_when_told() {
    let pair = pair();
    let value = |text: &str, label: &str| {
        let line = text.lines().find(|line| line.starts_with(label)).map(ToOwned::to_owned);
        line.map(|line| line[label.len()..].trim().to_owned())
    };
    let new = run_with(
        &pair,
        &["new-key", &pair.alice().url, "--remote", "Bob", "--size", "384"],
    );
    let key_id = value(new.ok(), "keyId").expect("keyId");
    assert_eq!(value(new.ok(), "bits").as_deref(), Some("384"));
    assert_eq!(value(new.ok(), "key "), None);
    let shown = run_with(&pair, &["key", &pair.bob().url, &key_id, "--remote", "Alice", "--show"]);
    assert_eq!(value(new.ok(), "fingerprint"), value(shown.ok(), "fingerprint"));
    assert_eq!(value(shown.ok(), "key ").expect("shown").len(), 96);
}

#[test]
fn each_form_of_a_key_carries_it() {
    let pair = pair();
    for (form, part) in [
        ("hex", "KEY\n"),
        ("strongswan", "secret = 0xKEY"),
        ("strongswan", "id = ID"),
        ("libreswan", "PPKS \"ID\" 0xKEY"),
        ("vyos", "'KEY'"),
        ("wpa", "mka_cak=KEY"),
        ("wpa", "mka_ckn=ID"),
        ("cisco", "KEY"),
    ] {
        let (key_id, key) = fresh_key(&pair);
        let out = run_with(
            &pair,
            &["key", &pair.bob().url, &key_id, "--remote", "Alice", "--format", form],
        );
        let part = part.replace("KEY", &key).replace("ID", &key_id);
        assert!(out.ok().contains(&part), "{form}");
        assert!(out.stdout.ends_with('\n') && !out.stdout.ends_with("\n\n"), "{form}");
        assert_eq!(out.stderr, "", "{form}");
    }
    for form in ["base64", "wireguard"] {
        let out = run_with(
            &pair,
            &["new-key", &pair.alice().url, "--remote", "Bob", "--format", form],
        );
        assert_eq!(out.ok().len(), 45, "{form}");
    }
    let raw = command(&[
        "new-key",
        &pair.alice().url,
        "--remote",
        "Bob",
        "--size",
        "512",
        "--format",
        "raw",
    ])
    .arg("--ca")
    .arg(pair.ca())
    .output()
    .expect("runs");
    assert_eq!(raw.stdout.len(), 64);
}

#[test]
fn a_form_without_key_id_leaves_it_on_stderr() {
    let pair = pair();
    let out = run_with(
        &pair,
        &["new-key", &pair.alice().url, "--remote", "Bob", "--format", "hex"],
    );
    let key = out.ok().trim_end();
    let key_id = out.stderr.strip_prefix("keyId: ").expect("a note").trim_end();
    let same = run_with(&pair, &["key", &pair.bob().url, key_id, "--remote", "Alice", "--json"]).json();
    assert_eq!(same["key"], key);
}

#[test]
fn entropy_in_each_form() {
    let pair = pair();
    let of = |more: &[&str]| {
        run_with(
            &pair,
            &[&["entropy", &pair.alice().url, "--bits", "512"], more].concat(),
        )
    };
    let text = of(&[]);
    assert!(text.ok().contains("512") && !has_long_hex(&text.stdout), "{text:?}");
    let json = of(&["--json"]).json();
    assert_eq!(
        (json["bits"].as_u64(), json["randomStr"].as_str().map(str::len)),
        (Some(512), Some(128))
    );
    assert_eq!(of(&["--format", "hex"]).ok().len(), 129);
    assert_eq!(of(&["--format", "base64"]).ok().len(), 89);
    assert!(has_long_hex(of(&["--show"]).ok()));
}

#[test]
fn the_environment_can_name_key_provider_and_trust() {
    let pair = pair();
    let (key_id, _) = fresh_key(&pair);
    let ran = |url: &str, args: &[&str]| {
        let mut command = command(args);
        command
            .env("SKIP_URL", url)
            .env("SKIP_CA", pair.ca())
            .env("SKIP_TLS", "1.2")
            .env("SKIP_TIMEOUT", "5");
        common::Ran::from(command.output().expect("runs"))
    };
    assert!(
        ran(&pair.bob().url, &["key", &key_id, "--remote", "Alice"])
            .ok()
            .contains(&key_id)
    );
    assert!(
        ran(&pair.alice().url, &["new-key", "--remote", "Bob"])
            .ok()
            .contains("fingerprint")
    );
    assert!(ran(&pair.alice().url, &["entropy"]).ok().contains("256"));
    assert!(ran(&pair.alice().url, &["capabilities"]).ok().contains("TLS 1.2"));
    ran(&pair.alice().url, &["new-key", "--remote", "Eve"]).error(2);
    let mut unchecked = command(&["new-key", "--remote", "Eve"]);
    unchecked
        .env("SKIP_URL", &pair.alice().url)
        .env("SKIP_CA", pair.ca())
        .env("SKIP_NO_CHECK_REMOTE", "1");
    common::Ran::from(unchecked.output().expect("runs")).error(4);
}

#[test]
fn a_client_certificate_opens_what_asks_for_one() {
    let options = PairOptions {
        require_client_cert: true,
        ..PairOptions::default()
    };
    let pair = KeyProviderPair::start(options).expect("the pair starts");
    let (cert, key) = (pair.client_cert(), pair.client_key());
    let (cert, key) = (cert.to_str().expect("UTF-8"), key.to_str().expect("UTF-8"));
    run_with(
        &pair,
        &["capabilities", &pair.alice().url, "--cert", cert, "--key", key],
    )
    .ok();
    run_with(&pair, &["capabilities", &pair.alice().url]).error(3);
    run_with(&pair, &["capabilities", &pair.alice().url, "--cert", cert]).error(2);
}

#[test]
fn a_fallback_stands_in_for_what_cannot_be_reached() {
    let pair = pair();
    let nobody = {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        format!("https://{}", socket.local_addr().expect("bound"))
    };
    let url = &pair.alice().url;
    assert!(
        run_with(&pair, &["capabilities", &nobody, "--fallback", url])
            .ok()
            .contains("Alice")
    );
}

#[test]
fn control_characters_of_a_key_provider_are_escaped() {
    let alice = SideOptions {
        remotes: vec!["B\u{202e}ob".to_owned(), "Bob".to_owned()],
        ..SideOptions::new("Alice", "Bob")
    };
    let options = PairOptions {
        alice,
        ..PairOptions::default()
    };
    let pair = KeyProviderPair::start(options).expect("the pair starts");
    for form in ["text", "json"] {
        let out = run_with(&pair, &["capabilities", &pair.alice().url, "--format", form]);
        assert!(out.ok().contains("202e") && !out.stdout.contains('\u{202e}'), "{out:?}");
    }
}
