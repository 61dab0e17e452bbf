//! The test vectors, which are shared by all languages of the project.

use std::collections::BTreeSet;

use serde_json::Value;
use skip_client::ikev2::{PpkIdentity, UsePpk};
use skip_client::{
    Answer, BitLength, Error, ExportFormat, Headers, Key, KeyId, MessageKind, Request, Rules, SchemaStyle, Severity,
    SystemId, is_valid, matches_remote, parse_response, schema, validate,
};

/// The cases of one file. A file without cases, or a case with an unknown word, is an error.
fn cases(file: &str, words: &[&str]) -> Vec<Value> {
    let path = format!(
        "{}/../tests/vectors/draft-cisco-skip-02/{file}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert!(
        text.trim_start_matches(['{', ' ', '\n']).starts_with("\"_comment\""),
        "{file}: the comment comes first"
    );
    let cases = document["cases"].as_array().expect("cases").clone();
    assert!(!cases.is_empty(), "{file} has no cases");
    let names: BTreeSet<_> = cases.iter().map(|c| c["name"].as_str().expect("a name")).collect();
    assert_eq!(names.len(), cases.len(), "{file}: names repeat");
    for case in &cases {
        for word in case.as_object().expect("an object").keys() {
            assert!(
                word == "name" || words.contains(&word.as_str()),
                "{file}: unknown word {word}"
            );
        }
    }
    cases
}

fn name(case: &Value) -> &str {
    case["name"].as_str().expect("a name")
}

fn text<'a>(case: &'a Value, word: &str) -> &'a str {
    case[word]
        .as_str()
        .unwrap_or_else(|| panic!("{}: {word} is a string", name(case)))
}

fn strings<'a>(case: &'a Value, word: &str) -> Vec<&'a str> {
    let list = case[word]
        .as_array()
        .unwrap_or_else(|| panic!("{}: {word} is a list", name(case)));
    list.iter().map(|s| s.as_str().expect("a string")).collect()
}

fn body(case: &Value) -> Vec<u8> {
    match case.get("body_base64") {
        Some(_) => base64(text(case, "body_base64")),
        None => text(case, "body").as_bytes().to_vec(),
    }
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |b: u8| match b {
        b'A'..=b'Z' => Some(b - b'A'),
        b'a'..=b'z' => Some(b - b'a' + 26),
        b'0'..=b'9' => Some(b - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u8> = text.bytes().map_while(digit).collect();
    let group = |four: &[u8]| {
        let bits = four.iter().fold(0u32, |n, d| n << 6 | u32::from(*d)) << (6 * (4 - four.len()));
        bits.to_be_bytes()[1..four.len()].to_vec()
    };
    digits.chunks(4).flat_map(group).collect()
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).expect("ASCII"), 16).expect("hexadecimal");
    text.as_bytes().chunks(2).map(byte).collect()
}

const MESSAGE_WORDS: [&str; 7] = [
    "body",
    "body_base64",
    "valid",
    "errors",
    "warnings",
    "lenient",
    "as_published",
];

#[test]
fn messages_are_judged_as_the_vectors_say() {
    for kind in MessageKind::ALL {
        for case in cases(kind.as_str(), &MESSAGE_WORDS) {
            let name = name(&case);
            let body = body(&case);
            let problems = validate(kind, &body, Rules::Strict);
            let found = |severity| -> BTreeSet<String> {
                problems
                    .iter()
                    .filter(|p| p.severity == severity)
                    .map(|p| format!("{} {}", p.path, p.code))
                    .collect()
            };
            let expected = |word| {
                strings(&case, word)
                    .into_iter()
                    .map(str::to_owned)
                    .collect::<BTreeSet<_>>()
            };
            assert_eq!(found(Severity::Error), expected("errors"), "{name}");
            assert_eq!(found(Severity::Warning), expected("warnings"), "{name}");
            for (rules, word) in [
                (Rules::Strict, "valid"),
                (Rules::Lenient, "lenient"),
                (Rules::AsPublished, "as_published"),
            ] {
                assert_eq!(
                    Some(is_valid(kind, &body, rules)),
                    case[word].as_bool(),
                    "{name}: {word}"
                );
            }
            for problem in problems {
                assert!(!problem.message.is_empty() && !problem.section.is_empty(), "{name}");
            }
        }
    }
}

/// Rules that a schema cannot express: those that a JSON parser has already applied, and those that need two members or
/// arithmetic.
const BEYOND_SCHEMA: [&str; 6] = [
    "syntax",
    "duplicate_member",
    "weak_key",
    "too_short",
    "escaped",
    "not_integer",
];

