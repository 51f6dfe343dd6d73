//! Pieces on the disk that are to be verified, and how far that has come.
//!
//! Owns what was verified before a check that a user asked for, so that a cancelled check leaves
//! everything as it was.

use std::collections::{BTreeSet, VecDeque};
use std::ops::RangeInclusive;

use crate::geometry::PieceIndex;

/// The checks of pieces that were on the disk before.
#[derive(Debug, Default)]
pub(super) struct Checks {
    /// Pieces whose digest or copy is under way.
    underway: BTreeSet<PieceIndex>,
    /// Unchecked pieces that a record names: the likeliest to be right.
    likely: VecDeque<PieceIndex>,
    /// Pieces that were verified before a check that the user asked for.
    doubted: Vec<PieceIndex>,
    /// Pieces to check since the last time that none was left.
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

    /// Ends the check of a piece, however it came out. False when none was under way.
    pub(super) fn end(&mut self, piece: PieceIndex) -> bool {
        self.underway.remove(&piece)
    }

    /// Adds a piece that is to be checked.
    pub(super) fn add(&mut self, piece: PieceIndex, is_likely: bool) {
        self.total += 1;
        if is_likely {
            self.likely.push_back(piece);
        }
    }

    /// Takes the next of the likely pieces.
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

    /// The user cancels the check: the pieces that were verified before it. `None` when the user
    /// did not ask for one.
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

    /// Share of the pieces that are checked, 0 to 1, with so many `unchecked` left; `None` when
    /// nothing is to be checked.
    pub(super) fn progress(&self, unchecked: u32) -> Option<f64> {
        let left = unchecked + u32::try_from(self.underway.len()).unwrap_or(0);
        let total = self.total.max(left).max(1);
        (left > 0).then(|| f64::from(total - left) / f64::from(total))
    }

    /// No answer comes any more: what was being checked is unchecked again.
    pub(super) fn unlink(&mut self) {
        self.underway.clear();
        self.likely.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_ends_once() {
        let mut checks = Checks::default();
        checks.begin(PieceIndex(1));
        assert!(checks.end(PieceIndex(1)) && !checks.end(PieceIndex(1)));
        assert_eq!(checks.underway(), 0);
    }

    #[test]
    fn progress_counts_what_is_left_and_what_is_under_way() {
        let mut checks = Checks::default();
        assert_eq!(checks.progress(0), None);
        (0..4).for_each(|piece| checks.add(PieceIndex(piece), false));
        assert_eq!(checks.progress(4), Some(0.0));
        checks.begin(PieceIndex(0));
        assert_eq!(checks.progress(3), Some(0.0));
        checks.end(PieceIndex(0));
        assert_eq!(checks.progress(3), Some(0.25));
    }

    #[test]
    fn a_check_that_nobody_asked_for_is_not_cancelled() {
        let mut checks = Checks::default();
        checks.doubt(PieceIndex(1));
        assert_eq!(checks.cancel(), None);
        checks.ask();
        checks.doubt(PieceIndex(1));
        checks.doubt(PieceIndex(2));
        checks.forget_doubted(&(PieceIndex(0)..=PieceIndex(1)));
        assert_eq!(checks.cancel(), Some(vec![PieceIndex(2)]));
    }
}
