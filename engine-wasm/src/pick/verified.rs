//! The verified bytes of a torrent's files.
//!
//! Maps verified pieces and blocks of the piece map to byte offsets in files.

use crate::geometry::{FileIndex, FileOffset, FileRange, Geometry};
use crate::pick::piece_map::PieceMap;

/// The verified bytes of a torrent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verified<'a> {
    /// The layout of files and pieces.
    pub(crate) geometry: &'a Geometry,
    /// The state of all pieces.
    pub(crate) pieces: &'a PieceMap,
}

impl Verified<'_> {
    /// Returns how far the bytes of a range are verified. This is the offset of the first byte that
    /// is not, or the range's end.
    pub(crate) fn verified_until(&self, file: FileIndex, range: FileRange) -> FileOffset {
        let pieces = self.geometry.pieces_of(file, range);
        let missing = self.pieces.have().next_unset(pieces.start().get());
        match missing.and_then(|missing| self.geometry.piece(missing)) {
            Some(missing) if missing <= *pieces.end() => {
                let at = self.geometry.piece_start_in_file(file, missing).max(range.first());
                let until = self.proved_until(file, at, range.end());
                match range.from(until) {
                    // The piece after a piece whose last blocks are verified may be verified, too.
                    Some(rest) if until > at => self.verified_until(file, rest),
                    _ => until,
                }
            }
            _ => range.end(),
        }
    }

    /// Returns how far the bytes from `offset` on are verified by block hashes. The result is at
    /// most `end` and the end of the piece.
    pub(crate) fn proved_until(
        &self,
        file: FileIndex,
        offset: FileOffset,
        end: FileOffset,
    ) -> FileOffset {
        let Some(block) = self.geometry.block_at(file, offset) else { return offset };
        let (piece, index) = (block.piece(), block.index());
        match self.pieces.first_unproved(piece, index) {
            Some(unproved) if unproved == index => offset,
            // Blocks are verified separately in v2 torrents only, where a piece lies in one file.
            Some(unproved) => self.geometry.block(piece, unproved).map_or(offset, |unproved| {
                self.geometry.block_start_in_file(file, unproved).min(end)
            }),
            None => self
                .geometry
                .piece_range_at(file, offset)
                .map_or(offset, |range| range.end().min(end)),
        }
    }
}
