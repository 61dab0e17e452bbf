//! Option values: parsed from text, set by builder methods, and checked.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::psk::{Psk, PskForm};

use super::files::{Files, PskFile};
use super::{OptionKind, Options};

/// A year in seconds; longer times are considered mistakes.
const SECONDS_LIMIT: u64 = 365 * 24 * 60 * 60;

/// A client certificate and its private key. Either can be missing until the client is built.
#[derive(Clone, Default)]
pub(crate) struct ClientCert {
    /// With its chain.
    pub cert_pem: Vec<u8>,
    pub key_pem: Zeroizing<Vec<u8>>,
}

/// The TLS versions to offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsVersion {
    /// 1.3 and 1.2.
    #[default]
    Auto,
    /// Only 1.2.
    Tls12,
    /// Only 1.3.
    Tls13,
}

impl TlsVersion {
    /// The version, if only one is offered.
    pub(crate) const fn only(self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::Tls12 => Some("1.2"),
            Self::Tls13 => Some("1.3"),
        }
    }
}

impl FromStr for TlsVersion {
    type Err = Error;

    /// `auto`, `1.2` or `1.3`.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "1.2" => Ok(Self::Tls12),
            "1.3" => Ok(Self::Tls13),
            _ => Err(Error::tls_version_argument()),
        }
    }
}

impl Options {
    /// Sets an option by its name; see [`ClientBuilder::set`](crate::ClientBuilder::set).
    pub fn set(&mut self, name: &str, value: &[u8]) -> Result<()> {
        let pem = || value.to_vec();
        match name {
            "ca" if value == b"system" => self.ca_system = true,
            "ca" => self.ca_pem.push(pem()),
            "cert" => self.client_cert.get_or_insert_default().cert_pem = pem(),
            "key" => self.client_cert.get_or_insert_default().key_pem = Zeroizing::new(pem()),
            "key_password" => self.key_password = Some(Zeroizing::new(pem())),
            "psk" => self.psk = Some(Psk::from_file_content(value, None)?),
            _ => {
                let text = std::str::from_utf8(value).map_err(|_| Error::not_utf_8(name))?;
                return self.set_row(name, text);
            }
        }
        Ok(())
    }

    /// Sets a credential to a path; see [`ClientBuilder::set_file`](crate::ClientBuilder::set_file).
    pub fn set_file(&mut self, name: &str, path: PathBuf) -> Result<()> {
        match name {
            "ca" => self.files.ca.push(path),
            "cert" => self.files.cert = Some(path),
            "key" => self.files.key = Some(path),
            "key_password" => self.files.key_password = Some(path),
            "psk" => {
                self.files.psk = Some(PskFile {
                    path,
                    identity: None,
                    form: PskForm::Lines,
                });
            }
            _ => return Err(Error::not_a_file_option(name)),
        }
        Ok(())
    }

    /// Rejects unusable values before connecting.
    pub fn check(&self) -> Result<()> {
        match &self.client_cert {
            Some(client) if client.key_pem.is_empty() => Err(Error::half_a_client_cert("key")),
            Some(client) if client.cert_pem.is_empty() => Err(Error::half_a_client_cert("cert")),
            _ if self.legacy && self.forward_secrecy => Err(Error::legacy_without_forward_secrecy()),
            #[cfg(not(feature = "psk"))]
            _ if self.psk.is_some() => Err(Error::needs_openssl("psk")),
            #[cfg(not(feature = "psk"))]
            _ if self.key_password.is_some() => Err(Error::needs_openssl("key_password")),
            #[cfg(not(feature = "psk"))]
            _ if self.legacy => Err(Error::needs_openssl("legacy")),
            _ => self.check_rows(),
        }
    }

    /// The options that are still needed once TLS is configured.
    pub fn without_credentials(&self) -> Self {
        Self {
            ca_pem: Vec::new(),
            client_cert: None,
            key_password: None,
            psk: None,
            files: Files::default(),
            ..self.clone()
        }
    }
}

/// The type of an option in the table.
pub(crate) trait Setting: Sized {
    /// The parameter type of the builder method.
    type Given<'a>;

