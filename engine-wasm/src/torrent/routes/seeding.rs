//! Seeding: the limits and goals of a torrent, and its turn in the queue.
//!
//! A torrent becomes inactive when it has seeded enough or waits for its turn: its peers are
//! disconnected, and its files stay open for viewers.

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{ConnId, EngineMessage, IoCommand};

use crate::context::Context;
use crate::queue::{Entry, Work};
use crate::time::Instant;
use crate::torrent::account::seeding::{Goals, Next, key};
use crate::torrent::ops::Op;
use crate::torrent::{Rest, Status, Torrent};
use crate::view::Sharing;

impl Torrent {
    /// Sets the user's limits and goals for this torrent.
    pub(crate) fn set_sharing(&mut self, sharing: Sharing, cx: &mut Context<'_>) {
        self.account.seeding.set_sharing(sharing);
        self.send_limits(cx);
        self.swarm
            .conns()
            .into_iter()
            .for_each(|conn| cx.order(IoCommand::TcpGroup { conn, group: self.group() }));
        if self.life.status == Status::Resting(Rest::Sated) && !self.has_given_enough(cx.now) {
            self.wake(cx);
        }
        self.save_sharing(cx);
        cx.changed();
    }

    /// Changes the goals that count if the user set none for this torrent.
    pub(in crate::torrent) fn change_goals(&mut self, goals: Goals, cx: &mut Context<'_>) {
        self.set_goals(goals);
        if self.life.status == Status::Resting(Rest::Sated) && !self.has_given_enough(cx.now) {
            self.wake(cx);
        }
    }

    /// Its limits and goals.
    pub(crate) fn sharing(&self) -> Sharing {
        self.account.seeding.sharing()
    }

    /// Total bytes of payload uploaded.
    pub(in crate::torrent) fn uploaded(&self) -> u64 {
        self.account.seeding.uploaded(self.swarm.uploaded())
    }

    /// The rate-limit group of its connections: its own, if it has limits of its own.
    pub(in crate::torrent) fn group(&self) -> u32 {
        if self.account.seeding.has_limits() { self.swarm.own_group() } else { 0 }
    }

    /// Adds a new connection to the torrent's rate-limit group.
    pub(in crate::torrent) fn join_group(&self, conn: ConnId, cx: &mut Context<'_>) {
        if self.group() != 0 {
            cx.order(IoCommand::TcpGroup { conn, group: self.group() });
        }
    }

    /// Its upload limit, in bytes per second.
    pub(in crate::torrent) fn upload_limit(&self, cx: &Context<'_>) -> Option<u64> {
        [cx.shared.upload_limit_bps, self.sharing().up_limit_bps].into_iter().flatten().min()
    }

    /// A daemon is connected: sends the limits, and reads the stored totals.
    pub(in crate::torrent) fn link_sharing(&mut self, cx: &mut Context<'_>) {
        let is_unread = self.account.seeding.link(cx.now);
        if self.account.seeding.is_known() {
            self.send_limits(cx);
        }
        if is_unread {
            self.load_sharing(cx);
        }
    }

    fn load_sharing(&mut self, cx: &mut Context<'_>) {
        let key = key(self.content.meta.info_hash);
        self.ask(Op::LoadSharing, cx, |op| IoCommand::KvGet { op, key });
    }

    /// Handles the stored totals of an earlier engine.
    pub(in crate::torrent) fn loaded_sharing(
        &mut self,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        let Ok(OpOutput::Value(value)) = result else {
            return self.account.seeding.read_failed(cx.now);
        };
        if self.account.seeding.read(value.as_deref()) {
            self.save_sharing(cx);
        }
        self.send_limits(cx);
        for conn in self.swarm.conns() {
            self.join_group(conn, cx);
        }
        cx.changed();
    }

    fn send_limits(&self, cx: &mut Context<'_>) {
        let Sharing { down_limit_bps: down_bps, up_limit_bps: up_bps, .. } = self.sharing();
        if self.group() != 0 {
            cx.send_control(EngineMessage::RateLimit {
                group: self.swarm.own_group(),
                down_bps,
                up_bps,
            });
        }
    }

