//! The development pair passes everything, and defects that no switch produces are found.

mod common;

use std::time::Duration;

use common::terminator::{Behind, Terminator};
use common::{Mode, both, good, ids, pair, probe, probe_of, result, run};
use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::{X509, X509NameBuilder};
use skip_client::{Client, Psk};
use skip_client_doctor::{Examination, Group, Id, Outcome, Profile, Verdict, text};
use skip_key_provider::{Fault, KeyProviderPair, PairOptions, Quirk, SideOptions};

const LONG: Duration = Duration::from_mins(1);

#[test]
fn the_pair_passes_with_certificates_and_with_pre_shared_keys() {
    for (mode, skipped) in [
        (Mode::Certificate, vec![]),
        (Mode::Psk, vec!["tls-certificate", "tls-certificate-expiry"]),
    ] {
        let pair = pair();
        let report = run(&both(&pair, mode, LONG));
        let shown = text(&report);
        assert_eq!(report.verdict(), Verdict::Pass, "{mode:?}: {shown}");
        assert_eq!(ids(&report, Outcome::Fail), Vec::<&str>::new(), "{mode:?}: {shown}");
        assert_eq!(ids(&report, Outcome::Skip), skipped, "{mode:?}: {shown}");
        // times and load depend on the machine
        for check in report.checks.iter().filter(|check| check.id.group() != Group::Load) {
            assert_ne!(check.result, Outcome::Warn, "{mode:?}: {shown}");
        }
        let made = u32::try_from(pair.stats().keys_issued).expect("few");
        assert!(
            made <= report.keys.used && report.keys.used <= report.keys.at_most,
            "{made}, {:?}",
            report.keys
        );
    }
}

/// The findings with certificates, except those about load.
fn found(options: PairOptions, profile: Profile) -> Vec<&'static str> {
    let pair = KeyProviderPair::start(options).expect("starts");
    let mut examination = both(&pair, Mode::Certificate, LONG);
    examination.profile = profile;
    examination.only = Id::ALL.to_vec();
    examination.only.retain(|id| id.group() != Group::Load);
    let report = run(&examination);
    let speaks = |outcome| ids(&report, outcome);
    [speaks(Outcome::Fail), speaks(Outcome::Warn)].concat()
}

#[test]
fn what_is_configured_badly_is_found() {
    let remotes = |remotes: &[&str]| PairOptions {
        alice: SideOptions {
            remotes: remotes.iter().map(|id| (*id).to_owned()).collect(),
            ..SideOptions::new("Alice", "Bob")
        },
        ..good()
    };
    let long = "A-name-of-more-than-18-letters";
    for (options, profile, expected) in [
        (
            remotes(&["Bob", "Bob", "KP_*_Test"]),
            Profile::Draft,
            "capabilities-ids",
        ),
        (
            remotes(&["Bob", long, "KP_*_Test"]),
            Profile::Draft,
            "capabilities-id-length",
        ),
        (
            remotes(&["Bob", long, "KP_*_Test"]),
            Profile::IosXr,
            "capabilities-id-length",
        ),
        (
            PairOptions {
                certificate_validity: Duration::from_hours(24 * 10),
                ..good()
            },
            Profile::Draft,
            "tls-certificate-expiry",
        ),
        (good(), Profile::IosXe, "device-psk"),
    ] {
        assert_eq!(found(options, profile), [expected]);
    }
}

#[test]
fn a_client_without_a_certificate_that_is_served_is_a_warning() {
    let options = PairOptions {
        require_client_cert: false,
        ..good()
    };
    assert_eq!(found(options.clone(), Profile::Draft), ["tls-client-authentication"]);
    let pair = KeyProviderPair::start(options).expect("starts");
    // likewise for a client without a certificate
    let probe = probe(&pair, pair.alice(), Mode::Certificate, LONG).without_client_cert();
    let mut examination = Examination::new(probe.expect("options fit"));
    examination.only = vec![Id::TlsClientAuthentication];
    let report = run(&examination);
    assert_eq!(result(&report, Id::TlsClientAuthentication), Outcome::Warn);
    assert_eq!(report.checks.len(), 1);
}

#[test]
fn a_service_that_is_down_is_one_finding() {
    let pair = pair();
    for behind in [Behind::Nothing, Behind::BadGateway] {
        let terminator = Terminator::start(&pair, behind);
        let mut examination = Examination::new(probe_of(&pair, &terminator.url, Mode::Certificate, LONG));
        examination.peer = Some(probe(&pair, pair.bob(), Mode::Certificate, LONG));
        let before = pair.stats().requests;
        let report = run(&examination);
        let shown = text(&report);
        assert_eq!(
            ids(&report, Outcome::Fail),
            ["capabilities-schema"],
            "{behind:?}: {shown}"
        );
        let of_tls = |id: &&str| !id.starts_with("tls-");
        let warnings: Vec<&str> = ids(&report, Outcome::Warn).into_iter().filter(of_tls).collect();
        assert_eq!(warnings, Vec::<&str>::new(), "{behind:?}: {shown}");
        for check in report.checks.iter().filter(|check| check.result == Outcome::Pass) {
            let of_connection = check.id.group() == Group::Tls || check.id == Id::PeerConnect;
            assert!(of_connection, "{behind:?}: {} passes", check.id.as_str());
        }
        // only the peer was asked, and only for its capabilities
        assert!(pair.stats().requests - before <= 2, "{behind:?}");
        assert_eq!(report.keys.used, 0);
    }
}

