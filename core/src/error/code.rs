//! Error codes, the side at fault, and advice on what to request next.

use std::fmt;

/// A stable error code that programs can match on.
///
/// The names (see [`ErrorCode::as_str`]) are the same in every language of the project; the texts of messages may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// An argument is invalid; nothing was sent.
    InvalidArgument,
    /// The KP's remoteSystemID list has no entry for the requested remote; no key was requested.
    UnknownRemote,
    /// The KP does not offer this method; nothing was requested.
    NotSupported,
    /// No connection could be made: name, address, route, port or proxy.
    ConnectFailed,
    /// TCP connected, but the TLS handshake failed.
    TlsFailed,
    /// A deadline passed.
    TimedOut,
    /// The connection was lost after all or part of the request had been sent.
    ConnectionLost,
    /// The KP refused the request (400, 409, 410, 422 and other 4xx).
    Rejected,
    /// The KP does not accept this client (401, 403).
    Unauthorized,
    /// The KP has no such path (404).
    NotFound,
    /// The KP refused the method GET (405).
    MethodNotAllowed,
    /// The KP is busy, or currently has no entropy (429, 503).
    Busy,
    /// The KP failed internally (5xx).
    ProviderFailed,
    /// A status without a meaning in SKIP (1xx, 3xx, other 2xx, above 599).
    UnexpectedStatus,
    /// The reply does not conform to the draft.
    MalformedResponse,
    /// The reply is larger than any SKIP message can be.
    ResponseTooLarge,
    /// The reply has a different keyId from the one requested.
    KeyIdMismatch,
    /// The key or random string has a different length from the one requested.
    SizeMismatch,
    /// The key is all zeros, all ones, or can be read from its keyId.
    WeakKey,
}

impl ErrorCode {
    /// All codes, ordered by side.
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

    /// The side at fault.
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

/// The side at fault for an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The caller: an invalid argument, or a request that this KP does not support.
    You,
    /// The network between the caller and the KP.
    Network,
    /// The KP refused the request.
    ProviderRefused,
    /// The KP's reply is invalid.
    ProviderAnswer,
}

/// What to request next so that both encryptors end up with the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Advice {
    /// No key was consumed: the same request can be retried.
    SameRequest,
    /// The key of this request may be lost: the initiator should request a new key and pass its keyId on.
    NewKey,
    /// Retrying will not help until something is changed.
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
