//! The torrents' requests to the DHT, and when each is repeated.
//!
//! This list stands between the torrents and [`super::Dht`]. It knows neither nodes nor packets.
//! Invariant: a torrent is searched for at most every [`FIRST_RETRY`], and removed when it stops
//! asking.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::limits;
use crate::metainfo::InfoHash;
use crate::time::Instant;

/// Delay before a search without results is repeated.
///
/// It doubles each time, up to [`SEARCH_INTERVAL`].
pub(crate) const FIRST_RETRY: Duration = Duration::from_secs(15);
/// Delay between searches for a torrent that wants peers.
pub(crate) const SEARCH_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Delay between announces of a torrent that only wants to be found. Other nodes expire an announce
/// after half an hour.
pub(crate) const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(15 * 60);
/// A torrent that has not asked for this long is removed.
const FORGET_AFTER: Duration = Duration::from_secs(60);
/// Most nodes named by peers that wait to be contacted.
const MAX_NODES: usize = 64;
/// Most host names that wait to be resolved.
const MAX_HOSTS: usize = 16;

/// What a torrent wants from the DHT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wish {
    /// To be found by others.
    Announce,
    /// To find peers and be found by others.
    Peers,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    wish: Wish,
    asked: Instant,
    due: Instant,
    /// Number of consecutive searches that found no peers.
    failures: u32,
}

/// The torrents' requests to the DHT.
#[derive(Clone, Debug, Default)]
pub(crate) struct DhtRequests {
    requests: BTreeMap<InfoHash, Request>,
    nodes: BTreeSet<SocketAddr>,
    hosts: BTreeSet<(String, u16)>,
    /// `None` if there is no node. Else the port at which the node answers, if it does.
    node: Option<Option<u16>>,
}

impl DhtRequests {
    /// Records what a torrent wants. The torrent repeats this at least twice a minute.
    pub(crate) fn ask(&mut self, info_hash: InfoHash, wish: Wish, now: Instant) {
        if !self.requests.contains_key(&info_hash) && self.requests.len() >= limits::TORRENTS {
            return;
        }
        let fresh = Request { wish, asked: now, due: now, failures: 0 };
        let request = self.requests.entry(info_hash).or_insert(fresh);
        if request.wish < wish {
            *request = fresh;
        }
        (request.wish, request.asked) = (wish, now);
    }

    /// Adds a node's address that a peer or a `.torrent` file named.
    pub(crate) fn add_node(&mut self, addr: SocketAddr) {
        if self.nodes.len() < MAX_NODES {
            self.nodes.insert(addr);
        }
    }

    /// Adds a node by host name, or by IP address as text.
    pub(crate) fn add_host(&mut self, host: &str, port: u16) {
        if let Ok(ip) = host.parse::<IpAddr>() {
            self.add_node(SocketAddr::new(ip, port));
        } else if self.hosts.len() < MAX_HOSTS {
            self.hosts.insert((host.to_owned(), port));
        }
    }

    /// Takes the next host name to resolve.
    pub(crate) fn poll_host(&mut self) -> Option<(String, u16)> {
        self.hosts.pop_first()
    }

    /// Sets the port at which our node answers queries. `None` if no node exists; the inner `None`
    /// if it answers none.
    pub(crate) fn set_node(&mut self, node: Option<Option<u16>>) {
        self.node = node;
    }

    /// Returns whether a node exists.
    pub(crate) fn has_node(&self) -> bool {
        self.node.is_some()
    }

    /// Returns the port at which the node answers queries.
    pub(crate) fn node_port(&self) -> Option<u16> {
        self.node.flatten()
    }

    /// Takes the next node address to contact.
    pub(crate) fn poll_node(&mut self) -> Option<SocketAddr> {
        self.nodes.pop_first()
    }

    /// Takes the next torrent to search for.
    ///
    /// Torrents that only want to be found are skipped if `may_be_found` is false.
    pub(crate) fn poll(&mut self, may_be_found: bool, now: Instant) -> Option<InfoHash> {
        let is_due =
            |request: &Request| request.due <= now && (may_be_found || request.wish == Wish::Peers);
        let (&info_hash, request) =
            self.requests.iter_mut().find(|(_, request)| is_due(request))?;
        request.due =
            now + if request.wish == Wish::Peers { SEARCH_INTERVAL } else { ANNOUNCE_INTERVAL };
        Some(info_hash)
    }

    /// Makes all requests due at once, because our address changed.
    pub(crate) fn make_due(&mut self, now: Instant) {
        self.requests.values_mut().for_each(|request| request.due = request.due.min(now));
    }

    /// Handles the end of a search.
    pub(crate) fn searched(&mut self, info_hash: InfoHash, peers: usize, now: Instant) {
        let Some(request) = self.requests.get_mut(&info_hash) else { return };
        if peers > 0 {
            request.failures = 0;
        } else if request.wish == Wish::Peers {
            let wait = FIRST_RETRY * (1 << request.failures.min(8));
            request.due = request.due.min(now + wait);
            request.failures += 1;
        }
    }

