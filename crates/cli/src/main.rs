//! The `skip-client` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // best effort: where the system has no such switch, the command works all the same
    let _ = skip_client::process::harden_process();
    let status = skip_client_cli::run(std::env::args_os().collect());
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}
