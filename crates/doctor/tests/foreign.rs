//! Two third-party Key Providers, emulated with quirks. Their findings are those that doctor reported for the
//! originals; docs/doctor.md lists them with commits and date.

mod common;

use std::time::Duration;

use common::{Mode, ids, probe_of};
use skip_client::Psk;
use skip_client_doctor::{Examination, Group, Id, Outcome, Profile, Report, Verdict, text};
use skip_key_provider::{Fault, KeyProviderPair, PairOptions, Quirk, SideOptions};

const PAGE: &str = include_str!("../../../docs/doctor.md");

/// What all listeners of waustin14/SKIP-Server have in common.
const WAUSTIN14: [Quirk; 3] = [Quirk::Sizes128192256, Quirk::NoCacheControl, Quirk::CaseSensitiveKeyIds];

/// The quirks of its own HTTP server, behind pre-shared keys and behind client certificates.
const OWN_HTTP: [Quirk; 3] = [Quirk::ConnectionClose, Quirk::NoCloseNotify, Quirk::NoPercentDecoding];

fn side(id: &str, remotes: [&str; 2]) -> SideOptions {
    SideOptions {
        remotes: remotes.map(str::to_owned).to_vec(),
        ..SideOptions::new(id, remotes[0])
    }
}

/// waustin14/SKIP-Server as a listener for routers: pre-shared keys on Python's ssl module.
fn waustin14_psk() -> PairOptions {
    let quirks = [&WAUSTIN14[..], &OWN_HTTP, &[Quirk::PskNoDh, Quirk::PskIdentityHint]];
    PairOptions {
        alice: side("skip1.cml.lab", ["skip2.cml.lab", "skip3.cml.lab"]),
        bob: side("skip2.cml.lab", ["skip1.cml.lab", "skip3.cml.lab"]),
        quirks: quirks.concat(),
        ..PairOptions::default()
    }
}

/// waustin14/SKIP-Server with `use_psk: false`: `FastAPI` on uvicorn, TLS 1.3 only, and no client certificate.
fn waustin14_certificates() -> PairOptions {
    PairOptions {
        quirks: [
            &WAUSTIN14[..],
            &[Quirk::Tls13Only, Quirk::UnknownPath405, Quirk::NoMlKem],
        ]
        .concat(),
        ..waustin14_psk()
    }
}

/// lucasmbarboza/skip-server: Flask's own server behind stunnel, with a key of 20 bytes, and one database for both ends.
fn lucasmbarboza() -> PairOptions {
    PairOptions {
        alice: SideOptions::new("KP_QuIIN_Server", "KP_QuIIN_Client"),
        bob: SideOptions::new("KP_QuIIN_Client", "KP_QuIIN_Server"),
        quirks: vec![
            Quirk::Tls12Only,
            Quirk::KeyId32Only,
            Quirk::ConnectionClose,
            Quirk::NoCacheControl,
            Quirk::UnboundKeys,
            Quirk::IssuerGivesAgain,
        ],
        psks: vec![Psk::from_text("skip", "twenty letters of it").expect("a key")],
        ..PairOptions::default()
    }
}

fn examined(options: PairOptions, mode: Mode, profile: Profile) -> Report {
    let pair = KeyProviderPair::start(options).expect("starts");
    let probe = |at: &skip_key_provider::Endpoint| {
        let url = if mode == Mode::Psk { &at.psk_url } else { &at.url };
        probe_of(&pair, url, mode, Duration::from_mins(1))
    };
    let mut examination = Examination::new(if mode == Mode::Psk {
        probe(pair.alice())
    } else {
        probe(pair.alice()).without_client_cert().expect("options fit")
    });
    examination.peer = Some(probe(pair.bob()));
    examination.profile = profile;
    examination.only = Id::ALL.to_vec();
    // how many concurrent requests are handled depends on the machine
    examination.only.retain(|id| id.group() != Group::Load);
    common::run(&examination)
}

