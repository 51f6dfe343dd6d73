//! What a peer asks of us (BEP 3, 6): its requests in the order in which they came, and how much of
//! them is being sent.
//!
//! It says which requests are taken and when the next one is to be sent; it never sends, and never
//! knows what we have: its owner does. Invariant: what waits is bounded by the number of requests
//! that we announce, what is being sent by half a second of the peer's rate, so that a `cancel` or
//! a choke takes back all that lies behind.

use std::collections::VecDeque;
use std::time::Duration;

use super::rate::RateMeter;
use crate::geometry::{Geometry, PieceIndex};
use crate::limits;
use crate::time::Instant;

/// Longest block that is given, bytes. Everybody asks for 16 KiB, but the first clients took
/// requests of 128 KiB, some still send them (aria2 takes as many), and a span of a file costs the
/// same whatever its length.
pub(crate) const MAX_BLOCK: u32 = 128 << 10;
/// So much of a peer's rate is being sent.
const HORIZON: Duration = Duration::from_millis(500);
/// And at least so many bytes: what a line of 100 ms takes at 1 MB/s.
const LEAST_UNDERWAY: u64 = 128 << 10;
/// And at most so many.
const MOST_UNDERWAY: u64 = 4 << 20;
/// A peer that asks for so many blocks that it can't have, since it was last choked or unchoked, is
/// let go (BEP 6 allows it).
const MOST_REFUSED: u32 = 300;

/// A block as a peer asks for it. Numbers are as they came from a stranger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its piece.
    pub piece: u32,
    /// First byte in the piece.
    pub begin: u32,
    /// Bytes.
    pub length: u32,
}

impl Request {
    /// Whether the torrent has these bytes, and they are no more than anybody is given at once.
    pub fn is_valid(&self, geometry: &Geometry) -> bool {
        let inside = |piece| {
            let end = self.begin.checked_add(self.length);
            // To v1 a piece is as long as the padding makes it (BEP 47); and in v2 libtorrent asks
            // for the zeros behind a file, too.
            end.is_some_and(|end| end <= geometry.filled_len(piece))
        };
        (1..=MAX_BLOCK).contains(&self.length) && geometry.piece(self.piece).is_some_and(inside)
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It waits for its turn.
    Taken,
    /// It waits already: one answer is enough.
    Twice,
    /// It will not be answered.
    Refused,
}

/// What one peer gets of us.
#[derive(Debug)]
pub struct Upload {
    choking: bool,
    interested: bool,
    interest_changed: Instant,
    allowed: Vec<PieceIndex>,
    queue: VecDeque<Request>,
    underway: u64,
    given: u64,
    rate: RateMeter,
    refused: u32,
}

impl Upload {
    /// A peer that is choked and did not ask for anything.
    pub fn new(now: Instant) -> Self {
        Self {
            choking: true,
            interested: false,
            interest_changed: now,
            allowed: Vec::new(),
            queue: VecDeque::new(),
            underway: 0,
            given: 0,
            rate: RateMeter::new(now),
            refused: 0,
        }
    }

    /// Whether we choke it.
    pub(crate) fn is_choking(&self) -> bool {
        self.choking
    }

    /// Whether it wants something that we have.
    pub(crate) fn is_interested(&self) -> bool {
        self.interested
    }

    /// It says whether it does. False when it said so before.
    pub(crate) fn set_interested(&mut self, interested: bool, now: Instant) -> bool {
        let changed = std::mem::replace(&mut self.interested, interested) != interested;
        if changed {
            self.interest_changed = now;
        }
        changed
    }

    /// Since when it has wanted nothing; `None` while it does.
    pub fn idle_since(&self) -> Option<Instant> {
        (!self.interested).then_some(self.interest_changed)
    }

    /// These pieces it may ask for while it is choked.
    pub fn allow(&mut self, pieces: Vec<PieceIndex>) {
        self.allowed = pieces;
    }

    /// It asks for a block. `can_give`: the bytes are valid, verified and at hand.
    pub fn ask(&mut self, request: Request, can_give: bool) -> Verdict {
        let may = !self.choking || self.is_allowed(request);
        if !may || !can_give || self.queue.len() >= limits::REQUESTS_PER_PEER {
            self.refused = self.refused.saturating_add(1);
            return Verdict::Refused;
        }
        if self.queue.contains(&request) {
            return Verdict::Twice;
        }
        self.queue.push_back(request);
        Verdict::Taken
    }

