//! Decides what a torrent requests next, and from which peer.
//!
//! Owns what is needed, how rare each piece is among the peers, and how much was requested twice.
//! The ledger owns the state of blocks and the swarm owns the peers; both are lent for one step at
//! a time ([`crate::pick::scheduler`]).

use rand::rngs::ChaCha8Rng;

use crate::bitfield::Bitfield;
use crate::geometry::{Geometry, PieceIndex};
use crate::peer::{Peer, PeerEvent};
use crate::pick::availability::Availability;
use crate::pick::picker::{self, Picker};
use crate::pick::priority::Priority;
use crate::pick::want::Want;
use crate::time::Instant;

/// What to request next, and from which peer.
#[derive(Debug)]
pub(in crate::torrent) struct Fetch {
    availability: Availability,
    picker: Picker,
    /// Whether requests have to be computed again at the end of the step.
    is_stale: bool,
    /// Bytes requested from a second peer while the first still owed them.
    duplicated: u64,
    /// The last shortage of another torrent's viewer for which requests were cancelled.
    gave_way: u32,
}

impl Fetch {
    /// Creates the state with all pieces selected and no peers. Pieces for which `is_idle` is false
    /// can't be requested.
    pub(in crate::torrent) fn new(
        geometry: &Geometry,
        is_idle: impl Fn(PieceIndex) -> bool,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let mut availability = Availability::new(geometry.pieces(), rng);
        geometry.pieces().filter(|&piece| is_idle(piece)).for_each(|piece| {
            availability.take(piece);
        });
        Self { availability, picker: Picker::default(), is_stale: true, duplicated: 0, gave_way: 0 }
    }

    /// Something changed: requests are computed again at the end of the step.
    pub(in crate::torrent) fn invalidate(&mut self) {
        self.is_stale = true;
    }

    /// Whether requests have to be computed again.
    pub(in crate::torrent) fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Sets what viewers need, the most urgent first.
    pub(in crate::torrent) fn set_wants(
        &mut self,
        wants: Vec<Want>,
        is_watched: bool,
        now: Instant,
    ) {
        self.picker.set_wants(wants, is_watched, now);
        self.is_stale = false;
    }

    /// What viewers need, the most urgent first.
    pub(in crate::torrent) fn wants(&self) -> &[Want] {
        self.picker.wants()
    }

    /// Blocks became free of which peers were considered to have none.
    pub(in crate::torrent) fn freed(&mut self) {
        self.picker.block_freed();
    }

    /// The picker, and the order of pieces that are not begun.
    pub(in crate::torrent) fn for_requests(&mut self) -> (&mut Picker, &mut Availability) {
        (&mut self.picker, &mut self.availability)
    }

    /// Counts the pieces that a peer announces. `pieces` are all that the peer has; they matter
    /// only if it has some.
    ///
    /// Returns false if the event is about something else.
    pub(in crate::torrent) fn handle_event(
        &mut self,
        geometry: &Geometry,
        event: &PeerEvent,
        pieces: Option<&Bitfield>,
    ) -> bool {
        match event {
            PeerEvent::HasAll => self.availability.add_seed(),
            PeerEvent::HasSome => {
                if let Some(pieces) = pieces {
                    self.availability.add_all(geometry.marked(pieces));
                }
            }
            PeerEvent::Has(piece) => self.availability.add(*piece),
            PeerEvent::HasMore(more) => more.iter().for_each(|&it| self.availability.add(it)),
            _ => return false,
        }
        true
    }

    /// Removes the pieces of a peer that disconnected.
    pub(in crate::torrent) fn lose(&mut self, geometry: &Geometry, peer: &Peer) {
        if peer.has_all() {
            self.availability.remove_seed();
        } else if let Some(pieces) = peer.pieces() {
            self.availability.remove_all(geometry.marked(pieces));
        }
    }

    /// A piece can no longer be begun: it exists, or may exist.
    pub(in crate::torrent) fn take(&mut self, piece: PieceIndex) {
        self.availability.take(piece);
    }

    /// A piece can be begun.
    pub(in crate::torrent) fn put_back(&mut self, piece: PieceIndex) {
        self.availability.put_back(piece);
    }

    /// Whether a piece is selected.
    pub(in crate::torrent) fn is_wanted(&self, piece: PieceIndex) -> bool {
        self.availability.is_wanted(piece)
    }

    /// Sets the priority of a piece; `is_idle` says whether it can be begun.
    pub(in crate::torrent) fn set_priority(
        &mut self,
        piece: PieceIndex,
        priority: Priority,
        is_idle: bool,
    ) {
        self.availability.set_priority(piece, priority, is_idle);
    }

    /// Notes a shortage of another torrent's viewer. Returns whether it is a new one.
    pub(in crate::torrent) fn give_way(&mut self, shortage: u32) -> bool {
        std::mem::replace(&mut self.gave_way, shortage) != shortage
    }

    /// Counts bytes requested from a second peer.
    pub(in crate::torrent) fn count_duplicate(&mut self, bytes: u32) {
        self.duplicated += u64::from(bytes);
    }

    /// Whether one more block may be requested twice, after `downloaded` bytes.
    pub(in crate::torrent) fn may_duplicate(&self, downloaded: u64) -> bool {
        picker::may_duplicate(self.duplicated, downloaded)
    }
}

#[cfg(test)]
mod tests;
