//! The routing table (BEP 5): many nodes near our own ID, few far from it.
//!
//! This module owns the buckets and the state of their nodes; it sends nothing. Invariant: each
//! node has answered us from its address. Each bucket (the number of leading bits shared with our
//! ID) has at most [`BUCKET`] nodes, and as many in reserve. Each machine outside the local network
//! has at most one node.
//!
//! A node is *good* if it answered or queried us within the last 15 minutes, and *questionable* if
//! it was silent for longer. It is *bad* after two queries in a row without an answer. A new node
//! replaces a bad one, and a proven node (BEP 42) replaces an unproven one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::Rng;

use super::message::Contact;
use super::node_id::NodeId;
use crate::addresses::{is_local, machine};
use crate::time::Instant;

/// Nodes per bucket, and per answer (Kademlia's *k*). A lookup's final stage takes as many.
pub(crate) const BUCKET: usize = 8;
/// How long a node stays good without contact. Each bucket is refreshed as often.
pub(crate) const FRESH: Duration = Duration::from_secs(15 * 60);
/// Number of unanswered queries in a row that make a node bad.
const BAD_AFTER: u32 = 2;
/// Number of unanswered queries after which a node is removed without a replacement. It is higher
/// than [`BAD_AFTER`], so that a network outage does not empty the table.
const FORGOTTEN_AFTER: u32 = 6;
/// Shortest time between two queries to a questionable node.
const ASK_AGAIN: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
struct Node {
    contact: Contact,
    /// When it last answered or queried us.
    heard: Instant,
    /// When [`Table::poll_questionable`] last returned it.
    asked: Instant,
    failures: u32,
}

impl Node {
    fn is_bad(&self) -> bool {
        self.failures >= BAD_AFTER
    }

    fn is_proven(&self) -> bool {
        self.contact.id.fits(self.contact.addr.ip())
    }

    /// The order of replacement: the node with the smallest value is replaced first.
    fn worth(&self) -> (bool, bool, Instant) {
        (!self.is_bad(), self.is_proven(), self.heard)
    }
}

#[derive(Clone, Debug, Default)]
struct Bucket {
    nodes: Vec<Node>,
    /// Replacements for nodes that leave the bucket.
    reserve: Vec<Node>,
    /// When a node was last added or answered.
    touched: Instant,
}

impl Bucket {
    /// Adds a node if there is room or a node to replace. Returns the node left without a place,
    /// which may be the added one.
    fn place(&mut self, node: Node) -> Option<Node> {
        if self.nodes.len() < BUCKET {
            self.nodes.push(node);
            return None;
        }
        let least =
            self.nodes.iter_mut().min_by_key(|node| node.worth()).expect("a full bucket has nodes");
        let gives_way = least.is_bad() || (node.is_proven() && !least.is_proven());
        let left = if gives_way { std::mem::replace(least, node) } else { node };
        if left.is_bad() {
            return Some(left);
        }
        self.reserve.push(left);
        if self.reserve.len() <= BUCKET {
            return None;
        }
        let (at, _) = self.reserve.iter().enumerate().min_by_key(|(_, node)| node.worth())?;
        Some(self.reserve.swap_remove(at))
    }

    fn find(&mut self, addr: SocketAddr) -> Option<&mut Node> {
        self.nodes.iter_mut().chain(&mut self.reserve).find(|node| node.contact.addr == addr)
    }

    fn take(&mut self, addr: SocketAddr) -> Option<Node> {
        for list in [&mut self.nodes, &mut self.reserve] {
            if let Some(at) = list.iter().position(|node| node.contact.addr == addr) {
                return Some(list.swap_remove(at));
            }
        }
        None
    }

    /// Moves nodes from the reserve into free places.
    fn refill(&mut self) {
        while self.nodes.len() < BUCKET
            && let Some((at, _)) =
                self.reserve.iter().enumerate().max_by_key(|(_, node)| node.worth())
        {
            let node = self.reserve.swap_remove(at);
            self.nodes.push(node);
        }
    }
}

/// The routing table of one network.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    own: NodeId,
    /// Buckets by the number of leading bits shared with `own`.
    buckets: BTreeMap<u32, Bucket>,
    /// The bucket of each node.
    places: BTreeMap<SocketAddr, u32>,
    /// Machines outside the local network that have a node.
    machines: BTreeSet<IpAddr>,
}

impl Table {
    /// Creates an empty table.
    pub(crate) fn new(own: NodeId) -> Self {
        Self { own, buckets: BTreeMap::new(), places: BTreeMap::new(), machines: BTreeSet::new() }
    }

    /// Returns our own node ID.
    pub(crate) fn own(&self) -> NodeId {
        self.own
    }

    /// Returns the number of nodes, without the reserve.
    pub(crate) fn len(&self) -> usize {
        self.buckets.values().map(|bucket| bucket.nodes.len()).sum()
    }

