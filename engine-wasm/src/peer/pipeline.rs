//! The outstanding requests to one peer: how many to send, and when their blocks are expected.
//!
//! Knows no messages and no connection. Invariant: a peer snubs us from the time at which it owed
//! blocks and sent none for [`SNUB_AFTER`], until its next block.

use std::time::Duration;

use super::pipe::Pipe;
use super::rate::{RateMeter, ReplyTime};
use super::requests::Requests;
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

/// The outstanding requests to one peer, and the rate of its replies.
#[derive(Debug)]
pub(super) struct Pipeline {
    /// The number of requests that the peer accepts.
    reqq: u32,
    requests: Requests,
    received_blocks: u32,
    received_bytes: u64,
    rate: RateMeter,
    reply: ReplyTime,
    /// The time from our handshake to the peer's, if the peer answered ours.
    round_trip: Duration,
    pipe: Pipe,
    last_block: Instant,
    snubbed: bool,
}

impl Pipeline {
    /// Creates a pipeline without requests.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            reqq: limits::DEFAULT_REQQ,
            requests: Requests::default(),
            received_blocks: 0,
            received_bytes: 0,
            rate: RateMeter::new(now),
            reply: ReplyTime::default(),
            round_trip: Duration::MAX,
            pipe: Pipe::new(now),
            last_block: now,
            snubbed: false,
        }
    }

    /// Sets the number of requests that the peer accepts. `None` if the peer sends no number.
    pub(super) fn set_reqq(&mut self, reqq: Option<u32>) {
        self.reqq = reqq.unwrap_or(limits::DEFAULT_REQQ).clamp(1, limits::MAX_REQQ);
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
    }

    /// Cancels a request. Returns false if there is none.
    pub(super) fn cancel(&mut self, block: Block, now: Instant) -> bool {
        self.requests.cancel(block, now)
    }

    /// Records the arrival of a block of `length` bytes, whether wanted or not.
    ///
    /// Returns whether the peer would send it a second time, so that the request has to be
    /// cancelled.
    pub(super) fn received(&mut self, block: Block, length: u32, now: Instant) -> bool {
        let silent = now.saturating_since(self.last_block);
        self.last_block = now;
        self.snubbed = false;
        self.rate.add(u64::from(length), now);
        self.received_bytes += u64::from(length);
        let Some(received) = self.requests.received(block) else { return false };
        self.received_blocks = self.received_blocks.saturating_add(1);
        let took = now.saturating_since(received.asked_at);
        self.reply.add(took);
        // Ignore silence before the request was sent, plus one round trip. The fastest reply alone
        // is no measure, because that block may have waited at the peer as well.
        let silent = silent.min(took.saturating_sub(self.round_trip.min(self.reply.min())));
        self.pipe.received(silent, self.block_time(now), now);
        received.comes_again
    }

    /// Records that the peer unchoked us.
    pub(super) fn unchoked(&mut self, now: Instant) {
        self.last_block = now;
    }

    /// Records that the peer rejects a request. Returns whether the request had not been cancelled.
    pub(super) fn rejected(&mut self, block: Block) -> bool {
        self.requests.rejected(block)
    }

    /// Records that the peer can't send a block. Returns whether its request was not cancelled.
    pub(super) fn forget(&mut self, block: Block) -> bool {
        self.requests.forget(block)
    }

    /// Forgets all requests, and returns their blocks.
    pub(super) fn forget_all(&mut self) -> Vec<Block> {
        self.requests.forget_all()
    }

    /// Forgets the requests that were cancelled long ago, and returns their blocks.
    pub(super) fn forget_late(&mut self, now: Instant) -> Vec<Block> {
        self.requests.forget_late(now)
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
    pub(super) fn eta(&self, now: Instant) -> Duration {
        let bytes = u64::from(self.requests.live() + 1) * u64::from(BLOCK_LENGTH);
        let rate = if self.rate.is_settled(now) {
            self.rate.rate_bps(now).max(1 << 10)
        } else {
            ASSUMED_RATE_BPS
        };
        let eta = self.reply.min() + Duration::from_micros(bytes.saturating_mul(1_000_000) / rate);
        if self.snubbed { eta + SNUB_AFTER } else { eta }
    }

    /// Returns how many more blocks to request.
    ///
    /// With a viewer, no more is requested than keeps the peer's line busy ([`Pipe`]). A seek waits
    /// behind everything that the peer has begun to send, and no `cancel` stops that.
    pub(super) fn room(&self, watched: bool, now: Instant) -> u32 {
        if self.snubbed {
            return u32::from(self.requests.live() == 0);
        }
        if self.requests.blocks().len() >= limits::ARMED_PER_PEER {
            return 0;
        }
        let grown = limits::FIRST_REQUESTS.saturating_add(self.received_blocks);
        let depth = if self.rate.is_settled(now) {
            let (horizon, least) = if watched {
                (self.pipe.horizon(self.reply.min()), LEAST_WATCHED)
            } else {
                (HORIZON, limits::FIRST_REQUESTS)
            };
            let bytes = self
                .rate
                .rate_bps(now)
                .saturating_mul(u64::try_from(horizon.as_millis()).unwrap_or(0))
                / 1000;
            let blocks = u32::try_from(bytes.div_ceil(u64::from(BLOCK_LENGTH))).unwrap_or(u32::MAX);
            grown.min(blocks.max(least))
        } else {
            grown
        };
        depth.min(self.reqq).saturating_sub(self.requests.live())
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

    /// Returns whether the peer owes blocks and sends none.
    pub(super) fn is_snubbed(&self) -> bool {
        self.snubbed
    }

    /// Checks, once a second, whether the peer is snubbing now.
    pub(super) fn check_snubbed(&mut self, now: Instant) -> bool {
        let snubs = self.requests.live() > 0 && now.saturating_since(self.last_block) > SNUB_AFTER;
        self.snubbed |= snubs;
        snubs
    }

    fn block_time(&self, now: Instant) -> Duration {
        Duration::from_micros(u64::from(BLOCK_LENGTH) * 1_000_000 / self.rate.rate_bps(now).max(1))
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
        assert!(pipeline.check_snubbed(at(71)) && pipeline.is_snubbed());
        assert_eq!(pipeline.room(false, at(71)), 0, "one block at a time");
        pipeline.received(block(0), BLOCK_LENGTH, at(72));
        assert!(!pipeline.is_snubbed());
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
}
