//! What each error code means, at more length than a hint: for `skip-client explain`, and for docs/errors.md, whose
//! sections are written from here.

use super::ErrorCode;

/// An error code explained: see [`ErrorCode::explain`]. All are sentences in English; they may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// What happened, in one sentence.
    pub summary: &'static str,
    /// Why that usually is.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// What may be asked next, and why: [`Error::advice`](crate::Error::advice) of the error at hand decides.
    pub advice: &'static str,
}

impl ErrorCode {
    /// Cause and remedy of this code.
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

const NOTHING_CHANGES: &str = "`no`: asking again changes nothing before that is put right.";
const NOTHING_USED: &str = "`same_request`: nothing was used up, the same request may be made again.";
const AFTER_THE_REQUEST: &str = "`new_key` for a request for a key: the Key Provider may have made or given out the key \
                                 already, so the initiator asks for a new one. `same_request` for capabilities and entropy.";

/// Summary, cause, remedy, advice.
#[allow(clippy::too_many_lines)] // one row for each code
const fn texts(code: ErrorCode) -> [&'static str; 4] {
    match code {
        ErrorCode::InvalidArgument => [
            "An argument breaks a rule; nothing was sent.",
            "A value of the wrong form or length (a keyId that is not hexadecimal, a size that is no multiple of 8 bits), a \
             file that is not PEM, options that exclude each other, no CA and no pin, or a client that was closed.",
            "The message names the argument and the rule; the hint shows a value that is right.",
            NOTHING_CHANGES,
        ],
        ErrorCode::UnknownRemote => [
            "The Key Provider's list of remotes (remoteSystemID) has no entry for this one; no key was asked for.",
            "The id is spelled in another way (ids are case-sensitive), it is the id of the encryptor instead of that of the Key \
             Provider at the other end, or the two Key Providers do not know each other yet.",
            "Compare with what `skip-client capabilities` prints for this Key Provider, and with the localSystemID that it \
             prints for the other one. If the list is wrong and the Key Provider serves the remote all the same, switch the \
             check off: `check_remote=False`, `--no-check-remote`.",
            NOTHING_CHANGES,
        ],
        ErrorCode::NotSupported => [
            "The capabilities say that keys, or entropy, are not offered; nothing was asked for.",
            "A Key Provider may leave one of the two out, and says so in its capabilities by `key` or `entropy`.",
            "Ask another Key Provider. If the capabilities are wrong, switch the check off: `check_remote=False`, \
             `--no-check-remote`.",
            NOTHING_CHANGES,
        ],
        ErrorCode::ConnectFailed => [
            "There was no TCP connection.",
            "The name has no address, nothing listens on the port, there is no route, a firewall forbids it, or the proxy did \
             not open a tunnel.",
            "Check host, port and proxy in the message, and that the Key Provider runs: `openssl s_client -connect HOST:PORT` \
             from the same machine shows whether the port answers at all.",
            NOTHING_USED,
        ],
        ErrorCode::TlsFailed => [
            "TCP came up, TLS did not.",
            "With certificates: the certificate is untrusted, because its CA is another one than those given, the name in the URL is not in the certificate, it has expired, the pinned \
             key is another one, or a client certificate is wanted. With a pre-shared key: another identity, another key, or the \
             same key read in another form (hexadecimal or text). With both: no version or cipher suite in common, or a port \
             for the other of the two modes.",
            "Do what the hint says; it names one of CA, pin, server name, client certificate, identity, key, version. There is no \
             option that turns the check off.",
            "`no`: nothing was asked of the Key Provider yet, and the next handshake fails in the same way.",
        ],
        ErrorCode::TimedOut => [
            "A deadline passed.",
            "Before the request: packets are dropped on the way (a firewall, a wrong address). After it: the Key Provider takes \
             longer than `timeout`, which is 10 seconds unless given; some agree with their peer inside the request.",
            "When a connection did not come, check address, port and firewalls. When the reply did not come, allow more time \
             (`timeout`, `--timeout`) or look into the Key Provider's log.",
            "`same_request` as long as no byte of a request was sent. Then `new_key` for keys, because the key may be made or \
             given out already, and `same_request` for capabilities and entropy.",
        ],
        ErrorCode::ConnectionLost => [
            "The connection ended after the request, or a part of it, had gone out.",
            "The Key Provider or a device on the way closed it, or the call was cancelled.",
            "Begin the exchange anew. If it happens again, look into the Key Provider's log.",
            AFTER_THE_REQUEST,
        ],
        ErrorCode::Rejected => [
            "The Key Provider refused the request (status 400, 409, 410, 422, or another 4xx).",
            "For a key by its keyId: the keyId is unknown, was used already (a key is given once), has expired, or belongs to \
             another remote. For a new key: the remote or the size does not suit the Key Provider. A reverse proxy in front may \
             answer 400 because it wants a client certificate.",
            "By keyId: let the initiator ask for a new key, and compare `--remote` with the localSystemID of the initiator's Key \
             Provider. Otherwise check remote and size, and read what the Key Provider wrote (`provider said:`).",
            "`new_key` for a key by its keyId, otherwise `no`.",
        ],
        ErrorCode::Unauthorized => [
            "The Key Provider does not accept this client (status 401 or 403).",
            "No client certificate was given, or one that the Key Provider knows but does not allow this.",
            "Give the client certificate with its private key (`cert`, `--cert` and `--key`), or the pre-shared key of this \
             encryptor; have the Key Provider's operator allow it.",
            NOTHING_CHANGES,
        ],
        ErrorCode::NotFound => [
            "The Key Provider has no such path (status 404).",
            "The URL has a path too many or too few; or this Key Provider answers 404, and not 400, for a keyId that is unknown or \
             was used.",
            "The paths of SKIP follow the URL directly: URL/capabilities, URL/key, URL/entropy. If capabilities can be had, the \
             URL is right, and the keyId is the matter: see rejected.",
            "`new_key` for a key by its keyId, otherwise `no`.",
        ],
        ErrorCode::MethodNotAllowed => [
            "The server refused the method GET (status 405), though SKIP uses nothing else.",
            "Something on the way changed the method, or the server is no SKIP Key Provider (interfaces such as ETSI GS QKD 014 \
             use POST for some requests).",
            "Check the URL, and look for a proxy on the way.",
            NOTHING_CHANGES,
        ],
        ErrorCode::Busy => [
            "The Key Provider is busy, or has no entropy now (status 429 or 503).",
            "Too many requests at a time, or a source of randomness or a QKD link that refills slowly.",
            "Wait a little, or let the client wait: `wait_when_busy`, `--wait-when-busy SECONDS`, within `timeout`.",
            NOTHING_USED,
        ],
        ErrorCode::ProviderFailed => [
            "The Key Provider failed inside (status 500, or another 5xx).",
            "Its own error; often it cannot reach its peer, or its store of keys.",
            "Look into the Key Provider's log.",
            AFTER_THE_REQUEST,
        ],
        ErrorCode::UnexpectedStatus => [
            "The server answered with a status that SKIP has no meaning for (1xx, 3xx, another 2xx, over 599).",
            "A redirect, or a web server that is no SKIP Key Provider.",
            "Give the final URL: redirects are not followed, because a request for a key must not be made twice. Otherwise check \
             URL and proxies.",
            NOTHING_CHANGES,
        ],
        ErrorCode::MalformedResponse => [
            "The reply is not what the draft describes.",
            "The Key Provider deviates from the draft, or something else answers on this port. The message names the member and \
             the rule, and never shows the value.",
            "Tell the Key Provider's operator; `skip-client doctor` lists all deviations. Some known ones can be allowed: \
             `lenient=True`, `--lenient`.",
            "`no`: the next reply will be of the same form.",
        ],
        ErrorCode::ResponseTooLarge => [
            "The reply has more than 64 KiB of body, or more than 16 KiB or 128 lines of headers.",
            "A web server that is no SKIP Key Provider, or a broken one. No message of SKIP is that large.",
            "Check URL and proxies; else tell the Key Provider's operator.",
            NOTHING_CHANGES,
        ],
        ErrorCode::KeyIdMismatch => [
            "The reply has another keyId than the one that was asked for; the key was wiped.",
            "The Key Provider, or a cache in front of it, mixes up its replies.",
            "Tell the Key Provider's operator, and do not use it until that is mended: the two ends would have different keys.",
            NOTHING_CHANGES,
        ],
        ErrorCode::SizeMismatch => [
            "The key has another length than asked for, or the reply has fewer bits of entropy; what came was wiped.",
            "The Key Provider cannot make that size, and sends its own instead of an error. Without a size asked for, 128 to \
             4096 bits are accepted.",
            "Ask for a size that this Key Provider can make (256 bits are common), or for fewer bits of entropy at a time.",
            NOTHING_CHANGES,
        ],
        ErrorCode::WeakKey => [
            "The key is all zeros or all ones, or can be read off its keyId; it was wiped.",
            "The random source or the store of keys of the Key Provider is broken.",
            "Tell the Key Provider's operator, and do not use it until that is mended.",
            NOTHING_CHANGES,
        ],
    }
}

#[cfg(test)]
mod tests {
    use crate::ErrorCode;

    #[test]
    fn texts_are_sentences_of_their_own() {
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
