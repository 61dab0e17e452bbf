//! Structured logs on stderr, one event per line. The names of steps are part of the interface (docs/agent.md).

use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::clock::wall_now;

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Failures that need attention.
    Error,
    /// Failures that the agent can handle by itself for now.
    Warn,
    /// Each completed step of each rotation.
    Info,
    /// Also the start of each step, and observations.
    Debug,
}

impl Level {
    /// The names used in the configuration.
    pub const NAMES: [&'static str; 4] = ["error", "warn", "info", "debug"];

    /// The level with this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Error, Self::Warn, Self::Info, Self::Debug]
            .into_iter()
            .find(|level| level.as_str() == name)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// The format of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `time=… level=… step=… name=value …`
    Logfmt,
    /// A JSON object per line.
    Json,
}

/// The destination of events.
pub(crate) struct Journal {
    level: Level,
    format: LogFormat,
    out: Mutex<Box<dyn Write + Send>>,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("level", &self.level)
            .finish_non_exhaustive()
    }
}

/// A value in the log: never a secret.
pub(crate) trait Loggable {
    fn value(&self) -> Value;
}

macro_rules! loggable {
    ($($kind:ty),*) => {
        $(impl Loggable for $kind {
            fn value(&self) -> Value {
                Value::from(*self)
            }
        })*
    };
}

loggable!(u32, u64, i64, usize, bool);

impl Loggable for &str {
    fn value(&self) -> Value {
        Value::from(*self)
    }
}

impl Loggable for String {
    fn value(&self) -> Value {
        Value::from(self.as_str())
    }
}

/// A field of an event.
pub(crate) type Field<'a> = (&'static str, &'a dyn Loggable);

impl Journal {
    pub fn new(level: Level, format: LogFormat, out: Box<dyn Write + Send>) -> Self {
        Self {
            level,
            format,
            out: Mutex::new(out),
        }
    }

    /// Logs one event. `step` is its name.
    pub fn event(&self, level: Level, step: &'static str, fields: &[Field<'_>]) {
        if level > self.level {
            return;
        }
        let time = wall_now();
        let fixed: [Field<'_>; 3] = [("time", &time), ("level", &level.as_str()), ("step", &step)];
        let all = fixed.iter().chain(fields);
        let line = match self.format {
            LogFormat::Logfmt => logfmt(all),
            LogFormat::Json => json(all),
        };
        // if stderr is closed, there is nowhere to report that
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(line.as_bytes());
    }
}

fn logfmt<'a, 'b: 'a>(fields: impl Iterator<Item = &'a Field<'b>>) -> String {
    let mut line = String::with_capacity(200);
    for (name, value) in fields {
        let value = match value.value() {
            Value::String(text) => text,
            other => other.to_string(),
        };
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(name);
        line.push('=');
        let plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '=' && c != '\\';
        if !value.is_empty() && value.chars().all(plain) {
            line.push_str(&value);
        } else {
            line.push_str(&Value::from(value).to_string());
        }
    }
    line.push('\n');
    line
}

fn json<'a, 'b: 'a>(fields: impl Iterator<Item = &'a Field<'b>>) -> String {
    let object: serde_json::Map<String, Value> = fields
        .map(|(name, value)| ((*name).to_owned(), value.value()))
        .collect();
    Value::Object(object).to_string() + "\n"
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Journal, Level, LogFormat};
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    /// Keeps the output, for tests to read.
    #[derive(Clone, Default)]
    pub(crate) struct Kept(pub Arc<Mutex<Vec<u8>>>);

    impl Kept {
        pub fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock().expect("not poisoned")).into_owned()
        }
    }

    impl Write for Kept {
        fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(data);
            Ok(data.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_event_is_one_line_whatever_its_values_are() {
        for (format, end) in [
            (
                LogFormat::Logfmt,
                r#"level=warn step=offer tunnel=a counter=7 why="two\nlines \"and\" quotes""#,
            ),
            (
                LogFormat::Json,
                r#""counter":7,"level":"warn","step":"offer","time":"T","tunnel":"a","why":"two\nlines \"and\" quotes"}"#,
            ),
        ] {
            let kept = Kept::default();
            let journal = Journal::new(Level::Info, format, Box::new(kept.clone()));
            journal.event(Level::Debug, "offer", &[]);
            journal.event(
                Level::Warn,
                "offer",
                &[
                    ("tunnel", &"a"),
                    ("counter", &7_u64),
                    ("why", &"two\nlines \"and\" quotes"),
                ],
            );
            let text = kept.text();
            assert_eq!(text.lines().count(), 1, "{text}");
            let text = match format {
                LogFormat::Logfmt => text,
                LogFormat::Json => {
                    let at = text.find(r#""time":""#).expect("a time") + 8;
                    let after = text[at..].find('"').expect("an end") + at;
                    format!("{}T{}", &text[..at], &text[after..])
                }
            };
            assert!(text.trim_end().ends_with(end), "{text}");
        }
    }
}
