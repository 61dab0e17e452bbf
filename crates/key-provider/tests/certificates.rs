//! Refused certificates: one text for each cause, in both TLS stacks, and helpful hints.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use base64ct::{Base64, Encoding};
use openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sha::sha256;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslVerifyMode, SslVersion};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Extension, X509NameBuilder};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, PeerMisbehaved, ServerConfig,
    SignatureScheme,
};
use skip_client::{Advice, Client, ClientBuilder, ErrorCode, TlsVersion};

/// How a certificate differs from a valid one.
#[derive(Clone)]
struct Spec {
    name: &'static str,
    version: i32,
    rsa: Option<u32>,
    digest: MessageDigest,
    /// Days from now.
    valid: (i64, i64),
    /// Names of the subjectAltName: addresses begin with a digit or a colon.
    names: &'static [&'static str],
    purpose: Option<&'static str>,
    ca: bool,
    /// How many CAs may follow.
    path_length: Option<u32>,
    /// Whether its key usage allows signing certificates.
    signs: bool,
    permitted: Option<&'static str>,
    /// A critical extension with this id, and its value in DER.
    critical: Option<(&'static str, &'static [u8])>,
}

fn leaf() -> Spec {
    Spec {
        name: "kp",
        version: 3,
        rsa: None,
        digest: MessageDigest::sha384(),
        valid: (-10, 10),
        names: &["127.0.0.1"],
        purpose: Some("serverAuth"),
        ca: false,
        path_length: None,
        signs: false,
        permitted: None,
        critical: None,
    }
}

fn ca(name: &'static str) -> Spec {
    Spec {
        name,
        names: &[],
        purpose: None,
        ca: true,
        signs: true,
        ..leaf()
    }
}

/// A certificate with its key.
struct Issued {
    certificate: X509,
    key: PKey<Private>,
}

fn issue(spec: &Spec, issuer: Option<&Issued>) -> Issued {
    let key = if let Some(bits) = spec.rsa {
        PKey::from_rsa(Rsa::generate(bits).expect("a key"))
    } else {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("a curve");
        PKey::from_ec_key(EcKey::generate(&group).expect("a key"))
    };
    let key = key.expect("a key");
    let mut name = X509NameBuilder::new().expect("a name");
    name.append_entry_by_nid(Nid::COMMONNAME, spec.name).expect("a name");
    let name = name.build();
    let mut builder = X509::builder().expect("a certificate");
    let at = |days: i64| Asn1Time::from_unix(now() + days * 24 * 60 * 60).expect("a time");
    builder.set_version(spec.version - 1).expect("a version");
    let serial = BigNum::from_u32(rand_u32())
        .expect("a number")
        .to_asn1_integer()
        .expect("a number");
    builder.set_serial_number(&serial).expect("a number");
    builder.set_subject_name(&name).expect("a name");
    let issuer_name = issuer.map_or(name.as_ref(), |issuer| issuer.certificate.subject_name());
    builder.set_issuer_name(issuer_name).expect("a name");
    builder.set_not_before(&at(spec.valid.0)).expect("a time");
    builder.set_not_after(&at(spec.valid.1)).expect("a time");
    builder.set_pubkey(&key).expect("a key");
    if spec.version == 3 {
        for extension in extensions(spec, &builder, issuer) {
            builder.append_extension(extension).expect("an extension");
        }
    }
    builder
        .sign(issuer.map_or(&key, |issuer| &issuer.key), spec.digest)
        .expect("signed");
    Issued {
        certificate: builder.build(),
        key,
    }
}

