//! Credentials in other forms than plain PEM: with a password they are opened; what is not read is named, with the command that
//! converts it.

use std::fs;
use std::path::Path;

use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::stack::Stack;
use openssl::symm::Cipher;
use openssl::x509::X509;
use skip_client::{Client, ClientBuilder, Error, ErrorCode};
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
            "key_password",
            "private key is encrypted",
            "give the password",
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
            try_with(&ca, &pkcs12, b""),
            "key_password",
            "PKCS#12 file is encrypted",
            "give the password",
        ),
        (
            try_with(&pkcs12, &cert, &key),
            "ca",
            "PKCS#12",
            "openssl pkcs12 -in FILE -nokeys -cacerts",
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

/// Ed25519 keys of nobody, in PKCS#8 that is encrypted with the password `marker`: by scrypt with AES-256, and by MD5 with DES.
const SCRYPT: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n\
    MIGTME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAiuR3Tm9HXTUQICBAAC\n\
    AQgCAQEwHQYJYIZIAWUDBAEqBBBSyCD4f2Rs1Jdu9VBF21Q3BEDtjSl+ibXziUuR\n\
    z3iCxvvwUyaoZHd9f4Aw9qRmGlKJlv3XKZ9kkNeTwFATrOAMioSPkf64HUhw33fX\n\
    b7AVNC9X\n\
    -----END ENCRYPTED PRIVATE KEY-----\n";
const DES: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n\
    MFcwGwYJKoZIhvcNAQUDMA4ECHvdrGVI1m6mAgIIAAQ4yDAVJPHDnPw6Hhf8C7wW\n\
    979U2zX19tcPX8fAPUZD1peeZP2bjB0nzpnPQnkMIM0aL01XjHqCfJY=\n\
    -----END ENCRYPTED PRIVATE KEY-----\n";

/// The credentials of a pair, sealed with a password.
struct Sealed {
    pair: KeyProviderPair,
    cert: Vec<u8>,
    own_cert: X509,
    own_key: PKey<Private>,
}

impl Sealed {
    fn start() -> Self {
        let pair = KeyProviderPair::start(PairOptions::default()).expect("starts");
        let cert = fs::read(pair.client_cert()).expect("a file");
        let key = fs::read(pair.client_key()).expect("a file");
        Self {
            own_cert: X509::from_pem(&cert).expect("a certificate"),
            own_key: PKey::private_key_from_pem(&key).expect("a key"),
            pair,
            cert,
        }
    }

    fn pkcs8(&self, password: &[u8]) -> Vec<u8> {
        let pem = self
            .own_key
            .private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), password);
        pem.expect("a key")
    }

    fn pkcs12(&self, password: &str) -> Vec<u8> {
        let ca = X509::from_pem(&fs::read(self.pair.ca()).expect("a file")).expect("a CA");
        let mut chain = Stack::new().expect("memory");
        chain.push(ca).expect("memory");
        let mut file = Pkcs12::builder();
        let file = file.pkey(&self.own_key).cert(&self.own_cert).ca(chain).build2(password);
        file.and_then(|file| file.to_der()).expect("PKCS#12")
    }

    fn builder(&self) -> ClientBuilder {
        let builder = Client::builder(&self.pair.alice().url).expect("a URL");
        builder.ca_file(self.pair.ca())
    }
}

#[test]
fn a_password_opens_an_encrypted_key_and_pkcs12() {
    let sealed = Sealed::start();
    let longest = "x".repeat(1023);
    for password in ["marker", "\u{fc}ber", "with spaces ", &longest] {
        let of_key = |builder: ClientBuilder| builder.client_cert_pem(&*sealed.cert, sealed.pkcs8(password.as_bytes()));
        let of_both = |builder: ClientBuilder| builder.client_cert_pem(sealed.pkcs12(password), "");
        for with in [&of_key as &dyn Fn(ClientBuilder) -> ClientBuilder, &of_both] {
            let client = with(sealed.builder()).key_password(password).build().expect("opens");
            client.capabilities().expect("is accepted");
        }
    }
    // PKCS#12 may have no password
    let client = sealed.builder().client_cert_pem(sealed.pkcs12(""), "").build();
    client.expect("opens").capabilities().expect("is accepted");
    // scrypt is opened too: the key is that of another certificate
    let other = sealed
        .builder()
        .client_cert_pem(&*sealed.cert, SCRYPT)
        .key_password("marker");
    let error = other.build().map(drop).expect_err("another key");
    assert_eq!(error.to_string(), "cert: does not belong to the private key");
}

