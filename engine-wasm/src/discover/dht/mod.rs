//! The distributed hash table (BEP 5) over IPv4 and IPv6 (BEP 32): finds peers without a tracker.
//!
//! `Dht` is a state machine for both networks: it takes packets and times, and returns packets to
//! send and peers that it found. It opens no socket, resolves no name and reads no clock. Node IDs
//! depend on IP addresses (BEP 42). A node that others cannot reach says so and answers no queries
//! (BEP 43).
//!
//! Invariant: whatever others send, memory is bounded, each received packet causes only a few
//! packets, and no packet goes to an address that others must not make us contact.

mod event;
mod kept;
mod lookup;
pub mod message;
pub(crate) mod node_id;
mod overlay;
pub(crate) mod requests;
mod server;
mod storage;
mod table;
#[cfg(test)]
mod tests;
mod transactions;
mod votes;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::ChaCha8Rng;
use shared_proto::io::Family;

pub(crate) use event::Event;

use crate::metainfo::InfoHash;
use crate::time::Instant;
use message::{Body, Contact, Message, MessageError, family_of};
use node_id::NodeId;
use overlay::{Overlay, Turn, is_askable};
use server::Server;

/// How often expired data of other nodes is removed.
const SERVER_INTERVAL: Duration = Duration::from_secs(60);

/// Well-known bootstrap nodes, run by the makers of other clients.
const ROUTERS: [&str; 3] =
    ["router.bittorrent.com:6881", "dht.transmissionbt.com:6881", "dht.libtorrent.org:25401"];

/// The settings of the DHT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhtConfig {
    /// Bootstrap nodes, each `host:port`; IPv6 addresses in brackets.
    pub bootstrap: Vec<String>,
}

impl Default for DhtConfig {
    fn default() -> Self {
        Self { bootstrap: ROUTERS.map(str::to_owned).to_vec() }
    }
}

/// A node of the DHT.
#[derive(Clone, Debug)]
pub(crate) struct Dht {
    v4: Overlay,
    v6: Overlay,
    server: Server,
    read_only: bool,
    tend_server_at: Instant,
    packets: VecDeque<(SocketAddr, Bytes)>,
    events: VecDeque<Event>,
}

impl Dht {
    /// Creates a node without sockets that knows no other nodes and answers no queries.
    pub(crate) fn new(rng: &mut ChaCha8Rng, now: Instant) -> Self {
        Self {
            v4: Overlay::new(Family::V4, NodeId::random(rng)),
            v6: Overlay::new(Family::V6, NodeId::random(rng)),
            server: Server::new(rng, now),
            read_only: true,
            tend_server_at: now + SERVER_INTERVAL,
            packets: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Restores the state from [`Dht::export`]; returns false if it is malformed.
    ///
    /// Call it before [`Dht::open`].
    pub(crate) fn import(&mut self, bytes: &[u8]) -> bool {
        let Some([v4, v6]) = kept::decode(bytes) else { return false };
        self.v4.restore(v4);
        self.v6.restore(v6);
        true
    }

    /// Returns the state to store for the next session: our IDs, and nodes.
    pub(crate) fn export(&self) -> Vec<u8> {
        kept::encode([&self.v4.keep(), &self.v6.keep()])
    }

    /// Handles a new socket of this family.
    pub(crate) fn open(&mut self, family: Family, now: Instant) {
        self.overlay(family).open(now);
    }

    /// Handles a closed socket of this family.
    pub(crate) fn close(&mut self, family: Family) {
        self.overlay(family).close();
        self.packets.retain(|(to, _)| family_of(*to) != family);
    }

    /// Returns whether this family has a socket.
    pub(crate) fn is_open(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.v4.is_open(),
            Family::V6 => self.v6.is_open(),
        }
    }

    /// Sets whether we answer queries (BEP 43). Only a node that others can reach should answer.
    ///
    /// Initially we do not.
    pub(crate) fn set_read_only(&mut self, read_only: bool) {
        self.read_only = read_only;
    }

    /// Adds a bootstrap address, to use if no other node is known.
    pub(crate) fn add_router(&mut self, addr: SocketAddr, now: Instant) {
        self.overlay(family_of(addr)).add_router(addr, now);
    }

    /// Adds an address that may belong to a node. It is queried, and stored if it answers.
    pub(crate) fn add_node(&mut self, addr: SocketAddr, now: Instant, rng: &mut ChaCha8Rng) {
        self.act(family_of(addr), now, rng, |overlay, turn| overlay.add_node(addr, turn));
    }

    /// Searches both networks for peers of a torrent.
    ///
    /// The search starts once there is a socket and a known node.
    pub(crate) fn search(&mut self, info_hash: InfoHash, now: Instant, rng: &mut ChaCha8Rng) {
        self.look_for(info_hash, None, now, rng);
    }

    /// Searches for peers, and announces us to the nodes nearest to the torrent. We announce this
    /// TCP port.
    pub(crate) fn announce(
        &mut self,
        info_hash: InfoHash,
        port: u16,
        now: Instant,
        rng: &mut ChaCha8Rng,
    ) {
        self.look_for(info_hash, Some(port), now, rng);
    }

    /// Cancels the searches for a torrent.
    pub(crate) fn cancel(&mut self, info_hash: InfoHash) {
        self.v4.cancel(info_hash);
        self.v6.cancel(info_hash);
    }

    /// Handles a received packet.
    pub(crate) fn handle_packet(
        &mut self,
        from: SocketAddr,
        packet: &[u8],
        now: Instant,
        rng: &mut ChaCha8Rng,
    ) {
        let family = family_of(from);
        if !is_askable(from) || !self.is_open(family) {
            return;
        }
        let message = match Message::parse(packet) {
            Ok(message) => message,
            Err(MessageError::BadQuery { transaction, code }) => {
                return self.reply(from, transaction, Body::Error(code), now);
            }
            Err(error) => return tracing::debug!(%error, "malformed DHT packet"),
        };
        match message.body.clone() {
            Body::Query { id, query, want, read_only } => {
                let contact = Contact { id, addr: from };
                if self.read_only || !self.server.admits(from, now) {
                    return;
                }
                let (v4, v6) = (&self.v4, &self.v6);
                let own = if family == Family::V4 { v4.own() } else { v6.own() };
                let closest = |target, family| {
                    let overlay = if family == Family::V4 { v4 } else { v6 };
                    overlay.table().closest(target, server::NAMED)
                };
                let body = self.server.answer((&query, want), from, own, closest, rng, now);
                let reply = server::reply(message.transaction, from, body);
                self.packets.push_back((from, reply.encode()));
                if !read_only {
                    self.act(family, now, rng, |overlay, turn| overlay.handle_query(contact, turn));
                }
            }
            Body::Response(response) => {
                self.act(family, now, rng, |overlay, turn| {
                    overlay.handle_response(from, message, response, turn)
                });
            }
            Body::Error(_) => self
                .act(family, now, rng, |overlay, turn| overlay.handle_error(from, &message, turn)),
        }
    }

    /// Handles the time that [`Dht::poll_timeout`] returned. Extra calls do no harm.
    pub(crate) fn handle_timeout(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        if self.tend_server_at <= now {
            self.tend_server_at = now + SERVER_INTERVAL;
            self.server.maintain(rng, now);
        }
        for family in [Family::V4, Family::V6] {
            self.act(family, now, rng, Overlay::handle_timeout);
        }
    }

    /// Returns when to call [`Dht::handle_timeout`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let overlays = self.v4.next_wakeup().into_iter().chain(self.v6.next_wakeup());
        let is_open = self.v4.is_open() || self.v6.is_open();
        overlays.chain(is_open.then_some(self.tend_server_at)).min()
    }

