//! Lines for the program's log, through the crate `log`. All of them are in this file, where it can be seen that none contains a secret:
//! URLs, addresses, names of TLS versions and suites, and the messages of errors.
//!
//! Writing a line calls code of our users, so it must not happen while a lock is held or forks are held off.

use std::time::Duration;

use log::{Log, Metadata, Record};

use crate::error::Error;
use crate::transport::ConnectionInfo;

pub use log::{Level, LevelFilter, set_max_level};

/// The target of all lines.
const TARGET: &str = "skip_client";

macro_rules! line {
    ($level:ident, $($text:tt)+) => {{
        debug_assert!(!crate::fork::is_held_off(), "a log is called while forks are held off");
        log::log!(target: TARGET, Level::$level, $($text)+);
    }};
}

/// A new connection; `known` are the warnings of the one before.
pub(crate) fn connected(info: &ConnectionInfo, known: &[String]) {
    let ConnectionInfo {
        url,
        address,
        tls_version,
        cipher_suite,
        ..
    } = info;
    let group = info.group.as_deref().unwrap_or("no key exchange group");
    line!(
        Debug,
        "{url}: connected to {address} with {tls_version}, {cipher_suite}, {group}"
    );
    for warning in info.warnings.iter().filter(|warning| !known.contains(warning)) {
        line!(Warn, "{url}: {warning}");
    }
}

/// An address of a Key Provider (or proxy) with others.
pub(crate) fn trying_next_address(error: &Error) {
    line!(Debug, "{error}; trying the next address");
}

/// A handshake after which a weaker one may follow.
#[cfg(feature = "psk")]
pub(crate) fn handshake_failed(url: &str, attempt: impl std::fmt::Display, error: &Error) {
    line!(Info, "{url}: the handshake for {attempt} failed: {error}");
}

/// A pooled connection that was closed before anything was sent.
pub(crate) fn reconnecting(url: &str) {
    line!(Debug, "{url}: an idle connection was closed; connecting again");
}

/// A Key Provider that cannot be reached, and the one that is tried next.
pub(crate) fn trying_next_provider(url: &str, error: &Error, next: &str) {
    line!(Warn, "{url}: {error}; trying {next}");
}

/// A busy Key Provider that is asked again.
pub(crate) fn waiting(url: &str, pause: Duration) {
    line!(Info, "{url}: busy; asking again in {} s", pause.as_secs());
}

/// Passes all lines on, up to the level of [`set_max_level`], which is `Off` at first. For front ends in other languages; in a program
/// that has a logger already, that one gets the lines.
pub fn forward(write: fn(Level, &str)) {
    // the only error is that there is one; it lives as long as the program
    let _ = log::set_logger(Box::leak(Box::new(Forward(write))));
}

struct Forward(fn(Level, &str));

impl Log for Forward {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            (self.0)(record.level(), &record.args().to_string());
        }
    }

    fn flush(&self) {}
}
