//! Any text as an id, a keyId, a size or a payload of `IKEv2`: what is taken keeps the limits, and is the same after a
//! round trip.
//!
//! Input: text and payload are the same bytes.
#![cfg_attr(fuzzing, no_main)]

use skip_client::ikev2::{PpkIdentity, UsePpk};
use skip_client::{BitLength, KeyId, Request, SystemId};

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));

pub fn run(data: &[u8]) {
    payloads(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(bits) = text
        .parse::<u64>()
        .map_err(drop)
        .and_then(|n| BitLength::new(n).map_err(drop))
    {
        assert!((8..=65_536).contains(&bits.bits()) && bits.bits() % 8 == 0);
        safe(Request::entropy(Some(bits)).target());
    }
    let remote = SystemId::new(text);
    if let Ok(remote) = &remote {
        assert!((1..=255).contains(&text.len()) && !text.chars().any(char::is_control));
        assert_eq!(remote.as_str(), text);
        if let Ok(request) = Request::new_key(remote, None) {
            assert!(!remote.is_pattern(), "a pattern was asked for");
            safe(request.target());
        }
    }
    let strict = KeyId::new(text);
    if strict.is_ok() {
        assert!(
            KeyId::lenient(text).is_ok() || text.len() > 255,
            "lenient refuses what strict takes"
        );
    }
    for key_id in [strict, KeyId::lenient(text)].into_iter().flatten() {
        assert_eq!(key_id.as_str(), text);
        assert!(key_id.matches(text));
        let bob = SystemId::new("Bob").expect("an id");
        safe(Request::key_by_id(&key_id, &bob).expect("a request").target());
        let payload = PpkIdentity::text(&key_id);
        let same = PpkIdentity::decode(&payload.encode(0)).expect("its own payload");
        assert_eq!(same.identity(), text.as_bytes());
    }
}

/// A target can be a line of HTTP: nothing in it ends the line, begins another part, or needs a decoder that guesses.
fn safe(target: &str) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let holds = |part: &str, more: &[u8]| {
        part.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b) || more.contains(&b))
    };
    assert!(path.starts_with('/') && holds(path, b""), "{target:?}");
    assert!(holds(query, b"=&:@;'"), "{target:?}");
}

fn payloads(data: &[u8]) {
    if let Ok(payload) = UsePpk::decode(data) {
        assert_eq!(
            UsePpk::decode(&payload.encode(data[0])).map(|p| p.encode(data[0])),
            Ok(payload.encode(data[0]))
        );
    }
    if let Ok(payload) = PpkIdentity::decode(data) {
        let again = PpkIdentity::decode(&payload.encode(data[0])).expect("its own payload");
        assert_eq!(again.identity(), payload.identity());
    }
}
