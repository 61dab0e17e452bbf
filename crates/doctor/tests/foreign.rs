//! Two Key Providers of other people, as their sources describe them, made of quirks; their findings are in
//! docs/doctor.md.

mod common;

use std::time::Duration;

use common::{Mode, both, ids};
use skip_client_doctor::{Outcome, Report, text};
use skip_key_provider::{Fault, KeyProviderPair, PairOptions, Quirk};

const PAGE: &str = include_str!("../../../docs/doctor.md");

/// waustin14/SKIP-Server: a listener for pre-shared keys in Python, used with IOS XE.
const WAUSTIN14: [Quirk; 6] = [
    Quirk::PskGcmOnly,
    Quirk::PskIdentityHint,
    Quirk::ConnectionClose,
    Quirk::NoCloseNotify,
    Quirk::NoPercentDecoding,
    Quirk::Sizes128192256,
];

/// lucasmbarboza/skip-server: Flask behind stunnel.
const LUCASMBARBOZA: [Quirk; 5] = [
    Quirk::Tls12Only,
    Quirk::KeyId32Only,
    Quirk::Html500,
    Quirk::UppercaseHex,
    Quirk::UnboundKeys,
];

fn examined(quirks: &[Quirk], faults: &[Fault], mode: Mode) -> Report {
    let pair = KeyProviderPair::start(PairOptions {
        quirks: quirks.to_vec(),
        faults: faults.to_vec(),
        ..PairOptions::default()
    });
    let pair = pair.expect("starts");
    let mut examination = both(&pair, mode, Duration::from_mins(1));
    examination.budget = 60;
    common::run(&examination)
}

/// The checks that a section of the page lists, with their results.
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
    section.lines().filter_map(of_row).collect()
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
    for (name, quirks) in [
        ("waustin14/SKIP-Server", &WAUSTIN14[..]),
        ("lucasmbarboza/skip-server", &LUCASMBARBOZA),
    ] {
        let report = examined(quirks, &[], Mode::Psk);
        assert_eq!(found(&report), listed(name), "{name}\n{}", text(&report));
    }
}

#[test]
fn html_is_found_when_something_fails() {
    let report = examined(&LUCASMBARBOZA, &[Fault::Key500], Mode::Certificate);
    assert!(
        ids(&report, Outcome::Warn).contains(&"error-bodies"),
        "{}",
        text(&report)
    );
    assert_eq!(ids(&report, Outcome::Fail), ["tls-1.3", "key-new"]);
}
