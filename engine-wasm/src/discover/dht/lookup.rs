//! An iterative lookup (BEP 5, `get_peers` and `find_node`).
//!
//! A lookup asks the known nodes nearest to a target for nearer ones, until none is left. This
//! module owns the nodes of one lookup and their state; it sends nothing and reads no clock.
//! Invariant: a lookup ends whatever others answer. It sends at most [`MAX_QUERIES`] queries, each
//! of which is answered or times out, and remembers at most [`MAX_HEARD`] nodes of each kind.
//!
//! Nodes with proven IDs (BEP 42) and other nodes are kept in two rows that advance side by side.
//! So attackers who choose IDs near the target displace only each other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::message::Contact;
use super::node_id::{Distance, NodeId};
use super::table::BUCKET;
use crate::addresses::{is_local, machine};

/// Most outstanding queries of one lookup (Kademlia's *α*). A slow query does not count.
pub(crate) const PARALLEL: usize = 4;
/// Most nodes remembered in each of the two rows.
pub(crate) const MAX_HEARD: usize = 100;
/// Most queries of one lookup. A network with millions of nodes needs 20 to 40.
pub(crate) const MAX_QUERIES: usize = 150;
/// Most queries to nodes with unproven IDs.
const MAX_UNPROVEN_QUERIES: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Heard,
    Asked { slow: bool },
    Answered { token: Option<Vec<u8>> },
    Failed,
}

#[derive(Clone, Debug)]
struct Candidate {
    contact: Contact,
    state: State,
}

/// Nodes ordered by their distance from the target.
#[derive(Clone, Debug, Default)]
struct Row {
    candidates: BTreeMap<Distance, Candidate>,
    /// IP addresses of the row's nodes that have not failed.
    machines: BTreeSet<IpAddr>,
    queries: usize,
}

impl Row {
    /// Adds a node that another node named, or that answered.
    fn add(&mut self, distance: Distance, contact: Contact, state: State) {
        let machine = machine(contact.addr.ip());
        let is_known =
            |known: &Candidate| known.state != State::Failed || known.contact.addr == contact.addr;
        if self.candidates.get(&distance).is_some_and(is_known) || self.machines.contains(&machine)
        {
            return;
        }
        // A node that failed to answer under one ID is not asked under another.
        let hides = |known: &Candidate| state == State::Heard || known.state != State::Failed;
        if self.candidates.values().any(|known| known.contact.addr == contact.addr && hides(known))
        {
            return;
        }
        if self.candidates.len() >= MAX_HEARD {
            let farthest =
                self.candidates.iter().rev().find(|(_, candidate)| candidate.state == State::Heard);
            let Some((&farthest, _)) = farthest.filter(|(farthest, _)| **farthest > distance)
            else {
                return;
            };
            self.remove(farthest);
        }
        if !is_local(contact.addr.ip()) {
            self.machines.insert(machine);
        }
        self.candidates.insert(distance, Candidate { contact, state });
    }

    fn remove(&mut self, distance: Distance) {
        if let Some(candidate) = self.candidates.remove(&distance) {
            self.machines.remove(&machine(candidate.contact.addr.ip()));
        }
    }

    /// The nearest nodes that have neither failed nor are slow.
    ///
    /// Once all of them have answered, the lookup is done. A slow node that answers in time is
    /// included again.
    fn front(&self) -> impl Iterator<Item = (&Distance, &Candidate)> {
        let counts = |state: &State| !matches!(state, State::Failed | State::Asked { slow: true });
        self.candidates.iter().filter(move |(_, candidate)| counts(&candidate.state)).take(BUCKET)
    }

    /// The nearest of these nodes that has not been asked.
    fn next(&self) -> Option<Distance> {
        self.front()
            .find(|(_, candidate)| candidate.state == State::Heard)
            .map(|(distance, _)| *distance)
    }

    fn is_done(&self) -> bool {
        self.front().all(|(_, candidate)| matches!(candidate.state, State::Answered { .. }))
    }

    /// The nearest nodes that answered.
    fn answered(&self) -> impl Iterator<Item = (Contact, Option<&[u8]>)> {
        let answered = self.candidates.values().filter_map(|candidate| match &candidate.state {
            State::Answered { token } => Some((candidate.contact, token.as_deref())),
            _ => None,
        });
        answered.take(BUCKET)
    }

