//! Stamps: what a file looked like when its content was known and durable, so that the next engine
//! need not hash it.
//!
//! Owns when a file is stamped and when a stamp is believed. The order decides: first nothing can
//! be written to the file any more (no key is armed), then it is synced, then looked at. So whoever
//! finds the file as the stamp says finds every piece that was verified when the stamp was taken,
//! also after a power cut: what was written to it later is of other pieces. A key that is armed
//! takes the stamp away, and the record that names what is verified through that key is written
//! without it.
//!
//! What a stamp can't tell: a stranger's write between our own ones, and one within the same tick
//! of the file system's clock as our last. The first is as invisible to the engine that runs.
//! Against the second a stamp is *settled* when nothing was written for [`QUIET`], and where ticks
//! are as long as seconds no other is believed.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared_proto::io::FileStat;

use crate::geometry::FileIndex;
use crate::time::Instant;

/// A file that was not written to for so long is stamped: longer than the longest tick of a file
/// system's clock, which is FAT's two seconds.
pub(in crate::torrent) const QUIET: Duration = Duration::from_secs(3);

/// What a file looked like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub(in crate::torrent) length: u64,
    pub(in crate::torrent) modified_ns: u64,
    pub(in crate::torrent) changed_ns: u64,
    pub(in crate::torrent) is_settled: bool,
}

impl Stamp {
    pub(in crate::torrent) fn new(stat: FileStat, is_settled: bool) -> Self {
        Self {
            length: stat.length,
            modified_ns: stat.modified_ns,
            changed_ns: stat.changed_ns,
            is_settled,
        }
    }

    /// Whether a file that looks so holds what it held then.
    pub(in crate::torrent) fn agrees(&self, stat: &FileStat) -> bool {
        const SECOND_NS: u64 = 1_000_000_000;
        let is_coarse = stat.modified_ns.is_multiple_of(SECOND_NS);
        let same = (self.length, self.modified_ns, self.changed_ns)
            == (stat.length, stat.modified_ns, stat.changed_ns);
        same && (self.is_settled || !is_coarse)
    }
}

/// The files that wait for a stamp.
#[derive(Debug, Default)]
pub(in crate::torrent) struct Stamps {
    pub(in crate::torrent) dirty: VecDeque<FileIndex>,
    pub(in crate::torrent) underway: usize,
    pub(in crate::torrent) next: Option<Instant>,
}

impl Stamps {
    /// When to look after them.
    pub(in crate::torrent) fn due(&self) -> Option<Instant> {
        self.next.filter(|_| !self.dirty.is_empty())
    }

    /// The link is gone, and what was under way with it.
    pub(in crate::torrent) fn unlink(&mut self) {
        self.underway = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a stamp of `then` agrees with `now`, each `length modified changed`.
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
    fn a_stamp_agrees_with_the_same_file_only() {
        check([9, 1_500, 1_600], true, [9, 1_500, 1_600], true);
        check([9, 1_500, 1_600], false, [9, 1_500, 1_600], true);
        check([9, 1_500, 1_600], true, [8, 1_500, 1_600], false);
        check([9, 1_500, 1_600], true, [9, 1_501, 1_600], false);
        check([9, 1_500, 1_600], true, [9, 1_500, 1_601], false);
    }

    #[test]
    fn where_ticks_are_seconds_a_stamp_must_have_settled() {
        check([9, 4_000_000_000, 0], false, [9, 4_000_000_000, 0], false);
        check([9, 4_000_000_000, 0], true, [9, 4_000_000_000, 0], true);
    }
}
