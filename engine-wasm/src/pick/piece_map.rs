//! The state of every piece and block of one torrent.
//!
//! A block is *armed* at a connection while that connection may still send it and the daemon would
//! write it to disk. Only begun pieces have an entry of their own, so memory depends on the number
//! of begun pieces. The map does not choose peers. Invariant: a piece is `Have` only after
//! [`PieceMap::verified`].

mod open_piece;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bitfield::Bitfield;
use crate::geometry::{Block, BlockIndex, Geometry, PieceIndex};
use crate::source::{Sender, Source};
use open_piece::OpenPiece;
pub(crate) use open_piece::Stored;

/// The state of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PieceState {
    /// No block is requested or stored.
    Missing,
    /// The disk may contain the piece; it has not been checked.
    Unchecked,
    /// Some blocks are requested or stored.
    Open,
    /// All blocks are on disk, and the hash is being computed.
    Hashing,
    /// Verified.
    Have,
}

/// The states of all pieces of one torrent.
#[derive(Debug)]
pub(crate) struct PieceMap {
    geometry: Arc<Geometry>,
    have: Bitfield,
    unchecked: Bitfield,
    /// Pieces whose hash is unknown; `None` if every hash is known.
    sealed: Option<Bitfield>,
    by_block: bool,
    /// Pieces that are verified or not wanted.
    unneeded: Bitfield,
    open: BTreeMap<PieceIndex, OpenPiece>,
    /// Pieces whose armed state may have changed since the last [`PieceMap::take_armed_changes`].
    armed_changes: Vec<PieceIndex>,
    verified_bytes: u64,
}

impl PieceMap {
    /// Creates a map in which every piece is missing.
    pub(crate) fn new(geometry: Arc<Geometry>) -> Self {
        let pieces = geometry.piece_count();
        let mut have = Bitfield::new(pieces);
        // A piece that consists of padding only is not downloaded.
        geometry
            .pieces()
            .filter(|&piece| geometry.piece_len(piece) == 0)
            .for_each(|piece| have.set(piece.get()));
        let unneeded = have.clone();
        Self {
            have,
            unchecked: Bitfield::new(pieces),
            sealed: None,
            by_block: false,
            unneeded,
            open: BTreeMap::new(),
            armed_changes: Vec::new(),
            verified_bytes: 0,
            geometry,
        }
    }

    /// Allows single blocks to be verified. Viewers can then read from the middle of a piece.
    pub(crate) fn verify_by_block(&mut self) {
        self.by_block = true;
    }

    /// Returns whether single blocks may be verified.
    pub(crate) fn verifies_by_block(&self) -> bool {
        self.by_block
    }

    /// Marks the hash of a piece as unknown. The piece is not requested until it is known.
    pub(crate) fn seal(&mut self, piece: PieceIndex) {
        self.sealed
            .get_or_insert_with(|| Bitfield::new(self.geometry.piece_count()))
            .set(piece.get());
    }

    /// Marks the hash of a piece as known.
    pub(crate) fn unseal(&mut self, piece: PieceIndex) {
        if let Some(sealed) = &mut self.sealed {
            sealed.clear(piece.get());
        }
        self.sealed.take_if(|sealed| sealed.is_clear());
    }

    /// Returns whether the hash of a piece is unknown.
    pub(crate) fn is_sealed(&self, piece: PieceIndex) -> bool {
        self.sealed.as_ref().is_some_and(|sealed| sealed.get(piece.get()))
    }

    /// Returns the state of a piece.
    pub(crate) fn state(&self, piece: PieceIndex) -> PieceState {
        if self.have.get(piece.get()) {
            PieceState::Have
        } else if self.unchecked.get(piece.get()) {
            PieceState::Unchecked
        } else {
            match self.open.get(&piece) {
                None => PieceState::Missing,
                Some(open) if open.is_hashing() => PieceState::Hashing,
                Some(_) => PieceState::Open,
            }
        }
    }

