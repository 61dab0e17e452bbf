//! The `skip-client` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // best effort: the command also works on systems without this protection
    let _ = skip_client::process::harden_process();
    let status = skip_client_cli::run(std::env::args_os().collect());
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}
