//! Keys for tests, parsed from made-up Key Provider responses.

use skip_client::{Headers, Key, Rules, SystemId, TypedRequest};

/// Two keys of 256 bits.
pub(crate) fn keys() -> [Key; 2] {
    ["a1", "b2"].map(key)
}

/// The key with this keyId; always the same.
pub(crate) fn key(key_id: &str) -> Key {
    let remote: SystemId = "Bob".parse().expect("an id");
    let request = TypedRequest::new_key(&remote, None).expect("a request");
    let body = format!(r#"{{"keyId": "{key_id}", "key": "{}"}}"#, key_id.repeat(32));
    let parsed = request.parse(200, &Headers::default(), body.as_bytes(), Rules::Lenient);
    parsed.expect("a valid reply")
}