fn extensions(spec: &Spec, builder: &openssl::x509::X509Builder, issuer: Option<&Issued>) -> Vec<X509Extension> {
    let mut all = Vec::new();
    let context = builder.x509v3_context(issuer.map(|issuer| &*issuer.certificate), None);
    if !spec.names.is_empty() {
        let mut names = SubjectAlternativeName::new();
        for name in spec.names {
            match name.strip_prefix("DNS:") {
                Some(name) => names.dns(name),
                None => names.ip(name),
            };
        }
        all.push(names.build(&context).expect("names"));
    }
    if let Some(purpose) = spec.purpose {
        all.push(ExtendedKeyUsage::new().other(purpose).build().expect("a purpose"));
    }
    if spec.ca {
        let mut constraints = BasicConstraints::new();
        constraints.critical().ca();
        if let Some(length) = spec.path_length {
            constraints.pathlen(length);
        }
        all.push(constraints.build().expect("constraints"));
        let mut usage = KeyUsage::new();
        usage.critical().crl_sign();
        if spec.signs {
            usage.key_cert_sign();
        }
        if spec.purpose.is_some() {
            usage.digital_signature();
        }
        all.push(usage.build().expect("a usage"));
    }
    if let Some(permitted) = spec.permitted {
        #[allow(deprecated)] // there is no builder for this one
        let constraints = X509Extension::new_nid(None, Some(&context), Nid::NAME_CONSTRAINTS, permitted);
        all.push(constraints.expect("constraints"));
    }
    if let Some((id, value)) = spec.critical {
        let id = Asn1Object::from_str(id).expect("an id");
        let value = Asn1OctetString::new_from_bytes(value).expect("a value");
        all.push(X509Extension::new_from_der(&id, true, &value).expect("an extension"));
    }
    all
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_secs()).expect("a time")
}

fn rand_u32() -> u32 {
    let mut bytes = [0; 4];
    openssl::rand::rand_bytes(&mut bytes).expect("random bytes");
    u32::from_be_bytes(bytes) | 1
}

fn pem(chain: &[&Issued]) -> Vec<u8> {
    chain
        .iter()
        .flat_map(|one| one.certificate.to_pem().expect("PEM"))
        .collect()
}

fn pin(one: &Issued) -> String {
    let key = one.key.public_key_to_der().expect("a key");
    format!("sha256/{}", Base64::encode_string(&sha256(&key)))
}

/// What a server requires of its clients.
#[derive(Clone)]
struct Wants {
    version: SslVersion,
    client_ca: X509,
}

/// A server that presents this chain to one client and answers one request; returns its URL.
fn serve(chain: &[&Issued], wants: Option<Wants>) -> String {
    let mut context = SslContext::builder(SslMethod::tls_server()).expect("a context");
    context.set_security_level(0);
    context.set_certificate(&chain[0].certificate).expect("a certificate");
    context.set_private_key(&chain[0].key).expect("its key");
    for issuer in &chain[1..] {
        context
            .add_extra_chain_cert(issuer.certificate.clone())
            .expect("a chain");
    }
    if let Some(Wants { version, client_ca }) = wants {
        context.set_max_proto_version(Some(version)).expect("a version");
        context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
        context.add_client_ca(&client_ca).expect("a CA");
        context.cert_store_mut().add_cert(client_ca).expect("a CA");
    }
    let context = context.build();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        let (tcp, _) = listener.accept().expect("a client");
        let mut same = tcp.try_clone().expect("a descriptor");
        let Ok(mut stream) = Ssl::new(&context).expect("memory").accept(tcp) else {
            // closing with unread bytes would reset the connection, and the alert would be lost
            let _ = same.shutdown(std::net::Shutdown::Write);
            let _ = same.read_to_end(&mut Vec::new());
            return;
        };
        // a client that gives up sends nothing
        let _ = stream.read(&mut [0; 1024]);
        let body = r#"{"entropy":true,"key":true,"algorithm":"","localSystemID":"kp","remoteSystemID":["x"]}"#;
        let length = body.len();
        let reply =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        let _ = stream.write_all(reply.as_bytes());
        let _ = stream.shutdown();
    });
    url
}

/// The error's message and hint, or nothing if it connects.
fn said(url: &str, trust: impl Fn(ClientBuilder) -> ClientBuilder) -> Option<(String, String)> {
    let built = trust(Client::builder(url).expect("a URL")).build();
    let error = built.and_then(|client| client.capabilities()).err()?;
    Some((error.message().to_owned(), error.hint().to_owned()))
}

/// Which of the TLS libraries refuses a chain.
#[derive(Clone, Copy, PartialEq)]
enum SeenBy {
    Both,
    Rustls,
    OpenSsl,
}

/// Both TLS libraries (OpenSSL is the legacy one), each with both versions.
const WAYS: [(bool, TlsVersion); 4] = [
    (false, TlsVersion::Tls12),
    (false, TlsVersion::Tls13),
    (true, TlsVersion::Tls12),
    (true, TlsVersion::Tls13),
];
const UNKNOWN_EXTENSION: (&str, &[u8]) = ("1.3.6.1.4.1.99999.1", &[5, 0]);
/// Certificate policies: the policy 1.2.3.
const POLICIES: (&str, &[u8]) = ("2.5.29.32", &[0x30, 6, 0x30, 4, 6, 2, 0x2a, 3]);

