//! A strict JSON reader (RFC 8259) that borrows.
//!
//! Why we wrote our own: strings stay slices of the caller's buffer, so no copy of a key is left behind and no error message can
//! quote one; duplicate members are detected at every depth; numbers and surrogates that Rust cannot represent are accepted in
//! members unknown to SKIP; and truncated documents are distinguished from malformed ones.

use std::borrow::Cow;
use std::collections::BinaryHeap;

use crate::redact::{HIDDEN, redact_name};

/// The maximum nesting depth.
const DEPTH_LIMIT: usize = 128;
/// Up to this many names of an object are compared one by one; beyond that they are sorted, which takes less time.
const FEW: usize = 8;
/// At most this many duplicate members are recorded; the paths of all duplicates in a hostile document could exhaust memory.
const MAX_DOUBLED: usize = 100;
/// Longer names are neither shown nor inspected, so that many deep paths take no more time than short ones.
const MAX_SHOWN_NAME: usize = 256;

/// Why a text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syntax {
    /// The byte offset of the error.
    pub at: usize,
    pub reason: &'static str,
    /// Whether the text is valid so far but truncated.
    pub cut_off: bool,
}

/// A value; containers are represented by their text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    String(Text<'a>),
    Array(&'a str),
    Object,
}

/// The raw text of a string between its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    pub raw: &'a str,
    pub escaped: bool,
}

impl<'a> Text<'a> {
    /// Whether it contains a lone surrogate, which cannot be represented in UTF-8.
    pub fn has_lone_surrogate(self) -> bool {
        self.escaped && char::decode_utf16(self.units()).any(|c| c.is_err())
    }

    /// Resolves the escapes; a lone surrogate becomes U+FFFD.
    pub fn unescape(self) -> Cow<'a, str> {
        if self.escaped {
            Cow::Owned(
                char::decode_utf16(self.units())
                    .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                    .collect(),
            )
        } else {
            Cow::Borrowed(self.raw)
        }
    }

    /// The UTF-16 code units, which can represent lone surrogates.
    pub fn units(self) -> Vec<u16> {
        let mut units = Vec::with_capacity(self.raw.len());
        let mut chars = self.raw.chars();
        let mut buffer = [0; 2];
        while let Some(c) = chars.next() {
            if c != '\\' {
                units.extend_from_slice(c.encode_utf16(&mut buffer));
                continue;
            }
            units.push(match chars.next() {
                Some('b') => 0x08,
                Some('f') => 0x0C,
                Some('n') => 0x0A,
                Some('r') => 0x0D,
                Some('t') => 0x09,
                Some('u') => {
                    let digits = chars.as_str().get(..4).unwrap_or_default();
                    chars = chars.as_str().get(4..).unwrap_or_default().chars();
                    u16::from_str_radix(digits, 16).unwrap_or(0xFFFD)
                }
                // a quote, a backslash or a slash
                Some(other) => u16::try_from(u32::from(other)).unwrap_or(0xFFFD),
                None => 0xFFFD,
            });
        }
        units
    }

    #[inline]
    pub fn is_same_as(self, other: Text<'_>) -> bool {
        if self.escaped || other.escaped {
            self.units() == other.units()
        } else {
            self.raw == other.raw
        }
    }
}

/// One step from a container to one of its values.
#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    Member(Text<'a>),
    Item(usize),
}

/// The location of a value: its last step, and the location of its container. The chain lives on the stack, so parsing does not
/// allocate.
#[derive(Clone, Copy)]
struct Place<'p, 'a> {
    step: Step<'a>,
    outer: Option<&'p Place<'p, 'a>>,
    depth: usize,
}

impl<'p, 'a> Place<'p, 'a> {
    fn new(step: Step<'a>, outer: Option<&'p Place<'p, 'a>>) -> Self {
        Self {
            step,
            outer,
            depth: 1 + outer.map_or(0, |place| place.depth),
        }
    }

    /// The location as a JSON Pointer (RFC 6901). Names that could be a key are redacted.
    fn pointer(&self) -> String {
        let mut pointer = self.outer.map(Place::pointer).unwrap_or_default();
        pointer.push('/');
        match self.step {
            Step::Member(name) if name.raw.len() > MAX_SHOWN_NAME => pointer.push_str(HIDDEN),
            Step::Member(name) => push_step(&mut pointer, &name.unescape()),
            Step::Item(index) => pointer.push_str(&index.to_string()),
        }
        pointer
    }
}

pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// JSON Pointers of the duplicate members, each listed once.
    pub doubled: Vec<String>,
    repetitions: usize,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            doubled: Vec::new(),
            repetitions: 0,
        }
    }

    /// Parses the whole document. For an object, calls `member` with each name and value; otherwise returns the value.
    pub fn document(&mut self, member: &mut dyn FnMut(Text<'a>, Value<'a>)) -> Result<Option<Value<'a>>, Syntax> {
        if self.text.starts_with('\u{FEFF}') {
            return Err(self.wrong("a byte order mark is not JSON"));
        }
        self.space();
        let value = if self.peek() == Some(b'{') {
            self.object(None, Some(member))?;
            None
        } else {
            Some(self.value(None)?)
        };
        self.space();
        if self.at < self.text.len() {
            Err(self.wrong("there is something behind the JSON document"))
        } else {
            Ok(value)
        }
    }

    /// The items of an array that was parsed before.
    pub fn items(array: &'a str) -> Result<Vec<Value<'a>>, Syntax> {
        let mut reader = Self::new(array);
        let mut items = Vec::new();
        reader.array(None, &mut |item| items.push(item))?;
        Ok(items)
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn wrong(&self, reason: &'static str) -> Syntax {
        let cut_off = self.at >= self.text.len();
        Syntax {
            at: self.at,
            reason: if cut_off { "the document ends too early" } else { reason },
            cut_off,
        }
    }

    #[inline]
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, reason: &'static str) -> Result<(), Syntax> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.wrong(reason))
        }
    }

    fn value(&mut self, place: Option<&Place<'_, 'a>>) -> Result<Value<'a>, Syntax> {
        match self.peek() {
            Some(b'{') => self.object(place, None).map(|()| Value::Object),
            Some(b'[') => {
                let start = self.at;
                self.array(place, &mut |_| {})?;
                Ok(Value::Array(self.text_from(start)))
            }
            Some(b'"') => self.string().map(Value::String),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            _ => Err(self.wrong("a value is missing here")),
        }
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, Syntax> {
        for byte in word.bytes() {
            self.expect(byte, "this is no JSON value")?;
        }
        Ok(value)
    }

    /// Parses the value at a location.
    fn value_at(&mut self, place: &Place<'_, 'a>) -> Result<Value<'a>, Syntax> {
        // the document itself is the first level
        if place.depth >= DEPTH_LIMIT && matches!(self.peek(), Some(b'{' | b'[')) {
            return Err(self.wrong("the document is nested more than 128 levels deep"));
        }
        self.value(Some(place))
    }

    /// The text from an earlier position up to the current one. The reader only stops at character boundaries.
    #[inline]
    fn text_from(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn object(
        &mut self,
        place: Option<&Place<'_, 'a>>,
        mut member: Option<&mut dyn FnMut(Text<'a>, Value<'a>)>,
    ) -> Result<(), Syntax> {
        self.at += 1;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        let mut names = Names::default();
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.wrong("the name of a member is missing here"));
            }
            let name = self.string()?;
            self.space();
            self.expect(b':', "a colon is missing here")?;
            self.space();
            let inner = Place::new(Step::Member(name), place);
            if !names.insert(name) {
                self.remember_doubled(&inner);
            }
            let value = self.value_at(&inner)?;
            if let Some(member) = &mut member {
                member(name, value);
            }
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(self.wrong("a comma or a closing brace is missing here")),
            }
            self.space();
        }
        self.at += 1;
        if !names.more.is_empty() {
            self.remember_repeated(&names.more, place);
        }
        Ok(())
    }

    /// Of names that were not compared when they were read.
    fn remember_repeated(&mut self, names: &[Text<'a>], place: Option<&Place<'_, 'a>>) {
        let units = names.iter().map(|name| name.units()).zip(0..);
        for (name, repeated) in names.iter().zip(repeated(names.len(), units)) {
            if repeated {
                self.remember_doubled(&Place::new(Step::Member(*name), place));
            }
        }
    }

    fn remember_doubled(&mut self, place: &Place<'_, 'a>) {
        self.repetitions += 1;
        if self.repetitions <= MAX_DOUBLED {
            let pointer = place.pointer();
            if !self.doubled.contains(&pointer) {
                self.doubled.push(pointer);
            }
        }
    }

    fn array(&mut self, place: Option<&Place<'_, 'a>>, item: &mut dyn FnMut(Value<'a>)) -> Result<(), Syntax> {
        self.at += 1;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        for index in 0.. {
            item(self.value_at(&Place::new(Step::Item(index), place))?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(self.wrong("a comma or a closing bracket is missing here")),
            }
            self.space();
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<Text<'a>, Syntax> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain_run(self.text.as_bytes().get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    let raw = self.text_from(start);
                    self.at += 1;
                    return Ok(Text { raw, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.at += 1;
                    match self.peek() {
                        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
                        Some(b'u') => {
                            self.at += 1;
                            for _ in 0..4 {
                                if !self.peek().is_some_and(|b| b.is_ascii_hexdigit()) {
                                    return Err(self.wrong("four hexadecimal digits are missing behind \\u"));
                                }
                                self.at += 1;
                            }
                        }
                        _ => return Err(self.wrong("JSON has no such escape")),
                    }
                }
                Some(0..=0x1F) => return Err(self.wrong("a string has a control character that is not escaped")),
                Some(_) => self.at += 1,
                None => return Err(self.wrong("")),
            }
        }
    }

    fn number(&mut self) -> Result<&'a str, Syntax> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(self.text_from(start))
    }

    fn digits(&mut self) -> Result<(), Syntax> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.wrong("a digit is missing here"));
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }
}

