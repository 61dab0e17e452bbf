//! Log lines, which each language fetches on a dedicated thread.

use std::time::Duration;

use skip_client::logging::{self, Level, LevelFilter};

/// A line of the log.
#[derive(uniffi::Record)]
pub struct CoreLogLine {
    /// `warning`, `info` or `debug`.
    level: String,
    text: String,
}

/// Queues lines for [`next_log_line`], or drops the queue.
#[uniffi::export]
pub fn keep_log(on: bool) {
    logging::keep(if on { LevelFilter::Debug } else { LevelFilter::Off });
}

/// The next line; waits up to a minute for one, unless lines are no longer queued.
#[uniffi::export]
pub fn next_log_line() -> Option<CoreLogLine> {
    let (level, text) = logging::next(Duration::from_mins(1))?;
    let level = match level {
        Level::Error | Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug | Level::Trace => "debug",
    };
    let level = level.to_owned();
    Some(CoreLogLine { level, text })
}
