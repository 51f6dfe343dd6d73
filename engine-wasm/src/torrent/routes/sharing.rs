//! A torrent and how much it shares: limits of its own, goals after which it rests, its turn among
//! others, and what it remembers of all this.
//!
//! It rests when it has given enough, or waits for its turn: its peers go, its files stay open for
//! those who read them. What it gave is written down under a key of its own, seldom, and never read
//! but at the beginning.

use crate::torrent::account::sharing::Goals;
use crate::torrent::account::sharing::Rest;
use crate::torrent::account::sharing::VERSION;
use crate::torrent::account::sharing::{Totals, key};
use std::time::Duration;

use bytes::Bytes;
use shared_proto::io::{OpError, OpOutput};
use shared_proto::{ConnId, EngineMessage, IoCommand};

use crate::context::Context;
use crate::queue::{Entry, Work};
use crate::time::Instant;
use crate::torrent::Status;
use crate::torrent::Torrent;
use crate::torrent::ops::Op;
use crate::view::Sharing;

/// What is given is written down this often.
const SAVE_EVERY: Duration = Duration::from_secs(30);
/// What an earlier engine wrote down is asked for again after this, where the daemon could not read
/// it.
const READ_AGAIN: Duration = Duration::from_secs(5);
/// Between the last slot and the end: what was sent before arrives, which a connection that is
/// closed at once might prevent.
const FAREWELL: Duration = Duration::from_secs(3);

impl Torrent {
    /// A person says how it is to share.
    pub(crate) fn set_sharing(&mut self, sharing: Sharing, cx: &mut Context<'_>) {
        self.account.sharing.sharing = sharing;
        self.account.sharing.insists = false;
        self.account.sharing.is_loaded = true;
        self.say_limits(cx);
        let conns: Vec<ConnId> = self.swarm.peers.keys().copied().collect();
        conns
            .into_iter()
            .for_each(|conn| cx.order(IoCommand::TcpGroup { conn, group: self.group() }));
        if self.life.status == Status::Resting(Rest::Sated) && !self.has_given_enough(cx.now) {
            self.wake(cx);
        }
        self.save_sharing(cx);
        cx.changed();
    }

    /// What is usual is other than before, where nothing is said for this torrent.
    pub(in crate::torrent) fn change_goals(&mut self, goals: Goals, cx: &mut Context<'_>) {
        self.set_goals(goals);
        if self.life.status == Status::Resting(Rest::Sated) && !self.has_given_enough(cx.now) {
            self.wake(cx);
        }
    }

    /// How it shares.
    pub(crate) fn sharing(&self) -> Sharing {
        self.account.sharing.sharing
    }

    /// Bytes of payload given, ever.
    pub(in crate::torrent) fn uploaded(&self) -> u64 {
        self.account.sharing.uploaded_before + self.swarm.giving.uploaded()
    }

    /// The group of the rate limits that its connections are in: its own, where it has limits of
    /// its own.
    pub(in crate::torrent) fn group(&self) -> u32 {
        let Sharing { down_limit_bps, up_limit_bps, .. } = self.account.sharing.sharing;
        if down_limit_bps.is_some() || up_limit_bps.is_some() { self.swarm.own_group } else { 0 }
    }

    /// Counts a new connection to the torrent's group.
    pub(in crate::torrent) fn join_group(&self, conn: ConnId, cx: &mut Context<'_>) {
        if self.group() != 0 {
            cx.order(IoCommand::TcpGroup { conn, group: self.group() });
        }
    }

    /// Bytes a second that it may give.
    pub(in crate::torrent) fn upload_limit(&self, cx: &Context<'_>) -> Option<u64> {
        [cx.shared.upload_limit_bps, self.account.sharing.sharing.up_limit_bps]
            .into_iter()
            .flatten()
            .min()
    }

    /// A daemon is there: it hears the limits, and is asked what was written down.
    pub(in crate::torrent) fn link_sharing(&mut self, cx: &mut Context<'_>) {
        self.account.sharing.counted = cx.now;
        if self.account.sharing.is_loaded {
            self.say_limits(cx);
        }
        if !self.account.sharing.is_read {
            self.load_sharing(cx);
        }
    }

    fn load_sharing(&mut self, cx: &mut Context<'_>) {
        self.account.sharing.read_again = None;
        let key = key(self.content.meta.info_hash);
        self.ask(Op::LoadSharing, cx, |op| IoCommand::KvGet { op, key });
    }

    /// What an earlier engine wrote down. A person who was quicker has the last word.
    pub(in crate::torrent) fn loaded_sharing(
        &mut self,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let Ok(OpOutput::Value(value)) = result else {
            self.account.sharing.read_again = Some(cx.now + READ_AGAIN);
            return;
        };
        let ledger: Option<Totals> = value.and_then(|value| postcard::from_bytes(&value).ok());
        if let Some(ledger) = ledger.filter(|ledger| ledger.version == VERSION) {
            self.account.sharing.uploaded_before = ledger.uploaded;
            self.account.sharing.seeded += Duration::from_secs(ledger.seeded_s);
            if !self.account.sharing.is_loaded {
                self.account.sharing.sharing = ledger.sharing;
            }
        }
        (self.account.sharing.is_loaded, self.account.sharing.is_read) = (true, true);
        if self.account.sharing.unsaved {
            self.save_sharing(cx);
        }
        self.say_limits(cx);
        for conn in self.swarm.peers.keys().copied().collect::<Vec<_>>() {
            self.join_group(conn, cx);
        }
        cx.changed();
    }

    fn say_limits(&self, cx: &mut Context<'_>) {
        let Sharing { down_limit_bps: down_bps, up_limit_bps: up_bps, .. } =
            self.account.sharing.sharing;
        if self.group() != 0 {
            cx.say(EngineMessage::RateLimit { group: self.swarm.own_group, down_bps, up_bps });
        }
    }

