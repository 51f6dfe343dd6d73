//! The distributed hash table (BEP 5) over IPv4 and IPv6 (BEP 32): peers of a torrent without a
//! tracker.
//!
//! [`Dht`] is a state machine for both networks: it is told of packets and of times, and says what
//! to send and whom it found. It opens no socket, resolves no name, reads no clock. Names are tied
//! to addresses (BEP 42), and a node that can't be reached says so and answers nobody (BEP 43).
//!
//! Invariant: whatever strangers send, its memory is bounded, it sends no more than a few packets
//! for each that comes, and it asks nobody whom a stranger may not name.

pub mod errands;
mod kept;
pub mod lookup;
pub mod message;
pub mod node_id;
mod overlay;
pub mod server;
pub mod storage;
pub mod table;
#[cfg(test)]
mod tests;
pub mod transactions;
mod votes;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::ChaCha8Rng;
use shared_proto::io::Family;

use crate::metainfo::InfoHash;
use crate::time::Instant;
use message::{Body, Contact, Message, MessageError, family_of};
use node_id::NodeId;
use overlay::{Overlay, Turn, is_askable};
use server::Server;

/// Searches that wait for their turn: all torrents that there may be.
pub const MAX_WAITING: usize = crate::limits::TORRENTS;
/// How often what is kept for others is looked after.
const TEND_SERVER: Duration = Duration::from_secs(60);

/// Where a node begins that knows nobody: the usual ones, kept by the makers of clients.
const ROUTERS: [&str; 3] =
    ["router.bittorrent.com:6881", "dht.transmissionbt.com:6881", "dht.libtorrent.org:25401"];

/// What a user may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DhtConfig {
    /// Nodes to begin with, each `host:port`, an IPv6 address in brackets.
    pub bootstrap: Vec<String>,
}

impl Default for DhtConfig {
    fn default() -> Self {
        Self { bootstrap: ROUTERS.map(str::to_owned).to_vec() }
    }
}

/// What the DHT has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Peers of a torrent, none of them told twice in one search.
    Peers {
        /// The torrent.
        info_hash: InfoHash,
        /// Where they are.
        peers: Vec<SocketAddr>,
    },
    /// A search ended in one of the networks.
    Searched {
        /// The torrent.
        info_hash: InfoHash,
        /// Which network.
        family: Family,
        /// How many peers it found.
        peers: usize,
    },
}

/// A node of the DHT.
#[derive(Clone, Debug)]
pub struct Dht {
    v4: Overlay,
    v6: Overlay,
    server: Server,
    read_only: bool,
    tend_server_at: Instant,
    packets: VecDeque<(SocketAddr, Bytes)>,
    events: VecDeque<Event>,
}

impl Dht {
    /// A node that knows nobody, has no socket, and answers nobody.
    pub fn new(rng: &mut ChaCha8Rng, now: Instant) -> Self {
        Self {
            v4: Overlay::new(Family::V4, NodeId::random(rng)),
            v6: Overlay::new(Family::V6, NodeId::random(rng)),
            server: Server::new(rng, now),
            read_only: true,
            tend_server_at: now + TEND_SERVER,
            packets: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes up where [`Dht::export`] of an earlier node left off; false if that can't be read. To
    /// be called before [`Dht::open`].
    pub fn import(&mut self, bytes: &[u8]) -> bool {
        let Some([v4, v6]) = kept::decode(bytes) else { return false };
        self.v4.restore(v4);
        self.v6.restore(v6);
        true
    }

    /// What the next node is to begin with: our names, and nodes.
    pub fn export(&self) -> Vec<u8> {
        kept::encode([&self.v4.keep(), &self.v6.keep()])
    }

    /// There is a socket for this family.
    pub fn open(&mut self, family: Family, now: Instant) {
        self.overlay(family).open(now);
    }

    /// There is none any more.
    pub fn close(&mut self, family: Family) {
        self.overlay(family).close();
        self.packets.retain(|(to, _)| family_of(*to) != family);
    }

    /// Whether there is a socket for this family.
    pub fn is_open(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.v4.is_open(),
            Family::V6 => self.v6.is_open(),
        }
    }

    /// Whether we answer others: only a node that can be reached should (BEP 43). It does not in
    /// the beginning.
    pub fn set_read_only(&mut self, read_only: bool) {
        self.read_only = read_only;
    }

    /// An address to begin with when nobody else is known.
    pub fn add_router(&mut self, addr: SocketAddr, now: Instant) {
        self.overlay(family_of(addr)).add_router(addr, now);
    }

    /// An address where a node is said to be: it is asked, and remembered if it answers.
    pub fn add_node(&mut self, addr: SocketAddr, now: Instant, rng: &mut ChaCha8Rng) {
        self.act(family_of(addr), now, rng, |overlay, turn| overlay.add_node(addr, turn));
    }

    /// Looks for peers of a torrent in both networks. It begins when there is a socket and somebody
    /// is known.
    pub fn search(&mut self, info_hash: InfoHash, now: Instant, rng: &mut ChaCha8Rng) {
        self.look_for(info_hash, None, now, rng);
    }

    /// The same, and tells the nodes near it that we are a peer of it, at this TCP port.
    pub fn announce(&mut self, info_hash: InfoHash, port: u16, now: Instant, rng: &mut ChaCha8Rng) {
        self.look_for(info_hash, Some(port), now, rng);
    }

    /// Nobody wants to know any more.
    pub fn cancel(&mut self, info_hash: InfoHash) {
        self.v4.cancel(info_hash);
        self.v6.cancel(info_hash);
    }

    /// A packet came.
    pub fn handle_packet(
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
            Err(error) => return tracing::debug!(%error, "a packet in the DHT"),
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
                    self.act(family, now, rng, |overlay, turn| overlay.was_asked(contact, turn));
                }
            }
            Body::Response(response) => {
                self.act(family, now, rng, |overlay, turn| {
                    overlay.response(from, message, response, turn)
                });
            }
            Body::Error(_) => {
                self.act(family, now, rng, |overlay, turn| overlay.refused(from, &message, turn))
            }
        }
    }

    /// The moment of [`Dht::poll_timeout`] has come. Too early or too often does no harm.
    pub fn handle_timeout(&mut self, now: Instant, rng: &mut ChaCha8Rng) {
        if self.tend_server_at <= now {
            self.tend_server_at = now + TEND_SERVER;
            self.server.tend(rng, now);
        }
        for family in [Family::V4, Family::V6] {
            self.act(family, now, rng, Overlay::handle_timeout);
        }
    }

    /// When to call [`Dht::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let overlays = self.v4.next_wakeup().into_iter().chain(self.v6.next_wakeup());
        let is_open = self.v4.is_open() || self.v6.is_open();
        overlays.chain(is_open.then_some(self.tend_server_at)).min()
    }

    /// The next packet to send, and where.
    pub fn poll_packet(&mut self) -> Option<(SocketAddr, Bytes)> {
        self.packets.pop_front()
    }

    /// The next thing to tell.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Nodes remembered, of both families.
    pub fn nodes(&self) -> usize {
        self.v4.table().len() + self.v6.table().len()
    }

    /// Whether there is nobody to begin with.
    pub fn knows_nobody(&self) -> bool {
        self.v4.knows_nobody() && self.v6.knows_nobody()
    }

    /// Whether a search for peers is under way or waits.
    pub fn is_searching(&self) -> bool {
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

    /// Lets one network act; what it hears of the other is told there.
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
        foreign.into_iter().for_each(|contact| other.hear_of(contact, &mut turn));
    }
}
