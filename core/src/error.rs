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
    /// The key is all zeros, all ones, or the same as its keyId.
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
            _ => "check the remoteSystemID and the size; the key provider's own words may say more",
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