    /// Once a tick: time is counted, and it rests when it has given enough.
    pub(in crate::torrent) fn tend_sharing(&mut self, cx: &mut Context<'_>) {
        if self.is_running() && self.is_done() {
            let passed = cx.now.saturating_since(self.account.sharing.counted);
            self.account.sharing.seeded += passed;
            self.account.sharing.unsaved |= !passed.is_zero();
        }
        self.account.sharing.counted = cx.now;
        if self.account.sharing.read_again.is_some_and(|at| at <= cx.now) {
            self.load_sharing(cx);
        }
        if self.account.sharing.unsaved
            && cx.now.saturating_since(self.account.sharing.saved) >= SAVE_EVERY
        {
            self.save_sharing(cx);
        }
        let is_idle = self.is_done() && self.ledger.checks_underway() == 0 && !self.needs_peers();
        let enough = self.is_running() && is_idle && self.has_given_enough(cx.now);
        self.account.sharing.enough_since =
            enough.then(|| self.account.sharing.enough_since.unwrap_or(cx.now));
        match self.account.sharing.enough_since {
            Some(since) if cx.now.saturating_since(since) >= FAREWELL => {
                tracing::info!(torrent = %self.content.meta.info_hash, "has given enough");
                self.account.sharing.enough_since = None;
                self.rest(Rest::Sated, cx);
            }
            Some(_) => self.choose(cx),
            None => {}
        }
    }

    /// Whether anybody is to get a slot.
    pub(in crate::torrent) fn gives_slots(&self) -> bool {
        self.account.sharing.enough_since.is_none()
    }

    /// Something was given; it may have been enough.
    pub(in crate::torrent) fn note_given(&mut self, now: Instant) {
        self.account.sharing.unsaved = true;
        if self.account.sharing.enough_since.is_none()
            && self.is_done()
            && self.has_given_enough(now)
        {
            self.next_tick = now;
        }
    }

    fn has_given_enough(&self, now: Instant) -> bool {
        let Sharing { ratio_percent, seed_s, .. } = self.account.sharing.sharing;
        let goals = Goals {
            ratio_percent: ratio_percent.or(self.account.goals.ratio_percent),
            seed_time: seed_s
                .map(|seconds| Duration::from_secs(seconds.into()))
                .or(self.account.goals.seed_time),
        };
        let counting = if self.is_running() {
            now.saturating_since(self.account.sharing.counted)
        } else {
            Duration::ZERO
        };
        let seeded = self.account.sharing.seeded + counting;
        // What was given before is not known before it is read.
        let knows = self.account.sharing.is_loaded;
        knows
            && !self.account.sharing.insists
            && goals.are_reached(self.uploaded(), self.ledger.pieces().verified_bytes(), seeded)
    }

    /// What it is waiting to do, or doing; `None` while it has nothing to do with the queue.
    pub(crate) fn queue_entry(&self) -> Option<Entry> {
        let is_busy_with_the_disk = self.ledger.checks_underway() > 0
            || self.ledger.pieces().unchecked().first_set().is_some();
        let at_work = self.life.status == Status::Running && !is_busy_with_the_disk;
        // What waits for a person's word takes nobody's turn: it fetches next to nothing.
        if (!at_work && self.life.status != Status::Resting(Rest::Queued)) || self.is_undecided() {
            return None;
        }
        let work = if self.is_done() { Work::Give } else { Work::Fetch };
        Some(Entry {
            rank: self.content.added,
            torrent: self.content.meta.info_hash,
            work,
            watched: self.watch.desk().is_watched(),
        })
    }

    /// Whether it is at work.
    pub(crate) fn is_at_work(&self) -> bool {
        self.is_running()
    }

    /// It is its turn, or no longer.
    pub(crate) fn take_turn(&mut self, turn: bool, cx: &mut Context<'_>) {
        match (turn, &self.life.status) {
            (true, Status::Resting(Rest::Queued)) => self.wake(cx),
            (false, Status::Running) => self.rest(Rest::Queued, cx),
            _ => {}
        }
    }

    /// A person wants it to go on although it rests. True when it does.
    pub(in crate::torrent) fn insist(&mut self, cx: &mut Context<'_>) -> bool {
        if self.life.status != Status::Resting(Rest::Sated) {
            return false;
        }
        self.account.sharing.insists = true;
        self.wake(cx);
        true
    }

    /// Goes on after a rest.
    pub(in crate::torrent) fn wake(&mut self, cx: &mut Context<'_>) {
        if matches!(self.life.status, Status::Resting(_)) {
            self.life.status = Status::Running;
            self.account.sharing.counted = cx.now;
            self.next_tick = cx.now;
            self.fetch.wants_are_stale = true;
            self.begin(cx);
            cx.changed();
        }
    }

    fn rest(&mut self, why: Rest, cx: &mut Context<'_>) {
        self.stop(Status::Resting(why), cx);
        self.save_sharing(cx);
    }

    pub(in crate::torrent) fn save_sharing(&mut self, cx: &mut Context<'_>) {
        if !self.account.sharing.is_read {
            // It would take the place of what was counted before.
            self.account.sharing.unsaved = true;
            return;
        }
        (self.account.sharing.saved, self.account.sharing.unsaved) = (cx.now, false);
        let ledger = Totals {
            version: VERSION,
            uploaded: self.uploaded(),
            seeded_s: self.account.sharing.seeded.as_secs(),
            sharing: self.account.sharing.sharing,
        };
        let key = key(self.content.meta.info_hash);
        let value =
            Bytes::from(postcard::to_stdvec(&ledger).expect("a ledger has a postcard form"));
        cx.write(key, Some(value));
    }
}