    /// Returns the next packet to send, and its destination.
    pub(crate) fn poll_packet(&mut self) -> Option<(SocketAddr, Bytes)> {
        self.packets.pop_front()
    }

    /// Returns the next event.
    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns the number of nodes in the tables of both families.
    pub(crate) fn nodes(&self) -> usize {
        self.v4.table().len() + self.v6.table().len()
    }

    /// Returns whether no node is known to start from.
    pub(crate) fn has_no_contacts(&self) -> bool {
        self.v4.has_no_contacts() && self.v6.has_no_contacts()
    }

    /// Returns whether a search for peers is running or waiting.
    #[cfg(test)]
    pub(crate) fn is_searching(&self) -> bool {
        self.v4.is_searching() || self.v6.is_searching()
    }

    fn look_for(
        &mut self,
        info_hash: InfoHash,
        announce: Option<u16>,
        now: Instant,
        rng: &mut ChaCha8Rng,
    ) {
        for family in [Family::V4, Family::V6] {
            self.act(family, now, rng, |overlay, turn| overlay.search(info_hash, announce, turn));
        }
    }

    fn reply(&mut self, to: SocketAddr, transaction: Vec<u8>, body: Body, now: Instant) {
        if !self.read_only && self.server.admits(to, now) {
            self.packets.push_back((to, server::reply(transaction, to, body).encode()));
        }
    }

    fn overlay(&mut self, family: Family) -> &mut Overlay {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    /// Runs `act` on one network. Passes the other family's nodes that it learns to the other
    /// network.
    fn act(
        &mut self,
        family: Family,
        now: Instant,
        rng: &mut ChaCha8Rng,
        act: impl FnOnce(&mut Overlay, &mut Turn<'_>),
    ) {
        let mut foreign = Vec::new();
        let Self { v4, v6, read_only, packets, events, .. } = self;
        let (own, other) = if family == Family::V4 { (v4, v6) } else { (v6, v4) };
        let both = own.is_open() && other.is_open();
        let mut turn =
            Turn { now, rng, read_only: *read_only, both, packets, events, foreign: &mut foreign };
        act(own, &mut turn);
        let mut nowhere = Vec::new();
        let mut turn =
            Turn { now, rng, read_only: *read_only, both, packets, events, foreign: &mut nowhere };
        foreign.into_iter().for_each(|contact| other.add_contact(contact, &mut turn));
    }
}