    /// It takes a request back. False when that is too late, or it never asked.
    pub fn cancel(&mut self, request: Request) -> bool {
        let at = self.queue.iter().position(|waiting| *waiting == request);
        at.is_some_and(|at| self.queue.remove(at).is_some())
    }

    /// It has no slot any more. What it asked for, but for what it may have all the same; none when
    /// it was choked before.
    pub(crate) fn choke(&mut self) -> Vec<Request> {
        if !std::mem::replace(&mut self.choking, true) {
            self.refused = 0;
        }
        let (kept, dropped) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition(|request| self.is_allowed(*request));
        self.queue = kept;
        Vec::from(dropped)
    }

    /// It has a slot. False when it had one before.
    pub fn unchoke(&mut self) -> bool {
        let changed = std::mem::replace(&mut self.choking, false);
        if changed {
            self.refused = 0;
        }
        changed
    }

    /// Whether it asks again and again for what it can't have.
    pub(crate) fn is_a_nuisance(&self) -> bool {
        self.refused > MOST_REFUSED
    }

    /// The next request to answer, `None` while enough is being sent. [`Upload::sent`] follows for
    /// each, or the end of the connection.
    pub(crate) fn next_to_send(&mut self, now: Instant) -> Option<Request> {
        if self.underway >= self.window(now) {
            return None;
        }
        let request = self.queue.pop_front()?;
        self.underway += u64::from(request.length);
        Some(request)
    }

    /// An answer is on its way, or came to nothing.
    pub fn sent(&mut self, length: u32, succeeded: bool, now: Instant) {
        self.underway = self.underway.saturating_sub(u64::from(length));
        if succeeded {
            self.given += u64::from(length);
            self.rate.add(u64::from(length), now);
        }
    }

    /// Bytes that it got.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// Bytes a second that it gets now.
    pub fn rate_bps(&self, now: Instant) -> u64 {
        self.rate.rate_bps(now)
    }

    /// Whether it waits for something, or is being sent something.
    #[cfg(test)]
    pub(crate) fn is_busy(&self) -> bool {
        self.underway > 0 || !self.queue.is_empty()
    }

    fn is_allowed(&self, request: Request) -> bool {
        self.allowed.contains(&PieceIndex(request.piece))
    }

