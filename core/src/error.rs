//! Errors: whose side failed, a stable code, what happened and what to do.
//!
//! Every message that the client gives is in this file, so that their tone stays one and a reader can see at a glance that
//! none of them carries a key, a body or a parser's own text.

use std::borrow::Cow;
use std::fmt;

/// Shorthand for what fallible functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, as a stable name that programs can match on.
///
/// The names (see [`ErrorCode::as_str`]) are the same in every language of the project; the texts of messages may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// An argument breaks a rule; nothing was sent.
    InvalidArgument,
    /// The KP's list of remoteSystemIDs has no entry for the remote that was asked for; no key was requested.
    UnknownRemote,
    /// The KP says that it does not offer this method; nothing was requested.
    NotSupported,
    /// No connection: name, address, route, port or proxy.
    ConnectFailed,
    /// A TCP connection came up, TLS did not.
    TlsFailed,
    /// A deadline passed.
    TimedOut,
    /// The connection was lost after the request, or a part of it, had gone out.
    ConnectionLost,
    /// The KP refused the request (400, 409, 410, 422 and other 4xx).
    Rejected,
    /// The KP does not accept this client (401, 403).
    Unauthorized,
    /// The KP has no such path (404).
    NotFound,
    /// The KP refused the method GET (405).
    MethodNotAllowed,
    /// The KP is busy, or has no entropy now (429, 503).
    Busy,
    /// The KP failed inside (5xx).
    ProviderFailed,
    /// A status that SKIP has no meaning for (1xx, 3xx, other 2xx, above 599).
    UnexpectedStatus,
    /// The reply is not what the draft describes.
    MalformedResponse,
    /// The reply is larger than any SKIP message may be.
    ResponseTooLarge,
    /// The reply names another keyId than the one asked for.
    KeyIdMismatch,
    /// The key, or the random string, has another length than the one asked for.
    SizeMismatch,
    /// The key is all zeros, all ones, or can be read off its keyId.
    WeakKey,
}

impl ErrorCode {
    /// All codes, in the order of the four sides.
    pub const ALL: [ErrorCode; 19] = [
        Self::InvalidArgument,
        Self::UnknownRemote,
        Self::NotSupported,
        Self::ConnectFailed,
        Self::TlsFailed,
        Self::TimedOut,
        Self::ConnectionLost,
        Self::Rejected,
        Self::Unauthorized,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Busy,
        Self::ProviderFailed,
        Self::UnexpectedStatus,
        Self::MalformedResponse,
        Self::ResponseTooLarge,
        Self::KeyIdMismatch,
        Self::SizeMismatch,
        Self::WeakKey,
    ];

    /// The stable spelling, `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::UnknownRemote => "unknown_remote",
            Self::NotSupported => "not_supported",
            Self::ConnectFailed => "connect_failed",
            Self::TlsFailed => "tls_failed",
            Self::TimedOut => "timed_out",
            Self::ConnectionLost => "connection_lost",
            Self::Rejected => "rejected",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Busy => "busy",
            Self::ProviderFailed => "provider_failed",
            Self::UnexpectedStatus => "unexpected_status",
            Self::MalformedResponse => "malformed_response",
            Self::ResponseTooLarge => "response_too_large",
            Self::KeyIdMismatch => "key_id_mismatch",
            Self::SizeMismatch => "size_mismatch",
            Self::WeakKey => "weak_key",
        }
    }

    /// Whose side failed.
    #[must_use]
    pub const fn side(self) -> Side {
        match self {
            Self::InvalidArgument | Self::UnknownRemote | Self::NotSupported => Side::You,
            Self::ConnectFailed | Self::TlsFailed | Self::TimedOut | Self::ConnectionLost => Side::Network,
            Self::Rejected
            | Self::Unauthorized
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::Busy
            | Self::ProviderFailed
            | Self::UnexpectedStatus => Side::ProviderRefused,
            Self::MalformedResponse
            | Self::ResponseTooLarge
            | Self::KeyIdMismatch
            | Self::SizeMismatch
            | Self::WeakKey => Side::ProviderAnswer,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose side a failure is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The caller: an argument, or a request that this KP cannot serve.
    You,
    /// Between the caller and the KP.
    Network,
    /// The KP answered, and refused.
    ProviderRefused,
    /// The KP answered with something that is wrong.
    ProviderAnswer,
}

/// What to ask next so that both encryptors end with the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Advice {
    /// Nothing was used up: the same request may be made again.
    SameRequest,
    /// The key of this request may be gone: the initiator should ask for a new key and pass its keyId on.
    NewKey,
    /// Asking again will not help until something was changed.
    No,
}

