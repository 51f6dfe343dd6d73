//! What a torrent requests next, and from which peer.
//!
//! Owns what is wanted, how rare each piece is among the peers, and how much was requested twice.
//! Where blocks stand is the ledger's, and which peers there are is the swarm's: both are lent for
//! one step at a time ([`crate::pick::scheduler`]).

use rand::rngs::ChaCha8Rng;

use crate::bitfield::Bitfield;
use crate::geometry::PieceIndex;
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
    /// Whether requests are to be worked out again at the end of the turn.
    is_stale: bool,
    /// Bytes requested from a second peer while the first still owed them.
    duplicated: u64,
}

impl Fetch {
    /// Everything is wanted, and no peer is known. Pieces for which `is_idle` holds can't be
    /// requested.
    pub(in crate::torrent) fn new(
        pieces: u32,
        is_idle: impl Fn(PieceIndex) -> bool,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let mut availability = Availability::new(pieces, rng);
        (0..pieces).map(PieceIndex).filter(|&piece| is_idle(piece)).for_each(|piece| {
            availability.take(piece);
        });
        Self { availability, picker: Picker::default(), is_stale: true, duplicated: 0 }
    }

    /// Something changed: requests are worked out again at the end of the turn.
    pub(in crate::torrent) fn invalidate(&mut self) {
        self.is_stale = true;
    }

    /// Whether requests are to be worked out again.
    pub(in crate::torrent) fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Takes what viewers need, the most urgent first.
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

    /// Blocks became free that peers were found to have nothing of.
    pub(in crate::torrent) fn freed(&mut self) {
        self.picker.block_freed();
    }

    /// The picker, and the order of pieces that are not begun.
    pub(in crate::torrent) fn for_requests(&mut self) -> (&mut Picker, &mut Availability) {
        (&mut self.picker, &mut self.availability)
    }

    /// A peer has everything.
    pub(in crate::torrent) fn add_seed(&mut self) {
        self.availability.add_seed();
    }

    /// A peer has these pieces.
    pub(in crate::torrent) fn add_all(&mut self, pieces: &Bitfield) {
        self.availability.add_all(pieces);
    }

    /// A peer has one more piece.
    pub(in crate::torrent) fn add(&mut self, piece: PieceIndex) {
        self.availability.add(piece);
    }

    /// A peer that has everything is gone.
    pub(in crate::torrent) fn remove_seed(&mut self) {
        self.availability.remove_seed();
    }

    /// A peer that has these pieces is gone.
    pub(in crate::torrent) fn remove_all(&mut self, pieces: &Bitfield) {
        self.availability.remove_all(pieces);
    }

    /// A piece can't be begun: it is there, or may be.
    pub(in crate::torrent) fn take(&mut self, piece: PieceIndex) {
        self.availability.take(piece);
    }

    /// A piece can be begun.
    pub(in crate::torrent) fn put_back(&mut self, piece: PieceIndex) {
        self.availability.put_back(piece);
    }

    /// Whether the selection wants a piece.
    pub(in crate::torrent) fn is_wanted(&self, piece: PieceIndex) -> bool {
        self.availability.is_wanted(piece)
    }

    /// How much the selection wants a piece; `is_idle` says whether it can be begun.
    pub(in crate::torrent) fn set_priority(
        &mut self,
        piece: PieceIndex,
        priority: Priority,
        is_idle: bool,
    ) {
        self.availability.set_priority(piece, priority, is_idle);
    }

    /// Bytes are requested from a second peer.
    pub(in crate::torrent) fn count_duplicate(&mut self, bytes: u32) {
        self.duplicated += u64::from(bytes);
    }

    /// Whether one more block may be requested twice, after so many bytes `downloaded`.
    pub(in crate::torrent) fn may_duplicate(&self, downloaded: u64) -> bool {
        picker::may_duplicate(self.duplicated, downloaded)
    }
}
