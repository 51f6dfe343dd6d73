//! Changes that could not be written yet.
//!
//! Owns the last change of each key and the bound on their bytes. Invariant: these changes are
//! newer than the database.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::policy::limits;

/// The last change of each key: its value, or `None` for a deletion.
#[derive(Debug, Default)]
pub(super) struct Pending {
    changes: BTreeMap<String, Option<Bytes>>,
    bytes: usize,
}

impl Pending {
    /// Keeps a change. Returns `false` when there is no space for it; the former change of the key
    /// stays then.
    pub(super) fn change(&mut self, key: &str, value: Option<&Bytes>) -> bool {
        let size = |value: Option<&Bytes>| key.len() + value.map_or(0, Bytes::len);
        let former = self.changes.get(key).map_or(0, |value| size(value.as_ref()));
        let bytes = self.bytes - former + size(value);
        if bytes > limits::MAX_UNWRITTEN_BYTES {
            return false;
        }
        self.bytes = bytes;
        self.changes.insert(key.to_owned(), value.cloned());
        true
    }

    /// The change of a key, if there is one.
    pub(super) fn get(&self, key: &str) -> Option<&Option<Bytes>> {
        self.changes.get(key)
    }

    /// All changes, by key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Option<&Bytes>)> {
        self.changes.iter().map(|(key, value)| (key.as_str(), value.as_ref()))
    }

    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Forgets all changes, because they are written.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_change_of_a_key_counts_and_the_bound_holds() {
        let mut pending = Pending::default();
        let half = Bytes::from(vec![0; limits::MAX_UNWRITTEN_BYTES / 2]);
        assert!(pending.change("a", Some(&half)));
        assert!(pending.change("a", Some(&half)), "it takes the place of the former");
        assert!(!pending.change("b", Some(&half)), "the keys count, too");
        assert_eq!(pending.get("b"), None);
        assert!(!pending.change("a", Some(&Bytes::from(vec![0; limits::MAX_UNWRITTEN_BYTES]))));
        assert_eq!(pending.get("a"), Some(&Some(half.clone())), "what was there stays");
        assert!(pending.change("a", None));
        assert!(pending.change("b", Some(&half)));
        assert_eq!((pending.get("a"), pending.len()), (Some(&None), 2));
    }
}
