//! What comes to the engine's own sockets, and to whom it goes.

use std::net::SocketAddr;

use bytes::Bytes;
use shared_proto::{ConnId, OpId, SocketId};

use super::{Engine, context};
use crate::context::Owner;
use crate::net::Role;
use crate::time::Instant;

impl Engine {
    /// Opens what is wanted and not open yet.
    pub(super) fn open_sockets(&mut self, now: Instant) {
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        while cx.shared.net.has_command() {
            let op: OpId = cx.new_op(Owner::Engine);
            if let Some(command) = cx.shared.net.next_command(op) {
                cx.order(command);
            }
        }
    }

    /// Somebody connected.
    pub(super) fn accepted(&mut self, _socket: SocketId, conn: ConnId, addr: SocketAddr, now: Instant) {
        self.arrive(conn, addr, now);
    }

    /// A datagram came. DHT's are bencoded dictionaries (BEP 5) and begin with `d`; an answer of a UDP tracker begins with an action below 4 (BEP 15).
    pub(super) fn datagram(&mut self, socket: SocketId, from: SocketAddr, data: &Bytes, now: Instant) {
        match self.shared.net.role(socket) {
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
