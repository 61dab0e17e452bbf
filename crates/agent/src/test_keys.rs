//! Keys for tests, from replies of a Key Provider that are made up here.

use skip_client::{Answer, Headers, Key, Request, SystemId, parse_response};

/// Two keys of 256 bits.
pub(crate) fn keys() -> [Key; 2] {
    ["a1", "b2"].map(key)
}

/// The key of a keyId; the same one each time.
pub(crate) fn key(key_id: &str) -> Key {
    let remote: SystemId = "Bob".parse().expect("an id");
    let request = Request::new_key(&remote, None).expect("a request");
    let body = format!(r#"{{"keyId": "{key_id}", "key": "{}"}}"#, key_id.repeat(32));
    match parse_response(&request, 200, &Headers::default(), body.as_bytes(), true) {
        Ok(Answer::Key(key)) => key,
        _ => unreachable!("a valid reply"),
    }
}
