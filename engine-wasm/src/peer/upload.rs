//! The requests of one peer (BEP 3, 6) in order of arrival.
//!
//! It decides which requests are accepted and when to send the next one; its owner sends, and knows
//! which pieces we have. Invariants: the number of waiting requests is at most the one that we
//! announce. The bytes being sent are bounded by half a second of the peer's rate, so that a
//! `cancel` or a choke stops everything behind them.

use std::collections::VecDeque;
use std::time::Duration;

use super::rate::RateMeter;
use crate::geometry::{Geometry, PieceIndex};
use crate::limits;
use crate::time::Instant;

/// Longest block that is sent, in bytes.
///
/// Clients request 16 KiB, but early ones requested 128 KiB, and aria2 may still. The cost of a
/// file span does not depend on its length.
pub(crate) const MAX_BLOCK: u32 = 128 << 10;
/// Share of a peer's rate that is being sent at once, as a time.
const HORIZON: Duration = Duration::from_millis(500);
/// Minimum bytes being sent: what a line of 100 ms holds at 1 MB/s.
const LEAST_UNDERWAY: u64 = 128 << 10;
/// Maximum bytes being sent.
const MOST_UNDERWAY: u64 = 4 << 20;
/// Number of impossible requests after which a peer is dropped (BEP 6 allows it). They count from
/// the last choke or unchoke.
const MOST_REFUSED: u32 = 300;

/// A peer's request for a block, with unchecked numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The piece.
    pub piece: u32,
    /// Offset of the first byte in the piece.
    pub begin: u32,
    /// Number of bytes.
    pub length: u32,
}

impl Request {
    /// Whether the torrent has these bytes, and the length is allowed.
    pub fn is_valid(&self, geometry: &Geometry) -> bool {
        let inside = |piece| {
            let end = self.begin.checked_add(self.length);
            // In v1 a piece includes its padding (BEP 47); in v2 libtorrent also requests the zeros
            // after a file, and accepts no shorter block than it requested.
            self.begin < geometry.filled_len(piece)
                && end.is_some_and(|end| end <= geometry.requestable_len(piece))
        };
        (1..=MAX_BLOCK).contains(&self.length) && geometry.piece(self.piece).is_some_and(inside)
    }
}

/// The decision about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It waits for its turn.
    Taken,
    /// It is already in the queue: one answer suffices.
    Twice,
    /// It is rejected.
    Refused,
}

