//! Hides what could be a key in a text that somebody else wrote.

/// A run of so many characters could be a key in hexadecimal or base64.
const RUN: usize = 16;

/// What stands in the place of what is hidden.
pub(crate) const HIDDEN: &str = "[redacted]";

/// Replaces each run of 16 or more characters of `[0-9A-Za-z+/=_-]` by `[redacted]`.
pub(crate) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (run, after) = split_run(rest, could_be_key);
        let (other, after) = split_run(after, |byte| !could_be_key(byte));
        out.push_str(if run.len() >= RUN { HIDDEN } else { run });
        out.push_str(other);
        rest = after;
    }
    out
}

/// The bytes at the beginning for which this holds, and the rest; ASCII bytes only can make the difference.
fn split_run(text: &str, belongs: impl Fn(u8) -> bool) -> (&str, &str) {
    let run = text.bytes().take_while(|byte| belongs(*byte)).count();
    text.split_at_checked(run).unwrap_or((text, ""))
}

/// The name of a member that nobody knows, made fit for a path: printable, at most 40 characters, and without anything that could
/// be a piece of a key.
///
/// This is stricter than [`redact`], because a broken message can leave a piece of a key as a name: eight characters in a row with
/// a digit, or eight hexadecimal digits, hide it.
pub(crate) fn redact_name(name: &str) -> String {
    const SHOWN: usize = 40;
    let like_key = name.as_bytes().split(|b| !could_be_key(*b)).any(|run| {
        run.len() >= RUN
            || run.len() >= 8
                && (run.iter().any(u8::is_ascii_digit) || run.iter().filter(|b| b.is_ascii_hexdigit()).count() >= 8)
    });
    if like_key {
        return HIDDEN.to_owned();
    }
    // the letters of some scripts, as ranges: Unicode's tables would be a tenth of the WebAssembly
    let letter = |c: char| matches!(c, '\u{C0}'..='\u{2FF}' | '\u{370}'..='\u{52F}' | '\u{3041}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7A3}');
    let plain = |c: char| c.is_ascii_graphic() || c == ' ' || letter(c);
    let mut shown: String = name
        .chars()
        .take(SHOWN)
        .map(|c| if plain(c) { c } else { char::REPLACEMENT_CHARACTER })
        .collect();
    if name.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

pub(crate) fn could_be_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::{redact, redact_name};

    #[test]
    fn names_that_could_hold_a_piece_of_a_key_are_hidden() {
        for name in ["0123456789abcdef", "xx ad229dfb", "deadbeef", "averylongmembername"] {
            assert_eq!(redact_name(name), "[redacted]", "{name}");
        }
        for name in ["note", "expires_at", "description", "a/b ~ c", "größe"] {
            assert_eq!(redact_name(name), name);
        }
        assert_eq!(redact_name("a\u{1b}[0m"), "a\u{fffd}[0m");
        assert_eq!(redact_name(&"ä ".repeat(30)), format!("{}…", "ä ".repeat(20)));
    }

    #[test]
    fn long_runs_are_hidden_and_words_are_not() {
        for (text, expected) in [
            ("", ""),
            ("no such key", "no such key"),
            ("key 0123456789abcdef here", "key [redacted] here"),
            ("0123456789abcde", "0123456789abcde"),
            ("ümlaut ad229dfb8a276e74+/==", "ümlaut [redacted]"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }
}