/// The number of leading bytes that need no special handling in a string: no quotes, backslashes or control characters. Scans
/// eight bytes at a time, because most of a message consists of strings.
#[inline]
fn plain_run(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    // marks the bytes below a limit; after the first marked byte there may be false positives
    let under = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & (ONES << 7);
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // flipping this bit moves the quote directly behind the control characters
        let special = under(word ^ (ONES * 0x02), 0x21) | under(word ^ (ONES * u64::from(b'\\')), 1);
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let special = |b: &u8| matches!(b, b'"' | b'\\' | 0..=0x1F);
    words.len() * 8 + rest.iter().position(special).unwrap_or(rest.len())
}

/// Adds a member's name as a step of a JSON Pointer.
fn push_step(pointer: &mut String, name: &str) {
    for c in redact_name(name).chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            _ => pointer.push(c),
        }
    }
}

/// The names seen so far in one object.
#[derive(Default)]
struct Names<'a> {
    few: [Option<Text<'a>>; FEW],
    count: usize,
    more: Vec<Text<'a>>,
}

impl<'a> Names<'a> {
    /// Returns `false` if the name is known to be present already; once there are many, the rest is only collected.
    fn insert(&mut self, name: Text<'a>) -> bool {
        if self.few[..self.count].iter().flatten().any(|n| n.is_same_as(name)) {
            return false;
        }
        if self.count < FEW {
            self.few[self.count] = Some(name);
            self.count += 1;
        } else {
            self.more.push(name);
        }
        true
    }
}

/// For each index below `count`, whether an item with that index equals one with a smaller index.
///
/// Sorted by a heap: a hash table is 3 KB of WebAssembly, and there its hash is not keyed, so that some texts make it slow.
pub(crate) fn repeated(count: usize, items: impl Iterator<Item = (Vec<u16>, usize)>) -> Vec<bool> {
    let mut repeated = vec![false; count];
    let sorted = items.collect::<BinaryHeap<_>>().into_sorted_vec();
    for [one, next] in sorted.array_windows() {
        repeated[next.1] = one.0 == next.0;
    }
    repeated
}

