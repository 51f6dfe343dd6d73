//! The peers of a magnet link: passes messages from the swarm to the assembly.
//!
//! The swarm does handshakes, dials, peer exchange and keep-alives, as for a torrent. The
//! difference is here: after its handshake a peer is asked for the info dictionary only.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use shared_proto::io::{CloseReason, OpError, OpOutput};
use shared_proto::{ConnId, IoCommand, OpId};

use super::Pending;
use super::assembly::{Progress, WrongBlock};
use crate::announcing;
use crate::bitfield::Bitfield;
use crate::context::Context;
use crate::discover::candidates::Source;
use crate::discover::tracker::announcer::Ask;
use crate::peer::wire::{MAX_FRAME, PIECE_ID};
use crate::peer::{Peer, PeerError, PeerEvent};
use crate::torrent::swarm::{EndedConnection, Offered, Shaking, Totals};

/// How long a peer may take to offer the dictionary. After that the peer makes room for others.
const OFFER_TIMEOUT: Duration = Duration::from_secs(20);
/// The totals that trackers receive. The missing size is unknown, but must not be zero: that would
/// make us a seeder.
const TOTALS: Totals = Totals { downloaded: 0, left: 1 };

impl Pending {
    /// Adds the addresses of peers, and dials them while there is room.
    pub(crate) fn add_peers(
        &mut self,
        peers: impl Iterator<Item = SocketAddr>,
        source: Source,
        cx: &mut Context<'_>,
    ) {
        self.swarm.add_candidates(peers, source);
        self.unsaved |= source == Source::Hand;
        self.dial(cx);
    }

    /// Dials peers while there is room.
    pub(crate) fn dial(&mut self, cx: &mut Context<'_>) {
        if !self.is_seeking() {
            return;
        }
        let local = cx.local();
        while let Some(dial) = self.swarm.next_dial(&local, cx.now) {
            let conn = cx.dial(self.link.info_hash, dial.addr, dial.method, dial.has_other);
            self.swarm.dialling(conn, dial, cx.now);
        }
    }

    /// Handles `tcp_connected`.
    pub(crate) fn connected(&mut self, conn: ConnId, cx: &mut Context<'_>) {
        let opening = self.swarm.connected(conn, &cx.local(), cx.now);
        cx.open(conn, self.link.info_hash, opening);
    }

    /// Handles `tcp_data`.
    pub(crate) fn data(&mut self, conn: ConnId, data: &Bytes, cx: &mut Context<'_>) {
        match self.swarm.handshake(conn, data, &cx.local(), cx.now) {
            Shaking::Unfinished => {}
            Shaking::Over(ended) => self.end_connection(&ended, cx),
            Shaking::Done => {
                // No block of a file is requested, so the daemon discards any that arrives.
                let (max_frame, divert) = (MAX_FRAME, Some(PIECE_ID));
                cx.order(IoCommand::TcpFramed { conn, max_frame, divert });
                if !self.swarm.peers().get(&conn).is_some_and(Peer::supports_extensions) {
                    return self.drop_peer(conn, &PeerError::NoMetadata.to_string(), cx);
                }
                let offered = Offered { geometry: None, have: &Bitfield::new(0), metadata: None };
                self.swarm.send_introduction(conn, offered, &cx.local(), cx.now);
                cx.changed();
            }
        }
    }

    /// Handles `tcp_frame`.
    pub(crate) fn frame(&mut self, conn: ConnId, frame: &Bytes, cx: &mut Context<'_>) {
        match self.swarm.frame(conn, frame, None, cx.now) {
            Ok(Some(event)) => self.handle_event(conn, event, cx),
            Ok(None) => {}
            Err(ended) => self.end_connection(&ended, cx),
        }
    }

    fn handle_event(&mut self, conn: ConnId, event: PeerEvent, cx: &mut Context<'_>) {
        match event {
            PeerEvent::Agreed => {
                let Some(peer) = self.swarm.peers().get(&conn) else { return };
                if !peer.supports_metadata() {
                    return self.drop_peer(conn, &PeerError::NoMetadata.to_string(), cx);
                }
                if let Some(size) = peer.offered_metadata() {
                    self.assembly.offer(conn, (peer.addr(), peer.is_fast()), size, cx.now);
                }
            }
            PeerEvent::Metadata { block, total, data } => {
                let progress = self.assembly.data(conn, block, total, &data, cx.now);
                self.progressed(conn, progress, cx);
            }
            PeerEvent::MetadataRejected(block) => {
                let is_useless = self.assembly.reject(conn, block, cx.now);
                if is_useless {
                    self.drop_peer(conn, "it rejects everything", cx);
                }
            }
            PeerEvent::AsksMetadata(block) => {
                self.swarm.metadata_requested(conn, block, None, cx.now);
            }
            PeerEvent::Names(peers) => {
                self.swarm.peers_named(peers, &cx.local());
                self.dial(cx);
            }
            PeerEvent::DhtNode(port) => {
                if let Some(node) = self.swarm.dht_node(conn, port) {
                    cx.shared.dht_requests.add_node(node);
                }
            }
            // Other messages concern pieces.
            _ => {}
        }
    }

    fn progressed(
        &mut self,
        conn: ConnId,
        progress: Result<Progress, WrongBlock>,
        cx: &mut Context<'_>,
    ) {
        match progress {
            Ok(Progress::More) => {}
            Ok(Progress::Found(info)) => self.found = Some(info),
            Ok(Progress::Mixed) => {
                tracing::info!(torrent = %self.link.info_hash, "peers sent a wrong info dictionary")
            }
            Ok(Progress::Guilty(addr)) => self.ban(addr, cx),
            Err(error) => self.drop_peer(conn, &error.to_string(), cx),
        }
        cx.changed();
    }

