//! Validation of messages: every problem, with its path, its code and the section of the draft.

use std::fmt::Display;
use std::str::FromStr;

use crate::capabilities::Capabilities;
use crate::error::Error;
use crate::hex;
use crate::json::{Reader, Text, Value, line_and_column, repeated};
use crate::key_id;
use crate::problem::{Problem, Rules, Severity};
use crate::remote_system_ids::RemoteSystemIds;
use crate::system_id::{SystemId, is_ambiguous, is_pattern, rule_broken_by};

/// The kinds of messages in the draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// The reply to `GET /capabilities` (draft 4.1, Figure 3).
    Capabilities,
    /// The reply to `GET /key` and `GET /key/{keyId}` (draft 4.2, Figure 5).
    Key,
    /// The reply to `GET /entropy` (draft 4.3, Figure 7).
    Entropy,
}

impl MessageKind {
    /// All kinds.
    pub const ALL: [MessageKind; 3] = [Self::Capabilities, Self::Key, Self::Entropy];

    /// `capabilities`, `key` or `entropy`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Capabilities => "capabilities",
            Self::Key => "key",
            Self::Entropy => "entropy",
        }
    }

    /// Guesses the kind from the members of a text; `None` if it has none of them. The text may be malformed after them.
    #[must_use]
    pub fn guess(text: &[u8]) -> Option<Self> {
        let valid = std::str::from_utf8(text)
            .unwrap_or_else(|e| std::str::from_utf8(&text[..e.valid_up_to()]).unwrap_or_default());
        let mut found = [0; Self::ALL.len()];
        // whether the text is valid JSON does not matter here
        let _ = Reader::new(valid).document(&mut |name, value| {
            for (kind, count) in Self::ALL.into_iter().zip(&mut found) {
                let known = kind.members().contains(&name.unescape().as_ref());
                // two kinds have a member of this name, one of them as a flag
                let fits = name.raw != "key" || matches!(value, Value::Bool(_)) == (kind == Self::Capabilities);
                *count += usize::from(known && fits);
            }
        });
        let most = found.into_iter().max().filter(|count| *count > 0)?;
        Self::ALL
            .into_iter()
            .zip(found)
            .find(|(_, count)| *count == most)
            .map(|(kind, _)| kind)
    }

    /// The members that the draft requires.
    const fn members(self) -> &'static [&'static str] {
        match self {
            Self::Capabilities => &CAPABILITIES,
            Self::Key => &KEY,
            Self::Entropy => &ENTROPY,
        }
    }

    const fn section(self) -> &'static str {
        match self {
            Self::Capabilities => "4.1",
            Self::Key => "4.2",
            Self::Entropy => "4.3",
        }
    }
}

impl FromStr for MessageKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| Error::message_kind(Self::ALL.map(Self::as_str).to_vec()))
    }
}

/// Lists all problems of a message; it is valid if there are none, or only warnings.
///
/// ```
/// use skip_client::{MessageKind, Rules, validate};
/// let problems = validate(MessageKind::Key, br#"{"keyId": "00", "key": 7}"#, Rules::Strict);
/// assert!(problems.iter().any(|p| p.path == "/key" && p.code == "wrong_type"));
/// ```
#[must_use]
pub fn validate(kind: MessageKind, text: &[u8], rules: Rules) -> Vec<Problem> {
    match kind {
        MessageKind::Capabilities => read_capabilities(text, rules).1,
        MessageKind::Key => read_key(text, rules).1,
        MessageKind::Entropy => read_entropy(text, rules).1,
    }
}

/// Whether a message has no problem of severity `error`.
#[must_use]
pub fn is_valid(kind: MessageKind, text: &[u8], rules: Rules) -> bool {
    validate(kind, text, rules)
        .iter()
        .all(|p| p.severity == Severity::Warning)
}

/// A valid key message, borrowed from its text.
pub(crate) struct KeyMessage<'a> {
    pub key_id: &'a str,
    pub key: &'a str,
}

/// A valid entropy message, borrowed from its text.
pub(crate) struct EntropyMessage<'a> {
    pub random_str: &'a str,
    pub minentropy: u64,
}

