//! What torrents ask of the DHT, and when it is done: the list between them and [`super::Dht`].
//!
//! Knows no node and no packet. Invariant: a torrent is looked for at most every [`FIRST_AGAIN`],
//! and forgotten when it no longer asks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::limits;
use crate::metainfo::InfoHash;
use crate::time::Instant;

/// A torrent whose search found nobody is looked for again after so long; each further time doubles
/// it, up to [`AGAIN`].
pub const FIRST_AGAIN: Duration = Duration::from_secs(15);
/// A torrent that wants peers is looked for again after so long.
pub const AGAIN: Duration = Duration::from_secs(5 * 60);
/// One that only wants to be found is announced again after so long: what others keep expires after
/// half an hour.
pub const ANNOUNCE_AGAIN: Duration = Duration::from_secs(15 * 60);
/// Who has not asked for so long no longer wants anything.
const FORGET_AFTER: Duration = Duration::from_secs(60);
/// Nodes named by peers that wait to be asked.
const MAX_NODES: usize = 64;
/// Names of nodes that wait to be looked up.
const MAX_HOSTS: usize = 16;

/// What a torrent wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// That others find it.
    BeFound,
    /// Peers, and that others find it.
    Peers,
}

#[derive(Clone, Copy, Debug)]
struct Errand {
    wish: Wish,
    asked: Instant,
    due: Instant,
    /// Searches in a row that found nobody.
    in_vain: u32,
}

/// What is asked of the DHT.
#[derive(Clone, Debug, Default)]
pub struct Errands {
    errands: BTreeMap<InfoHash, Errand>,
    nodes: BTreeSet<SocketAddr>,
    hosts: BTreeSet<(String, u16)>,
    /// Whether there is a node, and the port at which it answers others.
    node: Option<Option<u16>>,
}

impl Errands {
    /// A torrent says what it wants, and says it again at least twice a minute while it wants it.
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

    /// A peer, or a torrent file, names an address where a node is.
    pub fn name_node(&mut self, addr: SocketAddr) {
        if self.nodes.len() < MAX_NODES {
            self.nodes.insert(addr);
        }
    }

    /// The same with a host's name, or an address as text.
    pub fn name_host(&mut self, host: &str, port: u16) {
        if let Ok(ip) = host.parse::<IpAddr>() {
            self.name_node(SocketAddr::new(ip, port));
        } else if self.hosts.len() < MAX_HOSTS {
            self.hosts.insert((host.to_owned(), port));
        }
    }

    /// The next name.
    pub fn poll_host(&mut self) -> Option<(String, u16)> {
        self.hosts.pop_first()
    }

    /// There is a node, which answers others at this port, if at any; or there is none.
    pub fn set_node(&mut self, node: Option<Option<u16>>) {
        self.node = node;
    }

    /// Whether there is a node.
    pub fn has_node(&self) -> bool {
        self.node.is_some()
    }

    /// Where it answers others.
    pub fn node_port(&self) -> Option<u16> {
        self.node.flatten()
    }

    /// The next address that was named.
    pub fn poll_node(&mut self) -> Option<SocketAddr> {
        self.nodes.pop_first()
    }

    /// The next torrent to look for. Those that only want to be found are passed over when we can't
    /// be.
    pub fn poll(&mut self, may_be_found: bool, now: Instant) -> Option<InfoHash> {
        let is_due =
            |errand: &Errand| errand.due <= now && (may_be_found || errand.wish == Wish::Peers);
        let (&info_hash, errand) = self.errands.iter_mut().find(|(_, errand)| is_due(errand))?;
        errand.due = now + if errand.wish == Wish::Peers { AGAIN } else { ANNOUNCE_AGAIN };
        Some(info_hash)
    }

    /// Others reach us elsewhere: all that is wanted is due again.
    pub fn hurry(&mut self, now: Instant) {
        self.errands.values_mut().for_each(|errand| errand.due = errand.due.min(now));
    }

    /// A search ended.
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

    /// The next torrent that no longer wants anything. It is forgotten.
    pub fn poll_forgotten(&mut self, now: Instant) -> Option<InfoHash> {
        let mut errands = self.errands.iter();
        let (&info_hash, _) =
            errands.find(|(_, errand)| now.saturating_since(errand.asked) >= FORGET_AFTER)?;
        self.errands.remove(&info_hash);
        Some(info_hash)
    }

    /// When there is something to do.
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

    /// Torrents to look for at this time, all of which go on asking.
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
