//! Reads TOML tables field by field, so that all mistakes are found in one pass, each with its line.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A mistake in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file, as given.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The field, with the tables it is in: `tunnel.site-b.interval`.
    pub field: String,
    /// The rule that is broken.
    pub rule: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.rule)?;
        if !self.hint.is_empty() {
            write!(f, " ({})", self.hint)?;
        }
        Ok(())
    }
}

/// Collects mistakes.
pub(crate) struct Mistakes<'i> {
    file: String,
    text: &'i str,
    found: Vec<Mistake>,
}

/// A table whose fields are taken out one by one; those left over are unknown.
pub(crate) struct Table<'i> {
    /// The names of the enclosing tables, and its own.
    pub path: String,
    span: Range<usize>,
    entries: Vec<(String, Range<usize>, Spanned<DeValue<'i>>)>,
    asked: Vec<&'static str>,
    /// The positions of the fields taken so far.
    taken: Vec<(&'static str, usize)>,
}

/// A value and its position.
pub(crate) struct Found<T> {
    pub value: T,
    pub at: At,
}

/// A field and its position in the text.
#[derive(Debug, Clone)]
pub(crate) struct At {
    pub field: String,
    pub offset: usize,
}

impl<'i> Mistakes<'i> {
    pub fn new(file: &str, text: &'i str) -> Self {
        Self {
            file: file.to_owned(),
            text,
            found: Vec::new(),
        }
    }

    /// The document as a table. Invalid TOML is recorded as a mistake.
    pub fn document(&mut self) -> Table<'i> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let offset = error.span().map_or(0, |span| span.start);
            let at = At {
                field: String::new(),
                offset,
            };
            // the parser's messages name the expected characters, never values
            self.add(&at, format_args!("is not TOML: {}", one_line(error.message())), "");
        }
        let span = document.span();
        Table::new(String::new(), span, document.into_inner())
    }

    pub fn add(&mut self, at: &At, rule: impl fmt::Display, hint: impl Into<String>) {
        self.found.push(Mistake {
            file: self.file.clone(),
            line: self.line(at.offset),
            field: at.field.clone(),
            rule: rule.to_string(),
            hint: hint.into(),
        });
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All mistakes, in file order.
    pub fn into_inner(mut self) -> Vec<Mistake> {
        self.found.sort_by_key(|mistake| mistake.line);
        self.found
    }

    pub fn line(&self, offset: usize) -> usize {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        before.split(|byte| *byte == b'\n').count()
    }
}

