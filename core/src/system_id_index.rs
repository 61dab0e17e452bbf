//! An index of a long list of remoteSystemID.

use std::collections::{HashMap, HashSet};

use crate::system_id::{SystemId, matches_remote, may_be_pattern};

/// The entries that are found without scanning the list.
pub(crate) struct Index {
    /// every entry matches itself, even a pattern
    all: HashSet<Box<str>>,
    /// patterns by their fixed prefix or suffix, whichever is longer
    pub beginning: Patterns,
    pub ending: Patterns,
}

/// Patterns by their fixed prefix or suffix.
#[derive(Default)]
pub(crate) struct Patterns {
    /// the lengths of these prefixes or suffixes
    pub lengths: Vec<usize>,
    pub by_text: HashMap<Box<str>, Vec<Box<str>>>,
}

impl Index {
    pub fn of(entries: &[String]) -> Self {
        let mut index = Self {
            all: entries.iter().map(|entry| entry.as_str().into()).collect(),
            beginning: Patterns::default(),
            ending: Patterns::default(),
        };
        // a repeated pattern is compared once
        for entry in &index.all {
            // a pattern that is too long matches only itself
            if !may_be_pattern(entry) || entry.len() > SystemId::MAX_BYTES {
                continue;
            }
            // everything before the first and after the last special character is literal
            let beginning = entry.split(['*', '?', '[', ']']).next().unwrap_or_default();
            let ending = entry.rsplit(['*', '?', '[', ']']).next().unwrap_or_default();
            if beginning.len() >= ending.len() {
                index.beginning.add(beginning, entry);
            } else {
                index.ending.add(ending, entry);
            }
        }
        index
    }

    pub fn matches(&self, id: &str) -> bool {
        self.all.contains(id)
            || self.beginning.matches(id, |length| id.get(..length))
            || self
                .ending
                .matches(id, |length| id.get(id.len().checked_sub(length)?..))
    }
}

impl Patterns {
    fn add(&mut self, text: &str, pattern: &str) {
        self.by_text.entry(text.into()).or_default().push(pattern.into());
        if !self.lengths.contains(&text.len()) {
            self.lengths.push(text.len());
        }
    }

    /// `part` returns the first, or the last, bytes of the id.
    fn matches<'a>(&self, id: &str, part: impl Fn(usize) -> Option<&'a str>) -> bool {
        self.lengths
            .iter()
            .filter_map(|&length| self.by_text.get(part(length)?))
            .any(|patterns| matches_remote(patterns, id))
    }
}