#[test]
fn the_schemas_give_the_same_verdict_where_they_can() {
    for kind in MessageKind::ALL {
        for style in [SchemaStyle::Strict, SchemaStyle::AsPublished] {
            let document: Value = serde_json::from_str(schema(kind, style)).expect("JSON");
            let validator = jsonschema::validator_for(&document).expect("a schema");
            let mut compared = 0;
            for case in cases(kind.as_str(), &MESSAGE_WORDS) {
                let Ok(message) = serde_json::from_slice::<Value>(&body(&case)) else {
                    continue;
                };
                let beyond = strings(&case, "errors")
                    .iter()
                    .any(|e| BEYOND_SCHEMA.iter().any(|code| e.ends_with(code)));
                if beyond {
                    continue;
                }
                let word = if style == SchemaStyle::Strict {
                    "valid"
                } else {
                    "as_published"
                };
                // length limits in the schema count characters, ours bytes; the vectors for them are ASCII
                assert_eq!(
                    Some(validator.is_valid(&message)),
                    case[word].as_bool(),
                    "{}: {word}",
                    name(&case)
                );
                compared += 1;
            }
            assert!(compared > 10, "{}: nothing was compared", kind.as_str());
        }
    }
}

#[test]
fn patterns_match_as_the_vectors_say() {
    for case in cases("patterns", &["pattern", "matches", "matches_not"]) {
        let pattern = text(&case, "pattern");
        for id in strings(&case, "matches") {
            assert!(matches_remote([pattern], id), "{}: {id}", name(&case));
        }
        for id in strings(&case, "matches_not") {
            assert!(!matches_remote([pattern], id), "{}: {id}", name(&case));
        }
    }
}

fn request_of(case: &Value) -> Result<Request, Error> {
    let size = case
        .get("size")
        .map(|s| BitLength::new(s.as_u64().expect("a number")))
        .transpose()?;
    let remote = || SystemId::new(text(case, "remote"));
    match text(case, "kind") {
        "capabilities" => Ok(Request::capabilities()),
        "new_key" => Request::new_key(&remote()?, size),
        "key_by_id" => {
            let lenient = case.get("lenient").is_some_and(|l| l == true);
            let id = if lenient {
                KeyId::lenient(text(case, "key_id"))?
            } else {
                KeyId::new(text(case, "key_id"))?
            };
            Request::key_by_id(&id, &remote()?)
        }
        "entropy" => Ok(Request::entropy(size)),
        other => panic!("{}: unknown kind {other}", name(case)),
    }
}

#[test]
fn requests_are_spelled_as_the_vectors_say() {
    for case in cases(
        "requests",
        &["kind", "remote", "size", "key_id", "lenient", "target", "code"],
    ) {
        match request_of(&case) {
            Ok(request) => assert_eq!(request.target(), text(&case, "target"), "{}", name(&case)),
            Err(error) => assert_eq!(error.code().as_str(), text(&case, "code"), "{}", name(&case)),
        }
    }
}

#[test]
fn statuses_mean_what_the_vectors_say() {
    for case in cases("statuses", &["kind", "status", "code", "advice"]) {
        let remote = SystemId::new("Bob").expect("an id");
        let request = match text(&case, "kind") {
            "capabilities" => Request::capabilities(),
            "new_key" => Request::new_key(&remote, None).expect("a request"),
            "key_by_id" => Request::key_by_id(&KeyId::new("00").expect("a keyId"), &remote).expect("a request"),
            "entropy" => Request::entropy(None),
            other => panic!("unknown kind {other}"),
        };
        let status = u16::try_from(case["status"].as_u64().expect("a number")).expect("a status");
        let body = b"{\"detail\": \"no key ad229dfb8a276e74c1f3b6c09349a69f\"}";
        let error = parse_response(&request, status, &Headers::default(), body, Rules::Strict).expect_err(name(&case));
        assert_eq!(error.code().as_str(), text(&case, "code"), "{}", name(&case));
        assert_eq!(error.advice().as_str(), text(&case, "advice"), "{}", name(&case));
        assert_eq!(error.status(), Some(status), "{}", name(&case));
        assert_eq!(error.provider_text(), Some("{\"detail\": \"no key [redacted]\"}"));
    }
}

