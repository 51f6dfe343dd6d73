//! Connects the DHT node with the engine's sockets, torrents and stored state.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use shared_proto::io::{Family, OpError, OpOutput};
use shared_proto::{IoCommand, OpId};

use super::{Engine, context};
use crate::context::Owner;
use crate::discover::candidates::Source;
use crate::discover::dht::{Dht, DhtConfig, Event};
use crate::time::Instant;

/// State key of the node's routing table.
const KEY: &str = "dht";
/// When the routing table is saved first: by then it holds some nodes.
const FIRST_SAVE: Duration = Duration::from_secs(60);
/// Interval between later saves.
const SAVE_AGAIN: Duration = Duration::from_secs(15 * 60);
/// How long saved nodes may answer before the bootstrap routers are asked.
const HEAD_START: Duration = Duration::from_secs(5);
/// With fewer known nodes than this, the bootstrap routers are asked.
const FEW: usize = 8;
/// First delay before the routers' names are resolved again; it doubles each time.
const FIRST_RETRY: Duration = Duration::from_secs(30);
/// Longest such delay.
const MAX_RETRY: Duration = Duration::from_secs(3600);

/// The DHT node and its outstanding commands.
#[derive(Debug)]
pub(super) struct Node {
    dht: Dht,
    config: DhtConfig,
    loading: Option<OpId>,
    loaded: bool,
    /// Names being resolved: bootstrap routers (true), and nodes that torrents name (false).
    resolving: BTreeMap<OpId, bool>,
    resolve_at: Option<Instant>,
    retry: Duration,
    save_at: Instant,
}

impl Engine {
    /// Handles a new connection to the daemon: creates the node and loads its state.
    pub(super) fn link_dht(&mut self, now: Instant) {
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        if self.node.is_none()
            && let Some(config) = self.config.dht.clone()
        {
            let (dht, resolving) = (Dht::new(cx.rng, now), BTreeMap::new());
            let (retry, save_at) = (FIRST_RETRY, now + FIRST_SAVE);
            let loading = None;
            let node = Node {
                dht,
                config,
                loading,
                loaded: false,
                resolving,
                resolve_at: None,
                retry,
                save_at,
            };
            self.node = Some(Box::new(node));
        }
        if let Some(node) = self.node.as_mut().filter(|node| !node.loaded) {
            node.loading =
                Some(cx.ask(Owner::Engine, |op| IoCommand::KvGet { op, key: KEY.to_owned() }));
        }
    }

    /// Handles the loss of the connection to the daemon.
    pub(super) fn unlink_dht(&mut self) {
        let Some(node) = &mut self.node else { return };
        node.dht.close(Family::V4);
        node.dht.close(Family::V6);
        node.resolving.clear();
        (node.loading, node.resolve_at) = (None, None);
        self.shared.dht_requests.set_node(None);
    }

    /// Handles an answer; returns false if this module did not send the command.
    pub(super) fn handle_dht_answer(
        &mut self,
        op: OpId,
        result: &Result<OpOutput, OpError>,
        now: Instant,
    ) -> bool {
        let Some(node) = &mut self.node else { return false };
        if node.loading == Some(op) {
            node.loading = None;
            node.loaded = true;
            if let Ok(OpOutput::Value(Some(bytes))) = result
                && !node.dht.import(bytes)
            {
                tracing::warn!("the DHT's nodes in the state store can't be read");
            }
        } else if let Some(is_router) = node.resolving.remove(&op) {
            match result {
                Ok(OpOutput::Addresses(addrs)) if is_router => {
                    addrs.iter().for_each(|addr| node.dht.add_router(*addr, now));
                }
                Ok(OpOutput::Addresses(addrs)) => {
                    addrs.iter().for_each(|addr| self.shared.dht_requests.add_node(*addr))
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(error = error.message, "a DHT node's name cannot be resolved")
                }
            }
        } else {
            return false;
        }
        true
    }

    /// Handles a datagram that starts like a DHT message.
    pub(super) fn dht_packet(&mut self, from: SocketAddr, packet: &Bytes, now: Instant) {
        if let Some(node) = &mut self.node {
            node.dht.handle_packet(from, packet, now, &mut self.rng);
        }
    }

    /// Does what is due, sends queued packets, and passes found peers to their torrents.
    pub(super) fn drive_dht(&mut self, now: Instant) {
        if !self.node.as_ref().is_some_and(|node| node.loaded) {
            return;
        }
        self.dht_sockets(now);
        self.run_dht_requests(now);
        self.look_up_routers(now);
        self.save_dht(now);
        let Some(node) = &mut self.node else { return };
        if node.dht.poll_timeout().is_some_and(|at| at <= now) {
            node.dht.handle_timeout(now, &mut self.rng);
        }
        while let Some((to, data)) = node.dht.poll_packet() {
            if let Some(socket) = self.shared.net.udp_towards(to) {
                self.out.push_back(super::Output::Io(IoCommand::UdpSend { socket, to, data }));
            }
        }
        while let Some(event) = self.node.as_mut().and_then(|node| node.dht.poll_event()) {
            self.handle_dht_event(event, now);
        }
    }