impl Advice {
    /// The stable spelling: `same_request`, `new_key` or `no`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameRequest => "same_request",
            Self::NewKey => "new_key",
            Self::No => "no",
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure: a code, a one-line message, a hint what to do, and advice about asking again.
///
/// Neither [`Display`](fmt::Display) nor [`Debug`] shows what a KP wrote: see [`Error::provider_text`].
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Parts>);

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    code: ErrorCode,
    message: Cow<'static, str>,
    hint: Cow<'static, str>,
    advice: Advice,
    status: Option<u16>,
    provider_text: Option<String>,
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// What happened, in one line, lower case and without a full stop.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do about it; empty when there is nothing to add.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.0.hint
    }

    /// What to ask next.
    #[must_use]
    pub fn advice(&self) -> Advice {
        self.0.advice
    }

    /// The HTTP status, when the KP answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// What the KP wrote beside a status other than 200: printable text of at most 512 bytes, in which each run of 16 or more
    /// characters that could be a key is replaced by `[redacted]`.
    ///
    /// It is kept apart from the message because it is not ours: show it to a person, do not log it.
    #[must_use]
    pub fn provider_text(&self) -> Option<&str> {
        self.0.provider_text.as_deref()
    }

    fn new(
        code: ErrorCode,
        advice: Advice,
        message: impl Into<Cow<'static, str>>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self(Box::new(Parts {
            code,
            message: message.into(),
            hint: hint.into(),
            advice,
            status: None,
            provider_text: None,
        }))
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

/// Arguments.
impl Error {
    /// An argument of the caller breaks a rule: `field` names it, `rule` says which rule, `hint` what to do.
    ///
    /// For bindings and front ends; never pass a secret in any of the three.
    #[must_use]
    pub fn invalid_argument(field: &str, rule: impl fmt::Display, hint: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidArgument, Advice::No, format!("{field}: {rule}"), hint)
    }

    pub(crate) fn system_id(rule: &'static str) -> Self {
        Self::invalid_argument(
            "remoteSystemID",
            rule,
            "give the id of one Key Provider, as its capabilities spell it",
        )
    }

    pub(crate) fn remote_is_pattern() -> Self {
        Self::invalid_argument(
            "remoteSystemID",
            "is a pattern, and a pattern names no Key Provider",
            "give the id of the one Key Provider at the other end",
        )
    }

    pub(crate) fn key_id(lenient: bool) -> Self {
        if lenient {
            Self::invalid_argument(
                "keyId",
                "must have 1 to 255 characters of A-Z, a-z, 0-9, '.', '_', '~' and '-'",
                "pass the keyId on exactly as the initiator received it",
            )
        } else {
            Self::invalid_argument(
                "keyId",
                "must be hexadecimal, of even length, 2 to 512 digits",
                "pass the keyId on exactly as the initiator received it; for a Key Provider with other keyIds switch the lenient mode on",
            )
        }
    }

    pub(crate) fn psk(rule: &'static str, hint: &'static str) -> Self {
        Self::invalid_argument("psk", format_args!("the key {rule}"), hint)
    }

    pub(crate) fn psk_identity() -> Self {
        Self::invalid_argument(
            "psk",
            "the identity must have 1 to 128 bytes of UTF-8, without NUL",
            "give the identity exactly as the key provider knows it",
        )
    }

    pub(crate) fn psk_file(rule: &'static str, hint: &'static str) -> Self {
        Self::invalid_argument("psk", format_args!("the file {rule}"), hint)
    }

    pub(crate) fn bit_length(bits: u64) -> Self {
        Self::invalid_argument(
            "size",
            format_args!("must be a multiple of 8 from 8 to 65536 bits, not {bits}"),
            "lengths are in bits: 32 bytes are 256",
        )
    }

    pub(crate) fn export_size(format: &'static str, rule: &'static str) -> Self {
        Self::invalid_argument(
            "format",
            format_args!("{format} {rule}"),
            "ask for a key of that size, in bits",
        )
    }

    pub(crate) fn export_key_id(format: &'static str, rule: &'static str) -> Self {
        Self::invalid_argument(
            "format",
            format_args!("{format} {rule}"),
            "use another format, or ask for a new key",
        )
    }

    pub(crate) fn ikev2(rule: &'static str) -> Self {
        Self::invalid_argument(
            "payload",
            rule,
            "give one whole notify payload, from its next-payload byte on",
        )
    }
}

