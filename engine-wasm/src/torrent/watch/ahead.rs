//! Parts of files that are downloaded before any viewer requests them, as wants.

use crate::geometry::{BlockIndex, FileIndex, FileRange, each_piece};
use crate::pick::piece_map::PieceState;
use crate::pick::verified::Verified;
use crate::pick::want::Want;
use crate::time::Instant;

/// The missing pieces of a part of a file, in order. They come after all that viewers need.
pub(crate) fn wants(
    file: FileIndex,
    range: FileRange,
    verified: Verified<'_>,
    now: Instant,
) -> impl Iterator<Item = Want> {
    each_piece(verified.geometry.pieces_of(file, range))
        .filter(move |&piece| verified.pieces.state(piece) != PieceState::Have)
        .map(move |piece| {
            // Their order is that of the film; the deadline only means that there is no hurry.
            Want { piece, first: BlockIndex::FIRST, deadline: now, idle: true, awaited: false }
        })
}
