//! The connections of a torrent: passes the actions of peers to the parts concerned.

use bytes::Bytes;
use shared_proto::io::CloseReason;
use shared_proto::{ConnId, IoCommand};

use crate::arrivals::Named;
use crate::context::Context;
use crate::geometry::Block;
use crate::peer::wire::{MAX_FRAME, PIECE_ID};
use crate::peer::{Peer, PeerEvent};
use crate::source::Sender;
use crate::time::Instant;
use crate::torrent::Torrent;
use crate::torrent::swarm::{Dial, EndedConnection, Interests, Shaking};

impl Torrent {
    /// Dials peers while there is room.
    pub(crate) fn dial(&mut self, cx: &mut Context<'_>) {
        if !(self.is_running() || self.awaits_hashes()) {
            return;
        }
        if self.needs_peers() {
            self.swarm.release_seeds();
        }
        let local = cx.local();
        while let Some(dial) = self.swarm.next_dial(&local, cx.now) {
            self.dial_one(dial, cx);
        }
    }

    fn dial_one(&mut self, dial: Dial, cx: &mut Context<'_>) {
        let conn = cx.dial(self.content.meta.info_hash, dial.addr, dial.method, dial.has_other);
        self.swarm.dialling(conn, dial, cx.now);
        self.join_group(conn, cx);
    }

    /// Accepts a peer that dialled us and named this torrent. False if it is refused.
    pub(crate) fn accept(&mut self, conn: ConnId, named: &Named, cx: &mut Context<'_>) -> bool {
        let needs_peers = self.needs_peers();
        let accepted = self
            .is_running()
            .then(|| self.swarm.accept(conn, named, needs_peers, &cx.local(), cx.now))
            .flatten();
        let Some(unread) = accepted else { return false };
        cx.shared.conns.insert(conn, self.content.meta.info_hash);
        self.join_group(conn, cx);
        cx.read_raw(conn, unread);
        if unread == 0 {
            self.data(conn, &Bytes::new(), cx);
        }
        true
    }

    /// Handles `tcp_connected`.
    pub(crate) fn connected(&mut self, conn: ConnId, cx: &mut Context<'_>) {
        let opening = self.swarm.connected(conn, &cx.local(), cx.now);
        cx.open(conn, self.content.meta.info_hash, opening);
    }

    /// Handles `tcp_data`.
    pub(crate) fn data(&mut self, conn: ConnId, data: &Bytes, cx: &mut Context<'_>) {
        match self.swarm.handshake(conn, data, &cx.local(), cx.now) {
            Shaking::Unfinished => {}
            Shaking::Over(ended) => self.end_connection(&ended, cx),
            Shaking::Done => {
                let (max_frame, divert) = (MAX_FRAME, Some(PIECE_ID));
                cx.order(IoCommand::TcpFramed { conn, max_frame, divert });
                self.record.touch(cx.now);
                if self.swarm.peers().get(&conn).is_some_and(Peer::supports_v2) {
                    self.fetch.invalidate();
                }
                self.send_introduction(conn, cx);
                cx.changed();
            }
        }
    }

    /// Handles `tcp_frame`.
    pub(crate) fn frame(&mut self, conn: ConnId, frame: &Bytes, cx: &mut Context<'_>) {
        match self.swarm.frame(conn, frame, Some(&self.content.geometry), cx.now) {
            Ok(Some(event)) => self.handle_event(conn, event, cx),
            Ok(None) => {}
            Err(ended) => self.end_connection(&ended, cx),
        }
    }

    fn handle_event(&mut self, conn: ConnId, event: PeerEvent, cx: &mut Context<'_>) {
        let pieces = self.swarm.peers().get(&conn).and_then(Peer::pieces);
        if self.fetch.handle_event(&self.content.geometry, &event, pieces) {
            return self.learned(conn, cx);
        }
        match event {
            PeerEvent::Choked(dropped) => {
                self.ledger.release(conn);
                self.take_back(conn, &dropped, cx);
            }
            PeerEvent::Rejected(block) => {
                self.take_back(conn, &[block], cx);
                if self.swarm.rejects_everything(conn) {
                    self.drop_peer(conn, "it rejects everything", cx);
                }
            }
            PeerEvent::Agreed => {
                self.close_seeds(cx);
                self.fetch.invalidate();
            }
            PeerEvent::Unchoked | PeerEvent::AllowedFast(_) => self.fetch.invalidate(),
            PeerEvent::Interest => self.choose(cx),
            PeerEvent::Asks(request) => self.requested(conn, request, cx),
            PeerEvent::TakesBack(request) => self.swarm.request_cancelled(conn, request, cx.now),
            PeerEvent::AsksMetadata(block) => {
                let info = &self.content.meta.info;
                self.swarm.metadata_requested(conn, block, Some(info), cx.now);
            }
            PeerEvent::DhtNode(port) => {
                if let Some(node) = self.swarm.dht_node(conn, port) {
                    cx.shared.dht_requests.add_node(node);
                }
            }
            PeerEvent::Names(peers) => {
                self.swarm.peers_named(peers, &cx.local());
                self.dial(cx);
            }
            PeerEvent::Punch(message) => {
                let (is_running, local) = (self.is_running(), cx.local());
                let introduced = self.swarm.handle_punch(conn, message, is_running, &local, cx.now);
                if let Some(conn) = introduced.gives_way {
                    cx.close(conn);
                }
                if let Some(dial) = introduced.dial {
                    self.dial_one(dial, cx);
                }
            }
            PeerEvent::WantsHashes(request) => self.hashes_wanted(conn, request, cx),
            PeerEvent::Hashes(request, hashes) => self.hashes_came(conn, &request, &hashes, cx),
            PeerEvent::HashesRejected(request) => self.hashes_rejected(conn, &request, cx),
            // Handled above.
            PeerEvent::HasAll
            | PeerEvent::HasSome
            | PeerEvent::Has(_)
            | PeerEvent::HasMore(_)
            // The handshake reports the first one; a torrent with metadata requests none.
            | PeerEvent::Ready
            | PeerEvent::Metadata { .. }
            | PeerEvent::MetadataRejected(_) => {}
        }
    }

