//! Uploads to the peers of a swarm: introductions, slots and blocks.
//!
//! The choker assigns the slots, and a peer's [`crate::peer::upload`] decides in which order its
//! requests are answered. Blocks go from the disk to the peer without passing through here.

use rand::Rng;
use shared_proto::ConnId;

use super::outcomes::{EndedConnection, Offered, Slots};
use super::state::Swarm;
use crate::bitfield::Bitfield;
use crate::geometry::PieceIndex;
use crate::limits;
use crate::peer::allowed_fast::{SET_LENGTH, allowed_fast};
use crate::peer::give::Introduction;
use crate::peer::local::Local;
use crate::peer::upload::Request;
use crate::time::Instant;

/// Blocks of the info dictionary that a peer gets at once. The rest of its share of a second
/// follows with [`Swarm::maintain_uploads`].
const METADATA_AT_ONCE: usize = 8;

impl Swarm {
    fn introduction<'a>(&self, offered: Offered<'a>, local: &Local) -> Introduction<'a> {
        let metadata_size = offered
            .metadata
            .and_then(|length| u32::try_from(length).ok())
            .filter(|size| (1..=limits::METADATA).contains(size));
        Introduction {
            have: offered.have,
            metadata_size,
            // A magnet link without metadata accepts no incoming peers.
            port: local.port.filter(|_| offered.metadata.is_some()),
            upload_only: self.uploads.announced_upload_only(),
            exchanges_peers: self.exchanges_peers(local),
            pex_interval: local.pex_interval,
            punches: offered.metadata.is_some() && self.punches(local),
        }
    }

    /// A handshake is done: sends our pieces, our extensions and our DHT port.
    pub(crate) fn send_introduction(
        &mut self,
        conn: ConnId,
        offered: Offered<'_>,
        local: &Local,
        now: Instant,
    ) {
        let us = self.introduction(offered, local);
        let (info_hash, private) = (self.identity.key, self.private);
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        peer.introduce(&us, now);
        if let Some(geometry) = offered.geometry
            && peer.is_fast()
            && !offered.have.is_clear()
        {
            let set = allowed_fast(peer.addr().ip(), info_hash, geometry, SET_LENGTH);
            peer.allow(
                set.into_iter().filter(|piece| offered.have.get(piece.get())).collect(),
                now,
            );
        }
        if let Some(port) = local.dht_port.filter(|_| !private) {
            peer.send_dht_port(port, now);
        }
    }

    /// Sends our extension handshake to every peer again.
    pub(in crate::torrent) fn repeat_extensions(
        &mut self,
        offered: Offered<'_>,
        local: &Local,
        now: Instant,
    ) {
        let us = self.introduction(offered, local);
        self.peers.values_mut().for_each(|peer| peer.send_extensions(&us, now));
    }

    /// Sets whether we only upload (BEP 21).
    ///
    /// Returns whether this has changed; [`Swarm::repeat_extensions`] then tells the peers.
    pub(in crate::torrent) fn set_upload_only(&mut self, upload_only: bool) -> bool {
        self.uploads.set_announced_upload_only(upload_only)
    }

    /// A piece is verified: announces it to every peer.
    pub(in crate::torrent) fn announce_piece(&mut self, piece: PieceIndex, now: Instant) {
        self.peers.values_mut().for_each(|peer| peer.announce_piece(piece, now));
    }

    /// Handles a peer's request for a block.
    ///
    /// `can_give` says whether the bytes are valid, verified and readable.
    ///
    /// # Errors
    /// The peer keeps requesting what it can't have: its connection has ended.
    pub(in crate::torrent) fn requested(
        &mut self,
        conn: ConnId,
        request: Request,
        can_give: bool,
        now: Instant,
    ) -> Result<(), Option<EndedConnection>> {
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(()) };
        peer.handle_request(request, can_give, now)
            .map_err(|error| self.drop_peer(conn, &error.to_string(), now))
    }

    /// Handles a cancelled request of a peer.
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

    /// Handles a peer's request for a block of the info dictionary.
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
            peer.send_metadata(info, METADATA_AT_ONCE, now);
        }
    }

    /// Returns the next block to send to a peer. `None` while there is no room on the peer's line.
    /// [`Swarm::block_sent`] or [`Swarm::block_refused`] must follow.
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

    /// A block of this length was passed on to a peer. `succeeded` is false if it could not be
    /// sent.
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

    /// Assigns the upload slots.
    pub(in crate::torrent) fn choose(&mut self, slots: Slots, rng: &mut impl Rng, now: Instant) {
        self.uploads.choose(&mut self.peers, slots, rng, now);
    }

    /// Whether a second has passed since uploads were last maintained.
    pub(in crate::torrent) fn uploads_are_due(&mut self, now: Instant) -> bool {
        self.uploads.is_due(now)
    }

    /// Once a second: sends waiting blocks of the info dictionary, and withdraws interest from
    /// peers that have nothing beyond `unneeded`.
    pub(in crate::torrent) fn maintain_uploads(
        &mut self,
        info: &[u8],
        unneeded: &Bitfield,
        now: Instant,
    ) {
        for peer in self.peers.values_mut() {
            peer.send_metadata(info, limits::METADATA_PER_SECOND, now);
            if peer.pieces().is_some_and(|theirs| !theirs.has_any_missing_in(unneeded)) {
                peer.set_interested(false, now);
            }
        }
    }

    /// Bytes of payload uploaded.
    pub(in crate::torrent) fn uploaded(&self) -> u64 {
        self.uploads.uploaded()
    }

    /// Current upload rate in bytes of payload per second.
    pub(in crate::torrent) fn upload_rate_bps(&self, now: Instant) -> u64 {
        self.uploads.rate_bps(now)
    }
}