#[test]
fn what_a_password_does_not_open_is_named() {
    let sealed = Sealed::start();
    let (pkcs8, pkcs12) = (sealed.pkcs8(b"marker"), sealed.pkcs12("marker"));
    let mut old = Pkcs12::builder();
    old.pkey(&sealed.own_key)
        .cert(&sealed.own_cert)
        .mac_md(MessageDigest::sha1());
    old.key_algorithm(Nid::PBE_WITHSHA1AND3_KEY_TRIPLEDES_CBC);
    old.cert_algorithm(Nid::PBE_WITHSHA1AND3_KEY_TRIPLEDES_CBC);
    let old = old.build2("marker").and_then(|file| file.to_der()).expect("PKCS#12");
    let try_with = |cert: &[u8], key: &[u8], password: &str| {
        let builder = sealed.builder().client_cert_pem(cert, key).key_password(password);
        builder.build().map(drop)
    };
    try_with(&sealed.cert, &pkcs8, "marker").expect("opens");
    try_with(&old, b"", "marker").expect("opens");
    for (outcome, message) in [
        (
            try_with(&sealed.cert, &pkcs8, "other"),
            "key_password: does not open the private key",
        ),
        (
            try_with(&pkcs12, b"", "other"),
            "key_password: does not open the PKCS#12 file",
        ),
        (
            try_with(&sealed.cert, &pkcs8, ""),
            "key_password: must have 1 to 1023 bytes, without NUL",
        ),
        (
            try_with(&sealed.cert, &pkcs8, "a\0"),
            "key_password: must have 1 to 1023 bytes, without NUL",
        ),
        (
            try_with(&sealed.cert, &pkcs8, &"x".repeat(1024)),
            "key_password: must have 1 to 1023 bytes, without NUL",
        ),
        (
            try_with(&sealed.cert, DES.as_bytes(), "marker"),
            "key: is encrypted in a way that OpenSSL does not support here",
        ),
        (
            try_with(&pkcs12[..pkcs12.len() - 9], b"", "marker"),
            "cert: is PKCS#12 that cannot be read",
        ),
        (try_with(&sealed.cert, b"", "marker"), "key: is missing"),
    ] {
        let error = outcome.expect_err(message);
        assert_eq!((error.code(), error.message()), (ErrorCode::InvalidArgument, message));
        assert!(!format!("{error:?}").contains("marker"), "{error:?}");
    }
}

#[test]
fn a_file_with_the_password_is_read_again_with_the_key() {
    let sealed = Sealed::start();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let write = |password: &str| {
        let replace = |path: &Path, content: &[u8]| {
            fs::write(path.with_extension("new"), content).expect("written");
            fs::rename(path.with_extension("new"), path).expect("renamed");
        };
        replace(&path("client.key"), &sealed.pkcs8(password.as_bytes()));
        replace(&path("password"), format!("{password}\r\n").as_bytes());
    };
    write("first");
    let builder = sealed
        .builder()
        .cert_file(sealed.pair.client_cert())
        .key_file(path("client.key"));
    let client = builder.key_password_file(path("password")).build().expect("opens");
    client.refresh_capabilities().expect("is accepted");
    write("second");
    client.refresh_capabilities().expect("is accepted");
    assert!(client.connection().expect("a connection").warnings.is_empty());
    fs::write(path("password"), "\n").expect("written");
    let builder = sealed
        .builder()
        .cert_file(sealed.pair.client_cert())
        .key_file(path("client.key"));
    let error: Error = builder
        .key_password_file(path("password"))
        .build()
        .map(drop)
        .expect_err("empty");
    assert_eq!(
        error.to_string(),
        "key_password: the file has no password in its first line"
    );
}