    fn set(&mut self, distance: Distance, state: State) -> bool {
        let candidate = self.candidates.get_mut(&distance);
        let Some(candidate) =
            candidate.filter(|candidate| matches!(candidate.state, State::Asked { .. }))
        else {
            return false;
        };
        if state == State::Failed {
            self.machines.remove(&machine(candidate.contact.addr.ip()));
        }
        candidate.state = state;
        true
    }
}

/// A lookup.
#[derive(Clone, Debug)]
pub(crate) struct Lookup {
    target: NodeId,
    proven: Row,
    unproven: Row,
    /// Addresses without a known ID, to start from when no node is known.
    addresses: Vec<SocketAddr>,
    strangers_asked: BTreeMap<SocketAddr, bool>,
}

impl Lookup {
    /// Starts a lookup from these nodes and from addresses with unknown IDs.
    pub(crate) fn new(
        target: NodeId,
        nodes: impl IntoIterator<Item = Contact>,
        addresses: Vec<SocketAddr>,
    ) -> Self {
        let (proven, unproven) = (Row::default(), Row::default());
        let mut lookup =
            Self { target, proven, unproven, addresses, strangers_asked: BTreeMap::new() };
        nodes.into_iter().for_each(|node| lookup.add(node));
        lookup
    }

    /// Returns the target.
    pub(crate) fn target(&self) -> NodeId {
        self.target
    }

    /// Adds a node that another node named.
    pub(crate) fn add(&mut self, contact: Contact) {
        let distance = contact.id.distance(self.target);
        self.row(contact).add(distance, contact, State::Heard);
    }

    /// Returns the next node to ask, with the expected ID.
    ///
    /// Call [`Lookup::answered`] or [`Lookup::failed`] for each.
    pub(crate) fn poll_query(&mut self) -> Option<(SocketAddr, Option<NodeId>)> {
        if self.under_way() >= PARALLEL || self.queries() >= MAX_QUERIES {
            return None;
        }
        let is_open = self.unproven.queries < MAX_UNPROVEN_QUERIES;
        let unproven =
            || self.unproven.next().filter(|_| is_open).map(|distance| (distance, false));
        let proven = || self.proven.next().map(|distance| (distance, true));
        // Two of three queries go to the proven row.
        let favours_proven = self.proven.queries <= 2 * self.unproven.queries;
        let next =
            if favours_proven { proven().or_else(unproven) } else { unproven().or_else(proven) };
        if let Some((distance, is_proven)) = next {
            let row = if is_proven { &mut self.proven } else { &mut self.unproven };
            row.queries += 1;
            let candidate = row.candidates.get_mut(&distance).expect("next() found it there");
            candidate.state = State::Asked { slow: false };
            return Some((candidate.contact.addr, Some(candidate.contact.id)));
        }
        let stranger = self.addresses.pop()?;
        self.strangers_asked.insert(stranger, false);
        Some((stranger, None))
    }

    /// Notes that a query is slow; another one may then be sent in addition.
    pub(crate) fn slow(&mut self, addr: SocketAddr, id: Option<NodeId>) {
        if let Some(slow) = self.strangers_asked.get_mut(&addr) {
            *slow = true;
        } else if let Some(id) = id {
            self.set(Contact { id, addr }, State::Asked { slow: true });
        }
    }

    /// Handles an answer with nodes. `expected` is the ID from [`Lookup::poll_query`].
    pub(crate) fn answered(
        &mut self,
        contact: Contact,
        expected: Option<NodeId>,
        nodes: impl IntoIterator<Item = Contact>,
        token: Option<Vec<u8>>,
    ) {
        self.strangers_asked.remove(&contact.addr);
        let answered = State::Answered { token };
        if expected == Some(contact.id) {
            if !self.set(contact, answered) {
                return;
            }
        } else {
            // The node has no known ID or another one than expected: whoever named it may have lied
            // or may have old data.
            if let Some(id) = expected {
                self.set(Contact { id, ..contact }, State::Failed);
            }
            let distance = contact.id.distance(self.target);
            self.row(contact).add(distance, contact, answered);
        }
        nodes.into_iter().for_each(|node| self.add(node));
    }

    /// Handles a query without an answer.
    pub(crate) fn failed(&mut self, addr: SocketAddr, expected: Option<NodeId>) {
        self.strangers_asked.remove(&addr);
        if let Some(id) = expected {
            self.set(Contact { id, addr }, State::Failed);
        }
    }

