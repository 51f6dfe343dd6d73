//! The pieces that a peer has, and which of them it would send.
//!
//! Invariant: once the peer has everything, it keeps everything.

use super::event::{PeerError, PeerEvent};
use crate::bitfield::Bitfield;
use crate::geometry::{Geometry, PieceIndex};

/// The most pieces that a peer may allow while it chokes us.
const MAX_ALLOWED_FAST: usize = 64;

/// The pieces of one peer.
#[derive(Debug)]
pub(super) struct Having {
    /// The peer's pieces; `None` until the peer has announced them.
    pieces: Option<Bitfield>,
    has_all: bool,
    told_bitfield: bool,
    /// Whether the peer chokes us.
    choked: bool,
    /// The pieces that the peer sends although it chokes us (BEP 6).
    allowed_fast: Vec<PieceIndex>,
}

impl Having {
    /// Creates the state of a peer that has announced nothing.
    pub(super) fn new() -> Self {
        Self {
            pieces: None,
            has_all: false,
            told_bitfield: false,
            choked: true,
            allowed_fast: Vec::new(),
        }
    }

    /// Returns whether the peer has a piece.
    pub(super) fn has(&self, piece: PieceIndex) -> bool {
        self.has_all || self.pieces.as_ref().is_some_and(|pieces| pieces.get(piece.get()))
    }

    /// Returns whether the peer announced that it has everything.
    pub(super) fn has_all(&self) -> bool {
        self.has_all
    }

    /// Returns whether the peer has every piece, however it announced them.
    pub(super) fn is_full(&self) -> bool {
        self.has_all || self.pieces.as_ref().is_some_and(Bitfield::is_full)
    }

    /// Returns the peer's pieces, if they are known and are not all.
    pub(super) fn pieces(&self) -> Option<&Bitfield> {
        self.pieces.as_ref().filter(|_| !self.has_all)
    }

    /// Returns whether the peer would send a block of a piece now.
    pub(super) fn serves(&self, piece: PieceIndex) -> bool {
        self.has(piece) && (!self.choked || self.allowed_fast.contains(&piece))
    }

    /// Returns whether the peer has unchoked us.
    pub(super) fn is_open(&self) -> bool {
        !self.choked || !self.allowed_fast.is_empty()
    }

    /// Sets whether the peer chokes us. Returns whether that is new.
    pub(super) fn set_choked(&mut self, choked: bool) -> bool {
        std::mem::replace(&mut self.choked, choked) != choked
    }

    /// Returns whether the peer chokes us.
    pub(super) fn is_choked(&self) -> bool {
        self.choked
    }

    /// Handles a `have`.
    pub(super) fn handle_have(
        &mut self,
        piece: u32,
        geometry: &Geometry,
    ) -> Result<Option<PeerEvent>, PeerError> {
        let piece = geometry.piece(piece).ok_or(PeerError::OutOfRange)?;
        self.told_bitfield = true;
        let pieces = self.pieces.get_or_insert_with(|| Bitfield::new(geometry.piece_count()));
        if self.has_all || pieces.get(piece.get()) {
            return Ok(None);
        }
        pieces.set(piece.get());
        Ok(Some(PeerEvent::Has(piece)))
    }

    /// Handles a bitfield, or a message that replaces one.
    ///
    /// aria2 sends another bitfield instead of many `have` messages, and then `have all`.
    pub(super) fn handle_bitfield(
        &mut self,
        pieces: Bitfield,
        geometry: &Geometry,
    ) -> Result<Option<PeerEvent>, PeerError> {
        if self.told_bitfield {
            return Ok(self.add(&pieces, geometry));
        }
        self.handle_first(pieces)
    }

    /// Handles a message that is only valid as the first one.
    pub(super) fn handle_first(
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

    /// Handles an `allowed fast` (BEP 6).
    pub(super) fn handle_allowed_fast(
        &mut self,
        piece: u32,
        geometry: &Geometry,
    ) -> Result<Option<PeerEvent>, PeerError> {
        let piece = geometry.piece(piece).ok_or(PeerError::OutOfRange)?;
        if self.allowed_fast.contains(&piece) || self.allowed_fast.len() >= MAX_ALLOWED_FAST {
            return Ok(None);
        }
        self.allowed_fast.push(piece);
        Ok(Some(PeerEvent::AllowedFast(piece)))
    }

    /// Adds the pieces of a late bitfield. Pieces that it omits are not removed.
    fn add(&mut self, pieces: &Bitfield, geometry: &Geometry) -> Option<PeerEvent> {
        if self.has_all {
            return None;
        }
        let known = self.pieces.get_or_insert_with(|| Bitfield::new(pieces.len()));
        let news: Vec<PieceIndex> =
            geometry.marked(pieces).filter(|piece| !known.get(piece.get())).collect();
        news.iter().for_each(|piece| known.set(piece.get()));
        (!news.is_empty()).then_some(PeerEvent::HasMore(news))
    }
}
