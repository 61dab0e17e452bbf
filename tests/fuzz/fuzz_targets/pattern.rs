//! Any entry of remoteSystemID and any id: `matches_remote` says what a matcher says that follows the definition word by word.
//!
//! Input (seeds.py writes the same): the entry, a line feed, the id.
#![cfg_attr(fuzzing, no_main)]

use skip_client::{Request, SystemId, matches_remote};

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &str| run(data));

pub fn run(data: &str) {
    let Some((pattern, id)) = data.split_once('\n') else {
        return;
    };
    let matched = matches_remote([pattern], id);
    let ambiguous = pattern.contains('\\') || ["[^", "[:", "[=", "[."].iter().any(|s| pattern.contains(s));
    let bounded = pattern.len() <= SystemId::MAX_BYTES && id.len() <= SystemId::MAX_BYTES;
    let globs = bounded && !ambiguous;
    let elements = elements(&pattern.chars().collect::<Vec<_>>());
    assert_eq!(
        matched,
        pattern == id || globs && matches(&elements, id),
        "{pattern:?} {id:?}"
    );

    // a text that only matches itself is an id to ask for, any other is not
    if let Ok(remote) = SystemId::new(pattern) {
        let literal = ambiguous || elements.iter().all(|e| matches!(e, Element::One(Members::Just(_))));
        assert_eq!(remote.is_pattern(), !literal, "{pattern:?}");
        assert_eq!(Request::new_key(&remote, None).is_err(), !literal, "{pattern:?}");
    }
}

enum Element {
    Many,
    One(Members),
}

enum Members {
    Any,
    Just(char),
    In(Vec<(char, char)>),
    NotIn(Vec<(char, char)>),
}

fn elements(pattern: &[char]) -> Vec<Element> {
    let mut elements = Vec::new();
    let mut at = 0;
    while at < pattern.len() {
        let (element, length) = match pattern[at] {
            '*' => (Element::Many, 1),
            '?' => (Element::One(Members::Any), 1),
            '[' => list(&pattern[at..]).unwrap_or((Element::One(Members::Just('[')), 1)),
            c => (Element::One(Members::Just(c)), 1),
        };
        elements.push(element);
        at += length;
    }
    elements
}

/// The list at the beginning of `text`, and how many characters it has with its brackets; `None` when it is not closed.
fn list(text: &[char]) -> Option<(Element, usize)> {
    let negated = text.get(1) == Some(&'!');
    let first = if negated { 2 } else { 1 };
    // the first member may be a closing bracket
    let end = (first + 1..text.len()).find(|at| text[*at] == ']')?;
    let mut ranges = Vec::new();
    let mut at = first;
    while at < end {
        if at + 2 < end && text[at + 1] == '-' {
            ranges.push((text[at], text[at + 2]));
            at += 3;
        } else {
            ranges.push((text[at], text[at]));
            at += 1;
        }
    }
    let members = if negated {
        Members::NotIn(ranges)
    } else {
        Members::In(ranges)
    };
    Some((Element::One(members), end + 1))
}

/// Column by column: which beginnings of the id the elements so far can be.
fn matches(elements: &[Element], id: &str) -> bool {
    let id: Vec<char> = id.chars().collect();
    let mut reached = vec![false; id.len() + 1];
    reached[0] = true;
    for element in elements {
        let mut next = vec![false; id.len() + 1];
        for at in 0..=id.len() {
            next[at] = match element {
                Element::Many => reached[at] || at > 0 && next[at - 1],
                Element::One(members) => at > 0 && reached[at - 1] && is_member(members, id[at - 1]),
            };
        }
        reached = next;
    }
    reached[id.len()]
}

fn is_member(members: &Members, c: char) -> bool {
    let within = |ranges: &[(char, char)]| ranges.iter().any(|(from, to)| *from <= c && c <= *to);
    match members {
        Members::Any => true,
        Members::Just(one) => *one == c,
        Members::In(ranges) => within(ranges),
        Members::NotIn(ranges) => !within(ranges),
    }
}
