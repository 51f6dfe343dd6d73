//! Picks the next block to request, and the peer to request it from.
//!
//! The picker runs after an event (a block arrived, a choke, a reject, a disconnect, a change of
//! demand), never on a timer. It reads peers and the piece map, returns one block at a time, and
//! sends nothing. Blocks that viewers need come first, in deadline order, spread over all peers;
//! then come the rarest pieces. A peer for which nothing is left gets blocks that silent or slow
//! peers owe. Peers that have sent blocks come before peers that never did.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use shared_proto::ConnId;

use crate::geometry::{Block, BlockIndex, PieceIndex};
use crate::limits;
use crate::peer::{Peer, Standing};
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
/// Most peers asked for one block, without those from which it is not expected any more.
const HOLDERS: usize = 2;
/// Most of them once all are late.
const HOLDERS_LATE: usize = 3;
/// How much sooner a peer must deliver a block without a viewer to be asked for it as well. Less
/// would gain little, and blocks that are being sent would come twice.
const MARGIN: Duration = Duration::from_millis(250);
/// Number of wanted pieces that the peer has and others owe, searched for a late block.
const LATE_SCAN: usize = 16;

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
    /// Whether the block is not expected any more from those that were asked.
    pub(crate) hopeless: bool,
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

    /// Returns the peers with room for requests: by their standing, and then the soonest to finish
    /// first.
    ///
    /// Return each peer after its [`Pick`] with [`Queue::requeue`].
    pub(crate) fn queue(&self, peers: &BTreeMap<ConnId, Peer>, now: Instant) -> Queue {
        let heap = peers
            .iter()
            .filter(|(_, peer)| self.room(peer, now) > 0)
            .map(|(&conn, peer)| Reverse((peer.standing(), peer.eta(now), conn)))
            .collect();
        Queue { heap }
    }

    /// Returns whether a peer without requests could send what another owes.
    ///
    /// The blocks of the other may then become late without any other event.
    pub(crate) fn is_any_idle(&self, peers: &BTreeMap<ConnId, Peer>, now: Instant) -> bool {
        let is_idle = |peer: &Peer| !peer.owes() && self.room(peer, now) > 0;
        peers.values().any(Peer::owes) && peers.values().any(is_idle)
    }

    /// Returns the block to request from this peer; `None` if there is none.
    pub(crate) fn pick(&mut self, conn: ConnId, scene: &mut Scene<'_>) -> Option<Pick> {
        let peer = scene.peers.get(&conn).filter(|peer| self.room(peer, scene.now) > 0)?;
        let asker = Asker { conn, peer, eta: peer.eta(scene.now) };
        let (block, prospect) = self
            .wanted(true, asker, scene)
            .map(|block| (block, None))
            .or_else(|| self.late(true, asker, scene))
            .or_else(|| self.wanted(false, asker, scene).map(|block| (block, None)))
            .or_else(|| self.late(false, asker, scene))
            .or_else(|| self.spare(asker, scene).map(|block| (block, None)))
            .or_else(|| self.owed(asker, scene))?;
        let (duplicate, hopeless) = (prospect.is_some(), prospect == Some(Prospect::Hopeless));
        Some(Pick { conn, block, eta: asker.eta, duplicate, hopeless })
    }

    /// Finds a block that a viewer needs and that no peer was asked for. `awaited` says whether it
    /// waits for the block's piece.
    fn wanted(&mut self, awaited: bool, asker: Asker<'_>, scene: &mut Scene<'_>) -> Option<Block> {
        while self.exhausted < self.wants.len()
            && scene.pieces.first_free(self.wants[self.exhausted].piece).is_none()
        {
            self.exhausted += 1;
        }
        let wants = self.wants[self.exhausted..].iter();
        for want in wants.filter(|want| want.awaited == awaited) {
            if !asker.may_send(want.piece, scene) {
                continue;
            }
            let Some(block) = asker.free_block(want.piece, want.first, scene) else { continue };
            if want.awaited && is_too_slow(asker.eta, want.piece, scene) {
                continue;
            }
            return Some(block);
        }
        None
    }

    /// Finds a block that a viewer needs and whose peers are late, or slow beside this peer. Also
    /// returns what is expected of them.
    fn late(
        &self,
        awaited: bool,
        asker: Asker<'_>,
        scene: &Scene<'_>,
    ) -> Option<(Block, Option<Prospect>)> {
        let margin = if awaited { Duration::ZERO } else { MARGIN };
        let owed = |want: &Want| {
            want.awaited == awaited
                && scene.pieces.asked(want.piece).next().is_some()
                && asker.may_send(want.piece, scene)
        };
        self.wants.iter().filter(|want| owed(want)).take(LATE_SCAN).find_map(|want| {
            scene.pieces.asked(want.piece).find_map(|(block, holders)| {
                let prospect = asker.relieves(block, holders, margin, scene)?;
                Some((block, Some(prospect)))
            })
        })
    }

    /// Finds a block that no viewer needs: begun pieces first, then by priority and rarity.
    fn spare(&self, asker: Asker<'_>, scene: &mut Scene<'_>) -> Option<Block> {
        // A peer that is too slow for an awaited piece does not get it here either.
        let is_awaited = |piece| self.wants.iter().any(|want| want.awaited && want.piece == piece);
        let begun: Vec<PieceIndex> = scene
            .pieces
            .begun()
            .filter(|&piece| asker.peer.serves(piece) && scene.availability.is_wanted(piece))
            .collect();
        for piece in begun {
            if scene.suspects.may_ask(piece, asker.conn)
                && let Some(block) = asker.free_block(piece, BlockIndex::FIRST, scene)
                && !is_awaited(piece)
            {
                return Some(block);
            }
        }
        if scene.pieces.begun_count()
            > scene.peers.len() * 2 + limits::SPARE_BEGUN_PIECES + limits::WANTS
        {
            return None;
        }
        let mut rarest = scene.availability.rarest().take(limits::RAREST_SCAN);
        let piece = rarest
            .find(|&piece| asker.may_send(piece, scene) && !is_awaited(piece))
            .or_else(|| {
                // Few of the rarest pieces are this peer's: its own are searched instead.
                let own = scene.pieces.lacking(asker.peer.pieces()?);
                let own = own.filter(|&piece| asker.may_send(piece, scene) && !is_awaited(piece));
                scene.availability.rarest_of(own, limits::RAREST_SCAN)
            })?;
        asker.free_block(piece, BlockIndex::FIRST, scene)
    }

    /// Finds the block that other peers are expected to send last, or never: the end game. Also
    /// returns what is expected of them.
    fn owed(&self, asker: Asker<'_>, scene: &Scene<'_>) -> Option<(Block, Option<Prospect>)> {
        let is_needed = |piece: PieceIndex| {
            scene.availability.is_wanted(piece) || self.wants.iter().any(|it| it.piece == piece)
        };
        let begun =
            scene.pieces.begun().filter(|&piece| asker.may_send(piece, scene) && is_needed(piece));
        begun
            .flat_map(|piece| scene.pieces.asked(piece))
            .filter_map(|(block, holders)| {
                Some((asker.relieves(block, holders, MARGIN, scene)?, block))
            })
            .max_by_key(|&(wait, block)| (wait, Reverse(block)))
            .map(|(prospect, block)| (block, Some(prospect)))
    }
}

