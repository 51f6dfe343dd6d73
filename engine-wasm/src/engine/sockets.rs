//! Opens the engine's sockets and routes what arrives at them.

use std::net::SocketAddr;

use bytes::Bytes;
use shared_proto::io::{Mapping, OpError};
use shared_proto::{ConnId, IoCommand, OpId, SocketId};

use super::Engine;
use crate::addresses::is_local;
use crate::context::Owner;
use crate::io::Output;
use crate::magnet::Pending;
use crate::metainfo::InfoHash;
use crate::net::Role;
use crate::peer::policy::Transport;
use crate::time::Instant;
use crate::torrent::Torrent;

impl Engine {
    /// Opens the sockets that are wanted and not open yet.
    pub(super) fn open_sockets(&mut self, now: Instant) {
        let mut cx = self.common.context(now);
        while cx.shared.net.has_command() {
            let op: OpId = cx.new_op(Owner::Engine);
            if let Some(command) = cx.shared.net.next_command(op) {
                cx.order(command);
            }
        }
        while let Some(command) = cx.shared.net.next_to_map() {
            cx.order(command);
        }
    }

    /// Dials peers that waited for sockets, once every socket is open or has failed.
    pub(super) fn dial_over_sockets(&mut self, now: Instant) {
        if self.common.shared.policy.tcp || self.common.shared.net.is_opening() {
            return;
        }
        let all: Vec<InfoHash> = self.torrents.keys().chain(self.magnets.keys()).copied().collect();
        for info_hash in all {
            self.with(info_hash, now, Torrent::dial);
            self.with_magnet(info_hash, now, Pending::dial);
        }
    }

    /// Handles a changed port mapping. Announces the new port to trackers, the DHT and peers.
    pub(super) fn port_mapped(
        &mut self,
        socket: SocketId,
        result: Result<Mapping, OpError>,
        now: Instant,
    ) {
        let net = &mut self.common.shared.net;
        let before = net.public_port();
        if let Ok(Mapping { address: Some(address), .. }) = result
            && !is_local(address)
        {
            self.common.shared.external.add_vote(address);
        }
        net.port_mapped(socket, result);
        if net.public_port() != before {
            self.common.shared.dht_requests.make_due(now);
            let all: Vec<InfoHash> =
                self.torrents.keys().chain(self.magnets.keys()).copied().collect();
            for info_hash in all {
                self.with(info_hash, now, Torrent::port_moved);
                self.with_magnet(info_hash, now, Pending::port_moved);
            }
        }
        self.common.out.push_back(Output::Changed);
    }

    /// Finds peers anew, because the computer slept or its addresses changed.
    pub(super) fn network_changed(&mut self, slept: bool, now: Instant) {
        self.common.renew_peer_id();
        let shared = &mut self.common.shared;
        shared.dht_requests.make_due(now);
        shared.lsd.make_due(now);
        for socket in shared.net.rejoin_groups() {
            self.common.out.push_back(Output::Io(IoCommand::SocketClose { socket }));
        }
        self.open_sockets(now);
        let all: Vec<InfoHash> = self.torrents.keys().chain(self.magnets.keys()).copied().collect();
        for info_hash in all {
            self.with(info_hash, now, |torrent, cx| torrent.network_changed(slept, cx));
            self.with_magnet(info_hash, now, |pending, cx| pending.network_changed(slept, cx));
        }
        self.common.out.push_back(Output::Changed);
    }

    /// Handles an incoming connection.
    pub(super) fn accepted(
        &mut self,
        socket: SocketId,
        conn: ConnId,
        addr: SocketAddr,
        now: Instant,
    ) {
        let is_utp = self.common.shared.net.role(socket) == Some(Role::Datagrams);
        let over = if is_utp { Transport::Utp } else { Transport::Tcp };
        if self.takes_arrivals_over(over) {
            return self.arrive(conn, addr, over, now);
        }
        // A uTP socket for outgoing connections also receives incoming ones, and sockets stay open
        // when a transport is disabled.
        let mut cx = self.common.context(now);
        cx.order(IoCommand::TcpClose { conn });
    }

    /// Handles a datagram. DHT messages are bencoded dictionaries and start with `d` (BEP 5);
    /// answers of UDP trackers start with an action below 4 (BEP 15).
    pub(super) fn datagram(
        &mut self,
        socket: SocketId,
        from: SocketAddr,
        data: &Bytes,
        now: Instant,
    ) {
        match self.common.shared.net.role(socket) {
            Some(Role::Datagrams) => {}
            Some(Role::Group) => return self.lsd_datagram(from, data, now),
            Some(Role::Listen) | None => return,
        }
        match data.first() {
            Some(b'd') => self.dht_packet(from, data, now),
            Some(0) => self.tracker_datagram(from, data, now),
            _ => {}
        }
    }
}
