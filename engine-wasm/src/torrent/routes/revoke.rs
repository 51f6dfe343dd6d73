//! The one way in which a piece stops being verified.
//!
//! Invariant: in the turn in which that happens its bytes are revoked in every file that it lies
//! in, before any other output. So the daemon hears of the loss before anything that could change
//! the bytes.

use crate::context::Context;
use crate::geometry::PieceIndex;
use crate::torrent::Torrent;

impl Torrent {
    /// A verified piece is not to be relied upon any more: it is missing, and what was granted of
    /// it is revoked.
    pub(in crate::torrent) fn lose_piece(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        self.storage.take_verified(self.content.geometry.piece_spans(piece));
        self.ledger.lose(piece, self.fetch.is_wanted(piece));
        self.put_back(piece);
        self.fetch.invalidate();
        self.revoke(piece, cx);
    }

    /// A begun piece lies in a file that another program changed: what is stored of it says
    /// nothing, nor does any digest under way. Nothing may be armed on it.
    pub(in crate::torrent) fn lose_begun(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        if self.ledger.lose_begun(piece) {
            self.revoke(piece, cx);
        }
        self.storage.forget_copies(piece);
        self.put_back(piece);
        self.fetch.invalidate();
    }

    /// Takes back what was granted of a piece.
    pub(in crate::torrent) fn revoke(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        let ledger = self.ledger.verified(&self.content.geometry);
        for span in self
            .content
            .geometry
            .piece_spans(piece)
            .filter(|span| !self.content.geometry.is_padding(span.file))
        {
            let bytes = (span.offset, span.offset + u64::from(span.length) - 1);
            self.watch.desk_mut().revoke(span.file, bytes, ledger, cx.now);
            cx.revoke(self.storage.id(span.file), bytes.0, bytes.1);
        }
    }
}
