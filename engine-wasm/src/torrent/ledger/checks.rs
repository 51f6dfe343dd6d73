//! The pieces on the disk that await verification, and the progress of that.
//!
//! Owns which pieces were verified before a check by the user, so that a cancelled check leaves
//! everything as it was.

use std::collections::{BTreeSet, VecDeque};
use std::ops::RangeInclusive;

use crate::geometry::PieceIndex;

/// The checks of pieces that were on the disk before.
#[derive(Debug, Default)]
pub(super) struct Checks {
    /// Pieces with a pending digest or copy.
    underway: BTreeSet<PieceIndex>,
    /// Unchecked pieces in the record, which are most probably valid.
    likely: VecDeque<PieceIndex>,
    /// Pieces that were verified before a check by the user.
    doubted: Vec<PieceIndex>,
    /// Number of pieces to check since the last time that none was left.
    total: u32,
    /// Whether the user asked for the check.
    is_asked: bool,
}

impl Checks {
    /// Number of pieces that are being checked.
    pub(super) fn underway(&self) -> usize {
        self.underway.len()
    }

    /// Begins the check of a piece.
    pub(super) fn begin(&mut self, piece: PieceIndex) {
        self.underway.insert(piece);
    }

    /// Ends the check of a piece, whatever the result. False if there was none.
    pub(super) fn end(&mut self, piece: PieceIndex) -> bool {
        self.underway.remove(&piece)
    }

    /// Adds a piece to check.
    pub(super) fn add(&mut self, piece: PieceIndex, is_likely: bool) {
        self.total += 1;
        if is_likely {
            self.likely.push_back(piece);
        }
    }

    /// Takes the next probable piece.
    pub(super) fn take_likely(&mut self) -> Option<PieceIndex> {
        self.likely.pop_front()
    }

    /// The user asks for a check of everything.
    pub(super) fn ask(&mut self) {
        self.doubted.clear();
        self.is_asked = true;
    }

    /// Remembers that a piece was verified before the check.
    pub(super) fn doubt(&mut self, piece: PieceIndex) {
        self.doubted.push(piece);
    }

    /// Pieces whose bytes changed are not restored when the check is cancelled.
    pub(super) fn forget_doubted(&mut self, pieces: &RangeInclusive<PieceIndex>) {
        self.doubted.retain(|piece| !pieces.contains(piece));
    }

    /// The user cancels the check: returns the pieces that were verified before it. `None` if the
    /// user had started none.
    pub(super) fn cancel(&mut self) -> Option<Vec<PieceIndex>> {
        if !self.is_asked {
            return None;
        }
        self.likely.clear();
        Some(std::mem::take(&mut self.doubted))
    }

    /// Nothing is left to check: the next check counts from zero.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Share of the pieces that are checked, 0 to 1, with `unchecked` left. `None` without a check.
    pub(super) fn progress(&self, unchecked: u32) -> Option<f64> {
        let left = unchecked + u32::try_from(self.underway.len()).unwrap_or(0);
        let total = self.total.max(left).max(1);
        (left > 0).then(|| f64::from(total - left) / f64::from(total))
    }

    /// No answers will arrive any more: pieces that were being checked are unchecked again.
    pub(super) fn unlink(&mut self) {
        self.underway.clear();
        self.likely.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::testing;

    #[test]
    fn a_check_ends_once() {
        let mut checks = Checks::default();
        checks.begin(testing::piece(1));
        assert_eq!(checks.underway(), 1);
        assert!(checks.end(testing::piece(1)) && !checks.end(testing::piece(1)));
        assert_eq!(checks.underway(), 0);
    }

    #[test]
    fn progress_counts_remaining_and_pending_pieces() {
        let mut checks = Checks::default();
        assert_eq!(checks.progress(0), None);
        (0..4).for_each(|piece| checks.add(testing::piece(piece), false));
        assert_eq!(checks.progress(4), Some(0.0));
        checks.begin(testing::piece(0));
        assert_eq!(checks.progress(3), Some(0.0));
        checks.end(testing::piece(0));
        assert_eq!(checks.progress(3), Some(0.25));
    }

    #[test]
    fn only_a_check_of_the_user_can_be_cancelled() {
        let mut checks = Checks::default();
        checks.doubt(testing::piece(1));
        assert_eq!(checks.cancel(), None);
        checks.ask();
        checks.doubt(testing::piece(1));
        checks.doubt(testing::piece(2));
        checks.forget_doubted(&(testing::piece(0)..=testing::piece(1)));
        assert_eq!(checks.cancel(), Some(vec![testing::piece(2)]));
    }

    #[test]
    fn likely_pieces_come_in_order_and_are_forgotten_with_the_daemon() {
        let mut checks = Checks::default();
        (0..3).for_each(|piece| checks.add(testing::piece(piece), piece != 1));
        assert_eq!(checks.take_likely(), Some(testing::piece(0)));
        assert_eq!(checks.take_likely(), Some(testing::piece(2)));
        assert_eq!(checks.take_likely(), None);
        checks.add(testing::piece(3), true);
        checks.begin(testing::piece(4));
        checks.unlink();
        assert_eq!((checks.take_likely(), checks.underway()), (None, 0));
        checks.reset();
        assert_eq!(checks.progress(1), Some(0.0), "what was counted before is forgotten");
    }
}
