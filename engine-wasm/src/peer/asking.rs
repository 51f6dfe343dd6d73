//! Requests for blocks from one peer: how many at once, and how long each should take.

use std::time::Duration;

use super::wire::Message;
use super::{Peer, SNUB_AFTER};
use crate::geometry::{BLOCK_LENGTH, Block, Geometry};
use crate::limits;
use crate::time::Instant;

/// Share of a peer's rate to have requested while nobody watches, as a time.
const HORIZON: Duration = Duration::from_secs(3);
/// Minimum number of outstanding requests while somebody watches.
const LEAST_WATCHED: u32 = limits::FIRST_REQUESTS;
/// Rate to assume before one is known, bytes per second.
const ASSUMED_RATE_BPS: u64 = 512 << 10;

impl Peer {
    /// Requests a block that is expected after `eta`.
    pub fn ask(&mut self, block: Block, geometry: &Geometry, eta: Duration, now: Instant) {
        let (begin, length) = geometry.block_range(block);
        if self.requests.live() == 0 {
            self.last_block = now;
        }
        self.requests.ask(block, now + eta, now);
        self.say(&Message::Request { piece: block.piece.get(), begin, length }, now);
    }

    /// Cancels a request. The block may still arrive.
    pub fn cancel(&mut self, block: Block, geometry: &Geometry, now: Instant) {
        if self.requests.cancel(block, now) {
            self.say_cancel(block, geometry, now);
        }
    }

    /// A block has arrived, whether wanted or not.
    pub fn received(&mut self, block: Block, geometry: &Geometry, now: Instant) {
        let (_, length) = geometry.block_range(block);
        let silent = now.saturating_since(self.last_block);
        self.last_heard = now;
        self.last_block = now;
        self.snubbed = false;
        self.rate.add(u64::from(length), now);
        self.received_bytes += u64::from(length);
        let Some(received) = self.requests.received(block) else { return };
        if received.comes_again {
            self.say_cancel(block, geometry, now);
        }
        self.received_blocks = self.received_blocks.saturating_add(1);
        let took = now.saturating_since(received.asked_at);
        self.reply.add(took);
        // Ignore silence before the request was sent, plus one round trip. The fastest reply alone
        // is no measure, because that block may have waited at the peer as well.
        let silent = silent.min(took.saturating_sub(self.round_trip.min(self.reply.min())));
        self.pipe.received(silent, self.block_time(now), now);
    }

    /// The peer can't send this block any more. Returns whether it was requested and not cancelled.
    pub fn forget(&mut self, block: Block) -> bool {
        self.requests.forget(block)
    }

    /// Forgets requests that were cancelled long ago, and returns their blocks.
    pub(crate) fn forget_late(&mut self, now: Instant) -> Vec<Block> {
        self.requests.forget_late(now)
    }

    /// Requested blocks that were not cancelled.
    pub(crate) fn live_blocks(&self) -> impl Iterator<Item = Block> + '_ {
        self.requests.live_blocks()
    }

    /// All blocks that the peer may still send.
    pub(crate) fn armed_blocks(&self) -> impl Iterator<Item = Block> + '_ {
        self.requests.blocks()
    }

    /// How long a block is overdue; zero if it is not.
    pub fn overdue(&self, block: Block, now: Instant) -> Duration {
        self.requests
            .expected(block)
            .map_or(Duration::ZERO, |expected| now.saturating_since(expected))
    }

    /// How long until a requested block is expected; zero if it is overdue.
    pub fn remaining(&self, block: Block, now: Instant) -> Duration {
        self.requests
            .expected(block)
            .map_or(Duration::ZERO, |expected| expected.saturating_since(now))
    }

    /// How long after its expected time a block counts as late.
    pub(crate) fn slack(&self) -> Duration {
        self.reply.slack()
    }

    /// Expected time until one more block would arrive: `rttMin + (outstanding + block) / rate`.
    pub fn eta(&self, now: Instant) -> Duration {
        let bytes = u64::from(self.requests.live() + 1) * u64::from(BLOCK_LENGTH);
        let rate = if self.rate.is_settled(now) {
            self.rate.rate_bps(now).max(1 << 10)
        } else {
            ASSUMED_RATE_BPS
        };
        let eta = self.reply.min() + Duration::from_micros(bytes.saturating_mul(1_000_000) / rate);
        if self.snubbed { eta + SNUB_AFTER } else { eta }
    }

    fn block_time(&self, now: Instant) -> Duration {
        Duration::from_micros(u64::from(BLOCK_LENGTH) * 1_000_000 / self.rate.rate_bps(now).max(1))
    }

    /// How many more blocks to request now.
    ///
    /// While somebody watches, no more is requested than keeps the peer's line busy ([`Pipe`]): a
    /// seek waits behind everything that the peer has begun to send, and no `cancel` stops that.
    pub fn room(&self, watched: bool, now: Instant) -> u32 {
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

    /// Current download rate from the peer, in bytes of payload per second.
    pub fn rate_bps(&self, now: Instant) -> u64 {
        self.rate.rate_bps(now)
    }

    /// Rejected requests since the last block; a peer that keeps rejecting is useless.
    pub(crate) fn rejections(&self) -> u32 {
        self.requests.rejections()
    }

    fn say_cancel(&mut self, block: Block, geometry: &Geometry, now: Instant) {
        let (begin, length) = geometry.block_range(block);
        self.say(&Message::Cancel { piece: block.piece.get(), begin, length }, now);
    }
}
