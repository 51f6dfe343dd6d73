//! A torrent and its peers: finding, dialling, listening to and parting from them.

use std::net::SocketAddr;

use bytes::Bytes;
use shared_proto::io::{CloseReason, OpError, OpOutput};
use shared_proto::{ConnId, IoCommand, OpId};

use crate::context::Context;
use crate::discover::candidates::{Candidates, Source};
use crate::discover::dht::errands::Wish;
use crate::discover::tracker::AnnounceParams;
use crate::discover::tracker::announcer::Announcer;
use crate::geometry::Block;
use crate::limits;
use crate::metainfo::Magnet;
use crate::peer::handshake::HANDSHAKE_LEN;
use crate::peer::way::{Reached, Way};
use crate::peer::wire::{MAX_FRAME, PIECE_ID};
use crate::peer::{Peer, PeerError, PeerEvent};
use crate::time::Instant;
use crate::torrent::Torrent;
use crate::torrent::routes::exchange;

/// A peer that rejected so many requests on end is let go.
const MOST_REJECTS: u32 = 200;

impl Torrent {
    /// Peers were named by hand.
    pub(crate) fn add_peers(
        &mut self,
        peers: impl Iterator<Item = SocketAddr>,
        source: Source,
        cx: &mut Context<'_>,
    ) {
        for addr in peers {
            self.swarm.candidates.add(addr, source);
        }
        if source == Source::Hand {
            self.record.touch(cx.now);
        }
        self.dial(cx);
    }

    /// Takes over what a magnet link knew before this torrent was described.
    pub(crate) fn take_over(
        &mut self,
        candidates: Candidates,
        mut trackers: Announcer,
        cx: &mut Context<'_>,
    ) {
        self.swarm.candidates = candidates;
        if self.content.meta.private {
            // Nobody knew that it is.
            self.swarm
                .candidates
                .keep(|source| !matches!(source, Source::Dht | Source::Pex | Source::Local));
        } else {
            trackers.add(self.content.meta.trackers.clone(), cx);
            self.swarm.trackers = trackers;
        }
    }

    /// Adds the peers of a magnet link for this torrent, unless the torrent is private (BEP 27).
    pub(crate) fn merge(&mut self, link: &Magnet, cx: &mut Context<'_>) {
        if !self.content.meta.private {
            self.add_peers(link.peers.iter().copied(), Source::Hand, cx);
            self.next_tick = cx.now;
        }
    }

    /// Dials as many as there is room for.
    pub(crate) fn dial(&mut self, cx: &mut Context<'_>) {
        if !(self.is_running() || self.awaits_hashes()) || cx.awaits_sockets() {
            return;
        }
        self.swarm.candidates.set_own(cx.own_addresses());
        if self.needs_peers() {
            self.swarm.candidates.seeds_are_needed();
        }
        let mut dialling = self.swarm.peers.values().filter(|peer| peer.is_connecting()).count();
        while self.swarm.peers.len() < self.swarm.max_connections
            && dialling < limits::DIALS_PER_TORRENT
        {
            let Some(addr) = self.swarm.candidates.next_to_dial(cx.now) else { break };
            if self.is_here(addr) {
                self.swarm.candidates.failed(addr, cx.now);
                continue;
            }
            let Some((way, has_other)) = self.swarm.candidates.choose_way(addr, cx.ways_to(addr))
            else {
                self.swarm.candidates.has_no_way(addr, cx.now);
                continue;
            };
            self.dial_by(addr, way, has_other, |peer| peer, cx);
            dialling += 1;
        }
    }

    pub(in crate::torrent) fn dial_by(
        &mut self,
        addr: SocketAddr,
        way: Way,
        has_other: bool,
        mark: impl FnOnce(Peer) -> Peer,
        cx: &mut Context<'_>,
    ) {
        let conn = cx.dial(self.content.meta.info_hash, addr, way, has_other);
        self.swarm.peers.insert(conn, mark(Peer::dial(addr, cx.now).over(way.transport)));
        self.join_group(conn, cx);
    }

    /// `tcp_connected`
    pub(crate) fn connected(&mut self, conn: ConnId, cx: &mut Context<'_>) {
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        let addr = peer.addr();
        peer.connected(self.content.meta.identity(), cx.peer_id, cx.now);
        self.offer_dht(conn, cx);
        self.swarm.candidates.reached(addr, Reached::Connection);
        if self.swarm.candidates.is_encrypted(addr) {
            let hello = self.swarm.peers.get_mut(&conn).and_then(Peer::take_out);
            cx.say_in_secret(conn, self.content.meta.info_hash, hello);
        } else {
            cx.read_raw(conn, HANDSHAKE_LEN);
        }
    }

