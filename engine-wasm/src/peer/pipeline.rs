//! The outstanding requests to one peer: how many to send, and when their blocks are expected.
//!
//! Knows no messages and no connection. Only blocks that were requested count: an unrequested block
//! changes nothing but its own count. Invariant: a peer snubs us from the time at which it owed
//! blocks and sent none for [`SNUB_AFTER`], until its next requested block.

use std::time::Duration;

use super::debt::Debt;
use super::pipe::Pipe;
use super::rate::{RateMeter, ReplyTime};
use super::requests::Requests;
use super::unchokes::Unchokes;
use crate::geometry::{BLOCK_LENGTH, Block};
use crate::limits;
use crate::time::Instant;

/// How much to request in advance without a viewer. The amount is a time at the peer's rate.
const HORIZON: Duration = Duration::from_secs(3);
/// Minimum number of outstanding requests with a viewer.
const LEAST_WATCHED: u32 = limits::FIRST_REQUESTS;
/// The rate to assume before one is known, bytes per second.
const ASSUMED_RATE_BPS: u64 = 512 << 10;
/// Silence after which a peer that owes blocks snubs us. Its blocks are requested from others.
const SNUB_AFTER: Duration = Duration::from_secs(10);
/// Minimum time after which an unanswered request counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(2);
/// Unrequested blocks that are ignored before the peer counts as flooding.
const MOST_UNREQUESTED: u32 = 256;

/// What a peer's record says about its next block. The best comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// It has sent requested blocks.
    Proven,
    /// It has sent no requested block yet.
    New,
    /// It owes blocks and has sent none for unusually long.
    Snubbing,
}

/// The outstanding requests to one peer, and the rate of its replies.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// The number of requests that the peer accepts.
    reqq: u32,
    requests: Requests,
    received_blocks: u32,
    received_bytes: u64,
    /// Blocks that came without a request.
    unrequested: u32,
    /// The rate at which blocks arrive.
    rate: RateMeter,
    /// The same without the times at which the peer owed nothing: what it can send.
    capacity: RateMeter,
    reply: ReplyTime,
    /// The time from our handshake to the peer's, if the peer answered ours.
    round_trip: Duration,
    pipe: Pipe,
    last_block: Instant,
    debt: Debt,
    snubbed: bool,
    /// Whether the peer lost all requests by being silent for unusually long, until its next block.
    stalled: bool,
    unchokes: Unchokes,
    /// When [`Pipeline::has_pause_ended`] was last called.
    looked: Instant,
}