    /// Returns whether the table is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Iterates over all nodes that are not bad, without the reserve.
    pub(crate) fn contacts(&self) -> impl Iterator<Item = Contact> {
        let nodes = self.buckets.values().flat_map(|bucket| &bucket.nodes);
        nodes.filter(|node| !node.is_bad()).map(|node| node.contact)
    }

    /// Returns up to `most` nodes nearest to a target, nearest first. Bad nodes are left out.
    pub(crate) fn closest(&self, target: NodeId, most: usize) -> Vec<Contact> {
        let mut all: Vec<Contact> = self.contacts().collect();
        all.sort_unstable_by_key(|contact| contact.id.distance(target));
        all.truncate(most);
        all
    }

    /// Handles an answer: adds the node if there is room.
    pub(crate) fn answered(&mut self, contact: Contact, now: Instant) {
        let Some(bits) = self.bucket_of(contact.id) else { return };
        if let Some(&place) = self.places.get(&contact.addr) {
            let bucket = self.buckets.get_mut(&place).expect("places names existing buckets");
            if let Some(node) = bucket.find(contact.addr)
                && node.contact.id == contact.id
            {
                (node.heard, node.failures) = (now, 0);
                bucket.touched = now;
                return;
            }
            // The node changed its ID.
            self.remove(contact.addr);
        }
        if !self.is_free(contact.addr.ip()) || self.has_other(bits, contact) {
            return;
        }
        let bucket = self.buckets.entry(bits).or_default();
        bucket.touched = now;
        let left = bucket.place(Node { contact, heard: now, asked: now, failures: 0 });
        self.places.insert(contact.addr, bits);
        if !is_local(contact.addr.ip()) {
            self.machines.insert(machine(contact.addr.ip()));
        }
        if let Some(left) = left {
            self.vacate(left.contact.addr);
        }
    }

    /// Handles a query from a node.
    pub(crate) fn asked(&mut self, contact: Contact, now: Instant) {
        let bucket = self.places.get(&contact.addr).and_then(|bits| self.buckets.get_mut(bits));
        if let Some(node) = bucket.and_then(|bucket| bucket.find(contact.addr))
            && node.contact.id == contact.id
            // A bad node must answer a query to become good again.
            && !node.is_bad()
        {
            node.heard = now;
        }
    }

    /// Handles a query that the node did not answer.
    pub(crate) fn failed(&mut self, addr: SocketAddr) {
        let Some(bits) = self.places.get(&addr) else { return };
        let bucket = self.buckets.get_mut(bits).expect("places names existing buckets");
        let has_reserve = !bucket.reserve.is_empty();
        let Some(node) = bucket.find(addr) else { return };
        node.failures += 1;
        if node.failures >= FORGOTTEN_AFTER || (node.is_bad() && has_reserve) {
            self.remove(addr);
        }
    }

    /// Returns whether a node named by others would be added if it answered.
    pub(crate) fn would_add(&self, contact: Contact) -> bool {
        let Some(bits) = self.bucket_of(contact.id) else { return false };
        if self.places.contains_key(&contact.addr) || !self.is_free(contact.addr.ip()) {
            return false;
        }
        let Some(bucket) = self.buckets.get(&bits) else { return true };
        let gives_way = |node: &Node| node.is_bad() || !node.is_proven();
        bucket.nodes.len() < BUCKET
            || bucket.reserve.len() < BUCKET / 2
            || bucket.nodes.iter().any(gives_way)
    }

    /// Returns the questionable node that was silent longest.
    ///
    /// The same node is not returned again for [`ASK_AGAIN`].
    pub(crate) fn poll_questionable(&mut self, now: Instant) -> Option<Contact> {
        let nodes = self.buckets.values_mut().flat_map(|bucket| &mut bucket.nodes);
        let silent = |node: &&mut Node| {
            let is_due = now.saturating_since(node.asked) >= ASK_AGAIN;
            is_due && (node.failures > 0 || now.saturating_since(node.heard) >= FRESH)
        };
        let node = nodes.filter(silent).min_by_key(|node| node.heard)?;
        node.asked = now;
        Some(node.contact)
    }

    /// Returns a target in a bucket that needs a refresh.
    ///
    /// The same bucket is not returned again for [`FRESH`].
    pub(crate) fn poll_stale(&mut self, rng: &mut impl Rng, now: Instant) -> Option<NodeId> {
        let own = self.own;
        let is_stale = |bucket: &Bucket| now.saturating_since(bucket.touched) >= FRESH;
        let (&bits, bucket) = self.buckets.iter_mut().find(|(_, bucket)| is_stale(bucket))?;
        bucket.touched = now;
        Some(own.with_common_bits(bits, rng))
    }

