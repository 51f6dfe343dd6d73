//! Where every piece and every block of it stands: the ledger of one torrent.
//!
//! Only begun pieces have an entry of their own, so that memory follows what is under way and not what there is. It never
//! knows who is worth asking; its invariant: a piece is `Have` only after [`PieceMap::verified`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use shared_proto::ConnId;

use crate::bitfield::Bitfield;
use crate::geometry::{Block, BlockIndex, Geometry, PieceIndex};

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

/// Who was asked for a block, or who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum BlockState {
    /// Nobody is being asked. Connections that were asked once and may yet send it stay listed.
    Free { armed: Vec<ConnId> },
    /// These were asked; `armed` are all that may send it, the asked ones included.
    Asked { asked: Vec<ConnId>, armed: Vec<ConnId> },
    /// It is on disk, from these addresses (more than one wrote it when two sent it at once).
    Stored { by: Vec<SocketAddr> },
    /// It is on disk, and a hash of its own vouches for it.
    Proved,
}

#[derive(Debug)]
struct OpenPiece {
    blocks: Vec<BlockState>,
    free: u32,
    stored: u32,
    hashing: bool,
    /// Nothing before this block is free.
    first_free: u32,
    /// Connections that may send a block, one for each block.
    armed: usize,
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
        geometry.pieces().filter(|&piece| geometry.piece_len(piece) == 0).for_each(|piece| have.set(piece.0));
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
                Some(open) if open.hashing => PieceState::Hashing,
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
        self.geometry.pieces().filter(|&piece| !is_wanted(piece)).for_each(|piece| unneeded.set(piece.0));
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
        self.open.get(&piece).is_some_and(|open| open.armed > 0)
    }

    /// Pieces of which [`PieceMap::has_armed`] may have changed since the last call.
    pub fn take_armed_news(&mut self) -> Vec<PieceIndex> {
        std::mem::take(&mut self.armed_news)
    }

    /// Share of a begun piece's blocks that are asked for or stored, 0–255; 0 for any other piece.
    pub fn underway(&self, piece: PieceIndex) -> u8 {
        self.open.get(&piece).map_or(0, |open| {
            let total = u32::try_from(open.blocks.len()).unwrap_or(u32::MAX).max(1);
            u8::try_from((total - open.free) * 255 / total).unwrap_or(255)
        })
    }

    /// The disk may have this piece: it is to be hashed before it is fetched. Only for a missing piece.
    pub fn suspect(&mut self, piece: PieceIndex) {
        if self.state(piece) == PieceState::Missing {
            self.unchecked.set(piece.0);
        }
    }

    /// An unchecked piece is not to be hashed after all: it is missing. False when it was not unchecked.
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
        self.open.insert(
            piece,
            OpenPiece { blocks: Vec::new(), free: 0, stored: 0, hashing: true, first_free: 0, armed: 0 },
        );
    }

    /// First block of the piece from this one on that nobody is asked for, or else the first before it.
    pub fn first_free_from(&mut self, piece: PieceIndex, from: BlockIndex) -> Option<Block> {
        let first = self.first_free(piece)?;
        let blocks = self.open.get(&piece).map_or(&[][..], |open| &open.blocks[..]);
        if from <= first.index {
            return Some(first);
        }
        if blocks.is_empty() {
            return self.geometry.block(piece, from).or(Some(first));
        }
        let later = (from.0..).zip(blocks.iter().skip(from.0 as usize));
        let free = later.into_iter().find(|(_, state)| matches!(state, BlockState::Free { .. }));
        Some(free.map_or(first, |(index, _)| Block { piece, index: BlockIndex(index) }))
    }

    /// First block of the piece that nobody is asked for. An untouched piece gives its block 0; one that is there, or may be, none.
    pub fn first_free(&mut self, piece: PieceIndex) -> Option<Block> {
        match self.state(piece) {
            _ if self.is_sealed(piece) => None,
            PieceState::Missing => Some(Block { piece, index: BlockIndex(0) }),
            PieceState::Open => {
                let open = self.open.get_mut(&piece).expect("an open piece has an entry");
                if open.free == 0 {
                    return None;
                }
                while !matches!(open.blocks[open.first_free as usize], BlockState::Free { .. }) {
                    open.first_free += 1;
                }
                Some(Block { piece, index: BlockIndex(open.first_free) })
            }
            PieceState::Unchecked | PieceState::Hashing | PieceState::Have => None,
        }
    }

    /// Whether nobody is asked for a block of a missing or open piece.
    pub fn is_free(&self, block: Block) -> bool {
        match self.state(block.piece) {
            PieceState::Missing => !self.is_sealed(block.piece),
            PieceState::Open => matches!(self.block(block), Some(BlockState::Free { .. })),
            PieceState::Unchecked | PieceState::Hashing | PieceState::Have => false,
        }
    }

    /// Blocks of a begun piece that are asked for, with those that were asked.
    pub fn asked(&self, piece: PieceIndex) -> impl Iterator<Item = (Block, &[ConnId])> {
        let blocks = self.open.get(&piece).map_or(&[][..], |open| &open.blocks[..]);
        (0u32..).zip(blocks).filter_map(move |(index, state)| match state {
            BlockState::Asked { asked, .. } => Some((Block { piece, index: BlockIndex(index) }, &asked[..])),
            BlockState::Free { .. } | BlockState::Stored { .. } | BlockState::Proved => None,
        })
    }

    /// Blocks of a begun piece that are on disk and not proved.
    pub fn unproved(&self, piece: PieceIndex) -> impl Iterator<Item = Block> {
        let blocks = self.open.get(&piece).map_or(&[][..], |open| &open.blocks[..]);
        let stored = (0u32..).zip(blocks).filter(|(_, state)| matches!(state, BlockState::Stored { .. }));
        stored.map(move |(index, _)| Block { piece, index: BlockIndex(index) })
    }

    /// A block that is on disk is what it should be. True when with it the whole piece is.
    pub fn prove(&mut self, block: Block) -> bool {
        let Some(open) = self.open.get_mut(&block.piece) else { return false };
        if let Some(state @ BlockState::Stored { .. }) = open.blocks.get_mut(block.index.0 as usize) {
            *state = BlockState::Proved;
        }
        !open.blocks.is_empty() && open.blocks.iter().all(|state| *state == BlockState::Proved)
    }

    /// A block that is on disk is not what it should be: nobody is asked for it. Who gave it.
    pub fn refute(&mut self, block: Block) -> Vec<SocketAddr> {
        let Some(open) = self.open.get_mut(&block.piece) else { return Vec::new() };
        let Some(state @ BlockState::Stored { .. }) = open.blocks.get_mut(block.index.0 as usize) else {
            return Vec::new();
        };
        let before = std::mem::replace(state, BlockState::Free { armed: Vec::new() });
        (open.free, open.stored, open.hashing) = (open.free + 1, open.stored - 1, false);
        open.first_free = open.first_free.min(block.index.0);
        self.close_if_untouched(block.piece);
        if let BlockState::Stored { by } = before { by } else { Vec::new() }
    }

    /// The first block of a begun piece from this one on that is not proved; `None` when all are. Of another piece it is this one.
    pub fn first_unproved(&self, piece: PieceIndex, from: BlockIndex) -> Option<BlockIndex> {
        let Some(open) = self.open.get(&piece).filter(|open| !open.blocks.is_empty()) else { return Some(from) };
        let later = (from.0..).zip(open.blocks.iter().skip(from.0 as usize));
        later.into_iter().find(|(_, state)| **state != BlockState::Proved).map(|(index, _)| BlockIndex(index))
    }

    /// Whether `conn` may still send this block.
    pub fn is_armed(&self, block: Block, conn: ConnId) -> bool {
        match self.block(block) {
            Some(BlockState::Free { armed } | BlockState::Asked { armed, .. }) => armed.contains(&conn),
            _ => false,
        }
    }

    /// `conn` is asked for a block of a missing or open piece.
    pub fn ask(&mut self, block: Block, conn: ConnId) {
        let count = self.geometry.block_count(block.piece);
        let open = self.open.entry(block.piece).or_insert_with(|| OpenPiece {
            blocks: vec![BlockState::Free { armed: Vec::new() }; count as usize],
            free: count,
            stored: 0,
            hashing: false,
            first_free: 0,
            armed: 0,
        });
        if open.armed == 0 {
            self.armed_news.push(block.piece);
        }
        let state = &mut open.blocks[block.index.0 as usize];
        match state {
            BlockState::Free { armed } => {
                let mut armed = std::mem::take(armed);
                if !armed.contains(&conn) {
                    armed.push(conn);
                    open.armed += 1;
                }
                *state = BlockState::Asked { asked: vec![conn], armed };
                open.free -= 1;
            }
            BlockState::Asked { asked, armed } => {
                if !armed.contains(&conn) {
                    armed.push(conn);
                    open.armed += 1;
                }
                if !asked.contains(&conn) {
                    asked.push(conn);
                }
            }
            BlockState::Stored { .. } | BlockState::Proved => {}
        }
    }

    /// `conn` is no longer counted on for a block; with `gone` it can't send it any more either. True when nobody is now asked for it.
    pub fn unask(&mut self, block: Block, conn: ConnId, gone: bool) -> bool {
        let Some(open) = self.open.get_mut(&block.piece) else { return false };
        let Some(state) = open.blocks.get_mut(block.index.0 as usize) else { return false };
        let mut freed = false;
        if gone
            && let BlockState::Free { armed } | BlockState::Asked { armed, .. } = state
            && armed.contains(&conn)
        {
            armed.retain(|&other| other != conn);
            open.armed -= 1;
            self.armed_news.push(block.piece);
        }
        match state {
            BlockState::Asked { asked, armed } => {
                asked.retain(|&other| other != conn);
                if asked.is_empty() {
                    *state = BlockState::Free { armed: std::mem::take(armed) };
                    open.free += 1;
                    open.first_free = open.first_free.min(block.index.0);
                    freed = true;
                }
            }
            BlockState::Free { .. } | BlockState::Stored { .. } | BlockState::Proved => {}
        }
        self.close_if_untouched(block.piece);
        freed
    }

    /// `conn` at address `by` wrote a block. `None`: nobody counted on it (its piece is done or was given up).
    pub fn store(&mut self, block: Block, conn: ConnId, by: SocketAddr) -> Option<Stored> {
        let open = self.open.get_mut(&block.piece).filter(|open| !open.blocks.is_empty())?;
        let state = open.blocks.get_mut(block.index.0 as usize)?;
        let disarm = match state {
            BlockState::Free { armed } => {
                open.free -= 1;
                std::mem::take(armed)
            }
            BlockState::Asked { armed, .. } => std::mem::take(armed),
            BlockState::Stored { by: givers } => {
                givers.push(by);
                return None;
            }
            BlockState::Proved => return None,
        };
        *state = BlockState::Stored { by: vec![by] };
        open.armed -= disarm.len();
        self.armed_news.push(block.piece);
        open.stored += 1;
        let piece_is_full = open.stored as usize == open.blocks.len();
        open.hashing |= piece_is_full;
        Some(Stored { disarm: disarm.into_iter().filter(|&other| other != conn).collect(), piece_is_full })
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

    /// Who gave each block of a piece that is being hashed, in order of its blocks; empty for a piece found on disk.
    pub fn givers(&self, piece: PieceIndex) -> Vec<Vec<SocketAddr>> {
        let blocks = self.open.get(&piece).map_or(&[][..], |open| &open.blocks[..]);
        blocks.iter().map(|state| if let BlockState::Stored { by } = state { by.clone() } else { Vec::new() }).collect()
    }

    /// The piece is given up: it is missing again, but for blocks that are proved: somebody may be reading them.
    pub fn reset(&mut self, piece: PieceIndex) {
        self.armed_news.push(piece);
        let Some(open) = self.open.get_mut(&piece) else { return };
        if !open.blocks.contains(&BlockState::Proved) {
            self.open.remove(&piece);
            return;
        }
        for state in open.blocks.iter_mut().filter(|state| **state != BlockState::Proved) {
            *state = BlockState::Free { armed: Vec::new() };
        }
        open.armed = 0;
        open.free = count(open.blocks.iter().filter(|state| **state != BlockState::Proved));
        (open.stored, open.hashing, open.first_free) = (count(open.blocks.iter()) - open.free, false, 0);
    }

    /// The link is gone: nobody is asked for anything. Stored blocks stay; a piece that was being hashed is to be checked again.
    pub fn unlink(&mut self) {
        let mut hashing = Vec::new();
        for (&piece, open) in &mut self.open {
            if open.hashing {
                hashing.push(piece);
                continue;
            }
            open.armed = 0;
            for state in &mut open.blocks {
                if !matches!(state, BlockState::Stored { .. } | BlockState::Proved) {
                    *state = BlockState::Free { armed: Vec::new() };
                }
            }
            open.free = u32::try_from(open.blocks.len()).unwrap_or(u32::MAX) - open.stored;
            open.first_free = 0;
        }
        for piece in hashing {
            self.open.remove(&piece);
            self.unchecked.set(piece.0);
        }
        let untouched: Vec<_> = self.open.keys().copied().collect();
        untouched.into_iter().for_each(|piece| self.close_if_untouched(piece));
    }

    fn block(&self, block: Block) -> Option<&BlockState> {
        self.open.get(&block.piece)?.blocks.get(block.index.0 as usize)
    }

    /// A piece with nothing stored and nobody who may send anything is missing again.
    fn close_if_untouched(&mut self, piece: PieceIndex) {
        let untouched = self.open.get(&piece).is_some_and(|open| {
            !open.hashing
                && open.stored == 0
                && open.free as usize == open.blocks.len()
                && open.blocks.iter().all(|state| matches!(state, BlockState::Free { armed } if armed.is_empty()))
        });
        if untouched {
            self.open.remove(&piece);
        }
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).expect("a piece has few blocks")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BLOCK_LENGTH;

    const A: ConnId = ConnId(1);
    const B: ConnId = ConnId(2);

    fn map(pieces: u32, blocks: u32) -> PieceMap {
        let piece = blocks * BLOCK_LENGTH;
        PieceMap::new(Arc::new(Geometry::new(piece, &[u64::from(pieces * piece)]).unwrap()))
    }

    fn block(piece: u32, index: u32) -> Block {
        Block { piece: PieceIndex(piece), index: BlockIndex(index) }
    }

    fn by(conn: ConnId) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], u16::try_from(conn.0).unwrap()))
    }

    /// One letter a block: `.` free, `a` asked, `#` stored; pieces `-` missing, `?` unchecked, `%` hashing, `H` have.
    fn check(map: &PieceMap, expected: &str) {
        let pieces: Vec<String> = (0..map.geometry.piece_count())
            .map(|piece| match map.state(PieceIndex(piece)) {
                PieceState::Missing => "-".to_owned(),
                PieceState::Unchecked => "?".to_owned(),
                PieceState::Hashing => "%".to_owned(),
                PieceState::Have => "H".to_owned(),
                PieceState::Open => map.open[&PieceIndex(piece)]
                    .blocks
                    .iter()
                    .map(|state| match state {
                        BlockState::Free { .. } => '.',
                        BlockState::Asked { .. } => 'a',
                        BlockState::Stored { .. } => '#',
                        BlockState::Proved => '=',
                    })
                    .collect(),
            })
            .collect();
        assert_eq!(pieces.join(" "), expected);
    }

    #[test]
    fn a_piece_goes_from_missing_to_have() {
        let mut map = map(2, 2);
        check(&map, "- -");
        map.ask(block(1, 0), A);
        check(&map, "- a.");
        assert_eq!(map.first_free(PieceIndex(1)), Some(block(1, 1)));
        map.ask(block(1, 1), B);
        assert_eq!(map.first_free(PieceIndex(1)), None);
        assert!(!map.store(block(1, 1), B, by(B)).unwrap().piece_is_full);
        check(&map, "- a#");
        assert!(map.store(block(1, 0), A, by(A)).unwrap().piece_is_full);
        check(&map, "- %");
        map.verified(PieceIndex(1));
        check(&map, "- H");
        assert_eq!(map.verified_bytes(), u64::from(2 * BLOCK_LENGTH));
    }

    /// Asked of A and stored.
    fn store(map: &mut PieceMap, block: Block) {
        map.ask(block, A);
        map.store(block, A, by(A));
    }

    #[test]
    fn blocks_are_proved_and_refuted_one_by_one() {
        let mut map = map(1, 4);
        for index in [2, 1, 3] {
            store(&mut map, block(0, index));
        }
        assert!(!map.prove(block(0, 1)) && !map.prove(block(0, 2)) && !map.prove(block(0, 0)));
        check(&map, ".==#");
        assert_eq!(map.unproved(PieceIndex(0)).collect::<Vec<_>>(), [block(0, 3)]);
        let unproved = |map: &PieceMap, from| map.first_unproved(PieceIndex(0), BlockIndex(from)).map(|index| index.0);
        assert_eq!([unproved(&map, 0), unproved(&map, 1), unproved(&map, 3)], [Some(0), Some(3), Some(3)]);
        assert_eq!(map.refute(block(0, 3)), [by(A)]);
        assert_eq!(map.refute(block(0, 1)), [], "what is proved stays so");
        check(&map, ".==.");
        store(&mut map, block(0, 3));
        map.ask(block(0, 0), B);
        assert!(map.store(block(0, 0), B, by(B)).unwrap().piece_is_full);
        check(&map, "%");
        map.reset(PieceIndex(0));
        check(&map, ".==.");
        store(&mut map, block(0, 0));
        store(&mut map, block(0, 3));
        assert!(!map.prove(block(0, 0)) && map.prove(block(0, 3)));
        assert_eq!(unproved(&map, 0), None);
    }

    #[test]
    fn a_reader_in_the_middle_of_a_piece_comes_first() {
        let mut map = map(2, 4);
        let free =
            |map: &mut PieceMap, from| map.first_free_from(PieceIndex(0), BlockIndex(from)).map(|block| block.index.0);
        assert_eq!([free(&mut map, 0), free(&mut map, 2)], [Some(0), Some(2)]);
        map.ask(block(0, 2), A);
        assert_eq!([free(&mut map, 2), free(&mut map, 3)], [Some(3), Some(3)]);
        map.ask(block(0, 3), A);
        assert_eq!(free(&mut map, 2), Some(0));
        map.ask(block(0, 0), A);
        map.ask(block(0, 1), A);
        assert_eq!(free(&mut map, 2), None);
    }

    #[test]
    fn a_sealed_piece_is_not_asked_for() {
        let mut map = map(2, 1);
        map.seal(PieceIndex(0));
        assert_eq!(map.first_free(PieceIndex(0)), None);
        assert_eq!(map.first_free(PieceIndex(1)), Some(block(1, 0)));
        map.unseal(PieceIndex(0));
        assert_eq!(map.first_free(PieceIndex(0)), Some(block(0, 0)));
    }

    #[test]
    fn a_block_that_nobody_is_asked_for_any_more_is_free_and_still_welcome() {
        let mut map = map(1, 2);
        map.ask(block(0, 0), A);
        assert!(map.unask(block(0, 0), A, false));
        check(&map, "..");
        assert!(map.is_armed(block(0, 0), A));
        map.ask(block(0, 0), B);
        let stored = map.store(block(0, 0), A, by(A)).unwrap();
        assert_eq!(stored.disarm, [B]);
        check(&map, "#.");
    }

    #[test]
    fn a_piece_that_nobody_can_send_any_more_is_missing_again() {
        let mut map = map(1, 2);
        map.ask(block(0, 1), A);
        map.unask(block(0, 1), A, true);
        check(&map, "-");
    }

    #[test]
    fn both_givers_of_a_block_sent_twice_are_known() {
        let mut map = map(1, 2);
        map.ask(block(0, 0), A);
        map.ask(block(0, 0), B);
        assert_eq!(map.store(block(0, 0), A, by(A)).unwrap().disarm, [B]);
        assert_eq!(map.store(block(0, 0), B, by(B)), None);
        assert_eq!(map.givers(PieceIndex(0)), [vec![by(A), by(B)], vec![]]);
    }

    #[test]
    fn without_a_link_stored_blocks_stay_and_hashing_is_to_be_done_again() {
        let mut map = map(3, 2);
        map.ask(block(0, 0), A);
        map.ask(block(1, 0), A);
        map.ask(block(1, 1), A);
        map.store(block(1, 0), A, by(A));
        map.suspect(PieceIndex(2));
        map.begin_check(PieceIndex(2));
        map.unlink();
        check(&map, "- #. ?");
    }

    #[test]
    fn a_failed_piece_starts_from_nothing() {
        let mut map = map(1, 1);
        map.ask(block(0, 0), A);
        map.store(block(0, 0), A, by(A));
        map.reset(PieceIndex(0));
        check(&map, "-");
        assert_eq!(map.store(block(0, 0), B, by(B)), None);
    }
}
