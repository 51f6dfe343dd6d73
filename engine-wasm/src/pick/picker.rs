//! Picks the next block to request, and the peer to request it from.
//!
//! The picker runs after an event (a block arrived, a choke, a reject, a disconnect, a change of
//! demand), never on a timer. It reads peers and the piece map, returns one block at a time, and
//! sends nothing. Blocks that viewers need come first, in deadline order, spread over all peers;
//! then come the rarest pieces.

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
use crate::source::{Source, WebSeedId};
use crate::time::Instant;

/// How long the torrent counts as watched after the last viewer left. A player that seeks closes
/// its connection and opens another.
const WATCHED_FOR: Duration = Duration::from_secs(15);
/// A peer with an estimate this far above twice the best is too slow. A peer that is too slow gets
/// no urgent piece.
const TOO_SLOW: Duration = Duration::from_millis(100);
/// Most peers asked for the block at a cursor.
const HOLDERS: usize = 2;
/// Most peers asked for it while its viewer waits.
const HOLDERS_AWAITED: usize = 3;
/// Number of wanted pieces searched for a late block.
const LATE_SCAN: usize = 4;

/// Returns whether another duplicate request is allowed; both arguments are bytes.
pub(crate) fn may_duplicate(duplicated: u64, downloaded: u64) -> bool {
    duplicated < limits::DUPLICATE_FLOOR + downloaded / 100 * limits::DUPLICATE_PERCENT
}

/// A picked block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pick {
    /// The peer to ask.
    pub(crate) conn: ConnId,
    /// The block to request.
    pub(crate) block: Block,
    /// The expected time until the block arrives.
    pub(crate) eta: Duration,
    /// Whether another peer was asked for the block already.
    pub(crate) duplicate: bool,
}

/// The state from which the picker decides.
pub(crate) struct Scene<'a> {
    /// The connected peers.
    pub(crate) peers: &'a BTreeMap<ConnId, Peer>,
    /// The state of all pieces.
    pub(crate) pieces: &'a mut PieceMap,
    /// How many peers have each piece.
    pub(crate) availability: &'a Availability,
    /// Pieces that failed verification.
    pub(crate) suspects: &'a Suspects,
    /// When each web seed is expected to finish its requests.
    pub(crate) web: &'a BTreeMap<WebSeedId, Instant>,
    /// Whether a duplicate request is allowed ([`may_duplicate`]).
    pub(crate) may_duplicate: bool,
    /// The current time.
    pub(crate) now: Instant,
}

/// The picker of one torrent: the pieces that viewers need, in order.
#[derive(Debug, Default)]
pub(crate) struct Picker {
    wants: Vec<Want>,
    /// No entry of `wants` before this index has a free block.
    exhausted: usize,
    watched_until: Instant,
}

impl Picker {
    /// Replaces the pieces that viewers need. `watched` tells whether a viewer is present.
    pub(crate) fn set_wants(&mut self, wants: Vec<Want>, watched: bool, now: Instant) {
        self.wants = wants;
        self.exhausted = 0;
        if watched {
            self.watched_until = now + WATCHED_FOR;
        }
    }

    /// Notes that a requested block is free again.
    pub(crate) fn block_freed(&mut self) {
        self.exhausted = 0;
    }

    /// Returns whether a viewer is present or left within [`WATCHED_FOR`].
    pub(crate) fn is_watched(&self, now: Instant) -> bool {
        now < self.watched_until
    }

    /// Returns the pieces that viewers need, in order.
    pub(crate) fn wants(&self) -> &[Want] {
        &self.wants
    }

    /// Returns how many more blocks may be requested from a peer.
    pub(crate) fn room(&self, peer: &Peer, now: Instant) -> u32 {
        if !peer.is_open() {
            return 0;
        }
        peer.room(self.is_watched(now), now)
    }

    /// Returns the peers with room for requests, the soonest to finish first.
    ///
    /// Return each peer after its [`Pick`] with [`Queue::requeue`].
    pub(crate) fn queue(&self, peers: &BTreeMap<ConnId, Peer>, now: Instant) -> Queue {
        let heap = peers
            .iter()
            .filter(|(_, peer)| self.room(peer, now) > 0)
            .map(|(&conn, peer)| Reverse((peer.eta(now), conn)))
            .collect();
        Queue { heap }
    }

    /// Returns the block to request from this peer; `None` if there is none.
    pub(crate) fn pick(&mut self, conn: ConnId, scene: &mut Scene<'_>) -> Option<Pick> {
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

    /// Finds a block that a viewer needs and that no peer was asked for.
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
            if want.awaited && is_too_slow(eta, want.piece, scene) {
                continue;
            }
            return Some(block);
        }
        None
    }

    /// Finds a block at a cursor whose peer is late. A peer that is expected to take twice as long
    /// as this peer counts as late, too.
    fn late(&self, conn: ConnId, peer: &Peer, eta: Duration, scene: &Scene<'_>) -> Option<Block> {
        if !scene.may_duplicate {
            return None;
        }
        let urgent = self.wants.iter().filter(|want| want.awaited).take(LATE_SCAN);
        urgent
            .filter(|want| peer.serves(want.piece) && scene.suspects.may_ask(want.piece, conn))
            .find_map(|want| {
                scene.pieces.asked(want.piece).find_map(|(block, asked)| {
                    if asked.contains(&Source::Peer(conn)) {
                        return None;
                    }
                    let late = |holder: &Source| match holder {
                        Source::WebSeed(seed) => {
                            scene.web.get(seed).is_none_or(|expected| *expected < scene.now)
                        }
                        Source::Peer(conn) => scene
                            .peers
                            .get(conn)
                            .is_none_or(|peer| peer.overdue(block, scene.now) > peer.slack()),
                    };
                    let slow = |holder: &Source| match holder {
                        Source::WebSeed(seed) => scene
                            .web
                            .get(seed)
                            .is_none_or(|expected| expected.saturating_since(scene.now) > 2 * eta),
                        Source::Peer(conn) => scene
                            .peers
                            .get(conn)
                            .is_none_or(|peer| peer.remaining(block, scene.now) > 2 * eta),
                    };
                    let all_late = asked.iter().all(late);
                    let most = if all_late { HOLDERS_AWAITED } else { HOLDERS };
                    (asked.len() < most && (all_late || asked.iter().all(slow))).then_some(block)
                })
            })
    }
}

/// Returns whether a peer is too slow for a block of this piece. Another peer is then expected to
/// deliver the block much sooner.
fn is_too_slow(eta: Duration, piece: PieceIndex, scene: &Scene<'_>) -> bool {
    let Some(beyond) = eta.checked_sub(TOO_SLOW).filter(|_| scene.suspects.is_free(piece)) else {
        return false;
    };
    let serving = scene.peers.values().filter(|peer| peer.serves(piece));
    let best = serving.map(|peer| peer.eta(scene.now)).min();
    best.is_some_and(|best| beyond > 2 * best)
}

/// Finds a block that no viewer needs: begun pieces first, then by priority and rarity.
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

/// Peers with room for requests, the soonest to finish first.
#[derive(Debug)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<(Duration, ConnId)>>,
}

impl Queue {
    /// Takes the next peer.
    pub(crate) fn next_peer(&mut self) -> Option<ConnId> {
        self.heap.pop().map(|Reverse((_, conn))| conn)
    }

    /// Returns a peer that was asked, if it has room for more.
    pub(crate) fn requeue(&mut self, conn: ConnId, peer: &Peer, now: Instant) {
        self.heap.push(Reverse((peer.eta(now), conn)));
    }
}

#[cfg(test)]
mod tests;
