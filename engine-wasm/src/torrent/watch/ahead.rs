//! Parts of files that are downloaded before any viewer requests them, as wants.

use crate::geometry::{BlockIndex, FileIndex, each_piece};
use crate::media::container_index::Bytes;
use crate::pick::piece_map::PieceState;
use crate::pick::verified::Verified;
use crate::pick::want::Want;
use crate::time::Instant;

/// The missing pieces of a part of a file, in order. They come after all that viewers need.
pub(crate) fn wants(
    file: FileIndex,
    (first, last): Bytes,
    verified: Verified<'_>,
    now: Instant,
) -> impl Iterator<Item = Want> {
    let pieces = verified.geometry.pieces_of(file, first, last);
    pieces
        .into_iter()
        .flat_map(each_piece)
        .filter(move |&piece| verified.pieces.state(piece) != PieceState::Have)
        .map(move |piece| {
            // Their order is that of the film; the deadline only means that there is no hurry.
            Want { piece, first: BlockIndex::FIRST, deadline: now, idle: true, awaited: false }
        })
}