    /// Removes and returns the next torrent that no longer wants anything.
    pub(crate) fn poll_forgotten(&mut self, now: Instant) -> Option<InfoHash> {
        let mut requests = self.requests.iter();
        let (&info_hash, _) =
            requests.find(|(_, request)| now.saturating_since(request.asked) >= FORGET_AFTER)?;
        self.requests.remove(&info_hash);
        Some(info_hash)
    }

    /// Returns when the next request is due.
    pub(crate) fn next_due(&self, may_be_found: bool) -> Option<Instant> {
        let requests =
            self.requests.values().filter(|request| may_be_found || request.wish == Wish::Peers);
        requests.map(|request| request.due.min(request.asked + FORGET_AFTER)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: InfoHash = InfoHash([1; 20]);
    const B: InfoHash = InfoHash([2; 20]);

    fn at(seconds: u64) -> Instant {
        Instant(0) + Duration::from_secs(seconds)
    }

    /// Checks which torrents are due at this time; all of them keep asking.
    fn check(requests: &mut DhtRequests, seconds: u64, expected: &[InfoHash]) {
        let due: Vec<InfoHash> = std::iter::from_fn(|| requests.poll(true, at(seconds))).collect();
        assert_eq!(due, expected, "at {seconds} s");
    }

    #[test]
    fn a_torrent_that_wants_peers_is_searched_at_once_and_every_five_minutes() {
        let mut requests = DhtRequests::default();
        requests.ask(A, Wish::Peers, at(0));
        check(&mut requests, 0, &[A]);
        requests.searched(A, 3, at(5));
        requests.ask(A, Wish::Peers, at(200));
        check(&mut requests, 299, &[]);
        check(&mut requests, 300, &[A]);
    }

    #[test]
    fn a_search_without_peers_is_repeated_sooner() {
        let mut requests = DhtRequests::default();
        requests.ask(A, Wish::Peers, at(0));
        check(&mut requests, 0, &[A]);
        requests.searched(A, 0, at(1));
        check(&mut requests, 15, &[]);
        check(&mut requests, 16, &[A]);
        requests.searched(A, 0, at(17));
        check(&mut requests, 46, &[]);
        check(&mut requests, 47, &[A]);
        for _ in 0..50 {
            requests.searched(A, 0, at(47));
            requests.poll(true, at(1_000_000));
        }
        requests.ask(A, Wish::Peers, at(2_000_000));
        check(&mut requests, 2_000_000, &[A]);
        requests.searched(A, 0, at(2_000_000));
        check(&mut requests, 2_000_299, &[]);
        check(&mut requests, 2_000_300, &[A]);
    }

    #[test]
    fn a_seed_is_announced_every_quarter_of_an_hour_if_reachable() {
        let mut requests = DhtRequests::default();
        requests.ask(A, Wish::Announce, at(0));
        assert_eq!((requests.poll(false, at(0)), requests.next_due(false)), (None, None));
        check(&mut requests, 0, &[A]);
        requests.searched(A, 0, at(1));
        check(&mut requests, 899, &[]);
        check(&mut requests, 900, &[A]);
        requests.ask(A, Wish::Peers, at(901));
        check(&mut requests, 901, &[A]);
    }

    #[test]
    fn a_torrent_that_stops_asking_is_removed() {
        let mut requests = DhtRequests::default();
        requests.ask(A, Wish::Peers, at(0));
        requests.ask(B, Wish::Peers, at(30));
        check(&mut requests, 30, &[A, B]);
        assert_eq!(requests.next_due(true), Some(at(60)));
        assert_eq!(requests.poll_forgotten(at(59)), None);
        assert_eq!(
            (requests.poll_forgotten(at(60)), requests.poll_forgotten(at(60))),
            (Some(A), None)
        );
        check(&mut requests, 400, &[B]);
    }

    #[test]
    fn each_node_is_returned_once() {
        let mut requests = DhtRequests::default();
        let node = |port| SocketAddr::from(([1, 2, 3, 4], port));
        (1..=200).for_each(|port| requests.add_node(node(port)));
        requests.add_node(node(1));
        let named: Vec<SocketAddr> = std::iter::from_fn(|| requests.poll_node()).collect();
        assert_eq!((named.len(), named[0]), (MAX_NODES, node(1)));
        requests.add_host("10.0.0.1", 5);
        requests.add_host("node.example", 6);
        assert_eq!(requests.poll_node(), Some("10.0.0.1:5".parse().unwrap()));
        assert_eq!(
            (requests.poll_host(), requests.poll_host()),
            (Some(("node.example".to_owned(), 6)), None)
        );
    }
}
