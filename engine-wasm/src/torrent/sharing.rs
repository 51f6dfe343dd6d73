//! A torrent and how much it shares: limits of its own, goals after which it rests, its turn among
//! others, and what it remembers of all this.
//!
//! It rests when it has given enough, or waits for its turn: its peers go, its files stay open for
//! those who read them. What it gave is written down under a key of its own, seldom, and never read
//! but at the beginning.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use shared_proto::io::{OpError, OpOutput};
use shared_proto::{ConnId, EngineMessage, IoCommand};

use super::{Op, Status, Torrent};
use crate::context::Context;
use crate::metainfo::InfoHash;
use crate::queue::{Entry, Work};
use crate::time::Instant;
use crate::view::Sharing;

/// What is given is written down this often.
const SAVE_EVERY: Duration = Duration::from_secs(30);
/// What an earlier engine wrote down is asked for again after this, where the daemon could not read
/// it.
const READ_AGAIN: Duration = Duration::from_secs(5);
/// Between the last slot and the end: what was sent before arrives, which a connection that is
/// closed at once might prevent.
const FAREWELL: Duration = Duration::from_secs(3);
/// The form of what is written down; another one is not read.
const VERSION: u8 = 1;

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
    fn are_reached(self, uploaded: u64, has: u64, seeded: Duration) -> bool {
        let by_ratio = self.ratio_percent.is_some_and(|percent| {
            u128::from(uploaded) * 100 >= u128::from(has) * u128::from(percent)
        });
        by_ratio || self.seed_time.is_some_and(|time| seeded >= time)
    }
}

/// Why a torrent rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Others are before it.
    Queued,
    /// It has given enough.
    Sated,
}

/// What is written down.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Ledger {
    version: u8,
    uploaded: u64,
    seeded_s: u64,
    sharing: Sharing,
}

/// What a torrent remembers of its sharing.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) sharing: Sharing,
    /// Bytes given in earlier sessions.
    pub(super) uploaded_before: u64,
    /// How long it offered everything, ever, as far as it was counted.
    seeded: Duration,
    counted: Instant,
    saved: Instant,
    unsaved: bool,
    is_loaded: bool,
    /// What an earlier engine wrote down is known: only then may something else take its place.
    is_read: bool,
    /// When it is asked for again, where the daemon could not read it.
    read_again: Option<Instant>,
    /// A person wants it to go on although it has given enough.
    insists: bool,
    /// Since when it gives nothing more and is about to rest.
    enough_since: Option<Instant>,
}

/// The key of what is written down.
pub(super) fn key(info_hash: InfoHash) -> String {
    format!("sharing/{info_hash}")
}

impl Torrent {
    /// A person says how it is to share.
    pub(crate) fn set_sharing(&mut self, sharing: Sharing, cx: &mut Context<'_>) {
        self.account.sharing = sharing;
        self.account.insists = false;
        self.account.is_loaded = true;
        self.say_limits(cx);
        let conns: Vec<ConnId> = self.peers.keys().copied().collect();
        conns
            .into_iter()
            .for_each(|conn| cx.order(IoCommand::TcpGroup { conn, group: self.group() }));
        if self.status == Status::Resting(Rest::Sated) && !self.has_given_enough(cx.now) {
            self.wake(cx);
        }
        self.save_sharing(cx);
        cx.changed();
    }

    /// What is usual is other than before, where nothing is said for this torrent.
    pub(super) fn change_goals(&mut self, goals: Goals, cx: &mut Context<'_>) {
        self.set_goals(goals);
        if self.status == Status::Resting(Rest::Sated) && !self.has_given_enough(cx.now) {
            self.wake(cx);
        }
    }

    /// How it shares.
    pub(crate) fn sharing(&self) -> Sharing {
        self.account.sharing
    }

    /// Bytes of payload given, ever.
    pub(super) fn uploaded(&self) -> u64 {
        self.account.uploaded_before + self.giving.uploaded()
    }

