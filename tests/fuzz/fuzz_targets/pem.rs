//! Any file in the place of a CA, a certificate or a private key: a client or an error that names what is wrong, no panic, and nothing of
//! the file in the error.
//!
//! Input (seeds.py writes the same): a digit that says which file it is, a line feed, the file.
#![cfg_attr(fuzzing, no_main)]

use skip_client::{Client, ErrorCode};

/// Made for this target, and used nowhere else.
const CERTIFICATE: &[u8] = include_bytes!("../pem/certificate.pem");
const PRIVATE_KEY: &[u8] = include_bytes!("../pem/private-key.pem");

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));

pub fn run(data: &[u8]) {
    let ([which, b'\n'], file) = data.split_at(data.len().min(2)) else {
        return;
    };
    let builder = Client::builder("https://127.0.0.1:8443").expect("a URL");
    let client = match which {
        b'0' => builder.ca_pem(file),
        b'1' => builder.ca_pem(CERTIFICATE).client_cert_pem(file, PRIVATE_KEY),
        b'2' => builder.ca_pem(CERTIFICATE).client_cert_pem(CERTIFICATE, file),
        _ => return,
    };
    let Err(error) = client.build().map(drop) else { return };
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    let shown = format!("{error} {error:?} {}", error.hint());
    assert!(!error.to_string().chars().any(char::is_control), "one printable line");
    let digits = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    for line in file.split(|b| !digits(b)).filter(|line| line.len() >= 24) {
        assert!(
            !shown.as_bytes().windows(24).any(|w| w == &line[..24]),
            "a line of the file is shown"
        );
    }
}
