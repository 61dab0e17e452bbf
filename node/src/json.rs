//! What goes to JavaScript in a piece: JSON texts, which it reads faster than many small calls.

use std::fmt::Write as _;

use skip_client::Problem;

/// A JSON string.
pub fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            // writing to a String cannot fail
            '\0'..='\x1f' => drop(write!(out, "\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// A member of an object, with a comma before it unless it is the first.
pub fn member(out: &mut String, name: &str, text: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    string(out, name);
    out.push(':');
    string(out, text);
}

/// An array of what `item` writes for each.
pub fn array<T>(out: &mut String, items: &[T], item: impl Fn(&mut String, &T)) {
    out.push('[');
    for (index, one) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        item(out, one);
    }
    out.push(']');
}

/// The problems of one message.
pub fn problems(out: &mut String, problems: &[Problem]) {
    array(out, problems, |out, problem| {
        out.push('{');
        member(out, "path", &problem.path);
        member(out, "code", problem.code);
        member(out, "message", &problem.message);
        member(out, "severity", problem.severity.as_str());
        member(out, "section", problem.section);
        out.push('}');
    });
}
