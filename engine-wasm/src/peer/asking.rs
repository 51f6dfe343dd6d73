//! Requests to a peer: [`Pipeline`](super::pipeline::Pipeline) records them, and the peer receives
//! them.

use std::time::Duration;

use super::Peer;
use super::pipeline::Standing;

use super::wire::Message;
use crate::geometry::{Block, Geometry};
use crate::time::Instant;

impl Peer {
    /// Requests a block that is expected after `eta`.
    pub fn ask(&mut self, block: Block, geometry: &Geometry, eta: Duration, now: Instant) {
        let (begin, length) = geometry.block_range(block);
        self.pipeline.ask(block, eta, now);
        self.send(
            &Message::Request { piece: block.piece().get(), begin: begin.get(), length },
            now,
        );
    }

    /// Cancels a request. The block may still arrive.
    pub fn cancel(&mut self, block: Block, geometry: &Geometry, now: Instant) {
        if self.pipeline.cancel(block, now) {
            self.send_cancel(block, geometry, now);
        }
    }

    /// Cancels a request because the peer did not answer it. The block may still arrive.
    pub(crate) fn give_up(&mut self, block: Block, geometry: &Geometry, now: Instant) {
        if self.pipeline.give_up(block, now) {
            self.send_cancel(block, geometry, now);
        }
    }

    /// Cancels a request because another peer has sent the block, or nobody may send it any more.
    pub(crate) fn disarm(&mut self, block: Block, geometry: &Geometry, now: Instant) {
        self.cancel(block, geometry, now);
        self.pipeline.disarm(block);
    }

    /// Records the arrival of a block. An unrequested one earns the peer nothing.
    pub fn received(&mut self, block: Block, geometry: &Geometry, now: Instant) {
        let (_, length) = geometry.block_range(block);
        self.last_heard = now;
        if self.pipeline.received(block, length, now) {
            self.send_cancel(block, geometry, now);
        }
    }

    /// Returns whether a block may be requested now. Soon after a `cancel` or a rejection it may
    /// not.
    pub(crate) fn may_ask(&self, block: Block, now: Instant) -> bool {
        self.pipeline.may_ask(block, now)
    }

    /// Returns the requests that the peer seems to have lost.
    pub(crate) fn lost(&mut self, now: Instant) -> Vec<Block> {
        self.pipeline.lost(now)
    }

    /// Returns whether something may be requested that was held back at the last call.
    pub(crate) fn has_pause_ended(&mut self, now: Instant) -> bool {
        self.pipeline.has_pause_ended(now)
    }

    /// Returns what the peer's record says about its next block.
    pub(crate) fn standing(&self) -> Standing {
        self.pipeline.standing()
    }

    /// Returns whether requests are outstanding that were not cancelled.
    pub(crate) fn owes(&self) -> bool {
        self.pipeline.live() > 0
    }

    /// Returns whether the peer mostly sends blocks that were not requested.
    pub(crate) fn floods(&self) -> bool {
        self.pipeline.floods()
    }

    /// Forgets the requests that were cancelled long ago, and returns their blocks.
    pub(crate) fn forget_late(&mut self, now: Instant) -> Vec<Block> {
        self.pipeline.forget_late(now)
    }

    /// Returns the blocks whose requests are not cancelled.
    pub(crate) fn live_blocks(&self) -> impl Iterator<Item = Block> + '_ {
        self.pipeline.live_blocks()
    }

    /// Returns all blocks that the peer may still send.
    pub(crate) fn armed_blocks(&self) -> impl Iterator<Item = Block> + '_ {
        self.pipeline.armed_blocks()
    }

    /// Returns how long a block has been overdue; zero if it is not.
    pub fn overdue(&self, block: Block, now: Instant) -> Duration {
        let since = |expected| now.saturating_since(expected);
        self.pipeline.expected(block).map_or(Duration::ZERO, since)
    }

    /// Returns how long until a requested block is expected; zero if it is overdue.
    pub fn remaining(&self, block: Block, now: Instant) -> Duration {
        let until = |expected: Instant| expected.saturating_since(now);
        self.pipeline.expected(block).map_or(Duration::ZERO, until)
    }

    /// Returns how long after its expected time a block counts as late.
    pub(crate) fn slack(&self) -> Duration {
        self.pipeline.slack()
    }

    /// Returns how long one more block would take.
    pub fn eta(&self, now: Instant) -> Duration {
        self.pipeline.eta(now)
    }

    /// Returns how many more blocks to request. With a viewer they are fewer.
    pub fn room(&self, watched: bool, now: Instant) -> u32 {
        self.pipeline.room(watched, now)
    }

    /// Returns the download rate from the peer, in bytes of payload per second.
    pub fn rate_bps(&self, now: Instant) -> u64 {
        self.pipeline.rate_bps(now)
    }

    /// Returns the number of payload bytes that the peer has sent.
    pub(crate) fn received_bytes(&self) -> u64 {
        self.pipeline.received_bytes()
    }

    /// Returns the number of rejected requests since the last block.
    ///
    /// A peer that keeps rejecting is useless.
    pub(crate) fn rejections(&self) -> u32 {
        self.pipeline.rejections()
    }

    /// Returns whether the peer owes blocks and sends none.
    pub(crate) fn is_snubbing(&self) -> bool {
        self.pipeline.is_snubbed()
    }

    fn send_cancel(&mut self, block: Block, geometry: &Geometry, now: Instant) {
        let (begin, length) = geometry.block_range(block);
        self.send(&Message::Cancel { piece: block.piece().get(), begin: begin.get(), length }, now);
    }
}
