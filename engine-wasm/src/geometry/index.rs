//! Indexes of pieces, blocks and files.
//!
//! This module owns the numbers and knows no lengths: only the geometry turns a number into an
//! index.

use std::fmt;
use std::ops::{Range, RangeInclusive};

use super::offset::PieceOffset;

/// Length in bytes of every block except the last of a piece.
///
/// All clients request this length; many refuse longer requests.
pub(crate) const BLOCK_LENGTH: u32 = 16 << 10;

macro_rules! index {
    ($(#[$doc:meta])* $vis:vis $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $vis struct $name(pub(super) u32);

        impl $name {
            /// Returns the index as a number.
            #[inline]
            $vis const fn get(self) -> u32 {
                self.0
            }

            /// Returns the index as a `usize`.
            #[inline]
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
    pub(crate) BlockIndex
}
index! {
    /// A file of a torrent, numbered in metainfo order.
    pub(crate) FileIndex
}

impl BlockIndex {
    /// The first block of a piece.
    pub(crate) const FIRST: Self = Self(0);
}

/// A block of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    pub(super) piece: PieceIndex,
    pub(super) index: BlockIndex,
}

impl Block {
    /// Returns the block's piece.
    pub(crate) const fn piece(self) -> PieceIndex {
        self.piece
    }

    /// Returns the block's index in its piece.
    pub(crate) const fn index(self) -> BlockIndex {
        self.index
    }

    /// Returns the offset of the block's first byte in its piece.
    pub(crate) const fn begin(self) -> PieceOffset {
        PieceOffset(self.index.0 * BLOCK_LENGTH)
    }
}

/// The blocks of a piece, in order.
#[derive(Clone, Debug)]
pub(crate) struct Blocks {
    piece: PieceIndex,
    indexes: Range<u32>,
}

impl Blocks {
    /// Returns the first `count` blocks of a piece.
    pub(super) const fn new(piece: PieceIndex, count: u32) -> Self {
        Self { piece, indexes: 0..count }
    }

    /// Returns the number of blocks that are left.
    pub(crate) fn left(&self) -> u32 {
        self.indexes.end - self.indexes.start
    }

    /// Returns the blocks from `first` on.
    pub(crate) fn from(&self, first: BlockIndex) -> Self {
        let start = first.0.clamp(self.indexes.start, self.indexes.end);
        Self { piece: self.piece, indexes: start..self.indexes.end }
    }

    /// Returns the block with this index.
    pub(crate) fn get(&self, index: u32) -> Option<Block> {
        self.indexes.contains(&index).then_some(self.block(index))
    }

    const fn block(&self, index: u32) -> Block {
        Block { piece: self.piece, index: BlockIndex(index) }
    }
}

impl Iterator for Blocks {
    type Item = Block;

    fn next(&mut self) -> Option<Block> {
        let index = self.indexes.next()?;
        Some(self.block(index))
    }

    fn nth(&mut self, n: usize) -> Option<Block> {
        let index = self.indexes.nth(n)?;
        Some(self.block(index))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.indexes.size_hint()
    }
}

impl DoubleEndedIterator for Blocks {
    fn next_back(&mut self) -> Option<Block> {
        let index = self.indexes.next_back()?;
        Some(self.block(index))
    }
}

/// Iterates over a range of pieces.
pub(crate) fn each_piece(
    range: RangeInclusive<PieceIndex>,
) -> impl DoubleEndedIterator<Item = PieceIndex> + Clone {
    (range.start().0..=range.end().0).map(PieceIndex)
}

/// Returns the piece at position `at` of a range, which begins with position 0.
pub(crate) fn nth_piece(range: &RangeInclusive<PieceIndex>, at: u32) -> Option<PieceIndex> {
    let piece = PieceIndex(range.start().0.checked_add(at)?);
    range.contains(&piece).then_some(piece)
}

/// Returns the number of pieces in a range.
pub(crate) fn count_pieces(range: &RangeInclusive<PieceIndex>) -> u32 {
    (range.end().0 + 1).saturating_sub(range.start().0)
}
