//! The `skip-client` command as a library, so that the Python package runs the same program.
//!
//! [`run`] takes the arguments and returns the exit status; it never ends the process itself.

mod agent;
mod args;
mod connect;
mod demo;
mod doctor;
mod explain;
mod fetch;
mod files;
mod interrupt;
mod options;
mod output;
mod parse;
mod prompt;
mod report;
mod secret_text;
mod serve;
mod text;
mod validate;

use std::ffi::OsString;

use clap::CommandFactory;

use crate::args::{Cli, Command};
use crate::interrupt::Interrupt;
use crate::report::{INTERRUPTED, Reporter};

/// The command as described to clap, for the manual pages and completions made by `examples/pages.rs`.
#[doc(hidden)]
#[must_use]
pub fn description() -> clap::Command {
    Cli::command()
}

/// Runs the command with `args`, starting with the program's name (like [`std::env::args_os`]), on this process's
/// stdin, stdout and stderr.
///
/// Returns the exit status: 0 success; 1 the demo went wrong, a Key Provider failed its examination, or a tunnel did
/// not rotate; 2 usage error; 3 no connection, or it was lost or timed out; 4 the Key Provider refused; 5 its response is
/// wrong, or a message to be validated is invalid; 130 interrupted. From the first command that waits for the network,
/// it handles SIGINT, SIGTERM and SIGHUP.
#[must_use]
pub fn run(args: Vec<OsString>) -> i32 {
    let json = report::asks_for_json(&args);
    let cli = match parse::parse(args) {
        Ok(cli) => cli,
        Err(error) => return report::usage(&error, json),
    };
    let reporter = Reporter::new(cli.command.wants_json());
    let interrupt = Interrupt::new();
    let outcome = match &cli.command {
        Command::Capabilities(args) => fetch::capabilities(args, &interrupt),
        Command::NewKey(args) => fetch::new_key(args, &interrupt),
        Command::Key(args) => fetch::key(args, &interrupt),
        Command::Entropy(args) => fetch::entropy(args, &interrupt),
        Command::Validate(args) => validate::run(args),
        Command::Doctor(args) => doctor::run(args, &interrupt),
        Command::Serve(args) => serve::run(args, &interrupt),
        Command::Agent(args) => agent::run(args),
        Command::Demo => demo::run(&interrupt),
        Command::Explain(args) => explain::run(args),
    };
    match outcome {
        Ok(status) => status,
        Err(error) => {
            let status = reporter.error(&error);
            if interrupt.happened() { INTERRUPTED } else { status }
        }
    }
}