    /// `tcp_data`
    pub(crate) fn data(&mut self, conn: ConnId, data: &Bytes, cx: &mut Context<'_>) {
        let (identity, peer_id, now) = (self.content.meta.identity(), cx.peer_id, cx.now);
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        match peer.handle_data(data, identity, peer_id, now) {
            Ok(Some(event)) => {
                cx.order(IoCommand::TcpFramed {
                    conn,
                    max_frame: MAX_FRAME,
                    divert: Some(PIECE_ID),
                });
                self.heard(conn, event, cx);
            }
            Ok(None) => {}
            Err(error) => {
                let addr = peer.addr();
                if matches!(error, PeerError::Ourselves) && peer.is_dialled() {
                    // Trackers name us, too.
                    self.swarm.candidates.leave_alone(addr, cx.now);
                } else if !matches!(error, PeerError::Handshake) {
                    self.swarm.candidates.reached(addr, Reached::Peer);
                }
                self.drop_peer(conn, &error.to_string(), cx);
            }
        }
    }

    /// `tcp_frame`
    pub(crate) fn frame(&mut self, conn: ConnId, frame: &Bytes, cx: &mut Context<'_>) {
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        match peer.handle_frame(frame, &self.content.geometry, cx.now) {
            Ok(Some(event)) => self.heard(conn, event, cx),
            Ok(None) => {}
            Err(error) => self.drop_peer(conn, &error.to_string(), cx),
        }
    }

    fn heard(&mut self, conn: ConnId, event: PeerEvent, cx: &mut Context<'_>) {
        if self.heard_of_giving(conn, &event, cx) {
            return;
        }
        match event {
            PeerEvent::Ready => {
                if let Some(peer) = self.swarm.peers.get(&conn) {
                    self.swarm.candidates.reached(peer.addr(), Reached::Peer);
                    self.swarm.seeking.found(peer.addr());
                    self.record.touch(cx.now);
                }
                if self.swarm.peers.get(&conn).is_some_and(Peer::speaks_v2) {
                    self.fetch.invalidate();
                }
                self.greet(conn, cx);
                self.tell_dht_port(conn, cx);
                cx.changed();
            }
            PeerEvent::DhtNode(port) => {
                if let Some(peer) =
                    self.swarm.peers.get(&conn).filter(|_| !self.content.meta.private)
                {
                    cx.shared.errands.name_node(SocketAddr::new(peer.addr().ip(), port));
                }
            }
            // Who was once told that we listen goes on telling.
            PeerEvent::Names(_) if !exchange::is_wanted(&self.content.meta, cx) => {}
            PeerEvent::Names(peers) => self.add_peers(peers.into_iter(), Source::Pex, cx),
            PeerEvent::Punch(message) => self.heard_of_punching(conn, message, cx),
            PeerEvent::HasAll => {
                self.fetch.add_seed();
                self.learned(conn, cx);
            }
            PeerEvent::HasSome => {
                if let Some(pieces) = self.swarm.peers.get(&conn).and_then(Peer::pieces) {
                    self.fetch.add_all(pieces);
                }
                self.learned(conn, cx);
            }
            PeerEvent::Has(piece) => {
                self.fetch.add(piece);
                self.learned(conn, cx);
            }
            PeerEvent::HasMore(pieces) => {
                pieces.into_iter().for_each(|piece| self.fetch.add(piece));
                self.learned(conn, cx);
            }
            PeerEvent::Choked(dropped) => {
                self.ledger.release(conn);
                self.take_back(conn, &dropped, cx);
            }
            PeerEvent::Rejected(block) => {
                self.take_back(conn, &[block], cx);
                if self.swarm.peers.get(&conn).is_some_and(|peer| peer.rejections() > MOST_REJECTS)
                {
                    self.drop_peer(conn, "it rejects everything", cx);
                }
            }
            PeerEvent::Agreed => {
                self.part_from_seeds(cx);
                self.fetch.invalidate();
            }
            PeerEvent::Unchoked | PeerEvent::AllowedFast(_) => self.fetch.invalidate(),
            PeerEvent::WantsHashes(request) => self.hashes_wanted(conn, request, cx),
            PeerEvent::Hashes(request, hashes) => self.hashes_came(conn, &request, &hashes, cx),
            PeerEvent::HashesRejected(request) => self.hashes_rejected(conn, &request, cx),
            PeerEvent::Interest
            | PeerEvent::Asks(_)
            | PeerEvent::TakesBack(_)
            | PeerEvent::AsksMetadata(_) => {}
        }
    }

    /// A peer told what it has.
    fn learned(&mut self, conn: ConnId, cx: &mut Context<'_>) {
        self.refresh_interest_in(conn, cx.now);
        self.part_from_seeds(cx);
        self.fetch.invalidate();
    }

