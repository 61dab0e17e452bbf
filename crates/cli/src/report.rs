//! Errors and warnings on stderr.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;

use skip_client::error::FrontEnd;
use skip_client::{Error, ErrorCode, Side};

use crate::text::{json, shown};

/// Exit status after Ctrl-C: 128 plus the number of SIGINT, as in shells.
pub(crate) const INTERRUPTED: i32 = 130;
/// Exit status of a usage error.
pub(crate) const WRONG_USE: i32 = 2;
/// Exit status for a wrong response, and for an invalid message.
pub(crate) const WRONG_ANSWER: i32 = 5;

/// Prints errors in the requested form.
pub(crate) struct Reporter {
    json: bool,
}

impl Reporter {
    /// `json`: one object instead of lines.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints an error; returns the exit status for its side.
    pub fn error(&self, error: &Error) -> i32 {
        let (message, hint) = (
            error.message_in(&FrontEnd::CommandLine),
            error.hint_in(&FrontEnd::CommandLine),
        );
        let text = if self.json {
            let mut object = serde_json::json!({
                "code": error.code().as_str(),
                "message": message,
                "hint": hint,
                "advice": error.advice().as_str(),
                "status": error.status(),
            });
            if let Some(said) = error.provider_text() {
                object["provider_text"] = said.into();
            }
            json(&object) + "\n"
        } else {
            let mut text = format!("error: {}\n", shown(&message));
            if let Some(said) = error.provider_text() {
                let _ = writeln!(text, "provider said: {}", shown(said));
            }
            if !hint.is_empty() {
                let _ = writeln!(text, "hint: {}", shown(&hint));
            }
            let _ = writeln!(text, "more: skip-client explain {}", error.code());
            text
        };
        say(&text);
        exit_status(error.code())
    }
}

/// Prints a warning that does not affect the outcome.
pub(crate) fn warning(text: &str) {
    say(&format!("warning: {}\n", shown(text)));
}

/// Prints one of several errors that do not come from the library.
#[cfg(unix)] // for the agent alone
pub(crate) fn error_line(text: &str) {
    say(&format!("error: {}\n", shown(text)));
}

/// Prints a value that the output format has no place for.
pub(crate) fn note(name: &str, value: &str) {
    say(&format!("{name}: {}\n", shown(value)));
}

/// Prints clap's error (or help and version, on stdout); returns the exit status.
pub(crate) fn usage(error: &clap::Error, json: bool) -> i32 {
    if error.exit_code() != 0 && json {
        let text = error.render().to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let message = lines
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned();
        let rest: Vec<&str> = lines.collect();
        return Reporter::new(true).error(&Error::invalid_argument("arguments", message, rest.join("; ")));
    }
    if error.print().is_err() {
        return WRONG_USE;
    }
    error.exit_code()
}

/// Whether errors are to be JSON, for arguments that clap may not understand.
pub(crate) fn asks_for_json(args: &[OsString]) -> bool {
    args.iter().any(|arg| arg == "--json" || arg == "--format=json")
        || args.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json")
}

/// If stderr is closed, there is nowhere to report that.
fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// The exit status for an error.
pub(crate) fn exit_status(code: ErrorCode) -> i32 {
    match code.side() {
        Side::You => WRONG_USE,
        Side::Network => 3,
        Side::ProviderRefused => 4,
        Side::ProviderAnswer => WRONG_ANSWER,
    }
}

#[cfg(test)]
mod tests {
    use super::exit_status;
    use skip_client::ErrorCode;

    #[test]
    fn each_code_has_the_status_of_its_side() {
        let count = |status| {
            ErrorCode::ALL
                .iter()
                .filter(|code| exit_status(**code) == status)
                .count()
        };
        assert_eq!([count(2), count(3), count(4), count(5)], [3, 4, 7, 5]);
    }
}
