//! One begun piece: where each of its blocks stands.
//!
//! It knows neither the other pieces nor how long a block is. Invariant: `free`, `stored` and
//! `armed` count what `blocks` says.

use std::net::SocketAddr;

use shared_proto::ConnId;

use super::Stored;
use crate::geometry::BlockIndex;

/// Who was asked for a block, or who gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BlockState {
    /// Nobody is being asked. Connections that were asked once and may yet send it stay listed.
    Free { armed: Vec<ConnId> },
    /// These were asked; `armed` are all that may send it, the asked ones included.
    Asked { asked: Vec<ConnId>, armed: Vec<ConnId> },
    /// It is on disk, from these addresses (more than one wrote it when two sent it at once).
    Stored { by: Vec<SocketAddr> },
    /// It is on disk, and a hash of its own vouches for it.
    Proved,
}

impl BlockState {
    const UNTOUCHED: Self = Self::Free { armed: Vec::new() };
}

#[derive(Debug)]
pub(super) struct OpenPiece {
    /// None of a piece that was found on disk.
    blocks: Vec<BlockState>,
    free: u32,
    stored: u32,
    hashing: bool,
    /// Nothing before this block is free.
    first_free: u32,
    /// Connections that may send a block, one for each block.
    armed: usize,
}

impl OpenPiece {
    /// A piece of so many blocks for which nobody is asked.
    pub(super) fn new(blocks: u32) -> Self {
        Self {
            blocks: vec![BlockState::UNTOUCHED; blocks as usize],
            free: blocks,
            stored: 0,
            hashing: false,
            first_free: 0,
            armed: 0,
        }
    }

    /// A piece that was found on disk, and whose hash is being computed.
    pub(super) fn found() -> Self {
        Self { hashing: true, ..Self::new(0) }
    }

    /// Whether its hash is being computed.
    pub(super) fn is_hashing(&self) -> bool {
        self.hashing
    }

    /// Whether a connection may yet write to it.
    pub(super) fn has_armed(&self) -> bool {
        self.armed > 0
    }

    /// Whether nothing is stored and nobody may send anything.
    pub(super) fn is_untouched(&self) -> bool {
        !self.hashing && self.stored == 0 && self.armed == 0
    }

    /// How many of its blocks are stored.
    pub(super) fn stored(&self) -> u32 {
        self.stored
    }

    /// Share of its blocks that are asked for or stored, 0–255.
    pub(super) fn underway(&self) -> u8 {
        let total = count(self.blocks.iter()).max(1);
        u8::try_from((total - self.free) * 255 / total).unwrap_or(255)
    }

    /// The first block that nobody is asked for.
    pub(super) fn first_free(&mut self) -> Option<BlockIndex> {
        if self.free == 0 {
            return None;
        }
        while !matches!(self.blocks[self.first_free as usize], BlockState::Free { .. }) {
            self.first_free += 1;
        }
        Some(BlockIndex(self.first_free))
    }

    /// The first block from this one on that nobody is asked for.
    pub(super) fn free_from(&self, from: BlockIndex) -> Option<BlockIndex> {
        self.from(from)
            .find(|(_, state)| matches!(state, BlockState::Free { .. }))
            .map(|(index, _)| index)
    }

    /// Whether nobody is asked for a block.
    pub(super) fn is_free(&self, index: BlockIndex) -> bool {
        matches!(self.blocks.get(index.0 as usize), Some(BlockState::Free { .. }))
    }

    /// Blocks that are asked for, with those that were asked.
    pub(super) fn asked(&self) -> impl Iterator<Item = (BlockIndex, &[ConnId])> {
        self.from(BlockIndex(0)).filter_map(|(index, state)| match state {
            BlockState::Asked { asked, .. } => Some((index, &asked[..])),
            BlockState::Free { .. } | BlockState::Stored { .. } | BlockState::Proved => None,
        })
    }

    /// Whether a connection may still send a block.
    pub(super) fn is_armed(&self, index: BlockIndex, conn: ConnId) -> bool {
        match self.blocks.get(index.0 as usize) {
            Some(BlockState::Free { armed } | BlockState::Asked { armed, .. }) => {
                armed.contains(&conn)
            }
            _ => false,
        }
    }

    /// A connection is asked for a block.
    pub(super) fn ask(&mut self, index: BlockIndex, conn: ConnId) {
        let state = &mut self.blocks[index.0 as usize];
        let (BlockState::Free { armed } | BlockState::Asked { armed, .. }) = state else { return };
        if !armed.contains(&conn) {
            armed.push(conn);
            self.armed += 1;
        }
        match state {
            BlockState::Free { armed } => {
                *state = BlockState::Asked { asked: vec![conn], armed: std::mem::take(armed) };
                self.free -= 1;
            }
            BlockState::Asked { asked, .. } if !asked.contains(&conn) => asked.push(conn),
            _ => {}
        }
    }

