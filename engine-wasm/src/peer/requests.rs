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

/// Time after a `cancel` before the same block is requested from the same peer again.
///
/// WebTorrent 3 drops both requests if it still reads the first one's block from its disk.
const REPEAT_AFTER_CANCEL: Duration = Duration::from_millis(500);
/// Time after a rejection before the same block is requested from the same peer again.
const REPEAT_AFTER_REJECT: Duration = Duration::from_secs(1);

/// A block that was requested from the peer.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Instant,
    /// When it was expected to arrive, at the time of the request.
    expected: Instant,
    /// When it was cancelled, if it was.
    cancelled: Option<Instant>,
    /// Whether the daemon would write it. It does not once another peer has sent the block.
    armed: bool,
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
    /// Blocks that are not requested again before this time.
    pauses: BTreeMap<Block, Instant>,
    live: u32,
    rejected: u32,
    /// When the latest request that was answered with a block was sent.
    answered: Instant,
}

impl Requests {
    /// Adds a request that should be answered by `expected`.
    pub(super) fn ask(&mut self, block: Block, expected: Instant, now: Instant) {
        let old = self.asked.get(&block);
        let rejections_due =
            old.map_or(0, |old| old.rejections_due + u32::from(old.cancelled.is_some()));
        self.live += u32::from(old.is_none_or(|old| old.cancelled.is_some()));
        let asked = Asked { at: now, expected, cancelled: None, armed: true, rejections_due };
        self.asked.insert(block, asked);
        self.pauses.remove(&block);
    }

    /// Returns whether a block may be requested now. Soon after a `cancel` or a rejection it may
    /// not.
    pub(super) fn may_ask(&self, block: Block, now: Instant) -> bool {
        self.pauses.get(&block).is_none_or(|until| *until <= now)
    }

    /// Returns whether a block was kept back since `since` and may be requested at `now`.
    pub(super) fn has_pause_ended(&self, since: Instant, now: Instant) -> bool {
        self.pauses.values().any(|&until| until > since && until <= now)
    }

    /// Cancels a request. False if there is none.
    pub(super) fn cancel(&mut self, block: Block, now: Instant) -> bool {
        let Some(asked) = self.asked.get_mut(&block).filter(|asked| asked.cancelled.is_none())
        else {
            return false;
        };
        asked.cancelled = Some(now);
        self.live -= 1;
        self.pauses.insert(block, now + REPEAT_AFTER_CANCEL);
        true
    }

    /// Another peer has sent a block whose request is cancelled. A copy that crosses the `cancel`
    /// still counts as requested.
    pub(super) fn disarm(&mut self, block: Block) {
        if let Some(asked) = self.asked.get_mut(&block) {
            asked.armed = false;
        }
    }

    /// A block has arrived. `None` if it was not requested.
    pub(super) fn received(&mut self, block: Block) -> Option<Received> {
        let asked = self.asked.remove(&block)?;
        let is_live = asked.cancelled.is_none();
        self.live -= u32::from(is_live);
        self.rejected = 0;
        self.answered = self.answered.max(asked.at);
        Some(Received { asked_at: asked.at, comes_again: is_live && asked.rejections_due > 0 })
    }

    /// A request is rejected. Returns whether it had not been cancelled.
    ///
    /// With `pauses` the block is not requested again at once.
    pub(super) fn rejected(&mut self, block: Block, pauses: bool, now: Instant) -> bool {
        if let Some(asked) = self.asked.get_mut(&block).filter(|asked| asked.rejections_due > 0) {
            asked.rejections_due -= 1;
            return false;
        }
        let is_live = self.forget(block);
        self.rejected += u32::from(is_live);
        if is_live && pauses {
            self.pauses.insert(block, now + REPEAT_AFTER_REJECT);
        }
        is_live
    }

    /// The block will not arrive. Returns whether it was requested and not cancelled.
    pub(super) fn forget(&mut self, block: Block) -> bool {
        let is_live = self.asked.remove(&block).is_some_and(|asked| asked.cancelled.is_none());
        self.live -= u32::from(is_live);
        is_live
    }

    /// No requested block will arrive. Returns those that the daemon would write.
    pub(super) fn forget_all(&mut self) -> Vec<Block> {
        self.live = 0;
        let all = std::mem::take(&mut self.asked).into_iter();
        all.filter(|(_, asked)| asked.armed).map(|(block, _)| block).collect()
    }

    /// Forgets requests that were cancelled long ago. Returns those that the daemon would write.
    pub(super) fn forget_late(&mut self, now: Instant) -> Vec<Block> {
        self.pauses.retain(|_, until| now.saturating_since(*until) < LATE_FOR);
        let is_late =
            |asked: &Asked| asked.cancelled.is_some_and(|at| now.saturating_since(at) > LATE_FOR);
        let late = self.asked.extract_if(.., |_, asked| is_late(asked));
        late.filter(|(_, asked)| asked.armed).map(|(block, _)| block).collect()
    }

