//! The requests to one peer and the answers that it still owes.
//!
//! A peer with the fast extension answers every request exactly once, with the block or a
//! rejection, even a cancelled one (BEP 6). So after a block is cancelled and requested again, two
//! answers are due, and the first rejection does not concern the second request. Without the
//! extension a peer drops cancelled requests silently; they are forgotten here after a while.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::geometry::Block;
use crate::time::Instant;

/// Time after which a cancelled block will not arrive. It would have been in the peer's socket all
/// that time.
const LATE_FOR: Duration = Duration::from_secs(60);

/// A block that was requested from the peer.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Instant,
    /// When it was expected to arrive, at the time of the request.
    expected: Instant,
    /// When it was cancelled, if it was.
    cancelled: Option<Instant>,
    /// Earlier requests for it that were cancelled and not answered yet.
    rejections_due: u32,
}

/// A requested block that has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Received {
    /// When it was last requested.
    pub(super) asked_at: Instant,
    /// Whether it was requested again and would arrive a second time.
    pub(super) comes_again: bool,
}

/// The requests of one peer.
#[derive(Debug, Default)]
pub(super) struct Requests {
    asked: BTreeMap<Block, Asked>,
    live: u32,
    rejected: u32,
}

impl Requests {
    /// Adds a request that should be answered by `expected`.
    pub(super) fn ask(&mut self, block: Block, expected: Instant, now: Instant) {
        let old = self.asked.get(&block);
        let rejections_due =
            old.map_or(0, |old| old.rejections_due + u32::from(old.cancelled.is_some()));
        self.live += u32::from(old.is_none_or(|old| old.cancelled.is_some()));
        self.asked.insert(block, Asked { at: now, expected, cancelled: None, rejections_due });
    }

    /// Cancels a request. False if there is none.
    pub(super) fn cancel(&mut self, block: Block, now: Instant) -> bool {
        let Some(asked) = self.asked.get_mut(&block).filter(|asked| asked.cancelled.is_none())
        else {
            return false;
        };
        asked.cancelled = Some(now);
        self.live -= 1;
        true
    }

    /// A block has arrived. `None` if it was not requested.
    pub(super) fn received(&mut self, block: Block) -> Option<Received> {
        let asked = self.asked.remove(&block)?;
        let is_live = asked.cancelled.is_none();
        self.live -= u32::from(is_live);
        self.rejected = 0;
        Some(Received { asked_at: asked.at, comes_again: is_live && asked.rejections_due > 0 })
    }

    /// A request is rejected. Returns whether it had not been cancelled.
    pub(super) fn rejected(&mut self, block: Block) -> bool {
        if let Some(asked) = self.asked.get_mut(&block).filter(|asked| asked.rejections_due > 0) {
            asked.rejections_due -= 1;
            return false;
        }
        let is_live = self.forget(block);
        self.rejected += u32::from(is_live);
        is_live
    }

    /// The block will not arrive. Returns whether it was requested and not cancelled.
    pub(super) fn forget(&mut self, block: Block) -> bool {
        let is_live = self.asked.remove(&block).is_some_and(|asked| asked.cancelled.is_none());
        self.live -= u32::from(is_live);
        is_live
    }

    /// No requested block will arrive.
    pub(super) fn forget_all(&mut self) -> Vec<Block> {
        self.live = 0;
        std::mem::take(&mut self.asked).into_keys().collect()
    }

    /// Forgets requests that were cancelled long ago, and returns their blocks.
    pub(super) fn forget_late(&mut self, now: Instant) -> Vec<Block> {
        let is_late =
            |asked: &Asked| asked.cancelled.is_some_and(|at| now.saturating_since(at) > LATE_FOR);
        self.asked.extract_if(.., |_, asked| is_late(asked)).map(|(block, _)| block).collect()
    }

    /// Number of requests that were not cancelled.
    pub(super) fn live(&self) -> u32 {
        self.live
    }

