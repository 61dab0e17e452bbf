//! Any reply, to each request and by all rules: no panic, and the promises of `parse_response` and `validate` hold.
//!
//! Input (seeds.py writes the same): a byte for the size that is asked for, a byte for the status, the Content-Type as one line, the body.
#![cfg_attr(fuzzing, no_main)]

use serde::de::IgnoredAny;
use skip_client::{
    Answer, BitLength, Error, ErrorCode, Headers, KeyId, MessageKind, Request, RequestKind, Rules, SystemId, is_valid,
    parse_response, validate,
};

/// The keyId that is asked for; seeds.py puts it into replies.
const KEY_ID: &str = "1726e9AE76234FB1dd1283d4dca1911e1f93864d70f3069e";

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));

pub fn run(data: &[u8]) {
    let [size, status, rest @ ..] = data else { return };
    let Some(end) = rest.iter().position(|b| *b == b'\n') else {
        return;
    };
    let (line, body) = (&rest[..end], &rest[end + 1..]);
    let headers = Headers {
        content_type: (!line.is_empty()).then(|| String::from_utf8_lossy(line).into_owned()),
        ..Headers::default()
    };
    // '0': no size is asked for; the other bytes are sizes from 8 to 2040 bits
    let size = match size {
        b'0' | 0 => None,
        n => Some(BitLength::new(u64::from(*n) * 8).expect("a size")),
    };
    // most replies are a 200, because there is more to read in one
    let status = match status {
        n if n.is_ascii_graphic() => 200,
        n => u16::from(*n) * 5,
    };
    check_rules(body);
    let remote = SystemId::new("Bob").expect("an id");
    let requests = [
        Request::capabilities(),
        Request::new_key(&remote, size).expect("a request"),
        Request::key_by_id(&KeyId::new(KEY_ID).expect("a keyId"), &remote).expect("a request"),
        Request::entropy(size),
    ];
    for request in requests {
        for lenient in [false, true] {
            match parse_response(&request, status, &headers, body, Rules::of_lenient(lenient)) {
                Ok(answer) => {
                    assert_eq!(status, 200, "only a 200 is an answer");
                    check_answer(&request, size, body, lenient, &answer);
                }
                Err(error) => check_error(&request, status, body, lenient, &error),
            }
        }
    }
}

fn message_kind(request: &Request) -> MessageKind {
    match request.kind() {
        RequestKind::Capabilities => MessageKind::Capabilities,
        RequestKind::NewKey | RequestKind::KeyById => MessageKind::Key,
        RequestKind::Entropy => MessageKind::Entropy,
    }
}

fn rules(lenient: bool) -> Rules {
    if lenient { Rules::Lenient } else { Rules::Strict }
}

fn check_answer(request: &Request, size: Option<BitLength>, body: &[u8], lenient: bool, answer: &Answer) {
    assert!(
        is_valid(message_kind(request), body, rules(lenient)),
        "taken but invalid"
    );
    match answer {
        Answer::Capabilities(capabilities) => {
            assert_eq!(request.kind(), RequestKind::Capabilities);
            assert!(
                !capabilities.remote_system_ids().is_empty(),
                "draft 4.1.2: at least one"
            );
            let _ = capabilities.matches_remote("Bob");
        }
        Answer::Key(key) => {
            let bits = size.map_or(key.bits(), BitLength::bits);
            if request.kind() == RequestKind::KeyById {
                assert_eq!(key.key_id().as_str(), KEY_ID, "the spelling that was asked for");
                assert!((128..=4096).contains(&key.bits()));
            } else {
                assert_eq!(request.kind(), RequestKind::NewKey);
                assert_eq!(key.bits(), bits, "the size that was asked for");
                assert!(size.is_some() || (128..=4096).contains(&key.bits()));
            }
            assert_eq!(key.secret().len() * 8, key.bits() as usize);
            check_strong(key.secret().expose());
            assert_hidden(&format!("{key:?}"), key.secret().expose());
        }
        Answer::Entropy(entropy) => {
            assert_eq!(request.kind(), RequestKind::Entropy);
            assert!(
                entropy.bits() >= size.map_or(1, BitLength::bits),
                "at least what was asked for"
            );
            assert!(entropy.secret().len() * 8 >= entropy.bits() as usize);
            check_strong(entropy.secret().expose());
            assert_hidden(&format!("{entropy:?}"), entropy.secret().expose());
        }
    }
}

