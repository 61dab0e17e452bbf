//! Errors as data: a stable code, the side at fault, the argument concerned, what was seen and what to do.
//!
//! All error texts of this crate are in this folder, which keeps their tone consistent and makes it easy to verify that none of them
//! contains a key, a body or a parser's own text. Front ends show [`Error::message_in`] and [`Error::hint_in`], with their own names.

mod arguments;
mod code;
mod explain;
#[cfg(feature = "https")]
mod network;
mod remedy;
mod replies;
mod spelling;
#[cfg(feature = "https")]
mod tls;
#[cfg(feature = "https")]
pub(crate) mod warnings;

use std::borrow::Cow;
use std::fmt;

pub use code::{Advice, ErrorCode, Side};
pub use explain::Explanation;
pub use remedy::Remedy;
pub use spelling::{Canonical, FrontEnd, Spelling};

/// The `Result` of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

/// An error: a code, a one-line message, a remedy, and advice on retrying.
///
/// Neither [`Display`](fmt::Display) nor [`Debug`] shows text from a KP: see [`Error::provider_text`].
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Parts>);

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    code: ErrorCode,
    field: Option<Cow<'static, str>>,
    /// The message without the field.
    what: Cow<'static, str>,
    seen: Option<Cow<'static, str>>,
    remedy: Remedy,
    advice: Advice,
    status: Option<u16>,
    provider_text: Option<String>,
    /// The message and hint in this crate's spelling.
    message: Cow<'static, str>,
    hint: Cow<'static, str>,
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// What happened, in one line, lower case and without a full stop; starts with the argument concerned, if there is one.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do about it; empty when there is nothing to add.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.0.hint
    }

    /// The invalid argument or option, by its name in the [table](crate::options::OPTIONS) or in the draft.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// What happened, without the argument concerned: for front ends that show it separately.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.0.what
    }

    /// The actual value (a number, a name, an alert), if it is safe to show.
    #[must_use]
    pub fn seen(&self) -> Option<&str> {
        self.0.seen.as_deref()
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> &Remedy {
        &self.0.remedy
    }

    /// The message with a front end's names.
    ///
    /// ```
    /// use skip_client::BitLength;
    /// use skip_client::error::Spelling;
    ///
    /// struct CommandLine;
    ///
    /// impl Spelling for CommandLine {
    ///     fn name(&self, name: &str) -> String {
    ///         format!("--{name}")
    ///     }
    ///     fn setting(&self, name: &str, value: &str) -> String {
    ///         format!("--{name} {value}")
    ///     }
    /// }
    ///
    /// let error = BitLength::new(7).unwrap_err();
    /// assert!(error.message().starts_with("size: "));
    /// assert!(error.message_in(&CommandLine).starts_with("--size: "));
    /// ```
    #[must_use]
    pub fn message_in(&self, spelling: &dyn Spelling) -> String {
        message(self.0.field.as_deref(), &self.0.what, spelling).into_owned()
    }

    /// The hint with a front end's names.
    #[must_use]
    pub fn hint_in(&self, spelling: &dyn Spelling) -> String {
        self.0.remedy.text(spelling).into_owned()
    }

    /// What to request next.
    #[must_use]
    pub fn advice(&self) -> Advice {
        self.0.advice
    }

    /// The HTTP status, if the KP replied.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The body of a reply with a status other than 200: printable text of at most 512 bytes. Anything of 16 or more characters that
    /// could be a key, in one run, in groups, as numbers or as escapes, is replaced with `[redacted]`.
    ///
    /// It is separate from the message because it is not our text: show it to a person, do not log it.
    #[must_use]
    pub fn provider_text(&self) -> Option<&str> {
        self.0.provider_text.as_deref()
    }

    /// Creates an error for an invalid argument: `field` is its name, `rule` the rule that it breaks, `remedy` what to do.
    ///
    /// For bindings and front ends; never pass a secret in any of the three.
    #[must_use]
    pub fn invalid_argument(field: &str, rule: impl fmt::Display, remedy: impl Into<Remedy>) -> Self {
        let mut error = Self::new(ErrorCode::InvalidArgument, Advice::No, rule.to_string(), remedy);
        error.0.field = Some(field.to_owned().into());
        error.0.message = message(Some(field), &error.0.what, &Canonical).into_owned().into();
        error
    }

    /// The same error for the argument `field`: for front ends where several arguments share a rule.
    #[must_use]
    pub fn about(mut self, field: &'static str) -> Self {
        self.0.field = Some(field.into());
        self.0.message = message(Some(field), &self.0.what, &Canonical).into_owned().into();
        self
    }

    fn new(code: ErrorCode, advice: Advice, what: impl Into<Cow<'static, str>>, remedy: impl Into<Remedy>) -> Self {
        let (what, remedy) = (what.into(), remedy.into());
        Self(Box::new(Parts {
            code,
            field: None,
            seen: None,
            advice,
            status: None,
            provider_text: None,
            message: what.clone(),
            hint: remedy.text(&Canonical),
            what,
            remedy,
        }))
    }

    fn saw(mut self, seen: impl Into<Cow<'static, str>>) -> Self {
        self.0.seen = Some(seen.into());
        self
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn with_provider_text(mut self, text: Option<String>) -> Self {
        self.0.provider_text = text;
        self
    }

    #[cfg(feature = "https")]
    pub(crate) fn with_advice(mut self, advice: Advice) -> Self {
        self.0.advice = advice;
        self
    }
}

fn message<'a>(field: Option<&str>, what: &'a str, spelling: &dyn Spelling) -> Cow<'a, str> {
    match field {
        Some(field) => format!("{}: {what}", spelling.name(field)).into(),
        None => what.into(),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("hint", &self.0.hint)
            .field("advice", &self.0.advice)
            .field("status", &self.0.status)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    #[cfg(feature = "https")]
    use super::Remedy;
    use super::{Advice, Error, Spelling};

    /// Every error that the core can return, once.
    #[allow(clippy::too_many_lines)] // a line for each
    fn all() -> Vec<Error> {
        let all = vec![
            Error::system_id("must not be empty"),
            Error::remote_is_pattern(),
            Error::key_id(false),
            Error::key_id(true),
            Error::bit_length("250"),
            Error::bit_length("-8"),
            Error::not_bits(),
            Error::wiped(),
            Error::export_format(vec!["hex", "raw"]),
            Error::message_kind(vec!["key", "entropy"]),
            Error::export_size("wireguard", "wants a key of 256 bits"),
            Error::export_key_id("libreswan", "wants a keyId of at most 64 bytes"),
            Error::ikev2("is too short"),
            Error::status_rejected(400, "a new key", Advice::No, false),
            Error::status_rejected(400, "a new key", Advice::No, true),
            Error::status_rejected(400, "a key by its keyId", Advice::NewKey, false),
            Error::status_rejected(400, "a key by its keyId", Advice::NewKey, true),
            Error::status_unauthorized(403),
            Error::status_not_found(Advice::No),
            Error::status_not_found(Advice::NewKey),
            Error::status_method_not_allowed(),
            Error::status_busy(503),
            Error::status_provider_failed(500, Advice::NewKey),
            Error::status_provider_failed(500, Advice::SameRequest),
            Error::status_unexpected(204),
            Error::status_unexpected(302),
            Error::malformed("key", "/key", "is not hexadecimal"),
            Error::malformed("key", "", "line 1, column 2: unexpected end"),
            Error::malformed_media_type("key", "text/html"),
            Error::malformed_content_encoding(),
            Error::weak_key(200, "the key is all zeros"),
            Error::key_id_mismatch(),
            Error::key_size_mismatch(Some(256), 128),
            Error::key_size_mismatch(None, 64),
            Error::entropy_size_mismatch(256, 128),
        ];
        #[cfg(feature = "https")]
        let all = all.into_iter().chain([
            Error::psk("must have 1 to 256 bytes", Remedy::RandomPsk),
            Error::psk("must be hexadecimal, of even length", Remedy::NameFormOfPsk),
            Error::psk("must be base64 with padding", Remedy::NameFormOfPsk),
            Error::psk_identity(),
            Error::psk_file("is empty", Remedy::PskFileForm),
            Error::psk_file("has an identity that is not UTF-8", Remedy::PskFileForm),
            Error::psk_file("has no key of that identity", Remedy::PskFileForm),
            Error::psk_file("has a key without an identity", Remedy::ChooseIdentity),
            Error::psk_file("has several keys", Remedy::ChooseIdentity),
            Error::psk_file("has several lines", Remedy::OneLineOfPsk),
            Error::utf_16("psk"),
            Error::unknown_remote("Carol", &["Bob".to_owned(), "KP_*".to_owned()]),
            Error::unknown_remote("Carol", &[]),
            Error::not_supported("keys"),
            Error::url("must begin with https://, because SKIP runs over TLS only"),
            Error::url_with_method(),
            Error::no_url(),
            Error::url("must have no query and no fragment"),
            Error::url("must have no user name or password: give a certificate or a pre-shared key instead"),
            Error::url("must have a path of printable ASCII; percent-encode the rest"),
            Error::url(Error::AUTHORITY_RULE),
            Error::url(Error::NUMBER_RULE),
            Error::proxy("must begin with http://"),
            Error::proxy("must have no path, query or fragment"),
            Error::proxy(Error::AUTHORITY_RULE),
            Error::unknown_option("timeuot"),
            Error::not_a_flag("lenient"),
            Error::not_seconds("timeout", false, "inf"),
            Error::not_seconds("wait_when_busy", true, "-1"),
            Error::not_an_address("source_address"),
            Error::source_address("is no address of this machine"),
            Error::source_address("is of another family than the addresses to connect to"),
            Error::legacy_without_forward_secrecy(),
            Error::tls_version_argument(),
            Error::half_a_client_cert("key"),
            Error::bad_pem("ca", "must hold at least one certificate in PEM form"),
            Error::other_form(
                "key",
                "is DER, not PEM",
                "openssl pkey -inform DER -in FILE -out key.pem",
            ),
            Error::other_form(
                "ca",
                "is PKCS#12, not PEM",
                "openssl pkcs12 -in FILE -nokeys -cacerts -out ca.pem",
            ),
            Error::ca_not_x509(),
            Error::private_key(),
            Error::unreadable_file("ca", "ca.pem".as_ref(), &std::io::ErrorKind::NotFound.into()),
            Error::unreadable_file("ca", "router:00112233".as_ref(), &std::io::ErrorKind::NotFound.into()),
            Error::client_cert_does_not_fit(),
            Error::password_file_unreadable("key_password", &std::io::ErrorKind::NotFound.into()),
            Error::password_file_empty("key_password"),
            Error::bad_pin(),
            Error::server_name(),
            Error::no_trust(),
            Error::no_system_store(),
            Error::tls_setup(),
            Error::client_closed(),
            Error::cancelled(Advice::NewKey),
            Error::cancelled(Advice::SameRequest),
            Error::connection_lost(Advice::NewKey),
            Error::connection_lost(Advice::SameRequest),
            Error::connection_lost_unsent(),
            Error::connection_ended_unanswered(Advice::NewKey),
            Error::connection_ended_unanswered(Advice::SameRequest),
            Error::timed_out("the reply", Advice::NewKey),
            Error::timed_out("the reply", Advice::SameRequest),
            Error::timed_out("a connection", Advice::SameRequest),
            Error::timed_out("a connection", Advice::SameRequest).at_the_proxy(),
            Error::timed_out("the proxy's answer", Advice::SameRequest),
            Error::name_not_found("kp-alice"),
            Error::connect_failed("127.0.0.1:1", Some(std::io::ErrorKind::ConnectionRefused)),
            Error::connect_failed("127.0.0.1:1", Some(std::io::ErrorKind::HostUnreachable)),
            Error::connect_failed("127.0.0.1:1", Some(std::io::ErrorKind::PermissionDenied)),
            Error::connect_failed("127.0.0.1:1", Some(std::io::ErrorKind::AddrNotAvailable)),
            Error::connect_failed("127.0.0.1:1", None),
            Error::proxy_failed("proxy:3128", None, false),
            Error::proxy_failed("proxy:3128", Some(403), false),
            Error::proxy_failed("proxy:3128", Some(407), false),
            Error::proxy_failed("proxy:3128", Some(407), true),
            Error::proxy_failed("proxy:3128", Some(503), false),
            Error::connect_failed("127.0.0.1:1", Some(std::io::ErrorKind::ConnectionRefused)).at_the_proxy(),
            Error::timed_out("the TLS handshake", Advice::SameRequest),
            Error::timed_out("the TLS handshake", Advice::SameRequest).with_small_hello(),
            Error::headers_too_large(),
            Error::body_too_large(),
            Error::not_http("it has no HTTP/1 head"),
            Error::tls_unknown_issuer("CN=Lab CA"),
            Error::tls_self_signed(),
            Error::tls_wrong_name(&[]),
            Error::tls_wrong_name(&["localhost".into()]),
            Error::tls_address_as_dns_name("127.0.0.1"),
            Error::tls_expired("2026-01-01T00:00:00Z"),
            Error::tls_issuer_expired("CN=Lab CA", "2026-01-01T00:00:00Z"),
            Error::tls_not_yet_valid("2027-01-01T00:00:00Z"),
            Error::tls_issuer_not_yet_valid("CN=Lab CA", "2027-01-01T00:00:00Z"),
            Error::tls_wrong_purpose(None),
            Error::tls_wrong_purpose(Some("CN=Lab CA")),
            Error::tls_wrong_key_usage(),
            Error::tls_critical_extension("1.2.3.4"),
            Error::tls_name_constraint(),
            Error::tls_path_length(),
            Error::tls_issuer_is_no_ca("CN=Lab CA"),
            Error::tls_old_certificate(1, "CN=kp"),
            Error::tls_small_rsa(1024, "CN=kp"),
            Error::tls_broken_hash("SHA-1", "CN=kp"),
            Error::tls_other_key(),
            Error::tls_ca_as_server(),
            Error::tls_bad_certificate(),
            Error::tls_client_cert_wanted(),
            Error::tls_client_cert_refused(
                "unknown_ca",
                "the Key Provider accepts other CAs than its issuer, CN=Lab CA",
            ),
            Error::tls_client_cert_refused(
                "certificate_expired",
                "here it is valid until 2027-01-01T00:00:00Z; its issuer is CN=Lab CA",
            ),
            Error::tls_client_cert_refused(
                "certificate_revoked",
                "here it is valid until 2027-01-01T00:00:00Z; its issuer is CN=Lab CA",
            ),
            Error::client_cert_expired("2026-01-01T00:00:00Z"),
            Error::client_cert_not_yet_valid("2027-01-01T00:00:00Z"),
            Error::client_cert_not_for_clients(),
            Error::client_cert_old(1),
            Error::client_cert_swapped(),
            Error::client_cert_unreadable(),
            Error::tls_version(crate::options::TlsVersion::Auto),
            Error::tls_version(crate::options::TlsVersion::Tls12),
            Error::tls_version(crate::options::TlsVersion::Tls13),
            Error::tls_no_shared_suite(),
            Error::tls_unrecognised_name(),
            Error::tls_alert("internal_error"),
            Error::tls_not_tls(),
            Error::tls_broken(),
            Error::tls_closed(),
        ]);
        #[cfg(feature = "psk")]
        let all = all.chain([
            Error::openssl_configuration(Some("library has no ciphers")),
            Error::psk_with("ca"),
            Error::key_password_missing("private key"),
            Error::key_password_wrong("private key"),
            Error::key_password_wrong("PKCS#12 file"),
            Error::key_password_form(),
            Error::unknown_encryption(),
            Error::unknown_pkcs12_encryption(),
            Error::pkcs12_unreadable(),
            Error::pkcs12_without("private key"),
            Error::psk_unknown_identity(),
            Error::psk_wrong_key(),
            Error::psk_refused(),
            Error::psk_no_shared_suite(false),
            Error::psk_no_shared_suite(true),
            Error::psk_fallback_refused(),
            Error::psk_certificate_instead(),
            Error::psk_client_cert_wanted(),
            Error::psk_closed(),
            Error::tls_weak_dh(),
        ]);
        all.into_iter().collect()
    }

    /// `UPDATE_DOCS=1 cargo test -p skip-client --features psk --lib messages` writes the page.
    #[cfg(feature = "psk")]
    #[test]
    fn the_page_of_messages_has_every_text_and_every_name() {
        use std::fmt::Write as _;

        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/messages.md");
        // the published crate has no docs
        let Ok(text) = std::fs::read_to_string(&page) else {
            return;
        };
        let mark = "<!-- from core/src/error: UPDATE_DOCS=1 cargo test -p skip-client --features psk --lib messages writes it -->\n";
        let (head, written) = text.split_once(mark).expect("the mark");
        let all = all();
        let cell = |text: &str| text.replace('|', "\\|");
        let mut made = names_of_each_front_end(&all);
        for code in super::ErrorCode::ALL {
            let _ = write!(made, "\n## {code}\n\n| message | hint | advice |\n|---|---|---|\n");
            for error in all.iter().filter(|error| error.code() == code) {
                let (message, hint) = (cell(error.message()), cell(error.hint()));
                let _ = writeln!(made, "| `{message}` | `{hint}` | `{}` |", error.advice());
            }
        }
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&page, format!("{head}{mark}{made}")).expect("written");
        } else {
            assert_eq!(written, made, "UPDATE_DOCS=1 writes {}", page.display());
        }
    }

    /// A table with every name and setting in these errors, as each front end spells it.
    #[cfg(feature = "psk")]
    fn names_of_each_front_end(all: &[Error]) -> String {
        use std::fmt::Write as _;

        use super::FrontEnd;

        let names = Names::default();
        for error in all {
            let _ = (error.message_in(&names), error.hint_in(&names));
        }
        let heads = FrontEnd::ALL.map(|front_end| match front_end {
            FrontEnd::CommandLine => "command line".to_owned(),
            FrontEnd::Agent => "agent".to_owned(),
            language => format!("{language:?}"),
        });
        let mut made = format!(
            "\n## Names\n\n| Rust, C | {} |\n|{}\n",
            heads.join(" | "),
            "---|".repeat(FrontEnd::ALL.len() + 1)
        );
        for (name, value) in names.0.into_inner() {
            let spelled = |spelling: &dyn Spelling| match &value {
                Some(value) => spelling.setting(&name, value),
                None => spelling.name(&name),
            };
            let names = FrontEnd::ALL.map(|front_end| spelled(&front_end));
            let canonical = spelled(&super::Canonical);
            // what is the same everywhere needs no row
            if names.iter().any(|name| *name != canonical) {
                let _ = writeln!(made, "| `{canonical}` | `{}` |", names.join("` | `"));
            }
        }
        made
    }

    /// Collects the names and settings that are spelled.
    #[cfg(feature = "psk")]
    #[derive(Default)]
    struct Names(std::cell::RefCell<std::collections::BTreeSet<(String, Option<String>)>>);

    #[cfg(feature = "psk")]
    impl Spelling for Names {
        fn name(&self, name: &str) -> String {
            self.0.borrow_mut().insert((name.to_owned(), None));
            String::new()
        }

        fn setting(&self, name: &str, value: &str) -> String {
            self.0.borrow_mut().insert((name.to_owned(), Some(value.to_owned())));
            String::new()
        }
    }

    /// The texts may change, but only deliberately: `INSTA_UPDATE=always cargo test` updates the snapshots.
    #[cfg(feature = "psk")]
    #[test]
    fn texts_are_as_recorded() {
        let lines: Vec<String> = all()
            .iter()
            .map(|e| format!("{} ({})\n  {}\n  hint: {}", e.code(), e.advice(), e.message(), e.hint()))
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn messages_are_one_line_in_lower_case_without_a_full_stop_and_have_a_hint() {
        for error in all() {
            let message = error.to_string();
            assert!(
                !message.is_empty() && !message.contains('\n') && !message.ends_with('.'),
                "{message}"
            );
            assert!(!message.starts_with(|c: char| c.is_uppercase()), "{message}");
            assert!(
                !error.hint().is_empty() && !error.hint().contains('\n') && !error.hint().ends_with('.'),
                "{message}"
            );
        }
    }

    /// Marks every name, to verify that all of them go through the front end's spelling.
    struct Marked;

    impl Spelling for Marked {
        fn name(&self, _: &str) -> String {
            "MARK".into()
        }

        fn setting(&self, _: &str, _: &str) -> String {
            "MARK".into()
        }
    }

    #[test]
    fn names_of_options_are_spelled_by_the_front_end() {
        for error in all() {
            let shown = format!("{} {}", error.message_in(&Marked), error.hint_in(&Marked));
            for option in crate::options::OPTIONS
                .iter()
                .filter(|option| option.name.contains('_'))
            {
                assert!(!shown.contains(option.name), "{}: {shown}", option.name);
            }
            assert_eq!(
                error.field().is_some(),
                error.message_in(&Marked).starts_with("MARK: "),
                "{shown}"
            );
        }
        let about_bits = crate::BitLength::new(7).expect_err("no whole byte").about("bits");
        assert!(about_bits.message().starts_with("bits: "), "{about_bits}");
    }

    #[cfg(feature = "https")]
    #[test]
    fn every_code_is_made_somewhere() {
        for code in super::ErrorCode::ALL {
            assert!(all().iter().any(|e| e.code() == code), "{code}");
        }
    }

    #[test]
    fn debug_does_not_show_what_the_provider_wrote() {
        let error = Error::status_busy(503).with_provider_text(Some("marker".into()));
        assert_eq!(error.provider_text(), Some("marker"));
        assert!(!format!("{error:?} {error}").contains("marker"));
    }
}
