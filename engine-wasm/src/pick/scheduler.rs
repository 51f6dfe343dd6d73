//! Who is asked for which block: the steps in which all that knows it changes together.
//!
//! The ledger, the rarest-first order, the suspects and the peers each hold their share of that; a
//! torrent lends them for one step. It never sends, and decides nothing itself: what next is the
//! picker's word. Invariant: a piece of which a block is asked for is out of the order of pieces to
//! begin.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use shared_proto::ConnId;

use crate::geometry::{Block, Geometry, PieceIndex};
use crate::peer::Peer;
use crate::pick::availability::Availability;
use crate::pick::picker::{Pick, Picker, Scene};
use crate::pick::piece_map::{PieceMap, PieceState, Stored};
use crate::pick::suspects::Suspects;
use crate::time::Instant;

/// What a torrent lends for a step.
pub struct Scheduler<'a> {
    /// Where blocks lie.
    pub geometry: &'a Geometry,
    /// What next.
    pub picker: &'a mut Picker,
    /// The ledger.
    pub pieces: &'a mut PieceMap,
    /// The order of pieces that are not begun.
    pub availability: &'a mut Availability,
    /// Pieces that failed.
    pub suspects: &'a mut Suspects,
    /// The peers.
    pub peers: &'a mut BTreeMap<ConnId, Peer>,
}

impl Scheduler<'_> {
    /// What to ask a peer for, `None` when there is nothing. `web` is when connections that are no
    /// peers should be done.
    pub fn pick(
        &mut self,
        conn: ConnId,
        web: &BTreeMap<ConnId, Instant>,
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

    /// A peer is asked for what was picked. False when it is gone.
    pub fn ask(&mut self, Pick { conn, block, eta, .. }: Pick, now: Instant) -> bool {
        let Some(peer) = self.peers.get_mut(&conn) else { return false };
        peer.ask(block, self.geometry, eta, now);
        self.begin(block, conn);
        true
    }

    /// A connection, be it a peer's or not, is counted on for a block.
    pub fn begin(&mut self, block: Block, conn: ConnId) {
        self.pieces.ask(block, conn);
        self.availability.take(block.piece);
        self.suspects.asked(block.piece, conn);
    }

    /// These blocks will not come from this connection.
    pub fn take_back(&mut self, conn: ConnId, blocks: &[Block]) {
        for &block in blocks {
            self.pieces.unask(block, conn, true);
            self.tidy(block.piece);
        }
        self.picker.freed();
    }

    /// Peers are no longer counted on for blocks that are stray. One that crosses with its `cancel`
    /// is used nevertheless.
    pub fn cancel(&mut self, is_stray: impl Fn(&Availability, Block) -> bool, now: Instant) {
        for (&conn, peer) in self.peers.iter_mut() {
            let stray: Vec<Block> =
                peer.live_blocks().filter(|&block| is_stray(self.availability, block)).collect();
            for block in stray {
                peer.cancel(block, self.geometry, now);
                if self.pieces.unask(block, conn, false) {
                    self.picker.freed();
                }
            }
        }
    }

    /// A peer owes for too long: others are asked for all of it.
    pub fn snubbed(&mut self, conn: ConnId, now: Instant) {
        self.suspects.release(conn);
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        for block in peer.live_blocks().collect::<Vec<_>>() {
            peer.cancel(block, self.geometry, now);
            self.pieces.unask(block, conn, false);
        }
        self.picker.freed();
    }

    /// A block is on disk: nobody else is counted on for it. `None` when it was there before, or
    /// nobody was to write it.
    pub fn store(
        &mut self,
        block: Block,
        conn: ConnId,
        by: SocketAddr,
        now: Instant,
    ) -> Option<Stored> {
        let stored = self.pieces.store(block, conn, by)?;
        for other in &stored.disarm {
            if let Some(peer) = self.peers.get_mut(other) {
                peer.cancel(block, self.geometry, now);
                peer.forget(block);
            }
        }
        Some(stored)
    }

    /// A piece that is no longer begun can be picked again.
    pub fn tidy(&mut self, piece: PieceIndex) {
        if self.pieces.state(piece) == PieceState::Missing {
            self.availability.put_back(piece);
        }
    }
}
