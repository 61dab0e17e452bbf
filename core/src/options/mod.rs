//! The client options, in one table. Every front end takes names, types, defaults and help from it, or has a test that compares it
//! with the table: the command line, the agent's TOML, Python's keywords, Kotlin, Swift, C, Go and the pytest plugin.
//!
//! To add an option, add a row here and use the new field of `Options` where it takes effect.

#[cfg(feature = "https")]
mod files;
#[cfg(feature = "https")]
mod values;

#[cfg(feature = "https")]
use std::net::IpAddr;
#[cfg(feature = "https")]
use std::time::Duration;

#[cfg(feature = "https")]
use zeroize::Zeroizing;

#[cfg(feature = "https")]
use crate::error::{Error, Result};
#[cfg(feature = "https")]
use crate::psk::Psk;
#[cfg(feature = "https")]
pub(crate) use files::{PskFile, Stamp};
#[cfg(feature = "https")]
pub(crate) use values::{ClientCert, Setting, check_seconds};
#[cfg(feature = "https")]
pub use values::{TlsVersion, parse_seconds};

/// A client option, with everything that a front end needs to offer it.
///
/// ```
/// use skip_client::options::{OPTIONS, OptionKind};
/// let timeout = OPTIONS.iter().find(|option| option.name == "timeout").expect("an option");
/// assert!(matches!(timeout.kind, OptionKind::Seconds { default: 10, .. }) && timeout.per_call);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientOption {
    /// The name in `snake_case`, as [`ClientBuilder::set`](crate::ClientBuilder::set) takes it.
    pub name: &'static str,
    /// Its type and default.
    pub kind: OptionKind,
    /// One sentence without a full stop.
    pub help: &'static str,
    /// Whether the value may contain a secret: it must not be logged, shown or visible in a process list.
    pub secret: bool,
    /// Whether a single call can override it.
    pub per_call: bool,
}

/// The type of an option's value, with its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionKind {
    /// `true` or `false`.
    Flag {
        /// The default.
        default: bool,
    },
    /// A number of seconds, optionally with a fraction, up to a year.
    Seconds {
        /// The default, in seconds.
        default: u64,
        /// Whether zero is allowed.
        zero: bool,
    },
    /// One of these words; the first is the default.
    Choice(&'static [&'static str]),
    /// A text, unset by default.
    Text {
        /// The placeholder for the value in usage lines.
        placeholder: &'static str,
    },
    /// Certificates in PEM form, or `system` for the system's store.
    TrustedCertificates,
    /// A certificate with its chain, in PEM form.
    Certificate,
    /// A private key in PEM form.
    PrivateKey,
    /// The identity and the key of a [`Psk`]; as text `identity:hex`.
    PreSharedKey,
    /// A password in UTF-8.
    Password,
}

/// The options for credentials. Each language has its own types for them, so their code is written by hand.
const CREDENTIALS: [ClientOption; 5] = [
    ClientOption::new(
        "ca",
        OptionKind::TrustedCertificates,
        "Certificates (PEM) of the CAs to trust; \"system\" is the system's store",
    ),
    ClientOption::new(
        "cert",
        OptionKind::Certificate,
        "Client certificate with its chain (PEM), or PKCS#12 with both it and its private key",
    ),
    ClientOption {
        secret: true,
        ..ClientOption::new(
            "key",
            OptionKind::PrivateKey,
            "Private key of the client certificate (PEM)",
        )
    },
    ClientOption {
        secret: true,
        ..ClientOption::new(
            "key_password",
            OptionKind::Password,
            "Password of an encrypted private key (PKCS#8), or of PKCS#12",
        )
    },
    ClientOption {
        secret: true,
        ..ClientOption::new(
            "psk",
            OptionKind::PreSharedKey,
            "Pre-shared key instead of certificates",
        )
    },
];