const CAPABILITIES: [&str; 5] = ["entropy", "key", "algorithm", "localSystemID", "remoteSystemID"];
const KEY: [&str; 2] = ["keyId", "key"];
const ENTROPY: [&str; 2] = ["randomStr", "minentropy"];

/// The maximum length of keys and random strings, in bits; the client's limit is lower (response.rs).
const MAX_BITS: usize = 65_536;
const USUAL_BITS: std::ops::RangeInclusive<usize> = 128..=4096;
const MAX_ALGORITHM_BYTES: usize = 1024;
/// A hostile list of ids could cause millions of problems.
const MAX_PROBLEMS: usize = 100;

/// The problems include the warnings for a valid message.
pub(crate) fn read_capabilities(text: &[u8], rules: Rules) -> (Option<Capabilities>, Vec<Problem>) {
    let mut check = Check::new(MessageKind::Capabilities, rules);
    let [entropy, key, algorithm, local, remotes] = check.members(text, CAPABILITIES);
    if check.is_no_object {
        return (None, check.problems);
    }
    let optional = rules == Rules::Lenient;
    let entropy = check.boolean("/entropy", entropy);
    let key = check.boolean("/key", key);
    let algorithm = if optional && algorithm.is_none() {
        None
    } else {
        check.string("/algorithm", algorithm)
    };
    let local = if optional && local.is_none() {
        None
    } else {
        check.string("/localSystemID", local)
    };
    let algorithm = algorithm.and_then(|text| check.unescaped("/algorithm", text, "4.1"));
    let algorithm = algorithm.unwrap_or_default();
    let local = local.and_then(|id| check.unescaped("/localSystemID", id, "4.1.1"));
    check.algorithm(&algorithm);
    if let Some(id) = &local {
        check.local_system_id(id);
    }
    let remotes = check.remote_system_ids(remotes, local.as_deref());
    let message = match (entropy, key) {
        (Some(entropy), Some(key)) if check.is_valid() => Some(Capabilities {
            entropy,
            key,
            algorithm,
            local_system_id: local.unwrap_or_default(),
            remote_system_ids: RemoteSystemIds::new(remotes),
            warnings: Vec::new(),
        }),
        _ => None,
    };
    (message, check.problems)
}

pub(crate) fn read_key(text: &[u8], rules: Rules) -> (Option<KeyMessage<'_>>, Vec<Problem>) {
    let mut check = Check::new(MessageKind::Key, rules);
    let [key_id, key] = check.members(text, KEY);
    if check.is_no_object {
        return (None, check.problems);
    }
    let key_id = check.string("/keyId", key_id);
    let key = check.string("/key", key);
    if rules != Rules::AsPublished {
        if let Some(key_id) = key_id {
            check.key_id(key_id);
        }
        if let Some(key) = key {
            check.secret_hex("/key", key);
        }
        if let (Some(key_id), Some(key)) = (key_id, key) {
            // draft 4.2.1 (MUST NOT): the key cannot be recovered from its keyId
            if gives_away(key_id.raw, key.raw) {
                check.error(
                    "/key",
                    "weak_key",
                    "4.2.1",
                    "the keyId gives the key away: it is the key, or has it inside",
                );
            }
        }
    }
    let message = match (key_id, key) {
        (Some(key_id), Some(key)) if check.is_valid() => Some(KeyMessage {
            key_id: key_id.raw,
            key: key.raw,
        }),
        _ => None,
    };
    (message, check.problems)
}

pub(crate) fn read_entropy(text: &[u8], rules: Rules) -> (Option<EntropyMessage<'_>>, Vec<Problem>) {
    let mut check = Check::new(MessageKind::Entropy, rules);
    let [random_str, minentropy] = check.members(text, ENTROPY);
    if check.is_no_object {
        return (None, check.problems);
    }
    let random_str = check.string("/randomStr", random_str);
    let minentropy = check.minentropy(minentropy);
    if rules != Rules::AsPublished
        && let Some(random) = random_str
    {
        check.secret_hex("/randomStr", random);
        // draft 4.3: minentropy is at most the length of the random string in bits
        if minentropy.is_some_and(|bits| bits > random.raw.len() as u64 * 4) {
            check.error("/randomStr", "too_short", "4.3", "has fewer bits than minentropy says");
        }
    }
    let message = match (random_str, minentropy) {
        (Some(random), Some(minentropy)) if check.is_valid() => Some(EntropyMessage {
            random_str: random.raw,
            minentropy,
        }),
        _ => None,
    };
    (message, check.problems)
}

