//! What next, and from whom.
//!
//! It runs when something happened (a block arrived, a choke, a reject, a peer gone, demand
//! changed), never on a clock. It reads peers and the ledger and returns one block at a time; it
//! never sends. What viewers need comes first, in order of its deadlines, spread block by block
//! over all peers; then the rarest piece.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use shared_proto::ConnId;

use crate::geometry::{Block, PieceIndex};
use crate::limits;
use crate::peer::Peer;
use crate::pick::availability::Availability;
use crate::pick::piece_map::PieceMap;
use crate::pick::suspects::Suspects;
use crate::pick::want::Want;
use crate::time::Instant;

/// How long after the last viewer left the torrent still counts as watched: a player that seeks
/// leaves first and comes back.
const WATCHED_FOR: Duration = Duration::from_secs(15);
/// A peer that would take this much longer than twice the best is not given the piece that somebody
/// waits for.
const TOO_SLOW: Duration = Duration::from_millis(100);
/// Peers asked for one block at the cursor, and when its viewer already waits.
const HOLDERS: usize = 2;
const HOLDERS_AWAITED: usize = 3;
/// Wanted pieces that are looked through for a late block.
const LATE_SCAN: usize = 4;

/// Whether one more block may be asked for twice, after so many bytes that were and so many that
/// came.
pub fn may_duplicate(duplicated: u64, downloaded: u64) -> bool {
    duplicated < limits::DUPLICATE_FLOOR + downloaded / 100 * limits::DUPLICATE_PERCENT
}

/// A decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Whom to ask.
    pub conn: ConnId,
    /// For what.
    pub block: Block,
    /// How long it should take.
    pub eta: Duration,
    /// Whether somebody else was asked already.
    pub duplicate: bool,
}

/// What a decision is made from.
pub struct Scene<'a> {
    /// The peers.
    pub peers: &'a BTreeMap<ConnId, Peer>,
    /// The ledger.
    pub pieces: &'a mut PieceMap,
    /// Who has how much.
    pub availability: &'a Availability,
    /// Pieces that failed.
    pub suspects: &'a Suspects,
    /// When connections that are no peers should be done: web seeds.
    pub web: &'a BTreeMap<ConnId, Instant>,
    /// Whether one more block may be asked for twice.
    pub may_duplicate: bool,
    /// Now.
    pub now: Instant,
}

/// The picker of one torrent: the wants, in order.
#[derive(Debug, Default)]
pub struct Picker {
    wants: Vec<Want>,
    /// No want before this one has a free block.
    exhausted: usize,
    watched_until: Instant,
}

impl Picker {
    /// Demand changed.
    pub fn set_wants(&mut self, wants: Vec<Want>, watched: bool, now: Instant) {
        self.wants = wants;
        self.exhausted = 0;
        if watched {
            self.watched_until = now + WATCHED_FOR;
        }
    }

    /// A block became free that was not.
    pub fn freed(&mut self) {
        self.exhausted = 0;
    }

    /// Whether somebody watches, or did a moment ago.
    pub fn is_watched(&self, now: Instant) -> bool {
        now < self.watched_until
    }

    /// What viewers need, in order.
    pub fn wants(&self) -> &[Want] {
        &self.wants
    }

    /// How many more blocks a peer may be asked for.
    pub fn room(&self, peer: &Peer, now: Instant) -> u32 {
        if !peer.is_open() {
            return 0;
        }
        peer.room(now < self.watched_until, now)
    }

    /// The peers with room, to be asked the soonest done first. Feed every [`Pick`] back with
    /// [`Queue::again`].
    pub fn queue(&self, peers: &BTreeMap<ConnId, Peer>, now: Instant) -> Queue {
        let heap = peers
            .iter()
            .filter(|(_, peer)| self.room(peer, now) > 0)
            .map(|(&conn, peer)| Reverse((peer.eta(now), conn)))
            .collect();
        Queue { heap }
    }

    /// What to ask this peer for, `None` when there is nothing.
    pub fn pick(&mut self, conn: ConnId, scene: &mut Scene<'_>) -> Option<Pick> {
        let peer = scene.peers.get(&conn).filter(|peer| self.room(peer, scene.now) > 0)?;
        let eta = peer.eta(scene.now);
        if let Some(block) = self.wanted(conn, peer, eta, scene) {
            return Some(Pick { conn, block, eta, duplicate: false });
        }
        if let Some(block) = self.late(conn, peer, eta, scene) {
            return Some(Pick { conn, block, eta, duplicate: true });
        }
        spare(conn, peer, scene).map(|block| Pick { conn, block, eta, duplicate: false })
    }

