//! Keeps all records of block requests consistent.
//!
//! The piece map, the availability order, the suspects and the peers each record part of a request;
//! a torrent lends them to the scheduler for one step. The scheduler sends nothing, and the picker
//! decides what to request. Invariant: a piece with a requested block is not in the order of idle
//! pieces.

use std::collections::{BTreeMap, BTreeSet};

use shared_proto::ConnId;

use crate::geometry::{Block, Geometry, PieceIndex};
use crate::peer::Peer;
use crate::pick::availability::Availability;
use crate::pick::picker::{Pick, Picker, Scene};
use crate::pick::piece_map::{PieceMap, PieceState, Stored};
use crate::pick::suspects::Suspects;
use crate::source::{Sender, Source, WebSeedId};
use crate::time::Instant;

/// The parts of a torrent that a step changes.
pub(crate) struct Scheduler<'a> {
    /// The layout of pieces and blocks.
    pub(crate) geometry: &'a Geometry,
    /// Chooses the next block.
    pub(crate) picker: &'a mut Picker,
    /// The state of all pieces.
    pub(crate) pieces: &'a mut PieceMap,
    /// The order of idle pieces.
    pub(crate) availability: &'a mut Availability,
    /// Pieces that failed verification.
    pub(crate) suspects: &'a mut Suspects,
    /// The connected peers.
    pub(crate) peers: &'a mut BTreeMap<ConnId, Peer>,
}

impl Scheduler<'_> {
    /// Picks a block for a peer; `None` if there is none.
    ///
    /// `web` is when each web seed is expected to finish its requests.
    pub(crate) fn pick(
        &mut self,
        conn: ConnId,
        web: &BTreeMap<WebSeedId, Instant>,
        may_duplicate: bool,
        now: Instant,
    ) -> Option<Pick> {
        let mut scene = Scene {
            peers: self.peers,
            pieces: self.pieces,
            availability: self.availability,
            suspects: self.suspects,
            web,
            may_duplicate,
            now,
        };
        self.picker.pick(conn, &mut scene)
    }

    /// Records that a peer is asked for a picked block. Returns false if the peer is gone.
    pub(crate) fn ask(&mut self, Pick { conn, block, eta, .. }: Pick, now: Instant) -> bool {
        let Some(peer) = self.peers.get_mut(&conn) else { return false };
        peer.ask(block, self.geometry, eta, now);
        self.begin(block, conn);
        true
    }

    /// Records that a source is expected to send a block.
    pub(crate) fn begin(&mut self, block: Block, source: impl Into<Source>) {
        let source = source.into();
        self.pieces.ask(block, source);
        self.availability.take(block.piece());
        self.suspects.asked(block.piece(), source);
    }

    /// Records that these blocks will not come from this source.
    pub(crate) fn take_back(&mut self, source: impl Into<Source>, blocks: &[Block]) {
        let source = source.into();
        for &block in blocks {
            self.pieces.withdraw(block, source, true);
            self.return_to_idle(block.piece());
        }
        self.picker.block_freed();
    }

    /// Withdraws the requests for blocks that are no longer needed.
    ///
    /// A block that crosses its `cancel` message is still stored.
    pub(crate) fn cancel(&mut self, is_stray: impl Fn(&Availability, Block) -> bool, now: Instant) {
        for (&conn, peer) in self.peers.iter_mut() {
            let stray: Vec<Block> =
                peer.live_blocks().filter(|&block| is_stray(self.availability, block)).collect();
            for block in stray {
                peer.cancel(block, self.geometry, now);
                if self.pieces.withdraw(block, conn, false) {
                    self.picker.block_freed();
                }
            }
        }
    }

    /// Withdraws the requests for pieces that must not be written any more.
    ///
    /// Returns the blocks that their peers must no longer be able to write.
    pub(crate) fn withdraw(
        &mut self,
        pieces: &BTreeSet<PieceIndex>,
        now: Instant,
    ) -> Vec<(ConnId, Block)> {
        let mut withdrawn = Vec::new();
        for (&conn, peer) in self.peers.iter_mut() {
            let theirs: Vec<Block> =
                peer.armed_blocks().filter(|block| pieces.contains(&block.piece())).collect();
            for block in theirs {
                peer.disarm(block, self.geometry, now);
                self.pieces.withdraw(block, conn, true);
                withdrawn.push((conn, block));
            }
        }
        pieces.iter().for_each(|&piece| self.return_to_idle(piece));
        self.picker.block_freed();
        withdrawn
    }

    /// Frees all blocks requested from a peer that has been silent for too long.
    pub(crate) fn snubbed(&mut self, conn: ConnId, now: Instant) {
        self.suspects.release(conn);
        let owed = self.peers.get(&conn).map(|peer| peer.live_blocks().collect::<Vec<_>>());
        self.give_up(conn, &owed.unwrap_or_default(), now);
    }

    /// Frees blocks that a peer does not send. They are still stored if they come.
    pub(crate) fn give_up(&mut self, conn: ConnId, blocks: &[Block], now: Instant) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        for &block in blocks {
            peer.give_up(block, self.geometry, now);
            self.pieces.withdraw(block, conn, false);
        }
        self.picker.block_freed();
    }

    /// Records a block that is on disk, and withdraws its other requests.
    ///
    /// `None` if the block was stored before, or was not expected.
    pub(crate) fn store(
        &mut self,
        block: Block,
        source: impl Into<Source>,
        by: impl Into<Sender>,
        now: Instant,
    ) -> Option<Stored> {
        let stored = self.pieces.store(block, source, by)?;
        for other in &stored.disarm {
            if let Source::Peer(conn) = other
                && let Some(peer) = self.peers.get_mut(conn)
            {
                peer.disarm(block, self.geometry, now);
            }
        }
        Some(stored)
    }

    /// Returns a piece to the idle order if it is no longer begun.
    pub(crate) fn return_to_idle(&mut self, piece: PieceIndex) {
        if self.pieces.state(piece) == PieceState::Missing {
            self.availability.put_back(piece);
        }
    }
}
