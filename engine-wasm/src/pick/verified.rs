//! Which bytes of a file are verified.
//!
//! Owns one view of the piece map: from pieces and blocks to bytes of a file.

use crate::geometry::{BLOCK_LENGTH, Block, FileIndex, Geometry, PieceIndex};
use crate::pick::piece_map::PieceMap;

/// The verified bytes of a torrent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verified<'a> {
    /// Where bytes lie.
    pub geometry: &'a Geometry,
    /// Which pieces and blocks are verified.
    pub pieces: &'a PieceMap,
}

impl Verified<'_> {
    /// First byte of the file at or after `offset` that is not verified, at most `end + 1`.
    pub(crate) fn verified_until(&self, file: FileIndex, offset: u64, end: u64) -> u64 {
        let Some(pieces) = self.geometry.pieces_of(file, offset, end) else { return offset };
        match self.pieces.have().next_unset(pieces.start().0) {
            Some(missing) if missing <= pieces.end().0 => {
                let at = self.geometry.piece_start_in_file(file, PieceIndex(missing)).max(offset);
                match self.proved_until(file, at, end) {
                    // A piece whose last blocks are proved may be followed by one that is verified.
                    until if until > at && until <= end => self.verified_until(file, until, end),
                    until => until,
                }
            }
            _ => end + 1,
        }
    }

    /// First byte at or after `offset`, within its piece, whose block is not proved by itself.
    pub(crate) fn proved_until(&self, file: FileIndex, offset: u64, end: u64) -> u64 {
        let Some(Block { piece, index }) = self.geometry.block_at(file, offset) else {
            return offset;
        };
        match self.pieces.first_unproved(piece, index) {
            Some(unproved) if unproved == index => offset,
            // A piece whose blocks are proved one by one lies in one file.
            Some(unproved) => {
                let start = self.geometry.piece_start_in_file(file, piece);
                (start + u64::from(unproved.0) * u64::from(BLOCK_LENGTH)).min(end + 1)
            }
            None => self
                .geometry
                .piece_end_in_file(file, offset)
                .map_or(offset, |last| last.min(end) + 1),
        }
    }
}
