//! Errors in a Key Provider's replies.

use super::{Advice, Error, ErrorCode, Remedy};

/// Requests that the capabilities rule out.
#[cfg(feature = "https")]
impl Error {
    /// The remote, and the ids in the Key Provider's list.
    pub(crate) fn unknown_remote(remote: &str, list: &[String]) -> Self {
        const SHOWN: usize = 5;
        let mut ids: Vec<String> = list.iter().take(SHOWN).map(|id| shown(id)).collect();
        if let more @ 1.. = list.len().saturating_sub(SHOWN) {
            ids.push(format!("{more} more"));
        }
        let has = if ids.is_empty() {
            "is empty".to_owned()
        } else {
            format!("has {}", ids.join(", "))
        };
        Self::new(
            ErrorCode::UnknownRemote,
            Advice::No,
            format!(
                "no entry of the Key Provider's remoteSystemID list matches the remote {}; the list {has}",
                shown(remote)
            ),
            Remedy::Set {
                when: "compare with the list in the capabilities; ids are case-sensitive; if the list is wrong",
                option: "check_remote",
                value: "false",
            },
        )
    }

    pub(crate) fn not_supported(method: &'static str) -> Self {
        Self::new(
            ErrorCode::NotSupported,
            Advice::No,
            format!("the Key Provider's capabilities say that it does not offer {method}"),
            Remedy::Set {
                when: "ask another Key Provider; if its capabilities are wrong",
                option: "check_remote",
                value: "false",
            },
        )
    }
}

/// Statuses other than 200.
impl Error {
    /// `encoded` says whether the id of the remote was sent percent-encoded.
    pub(crate) fn status_rejected(status: u16, what: &'static str, advice: Advice, encoded: bool) -> Self {
        let remedy = match advice {
            Advice::NewKey if encoded => Remedy::NewKeyForEncodedRemote,
            Advice::NewKey => Remedy::NewKeyForKeyId,
            _ if what == "a new key" && encoded => Remedy::CheckEncodedRemote,
            _ if what == "a new key" => Remedy::CheckRemoteAndSize,
            _ => Remedy::ReadProviderText,
        };
        Self::new(
            ErrorCode::Rejected,
            advice,
            format!("the Key Provider rejected the request for {what} (status {status})"),
            remedy,
        )
        .with_status(status)
    }

    pub(crate) fn status_unauthorized(status: u16) -> Self {
        Self::new(
            ErrorCode::Unauthorized,
            Advice::No,
            format!("the Key Provider does not accept this client (status {status})"),
            Remedy::CheckCredentials,
        )
        .with_status(status)
    }

    pub(crate) fn status_not_found(advice: Advice) -> Self {
        let remedy = match advice {
            Advice::NewKey => Remedy::NewKeyOrCheckPath,
            _ => Remedy::CheckPath,
        };
        Self::new(
            ErrorCode::NotFound,
            advice,
            "the Key Provider has no such path (status 404)",
            remedy,
        )
        .with_status(404)
    }

    pub(crate) fn status_method_not_allowed() -> Self {
        Self::new(
            ErrorCode::MethodNotAllowed,
            Advice::No,
            "the server refused the method GET (status 405)",
            Remedy::OnlyGet,
        )
        .with_status(405)
    }

    pub(crate) fn status_busy(status: u16) -> Self {
        Self::new(
            ErrorCode::Busy,
            Advice::SameRequest,
            format!("the Key Provider is busy or has no entropy now (status {status})"),
            Remedy::AskLater,
        )
        .with_status(status)
    }

    pub(crate) fn status_provider_failed(status: u16, advice: Advice) -> Self {
        let remedy = match advice {
            Advice::NewKey => Remedy::NewKeyAndReadLog,
            _ => Remedy::AskAgainOrReadLog,
        };
        Self::new(
            ErrorCode::ProviderFailed,
            advice,
            format!("the Key Provider failed (status {status})"),
            remedy,
        )
        .with_status(status)
    }

    pub(crate) fn status_unexpected(status: u16) -> Self {
        let remedy = if (300..400).contains(&status) {
            Remedy::FinalUrl
        } else {
            Remedy::CheckUrlAndProxy
        };
        Self::new(
            ErrorCode::UnexpectedStatus,
            Advice::No,
            format!("the server answered with status {status}, which SKIP does not use"),
            remedy,
        )
        .with_status(status)
    }
}

/// Invalid replies.
impl Error {
    /// `path` is the JSON Pointer of the member, `reason` a text of the validator, which never contains a value.
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
            Remedy::Set {
                when: "the Key Provider does not follow the draft here; some known deviations are accepted by",
                option: "lenient",
                value: "true",
            },
        )
        .with_status(200)
    }

    pub(crate) fn malformed_media_type(what: &'static str, media_type: &str) -> Self {
        Self::new(
            ErrorCode::MalformedResponse,
            Advice::No,
            format!("the reply is not a valid {what} message"),
            Remedy::CheckMediaType(media_type.to_owned()),
        )
        .saw(media_type.to_owned())
        .with_status(200)
    }

    pub(crate) fn malformed_content_encoding() -> Self {
        Self::new(
            ErrorCode::MalformedResponse,
            Advice::No,
            "the reply has a Content-Encoding that was not asked for",
            Remedy::NoCompression,
        )
        .with_status(200)
    }

    pub(crate) fn weak_key(status: u16, reason: &str) -> Self {
        Self::new(
            ErrorCode::WeakKey,
            Advice::No,
            format!("the reply must not be used: {reason}"),
            Remedy::TellOperatorOfKeys,
        )
        .with_status(status)
    }

    pub(crate) fn key_id_mismatch() -> Self {
        Self::new(
            ErrorCode::KeyIdMismatch,
            Advice::No,
            "the reply has another keyId than the one asked for",
            Remedy::TellOperatorOfMixUp,
        )
        .with_status(200)
    }

    pub(crate) fn key_size_mismatch(asked: Option<u32>, got: u64) -> Self {
        let message = match asked {
            Some(asked) => format!("the key has {got} bits instead of the {asked} bits asked for"),
            None => format!("the key has {got} bits; without a size asked for, 128 to 4096 bits are accepted"),
        };
        Self::new(ErrorCode::SizeMismatch, Advice::No, message, Remedy::OtherSize)
            .saw(got.to_string())
            .with_status(200)
    }

    pub(crate) fn entropy_size_mismatch(asked: u32, got: u64) -> Self {
        Self::new(
            ErrorCode::SizeMismatch,
            Advice::No,
            format!("the reply has {got} bits of entropy, fewer than the {asked} bits asked for"),
            Remedy::FewerBits,
        )
        .saw(got.to_string())
        .with_status(200)
    }
}

/// An id for a message: printable, not too long, and nothing that looks like a secret.
#[cfg(feature = "https")]
fn shown(id: &str) -> String {
    const LONGEST: usize = 64;
    let mut shown: String = crate::redact::given(id)
        .chars()
        .take(LONGEST)
        .flat_map(char::escape_debug)
        .collect();
    if id.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}