/// What the capabilities say.
#[cfg(feature = "https")]
impl Error {
    pub(crate) fn unknown_remote() -> Self {
        Self::new(
            ErrorCode::UnknownRemote,
            Advice::No,
            "no entry of the key provider's remoteSystemID list matches the remote",
            "compare with the list that the capabilities give; ids are case-sensitive; the check can be switched off",
        )
    }

    pub(crate) fn not_supported(method: &'static str) -> Self {
        Self::new(
            ErrorCode::NotSupported,
            Advice::No,
            format!("the key provider's capabilities say that it does not offer {method}"),
            "ask another key provider; if the capabilities are wrong, the check can be switched off",
        )
    }
}

/// What a status other than 200 means.
impl Error {
    pub(crate) fn status_rejected(status: u16, what: &'static str, advice: Advice) -> Self {
        let hint = match advice {
            Advice::NewKey => {
                "the keyId may be unknown, used, expired or of another remote: ask the initiator for a new key"
            }
            _ if what == "a new key" => {
                "check the remoteSystemID and the size; the key provider's own words may say more"
            }
            _ => "the key provider's own words may say more; a reverse proxy may want a client certificate",
        };
        Self::new(
            ErrorCode::Rejected,
            advice,
            format!("the key provider rejected the request for {what} (status {status})"),
            hint,
        )
        .with_status(status)
    }

    pub(crate) fn status_unauthorized(status: u16) -> Self {
        Self::new(
            ErrorCode::Unauthorized,
            Advice::No,
            format!("the key provider does not accept this client (status {status})"),
            "check the client certificate or the pre-shared key, and what the key provider allows it",
        )
        .with_status(status)
    }

    pub(crate) fn status_not_found(advice: Advice) -> Self {
        let hint = match advice {
            Advice::NewKey => {
                "this key provider may answer 404 for an unknown or used keyId: ask for a new key; else check the URL's path"
            }
            _ => "check the URL: SKIP paths follow it directly (URL/capabilities)",
        };
        Self::new(
            ErrorCode::NotFound,
            advice,
            "the key provider has no such path (status 404)",
            hint,
        )
        .with_status(404)
    }

    pub(crate) fn status_method_not_allowed() -> Self {
        Self::new(
            ErrorCode::MethodNotAllowed,
            Advice::No,
            "the server refused the method GET (status 405)",
            "SKIP only uses GET: something on the way changed the method, or this is not a SKIP key provider",
        )
        .with_status(405)
    }

    pub(crate) fn status_busy(status: u16) -> Self {
        Self::new(
            ErrorCode::Busy,
            Advice::SameRequest,
            format!("the key provider is busy or has no entropy now (status {status})"),
            "ask again a little later",
        )
        .with_status(status)
    }

    pub(crate) fn status_provider_failed(status: u16, advice: Advice) -> Self {
        let hint = match advice {
            Advice::NewKey => "the key may be used up: ask for a new key; look into the key provider's log",
            _ => "ask again; look into the key provider's log if it stays",
        };
        Self::new(
            ErrorCode::ProviderFailed,
            advice,
            format!("the key provider failed (status {status})"),
            hint,
        )
        .with_status(status)
    }

