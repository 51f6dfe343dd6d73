//! The state of each block of one begun piece.
//!
//! It knows neither other pieces nor block lengths. Invariant: `free`, `stored` and `armed` equal
//! the counts in `blocks`.

use crate::geometry::{Block, BlockIndex, Blocks};
use crate::source::{Sender, Source};

/// The state of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BlockState {
    /// Not requested. Connections that were asked earlier and may still send the block are in
    /// `armed`.
    Free { armed: Vec<Source> },
    /// Requested from `asked`; `armed` holds every connection that may send it, including these.
    Asked { asked: Vec<Source>, armed: Vec<Source> },
    /// On disk. Several addresses are listed if several sent the block at once.
    Stored { by: Vec<Sender> },
    /// On disk and verified by its own hash.
    Proved,
}

/// The consequences of a stored block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Connections that may still send the same block. Their requests must be disarmed before the
    /// piece is hashed.
    pub(crate) disarm: Vec<Source>,
    /// Whether all blocks of the piece are now stored.
    pub(crate) piece_is_full: bool,
}

impl BlockState {
    const UNTOUCHED: Self = Self::Free { armed: Vec::new() };
}

#[derive(Debug)]
pub(super) struct OpenPiece {
    all: Blocks,
    /// Empty for a piece that was found on disk.
    blocks: Vec<BlockState>,
    free: u32,
    stored: u32,
    hashing: bool,
    /// No block before this one is free.
    first_free: u32,
    /// Number of connections that may send a block, summed over all blocks.
    armed: usize,
}

impl OpenPiece {
    /// Creates a piece of which all blocks are free.
    pub(super) fn new(blocks: Blocks) -> Self {
        let free = blocks.left();
        Self {
            blocks: vec![BlockState::UNTOUCHED; free as usize],
            all: blocks,
            free,
            stored: 0,
            hashing: false,
            first_free: 0,
            armed: 0,
        }
    }

    /// Creates a piece that was found on disk and is being hashed.
    pub(super) fn found(blocks: Blocks) -> Self {
        Self {
            all: blocks,
            blocks: Vec::new(),
            free: 0,
            stored: 0,
            hashing: true,
            first_free: 0,
            armed: 0,
        }
    }

    /// Returns whether the piece's hash is being computed.
    pub(super) fn is_hashing(&self) -> bool {
        self.hashing
    }

    /// Returns whether any connection may still write to the piece.
    pub(super) fn has_armed(&self) -> bool {
        self.armed > 0
    }

    /// Returns whether nothing is stored and no connection may send a block.
    pub(super) fn is_untouched(&self) -> bool {
        !self.hashing && self.stored == 0 && self.armed == 0
    }

    /// Returns the number of stored blocks.
    pub(super) fn stored(&self) -> u32 {
        self.stored
    }

    /// Returns the share of blocks that are requested or stored, 0–255.
    pub(super) fn underway(&self) -> u8 {
        let total = count(self.blocks.iter()).max(1);
        u8::try_from((total - self.free) * 255 / total).unwrap_or(255)
    }

    /// Finds the first free block.
    pub(super) fn first_free(&mut self) -> Option<Block> {
        if self.free == 0 {
            return None;
        }
        while !matches!(self.blocks[self.first_free as usize], BlockState::Free { .. }) {
            self.first_free += 1;
        }
        self.all.get(self.first_free)
    }

    /// Finds the first free block from `from` on.
    pub(super) fn free_from(&self, from: BlockIndex) -> Option<Block> {
        self.from(from)
            .find(|(_, state)| matches!(state, BlockState::Free { .. }))
            .map(|(block, _)| block)
    }

    /// Returns whether a block is free.
    pub(super) fn is_free(&self, index: BlockIndex) -> bool {
        matches!(self.blocks.get(index.as_usize()), Some(BlockState::Free { .. }))
    }

    /// Returns the requested blocks, each with the connections that were asked.
    pub(super) fn asked(&self) -> impl Iterator<Item = (Block, &[Source])> {
        self.from(BlockIndex::FIRST).filter_map(|(block, state)| match state {
            BlockState::Asked { asked, .. } => Some((block, &asked[..])),
            BlockState::Free { .. } | BlockState::Stored { .. } | BlockState::Proved => None,
        })
    }

    /// Returns whether a connection may still send a block.
    #[cfg(test)]
    pub(super) fn is_armed(&self, index: BlockIndex, source: Source) -> bool {
        match self.blocks.get(index.as_usize()) {
            Some(BlockState::Free { armed } | BlockState::Asked { armed, .. }) => {
                armed.contains(&source)
            }
            _ => false,
        }
    }

    /// Notes that a connection was asked for a block.
    pub(super) fn ask(&mut self, index: BlockIndex, source: Source) {
        let state = &mut self.blocks[index.as_usize()];
        let (BlockState::Free { armed } | BlockState::Asked { armed, .. }) = state else { return };
        if !armed.contains(&source) {
            armed.push(source);
            self.armed += 1;
        }
        match state {
            BlockState::Free { armed } => {
                *state = BlockState::Asked { asked: vec![source], armed: std::mem::take(armed) };
                self.free -= 1;
            }
            BlockState::Asked { asked, .. } if !asked.contains(&source) => asked.push(source),
            _ => {}
        }
    }

