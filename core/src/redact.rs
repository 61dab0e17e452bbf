//! Redacts anything that could be a key from text of other origin.

/// This many characters could be a key in hexadecimal or base64.
const RUN: usize = 16;
/// As much as this could be one if there are short words between the groups: `(byte) 0xad`, `<td>ad</td>`.
const WORDY_RUN: usize = 32;
const WORDY_GROUPS: usize = 8;
/// The maximum length of such a word.
const SHORT_WORD: usize = 5;
/// This many bytes written as `\xad` or `%ad` could be part of a key.
const ESCAPES: usize = 4;
/// The maximum distance between groups of one key, in characters other than spaces: `"ad", "22"`.
const GAP: usize = 4;
/// The same for escapes, which may have unescaped printable bytes of the key between them.
const ESCAPE_GAP: usize = 12;

/// The replacement text.
pub(crate) const HIDDEN: &str = "[redacted]";

/// Replaces anything that could be a key with `[redacted]`: 16 or more characters of `[0-9A-Za-z+/=_-]`, in one run or in groups that look
/// like data, and bytes written as escapes. Words and single numbers are kept; sequences of numbers are not.
pub(crate) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut shown = 0;
    let mut hide = |row: &Row| {
        if row.is_like_key || row.weight >= WORDY_RUN || row.groups >= WORDY_GROUPS || row.escapes >= ESCAPES {
            // runs are ASCII, so this is a character boundary; the panic of an index would make up a tenth of the WebAssembly
            out.push_str(text.get(shown..row.start).unwrap_or_default());
            out.push_str(HIDDEN);
            shown = row.end;
        }
    };
    let mut row = Row::default();
    let mut at = 0;
    while let Some(run) = Run::next(text, at) {
        at = run.end;
        if run.is_bullet {
            continue;
        }
        let gap = if row.escapes > 0 { ESCAPE_GAP } else { GAP };
        let between = &text.as_bytes()[row.reach..run.start];
        // lists are often printed with an element and its indentation on each line
        let is_far = between.iter().filter(|byte| !byte.is_ascii_whitespace()).count() > gap;
        let is_long_word = run.weight == 0 && row.escapes == 0 && run.end - run.start > SHORT_WORD;
        if is_far || is_long_word {
            hide(&row);
            row = Row::default();
        }
        if run.weight > 0 {
            row.add(&run);
        } else if row.escapes == 0 {
            row.reach = run.end;
            row.unbroken = 0;
        }
    }
    hide(&row);
    out + text.get(shown..).unwrap_or_default()
}

/// Groups that may form one key.
#[derive(Default)]
struct Row {
    start: usize,
    end: usize,
    /// The end of the last run, which may be a word.
    reach: usize,
    groups: usize,
    weight: usize,
    /// The weight since the last word.
    unbroken: usize,
    is_like_key: bool,
    escapes: usize,
}

impl Row {
    fn add(&mut self, run: &Run) {
        if self.groups == 0 {
            self.start = run.start;
        }
        (self.end, self.reach) = (run.end, run.end);
        self.groups += 1;
        self.weight += run.weight;
        self.unbroken += run.weight;
        self.is_like_key |= self.unbroken >= RUN;
        self.escapes += usize::from(run.is_escape);
    }
}

/// A maximal run of characters that could be part of a key.
struct Run {
    start: usize,
    end: usize,
    /// How many characters of a key it could be: 0 for a word.
    weight: usize,
    is_escape: bool,
    /// The hyphen before an element of a list.
    is_bullet: bool,
}

impl Run {
    /// The next run from a position.
    fn next(text: &str, from: usize) -> Option<Self> {
        let bytes = text.as_bytes();
        let start = from + bytes[from..].iter().position(|b| could_be_key(*b))?;
        let length = bytes[start..].iter().take_while(|b| could_be_key(**b)).count();
        let run = &bytes[start..start + length];
        let digits = run.strip_prefix(b"x").or(run.strip_prefix(b"u")).unwrap_or(run);
        let is_escape = start > 0
            && matches!(bytes[start - 1], b'\\' | b'%')
            && digits.iter().take_while(|b| b.is_ascii_hexdigit()).count() >= 2;
        let is_data = is_escape
            || length >= RUN
            || digits.iter().all(u8::is_ascii_hexdigit)
            || run.iter().any(|b| b.is_ascii_digit() || b"+/=".contains(b));
        Some(Self {
            start,
            end: start + length,
            // a small byte value in a list of decimal numbers has one digit
            weight: if is_data { length.max(2) } else { 0 },
            is_escape,
            is_bullet: run == b"-",
        })
    }
}

/// Makes the name of an unknown member fit for a path: printable, at most 40 characters, and without anything that could be part of a key.
///
/// This is stricter than [`redact`], because in a malformed message part of a key can end up as a name: eight consecutive characters with a
/// digit, or eight hexadecimal digits, are redacted.
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
    // the letters of some scripts, as ranges: Unicode's tables would make up a tenth of the WebAssembly
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