#[test]
fn a_weak_certificate_is_found_behind_a_pin() {
    let pair = pair();
    let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
    let mut name = X509NameBuilder::new().expect("a name");
    name.append_entry_by_text("CN", "kp").expect("a name");
    let name = name.build();
    let mut certificate = X509::builder().expect("a certificate");
    certificate.set_version(2).expect("a version");
    certificate.set_subject_name(&name).expect("a name");
    certificate.set_issuer_name(&name).expect("a name");
    certificate.set_pubkey(&key).expect("a key");
    let day = |days| Asn1Time::days_from_now(days).expect("a day");
    certificate.set_not_before(&day(0)).expect("a day");
    certificate.set_not_after(&day(365)).expect("a day");
    certificate.sign(&key, MessageDigest::sha1()).expect("signed");
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("OpenSSL");
    acceptor.set_security_level(0);
    acceptor.set_private_key(&key).expect("a key");
    acceptor.set_certificate(&certificate.build()).expect("a certificate");
    let terminator = Terminator::with(&pair, acceptor, Behind::Alice(pair.alice().address));
    let spki = openssl::hash::hash(MessageDigest::sha256(), &key.public_key_to_der().expect("DER")).expect("a hash");
    let pin = format!("sha256/{}", openssl::base64::encode_block(&spki));
    let probe = Client::builder(&terminator.url)
        .expect("a URL")
        .pin(&pin)
        .timeout(LONG)
        .connect_timeout(LONG)
        .probe();
    let mut examination = Examination::new(probe.expect("options fit"));
    examination.only = vec![Id::TlsCertificate, Id::TlsCertificateExpiry];
    let report = run(&examination);
    assert_eq!(ids(&report, Outcome::Warn), ["tls-certificate"], "{}", text(&report));
    assert_eq!(
        ids(&report, Outcome::Pass),
        ["tls-certificate-expiry"],
        "{}",
        text(&report)
    );
}

#[test]
fn probes_stop_at_the_first_answer_and_ask_for_nothing_large() {
    let pair = pair();
    pair.set_faults(&[Fault::AnySize]);
    let mut examination = both(&pair, Mode::Certificate, LONG);
    examination.only = vec![Id::KeyOddSizes, Id::EntropyOddSizes];
    let report = run(&examination);
    assert_eq!(ids(&report, Outcome::Warn), ["key-odd-sizes", "entropy-odd-sizes"]);
    for check in &report.checks {
        assert!(check.message.contains("=x is not refused"), "{}", check.message);
        let asked = check
            .evidence
            .iter()
            .filter(|line| line.contains("=x") || line.contains("=7") || line.contains("=0"));
        assert_eq!(asked.count(), 1, "{:?}", check.evidence);
    }
}

#[test]
fn ids_are_written_as_a_client_writes_them() {
    // nothing in these names needs percent-encoding, and this Key Provider does not decode it
    let pair = KeyProviderPair::start(PairOptions {
        alice: SideOptions::new("kp-1.cml_lab~x", "kp-2.cml_lab~x"),
        bob: SideOptions::new("kp-2.cml_lab~x", "kp-1.cml_lab~x"),
        quirks: vec![Quirk::NoPercentDecoding],
        ..good()
    })
    .expect("starts");
    let mut examination = both(&pair, Mode::Certificate, LONG);
    examination.only = vec![
        Id::KeyOddSizes,
        Id::KeyParameters,
        Id::KeyUnknown,
        Id::KeyUnknownStatus,
        Id::HttpMethodRefused,
    ];
    let report = run(&examination);
    assert_eq!(ids(&report, Outcome::Pass).len(), 5, "{}", text(&report));
}

#[test]
fn without_a_peer_no_refusal_by_key_id_passes() {
    let pair = pair();
    let mut examination = Examination::new(probe(&pair, pair.alice(), Mode::Certificate, LONG));
    examination.only = vec![Id::KeyIssuer, Id::KeyUnknown, Id::KeyUnknownStatus];
    let report = run(&examination);
    assert_eq!(ids(&report, Outcome::Skip).len(), 3, "{}", text(&report));
    // violations are found even without a peer
    pair.set_quirks(&[Quirk::IssuerGivesAgain, Quirk::NotFoundUnknownKey]);
    let report = run(&examination);
    assert_eq!(ids(&report, Outcome::Fail), ["key-issuer"], "{}", text(&report));
    assert_eq!(ids(&report, Outcome::Warn), ["key-unknown-status"], "{}", text(&report));
}

#[test]
fn each_end_has_its_own_credentials() {
    let pair = pair();
    let other = KeyProviderPair::start(PairOptions {
        psks: vec![Psk::from_text("another", "a key of its own, long enough").expect("a key")],
        ..good()
    })
    .expect("starts");
    let mut examination = Examination::new(probe(&pair, pair.alice(), Mode::Certificate, LONG));
    examination.peer = Some(probe(&other, other.bob(), Mode::Psk, LONG));
    examination.only = vec![Id::PeerConnect, Id::PeerSameKey];
    let report = run(&examination);
    assert_eq!(ids(&report, Outcome::Pass), ["peer-connect"]);
    // two pairs share no keys
    assert_eq!(ids(&report, Outcome::Fail), ["peer-same-key"]);
}

#[test]
fn titles_say_what_must_or_should_be() {
    for id in Id::ALL {
        let word = if id.level() == skip_client_doctor::Level::Must {
            " must "
        } else {
            " should "
        };
        assert!(id.title().contains(word), "{}: {}", id.as_str(), id.title());
    }
}