    /// Returns whether no node is left to ask or to wait for.
    pub(crate) fn is_done(&self) -> bool {
        let waits = || self.under_way() > 0;
        if self.queries() >= MAX_QUERIES {
            return !waits();
        }
        let unproven_is_done =
            self.unproven.is_done() || (self.unproven.queries >= MAX_UNPROVEN_QUERIES && !waits());
        self.proven.is_done()
            && unproven_is_done
            && self.addresses.is_empty()
            && self.strangers_asked.is_empty()
    }

    /// Returns the nearest nodes that answered, of each row. The bytes are a node's token for an
    /// announce.
    pub(crate) fn closest(&self) -> impl Iterator<Item = (Contact, Option<&[u8]>)> {
        [&self.proven, &self.unproven].into_iter().flat_map(Row::answered)
    }

    /// The number of outstanding queries that are not slow.
    fn under_way(&self) -> usize {
        let is_quick = |candidate: &&Candidate| candidate.state == State::Asked { slow: false };
        let named = self
            .proven
            .candidates
            .values()
            .chain(self.unproven.candidates.values())
            .filter(is_quick)
            .count();
        named + self.strangers_asked.values().filter(|slow| !**slow).count()
    }

    fn queries(&self) -> usize {
        self.proven.queries + self.unproven.queries
    }

    fn row(&mut self, contact: Contact) -> &mut Row {
        if contact.id.fits(contact.addr.ip()) { &mut self.proven } else { &mut self.unproven }
    }

