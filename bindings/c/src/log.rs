//! Log lines, which the program fetches: nothing here calls the program.

use std::ffi::c_char;
use std::time::Duration;

use skip_client::logging::{self, Level, LevelFilter};

use crate::border::{Text, free, infallible, lend};

/// How much is logged, and the level of a line.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum SkipLogLevel {
    /// Nothing is logged: the default.
    Off = 0,
    /// Warnings about connections, and failover to another Key Provider.
    Warning = 1,
    /// Also weaker handshakes with pre-shared keys, and waits for a busy Key Provider.
    Info = 2,
    /// Also new connections.
    Debug = 3,
}

/// A line of the log.
pub struct SkipLogLine {
    level: SkipLogLevel,
    text: Text,
}

/// Queues log lines about the connections of all clients in this process, up to a level, for skip_log_next. When 1000 are queued, the
/// oldest are dropped. SKIP_LOG_LEVEL_OFF drops all, and wakes threads that wait for one. A child process sets its own level.
#[unsafe(no_mangle)]
pub extern "C" fn skip_log_set_level(level: SkipLogLevel) {
    infallible((), || {
        logging::keep(match level {
            SkipLogLevel::Off => LevelFilter::Off,
            SkipLogLevel::Warning => LevelFilter::Warn,
            SkipLogLevel::Info => LevelFilter::Info,
            SkipLogLevel::Debug => LevelFilter::Debug,
        });
    });
}

/// The next line, to be freed with skip_log_line_free. If there is none, waits this many milliseconds for one, then returns NULL; 0 does
/// not wait. Usually called in a loop by a dedicated thread; the library never calls the program.
#[unsafe(no_mangle)]
pub extern "C" fn skip_log_next(milliseconds: u32) -> *mut SkipLogLine {
    infallible(std::ptr::null_mut(), || {
        let Some((level, text)) = logging::next(Duration::from_millis(milliseconds.into())) else {
            return std::ptr::null_mut();
        };
        let level = match level {
            Level::Error | Level::Warn => SkipLogLevel::Warning,
            Level::Info => SkipLogLevel::Info,
            Level::Debug | Level::Trace => SkipLogLevel::Debug,
        };
        let text = Text::new(&text);
        Box::into_raw(Box::new(SkipLogLine { level, text }))
    })
}

/// The level of a line.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_log_line_level(line: *const SkipLogLine) -> SkipLogLevel {
    // SAFETY: NULL or a live handle
    unsafe { line.as_ref() }.map_or(SkipLogLevel::Off, |line| line.level)
}

/// The text of a line, without a line feed. It never contains a secret.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_log_line_text(line: *const SkipLogLine, length: *mut usize) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { lend(line.as_ref().map(|line| &line.text), length) }
}

/// Frees a line.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_log_line_free(line: *mut SkipLogLine) {
    // SAFETY: NULL or a handle that is no longer used
    unsafe { free(line) }
}
