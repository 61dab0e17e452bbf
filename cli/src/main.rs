//! The `skip-client` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    let status = skip_client_cli::run(std::env::args_os().collect());
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}
