//! One of the two networks (IPv4 or IPv6): routing table, searches and outstanding queries.
//!
//! This module decides which nodes to query and when; `server` answers the queries of others. It
//! reads no clock and opens no socket. Invariant: a node enters the table only by answering us,
//! packets go only to permitted addresses, and every collection is bounded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::ChaCha8Rng;
use shared_proto::io::Family;

use super::event::Event;
use super::kept::{Kept, MAX_KEPT};
use super::lookup::Lookup;
use super::message::{Body, Contact, Message, Query, Response, Want, family_of};
use super::node_id::NodeId;
use super::table::{BUCKET, Table};
use super::transactions::{Late, Pending, Purpose, Transactions};
use super::votes::Votes;
use crate::addresses::is_local;
use crate::metainfo::InfoHash;
use crate::time::Instant;

/// Most searches that wait for their turn: one per torrent.
const MAX_WAITING: usize = crate::limits::TORRENTS;
/// Most searches at once; others wait.
const SEARCHES: usize = 8;
/// Most peers that one search finds.
const MAX_FOUND: usize = 2_000;
/// Most outstanding pings.
const PINGS: usize = 16;
/// How often the table is maintained.
const TICK: Duration = Duration::from_secs(10);
/// A table with fewer nodes searches for more.
const FEW: usize = 4 * BUCKET;
/// First delay before a bootstrap is repeated; it doubles each time.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// Longest such delay.
const MAX_RETRY: Duration = Duration::from_secs(15 * 60);
/// Shortest time between two changes of our ID. Our address may seem to change more often.
const RENAME_AFTER: Duration = Duration::from_secs(10 * 60);
/// Most bootstrap addresses.
const MAX_ROUTERS: usize = 32;

/// The context of one call: time, randomness, and the collected outputs.
pub(super) struct Turn<'a> {
    pub(super) now: Instant,
    pub(super) rng: &'a mut ChaCha8Rng,
    pub(super) read_only: bool,
    /// Whether both networks have a socket. Each may then learn nodes of the other.
    pub(super) both: bool,
    pub(super) packets: &'a mut VecDeque<(SocketAddr, Bytes)>,
    pub(super) events: &'a mut VecDeque<Event>,
    /// Nodes of the other family that were named.
    pub(super) foreign: &'a mut Vec<Contact>,
}

#[derive(Clone, Debug)]
enum Goal {
    /// Find the nodes near an ID.
    Nodes,
    /// Find peers of a torrent. With a port, also announce us to the nearest nodes.
    Peers { info_hash: InfoHash, announce: Option<u16>, found: BTreeSet<SocketAddr> },
}

#[derive(Clone, Debug)]
struct Search {
    lookup: Lookup,
    goal: Goal,
}

/// One of the two networks.
#[derive(Clone, Debug)]
pub(super) struct Overlay {
    family: Family,
    open: bool,
    table: Table,
    transactions: Transactions,
    searches: BTreeMap<u64, Search>,
    started: u64,
    waiting: VecDeque<(InfoHash, Option<u16>)>,
    /// Nodes that have not been queried yet. An earlier session or other nodes named them.
    remembered: Vec<Contact>,
    routers: Vec<SocketAddr>,
    votes: Votes,
    renamed: Option<Instant>,
    /// The running search for nodes near our own ID.
    bootstrap: Option<u64>,
    /// When the next such search is due.
    bootstrap_due: Instant,
    retry: Duration,
    next_tick: Instant,
}

impl Overlay {
    pub(super) fn new(family: Family, own: NodeId) -> Self {
        Self {
            family,
            open: false,
            table: Table::new(own),
            transactions: Transactions::default(),
            searches: BTreeMap::new(),
            started: 0,
            waiting: VecDeque::new(),
            remembered: Vec::new(),
            routers: Vec::new(),
            votes: Votes::default(),
            renamed: None,
            bootstrap: None,
            bootstrap_due: Instant::default(),
            retry: FIRST_RETRY,
            next_tick: Instant::default(),
        }
    }

