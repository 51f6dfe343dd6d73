//! Reads incoming connections until they name a torrent, then hands them to it.

use std::net::SocketAddr;

use shared_proto::{ConnId, IoCommand};

use super::Engine;
use crate::arrivals::{Named, Step};
use crate::peer::policy::Transport;
use crate::time::Instant;
use crate::torrent::Torrent;

impl Engine {
    /// Starts to read an incoming connection.
    pub(super) fn arrive(&mut self, conn: ConnId, addr: SocketAddr, over: Transport, now: Instant) {
        let steps = self.routes.arrivals.accepted(conn, addr, over, now);
        self.follow(conn, steps, now);
    }

    /// Handles bytes; returns false if the connection has already named its torrent.
    pub(super) fn arrival_data(&mut self, conn: ConnId, data: &[u8], now: Instant) -> bool {
        let names = self.torrents.values().flat_map(Torrent::names);
        let cx = self.common.context(now);
        let encryption = cx.shared.policy.encryption;
        let chance = (cx.rng, now);
        let Some(steps) = self.routes.arrivals.data(conn, data, encryption, names, chance) else {
            return false;
        };
        self.follow(conn, steps, now);
        true
    }

    /// Closes the connections that named no torrent in time, and continues those whose turn came.
    pub(super) fn maintain_arrivals(&mut self, now: Instant) {
        for conn in self.routes.arrivals.expire(now) {
            self.refuse(conn, now);
        }
        loop {
            let cx = self.common.context(now);
            let encryption = cx.shared.policy.encryption;
            let Some((conn, steps)) = self.routes.arrivals.take_turn(encryption, (cx.rng, now))
            else {
                return;
            };
            self.follow(conn, steps, now);
        }
    }

    fn follow(&mut self, conn: ConnId, steps: Vec<Step>, now: Instant) {
        for step in steps {
            let mut cx = self.common.context(now);
            match step {
                Step::Read(bytes) => cx.read_raw(conn, bytes),
                Step::Send(bytes) => cx.send_raw(conn, bytes),
                Step::Transform { read, write } => cx.transform(conn, read, write),
                Step::Refuse => self.refuse(conn, now),
                Step::Named(named) => self.hand_over(conn, &named, now),
            }
        }
    }

    fn hand_over(&mut self, conn: ConnId, named: &Named, now: Instant) {
        let mut taken = false;
        // A hybrid torrent answers to its v1 and to its v2 hash.
        let called = self.torrents.values().find(|torrent| torrent.matches(named.info_hash));
        let info_hash = called.map_or(named.info_hash, Torrent::info_hash);
        self.with(info_hash, now, |torrent, cx| taken = torrent.accept(conn, named, cx));
        if !taken {
            self.refuse(conn, now);
        }
    }

    fn refuse(&mut self, conn: ConnId, now: Instant) {
        tracing::debug!(%conn, "closing an incoming connection");
        let mut cx = self.common.context(now);
        cx.shared.conns.remove(&conn);
        cx.order(IoCommand::TcpClose { conn });
    }
}
