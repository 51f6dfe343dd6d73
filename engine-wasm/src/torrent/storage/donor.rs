//! Donors, and the pending copies from them. A donor is an existing file that valid pieces are
//! copied from.

use std::collections::BTreeMap;

use super::order::Location;
use crate::geometry::PieceIndex;

/// An existing file under the name that ours should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Donor {
    pub(super) at: Location,
    /// Length in bytes.
    pub(super) length: u64,
}

/// The pending copies.
#[derive(Debug, Default)]
pub(super) struct Copies(BTreeMap<PieceIndex, Copying>);

#[derive(Debug)]
struct Copying {
    /// Number of spans that are still being copied.
    left: usize,
    has_failed: bool,
}

impl Copies {
    /// Records that a piece is being copied in this many spans.
    pub(super) fn begin(&mut self, piece: PieceIndex, stretches: usize) {
        self.0.insert(piece, Copying { left: stretches, has_failed: false });
    }

    /// Records the end of a copied span.
    ///
    /// `None` if nobody waits for it.
    pub(super) fn end(&mut self, piece: PieceIndex, has_failed: bool) -> Option<Copied> {
        let copying = self.0.get_mut(&piece)?;
        copying.left -= 1;
        copying.has_failed |= has_failed;
        let outcome = match (copying.left, copying.has_failed) {
            (0, false) => Copied::Done,
            (0, true) => Copied::Failed,
            _ => Copied::Going,
        };
        if outcome != Copied::Going {
            self.0.remove(&piece);
        }
        Some(outcome)
    }

    /// Forgets the copies of a piece. Returns false if there were none.
    pub(super) fn forget(&mut self, piece: PieceIndex) -> bool {
        self.0.remove(&piece).is_some()
    }

    /// Forgets all copies, because the link to the daemon is lost.
    pub(super) fn unlink(&mut self) {
        self.0.clear();
    }
}

/// The effect of a copied span.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Copied {
    /// Other spans are pending, or the copy was forgotten.
    Going,
    /// The piece has to be hashed in our file.
    Done,
    /// The piece could not be copied: its check ends.
    Failed,
}
