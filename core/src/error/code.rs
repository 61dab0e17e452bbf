//! The stable names of errors: which, on whose side, and what may be asked next.

use std::fmt;

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
