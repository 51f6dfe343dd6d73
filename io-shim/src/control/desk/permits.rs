//! Permits for viewers: how many there are, and how many one file may use.
//!
//! Invariants: never more permits are taken than exist; a file never takes more than its limit, and
//! no further permit while it holds twice as many as are free.

use std::collections::HashMap;

use shared_proto::FileId;

/// A pool of permits.
#[derive(Debug)]
pub(super) struct Permits {
    most: usize,
    most_per_file: usize,
    taken: usize,
    by_file: HashMap<FileId, usize>,
}

impl Permits {
    pub(super) fn new(most: usize, most_per_file: usize) -> Self {
        Self { most, most_per_file, taken: 0, by_file: HashMap::new() }
    }

    /// Takes a permit for a viewer of the file; `false` if there is none. The fewer permits are
    /// free, the fewer one file may hold, so that a popular file leaves some for others.
    pub(super) fn enter(&mut self, file: &FileId) -> bool {
        let of_file = self.by_file.get(file).copied().unwrap_or(0);
        let free = self.most - self.taken;
        let may = of_file < self.most_per_file && of_file < 2 * free;
        if may {
            self.taken += 1;
            *self.by_file.entry(file.clone()).or_default() += 1;
        }
        may
    }

    /// Returns a permit.
    pub(super) fn leave(&mut self, file: &FileId) {
        let Some(of_file) = self.by_file.get_mut(file) else { return };
        self.taken -= 1;
        *of_file -= 1;
        if *of_file == 0 {
            self.by_file.remove(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each letter of `story` is a viewer of the file of that name. A capital means that it leaves.
    /// `expected` holds the viewers that got a permit.
    fn check(most: usize, most_per_file: usize, story: &str, expected: &str) {
        let mut permits = Permits::new(most, most_per_file);
        let mut found = String::new();
        for file in story.chars() {
            let id = FileId(file.to_lowercase().collect());
            if file.is_uppercase() {
                permits.leave(&id);
            } else if permits.enter(&id) {
                found.push(file);
            } else {
                found.push('-');
            }
        }
        assert_eq!(found, expected, "{story}");
        assert_eq!(permits.by_file.values().sum::<usize>(), permits.taken);
    }

    #[test]
    fn places_run_out_and_come_back() {
        check(3, 9, "abcdAd", "abc-d");
        check(0, 9, "a", "-");
    }

    #[test]
    fn a_file_has_its_limit() {
        check(99, 2, "aaabbAa", "aa-bba");
    }

    #[test]
    fn a_file_never_takes_all_permits() {
        check(9, 9, "aaaaaaaaa", "aaaaaa---");
        check(9, 9, "aaaaaaaaabbbb", "aaaaaa---bb--");
        check(9, 9, "aaaaaaaaabbbbc", "aaaaaa---bb--c");
    }
}
