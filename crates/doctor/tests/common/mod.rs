//! What all tests share: a pair of Key Providers, ways to look at it, and results by name.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::time::Duration;

use skip_client::{Client, Probe, Psk};
use skip_client_doctor::{Examination, Outcome, Report, examine};
use skip_key_provider::{Endpoint, KeyProviderPair, PairOptions};

/// How the Key Providers are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Certificate,
    Psk,
}

pub fn pair() -> KeyProviderPair {
    KeyProviderPair::start(PairOptions::default()).expect("the pair starts")
}

pub fn probe(pair: &KeyProviderPair, at: &Endpoint, mode: Mode, timeout: Duration) -> Probe {
    let builder = match mode {
        Mode::Certificate => Client::builder(&at.url)
            .expect("a URL")
            .ca_pem(fs::read(pair.ca()).expect("ca")),
        Mode::Psk => Client::builder(&at.psk_url)
            .expect("a URL")
            .psk(Psk::from_file_content(&fs::read(pair.psk()).expect("psk"), None).expect("a key")),
    };
    builder
        .timeout(timeout)
        .connect_timeout(Duration::from_mins(1))
        .probe()
        .expect("options fit")
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
