//! Connections from the dial to the end.
//!
//! A connection is dialled or accepted, completes its handshake, and lives until its peer leaves,
//! misbehaves or becomes useless. How it ended decides when its address is dialled again.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use shared_proto::ConnId;
use shared_proto::io::CloseReason;

use super::outcomes::{Dial, EndedConnection, Interests, Shaking, Ticked};
use super::state::Swarm;
use crate::arrivals::Named;
use crate::discover::candidates::Source;
use crate::geometry::{Block, Geometry, PieceIndex};
use crate::limits;
use crate::peer::handshake::HANDSHAKE_LEN;
use crate::peer::local::{Local, Opening};
use crate::peer::policy::Reached;
use crate::peer::{Peer, PeerError, PeerEvent};
use crate::time::Instant;

/// Time without interest after which a peer makes room for others, while we need nothing either.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

/// A peer that rejected this many requests in a row is dropped.
const MOST_REJECTS: u32 = 200;

impl Swarm {
    /// Sets the maximum number of connections, including those being dialled.
    pub(crate) fn set_max_connections(&mut self, most: usize) {
        self.most = most;
    }

    /// Adds addresses that may be dialled.
    pub(crate) fn add_candidates(
        &mut self,
        addrs: impl IntoIterator<Item = SocketAddr>,
        source: Source,
    ) {
        for addr in addrs {
            self.candidates.add(addr, source);
        }
    }

    /// We lack pieces: seeds may be dialled at once.
    pub(in crate::torrent) fn release_seeds(&mut self) {
        self.candidates.release_seeds();
    }

    /// The next peer to dial, while there is room. [`Swarm::dialling`] must follow.
    pub(crate) fn next_dial(&mut self, local: &Local, now: Instant) -> Option<Dial> {
        let dialling = self.peers.values().filter(|peer| peer.is_connecting()).count();
        if local.awaits_sockets
            || self.peers.len() >= self.most
            || dialling >= limits::DIALS_PER_TORRENT
        {
            return None;
        }
        self.candidates.set_own(local.own);
        loop {
            let addr = self.candidates.next_to_dial(now)?;
            if self.has_dialled_us(addr) {
                self.candidates.failed(addr, now);
                continue;
            }
            match self.candidates.choose_method(addr, local.policy_for(addr)) {
                Some((method, has_other)) => {
                    return Some(Dial { addr, method, has_other, is_punched: false });
                }
                None => self.candidates.set_unreachable(addr, now),
            }
        }
    }

    /// A peer is being dialled on this connection.
    pub(crate) fn dialling(&mut self, conn: ConnId, dial: Dial, now: Instant) {
        let peer = Peer::dial(dial.addr, now).over(dial.method.transport);
        self.peers.insert(conn, if dial.is_punched { peer.punched() } else { peer });
    }

    /// Returns whether a peer that dialled us listens at this address. A dial would then be
    /// redundant.
    fn has_dialled_us(&self, addr: SocketAddr) -> bool {
        let dialled_us = |peer: &&Peer| !peer.is_dialled() && peer.is_ready();
        self.peers.values().filter(dialled_us).any(|peer| peer.is_at(addr))
    }

    /// A peer dialled us and named this torrent.
    ///
    /// Returns how many bytes of its handshake remain to be read; `None` if it is refused.
    pub(in crate::torrent) fn accept(
        &mut self,
        conn: ConnId,
        named: &Named,
        needs_peers: bool,
        local: &Local,
        now: Instant,
    ) -> Option<usize> {
        let Named { addr, over, ref received, .. } = *named;
        // The source port of an incoming connection does not identify its peer.
        if self.candidates.is_banned_host(addr.ip()) || !self.has_room_for_arrivals(needs_peers) {
            return None;
        }
        let mut peer = Peer::accept(addr, received, self.identity, local.peer_id, now).over(over);
        self.offer_dht(&mut peer, local);
        self.peers.insert(conn, peer);
        Some(HANDSHAKE_LEN.saturating_sub(received.len()))
    }

