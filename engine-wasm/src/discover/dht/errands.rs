//! The torrents' requests to the DHT, and when each is repeated.
//!
//! This list stands between the torrents and [`super::Dht`]. It knows neither nodes nor packets.
//! Invariant: a torrent is searched for at most every [`FIRST_AGAIN`], and removed when it stops
//! asking.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::limits;
use crate::metainfo::InfoHash;
use crate::time::Instant;

/// Delay before a search that found no peers is repeated; it doubles each time, up to [`AGAIN`].
pub const FIRST_AGAIN: Duration = Duration::from_secs(15);
/// Delay between searches for a torrent that wants peers.
pub const AGAIN: Duration = Duration::from_secs(5 * 60);
/// Delay between announces of a torrent that only wants to be found. Other nodes expire an announce
/// after half an hour.
pub const ANNOUNCE_AGAIN: Duration = Duration::from_secs(15 * 60);
/// A torrent that has not asked for this long is removed.
const FORGET_AFTER: Duration = Duration::from_secs(60);
/// Most nodes named by peers that wait to be contacted.
const MAX_NODES: usize = 64;
/// Most host names that wait to be resolved.
const MAX_HOSTS: usize = 16;

/// What a torrent wants from the DHT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// To be found by others.
    BeFound,
    /// To find peers and be found by others.
    Peers,
}

#[derive(Clone, Copy, Debug)]
struct Errand {
    wish: Wish,
    asked: Instant,
    due: Instant,
    /// Number of consecutive searches that found no peers.
    in_vain: u32,
}

/// The torrents' requests to the DHT.
#[derive(Clone, Debug, Default)]
pub struct Errands {
    errands: BTreeMap<InfoHash, Errand>,
    nodes: BTreeSet<SocketAddr>,
    hosts: BTreeSet<(String, u16)>,
    /// `None` if there is no node; else the port at which the node answers, if it does.
    node: Option<Option<u16>>,
}

impl Errands {
    /// Records what a torrent wants. The torrent repeats this at least twice a minute.
    pub fn ask(&mut self, info_hash: InfoHash, wish: Wish, now: Instant) {
        if !self.errands.contains_key(&info_hash) && self.errands.len() >= limits::TORRENTS {
            return;
        }
        let fresh = Errand { wish, asked: now, due: now, in_vain: 0 };
        let errand = self.errands.entry(info_hash).or_insert(fresh);
        if errand.wish < wish {
            *errand = fresh;
        }
        (errand.wish, errand.asked) = (wish, now);
    }

    /// Adds a node's address that a peer or a `.torrent` file named.
    pub fn name_node(&mut self, addr: SocketAddr) {
        if self.nodes.len() < MAX_NODES {
            self.nodes.insert(addr);
        }
    }

    /// Adds a node by host name, or by IP address as text.
    pub fn name_host(&mut self, host: &str, port: u16) {
        if let Ok(ip) = host.parse::<IpAddr>() {
            self.name_node(SocketAddr::new(ip, port));
        } else if self.hosts.len() < MAX_HOSTS {
            self.hosts.insert((host.to_owned(), port));
        }
    }

    /// Takes the next host name to resolve.
    pub fn poll_host(&mut self) -> Option<(String, u16)> {
        self.hosts.pop_first()
    }

    /// Sets whether a node exists, and the port at which it answers queries, if it does.
    pub fn set_node(&mut self, node: Option<Option<u16>>) {
        self.node = node;
    }

    /// Returns whether a node exists.
    pub fn has_node(&self) -> bool {
        self.node.is_some()
    }

    /// Returns the port at which the node answers queries.
    pub fn node_port(&self) -> Option<u16> {
        self.node.flatten()
    }

    /// Takes the next node address to contact.
    pub fn poll_node(&mut self) -> Option<SocketAddr> {
        self.nodes.pop_first()
    }

    /// Takes the next torrent to search for.
    ///
    /// Torrents that only want to be found are skipped if `may_be_found` is false.
    pub fn poll(&mut self, may_be_found: bool, now: Instant) -> Option<InfoHash> {
        let is_due =
            |errand: &Errand| errand.due <= now && (may_be_found || errand.wish == Wish::Peers);
        let (&info_hash, errand) = self.errands.iter_mut().find(|(_, errand)| is_due(errand))?;
        errand.due = now + if errand.wish == Wish::Peers { AGAIN } else { ANNOUNCE_AGAIN };
        Some(info_hash)
    }

    /// Makes all requests due at once, because our address changed.
    pub fn hurry(&mut self, now: Instant) {
        self.errands.values_mut().for_each(|errand| errand.due = errand.due.min(now));
    }