/// The peer for which a block is picked.
#[derive(Clone, Copy)]
struct Asker<'a> {
    conn: ConnId,
    peer: &'a Peer,
    /// The expected time until its next block arrives.
    eta: Duration,
}

impl Asker<'_> {
    /// Returns whether the peer would send blocks of a piece, and may be asked for them.
    fn may_send(self, piece: PieceIndex, scene: &Scene<'_>) -> bool {
        self.peer.serves(piece) && scene.suspects.may_ask(piece, self.conn)
    }

    /// Returns a free block of a piece, if possible from `first` on.
    fn free_block(
        self,
        piece: PieceIndex,
        first: BlockIndex,
        scene: &mut Scene<'_>,
    ) -> Option<Block> {
        let block = scene.pieces.first_free_from(piece, first)?;
        if self.peer.may_ask(block, scene.now) {
            return Some(block);
        }
        scene.pieces.free_blocks(piece, first).find(|&it| self.peer.may_ask(it, scene.now))
    }

    /// Returns what is expected of the holders of a block if the peer should be asked for it, too:
    /// it takes less than half their time, and less by `margin`.
    fn relieves(
        self,
        block: Block,
        holders: &[Source],
        margin: Duration,
        scene: &Scene<'_>,
    ) -> Option<Prospect> {
        if self.peer.standing() == Standing::Snubbing
            || holders.contains(&Source::Peer(self.conn))
            || !self.peer.may_ask(block, scene.now)
        {
            return None;
        }
        let prospect = |holder: &Source| Prospect::of(*holder, block, scene);
        let hopeful = holders.iter().filter(|&it| prospect(it) != Prospect::Hopeless).count();
        let best = holders.iter().map(prospect).min()?;
        let is_due = match best {
            Prospect::In(wait) => {
                let is_sooner = wait > 2 * self.eta && wait > self.eta + margin;
                scene.may_duplicate && hopeful < HOLDERS && is_sooner
            }
            Prospect::Late => scene.may_duplicate && hopeful < HOLDERS_LATE,
            // If these holders never answer, as is likely, nothing comes twice.
            Prospect::Hopeless => true,
        };
        is_due.then_some(best)
    }
}

/// What a holder's record says about a block that it owes. The best comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Prospect {
    /// It is expected after this time.
    In(Duration),
    /// It is overdue.
    Late,
    /// It is overdue, and the peer has sent nothing so far or has ceased to.
    Hopeless,
}

impl Prospect {
    fn of(holder: Source, block: Block, scene: &Scene<'_>) -> Self {
        match holder {
            Source::WebSeed(seed) => match scene.web.get(&seed) {
                Some(&expected) if expected >= scene.now => {
                    Self::In(expected.saturating_since(scene.now))
                }
                _ => Self::Late,
            },
            Source::Peer(conn) => {
                let Some(peer) = scene.peers.get(&conn) else { return Self::Hopeless };
                let is_late = peer.overdue(block, scene.now) > peer.slack();
                match peer.standing() {
                    Standing::Snubbing => Self::Hopeless,
                    Standing::New if is_late => Self::Hopeless,
                    Standing::Proven if is_late => Self::Late,
                    _ => Self::In(peer.remaining(block, scene.now)),
                }
            }
        }
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

/// Peers with room for requests, the best first.
#[derive(Debug)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<(Standing, Duration, ConnId)>>,
}

impl Queue {
    /// Takes the next peer.
    pub(crate) fn next_peer(&mut self) -> Option<ConnId> {
        self.heap.pop().map(|Reverse((.., conn))| conn)
    }

    /// Returns a peer that was asked, if it has room for more.
    pub(crate) fn requeue(&mut self, conn: ConnId, peer: &Peer, now: Instant) {
        self.heap.push(Reverse((peer.standing(), peer.eta(now), conn)));
    }
}

#[cfg(test)]
mod tests;