    /// Returns the verified pieces.
    pub(crate) fn have(&self) -> &Bitfield {
        &self.have
    }

    /// Returns the pieces that the disk may contain.
    pub(crate) fn unchecked(&self) -> &Bitfield {
        &self.unchecked
    }

    /// Returns the pieces that are begun and not verified, in order.
    pub(crate) fn begun(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.open.keys().copied()
    }

    /// Returns the number of begun pieces.
    pub(crate) fn begun_count(&self) -> usize {
        self.open.len()
    }

    /// Returns the number of verified bytes.
    pub(crate) fn verified_bytes(&self) -> u64 {
        self.verified_bytes
    }

    /// Returns whether every piece is verified.
    pub(crate) fn is_complete(&self) -> bool {
        self.have.is_full()
    }

    /// Returns the pieces of `theirs` that are wanted and not verified, in order.
    pub(crate) fn lacking<'a>(
        &'a self,
        theirs: &'a Bitfield,
    ) -> impl Iterator<Item = PieceIndex> + 'a {
        let indexes = theirs.iter_missing_in(&self.unneeded);
        indexes.filter_map(|index| self.geometry.piece(index))
    }

    /// Sets which pieces are wanted; initially all are.
    pub(crate) fn set_wanted(&mut self, is_wanted: impl Fn(PieceIndex) -> bool) {
        let mut unneeded = self.have.clone();
        self.geometry
            .pieces()
            .filter(|&piece| !is_wanted(piece))
            .for_each(|piece| unneeded.set(piece.get()));
        self.unneeded = unneeded;
    }

    /// Returns the pieces that are verified or not wanted.
    pub(crate) fn unneeded(&self) -> &Bitfield {
        &self.unneeded
    }

    /// Returns whether every wanted piece is verified.
    pub(crate) fn is_done(&self) -> bool {
        self.unneeded.is_full()
    }

    /// Returns whether any connection may still write to the piece.
    pub(crate) fn has_armed(&self, piece: PieceIndex) -> bool {
        self.open.get(&piece).is_some_and(OpenPiece::has_armed)
    }

    /// Takes the pieces whose [`PieceMap::has_armed`] may have changed since the last call.
    pub(crate) fn take_armed_changes(&mut self) -> Vec<PieceIndex> {
        std::mem::take(&mut self.armed_changes)
    }

    /// Returns the number of stored blocks of a begun piece. The result is 0 for any other piece.
    pub(crate) fn stored_blocks(&self, piece: PieceIndex) -> u32 {
        self.open.get(&piece).map_or(0, OpenPiece::stored)
    }

    /// Returns the share of a begun piece's blocks that are requested or stored, 0–255.
    ///
    /// 0 for any other piece.
    pub(crate) fn underway(&self, piece: PieceIndex) -> u8 {
        self.open.get(&piece).map_or(0, OpenPiece::underway)
    }

    /// Marks a missing piece as possibly on disk. The piece is checked before it is downloaded.
    pub(crate) fn mark_unchecked(&mut self, piece: PieceIndex) {
        if self.state(piece) == PieceState::Missing {
            self.unchecked.set(piece.get());
        }
    }

    /// Marks an unchecked piece as missing. Returns false if it was not unchecked.
    pub(crate) fn clear_unchecked(&mut self, piece: PieceIndex) -> bool {
        let was = self.unchecked.get(piece.get());
        if was {
            self.unchecked.clear(piece.get());
        }
        was
    }

    /// Starts the hash check of an unchecked piece.
    pub(crate) fn begin_check(&mut self, piece: PieceIndex) {
        self.unchecked.clear(piece.get());
        self.open.insert(piece, OpenPiece::found(self.geometry.blocks(piece)));
    }

    /// Finds the first free block from `from` on, or else before it.
    pub(crate) fn first_free_from(&mut self, piece: PieceIndex, from: BlockIndex) -> Option<Block> {
        let first = self.first_free(piece)?;
        if from <= first.index() {
            return Some(first);
        }
        let later = match self.open.get(&piece) {
            Some(open) => open.free_from(from),
            None => self.geometry.block(piece, from),
        };
        Some(later.unwrap_or(first))
    }

    /// Returns the free blocks of a piece, those from `from` on first.
    ///
    /// Empty for a piece that is or may be on disk.
    pub(crate) fn free_blocks(
        &self,
        piece: PieceIndex,
        from: BlockIndex,
    ) -> impl Iterator<Item = Block> + '_ {
        let all = self.geometry.blocks(piece);
        let later = all.clone().from(from);
        let earlier = all.take_while(move |block| block.index() < from);
        later.chain(earlier).filter(|&block| self.is_free(block))
    }

    /// Finds the first free block of the piece.
    ///
    /// This is block 0 of an untouched piece, and `None` for a piece that is or may be on disk.
    pub(crate) fn first_free(&mut self, piece: PieceIndex) -> Option<Block> {
        match self.state(piece) {
            _ if self.is_sealed(piece) => None,
            PieceState::Missing => self.geometry.block(piece, BlockIndex::FIRST),
            PieceState::Open => {
                let open = self.open.get_mut(&piece).expect("an open piece has an entry");
                open.first_free()
            }
            PieceState::Unchecked | PieceState::Hashing | PieceState::Have => None,
        }
    }

    /// Returns whether no source was asked for this block. False if the piece is neither missing
    /// nor open.
    pub(crate) fn is_free(&self, block: Block) -> bool {
        match self.state(block.piece()) {
            PieceState::Missing => !self.is_sealed(block.piece()),
            PieceState::Open => {
                self.open.get(&block.piece()).is_some_and(|open| open.is_free(block.index()))
            }
            PieceState::Unchecked | PieceState::Hashing | PieceState::Have => false,
        }
    }

    /// Returns the requested blocks of a begun piece. Each comes with the sources that were asked.
    pub(crate) fn asked(&self, piece: PieceIndex) -> impl Iterator<Item = (Block, &[Source])> {
        self.open.get(&piece).into_iter().flat_map(OpenPiece::asked)
    }

    /// Returns the blocks of a begun piece that are stored and not verified.
    pub(crate) fn unproved(&self, piece: PieceIndex) -> impl Iterator<Item = Block> {
        self.open.get(&piece).into_iter().flat_map(OpenPiece::unproved)
    }

    /// Marks a stored block as verified. Returns whether the whole piece is now verified.
    pub(crate) fn prove(&mut self, block: Block) -> bool {
        self.open.get_mut(&block.piece()).is_some_and(|open| open.prove(block.index()))
    }

    /// Frees a stored block that failed verification. Returns the addresses that sent it.
    pub(crate) fn refute(&mut self, block: Block) -> Vec<Sender> {
        let by = self
            .open
            .get_mut(&block.piece())
            .map(|open| open.refute(block.index()))
            .unwrap_or_default();
        self.close_if_untouched(block.piece());
        by
    }

    /// Finds the first block of a begun piece that is not verified. The search starts at `from`.
    ///
    /// `None` if all are verified. For a piece that is not begun it is `from`.
    pub(crate) fn first_unproved(&self, piece: PieceIndex, from: BlockIndex) -> Option<BlockIndex> {
        self.open.get(&piece).map_or(Some(from), |open| open.first_unproved(from))
    }

    /// Returns whether `source` may still send this block.
    #[cfg(test)]
    pub(crate) fn is_armed(&self, block: Block, source: impl Into<Source>) -> bool {
        self.open
            .get(&block.piece())
            .is_some_and(|open| open.is_armed(block.index(), source.into()))
    }

    /// Notes that `source` was asked for a block of a missing or open piece.
    pub(crate) fn ask(&mut self, block: Block, source: impl Into<Source>) {
        let open = self.open.entry(block.piece());
        let open = open.or_insert_with(|| OpenPiece::new(self.geometry.blocks(block.piece())));
        if !open.has_armed() {
            self.armed_changes.push(block.piece());
        }
        open.ask(block.index(), source.into());
    }

    /// Withdraws a request. With `gone` the connection can no longer send the block either.
    ///
    /// Returns whether the block is now free.
    pub(crate) fn withdraw(&mut self, block: Block, source: impl Into<Source>, gone: bool) -> bool {
        let source = source.into();
        let Some(open) = self.open.get_mut(&block.piece()) else { return false };
        if gone && open.disarm(block.index(), source) {
            self.armed_changes.push(block.piece());
        }
        let is_freed = open.withdraw(block.index(), source);
        self.close_if_untouched(block.piece());
        is_freed
    }

    /// Stores a block that `source` wrote, and `by` answers for.
    ///
    /// Returns `None` if the block was not expected because its piece is done or was given up.
    pub(crate) fn store(
        &mut self,
        block: Block,
        source: impl Into<Source>,
        by: impl Into<Sender>,
    ) -> Option<Stored> {
        let stored =
            self.open.get_mut(&block.piece())?.store(block.index(), source.into(), by.into())?;
        self.armed_changes.push(block.piece());
        Some(stored)
    }

    /// Marks a piece as verified.
    pub(crate) fn verified(&mut self, piece: PieceIndex) {
        self.open.remove(&piece);
        self.unchecked.clear(piece.get());
        if !self.have.get(piece.get()) {
            self.have.set(piece.get());
            self.unneeded.set(piece.get());
            self.verified_bytes += u64::from(self.geometry.content_len(piece));
        }
    }

    /// Marks a verified piece as missing: it is no longer on disk.
    pub(crate) fn lose(&mut self, piece: PieceIndex, is_wanted: bool) {
        if self.have.get(piece.get()) {
            self.have.clear(piece.get());
            if is_wanted {
                self.unneeded.clear(piece.get());
            }
            self.verified_bytes -= u64::from(self.geometry.content_len(piece));
        }
    }

    /// Marks a begun piece as missing, including its verified blocks.
    ///
    /// No connection may be able to write to it. Returns whether it had verified blocks.
    pub(crate) fn lose_begun(&mut self, piece: PieceIndex) -> bool {
        self.armed_changes.push(piece);
        self.open.remove(&piece).is_some_and(|open| open.has_proved())
    }

    /// Returns the senders of each block of a piece, in block order. The piece is being hashed.
    ///
    /// Empty for a piece found on disk.
    pub(crate) fn senders(&self, piece: PieceIndex) -> Vec<Vec<Sender>> {
        self.open.get(&piece).map(OpenPiece::senders).unwrap_or_default()
    }

    /// Gives up a piece: frees its blocks, except for verified ones, which viewers may be reading.
    pub(crate) fn reset(&mut self, piece: PieceIndex) {
        self.armed_changes.push(piece);
        if self.open.get_mut(&piece).is_some_and(|open| !open.reset()) {
            self.open.remove(&piece);
        }
    }

    /// Withdraws all requests after the connection to the daemon was lost.
    ///
    /// Stored blocks stay; a piece that was being hashed must be checked again.
    pub(crate) fn unlink(&mut self) {
        let unchecked = &mut self.unchecked;
        self.open.retain(|piece, open| {
            if open.is_hashing() {
                unchecked.set(piece.get());
                return false;
            }
            open.unlink();
            !open.is_untouched()
        });
    }

    /// Marks an untouched piece as missing. Nothing of it is stored, and no connection may write to
    /// it.
    fn close_if_untouched(&mut self, piece: PieceIndex) {
        if self.open.get(&piece).is_some_and(OpenPiece::is_untouched) {
            self.open.remove(&piece);
        }
    }
}

#[cfg(test)]
mod tests;
