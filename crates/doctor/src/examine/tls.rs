//! The connection: versions, suites, certificate, who is let in, how it ends.

use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::pkey::Id as KeyKind;
use openssl::rand::rand_bytes;
use openssl::x509::X509;
use skip_client::{ConnectionInfo, Ending, Error, ErrorCode, HelloAnswer, Probe, Psk, TlsVersion};

use crate::catalogue::{Group, Id};
use crate::profile::Profile;

use super::session::{At, Session, sentence};
use super::suites::{BROKEN, CERTIFICATE, OLD, PSK, Suite, has_forward_secrecy};

const REQUIRED: &str = "TLS_AES_256_GCM_SHA384";
const TLS12: u16 = 0x0303;
/// How long the end of a connection is waited for.
const GOODBYE: Duration = Duration::from_secs(1);

/// `false` when there is no connection, and nothing else can be examined.
pub(super) fn run(session: &mut Session<'_>) -> bool {
    let Some((info, certificates)) = connect(session) else {
        return false;
    };
    device(session);
    tls13(session);
    let accepted = tls12_suites(session, &info);
    old_versions(session);
    broken_suites(session);
    forward_secrecy(session, &info, &accepted);
    post_quantum(session, &info);
    if session.probe().psk().is_some() {
        let none = "There are no certificates with pre-shared keys.";
        session.skip(Id::TlsCertificate, none);
        session.skip(Id::TlsCertificateExpiry, none);
    } else {
        certificate(session, &certificates);
    }
    strangers(session);
    goodbye(session);
    if session.is_stopped() {
        session.skip_rest(Group::Tls, "The examination was stopped before this check.");
    }
    true
}

/// TLS 1.3 may refuse a client only after the handshake, so a request belongs to it.
fn connect(session: &mut Session<'_>) -> Option<(ConnectionInfo, Vec<Vec<u8>>)> {
    let connected = session.connect(At::Here);
    let reached = connected.and_then(|mut connection| {
        let control = session.control(At::Here);
        match connection.send("GET", "/capabilities", &control) {
            Err(error) if matches!(error.code(), ErrorCode::TlsFailed | ErrorCode::ConnectFailed) => Err(error),
            // what else goes wrong is no matter of the connection
            _ => Ok(connection),
        }
    });
    match reached {
        Ok(connection) => {
            let info = connection.info().clone();
            session.pass(
                Id::Connect,
                format!("Connected to {}: {}.", info.address, described(&info)),
            );
            session.report().connection = Some(info.clone());
            Some((info, connection.certificates()))
        }
        Err(error) => {
            session.broken_with(Id::Connect, sentence(error.message()), error.hint());
            None
        }
    }
}

fn described(info: &ConnectionInfo) -> String {
    let mut parts = vec![info.tls_version.as_str(), info.cipher_suite.as_str()];
    parts.extend(info.group.as_deref());
    parts.join(", ")
}

fn device(session: &mut Session<'_>) {
    let probe = session.probe();
    match (session.examination().profile, probe.psk()) {
        (Profile::NxOs, Some(psk)) => session.judge(
            Id::DevicePsk,
            psk.identity().bytes().all(|byte| byte.is_ascii_digit()),
            "The identity of the pre-shared key is a number, as NX-OS is used with.",
            "The identity of the pre-shared key is no number; NX-OS is used with numbers.",
        ),
        (Profile::NxOs, None) => session.pass(Id::DevicePsk, "NX-OS can use certificates (a trustpoint)."),
        (_, psk) => session.judge(
            Id::DevicePsk,
            psk.is_some(),
            "This is a connection with a pre-shared key, which is all that IOS XE has.",
            "This is a connection with certificates; IOS XE has pre-shared keys only.",
        ),
    }
    let port = probe.port();
    session.judge(
        Id::DevicePort,
        port == 443 || port > 1024,
        format!("IOS XE takes port {port}."),
        format!("IOS XE does not take port {port}."),
    );
}

fn tls13(session: &mut Session<'_>) {
    let result = with(session, |probe| probe.offering(TlsVersion::Tls13));
    match result {
        Ok(info) if info.cipher_suite == REQUIRED => {
            session.pass(Id::Tls13, format!("TLS 1.3 is there: {}.", described(&info)));
        }
        Ok(info) => session.broken(
            Id::Tls13,
            format!(
                "TLS 1.3 is there, but with {} instead of {REQUIRED}.",
                info.cipher_suite
            ),
        ),
        Err(error) => session.broken(Id::Tls13, format!("TLS 1.3 is not there: {}.", error.message())),
    }
}

/// A connection of another kind.
fn with(session: &Session<'_>, other: impl FnOnce(&Probe) -> Result<Probe, Error>) -> Result<ConnectionInfo, Error> {
    let other = other(session.probe())?;
    Ok(other.connect(&session.control(At::Here))?.info().clone())
}

