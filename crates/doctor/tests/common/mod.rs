//! Shared by all tests: a pair of Key Providers without defects, examinations of it, and results by name.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod terminator;

use std::fs;
use std::time::Duration;

use skip_client::probe::Probe;
use skip_client::{Client, Psk};
use skip_client_doctor::{Examination, Outcome, Report, examine};
use skip_key_provider::{Endpoint, KeyProviderPair, PairOptions, SideOptions};

/// How the Key Providers authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Certificate,
    Psk,
}

/// Everything that checks depend on: client certificates are required, Alice's list has a pattern, and Bob's has
/// another remote.
pub fn good() -> PairOptions {
    let side = |id: &str, remotes: [&str; 2]| SideOptions {
        remotes: remotes.map(str::to_owned).to_vec(),
        ..SideOptions::new(id, remotes[0])
    };
    PairOptions {
        alice: side("Alice", ["Bob", "KP_*_Test"]),
        bob: side("Bob", ["Alice", "Eve"]),
        require_client_cert: true,
        delay: Duration::from_millis(50),
        ..PairOptions::default()
    }
}

pub fn pair() -> KeyProviderPair {
    KeyProviderPair::start(good()).expect("the pair starts")
}

pub fn probe_of(pair: &KeyProviderPair, url: &str, mode: Mode, timeout: Duration) -> Probe {
    let read = |path| fs::read(path).expect("a file of the pair");
    let builder = Client::builder(url).expect("a URL");
    let builder = match mode {
        Mode::Certificate => builder
            .ca_pem(read(pair.ca()))
            .client_cert_pem(read(pair.client_cert()), read(pair.client_key())),
        Mode::Psk => builder.psk(Psk::from_file_content(&read(pair.psk()), None).expect("a key")),
    };
    builder
        .timeout(timeout)
        .connect_timeout(Duration::from_mins(1))
        .probe()
        .expect("options fit")
}

pub fn probe(pair: &KeyProviderPair, at: &Endpoint, mode: Mode, timeout: Duration) -> Probe {
    let url = if mode == Mode::Psk { &at.psk_url } else { &at.url };
    probe_of(pair, url, mode, timeout)
}

/// An examination of both ends.
pub fn both(pair: &KeyProviderPair, mode: Mode, timeout: Duration) -> Examination<'static> {
    let mut examination = Examination::new(probe(pair, pair.alice(), mode, timeout));
    examination.peer = Some(probe(pair, pair.bob(), mode, timeout));
    examination
}

pub fn run(examination: &Examination<'_>) -> Report {
    examine(examination, &mut |_| ())
}

/// The ids of the checks with this result, in the order of the catalogue.
pub fn ids(report: &Report, result: Outcome) -> Vec<&'static str> {
    let of_result = report.checks.iter().filter(|check| check.result == result);
    of_result.map(|check| check.id.as_str()).collect()
}

/// The outcome of a check.
pub fn result(report: &Report, id: skip_client_doctor::Id) -> Outcome {
    let check = report.checks.iter().find(|check| check.id == id);
    check
        .unwrap_or_else(|| panic!("{} is not in the report", id.as_str()))
        .result
}

/// Calls `each` for all items, six at a time.
pub fn in_parallel<T: Send>(all: Vec<T>, each: impl Fn(T) -> Option<String> + Sync) -> Vec<String> {
    let all = std::sync::Mutex::new(all);
    let wrong = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let Some(one) = all.lock().expect("not poisoned").pop() else {
                        return;
                    };
                    let found = each(one);
                    wrong.lock().expect("not poisoned").extend(found);
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().expect("not poisoned");
    wrong.sort();
    wrong
}