    /// A peer announced its pieces.
    fn learned(&mut self, conn: ConnId, cx: &mut Context<'_>) {
        self.update_interest(conn, cx.now);
        self.close_seeds(cx);
        self.fetch.invalidate();
    }

    /// Withdraws our interest from every peer, once nothing is missing.
    pub(in crate::torrent) fn refresh_interest(&mut self, now: Instant) {
        if !self.needs_peers() {
            self.swarm.lose_interest(now);
        }
    }

    /// Tells every peer whether we are interested in it.
    pub(in crate::torrent) fn refresh_all_interest(&mut self, now: Instant) {
        self.swarm.conns().into_iter().for_each(|conn| self.update_interest(conn, now));
    }

    fn update_interest(&mut self, conn: ConnId, now: Instant) {
        let interests = Interests {
            any: self.needs_peers(),
            have: self.ledger.pieces().have(),
            unneeded: self.ledger.pieces().unneeded(),
        };
        let wanted = self.fetch.wants().iter().map(|want| want.piece);
        self.swarm.update_interest(conn, interests, wanted, now);
    }

    /// Handles `tcp_closed`.
    pub(crate) fn closed(&mut self, conn: ConnId, reason: CloseReason, cx: &mut Context<'_>) {
        cx.shared.conns.remove(&conn);
        let local = self.is_running().then(|| cx.local());
        let Some(ended) = self.swarm.closed(conn, reason, local.as_ref(), cx.now) else { return };
        self.end_connection(&ended, cx);
        if ended.retries {
            self.dial(cx);
        }
    }

    /// Closes a connection because of its peer's behaviour.
    pub(in crate::torrent) fn drop_peer(&mut self, conn: ConnId, why: &str, cx: &mut Context<'_>) {
        if let Some(ended) = self.swarm.drop_peer(conn, why, cx.now) {
            self.end_connection(&ended, cx);
        }
    }

    /// Closes all connections.
    pub(in crate::torrent) fn release_all(&mut self, cx: &mut Context<'_>) {
        let ended = self.swarm.release_all();
        self.end_connections(&ended, cx);
    }

    /// Closes connections to seeds while we need nothing either.
    pub(in crate::torrent) fn close_seeds(&mut self, cx: &mut Context<'_>) {
        if !self.needs_peers() {
            let ended = self.swarm.close_seeds(cx.now);
            self.end_connections(&ended, cx);
        }
    }

    /// Bans the sender of a corrupt block.
    pub(in crate::torrent) fn ban(&mut self, sender: Sender, cx: &mut Context<'_>) {
        let torrent = self.content.meta.info_hash;
        tracing::info!(%torrent, "a peer or web server sent corrupt data and is banned");
        match sender {
            Sender::Peer(addr) => {
                let ended = self.swarm.ban(addr, "corrupt data", cx.now);
                self.end_connections(&ended, cx);
            }
            Sender::WebHost(host) => {
                let ended = self.swarm.web_seeds_mut().ban(host);
                self.runs_ended(ended, cx);
            }
        }
    }

    pub(in crate::torrent) fn end_connections(
        &mut self,
        ended: &[EndedConnection],
        cx: &mut Context<'_>,
    ) {
        ended.iter().for_each(|ended| self.end_connection(ended, cx));
    }

    /// A connection has ended: its outstanding blocks may be requested from others.
    pub(in crate::torrent) fn end_connection(
        &mut self,
        ended: &EndedConnection,
        cx: &mut Context<'_>,
    ) {
        let EndedConnection { conn, is_open, ref peer, .. } = *ended;
        if is_open {
            cx.close(conn);
        }
        self.forget_uploads(conn, cx);
        let blocks: Vec<Block> = peer.armed_blocks().collect();
        self.scheduler().take_back(conn, &blocks);
        self.ledger.release(conn);
        self.lose(peer);
        self.fetch.invalidate();
        cx.changed();
    }

    /// The pieces of a peer are no longer available.
    pub(in crate::torrent) fn lose(&mut self, peer: &Peer) {
        self.fetch.lose(&self.content.geometry, peer);
    }

    /// Once a tick: drops silent peers, and frees the requests of snubbing peers.
    pub(in crate::torrent) fn check_peers(&mut self, cx: &mut Context<'_>) {
        let ticked = self.swarm.tick(cx.now);
        for (conn, blocks) in ticked.late {
            self.take_back(conn, &blocks, cx);
        }
        self.end_connections(&ticked.dead, cx);
        for conn in ticked.snubbing {
            self.scheduler().snubbed(conn, cx.now);
            self.fetch.invalidate();
        }
        for (conn, blocks) in ticked.lost {
            self.scheduler().give_up(conn, &blocks, cx.now);
            self.fetch.invalidate();
        }
        if ticked.has_pause_ended || self.is_any_peer_idle(cx.now) {
            self.fetch.invalidate();
        }
    }
}