    /// A connection is no longer counted on for a block. True when nobody is now asked for it.
    pub(super) fn unask(&mut self, index: BlockIndex, conn: ConnId) -> bool {
        let Some(state) = self.blocks.get_mut(index.0 as usize) else { return false };
        let BlockState::Asked { asked, armed } = state else { return false };
        asked.retain(|&other| other != conn);
        let is_freed = asked.is_empty();
        if is_freed {
            *state = BlockState::Free { armed: std::mem::take(armed) };
            self.free += 1;
            self.first_free = self.first_free.min(index.0);
        }
        is_freed
    }

    /// A connection can't send a block any more. False when it could not before.
    pub(super) fn disarm(&mut self, index: BlockIndex, conn: ConnId) -> bool {
        let state = self.blocks.get_mut(index.0 as usize);
        let Some(BlockState::Free { armed } | BlockState::Asked { armed, .. }) = state else {
            return false;
        };
        let before = armed.len();
        armed.retain(|&other| other != conn);
        self.armed -= before - armed.len();
        armed.len() < before
    }

    /// A connection at this address wrote a block. `None` when it was there before, or nobody
    /// counted on it.
    pub(super) fn store(
        &mut self,
        index: BlockIndex,
        conn: ConnId,
        by: SocketAddr,
    ) -> Option<Stored> {
        let state = self.blocks.get_mut(index.0 as usize)?;
        let disarm = match state {
            BlockState::Free { armed } => {
                self.free -= 1;
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
        self.armed -= disarm.len();
        self.stored += 1;
        let piece_is_full = self.stored as usize == self.blocks.len();
        self.hashing |= piece_is_full;
        Some(Stored {
            disarm: disarm.into_iter().filter(|&other| other != conn).collect(),
            piece_is_full,
        })
    }

    /// Who gave each block, in order.
    pub(super) fn givers(&self) -> Vec<Vec<SocketAddr>> {
        let givers = |state: &BlockState| {
            if let BlockState::Stored { by } = state { by.clone() } else { Vec::new() }
        };
        self.blocks.iter().map(givers).collect()
    }

    /// Blocks that are on disk and not proved.
    pub(super) fn unproved(&self) -> impl Iterator<Item = BlockIndex> {
        let stored = self
            .from(BlockIndex(0))
            .filter(|(_, state)| matches!(state, BlockState::Stored { .. }));
        stored.map(|(index, _)| index)
    }

    /// The first block from this one on that is not proved; `None` when all are. Of a piece that
    /// was found it is this one.
    pub(super) fn first_unproved(&self, from: BlockIndex) -> Option<BlockIndex> {
        if self.blocks.is_empty() {
            return Some(from);
        }
        self.from(from).find(|(_, state)| **state != BlockState::Proved).map(|(index, _)| index)
    }

    /// A block that is on disk is what it should be. True when with it the whole piece is.
    pub(super) fn prove(&mut self, index: BlockIndex) -> bool {
        if let Some(state @ BlockState::Stored { .. }) = self.blocks.get_mut(index.0 as usize) {
            *state = BlockState::Proved;
        }
        !self.blocks.is_empty() && self.blocks.iter().all(|state| *state == BlockState::Proved)
    }

    /// Whether a hash of its own vouches for any of its blocks.
    pub(super) fn has_proved(&self) -> bool {
        self.blocks.contains(&BlockState::Proved)
    }

    /// A block that is on disk is not what it should be: nobody is asked for it. Who gave it.
    pub(super) fn refute(&mut self, index: BlockIndex) -> Vec<SocketAddr> {
        let Some(state) = self.blocks.get_mut(index.0 as usize) else { return Vec::new() };
        let BlockState::Stored { by } = state else { return Vec::new() };
        let by = std::mem::take(by);
        *state = BlockState::UNTOUCHED;
        (self.free, self.stored, self.hashing) = (self.free + 1, self.stored - 1, false);
        self.first_free = self.first_free.min(index.0);
        by
    }

    /// It is given up, but for blocks that are proved. False when there are none.
    pub(super) fn reset(&mut self) -> bool {
        self.free_all(|state| *state == BlockState::Proved);
        self.stored > 0
    }

    /// Nobody is asked for anything any more; stored blocks stay.
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

    fn from(&self, from: BlockIndex) -> impl Iterator<Item = (BlockIndex, &BlockState)> {
        (from.0..).map(BlockIndex).zip(self.blocks.iter().skip(from.0 as usize))
    }

    /// One letter a block: `.` free, `a` asked, `#` stored, `=` proved.
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