#[test]
#[allow(clippy::too_many_lines)] // a row for each cause
fn each_cause_for_which_a_certificate_is_refused_has_its_own_text() {
    let root = issue(&ca("Lab CA"), None);
    let other_root = issue(&ca("Other CA"), None);
    let old_root = issue(
        &Spec {
            version: 1,
            ..ca("Old CA")
        },
        None,
    );
    let expired_root = issue(
        &Spec {
            valid: (-20, -10),
            ..ca("Expired CA")
        },
        None,
    );
    let roots = pem(&[&root, &old_root, &expired_root]);
    let changed = |mut spec: Spec, change: fn(&mut Spec)| {
        change(&mut spec);
        spec
    };
    // a chain of one certificate, and of one with a CA below the root
    let own = |change: fn(&mut Spec)| vec![issue(&changed(leaf(), change), Some(&root))];
    let middle = |change: fn(&mut Spec)| {
        let middle = issue(&changed(ca("Middle CA"), change), Some(&root));
        vec![issue(&leaf(), Some(&middle)), middle]
    };
    let two_middles = {
        let first = issue(&changed(ca("Middle CA"), |it| it.path_length = Some(0)), Some(&root));
        let second = issue(&ca("Second CA"), Some(&first));
        vec![issue(&leaf(), Some(&second)), second, first]
    };
    let with_old_root = {
        let own = issue(&changed(leaf(), |it| it.names = &["DNS:kp.example"]), Some(&old_root));
        vec![own, old_root]
    };

    // the chain, the message, the hint, and which library refuses it
    let cases: Vec<(Vec<Issued>, &str, &str, SeenBy)> = vec![
        (
            own(|it| it.names = &["DNS:127.0.0.1"]),
            "has 127.0.0.1 as a DNS name, where an address does not count",
            "as an IP address of the subjectAltName (IP:, not DNS:)",
            SeenBy::Both,
        ),
        (
            own(|it| it.names = &["DNS:kp.example", "2001:db8::1"]),
            "for another name: kp.example, 2001:db8::1",
            "give one of these names (server_name)",
            SeenBy::Both,
        ),
        (
            own(|it| it.names = &[]),
            "does not name the host",
            "issued with a subjectAltName",
            SeenBy::Both,
        ),
        (
            own(|it| it.purpose = Some("clientAuth")),
            "not for servers: its extended key usage lacks serverAuth",
            "extendedKeyUsage = serverAuth",
            SeenBy::Both,
        ),
        (
            middle(|it| it.purpose = Some("clientAuth")),
            "usage of CN=Middle CA lacks serverAuth",
            "extendedKeyUsage = serverAuth",
            SeenBy::Both,
        ),
        (
            middle(|it| it.permitted = Some("critical,permitted;IP:10.0.0.0/255.0.0.0")),
            "name constraints forbid it",
            "by a CA that may name this host",
            SeenBy::Both,
        ),
        (
            two_middles,
            "path length constraint forbids it",
            "by a CA with fewer others between it and the root",
            SeenBy::Both,
        ),
        (
            middle(|it| it.ca = false),
            "issued by CN=Middle CA, which may not issue",
            "have it issued by a CA",
            SeenBy::Both,
        ),
        (
            middle(|it| it.signs = false),
            "issued by CN=Middle CA, which may not issue",
            "have it issued by a CA",
            SeenBy::OpenSsl,
        ),
        (
            own(|it| it.critical = Some(UNKNOWN_EXTENSION)),
            "critical extension that is not known here (1.3.6.1.4.1.99999.1)",
            "without the extension",
            SeenBy::Both,
        ),
        (
            middle(|it| it.critical = Some(UNKNOWN_EXTENSION)),
            "critical extension that is not known here (1.3.6.1.4.1.99999.1)",
            "without the extension",
            SeenBy::Both,
        ),
        (
            own(|it| it.critical = Some(POLICIES)),
            "critical extension that is not known here (2.5.29.32)",
            "or with one that is not critical",
            SeenBy::Rustls,
        ),
        (
            own(|it| it.digest = MessageDigest::sha1()),
            "signed with SHA-1 (CN=kp)",
            "signed with SHA-256 or SHA-384",
            SeenBy::Both,
        ),
        (
            middle(|it| it.digest = MessageDigest::sha1()),
            "signed with SHA-1 (CN=Middle CA)",
            "signed with SHA-256 or SHA-384",
            SeenBy::Both,
        ),
        (
            own(|it| it.rsa = Some(1024)),
            "an RSA key of 1024 bits (CN=kp)",
            "an RSA key of at least 2048 bits",
            SeenBy::Both,
        ),
        (
            middle(|it| it.rsa = Some(1024)),
            "an RSA key of 1024 bits (CN=Middle CA)",
            "an RSA key of at least 2048 bits",
            SeenBy::Both,
        ),
        (
            own(|it| it.valid = (-20, -10)),
            "the Key Provider's certificate has expired (",
            "have it renewed",
            SeenBy::Both,
        ),
        (
            middle(|it| it.valid = (-20, -10)),
            "chain has expired (CN=Middle CA, ",
            "must send the renewed certificate of that CA",
            SeenBy::Both,
        ),
        (
            vec![issue(&leaf(), Some(&expired_root))],
            "chain has expired (CN=Expired CA, ",
            "if it is the one given here (ca), give the renewed one",
            SeenBy::OpenSsl,
        ),
        (
            own(|it| it.valid = (10, 20)),
            "certificate is not valid yet (",
            "check the clocks",
            SeenBy::Both,
        ),
        (
            middle(|it| it.valid = (10, 20)),
            "chain is not valid yet (CN=Middle CA, ",
            "check the clocks",
            SeenBy::Both,
        ),
        (
            own(|it| it.version = 1),
            "has X.509 version 1 (CN=kp)",
            "which makes it version 3",
            SeenBy::Both,
        ),
        (
            middle(|it| it.version = 1),
            "has X.509 version 1 (CN=Middle CA)",
            "which makes it version 3",
            SeenBy::Both,
        ),
        (
            // the root, which is sent along, is not what is wrong
            with_old_root,
            "for another name: kp.example",
            "give one of these names (server_name)",
            SeenBy::Both,
        ),
        (
            vec![issue(&leaf(), Some(&other_root))],
            "its issuer is CN=Other CA",
            "the CA that issued it (ca)",
            SeenBy::Both,
        ),
        (
            vec![issue(&leaf(), None)],
            "is self-signed",
            "pin its public key (pin, without ca)",
            SeenBy::Both,
        ),
        (
            own(|it| it.ca = true),
            "a CA's certificate as its own",
            "CA:FALSE",
            SeenBy::Rustls,
        ),
    ];
    for (chain, expected, remedy, seen_by) in &cases {
        let chain: Vec<&Issued> = chain.iter().collect();
        for (legacy, tls) in WAYS {
            let other = if legacy { SeenBy::Rustls } else { SeenBy::OpenSsl };
            let case = format!("{expected} ({tls:?}, legacy: {legacy})");
            let trusting = |it: ClientBuilder| it.ca_pem(roots.clone()).legacy(legacy).tls(tls);
            let Some((message, hint)) = said(&serve(&chain, None), trusting) else {
                assert!(*seen_by == other, "{case}: accepted");
                continue;
            };
            assert!(*seen_by != other, "{case}: refused");
            assert!(message.contains(expected), "{case}: {message}");
            assert!(hint.contains(remedy), "{case}: {hint}");
            // an option that is named helps
            if hint.contains("pin") {
                let pinned = |it: ClientBuilder| it.pin(&pin(chain[0])).legacy(legacy).tls(tls);
                assert_eq!(said(&serve(&chain, None), pinned), None, "{case}: a pin does not help");
            }
            if hint.contains("server_name") {
                let named = |it| trusting(it).server_name("kp.example");
                assert_eq!(
                    said(&serve(&chain, None), named),
                    None,
                    "{case}: the name does not help"
                );
            }
        }
    }
}

