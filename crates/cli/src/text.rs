//! Text of others, made safe to show on a terminal.

use std::fmt::Write as _;
use std::path::Path;

/// `text` with control characters, and characters that reorder or hide other text, written as `\u{..}`.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if is_unsafe(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// A path for messages.
pub(crate) fn shown_path(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

/// A value as one line of JSON, in which the characters that [`shown`] escapes are escaped too.
pub(crate) fn json(value: &serde_json::Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        if is_unsafe(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Control characters, marks of direction, invisible spaces and line separators.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
        )
}

#[cfg(test)]
mod tests {
    use super::{json, shown};

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(
            shown("Zürich \u{1b}[31m\u{9b}\n\u{202e}x"),
            "Zürich \\u{1b}[31m\\u{9b}\\n\\u{202e}x"
        );
    }

    #[test]
    fn json_stays_json_and_has_no_control_characters() {
        let value = serde_json::json!({"a": "\u{1b}\u{9b}\u{7f}\u{202e}ü\n"});
        let text = json(&value);
        assert!(!text.chars().any(super::is_unsafe), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), value);
    }
}