    fn window(&self, now: Instant) -> u64 {
        let millis = u64::try_from(HORIZON.as_millis()).unwrap_or(u64::MAX);
        (self.rate.rate_bps(now).saturating_mul(millis) / 1000).clamp(LEAST_UNDERWAY, MOST_UNDERWAY)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: u32 = 16 << 10;

    fn block(piece: u32, index: u32) -> Request {
        Request { piece, begin: index * BLOCK, length: BLOCK }
    }

    fn unchoked() -> Upload {
        let mut upload = Upload::new(Instant(0));
        assert!(upload.unchoke());
        upload
    }

    fn drain(upload: &mut Upload) -> Vec<Request> {
        std::iter::from_fn(|| upload.next_to_send(Instant(0))).collect()
    }

    /// A torrent of two pieces, the second shorter.
    fn check_valid(piece: u32, begin: u32, length: u32, expected: bool) {
        let geometry = Geometry::new(256 << 10, &[(256 << 10) + 100]).unwrap();
        let request = Request { piece, begin, length };
        assert_eq!(request.is_valid(&geometry), expected, "{request:?}");
    }

    #[test]
    fn only_bytes_of_the_torrent_are_valid_and_not_too_many() {
        check_valid(0, 0, BLOCK, true);
        check_valid(0, 5, MAX_BLOCK, true);
        check_valid(0, 0, MAX_BLOCK + 1, false);
        check_valid(0, (256 << 10) - 1, 1, true);
        check_valid(0, (256 << 10) - 1, 2, false);
        check_valid(0, 0, 0, false);
        check_valid(1, 0, 100, true);
        check_valid(1, 0, 101, false);
        check_valid(2, 0, 1, false);
        check_valid(0, u32::MAX, 2, false);
    }

    #[test]
    fn what_fills_a_piece_of_v2_up_may_be_asked_for_and_nothing_behind_the_last_file() {
        let geometry = Geometry::aligned(2 * BLOCK, &[100, 100]).unwrap();
        let valid = |piece, begin, length| Request { piece, begin, length }.is_valid(&geometry);
        assert!(
            valid(0, 0, 100)
                && valid(0, 0, BLOCK)
                && valid(0, BLOCK, BLOCK)
                && !valid(0, BLOCK, BLOCK + 1)
        );
        assert!(valid(1, 0, 100) && !valid(1, 0, BLOCK));
    }

    #[test]
    fn requests_are_answered_in_order_and_not_all_at_once() {
        let mut upload = unchoked();
        (0..20).for_each(|index| assert_eq!(upload.ask(block(0, index), true), Verdict::Taken));
        assert_eq!(drain(&mut upload), (0..8).map(|index| block(0, index)).collect::<Vec<_>>());
        upload.sent(BLOCK, true, Instant(1_000_000));
        assert_eq!(upload.next_to_send(Instant(1_000_000)), Some(block(0, 8)));
        assert_eq!((upload.given(), upload.is_busy()), (u64::from(BLOCK), true));
    }

    #[test]
    fn a_faster_peer_has_more_under_way() {
        let mut upload = unchoked();
        upload.sent(4 << 20, true, Instant(1_000_000));
        (0..200).for_each(|index| assert_eq!(upload.ask(block(0, index), true), Verdict::Taken));
        let sent = std::iter::from_fn(|| upload.next_to_send(Instant(1_000_000))).count();
        assert!(sent > 100, "{sent} blocks of half a second at more than 4 MiB/s");
    }

    #[test]
    fn who_is_choked_gets_only_what_is_allowed() {
        let mut upload = Upload::new(Instant(0));
        upload.allow(vec![PieceIndex(3)]);
        assert_eq!(upload.ask(block(0, 0), true), Verdict::Refused);
        assert_eq!(upload.ask(block(3, 0), false), Verdict::Refused);
        assert_eq!(upload.ask(block(3, 0), true), Verdict::Taken);
        assert_eq!(upload.ask(block(3, 0), true), Verdict::Twice);
        assert!(upload.unchoke() && !upload.unchoke());
        assert_eq!(upload.ask(block(0, 0), true), Verdict::Taken);
        assert_eq!(upload.choke(), [block(0, 0)]);
        assert_eq!(upload.choke(), []);
        assert_eq!(drain(&mut upload), [block(3, 0)]);
    }

    #[test]
    fn what_is_taken_back_is_not_sent() {
        let mut upload = unchoked();
        upload.ask(block(0, 0), true);
        upload.ask(block(0, 1), true);
        assert!(upload.cancel(block(0, 0)) && !upload.cancel(block(0, 0)));
        assert_eq!(drain(&mut upload), [block(0, 1)]);
        assert!(!upload.cancel(block(0, 1)), "it is on its way");
    }

    #[test]
    fn who_asks_for_more_than_was_announced_is_refused_and_a_nuisance_is_told_apart() {
        let mut upload = unchoked();
        let most = u32::try_from(limits::REQUESTS_PER_PEER).unwrap();
        (0..most).for_each(|index| assert_eq!(upload.ask(block(index, 0), true), Verdict::Taken));
        (0..MOST_REFUSED)
            .for_each(|index| assert_eq!(upload.ask(block(index, 1), true), Verdict::Refused));
        assert!(!upload.is_a_nuisance());
        upload.ask(block(0, 1), true);
        assert!(upload.is_a_nuisance());
        upload.choke();
        assert!(!upload.is_a_nuisance(), "what crosses with a choke is nobody's fault");
    }

    proptest! {
        #[test]
        fn every_request_that_is_taken_is_answered_dropped_or_still_there(
            steps in prop::collection::vec((0u8..6, 0u32..4, 0u32..4), 0..300),
        ) {
            let mut upload = Upload::new(Instant(0));
            upload.allow(vec![PieceIndex(1)]);
            let (mut taken, mut gone, mut underway) = (0, 0, Vec::new());
            for (at, (what, piece, index)) in steps.into_iter().enumerate() {
                let now = Instant(at as u64 * 100_000);
                match what {
                    0 | 1 => taken += usize::from(upload.ask(block(piece, index), piece != 2) == Verdict::Taken),
                    2 => gone += usize::from(upload.cancel(block(piece, index))),
                    3 => gone += upload.choke().len(),
                    4 => drop(upload.unchoke()),
                    _ => match underway.pop() {
                        Some(length) if index > 0 => upload.sent(length, index > 1, now),
                        last => {
                            underway.extend(last);
                            let next = upload.next_to_send(now);
                            gone += usize::from(next.is_some());
                            underway.extend(next.map(|request: Request| request.length));
                        }
                    },
                }
                prop_assert_eq!(upload.queue.len(), taken - gone);
                prop_assert_eq!(upload.underway, underway.iter().map(|&length| u64::from(length)).sum::<u64>());
                prop_assert!(!upload.choking || upload.queue.iter().all(|request| request.piece == 1));
            }
        }
    }
}