    /// Requests missing blocks from peers.
    pub(super) fn ask_for_blocks(&mut self, cx: &mut Context<'_>) {
        for (conn, block) in self.assembly.next_requests(cx.now) {
            self.swarm.ask_metadata(conn, block, cx.now);
        }
    }

    /// Handles `tcp_closed`.
    pub(crate) fn closed(&mut self, conn: ConnId, reason: CloseReason, cx: &mut Context<'_>) {
        cx.shared.conns.remove(&conn);
        if let Some(ended) = self.swarm.closed(conn, reason, None, cx.now) {
            self.end_connection(&ended, cx);
        }
    }

    fn drop_peer(&mut self, conn: ConnId, why: &str, cx: &mut Context<'_>) {
        if let Some(ended) = self.swarm.drop_peer(conn, why, cx.now) {
            self.end_connection(&ended, cx);
        }
    }

    /// Bans a peer that sent a wrong info dictionary.
    fn ban(&mut self, addr: SocketAddr, cx: &mut Context<'_>) {
        let torrent = self.link.info_hash;
        tracing::info!(%torrent, "a peer sent a wrong info dictionary and is banned");
        let ended = self.swarm.ban(addr, "a wrong info dictionary", cx.now);
        ended.iter().for_each(|ended| self.end_connection(ended, cx));
    }

    /// A connection has ended: its pending blocks may be requested from others.
    pub(super) fn end_connection(&mut self, ended: &EndedConnection, cx: &mut Context<'_>) {
        if ended.is_open {
            cx.close(ended.conn);
        }
        self.assembly.leave(ended.conn);
        if ended.retries {
            self.dial(cx);
        }
        cx.changed();
    }

    /// Closes all connections.
    pub(super) fn release_all(&mut self, cx: &mut Context<'_>) {
        self.assembly.leave_all();
        for ended in self.swarm.release_all() {
            cx.close(ended.conn);
        }
    }

    /// Drops peers that are silent or offer no metadata. Call it once a tick.
    pub(super) fn check_peers(&mut self, cx: &mut Context<'_>) {
        let is_useless = |peer: &Peer| {
            let is_late = peer.ready_for(cx.now).is_some_and(|time| time > OFFER_TIMEOUT);
            is_late && peer.offered_metadata().is_none()
        };
        let ready = self.swarm.ready_peers();
        let mut useless: Vec<ConnId> =
            ready.filter(|(_, peer)| is_useless(peer)).map(|(conn, _)| conn).collect();
        useless.extend(self.assembly.stalled(cx.now));
        for conn in useless {
            self.drop_peer(conn, "it gives nothing", cx);
        }
        for ended in self.swarm.tick(cx.now).dead {
            self.end_connection(&ended, cx);
        }
    }

    /// Applies changed settings for all torrents.
    pub(crate) fn settings_changed(&mut self, max_connections: usize, cx: &mut Context<'_>) {
        self.swarm.set_max_connections(max_connections);
        for ended in self.swarm.release_newest() {
            self.end_connection(&ended, cx);
        }
        let allowed = cx.shared.sources.trackers;
        let goodbyes = self.swarm.allow_trackers(allowed, TOTALS, &cx.local(), cx.now);
        self.send_to_trackers(goodbyes, cx);
    }

    /// Our port has changed: trackers will be informed.
    pub(crate) fn port_moved(&mut self, cx: &mut Context<'_>) {
        self.swarm.port_moved();
        self.announce_to_trackers(cx);
    }

    /// The computer slept, or its addresses changed: connections that may be dead are replaced, and
    /// peers are looked for anew.
    pub(crate) fn network_changed(&mut self, slept: bool, cx: &mut Context<'_>) {
        if slept {
            self.release_all(cx);
        }
        self.swarm.network_changed(cx.now);
        self.announce_to_trackers(cx);
        self.dial(cx);
    }

    fn send_to_trackers(&mut self, asks: Vec<Ask>, cx: &mut Context<'_>) {
        announcing::send(&mut self.swarm, self.link.info_hash, asks, cx);
    }

    /// Asks the trackers that are due for peers.
    pub(super) fn announce_to_trackers(&mut self, cx: &mut Context<'_>) {
        if self.is_seeking() {
            let asks = self.swarm.due_announces(TOTALS, &cx.local(), cx.now);
            self.send_to_trackers(asks, cx);
        }
    }

    /// Handles the daemon's answer to a command.
    pub(crate) fn handle_done(
        &mut self,
        op: OpId,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        if !announcing::take_answer(&mut self.swarm, self.link.info_hash, (op, result), cx) {
            return;
        }
        self.dial(cx);
        // A failed tracker makes room for the next.
        self.announce_to_trackers(cx);
        cx.changed();
    }

    /// Tells the trackers that know us that we stop.
    pub(super) fn announce_stopped(&mut self, cx: &mut Context<'_>) {
        let goodbyes = self.swarm.stop_trackers(TOTALS, &cx.local(), cx.now);
        self.send_to_trackers(goodbyes, cx);
    }

    /// Removes trackers and adds others.
    pub(super) fn change_trackers(
        &mut self,
        added: &[String],
        removed: &[String],
        cx: &mut Context<'_>,
    ) {
        let goodbyes = self.swarm.remove_trackers(removed, TOTALS, &cx.local());
        self.send_to_trackers(goodbyes, cx);
        self.swarm.add_trackers_by_hand(added, cx.now);
    }
}
