//! The full explanation of each error code, for `skip-client explain` and docs/errors.md, whose sections are generated from here.

use super::ErrorCode;

/// The explanation of an error code: see [`ErrorCode::explain`]. The texts are English sentences and may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// What happened, in one sentence.
    pub summary: &'static str,
    /// The usual causes.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// What to request next, and why. [`Error::advice`](crate::Error::advice) of the actual error takes precedence.
    pub advice: &'static str,
}

impl ErrorCode {
    /// The cause and remedy of this code.
    #[must_use]
    pub const fn explain(self) -> Explanation {
        let [summary, cause, remedy, advice] = texts(self);
        Explanation {
            summary,
            cause,
            remedy,
            advice,
        }
    }
}

const NOTHING_CHANGES: &str = "`no`: repeating the request changes nothing; fix the cause first.";
const NOTHING_USED: &str = "`same_request`: nothing was used up, so the same request may be sent again.";
const AFTER_THE_REQUEST: &str = "`new_key` for a key request: the Key Provider may already have created or handed out the \
                                 key, so the initiator requests a new one. `same_request` for capabilities and entropy.";

/// Summary, cause, remedy, advice.
#[allow(clippy::too_many_lines)] // one row for each code
const fn texts(code: ErrorCode) -> [&'static str; 4] {
    match code {
        ErrorCode::InvalidArgument => [
            "An argument breaks a rule; nothing was sent.",
            "A value of the wrong form or length (a keyId that is not hexadecimal, a size that is not a multiple of 8 \
             bits), a file that is not PEM, conflicting options, neither a CA nor a pin, or a closed client.",
            "The message names the argument and the rule; the hint shows a valid value.",
            NOTHING_CHANGES,
        ],
        ErrorCode::UnknownRemote => [
            "The Key Provider's list of remotes (remoteSystemID) has no entry for this one; no key was requested.",
            "The id is misspelled (ids are case-sensitive), it is the id of the encryptor instead of the Key Provider at \
             the other end, or the two Key Providers are not configured for each other yet.",
            "Compare with what `skip-client capabilities` prints for this Key Provider, and with the localSystemID that it \
             prints for the other one. If the list is wrong and the Key Provider serves the remote anyway, disable the \
             check: `check_remote=False`, `--no-check-remote`.",
            NOTHING_CHANGES,
        ],
        ErrorCode::NotSupported => [
            "According to its capabilities, the Key Provider does not offer keys, or entropy; nothing was requested.",
            "A Key Provider may omit one of the two; `key` and `entropy` in its capabilities say which it offers.",
            "Use another Key Provider. If the capabilities are wrong, disable the check: `check_remote=False`, \
             `--no-check-remote`.",
            NOTHING_CHANGES,
        ],
        ErrorCode::ConnectFailed => [
            "The TCP connection could not be established.",
            "The name has no address, nothing listens on the port, there is no route, a firewall blocks the connection, or \
             the proxy did not open a tunnel.",
            "Check the host, port and proxy in the message, and that the Key Provider is running: `openssl s_client \
             -connect HOST:PORT` from the same machine shows whether the port answers at all.",
            NOTHING_USED,
        ],
        ErrorCode::TlsFailed => [
            "The TLS handshake failed.",
            "With certificates: the certificate is untrusted, because it was issued by another CA, does not contain the \
             name in the URL, has expired, or does not match the pin; or the Key Provider requires a client certificate. \
             With a pre-shared key: another identity, another key, or the same key in another form (hexadecimal or text). \
             With both: no version or cipher suite in common, or the port is for the other of the two modes.",
            "Follow the hint; it names the setting to change: CA, pin, server name, client certificate, identity, key, or \
             version. There is no option that disables verification.",
            "`no`: no request was sent, and the next handshake would fail in the same way.",
        ],
        ErrorCode::TimedOut => [
            "A deadline passed.",
            "Before the request: packets are dropped on the path (a firewall, a wrong address). After it: the Key Provider \
             takes longer than `timeout` (10 seconds by default); some agree on the key with their peer during the \
             request.",
            "If the connection timed out, check address, port and firewalls. If the reply timed out, allow more time \
             (`timeout`, `--timeout`) or check the Key Provider's log.",
            "`same_request` if no byte of a request was sent. After that, `new_key` for keys, because the key may already \
             have been created or handed out, and `same_request` for capabilities and entropy.",
        ],
        ErrorCode::ConnectionLost => [
            "The connection ended after the request, or a part of it, had been sent.",
            "The Key Provider or a device on the path closed it, or the call was cancelled.",
            "Start the exchange again. If it fails again, check the Key Provider's log.",
            AFTER_THE_REQUEST,
        ],
        ErrorCode::Rejected => [
            "The Key Provider refused the request (status 400, 409, 410, 422, or another 4xx).",
            "For a key by its keyId: the keyId is unknown, was already used (a key is handed out once), has expired, or \
             belongs to another remote. For a new key: the Key Provider does not accept the remote or the size. A reverse \
             proxy may also answer 400 if it requires a client certificate.",
            "By keyId: let the initiator request a new key, and compare `--remote` with the localSystemID of the \
             initiator's Key Provider. Otherwise check the remote and the size, and read the Key Provider's own text \
             (`provider said:`).",
            "`new_key` for a key by its keyId, otherwise `no`.",
        ],
        ErrorCode::Unauthorized => [
            "The Key Provider does not accept this client (status 401 or 403).",
            "No client certificate was given, or the Key Provider knows the client but does not permit the request.",
            "Give the client certificate with its private key (`cert`, `--cert` and `--key`), or the pre-shared key of \
             this encryptor; ask the Key Provider's operator to permit the client.",
            NOTHING_CHANGES,
        ],
        ErrorCode::NotFound => [
            "The Key Provider has no such path (status 404).",
            "The URL has a path component too many or too few; or this Key Provider answers 404 instead of 400 for an \
             unknown or used keyId.",
            "The paths of SKIP follow the URL directly: URL/capabilities, URL/key, URL/entropy. If `capabilities` \
             succeeds, the URL is right and the keyId is the problem: see rejected.",
            "`new_key` for a key by its keyId, otherwise `no`.",
        ],
        ErrorCode::MethodNotAllowed => [
            "The server refused the method GET (status 405), the only one that SKIP uses.",
            "A device on the path changed the method, or the server is not a SKIP Key Provider (interfaces such as ETSI GS \
             QKD 014 use POST for some requests).",
            "Check the URL, and look for a proxy on the path.",
            NOTHING_CHANGES,
        ],
        ErrorCode::Busy => [
            "The Key Provider is busy, or out of entropy (status 429 or 503).",
            "Too many requests at once, or a source of randomness or a QKD link that refills slowly.",
            "Wait a little, or let the client wait: `wait_when_busy`, `--wait-when-busy SECONDS`, within `timeout`.",
            NOTHING_USED,
        ],
        ErrorCode::ProviderFailed => [
            "The Key Provider had an internal error (status 500, or another 5xx).",
            "Often it cannot reach its peer, or its key store.",
            "Check the Key Provider's log.",
            AFTER_THE_REQUEST,
        ],
        ErrorCode::UnexpectedStatus => [
            "The server answered with a status that has no meaning in SKIP (1xx, 3xx, another 2xx, over 599).",
            "A redirect, or a web server that is not a SKIP Key Provider.",
            "Give the final URL: redirects are not followed, because a key request must not be sent twice. Otherwise check \
             the URL and proxies.",
            NOTHING_CHANGES,
        ],
        ErrorCode::MalformedResponse => [
            "The reply does not follow the draft.",
            "The Key Provider deviates from the draft, or another service answers on this port. The message names the \
             member and the rule, and never shows the value.",
            "Tell the Key Provider's operator; `skip-client doctor` lists all deviations. Some known ones can be allowed: \
             `lenient=True`, `--lenient`.",
            "`no`: the next reply would have the same form.",
        ],
        ErrorCode::ResponseTooLarge => [
            "The reply has more than 64 KiB of body, or more than 16 KiB or 128 lines of headers.",
            "A web server that is not a SKIP Key Provider, or a broken one. No SKIP message is that large.",
            "Check the URL and proxies; otherwise tell the Key Provider's operator.",
            NOTHING_CHANGES,
        ],
        ErrorCode::KeyIdMismatch => [
            "The reply has a keyId other than the requested one; the key was wiped.",
            "The Key Provider, or a cache in front of it, mixes up its replies.",
            "Tell the Key Provider's operator, and do not use it until that is fixed: the two ends would have different \
             keys.",
            NOTHING_CHANGES,
        ],
        ErrorCode::SizeMismatch => [
            "The key does not have the requested size, or the reply has less entropy than requested; the value was wiped.",
            "The Key Provider does not support that size, and sends its own instead of an error. If no size was requested, \
             128 to 4096 bits are accepted.",
            "Request a size that this Key Provider supports (256 bits is common), or less entropy at a time.",
            NOTHING_CHANGES,
        ],
        ErrorCode::WeakKey => [
            "The key is all zeros or all ones, or can be derived from its keyId; it was wiped.",
            "The Key Provider's random source or key store is broken.",
            "Tell the Key Provider's operator, and do not use it until that is fixed.",
            NOTHING_CHANGES,
        ],
    }
}

#[cfg(test)]
mod tests {
    use crate::ErrorCode;

    #[test]
    fn texts_are_distinct_sentences() {
        let mut summaries: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.explain().summary).collect();
        for code in ErrorCode::ALL {
            let it = code.explain();
            for text in [it.summary, it.cause, it.remedy, it.advice] {
                assert!(
                    text.ends_with('.') && !text.contains('\n') && !text.contains("  "),
                    "{code}: {text}"
                );
            }
            assert!(
                ["`no`", "`same_request`", "`new_key`"]
                    .iter()
                    .any(|advice| it.advice.contains(advice)),
                "{code}"
            );
        }
        summaries.sort_unstable();
        summaries.dedup();
        assert_eq!(summaries.len(), ErrorCode::ALL.len());
    }
}
