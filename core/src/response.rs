//! Parses replies: first the status, by the tables of the draft (3, 7, 9), then the message.

use zeroize::Zeroizing;

use crate::bits::BitLength;
use crate::capabilities::Capabilities;
use crate::entropy::Entropy;
use crate::error::{Advice, Error, Result};
use crate::key::Key;
use crate::key_id::KeyId;
use crate::problem::{Problem, Rules, Severity};
use crate::redact::{could_be_key, redact};
use crate::request::{Request, RequestKind};
use crate::residue::clear_after_copy;
use crate::secret::Secret;
use crate::validate;

/// The headers of a reply that are relevant to SKIP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// `Content-Type`, as received.
    pub content_type: Option<String>,
    /// `Content-Encoding`, as received; a SKIP reply has none.
    pub content_encoding: Option<String>,
    /// `Retry-After`, as received.
    pub retry_after: Option<String>,
}

/// A parsed reply.
#[derive(Debug)]
pub enum Answer {
    /// The reply to [`Request::capabilities`].
    Capabilities(Capabilities),
    /// The reply to [`Request::new_key`] and [`Request::key_by_id`].
    Key(Key),
    /// The reply to [`Request::entropy`].
    Entropy(Entropy),
}

/// Parses the reply to a request. The body is only borrowed: the key is decoded directly from it, and the caller is responsible for
/// wiping it. [`TypedRequest::parse`](crate::TypedRequest::parse) does the same for a request of a known kind.
///
/// [`Rules::Lenient`] accepts some known deviations of real Key Providers: keyIds that are not hexadecimal, `minentropy` as a
/// string, capabilities without `algorithm` or `localSystemID`.
///
/// # Errors
/// For a status other than 200, the code for that status; for 200, `malformed_response`, `key_id_mismatch`, `size_mismatch` or
/// `weak_key`.
pub fn parse_response(request: &Request, status: u16, headers: &Headers, body: &[u8], rules: Rules) -> Result<Answer> {
    clear_after_copy(|| {
        let reply = Reply::of(request, status, headers, body, rules)?;
        match request.kind() {
            RequestKind::Capabilities => read_capabilities(request, &reply).map(Answer::Capabilities),
            RequestKind::NewKey | RequestKind::KeyById => read_key(request, &reply).map(Answer::Key),
            RequestKind::Entropy => read_entropy(request, &reply).map(Answer::Entropy),
        }
    })
}

/// A reply with status 200.
pub(crate) struct Reply<'a> {
    body: &'a [u8],
    rules: Rules,
    /// A media type other than JSON.
    foreign: Option<&'a str>,
}

impl<'a> Reply<'a> {
    /// Rejects replies without a message: another status, or a compressed body.
    pub fn of(request: &Request, status: u16, headers: &'a Headers, body: &'a [u8], rules: Rules) -> Result<Self> {
        if status != 200 {
            return Err(status_error(request, status).with_provider_text(provider_text(body)));
        }
        let encoding = headers.content_encoding.as_deref().map(str::trim);
        if encoding.is_some_and(|e| !e.is_empty() && !e.eq_ignore_ascii_case("identity")) {
            return Err(Error::malformed_content_encoding());
        }
        Ok(Self {
            body,
            rules,
            foreign: headers.content_type.as_deref().and_then(foreign_media_type),
        })
    }
}

pub(crate) fn read_capabilities(_: &Request, reply: &Reply<'_>) -> Result<Capabilities> {
    let (message, problems) = validate::read_capabilities(reply.body, reply.rules);
    let message = message.ok_or_else(|| refused("capabilities", &problems, reply.foreign))?;
    Ok(Capabilities {
        warnings: flag(problems, reply.foreign),
        ..message
    })
}

pub(crate) fn read_key(request: &Request, reply: &Reply<'_>) -> Result<Key> {
    let (message, problems) = validate::read_key(reply.body, reply.rules);
    let message = message.ok_or_else(|| refused("key", &problems, reply.foreign))?;
    let key_id = match request.key_id() {
        Some(asked) if asked.matches(message.key_id) => asked.clone(),
        Some(_) => return Err(Error::key_id_mismatch()),
        None => KeyId::parse(message.key_id, Rules::Lenient)?,
    };
    let secret = decode(message.key, "key")?;
    check_key_size(request.bits(), secret.len())?;
    Ok(Key::new(key_id, secret).with_warnings(flag(problems, reply.foreign)))
}

pub(crate) fn read_entropy(request: &Request, reply: &Reply<'_>) -> Result<Entropy> {
    let (message, problems) = validate::read_entropy(reply.body, reply.rules);
    let message = message.ok_or_else(|| refused("entropy", &problems, reply.foreign))?;
    let secret = decode(message.random_str, "entropy")?;
    let asked = request.bits().map_or(1, BitLength::bits);
    // draft 4.3: minentropy is the entropy of the random string; it must not be less than requested
    if message.minentropy < u64::from(asked) {
        return Err(Error::entropy_size_mismatch(asked, message.minentropy));
    }
    // minentropy is at most the length of randomStr (validate.rs), so it fits
    let bits = u32::try_from(message.minentropy).unwrap_or(u32::MAX);
    Ok(Entropy::new(bits, secret).with_warnings(flag(problems, reply.foreign)))
}

