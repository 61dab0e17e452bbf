//! An index of a long list of remoteSystemID.

use std::collections::{HashMap, HashSet};

use crate::system_id::{SystemId, matches_remote, may_be_pattern};

/// What is found without a walk through the list.
pub(crate) struct Index {
    /// every entry matches itself, a pattern, too
    all: HashSet<Box<str>>,
    /// patterns by what they begin or end with, whichever is longer
    pub beginning: Patterns,
    pub ending: Patterns,
}

/// Patterns by the text that they begin with, or end with.
#[derive(Default)]
pub(crate) struct Patterns {
    /// the lengths of these texts that occur
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
        // one that occurs twice is searched once
        for entry in &index.all {
            // one that is too long matches only itself
            if !may_be_pattern(entry) || entry.len() > SystemId::MAX_BYTES {
                continue;
            }
            // what is before the first and after the last character that has a meaning stands for itself
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

    /// `part` is the beginning, or the end, of the id with so many bytes.
    fn matches<'a>(&self, id: &str, part: impl Fn(usize) -> Option<&'a str>) -> bool {
        self.lengths
            .iter()
            .filter_map(|&length| self.by_text.get(part(length)?))
            .any(|patterns| matches_remote(patterns, id))
    }
}
