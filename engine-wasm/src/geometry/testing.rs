//! Indexes and offsets for tests that have no geometry.

use super::{Block, BlockIndex, FileIndex, FileOffset, FileRange, PieceIndex};

/// Returns the piece with this index.
pub(crate) const fn piece(index: u32) -> PieceIndex {
    PieceIndex(index)
}

/// Returns the file with this index.
pub(crate) const fn file(index: u32) -> FileIndex {
    FileIndex(index)
}

/// Returns the block with this index in its piece.
pub(crate) const fn block_index(index: u32) -> BlockIndex {
    BlockIndex(index)
}

/// Returns the block with these indexes.
pub(crate) const fn block(piece: u32, index: u32) -> Block {
    Block { piece: PieceIndex(piece), index: BlockIndex(index) }
}

/// Returns this offset in a file.
pub(crate) const fn file_offset(offset: u64) -> FileOffset {
    FileOffset(offset)
}

/// Returns the bytes `first..=last` of a file.
pub(crate) fn file_range((first, last): (u64, u64)) -> FileRange {
    FileRange::new(first, last).expect("a range is not empty")
}
