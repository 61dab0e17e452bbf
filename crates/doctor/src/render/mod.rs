//! The forms of a report.

mod html;
mod json;
mod junit;
mod plot;
mod text;

pub use html::html;
pub use json::{json, json_value};
pub use junit::junit;
pub use text::{check_lines, shown, summary, summary_lines, text};

/// Escapes text for XML and HTML: the five special characters, and those that XML cannot represent.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in shown(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