    fn set(&mut self, contact: Contact, state: State) -> bool {
        let distance = contact.id.distance(self.target);
        self.row(contact).set(distance, state)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TARGET: NodeId = NodeId([0; 20]);

    /// Returns a node at this distance. The node's address is local, so that its ID counts as
    /// proven.
    fn near(distance: u8) -> Contact {
        let mut id = [0; 20];
        id[19] = distance;
        Contact { id: NodeId(id), addr: SocketAddr::from(([10, 0, 0, distance], 6881)) }
    }

    /// Returns a node at this distance whose ID does not fit its address.
    fn unproven(distance: u8) -> Contact {
        let contact =
            Contact { addr: SocketAddr::from(([1, 2, 3, distance], 6881)), ..near(distance) };
        assert!(!contact.id.fits(contact.addr.ip()));
        contact
    }

    fn begin(nodes: impl IntoIterator<Item = Contact>) -> Lookup {
        Lookup::new(TARGET, nodes, Vec::new())
    }

    fn last_byte(addr: SocketAddr) -> u8 {
        match addr.ip() {
            IpAddr::V4(ip) => ip.octets()[3],
            IpAddr::V6(ip) => ip.octets()[15],
        }
    }

    /// Checks which nodes are asked now.
    fn check(lookup: &mut Lookup, expected: &[u8]) {
        let asked: Vec<u8> =
            std::iter::from_fn(|| lookup.poll_query()).map(|(addr, _)| last_byte(addr)).collect();
        assert_eq!(asked, expected);
    }

    fn answer(lookup: &mut Lookup, from: Contact, nodes: &[Contact]) {
        lookup.answered(from, Some(from.id), nodes.iter().copied(), Some(vec![1]));
    }

    fn closest(lookup: &Lookup) -> Vec<u8> {
        lookup.closest().map(|(contact, _)| last_byte(contact.addr)).collect()
    }

    #[test]
    fn the_nearest_are_asked_first_a_few_at_a_time() {
        let mut lookup = begin((1..=20).map(near));
        check(&mut lookup, &[1, 2, 3, 4]);
        answer(&mut lookup, near(2), &[]);
        check(&mut lookup, &[5]);
        lookup.slow(near(1).addr, Some(near(1).id));
        check(&mut lookup, &[6]);
    }

    #[test]
    fn it_ends_when_the_eight_nearest_have_answered() {
        let mut lookup = begin((10..=30).map(near));
        check(&mut lookup, &[10, 11, 12, 13]);
        answer(&mut lookup, near(10), &[near(1)]);
        check(&mut lookup, &[1]);
        lookup.failed(near(11).addr, Some(near(11).id));
        for distance in [1, 12, 13, 14, 15, 16, 17] {
            assert!(!lookup.is_done());
            while lookup.poll_query().is_some() {}
            answer(&mut lookup, near(distance), &[]);
        }
        assert!(lookup.is_done());
        assert_eq!(closest(&lookup), [1, 10, 12, 13, 14, 15, 16, 17]);
    }

    #[test]
    fn without_known_nodes_a_lookup_starts_from_bare_addresses() {
        let mut lookup = Lookup::new(TARGET, [], vec![near(9).addr, near(8).addr]);
        check(&mut lookup, &[8, 9]);
        lookup.answered(near(8), None, [near(3)], None);
        lookup.failed(near(9).addr, None);
        check(&mut lookup, &[3]);
        answer(&mut lookup, near(3), &[]);
        assert!(lookup.is_done());
        assert_eq!(closest(&lookup), [3, 8]);
    }

    #[test]
    fn a_node_with_another_id_than_expected_is_placed_by_its_own_id() {
        let mut lookup = begin([near(1)]);
        check(&mut lookup, &[1]);
        let real = Contact { id: near(7).id, ..near(1) };
        lookup.answered(real, Some(near(1).id), [near(2)], None);
        check(&mut lookup, &[2]);
        answer(&mut lookup, near(2), &[]);
        assert_eq!((lookup.is_done(), closest(&lookup)), (true, vec![2, 1]));
    }

    #[test]
    fn a_machine_is_queried_once_unless_it_failed() {
        let second = Contact { addr: SocketAddr::new(unproven(1).addr.ip(), 99), ..unproven(2) };
        let mut lookup = begin([unproven(1), second]);
        check(&mut lookup, &[1]);
        lookup.failed(unproven(1).addr, Some(unproven(1).id));
        lookup.add(second);
        assert_eq!(lookup.poll_query(), Some((second.addr, Some(second.id))));
    }

    #[test]
    fn a_false_address_of_a_node_does_not_hide_the_true_one() {
        let wrong = Contact { addr: near(77).addr, ..near(1) };
        let mut lookup = begin([wrong]);
        check(&mut lookup, &[77]);
        lookup.failed(wrong.addr, Some(wrong.id));
        lookup.add(near(1));
        check(&mut lookup, &[1]);
    }

    #[test]
    fn liars_near_the_target_do_not_displace_proven_nodes() {
        let mut lookup = begin((100..=120).map(near));
        (1..=90).for_each(|distance| lookup.add(unproven(distance)));
        for _ in 0..MAX_QUERIES {
            let Some((addr, expected)) = lookup.poll_query() else { break };
            let id = expected.unwrap();
            let more: Vec<Contact> =
                if last_byte(addr) >= 100 { Vec::new() } else { (1..=99).map(unproven).collect() };
            answer(&mut lookup, Contact { id, addr }, &more);
        }
        assert!(lookup.is_done());
        assert_eq!(closest(&lookup)[..8], [100, 101, 102, 103, 104, 105, 106, 107]);
    }

    proptest! {
        /// Whatever others answer, a lookup ends and stays within its limits.
        #[test]
        fn every_lookup_ends(
            seed in prop::collection::vec((0u8..4, any::<u8>(), any::<u8>()), 1..50),
        ) {
            let mut deeds = seed.iter().cycle();
            let mut lookup = begin((0..4).map(near));
            let mut under_way = Vec::new();
            let mut steps = 0;
            while !lookup.is_done() {
                under_way.extend(std::iter::from_fn(|| lookup.poll_query()));
                prop_assert!(!under_way.is_empty(), "it waits for nothing");
                let &(deed, a, b) = deeds.next().unwrap();
                let (addr, expected) = under_way.swap_remove(usize::from(a) % under_way.len());
                let fake = |n: u8| {
                    let mut id = [n; 20];
                    (id[0], id[1]) = (u8::try_from(steps & 0xff).unwrap(), b);
                    Contact {
                        id: NodeId(id),
                        addr: SocketAddr::from(([a, b, n, u8::try_from(steps & 0x7f).unwrap()], 1)),
                    }
                };
                let id = expected.unwrap_or(NodeId([a; 20]));
                match deed {
                    0 => lookup.failed(addr, expected),
                    1 => lookup.answered(
                        Contact { id: NodeId([b; 20]), addr },
                        expected,
                        (0..8).map(fake),
                        None,
                    ),
                    _ => lookup.answered(Contact { id, addr }, expected, (0..60).map(fake), None),
                }
                steps += 1;
                prop_assert!(steps <= MAX_QUERIES);
                prop_assert!(
                    lookup.proven.candidates.len() <= MAX_HEARD
                        && lookup.unproven.candidates.len() <= MAX_HEARD
                );
            }
        }
    }
}
