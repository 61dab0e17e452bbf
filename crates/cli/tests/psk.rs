//! Pre-shared keys as people have them: the vectors that all languages share.

mod common;

use std::fs;

use base64ct::{Base64, Encoding as _};
use common::run;
use serde_json::Value;
use skip_client::Psk;
use skip_key_provider::{KeyProviderPair, PairOptions};

/// The key of all vectors that are taken.
const SHARED: &[u8] = b"0123456789abcdef0123456789abcdef";

#[test]
fn each_form_is_taken_as_the_vectors_say() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/vectors/draft-cisco-skip-02/psk.json"
    );
    let document: Value = serde_json::from_slice(&fs::read(path).expect("the vectors")).expect("JSON");
    let cases = document["cases"].as_array().expect("cases");
    assert!(!cases.is_empty());
    let mut identities: Vec<&str> = cases.iter().filter_map(|case| case["is"].as_str()).collect();
    identities.sort_unstable();
    identities.dedup();
    let psk = |identity: &&str| Psk::from_bytes(identity, SHARED).expect("a key");
    let pair = KeyProviderPair::start(PairOptions {
        psks: identities.iter().map(psk).collect(),
        ..PairOptions::default()
    });
    let pair = pair.expect("the pair starts");
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("psk.txt");
    let file = file.to_str().expect("UTF-8");
    for case in cases {
        let name = case["name"].as_str().expect("a name");
        let mut arguments = vec!["capabilities", &pair.alice().psk_url, "--json"];
        let input = case["input"].as_str();
        match case["form"].as_str().expect("a form") {
            "file" => {
                let mut buffer = [0; 256];
                let content = match (input, case["input_base64"].as_str()) {
                    (Some(text), _) => text.as_bytes(),
                    (None, bytes) => Base64::decode(bytes.expect("bytes"), &mut buffer).expect("base64"),
                };
                fs::write(file, content).expect("written");
                arguments.extend(["--psk-file", file]);
            }
            "hex" => arguments.extend(["--psk-hex", input.expect("text")]),
            "text" => arguments.extend(["--psk-text", input.expect("text")]),
            "base64" => arguments.extend(["--psk-base64", input.expect("text")]),
            other => panic!("{name}: unknown form {other}"),
        }
        if let Some(identity) = case["identity"].as_str() {
            arguments.extend(["--psk-identity", identity]);
        }
        let ran = run(&arguments);
        match case["code"].as_str() {
            Some(code) => assert_eq!(ran.json_error(2)["code"], code, "{name}"),
            None => assert_eq!(ran.json()["localSystemID"], "Alice", "{name}"),
        }
        assert!(!ran.stderr.contains("0123456789abcdef"), "{name}");
    }
}

#[test]
fn an_error_names_the_option_that_was_given() {
    for (option, wrong) in [("--psk-hex", "zz"), ("--psk-text", ""), ("--psk-base64", "?")] {
        let args = [
            "capabilities",
            "https://127.0.0.1:1",
            option,
            wrong,
            "--psk-identity",
            "router",
        ];
        let ran = run(&args);
        assert!(ran.error(2).contains(&format!("error: {option}: ")), "{ran:?}");
    }
}