    /// Changes our own ID and moves the nodes to their new buckets.
    pub(crate) fn rename(&mut self, own: NodeId, now: Instant) {
        let old = std::mem::replace(self, Self::new(own));
        old.buckets
            .into_values()
            .flat_map(|bucket| bucket.nodes)
            .for_each(|node| self.answered(node.contact, now));
    }

    /// Returns the bucket of an ID; `None` for our own ID.
    fn bucket_of(&self, id: NodeId) -> Option<u32> {
        Some(self.own.distance(id).common_bits()).filter(|bits| *bits < 160)
    }

    fn is_free(&self, ip: IpAddr) -> bool {
        is_local(ip) || !self.machines.contains(&machine(ip))
    }

    /// Returns whether another address has a node with this ID that is not bad.
    fn has_other(&self, bits: u32, contact: Contact) -> bool {
        let mut nodes = self
            .buckets
            .get(&bits)
            .into_iter()
            .flat_map(|bucket| bucket.nodes.iter().chain(&bucket.reserve));
        nodes.any(|node| node.contact.id == contact.id && !node.is_bad())
    }

    fn remove(&mut self, addr: SocketAddr) {
        if let Some(bits) = self.places.get(&addr)
            && let Some(bucket) = self.buckets.get_mut(bits)
        {
            bucket.take(addr);
            bucket.refill();
        }
        self.vacate(addr);
    }

