//! Each quirk and each fault of the development Key Providers shows in exactly the checks that docs/doctor.md lists.

mod common;

use std::sync::Mutex;
use std::time::Duration;

use common::{Mode, both, ids, pair};
use skip_client_doctor::{Check, Id, Outcome, Progress, examine, text};
use skip_key_provider::{Fault, Quirk};

const PAGE: &str = include_str!("../../../docs/doctor.md");

/// A row of the page: switch, mode, failed checks, warnings.
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

/// Runs one row; what is wrong with it.
fn difference(row: &Row) -> Option<String> {
    let pair = pair();
    match (row.switch.parse::<Quirk>(), row.switch.parse::<Fault>()) {
        (Ok(quirk), _) => pair.set_quirks(&[quirk]),
        (_, Ok(Fault::OnCapabilities)) => pair.set_faults(&[Fault::OnCapabilities, Fault::Html200]),
        (_, Ok(fault)) => pair.set_faults(&[fault]),
        _ => return Some(format!("{} is no switch", row.switch)),
    }
    // faults that never answer are waited for
    let timeout = match row.switch.as_str() {
        "stall" | "drip" => Duration::from_secs(1),
        _ => Duration::from_mins(1),
    };
    let mut examination = both(&pair, row.mode, timeout);
    // 100 keys at once are another test's business
    examination.budget = 60;
    let report = examine(&examination, &mut |progress| {
        // a second for each reply is too much for a test; what that row is about comes early
        let enough = |check: &Check| check.id == Id::Latency && check.result == Outcome::Warn;
        if matches!(progress, Progress::Done(check) if enough(check)) {
            examination.cancel.cancel();
        }
    });
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
            details(&text(&report))
        )
    })
}

fn details(text: &str) -> String {
    if std::env::var_os("DOCTOR_DETAILS").is_some() {
        text.to_owned()
    } else {
        String::new()
    }
}

#[test]
fn each_switch_shows_where_the_page_says() {
    let rows = Mutex::new(rows());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let Some(row) = rows.lock().expect("not poisoned").pop() else {
                        return;
                    };
                    wrong.lock().expect("not poisoned").extend(difference(&row));
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().expect("not poisoned");
    wrong.sort();
    assert!(wrong.is_empty(), "these rows are true:\n{}", wrong.join("\n"));
}

#[test]
fn every_check_is_on_the_page() {
    for id in Id::ALL {
        let row = format!(
            "| `{}` | {} | {} | {} |",
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
