//! The connection: versions, suites, certificates, client authentication, shutdown.

use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::pkey::Id as KeyKind;
use openssl::rand::rand_bytes;
use openssl::x509::X509;
use skip_client::probe::{Ending, HelloAnswer, Probe, ProbeReply};
use skip_client::{ConnectionInfo, Error, ErrorCode, Psk, TlsVersion};

use crate::catalogue::{Control, Group, Id};
use crate::profile::Profile;

use super::session::{At, Session, sentence};
use super::suites::{BROKEN, CERTIFICATE, OLD, PSK, Suite, has_forward_secrecy};

const REQUIRED: &str = "TLS_AES_256_GCM_SHA384";
const TLS12: u16 = 0x0303;
const CLIENT_CERTIFICATE: &str = "require a client certificate of your own CA (nginx: ssl_verify_client on; OpenSSL: SSL_VERIFY_PEER with \
     SSL_VERIFY_FAIL_IF_NO_PEER_CERT), or use pre-shared keys";
/// How long to wait for the end of a connection.
const GOODBYE: Duration = Duration::from_secs(1);

/// `false` if there is no connection, so that nothing else can be examined.
pub(super) fn run(session: &mut Session<'_>) -> bool {
    let Some((info, certificates)) = connect(session) else {
        return false;
    };
    device(session);
    if session.wants(&[Id::Tls13, Id::TlsForwardSecrecy]) {
        tls13(session);
    }
    if session.wants(&[Id::Tls12Suites, Id::TlsForwardSecrecy]) {
        let accepted = tls12_suites(session, &info);
        forward_secrecy(session, &info, &accepted);
    }
    if session.wants(&[Id::TlsOldVersions]) {
        old_versions(session);
    }
    if session.wants(&[Id::TlsWeakSuites]) {
        broken_suites(session);
    }
    post_quantum(session, &info);
    if session.probe().psk().is_some() {
        let none = "There are no certificates with pre-shared keys.";
        session.skip(Id::TlsCertificate, none);
        session.skip(Id::TlsCertificateExpiry, none);
    } else {
        certificate(session, &certificates);
    }
    if session.begins(&[Id::TlsClientAuthentication]) {
        strangers(session);
    }
    if session.begins(&[Id::TlsCloseNotify, Id::HttpConnectionClose]) {
        goodbye(session);
    }
    if session.is_stopped() {
        session.skip_rest(Group::Tls, "The examination was stopped before this check.");
    }
    true
}

/// TLS 1.3 servers may refuse a client only after the handshake, so a request is part of it.
fn connect(session: &mut Session<'_>) -> Option<(ConnectionInfo, Vec<Vec<u8>>)> {
    let connected = session.connect(At::Here);
    let reached = connected.and_then(|mut connection| {
        let deadlines = session.deadlines(At::Here);
        match connection.send("GET", "/capabilities", &deadlines) {
            Err(error) if matches!(error.code(), ErrorCode::TlsFailed | ErrorCode::ConnectFailed) => Err(error),
            // other failures do not concern the connection
            reply => Ok((connection, reply)),
        }
    });
    match reached {
        Ok((connection, reply)) => {
            let info = connection.info().clone();
            session.establish(Control::Connection);
            service(session, reply);
            session.pass(
                Id::Connect,
                format!("Connected to {}: {}.", info.address, described(&info)),
            );
            session.report().connection = Some(info.clone());
            Some((info, connection.certificates()))
        }
        Err(error) => {
            session.broken_with(Id::Connect, sentence(error.message()), &session.hint(&error));
            None
        }
    }
}

