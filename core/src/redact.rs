//! Hides what could be a key in a text that somebody else wrote.

/// A run of so many characters could be a key in hexadecimal or base64.
const RUN: usize = 16;

/// Replaces each run of 16 or more characters of `[0-9A-Za-z+/=_-]` by `[redacted]`.
pub(crate) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.bytes().take_while(|b| could_be_key(*b)).count();
        let other = rest[run..].bytes().take_while(|b| !could_be_key(*b)).count();
        out.push_str(if run >= RUN { "[redacted]" } else { &rest[..run] });
        out.push_str(&rest[run..run + other]);
        rest = &rest[run + other..];
    }
    out
}

pub(crate) fn could_be_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::redact;

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