    /// Returns when the DHT must be woken.
    pub(super) fn dht_timeout(&self) -> Option<Instant> {
        let node = self.node.as_ref().filter(|node| node.loaded)?;
        let asleep = node.dht.poll_timeout()?;
        let requests = self.shared.dht_requests.next_due(self.shared.net.listen_port().is_some());
        Some(
            [Some(asleep), requests, node.resolve_at, Some(node.save_at)]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(asleep),
        )
    }

    /// Opens and closes the node's sockets with the engine's. The node answers queries only if
    /// peers can reach this engine.
    fn dht_sockets(&mut self, now: Instant) {
        let Some(node) = &mut self.node else { return };
        // Whether the user disabled the DHT is known only after the settings are loaded.
        let is_wanted = self.loaded && self.shared.sources.dht;
        for family in [Family::V4, Family::V6] {
            let has_socket = is_wanted && self.shared.net.has_udp(family);
            if has_socket && !node.dht.is_open(family) {
                node.dht.open(family, now);
                let wait = if node.dht.has_no_contacts() { Duration::ZERO } else { HEAD_START };
                node.resolve_at = node.resolve_at.or(Some(now + wait));
            } else if !has_socket && node.dht.is_open(family) {
                node.dht.close(family);
            }
        }
        let is_reachable = self.shared.net.listen_port().is_some();
        node.dht.set_read_only(!is_reachable);
        let port = self.shared.net.udp_port().filter(|_| is_wanted);
        self.shared.dht_requests.set_node(port.map(|port| Some(port).filter(|_| is_reachable)));
    }

    fn run_dht_requests(&mut self, now: Instant) {
        let Some(node) = &mut self.node else { return };
        let port = self.shared.net.public_port();
        while let Some(addr) = self.shared.dht_requests.poll_node() {
            node.dht.add_node(addr, now, &mut self.rng);
        }
        while let Some((host, port)) = self.shared.dht_requests.poll_host() {
            let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
            let op = cx.ask(Owner::Engine, |op| IoCommand::Resolve { op, host, port });
            node.resolving.insert(op, false);
        }
        while let Some(info_hash) = self.shared.dht_requests.poll_forgotten(now) {
            node.dht.cancel(info_hash);
        }
        while let Some(info_hash) = self.shared.dht_requests.poll(port.is_some(), now) {
            match port {
                Some(port) => node.dht.announce(info_hash, port, now, &mut self.rng),
                None => node.dht.search(info_hash, now, &mut self.rng),
            }
        }
    }

    fn look_up_routers(&mut self, now: Instant) {
        let Some(node) = &mut self.node else { return };
        if node.resolve_at.is_none_or(|at| at > now) {
            return;
        }
        if node.dht.nodes() >= FEW {
            (node.resolve_at, node.retry) = (Some(now + MAX_RETRY), FIRST_RETRY);
            return;
        }
        node.resolve_at = Some(now + node.retry);
        node.retry = (node.retry * 2).min(MAX_RETRY);
        let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
        for (host, port) in node.config.bootstrap.iter().filter_map(|router| split(router)) {
            let op =
                cx.ask(Owner::Engine, |op| IoCommand::Resolve { op, host: host.to_owned(), port });
            node.resolving.insert(op, true);
        }
    }

    fn save_dht(&mut self, now: Instant) {
        let Some(node) = &mut self.node else { return };
        if node.save_at > now {
            return;
        }
        node.save_at = now + SAVE_AGAIN;
        if node.dht.nodes() > 0 && self.root.is_some() {
            let value = Bytes::from(node.dht.export());
            let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
            cx.write(KEY.to_owned(), Some(value));
        }
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
                self.shared.dht_requests.searched(info_hash, peers, now)
            }
        }
    }
}

/// Splits `host:port`; an IPv6 address stands in brackets.
fn split(router: &str) -> Option<(&str, u16)> {
    let (host, port) = router.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some((host, port.parse().ok()?)).filter(|(host, _)| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_router_is_a_host_and_a_port() {
        let check =
            |text: &str, expected: Option<(&str, u16)>| assert_eq!(split(text), expected, "{text}");
        check("router.example:6881", Some(("router.example", 6881)));
        check("127.0.0.1:1", Some(("127.0.0.1", 1)));
        check("[::1]:1", Some(("::1", 1)));
        for nonsense in ["", "router.example", ":1", "a:70000", "a:b"] {
            check(nonsense, None);
        }
    }
}