    /// A block that a viewer needs and nobody is asked for.
    fn wanted(
        &mut self,
        conn: ConnId,
        peer: &Peer,
        eta: Duration,
        scene: &mut Scene<'_>,
    ) -> Option<Block> {
        while self.exhausted < self.wants.len()
            && scene.pieces.first_free(self.wants[self.exhausted].piece).is_none()
        {
            self.exhausted += 1;
        }
        for want in &self.wants[self.exhausted..] {
            if !peer.serves(want.piece) || !scene.suspects.may_ask(want.piece, conn) {
                continue;
            }
            let Some(block) = scene.pieces.first_free_from(want.piece, want.first) else {
                continue;
            };
            if want.awaited && is_too_slow(conn, eta, want.piece, scene) {
                continue;
            }
            return Some(block);
        }
        None
    }

    /// A block at a cursor that somebody else was asked for and is late with, or would be twice as
    /// slow.
    fn late(&self, conn: ConnId, peer: &Peer, eta: Duration, scene: &Scene<'_>) -> Option<Block> {
        if !scene.may_duplicate {
            return None;
        }
        let urgent = self.wants.iter().filter(|want| want.awaited).take(LATE_SCAN);
        urgent
            .filter(|want| peer.serves(want.piece) && scene.suspects.may_ask(want.piece, conn))
            .find_map(|want| {
                scene.pieces.asked(want.piece).find_map(|(block, asked)| {
                    if asked.contains(&conn) {
                        return None;
                    }
                    let late = |holder: &ConnId| {
                        if let Some(expected) = scene.web.get(holder) {
                            return *expected < scene.now;
                        }
                        scene
                            .peers
                            .get(holder)
                            .is_none_or(|peer| peer.overdue(block, scene.now) > peer.slack())
                    };
                    let slow = |holder: &ConnId| {
                        if let Some(expected) = scene.web.get(holder) {
                            return expected.saturating_since(scene.now) > 2 * eta;
                        }
                        scene
                            .peers
                            .get(holder)
                            .is_none_or(|peer| peer.remaining(block, scene.now) > 2 * eta)
                    };
                    let all_late = asked.iter().all(late);
                    let most = if all_late { HOLDERS_AWAITED } else { HOLDERS };
                    (asked.len() < most && (all_late || asked.iter().all(slow))).then_some(block)
                })
            })
    }
}

/// Whether another peer would be so much sooner with a block of this piece that it is better left
/// to it.
fn is_too_slow(conn: ConnId, eta: Duration, piece: PieceIndex, scene: &Scene<'_>) -> bool {
    if eta < TOO_SLOW || !scene.suspects.is_free(piece) {
        return false;
    }
    let best = scene
        .peers
        .iter()
        .filter(|(other, peer)| **other != conn && peer.serves(piece))
        .map(|(_, peer)| peer.eta(scene.now))
        .min();
    best.is_some_and(|best| eta > 2 * best + TOO_SLOW)
}

/// What nobody watches and somebody wants to have: begun pieces first, so that they get done, then
/// by priority the rarest.
fn spare(conn: ConnId, peer: &Peer, scene: &mut Scene<'_>) -> Option<Block> {
    let begun: Vec<PieceIndex> = scene
        .pieces
        .begun()
        .filter(|&piece| peer.serves(piece) && scene.availability.is_wanted(piece))
        .collect();
    for piece in begun {
        if scene.suspects.may_ask(piece, conn)
            && let Some(block) = scene.pieces.first_free(piece)
        {
            return Some(block);
        }
    }
    if scene.pieces.begun_count()
        > scene.peers.len() * 2 + limits::SPARE_BEGUN_PIECES + limits::WANTS
    {
        return None;
    }
    let piece = scene
        .availability
        .rarest()
        .take(limits::RAREST_SCAN)
        .find(|&piece| peer.serves(piece) && scene.suspects.may_ask(piece, conn))?;
    scene.pieces.first_free(piece)
}

/// Peers with room, the soonest done first.
#[derive(Debug)]
pub struct Queue {
    heap: BinaryHeap<Reverse<(Duration, ConnId)>>,
}

impl Queue {
    /// Whom to ask next.
    pub fn next_peer(&mut self) -> Option<ConnId> {
        self.heap.pop().map(|Reverse((_, conn))| conn)
    }

    /// It was asked, and may have room for more.
    pub fn again(&mut self, conn: ConnId, peer: &Peer, now: Instant) {
        self.heap.push(Reverse((peer.eta(now), conn)));
    }
}

#[cfg(test)]
mod tests;
