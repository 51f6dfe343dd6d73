//! Where every piece and every block of it stands: the ledger of one torrent.
//!
//! Only begun pieces have an entry of their own, so that memory follows what is under way and not
//! what there is. It never knows who is worth asking; its invariant: a piece is `Have` only after
//! [`PieceMap::verified`].

mod open_piece;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use shared_proto::ConnId;

use crate::bitfield::Bitfield;
use crate::geometry::{Block, BlockIndex, Geometry, PieceIndex};
use open_piece::OpenPiece;

/// Where a piece stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceState {
    /// Nothing of it is there or asked for.
    Missing,
    /// The disk may have it; nobody looked yet.
    Unchecked,
    /// Some blocks are asked for or stored.
    Open,
    /// All of it is on disk and its hash is being computed.
    Hashing,
    /// Verified.
    Have,
}

/// What a stored block led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Connections that may still send the same block: to be disarmed before anything is hashed.
    pub disarm: Vec<ConnId>,
    /// Whether the piece is now all there.
    pub piece_is_full: bool,
}

/// The ledger.
#[derive(Debug)]
pub struct PieceMap {
    geometry: Arc<Geometry>,
    have: Bitfield,
    unchecked: Bitfield,
    /// Pieces whose hash is not known yet; `None` when there are none.
    sealed: Option<Bitfield>,
    by_block: bool,
    /// Pieces that are there or that nobody wants.
    unneeded: Bitfield,
    open: BTreeMap<PieceIndex, OpenPiece>,
    /// Pieces that may have been armed or disarmed since somebody looked.
    armed_news: Vec<PieceIndex>,
    verified_bytes: u64,
}

impl PieceMap {
    /// Nothing is there.
    pub fn new(geometry: Arc<Geometry>) -> Self {
        let pieces = geometry.piece_count();
        let mut have = Bitfield::new(pieces);
        // Of a piece that is padding only there is nothing to fetch.
        geometry
            .pieces()
            .filter(|&piece| geometry.piece_len(piece) == 0)
            .for_each(|piece| have.set(piece.0));
        let unneeded = have.clone();
        Self {
            have,
            unchecked: Bitfield::new(pieces),
            sealed: None,
            by_block: false,
            unneeded,
            open: BTreeMap::new(),
            armed_news: Vec::new(),
            verified_bytes: 0,
            geometry,
        }
    }

    /// Blocks may be proved one by one: who reads from the middle of a piece is served from there.
    pub fn judge_by_block(&mut self) {
        self.by_block = true;
    }

    /// Whether blocks may be proved one by one.
    pub fn is_by_block(&self) -> bool {
        self.by_block
    }

    /// The hash of a piece is not known: it is not asked for until it is.
    pub fn seal(&mut self, piece: PieceIndex) {
        self.sealed.get_or_insert_with(|| Bitfield::new(self.geometry.piece_count())).set(piece.0);
    }

    /// The hash of a piece is known.
    pub fn unseal(&mut self, piece: PieceIndex) {
        if let Some(sealed) = &mut self.sealed {
            sealed.clear(piece.0);
        }
        self.sealed.take_if(|sealed| sealed.is_clear());
    }

    /// Whether the hash of a piece is not known yet.
    pub fn is_sealed(&self, piece: PieceIndex) -> bool {
        self.sealed.as_ref().is_some_and(|sealed| sealed.get(piece.0))
    }

    /// Where a piece stands.
    pub fn state(&self, piece: PieceIndex) -> PieceState {
        if self.have.get(piece.0) {
            PieceState::Have
        } else if self.unchecked.get(piece.0) {
            PieceState::Unchecked
        } else {
            match self.open.get(&piece) {
                None => PieceState::Missing,
                Some(open) if open.is_hashing() => PieceState::Hashing,
                Some(_) => PieceState::Open,
            }
        }
    }

    /// The verified pieces.
    pub fn have(&self) -> &Bitfield {
        &self.have
    }

    /// The pieces that the disk may have.
    pub fn unchecked(&self) -> &Bitfield {
        &self.unchecked
    }

    /// Pieces begun and not yet verified, in order.
    pub fn begun(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.open.keys().copied()
    }

    /// Number of pieces begun.
    pub fn begun_count(&self) -> usize {
        self.open.len()
    }

    /// Bytes verified.
    pub fn verified_bytes(&self) -> u64 {
        self.verified_bytes
    }

    /// Whether everything is verified.
    pub fn is_complete(&self) -> bool {
        self.have.is_full()
    }

