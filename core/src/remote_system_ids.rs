//! The list of remoteSystemID (draft 4.1.2), searched in a time that hardly depends on its length.

use std::fmt;
#[cfg(feature = "https")]
use std::sync::OnceLock;

use crate::system_id::matches_remote;
#[cfg(feature = "https")]
use crate::system_id_index::Index;

/// Below this an index would not pay.
#[cfg(any(test, feature = "https"))]
const SHORT: usize = 16;

/// The ids, or id patterns, of the Key Providers that share keys with one (draft 4.1.2), in their order.
///
/// [`RemoteSystemIds::matches`] says the same as [`matches_remote`], but compares only entries that can match: an index of
/// a long list is built when it is first searched.
#[derive(Default)]
pub struct RemoteSystemIds {
    entries: Vec<String>,
    // not without a client: WebAssembly has to be small, and asks for no keys itself
    #[cfg(feature = "https")]
    index: OnceLock<Box<Index>>,
}

impl RemoteSystemIds {
    /// Creates a list; entries that are no valid ids are kept, too.
    #[must_use]
    pub fn new(entries: Vec<String>) -> Self {
        Self {
            entries,
            #[cfg(feature = "https")]
            index: OnceLock::new(),
        }
    }

    /// The entries, in their order.
    #[must_use]
    pub fn as_slice(&self) -> &[String] {
        &self.entries
    }

    /// Whether an entry is `id` itself or a pattern that matches it; see [`matches_remote`].
    #[must_use]
    pub fn matches(&self, id: &str) -> bool {
        #[cfg(feature = "https")]
        if self.entries.len() > SHORT {
            return self
                .index
                .get_or_init(|| Box::new(Index::of(&self.entries)))
                .matches(id);
        }
        matches_remote(&self.entries, id)
    }
}

impl Clone for RemoteSystemIds {
    fn clone(&self) -> Self {
        Self::new(self.entries.clone())
    }
}

impl PartialEq for RemoteSystemIds {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for RemoteSystemIds {}

impl fmt::Debug for RemoteSystemIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entries.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::{RemoteSystemIds, SHORT};
    use crate::system_id::matches_remote;

    /// Long enough for an index, with nothing in it that matches.
    fn long(entries: impl IntoIterator<Item = String>) -> Vec<String> {
        entries
            .into_iter()
            .chain((0..=SHORT).map(|at| format!("nobody {at}")))
            .collect()
    }

    #[test]
    fn an_index_finds_what_a_walk_finds() {
        let cases = [
            ("Bob", "Bob", true),
            ("Bob", "bob", false),
            ("KP_*_LOC1", "KP_BOB_LOC1", true),
            ("KP_*_LOC1", "KP_*_LOC1", true),
            ("KP_*_LOC1", "KP_LOC1", false),
            ("*", "Bob", true),
            ("*é", "Zoé", true),
            ("*é", "Zoe", false),
            ("[", "[", true),
            ("a[b", "a[b", true),
            ("[!a]x", "bx", true),
            ("[]]", "]", true),
            ("a\\*", "a\\b", false),
            ("[^a]", "b", false),
        ];
        for (entry, id, expected) in cases {
            let entries = long([entry.to_owned()]);
            assert_eq!(matches_remote(&entries, id), expected, "{entry} {id}");
            assert_eq!(RemoteSystemIds::new(entries).matches(id), expected, "{entry} {id}");
        }
    }

    #[test]
    fn one_that_is_longer_than_an_id_matches_only_itself() {
        let entry = "a".repeat(255) + "*";
        let list = RemoteSystemIds::new(long([entry.clone()]));
        assert!(list.matches(&entry));
        assert!(!list.matches(&"a".repeat(255)));
    }

    /// The number of entries that are compared, not a time: 100,000 entries of each form, and not one of them is walked.
    #[cfg(feature = "https")]
    #[test]
    fn few_entries_are_compared() {
        let entries = (0..100_000).flat_map(|at| [format!("KP_{at}"), format!("KP_{at}_*"), format!("*_KP_{at}")]);
        let list = RemoteSystemIds::new(entries.collect());
        assert!(list.matches("KP_99999_LOC"));
        let index = list.index.get().expect("a long list has one");
        for patterns in [&index.beginning, &index.ending] {
            assert!(patterns.lengths.len() <= 5);
            assert!(patterns.by_text.values().all(|same| same.len() == 1));
        }
    }

    proptest::proptest! {
        #[test]
        fn any_list_agrees_with_the_walk(
            entries in proptest::collection::vec("[a-c*?\\[\\]!é\\\\-]{0,8}", 0..40),
            id in "[a-cé\\[\\]!*-]{0,8}",
        ) {
            let walked = matches_remote(&entries, &id);
            proptest::prop_assert_eq!(RemoteSystemIds::new(entries.clone()).matches(&id), walked);
            proptest::prop_assert_eq!(RemoteSystemIds::new(long(entries)).matches(&id), walked);
        }
    }
}