    /// Tells every peer that it has nothing that we lack, once that is so.
    pub(in crate::torrent) fn refresh_interest(&mut self, now: Instant) {
        if !self.needs_peers() {
            self.swarm.peers.values_mut().for_each(|peer| peer.set_interested(false, now));
        }
    }

    /// Tells every peer whether it has something that we lack.
    pub(in crate::torrent) fn refresh_all_interest(&mut self, now: Instant) {
        let conns: Vec<ConnId> = self.swarm.peers.keys().copied().collect();
        conns.into_iter().for_each(|conn| self.refresh_interest_in(conn, now));
    }

    fn refresh_interest_in(&mut self, conn: ConnId, now: Instant) {
        let needs_peers = self.needs_peers();
        let Some(peer) = self.swarm.peers.get_mut(&conn) else { return };
        let for_viewers = || {
            self.fetch
                .wants()
                .iter()
                .any(|want| peer.has(want.piece) && !self.ledger.pieces().have().get(want.piece.0))
        };
        let has_news = if peer.has_all() {
            needs_peers
        } else {
            peer.pieces()
                .is_some_and(|theirs| theirs.has_any_missing_in(self.ledger.pieces().unneeded()))
                || for_viewers()
        };
        peer.set_interested(has_news, now);
    }

    /// `tcp_closed`
    pub(crate) fn closed(&mut self, conn: ConnId, reason: CloseReason, cx: &mut Context<'_>) {
        cx.shared.conns.remove(&conn);
        let Some(peer) = self.swarm.peers.remove(&conn) else { return };
        tracing::debug!(peer = %peer.addr(), ?reason, "peer gone");
        self.part(conn, &peer, cx);
        if peer.is_dialled()
            && peer.is_ready()
            && peer.is_upload_only()
            && self.swarm.told_upload_only
        {
            // As we would have left it: it is dialled again when somebody wants something.
            self.swarm.candidates.has_everything(peer.addr(), cx.now);
        } else if peer.is_dialled() && self.swarm.candidates.failed(peer.addr(), cx.now) {
            self.dial(cx);
        } else if peer.is_connecting() {
            self.seek_introduction(peer.addr(), cx);
        }
    }

    /// We have had enough of it.
    pub(in crate::torrent) fn drop_peer(&mut self, conn: ConnId, why: &str, cx: &mut Context<'_>) {
        let Some(peer) = self.swarm.peers.remove(&conn) else { return };
        tracing::debug!(peer = %peer.addr(), why, "peer dropped");
        cx.shared.conns.remove(&conn);
        cx.order(IoCommand::TcpClose { conn });
        self.part(conn, &peer, cx);
        if peer.is_dialled() {
            self.swarm.candidates.failed(peer.addr(), cx.now);
        }
    }

    /// It did nothing wrong, but there is no room for it any more.
    pub(in crate::torrent) fn release(&mut self, conn: ConnId, cx: &mut Context<'_>) {
        let Some(peer) = self.swarm.peers.remove(&conn) else { return };
        cx.shared.conns.remove(&conn);
        cx.order(IoCommand::TcpClose { conn });
        self.part(conn, &peer, cx);
        self.swarm.candidates.released(peer.addr());
    }

    /// They did nothing wrong, but we want nothing more of anybody.
    pub(in crate::torrent) fn release_all(&mut self, cx: &mut Context<'_>) {
        for (conn, peer) in std::mem::take(&mut self.swarm.peers) {
            cx.shared.conns.remove(&conn);
            cx.order(IoCommand::TcpClose { conn });
            self.part(conn, &peer, cx);
            self.swarm.candidates.released(peer.addr());
        }
    }

    /// It sent a corrupt block: it is dropped and not dialled again.
    pub(in crate::torrent) fn ban(&mut self, addr: SocketAddr, cx: &mut Context<'_>) {
        tracing::info!(torrent = %self.content.meta.info_hash, "a peer sent corrupt data and is banned");
        if self.ban_web(addr, cx) {
            return;
        }
        self.swarm.candidates.ban(addr);
        let conns: Vec<ConnId> = self
            .swarm
            .peers
            .iter()
            .filter(|(_, peer)| peer.addr() == addr)
            .map(|(&conn, _)| conn)
            .collect();
        for conn in conns {
            self.drop_peer(conn, "corrupt data", cx);
        }
    }

    /// It is gone: what it was asked for is free again.
    pub(in crate::torrent) fn part(&mut self, conn: ConnId, peer: &Peer, cx: &mut Context<'_>) {
        self.forget_gifts(conn, cx);
        let blocks: Vec<Block> = peer.armed_blocks().collect();
        self.scheduler().take_back(conn, &blocks);
        self.ledger.release(conn);
        self.swarm.asking.leave(conn);
        self.lose(peer);
        self.fetch.invalidate();
        cx.changed();
    }