/// The uploads to one peer.
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
    /// Creates the state of a peer that is choked and has requested nothing.
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

    /// Whether it is interested in our pieces.
    pub(crate) fn is_interested(&self) -> bool {
        self.interested
    }

    /// Sets its interest. False if unchanged.
    pub(crate) fn set_interested(&mut self, interested: bool, now: Instant) -> bool {
        let changed = std::mem::replace(&mut self.interested, interested) != interested;
        if changed {
            self.interest_changed = now;
        }
        changed
    }

    /// Since when it has not been interested; `None` while it is.
    pub fn idle_since(&self) -> Option<Instant> {
        (!self.interested).then_some(self.interest_changed)
    }

    /// Sets the pieces that it may request while choked.
    pub fn allow(&mut self, pieces: Vec<PieceIndex>) {
        self.allowed = pieces;
    }

    /// Handles a request for a block. `can_give` says whether the bytes are valid, verified and
    /// readable.
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

    /// Handles a cancelled request. False if it is too late, or if there was none.
    pub fn cancel(&mut self, request: Request) -> bool {
        let at = self.queue.iter().position(|waiting| *waiting == request);
        at.is_some_and(|at| self.queue.remove(at).is_some())
    }

    /// Chokes the peer. Returns the dropped requests: all but those for allowed pieces.
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

    /// Unchokes the peer. False if it was unchoked before.
    pub fn unchoke(&mut self) -> bool {
        let changed = std::mem::replace(&mut self.choking, false);
        if changed {
            self.refused = 0;
        }
        changed
    }

    /// Whether it keeps requesting what it can't have.
    pub(crate) fn is_a_nuisance(&self) -> bool {
        self.refused > MOST_REFUSED
    }

    /// The next request to answer; `None` while enough is being sent.
    ///
    /// [`Upload::sent`] must follow for each, unless the connection ends.
    pub(crate) fn next_to_send(&mut self, now: Instant) -> Option<Request> {
        if self.underway >= self.window(now) {
            return None;
        }
        let request = self.queue.pop_front()?;
        self.underway += u64::from(request.length);
        Some(request)
    }

    /// An answer was passed on or failed.
    pub fn sent(&mut self, length: u32, succeeded: bool, now: Instant) {
        self.underway = self.underway.saturating_sub(u64::from(length));
        if succeeded {
            self.given += u64::from(length);
            self.rate.add(u64::from(length), now);
        }
    }

    /// Bytes sent to the peer.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// Current upload rate to the peer, in bytes per second.
    pub fn rate_bps(&self, now: Instant) -> u64 {
        self.rate.rate_bps(now)
    }

    /// Whether requests are waiting or being sent.
    #[cfg(test)]
    pub(crate) fn is_busy(&self) -> bool {
        self.underway > 0 || !self.queue.is_empty()
    }

    fn is_allowed(&self, request: Request) -> bool {
        self.allowed.iter().any(|piece| piece.get() == request.piece)
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
    use crate::geometry::testing;

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

    /// Checks a request in a torrent of two pieces, the second one shorter.
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
    fn padding_within_a_v2_piece_is_valid_and_whole_blocks_at_the_end_of_the_last_file() {
        let geometry = Geometry::aligned(2 * BLOCK, &[100, 100]).unwrap();
        let valid = |piece, begin, length| Request { piece, begin, length }.is_valid(&geometry);
        assert!(
            valid(0, 0, 100)
                && valid(0, 0, BLOCK)
                && valid(0, BLOCK, BLOCK)
                && !valid(0, BLOCK, BLOCK + 1)
        );
        assert!(valid(1, 0, 100) && valid(1, 0, BLOCK) && valid(1, 99, 2));
        assert!(!valid(1, 0, BLOCK + 1) && !valid(1, 100, 1) && !valid(1, BLOCK, BLOCK));
        let short_pieces = Geometry::aligned(1000, &[1001]).unwrap();
        let valid = |length| Request { piece: 1, begin: 0, length }.is_valid(&short_pieces);
        assert!(valid(1000) && !valid(1001), "a piece may be shorter than a block");
    }

    #[test]
    fn requests_are_answered_in_order_and_at_a_limited_rate() {
        let mut upload = unchoked();
        (0..20).for_each(|index| assert_eq!(upload.ask(block(0, index), true), Verdict::Taken));
        assert_eq!(drain(&mut upload), (0..8).map(|index| block(0, index)).collect::<Vec<_>>());
        upload.sent(BLOCK, true, Instant(1_000_000));
        assert_eq!(upload.next_to_send(Instant(1_000_000)), Some(block(0, 8)));
        assert_eq!((upload.given(), upload.is_busy()), (u64::from(BLOCK), true));
    }

    #[test]
    fn a_faster_peer_has_more_bytes_in_flight() {
        let mut upload = unchoked();
        upload.sent(4 << 20, true, Instant(1_000_000));
        (0..200).for_each(|index| assert_eq!(upload.ask(block(0, index), true), Verdict::Taken));
        let sent = std::iter::from_fn(|| upload.next_to_send(Instant(1_000_000))).count();
        assert!(sent > 100, "{sent} blocks of half a second at more than 4 MiB/s");
    }

    #[test]
    fn a_choked_peer_gets_allowed_pieces_only() {
        let mut upload = Upload::new(Instant(0));
        upload.allow(vec![testing::piece(3)]);
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
    fn cancelled_requests_are_not_sent() {
        let mut upload = unchoked();
        upload.ask(block(0, 0), true);
        upload.ask(block(0, 1), true);
        assert!(upload.cancel(block(0, 0)) && !upload.cancel(block(0, 0)));
        assert_eq!(drain(&mut upload), [block(0, 1)]);
        assert!(!upload.cancel(block(0, 1)), "it is on its way");
    }

    #[test]
    fn excess_requests_are_refused_and_a_nuisance_is_recognised() {
        let mut upload = unchoked();
        let most = u32::try_from(limits::REQUESTS_PER_PEER).unwrap();
        (0..most).for_each(|index| assert_eq!(upload.ask(block(index, 0), true), Verdict::Taken));
        (0..MOST_REFUSED)
            .for_each(|index| assert_eq!(upload.ask(block(index, 1), true), Verdict::Refused));
        assert!(!upload.is_a_nuisance());
        upload.ask(block(0, 1), true);
        assert!(upload.is_a_nuisance());
        upload.choke();
        assert!(!upload.is_a_nuisance(), "a request that crosses with a choke is no fault");
    }

    proptest! {
        #[test]
        fn every_accepted_request_is_answered_dropped_or_waiting(
            steps in prop::collection::vec((0u8..6, 0u32..4, 0u32..4), 0..300),
        ) {
            let mut upload = Upload::new(Instant(0));
            upload.allow(vec![testing::piece(1)]);
            let (mut taken, mut gone, mut underway) = (0, 0, Vec::new());
            for (at, (what, piece, index)) in steps.into_iter().enumerate() {
                let now = Instant(at as u64 * 100_000);
                match what {
                    0 | 1 => {
                        taken += usize::from(
                            upload.ask(block(piece, index), piece != 2) == Verdict::Taken,
                        )
                    }
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
                prop_assert_eq!(
                    upload.underway,
                    underway.iter().map(|&length| u64::from(length)).sum::<u64>()
                );
                prop_assert!(
                    !upload.choking || upload.queue.iter().all(|request| request.piece == 1)
                );
            }
        }
    }
}