/// Line and column (both starting at 1, the column in characters) of a byte offset in a text.
pub(crate) fn line_and_column(text: &[u8], at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |nl| nl + 1);
    let line = before.split(|b| *b == b'\n').count();
    // UTF-8 continuation bytes do not start a character
    let column = before[line_start..].iter().filter(|b| **b & 0xC0 != 0x80).count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::{Reader, Value, line_and_column, plain_run};

    fn read(text: &str) -> Result<Vec<String>, super::Syntax> {
        let mut reader = Reader::new(text);
        reader.document(&mut |_, _| {})?;
        Ok(reader.doubled)
    }

    #[test]
    fn json_is_read_and_other_texts_are_not() {
        let deepest = "[".repeat(128) + &"]".repeat(128);
        let too_deep = "[".repeat(129) + &"]".repeat(129);
        for good in [
            "{}",
            "[]",
            " {\"a\" : [ 1 , -0.5e+3 , 1e400 , \"\\ud800\" , null , true , false ] } ",
            "\"x\"",
            "0",
            &deepest,
        ] {
            assert_eq!(read(good), Ok(vec![]), "{good}");
        }
        for bad in [
            "",
            " ",
            "{",
            "[",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "[1,]",
            "{a:1}",
            "{} {}",
            "nul",
            "NaN",
            "Infinity",
            "01",
            "1.",
            "-",
            "1e",
            "+1",
            "'x'",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\n\"",
            "\u{FEFF}{}",
            "[1 2]",
            "{\"a\" 1}",
            &too_deep,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_document_that_is_cut_off_is_told_from_a_wrong_one() {
        let whole = r#"{"keyId": "00", "key": ["\u00e4", 1.5e3, true]}"#;
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).expect_err("cut").cut_off, "{}", &whole[..end]);
        }
        assert!(!read("{]").expect_err("wrong").cut_off);
    }

    #[test]
    fn doubled_names_are_found_at_every_depth_and_behind_escapes() {
        assert_eq!(read(r#"{"a":1,"\u0061":2}"#), Ok(vec!["/a".to_owned()]));
        assert_eq!(
            read(r#"{"x":[0,{"a/b":1,"a\/b":2}]}"#),
            Ok(vec!["/x/1/a~1b".to_owned()])
        );
        assert_eq!(read(r#"{"\ud800":1,"\udc00":2}"#), Ok(vec![]));
        assert_eq!(read(r#"{"\ud83d\ude00":1,"😀":2}"#).map(|doubled| doubled.len()), Ok(1));
        assert_eq!(read(r#"{"a":1,"a":2,"a":3}"#), Ok(vec!["/a".to_owned()]));
        assert_eq!(
            read(r#"{"0123456789abcdef":1,"0123456789abcdef":2}"#),
            Ok(vec!["/[redacted]".to_owned()])
        );
        let many: Vec<String> = (0..100).map(|n| format!("\"{n}\":0")).collect();
        for doubled in ["7", "50"] {
            let text = format!("{{{},\"{doubled}\":1,\"{doubled}\":2}}", many.join(","));
            assert_eq!(read(&text), Ok(vec![format!("/{doubled}")]));
        }
    }

    #[test]
    fn many_doubled_members_below_a_long_name_take_no_space_of_their_own() {
        let text = format!(
            "{{\"{}\":{{{}\"x\":0}}}}",
            "n".repeat(100_000),
            "\"x\":0,".repeat(100_000)
        );
        assert_eq!(read(&text), Ok(vec!["/[redacted]/x".to_owned()]));
        let distinct: Vec<String> = (0..1000).map(|n| format!("\"m{n}\":0,\"m{n}\":0")).collect();
        assert_eq!(
            read(&format!("{{{}}}", distinct.join(","))).map(|doubled| doubled.len()),
            Ok(100)
        );
    }

    #[test]
    fn a_special_byte_is_found_in_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..20 {
                let mut bytes = *b"0123456789abcdefghij";
                bytes[place] = byte;
                let special = matches!(byte, b'"' | b'\\' | 0..=0x1F);
                assert_eq!(
                    plain_run(&bytes),
                    if special { place } else { bytes.len() },
                    "{byte} at {place}"
                );
            }
        }
    }

    #[test]
    fn items_are_given_in_order() {
        assert_eq!(Reader::items("[1, null]"), Ok(vec![Value::Number("1"), Value::Null]));
    }

    #[test]
    fn places_have_lines_and_columns() {
        assert_eq!(line_and_column("a\nüb".as_bytes(), 4), (2, 2));
        assert_eq!(line_and_column(b"", 0), (1, 1));
    }

    proptest::proptest! {
        #[test]
        fn the_verdict_is_that_of_serde_json(text in "[\\[\\]{}\",:0-9eE+. a\\\\u-]{0,24}") {
            let ours = read(&text).is_ok();
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            proptest::prop_assert_eq!(ours, theirs);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,64}") {
            let _ = read(&text);
        }
    }
}