    pub(super) fn own(&self) -> NodeId {
        self.table.own()
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn has_no_contacts(&self) -> bool {
        self.table.is_empty() && self.remembered.is_empty()
    }

    #[cfg(test)]
    pub(super) fn is_searching(&self) -> bool {
        let waits = self.open && !self.waiting.is_empty();
        waits || self.searches.values().any(|search| matches!(search.goal, Goal::Peers { .. }))
    }

    /// Handles a new socket.
    pub(super) fn open(&mut self, now: Instant) {
        (self.open, self.next_tick, self.bootstrap_due, self.retry) = (true, now, now, FIRST_RETRY);
    }

    /// Handles a closed socket: running searches become due again.
    pub(super) fn close(&mut self) {
        self.open = false;
        self.transactions.clear();
        self.bootstrap = None;
        for search in std::mem::take(&mut self.searches).into_values() {
            if let Goal::Peers { info_hash, announce, .. } = search.goal {
                self.waiting.push_front((info_hash, announce));
            }
        }
    }

    /// Restores the state of an earlier session.
    pub(super) fn restore(&mut self, kept: Kept) {
        self.table = Table::new(kept.own);
        self.remembered = kept.nodes;
    }

    /// Returns the state to store for the next session.
    pub(super) fn keep(&self) -> Kept {
        let nodes = self.table.contacts().chain(self.remembered.iter().copied());
        Kept { own: self.own(), nodes: nodes.take(MAX_KEPT).collect() }
    }

    /// Adds a bootstrap address.
    pub(super) fn add_router(&mut self, addr: SocketAddr, now: Instant) {
        if is_askable(addr) && !self.routers.contains(&addr) && self.routers.len() < MAX_ROUTERS {
            self.routers.push(addr);
            (self.bootstrap_due, self.retry) = (now, FIRST_RETRY);
            self.next_tick = self.next_tick.min(now);
        }
    }

    /// Queries an address that may belong to a node.
    pub(super) fn add_node(&mut self, addr: SocketAddr, turn: &mut Turn<'_>) {
        if self.open && is_askable(addr) && self.may_ping(addr) {
            self.ask(addr, None, Purpose::Ping, Query::Ping, turn);
        }
    }

    /// Adds a node that a node of the other network named.
    pub(super) fn add_contact(&mut self, contact: Contact, turn: &mut Turn<'_>) {
        if self.open && is_askable(contact.addr) && !is_local(contact.addr.ip()) {
            self.ping(contact, turn);
        }
    }

    /// Searches for peers of a torrent, unless such a search exists.
    pub(super) fn search(
        &mut self,
        info_hash: InfoHash,
        announce: Option<u16>,
        turn: &mut Turn<'_>,
    ) {
        let under_way = self.searches.values_mut().find_map(|search| match &mut search.goal {
            Goal::Peers { info_hash: other, announce, .. } if *other == info_hash => Some(announce),
            _ => None,
        });
        if let Some(under_way) = under_way {
            *under_way = under_way.or(announce);
        } else if let Some((_, waiting)) =
            self.waiting.iter_mut().find(|(other, _)| *other == info_hash)
        {
            *waiting = waiting.or(announce);
        } else if self.waiting.len() < MAX_WAITING {
            self.waiting.push_back((info_hash, announce));
        }
        self.advance(turn);
    }

    /// Cancels the searches for a torrent.
    pub(super) fn cancel(&mut self, info_hash: InfoHash) {
        self.waiting.retain(|(waiting, _)| *waiting != info_hash);
        let is_for = |goal: &Goal| match goal {
            Goal::Peers { info_hash: wanted, .. } => *wanted == info_hash,
            _ => false,
        };
        self.searches.retain(|_, search| !is_for(&search.goal));
    }

    /// Handles a query of another node: pings it if the table has use for it.
    pub(super) fn handle_query(&mut self, contact: Contact, turn: &mut Turn<'_>) {
        self.table.asked(contact, turn.now);
        self.ping(contact, turn);
    }

    /// Handles a response.
    pub(super) fn handle_response(
        &mut self,
        from: SocketAddr,
        message: Message,
        response: Response,
        turn: &mut Turn<'_>,
    ) {
        let Some(pending) = self.transactions.end(from, &message.transaction) else { return };
        let contact = Contact { id: response.id, addr: from };
        if pending.expected.is_some_and(|expected| expected != contact.id) {
            self.table.failed(from);
        }
        self.table.answered(contact, turn.now);
        if let Some(seen_as) = message.seen_as {
            self.count_vote(from, seen_as, turn);
        }
        if let Purpose::Search(number) = pending.purpose {
            self.searched(number, pending, contact, response, turn);
        }
        self.advance(turn);
    }

    /// Handles an error, which counts as no answer.
    pub(super) fn handle_error(
        &mut self,
        from: SocketAddr,
        message: &Message,
        turn: &mut Turn<'_>,
    ) {
        if let Some(pending) = self.transactions.end(from, &message.transaction) {
            self.lost(pending);
            self.advance(turn);
        }
    }

    pub(super) fn next_wakeup(&self) -> Option<Instant> {
        let tick = self.open.then_some(self.next_tick);
        tick.into_iter().chain(self.transactions.next_deadline()).min()
    }

    pub(super) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        while let Some(late) = self.transactions.poll_late(turn.now) {
            match late {
                Late::Slow(pending) => {
                    if let Purpose::Search(number) = pending.purpose
                        && let Some(search) = self.searches.get_mut(&number)
                    {
                        search.lookup.slow(pending.to, pending.expected);
                    }
                }
                Late::Lost(pending) => self.lost(pending),
            }
        }
        if self.open && self.next_tick <= turn.now {
            self.next_tick = turn.now + TICK;
            self.maintain(turn);
        }
        self.advance(turn);
    }

