//! Parses the arguments and the environment.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory, FromArgMatches};
use skip_client::credentials::looks_like;

use crate::args::Cli;

/// Parses the arguments. Empty variables count as unset, because compose and systemd files leave them so.
pub(crate) fn parse(args: Vec<OsString>) -> Result<Cli, clap::Error> {
    let mut command = without_empty_variables(Cli::command());
    let asked = args.get(1).and_then(|name| name.to_str());
    if let Some(variable) = asked.and_then(|name| variable_with_line_feed(command.find_subcommand(name)?)) {
        let text = format!(
            "{variable} ends with a line feed\n\n  tip: set it with \"$(...)\" or without the last line break\n"
        );
        return Err(command.error(ErrorKind::InvalidValue, text));
    }
    command
        .try_get_matches_from_mut(args)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(without_secrets)
}

fn without_empty_variables(command: Command) -> Command {
    let given = |arg: &Arg| arg.get_env().and_then(std::env::var_os);
    command
        .mut_args(|arg| match given(&arg) {
            Some(value) if value.is_empty() => arg.env(clap::builder::Resettable::Reset),
            _ => arg,
        })
        .mut_subcommands(without_empty_variables)
}

/// A variable of this command that ends with a line feed, unless it holds PEM, which may.
fn variable_with_line_feed(command: &Command) -> Option<String> {
    command.get_arguments().find_map(|arg| {
        let name = arg.get_env()?;
        let value = std::env::var_os(name)?.to_string_lossy().into_owned();
        let is_broken = value.ends_with(['\n', '\r']) && !value.contains("-----BEGIN");
        is_broken.then(|| name.to_string_lossy().into_owned())
    })
}

/// clap quotes what it does not understand, which may be a key in the wrong place.
fn without_secrets(mut error: clap::Error) -> clap::Error {
    let secret = |text: &String| looks_like(text).is_some();
    let found: Vec<_> = error
        .context()
        .filter(|(_, value)| match value {
            ContextValue::String(text) => secret(text),
            ContextValue::Strings(texts) => texts.iter().any(secret),
            _ => false,
        })
        .map(|(kind, _)| kind)
        .collect();
    if !found.is_empty() {
        // suggestions quote the value too
        error.insert(ContextKind::Suggested, ContextValue::None);
    }
    for kind in found {
        error.insert(kind, ContextValue::String("[redacted]".to_owned()));
    }
    error
}
