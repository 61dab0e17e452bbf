//! Each quirk and each fault of the development Key Providers is found by exactly the checks listed in docs/doctor.md,
//! alone and combined with common traits of other Key Providers.

mod common;

use std::time::Duration;

use common::terminator::{Behind, Terminator};
use common::{Mode, good, ids, in_parallel, probe, probe_of};
use skip_client_doctor::{Check, Examination, Group, Id, Outcome, Profile, Report, examine, text};
use skip_key_provider::{Fault, KeyProviderPair, PairOptions, Quirk};

const PAGE: &str = include_str!("../../../docs/doctor.md");

/// A row of the page: switch, mode, failed checks, warnings.
#[derive(Clone)]
struct Row {
    switch: String,
    mode: Mode,
    fail: Vec<String>,
    warn: Vec<String>,
}

fn rows() -> Vec<Row> {
    let names = |cell: &str| -> Vec<String> {
        let cell = cell.trim().trim_end_matches('.');
        if cell == "-" {
            Vec::new()
        } else {
            cell.split(", ").map(|name| name.trim_matches('`').to_owned()).collect()
        }
    };
    let of_row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [switch, mode, fail, warn] = cells[..] else {
            return None;
        };
        let mode = match mode {
            "certificates" => Mode::Certificate,
            "PSK" => Mode::Psk,
            _ => return None,
        };
        Some(Row {
            switch: switch.trim_matches('`').to_owned(),
            mode,
            fail: names(fail),
            warn: names(warn),
        })
    };
    PAGE.lines().filter_map(of_row).collect()
}

/// Other traits of the Key Provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Like {
    /// As it should be.
    Good,
    /// It does not decode percent-encoding.
    NonDecoding,
    /// TLS is terminated in front of it.
    Terminated,
    /// It is slow.
    Slow,
    /// It has few keys.
    KeyPoor,
}

impl Like {
    fn quirks(self) -> &'static [Quirk] {
        match self {
            Self::NonDecoding => &[Quirk::NoPercentDecoding],
            Self::Slow => &[Quirk::Slow],
            _ => &[],
        }
    }

    fn faults(self) -> &'static [Fault] {
        if self == Self::KeyPoor { &[Fault::FewKeys] } else { &[] }
    }

    /// The findings without any other defect.
    fn warnings(self) -> &'static [&'static str] {
        if self == Self::NonDecoding {
            &["http-percent-encoding"]
        } else {
            &[]
        }
    }
}

/// Examines a Key Provider with the defect of a row.
fn examined(row: &Row, like: Like, profile: Profile) -> Report {
    let (mut quirks, mut faults) = (like.quirks().to_vec(), like.faults().to_vec());
    match (row.switch.parse::<Quirk>(), row.switch.parse::<Fault>()) {
        (Ok(quirk), _) => quirks.push(quirk),
        // alone it has no effect
        (_, Ok(Fault::OnCapabilities)) => faults.extend([Fault::OnCapabilities, Fault::Html200]),
        (_, Ok(fault)) => faults.push(fault),
        _ => assert_eq!(row.switch, "", "no switch"),
    }
    let slow = row.switch == "slow";
    let pair = KeyProviderPair::start(PairOptions {
        quirks,
        faults,
        delay: Duration::from_millis(if slow { 600 } else { 50 }),
        ..good()
    });
    let pair = pair.expect("starts");
    // faults that never respond run into the timeout
    let timeout = match row.switch.as_str() {
        "stall" | "drip" => Duration::from_secs(2),
        _ => Duration::from_mins(1),
    };
    let terminator = (like == Like::Terminated).then(|| Terminator::start(&pair, Behind::Alice(pair.alice().address)));
    let url = match (&terminator, row.mode) {
        (Some(terminator), _) => &terminator.url,
        (None, Mode::Certificate) => &pair.alice().url,
        (None, Mode::Psk) => &pair.alice().psk_url,
    };
    let mut examination = Examination::new(probe_of(&pair, url, row.mode, timeout));
    examination.peer = Some(probe(&pair, pair.bob(), row.mode, timeout));
    examination.profile = profile;
    // 100 concurrent keys are covered by another test
    examination.budget = 60;
    // times and load are unreliable on a busy machine, so they are checked only by rows about them
    examination.only = Id::ALL.to_vec();
    examination
        .only
        .retain(|id| id.group() != Group::Load || *id == Id::Parallel10);
    match row.switch.as_str() {
        // these wait long for each response
        "slow" => examination.only = vec![Id::Latency, Id::KeyNew, Id::PeerSameKey],
        "few-connections" => examination.only = vec![Id::Connections, Id::KeyNew],
        "few-at-once" | "some-at-once" => {
            examination.only = vec![Id::KeyNew, Id::Parallel10, Id::Parallel100, Id::KeyIdDistinct];
            examination.budget = 200;
        }
        _ => {}
    }
    examine(&examination, &mut |_| ())
}