impl<'i> Table<'i> {
    fn new(path: String, span: Range<usize>, table: DeTable<'i>) -> Self {
        let entries = table
            .into_iter()
            .map(|(key, value)| (key.get_ref().to_string(), key.span(), value))
            .collect();
        Self {
            path,
            span,
            entries,
            asked: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// The position of a field of this table, or of the table if the field is missing.
    pub fn at(&self, field: &str) -> At {
        let taken = self.taken.iter().find(|(name, _)| *name == field);
        At {
            field: self.field(field),
            offset: taken.map_or(self.span.start, |(_, offset)| *offset),
        }
    }

    /// Whether the field was present, whatever its value.
    pub fn had(&self, field: &str) -> bool {
        self.taken.iter().any(|(name, _)| *name == field)
    }

    /// Records broken rules: lines that begin with a field and a colon.
    pub fn broken(&self, rules: &str, mistakes: &mut Mistakes<'_>) {
        for rule in rules.lines() {
            let (field, rule) = rule.split_once(": ").unwrap_or(("", rule));
            mistakes.add(&self.at(field), rule, "");
        }
    }

    pub fn text(&mut self, name: &'static str, mistakes: &mut Mistakes<'_>) -> Option<Found<String>> {
        self.typed(name, "a text in quotes", mistakes, |value| match value {
            DeValue::String(text) => Some(text.into_owned()),
            _ => None,
        })
    }

    pub fn required_text(&mut self, name: &'static str, mistakes: &mut Mistakes<'_>) -> Option<Found<String>> {
        let is_there = self.entries.iter().any(|(key, ..)| key == name);
        if !is_there {
            self.asked.push(name);
            mistakes.add(&self.at(name), "is missing", "");
            return None;
        }
        self.text(name, mistakes)
    }

    /// A number of seconds, or the default.
    pub fn seconds(&mut self, name: &'static str, default: u64, range: Range<u64>, mistakes: &mut Mistakes<'_>) -> u64 {
        let found = self.number(name, range, mistakes);
        found.map_or(default, |found| found.value)
    }

    /// A string, or the default.
    pub fn text_or(&mut self, name: &'static str, default: &str, mistakes: &mut Mistakes<'_>) -> String {
        let found = self.text(name, mistakes);
        found.map_or_else(|| default.to_owned(), |found| found.value)
    }

    pub fn flag(&mut self, name: &'static str, mistakes: &mut Mistakes<'_>) -> Option<Found<bool>> {
        self.typed(name, "true or false", mistakes, |value| value.as_bool())
    }

    pub fn number(&mut self, name: &'static str, range: Range<u64>, mistakes: &mut Mistakes<'_>) -> Option<Found<u64>> {
        // a number that does not fit is outside every range
        let found = self.typed(name, "a whole number", mistakes, |value| {
            let integer = value.as_integer()?;
            Some(u64::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(u64::MAX))
        })?;
        if range.contains(&found.value) {
            return Some(found);
        }
        let (least, most) = (range.start, range.end - 1);
        mistakes.add(&found.at, format_args!("must be from {least} to {most}"), "");
        None
    }

    pub fn duration(&mut self, name: &'static str, mistakes: &mut Mistakes<'_>) -> Option<Found<Duration>> {
        let found = self.text(name, mistakes)?;
        let value = duration(&found.value);
        if value.is_none() {
            let rule = "must be a number with a unit (ms, s, m, h or d), at most 365 d";
            mistakes.add(&found.at, rule, "for example \"90s\" or \"1h\"");
        }
        value.map(|value| Found { value, at: found.at })
    }

    /// One string, or a list of them.
    pub fn texts(&mut self, name: &'static str, mistakes: &mut Mistakes<'_>) -> Option<Found<Vec<String>>> {
        self.typed(name, "a list of texts", mistakes, |value| match value {
            DeValue::Array(list) => list
                .into_iter()
                .map(|one| one.into_inner().as_str().map(str::to_owned))
                .collect(),
            _ => None,
        })
    }

    pub fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        choices: &[(&'static str, T)],
        mistakes: &mut Mistakes<'_>,
    ) -> Option<T> {
        let found = self.text(name, mistakes)?;
        if let Some((_, value)) = choices.iter().find(|(text, _)| *text == found.value) {
            return Some(*value);
        }
        let names: Vec<&'static str> = choices.iter().map(|(text, _)| *text).collect();
        let rule = format!("must be one of {}", names.join(", "));
        mistakes.add(&found.at, rule, similar(&found.value, &names));
        None
    }

    pub fn table(&mut self, name: &'static str, mistakes: &mut Mistakes<'_>) -> Option<Table<'i>> {
        let path = self.field(name);
        let (span, value) = self.take(name)?;
        Self::of_value(path, span, value, mistakes)
    }

    /// The subtables, by name.
    pub fn tables(&mut self, name: &'static str, mistakes: &mut Mistakes<'_>) -> Vec<(String, Table<'i>)> {
        let Some(outer) = self.table(name, mistakes) else {
            return Vec::new();
        };
        let path = outer.path.clone();
        let of_entry = |(key, span, value): (String, Range<usize>, Spanned<DeValue<'i>>)| {
            Some((
                key.clone(),
                Self::of_value(format!("{path}.{key}"), span, value, mistakes)?,
            ))
        };
        let mut tables: Vec<_> = outer.entries.into_iter().filter_map(of_entry).collect();
        tables.sort_by_key(|(_, table)| table.span.start);
        tables
    }

    /// Reports the fields that nobody has taken.
    pub fn finish(self, mistakes: &mut Mistakes<'_>) {
        for (key, span, _) in &self.entries {
            let at = At {
                field: self.field(key),
                offset: span.start,
            };
            let mut hint = similar(key, &self.asked);
            if hint.is_empty() {
                hint = format!("known here: {}", self.asked.join(", "));
            }
            mistakes.add(&at, "is not known", hint);
        }
    }

    fn of_value(
        path: String,
        span: Range<usize>,
        value: Spanned<DeValue<'i>>,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<Self> {
        match value.into_inner() {
            // a table in brackets has no position except that of its key
            DeValue::Table(table) => Some(Self::new(path, span, table)),
            other => {
                let at = At {
                    field: path,
                    offset: span.start,
                };
                mistakes.add(&at, format_args!("must be a table, not {}", kind(&other)), "");
                None
            }
        }
    }

    fn typed<T>(
        &mut self,
        name: &'static str,
        wanted: &str,
        mistakes: &mut Mistakes<'_>,
        read: impl FnOnce(DeValue<'i>) -> Option<T>,
    ) -> Option<Found<T>> {
        let at = At {
            field: self.field(name),
            offset: 0,
        };
        let (_, value) = self.take(name)?;
        let at = At {
            offset: value.span().start,
            ..at
        };
        let value = value.into_inner();
        let kind = kind(&value);
        let read = read(value);
        if read.is_none() {
            mistakes.add(&at, format_args!("must be {wanted}, not {kind}"), "");
        }
        read.map(|value| Found { value, at })
    }

    fn take(&mut self, name: &'static str) -> Option<(Range<usize>, Spanned<DeValue<'i>>)> {
        self.asked.push(name);
        let at = self.entries.iter().position(|(key, ..)| key == name)?;
        let (_, span, value) = self.entries.remove(at);
        self.taken.push((name, value.span().start));
        Some((span, value))
    }

    fn field(&self, name: &str) -> String {
        match (self.path.is_empty(), name.is_empty()) {
            (true, _) => name.to_owned(),
            (_, true) => self.path.clone(),
            _ => format!("{}.{name}", self.path),
        }
    }
}

/// Parses a duration such as `90s` or `1h`: a whole number and a unit.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let all = number.checked_mul(milliseconds)?;
    (all <= 365 * 86_400_000).then(|| Duration::from_millis(all))
}

/// A hint with the name that was probably meant; empty if none is similar.
pub(crate) fn similar(name: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|one| (strsim::levenshtein(name, one), one))
        .min()
        .filter(|(distance, one)| *distance <= 1 + one.len() / 4);
    near.map_or_else(String::new, |(_, one)| format!("did you mean {one}?"))
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

pub(crate) fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::{duration, similar};
    use std::time::Duration;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("1h"), Some(Duration::from_hours(1)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        for bad in [
            "",
            "1",
            "s",
            "1 h",
            "-1s",
            "1.5h",
            "1H",
            "366d",
            "99999999999999999999d",
            "ä",
        ] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn similar_names_are_suggested() {
        assert_eq!(
            similar("key_provider", &["key-provider", "peer"]),
            "did you mean key-provider?"
        );
        assert_eq!(similar("colour", &["key-provider", "peer"]), "");
    }
}