    /// The group of the rate limits that its connections are in: its own, where it has limits of
    /// its own.
    pub(super) fn group(&self) -> u32 {
        let Sharing { down_limit_bps, up_limit_bps, .. } = self.account.sharing;
        if down_limit_bps.is_some() || up_limit_bps.is_some() { self.own_group } else { 0 }
    }

    /// Counts a new connection to the torrent's group.
    pub(super) fn join_group(&self, conn: ConnId, cx: &mut Context<'_>) {
        if self.group() != 0 {
            cx.order(IoCommand::TcpGroup { conn, group: self.group() });
        }
    }

    /// Bytes a second that it may give.
    pub(super) fn upload_limit(&self, cx: &Context<'_>) -> Option<u64> {
        [cx.shared.upload_limit_bps, self.account.sharing.up_limit_bps].into_iter().flatten().min()
    }

    /// A daemon is there: it hears the limits, and is asked what was written down.
    pub(super) fn link_sharing(&mut self, cx: &mut Context<'_>) {
        self.account.counted = cx.now;
        if self.account.is_loaded {
            self.say_limits(cx);
        }
        if !self.account.is_read {
            self.load_sharing(cx);
        }
    }

    fn load_sharing(&mut self, cx: &mut Context<'_>) {
        self.account.read_again = None;
        let key = key(self.meta.info_hash);
        self.ask(Op::LoadSharing, cx, |op| IoCommand::KvGet { op, key });
    }

    /// What an earlier engine wrote down. A person who was quicker has the last word.
    pub(super) fn loaded_sharing(
        &mut self,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let Ok(OpOutput::Value(value)) = result else {
            self.account.read_again = Some(cx.now + READ_AGAIN);
            return;
        };
        let ledger: Option<Ledger> = value.and_then(|value| postcard::from_bytes(&value).ok());
        if let Some(ledger) = ledger.filter(|ledger| ledger.version == VERSION) {
            self.account.uploaded_before = ledger.uploaded;
            self.account.seeded += Duration::from_secs(ledger.seeded_s);
            if !self.account.is_loaded {
                self.account.sharing = ledger.sharing;
            }
        }
        (self.account.is_loaded, self.account.is_read) = (true, true);
        if self.account.unsaved {
            self.save_sharing(cx);
        }
        self.say_limits(cx);
        for conn in self.peers.keys().copied().collect::<Vec<_>>() {
            self.join_group(conn, cx);
        }
        cx.changed();
    }

    fn say_limits(&self, cx: &mut Context<'_>) {
        let Sharing { down_limit_bps: down_bps, up_limit_bps: up_bps, .. } = self.account.sharing;
        if self.group() != 0 {
            cx.say(EngineMessage::RateLimit { group: self.own_group, down_bps, up_bps });
        }
    }

    /// Once a tick: time is counted, and it rests when it has given enough.
    pub(super) fn tend_sharing(&mut self, cx: &mut Context<'_>) {
        if self.is_running() && self.is_done() {
            let passed = cx.now.saturating_since(self.account.counted);
            self.account.seeded += passed;
            self.account.unsaved |= !passed.is_zero();
        }
        self.account.counted = cx.now;
        if self.account.read_again.is_some_and(|at| at <= cx.now) {
            self.load_sharing(cx);
        }
        if self.account.unsaved && cx.now.saturating_since(self.account.saved) >= SAVE_EVERY {
            self.save_sharing(cx);
        }
        let is_idle = self.is_done() && self.checking == 0 && !self.needs_peers();
        let enough = self.is_running() && is_idle && self.has_given_enough(cx.now);
        self.account.enough_since = enough.then(|| self.account.enough_since.unwrap_or(cx.now));
        match self.account.enough_since {
            Some(since) if cx.now.saturating_since(since) >= FAREWELL => {
                tracing::info!(torrent = %self.meta.info_hash, "has given enough");
                self.account.enough_since = None;
                self.rest(Rest::Sated, cx);
            }
            Some(_) => self.choose(cx),
            None => {}
        }
    }

    /// Whether anybody is to get a slot.
    pub(super) fn gives_slots(&self) -> bool {
        self.account.enough_since.is_none()
    }