fn check_strong(secret: &[u8]) {
    assert!(secret.len() < 8 || secret.iter().any(|b| *b != 0) && secret.iter().any(|b| *b != 0xFF));
}

fn assert_hidden(shown: &str, secret: &[u8]) {
    let digits = secret.iter().flat_map(|b| [b >> 4, b & 15]);
    let hex: String = digits.filter_map(|d| char::from_digit(d.into(), 16)).collect();
    assert!(
        hex.len() < 32 || !shown.to_ascii_lowercase().contains(&hex),
        "Debug shows a secret"
    );
}

fn check_error(request: &Request, status: u16, body: &[u8], lenient: bool, error: &Error) {
    let shown = format!("{error} {error:?} {}", error.hint());
    assert!(!error.to_string().chars().any(char::is_control), "one printable line");
    assert_no_digits_of(body, &shown);
    if status != 200 {
        assert_eq!(error.status(), Some(status));
        check_provider_text(error.provider_text().unwrap_or_default());
        return;
    }
    assert_eq!(error.provider_text(), None, "nothing of a 200 is kept");
    let fine = match error.code() {
        ErrorCode::MalformedResponse | ErrorCode::WeakKey => false,
        ErrorCode::SizeMismatch | ErrorCode::KeyIdMismatch => true,
        other => panic!("{other} for a 200"),
    };
    assert_eq!(
        is_valid(message_kind(request), body, rules(lenient)),
        fine,
        "{}",
        error.code()
    );
}

fn check_provider_text(text: &str) {
    assert!(text.len() <= 512 && !text.chars().any(char::is_control));
    let could_be_key = |b: &u8| b.is_ascii_alphanumeric() || b"+/=_-".contains(b);
    let longest = text.as_bytes().split(|b| !could_be_key(b)).map(<[u8]>::len).max();
    assert!(longest < Some(16), "a run that could be a key");
}

/// 16 hexadecimal digits in a row are a key for all that the client knows, and none of its own words has so many.
fn assert_no_digits_of(body: &[u8], shown: &str) {
    let runs = shown.as_bytes().split(|b| !b.is_ascii_hexdigit());
    for run in runs.filter(|run| run.len() >= 16) {
        assert!(
            !body.windows(16).any(|w| w == &run[..16]),
            "digits of the body are shown"
        );
    }
}

fn check_rules(body: &[u8]) {
    for kind in MessageKind::ALL {
        let problems = validate(kind, body, Rules::Strict);
        // one more says that there were too many
        assert!(problems.len() <= 101);
        for problem in &problems {
            assert!(
                problem.path.is_empty() || problem.path.starts_with('/'),
                "a JSON Pointer"
            );
            assert!(!problem.message.is_empty() && !problem.section.is_empty());
            let shown = format!("{} {}", problem.path, problem.message);
            assert!(!shown.chars().any(char::is_control));
            assert_no_digits_of(body, &shown);
        }
        if is_valid(kind, body, Rules::Strict) {
            assert!(
                is_valid(kind, body, Rules::Lenient),
                "lenient refuses what strict takes"
            );
            assert!(
                is_valid(kind, body, Rules::AsPublished),
                "as-published refuses what strict takes"
            );
        }
        // serde_json takes 127 levels, we take 128
        if body.iter().filter(|b| b"[{".contains(b)).count() < 120 {
            let ours = !problems.iter().any(|p| p.code == "syntax");
            let theirs = std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
            assert_eq!(ours, theirs, "what is JSON");
        }
    }
}