fn details(report: &Report) -> String {
    if std::env::var_os("DOCTOR_DETAILS").is_some() {
        text(report)
    } else {
        String::new()
    }
}

/// Runs one row; returns the difference, if any.
fn difference(row: &Row) -> Option<String> {
    let report = examined(row, Like::Good, Profile::Draft);
    let found = (ids(&report, Outcome::Fail), ids(&report, Outcome::Warn));
    let cell = |list: &[&str]| {
        if list.is_empty() {
            "-".to_owned()
        } else {
            format!("`{}`", list.join("`, `"))
        }
    };
    let mode = if row.mode == Mode::Psk { "PSK" } else { "certificates" };
    (found.0 != row.fail || found.1 != row.warn).then(|| {
        format!(
            "| `{}` | {mode} | {} | {} |\n{}",
            row.switch,
            cell(&found.0),
            cell(&found.1),
            details(&report)
        )
    })
}

#[test]
fn each_switch_shows_where_the_page_says() {
    let wrong = in_parallel(rows(), |row| difference(&row));
    assert!(wrong.is_empty(), "these rows are true:\n{}", wrong.join("\n"));
}

/// With other traits around the defect, the same checks report it, or are skipped; none of them passes, and no other
/// check reports anything.
fn difference_in(row: &Row, like: Like, profile: Profile) -> Option<String> {
    let report = examined(row, like, profile);
    let expected: Vec<&str> = row
        .fail
        .iter()
        .chain(&row.warn)
        .map(String::as_str)
        .chain(like.warnings().iter().copied())
        .collect();
    let speaks = |check: &&Check| matches!(check.result, Outcome::Fail | Outcome::Warn);
    // with certificates, IOS XE always has one finding, and OpenSSL before 3.5 at the terminator another
    let of_device = |check: &&Check| {
        matches!(check.id, Id::DevicePsk | Id::DevicePort) || like == Like::Terminated && check.id == Id::TlsPostQuantum
    };
    let mut wrong: Vec<String> = report
        .checks
        .iter()
        .filter(|check| speaks(check) && !of_device(check) && !expected.contains(&check.id.as_str()))
        .map(|check| format!("{} speaks: {}", check.id.as_str(), check.message))
        .collect();
    for check in report
        .checks
        .iter()
        .filter(|check| expected.contains(&check.id.as_str()))
    {
        // if keys run out, fewer can be compared
        let may_pass = like == Like::KeyPoor
            && matches!(
                check.id,
                Id::KeyStatistics | Id::Parallel10 | Id::ErrorSecrets | Id::KeySizes
            )
            || check.id == Id::ErrorSecrets && row.switch == "echo-key-in-error";
        let may_skip = like == Like::KeyPoor || row.switch == "any-path" && check.id == Id::HttpPercentEncoding;
        match check.result {
            Outcome::Pass if !may_pass => wrong.push(format!("{} passes: {}", check.id.as_str(), check.message)),
            Outcome::Skip if !may_skip => wrong.push(format!("{} is skipped: {}", check.id.as_str(), check.message)),
            _ => {}
        }
    }
    (!wrong.is_empty()).then(|| {
        format!(
            "{} in {like:?}, {}: {}\n{}",
            row.switch,
            profile.as_str(),
            wrong.join("; "),
            details(&report)
        )
    })
}

