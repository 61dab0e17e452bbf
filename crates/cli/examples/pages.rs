//! pages DIR: writes the command's manual pages and completions for packages: `DIR/man/*.1`, `DIR/completions/*`.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::Command;
use clap_complete::Shell;

fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: pages DIR")?);
    let (man, completions) = (dir.join("man"), dir.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    // the pages show the bare version: the linked TLS libraries differ between packages
    let mut command = skip_client_cli::description().long_version(None);
    let mut paged = without_help(command.clone());
    paged.build();
    clap_mangen::generate_to(paged, &man)?;
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut command, "skip-client", &completions)?;
    }
    Ok(())
}

/// Drops the `help` subcommands, which would each have a page for every command.
fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}