    /// Returns the requests that are not cancelled and have waited longer than `patience`, and at
    /// least four times as long as was expected.
    ///
    /// Unless the peer `is_silent`, only requests count that the peer has passed over: it answered
    /// a later one.
    pub(super) fn lost(&self, patience: Duration, is_silent: bool, now: Instant) -> Vec<Block> {
        let is_lost = |asked: &Asked| {
            let patience = patience.max(asked.expected.saturating_since(asked.at) * 4);
            asked.cancelled.is_none()
                && now.saturating_since(asked.at) > patience
                && (is_silent || asked.at < self.answered)
        };
        self.asked.iter().filter(|(_, asked)| is_lost(asked)).map(|(&block, _)| block).collect()
    }

    /// Number of requests that were not cancelled.
    pub(super) fn live(&self) -> u32 {
        self.live
    }

    /// Rejections since the last block.
    pub(super) fn rejections(&self) -> u32 {
        self.rejected
    }

    /// Number of blocks that may still arrive.
    pub(super) fn due(&self) -> usize {
        self.asked.len()
    }

    /// All blocks that may still arrive and that the daemon would write.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Block> + '_ {
        self.asked.iter().filter(|(_, asked)| asked.armed).map(|(&block, _)| block)
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
        assert!(!requests.rejected(block(0), true, at(1)), "that of the first request");
        assert_eq!((requests.live(), requests.rejections()), (1, 0));
        assert!(requests.rejected(block(0), true, at(1)), "that of the second");
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
        assert!(!requests.rejected(block(0), true, at(1)), "the request was cancelled");
    }

    #[test]
    fn a_block_resets_the_count_of_rejections() {
        let mut requests = Requests::default();
        for index in 0..4 {
            asked(&mut requests, index);
        }
        assert!(
            requests.rejected(block(0), true, at(1)) && requests.rejected(block(1), true, at(1))
        );
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
        assert_eq!((requests.live(), requests.due()), (1, 1));
    }

    #[test]
    fn a_block_is_not_requested_again_at_once() {
        let mut requests = Requests::default();
        let ms = |ms: u64| at(1) + Duration::from_millis(ms);
        asked(&mut requests, 0);
        assert!(requests.may_ask(block(0), at(1)));
        requests.cancel(block(0), at(1));
        assert!(!requests.may_ask(block(0), ms(499)) && requests.may_ask(block(0), ms(500)));
        assert!(requests.may_ask(block(1), at(1)));
        assert!(!requests.has_pause_ended(at(1), ms(499)));
        assert!(requests.has_pause_ended(ms(499), ms(500)));
        assert!(!requests.has_pause_ended(ms(500), ms(900)));
        asked(&mut requests, 1);
        requests.rejected(block(1), true, at(1));
        assert!(!requests.may_ask(block(1), ms(999)) && requests.may_ask(block(1), at(2)));
        asked(&mut requests, 2);
        requests.rejected(block(2), false, at(1));
        assert!(requests.may_ask(block(2), at(1)), "the peer rejects because it chokes us");
    }

    #[test]
    fn a_request_that_the_peer_passed_over_is_lost() {
        let mut requests = Requests::default();
        let (patience, late) = (Duration::from_secs(3), Duration::from_secs(5));
        requests.ask(block(0), at(2), at(1));
        requests.ask(block(1), at(3), at(2));
        assert_eq!(requests.lost(patience, false, at(60)), []);
        requests.received(block(1));
        assert_eq!(requests.lost(patience, false, at(5)), [], "four times as long as expected");
        assert_eq!(requests.lost(patience, false, at(6)), [block(0)]);
        assert_eq!(requests.lost(late, false, at(6)), []);
        requests.ask(block(2), at(7), at(6));
        assert_eq!(requests.lost(late, false, at(60)), [block(0)]);
        assert_eq!(requests.lost(late, true, at(60)), [block(0), block(2)], "it is silent");
        requests.cancel(block(0), at(6));
        assert_eq!(requests.lost(late, false, at(60)), [], "it is cancelled");
    }

    #[test]
    fn a_block_that_another_peer_sent_counts_as_requested_but_is_not_written() {
        let mut requests = Requests::default();
        asked(&mut requests, 0);
        requests.cancel(block(0), at(1));
        requests.disarm(block(0));
        assert_eq!((requests.blocks().count(), requests.due()), (0, 1));
        assert!(requests.received(block(0)).is_some() && requests.received(block(0)).is_none());
        asked(&mut requests, 1);
        requests.cancel(block(1), at(1));
        requests.disarm(block(1));
        assert_eq!(requests.forget_late(at(70)), []);
        assert_eq!(requests.due(), 0);
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
                        let was_live = requests.rejected(block(index), true, at(1));
                        prop_assert_eq!(was_live, is_live && is_last);
                    }
                    _ => {}
                }
                prop_assert_eq!(requests.live() as usize, requests.live_blocks().count());
            }
        }
    }
}