    /// Once a tick: counts time, and stops seeding when the goals are reached.
    pub(in crate::torrent) fn maintain_sharing(&mut self, cx: &mut Context<'_>) {
        self.account.seeding.count(self.is_running() && self.is_done(), cx.now);
        if self.account.seeding.take_read_again(cx.now) {
            self.load_sharing(cx);
        }
        if self.account.seeding.is_save_due(cx.now) {
            self.save_sharing(cx);
        }
        let is_idle = self.is_done() && self.ledger.checks_underway() == 0 && !self.needs_peers();
        let is_enough = self.is_running() && is_idle && self.has_given_enough(cx.now);
        match self.account.seeding.proceed(is_enough, cx.now) {
            Next::Seed => {}
            Next::EndSlots => self.choose(cx),
            Next::Rest => {
                tracing::info!(torrent = %self.content.meta.info_hash, "seeding goals reached");
                self.rest(Rest::Sated, cx);
            }
        }
    }

    /// Whether any peer gets an upload slot.
    pub(in crate::torrent) fn offers_slots(&self) -> bool {
        self.account.seeding.offers_slots()
    }

    /// Bytes were uploaded; the goals may now be reached.
    pub(in crate::torrent) fn note_uploaded(&mut self, now: Instant) {
        self.account.seeding.note_uploaded();
        if self.offers_slots() && self.is_done() && self.has_given_enough(now) {
            self.next_tick = now;
        }
    }

    fn has_given_enough(&self, now: Instant) -> bool {
        let (uploaded, verified) = (self.swarm.uploaded(), self.ledger.pieces().verified_bytes());
        self.account.seeding.is_enough(uploaded, verified, self.is_running(), now)
    }

    /// Its work in the queue; `None` if it needs no turn.
    pub(crate) fn queue_entry(&self) -> Option<Entry> {
        let is_busy_with_the_disk = self.ledger.checks_underway() > 0
            || self.ledger.pieces().unchecked().first_set().is_some();
        let at_work = self.life.status == Status::Running && !is_busy_with_the_disk;
        // A torrent that waits for the user's decision takes no place: it downloads almost nothing.
        if (!at_work && self.life.status != Status::Resting(Rest::Queued)) || self.is_undecided() {
            return None;
        }
        let work = if self.is_done() { Work::Seed } else { Work::Download };
        Some(Entry {
            rank: self.content.added,
            torrent: self.content.meta.info_hash,
            work,
            watched: self.watch.desk().is_watched(),
        })
    }

    /// Whether it is active.
    pub(crate) fn is_active(&self) -> bool {
        self.is_running()
    }

    /// Starts or ends its turn in the queue.
    pub(crate) fn take_turn(&mut self, turn: bool, cx: &mut Context<'_>) {
        match (turn, &self.life.status) {
            (true, Status::Resting(Rest::Queued)) => self.wake(cx),
            (false, Status::Running) => self.rest(Rest::Queued, cx),
            _ => {}
        }
    }

    /// The user wants it to continue although its goals are reached. Returns whether it does.
    pub(in crate::torrent) fn force_seeding(&mut self, cx: &mut Context<'_>) -> bool {
        if self.life.status != Status::Resting(Rest::Sated) {
            return false;
        }
        self.account.seeding.force();
        self.wake(cx);
        true
    }

    /// Continues after inactivity.
    pub(in crate::torrent) fn wake(&mut self, cx: &mut Context<'_>) {
        if matches!(self.life.status, Status::Resting(_)) {
            self.life.status = Status::Running;
            self.account.seeding.resume(cx.now);
            self.next_tick = cx.now;
            self.fetch.invalidate();
            self.begin(cx);
            cx.changed();
        }
    }

    fn rest(&mut self, why: Rest, cx: &mut Context<'_>) {
        self.stop(Status::Resting(why), cx);
        self.save_sharing(cx);
    }

    pub(in crate::torrent) fn save_sharing(&mut self, cx: &mut Context<'_>) {
        let uploaded = self.swarm.uploaded();
        if let Some(value) = self.account.seeding.save(uploaded, cx.now) {
            cx.write(key(self.content.meta.info_hash), Some(value));
        }
    }
}
