//! Stamps: the states of files whose content was known and durable. A file that matches its stamp
//! need not be hashed by the next engine.
//!
//! Owns when a file is stamped, when a stamp is trusted, and the inspections of single files
//! between rounds. The order of steps matters: nothing can be written to the file any more (no key
//! is armed), then the daemon syncs it, then the daemon inspects it. A file that matches its stamp
//! contains every piece that was verified when the stamp was taken, even after a power failure:
//! later writes belong to other pieces. Arming a key removes the stamp, and the record that names
//! what is verified through that key is written without the stamp.
//!
//! A stamp can't detect two things: another program's write between our own ones, and one within
//! the same tick of the file system's clock as our last. The running engine can't detect the first
//! either. Against the second, a stamp is *settled* when nothing was written for [`QUIET`]; where
//! ticks last seconds, no other stamp is trusted.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_proto::io::FileStat;

use crate::geometry::FileIndex;
use crate::time::Instant;

/// Time without a write after which a file is stamped. It exceeds the longest tick of a file
/// system's clock, which is FAT's two seconds.
const QUIET: Duration = Duration::from_secs(3);
/// Number of files stamped at once: syncing is slow, and others need the disk, too.
const STAMPED_AT_ONCE: usize = 8;
/// Number of waiting files that are considered each time.
const LOOKED_AT: usize = 64;
/// Interval at which the waiting files are considered.
const PAUSE: Duration = Duration::from_millis(500);

/// The recorded state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    length: u64,
    modified_ns: u64,
    changed_ns: u64,
    is_settled: bool,
}

impl Stamp {
    pub(super) fn new(stat: FileStat, is_settled: bool) -> Self {
        Self {
            length: stat.length,
            modified_ns: stat.modified_ns,
            changed_ns: stat.changed_ns,
            is_settled,
        }
    }

    /// Whether a file with this state still has the content that it had then.
    pub(super) fn agrees(&self, stat: &FileStat) -> bool {
        const SECOND_NS: u64 = 1_000_000_000;
        let is_coarse = stat.modified_ns.is_multiple_of(SECOND_NS);
        let same = (self.length, self.modified_ns, self.changed_ns)
            == (stat.length, stat.modified_ns, stat.changed_ns);
        same && (self.is_settled || !is_coarse)
    }
}

/// Returns whether a file that was last written to at this time is quiet.
pub(super) fn is_quiet(written: Instant, now: Instant) -> bool {
    written + QUIET <= now
}

/// The files that wait for a stamp.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    dirty: VecDeque<FileIndex>,
    underway: usize,
    next: Option<Instant>,
}

impl Stamps {
    /// When to consider them.
    pub(super) fn due(&self) -> Option<Instant> {
        self.next.filter(|_| !self.dirty.is_empty())
    }

    /// Adds a file that is to be stamped.
    pub(super) fn want(&mut self, file: FileIndex, now: Instant) {
        self.dirty.push_back(file);
        self.next.get_or_insert(now + PAUSE);
    }

    /// Starts to consider the waiting files. Returns how many to consider.
    pub(super) fn begin_round(&mut self, now: Instant) -> usize {
        self.next = Some(now + PAUSE);
        self.dirty.len().min(LOOKED_AT)
    }

    /// Takes the next waiting file. `None` while enough are being stamped.
    pub(super) fn next(&mut self) -> Option<FileIndex> {
        if self.underway >= STAMPED_AT_ONCE {
            return None;
        }
        self.dirty.pop_front()
    }

    /// Puts back a file that could not be stamped yet.
    pub(super) fn put_back(&mut self, file: FileIndex) {
        self.dirty.push_back(file);
    }

    /// Records that a file is being stamped.
    pub(super) fn begin(&mut self) {
        self.underway += 1;
    }

    /// Records the end of stamping a file.
    pub(super) fn end(&mut self) {
        self.underway = self.underway.saturating_sub(1);
    }

    /// Forgets pending stamps, because the link to the daemon is lost.
    pub(super) fn unlink(&mut self) {
        self.underway = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks whether a stamp of `then` matches `now`, each as `length modified changed`.
    fn check(then: [u64; 3], is_settled: bool, now: [u64; 3], expected: bool) {
        let stat = |[length, modified_ns, changed_ns]: [u64; 3]| FileStat {
            length,
            modified_ns,
            changed_ns,
            identity: None,
        };
        assert_eq!(
            Stamp::new(stat(then), is_settled).agrees(&stat(now)),
            expected,
            "{then:?} {now:?}"
        );
    }

    #[test]
    fn a_stamp_matches_the_same_file_only() {
        check([9, 1_500, 1_600], true, [9, 1_500, 1_600], true);
        check([9, 1_500, 1_600], false, [9, 1_500, 1_600], true);
        check([9, 1_500, 1_600], true, [8, 1_500, 1_600], false);
        check([9, 1_500, 1_600], true, [9, 1_501, 1_600], false);
        check([9, 1_500, 1_600], true, [9, 1_500, 1_601], false);
    }

    #[test]
    fn with_ticks_of_seconds_a_stamp_must_be_settled() {
        check([9, 4_000_000_000, 0], false, [9, 4_000_000_000, 0], false);
        check([9, 4_000_000_000, 0], true, [9, 4_000_000_000, 0], true);
    }
}