    fn of(given: Self::Given<'_>) -> Self;

    fn default_of(kind: OptionKind) -> Self;

    fn parse(name: &'static str, kind: OptionKind, text: &str) -> Result<Self>;

    /// Rejects a value that is valid for the type but not for the option.
    fn check(&self, _name: &'static str, _kind: OptionKind) -> Result<()> {
        Ok(())
    }
}

impl Setting for bool {
    type Given<'a> = bool;

    fn of(given: bool) -> Self {
        given
    }

    fn default_of(kind: OptionKind) -> Self {
        matches!(kind, OptionKind::Flag { default: true })
    }

    fn parse(name: &'static str, _: OptionKind, text: &str) -> Result<Self> {
        text.parse().map_err(|_| Error::not_a_flag(name))
    }
}

impl Setting for Duration {
    type Given<'a> = Duration;

    fn of(given: Duration) -> Self {
        given
    }

    fn default_of(kind: OptionKind) -> Self {
        match kind {
            OptionKind::Seconds { default, .. } => Duration::from_secs(default),
            _ => Duration::ZERO,
        }
    }

    fn parse(name: &'static str, kind: OptionKind, text: &str) -> Result<Self> {
        parse_seconds(name, text, is_zero_allowed(kind))
    }

    fn check(&self, name: &'static str, kind: OptionKind) -> Result<()> {
        check_seconds(name, *self, is_zero_allowed(kind))
    }
}

/// Parses a plain number of seconds, optionally with a fraction, up to a year; `field` is its name in errors.
///
/// # Errors
/// `invalid_argument` for anything else, and for zero unless that is allowed.
pub fn parse_seconds(field: &str, text: &str, zero: bool) -> Result<Duration> {
    // only the plain form of those that Rust accepts: no exponents, signs or infinities
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds = text.parse().ok().filter(|_| plain);
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let time = time.ok_or_else(|| Error::not_seconds(field, zero, text))?;
    check_seconds(field, time, zero)?;
    Ok(time)
}

/// Rejects a time longer than a year, or zero unless that is allowed.
pub(crate) fn check_seconds(name: &str, time: Duration, zero: bool) -> Result<()> {
    if (time.is_zero() && !zero) || time > Duration::from_secs(SECONDS_LIMIT) {
        return Err(Error::not_seconds(name, zero, &time.as_secs_f64().to_string()));
    }
    Ok(())
}

fn is_zero_allowed(kind: OptionKind) -> bool {
    matches!(kind, OptionKind::Seconds { zero: true, .. })
}

impl Setting for TlsVersion {
    type Given<'a> = TlsVersion;

    fn of(given: TlsVersion) -> Self {
        given
    }

    fn default_of(_: OptionKind) -> Self {
        Self::default()
    }

    fn parse(_: &'static str, _: OptionKind, text: &str) -> Result<Self> {
        text.parse()
    }
}

impl Setting for Option<IpAddr> {
    type Given<'a> = IpAddr;

    fn of(given: IpAddr) -> Self {
        Some(given)
    }

    fn default_of(_: OptionKind) -> Self {
        None
    }

    fn parse(name: &'static str, _: OptionKind, text: &str) -> Result<Self> {
        text.parse().map(Some).map_err(|_| Error::not_an_address(name))
    }
}

impl Setting for Option<String> {
    type Given<'a> = &'a str;

    fn of(given: &str) -> Self {
        Some(given.to_owned())
    }

    fn default_of(_: OptionKind) -> Self {
        None
    }

    fn parse(_: &'static str, _: OptionKind, text: &str) -> Result<Self> {
        Ok(Some(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::Options;
    use crate::options::{OPTIONS, OptionKind};
    use std::time::Duration;

    #[test]
    fn every_option_can_be_set_by_its_name() {
        for option in OPTIONS {
            let value = match option.kind {
                OptionKind::Flag { default } => (!default).to_string(),
                OptionKind::Seconds { .. } => "2.5".to_owned(),
                OptionKind::Choice(words) => words.last().map(ToString::to_string).expect("a word"),
                OptionKind::PreSharedKey => "router:00ff".to_owned(),
                _ => "127.0.0.1".to_owned(),
            };
            let set = Options::default().set(option.name, value.as_bytes());
            assert!(set.is_ok(), "{}: {set:?}", option.name);
        }
        let mut options = Options::default();
        options.set("timeout", b"2.5").expect("seconds");
        options.set("lenient", b"true").expect("a flag");
        assert_eq!((options.timeout, options.lenient), (Duration::from_millis(2500), true));
        let unknown = options.set("timeuot", b"1").expect_err("no such option");
        assert!(unknown.to_string().starts_with("timeuot: "), "{unknown}");
    }

    #[test]
    fn seconds_are_plain_numbers_within_a_year() {
        let set = |name, text| Options::default().set(name, str::as_bytes(text));
        for good in ["10", "0.5", "31536000"] {
            assert!(set("timeout", good).is_ok(), "{good}");
        }
        for bad in [
            "", ".", "-1", "1e3", "inf", "NaN", "10s", "1.2.3", " 1", "0", "31536001",
        ] {
            let error = set("timeout", bad).expect_err(bad);
            assert!(error.message().contains("more than 0"), "{error}");
        }
        assert!(set("wait_when_busy", "0").is_ok());
        assert!(
            !set("wait_when_busy", "-1")
                .expect_err("negative")
                .message()
                .contains("more than 0")
        );
    }

    #[test]
    fn a_certificate_needs_its_key_and_a_key_its_certificate() {
        for (given, missing) in [("cert", "key"), ("key", "cert")] {
            let mut options = Options::default();
            options.set(given, b"PEM").expect("checked later");
            let error = options.check().expect_err("half");
            assert!(error.to_string().starts_with(missing), "{error}");
        }
    }
}