/// Whether a row can be combined with a trait: a terminator hides connection defects, for example.
fn fits(row: &Row, like: Like) -> bool {
    let of_connection = [
        "tls-1.2-only",
        "tls-1.3-only",
        "no-ml-kem",
        "no-close-notify",
        "connection-close",
        "ignores-connection-close",
    ];
    let waits = [
        "slow",
        "stall",
        "drip",
        "few-at-once",
        "some-at-once",
        "few-connections",
        "few-keys",
    ];
    let itself = like.quirks().iter().any(|quirk| quirk.as_str() == row.switch);
    !(itself
        || waits.contains(&row.switch.as_str())
        || like == Like::Terminated && (row.mode == Mode::Psk || of_connection.contains(&row.switch.as_str())))
}

#[test]
fn each_defect_is_found_whatever_the_key_provider_is_like_and_for_every_device() {
    let likes = [Like::NonDecoding, Like::Terminated, Like::Slow, Like::KeyPoor];
    let mut cases = Vec::new();
    for (number, row) in rows().into_iter().enumerate() {
        for (turn, like) in likes.into_iter().enumerate().filter(|(_, like)| fits(&row, *like)) {
            // every defect is combined with two profiles or more, and every profile with every trait
            cases.push((row.clone(), like, Profile::ALL[(number + turn) % Profile::ALL.len()]));
        }
    }
    let wrong = in_parallel(cases, |(row, like, profile)| difference_in(&row, like, profile));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn without_a_defect_no_check_speaks_for_any_device() {
    let none = |mode| Row {
        switch: String::new(),
        mode,
        fail: Vec::new(),
        warn: Vec::new(),
    };
    let mut cases = Vec::new();
    for profile in Profile::ALL {
        for like in [Like::Good, Like::NonDecoding, Like::Slow, Like::KeyPoor] {
            cases.push((none(Mode::Psk), like, profile));
            cases.push((none(Mode::Certificate), like, profile));
        }
        cases.push((none(Mode::Certificate), Like::Terminated, profile));
    }
    let wrong = in_parallel(cases, |(row, like, profile)| difference_in(&row, like, profile));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_check_has_a_defect_that_it_finds() {
    // not possible with a switch; covered by tests/pair.rs and the tests of the command
    const ELSEWHERE: [Id; 9] = [
        Id::Connect,
        Id::PeerConnect,
        Id::TlsCertificate,
        Id::TlsCertificateExpiry,
        Id::TlsClientAuthentication,
        Id::CapabilitiesIds,
        Id::CapabilitiesIdLength,
        Id::DevicePsk,
        Id::DevicePort,
    ];
    let rows = rows();
    let found = |id: &Id| {
        rows.iter()
            .any(|row| row.fail.iter().chain(&row.warn).any(|name| name == id.as_str()))
    };
    let missing: Vec<&str> = Id::ALL
        .iter()
        .filter(|id| !found(id) && !ELSEWHERE.contains(id))
        .map(|id| id.as_str())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_check_is_on_the_page() {
    for id in Id::ALL {
        let row = format!(
            "| [`{0}`](checks/{0}.md) | {1} | {2} | {3} |",
            id.as_str(),
            id.section(),
            id.level().as_str(),
            id.title()
        );
        assert!(PAGE.contains(&row), "missing: {row}");
    }
}

#[test]
fn every_switch_has_a_row() {
    let rows = rows();
    let missing: Vec<&str> = Quirk::ALL
        .iter()
        .map(|quirk| quirk.as_str())
        .chain(Fault::ALL.iter().map(|fault| fault.as_str()))
        .filter(|name| !rows.iter().any(|row| row.switch == *name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