impl Pipeline {
    /// Creates a pipeline without requests.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            reqq: limits::DEFAULT_REQQ,
            requests: Requests::default(),
            received_blocks: 0,
            received_bytes: 0,
            unrequested: 0,
            rate: RateMeter::new(now),
            capacity: RateMeter::new(now),
            reply: ReplyTime::default(),
            round_trip: Duration::MAX,
            pipe: Pipe::new(now),
            last_block: now,
            debt: Debt::new(now),
            snubbed: false,
            stalled: false,
            unchokes: Unchokes::new(now),
            looked: now,
        }
    }

    /// Sets the number of requests that the peer accepts. `None`, as the peer sends no number,
    /// changes nothing.
    pub(super) fn set_reqq(&mut self, reqq: Option<u32>) {
        self.reqq = reqq.unwrap_or(self.reqq).clamp(1, limits::MAX_REQQ);
    }

    /// Sets the time from our handshake to the peer's.
    pub(super) fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// Records a request whose block is expected after `eta`.
    pub(super) fn ask(&mut self, block: Block, eta: Duration, now: Instant) {
        if self.requests.live() == 0 {
            self.last_block = now;
        }
        self.requests.ask(block, now + eta, now);
        self.unchokes.asked();
        self.settle(false, now);
    }

    /// Returns whether a block may be requested now. Soon after a `cancel` or a rejection it may
    /// not.
    pub(super) fn may_ask(&self, block: Block, now: Instant) -> bool {
        self.requests.may_ask(block, now)
    }

    /// Cancels a request that is no longer needed. Returns false if there is none.
    pub(super) fn cancel(&mut self, block: Block, now: Instant) -> bool {
        let is_cancelled = self.requests.cancel(block, now);
        self.settle(false, now);
        is_cancelled
    }

    /// Cancels a request because the peer did not answer it. Returns false if there is none.
    pub(super) fn give_up(&mut self, block: Block, now: Instant) -> bool {
        let is_cancelled = self.requests.cancel(block, now);
        self.settle(true, now);
        is_cancelled
    }

    /// Records that another peer has sent a block, after its cancellation here.
    pub(super) fn disarm(&mut self, block: Block) {
        self.requests.disarm(block);
    }

    /// Records the arrival of a block of `length` bytes. An unrequested one is only counted.
    ///
    /// Returns whether the peer would send it a second time, so that the request has to be
    /// cancelled.
    pub(super) fn received(&mut self, block: Block, length: u32, now: Instant) -> bool {
        let Some(received) = self.requests.received(block) else {
            self.unrequested = self.unrequested.saturating_add(1);
            return false;
        };
        let silent = now.saturating_since(self.last_block);
        self.last_block = now;
        (self.snubbed, self.stalled) = (false, false);
        self.unchokes.received();
        self.settle(false, now);
        self.debt.restart(now);
        self.rate.add(u64::from(length), now);
        self.capacity.add(u64::from(length), now);
        self.received_bytes += u64::from(length);
        self.received_blocks = self.received_blocks.saturating_add(1);
        let took = now.saturating_since(received.asked_at);
        self.reply.add(took);
        // Ignore silence before the request was sent, plus one round trip. The fastest reply alone
        // is no measure, because that block may have waited at the peer as well.
        let silent = silent.min(took.saturating_sub(self.round_trip.min(self.reply.min())));
        self.pipe.received(silent, self.block_time(now), now);
        received.comes_again
    }

    /// Records that the peer unchoked us. It must have choked us before.
    pub(super) fn unchoked(&mut self) {
        self.unchokes.begin();
    }

    /// Records that the peer chokes us. It must not have choked us before.
    ///
    /// If it `drops` its requests, returns those that the daemon would write.
    pub(super) fn choked(&mut self, drops: bool, now: Instant) -> Vec<Block> {
        self.unchokes.end(now);
        let dropped = if drops { self.requests.forget_all() } else { Vec::new() };
        self.settle(true, now);
        dropped
    }

    /// Records that the peer rejects a request. Returns whether the request had not been cancelled.
    ///
    /// A peer that does not choke us is not asked for the block again at once.
    pub(super) fn rejected(&mut self, block: Block, is_choked: bool, now: Instant) -> bool {
        let is_live = self.requests.rejected(block, !is_choked, now);
        self.settle(true, now);
        is_live
    }

    /// Forgets the requests that were cancelled long ago, and returns their blocks.
    pub(super) fn forget_late(&mut self, now: Instant) -> Vec<Block> {
        self.requests.forget_late(now)
    }

    /// Returns the requests that the peer has lost: it answered later ones, or is silent for longer
    /// than usual. A silent peer gets one request at a time until its next block.
    ///
    /// A peer without a reply so far is given [`SNUB_AFTER`].
    pub(super) fn lost(&mut self, now: Instant) -> Vec<Block> {
        let patience = LOST_AFTER.max(self.reply.usual() * 4);
        let is_silent = self.standing() == Standing::Proven && self.debt.silent_for(now) > patience;
        let lost = self.requests.lost(patience, is_silent, now);
        self.stalled |= is_silent && !lost.is_empty();
        lost
    }

    /// Returns whether something may be requested that was held back at the last call.
    pub(super) fn has_pause_ended(&mut self, now: Instant) -> bool {
        let since = std::mem::replace(&mut self.looked, now);
        self.unchokes.has_hold_ended(since, now) || self.requests.has_pause_ended(since, now)
    }

    /// Notes whether the peer owes blocks now. `counts` says whether the time for which it owed
    /// blocks counts against it if it owes none any more.
    fn settle(&mut self, counts: bool, now: Instant) {
        if self.requests.live() == 0 {
            self.debt.owes_nothing(counts, now);
        } else if let Some(pause) = self.debt.owes(now) {
            self.capacity.skip(pause);
        }
    }

    /// Returns the blocks whose requests are not cancelled.
    pub(super) fn live_blocks(&self) -> impl Iterator<Item = Block> + '_ {
        self.requests.live_blocks()
    }

    /// Returns all blocks that the peer may still send.
    pub(super) fn armed_blocks(&self) -> impl Iterator<Item = Block> + '_ {
        self.requests.blocks()
    }

    /// Returns when a requested block is expected.
    pub(super) fn expected(&self, block: Block) -> Option<Instant> {
        self.requests.expected(block)
    }

    /// Returns how long after its expected time a block counts as late.
    pub(super) fn slack(&self) -> Duration {
        self.reply.slack()
    }

    /// Returns how long one more block would take: `rttMin + (outstanding + block) / rate`.
    ///
    /// The rate is that at which the peer sends while it owes blocks. The silence of a peer that
    /// has not sent anything is added.
    pub(super) fn eta(&self, now: Instant) -> Duration {
        let bytes = u64::from(self.requests.live() + 1) * u64::from(BLOCK_LENGTH);
        let rate = self.capacity_bps(now).map_or(ASSUMED_RATE_BPS, |rate| rate.max(1 << 10));
        let eta = self.reply.min() + Duration::from_micros(bytes.saturating_mul(1_000_000) / rate);
        match self.standing() {
            Standing::Proven => eta,
            Standing::New => eta + self.debt.silent_for(now),
            Standing::Snubbing => eta + SNUB_AFTER,
        }
    }

    /// Returns what the peer can send, in bytes per second; `None` if that is unknown.
    fn capacity_bps(&self, now: Instant) -> Option<u64> {
        let at = self.debt.last_owed(now);
        self.capacity.is_settled(at).then(|| self.capacity.rate_bps(at))
    }

    /// Returns what the peer's record says about its next block.
    pub(super) fn standing(&self) -> Standing {
        if self.snubbed || self.stalled {
            Standing::Snubbing
        } else if self.received_blocks == 0 {
            Standing::New
        } else {
            Standing::Proven
        }
    }

    /// Returns how many more blocks to request.
    ///
    /// With a viewer, no more is requested than keeps the peer's line busy ([`Pipe`]). A seek waits
    /// behind everything that the peer has begun to send, and no `cancel` stops that.
    pub(super) fn room(&self, watched: bool, now: Instant) -> u32 {
        if self.unchokes.is_held(now) || self.requests.due() >= limits::ARMED_PER_PEER {
            return 0;
        }
        if self.standing() == Standing::Snubbing {
            return u32::from(self.requests.live() == 0);
        }
        let grown = limits::FIRST_REQUESTS.saturating_add(self.received_blocks);
        let depth = if let Some(rate) = self.capacity_bps(now) {
            let (horizon, least) = if watched {
                (self.pipe.horizon(self.reply.min()), LEAST_WATCHED)
            } else {
                (HORIZON, limits::FIRST_REQUESTS)
            };
            let bytes = rate.saturating_mul(u64::try_from(horizon.as_millis()).unwrap_or(0)) / 1000;
            let blocks = u32::try_from(bytes.div_ceil(u64::from(BLOCK_LENGTH))).unwrap_or(u32::MAX);
            grown.min(blocks.max(least))
        } else {
            grown
        };
        depth.min(self.reqq).saturating_sub(self.requests.live())
    }

    /// Returns the number of requests that were not cancelled.
    pub(super) fn live(&self) -> u32 {
        self.requests.live()
    }

    /// Returns whether the peer mostly sends blocks that were not requested.
    pub(super) fn floods(&self) -> bool {
        self.unrequested > MOST_UNREQUESTED.max(self.received_blocks)
    }

    /// Returns the download rate from the peer, in bytes of payload per second.
    pub(super) fn rate_bps(&self, now: Instant) -> u64 {
        self.rate.rate_bps(now)
    }

    /// Returns the number of payload bytes that the peer has sent.
    pub(super) fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Returns the number of rejected requests since the last block.
    pub(super) fn rejections(&self) -> u32 {
        self.requests.rejections()
    }

    /// Returns whether the peer has owed blocks for [`SNUB_AFTER`] and sent none.
    pub(super) fn is_snubbed(&self) -> bool {
        self.snubbed
    }

    /// Checks, once a second, whether the peer is snubbing now. Its requests are to be given up.
    pub(super) fn check_snubbed(&mut self, now: Instant) -> bool {
        let snubs = self.requests.live() > 0 && self.debt.silent_for(now) > SNUB_AFTER;
        if snubs {
            self.snubbed = true;
            self.debt.begin_anew(now);
        }
        snubs
    }

    fn block_time(&self, now: Instant) -> Duration {
        Duration::from_micros(
            u64::from(BLOCK_LENGTH) * 1_000_000 / self.capacity.rate_bps(now).max(1),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::testing;

    fn block(index: u32) -> Block {
        testing::block(0, index)
    }

    fn at(seconds: u64) -> Instant {
        Instant(0) + Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_peer_snubs_after_ten_seconds_until_its_next_block() {
        let mut pipeline = Pipeline::new(at(0));
        assert!(!pipeline.check_snubbed(at(60)), "it owes nothing");
        pipeline.ask(block(0), Duration::from_secs(1), at(60));
        assert!(!pipeline.check_snubbed(at(70)));
        assert!(pipeline.check_snubbed(at(71)) && pipeline.standing() == Standing::Snubbing);
        assert_eq!(pipeline.room(false, at(71)), 0, "one block at a time");
        pipeline.received(block(0), BLOCK_LENGTH, at(72));
        assert_eq!(pipeline.standing(), Standing::Proven);
    }

    #[test]
    fn only_requested_blocks_count() {
        let mut pipeline = Pipeline::new(at(0));
        pipeline.ask(block(0), Duration::from_secs(1), at(0));
        for second in 1..=10 {
            assert!(!pipeline.check_snubbed(at(second)));
            pipeline.received(block(1), BLOCK_LENGTH, at(second));
        }
        assert!(pipeline.check_snubbed(at(11)));
        assert_eq!((pipeline.received_bytes(), pipeline.rate_bps(at(11))), (0, 0));
    }

    #[test]
    fn a_peer_that_chokes_and_unchokes_in_turn_snubs_and_gets_requests_ever_later() {
        let mut pipeline = Pipeline::new(at(0));
        let mut now = at(0);
        for hold_ms in [250, 500, 1_000, 2_000] {
            let hold = Duration::from_millis(hold_ms);
            pipeline.unchoked();
            assert!(pipeline.room(false, now) > 0);
            pipeline.ask(block(0), Duration::from_secs(1), now);
            now = now + Duration::from_secs(2);
            assert_eq!(pipeline.choked(true, now), [block(0)]);
            assert_eq!(pipeline.room(false, now), 0);
            now = now + hold;
            assert!(!pipeline.has_pause_ended(Instant(now.0 - 1)));
            assert!(pipeline.has_pause_ended(now), "after {hold:?}");
        }
        pipeline.unchoked();
        pipeline.ask(block(0), Duration::from_secs(1), now);
        assert!(pipeline.check_snubbed(now + Duration::from_secs(3)), "it owed blocks for 11 s");
    }

    #[test]
    fn a_rate_does_not_fade_while_nothing_is_requested() {
        let mut pipeline = Pipeline::new(at(0));
        let mut now = at(0);
        for index in 0..100 {
            pipeline.ask(block(index), Duration::from_millis(20), now);
            now = now + Duration::from_millis(20);
            pipeline.received(block(index), BLOCK_LENGTH, now);
        }
        let (eta, later) = (pipeline.eta(now), now + Duration::from_secs(60));
        assert_eq!(pipeline.eta(later), eta);
        pipeline.ask(block(200), eta, later);
        assert!(pipeline.eta(later) > eta && pipeline.eta(later) < 2 * eta);
        assert!(pipeline.eta(later + Duration::from_secs(5)) > 3 * eta, "it is slow now");
    }

    #[test]
    fn a_peer_that_falls_silent_loses_its_requests_and_gets_one_at_a_time() {
        let mut pipeline = Pipeline::new(at(0));
        let short = Duration::from_millis(100);
        pipeline.ask(block(0), short, at(0));
        pipeline.received(block(0), BLOCK_LENGTH, at(0) + short);
        pipeline.ask(block(1), short, at(1));
        assert_eq!(pipeline.lost(at(3)), []);
        assert_eq!(pipeline.lost(at(4)), [block(1)]);
        pipeline.give_up(block(1), at(4));
        assert_eq!((pipeline.standing(), pipeline.room(false, at(4))), (Standing::Snubbing, 1));
        assert!(!pipeline.is_snubbed(), "it keeps its upload slot for now");
        pipeline.received(block(1), BLOCK_LENGTH, at(5));
        assert_eq!(pipeline.standing(), Standing::Proven);
    }

    #[test]
    fn no_more_is_requested_than_the_peer_accepts() {
        let check = |reqq: Option<u32>, expected: u32| {
            let mut pipeline = Pipeline::new(at(0));
            pipeline.set_reqq(reqq);
            assert_eq!(pipeline.room(false, at(0)), expected);
        };
        check(None, limits::FIRST_REQUESTS);
        check(Some(2), 2);
        check(Some(0), 1);
    }

    #[test]
    fn a_later_handshake_may_leave_out_the_accepted_number() {
        let mut pipeline = Pipeline::new(at(0));
        pipeline.set_reqq(Some(2));
        pipeline.set_reqq(None);
        assert_eq!(pipeline.room(false, at(0)), 2);
    }
}