/// What is taken, one by one: each answer chooses one of those that are left.
fn tls12_suites(session: &mut Session<'_>, info: &ConnectionInfo) -> Vec<&'static str> {
    let known: &[Suite] = if session.probe().psk().is_some() {
        PSK
    } else {
        CERTIFICATE
    };
    let mut left: Vec<&Suite> = known.iter().collect();
    let mut accepted: Vec<&Suite> = Vec::new();
    while !left.is_empty() {
        let numbers: Vec<u16> = left.iter().map(|suite| suite.number).collect();
        match session.probe().hello(TLS12, &numbers, &session.control(At::Here)) {
            Ok(HelloAnswer::Accepted { version: TLS12, suite }) => {
                let Some(at) = left.iter().position(|one| one.number == suite) else {
                    break;
                };
                accepted.push(left.remove(at));
            }
            Ok(_) => break,
            Err(error) => {
                session.note(format!("hello of TLS 1.2: {error}"));
                break;
            }
        }
    }
    let names: Vec<&str> = accepted.iter().map(|suite| suite.name).collect();
    for name in &names {
        session.note(format!("TLS 1.2 accepts {name}"));
    }
    if accepted.is_empty() && info.tls_version == "TLS 1.2" {
        session.broken(
            Id::Tls12Suites,
            format!(
                "TLS 1.2 is there with {}, which Table 1 does not recommend.",
                info.cipher_suite
            ),
        );
    } else if accepted.is_empty() {
        session.skip(
            Id::Tls12Suites,
            "TLS 1.2 is not offered with a suite of 256 bits; TLS 1.3 is enough.",
        );
    } else if accepted.iter().any(|suite| suite.recommended) {
        session.pass(Id::Tls12Suites, format!("TLS 1.2 accepts {}.", names.join(", ")));
    } else {
        session.broken(
            Id::Tls12Suites,
            format!(
                "TLS 1.2 accepts {}, none of which Table 1 recommends.",
                names.join(", ")
            ),
        );
    }
    names
}

fn old_versions(session: &mut Session<'_>) {
    for (version, name) in [(0x0302, "TLS 1.1"), (0x0301, "TLS 1.0")] {
        match session.probe().hello(version, OLD, &session.control(At::Here)) {
            Ok(HelloAnswer::Accepted { version, .. }) if version < TLS12 => {
                return session.broken(Id::TlsOldVersions, format!("{name} is accepted."));
            }
            Ok(_) => session.note(format!("hello of {name}: refused")),
            Err(error) => return session.skip(Id::TlsOldVersions, sentence(error.message())),
        }
    }
    session.pass(Id::TlsOldVersions, "TLS 1.0 and 1.1 are refused.");
}

fn broken_suites(session: &mut Session<'_>) {
    match session.probe().hello(TLS12, BROKEN, &session.control(At::Here)) {
        Ok(HelloAnswer::Accepted { suite, .. }) => session.broken(
            Id::TlsWeakSuites,
            format!("The broken suite 0x{suite:04x} (its number at IANA) is accepted."),
        ),
        Ok(HelloAnswer::Refused) => session.pass(
            Id::TlsWeakSuites,
            format!(
                "{} suites without encryption or authentication, or with RC4, DES or 3DES, are refused.",
                BROKEN.len()
            ),
        ),
        Err(error) => session.skip(Id::TlsWeakSuites, sentence(error.message())),
    }
}

fn forward_secrecy(session: &mut Session<'_>, info: &ConnectionInfo, accepted: &[&str]) {
    let suite = &info.cipher_suite;
    let without: Vec<&str> = accepted
        .iter()
        .copied()
        .filter(|name| !has_forward_secrecy(name))
        .collect();
    let also = if without.is_empty() {
        String::new()
    } else {
        format!(
            " A client that offers nothing else also gets {}, without it.",
            without.join(", ")
        )
    };
    session.judge(
        Id::TlsForwardSecrecy,
        has_forward_secrecy(suite),
        format!("{suite} has forward secrecy in {}.{also}", info.tls_version),
        format!("{suite} has no forward secrecy."),
    );
}

fn post_quantum(session: &mut Session<'_>, info: &ConnectionInfo) {
    /// What Grover's algorithm leaves 128 bits of (draft 8).
    const BITS: usize = 256;
    if let Some(psk) = session.probe().psk() {
        let bits = psk.key().len() * 8;
        return session.judge(
            Id::TlsPostQuantum,
            bits >= BITS,
            format!("The handshake mixes in a pre-shared key of {bits} bits, which a quantum computer does not find."),
            format!("The pre-shared key has {bits} bits; draft 8 speaks of {BITS}."),
        );
    }
    let group = info.group.as_deref().unwrap_or("a group that is not known");
    session.judge(
        Id::TlsPostQuantum,
        group.contains("MLKEM"),
        format!("The key exchange is {group}."),
        format!("The key exchange is {group}, which a quantum computer opens."),
    );
}

fn certificate(session: &mut Session<'_>, shown: &[Vec<u8>]) {
    let unreadable = "The certificate cannot be read.";
    let Some(certificate) = shown.first().and_then(|der| X509::from_der(der).ok()) else {
        session.broken(Id::TlsCertificate, unreadable);
        return session.skip(Id::TlsCertificateExpiry, unreadable);
    };
    let (kind, bits) = certificate
        .public_key()
        .map_or((None, 0), |key| (Some(key.id()), key.bits()));
    let (kind, enough) = match kind {
        Some(KeyKind::EC) => ("ECDSA", bits >= 256),
        Some(KeyKind::RSA) => ("RSA", bits >= 2048),
        Some(KeyKind::ED25519) => ("Ed25519", true),
        _ => ("an unknown kind", false),
    };
    let signature = certificate
        .signature_algorithm()
        .object()
        .nid()
        .long_name()
        .unwrap_or("unknown")
        .to_owned();
    let strong = enough
        && !["sha1", "md5"]
            .iter()
            .any(|weak| signature.to_lowercase().contains(weak));
    session.note(format!(
        "certificates shown: {}; key: {kind}, {bits} bits; signed with {signature}",
        shown.len()
    ));
    if !strong {
        let message = format!("The key is {kind} of {bits} bits, signed with {signature}.");
        session.broken(Id::TlsCertificate, message);
    } else if session.probe().verifies_chain() {
        let message = format!("Chain, name and dates were verified; the key is {kind} of {bits} bits.");
        session.pass(Id::TlsCertificate, message);
    } else {
        let message = format!("The public key is the pinned one ({kind}, {bits} bits); chain and name were not asked.");
        session.pass(Id::TlsCertificate, message);
    }
    let left = Asn1Time::days_from_now(0).and_then(|now| now.diff(certificate.not_after()));
    match left.map(|left| left.days) {
        Ok(days) => session.judge(
            Id::TlsCertificateExpiry,
            days >= 30,
            format!("It is valid for {days} days more."),
            format!("It is valid for {days} days more."),
        ),
        Err(_) => session.skip(Id::TlsCertificateExpiry, unreadable),
    }
}

/// Who is no client of the Key Provider must not get as far as a reply.
fn strangers(session: &mut Session<'_>) {
    let probe = session.probe();
    let id = Id::TlsClientAuthentication;
    let others: Vec<(&str, Result<Probe, Error>)> = if let Some(psk) = probe.psk() {
        let mut random = [0; 32];
        if rand_bytes(&mut random).is_err() {
            return session.skip(id, "There are no random numbers for a wrong key.");
        }
        let with = |identity: &str| Psk::from_bytes(identity, &random).and_then(|psk| probe.with_psk(psk));
        vec![
            ("a wrong key of the right identity", with(psk.identity())),
            ("an unknown identity", with("skip-client-doctor")),
        ]
    } else if probe.has_client_cert() {
        vec![("no client certificate", probe.without_client_cert())]
    } else {
        return session.skip(
            id,
            "The Key Provider asks for no client certificate: whoever reaches its port can ask for keys. With a client \
             certificate this check tries whether one is needed.",
        );
    };
    for (who, other) in &others {
        let control = session.control(At::Here);
        let reply = other
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|other| other.connect(&control)?.send("GET", "/capabilities", &control));
        match reply {
            Ok(reply) if !matches!(reply.response.status, 400 | 401 | 403) => {
                return session.broken(id, format!("A client with {who} is served."));
            }
            Ok(reply) => session.note(format!("client with {who}: status {}", reply.response.status)),
            Err(error) => session.note(format!("client with {who}: {error}")),
        }
    }
    let who: Vec<&str> = others.iter().map(|(who, _)| *who).collect();
    session.pass(id, format!("Refused: {}.", who.join(", ")));
}

fn goodbye(session: &mut Session<'_>) {
    let ending = session.connect(At::Here).and_then(|mut connection| {
        let reply = connection.send_last("GET", "/capabilities", &session.control(At::Here))?;
        let ending = connection.ending(&session.short_control(At::Here, GOODBYE))?;
        Ok((reply.response.status, ending))
    });
    match ending {
        Ok((status, ending)) => {
            session.note(format!(
                "GET /capabilities with Connection: close: {status}, then {ending:?}"
            ));
            let closed = matches!(ending, Ending::CloseNotify | Ending::Cut);
            if closed {
                session.judge(
                    Id::TlsCloseNotify,
                    ending == Ending::CloseNotify,
                    "The connection ends with close_notify.",
                    "TCP is closed without close_notify.",
                );
            } else {
                session.skip(
                    Id::TlsCloseNotify,
                    "The Key Provider did not close the connection when asked to.",
                );
            }
            session.judge(
                Id::HttpConnectionClose,
                closed,
                "The connection is closed after the reply.",
                "The connection stays open after the reply.",
            );
        }
        Err(error) => {
            session.skip(Id::TlsCloseNotify, sentence(error.message()));
            session.broken(Id::HttpConnectionClose, sentence(error.message()));
        }
    }
}