/// The checks listed in a section of the page, with their results; `parallel-100` varied with the machine's load.
fn listed(heading: &str) -> Vec<(String, String)> {
    let section = PAGE
        .split("\n### ")
        .find(|section| section.starts_with(heading))
        .expect("a section");
    let of_row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [id, result, _] = cells[..] else { return None };
        matches!(result, "fail" | "warn").then(|| (id.trim_matches('`').to_owned(), result.to_owned()))
    };
    let rows = section.lines().filter_map(of_row);
    rows.filter(|(id, _)| id != "parallel-100").collect()
}

fn found(report: &Report) -> Vec<(String, String)> {
    let bad = report
        .checks
        .iter()
        .filter(|check| matches!(check.result, Outcome::Fail | Outcome::Warn));
    bad.map(|check| (check.id.as_str().to_owned(), check.result.as_str().to_owned()))
        .collect()
}

#[test]
fn the_page_lists_the_findings() {
    for (name, options, mode) in [
        ("waustin14/SKIP-Server, pre-shared keys", waustin14_psk(), Mode::Psk),
        (
            "waustin14/SKIP-Server, certificates",
            waustin14_certificates(),
            Mode::Certificate,
        ),
        ("lucasmbarboza/skip-server", lucasmbarboza(), Mode::Psk),
    ] {
        let report = examined(options, mode, Profile::Draft);
        assert_eq!(found(&report), listed(name), "{name}\n{}", text(&report));
    }
}

#[test]
fn under_ios_xe_nothing_failed_at_the_server_that_is_used_with_it() {
    let report = examined(waustin14_psk(), Mode::Psk, Profile::IosXe);
    assert_eq!(ids(&report, Outcome::Fail), Vec::<&str>::new(), "{}", text(&report));
    assert_eq!(report.verdict(), Verdict::Pass);
    for check in &report.checks {
        assert!(!check.remedy.contains("switch TLS 1.2 off"), "{}", check.remedy);
        assert!(!check.remedy.contains("ECDHE_ECDSA"), "{}", check.remedy);
    }
}

#[test]
fn with_one_remote_nothing_shows_that_keys_are_bound() {
    let report = examined(lucasmbarboza(), Mode::Psk, Profile::Draft);
    assert_eq!(
        common::result(&report, Id::PeerBinding),
        Outcome::Skip,
        "{}",
        text(&report)
    );
    let report = examined(
        PairOptions {
            bob: side("KP_QuIIN_Client", ["KP_QuIIN_Server", "KP_Other"]),
            ..lucasmbarboza()
        },
        Mode::Psk,
        Profile::Draft,
    );
    assert_eq!(
        common::result(&report, Id::PeerBinding),
        Outcome::Warn,
        "{}",
        text(&report)
    );
}

#[test]
fn a_prefix_is_served_where_patterns_have_no_end() {
    let report = examined(
        PairOptions {
            alice: side("KP_QuIIN_Server", ["KP_QuIIN_Client", "KP_*_Test"]),
            quirks: vec![Quirk::PrefixPatterns],
            ..lucasmbarboza()
        },
        Mode::Psk,
        Profile::Draft,
    );
    let check = report.checks.iter().find(|check| check.id == Id::KeyRemotePattern);
    let check = check.expect("in the report");
    assert_eq!(check.result, Outcome::Warn, "{}", text(&report));
    assert!(check.message.contains("KP_x_Test-x"), "{}", check.message);
}

#[test]
fn the_words_of_a_500_are_in_the_report() {
    let report = examined(
        PairOptions {
            faults: vec![Fault::Key500],
            ..waustin14_psk()
        },
        Mode::Psk,
        Profile::Draft,
    );
    let check = report
        .checks
        .iter()
        .find(|check| check.id == Id::KeyNew)
        .expect("in the report");
    assert_eq!(check.result, Outcome::Fail);
    assert!(check.provider_text.contains("the key could not be read"), "{check:?}");
    assert!(text(&report).contains("The Key Provider said: "), "{}", text(&report));
}
