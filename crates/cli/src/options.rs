//! The client's options on the command line, generated from the core's table.

use clap::builder::FalseyValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use skip_client::error::{FrontEnd, Spelling as _};
use skip_client::options::{ClientOption, OPTIONS, OptionKind};
use skip_client::{ClientBuilder, Result};

/// The given options of the table, except credentials.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings(Vec<(&'static str, String)>);

impl Settings {
    /// Applies all of them.
    pub fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder> {
        self.0
            .iter()
            .try_fold(builder, |builder, (name, value)| builder.set(name, value))
    }
}

fn rows() -> impl Iterator<Item = &'static ClientOption> {
    OPTIONS.iter().filter(|option| !option.kind.is_credential())
}

/// The name of the argument, without the dashes.
fn long(option: &ClientOption) -> String {
    FrontEnd::CommandLine.name(option.name).split_off(2)
}

/// The options that differ for the peer: names and pins of that Key Provider, and how to reach it.
#[derive(Debug, Clone, Default)]
pub(crate) struct PeerSettings(Settings);

impl PeerSettings {
    /// The first end's options, overridden by these. `same` says whether both use the same type of credentials;
    /// otherwise the name and the pin of the first certificate do not apply.
    pub fn over(&self, first: &Settings, same: bool) -> Settings {
        let kept = first
            .0
            .iter()
            .filter(|(name, _)| same || !matches!(*name, "server_name" | "pin"));
        Settings(kept.chain(&self.0.0).cloned().collect())
    }
}

fn peer_rows() -> impl Iterator<Item = &'static ClientOption> {
    rows().filter(|option| matches!(option.kind, OptionKind::Text { .. } | OptionKind::Choice(_)))
}

impl Args for PeerSettings {
    fn augment_args(command: Command) -> Command {
        command.args(peer_rows().map(|option| {
            argument(option)
                .id(format!("peer_{}", option.name))
                .long(format!("peer-{}", long(option)))
                .env(None::<&'static str>)
                .help(format!("As --{}, for the peer", long(option)))
                .requires("peer")
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PeerSettings {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let given = |option: &'static ClientOption| {
            let value = matches.get_one::<String>(&format!("peer_{}", option.name));
            value.map(|value| (option.name, value.clone()))
        };
        Ok(Self(Settings(peer_rows().filter_map(given).collect())))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn argument(option: &'static ClientOption) -> Arg {
    let long = long(option);
    let env = format!("SKIP_{}", long.replace('-', "_").to_uppercase());
    let arg = Arg::new(option.name).long(long).env(env).hide_env_values(true);
    let help = option.help;
    match option.kind {
        OptionKind::Flag { default } => {
            let mut start = help.chars();
            let help = match start.next().filter(|_| default) {
                Some(first) => format!("Do not {}{}", first.to_lowercase(), start.as_str()),
                None => help.to_owned(),
            };
            arg.help(help)
                .action(ArgAction::SetTrue)
                .value_parser(FalseyValueParser::new())
        }
        OptionKind::Seconds { default: 0, .. } => arg.help(format!("{help}, in seconds")).value_name("S"),
        OptionKind::Seconds { default, .. } => arg
            .help(format!("{help}, in seconds [default: {default}]"))
            .value_name("S"),
        OptionKind::Choice(words) => arg
            .help(format!("{help} [default: {}]", words[0]))
            .value_name("VERSION"),
        OptionKind::Text { placeholder } => arg.help(help).value_name(placeholder),
        _ => arg.help(help),
    }
}

impl Args for Settings {
    fn augment_args(command: Command) -> Command {
        command.args(rows().map(argument))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Settings {
    fn from_arg_matches(matches: &ArgMatches) -> std::result::Result<Self, clap::Error> {
        let given = |option: &'static ClientOption| match option.kind {
            OptionKind::Flag { default } => matches.get_flag(option.name).then(|| (!default).to_string()),
            // an empty environment variable counts as unset
            _ if matches.value_source(option.name) == Some(ValueSource::EnvVariable) => matches
                .get_one::<String>(option.name)
                .filter(|value| !value.is_empty())
                .cloned(),
            _ => matches.get_one::<String>(option.name).cloned(),
        };
        Ok(Self(
            rows()
                .filter_map(|option| Some((option.name, given(option)?)))
                .collect(),
        ))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> std::result::Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::long;
    use clap::CommandFactory as _;
    use skip_client::error::FrontEnd;
    use skip_client::options::OPTIONS;
    use skip_client::{BitLength, KeyId};

    #[test]
    fn every_option_is_an_argument_of_every_command_that_connects() {
        let command = crate::args::Cli::command();
        for name in ["capabilities", "new-key", "key", "entropy", "doctor"] {
            let command = command.find_subcommand(name).expect("a command");
            for option in OPTIONS {
                let wanted = long(&option);
                assert!(
                    command.get_arguments().any(|arg| arg.get_long() == Some(&wanted)),
                    "{name} lacks --{wanted} for the option {}",
                    option.name
                );
            }
        }
    }

    #[test]
    fn errors_have_the_names_that_are_typed() {
        let error = BitLength::new(7).expect_err("no whole byte");
        assert!(
            error.message_in(&FrontEnd::CommandLine).starts_with("--size: "),
            "{error}"
        );
        let error = KeyId::new("xyz").expect_err("not hexadecimal");
        assert!(
            error.message_in(&FrontEnd::CommandLine).starts_with("KEYID: "),
            "{error}"
        );
        assert!(
            error.hint_in(&FrontEnd::CommandLine).ends_with(": --lenient"),
            "{error}"
        );
    }
}