/// Whether a document is truncated, so that the rest may have been lost in transit.
#[cfg(feature = "https")]
pub(crate) fn is_cut_off(text: &[u8]) -> bool {
    match std::str::from_utf8(text) {
        Ok(text) => matches!(
            Reader::new(text).document(&mut |_, _| {}),
            Err(crate::json::Syntax { cut_off: true, .. })
        ),
        // truncated within a character
        Err(error) if error.error_len().is_none() => is_cut_off(&text[..error.valid_up_to()]),
        Err(_) => false,
    }
}

struct Check {
    kind: MessageKind,
    rules: Rules,
    problems: Vec<Problem>,
    is_no_object: bool,
}

impl Check {
    fn new(kind: MessageKind, rules: Rules) -> Self {
        Self {
            kind,
            rules,
            problems: Vec::new(),
            is_no_object: false,
        }
    }

    fn is_valid(&self) -> bool {
        self.problems.iter().all(|p| p.severity == Severity::Warning)
    }

    fn error(&mut self, path: &str, code: &'static str, section: &'static str, message: impl Display) {
        self.add(path, code, section, Severity::Error, &message);
    }

    fn warning(&mut self, path: &str, code: &'static str, section: &'static str, message: impl Display) {
        self.add(path, code, section, Severity::Warning, &message);
    }

    fn add(
        &mut self,
        path: &str,
        code: &'static str,
        section: &'static str,
        severity: Severity,
        message: &dyn Display,
    ) {
        if self.problems.len() >= MAX_PROBLEMS {
            self.add_to_the_rest(severity);
            return;
        }
        self.problems.push(Problem {
            path: path.into(),
            code,
            message: message.to_string(),
            severity,
            section,
        });
    }

    /// The last entry of a full list represents all problems that are not listed, with the highest severity among them.
    fn add_to_the_rest(&mut self, severity: Severity) {
        if self.problems.len() == MAX_PROBLEMS {
            self.problems.push(Problem {
                path: String::new(),
                code: "too_many",
                message: format!("there are more than {MAX_PROBLEMS} problems; the rest is not listed"),
                severity,
                section: self.kind.section(),
            });
        }
        if severity == Severity::Error {
            self.problems[MAX_PROBLEMS].severity = severity;
        }
    }

