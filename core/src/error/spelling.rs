//! The spelling of option and argument names in errors.

use crate::options::{OPTIONS, OptionKind, camel_case};

/// A front end's spelling of the names in errors: those of the [options](crate::options::OPTIONS), and of arguments such as `url`,
/// `remoteSystemID`, `keyId` and `size`. Unknown names are left unchanged.
pub trait Spelling {
    /// The name of an option or argument, for example `--server-name`.
    fn name(&self, name: &str) -> String;

    /// An option set to a value, for example `--tls auto`.
    fn setting(&self, name: &str, value: &str) -> String;
}

/// The spelling of this crate and of C: `server_name`, `tls=auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Canonical;

impl Spelling for Canonical {
    fn name(&self, name: &str) -> String {
        name.to_owned()
    }

    fn setting(&self, name: &str, value: &str) -> String {
        format!("{name}={value}")
    }
}

/// A front end of this project with names of its own.
///
/// ```
/// use skip_client::error::{FrontEnd, Spelling};
/// assert_eq!(FrontEnd::CommandLine.setting("check_remote", "false"), "--no-check-remote");
/// assert_eq!(FrontEnd::Kotlin.setting("tls", "1.2"), "tls = TlsVersion.TLS_1_2");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrontEnd {
    /// `--server-name`, `--tls auto`.
    CommandLine,
    /// The agent's TOML: `server-name`, `tls = "auto"`.
    Agent,
    /// `server_name`, `tls="auto"`.
    Python,
    /// `serverName`, `tls = TlsVersion.AUTO`.
    Kotlin,
    /// `serverName`, `tls: .auto`.
    Swift,
    /// `ServerName`, `TLS: "auto"`.
    Go,
    /// `serverName`, `tls: "auto"`.
    Node,
}

/// Names and settings that follow no rule, in the order of [`FrontEnd::ALL`]; an empty one follows the rule.
#[rustfmt::skip]
const IRREGULAR: [(&str, [&str; 7]); 16] = [
    ("url",            ["URL", "", "", "", "", "", ""]),
    ("remoteSystemID", ["--remote", "remote", "remote", "remote", "remote", "remote", "remote"]),
    ("keyId",          ["KEYID", "", "key_id", "", "keyID", "keyID", ""]),
    ("size",           ["--size", "", "", "", "", "Size", ""]),
    ("bits",           ["--bits", "", "", "", "", "", ""]),
    ("format",         ["--format", "", "", "", "", "", ""]),
    ("profile",        ["--profile", "", "", "", "", "", ""]),
    ("ca",             ["", "", "", "caPem", "caPEM", "", ""]),
    ("cert",           ["", "", "", "clientCertPem", "clientCertPEM", "", ""]),
    ("key",            ["", "", "", "clientKeyPem", "clientKeyPEM", "", ""]),
    ("key_password",   ["--key-password-file", "key-password-file", "", "", "", "", ""]),
    ("psk",            ["--psk-file", "psk-file", "", "", "", "", ""]),
    ("ca=system",      ["", "", "", "systemCa = true", "systemCA: true", "SystemCA: true", ""]),
    ("tls=auto",       ["", "", "", "tls = TlsVersion.AUTO", "tls: .auto", "", ""]),
    ("tls=1.2",        ["", "", "", "tls = TlsVersion.TLS_1_2", "tls: .v12", "", ""]),
    ("tls=1.3",        ["", "", "", "tls = TlsVersion.TLS_1_3", "tls: .v13", "", ""]),
];

impl FrontEnd {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::CommandLine,
        Self::Agent,
        Self::Python,
        Self::Kotlin,
        Self::Swift,
        Self::Go,
        Self::Node,
    ];

    fn irregular(self, name: &str) -> Option<&'static str> {
        let (_, names) = IRREGULAR.iter().find(|(known, _)| *known == name)?;
        Some(names[self as usize]).filter(|name| !name.is_empty())
    }
}

impl Spelling for FrontEnd {
    fn name(&self, name: &str) -> String {
        if let Some(name) = self.irregular(name) {
            return name.to_owned();
        }
        let option = OPTIONS.iter().find(|option| option.name == name);
        // on the command line and in Go, what is on by default can only be switched off
        let is_on = option.is_some_and(|option| option.kind == OptionKind::Flag { default: true });
        match self {
            Self::CommandLine if option.is_some() => {
                format!("--{}{}", if is_on { "no-" } else { "" }, name.replace('_', "-"))
            }
            Self::Agent => name.replace('_', "-"),
            Self::Kotlin | Self::Swift | Self::Node => camel_case(name),
            Self::Go if option.is_some() => {
                let words = name.split('_').map(go_word);
                format!("{}{}", if is_on { "No" } else { "" }, words.collect::<String>())
            }
            _ => name.to_owned(),
        }
    }

    fn setting(&self, name: &str, value: &str) -> String {
        if let Some(setting) = self.irregular(&format!("{name}={value}")) {
            return setting.to_owned();
        }
        let name = self.name(name);
        let is_flag = matches!(value, "true" | "false");
        match self {
            Self::CommandLine if is_flag => name,
            Self::CommandLine => format!("{name} {value}"),
            Self::Python if is_flag => format!("{name}={}{}", value[..1].to_uppercase(), &value[1..]),
            Self::Python => format!("{name}=\"{value}\""),
            Self::Agent | Self::Kotlin if is_flag => format!("{name} = {value}"),
            Self::Agent | Self::Kotlin => format!("{name} = \"{value}\""),
            Self::Swift | Self::Node if is_flag => format!("{name}: {value}"),
            Self::Go if is_flag => format!("{name}: true"),
            Self::Swift | Self::Go | Self::Node => format!("{name}: \"{value}\""),
        }
    }
}

/// A word of a name in Go, where abbreviations are upper-case.
fn go_word(word: &str) -> String {
    match word {
        "ca" | "psk" | "tls" | "url" => word.to_uppercase(),
        _ => word[..1].to_uppercase() + &word[1..],
    }
}