    pub(crate) fn status_unexpected(status: u16) -> Self {
        let hint = if (300..400).contains(&status) {
            "redirects are never followed, because a request for a key must not be made twice: give the final URL"
        } else {
            "this may not be a SKIP key provider: check the URL and any proxy on the way"
        };
        Self::new(
            ErrorCode::UnexpectedStatus,
            Advice::No,
            format!("the server answered with status {status}, which SKIP does not use"),
            hint,
        )
        .with_status(status)
    }
}

/// What is wrong with a reply.
impl Error {
    /// `path` is the JSON Pointer of the member, `reason` a text of the validator, which never shows a value.
    pub(crate) fn malformed(what: &'static str, path: &str, reason: &str) -> Self {
        let at = if path.is_empty() {
            String::new()
        } else {
            format!("{path}: ")
        };
        Self::new(
            ErrorCode::MalformedResponse,
            Advice::No,
            format!("the reply is not a valid {what} message: {at}{reason}"),
            "the key provider does not follow the draft here; the lenient mode accepts some known deviations",
        )
        .with_status(200)
    }

    pub(crate) fn malformed_media_type(what: &'static str, media_type: &str) -> Self {
        Self::new(
            ErrorCode::MalformedResponse,
            Advice::No,
            format!("the reply is not a valid {what} message"),
            format!(
                "its media type is {media_type}, not application/json: check that the URL leads to a SKIP key provider"
            ),
        )
        .with_status(200)
    }

    pub(crate) fn malformed_content_encoding() -> Self {
        Self::new(
            ErrorCode::MalformedResponse,
            Advice::No,
            "the reply has a Content-Encoding that was not asked for",
            "switch compression off at the key provider or its reverse proxy: keys must not be compressed",
        )
        .with_status(200)
    }

    pub(crate) fn weak_key(status: u16, reason: &str) -> Self {
        Self::new(
            ErrorCode::WeakKey,
            Advice::No,
            format!("the reply must not be used: {reason}"),
            "the key provider's random source or key store is broken: tell its operator",
        )
        .with_status(status)
    }

    pub(crate) fn key_id_mismatch() -> Self {
        Self::new(
            ErrorCode::KeyIdMismatch,
            Advice::No,
            "the reply has another keyId than the one asked for",
            "the key was wiped; the key provider mixes up its keys: tell its operator",
        )
        .with_status(200)
    }

    pub(crate) fn key_size_mismatch(asked: Option<u32>, got: u64) -> Self {
        let message = match asked {
            Some(asked) => format!("the key has {got} bits instead of the {asked} bits asked for"),
            None => format!("the key has {got} bits; without a size asked for, 128 to 4096 bits are accepted"),
        };
        Self::new(
            ErrorCode::SizeMismatch,
            Advice::No,
            message,
            "the key was wiped; ask for a size that this key provider can make",
        )
        .with_status(200)
    }

    pub(crate) fn entropy_size_mismatch(asked: u32, got: u64) -> Self {
        Self::new(
            ErrorCode::SizeMismatch,
            Advice::No,
            format!("the reply has {got} bits of entropy, fewer than the {asked} bits asked for"),
            "ask for fewer bits at a time",
        )
        .with_status(200)
    }
}

/// Arguments of a client, and what happens on the way to the Key Provider.
#[cfg(feature = "https")]
impl Error {
    pub(crate) fn url(rule: &'static str) -> Self {
        Self::invalid_argument("url", rule, "for example https://kp-alice:8443")
    }

    pub(crate) fn unknown_option(name: &str) -> Self {
        let names = crate::options::OPTIONS.map(|option| option.name).join(", ");
        Self::invalid_argument(name, "is not an option of a client", format!("there are {names}"))
    }

    pub(crate) fn not_a_flag(option: &'static str) -> Self {
        Self::invalid_argument(option, "must be true or false", "it is on or off")
    }

    /// `seen` is what was given, which is never a secret here.
    pub(crate) fn not_seconds(option: &'static str, zero: bool, seen: &str) -> Self {
        let least = if zero { "0 or more" } else { "more than 0" };
        Self::invalid_argument(
            option,
            format_args!("must be {least} and at most 31536000 seconds, not {seen}"),
            "give a plain number, for example 10 or 0.5",
        )
    }