fn decode(hex: &str, what: &'static str) -> Result<Secret> {
    Secret::from_hex(hex.as_bytes()).ok_or_else(|| Error::malformed(what, "", "its digits are not hexadecimal"))
}

/// draft 4.2: a requested size must be met; without one, lengths that no consumer supports are rejected.
fn check_key_size(asked: Option<BitLength>, bytes: usize) -> Result<()> {
    let bits = bytes as u64 * 8;
    let fits = match asked {
        Some(asked) => u64::from(asked.bits()) == bits,
        None => (128..=4096).contains(&bits),
    };
    if fits {
        Ok(())
    } else {
        Err(Error::key_size_mismatch(asked.map(BitLength::bits), bits))
    }
}

/// The error for an invalid message: its first problem that is an error, or the media type if that explains it.
fn refused(what: &'static str, problems: &[Problem], foreign: Option<&str>) -> Error {
    if let Some(media_type) = foreign {
        return Error::malformed_media_type(what, media_type);
    }
    match problems.iter().find(|p| p.severity == Severity::Error) {
        Some(problem) if problem.code == "weak_key" => Error::weak_key(200, &problem.message),
        Some(problem) => Error::malformed(what, &problem.path, &problem.message),
        None => Error::malformed(what, "", "it cannot be read"),
    }
}

/// A valid message with another media type is accepted with a warning, because the key would be lost otherwise.
fn flag(mut warnings: Vec<Problem>, foreign: Option<&str>) -> Vec<Problem> {
    if foreign.is_some() {
        warnings.push(Problem {
            path: String::new(),
            code: "media_type",
            message: "the reply is valid, but its Content-Type is not application/json".into(),
            severity: Severity::Warning,
            section: "4",
        });
    }
    warnings
}

/// The essence of a media type other than JSON, if it is safe to show.
fn foreign_media_type(content_type: &str) -> Option<&str> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let json = essence.is_empty()
        || essence.eq_ignore_ascii_case("application/json")
        || essence.eq_ignore_ascii_case("text/json")
        || (essence.len() > 5
            && essence
                .get(essence.len() - 5..)
                .is_some_and(|end| end.eq_ignore_ascii_case("+json")));
    if json {
        return None;
    }
    let plain = essence.len() <= 64
        && essence
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/.+-".contains(&b));
    let safe = plain && redact(essence) == essence;
    Some(if safe { essence } else { "of an unusual form" })
}

/// Maps statuses to errors: tables 3 (general), 7 (key) and 9 (entropy), and others that real Key Providers send.
fn status_error(request: &Request, status: u16) -> Error {
    let kind = request.kind();
    let encoded = request.target().contains('%');
    let by_id = kind == RequestKind::KeyById;
    let what = match kind {
        RequestKind::Capabilities => "capabilities",
        RequestKind::NewKey => "a new key",
        RequestKind::KeyById => "a key by its keyId",
        RequestKind::Entropy => "entropy",
    };
    match status {
        401 | 403 => Error::status_unauthorized(status),
        404 => Error::status_not_found(if by_id { Advice::NewKey } else { Advice::No }),
        405 => Error::status_method_not_allowed(),
        429 | 503 => Error::status_busy(status),
        // draft Table 7: malformed or not found; for a request by keyId only a new key helps
        400 | 409 | 410 | 422 if by_id => Error::status_rejected(status, what, Advice::NewKey, encoded),
        400..=499 => Error::status_rejected(status, what, Advice::No, encoded),
        // draft Table 7: the KP failed while reading or zeroizing the key
        500 | 502 | 504 if by_id => Error::status_provider_failed(status, Advice::NewKey),
        500..=599 if kind == RequestKind::NewKey => Error::status_provider_failed(status, Advice::NewKey),
        500..=599 => Error::status_provider_failed(status, Advice::SameRequest),
        _ => Error::status_unexpected(status),
    }
}

/// The body of an error reply, made safe to show: printable, at most 512 bytes, runs that could be a key redacted.
fn provider_text(body: &[u8]) -> Option<String> {
    const LIMIT: usize = 512;
    // enough for the limit after redaction, without processing all of a large body
    let part = &body[..body.len().min(4 * LIMIT)];
    // a run truncated here could become too short to be detected
    let whole = part.len()
        - if part.len() < body.len() {
            part.iter().rev().take_while(|b| could_be_key(**b)).count()
        } else {
            0
        };
    // it may contain a key: it is allocated in full and wiped
    let mut printable = Zeroizing::new(String::with_capacity(whole * char::REPLACEMENT_CHARACTER.len_utf8()));
    for chunk in part[..whole].utf8_chunks() {
        printable.extend(chunk.valid().chars().map(|c| if c.is_control() { ' ' } else { c }));
        if !chunk.invalid().is_empty() {
            printable.push(char::REPLACEMENT_CHARACTER);
        }
    }
    let mut text = redact(printable.trim());
    let cut = (0..=LIMIT.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    text.truncate(cut);
    (!text.is_empty()).then_some(text)
}
