//! What is fetched before anybody watches: the beginning of a film, so that it is there when its viewer comes.

use crate::geometry::{BlockIndex, FileIndex, Geometry, PieceIndex};
use crate::pick::piece_map::PieceState;
use crate::stream::desk::Ledger;
use crate::stream::viewer::Want;
use crate::time::Instant;

/// So many bytes of a film are fetched first: what a player reads before it shows a picture, and some seconds more.
const HEAD: u64 = 2 << 20;
/// And never more pieces than these.
const PIECES: u32 = 16;

/// The pieces that a film begins with and that are not there, in order. They come after all that viewers want.
pub(crate) fn wants(file: FileIndex, ledger: Ledger<'_>, now: Instant) -> impl Iterator<Item = Want> {
    let (first, last) = head(file, ledger.geometry).unwrap_or((1, 0));
    (first..=last).map(PieceIndex).filter(move |&piece| ledger.pieces.state(piece) != PieceState::Have).map(
        move |piece| {
            // Their order is that of the film: the deadline only says that there is no hurry.
            Want { piece, first: BlockIndex(0), deadline: now, idle: true, awaited: false }
        },
    )
}

/// The first and the last piece of a film's beginning.
fn head(file: FileIndex, geometry: &Geometry) -> Option<(u32, u32)> {
    let last = geometry.file_len(file).checked_sub(1)?;
    let pieces = geometry.pieces_of(file, 0, last.min(HEAD - 1))?;
    let (first, last) = (pieces.start().0, pieces.end().0);
    Some((first, last.min(first.saturating_add(PIECES - 1))))
}