    /// Withdraws a request. Returns whether the block is now free.
    pub(super) fn withdraw(&mut self, index: BlockIndex, source: Source) -> bool {
        let Some(state) = self.blocks.get_mut(index.as_usize()) else { return false };
        let BlockState::Asked { asked, armed } = state else { return false };
        asked.retain(|&other| other != source);
        let is_freed = asked.is_empty();
        if is_freed {
            *state = BlockState::Free { armed: std::mem::take(armed) };
            self.free += 1;
            self.first_free = self.first_free.min(index.get());
        }
        is_freed
    }

    /// Notes that a connection can no longer send a block. Returns false if it could not before.
    pub(super) fn disarm(&mut self, index: BlockIndex, source: Source) -> bool {
        let state = self.blocks.get_mut(index.as_usize());
        let Some(BlockState::Free { armed } | BlockState::Asked { armed, .. }) = state else {
            return false;
        };
        let before = armed.len();
        armed.retain(|&other| other != source);
        self.armed -= before - armed.len();
        armed.len() < before
    }

    /// Stores a block from this address. `None` if it was stored before or was not expected.
    pub(super) fn store(
        &mut self,
        index: BlockIndex,
        source: Source,
        by: Sender,
    ) -> Option<Stored> {
        let state = self.blocks.get_mut(index.as_usize())?;
        let disarm = match state {
            BlockState::Free { armed } => {
                self.free -= 1;
                std::mem::take(armed)
            }
            BlockState::Asked { armed, .. } => std::mem::take(armed),
            BlockState::Stored { by: senders } => {
                senders.push(by);
                return None;
            }
            BlockState::Proved => return None,
        };
        *state = BlockState::Stored { by: vec![by] };
        self.armed -= disarm.len();
        self.stored += 1;
        let piece_is_full = self.stored as usize == self.blocks.len();
        self.hashing |= piece_is_full;
        Some(Stored {
            disarm: disarm.into_iter().filter(|&other| other != source).collect(),
            piece_is_full,
        })
    }

    /// Returns the senders of each block, in order.
    pub(super) fn senders(&self) -> Vec<Vec<Sender>> {
        let senders = |state: &BlockState| {
            if let BlockState::Stored { by } = state { by.clone() } else { Vec::new() }
        };
        self.blocks.iter().map(senders).collect()
    }

    /// Returns the blocks that are stored and not verified.
    pub(super) fn unproved(&self) -> impl Iterator<Item = Block> {
        let stored = self
            .from(BlockIndex::FIRST)
            .filter(|(_, state)| matches!(state, BlockState::Stored { .. }));
        stored.map(|(block, _)| block)
    }

    /// Finds the first block from `from` on that is not verified. `None` if all are.
    ///
    /// For a piece found on disk it is `from`.
    pub(super) fn first_unproved(&self, from: BlockIndex) -> Option<BlockIndex> {
        if self.blocks.is_empty() {
            return Some(from);
        }
        let mut from = self.from(from);
        from.find(|(_, state)| **state != BlockState::Proved).map(|(block, _)| block.index())
    }

    /// Marks a stored block as verified. Returns whether all blocks now are.
    pub(super) fn prove(&mut self, index: BlockIndex) -> bool {
        if let Some(state @ BlockState::Stored { .. }) = self.blocks.get_mut(index.as_usize()) {
            *state = BlockState::Proved;
        }
        !self.blocks.is_empty() && self.blocks.iter().all(|state| *state == BlockState::Proved)
    }

    /// Returns whether any block is verified by its own hash.
    pub(super) fn has_proved(&self) -> bool {
        self.blocks.contains(&BlockState::Proved)
    }

    /// Frees a stored block that failed verification. Returns the addresses that sent it.
    pub(super) fn refute(&mut self, index: BlockIndex) -> Vec<Sender> {
        let Some(state) = self.blocks.get_mut(index.as_usize()) else { return Vec::new() };
        let BlockState::Stored { by } = state else { return Vec::new() };
        let by = std::mem::take(by);
        *state = BlockState::UNTOUCHED;
        (self.free, self.stored, self.hashing) = (self.free + 1, self.stored - 1, false);
        self.first_free = self.first_free.min(index.get());
        by
    }

    /// Frees all blocks except verified ones. Returns whether any verified block remains.
    pub(super) fn reset(&mut self) -> bool {
        self.free_all(|state| *state == BlockState::Proved);
        self.stored > 0
    }

    /// Withdraws all requests; stored blocks stay.
    pub(super) fn unlink(&mut self) {
        self.free_all(|state| matches!(state, BlockState::Stored { .. } | BlockState::Proved));
    }

    fn free_all(&mut self, stays: impl Fn(&BlockState) -> bool) {
        for state in self.blocks.iter_mut().filter(|state| !stays(state)) {
            *state = BlockState::UNTOUCHED;
        }
        self.stored = count(self.blocks.iter().filter(|state| stays(state)));
        self.free = count(self.blocks.iter()) - self.stored;
        (self.hashing, self.first_free, self.armed) = (false, 0, 0);
    }

    fn from(&self, from: BlockIndex) -> impl Iterator<Item = (Block, &BlockState)> {
        self.all.from(from).zip(self.blocks.iter().skip(from.as_usize()))
    }

    /// Prints one character per block: `.` free, `a` requested, `#` stored, `=` verified.
    #[cfg(test)]
    pub(super) fn picture(&self) -> String {
        let letter = |state: &BlockState| match state {
            BlockState::Free { .. } => '.',
            BlockState::Asked { .. } => 'a',
            BlockState::Stored { .. } => '#',
            BlockState::Proved => '=',
        };
        self.blocks.iter().map(letter).collect()
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).expect("a piece has few blocks")
}
