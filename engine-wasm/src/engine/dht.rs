//! Connects the DHT node with the engine's sockets, torrents and stored state.

use std::net::SocketAddr;

use bytes::Bytes;
use shared_proto::OpId;
use shared_proto::io::{OpError, OpOutput};

use super::Engine;
use super::parts::Node;
use crate::discover::candidates::Source;
use crate::discover::dht::Event;
use crate::time::Instant;

impl Engine {
    /// Handles a new connection to the daemon: creates the node and loads its state.
    pub(super) fn link_dht(&mut self, now: Instant) {
        let mut cx = self.common.context(now);
        if self.node.is_none()
            && let Some(config) = self.config.dht.clone()
        {
            self.node = Some(Box::new(Node::new(config, &mut cx)));
        }
        if let Some(node) = &mut self.node {
            node.link(&mut cx);
        }
    }

    /// Handles the loss of the connection to the daemon.
    pub(super) fn unlink_dht(&mut self) {
        if let Some(node) = &mut self.node {
            node.unlink(&mut self.common.shared);
        }
    }

    /// Handles an answer; returns false if the node did not send the command.
    pub(super) fn handle_dht_answer(
        &mut self,
        op: OpId,
        result: &Result<OpOutput, OpError>,
        now: Instant,
    ) -> bool {
        let Some(node) = &mut self.node else { return false };
        node.handle_answer(op, result, &mut self.common.context(now))
    }

    /// Handles a datagram that starts like a DHT message.
    pub(super) fn dht_packet(&mut self, from: SocketAddr, packet: &Bytes, now: Instant) {
        if let Some(node) = &mut self.node {
            node.handle_packet(from, packet, &mut self.common.context(now));
        }
    }

    /// Does what is due, sends queued packets, and passes found peers to their torrents.
    pub(super) fn drive_dht(&mut self, now: Instant) {
        // Whether the user disabled the DHT is known only after the settings are loaded.
        let is_wanted = self.loading.is_over() && self.common.shared.sources.dht;
        let Some(node) = &mut self.node else { return };
        node.drive(is_wanted, self.roots.is_linked(), &mut self.common.context(now));
        while let Some(event) = self.node.as_mut().and_then(|node| node.poll_event()) {
            self.handle_dht_event(event, now);
        }
    }

    /// Returns when the DHT must be woken.
    pub(super) fn dht_timeout(&self) -> Option<Instant> {
        self.node.as_ref()?.next_wakeup(&self.common.shared)
    }

    fn handle_dht_event(&mut self, event: Event, now: Instant) {
        match event {
            Event::Peers { info_hash, peers } => {
                self.with(info_hash, now, |torrent, cx| {
                    torrent.add_peers(peers.iter().copied(), Source::Dht, cx)
                });
                self.with_magnet(info_hash, now, |it, cx| {
                    it.add_peers(peers.iter().copied(), Source::Dht, cx)
                });
            }
            Event::Searched { info_hash, peers, .. } => {
                self.common.shared.dht_requests.searched(info_hash, peers, now)
            }
        }
    }
}
