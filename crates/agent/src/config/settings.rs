//! The options of a Key Provider's client that are not credentials, from the core's table of options.

use std::fmt;
use std::sync::LazyLock;

use skip_client::error::{FrontEnd, Remedy, Spelling as _};
use skip_client::options::{ClientOption, OPTIONS, OptionKind};
use skip_client::{Client, ClientBuilder, Error, Result};

use crate::reader::{Found, Mistakes, Table};

/// Each option with its field name.
static FIELDS: LazyLock<Vec<(&ClientOption, String)>> = LazyLock::new(|| {
    let options = OPTIONS.iter().filter(|option| !option.kind.is_credential());
    options
        .map(|option| (option, FrontEnd::Agent.name(option.name)))
        .collect()
});

/// Options by their names in the core, with their values as text.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Settings(Vec<(&'static str, String)>);

impl fmt::Debug for Settings {
    /// Values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Settings {
    /// Takes the fields of all options out of a table.
    pub(super) fn read(table: &mut Table<'_>, mistakes: &mut Mistakes<'_>) -> Self {
        let mut settings = Vec::new();
        for (option, field) in FIELDS.iter() {
            let found = match option.kind {
                OptionKind::Flag { .. } => table.flag(field, mistakes).map(|found| Found {
                    value: found.value.to_string(),
                    at: found.at,
                }),
                OptionKind::Seconds { .. } => table.duration(field, mistakes).map(|found| Found {
                    value: found.value.as_secs_f64().to_string(),
                    at: found.at,
                }),
                _ => table.text(field, mistakes),
            };
            let Some(found) = found else { continue };
            // tried on a throwaway builder, so that the mistake is reported at its field
            let tried = Client::builder("https://localhost").and_then(|builder| builder.set(option.name, &found.value));
            match tried {
                Ok(_) => settings.push((option.name, found.value)),
                Err(error) => mistakes.add(&found.at, error.what(), hint(&error, option.kind)),
            }
        }
        Self(settings)
    }

    /// Whether the option was given.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| *given == name)
    }

    /// Applies all of them.
    pub fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder> {
        self.0
            .iter()
            .try_fold(builder, |builder, (name, value)| builder.set(name, value))
    }
}

/// Durations have a unit here, unlike in the core's example.
fn hint(error: &Error, kind: OptionKind) -> String {
    match (error.remedy(), kind) {
        (Remedy::Example(_), OptionKind::Seconds { .. }) => "for example \"10s\"".to_owned(),
        _ => error.hint_in(&FrontEnd::Agent),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::{FIELDS, Settings};
    use crate::config::Mistakes;
    use skip_client::options::{OPTIONS, OptionKind};

    #[test]
    fn a_table_accepts_every_option_of_the_core() {
        let mut text = String::new();
        for (option, field) in FIELDS.iter() {
            let value = match option.kind {
                OptionKind::Flag { default } => (!default).to_string(),
                OptionKind::Seconds { .. } => "\"2s\"".to_owned(),
                OptionKind::Choice(words) => format!("\"{}\"", words[1]),
                _ => "\"127.0.0.1\"".to_owned(),
            };
            let _ = writeln!(text, "{field} = {value}");
        }
        let mut mistakes = Mistakes::new("agent.toml", &text);
        let mut table = mistakes.document();
        let settings = Settings::read(&mut table, &mut mistakes);
        table.finish(&mut mistakes);
        assert!(mistakes.is_empty(), "{:?}", mistakes.into_inner());
        for option in OPTIONS.iter().filter(|option| !option.kind.is_credential()) {
            assert!(settings.has(option.name), "{}", option.name);
        }
        assert!(!format!("{settings:?}").contains("127.0.0.1"));
    }

    #[test]
    fn an_invalid_value_is_reported_with_its_field() {
        let mut mistakes = Mistakes::new("agent.toml", "timeout = \"0s\"\ntls = \"1.4\"\n");
        let mut table = mistakes.document();
        let _ = Settings::read(&mut table, &mut mistakes);
        let shown: Vec<String> = mistakes.into_inner().iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "agent.toml:1: timeout: must be more than 0 and at most 31536000 seconds, not 0 (for example \"10s\")",
                "agent.toml:2: tls: must be auto, 1.2 or 1.3 (use tls = \"auto\")",
            ]
        );
    }
}
