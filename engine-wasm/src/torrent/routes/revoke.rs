//! The only way in which a piece stops being verified.
//!
//! Invariant: in the same step, its bytes are revoked in all of its files before any other output.
//! So the daemon learns of the loss before anything could change the bytes.

use crate::context::Context;
use crate::geometry::PieceIndex;
use crate::torrent::Torrent;

impl Torrent {
    /// Makes a verified piece missing, and revokes the grants for its bytes.
    pub(in crate::torrent) fn lose_piece(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        self.storage.take_verified(self.content.geometry.piece_spans(piece));
        self.ledger.lose(piece, self.fetch.is_wanted(piece));
        self.put_back(piece);
        self.fetch.invalidate();
        self.revoke(piece, cx);
    }

    /// Makes a begun piece missing, because another program changed one of its files.
    ///
    /// Its stored blocks and pending digests are worthless. Nothing may be armed on it.
    pub(in crate::torrent) fn lose_begun(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        if self.ledger.lose_begun(piece) {
            self.revoke(piece, cx);
        }
        self.storage.forget_copies(piece);
        self.put_back(piece);
        self.fetch.invalidate();
    }

    /// Revokes the grants for a piece.
    pub(in crate::torrent) fn revoke(&mut self, piece: PieceIndex, cx: &mut Context<'_>) {
        let ledger = self.ledger.verified(&self.content.geometry);
        for span in self
            .content
            .geometry
            .piece_spans(piece)
            .filter(|span| !self.content.geometry.is_padding(span.file))
        {
            let lost = span.range();
            self.watch.desk_mut().revoke(span.file, lost, ledger, cx.now);
            cx.revoke(self.storage.id(span.file), lost.first().get(), lost.last().get());
        }
    }
}
