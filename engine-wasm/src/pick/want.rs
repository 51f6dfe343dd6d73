//! A piece that a viewer needs, and how urgently.

use crate::geometry::{BlockIndex, PieceIndex};
use crate::time::Instant;

/// One entry in the list of pieces that viewers need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Want {
    /// The piece.
    pub(crate) piece: PieceIndex,
    /// The first needed block; earlier blocks of the piece are needed later.
    pub(crate) first: BlockIndex,
    /// When playback is expected to reach the piece.
    pub(crate) deadline: Instant,
    /// The viewer has no open request, so viewers with one come first.
    pub(crate) idle: bool,
    /// A viewer's request is waiting for this piece.
    pub(crate) awaited: bool,
}
