//! Places of viewers: how many there are, and that no file takes them all.
//!
//! It counts and knows nothing else. Invariants: never more places are taken than there are; a file
//! never takes more than its limit, nor a further one when it holds twice as many as are free.

use std::collections::HashMap;

use shared_proto::FileId;

/// A number of places.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    most_per_file: usize,
    taken: usize,
    by_file: HashMap<FileId, usize>,
}

impl Places {
    pub(super) fn new(most: usize, most_per_file: usize) -> Self {
        Self { most, most_per_file, taken: 0, by_file: HashMap::new() }
    }

    /// Takes a place for a viewer of the file; `false` when there is none for it. The fewer places
    /// are free, the fewer a file may hold: however many viewers a file has, others find places,
    /// too.
    pub(super) fn enter(&mut self, file: &FileId) -> bool {
        let of_file = self.by_file.get(file).copied().unwrap_or(0);
        let free = self.most - self.taken;
        let may = free > 0 && of_file < self.most_per_file && of_file < 2 * free;
        if may {
            self.taken += 1;
            *self.by_file.entry(file.clone()).or_default() += 1;
        }
        may
    }

    /// Gives a place back.
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

    /// Viewers of files come, a letter each, and go, where the letter is a capital; who found a
    /// place.
    fn check(most: usize, most_per_file: usize, story: &str, expected: &str) {
        let mut places = Places::new(most, most_per_file);
        let mut found = String::new();
        for file in story.chars() {
            let id = FileId(file.to_lowercase().collect());
            if file.is_uppercase() {
                places.leave(&id);
            } else if places.enter(&id) {
                found.push(file);
            } else {
                found.push('-');
            }
        }
        assert_eq!(found, expected, "{story}");
        assert_eq!(places.by_file.values().sum::<usize>(), places.taken);
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
    fn a_file_never_takes_all_places() {
        check(9, 9, "aaaaaaaaa", "aaaaaa---");
        check(9, 9, "aaaaaaaaabbbb", "aaaaaa---bb--");
        check(9, 9, "aaaaaaaaabbbbc", "aaaaaa---bb--c");
    }
}