    fn vacate(&mut self, addr: SocketAddr) {
        self.places.remove(&addr);
        if !is_local(addr.ip()) {
            self.machines.remove(&machine(addr.ip()));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::ChaCha8Rng;

    use super::*;

    const OWN: NodeId = NodeId([0; 20]);

    fn at(seconds: u64) -> Instant {
        Instant(1) + Duration::from_secs(seconds)
    }

    /// Returns node `number` of the farthest bucket. A local address proves the node's ID.
    fn far(number: u8) -> Contact {
        let mut id = [number; 20];
        id[0] = 0x80;
        Contact { id: NodeId(id), addr: SocketAddr::from(([10, 0, 0, number], 6881)) }
    }

    /// Returns such a node outside the local network with an unproven ID.
    fn unproven(number: u8) -> Contact {
        let contact = Contact { addr: SocketAddr::from(([1, 2, 3, number], 6881)), ..far(number) };
        assert!(!contact.id.fits(contact.addr.ip()));
        contact
    }

    fn full() -> Table {
        let mut table = Table::new(OWN);
        (1..=8).for_each(|number| table.answered(far(number), at(u64::from(number))));
        table
    }

    /// Checks the last bytes of all nodes' addresses, in order.
    fn check(table: &Table, expected: &[u8]) {
        let last = |addr: SocketAddr| match addr.ip() {
            IpAddr::V4(ip) => ip.octets()[3],
            IpAddr::V6(ip) => ip.octets()[15],
        };
        let mut got: Vec<u8> = table.contacts().map(|contact| last(contact.addr)).collect();
        got.sort_unstable();
        assert_eq!(got, expected);
    }

    #[test]
    fn a_full_bucket_keeps_its_good_nodes_and_newcomers_wait() {
        let mut table = full();
        table.answered(far(9), at(10));
        check(&table, &[1, 2, 3, 4, 5, 6, 7, 8]);
        table.failed(far(3).addr);
        check(&table, &[1, 2, 3, 4, 5, 6, 7, 8]);
        table.failed(far(3).addr);
        check(&table, &[1, 2, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_bad_node_is_replaced_by_the_next_node_that_answers() {
        let mut table = full();
        (0..2).for_each(|_| table.failed(far(3).addr));
        check(&table, &[1, 2, 4, 5, 6, 7, 8]);
        assert_eq!(table.len(), 8, "it is kept while its place is not needed");
        table.answered(far(9), at(10));
        check(&table, &[1, 2, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_bad_node_recovers_by_an_answer_or_is_forgotten() {
        let mut table = full();
        (0..5).for_each(|_| table.failed(far(3).addr));
        table.answered(far(3), at(10));
        check(&table, &[1, 2, 3, 4, 5, 6, 7, 8]);
        (0..6).for_each(|_| table.failed(far(3).addr));
        assert_eq!(table.len(), 7);
    }

    #[test]
    fn a_proven_node_replaces_an_unproven_one() {
        let mut table = Table::new(OWN);
        (1..=7).for_each(|number| table.answered(far(number), at(1)));
        table.answered(unproven(8), at(1));
        assert!(table.would_add(far(9)));
        table.answered(far(9), at(2));
        check(&table, &[1, 2, 3, 4, 5, 6, 7, 9]);
        table.answered(unproven(10), at(3));
        check(&table, &[1, 2, 3, 4, 5, 6, 7, 9]);
    }

    #[test]
    fn a_machine_has_one_node_and_a_local_one_any_number() {
        let mut table = Table::new(OWN);
        let (first, second) = (unproven(1), Contact { id: NodeId([0x40; 20]), ..unproven(1) });
        let second = Contact { addr: SocketAddr::new(second.addr.ip(), 7000), ..second };
        table.answered(first, at(1));
        table.answered(second, at(2));
        assert_eq!(table.len(), 1);
        (0..6).for_each(|_| table.failed(first.addr));
        table.answered(second, at(3));
        assert_eq!(table.contacts().collect::<Vec<_>>(), [second]);
        for port in 1..=5 {
            let id = NodeId([0x20 + u8::try_from(port).unwrap(); 20]);
            table.answered(Contact { id, addr: SocketAddr::from(([127, 0, 0, 1], port)) }, at(4));
        }
        assert_eq!(table.len(), 6);
    }

    #[test]
    fn a_node_that_changes_its_id_moves_to_its_new_bucket() {
        let mut table = full();
        let renamed = Contact { id: NodeId([0x10; 20]), ..far(1) };
        table.answered(renamed, at(9));
        assert_eq!((table.len(), table.closest(renamed.id, 1)), (8, vec![renamed]));
    }

    #[test]
    fn an_id_in_use_cannot_be_taken_over() {
        let mut table = full();
        table.answered(Contact { addr: far(99).addr, ..far(1) }, at(9));
        assert!(table.contacts().any(|contact| contact == far(1)));
        assert_eq!(table.len(), 8);
    }

    #[test]
    fn no_node_may_have_our_id() {
        let mut table = Table::new(OWN);
        table.answered(Contact { id: OWN, ..far(1) }, at(1));
        assert!(table.is_empty());
    }

    #[test]
    fn nodes_silent_for_a_quarter_of_an_hour_are_pinged_longest_silent_first() {
        let mut table = full();
        table.asked(far(1), at(600));
        assert_eq!(table.poll_questionable(at(901)), None);
        assert_eq!(table.poll_questionable(at(902)), Some(far(2)));
        assert_eq!(table.poll_questionable(at(902)), None);
        assert_eq!(table.poll_questionable(at(903)), Some(far(3)));
        assert_eq!(table.poll_questionable(at(932)), Some(far(2)), "it has not answered");
        table.failed(far(8).addr);
        table.answered(far(2), at(933));
        assert_eq!(table.poll_questionable(at(933)), Some(far(3)));
    }

    #[test]
    fn a_bucket_without_activity_is_refreshed() {
        let mut table = full();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert_eq!(table.poll_stale(&mut rng, at(907)), None);
        let target = table.poll_stale(&mut rng, at(908)).unwrap();
        assert_eq!(OWN.distance(target).common_bits(), 0);
        assert_eq!(table.poll_stale(&mut rng, at(908)), None);
    }

    #[test]
    fn changing_our_id_moves_the_nodes() {
        let mut table = full();
        table.answered(Contact { id: NodeId([0x40; 20]), addr: far(20).addr }, at(9));
        table.rename(NodeId([0xff; 20]), at(10));
        assert_eq!((table.len(), table.own()), (9, NodeId([0xff; 20])));
    }

    proptest! {
        /// After any sequence of events: places, buckets and machines agree, and the limits hold.
        #[test]
        fn the_table_agrees_with_itself(
            deeds in prop::collection::vec((0u8..4, any::<u8>(), any::<u8>(), 1u16..3), 0..300),
        ) {
            let mut table = Table::new(OWN);
            for (time, (deed, name, host, port)) in deeds.into_iter().enumerate() {
                let now = at(time as u64 * 20);
                // IDs share few buckets, and there are few machines.
                let mut id = [0; 20];
                (id[0], id[1], id[2], id[19]) = (name & 0xc7, name, name, name);
                let addr = SocketAddr::from(([10 + (host & 1), 0, 0, host & 63], port));
                let contact = Contact { id: NodeId(id), addr };
                match deed {
                    0 | 1 => table.answered(contact, now),
                    2 => table.failed(contact.addr),
                    _ => {
                        table.poll_questionable(now);
                    }
                }
                let mut seen = BTreeMap::new();
                let mut machines = BTreeSet::new();
                for (&bits, bucket) in &table.buckets {
                    prop_assert!(bucket.nodes.len() <= BUCKET && bucket.reserve.len() <= BUCKET);
                    for node in bucket.nodes.iter().chain(&bucket.reserve) {
                        prop_assert_eq!(OWN.distance(node.contact.id).common_bits(), bits);
                        prop_assert!(seen.insert(node.contact.addr, bits).is_none());
                        let ip = node.contact.addr.ip();
                        prop_assert!(is_local(ip) || machines.insert(machine(ip)));
                    }
                }
                prop_assert_eq!(&seen, &table.places);
                prop_assert_eq!(&machines, &table.machines);
            }
        }
    }
}