    /// Whether there is room for an incoming connection: a third is reserved for dials while we
    /// need pieces.
    fn has_room_for_arrivals(&self, needs_peers: bool) -> bool {
        let arrivals = self.peers.values().filter(|peer| !peer.is_dialled()).count();
        let room = if needs_peers { (self.most * 2).div_ceil(3) } else { self.most };
        self.peers.len() < self.most && arrivals < room
    }

    /// Whether a peer has rejected more than [`MOST_REJECTS`] requests in a row.
    pub(in crate::torrent) fn rejects_everything(&self, conn: ConnId) -> bool {
        self.peers.get(&conn).is_some_and(|peer| peer.rejections() > MOST_REJECTS)
    }

    /// Records a block from a peer, whether wanted or not. Returns the peer's address. `None` if
    /// the peer is gone.
    pub(in crate::torrent) fn block_came(
        &mut self,
        conn: ConnId,
        block: Block,
        geometry: &Geometry,
        now: Instant,
    ) -> Option<SocketAddr> {
        let peer = self.peers.get_mut(&conn)?;
        peer.received(block, geometry, now);
        Some(peer.addr())
    }

    /// Requests a block of the info dictionary from a peer.
    pub(crate) fn ask_metadata(&mut self, conn: ConnId, block: u32, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.ask_metadata(block, now);
        }
    }

    /// A connection that we dialled is open: our handshake is sent.
    pub(crate) fn connected(
        &mut self,
        conn: ConnId,
        local: &Local,
        now: Instant,
    ) -> Option<Opening> {
        let mut peer = self.peers.remove(&conn)?;
        peer.connected(self.identity, local.peer_id, now);
        self.offer_dht(&mut peer, local);
        self.candidates.reached(peer.addr(), Reached::Connection);
        let opening = if self.candidates.is_encrypted(peer.addr()) {
            Opening::Encrypted(peer.take_out())
        } else {
            Opening::Plain(HANDSHAKE_LEN)
        };
        self.peers.insert(conn, peer);
        Some(opening)
    }

    fn offer_dht(&self, peer: &mut Peer, local: &Local) {
        if local.has_dht_node && !self.private {
            peer.offer_dht();
        }
    }

    /// Handles bytes of a handshake.
    pub(crate) fn handshake(
        &mut self,
        conn: ConnId,
        data: &[u8],
        local: &Local,
        now: Instant,
    ) -> Shaking {
        let Some(peer) = self.peers.get_mut(&conn) else { return Shaking::Unfinished };
        let addr = peer.addr();
        let error = match peer.handle_data(data, self.identity, local.peer_id, now) {
            Ok(None) => return Shaking::Unfinished,
            Ok(Some(_)) => {
                self.candidates.reached(addr, Reached::Peer);
                self.seeking.found(addr);
                return Shaking::Done;
            }
            Err(error) => error,
        };
        if matches!(error, PeerError::Ourselves) && peer.is_dialled() {
            // Trackers return our own address as well.
            self.candidates.leave_alone(addr, now);
        } else if !matches!(error, PeerError::Handshake) {
            self.candidates.reached(addr, Reached::Peer);
        }
        self.drop_peer(conn, &error.to_string(), now).map_or(Shaking::Unfinished, Shaking::Over)
    }

    /// Handles a frame; `geometry` is `None` while a magnet link has no metadata.
    ///
    /// # Errors
    /// The peer broke the protocol: its connection is over.
    pub(crate) fn frame(
        &mut self,
        conn: ConnId,
        frame: &Bytes,
        geometry: Option<&Geometry>,
        now: Instant,
    ) -> Result<Option<PeerEvent>, EndedConnection> {
        let Some(peer) = self.peers.get_mut(&conn) else { return Ok(None) };
        let read = match geometry {
            Some(geometry) => peer.handle_frame(frame, geometry, now),
            None => peer.handle_frame_undescribed(frame, now),
        };
        read.or_else(|error| self.drop_peer(conn, &error.to_string(), now).map_or(Ok(None), Err))
    }

    /// Which of two connections to one peer to close.
    ///
    /// Both ends must choose the same: the connection that the lower peer ID dialled stays.
    pub(in crate::torrent) fn twin_to_drop(
        &self,
        conn: ConnId,
        our_id: [u8; 20],
    ) -> Option<ConnId> {
        let peer = self.peers.get(&conn)?;
        let id = peer.id()?;
        let is_twin =
            |other: &Peer| other.id() == Some(id) && other.addr().ip() == peer.addr().ip();
        let (&other, twin) =
            self.peers.iter().find(|(other, twin)| **other != conn && is_twin(twin))?;
        let newer_stays =
            peer.is_dialled() != twin.is_dialled() && peer.is_dialled() == (our_id < id);
        Some(if newer_stays { other } else { conn })
    }

    /// Tells a peer whether we are interested. `wanted` are pieces that viewers need, selected or
    /// not.
    pub(in crate::torrent) fn update_interest(
        &mut self,
        conn: ConnId,
        interests: Interests<'_>,
        mut wanted: impl Iterator<Item = PieceIndex>,
        now: Instant,
    ) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let is_interesting = if peer.has_all() {
            interests.any
        } else {
            peer.pieces().is_some_and(|theirs| theirs.has_any_missing_in(interests.unneeded))
                || wanted.any(|piece| peer.has(piece) && !interests.have.get(piece.get()))
        };
        peer.set_interested(is_interesting, now);
    }

    /// Withdraws our interest from every peer.
    pub(in crate::torrent) fn lose_interest(&mut self, now: Instant) {
        self.peers.values_mut().for_each(|peer| peer.set_interested(false, now));
    }

    /// Every connection, including those being dialled.
    pub(crate) fn conns(&self) -> Vec<ConnId> {
        self.peers.keys().copied().collect()
    }

    /// A connection was closed by its peer or the daemon.
    pub(crate) fn closed(
        &mut self,
        conn: ConnId,
        reason: CloseReason,
        local: Option<&Local>,
        now: Instant,
    ) -> Option<EndedConnection> {
        let peer = self.remove(conn)?;
        tracing::debug!(peer = %peer.addr(), ?reason, "connection closed");
        if reason == CloseReason::AddressGone {
            let retries = peer.is_dialled();
            self.candidates.released(peer.addr());
            return Some(EndedConnection { conn, is_open: false, peer, retries });
        }
        let has_all_as_we_have = peer.is_dialled()
            && peer.is_ready()
            && peer.is_upload_only()
            && self.uploads.announced_upload_only();
        let mut retries = false;
        if has_all_as_we_have {
            // We would have closed it as well: it is dialled again when we need pieces.
            self.candidates.set_complete(peer.addr(), now);
        } else if peer.is_dialled() && self.candidates.failed(peer.addr(), now) {
            retries = true;
        } else if peer.is_connecting()
            && let Some(local) = local
        {
            self.seek_introduction(peer.addr(), local, now);
        }
        Some(EndedConnection { conn, is_open: false, peer, retries })
    }

    /// Closes a connection because of its peer's behaviour.
    pub(crate) fn drop_peer(
        &mut self,
        conn: ConnId,
        why: &str,
        now: Instant,
    ) -> Option<EndedConnection> {
        let peer = self.remove(conn)?;
        tracing::debug!(peer = %peer.addr(), why, "peer dropped");
        let retries = peer.is_dialled() && self.candidates.failed(peer.addr(), now);
        Some(EndedConnection { conn, is_open: true, peer, retries })
    }

    /// Closes the connections beyond the limit: first those being dialled, then the newest.
    ///
    /// Their peers did nothing wrong and may be dialled again.
    pub(crate) fn release_newest(&mut self) -> Vec<EndedConnection> {
        let beyond = self.peers.len().saturating_sub(self.most);
        let mut newest = self.conns();
        newest.sort_by_key(|conn| (self.peers[conn].is_ready(), Reverse(*conn)));
        newest.into_iter().take(beyond).filter_map(|conn| self.release(conn)).collect()
    }

    /// Closes every connection. The peers did nothing wrong and may be dialled again.
    pub(crate) fn release_all(&mut self) -> Vec<EndedConnection> {
        self.conns().into_iter().filter_map(|conn| self.release(conn)).collect()
    }

    fn release(&mut self, conn: ConnId) -> Option<EndedConnection> {
        let peer = self.remove(conn)?;
        self.candidates.released(peer.addr());
        Some(EndedConnection { conn, is_open: true, peer, retries: false })
    }

    /// Bans an address: its connections are closed, and it is never dialled again.
    pub(crate) fn ban(
        &mut self,
        addr: SocketAddr,
        why: &str,
        now: Instant,
    ) -> Vec<EndedConnection> {
        self.candidates.ban(addr);
        let at = |(&conn, peer): (&ConnId, &Peer)| (peer.addr() == addr).then_some(conn);
        let conns: Vec<ConnId> = self.peers.iter().filter_map(at).collect();
        conns.into_iter().filter_map(|conn| self.drop_peer(conn, why, now)).collect()
    }

    /// Closes connections to peers that need nothing, while we need nothing either.
    pub(in crate::torrent) fn close_seeds(&mut self, now: Instant) -> Vec<EndedConnection> {
        let seed =
            |(&conn, peer): (&ConnId, &Peer)| peer.is_upload_only().then_some((conn, peer.addr()));
        let seeds: Vec<(ConnId, SocketAddr)> = self.peers.iter().filter_map(seed).collect();
        let part = |(conn, addr)| {
            self.candidates.set_complete(addr, now);
            self.drop_peer(conn, "both of us have everything", now)
        };
        seeds.into_iter().filter_map(part).collect()
    }

    /// Makes room: closes connections to peers without interest for long, while we need nothing
    /// either.
    ///
    /// With free places, and unless connections are scarce as a whole (`is_crowded`), a peer stays
    /// as long as its keep-alives come: its interest may return.
    pub(in crate::torrent) fn close_idle_peers(
        &mut self,
        is_crowded: bool,
        now: Instant,
    ) -> Vec<EndedConnection> {
        if !is_crowded && self.peers.len() < self.most {
            return Vec::new();
        }
        let is_idle = |since| now.saturating_since(since) > IDLE_TIMEOUT;
        let idler = |(&conn, peer): (&ConnId, &Peer)| {
            let idles = peer.is_ready() && peer.upload().idle_since().is_some_and(is_idle);
            idles.then_some(conn)
        };
        let idlers: Vec<ConnId> = self.peers.iter().filter_map(idler).collect();
        let why = "neither of us wants anything";
        idlers.into_iter().filter_map(|conn| self.drop_peer(conn, why, now)).collect()
    }

    /// Once a second: keeps connections alive, and finds silent and snubbing peers.
    pub(crate) fn tick(&mut self, now: Instant) -> Ticked {
        let mut ticked = Ticked::default();
        let mut dead = Vec::new();
        for (&conn, peer) in &mut self.peers {
            let late = peer.forget_late(now);
            if !late.is_empty() {
                ticked.late.push((conn, late));
            }
            ticked.has_pause_ended |= peer.has_pause_ended(now);
            if peer.is_dead(now) {
                dead.push((conn, "silent"));
            } else if peer.floods() {
                dead.push((conn, "it sends what nobody requested"));
            } else if peer.tick(now) {
                ticked.snubbing.push(conn);
            } else {
                let lost = peer.lost(now);
                if !lost.is_empty() {
                    ticked.lost.push((conn, lost));
                }
            }
        }
        ticked.dead =
            dead.into_iter().filter_map(|(conn, why)| self.drop_peer(conn, why, now)).collect();
        ticked
    }

    fn remove(&mut self, conn: ConnId) -> Option<Box<Peer>> {
        self.hash_requests.leave(conn);
        self.peers.remove(&conn).map(Box::new)
    }
}