/// Whether there is a service behind TLS. A proxy's response for a service that is down is reported only once.
fn service(session: &mut Session<'_>, reply: Result<ProbeReply, Error>) {
    let why = match reply {
        Ok(reply) if reply.response.status == 200 => return session.establish(Control::Service),
        Ok(reply) => {
            let status = reply.response.status;
            session.is_down = matches!(status, 502..=504);
            format!("is answered with status {status}")
        }
        Err(error) => {
            let answered = matches!(error.code(), ErrorCode::ResponseTooLarge | ErrorCode::MalformedResponse);
            session.is_down = !answered;
            format!("is not answered ({})", error.message())
        }
    };
    if session.is_down {
        session.broken_with(
            Id::CapabilitiesSchema,
            format!("TLS works, but the service behind it does not: GET /capabilities {why}."),
            "start the service that TLS is terminated for, and look at its log and that of the proxy",
        );
        session.lose(
            Control::Service,
            format!("Not asked, because the service does not answer: GET /capabilities {why}."),
        );
    } else {
        session.lose(
            Control::Service,
            format!("Nothing to compare with: GET /capabilities {why}."),
        );
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
        Ok(info) => {
            if info.cipher_suite == REQUIRED {
                session.pass(Id::Tls13, format!("TLS 1.3 is there: {}.", described(&info)));
            } else {
                let message = format!(
                    "TLS 1.3 is there, but with {} instead of {REQUIRED}.",
                    info.cipher_suite
                );
                let remedy = if session.probe().psk().is_some() {
                    "bind the pre-shared key to SHA-384 (RFC 8446, 4.2.11; OpenSSL: SSL_CTX_set_psk_find_session_callback \
                     with a session of TLS_AES_256_GCM_SHA384), which OpenSSL's callback of TLS 1.2 cannot do"
                } else {
                    "put TLS_AES_256_GCM_SHA384 first among the suites of TLS 1.3"
                };
                session.broken_with(Id::Tls13, message, remedy);
            }
            session.tls13 = Some(info);
        }
        Err(error) => {
            let remedy = if session.probe().psk().is_some() {
                "switch TLS 1.3 on with TLS_AES_256_GCM_SHA384, and bind the pre-shared key to SHA-384 (RFC 8446, 4.2.11), \
                 which OpenSSL's callback of TLS 1.2 cannot do"
            } else {
                ""
            };
            session.broken_with(Id::Tls13, format!("TLS 1.3 is not there: {}.", error.message()), remedy);
        }
    }
}

/// A connection with other settings.
fn with(session: &Session<'_>, other: impl FnOnce(&Probe) -> Result<Probe, Error>) -> Result<ConnectionInfo, Error> {
    let other = other(session.probe())?;
    Ok(other.connect(&session.deadlines(At::Here))?.info().clone())
}

/// Finds the accepted suites one by one: each handshake selects one of those left.
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
        match session.probe().hello(TLS12, &numbers, &session.deadlines(At::Here)) {
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
    // keep the other suites: a device may have nothing else
    let remedy = if session.probe().psk().is_some() {
        "add TLS_DHE_PSK_WITH_AES_256_CBC_SHA384 (OpenSSL: DHE-PSK-AES256-CBC-SHA384, and DH parameters) to the suites that \
         are there"
    } else {
        "add TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 (OpenSSL: ECDHE-ECDSA-AES256-GCM-SHA384), with an ECDSA certificate, to \
         the suites that are there"
    };
    if accepted.is_empty() && info.tls_version == "TLS 1.2" {
        session.broken_with(
            Id::Tls12Suites,
            format!(
                "TLS 1.2 is there with {}, which Table 1 does not recommend.",
                info.cipher_suite
            ),
            remedy,
        );
    } else if accepted.is_empty() {
        session.skip(
            Id::Tls12Suites,
            "TLS 1.2 is not offered with a suite of 256 bits; TLS 1.3 is enough.",
        );
    } else if accepted.iter().any(|suite| suite.recommended) {
        session.pass(Id::Tls12Suites, format!("TLS 1.2 accepts {}.", names.join(", ")));
    } else {
        session.broken_with(
            Id::Tls12Suites,
            format!(
                "TLS 1.2 accepts {}, none of which Table 1 recommends.",
                names.join(", ")
            ),
            remedy,
        );
    }
    names
}

