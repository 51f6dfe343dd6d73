//! The pieces of a peer, and which of them it would send.

use super::{Peer, PeerError, PeerEvent};
use crate::bitfield::Bitfield;
use crate::geometry::{Geometry, PieceIndex};

impl Peer {
    /// Whether it has the piece.
    pub fn has(&self, piece: PieceIndex) -> bool {
        self.has_all || self.pieces.as_ref().is_some_and(|pieces| pieces.get(piece.get()))
    }

    /// Whether it has everything.
    pub(crate) fn has_all(&self) -> bool {
        self.has_all
    }

    /// Its pieces, if they are known and are not all.
    pub fn pieces(&self) -> Option<&Bitfield> {
        self.pieces.as_ref().filter(|_| !self.has_all)
    }

    /// Whether it would send a block of this piece now.
    pub fn serves(&self, piece: PieceIndex) -> bool {
        self.is_ready() && self.has(piece) && (!self.choked || self.allowed_fast.contains(&piece))
    }

    /// Whether it has unchoked us.
    pub fn is_open(&self) -> bool {
        self.is_ready() && (!self.choked || !self.allowed_fast.is_empty())
    }

    /// Whether it downloads nothing: it has everything, or all that it selected (BEP 21).
    pub(crate) fn is_upload_only(&self) -> bool {
        self.upload_only || self.has_all || self.pieces.as_ref().is_some_and(Bitfield::is_full)
    }

    pub(super) fn have(
        &mut self,
        piece: u32,
        geometry: &Geometry,
    ) -> Result<Option<PeerEvent>, PeerError> {
        if piece >= geometry.piece_count() {
            return Err(PeerError::OutOfRange);
        }
        self.told_bitfield = true;
        let pieces = self.pieces.get_or_insert_with(|| Bitfield::new(geometry.piece_count()));
        if self.has_all || pieces.get(piece) {
            return Ok(None);
        }
        pieces.set(piece);
        Ok(Some(PeerEvent::Has(PieceIndex(piece))))
    }

    /// Adds the pieces of a late bitfield; pieces that it omits are not removed.
    pub(super) fn more_pieces(&mut self, pieces: &Bitfield) -> Option<PeerEvent> {
        if self.has_all {
            return None;
        }
        let known = self.pieces.get_or_insert_with(|| Bitfield::new(pieces.len()));
        let news: Vec<PieceIndex> =
            pieces.iter_ones().filter(|&piece| !known.get(piece)).map(PieceIndex).collect();
        news.iter().for_each(|piece| known.set(piece.get()));
        (!news.is_empty()).then_some(PeerEvent::HasMore(news))
    }

    pub(super) fn first_pieces(
        &mut self,
        pieces: Bitfield,
    ) -> Result<Option<PeerEvent>, PeerError> {
        if std::mem::replace(&mut self.told_bitfield, true) {
            return Err(PeerError::OutOfTurn);
        }
        self.has_all = pieces.is_full();
        self.pieces = Some(pieces);
        Ok(Some(if self.has_all { PeerEvent::HasAll } else { PeerEvent::HasSome }))
    }

    pub(super) fn allow_fast(
        &mut self,
        piece: PieceIndex,
        geometry: &Geometry,
    ) -> Result<Option<PeerEvent>, PeerError> {
        const MOST: usize = 64;
        if piece.get() >= geometry.piece_count() {
            return Err(PeerError::OutOfRange);
        }
        if self.allowed_fast.contains(&piece) || self.allowed_fast.len() >= MOST {
            return Ok(None);
        }
        self.allowed_fast.push(piece);
        Ok(Some(PeerEvent::AllowedFast(piece)))
    }
}
