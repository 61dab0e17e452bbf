//! Credentials in forms that are not read: each is named, with the command that converts it.

use std::fs;

use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::symm::Cipher;
use openssl::x509::X509;
use skip_client::{Client, ErrorCode};
use skip_key_provider::{KeyProviderPair, PairOptions};

#[test]
fn each_form_that_is_not_read_is_named_with_the_command_that_converts_it() {
    let pair = KeyProviderPair::start(PairOptions::default()).expect("starts");
    let read = |path| fs::read(path).expect("a file");
    let (ca, cert, key) = (read(pair.ca()), read(pair.client_cert()), read(pair.client_key()));
    let own_key = PKey::private_key_from_pem(&key).expect("a key");
    let own_cert = X509::from_pem(&cert).expect("a certificate");
    let authority = X509::from_pem(&ca).expect("a CA");
    let cipher = Cipher::aes_256_cbc();
    let encrypted = own_key.private_key_to_pem_pkcs8_passphrase(cipher, b"marker");
    let old = own_key
        .ec_key()
        .and_then(|key| key.private_key_to_pem_passphrase(cipher, b"marker"));
    let old = old.expect("a key");
    assert!(old.windows(9).any(|part| part == b"Proc-Type"));
    let mut pkcs12 = Pkcs12::builder();
    let pkcs12 = pkcs12.pkey(&own_key).cert(&own_cert).build2("marker").expect("PKCS#12");
    let pkcs12 = pkcs12.to_der().expect("DER");
    let of_key = own_key.private_key_to_der().expect("DER");

    let try_with = |ca: &[u8], cert: &[u8], key: &[u8]| {
        let client = Client::builder(&pair.alice().url).expect("a URL");
        client.ca_pem(ca).client_cert_pem(cert, key).build().map(drop)
    };
    try_with(&ca, &cert, &key).expect("as they are");
    let key_case = |content: &[u8]| try_with(&ca, &cert, content);
    for (outcome, field, form, command) in [
        (
            key_case(&encrypted.expect("a key")),
            "key",
            "encrypted private key",
            "openssl pkey -in",
        ),
        (key_case(&old), "key", "encrypted private key", "openssl pkey -in"),
        (
            key_case(&pkcs12),
            "key",
            "PKCS#12",
            "openssl pkcs12 -in FILE -nocerts -noenc",
        ),
        (key_case(&of_key), "key", "is DER", "openssl pkey -inform DER"),
        (
            try_with(&ca, &pkcs12, &key),
            "cert",
            "PKCS#12",
            "openssl pkcs12 -in FILE -nokeys",
        ),
        (
            try_with(&ca, &own_cert.to_der().expect("DER"), &key),
            "cert",
            "is DER",
            "openssl x509 -inform DER",
        ),
        (
            try_with(&authority.to_der().expect("DER"), &cert, &key),
            "ca",
            "is DER",
            "openssl x509 -inform DER",
        ),
        // text that only begins like a SEQUENCE
        (
            try_with(b"0001", &cert, &key),
            "ca",
            "at least one certificate",
            "-----BEGIN",
        ),
    ] {
        let error = outcome.expect_err("another form");
        let said = format!("{error} ({})", error.hint());
        assert_eq!(error.code(), ErrorCode::InvalidArgument, "{said}");
        assert!(error.message().starts_with(field), "{said}");
        assert!(said.contains(form) && said.contains(command), "{said}");
    }
}
