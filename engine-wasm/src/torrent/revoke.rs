//! A torrent and what it takes back: bytes that were proven and are proven no longer.
//!
//! Owns the one way in which a piece stops being verified. Invariant: in the turn in which that
//! happens its bytes are revoked in every file that it lies in, before anything else is said. So
//! the daemon hears of the loss before it hears of anything that could change the bytes.

use super::{Op, Torrent};
use crate::context::Context;
use crate::geometry::PieceIndex;
use crate::stream::desk::Ledger;

impl Torrent {
    /// A verified piece is not to be relied upon any more: it is missing, and what was granted of
    /// it is revoked.
    pub(super) fn lose_piece(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        for span in self.geometry.piece_spans(piece) {
            let slot = &mut self.files[span.file.as_usize()];
            slot.verified = slot.verified.saturating_sub(u64::from(span.length));
        }
        self.is_confirmed = false;
        self.pieces.lose(piece, self.availability.is_wanted(piece));
        self.put_back(piece);
        self.wants_are_stale = true;
        self.revoke(piece, cx);
    }

    /// A begun piece lies in a file that another program changed: what is stored of it says
    /// nothing, nor does any digest under way. Nothing may be armed on it.
    pub(super) fn lose_begun(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        let was_on_disk = self.pieces.givers(piece).is_empty();
        if self.pieces.lose_begun(piece) {
            self.revoke(piece, cx);
        }
        self.judging.retain(|block, _| block.piece != piece);
        self.to_hash.retain(|&other| other != piece);
        for op in self.ops.values_mut() {
            match op {
                Op::Hash(other) | Op::HashFound(other) if *other == piece => {
                    self.checking -= usize::from(was_on_disk);
                    *op = Op::Stale(piece);
                }
                Op::Exhibit(other, _) if *other == piece => *op = Op::Stale(piece),
                _ => {}
            }
        }
        self.checking -= usize::from(self.copies.forget(piece));
        self.put_back(piece);
        self.wants_are_stale = true;
    }

    /// Takes back what was granted of a piece.
    pub(super) fn revoke(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        let ledger = Ledger { geometry: &self.geometry, pieces: &self.pieces };
        for span in
            self.geometry.piece_spans(piece).filter(|span| !self.geometry.is_padding(span.file))
        {
            let bytes = (span.offset, span.offset + u64::from(span.length) - 1);
            self.desk.revoke(span.file, bytes, ledger, cx.now);
            cx.revoke(&self.files[span.file.as_usize()].id, bytes.0, bytes.1);
        }
    }
}
