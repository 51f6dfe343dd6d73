//! A torrent and how much it shares: limits of its own, goals after which it rests, its turn among
//! others, and what it remembers of all this.
//!
//! It rests when it has given enough, or waits for its turn: its peers go, its files stay open for
//! those who read them. What it gave is written down under a key of its own, seldom, and never read
//! but at the beginning.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::view::Sharing;

/// The key of what is written down.
pub(in crate::torrent) fn key(info_hash: InfoHash) -> String {
    format!("sharing/{info_hash}")
}

/// The form of what is written down; another one is not read.
pub(in crate::torrent) const VERSION: u8 = 1;

/// When a torrent has given enough; either is enough, and without one it never has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Goals {
    /// Bytes given for each hundred bytes that it has.
    pub ratio_percent: Option<u32>,
    /// How long it has had everything and offered it.
    pub seed_time: Option<Duration>,
}

impl Goals {
    /// Whether so much is enough.
    pub(in crate::torrent) fn are_reached(self, uploaded: u64, has: u64, seeded: Duration) -> bool {
        let by_ratio = self.ratio_percent.is_some_and(|percent| {
            u128::from(uploaded) * 100 >= u128::from(has) * u128::from(percent)
        });
        by_ratio || self.seed_time.is_some_and(|time| seeded >= time)
    }
}

/// Why a torrent rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Rest {
    /// Others are before it.
    Queued,
    /// It has given enough.
    Sated,
}

/// What is written down.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::torrent) struct Totals {
    pub(in crate::torrent) version: u8,
    pub(in crate::torrent) uploaded: u64,
    pub(in crate::torrent) seeded_s: u64,
    pub(in crate::torrent) sharing: Sharing,
}

/// What a torrent remembers of its sharing.
#[derive(Debug, Default)]
pub(in crate::torrent) struct Account {
    pub(in crate::torrent) sharing: Sharing,
    /// Bytes given in earlier sessions.
    pub(in crate::torrent) uploaded_before: u64,
    /// How long it offered everything, ever, as far as it was counted.
    pub(in crate::torrent) seeded: Duration,
    pub(in crate::torrent) counted: Instant,
    pub(in crate::torrent) saved: Instant,
    pub(in crate::torrent) unsaved: bool,
    pub(in crate::torrent) is_loaded: bool,
    /// What an earlier engine wrote down is known: only then may something else take its place.
    pub(in crate::torrent) is_read: bool,
    /// When it is asked for again, where the daemon could not read it.
    pub(in crate::torrent) read_again: Option<Instant>,
    /// A person wants it to go on although it has given enough.
    pub(in crate::torrent) insists: bool,
    /// Since when it gives nothing more and is about to rest.
    pub(in crate::torrent) enough_since: Option<Instant>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        ratio_percent: Option<u32>,
        seed_s: Option<u64>,
        uploaded: u64,
        seeded_s: u64,
        expected: bool,
    ) {
        let goals = Goals { ratio_percent, seed_time: seed_s.map(Duration::from_secs) };
        assert_eq!(goals.are_reached(uploaded, 1000, Duration::from_secs(seeded_s)), expected);
    }

    #[test]
    fn either_goal_is_enough_and_without_one_nothing_is() {
        check(None, None, u64::MAX, u64::MAX, false);
        check(Some(150), None, 1499, 0, false);
        check(Some(150), None, 1500, 0, true);
        check(Some(150), Some(60), 0, 59, false);
        check(Some(150), Some(60), 0, 60, true);
        check(Some(0), None, 0, 0, true);
        check(Some(u32::MAX), None, u64::MAX, 0, true);
    }

    #[test]
    fn what_is_written_down_is_read_again() {
        let sharing =
            Sharing { up_limit_bps: Some(5), ratio_percent: Some(200), ..Sharing::default() };
        let ledger = Totals { version: VERSION, uploaded: 7, seeded_s: 8, sharing };
        let bytes = postcard::to_stdvec(&ledger).unwrap();
        assert_eq!(postcard::from_bytes::<Totals>(&bytes).unwrap(), ledger);
    }
}
