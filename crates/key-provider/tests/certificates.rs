//! Refused certificates: one text for each cause, in both TLS stacks, and helpful hints.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
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
    unknown_extension: bool,
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
        unknown_extension: false,
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
        all.push(usage.build().expect("a usage"));
    }
    if let Some(permitted) = spec.permitted {
        #[allow(deprecated)] // there is no builder for this one
        let constraints = X509Extension::new_nid(None, Some(&context), Nid::NAME_CONSTRAINTS, permitted);
        all.push(constraints.expect("constraints"));
    }
    if spec.unknown_extension {
        let id = Asn1Object::from_str("1.3.6.1.4.1.99999.1").expect("an id");
        let value = Asn1OctetString::new_from_bytes(&[5, 0]).expect("a value");
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

#[test]
#[allow(clippy::too_many_lines)] // a row for each cause
fn each_cause_for_which_a_certificate_is_refused_has_its_own_text() {
    let root = issue(&ca("Lab CA"), None);
    let other_root = issue(&ca("Other CA"), None);
    let under = |spec: &Spec| issue(spec, Some(&root));
    let middle = |spec: &Spec| issue(spec, Some(&root));
    let with_middle = |spec: Spec, own: &Spec| {
        let middle = middle(&spec);
        vec![issue(own, Some(&middle)), middle]
    };
    let change = |change: fn(&mut Spec)| {
        let mut spec = leaf();
        change(&mut spec);
        spec
    };
    let change_ca = |change: fn(&mut Spec)| {
        let mut spec = ca("Middle CA");
        change(&mut spec);
        spec
    };
    let two_middles = {
        let first = middle(&change_ca(|it| it.path_length = Some(0)));
        let second = issue(&ca("Second CA"), Some(&first));
        vec![issue(&leaf(), Some(&second)), second, first]
    };

    // the chain, the message, and whether rustls checks it at all
    let cases: Vec<(&str, Vec<Issued>, &str, bool)> = vec![
        (
            "address as a DNS name",
            vec![under(&change(|it| it.names = &["DNS:127.0.0.1"]))],
            "has 127.0.0.1 as a DNS name",
            true,
        ),
        (
            "another name",
            vec![under(&change(|it| it.names = &["DNS:kp.example", "2001:db8::1"]))],
            "for another name: kp.example, 2001:db8::1",
            true,
        ),
        (
            "no name",
            vec![under(&change(|it| it.names = &[]))],
            "does not name the host",
            true,
        ),
        (
            "purpose",
            vec![under(&change(|it| it.purpose = Some("clientAuth")))],
            "not for servers: its extended key usage",
            true,
        ),
        (
            "purpose of a CA",
            with_middle(change_ca(|it| it.purpose = Some("clientAuth")), &leaf()),
            "usage of CN=Middle CA lacks serverAuth",
            true,
        ),
        (
            "name constraint",
            with_middle(
                change_ca(|it| it.permitted = Some("critical,permitted;IP:10.0.0.0/255.0.0.0")),
                &leaf(),
            ),
            "name constraints forbid it",
            true,
        ),
        ("path length", two_middles, "path length constraint", true),
        (
            "issuer that is no CA",
            with_middle(change_ca(|it| it.ca = false), &leaf()),
            "issued by CN=Middle CA, which may not issue",
            true,
        ),
        (
            "key usage",
            with_middle(change_ca(|it| it.signs = false), &leaf()),
            "issued by CN=Middle CA, which may not issue",
            false,
        ),
        (
            "critical extension",
            vec![under(&change(|it| it.unknown_extension = true))],
            "critical extension that is not known here (1.3.6.1.4.1.99999.1)",
            true,
        ),
        (
            "SHA-1",
            vec![under(&change(|it| it.digest = MessageDigest::sha1()))],
            "signed with SHA-1 (CN=kp)",
            true,
        ),
        (
            "short RSA key",
            vec![under(&change(|it| it.rsa = Some(1024)))],
            "an RSA key of 1024 bits (CN=kp)",
            true,
        ),
        (
            "expired",
            vec![under(&change(|it| it.valid = (-20, -10)))],
            "certificate has expired (",
            true,
        ),
        (
            "expired CA",
            with_middle(change_ca(|it| it.valid = (-20, -10)), &leaf()),
            "chain has expired (CN=Middle CA, ",
            true,
        ),
        (
            "not yet valid",
            vec![under(&change(|it| it.valid = (10, 20)))],
            "certificate is not valid yet (",
            true,
        ),
        (
            "CA not yet valid",
            with_middle(change_ca(|it| it.valid = (10, 20)), &leaf()),
            "chain is not valid yet (CN=Middle CA, ",
            true,
        ),
        (
            "version 1",
            vec![under(&change(|it| it.version = 1))],
            "has X.509 version 1 (CN=kp)",
            true,
        ),
        (
            "another CA",
            vec![issue(&leaf(), Some(&other_root))],
            "its issuer is CN=Other CA",
            true,
        ),
        ("self-signed", vec![issue(&leaf(), None)], "is self-signed", true),
        (
            "CA as server",
            vec![under(&Spec { ca: true, ..leaf() })],
            "a CA's certificate as its own",
            true,
        ),
    ];
    let roots = pem(&[&root]);
    for (case, chain, expected, seen_by_rustls) in &cases {
        let chain: Vec<&Issued> = chain.iter().collect();
        for legacy in [false, true] {
            let url = serve(&chain, None);
            let Some((message, hint)) = said(&url, |it| it.ca_pem(roots.clone()).legacy(legacy)) else {
                // rustls does not check the key usage of CAs
                assert!(!legacy && !seen_by_rustls, "{case} {legacy}: accepted");
                continue;
            };
            assert!(message.contains(expected), "{case} {legacy}: {message}");
            // the hint names the remedy
            assert!(
                !hint.contains("server_name") || *case == "another name",
                "{case}: {hint}"
            );
            if hint.contains("pin") {
                let url = serve(&chain, None);
                let refused = said(&url, |it| it.pin(&pin(chain[0])).legacy(legacy));
                assert_eq!(refused, None, "{case} {legacy}: a pin does not help");
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
