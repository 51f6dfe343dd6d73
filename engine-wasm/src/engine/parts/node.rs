//! The DHT node with the engine's sockets and the daemon's state store: when it looks up routers,
//! which names are being resolved, and when its routing table is saved.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use shared_proto::io::{Family, OpError, OpOutput};
use shared_proto::{IoCommand, OpId};

use crate::context::{Context, Owner, Shared};
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
pub(crate) struct Node {
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

impl Node {
    /// Creates a node without sockets.
    pub(crate) fn new(config: DhtConfig, cx: &mut Context<'_>) -> Self {
        Self {
            dht: Dht::new(cx.rng, cx.now),
            config,
            loading: None,
            loaded: false,
            resolving: BTreeMap::new(),
            resolve_at: None,
            retry: FIRST_RETRY,
            save_at: cx.now + FIRST_SAVE,
        }
    }

    /// Handles a new connection to the daemon: reads the routing table if it was not read yet.
    pub(crate) fn link(&mut self, cx: &mut Context<'_>) {
        if !self.loaded {
            self.loading =
                Some(cx.ask(Owner::Engine, |op| IoCommand::KvGet { op, key: KEY.to_owned() }));
        }
    }

    /// Handles the loss of the connection to the daemon.
    pub(crate) fn unlink(&mut self, shared: &mut Shared) {
        self.dht.close(Family::V4);
        self.dht.close(Family::V6);
        self.resolving.clear();
        (self.loading, self.resolve_at) = (None, None);
        shared.dht_requests.set_node(None);
    }

    /// Handles an answer; returns false if the node did not send the command.
    pub(crate) fn handle_answer(
        &mut self,
        op: OpId,
        result: &Result<OpOutput, OpError>,
        cx: &mut Context<'_>,
    ) -> bool {
        if self.loading == Some(op) {
            self.loading = None;
            self.loaded = true;
            if let Ok(OpOutput::Value(Some(bytes))) = result
                && !self.dht.import(bytes)
            {
                tracing::warn!("the DHT's nodes in the state store can't be read");
            }
        } else if let Some(is_router) = self.resolving.remove(&op) {
            match result {
                Ok(OpOutput::Addresses(addrs)) if is_router => {
                    addrs.iter().for_each(|addr| self.dht.add_router(*addr, cx.now));
                }
                Ok(OpOutput::Addresses(addrs)) => {
                    addrs.iter().for_each(|addr| cx.shared.dht_requests.add_node(*addr))
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
    pub(crate) fn handle_packet(&mut self, from: SocketAddr, packet: &Bytes, cx: &mut Context<'_>) {
        self.dht.handle_packet(from, packet, cx.now, cx.rng);
    }

    /// Does what is due, and sends queued packets. Does nothing before the routing table was read.
    ///
    /// `is_wanted` says whether the user lets the engine use the DHT, and `can_save` whether the
    /// daemon takes writes.
    pub(crate) fn drive(&mut self, is_wanted: bool, can_save: bool, cx: &mut Context<'_>) {
        if !self.loaded {
            return;
        }
        self.follow_sockets(is_wanted, cx);
        self.run_requests(cx);
        self.look_up_routers(cx);
        self.save(can_save, cx);
        if self.dht.poll_timeout().is_some_and(|at| at <= cx.now) {
            self.dht.handle_timeout(cx.now, cx.rng);
        }
        while let Some((to, data)) = self.dht.poll_packet() {
            if let Some(socket) = cx.shared.net.udp_towards(to) {
                cx.order(IoCommand::UdpSend { socket, to, data });
            }
        }
    }

    /// Returns the next event; `None` before the routing table was read.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        if self.loaded { self.dht.poll_event() } else { None }
    }

    /// Returns when the node must be driven next.
    pub(crate) fn next_wakeup(&self, shared: &Shared) -> Option<Instant> {
        if !self.loaded {
            return None;
        }
        let asleep = self.dht.poll_timeout()?;
        let requests = shared.dht_requests.next_due(shared.net.listen_port().is_some());
        Some(
            [Some(asleep), requests, self.resolve_at, Some(self.save_at)]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(asleep),
        )
    }

    /// Opens and closes the node's sockets with the engine's. The node answers queries only if
    /// peers can reach this engine.
    fn follow_sockets(&mut self, is_wanted: bool, cx: &mut Context<'_>) {
        for family in [Family::V4, Family::V6] {
            let has_socket = is_wanted && cx.shared.net.has_udp(family);
            if has_socket && !self.dht.is_open(family) {
                self.dht.open(family, cx.now);
                let wait = if self.dht.has_no_contacts() { Duration::ZERO } else { HEAD_START };
                self.resolve_at = self.resolve_at.or(Some(cx.now + wait));
            } else if !has_socket && self.dht.is_open(family) {
                self.dht.close(family);
            }
        }
        let is_reachable = cx.shared.net.listen_port().is_some();
        self.dht.set_read_only(!is_reachable);
        let port = cx.shared.net.udp_port().filter(|_| is_wanted);
        cx.shared.dht_requests.set_node(port.map(|port| Some(port).filter(|_| is_reachable)));
    }

    fn run_requests(&mut self, cx: &mut Context<'_>) {
        let (now, port) = (cx.now, cx.shared.net.public_port());
        while let Some(addr) = cx.shared.dht_requests.poll_node() {
            self.dht.add_node(addr, now, cx.rng);
        }
        while let Some((host, port)) = cx.shared.dht_requests.poll_host() {
            let op = cx.ask(Owner::Engine, |op| IoCommand::Resolve { op, host, port });
            self.resolving.insert(op, false);
        }
        while let Some(info_hash) = cx.shared.dht_requests.poll_forgotten(now) {
            self.dht.cancel(info_hash);
        }
        while let Some(info_hash) = cx.shared.dht_requests.poll(port.is_some(), now) {
            match port {
                Some(port) => self.dht.announce(info_hash, port, now, cx.rng),
                None => self.dht.search(info_hash, now, cx.rng),
            }
        }
    }

    fn look_up_routers(&mut self, cx: &mut Context<'_>) {
        if self.resolve_at.is_none_or(|at| at > cx.now) {
            return;
        }
        if self.dht.nodes() >= FEW {
            (self.resolve_at, self.retry) = (Some(cx.now + MAX_RETRY), FIRST_RETRY);
            return;
        }
        self.resolve_at = Some(cx.now + self.retry);
        self.retry = (self.retry * 2).min(MAX_RETRY);
        for (host, port) in self.config.bootstrap.iter().filter_map(|router| split(router)) {
            let op =
                cx.ask(Owner::Engine, |op| IoCommand::Resolve { op, host: host.to_owned(), port });
            self.resolving.insert(op, true);
        }
    }

    fn save(&mut self, can_save: bool, cx: &mut Context<'_>) {
        if self.save_at > cx.now {
            return;
        }
        self.save_at = cx.now + SAVE_AGAIN;
        if self.dht.nodes() > 0 && can_save {
            cx.write(KEY.to_owned(), Some(Bytes::from(self.dht.export())));
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