fn old_versions(session: &mut Session<'_>) {
    for (version, name) in [(0x0302, "TLS 1.1"), (0x0301, "TLS 1.0")] {
        match session.probe().hello(version, OLD, &session.deadlines(At::Here)) {
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
    match session.probe().hello(TLS12, BROKEN, &session.deadlines(At::Here)) {
        Ok(answer @ HelloAnswer::Accepted { suite, .. }) => {
            let name = answer
                .suite_name()
                .map_or_else(|| format!("0x{suite:04x}"), str::to_owned);
            session.broken(Id::TlsWeakSuites, format!("The broken suite {name} is accepted."));
        }
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

/// Judges what the Key Provider offers, not what this client chose.
fn forward_secrecy(session: &mut Session<'_>, info: &ConnectionInfo, accepted: &[&str]) {
    let mut offered: Vec<&str> = session.tls13.iter().map(|info| info.cipher_suite.as_str()).collect();
    for suite in std::iter::once(info.cipher_suite.as_str()).chain(accepted.iter().copied()) {
        if !offered.contains(&suite) {
            offered.push(suite);
        }
    }
    let (with, without): (Vec<&str>, Vec<&str>) = offered.iter().partition(|name| has_forward_secrecy(name));
    let without = without.join(", ");
    if with.is_empty() {
        let remedy = if session.probe().psk().is_some() {
            "offer TLS 1.3, or a suite with DHE_PSK, for which OpenSSL needs DH parameters (SSL_CTX_set_dh_auto)"
        } else {
            "offer TLS 1.3, or suites with ECDHE, before all others"
        };
        session.broken_with(
            Id::TlsForwardSecrecy,
            format!("Only {without} is offered, without forward secrecy."),
            remedy,
        );
    } else if without.is_empty() {
        session.pass(
            Id::TlsForwardSecrecy,
            format!("{} has forward secrecy.", with.join(", ")),
        );
    } else {
        let message = format!(
            "{} has it; {without} does not, and a client that prefers it, or has nothing else, gets that.",
            with.join(", ")
        );
        session.pass_with_remark(Id::TlsForwardSecrecy, message);
    }
}

fn post_quantum(session: &mut Session<'_>, info: &ConnectionInfo) {
    /// The key size that Grover's algorithm reduces to 128 bits (draft 8).
    const BITS: usize = 256;
    if let Some(psk) = session.probe().psk() {
        let bits = psk.key().len() * 8;
        return session.judge_with(
            Id::TlsPostQuantum,
            bits >= BITS,
            format!("The handshake mixes in a pre-shared key of {bits} bits, which a quantum computer does not find."),
            format!("The pre-shared key has {bits} bits; draft 8 speaks of {BITS}."),
            "use a pre-shared key of 32 random bytes",
        );
    }
    let group = info.group.as_deref().unwrap_or("a group that is not known");
    session.judge_with(
        Id::TlsPostQuantum,
        group.contains("MLKEM"),
        format!("The key exchange is {group}."),
        format!("The key exchange is {group}, which a quantum computer opens."),
        "enable X25519MLKEM768 in TLS 1.3 (OpenSSL 3.5 has it), or use pre-shared keys of 256 bits",
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
        session.pass_with_remark(Id::TlsCertificate, message);
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

/// Clients without credentials must not get a response.
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
        // this client has no credentials, and the control says that it was served
        return session.broken_with(
            id,
            "This client has no certificate and is served: whoever reaches the port can ask for keys.",
            CLIENT_CERTIFICATE,
        );
    };
    let remedy = if probe.psk().is_some() {
        "check identity and key of every client in the callback for pre-shared keys"
    } else {
        CLIENT_CERTIFICATE
    };
    for (who, other) in &others {
        let deadlines = session.deadlines(At::Here);
        let reply = other
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|other| other.connect(&deadlines)?.send("GET", "/capabilities", &deadlines));
        match reply {
            Ok(reply) if (200..300).contains(&reply.response.status) => {
                return session.broken_with(id, format!("A client with {who} is served."), remedy);
            }
            Ok(reply) if (400..500).contains(&reply.response.status) => {
                session.note(format!("client with {who}: status {}", reply.response.status));
            }
            Err(error) if matches!(error.code(), ErrorCode::TlsFailed | ErrorCode::ConnectionLost) => {
                session.note(format!("client with {who}: {error}"));
            }
            // neither served nor refused
            Ok(reply) => {
                let status = reply.response.status;
                return session.skip(
                    id,
                    format!("A client with {who} gets status {status}, which is not a refusal."),
                );
            }
            Err(error) => return session.skip(id, format!("A client with {who}: {}.", error.message())),
        }
    }
    let who: Vec<&str> = others.iter().map(|(who, _)| *who).collect();
    session.pass(id, format!("Refused: {}.", who.join(", ")));
}

fn goodbye(session: &mut Session<'_>) {
    let ending = session.connect(At::Here).and_then(|mut connection| {
        let reply = connection.send_last("GET", "/capabilities", &session.deadlines(At::Here))?;
        let ending = connection.ending(&session.short_deadlines(At::Here, GOODBYE))?;
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
            session.skip(Id::HttpConnectionClose, sentence(error.message()));
        }
    }
}