#[test]
fn our_own_certificate_is_checked_before_anything_is_sent() {
    let root = issue(&ca("Lab CA"), None);
    let own = |change: fn(&mut Spec)| {
        let mut spec = Spec {
            purpose: Some("clientAuth"),
            ..leaf()
        };
        change(&mut spec);
        issue(&spec, Some(&root))
    };
    let key = |one: &Issued| one.key.private_key_to_pem_pkcs8().expect("PEM");
    let (good, other) = (own(|_| {}), own(|_| {}));
    let cases = [
        ("cert: has expired (", own(|it| it.valid = (-20, -10)), None),
        ("cert: is not valid yet (", own(|it| it.valid = (10, 20)), None),
        ("lacks clientAuth", own(|it| it.purpose = Some("serverAuth")), None),
        ("X.509 version 1", own(|it| it.version = 1), None),
        ("does not belong to the private key", good, Some(key(&other))),
    ];
    // nothing listens there
    let build = |cert: Vec<u8>, key: Vec<u8>, legacy: bool| {
        let client = Client::builder("https://127.0.0.1:9")
            .expect("a URL")
            .ca_pem(pem(&[&root]));
        client.client_cert_pem(cert, key).legacy(legacy).build().map(drop)
    };
    for legacy in [false, true] {
        for (expected, one, other_key) in &cases {
            let key = other_key.clone().unwrap_or_else(|| key(one));
            let error = build(pem(&[one]), key, legacy).expect_err(expected);
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{expected}");
            assert!(error.message().contains(expected), "{expected}: {error}");
        }
        let error = build(key(&other), pem(&[&other]), legacy).expect_err("swapped");
        assert!(error.message().contains("swapped"), "{error}");
        // no extended key usage means any
        build(pem(&[&own(|it| it.purpose = None)]), key(&other), legacy).expect_err("another key");
        let any = own(|it| it.purpose = None);
        build(pem(&[&any]), key(&any), legacy).expect("fine");
    }
}