    pub(crate) fn tls_version_argument() -> Self {
        Self::invalid_argument(
            "tls",
            "must be auto, 1.2 or 1.3",
            "auto takes what the key provider offers",
        )
    }

    pub(crate) fn half_a_client_cert(missing: &'static str) -> Self {
        Self::invalid_argument(
            missing,
            "is missing",
            "a client certificate and its private key go together",
        )
    }

    #[cfg(not(feature = "psk"))]
    pub(crate) fn needs_openssl(option: &'static str) -> Self {
        Self::invalid_argument(option, "is not in this build", "build skip-client with the feature psk")
    }

    pub(crate) fn proxy(rule: &'static str) -> Self {
        Self::invalid_argument(
            "proxy",
            rule,
            "for example http://proxy:3128; it must understand CONNECT",
        )
    }

    pub(crate) fn bad_pem(field: &'static str, rule: &'static str) -> Self {
        Self::invalid_argument(field, rule, "PEM is text with a line -----BEGIN ...-----")
    }

    pub(crate) fn client_cert_does_not_fit() -> Self {
        Self::invalid_argument(
            "cert",
            "and key do not belong together",
            "give the private key of the first certificate in the file",
        )
    }

    pub(crate) fn bad_pin() -> Self {
        Self::invalid_argument(
            "pin",
            "must be sha256/ and the base64 of 32 bytes",
            "it is the SHA-256 of the certificate's public key (SubjectPublicKeyInfo in DER)",
        )
    }

    pub(crate) fn server_name() -> Self {
        Self::invalid_argument(
            "server_name",
            "must be a DNS name or an IP address",
            "give one that the certificate has",
        )
    }

    pub(crate) fn no_trust() -> Self {
        Self::invalid_argument(
            "ca",
            "nothing says which key provider to trust",
            "give the CA's certificate (ca), the key provider's public key (pin), or ca=system for the system's store",
        )
    }

    pub(crate) fn private_key() -> Self {
        Self::bad_pem("key", "must hold one private key in PEM form, not encrypted")
    }

    pub(crate) fn ca_not_x509() -> Self {
        Self::bad_pem("ca", "holds something that is not an X.509 certificate")
    }

    pub(crate) fn no_system_store() -> Self {
        Self::invalid_argument(
            "ca",
            "the system has no certificate store that can be read",
            "give the CA's certificate instead",
        )
    }

    pub(crate) fn tls_setup() -> Self {
        Self::invalid_argument("tls", "these options do not go together", "use tls=auto")
    }

    pub(crate) fn probe_without_url() -> Self {
        Self::invalid_argument(
            "url",
            "must be given, because a transport of one's own cannot be examined",
            "for example https://kp-alice:8443",
        )
    }

    pub(crate) fn client_closed() -> Self {
        Self::invalid_argument("client", "is closed", "make a new client")
    }

    pub(crate) fn cancelled(advice: Advice) -> Self {
        Self::new(
            ErrorCode::ConnectionLost,
            advice,
            "the call was cancelled before its reply came",
            lost_hint(advice),
        )
    }

    pub(crate) fn connection_lost(advice: Advice) -> Self {
        Self::new(
            ErrorCode::ConnectionLost,
            advice,
            "the connection was lost before the whole reply came",
            lost_hint(advice),
        )
    }

    pub(crate) fn timed_out(what: &'static str, advice: Advice) -> Self {
        let hint = match advice {
            Advice::NewKey => lost_hint(advice),
            _ => "check address, port and firewalls, or allow more time",
        };
        Self::new(
            ErrorCode::TimedOut,
            advice,
            format!("{what} did not come in time"),
            hint,
        )
    }

    pub(crate) fn name_not_found(name: &str) -> Self {
        Self::new(
            ErrorCode::ConnectFailed,
            Advice::SameRequest,
            format!("the name {name} has no address"),
            "check the spelling and the name server, or give the address and server_name",
        )
    }