    /// Maintains the table.
    fn maintain(&mut self, turn: &mut Turn<'_>) {
        while self.may_ping_more()
            && let Some(contact) = self.table.poll_questionable(turn.now)
        {
            self.ask(contact.addr, Some(contact.id), Purpose::Ping, Query::Ping, turn);
        }
        while self.bootstrap.is_none()
            && self.may_ping_more()
            && let Some(contact) = self.remembered.pop()
        {
            self.ping(contact, turn);
        }
        if self.bootstrap.is_none() && self.table.len() < FEW && self.bootstrap_due <= turn.now {
            if !(self.has_no_contacts() && self.routers.is_empty()) {
                let routers = self.routers.clone();
                self.bootstrap = Some(self.begin(self.own(), Goal::Nodes, routers));
            }
        } else if self.searches.len() < SEARCHES
            && let Some(target) = self.table.poll_stale(turn.rng, turn.now)
        {
            self.begin(target, Goal::Nodes, Vec::new());
        }
    }

    /// Sends the queries of running searches, ends finished ones, and starts waiting ones.
    fn advance(&mut self, turn: &mut Turn<'_>) {
        if !self.open {
            return;
        }
        loop {
            self.begin_waiting();
            let numbers: Vec<u64> = self.searches.keys().copied().collect();
            for &number in &numbers {
                self.ask_for(number, turn);
            }
            let is_done = |search: &Search| search.lookup.is_done();
            let done: Vec<u64> =
                numbers.into_iter().filter(|number| is_done(&self.searches[number])).collect();
            if done.is_empty() {
                return;
            }
            done.into_iter().for_each(|number| self.finish(number, turn));
        }
    }

    fn begin_waiting(&mut self) {
        while self.searches.len() < SEARCHES
            && !self.has_no_contacts()
            && let Some((info_hash, announce)) = self.waiting.pop_front()
        {
            let goal = Goal::Peers { info_hash, announce, found: BTreeSet::new() };
            self.begin(NodeId::from(info_hash), goal, Vec::new());
        }
    }

    fn begin(&mut self, target: NodeId, goal: Goal, strangers: Vec<SocketAddr>) -> u64 {
        let mut nodes = self.table.closest(target, 2 * BUCKET);
        if self.table.len() < FEW {
            nodes.extend(&self.remembered);
        }
        self.started += 1;
        self.searches
            .insert(self.started, Search { lookup: Lookup::new(target, nodes, strangers), goal });
        self.started
    }

    fn ask_for(&mut self, number: u64, turn: &mut Turn<'_>) {
        while self.transactions.has_room()
            && let Some(search) = self.searches.get_mut(&number)
            && let Some((addr, expected)) = search.lookup.poll_query()
        {
            let query = match &search.goal {
                Goal::Nodes => Query::FindNode { target: search.lookup.target() },
                Goal::Peers { info_hash, .. } => Query::GetPeers { info_hash: *info_hash },
            };
            self.ask(addr, expected, Purpose::Search(number), query, turn);
        }
    }

    fn searched(
        &mut self,
        number: u64,
        pending: Pending,
        from: Contact,
        answer: Response,
        turn: &mut Turn<'_>,
    ) {
        let family = self.family;
        let is_ours = |node: &Contact| family_of(node.addr) == family;
        let (nodes, others): (Vec<Contact>, Vec<Contact>) =
            answer.nodes.into_iter().partition(is_ours);
        turn.foreign.extend(others);
        let Some(search) = self.searches.get_mut(&number) else { return };
        let own = self.table.own();
        let may_ask = |node: &Contact| is_plausible(node.addr, from.addr) && node.id != own;
        search.lookup.answered(
            from,
            pending.expected,
            nodes.into_iter().filter(may_ask),
            answer.token,
        );
        if let Goal::Peers { info_hash, found, .. } = &mut search.goal {
            let room = MAX_FOUND - found.len();
            let peers =
                answer.peers.into_iter().filter(|peer| is_plausible(*peer, from.addr)).take(room);
            let peers: Vec<SocketAddr> = peers.filter(|peer| found.insert(*peer)).collect();
            if !peers.is_empty() {
                turn.events.push_back(Event::Peers { info_hash: *info_hash, peers });
            }
        }
    }