    /// Handles the end of a search.
    pub fn searched(&mut self, info_hash: InfoHash, peers: usize, now: Instant) {
        let Some(errand) = self.errands.get_mut(&info_hash) else { return };
        if peers > 0 {
            errand.in_vain = 0;
        } else if errand.wish == Wish::Peers {
            let wait = FIRST_AGAIN * (1 << errand.in_vain.min(8));
            errand.due = errand.due.min(now + wait);
            errand.in_vain += 1;
        }
    }

    /// Removes and returns the next torrent that no longer wants anything.
    pub fn poll_forgotten(&mut self, now: Instant) -> Option<InfoHash> {
        let mut errands = self.errands.iter();
        let (&info_hash, _) =
            errands.find(|(_, errand)| now.saturating_since(errand.asked) >= FORGET_AFTER)?;
        self.errands.remove(&info_hash);
        Some(info_hash)
    }

    /// Returns when the next request is due.
    pub fn next_due(&self, may_be_found: bool) -> Option<Instant> {
        let errands =
            self.errands.values().filter(|errand| may_be_found || errand.wish == Wish::Peers);
        errands.map(|errand| errand.due.min(errand.asked + FORGET_AFTER)).min()
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
    fn check(errands: &mut Errands, seconds: u64, expected: &[InfoHash]) {
        let due: Vec<InfoHash> = std::iter::from_fn(|| errands.poll(true, at(seconds))).collect();
        assert_eq!(due, expected, "at {seconds} s");
    }

    #[test]
    fn who_wants_peers_is_looked_for_at_once_and_every_five_minutes() {
        let mut errands = Errands::default();
        errands.ask(A, Wish::Peers, at(0));
        check(&mut errands, 0, &[A]);
        errands.searched(A, 3, at(5));
        errands.ask(A, Wish::Peers, at(200));
        check(&mut errands, 299, &[]);
        check(&mut errands, 300, &[A]);
    }

    #[test]
    fn a_search_in_vain_comes_again_sooner() {
        let mut errands = Errands::default();
        errands.ask(A, Wish::Peers, at(0));
        check(&mut errands, 0, &[A]);
        errands.searched(A, 0, at(1));
        check(&mut errands, 15, &[]);
        check(&mut errands, 16, &[A]);
        errands.searched(A, 0, at(17));
        check(&mut errands, 46, &[]);
        check(&mut errands, 47, &[A]);
        for _ in 0..50 {
            errands.searched(A, 0, at(47));
            errands.poll(true, at(1_000_000));
        }
        errands.ask(A, Wish::Peers, at(2_000_000));
        check(&mut errands, 2_000_000, &[A]);
        errands.searched(A, 0, at(2_000_000));
        check(&mut errands, 2_000_299, &[]);
        check(&mut errands, 2_000_300, &[A]);
    }

    #[test]
    fn who_has_everything_is_announced_every_quarter_of_an_hour_if_it_can_be_found() {
        let mut errands = Errands::default();
        errands.ask(A, Wish::BeFound, at(0));
        assert_eq!((errands.poll(false, at(0)), errands.next_due(false)), (None, None));
        check(&mut errands, 0, &[A]);
        errands.searched(A, 0, at(1));
        check(&mut errands, 899, &[]);
        check(&mut errands, 900, &[A]);
        errands.ask(A, Wish::Peers, at(901));
        check(&mut errands, 901, &[A]);
    }

    #[test]
    fn who_asks_no_longer_is_forgotten() {
        let mut errands = Errands::default();
        errands.ask(A, Wish::Peers, at(0));
        errands.ask(B, Wish::Peers, at(30));
        check(&mut errands, 30, &[A, B]);
        assert_eq!(errands.next_due(true), Some(at(60)));
        assert_eq!(errands.poll_forgotten(at(59)), None);
        assert_eq!(
            (errands.poll_forgotten(at(60)), errands.poll_forgotten(at(60))),
            (Some(A), None)
        );
        check(&mut errands, 400, &[B]);
    }

    #[test]
    fn nodes_are_named_once() {
        let mut errands = Errands::default();
        let node = |port| SocketAddr::from(([1, 2, 3, 4], port));
        (1..=200).for_each(|port| errands.name_node(node(port)));
        errands.name_node(node(1));
        let named: Vec<SocketAddr> = std::iter::from_fn(|| errands.poll_node()).collect();
        assert_eq!((named.len(), named[0]), (MAX_NODES, node(1)));
        errands.name_host("10.0.0.1", 5);
        errands.name_host("node.example", 6);
        assert_eq!(errands.poll_node(), Some("10.0.0.1:5".parse().unwrap()));
        assert_eq!(
            (errands.poll_host(), errands.poll_host()),
            (Some(("node.example".to_owned(), 6)), None)
        );
    }
}
