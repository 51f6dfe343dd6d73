//! A magnet link and its peers: finding, dialling, asking and parting from them.

use std::net::SocketAddr;

use bytes::Bytes;
use shared_proto::io::{CloseReason, OpError, OpOutput};
use shared_proto::{ConnId, IoCommand, OpId};

use super::Pending;
use super::assembly::{Progress, WrongBlock};
use super::peer::{Heard, MetadataPeer};
use crate::context::Context;
use crate::discover::candidates::Source;
use crate::discover::tracker::AnnounceParams;
use crate::limits;
use crate::peer::PeerError;
use crate::peer::handshake::HANDSHAKE_LEN;
use crate::peer::way::Reached;
use crate::peer::wire::{MAX_FRAME, PIECE_ID};

/// Bytes missing, as trackers are told: how many is not known, and none would make us a seeder.
const LEFT: u64 = 1;

impl Pending {
    /// Peers were named.
    pub(crate) fn add_peers(
        &mut self,
        peers: impl Iterator<Item = SocketAddr>,
        source: Source,
        cx: &mut Context<'_>,
    ) {
        for addr in peers {
            self.candidates.add(addr, source);
        }
        self.unsaved |= source == Source::Hand;
        self.dial(cx);
    }

    /// Dials as many as there is room for.
    pub(crate) fn dial(&mut self, cx: &mut Context<'_>) {
        if !self.is_seeking() || cx.awaits_sockets() {
            return;
        }
        self.candidates.set_own(cx.own_addresses());
        let mut dialling = self.peers.values().filter(|peer| peer.is_connecting()).count();
        while self.peers.len() < self.max_connections && dialling < limits::DIALS_PER_TORRENT {
            let Some(addr) = self.candidates.next_to_dial(cx.now) else { break };
            let Some((way, has_other)) = self.candidates.choose_way(addr, cx.ways_to(addr)) else {
                self.candidates.has_no_way(addr, cx.now);
                continue;
            };
            let conn = cx.dial(self.link.info_hash, addr, way, has_other);
            self.peers.insert(conn, MetadataPeer::dial(addr, cx.now));
            dialling += 1;
        }
    }

    /// `tcp_connected`
    pub(crate) fn connected(&mut self, conn: ConnId, cx: &mut Context<'_>) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        peer.connected(self.link.identity(), cx.peer_id, cx.now, cx.shared.errands.has_node());
        peer.let_exchange(cx.shared.sources.pex);
        self.candidates.reached(peer.addr(), Reached::Connection);
        if self.candidates.is_encrypted(peer.addr()) {
            let hello = peer.take_out();
            cx.say_in_secret(conn, self.link.info_hash, hello);
        } else {
            cx.read_raw(conn, HANDSHAKE_LEN);
        }
    }

