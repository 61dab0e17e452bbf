//! System identifiers of Key Providers, and the patterns that match several of them (draft 4.1.1, 4.1.2).

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The id of a Key Provider: UTF-8 of 1 to 255 bytes without control characters.
///
/// The draft (4.1) requires implementations to support at least 32 bytes; ids are case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SystemId(Box<str>);

impl SystemId {
    /// The maximum length of an id, 255 bytes.
    pub const MAX_BYTES: usize = 255;

    /// Creates an id.
    ///
    /// # Errors
    /// `invalid_argument` if it is empty, longer than 255 bytes, or contains a control character.
    pub fn new(text: &str) -> Result<Self> {
        match rule_broken_by(text) {
            None => Ok(Self(text.into())),
            Some(rule) => Err(Error::system_id(rule)),
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this text contains a pattern character of Table 5, and so may match several Key Providers.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        is_pattern(&self.0)
    }
}

impl fmt::Display for SystemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for SystemId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for SystemId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

/// The rule for ids that a text breaks, if any.
pub(crate) fn rule_broken_by(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("must not be empty")
    } else if text.len() > SystemId::MAX_BYTES {
        Some("must have at most 255 bytes of UTF-8")
    } else if text.chars().any(char::is_control) {
        Some("must have no control characters")
    } else {
        None
    }
}

/// Whether one of `remote_system_ids` is `id` itself or a pattern of Table 5 that matches it.
///
/// `*` matches any number of characters, `?` exactly one, `[list]` one that is in a list, `[!list]` one that is not; lists may
/// contain ranges (`a-c`). Matching is case-sensitive. An entry with a backslash, or with `[^`, `[:`, `[=` or `[.`, matches only
/// itself, because shells disagree about those.
///
/// ```
/// use skip_client::matches_remote;
/// assert!(matches_remote(["Eve", "KP_*_LOC1"], "KP_BOB_LOC1"));
/// assert!(!matches_remote(["KP_*_LOC1"], "kp_bob_loc1"));
/// ```
pub fn matches_remote<I>(remote_system_ids: I, id: &str) -> bool
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    remote_system_ids.into_iter().any(|entry| {
        let entry = entry.as_ref();
        entry == id
            || (may_be_pattern(entry)
                && entry.len() <= SystemId::MAX_BYTES
                && id.len() <= SystemId::MAX_BYTES
                && glob(entry, id))
    })
}