    pub(crate) fn connect_failed(to: &str, kind: Option<std::io::ErrorKind>) -> Self {
        use std::io::ErrorKind;
        let (reason, hint) = match kind {
            Some(ErrorKind::ConnectionRefused) => (
                "nothing listens there",
                "check the port, and that the key provider runs",
            ),
            Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => {
                ("there is no route to it", "check the address and the routes")
            }
            Some(ErrorKind::PermissionDenied) => ("the system forbids it", "check firewall and sandbox rules"),
            Some(ErrorKind::AddrNotAvailable) => (
                "no local port or address is free",
                "fewer connections at a time, or wait a little",
            ),
            _ => (
                "the connection did not come up",
                "check the address, the port and the network",
            ),
        };
        Self::new(
            ErrorCode::ConnectFailed,
            Advice::SameRequest,
            format!("cannot connect to {to}: {reason}"),
            hint,
        )
    }

    pub(crate) fn proxy_failed(status: Option<u16>) -> Self {
        let (message, hint) = match status {
            Some(407) => (
                "the proxy wants a user name and password".into(),
                "put them into the proxy's URL",
            ),
            Some(status) => (
                format!("the proxy refused the tunnel (its status is {status})"),
                "check what the proxy allows",
            ),
            None => (
                "the proxy did not open a tunnel".into(),
                "check that it is an HTTP proxy that understands CONNECT",
            ),
        };
        Self::new(ErrorCode::ConnectFailed, Advice::SameRequest, message, hint)
    }

    pub(crate) fn headers_too_large() -> Self {
        Self::new(
            ErrorCode::ResponseTooLarge,
            Advice::No,
            "the reply has more than 16 KiB or 128 lines of headers",
            "this may not be a SKIP key provider: check the URL and any proxy on the way",
        )
    }

    pub(crate) fn body_too_large() -> Self {
        Self::new(
            ErrorCode::ResponseTooLarge,
            Advice::No,
            "the reply has a body of more than 64 KiB",
            "this may not be a SKIP key provider: check the URL and any proxy on the way",
        )
    }

    pub(crate) fn not_http(reason: &'static str) -> Self {
        Self::new(
            ErrorCode::MalformedResponse,
            Advice::No,
            format!("the reply is not HTTP that can be read: {reason}"),
            "this may not be a SKIP key provider: check the URL and any proxy on the way",
        )
    }
}

#[cfg(feature = "https")]
fn lost_hint(advice: Advice) -> &'static str {
    match advice {
        Advice::NewKey => "the key of this request may be used up: ask for a new key",
        _ => "nothing is used up: ask again",
    }
}

/// What can go wrong in TLS with certificates.
#[cfg(feature = "https")]
impl Error {
    fn tls(message: impl Into<Cow<'static, str>>, hint: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::TlsFailed, Advice::No, message, hint)
    }

    pub(crate) fn tls_unknown_issuer() -> Self {
        Self::tls(
            "the key provider's certificate does not come from a CA that was given",
            "give the certificate of the CA that issued it (ca), or pin its public key (pin)",
        )
    }

    pub(crate) fn tls_wrong_name(presented: &[String]) -> Self {
        if presented.is_empty() {
            return Self::tls(
                "the key provider's certificate does not name the host",
                "it may only have a common name, which does not count: have it issued with a subjectAltName, say which name it has \
                 (server_name), or pin its public key (pin)",
            );
        }
        let names: Vec<&str> = presented.iter().take(5).map(String::as_str).collect();
        Self::tls(
            format!(
                "the key provider's certificate is for another name: {}",
                names.join(", ")
            ),
            "check the URL; if this is the right key provider, give one of these names (server_name) or pin its public key (pin)",
        )
    }

    pub(crate) fn tls_expired() -> Self {
        Self::tls(
            "the key provider's certificate has expired",
            "have it renewed; check the clock of this machine",
        )
    }

    pub(crate) fn tls_not_yet_valid() -> Self {
        Self::tls(
            "the key provider's certificate is not valid yet",
            "check the clocks of both machines",
        )
    }

    pub(crate) fn tls_other_key() -> Self {
        Self::tls(
            "the key provider has another public key than the pinned one",
            "check the pin (pin); if nobody changed the key provider's key, somebody else answers",
        )
    }

    pub(crate) fn tls_ca_as_server() -> Self {
        Self::tls(
            "the key provider uses a CA's certificate as its own",
            "have a server certificate issued, or pin its public key (pin, without ca)",
        )
    }

