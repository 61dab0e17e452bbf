//! Plain text for a terminal of 80 columns.

use std::fmt::Write as _;

use crate::report::{Check, Outcome, Report, Verdict};

const WIDTH: usize = 80;
const INDENT: &str = "      ";

/// The whole report, without colours.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    let mut group = None;
    for check in &report.checks {
        if group.replace(check.id.group()) != Some(check.id.group()) {
            let _ = write!(out, "\n{}\n", check.id.group().title());
        }
        out.push_str(&check_lines(check, false));
    }
    out + "\n" + &summary_lines(report, false)
}

/// One line, short enough for a badge: `SKIP draft: pass, 66 of 72 (2 warnings)`. Skipped checks do not count.
#[must_use]
pub fn summary(report: &Report) -> String {
    let count = |outcome| report.count(outcome);
    let made = report.checks.len() - count(Outcome::Skip);
    let mut more = Vec::new();
    for (number, one) in [(count(Outcome::Fail), "failure"), (count(Outcome::Warn), "warning")] {
        if number > 0 {
            more.push(format!("{number} {one}{}", if number == 1 { "" } else { "s" }));
        }
    }
    let more = if more.is_empty() {
        String::new()
    } else {
        format!(" ({})", more.join(", "))
    };
    format!(
        "SKIP {}: {}, {} of {made}{more}",
        report.profile.as_str(),
        report.verdict().as_str(),
        count(Outcome::Pass)
    )
}

/// A check: one line if it passed without a remark, otherwise with the finding, the remedy, and the page about it.
#[must_use]
pub fn check_lines(check: &Check, colours: bool) -> String {
    let (colour, word) = match check.result {
        Outcome::Pass => ("32", "pass"),
        Outcome::Fail => ("1;31", "FAIL"),
        Outcome::Warn => ("33", "warn"),
        Outcome::Skip => ("2", "skip"),
    };
    let mut out = format!("{}  {}\n", painted(word, colour, colours), check.id.title());
    if check.result == Outcome::Pass && !check.remark {
        return out;
    }
    out.push_str(&wrapped(&shown(&check.message)));
    if !check.provider_text.is_empty() {
        out.push_str(&wrapped(&format!(
            "The Key Provider said: {}",
            shown(&check.provider_text)
        )));
    }
    let weight = format!(
        "[{}, draft {}, {}]",
        check.id.as_str(),
        check.id.section(),
        check.level.as_str()
    );
    if check.remedy.is_empty() {
        out.push_str(&wrapped(&weight));
    } else {
        out.push_str(&wrapped(&format!("What to do: {} {weight}", shown(&check.remedy))));
        out.push_str(&wrapped(check.id.page()));
    }
    out
}

/// The end of a report: verdict, counts, keys.
#[must_use]
pub fn summary_lines(report: &Report, colours: bool) -> String {
    let verdict = report.verdict();
    let (colour, words) = match verdict {
        Verdict::Pass => ("1;32", "pass: no requirement failed"),
        Verdict::Fail => ("1;31", "fail: a requirement failed"),
        Verdict::NoConnection => ("1;31", "no-connection"),
    };
    let stopped = if report.stopped {
        ", as far as it got before it was stopped"
    } else {
        ""
    };
    let mut out = format!(
        "Verdict ({}): {}{stopped}\n",
        report.profile.as_str(),
        painted(words, colour, colours)
    );
    let count = |outcome| report.count(outcome);
    let _ = writeln!(
        out,
        "{} checks in {:.1} s: {} pass, {} fail, {} warn, {} skip.",
        report.checks.len(),
        report.seconds,
        count(Outcome::Pass),
        count(Outcome::Fail),
        count(Outcome::Warn),
        count(Outcome::Skip),
    );
    let _ = writeln!(
        out,
        "{} keys were used, of a budget of {}.",
        report.keys.used, report.keys.budget
    );
    let _ = writeln!(out, "{}", summary(report));
    out
}

/// Makes untrusted text safe to show: escapes control characters, and characters that reorder or hide other text.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let hides = matches!(
            c,
            '\u{61C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
        );
        if c.is_control() || hides || matches!(c, '\u{FFFE}' | '\u{FFFF}') {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

fn painted(word: &str, colour: &str, colours: bool) -> String {
    if colours {
        format!("\u{1b}[{colour}m{word}\u{1b}[0m")
    } else {
        word.to_owned()
    }
}

/// Wraps at 80 columns, indented; a longer word gets its own line.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let length = INDENT.len() + line.chars().count() + 1 + word.chars().count();
        if !line.is_empty() && length > WIDTH {
            let _ = writeln!(out, "{INDENT}{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(out, "{INDENT}{line}");
    out
}

#[cfg(test)]
mod tests {
    use super::{shown, wrapped};

    #[test]
    fn lines_stay_within_80_columns() {
        let text = "word ".repeat(50);
        let lines = wrapped(&text);
        assert!(
            lines.lines().all(|line| line.len() <= 80) && lines.lines().count() == 4,
            "{lines}"
        );
    }

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(shown("a\u{1b}[31m\u{202e}ü"), "a\\u{1b}[31m\\u{202e}ü");
    }
}
