//! The content of a response, split so that each check sees only the problems that concern it.

use skip_client::probe::ProbeReply;
use skip_client::{
    Answer, Entropy, Error, ErrorCode, Key, MessageKind, Problem, Request, Rules, Severity, parse_response, validate,
};

use crate::catalogue::Id;

use super::session::{Session, sentence};

/// A response to a request for a key or for entropy.
pub(super) struct Read<T> {
    pub status: u16,
    /// The value, if it can be used.
    pub value: Option<T>,
    /// Why it cannot be used.
    pub error: Option<Error>,
    /// The problems of a message with status 200.
    pub problems: Vec<Problem>,
}

impl<T> Read<T> {
    pub fn is_success(&self) -> bool {
        self.status == 200
    }

    /// Problems that make the message invalid: those of the hexadecimal digits, or all others.
    pub fn errors(&self, of_hex: bool) -> Vec<&Problem> {
        let errors = self
            .problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error);
        errors
            .filter(|problem| problem.code != "weak_key" && of_hex == matches!(problem.code, "not_hex" | "odd_length"))
            .collect()
    }

    pub fn is_weak(&self) -> bool {
        self.problems.iter().any(|problem| problem.code == "weak_key")
            || self
                .error
                .as_ref()
                .is_some_and(|error| error.code() == ErrorCode::WeakKey)
    }

    /// Whether the length differs from the requested one.
    pub fn has_wrong_size(&self) -> bool {
        self.error
            .as_ref()
            .is_some_and(|error| error.code() == ErrorCode::SizeMismatch)
    }

    /// Problems outside the message itself: a Content-Encoding, for example.
    pub fn other_error(&self) -> Option<&Error> {
        let in_message = |error: &&Error| {
            !matches!(
                error.code(),
                ErrorCode::SizeMismatch | ErrorCode::KeyIdMismatch | ErrorCode::WeakKey
            ) && self
                .problems
                .iter()
                .all(|problem| problem.severity == Severity::Warning)
        };
        self.error.as_ref().filter(in_message)
    }
}

pub(super) fn read_key(request: &Request, reply: &ProbeReply) -> Read<Key> {
    read(MessageKind::Key, request, reply, |answer| match answer {
        Answer::Key(key) => Some(key),
        _ => None,
    })
}

pub(super) fn read_entropy(request: &Request, reply: &ProbeReply) -> Read<Entropy> {
    read(MessageKind::Entropy, request, reply, |answer| match answer {
        Answer::Entropy(entropy) => Some(entropy),
        _ => None,
    })
}

fn read<T>(
    kind: MessageKind,
    request: &Request,
    reply: &ProbeReply,
    take: impl FnOnce(Answer) -> Option<T>,
) -> Read<T> {
    let response = &reply.response;
    let problems = if response.status == 200 {
        validate(kind, response.body.as_slice(), Rules::Strict)
    } else {
        Vec::new()
    };
    // lenient: an odd keyId is a finding, but the key is examined anyway
    let (value, error) = match parse_response(
        request,
        response.status,
        &response.headers,
        response.body.as_slice(),
        Rules::Lenient,
    ) {
        Ok(answer) => (take(answer), None),
        Err(error) => (None, Some(error)),
    };
    Read {
        status: response.status,
        value,
        error,
        problems,
    }
}

/// Judges whether a message has its members: `errors` are those of the schema, `fine` is reported if there are none.
pub(super) fn judge_schema<T>(
    session: &mut Session<'_>,
    id: Id,
    read: &Read<T>,
    errors: &[&Problem],
    fine: &'static str,
) {
    if let Some(error) = read.other_error() {
        session.broken_with(id, sentence(error.message()), &session.hint(error));
    } else {
        session.judge(id, errors.is_empty(), fine, sentence(&told(errors)));
    }
}

/// Problems in one sentence each.
pub(super) fn told(problems: &[&Problem]) -> String {
    let one = |problem: &&Problem| {
        if problem.path.is_empty() {
            problem.message.clone()
        } else {
            format!("{}: {}", problem.path, problem.message)
        }
    };
    let mut all: Vec<String> = problems.iter().take(4).map(one).collect();
    if problems.len() > all.len() {
        all.push(format!("{} more", problems.len() - all.len()));
    }
    all.join("; ")
}