#[test]
fn ikev2_payloads_are_as_the_vectors_say() {
    for case in cases(
        "ikev2",
        &[
            "payload",
            "hex",
            "local_system_id",
            "key_id",
            "octets",
            "next_payload",
            "error",
        ],
    ) {
        let name = name(&case);
        let bytes = hex(text(&case, "hex"));
        let next = case
            .get("next_payload")
            .map_or(0, |n| u8::try_from(n.as_u64().expect("a number")).expect("a byte"));
        let refused = case.get("error").is_some();
        match text(&case, "payload") {
            "use_ppk" => match UsePpk::decode(&bytes) {
                Ok(payload) => {
                    assert!(!refused, "{name}");
                    assert_eq!(
                        payload.local_system_id.as_ref().map(SystemId::as_str),
                        case["local_system_id"].as_str(),
                        "{name}"
                    );
                    assert_eq!(payload.encode(next), bytes, "{name}");
                }
                Err(error) => assert!(refused, "{name}: {error}"),
            },
            "ppk_identity" => match PpkIdentity::decode(&bytes) {
                Ok(payload) => {
                    assert!(!refused, "{name}");
                    assert_eq!(payload.encode(next), bytes, "{name}");
                    let made = if case.get("key_id").is_some() {
                        assert_eq!(
                            payload.key_id().expect("text").as_str(),
                            text(&case, "key_id"),
                            "{name}"
                        );
                        PpkIdentity::text(&KeyId::new(text(&case, "key_id")).expect("a keyId"))
                    } else {
                        let id = payload.key_id_of_octets().expect("octets");
                        assert_eq!(id.as_str(), text(&case, "octets"), "{name}");
                        PpkIdentity::octets(&id).expect("hexadecimal")
                    };
                    assert_eq!(made, payload, "{name}");
                }
                Err(error) => assert!(refused, "{name}: {error}"),
            },
            other => panic!("{name}: unknown payload {other}"),
        }
    }
}

/// A key as a lenient client receives it.
fn key_of(case: &Value) -> Key {
    let key = text(case, "key");
    let body = format!(r#"{{"keyId": "{}", "key": "{key}"}}"#, text(case, "key_id"));
    let size = BitLength::new(key.len() as u64 * 4).expect("a size");
    let request = Request::new_key(&SystemId::new("Bob").expect("an id"), Some(size)).expect("a request");
    match parse_response(&request, 200, &Headers::default(), body.as_bytes(), Rules::Lenient) {
        Ok(Answer::Key(key)) => key,
        other => panic!("{}: {other:?}", name(case)),
    }
}

#[test]
fn keys_are_exported_as_the_vectors_say() {
    for case in cases("export", &["format", "key_id", "key", "output", "output_hex", "code"]) {
        let name = name(&case);
        let exported = text(&case, "format")
            .parse::<ExportFormat>()
            .and_then(|format| key_of(&case).export(format));
        let expected = match (case.get("output"), case.get("output_hex"), case.get("code")) {
            (Some(_), None, None) => Ok(text(&case, "output").as_bytes().to_vec()),
            (None, Some(_), None) => Ok(hex(text(&case, "output_hex"))),
            (None, None, Some(_)) => Err(text(&case, "code")),
            _ => panic!("{name}: has one of output, output_hex and code"),
        };
        let result = exported.as_ref().map(|e| e.to_vec()).map_err(|e| e.code().as_str());
        assert!(result == expected, "{name}");
        if let Ok(exported) = exported {
            assert_eq!(
                exported.capacity(),
                exported.len(),
                "{name}: a buffer that grew leaves copies"
            );
        }
    }
}

/// The key of all vectors that are taken.
#[cfg(feature = "https")]
const PSK: &[u8] = b"0123456789abcdef0123456789abcdef";

#[cfg(feature = "https")]
#[test]
fn pre_shared_keys_are_read_as_the_vectors_say() {
    use skip_client::{Psk, PskForm};

    for case in cases("psk", &["form", "identity", "input", "input_base64", "is", "code"]) {
        let name = name(&case);
        let input = match case.get("input_base64") {
            Some(_) => base64(text(&case, "input_base64")),
            None => text(&case, "input").as_bytes().to_vec(),
        };
        let chosen = case.get("identity").and_then(Value::as_str);
        let identity = || chosen.expect("an identity");
        let read = match text(&case, "form") {
            "file" => Psk::from_file_content(&input, chosen),
            "hex" => Psk::from_hex(identity(), &input),
            "text" => Psk::from_text(identity(), text(&case, "input")),
            "base64" => Psk::from_base64(identity(), &input),
            other => panic!("{name}: unknown form {other}"),
        };
        let result = read.as_ref().map(Psk::identity).map_err(|error| error.code().as_str());
        let expected = match case.get("code") {
            Some(_) => Err(text(&case, "code")),
            None => Ok(text(&case, "is")),
        };
        assert_eq!(result, expected, "{name}");
        if let Ok(psk) = &read {
            assert!(psk.key().expose() == PSK, "{name}: another key");
        }
        // a file that has the key as text or in base64, with and without a line feed
        let form = match text(&case, "form") {
            "text" => PskForm::Text,
            "base64" => PskForm::Base64,
            _ => continue,
        };
        for end in ["", "\r\n"] {
            let content = [&input[..], end.as_bytes()].concat();
            let read = Psk::from_file_content_as(form, &content, chosen);
            // the line feed at the end of a file does not count
            let is_taken = result.is_ok() || (end.is_empty() && input.ends_with(b"\n") && !identity().ends_with('\n'));
            assert_eq!(read.is_ok(), is_taken, "{name}, in a file");
        }
    }
}
