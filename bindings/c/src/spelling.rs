//! The names of the Go package in errors.

use skip_client::error::Spelling;
use skip_client::options::{OPTIONS, OptionKind};

/// The fields of `skip.Options`, and the parameters of its methods.
pub(crate) struct Go;

impl Spelling for Go {
    fn name(&self, name: &str) -> String {
        match name {
            "keyId" => "keyID".to_owned(),
            "remoteSystemID" => "remote".to_owned(),
            "size" => "Size".to_owned(),
            _ if OPTIONS.iter().any(|option| option.name == name) => field(name),
            _ => name.to_owned(),
        }
    }

    fn setting(&self, name: &str, value: &str) -> String {
        let kind = OPTIONS
            .iter()
            .find(|option| option.name == name)
            .map(|option| option.kind);
        match (kind, value) {
            // the zero value of a field is its default
            (Some(OptionKind::Flag { .. }), _) => format!("{}: true", self.name(name)),
            (Some(OptionKind::TrustedCertificates), "system") => "SystemCA: true".to_owned(),
            _ => format!("{}: \"{value}\"", self.name(name)),
        }
    }
}

/// In `PascalCase`; options that are on by default have fields that switch them off.
fn field(name: &str) -> String {
    let is_on = |name: &str| {
        let default = OptionKind::Flag { default: true };
        OPTIONS
            .iter()
            .any(|option| option.name == name && option.kind == default)
    };
    let words = name.split('_').map(|word| match word {
        "ca" | "psk" | "tls" | "url" => word.to_uppercase(),
        _ => word[..1].to_uppercase() + &word[1..],
    });
    format!("{}{}", if is_on(name) { "No" } else { "" }, words.collect::<String>())
}
