//! A piece that is needed, and how urgently.

use crate::geometry::{BlockIndex, PieceIndex};
use crate::time::Instant;

/// A piece that a viewer needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Which.
    pub piece: PieceIndex,
    /// Its first block that is needed; the others before it later.
    pub first: BlockIndex,
    /// When the viewer will be there.
    pub deadline: Instant,
    /// Nobody reads here now: after all that is needed by those who do.
    pub idle: bool,
    /// A request waits for this very piece.
    pub awaited: bool,
}