    fn finish(&mut self, number: u64, turn: &mut Turn<'_>) {
        let Some(search) = self.searches.remove(&number) else { return };
        if self.bootstrap == Some(number) {
            self.bootstrap = None;
            self.bootstrap_due = turn.now + self.retry;
            self.retry = (self.retry * 2).min(MAX_RETRY);
        }
        let Goal::Peers { info_hash, announce, found } = search.goal else { return };
        for (contact, token) in search.lookup.closest() {
            if let (Some(port), Some(token)) = (announce, token) {
                let query =
                    Query::AnnouncePeer { info_hash, port: Some(port), token: token.to_vec() };
                self.ask(contact.addr, Some(contact.id), Purpose::Announce, query, turn);
            }
        }
        let (nodes, peers) = (search.lookup.closest().count(), found.len());
        tracing::debug!(%info_hash, family = ?self.family, nodes, peers, "DHT search ended");
        turn.events.push_back(Event::Searched { info_hash, family: self.family, peers });
    }

    fn lost(&mut self, pending: Pending) {
        self.table.failed(pending.to);
        if let Purpose::Search(number) = pending.purpose
            && let Some(search) = self.searches.get_mut(&number)
        {
            search.lookup.failed(pending.to, pending.expected);
        }
    }

    fn count_vote(&mut self, from: SocketAddr, seen_as: SocketAddr, turn: &mut Turn<'_>) {
        self.votes.add(from, seen_as);
        let may_rename =
            self.renamed.is_none_or(|at| turn.now.saturating_since(at) >= RENAME_AFTER);
        let Some(ip) = self.votes.result().filter(|ip| may_rename && !self.own().fits(*ip)) else {
            return;
        };
        self.table.rename(NodeId::for_address(ip, turn.rng), turn.now);
        self.votes.clear();
        self.renamed = Some(turn.now);
        (self.bootstrap_due, self.retry) = (turn.now, FIRST_RETRY);
    }

    fn may_ping_more(&self) -> bool {
        self.transactions.count(Purpose::Ping) < PINGS
    }

    fn may_ping(&self, addr: SocketAddr) -> bool {
        self.may_ping_more() && !self.transactions.is_asking(addr)
    }

    /// Pings a node if the table would store it.
    fn ping(&mut self, contact: Contact, turn: &mut Turn<'_>) {
        if is_askable(contact.addr) && self.table.would_add(contact) && self.may_ping(contact.addr)
        {
            self.ask(contact.addr, None, Purpose::Ping, Query::Ping, turn);
        }
    }

    fn ask(
        &mut self,
        to: SocketAddr,
        expected: Option<NodeId>,
        purpose: Purpose,
        query: Query,
        turn: &mut Turn<'_>,
    ) {
        let Some(transaction) = self.transactions.begin(to, expected, purpose, turn.rng, turn.now)
        else {
            return;
        };
        let looks_for_nodes = matches!(query, Query::FindNode { .. });
        let want = (turn.both && looks_for_nodes).then_some(Want { v4: true, v6: true });
        let body = Body::Query { id: self.own(), query, want, read_only: turn.read_only };
        let message = Message { transaction: transaction.to_vec(), seen_as: None, body };
        turn.packets.push_back((to, message.encode()));
    }
}

/// Returns whether packets may be sent to this address at all.
pub(super) fn is_askable(addr: SocketAddr) -> bool {
    let ip = addr.ip();
    let is_odd = match ip {
        IpAddr::V4(v4) => v4.is_broadcast() || v4.octets()[0] == 0 || v4.octets()[0] >= 240,
        IpAddr::V6(v6) => v6.to_ipv4_mapped().is_some(),
    };
    addr.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !is_odd
}

/// Returns whether a node at `from` may make us contact `addr`.
///
/// A node on the internet must not make us scan the local network.
fn is_plausible(addr: SocketAddr, from: SocketAddr) -> bool {
    is_askable(addr) && (is_local(from.ip()) || !is_local(addr.ip()))
}
