//! The sharing of one torrent: its limits, its goals, and its total uploads.
//!
//! Owns the stored form of these under its own key of the daemon's state: written seldom, and read
//! once. The totals of an earlier engine are never overwritten before they were read.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::view::Sharing;

/// Interval between two saves of the uploaded bytes.
const SAVE_EVERY: Duration = Duration::from_secs(30);
/// Delay before a failed read is repeated.
const READ_AGAIN: Duration = Duration::from_secs(5);
/// Time between the end of uploads and the end of connections. The last blocks arrive meanwhile;
/// closing at once might prevent that.
const FAREWELL: Duration = Duration::from_secs(3);
/// Version of the stored form; other versions are not read.
const VERSION: u8 = 1;

/// The state key of a torrent's uploads.
pub(in crate::torrent) fn key(info_hash: InfoHash) -> String {
    format!("sharing/{info_hash}")
}

/// The seeding goals of a torrent.
///
/// Reaching either one is enough; without goals a torrent seeds forever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Goals {
    /// Bytes uploaded per hundred verified bytes.
    pub ratio_percent: Option<u32>,
    /// How long the torrent was complete and active.
    pub seed_time: Option<Duration>,
}

impl Goals {
    /// Whether either goal is reached.
    fn are_reached(self, uploaded: u64, verified: u64, seeded: Duration) -> bool {
        let by_ratio = self.ratio_percent.is_some_and(|percent| {
            u128::from(uploaded) * 100 >= u128::from(verified) * u128::from(percent)
        });
        by_ratio || self.seed_time.is_some_and(|time| seeded >= time)
    }
}

/// The stored form.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    version: u8,
    uploaded: u64,
    seeded_s: u64,
    sharing: Sharing,
}

/// The consequence of the goals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Next {
    /// Continue seeding.
    Seed,
    /// Give no further upload slots.
    EndSlots,
    /// Stop seeding now.
    Rest,
}

/// The uploads of a torrent and the time that it seeded.
#[derive(Debug, Default)]
pub(in crate::torrent) struct Seeding {
    sharing: Sharing,
    /// The goals if the user set none for this torrent.
    goals: Goals,
    /// Bytes uploaded in earlier sessions.
    uploaded_before: u64,
    /// Total time for which it was complete and active, up to `counted`.
    seeded: Duration,
    counted: Instant,
    saved: Instant,
    unsaved: bool,
    /// Whether `sharing` is known: read, or set by the user.
    is_known: bool,
    /// Whether the stored form was read; only then may it be replaced.
    is_read: bool,
    /// When to repeat a failed read.
    read_again: Option<Instant>,
    /// Whether the user wants it to continue although its goals are reached.
    is_forced: bool,
    /// Since when it gives no further slots and is about to stop.
    enough_since: Option<Instant>,
}

impl Seeding {
    /// Sets the user's limits and goals for this torrent.
    pub(in crate::torrent) fn set_sharing(&mut self, sharing: Sharing) {
        (self.sharing, self.is_known, self.is_forced) = (sharing, true, false);
    }

    /// Sets the goals that count if the user set none for this torrent.
    pub(in crate::torrent) fn set_goals(&mut self, goals: Goals) {
        self.goals = goals;
    }

    /// The limits and goals of this torrent.
    pub(in crate::torrent) fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// Whether it has rate limits of its own.
    pub(in crate::torrent) fn has_limits(&self) -> bool {
        self.sharing.down_limit_bps.is_some() || self.sharing.up_limit_bps.is_some()
    }

    /// Whether its limits and goals are known.
    pub(in crate::torrent) fn is_known(&self) -> bool {
        self.is_known
    }

    /// Total bytes uploaded; `now` are those of this session.
    pub(in crate::torrent) fn uploaded(&self, now: u64) -> u64 {
        self.uploaded_before + now
    }