/// Generates the table, the fields of [`Options`] and the builder's methods from the rows. The first line of a row's comment is its
/// help text.
macro_rules! options {
    ($(
        #[doc = $help:literal]
        $(#[doc = $more:literal])*
        $name:ident($given:ty): $type:ty = $kind:expr $(, $mark:ident)*;
    )+) => {
        const SETTINGS: [ClientOption; [$(stringify!($name)),+].len()] = [$(
            ClientOption { $($mark: true,)* ..ClientOption::new(stringify!($name), $kind, $help.trim_ascii()) },
        )+];

        #[cfg(feature = "https")]
        /// The values of all options.
        #[derive(Clone)]
        pub(crate) struct Options {
            pub ca_pem: Vec<Vec<u8>>,
            pub ca_system: bool,
            pub client_cert: Option<ClientCert>,
            pub key_password: Option<Zeroizing<Vec<u8>>>,
            pub psk: Option<Psk>,
            pub files: files::Files,
            $(pub $name: $type,)+
        }

        #[cfg(feature = "https")]
        impl Default for Options {
            fn default() -> Self {
                Self {
                    ca_pem: Vec::new(),
                    ca_system: false,
                    client_cert: None,
                    key_password: None,
                    psk: None,
                    files: files::Files::default(),
                    $($name: <$type as Setting>::default_of($kind),)+
                }
            }
        }

        #[cfg(feature = "https")]
        impl Options {
            pub(super) fn set_row(&mut self, name: &str, text: &str) -> Result<()> {
                $(if name == stringify!($name) {
                    self.$name = <$type as Setting>::parse(stringify!($name), $kind, text)?;
                    return Ok(());
                })+
                Err(Error::unknown_option(name))
            }

            /// Rejects values that only a builder method can set.
            pub(super) fn check_rows(&self) -> Result<()> {
                $(<$type as Setting>::check(&self.$name, stringify!($name), $kind)?;)+
                Ok(())
            }
        }

        #[cfg(feature = "https")]
        macro_rules! setters {
            () => {
                $(
                    #[doc = $help]
                    $(#[doc = $more])*
                    pub fn $name(mut self, value: $given) -> Self {
                        self.options.$name = <$type as Setting>::of(value);
                        self
                    }
                )+
            };
        }
        /// The builder's methods for the rows.
        #[cfg(feature = "https")]
        pub(crate) use setters;
    };
}

options! {
    /// The name that the Key Provider's certificate must have, instead of the URL's host
    server_name(&str): Option<String> = OptionKind::Text { placeholder: "NAME" };

    /// The Key Provider's public key must be this one: `sha256/BASE64`, the SHA-256 of its `SubjectPublicKeyInfo`
    ///
    /// With CAs both must hold; alone, the pin is the trust, and neither chain nor name nor dates are checked.
    pin(&str): Option<String> = OptionKind::Text { placeholder: "PIN" };

    /// Versions of TLS to offer: auto (1.3 and 1.2), 1.2 or 1.3
    tls(TlsVersion): TlsVersion = OptionKind::Choice(&["auto", "1.2", "1.3"]);

    /// Refuse cipher suites without forward secrecy
    ///
    /// With a pre-shared key these are the suites of plain PSK; whoever learns the key could read recorded traffic.
    forward_secrecy(bool): bool = OptionKind::Flag { default: false };

    /// Offer post-quantum key exchange (X25519MLKEM768), which makes the `ClientHello` more than 1200 bytes larger
    ///
    /// Some middleboxes drop a `ClientHello` that does not fit into one packet.
    post_quantum(bool): bool = OptionKind::Flag { default: true };

    /// Time for the whole call
    timeout(Duration): Duration = OptionKind::Seconds { default: 10, zero: false }, per_call;

    /// Time for resolving the name, TCP and TLS of one Key Provider together
    connect_timeout(Duration): Duration = OptionKind::Seconds { default: 3, zero: false };

    /// URL of an HTTP proxy with CONNECT, for example `http://proxy:3128`; proxy environment variables are ignored
    ///
    /// `http://[user:password@]host[:port]`.
    proxy(&str): Option<String> = OptionKind::Text { placeholder: "URL" }, secret;

    /// Local IP address to connect from
    source_address(IpAddr): Option<IpAddr> = OptionKind::Text { placeholder: "IP" };

    /// Accept some known deviations of real Key Providers from the draft
    ///
    /// See [`parse_response`](crate::parse_response).
    lenient(bool): bool = OptionKind::Flag { default: false };

    /// Refuse locally what the capabilities exclude, such as a remote that they do not list
    check_remote(bool): bool = OptionKind::Flag { default: true };

    /// Total time to keep retrying while a Key Provider is busy (429, 503)
    ///
    /// Each wait is as long as its Retry-After says, at most 30 s. The call's timeout still ends it.
    wait_when_busy(Duration): Duration = OptionKind::Seconds { default: 0, zero: true };

    /// Also offer `TLS_RSA_WITH_AES_256_CBC_SHA256`, which Table 1 recommends but which is no longer secure
    ///
    /// By OpenSSL instead of rustls, for Key Providers with certificates; needs the feature `psk`. That suite has no forward secrecy.
    legacy(bool): bool = OptionKind::Flag { default: false };
}

/// The table: credentials first, then all others.
pub const OPTIONS: [ClientOption; CREDENTIALS.len() + SETTINGS.len()] = {
    let mut all = [CREDENTIALS[0]; CREDENTIALS.len() + SETTINGS.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < CREDENTIALS.len() {
            CREDENTIALS[at]
        } else {
            SETTINGS[at - CREDENTIALS.len()]
        };
        at += 1;
    }
    all
};

/// Converts a name of the table to the case of Kotlin, Swift and JavaScript: `server_name` to `serverName`.
#[must_use]
pub fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

impl OptionKind {
    /// Whether it is a credential: each language has its own types for these options.
    #[must_use]
    pub const fn is_credential(self) -> bool {
        matches!(
            self,
            Self::TrustedCertificates | Self::Certificate | Self::PrivateKey | Self::PreSharedKey | Self::Password
        )
    }
}

impl ClientOption {
    const fn new(name: &'static str, kind: OptionKind, help: &'static str) -> Self {
        Self {
            name,
            kind,
            help,
            secret: false,
            per_call: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::OPTIONS;

    #[test]
    fn names_are_distinct_and_help_is_one_sentence() {
        for (at, option) in OPTIONS.iter().enumerate() {
            assert!(
                OPTIONS[..at].iter().all(|other| other.name != option.name),
                "{}",
                option.name
            );
            assert!(
                !option.help.is_empty() && !option.help.ends_with('.') && !option.help.contains('\n'),
                "{}: {}",
                option.name,
                option.help
            );
        }
    }
}
