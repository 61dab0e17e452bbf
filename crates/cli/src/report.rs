//! Errors and warnings on stderr.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;

use skip_client::{Error, ErrorCode, Side};

use crate::text::{json, shown};

/// Exit status after Ctrl-C: 128 and the number of SIGINT, as shells have it.
pub(crate) const INTERRUPTED: i32 = 130;
/// Exit status of wrong use.
pub(crate) const WRONG_USE: i32 = 2;
/// Exit status of a wrong answer, and of an invalid message.
pub(crate) const WRONG_ANSWER: i32 = 5;

/// How the arguments of the library are called on the command line.
const OPTIONS: [(&str, &str); 14] = [
    ("url", "URL"),
    ("keyId", "KEYID"),
    ("remoteSystemID", "--remote"),
    ("size", "--size"),
    ("format", "--format"),
    ("profile", "--profile"),
    ("ca", "--ca"),
    ("cert", "--cert"),
    ("pin", "--pin"),
    ("proxy", "--proxy"),
    ("tls", "--tls"),
    ("server_name", "--server-name"),
    ("connect_timeout", "--connect-timeout"),
    ("timeout", "--timeout"),
];

/// What the library's hints speak of, and the option that does it.
const REMEDIES: [(&str, &str); 4] = [
    ("(ca)", "(--ca FILE)"),
    ("(pin)", "(--pin)"),
    ("ca=system", "--ca system"),
    ("tls=auto", "--tls auto"),
];

/// Writes errors in the form that was asked for.
pub(crate) struct Reporter {
    json: bool,
}

impl Reporter {
    /// `json`: one object instead of lines.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Shows an error and gives the exit status of its side.
    pub fn error(&self, error: &Error) -> i32 {
        let (message, hint) = (message(error), hint(error));
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

/// Shows a warning that does not change the outcome.
pub(crate) fn warning(text: &str) {
    say(&format!("warning: {}\n", shown(text)));
}

/// Shows one of several errors that are not of the library.
#[cfg(unix)] // for the agent alone
pub(crate) fn error_line(text: &str) {
    say(&format!("error: {}\n", shown(text)));
}

/// Shows a value beside an output that has no place for it.
pub(crate) fn note(name: &str, value: &str) {
    say(&format!("{name}: {}\n", shown(value)));
}

/// Shows what clap found (or help and version, on stdout) and gives the exit status.
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

/// stderr may be closed; there is nowhere else to say so.
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

/// The library's message, with the option's name where it names an argument.
fn message(error: &Error) -> String {
    let message = error.message();
    if error.code() == ErrorCode::InvalidArgument
        && let Some((field, rest)) = message.split_once(": ")
        && let Some((_, option)) = OPTIONS.iter().find(|(name, _)| *name == field)
    {
        return format!("{option}: {rest}");
    }
    message.to_owned()
}

/// A text of the library that speaks of its arguments, with the options of the command line instead.
pub(crate) fn in_options(text: &str) -> String {
    let mut text = text.to_owned();
    for (argument, option) in REMEDIES {
        text = text.replace(argument, option);
    }
    text
}

/// The library's hint, with the option that does what it says.
fn hint(error: &Error) -> String {
    let mut hint = in_options(error.hint());
    if matches!(error.code(), ErrorCode::UnknownRemote | ErrorCode::NotSupported) {
        hint += ": --no-check-remote";
    } else if hint.contains("lenient mode") && !hint.contains("--lenient") {
        hint += ": --lenient";
    }
    hint
}

#[cfg(test)]
mod tests {
    use super::{exit_status, hint, message};
    use skip_client::{BitLength, Error, ErrorCode, KeyId};

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

    #[test]
    fn arguments_have_the_names_of_options() {
        let error = BitLength::new(7).expect_err("no whole byte");
        assert!(message(&error).starts_with("--size: "), "{}", message(&error));
        let error = KeyId::new("xyz").expect_err("not hexadecimal");
        assert!(message(&error).starts_with("KEYID: "), "{}", message(&error));
        assert!(hint(&error).contains("--lenient"), "{}", hint(&error));
        let error = Error::invalid_argument("output", "x: y", "");
        assert_eq!(message(&error), "output: x: y");
    }
}
