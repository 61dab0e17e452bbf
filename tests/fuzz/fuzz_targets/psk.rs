//! Any file of pre-shared keys, and any text as a key: no panic, limits kept, nothing of the input shown, and a key
//! that was read reads the same when it is written again.
//!
//! Input (seeds.py writes the same): an identity, a line feed, the file.
#![cfg_attr(fuzzing, no_main)]

use skip_client::{Error, ErrorCode, Psk};

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));

pub fn run(data: &[u8]) {
    let Some(end) = data.iter().position(|b| *b == b'\n') else {
        return;
    };
    let (Ok(identity), content) = (std::str::from_utf8(&data[..end]), &data[end + 1..]) else {
        return;
    };
    for result in [
        Psk::from_file_content(content, None),
        Psk::from_file_content(content, Some(identity)),
        Psk::from_hex(identity, content),
        Psk::from_base64(identity, content),
        Psk::from_bytes(identity, content),
        Psk::from_text(identity, &String::from_utf8_lossy(content)),
    ] {
        match result {
            Ok(psk) => check(&psk),
            Err(error) => check_error(&error, content),
        }
    }
    match Psk::all_of_file_content(content) {
        Ok(all) => {
            assert!(!all.is_empty(), "a file without keys was taken");
            all.iter().for_each(check);
        }
        Err(error) => check_error(&error, content),
    }
}

fn check(psk: &Psk) {
    assert!((1..=128).contains(&psk.identity().len()) && !psk.identity().contains('\0'));
    let key = psk.key().expose();
    assert!((1..=256).contains(&key.len()));
    assert_eq!(psk.is_short(), key.len() < 16);
    let digits = key.iter().flat_map(|b| [b >> 4, b & 15]);
    let digits: String = digits.filter_map(|d| char::from_digit(d.into(), 16)).collect();
    let shown = format!("{psk:?}");
    // an identity is shown, and may have the same digits
    assert!(
        digits.len() < 16 || psk.identity().contains(&digits) || !shown.contains(&digits),
        "Debug shows a key"
    );
    let same = Psk::from_hex(psk.identity(), digits.as_bytes()).expect("its own digits");
    assert!(same.key() == psk.key(), "another key came back");
}

fn check_error(error: &Error, content: &[u8]) {
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    let shown = format!("{error} {error:?} {}", error.hint());
    assert!(!error.to_string().chars().any(char::is_control), "one printable line");
    for run in shown
        .as_bytes()
        .split(|b| !b.is_ascii_hexdigit())
        .filter(|run| run.len() >= 16)
    {
        assert!(
            !content.windows(16).any(|w| w == &run[..16]),
            "digits of the file are shown"
        );
    }
}