    /// Rejections since the last block.
    pub(super) fn rejections(&self) -> u32 {
        self.rejected
    }

    /// All blocks that may still arrive.
    pub(super) fn blocks(&self) -> impl ExactSizeIterator<Item = Block> + '_ {
        self.asked.keys().copied()
    }

    /// Blocks whose requests were not cancelled.
    pub(super) fn live_blocks(&self) -> impl Iterator<Item = Block> + '_ {
        self.asked.iter().filter(|(_, asked)| asked.cancelled.is_none()).map(|(&block, _)| block)
    }

    /// When a block is expected to arrive.
    pub(super) fn expected(&self, block: Block) -> Option<Instant> {
        self.asked.get(&block).map(|asked| asked.expected)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::geometry::testing;

    fn block(index: u32) -> Block {
        testing::block(0, index)
    }

    fn at(seconds: u64) -> Instant {
        Instant(0) + Duration::from_secs(seconds)
    }

    fn asked(requests: &mut Requests, index: u32) {
        requests.ask(block(index), at(2), at(1));
    }

    #[test]
    fn a_rejection_answers_the_cancelled_request_first() {
        let mut requests = Requests::default();
        asked(&mut requests, 0);
        assert!(requests.cancel(block(0), at(1)));
        asked(&mut requests, 0);
        assert!(!requests.rejected(block(0)), "that of the first request");
        assert_eq!((requests.live(), requests.rejections()), (1, 0));
        assert!(requests.rejected(block(0)), "that of the second");
        assert_eq!((requests.live(), requests.rejections()), (0, 1));
    }

    #[test]
    fn a_cancelled_block_that_arrives_may_arrive_twice() {
        let mut requests = Requests::default();
        asked(&mut requests, 0);
        requests.cancel(block(0), at(1));
        asked(&mut requests, 0);
        assert_eq!(
            requests.received(block(0)),
            Some(Received { asked_at: at(1), comes_again: true })
        );
        assert_eq!(requests.received(block(0)), None);
        assert!(!requests.rejected(block(0)), "the request was cancelled");
    }

    #[test]
    fn a_block_resets_the_count_of_rejections() {
        let mut requests = Requests::default();
        for index in 0..4 {
            asked(&mut requests, index);
        }
        assert!(requests.rejected(block(0)) && requests.rejected(block(1)));
        assert_eq!(requests.rejections(), 2);
        assert!(requests.received(block(2)).is_some());
        assert_eq!(requests.rejections(), 0);
    }

    #[test]
    fn only_cancelled_requests_are_forgotten_after_a_while() {
        let mut requests = Requests::default();
        asked(&mut requests, 0);
        asked(&mut requests, 1);
        requests.cancel(block(0), at(1));
        assert_eq!(requests.forget_late(at(60)), []);
        assert_eq!(requests.forget_late(at(62)), [block(0)]);
        assert_eq!((requests.live(), requests.blocks().len()), (1, 1));
    }

    proptest! {
        /// A peer with the fast extension answers each request once. The answers come in any order
        /// and any mixture.
        #[test]
        fn every_answer_is_matched_to_its_request(
            deeds in prop::collection::vec((0..4u32, 0..4u8), 0..200),
        ) {
            let mut requests = Requests::default();
            let mut owed = [0u32; 4];
            for (index, deed) in deeds {
                let is_live = requests.live_blocks().any(|it| it == block(index));
                match deed {
                    0 if !is_live => {
                        asked(&mut requests, index);
                        owed[index as usize] += 1;
                    }
                    1 => prop_assert_eq!(requests.cancel(block(index), at(1)), is_live),
                    2 if owed[index as usize] > 0 => {
                        owed[index as usize] -= 1;
                        let is_last = owed[index as usize] == 0;
                        prop_assert_eq!(requests.rejected(block(index)), is_live && is_last);
                    }
                    _ => {}
                }
                prop_assert_eq!(requests.live() as usize, requests.live_blocks().count());
            }
        }
    }
}
