//! The verified bytes of a torrent's files.
//!
//! Maps verified pieces and blocks of the piece map to byte offsets in files.

use crate::geometry::{BLOCK_LENGTH, FileIndex, Geometry};
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
    /// Returns the first offset from `offset` on that is not verified, at most `end + 1`.
    pub(crate) fn verified_until(&self, file: FileIndex, offset: u64, end: u64) -> u64 {
        let Some(pieces) = self.geometry.pieces_of(file, offset, end) else { return offset };
        let missing = self.pieces.have().next_unset(pieces.start().get());
        match missing.and_then(|missing| self.geometry.piece(missing)) {
            Some(missing) if missing <= *pieces.end() => {
                let at = self.geometry.piece_start_in_file(file, missing).max(offset);
                match self.proved_until(file, at, end) {
                    // The piece after a piece whose last blocks are verified may be verified, too.
                    until if until > at && until <= end => self.verified_until(file, until, end),
                    until => until,
                }
            }
            _ => end + 1,
        }
    }

    /// Returns the first offset from `offset` on, within its piece, whose block is not verified by
    /// its own hash.
    pub(crate) fn proved_until(&self, file: FileIndex, offset: u64, end: u64) -> u64 {
        let Some(block) = self.geometry.block_at(file, offset) else { return offset };
        let (piece, index) = (block.piece(), block.index());
        match self.pieces.first_unproved(piece, index) {
            Some(unproved) if unproved == index => offset,
            // Blocks are verified separately in v2 torrents only, where a piece lies in one file.
            Some(unproved) => {
                let start = self.geometry.piece_start_in_file(file, piece);
                (start + u64::from(unproved.get()) * u64::from(BLOCK_LENGTH)).min(end + 1)
            }
            None => self
                .geometry
                .piece_end_in_file(file, offset)
                .map_or(offset, |last| last.min(end) + 1),
        }
    }
}