    pub(crate) fn tls_bad_certificate() -> Self {
        Self::tls(
            "the key provider's certificate cannot be accepted",
            "check it with openssl x509 -text; version 3 is needed",
        )
    }

    pub(crate) fn tls_client_cert_wanted() -> Self {
        Self::tls(
            "the key provider wants a client certificate",
            "give one with its private key (cert and key)",
        )
    }

    pub(crate) fn tls_client_cert_refused() -> Self {
        Self::tls(
            "the key provider does not accept the client certificate, or its absence",
            "give a certificate (cert and key) of a CA that the key provider trusts",
        )
    }

    pub(crate) fn tls_version() -> Self {
        Self::tls(
            "the key provider does not offer the version of TLS asked for",
            "SKIP uses 1.2 or 1.3: use tls=auto, or update the key provider",
        )
    }

    pub(crate) fn tls_no_shared_suite() -> Self {
        Self::tls(
            "the key provider and this client share no cipher suite",
            "certificates need TLS_AES_256_GCM_SHA384 or ECDHE with AES-256-GCM-SHA384; a key provider with pre-shared keys only answers like this too",
        )
    }

    pub(crate) fn tls_unrecognised_name() -> Self {
        Self::tls(
            "the key provider does not know the name it was called by",
            "check the URL, or give server_name",
        )
    }

    pub(crate) fn tls_alert(alert: &str) -> Self {
        Self::tls(
            format!("the key provider ended the TLS handshake: {alert}"),
            "look into the key provider's log",
        )
    }

    pub(crate) fn tls_not_tls() -> Self {
        Self::tls(
            "the server does not speak TLS on this port",
            "check the port: it may be plain HTTP or another service",
        )
    }

    pub(crate) fn tls_broken() -> Self {
        Self::tls(
            "the TLS connection broke a rule of the protocol",
            "check for devices between here and the key provider that change traffic",
        )
    }

    pub(crate) fn tls_closed() -> Self {
        Self::tls(
            "the key provider closed the connection during the TLS handshake",
            "it may want a client certificate or a pre-shared key, or the port may not be TLS: look into its log",
        )
    }
}

/// What can go wrong in TLS with a pre-shared key.
#[cfg(feature = "psk")]
impl Error {
    pub(crate) fn psk_with(other: &'static str) -> Self {
        Self::invalid_argument(
            other,
            "does not go with a pre-shared key, which proves both sides by itself",
            "give either certificates or a pre-shared key",
        )
    }

    pub(crate) fn psk_unknown_identity() -> Self {
        Self::tls(
            "the key provider does not know this PSK identity",
            "check the identity for spelling and case, and that the key provider has it",
        )
    }

    pub(crate) fn psk_wrong_key() -> Self {
        Self::tls(
            "the key provider has another key for this PSK identity",
            "compare the keys; the same characters are another key as text than as hexadecimal",
        )
    }

    pub(crate) fn psk_refused() -> Self {
        Self::tls(
            "the key provider refused the pre-shared key: it does not know the identity, or takes no pre-shared keys",
            "check the identity, and that this port is the one for pre-shared keys",
        )
    }

    pub(crate) fn psk_no_shared_suite() -> Self {
        Self::tls(
            "the key provider and this client share no cipher suite for pre-shared keys",
            "it needs PSK or DHE-PSK with AES-256, or TLS 1.3; if it has a certificate, give its CA (ca) instead of a pre-shared key",
        )
    }

    pub(crate) fn psk_certificate_instead() -> Self {
        Self::tls(
            "the key provider answered with a certificate instead of the pre-shared key",
            "it does not know the identity, or this port wants certificates: check the identity and the port, or give its CA (ca)",
        )
    }

    pub(crate) fn psk_client_cert_wanted() -> Self {
        Self::tls(
            "the key provider wants a client certificate and not a pre-shared key",
            "give a certificate with its private key and the key provider's CA, or use its port for pre-shared keys",
        )
    }

    pub(crate) fn psk_closed() -> Self {
        Self::tls(
            "the key provider closed the connection during the TLS handshake",
            "some do that for a wrong identity or key: check both, and look into its log",
        )
    }