    /// Parses the document and returns the first member of each of these names.
    fn members<'a, const N: usize>(&mut self, text: &'a [u8], names: [&str; N]) -> [Option<Value<'a>>; N] {
        let mut values = [None; N];
        let text = match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(error) => {
                self.syntax(text, error.valid_up_to(), "the text is not UTF-8");
                return values;
            }
        };
        let mut reader = Reader::new(text);
        let read = reader.document(&mut |name, value| {
            let known = names.iter().position(|known| {
                name.is_same_as(Text {
                    raw: known,
                    escaped: false,
                })
            });
            if let Some(at) = known
                && values[at].is_none()
            {
                values[at] = Some(value);
            }
        });
        match read {
            Err(syntax) => self.syntax(text.as_bytes(), syntax.at, syntax.reason),
            Ok(Some(_)) => {
                self.is_no_object = true;
                self.error("", "wrong_type", self.kind.section(), "must be a JSON object");
            }
            Ok(None) => {
                for path in &reader.doubled {
                    self.error(
                        path,
                        "duplicate_member",
                        "4",
                        "is there more than once, so that readers disagree about its value",
                    );
                }
            }
        }
        values
    }

    fn syntax(&mut self, text: &[u8], at: usize, reason: &str) {
        self.is_no_object = true;
        let (line, column) = line_and_column(text, at);
        // draft 4: data in a reply is JSON as in RFC 8259
        self.error(
            "",
            "syntax",
            "4",
            format_args!("line {line}, column {column}: {reason}"),
        );
    }

    fn missing_or_wrong(&mut self, path: &str, value: Option<Value<'_>>, kind: &str) {
        match value {
            None => self.error(path, "missing_member", self.kind.section(), "is missing"),
            Some(_) => self.error(path, "wrong_type", self.kind.section(), format_args!("must be {kind}")),
        }
    }

    fn boolean(&mut self, path: &str, value: Option<Value<'_>>) -> Option<bool> {
        if let Some(Value::Bool(value)) = value {
            return Some(value);
        }
        self.missing_or_wrong(path, value, "true or false");
        None
    }

    fn string<'a>(&mut self, path: &str, value: Option<Value<'a>>) -> Option<Text<'a>> {
        if let Some(Value::String(text)) = value {
            return Some(text);
        }
        self.missing_or_wrong(path, value, "a string");
        None
    }

    /// The unescaped text of an id or a description. A lone surrogate is valid JSON, but not text that could be shown or sent.
    fn unescaped(&mut self, path: &str, text: Text<'_>, section: &'static str) -> Option<String> {
        if self.rules != Rules::AsPublished && text.has_lone_surrogate() {
            self.error(path, "form", section, "has half of a surrogate pair");
            return None;
        }
        Some(text.unescape().into_owned())
    }

    /// Checks a key or a random string: hexadecimal of either case, without escapes, so that no unescaped copy is made.
    fn secret_hex(&mut self, path: &str, text: Text<'_>) {
        let section = if self.kind == MessageKind::Key { "4.2.2" } else { "4.3" };
        let digits = text.raw.as_bytes();
        let bits = digits.len() * 4;
        let digit_bits = hex::bits(digits);
        if text.escaped {
            self.error(
                path,
                "escaped",
                section,
                "must be written without escapes: hexadecimal needs none",
            );
        } else if digits.is_empty() {
            self.error(path, "empty", section, "must not be empty");
        } else if digit_bits.is_none() {
            self.error(path, "not_hex", section, "must be hexadecimal");
        } else if !digits.len().is_multiple_of(2) {
            self.error(
                path,
                "odd_length",
                section,
                "must have an even number of hexadecimal digits",
            );
        } else if bits > MAX_BITS {
            self.error(
                path,
                "too_long",
                section,
                format_args!("has {bits} bits, and more than {MAX_BITS} are not taken"),
            );
        } else {
            // draft 8: a key has entropy; all zeros or all ones have none
            if bits >= 64 && matches!(digit_bits, Some((0, 0) | (0xF, 0xF))) {
                self.error(path, "weak_key", "8", "is all zeros or all ones");
            }
            if self.kind == MessageKind::Key && !USUAL_BITS.contains(&bits) {
                let code = if bits < *USUAL_BITS.start() { "short" } else { "long" };
                self.warning(
                    path,
                    code,
                    section,
                    format_args!("has {bits} bits: few devices take a key outside 128 to 4096 bits"),
                );
            }
        }
    }

    fn key_id(&mut self, text: Text<'_>) {
        let id = text.raw;
        if text.escaped {
            self.error("/keyId", "escaped", "4.2.1", "must be written without escapes");
        } else if id.is_empty() {
            self.error("/keyId", "empty", "4.2.1", "must not be empty");
        } else if self.rules == Rules::Lenient && !key_id::is_lenient(id) {
            self.error(
                "/keyId",
                "form",
                "4.2.1",
                "must have 1 to 255 characters of A-Z, a-z, 0-9, '.', '_', '~' and '-'",
            );
        } else if self.rules == Rules::Strict && !key_id::is_strict(id) {
            if !id.bytes().all(|b| b.is_ascii_hexdigit()) {
                self.error("/keyId", "not_hex", "4.2.1", "must be hexadecimal");
            } else if id.len() > 512 {
                self.error(
                    "/keyId",
                    "too_long",
                    "4.2.1",
                    "must have at most 512 hexadecimal digits",
                );
            } else {
                self.error(
                    "/keyId",
                    "odd_length",
                    "4.2.1",
                    "must have an even number of hexadecimal digits",
                );
            }
        } else if id.len() > 64 {
            self.warning(
                "/keyId",
                "long",
                "4.2.1",
                "has more than 64 characters: libreswan takes no more",
            );
        } else if id.len() != 32 {
            self.warning(
                "/keyId",
                "length",
                "4.2.1",
                "has not the default length of 128 bits: some key providers and devices want that",
            );
        }
    }

    fn minentropy(&mut self, value: Option<Value<'_>>) -> Option<u64> {
        let path = "/minentropy";
        let digits = match value {
            Some(Value::Number(number)) => number,
            Some(Value::String(text)) if self.rules == Rules::Lenient && !text.escaped && is_decimal(text.raw) => {
                text.raw
            }
            other => {
                self.missing_or_wrong(path, other, "an integer");
                return None;
            }
        };
        if digits.bytes().any(|b| matches!(b, b'.' | b'e' | b'E')) {
            self.error(
                path,
                "not_integer",
                "4.3",
                "must be an integer without fraction and exponent",
            );
            return None;
        }
        if self.rules == Rules::AsPublished {
            return Some(0);
        }
        match digits.parse::<u64>() {
            Ok(bits) if bits >= 1 => Some(bits),
            _ => {
                self.error(path, "out_of_range", "4.3", "must be a number of bits, at least 1");
                None
            }
        }
    }

    fn algorithm(&mut self, algorithm: &str) {
        if self.rules == Rules::AsPublished {
            return;
        }
        if algorithm.len() > MAX_ALGORITHM_BYTES {
            self.error(
                "/algorithm",
                "too_long",
                "4.1",
                format_args!("must have at most {MAX_ALGORITHM_BYTES} bytes"),
            );
        }
        if algorithm.chars().any(char::is_control) {
            self.warning("/algorithm", "control_character", "4.1", "has control characters");
        }
    }

    fn local_system_id(&mut self, id: &str) {
        if self.rules == Rules::AsPublished {
            return;
        }
        self.system_id("/localSystemID", id, "4.1.1");
        // only texts that can be an id are searched for patterns, because the search is not linear
        if id.len() <= SystemId::MAX_BYTES && is_pattern(id) {
            self.warning(
                "/localSystemID",
                "pattern",
                "4.1.1",
                "looks like a pattern; other key providers cannot name it",
            );
        }
    }

    /// Checks the rules for all ids, and warns of lengths that some devices do not support.
    fn system_id(&mut self, path: &str, id: &str, section: &'static str) {
        match rule_broken_by(id) {
            Some(rule) => {
                let code = match (id.is_empty(), id.len() > SystemId::MAX_BYTES) {
                    (true, _) => "empty",
                    (_, true) => "too_long",
                    _ => "form",
                };
                self.error(path, code, section, rule);
            }
            // draft 4.1: every implementation supports 32 bytes
            None if id.len() > 32 => self.warning(
                path,
                "long",
                section,
                "has more than 32 bytes, which not every device takes",
            ),
            None if id.len() > 18 => self.warning(
                path,
                "long",
                section,
                "has more than 18 bytes, which Cisco IOS XR does not take",
            ),
            None => {}
        }
    }

    fn remote_system_ids(&mut self, value: Option<Value<'_>>, local: Option<&str>) -> Vec<String> {
        let path = "/remoteSystemID";
        let Some(Value::Array(array)) = value else {
            self.missing_or_wrong(path, value, "an array of strings");
            return Vec::new();
        };
        let items = Reader::items(array).unwrap_or_default();
        if self.rules == Rules::AsPublished {
            // the published schema describes a pair: it says nothing about an empty list or about items after the second
            for (index, item) in items.iter().enumerate().take(2) {
                self.string(&format!("{path}/{index}"), Some(*item));
            }
            return Vec::new();
        }
        // draft 4.1.2 (MUST): at least one identifier
        if items.is_empty() {
            self.error(path, "empty", "4.1.2", "must name at least one key provider");
        }
        let texts = items.iter().zip(0..).filter_map(|(item, index)| match item {
            Value::String(text) => Some((text.units(), index)),
            _ => None,
        });
        let repeated = repeated(items.len(), texts);
        let mut ids = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let path = format!("{path}/{index}");
            let Some(text) = self.string(&path, Some(item)) else {
                continue;
            };
            let Some(id) = self.unescaped(&path, text, "4.1.2") else {
                continue;
            };
            self.system_id(&path, &id, "4.1.2");
            if is_ambiguous(&id) {
                self.warning(
                    &path,
                    "ambiguous_pattern",
                    "4.1.2",
                    "has syntax on which matchers disagree, so it only matches itself",
                );
            }
            if Some(id.as_str()) == local {
                self.warning(&path, "own_id", "4.1.2", "is the key provider's own id");
            }
            if repeated[index] {
                self.warning(&path, "repeated", "4.1.2", "is in the list already");
            }
            ids.push(id);
        }
        ids
    }
}