/// A quick check, which plain names do not pass.
pub(crate) fn may_be_pattern(entry: &str) -> bool {
    entry.bytes().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// Whether a text could match texts other than itself.
pub(crate) fn is_pattern(text: &str) -> bool {
    let mut rest = text;
    let mut found = false;
    while let Some((c, after)) = first(rest) {
        found |= match c {
            '*' | '?' => true,
            '[' => split_list(after).is_some(),
            _ => false,
        };
        rest = after;
    }
    found && !is_ambiguous(text)
}

/// Whether a text contains pattern syntax on which implementations disagree, so that it matches only itself.
pub(crate) fn is_ambiguous(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.contains(&b'\\')
        || bytes
            .windows(2)
            .any(|two| matches!(two, [b'[', b'^' | b':' | b'=' | b'.']))
}

/// Matches with a single backtracking point (the last `*`), so the time is at most proportional to pattern times text, both at
/// most 255 bytes.
fn glob(pattern: &str, text: &str) -> bool {
    if is_ambiguous(pattern) {
        return false;
    }
    let (mut pattern, mut text) = (pattern, text);
    let mut last_star: Option<(&str, &str)> = None;
    loop {
        if let Some(after) = pattern.strip_prefix('*') {
            pattern = after;
            last_star = Some((after, text));
        } else if let Some((c, rest)) = first(text) {
            match match_one(pattern, c) {
                Some(after) => {
                    pattern = after;
                    text = rest;
                }
                None => match last_star {
                    Some((after, tried)) => {
                        pattern = after;
                        text = first(tried).map_or("", |(_, rest)| rest);
                        last_star = Some((after, text));
                    }
                    None => return false,
                },
            }
        } else {
            return pattern.is_empty();
        }
    }
}

/// The rest of the pattern after the element that matched `c`, or `None` if it does not match.
fn match_one(pattern: &str, c: char) -> Option<&str> {
    let (element, after) = first(pattern)?;
    match element {
        '?' => Some(after),
        '[' => match split_list(after) {
            Some((list, after)) => in_list(list, c).then_some(after),
            // an unclosed list is a literal bracket
            None => (c == '[').then_some(after),
        },
        literal => (literal == c).then_some(after),
    }
}

/// The first character and the rest.
fn first(text: &str) -> Option<(char, &str)> {
    let mut chars = text.chars();
    chars.next().map(|c| (c, chars.as_str()))
}

/// Splits a list from what follows it; `after` starts behind the `[`. A `]` in first position is a member.
fn split_list(after: &str) -> Option<(&str, &str)> {
    let (_, others) = first(after.strip_prefix('!').unwrap_or(after))?;
    let end = after.len() - others.len() + others.find(']')?;
    let (list, rest) = after.split_at_checked(end)?;
    Some((list, rest.strip_prefix(']')?))
}

fn in_list(list: &str, c: char) -> bool {
    let (negated, list) = match list.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, list),
    };
    let mut members = list.chars().peekable();
    let mut found = false;
    while let Some(from) = members.next() {
        let mut ahead = members.clone();
        // a '-' between two members is a range by code point; in first or last position, or after a range, it is literal
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(to)) => {
                found |= (from..=to).contains(&c);
                members = ahead;
            }
            _ => found |= from == c,
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::{SystemId, is_pattern, matches_remote};

    #[test]
    fn ids_have_limits() {
        for good in ["Bob", "B", "Zürich KP #1", &"x".repeat(255), "KP_*_LOC1"] {
            assert!(SystemId::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a\nb", "a\u{0}", "a\u{85}b", &"x".repeat(256), &"ü".repeat(128)] {
            assert!(SystemId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn patterns_are_told_from_names() {
        for pattern in ["*", "KP_*_LOC1", "a?", "[ab]", "[!a]x", "[]]"] {
            assert!(is_pattern(pattern), "{pattern}");
        }
        for name in ["Bob", "a[b", "a]b", "[]", "[!]", "a-b", "a\\*", "[^a]"] {
            assert!(!is_pattern(name), "{name}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "*a".repeat(120);
        let text = "a".repeat(254) + "b";
        assert!(!matches_remote([pattern], &text));
    }

    /// A naive matcher that follows the definition literally, for comparison.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', rest @ ..] => (0..=text.len()).any(|n| naive(rest, &text[n..])),
            ['?', rest @ ..] => !text.is_empty() && naive(rest, &text[1..]),
            ['[', rest @ ..] => {
                let start = usize::from(rest.first() == Some(&'!'));
                let end = (start + 1..rest.len()).find(|&i| rest[i] == ']');
                match (end, text) {
                    (Some(end), [c, tail @ ..]) => {
                        let list = &rest[start..end];
                        let (mut i, mut found) = (0, false);
                        while i < list.len() {
                            if i + 2 < list.len() && list[i + 1] == '-' {
                                found |= list[i] <= *c && *c <= list[i + 2];
                                i += 3;
                            } else {
                                found |= list[i] == *c;
                                i += 1;
                            }
                        }
                        (found != (start == 1)) && naive(&rest[end + 1..], tail)
                    }
                    (Some(_), []) => false,
                    (None, _) => text.first() == Some(&'[') && naive(rest, &text[1..]),
                }
            }
            [c, rest @ ..] => text.first() == Some(c) && naive(rest, &text[1..]),
        }
    }

    proptest::proptest! {
        #[test]
        fn globs_agree_with_the_definition(pattern in "[a-d*?\\[\\]!é-]{0,12}", text in "[a-dé\\[\\]!-]{0,12}") {
            let p: Vec<char> = pattern.chars().collect();
            let t: Vec<char> = text.chars().collect();
            proptest::prop_assert_eq!(matches_remote([&pattern], &text), pattern == text || naive(&p, &t));
        }
    }

    #[cfg(unix)]
    proptest::proptest! {
        /// POSIX fnmatch in the C locale, for the syntax on which shells agree (no '-' after a range, no reversed range).
        #[test]
        #[allow(unsafe_code)]
        fn globs_agree_with_fnmatch(pattern in "([a-d]|\\*|\\?|\\[!?[a-d]{1,3}\\]|\\[!?a-c\\]){0,6}", text in "[a-e]{0,8}") {
            let p = std::ffi::CString::new(pattern.clone()).expect("no NUL");
            let t = std::ffi::CString::new(text.clone()).expect("no NUL");
            // SAFETY: two NUL-terminated strings that outlive the call
            let theirs = unsafe { libc::fnmatch(p.as_ptr(), t.as_ptr(), 0) } == 0;
            proptest::prop_assert_eq!(matches_remote([&pattern], &text), theirs);
        }
    }
}
