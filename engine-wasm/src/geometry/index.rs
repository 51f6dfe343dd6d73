//! Indexes of pieces, blocks and files.
//!
//! This module owns the numbers and knows no lengths: only the geometry turns a number into an
//! index.

use std::fmt;
use std::ops::RangeInclusive;

/// Length in bytes of every block except the last of a piece.
///
/// All clients request this length; many refuse longer requests.
pub(crate) const BLOCK_LENGTH: u32 = 16 << 10;

macro_rules! index {
    ($(#[$doc:meta])* $visible:vis $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visible struct $name(pub u32);

        impl $name {
            /// Returns the index as a number.
            pub(crate) const fn get(self) -> u32 {
                self.0
            }

            /// Returns the index as a `usize`.
            pub(crate) fn as_usize(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

index! {
    /// A piece of a torrent: the unit of verification.
    pub PieceIndex
}
index! {
    /// A block within its piece: the unit of requests.
    pub BlockIndex
}
index! {
    /// A file of a torrent, numbered in metainfo order.
    pub(crate) FileIndex
}

/// A block that exists. `Geometry::validate` makes one from a peer's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// The block's piece.
    pub piece: PieceIndex,
    /// The block's index in its piece.
    pub index: BlockIndex,
}

impl Block {
    /// Returns the offset of the block's first byte in its piece.
    pub(crate) fn begin(self) -> u32 {
        self.index.0 * BLOCK_LENGTH
    }
}

/// Iterates over a range of pieces.
pub(crate) fn each_piece(
    range: RangeInclusive<PieceIndex>,
) -> impl DoubleEndedIterator<Item = PieceIndex> {
    (range.start().0..=range.end().0).map(PieceIndex)
}
