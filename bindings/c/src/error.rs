//! Errors as handles.

use std::ffi::c_char;

use skip_client::error::{Canonical, FrontEnd, Spelling};
use skip_client::{Advice, Error, ErrorCode, Side};

use crate::border::{Text, free, lend};

/// Error codes. Their numbers are stable; later versions may add some.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipCode {
    /// No error: the code of NULL.
    None = 0,
    /// An argument is invalid; nothing was sent.
    InvalidArgument = 1,
    /// The Key Provider shares no keys with the remote; no key was requested.
    UnknownRemote = 2,
    /// The Key Provider does not offer this method; nothing was requested.
    NotSupported = 3,
    /// No connection could be made: name, address, route, port or proxy.
    ConnectFailed = 4,
    /// TCP connected, but the TLS handshake failed.
    TlsFailed = 5,
    /// A deadline passed.
    TimedOut = 6,
    /// The connection was lost after all or part of the request had been sent, or the call was cancelled.
    ConnectionLost = 7,
    /// The Key Provider refused the request (400, 409, 410, 422 and other 4xx).
    Rejected = 8,
    /// The Key Provider does not accept this client (401, 403).
    Unauthorized = 9,
    /// The Key Provider has no such path (404).
    NotFound = 10,
    /// The Key Provider refused the method GET (405).
    MethodNotAllowed = 11,
    /// The Key Provider is busy, or currently has no entropy (429, 503).
    Busy = 12,
    /// The Key Provider failed internally (5xx).
    ProviderFailed = 13,
    /// A status without a meaning in SKIP.
    UnexpectedStatus = 14,
    /// The reply does not conform to the draft.
    MalformedResponse = 15,
    /// The reply is larger than any SKIP message can be.
    ResponseTooLarge = 16,
    /// The reply has a different keyId from the one requested.
    KeyIdMismatch = 17,
    /// The key or random string has a different length from the one requested.
    SizeMismatch = 18,
    /// The key is all zeros, all ones, or can be read from its keyId.
    WeakKey = 19,
    /// A bug of this library was caught. Please report it.
    Internal = 255,
}

/// The side at fault.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipSide {
    /// The caller: an invalid argument, or a request that this Key Provider does not support.
    You = 1,
    /// The network between the caller and the Key Provider.
    Network = 2,
    /// The Key Provider refused the request.
    ProviderRefused = 3,
    /// The Key Provider's reply is invalid.
    ProviderAnswer = 4,
}

/// What to request next so that both encryptors end up with the same key.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipAdvice {
    /// Retrying will not help until something is changed.
    No = 0,
    /// No key was consumed: the same request can be retried.
    SameRequest = 1,
    /// The key of this request may be lost: the initiator should request a new key and pass its keyId on.
    NewKey = 2,
}

/// An error.
pub struct SkipError {
    code: SkipCode,
    side: SkipSide,
    advice: SkipAdvice,
    status: u16,
    code_name: Text,
    message: Text,
    hint: Text,
    provider_text: Option<Text>,
    /// What it was made of, to spell it differently.
    source: Option<Error>,
}

/// The code of an error, to switch on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_error_code(error: *const SkipError) -> SkipCode {
    // SAFETY: NULL or a live handle
    unsafe { error.as_ref() }.map_or(SkipCode::None, |error| error.code)
}

/// The name of the code, for example "busy": the same in every language of the project.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_error_code_name(error: *const SkipError, length: *mut usize) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { lend(error.as_ref().map(|error| &error.code_name), length) }
}

/// The side at fault.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_error_side(error: *const SkipError) -> SkipSide {
    // SAFETY: NULL or a live handle
    unsafe { error.as_ref() }.map_or(SkipSide::You, |error| error.side)
}

/// What to request next.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_error_advice(error: *const SkipError) -> SkipAdvice {
    // SAFETY: NULL or a live handle
    unsafe { error.as_ref() }.map_or(SkipAdvice::No, |error| error.advice)
}

/// The HTTP status; 0 if the Key Provider did not reply.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_error_status(error: *const SkipError) -> u16 {
    // SAFETY: NULL or a live handle
    unsafe { error.as_ref() }.map_or(0, |error| error.status)
}

/// What happened, in one line, lower case and without a full stop.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_error_message(error: *const SkipError, length: *mut usize) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { lend(error.as_ref().map(|error| &error.message), length) }
}

/// What to do about it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_error_hint(error: *const SkipError, length: *mut usize) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { lend(error.as_ref().map(|error| &error.hint), length) }
}