    pub(crate) fn tls_weak_dh() -> Self {
        Self::tls(
            "the key provider's Diffie-Hellman group is too small to be safe",
            "have it use a group of at least 2048 bits, or TLS 1.3",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Advice, Error};

    /// Every error that the core can make, once.
    fn all() -> Vec<Error> {
        let all = vec![
            Error::system_id("must not be empty"),
            Error::remote_is_pattern(),
            Error::key_id(false),
            Error::key_id(true),
            Error::psk("must have 1 to 256 bytes", "32 random bytes are a good key"),
            Error::psk_identity(),
            Error::psk_file("is empty", "it should have one line"),
            Error::bit_length(250),
            Error::export_size("wireguard", "wants a key of 256 bits"),
            Error::export_key_id("libreswan", "wants a keyId of at most 64 bytes"),
            Error::ikev2("is too short"),
            Error::status_rejected(400, "a new key", Advice::No),
            Error::status_rejected(400, "a key by its keyId", Advice::NewKey),
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
            Error::unknown_remote(),
            Error::not_supported("keys"),
            Error::url("must begin with https://, because SKIP runs over TLS only"),
            Error::proxy("must begin with http://"),
            Error::unknown_option("timeuot"),
            Error::not_a_flag("lenient"),
            Error::not_seconds("timeout", false, "inf"),
            Error::not_seconds("wait_when_busy", true, "-1"),
            Error::tls_version_argument(),
            Error::half_a_client_cert("key"),
            Error::bad_pem("ca", "must hold at least one certificate in PEM form"),
            Error::client_cert_does_not_fit(),
            Error::bad_pin(),
            Error::server_name(),
            Error::no_trust(),
            Error::no_system_store(),
            Error::tls_setup(),
            Error::client_closed(),
            Error::cancelled(Advice::NewKey),
            Error::connection_lost(Advice::NewKey),
            Error::connection_lost(Advice::SameRequest),
            Error::timed_out("the reply", Advice::NewKey),
            Error::timed_out("a connection", Advice::SameRequest),
            Error::name_not_found("kp-alice"),
            Error::connect_failed("127.0.0.1:1", Some(std::io::ErrorKind::ConnectionRefused)),
            Error::connect_failed("127.0.0.1:1", Some(std::io::ErrorKind::HostUnreachable)),
            Error::connect_failed("127.0.0.1:1", Some(std::io::ErrorKind::PermissionDenied)),
            Error::connect_failed("127.0.0.1:1", Some(std::io::ErrorKind::AddrNotAvailable)),
            Error::connect_failed("127.0.0.1:1", None),
            Error::proxy_failed(None),
            Error::proxy_failed(Some(403)),
            Error::proxy_failed(Some(407)),
            Error::headers_too_large(),
            Error::body_too_large(),
            Error::not_http("it has no HTTP/1 head"),
            Error::tls_unknown_issuer(),
            Error::tls_wrong_name(&[]),
            Error::tls_wrong_name(&["localhost".into()]),
            Error::tls_expired(),
            Error::tls_not_yet_valid(),
            Error::tls_other_key(),
            Error::tls_ca_as_server(),
            Error::tls_bad_certificate(),
            Error::tls_client_cert_wanted(),
            Error::tls_client_cert_refused(),
            Error::tls_version(),
            Error::tls_no_shared_suite(),
            Error::tls_unrecognised_name(),
            Error::tls_alert("internal_error"),
            Error::tls_not_tls(),
            Error::tls_broken(),
            Error::tls_closed(),
        ]);
        #[cfg(feature = "psk")]
        let all = all.chain([
            Error::psk_with("ca"),
            Error::psk_unknown_identity(),
            Error::psk_wrong_key(),
            Error::psk_refused(),
            Error::psk_no_shared_suite(),
            Error::psk_certificate_instead(),
            Error::psk_client_cert_wanted(),
            Error::psk_closed(),
            Error::tls_weak_dh(),
        ]);
        all.into_iter().collect()
    }

    /// The texts may change, but only on purpose: `INSTA_UPDATE=always cargo test` writes them anew.
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
