//! What peers get of us: introductions, slots, and blocks.
//!
//! The choker says which peers get a slot, and a peer's [`crate::peer::upload`] in which order it is
//! answered. Blocks go from the disk to the peer without passing through here.

use rand::Rng;
use shared_proto::ConnId;

use super::outcomes::{Parted, Slots, Told};
use super::state::Swarm;
use crate::bitfield::Bitfield;
use crate::geometry::PieceIndex;
use crate::limits;
use crate::peer::allowed_fast::{SET_LENGTH, allowed_fast};
use crate::peer::give::Introduction;
use crate::peer::local::Local;
use crate::peer::upload::Request;
use crate::time::Instant;

/// Blocks of the info dictionary that a peer gets as soon as it asks; the rest of its share of a
/// second follows with [`Swarm::maintain_uploads`].
const METADATA_AT_ONCE: usize = 8;

impl Swarm {
    fn introduction<'a>(&self, told: Told<'a>, local: &Local) -> Introduction<'a> {
        let metadata_size = told
            .metadata
            .and_then(|length| u32::try_from(length).ok())
            .filter(|size| (1..=limits::METADATA).contains(size));
        Introduction {
            have: told.have,
            metadata_size,
            // While a magnet link is not described, peers that dial us are turned away.
            port: local.port.filter(|_| told.metadata.is_some()),
            upload_only: self.uploads.says_upload_only(),
            exchanges_peers: self.exchanges_peers(local),
            punches: told.metadata.is_some() && self.punches(local),
        }
    }

    /// A handshake is done: tells the peer what we have and which extensions we speak, and where our
    /// DHT node listens.
    pub(crate) fn greet(&mut self, conn: ConnId, told: Told<'_>, local: &Local, now: Instant) {
        let us = self.introduction(told, local);
        let pieces = told.have.len();
        let (info_hash, private) = (self.identity.key, self.private);
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        peer.introduce(&us, now);
        if peer.is_fast() && !told.have.is_clear() {
            let set = allowed_fast(peer.addr().ip(), info_hash, pieces, SET_LENGTH);
            peer.allow(set.into_iter().filter(|piece| told.have.get(piece.get())).collect(), now);
        }
        if let Some(port) = local.dht_port.filter(|_| !private) {
            peer.tell_dht_port(port, now);
        }
    }

    /// Tells every peer again which extensions we speak.
    pub(in crate::torrent) fn repeat_extensions(
        &mut self,
        told: Told<'_>,
        local: &Local,
        now: Instant,
    ) {
        let us = self.introduction(told, local);
        self.peers.values_mut().for_each(|peer| peer.say_extensions(&us, now));
    }

    /// Whether we want nothing (BEP 21). Returns whether that is news for peers;
    /// [`Swarm::repeat_extensions`] tells them.
    pub(in crate::torrent) fn set_upload_only(&mut self, upload_only: bool) -> bool {
        self.uploads.say_upload_only(upload_only)
    }

    /// A piece is verified: tells every peer.
    pub(in crate::torrent) fn tell_have(&mut self, piece: PieceIndex, now: Instant) {
        self.peers.values_mut().for_each(|peer| peer.tell_have(piece, now));
    }

    /// A peer requests a block. `can_give`: the bytes are valid, verified and at hand.
    ///
    /// # Errors
    /// The peer asks for what it can't have over and over: its connection is over.
    pub(in crate::torrent) fn requested(
        &mut self,
        conn: ConnId,
        request: Request,
        can_give: bool,
        now: Instant,
    ) -> Result<(), Option<Parted>> {
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        peer.handle_request(request, can_give, now)
            .map_err(|error| self.drop_peer(conn, &error.to_string(), now))
    }

    /// A peer takes a request back.
    pub(in crate::torrent) fn request_cancelled(
        &mut self,
        conn: ConnId,
        request: Request,
        now: Instant,
    ) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.handle_cancel(request, now);
        }
    }

    /// A peer asks for a block of the info dictionary.
    pub(crate) fn metadata_requested(
        &mut self,
        conn: ConnId,
        block: u32,
        info: Option<&[u8]>,
        now: Instant,
    ) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let size = info.and_then(|info| u32::try_from(info.len()).ok());
        peer.handle_metadata_request(block, size, now);
        if let Some(info) = info {
            peer.give_metadata(info, METADATA_AT_ONCE, now);
        }
    }

    /// The block to send to a peer next, while there is room on its line. [`Swarm::block_sent`] or
    /// [`Swarm::block_refused`] follows.
    pub(in crate::torrent) fn next_block(&mut self, conn: ConnId, now: Instant) -> Option<Request> {
        self.peers.get_mut(&conn)?.upload_mut().next_to_send(now)
    }

    /// A requested block can't be sent after all.
    pub(in crate::torrent) fn block_refused(
        &mut self,
        conn: ConnId,
        request: Request,
        now: Instant,
    ) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.upload_mut().sent(request.length, false, now);
            peer.refuse(request, now);
        }
    }

    /// A block of this length is on its way to a peer, or could not be sent.
    pub(in crate::torrent) fn block_sent(
        &mut self,
        conn: ConnId,
        length: u32,
        succeeded: bool,
        now: Instant,
    ) {
        if succeeded {
            self.uploads.sent(length, now);
        }
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.upload_mut().sent(length, succeeded, now);
        }
    }

    /// Gives the slots away.
    pub(in crate::torrent) fn choose(&mut self, slots: Slots, rng: &mut impl Rng, now: Instant) {
        self.uploads.choose(&mut self.peers, slots, rng, now);
    }

    /// Whether a second has passed since uploads were maintained last.
    pub(in crate::torrent) fn uploads_are_due(&mut self, now: Instant) -> bool {
        self.uploads.is_due(now)
    }

    /// Once a second: sends waiting blocks of the info dictionary, and loses interest in peers that
    /// have nothing beyond `unneeded`.
    pub(in crate::torrent) fn maintain_uploads(
        &mut self,
        info: &[u8],
        unneeded: &Bitfield,
        now: Instant,
    ) {
        for peer in self.peers.values_mut() {
            peer.give_metadata(info, limits::METADATA_PER_SECOND, now);
            if peer.pieces().is_some_and(|theirs| !theirs.has_any_missing_in(unneeded)) {
                peer.set_interested(false, now);
            }
        }
    }

    /// Bytes of payload uploaded.
    pub(in crate::torrent) fn uploaded(&self) -> u64 {
        self.uploads.uploaded()
    }

    /// Bytes of payload uploaded a second now.
    pub(in crate::torrent) fn upload_rate_bps(&self, now: Instant) -> u64 {
        self.uploads.rate_bps(now)
    }
}