/// A value passed to a front end, unless it looks like a misplaced secret.
pub(crate) fn given(text: &str) -> &str {
    if looks_like(text).is_some() { HIDDEN } else { text }
}

/// If a text looks like a secret where a path or a word was expected, says what it looks like.
///
/// ```
/// # #[cfg(feature = "https")] {
/// use skip_client::credentials::looks_like;
/// assert_eq!(looks_like("/etc/skip/ca.pem"), None);
/// assert!(looks_like("router:00112233445566778899aabbccddeeff").is_some());
/// # }
/// ```
#[must_use]
pub fn looks_like(text: &str) -> Option<&'static str> {
    // in bytes, because searching in a `str` is 3 KB of WebAssembly
    let bytes = text.as_bytes();
    let digits = |text: &[u8]| text.len() >= 8 && text.iter().all(u8::is_ascii_hexdigit);
    let longest = bytes.split(|byte| !byte.is_ascii_hexdigit()).map(<[u8]>::len).max();
    let colon = bytes.iter().rposition(|byte| *byte == b':');
    if bytes.windows(10).any(|window| window == b"-----BEGIN") {
        Some("PEM")
    } else if bytes.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        Some("a text of several lines")
    } else if longest >= Some(32) {
        Some("a key in hexadecimal")
    } else if colon.is_some_and(|at| digits(bytes[at + 1..].trim_ascii())) {
        Some("a pre-shared key")
    } else {
        None
    }
}

pub(crate) fn could_be_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{HIDDEN, redact, redact_name};

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
            ("size must be 128, 192 or 256", "size must be 128, 192 or 256"),
            (
                "keyId and remoteSystemID do not fit: 404 at 10.1.2.3",
                "keyId and remoteSystemID do not fit: 404 at 10.1.2.3",
            ),
            ("add a bad face", "add a bad face"),
            ("no KP K%C3%B6ln", "no KP K%C3%B6ln"),
            ("before ad 22 9d fb 8a 27 6e 74 after", "before [redacted] after"),
        ] {
            assert_eq!(redact(text), expected);
        }
    }

    /// The ways in which people and programs write 16 or more bytes.
    fn written(key: &[u8]) -> Vec<String> {
        let each = |form: fn(&u8) -> String, between: &str| key.iter().map(form).collect::<Vec<_>>().join(between);
        let hex = each(|b| format!("{b:02x}"), "");
        let groups = |n: usize, between: &str| {
            hex.as_bytes()
                .chunks(n)
                .map(|group| String::from_utf8_lossy(group))
                .collect::<Vec<_>>()
                .join(between)
        };
        let escaped = |b: &u8| match b {
            b' '..=b'~' if *b != b'\\' && *b != b'%' => char::from(*b).to_string(),
            _ => format!("\\x{b:02x}"),
        };
        vec![
            hex.to_uppercase(),
            groups(2, " "),
            groups(2, ":"),
            groups(2, ", "),
            groups(4, " "),
            groups(8, " "),
            groups(8, "-"),
            groups(16, "\n"),
            each(u8::to_string, ", "),
            each(u8::to_string, " "),
            each(u8::to_string, ",\n        "),
            each(u8::to_string, "\n    - "),
            each(|b| format!("{b:02x}"), "\r\n"),
            groups(2, "     "),
            groups(2, "&nbsp;"),
            groups(2, "</td>\n<td>"),
            groups(15, " of "),
            each(|b| format!("(byte) 0x{b:02x}"), ", "),
            each(|b| format!("0x{b:02X}"), ", "),
            each(|b| format!("\"{b:02x}\""), ", "),
            each(|b| format!("\\x{b:02x}"), ""),
            each(|b| format!("\\{b:03o}"), ""),
            each(|b| format!("%{b:02X}"), ""),
            each(escaped, ""),
        ]
    }

    proptest! {
        #[test]
        fn no_piece_of_a_key_is_left_however_it_is_written(key in prop::collection::vec(any::<u8>(), 16..64)) {
            // printable bytes have escapes between them, as in random data
            let is_binary = key.chunks(4).all(|bytes| bytes.iter().any(|b| !b.is_ascii_graphic()));
            let forms = written(&key);
            let last = forms.len() - usize::from(!is_binary);
            for form in &forms[..last] {
                let text = format!("the key is: <{form}>, and so on");
                let shown = redact(&text);
                let hidden = text.len() - form.len() + HIDDEN.len();
                // a quote or escape character at the ends may remain, or a few printable bytes
                prop_assert!(shown.contains(HIDDEN) && shown.len() <= hidden + 12, "{} bytes written in {} shown in {}", key.len(), form.len(), shown.len());
            }
        }

        #[test]
        fn any_text_comes_out_without_long_runs(text in "\\PC{0,80}") {
            let shown = redact(&text).replace(HIDDEN, "");
            prop_assert!(!shown.as_bytes().split(|b| !super::could_be_key(*b)).any(|run| run.len() >= super::RUN));
        }
    }
}