/// Whether the key can be read from its keyId. Within a longer keyId only keys of at least 64 bits count: shorter ones occur by chance.
fn gives_away(key_id: &str, key: &str) -> bool {
    let inside = |digits: &[u8]| {
        key_id
            .as_bytes()
            .windows(digits.len())
            .any(|part| part.eq_ignore_ascii_case(digits))
    };
    !key.is_empty() && (key_id.eq_ignore_ascii_case(key) || (key.len() >= 16 && inside(key.as_bytes())))
}

fn is_decimal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{MessageKind, Rules, Severity, is_valid, validate};

    const KEY: &str = "ad229dfb8a276e74c1f3b6c09349a69fb2fed73c541270663f0e5cbbfb031670";

    #[test]
    fn every_problem_is_listed() {
        let problems = validate(
            MessageKind::Key,
            br#"{"keyId": 1, "a": {"b": 1, "b": 2}}"#,
            Rules::Strict,
        );
        let found: Vec<_> = problems.iter().map(|p| (p.path.as_str(), p.code)).collect();
        assert_eq!(
            found,
            [
                ("/a/b", "duplicate_member"),
                ("/keyId", "wrong_type"),
                ("/key", "missing_member")
            ]
        );
    }

    #[cfg(feature = "https")]
    #[test]
    fn a_kind_is_guessed_by_its_members() {
        for (text, kind) in [
            (r#"{"keyId": "00", "key": "00"}"#, Some(MessageKind::Key)),
            (r#"{"key": "00"}"#, Some(MessageKind::Key)),
            (
                r#"{"key": true, "remoteSystemID": []}"#,
                Some(MessageKind::Capabilities),
            ),
            (r#"{"entropy": true}"#, Some(MessageKind::Capabilities)),
            (r#"{"minentropy": 8}"#, Some(MessageKind::Entropy)),
            (r#"{"randomStr": "00", ]"#, Some(MessageKind::Entropy)),
            (r#"{"r\u0061ndomStr": "00"}"#, Some(MessageKind::Entropy)),
            (r#"{"detail": {"keyId": "00"}}"#, None),
            ("[]", None),
            ("", None),
        ] {
            assert_eq!(MessageKind::guess(text.as_bytes()), kind, "{text}");
        }
        assert_eq!(
            MessageKind::guess(b"{\"keyId\": 1, \"\xff\": 2}"),
            Some(MessageKind::Key)
        );
    }

    #[cfg(feature = "https")]
    #[test]
    fn cut_documents_are_known_as_such() {
        use super::is_cut_off;
        for cut in [&b""[..], b" ", b"{", b"{\"key\": \"\xc3"] {
            assert!(is_cut_off(cut));
        }
        for whole in [&b"{}"[..], b"{]", b"{\"key\": \"\xff\"}", b"{]\xc3"] {
            assert!(!is_cut_off(whole));
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text() {
        let text = |local: &str, remote: &str, algorithm: &str| {
            format!(
                r#"{{"entropy":true,"key":true,"algorithm":"{algorithm}","localSystemID":"{local}","remoteSystemID":["{remote}"]}}"#
            )
        };
        let paths = |text: String, rules| -> Vec<_> {
            let problems = validate(MessageKind::Capabilities, text.as_bytes(), rules);
            problems.into_iter().map(|p| format!("{} {}", p.path, p.code)).collect()
        };
        let whole = text(r"\ud83d\ude00", r"\u0042ob", "");
        assert!(paths(whole, Rules::Strict).is_empty());
        let halves = text(r"\ud83d", r"\ude00x", r"\udc00");
        assert_eq!(
            paths(halves.clone(), Rules::Strict),
            ["/algorithm form", "/localSystemID form", "/remoteSystemID/0 form"]
        );
        assert!(paths(halves, Rules::AsPublished).is_empty());
    }

    #[test]
    fn hostile_texts_take_little_time_and_a_short_list() {
        let brackets = format!(r#"{{"localSystemID":"{}"}}"#, "[".repeat(1 << 20));
        let numbers = format!(r#"{{"remoteSystemID":[{}0]}}"#, "0,".repeat(1 << 18));
        let warnings = format!(
            r#"{{"entropy":true,"key":true,"algorithm":"","localSystemID":"A","remoteSystemID":[{}"",""]}}"#,
            r#""B","#.repeat(1000)
        );
        for text in [brackets, numbers, warnings] {
            let problems = validate(MessageKind::Capabilities, text.as_bytes(), Rules::Strict);
            assert!(problems.len() <= 101);
            assert!(problems.iter().any(|p| p.severity == Severity::Error));
        }
    }

    #[test]
    fn no_problem_shows_a_value() {
        let whole = format!(r#"{{"keyId":"00112233445566778899aabbccddeeff","key":"{KEY}"}}"#);
        let mut texts: Vec<String> = (0..whole.len()).map(|end| whole[..end].to_owned()).collect();
        for (at, _) in whole.char_indices() {
            for c in ["", "\"", "\\", "x", "{", ",", "\u{0}"] {
                texts.push(format!("{}{c}{}", &whole[..at], &whole[at + 1..]));
            }
        }
        texts.push(format!(r#"{{"{KEY}":1,"{KEY}":2,"x":{{"{KEY}":1,"{KEY}":1}}}}"#));
        for piece in [&KEY[..8], &KEY[5..20], &format!("{} {}", &KEY[..15], &KEY[15..30])] {
            texts.push(format!(r#"{{"x":[{{"{piece}":1,"{piece}":1}}]}}"#));
        }
        texts.push(format!(r#"{{"randomStr":"{KEY}","minentropy":"{KEY}"}}"#));
        texts.push(format!(r#"{{"entropy":"{KEY}","key":"{KEY}","algorithm":["{KEY}"],"localSystemID":"{KEY}\u0000","remoteSystemID":["{KEY}\n",{{"{KEY}":1}}]}}"#));
        // under Miri, one text takes a second
        for text in texts.into_iter().rev().step_by(if cfg!(miri) { 31 } else { 1 }) {
            for kind in MessageKind::ALL {
                for problem in validate(kind, text.as_bytes(), Rules::Strict) {
                    let shown = format!("{} {}", problem.path, problem.message);
                    for part in KEY.as_bytes().windows(8) {
                        let part = std::str::from_utf8(part).expect("ASCII");
                        assert!(!shown.contains(part), "{shown}");
                    }
                }
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for kind in MessageKind::ALL {
                for rules in [Rules::Strict, Rules::Lenient, Rules::AsPublished] {
                    let problems = validate(kind, &bytes, rules);
                    let valid = problems.iter().all(|p| p.severity == Severity::Warning);
                    proptest::prop_assert_eq!(valid, is_valid(kind, &bytes, rules));
                }
            }
        }

        #[test]
        fn what_is_strictly_valid_is_valid_in_every_other_sense(key in "([0-9a-fA-F]{2}){8,40}", id in "([0-9a-f]{2}){1,40}") {
            let text = format!(r#"{{"keyId":"{id}","key":"{key}","x":[1e400,"\ud800"]}}"#);
            if is_valid(MessageKind::Key, text.as_bytes(), Rules::Strict) {
                proptest::prop_assert!(is_valid(MessageKind::Key, text.as_bytes(), Rules::Lenient));
                proptest::prop_assert!(is_valid(MessageKind::Key, text.as_bytes(), Rules::AsPublished));
            }
        }
    }
}