#[test]
fn a_refused_client_certificate_is_looked_at_again() {
    let root = issue(&ca("Lab CA"), None);
    let other_root = issue(&ca("Other CA"), None);
    let provider = issue(&leaf(), Some(&root));
    let own = issue(
        &Spec {
            name: "encryptor",
            purpose: Some("clientAuth"),
            ..leaf()
        },
        Some(&other_root),
    );
    let key = own.key.private_key_to_pem_pkcs8().expect("PEM");
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        for legacy in [false, true] {
            let wants = || {
                Some(Wants {
                    version,
                    client_ca: root.certificate.clone(),
                })
            };
            let trust = |it: ClientBuilder| it.ca_pem(pem(&[&root])).legacy(legacy);
            let (message, _) = said(&serve(&[&provider], wants()), trust).expect("no certificate");
            assert!(
                message.contains("wants a client certificate"),
                "{version:?} {legacy}: {message}"
            );
            let shown = |it| trust(it).client_cert_pem(pem(&[&own]), key.clone());
            let (message, _) = said(&serve(&[&provider], wants()), shown).expect("of another CA");
            assert!(
                message.contains("refused the client certificate (unknown_ca)"),
                "{message}"
            );
            assert!(
                message.contains("issuer") && message.contains("CN=Other CA"),
                "{message}"
            );
        }
    }
}

/// Refuses every client certificate, for this reason.
#[derive(Debug)]
struct Refuses(rustls::Error, Arc<CryptoProvider>);

impl ClientCertVerifier for Refuses {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Err(self.0.clone())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.1.signature_verification_algorithms.supported_schemes()
    }
}

/// A server that answers the certificate of one client with the alert for this error; returns its URL.
fn refuse(provider: &Issued, error: rustls::Error) -> String {
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certificate = CertificateDer::from(provider.certificate.to_der().expect("DER"));
    let key = PrivateKeyDer::try_from(provider.key.private_key_to_pkcs8().expect("DER")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::clone(&crypto))
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .expect("versions")
        .with_client_cert_verifier(Arc::new(Refuses(error, crypto)))
        .with_single_cert(vec![certificate], key)
        .expect("a certificate");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    thread::spawn(move || {
        let (mut tcp, _) = listener.accept().expect("a client");
        let mut session = rustls::ServerConnection::new(Arc::new(config)).expect("memory");
        while session.complete_io(&mut tcp).is_ok() && session.is_handshaking() {}
        while session.wants_write() && session.write_tls(&mut tcp).is_ok() {}
        // closing with unread bytes would reset the connection, and the alert would be lost
        let _ = tcp.shutdown(std::net::Shutdown::Write);
        let _ = tcp.read_to_end(&mut Vec::new());
    });
    url
}