    /// A daemon is connected. Returns whether to read the stored form.
    pub(in crate::torrent) fn link(&mut self, now: Instant) -> bool {
        (self.counted, self.read_again) = (now, None);
        !self.is_read
    }

    /// It continues after inactivity: time counts from now.
    pub(in crate::torrent) fn resume(&mut self, now: Instant) {
        self.counted = now;
    }

    /// Whether to repeat the read of the stored form; true once.
    pub(in crate::torrent) fn take_read_again(&mut self, now: Instant) -> bool {
        self.read_again.take_if(|at| *at <= now).is_some()
    }

    /// The daemon could not read the stored form.
    pub(in crate::torrent) fn read_failed(&mut self, now: Instant) {
        self.read_again = Some(now + READ_AGAIN);
    }

    /// Handles the stored form.
    ///
    /// Values that the user set meanwhile take precedence. Returns whether there is something to
    /// save.
    pub(in crate::torrent) fn read(&mut self, value: Option<&[u8]>) -> bool {
        let stored: Option<Stored> = value.and_then(|value| postcard::from_bytes(value).ok());
        if let Some(stored) = stored.filter(|stored| stored.version == VERSION) {
            self.uploaded_before = stored.uploaded;
            self.seeded += Duration::from_secs(stored.seeded_s);
            if !self.is_known {
                self.sharing = stored.sharing;
            }
        }
        (self.is_known, self.is_read) = (true, true);
        self.unsaved
    }

    /// Counts the time since the last call. `is_seeding` says whether the torrent was complete and
    /// at work.
    pub(in crate::torrent) fn count(&mut self, is_seeding: bool, now: Instant) {
        if is_seeding {
            let passed = now.saturating_since(self.counted);
            self.seeded += passed;
            self.unsaved |= !passed.is_zero();
        }
        self.counted = now;
    }

    /// Whether a save is due.
    pub(in crate::torrent) fn is_save_due(&self, now: Instant) -> bool {
        self.unsaved && now.saturating_since(self.saved) >= SAVE_EVERY
    }

    /// The stored form to save now. `None` before the earlier form was read; the save follows then.
    pub(in crate::torrent) fn save(&mut self, uploaded_now: u64, now: Instant) -> Option<Bytes> {
        if !self.is_read {
            self.unsaved = true;
            return None;
        }
        (self.saved, self.unsaved) = (now, false);
        let stored = Stored {
            version: VERSION,
            uploaded: self.uploaded(uploaded_now),
            seeded_s: self.seeded.as_secs(),
            sharing: self.sharing,
        };
        Some(postcard::to_stdvec(&stored).expect("a struct of numbers has a postcard form").into())
    }

    /// Some bytes were uploaded.
    pub(in crate::torrent) fn note_uploaded(&mut self) {
        self.unsaved = true;
    }

    /// The user wants it to continue although its goals are reached.
    pub(in crate::torrent) fn force(&mut self) {
        self.is_forced = true;
    }

    /// Whether the seeding goals are reached.
    ///
    /// `uploaded_now` are the bytes of this session, `verified` the verified bytes. `is_active`
    /// says whether the time since the last count counts.
    pub(in crate::torrent) fn is_enough(
        &self,
        uploaded_now: u64,
        verified: u64,
        is_active: bool,
        now: Instant,
    ) -> bool {
        // Earlier uploads are unknown until they are read.
        if !self.is_known || self.is_forced {
            return false;
        }
        let seed_s = self.sharing.seed_s.map(|seconds| Duration::from_secs(seconds.into()));
        let goals = Goals {
            ratio_percent: self.sharing.ratio_percent.or(self.goals.ratio_percent),
            seed_time: seed_s.or(self.goals.seed_time),
        };
        let counting = if is_active { now.saturating_since(self.counted) } else { Duration::ZERO };
        goals.are_reached(self.uploaded(uploaded_now), verified, self.seeded + counting)
    }