    /// Something was given; it may have been enough.
    pub(super) fn note_given(&mut self, now: Instant) {
        self.account.unsaved = true;
        if self.account.enough_since.is_none() && self.is_done() && self.has_given_enough(now) {
            self.next_tick = now;
        }
    }

    fn has_given_enough(&self, now: Instant) -> bool {
        let Sharing { ratio_percent, seed_s, .. } = self.account.sharing;
        let goals = Goals {
            ratio_percent: ratio_percent.or(self.goals.ratio_percent),
            seed_time: seed_s
                .map(|seconds| Duration::from_secs(seconds.into()))
                .or(self.goals.seed_time),
        };
        let counting = if self.is_running() {
            now.saturating_since(self.account.counted)
        } else {
            Duration::ZERO
        };
        let seeded = self.account.seeded + counting;
        // What was given before is not known before it is read.
        let knows = self.account.is_loaded;
        knows
            && !self.account.insists
            && goals.are_reached(self.uploaded(), self.pieces.verified_bytes(), seeded)
    }

    /// What it is waiting to do, or doing; `None` while it has nothing to do with the queue.
    pub(crate) fn queue_entry(&self) -> Option<Entry> {
        let is_busy_with_the_disk =
            self.checking > 0 || self.pieces.unchecked().first_set().is_some();
        let at_work = self.status == Status::Running && !is_busy_with_the_disk;
        // What waits for a person's word takes nobody's turn: it fetches next to nothing.
        if (!at_work && self.status != Status::Resting(Rest::Queued)) || self.is_undecided() {
            return None;
        }
        let work = if self.is_done() { Work::Give } else { Work::Fetch };
        Some(Entry {
            rank: self.added,
            torrent: self.meta.info_hash,
            work,
            watched: self.desk.is_watched(),
        })
    }

    /// Whether it is at work.
    pub(crate) fn is_at_work(&self) -> bool {
        self.is_running()
    }

    /// It is its turn, or no longer.
    pub(crate) fn take_turn(&mut self, turn: bool, cx: &mut Context<'_>) {
        match (turn, &self.status) {
            (true, Status::Resting(Rest::Queued)) => self.wake(cx),
            (false, Status::Running) => self.rest(Rest::Queued, cx),
            _ => {}
        }
    }

    /// A person wants it to go on although it rests. True when it does.
    pub(super) fn insist(&mut self, cx: &mut Context<'_>) -> bool {
        if self.status != Status::Resting(Rest::Sated) {
            return false;
        }
        self.account.insists = true;
        self.wake(cx);
        true
    }

    /// Goes on after a rest.
    pub(super) fn wake(&mut self, cx: &mut Context<'_>) {
        if matches!(self.status, Status::Resting(_)) {
            self.status = Status::Running;
            self.account.counted = cx.now;
            self.next_tick = cx.now;
            self.wants_are_stale = true;
            self.begin(cx);
            cx.changed();
        }
    }

    fn rest(&mut self, why: Rest, cx: &mut Context<'_>) {
        self.stop(Status::Resting(why), cx);
        self.save_sharing(cx);
    }

    pub(super) fn save_sharing(&mut self, cx: &mut Context<'_>) {
        if !self.account.is_read {
            // It would take the place of what was counted before.
            self.account.unsaved = true;
            return;
        }
        (self.account.saved, self.account.unsaved) = (cx.now, false);
        let ledger = Ledger {
            version: VERSION,
            uploaded: self.uploaded(),
            seeded_s: self.account.seeded.as_secs(),
            sharing: self.account.sharing,
        };
        let key = key(self.meta.info_hash);
        let value =
            Bytes::from(postcard::to_stdvec(&ledger).expect("a ledger has a postcard form"));
        cx.write(key, Some(value));
    }
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
        let ledger = Ledger { version: VERSION, uploaded: 7, seeded_s: 8, sharing };
        let bytes = postcard::to_stdvec(&ledger).unwrap();
        assert_eq!(postcard::from_bytes::<Ledger>(&bytes).unwrap(), ledger);
    }
}
