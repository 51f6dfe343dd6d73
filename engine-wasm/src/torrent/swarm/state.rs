//! The state of a swarm, its creation and its end.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use bytes::Bytes;
use shared_proto::ConnId;

use super::choking::Uploads;
use super::outcomes::{Discovered, EndedConnection};
use super::web_seeds::WebSeeds;
use crate::discover::candidates::Candidates;
use crate::discover::tracker::announcer::Announcer;
use crate::hashes::asking::Asking;
use crate::hashes::request::HashRequest;
use crate::limits;
use crate::metainfo::Identity;
use crate::peer::Peer;
use crate::peer::holepunch::seeking::Seeking;
use crate::time::Instant;

/// Connected peers, known addresses and web seeds.
#[derive(Debug)]
pub(crate) struct Swarm {
    pub(super) identity: Identity,
    /// Whether only trackers and the user may name peers (BEP 27).
    pub(super) private: bool,
    pub(super) peers: BTreeMap<ConnId, Peer>,
    pub(super) candidates: Candidates,
    pub(super) most: usize,
    pub(super) trackers: Announcer,
    /// Whether the DHT is looking for peers.
    pub(super) asks_dht: bool,
    pub(super) seeking: Seeking,
    pub(super) uploads: Uploads,
    pub(super) hash_requests: Asking,
    pub(super) web: WebSeeds,
    /// The rate-limit group of its connections, if the torrent has limits of its own.
    pub(super) own_group: u32,
}

impl Swarm {
    /// Creates a swarm with these addresses and trackers, and no connections.
    pub(crate) fn new(
        identity: Identity,
        private: bool,
        Discovered { candidates, trackers }: Discovered,
        web: WebSeeds,
        own_group: u32,
        now: Instant,
    ) -> Self {
        Self {
            identity,
            private,
            peers: BTreeMap::new(),
            candidates,
            most: limits::CONNECTIONS_PER_TORRENT,
            trackers,
            asks_dht: false,
            seeking: Seeking::default(),
            uploads: Uploads::new(now),
            hash_requests: Asking::default(),
            web,
            own_group,
        }
    }

    /// Creates the swarm of a magnet link. Whether its torrent is private is not known yet.
    pub(crate) fn undescribed(identity: Identity, discovered: Discovered, now: Instant) -> Self {
        Self::new(identity, false, discovered, WebSeeds::default(), 0, now)
    }

    /// The link to the daemon is lost, and with it every connection.
    pub(crate) fn unlink(&mut self, now: Instant) -> Vec<EndedConnection> {
        self.seeking.clear();
        self.trackers.unlink(now);
        self.web.unlink();
        self.release_all()
    }

    /// Every connection, including those being dialled.
    pub(crate) fn peers(&self) -> &BTreeMap<ConnId, Peer> {
        &self.peers
    }

    /// Lends the peers to the scheduler, which records block requests in them.
    pub(in crate::torrent) fn for_requests(&mut self) -> &mut BTreeMap<ConnId, Peer> {
        &mut self.peers
    }

    /// The address of a peer.
    pub(crate) fn addr(&self, conn: ConnId) -> Option<SocketAddr> {
        self.peers.get(&conn).map(Peer::addr)
    }

    /// Peers whose handshake is done.
    pub(crate) fn ready_peers(&self) -> impl Iterator<Item = (ConnId, &Peer)> {
        self.peers.iter().filter(|(_, peer)| peer.is_ready()).map(|(&conn, peer)| (conn, peer))
    }

    /// Whether any peer's handshake is done.
    pub(crate) fn has_ready_peer(&self) -> bool {
        self.peers.values().any(Peer::is_ready)
    }

    /// Whether any peer or web seed could send something now.
    pub(in crate::torrent) fn could_send(&self) -> bool {
        self.peers.values().any(Peer::is_awaited) || self.web.is_fetching()
    }

    /// The rate-limit group for a torrent with limits of its own.
    pub(in crate::torrent) fn own_group(&self) -> u32 {
        self.own_group
    }

    /// Takes the bytes to send, all messages of a peer together.
    pub(crate) fn take_out(&mut self) -> Vec<(ConnId, Bytes)> {
        let out = |(&conn, peer): (&ConnId, &mut Peer)| Some((conn, peer.take_out()?));
        self.peers.iter_mut().filter_map(out).collect()
    }

    /// Takes the bytes to send to one peer.
    pub(in crate::torrent) fn take_out_of(&mut self, conn: ConnId) -> Option<Bytes> {
        self.peers.get_mut(&conn)?.take_out()
    }

    /// Requests hashes from peers that support v2, the fastest first.
    pub(in crate::torrent) fn ask_for_hashes(
        &mut self,
        needs: impl Iterator<Item = HashRequest>,
        now: Instant,
    ) {
        let mut peers: Vec<(&ConnId, &Peer)> =
            self.peers.iter().filter(|(_, peer)| peer.supports_v2()).collect();
        if peers.is_empty() {
            return;
        }
        peers.sort_by_key(|(conn, peer)| (peer.eta(now), **conn));
        let peers: Vec<ConnId> = peers.into_iter().map(|(&conn, _)| conn).collect();
        for (conn, request) in self.hash_requests.plan(needs, &peers, now) {
            if let Some(peer) = self.peers.get_mut(&conn) {
                peer.ask_for_hashes(request, now);
            }
        }
    }

    /// A peer sent hashes. False if it was not asked for them.
    pub(in crate::torrent) fn hashes_came(&mut self, conn: ConnId, request: &HashRequest) -> bool {
        self.hash_requests.answered(conn, request)
    }

    /// A peer rejects a request for hashes.
    pub(in crate::torrent) fn hashes_rejected(
        &mut self,
        conn: ConnId,
        request: &HashRequest,
        now: Instant,
    ) {
        self.hash_requests.rejected(conn, request, now);
    }

    /// Sends a peer the requested hashes, or with `None` a reject.
    pub(in crate::torrent) fn send_hashes(
        &mut self,
        conn: ConnId,
        request: HashRequest,
        hashes: Option<&[u8]>,
        now: Instant,
    ) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.send_hashes(request, hashes, now);
        }
    }
}