#[test]
fn each_alert_about_our_certificate_is_named_beside_what_we_see_in_it() {
    let root = issue(&ca("Lab CA"), None);
    let provider = issue(&leaf(), Some(&root));
    let own = issue(
        &Spec {
            name: "encryptor",
            purpose: Some("clientAuth"),
            ..leaf()
        },
        Some(&root),
    );
    let key = own.key.private_key_to_pem_pkcs8().expect("PEM");
    let misbehaved = PeerMisbehaved::BadCertChainExtensions;
    let trusted = "for clients, and of a CA that the Key Provider trusts";
    let cases: [(rustls::Error, &str, &str); 9] = [
        (CertificateError::BadEncoding.into(), "bad_certificate", trusted),
        (
            CertificateError::InvalidPurpose.into(),
            "unsupported_certificate",
            trusted,
        ),
        (
            CertificateError::Revoked.into(),
            "certificate_revoked",
            "issue another one",
        ),
        (
            CertificateError::Expired.into(),
            "certificate_expired",
            "the clocks of both machines",
        ),
        (
            CertificateError::Other(OtherError(Arc::new(std::fmt::Error))).into(),
            "certificate_unknown",
            trusted,
        ),
        (CertificateError::UnknownIssuer.into(), "unknown_ca", trusted),
        (
            CertificateError::ApplicationVerificationFailure.into(),
            "access_denied",
            trusted,
        ),
        // a certificate of a CA that was replaced by one of the same name
        (CertificateError::BadSignature.into(), "decrypt_error", trusted),
        // some have one alert for everything
        (rustls::Error::General(String::new()), "handshake_failure", trusted),
    ];
    for (legacy, tls) in WAYS {
        let trust = |it: ClientBuilder| it.ca_pem(pem(&[&root])).legacy(legacy).tls(tls);
        let shown = |it| trust(it).client_cert_pem(pem(&[&own]), key.clone());
        for (error, alert, remedy) in &cases {
            let (message, hint) = said(&refuse(&provider, error.clone()), shown).expect(alert);
            let case = format!("{alert} ({tls:?}, legacy: {legacy}): {message}; {hint}");
            let look = format!("the Key Provider refused the client certificate ({alert}); here it is valid until ");
            assert!(message.starts_with(&look), "{case}");
            assert!(message.ends_with("; its issuer is CN=Lab CA"), "{case}");
            assert!(hint.contains(remedy), "{case}");
        }
        // an alert that is not about certificates
        let (message, _) = said(&refuse(&provider, misbehaved.clone().into()), shown).expect("refused");
        let expected = "the Key Provider ended the TLS handshake: illegal_parameter";
        assert_eq!(message, expected, "{tls:?}, legacy: {legacy}");
        let (message, hint) = said(&refuse(&provider, CertificateError::Revoked.into()), trust).expect("refused");
        assert_eq!(
            message, "the Key Provider wants a client certificate",
            "{tls:?}, legacy: {legacy}"
        );
        assert!(hint.contains("cert and key"), "{hint}");
    }
}

#[test]
fn the_only_version_asked_for_is_named_when_it_is_not_there() {
    let root = issue(&ca("Lab CA"), None);
    let provider = issue(&leaf(), Some(&root));
    for legacy in [false, true] {
        let wants = Wants {
            version: SslVersion::TLS1_2,
            client_ca: root.certificate.clone(),
        };
        let url = serve(&[&provider], Some(wants));
        let trust = |it: ClientBuilder| it.ca_pem(pem(&[&root])).tls(TlsVersion::Tls13).legacy(legacy);
        let (message, hint) = said(&url, trust).expect("no TLS 1.3");
        assert!(message.contains("which was 1.3 alone"), "{message}");
        assert!(hint.contains("tls=auto"), "{hint}");
    }
}

#[test]
fn a_connection_that_ends_in_the_handshake_may_be_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let root = issue(&ca("Lab CA"), None);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            // the request is not answered, as by a Key Provider that is shutting down
            let mut client = client;
            let _ = client.read(&mut [0; 4096]);
        }
    });
    let builder = || Client::builder(&url).expect("a URL");
    let psk = skip_client::Psk::from_bytes("encryptor", &[7; 32]).expect("a key");
    for builder in [
        builder().ca_pem(pem(&[&root])),
        builder().ca_pem(pem(&[&root])).legacy(true),
        builder().psk(psk),
    ] {
        let error = builder.build().expect("a client").capabilities().expect_err("closed");
        assert_eq!(
            (error.code(), error.advice()),
            (ErrorCode::TlsFailed, Advice::SameRequest)
        );
    }
}