    /// Which pieces somebody wants to have; in the beginning all.
    pub fn set_wanted(&mut self, is_wanted: impl Fn(PieceIndex) -> bool) {
        let mut unneeded = self.have.clone();
        self.geometry
            .pieces()
            .filter(|&piece| !is_wanted(piece))
            .for_each(|piece| unneeded.set(piece.0));
        self.unneeded = unneeded;
    }

    /// Pieces that are verified or that nobody wants.
    pub fn unneeded(&self) -> &Bitfield {
        &self.unneeded
    }

    /// Whether all that is wanted is verified.
    pub fn is_done(&self) -> bool {
        self.unneeded.is_full()
    }

    /// Whether a connection may yet write to the piece.
    pub fn has_armed(&self, piece: PieceIndex) -> bool {
        self.open.get(&piece).is_some_and(OpenPiece::has_armed)
    }

    /// Pieces of which [`PieceMap::has_armed`] may have changed since the last call.
    pub fn take_armed_news(&mut self) -> Vec<PieceIndex> {
        std::mem::take(&mut self.armed_news)
    }

    /// How many blocks of a begun piece are stored; 0 for any other piece.
    pub fn stored_blocks(&self, piece: PieceIndex) -> u32 {
        self.open.get(&piece).map_or(0, OpenPiece::stored)
    }

    /// Share of a begun piece's blocks that are asked for or stored, 0–255; 0 for any other piece.
    pub fn underway(&self, piece: PieceIndex) -> u8 {
        self.open.get(&piece).map_or(0, OpenPiece::underway)
    }

    /// The disk may have this piece: it is to be hashed before it is fetched. Only for a missing
    /// piece.
    pub fn suspect(&mut self, piece: PieceIndex) {
        if self.state(piece) == PieceState::Missing {
            self.unchecked.set(piece.0);
        }
    }

    /// An unchecked piece is not to be hashed after all: it is missing. False when it was not
    /// unchecked.
    pub fn unsuspect(&mut self, piece: PieceIndex) -> bool {
        let was = self.unchecked.get(piece.0);
        if was {
            self.unchecked.clear(piece.0);
        }
        was
    }

    /// Hashing of an unchecked piece begins.
    pub fn begin_check(&mut self, piece: PieceIndex) {
        self.unchecked.clear(piece.0);
        self.open.insert(piece, OpenPiece::found());
    }

    /// First block of the piece from this one on that nobody is asked for, or else the first before
    /// it.
    pub fn first_free_from(&mut self, piece: PieceIndex, from: BlockIndex) -> Option<Block> {
        let first = self.first_free(piece)?;
        if from <= first.index {
            return Some(first);
        }
        let later = match self.open.get(&piece) {
            Some(open) => open.free_from(from).map(|index| Block { piece, index }),
            None => self.geometry.block(piece, from),
        };
        Some(later.unwrap_or(first))
    }

    /// First block of the piece that nobody is asked for. An untouched piece gives its block 0; one
    /// that is there, or may be, none.
    pub fn first_free(&mut self, piece: PieceIndex) -> Option<Block> {
        match self.state(piece) {
            _ if self.is_sealed(piece) => None,
            PieceState::Missing => Some(Block { piece, index: BlockIndex(0) }),
            PieceState::Open => {
                let open = self.open.get_mut(&piece).expect("an open piece has an entry");
                open.first_free().map(|index| Block { piece, index })
            }
            PieceState::Unchecked | PieceState::Hashing | PieceState::Have => None,
        }
    }

    /// Whether nobody is asked for a block of a missing or open piece.
    pub fn is_free(&self, block: Block) -> bool {
        match self.state(block.piece) {
            PieceState::Missing => !self.is_sealed(block.piece),
            PieceState::Open => {
                self.open.get(&block.piece).is_some_and(|open| open.is_free(block.index))
            }
            PieceState::Unchecked | PieceState::Hashing | PieceState::Have => false,
        }
    }

    /// Blocks of a begun piece that are asked for, with those that were asked.
    pub fn asked(&self, piece: PieceIndex) -> impl Iterator<Item = (Block, &[ConnId])> {
        let blocks = self.open.get(&piece).into_iter().flat_map(OpenPiece::asked);
        blocks.map(move |(index, asked)| (Block { piece, index }, asked))
    }

    /// Blocks of a begun piece that are on disk and not proved.
    pub fn unproved(&self, piece: PieceIndex) -> impl Iterator<Item = Block> {
        let blocks = self.open.get(&piece).into_iter().flat_map(OpenPiece::unproved);
        blocks.map(move |index| Block { piece, index })
    }

    /// A block that is on disk is what it should be. True when with it the whole piece is.
    pub fn prove(&mut self, block: Block) -> bool {
        self.open.get_mut(&block.piece).is_some_and(|open| open.prove(block.index))
    }

