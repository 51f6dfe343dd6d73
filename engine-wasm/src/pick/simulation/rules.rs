//! Rules that hold at every pick, checked against records that the simulation keeps itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared_proto::ConnId;

use super::world::World;
use crate::geometry::{Block, PieceIndex};
use crate::limits;
use crate::peer::Standing;
use crate::pick::picker::Pick;
use crate::pick::piece_map::PieceState;

/// A peer expected to answer this fast is never passed over. Not even a faster peer is preferred.
const QUICK: Duration = Duration::from_millis(100);

/// The simulation's own record of blocks.
#[derive(Default)]
pub(super) struct Ledger {
    /// The connections that are expected to send each block.
    pub(super) asked: BTreeMap<Block, BTreeSet<ConnId>>,
    pub(super) stored: BTreeSet<Block>,
}

impl Ledger {
    pub(super) fn forget(&mut self, block: Block, conn: ConnId) {
        if let Some(asked) = self.asked.get_mut(&block) {
            asked.remove(&conn);
            if asked.is_empty() {
                self.asked.remove(&block);
            }
        }
    }
}

impl World {
    /// Returns whether a block may be requested from a peer: free, not stored, and offered by the
    /// peer.
    fn is_free_for(&mut self, piece: PieceIndex, conn: ConnId) -> bool {
        self.peers[&conn].serves(piece)
            && self.suspects.may_ask(piece, conn)
            && self.has_free_block(piece, conn)
    }

    /// Returns whether a block is free that the peer did not cancel or reject just now. Uses the
    /// simulation's own records.
    fn has_free_block(&self, piece: PieceIndex, conn: ConnId) -> bool {
        if matches!(self.pieces.state(piece), PieceState::Have | PieceState::Hashing) {
            return false;
        }
        let blocks = self.geometry.blocks(piece);
        let is_free = |block: &Block| {
            !self.ledger.asked.contains_key(block)
                && !self.ledger.stored.contains(block)
                && self.peers[&conn].may_ask(*block, self.now)
        };
        blocks.into_iter().any(|block| is_free(&block))
    }

    /// Checks a pick against all rules.
    pub(super) fn check(&mut self, pick: &Pick) {
        let Pick { conn, block, eta, duplicate, hopeless } = *pick;
        let peer = &self.peers[&conn];
        assert!(
            peer.serves(block.piece()) && self.picker.room(peer, self.now) > 0,
            "{conn:?} would not give {block:?}"
        );
        assert!(self.suspects.may_ask(block.piece(), conn), "{block:?} is for another one");
        assert!(!self.ledger.stored.contains(&block), "{block:?} is there");
        let wants = self.picker.wants().to_vec();
        let want = wants.iter().position(|want| want.piece == block.piece());
        let holders = self.ledger.asked.get(&block).map_or(0, BTreeSet::len);
        if duplicate {
            if want.is_none_or(|at| !wants[at].awaited) {
                self.check_refusal(conn);
            }
            let most =
                limits::DUPLICATE_FLOOR + self.traffic.downloaded * limits::DUPLICATE_PERCENT / 100;
            assert!(
                hopeless || self.traffic.duplicated <= most,
                "{} bytes were asked for twice",
                self.traffic.duplicated
            );
            assert!(holders > 0, "{block:?} is free");
            assert!(hopeless || self.hopeful(block) < 3, "{holders} are asked for {block:?}");
            assert!(
                !self.ledger.asked[&block].contains(&conn),
                "{conn:?} is asked for {block:?} already"
            );
        } else {
            assert_eq!(holders, 0, "a peer is asked for {block:?}");
        }
        // No earlier need is passed over, unless this peer would deliver it too late.
        let sooner = &wants[..if duplicate { 0 } else { want.unwrap_or(wants.len()) }];
        for want in sooner {
            let held_back = want.awaited && eta >= QUICK;
            assert!(
                held_back || !self.is_free_for(want.piece, conn),
                "{:?} is needed before {block:?}",
                want.piece
            );
        }
        if want.is_none() && self.pieces.state(block.piece()) == PieceState::Missing {
            self.check_rarest(block.piece(), conn);
        }
    }

    /// Returns the number of holders of a block from which it may still be expected.
    fn hopeful(&self, block: Block) -> usize {
        let is_hopeful = |conn: &&ConnId| {
            let peer = &self.peers[*conn];
            let is_late = peer.overdue(block, self.now) > peer.slack();
            peer.standing() == Standing::Proven || peer.standing() == Standing::New && !is_late
        };
        self.ledger.asked[&block].iter().filter(is_hopeful).count()
    }

    /// Checks a newly begun, unwatched piece: no begun piece could continue, and none is rarer.
    fn check_rarest(&mut self, piece: PieceIndex, conn: ConnId) {
        for other in self.geometry.pieces().filter(|&other| other != piece) {
            if !self.is_free_for(other, conn)
                || self.picker.wants().iter().any(|want| want.piece == other)
            {
                continue;
            }
            let is_begun = self.pieces.state(other) == PieceState::Open;
            assert!(!is_begun, "{piece:?} is begun, and {other:?} could go on");
            let (count, rarer) = (self.count(piece), self.count(other));
            assert!(count <= rarer, "{piece:?} is had by {count}, {other:?} by {rarer}");
        }
    }

    fn count(&self, piece: PieceIndex) -> usize {
        self.peers.values().filter(|peer| peer.has(piece)).count()
    }

    /// Checks that no peer stays idle that could be asked for a block.
    pub(super) fn check_refusal(&mut self, conn: ConnId) {
        let is_held_back = self.picker.wants().iter().any(|want| want.awaited);
        let is_busy = self.pieces.begun_count()
            > self.peers.len() * 2
                + limits::SPARE_BEGUN_PIECES
                + limits::WANTS.min(self.picker.wants().len());
        if self.picker.room(&self.peers[&conn], self.now) == 0 || is_held_back || is_busy {
            return;
        }
        for piece in self.geometry.pieces() {
            assert!(!self.is_free_for(piece, conn), "{conn:?} is idle, and {piece:?} is to be had");
        }
    }
}