    /// `tcp_data`
    pub(crate) fn data(&mut self, conn: ConnId, data: &Bytes, cx: &mut Context<'_>) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        match peer.handle_data(data, self.link.identity(), cx.peer_id, cx.now) {
            Ok(true) => {
                // Blocks of files are not asked for; should one come, it is thrown away where it
                // came.
                cx.order(IoCommand::TcpFramed {
                    conn,
                    max_frame: MAX_FRAME,
                    divert: Some(PIECE_ID),
                });
                self.candidates.reached(peer.addr(), Reached::Peer);
                cx.changed();
            }
            Ok(false) => {}
            Err(error) => {
                if !matches!(error, PeerError::Handshake) {
                    self.candidates.reached(peer.addr(), Reached::Peer);
                }
                self.drop_peer(conn, &error.to_string(), cx);
            }
        }
    }

    /// `tcp_frame`
    pub(crate) fn frame(&mut self, conn: ConnId, frame: &Bytes, cx: &mut Context<'_>) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let addr = peer.addr();
        match peer.handle_frame(frame, cx.now) {
            Ok(Some(Heard::Offer(size))) => self.assembly.offer(conn, addr, size, cx.now),
            Ok(Some(Heard::Data { block, total, data })) => {
                let progress = self.assembly.data(conn, block, total, data, cx.now);
                self.progressed(conn, progress, cx);
            }
            // Who was once told that we listen goes on telling.
            Ok(Some(Heard::Names(_))) if !cx.shared.sources.pex => {}
            Ok(Some(Heard::Names(peers))) => self.add_peers(peers.into_iter(), Source::Pex, cx),
            Ok(Some(Heard::DhtNode(port))) => {
                cx.shared.errands.name_node(SocketAddr::new(addr.ip(), port))
            }
            Ok(Some(Heard::Reject(block))) => {
                if self.assembly.reject(conn, block, cx.now) {
                    self.drop_peer(conn, "it rejects everything", cx);
                }
            }
            Ok(None) => {}
            Err(error) => self.drop_peer(conn, &error.to_string(), cx),
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
                tracing::info!(torrent = %self.link.info_hash, "peers gave a wrong info dictionary")
            }
            Ok(Progress::Guilty(addr)) => self.ban(addr, cx),
            Err(error) => self.drop_peer(conn, &error.to_string(), cx),
        }
        cx.changed();
    }

    /// Asks peers for what is missing.
    pub(super) fn ask_for_blocks(&mut self, cx: &mut Context<'_>) {
        for (conn, block) in self.assembly.next_requests(cx.now) {
            if let Some(peer) = self.peers.get_mut(&conn) {
                peer.ask(block, cx.now);
            }
        }
    }

    /// `tcp_closed`
    pub(crate) fn closed(&mut self, conn: ConnId, reason: CloseReason, cx: &mut Context<'_>) {
        cx.shared.conns.remove(&conn);
        let Some(peer) = self.peers.remove(&conn) else { return };
        tracing::debug!(peer = %peer.addr(), ?reason, "peer gone");
        self.assembly.leave(conn);
        if self.candidates.failed(peer.addr(), cx.now) {
            self.dial(cx);
        }
        cx.changed();
    }

    fn drop_peer(&mut self, conn: ConnId, why: &str, cx: &mut Context<'_>) {
        if !self.peers.contains_key(&conn) {
            return;
        }
        tracing::debug!(why, "peer dropped");
        cx.order(IoCommand::TcpClose { conn });
        self.closed(conn, CloseReason::Remote, cx);
    }

    /// It gave a wrong info dictionary: it is dropped and not dialled again.
    fn ban(&mut self, addr: SocketAddr, cx: &mut Context<'_>) {
        tracing::info!(torrent = %self.link.info_hash, "a peer gave a wrong info dictionary and is banned");
        self.candidates.ban(addr);
        let conns: Vec<ConnId> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.addr() == addr)
            .map(|(&conn, _)| conn)
            .collect();
        for conn in conns {
            self.drop_peer(conn, "a wrong info dictionary", cx);
        }
    }

    /// They did nothing wrong, but we want nothing more of anybody.
    pub(super) fn release_all(&mut self, cx: &mut Context<'_>) {
        self.assembly.leave_all();
        for (conn, peer) in std::mem::take(&mut self.peers) {
            cx.shared.conns.remove(&conn);
            cx.order(IoCommand::TcpClose { conn });
            self.candidates.released(peer.addr());
        }
    }

    /// Once a tick: those who are of no use make room.
    pub(super) fn tend_peers(&mut self, cx: &mut Context<'_>) {
        let idle =
            self.peers.iter().filter(|(_, peer)| peer.is_idle(cx.now)).map(|(&conn, _)| conn);
        let mut useless: Vec<ConnId> = idle.collect();
        useless.extend(self.assembly.stalled(cx.now));
        for conn in useless {
            self.drop_peer(conn, "it gives nothing", cx);
        }
        self.peers.values_mut().for_each(|peer| peer.tick(cx.now));
    }

    /// Keeps no more than so many peers: the newest go, who have given least.
    pub(super) fn keep_peers(&mut self, most: usize, cx: &mut Context<'_>) {
        let beyond: Vec<ConnId> = self.peers.keys().skip(most).copied().collect();
        for conn in beyond {
            self.drop_peer(conn, "there may be fewer", cx);
        }
    }

    /// Others reach us at another port than the trackers know.
    pub(crate) fn port_moved(&mut self, cx: &mut Context<'_>) {
        self.trackers.moved();
        self.announce_to_trackers(cx);
    }

    /// Asks the trackers for peers when it is time.
    pub(super) fn announce_to_trackers(&mut self, cx: &mut Context<'_>) {
        if self.is_seeking() {
            let params = self.announce_params(cx);
            self.trackers.tend(&params, cx);
        }
    }

    pub(super) fn announce_params(&self, cx: &Context<'_>) -> AnnounceParams {
        AnnounceParams::new(self.link.info_hash, LEFT, self.max_connections, cx)
    }

    /// A tracker answered, maybe.
    pub(super) fn announced(
        &mut self,
        op: OpId,
        result: Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) {
        if let Some(peers) = self.trackers.handle_done(op, result, cx) {
            self.add_peers(peers.into_iter(), Source::Tracker, cx);
            // One that failed makes room for the next.
            self.announce_to_trackers(cx);
            cx.changed();
        }
    }

    /// The trackers that know us hear that we stop.
    pub(super) fn announce_stopped(&mut self, cx: &mut Context<'_>) {
        let params = self.announce_params(cx);
        self.trackers.stop(&params, cx);
    }
}