    /// A block that is on disk is not what it should be: nobody is asked for it. Who gave it.
    pub fn refute(&mut self, block: Block) -> Vec<SocketAddr> {
        let by = self
            .open
            .get_mut(&block.piece)
            .map(|open| open.refute(block.index))
            .unwrap_or_default();
        self.close_if_untouched(block.piece);
        by
    }

    /// The first block of a begun piece from this one on that is not proved; `None` when all are.
    /// Of another piece it is this one.
    pub fn first_unproved(&self, piece: PieceIndex, from: BlockIndex) -> Option<BlockIndex> {
        self.open.get(&piece).map_or(Some(from), |open| open.first_unproved(from))
    }

    /// Whether `conn` may still send this block.
    pub fn is_armed(&self, block: Block, conn: ConnId) -> bool {
        self.open.get(&block.piece).is_some_and(|open| open.is_armed(block.index, conn))
    }

    /// `conn` is asked for a block of a missing or open piece.
    pub fn ask(&mut self, block: Block, conn: ConnId) {
        let count = self.geometry.block_count(block.piece);
        let open = self.open.entry(block.piece).or_insert_with(|| OpenPiece::new(count));
        if !open.has_armed() {
            self.armed_news.push(block.piece);
        }
        open.ask(block.index, conn);
    }

    /// `conn` is no longer counted on for a block; with `gone` it can't send it any more either.
    /// True when nobody is now asked for it.
    pub fn unask(&mut self, block: Block, conn: ConnId, gone: bool) -> bool {
        let Some(open) = self.open.get_mut(&block.piece) else { return false };
        if gone && open.disarm(block.index, conn) {
            self.armed_news.push(block.piece);
        }
        let is_freed = open.unask(block.index, conn);
        self.close_if_untouched(block.piece);
        is_freed
    }

    /// `conn` at address `by` wrote a block. `None`: nobody counted on it (its piece is done or was
    /// given up).
    pub fn store(&mut self, block: Block, conn: ConnId, by: SocketAddr) -> Option<Stored> {
        let stored = self.open.get_mut(&block.piece)?.store(block.index, conn, by)?;
        self.armed_news.push(block.piece);
        Some(stored)
    }

    /// The piece's hash is right.
    pub fn verified(&mut self, piece: PieceIndex) {
        self.open.remove(&piece);
        self.unchecked.clear(piece.0);
        if !self.have.get(piece.0) {
            self.have.set(piece.0);
            self.unneeded.set(piece.0);
            self.verified_bytes += u64::from(self.geometry.content_len(piece));
        }
    }

    /// A verified piece is no longer there: it is missing.
    pub fn lose(&mut self, piece: PieceIndex, is_wanted: bool) {
        if self.have.get(piece.0) {
            self.have.clear(piece.0);
            if is_wanted {
                self.unneeded.clear(piece.0);
            }
            self.verified_bytes -= u64::from(self.geometry.content_len(piece));
        }
    }

    /// A begun piece is missing, its proved blocks included. Nobody may be able to write to it.
    /// Whether it had proved blocks.
    pub fn lose_begun(&mut self, piece: PieceIndex) -> bool {
        self.armed_news.push(piece);
        self.open.remove(&piece).is_some_and(|open| open.has_proved())
    }

    /// Who gave each block of a piece that is being hashed, in order of its blocks; empty for a
    /// piece found on disk.
    pub fn givers(&self, piece: PieceIndex) -> Vec<Vec<SocketAddr>> {
        self.open.get(&piece).map(OpenPiece::givers).unwrap_or_default()
    }

    /// The piece is given up: it is missing again, but for blocks that are proved: somebody may be
    /// reading them.
    pub fn reset(&mut self, piece: PieceIndex) {
        self.armed_news.push(piece);
        if self.open.get_mut(&piece).is_some_and(|open| !open.reset()) {
            self.open.remove(&piece);
        }
    }

    /// The link is gone: nobody is asked for anything. Stored blocks stay; a piece that was being
    /// hashed is to be checked again.
    pub fn unlink(&mut self) {
        let unchecked = &mut self.unchecked;
        self.open.retain(|piece, open| {
            if open.is_hashing() {
                unchecked.set(piece.0);
                return false;
            }
            open.unlink();
            !open.is_untouched()
        });
    }

    /// A piece with nothing stored and nobody who may send anything is missing again.
    fn close_if_untouched(&mut self, piece: PieceIndex) {
        if self.open.get(&piece).is_some_and(OpenPiece::is_untouched) {
            self.open.remove(&piece);
        }
    }
}

#[cfg(test)]
mod tests;