    /// What a peer had is no longer within reach.
    pub(in crate::torrent) fn lose(&mut self, peer: &Peer) {
        if peer.has_all() {
            self.fetch.remove_seed();
        } else if let Some(pieces) = peer.pieces() {
            self.fetch.remove_all(pieces);
        }
    }

    /// Once a tick: the silent are dropped, what snubbing peers owe goes to others.
    pub(in crate::torrent) fn tend_peers(&mut self, cx: &mut Context<'_>) {
        let mut dead = Vec::new();
        let mut snubbing = Vec::new();
        let mut late = Vec::new();
        for (&conn, peer) in &mut self.swarm.peers {
            let blocks = peer.forget_late(cx.now);
            if !blocks.is_empty() {
                late.push((conn, blocks));
            }
            if peer.is_dead(cx.now) {
                dead.push(conn);
            } else if peer.tick(cx.now) {
                snubbing.push(conn);
            }
        }
        for (conn, blocks) in late {
            self.take_back(conn, &blocks, cx);
        }
        for conn in dead {
            self.drop_peer(conn, "silent", cx);
        }
        for conn in snubbing {
            self.scheduler().snubbed(conn, cx.now);
            self.fetch.invalidate();
        }
    }

    /// Others reach us at another port than the trackers know.
    pub(crate) fn port_moved(&mut self, cx: &mut Context<'_>) {
        self.swarm.trackers.moved();
        self.announce_to_trackers(cx);
    }

    /// Asks the trackers for peers when it is time.
    pub(in crate::torrent) fn announce_to_trackers(&mut self, cx: &mut Context<'_>) {
        if self.is_running() || self.awaits_hashes() {
            let params = self.announce_params(cx);
            self.swarm.trackers.tend(&params, cx);
        }
    }

    /// Our handshake says that we have a DHT node.
    pub(in crate::torrent) fn offer_dht(&mut self, conn: ConnId, cx: &Context<'_>) {
        if let Some(peer) = self.swarm.peers.get_mut(&conn)
            && cx.shared.errands.has_node()
            && !self.content.meta.private
        {
            peer.offer_dht();
        }
    }

    fn tell_dht_port(&mut self, conn: ConnId, cx: &Context<'_>) {
        if let Some(peer) = self.swarm.peers.get_mut(&conn)
            && let Some(port) = cx.shared.errands.node_port()
            && !self.content.meta.private
        {
            peer.tell_dht_port(port, cx.now);
        }
    }

    /// Says what the DHT could do for it, unless its trackers are to be the only source (BEP 27).
    pub(in crate::torrent) fn ask_dht(&mut self, cx: &mut Context<'_>) {
        if self.is_running() && !self.content.meta.private {
            let wish = if self.ledger.pieces().is_complete() { Wish::BeFound } else { Wish::Peers };
            self.swarm.asks_dht = cx.ask_dht(self.content.meta.info_hash, wish);
        }
    }

    /// Says that it is to be named in the local network, unless its trackers are to be the only
    /// source (BEP 27).
    pub(in crate::torrent) fn ask_lsd(&self, cx: &mut Context<'_>) {
        if self.is_running() && !self.content.meta.private && cx.shared.sources.lsd {
            cx.shared.lsd.ask(self.content.meta.info_hash, cx.now);
        }
    }

    pub(in crate::torrent) fn announce_params(&self, cx: &Context<'_>) -> AnnounceParams {
        let left = self.content.geometry.total_length() - self.ledger.pieces().verified_bytes();
        AnnounceParams {
            uploaded: self.swarm.giving.uploaded(),
            downloaded: self.account.downloaded(),
            ..AnnounceParams::new(self.content.meta.info_hash, left, self.swarm.max_connections, cx)
        }
    }

    /// A tracker answered, maybe.
    pub(in crate::torrent) fn announced(
        &mut self,
        op: OpId,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        if let Some(peers) = self.swarm.trackers.handle_done(op, result, cx) {
            self.add_peers(peers.into_iter(), Source::Tracker, cx);
            // One that failed makes room for the next.
            self.announce_to_trackers(cx);
        }
    }

    /// All that is wanted is there: trackers and peers hear it, and those go who have everything,
    /// too.
    pub(in crate::torrent) fn completed(&mut self, cx: &mut Context<'_>) {
        // What lay on the disk was completed some other time.
        if self.account.downloaded() > 0 {
            self.swarm.trackers.completed();
        }
        self.refresh_interest(cx.now);
        self.part_from_seeds(cx);
        self.tell_upload_only(cx);
        self.next_tick = cx.now;
        cx.changed();
    }

    /// The trackers that know us hear that we stop.
    pub(in crate::torrent) fn announce_stopped(&mut self, cx: &mut Context<'_>) {
        let params = self.announce_params(cx);
        self.swarm.trackers.stop(&params, cx);
    }
}