/// The body of an error reply: printable text of at most 512 bytes, with anything that could be a key redacted; NULL if
/// there is none. It is not our text: show it to a person, do not log it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_error_provider_text(error: *const SkipError, length: *mut usize) -> *const c_char {
    // SAFETY: NULL or a live handle; NULL or room for a length
    unsafe { lend(error.as_ref().and_then(|error| error.provider_text.as_ref()), length) }
}

/// Whose names an error's message and hint use for options and arguments.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipSpelling {
    /// Those of the table, as `skip_options_set` takes them: the default.
    C = 0,
    /// Those of the package for Go: fields of `Options`.
    Go = 1,
}

/// Replaces the message and the hint with those in another spelling; earlier pointers to them become invalid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_error_spell(error: *mut SkipError, spelling: SkipSpelling) {
    // SAFETY: NULL or a live handle that no other thread uses now
    if let Some(error) = unsafe { error.as_mut() }
        && let Some(source) = &error.source
    {
        let spelling: &dyn Spelling = match spelling {
            SkipSpelling::C => &Canonical,
            SkipSpelling::Go => &FrontEnd::Go,
        };
        error.message = Text::new(&source.message_in(spelling));
        error.hint = Text::new(&source.hint_in(spelling));
    }
}

/// Frees an error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn skip_error_free(error: *mut SkipError) {
    // SAFETY: NULL or a handle that is no longer used
    unsafe { free(error) }
}

impl SkipError {
    /// For a caught panic. A request may have been in progress.
    pub(crate) fn internal() -> Self {
        Self {
            code: SkipCode::Internal,
            side: SkipSide::You,
            advice: SkipAdvice::NewKey,
            status: 0,
            code_name: Text::new("internal"),
            message: Text::new("a bug of skip-client was caught"),
            hint: Text::new("please report it with what standard error shows"),
            provider_text: None,
            source: None,
        }
    }
}

impl From<&Error> for SkipError {
    fn from(error: &Error) -> Self {
        Self {
            code: code(error.code()),
            side: match error.code().side() {
                Side::You => SkipSide::You,
                Side::Network => SkipSide::Network,
                Side::ProviderRefused => SkipSide::ProviderRefused,
                Side::ProviderAnswer => SkipSide::ProviderAnswer,
            },
            advice: match error.advice() {
                Advice::No => SkipAdvice::No,
                Advice::SameRequest => SkipAdvice::SameRequest,
                Advice::NewKey => SkipAdvice::NewKey,
            },
            status: error.status().unwrap_or(0),
            code_name: Text::new(error.code().as_str()),
            message: Text::new(error.message()),
            hint: Text::new(error.hint()),
            provider_text: error.provider_text().map(Text::new),
            source: Some(error.clone()),
        }
    }
}

fn code(code: ErrorCode) -> SkipCode {
    match code {
        ErrorCode::InvalidArgument => SkipCode::InvalidArgument,
        ErrorCode::UnknownRemote => SkipCode::UnknownRemote,
        ErrorCode::NotSupported => SkipCode::NotSupported,
        ErrorCode::ConnectFailed => SkipCode::ConnectFailed,
        ErrorCode::TlsFailed => SkipCode::TlsFailed,
        ErrorCode::TimedOut => SkipCode::TimedOut,
        ErrorCode::ConnectionLost => SkipCode::ConnectionLost,
        ErrorCode::Rejected => SkipCode::Rejected,
        ErrorCode::Unauthorized => SkipCode::Unauthorized,
        ErrorCode::NotFound => SkipCode::NotFound,
        ErrorCode::MethodNotAllowed => SkipCode::MethodNotAllowed,
        ErrorCode::Busy => SkipCode::Busy,
        ErrorCode::ProviderFailed => SkipCode::ProviderFailed,
        ErrorCode::UnexpectedStatus => SkipCode::UnexpectedStatus,
        ErrorCode::MalformedResponse => SkipCode::MalformedResponse,
        ErrorCode::ResponseTooLarge => SkipCode::ResponseTooLarge,
        ErrorCode::KeyIdMismatch => SkipCode::KeyIdMismatch,
        ErrorCode::SizeMismatch => SkipCode::SizeMismatch,
        ErrorCode::WeakKey => SkipCode::WeakKey,
        // the test below ensures that this is never reached
        _ => SkipCode::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_core_has_its_own_number_and_the_same_name() {
        let mut numbers = Vec::new();
        for one in ErrorCode::ALL {
            let here = code(one);
            let name: String = one
                .as_str()
                .split('_')
                .map(|word| word[..1].to_uppercase() + &word[1..])
                .collect();
            assert_eq!(format!("{here:?}"), name);
            numbers.push(here as i32);
        }
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), ErrorCode::ALL.len());
    }
}