    /// The consequence of reached goals, once a tick.
    pub(in crate::torrent) fn proceed(&mut self, is_enough: bool, now: Instant) -> Next {
        self.enough_since = is_enough.then(|| self.enough_since.unwrap_or(now));
        match self.enough_since {
            None => Next::Seed,
            Some(since) if now.saturating_since(since) >= FAREWELL => {
                self.enough_since = None;
                Next::Rest
            }
            Some(_) => Next::EndSlots,
        }
    }

    /// Whether peers still get upload slots.
    pub(in crate::torrent) fn offers_slots(&self) -> bool {
        self.enough_since.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

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
    fn either_goal_suffices_and_without_goals_seeding_never_ends() {
        check(None, None, u64::MAX, u64::MAX, false);
        check(Some(150), None, 1499, 0, false);
        check(Some(150), None, 1500, 0, true);
        check(Some(150), Some(60), 0, 59, false);
        check(Some(150), Some(60), 0, 60, true);
        check(Some(0), None, 0, 0, true);
        check(Some(u32::MAX), None, u64::MAX, 0, true);
    }

    #[test]
    fn saved_uploads_are_read_and_added_to_by_the_next_session() {
        let mut first = Seeding::default();
        assert!(first.link(Instant(0)));
        assert!(!first.read(None));
        first.set_sharing(Sharing { up_limit_bps: Some(5), ..Sharing::default() });
        first.count(true, Instant(8 * SECOND));
        assert!(!first.is_save_due(Instant(8 * SECOND)) && first.is_save_due(Instant(30 * SECOND)));
        let value = first.save(7, Instant(30 * SECOND)).expect("it was read");

        let mut second = Seeding::default();
        second.link(Instant(0));
        second.read(Some(&value));
        assert_eq!((second.uploaded(3), second.has_limits()), (10, true));
        second.set_goals(Goals { ratio_percent: None, seed_time: Some(Duration::from_secs(9)) });
        assert!(!second.is_enough(0, 1, false, Instant(SECOND)));
        assert!(second.is_enough(0, 1, true, Instant(SECOND)), "eight seconds before, one now");
    }

    #[test]
    fn nothing_is_saved_before_the_stored_form_was_read() {
        let mut seeding = Seeding::default();
        seeding.link(Instant(0));
        assert_eq!(seeding.save(9, Instant(0)), None);
        seeding.read_failed(Instant(0));
        assert!(!seeding.take_read_again(Instant(SECOND)));
        assert!(seeding.take_read_again(Instant(5 * SECOND)));
        assert!(seeding.read(None), "what could not be saved is to be saved now");
    }

    #[test]
    fn values_set_before_the_stored_form_is_read_stay() {
        let mut earlier = Seeding::default();
        earlier.read(None);
        earlier.set_sharing(Sharing { ratio_percent: Some(200), ..Sharing::default() });
        let value = earlier.save(0, Instant(0)).expect("it was read");
        let mut seeding = Seeding::default();
        seeding.set_sharing(Sharing { ratio_percent: Some(50), ..Sharing::default() });
        seeding.read(Some(&value));
        assert_eq!(seeding.sharing().ratio_percent, Some(50));
    }

    #[test]
    fn reached_goals_end_slots_first_and_seeding_later() {
        let mut seeding = Seeding::default();
        assert_eq!(seeding.proceed(false, Instant(0)), Next::Seed);
        assert_eq!(seeding.proceed(true, Instant(SECOND)), Next::EndSlots);
        assert!(!seeding.offers_slots());
        assert_eq!(seeding.proceed(true, Instant(4 * SECOND)), Next::Rest);
        seeding.read(None);
        seeding.set_goals(Goals { ratio_percent: Some(0), seed_time: None });
        assert!(seeding.is_enough(0, 1, false, Instant(0)));
        seeding.force();
        assert!(!seeding.is_enough(0, 1, false, Instant(0)));
    }
}
