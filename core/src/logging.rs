//! The log lines, through the crate `log`. All of them are in this file, which makes it easy to
//! verify that none contains a secret, only URLs, addresses, names of TLS versions and suites, and
//! error messages.
//!
//! Emitting a line calls code of our users, so it must not happen while a lock is held or forks are held off.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use log::{Log, Metadata, Record};

use crate::error::Error;
use crate::fork::PerProcess;
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

/// A new connection; `known` are the warnings of the previous one.
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

/// A failed handshake that may be followed by a weaker one.
#[cfg(feature = "psk")]
pub(crate) fn handshake_failed(url: &str, attempt: impl std::fmt::Display, error: &Error) {
    line!(Info, "{url}: the handshake for {attempt} failed: {error}");
}

/// A pooled connection that was closed before anything was sent.
pub(crate) fn reconnecting(url: &str) {
    line!(Debug, "{url}: an idle connection was closed; connecting again");
}

/// An unreachable Key Provider, and the one that is tried next.
pub(crate) fn trying_next_provider(url: &str, error: &Error, next: &str) {
    line!(Warn, "{url}: {error}; trying {next}");
}

/// A busy Key Provider that is asked again.
pub(crate) fn waiting(url: &str, pause: Duration) {
    line!(Info, "{url}: busy; asking again in {} s", pause.as_secs());
}

/// Registers a logger that receives all lines up to the level of [`set_max_level`], initially
/// `Off`. For front ends in other languages; if the program already has a logger, that one gets the
/// lines.
pub fn forward(write: fn(Level, &str)) {
    static LOGGER: OnceLock<Forward> = OnceLock::new();
    // the only error is that there already is one
    let _ = log::set_logger(LOGGER.get_or_init(|| Forward(write)));
}

/// Queues all lines up to a level for [`next`]; `Off` drops the queue. For front ends that must not
/// run their users' code on a thread in the middle of a call.
pub fn keep(level: LevelFilter) {
    if level == LevelFilter::Off {
        set_max_level(level);
        KEPT.get().end();
        return;
    }
    forward(|level, text| KEPT.get().put(level, text));
    KEPT.get().lock().on = true;
    set_max_level(level);
}

/// Takes the oldest line from the queue. Waits for one up to the timeout, unless lines are no
/// longer queued.
#[must_use]
pub fn next(wait: Duration) -> Option<(Level, String)> {
    KEPT.get().next(wait)
}

/// The maximum length of the queue.
const ROOM: usize = 1000;

/// A child process has its own queue.
static KEPT: PerProcess<Kept> = PerProcess::new(Kept {
    lines: Mutex::new(Lines::NONE),
    changed: Condvar::new(),
});

#[derive(Default)]
struct Kept {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    on: bool,
    kept: VecDeque<(Level, String)>,
    /// The number of lines dropped because the queue was full.
    lost: usize,
}

impl Lines {
    const NONE: Self = Self {
        on: false,
        kept: VecDeque::new(),
        lost: 0,
    };
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, wait: Duration) -> Option<(Level, String)> {
        // practically forever, if that exceeds the clock's range
        let until = Instant::now().checked_add(wait);
        let mut lines = self.lock();
        loop {
            if lines.lost > 0 {
                let lost = std::mem::take(&mut lines.lost);
                return Some((
                    Level::Warn,
                    format!("{lost} lines of the log were lost: nobody fetched them"),
                ));
            }
            if let Some(line) = lines.kept.pop_front() {
                return Some(line);
            }
            let left = until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
            if !lines.on || left.is_zero() {
                return None;
            }
            let waited = self.changed.wait_timeout(lines, left);
            lines = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn end(&self) {
        *self.lock() = Lines::default();
        self.changed.notify_all();
    }

    fn put(&self, level: Level, text: &str) {
        let mut lines = self.lock();
        if lines.kept.len() == ROOM {
            lines.kept.pop_front();
            lines.lost += 1;
        }
        lines.kept.push_back((level, text.to_owned()));
        self.changed.notify_one();
    }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Kept, Level, ROOM};

    #[test]
    fn lines_wait_in_order_and_what_has_no_room_is_told() {
        let kept = Kept::default();
        let now = Duration::ZERO;
        assert_eq!(kept.next(now), None);
        kept.lock().on = true;
        for number in 0..ROOM + 2 {
            kept.put(Level::Debug, &number.to_string());
        }
        let (level, text) = kept.next(now).expect("a line");
        assert_eq!((level, text.starts_with("2 lines")), (Level::Warn, true), "{text}");
        for number in 2..ROOM + 2 {
            assert_eq!(kept.next(Duration::MAX), Some((Level::Debug, number.to_string())));
        }
        assert_eq!(kept.next(now), None);
    }

    #[test]
    fn who_waits_gets_the_next_line_and_is_woken_when_no_more_comes() {
        let kept = Kept::default();
        kept.lock().on = true;
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| kept.next(Duration::MAX));
            kept.put(Level::Info, "one");
            assert_eq!(waiting.join().expect("a thread"), Some((Level::Info, "one".into())));
            let waiting = scope.spawn(|| kept.next(Duration::MAX));
            kept.end();
            assert_eq!(waiting.join().expect("a thread"), None);
        });
    }
}
