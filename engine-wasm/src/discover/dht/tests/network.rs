//! Whole networks on a virtual clock: honest, dead and lying nodes, with packet loss and delay.
//!
//! The same seed gives the same run. A failure prints `SIM_SEED=…`; the same variable in the
//! environment repeats the run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::super::message::{Query, Response};
use super::super::table::BUCKET;
use super::super::*;

/// Packet loss, percent.
const LOSS: u32 = 5;
/// The bootstrap node, which is honest.
const ROUTER: usize = 0;

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Packet { from: SocketAddr, to: usize, packet: Bytes },
    Wake(usize),
    Begin(usize),
}

enum Who {
    Honest(Box<Dht>),
    /// Its address is known, but no node is there.
    Dead,
    /// Answers each query with lies: invented nodes near the target, invented peers, and a false
    /// address of the sender.
    Liar,
}

struct Network {
    rng: ChaCha8Rng,
    now: Instant,
    nodes: Vec<Who>,
    events: Vec<Vec<Event>>,
    by_addr: BTreeMap<SocketAddr, usize>,
    woken_at: Vec<Option<Instant>>,
    deeds: BinaryHeap<Reverse<(Instant, u64, Deed)>>,
    count: u64,
}

/// Returns the address of node `at`: public, each in its own network.
fn addr(at: usize, family: Family) -> SocketAddr {
    let [.., high, low] = at.to_be_bytes();
    let ip: IpAddr = match family {
        Family::V4 => [20 + low % 100, high, low, 1].into(),
        Family::V6 => [0x2001, u16::from(low), u16::from(high), 0, 0, 0, 0, 1].into(),
    };
    SocketAddr::new(ip, 6881)
}

impl Network {
    /// Creates a network of honest, dead and lying nodes. All nodes start within the first minute.
    fn new(seed: u64, honest: usize, dead: usize, liars: usize, families: &[Family]) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut nodes = Vec::new();
        for _ in 0..honest {
            let mut dht = Dht::new(&mut rng, Instant(0));
            dht.set_read_only(false);
            nodes.push(Who::Honest(Box::new(dht)));
        }
        nodes.extend((0..dead).map(|_| Who::Dead));
        nodes.extend((0..liars).map(|_| Who::Liar));
        let mut network = Self {
            now: Instant(0),
            events: vec![Vec::new(); nodes.len()],
            by_addr: BTreeMap::new(),
            woken_at: vec![None; nodes.len()],
            deeds: BinaryHeap::new(),
            count: 0,
            nodes,
            rng,
        };
        for at in 0..network.nodes.len() {
            for family in families {
                network.by_addr.insert(addr(at, *family), at);
            }
            let begins = Instant(network.rng.random_range(0..60_000_000));
            network.schedule(if at == ROUTER { Instant(0) } else { begins }, Deed::Begin(at));
        }
        network
    }

    fn schedule(&mut self, at: Instant, deed: Deed) {
        self.count += 1;
        self.deeds.push(Reverse((at, self.count, deed)));
    }

    fn run(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(Reverse((at, ..))) = self.deeds.peek()
            && *at <= until
            && let Some(Reverse((at, _, deed))) = self.deeds.pop()
        {
            self.now = at;
            match deed {
                Deed::Begin(node) => self.begin(node),
                Deed::Wake(node) => {
                    self.woken_at[node] = None;
                    self.with(node, |dht, now, rng| dht.handle_timeout(now, rng));
                }
                Deed::Packet { from, to, packet } => self.packet(from, to, &packet),
            }
        }
        self.now = until;
    }

    fn begin(&mut self, node: usize) {
        let families: Vec<Family> = [Family::V4, Family::V6]
            .into_iter()
            .filter(|family| self.by_addr.contains_key(&addr(node, *family)))
            .collect();
        self.with(node, |dht, now, rng| {
            families.iter().for_each(|family| dht.open(*family, now));
            if node != ROUTER {
                dht.add_router(addr(ROUTER, families[0]), now);
                // Half of the nodes must find the second network through the first.
                let known = if node.is_multiple_of(2) { &families[..] } else { &[] };
                known.iter().for_each(|family| dht.add_router(addr(ROUTER, *family), now));
            }
            dht.handle_timeout(now, rng);
        });
        if matches!(self.nodes[node], Who::Liar) {
            // The node announces itself.
            let body = Body::Query {
                id: NodeId([7; 20]),
                query: Query::Ping,
                want: None,
                read_only: false,
            };
            let packet = Message { transaction: vec![1], seen_as: None, body }.encode();
            let honest = self.honest();
            for _ in 0..20 {
                let to = self.rng.random_range(0..honest);
                self.send(addr(node, families[0]), addr(to, families[0]), packet.clone());
            }
        }
    }

    fn honest(&self) -> usize {
        self.nodes.iter().filter(|who| matches!(who, Who::Honest(_))).count()
    }

    fn with(&mut self, node: usize, act: impl FnOnce(&mut Dht, Instant, &mut ChaCha8Rng)) {
        let Who::Honest(dht) = &mut self.nodes[node] else { return };
        act(dht, self.now, &mut self.rng);
        self.events[node].extend(std::iter::from_fn(|| dht.poll_event()));
        let packets: Vec<(SocketAddr, Bytes)> = std::iter::from_fn(|| dht.poll_packet()).collect();
        if let Some(at) = dht.poll_timeout().map(|at| at.max(self.now))
            && self.woken_at[node].is_none_or(|woken| at < woken)
        {
            self.woken_at[node] = Some(at);
            self.schedule(at, Deed::Wake(node));
        }
        packets
            .into_iter()
            .for_each(|(to, packet)| self.send(addr(node, family_of(to)), to, packet));
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, packet: Bytes) {
        assert!(packet.len() <= server::MAX_ANSWER, "a packet of {} bytes", packet.len());
        if self.rng.random_range(0..100) < LOSS {
            return;
        }
        if let Some(&to) = self.by_addr.get(&to) {
            let delay = Duration::from_millis(self.rng.random_range(10..300));
            self.schedule(self.now + delay, Deed::Packet { from, to, packet });
        }
    }

    fn packet(&mut self, from: SocketAddr, to: usize, packet: &[u8]) {
        match &self.nodes[to] {
            Who::Honest(_) => {
                self.with(to, |dht, now, rng| dht.handle_packet(from, packet, now, rng))
            }
            Who::Dead => {}
            Who::Liar => self.lie(from, to, packet),
        }
    }

    fn lie(&mut self, from: SocketAddr, liar: usize, packet: &[u8]) {
        let Ok(Message { transaction, body: Body::Query { query, .. }, .. }) =
            Message::parse(packet)
        else {
            return;
        };
        let target = match query {
            Query::Ping => NodeId::random(&mut self.rng),
            Query::FindNode { target } => target,
            Query::GetPeers { info_hash } | Query::AnnouncePeer { info_hash, .. } => {
                NodeId::from(info_hash)
            }
        };
        let beside =
            |rng: &mut ChaCha8Rng| target.with_common_bits(rng.random_range(100..159), rng);
        let family = family_of(from);
        let nodes: Vec<Contact> = (0..8)
            .map(|_| {
                // Half of the nodes that it names are itself and other liars.
                let like = if self.rng.random() { liar } else { self.rng.random_range(0..60_000) };
                Contact { id: beside(&mut self.rng), addr: addr(like, family) }
            })
            .collect();
        let peers = (0..50).map(|_| addr(self.rng.random_range(0..60_000), family)).collect();
        let response = Response { id: beside(&mut self.rng), nodes, peers, token: Some(vec![0]) };
        let seen_as = Some(addr(self.rng.random_range(0..60_000), family));
        let packet = Message { transaction, seen_as, body: Body::Response(response) }.encode();
        self.send(addr(liar, family), from, packet);
    }

    /// Returns whether a search for a torrent finds this peer within `seconds`.
    fn finds(&mut self, node: usize, info_hash: InfoHash, peer: SocketAddr, seconds: u64) -> bool {
        self.events[node].clear();
        self.with(node, |dht, now, rng| dht.search(info_hash, now, rng));
        self.run(seconds);
        self.events[node].iter().any(|event| match event {
            Event::Peers { info_hash: found, peers } => {
                *found == info_hash && peers.contains(&peer)
            }
            _ => false,
        })
    }

    /// Returns the number of honest nodes with proven IDs.
    fn proven(&self) -> usize {
        let fits = |(at, who): &(usize, &Who)| match who {
            Who::Honest(dht) => dht.v4.own().fits(addr(*at, Family::V4).ip()),
            _ => false,
        };
        self.nodes.iter().enumerate().filter(fits).count()
    }

    /// Returns the smallest and the largest table of the honest nodes.
    fn tables(&self) -> (usize, usize) {
        let sizes = self.nodes.iter().filter_map(|who| match who {
            Who::Honest(dht) => Some(dht.nodes()),
            _ => None,
        });
        sizes.fold((usize::MAX, 0), |(least, most), size| (least.min(size), most.max(size)))
    }
}

/// Runs a simulation for several seeds or for `SIM_SEED`; prints the seed first.
fn for_seeds(run: impl Fn(u64)) {
    let given = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in given.map_or(0..3, |seed| seed..seed + 1) {
        println!("SIM_SEED={seed}");
        run(seed);
    }
}

/// Returns how many of `torrents` announced peers are found, each by another node.
fn found(network: &mut Network, torrents: u8, family: Family) -> usize {
    let honest = network.honest();
    let found = (1..=torrents).filter(|torrent| {
        let info_hash = InfoHash(NodeId::random(&mut network.rng).0);
        let (giver, seeker) =
            (network.rng.random_range(1..honest), network.rng.random_range(1..honest));
        let port = 7_000 + u16::from(*torrent);
        network.with(giver, |dht, now, rng| dht.announce(info_hash, port, now, rng));
        network.run(45);
        network.finds(seeker, info_hash, SocketAddr::new(addr(giver, family).ip(), port), 30)
    });
    found.count()
}

#[test]
fn in_an_honest_network_each_announced_peer_is_found() {
    for_seeds(|seed| {
        let mut network = Network::new(seed, 200, 0, 0, &[Family::V4]);
        network.run(600);
        let (least, most) = network.tables();
        assert!(least >= BUCKET && most <= 20 * BUCKET, "tables of {least} to {most} nodes");
        assert_eq!(found(&mut network, 10, Family::V4), 10);
    });
}

#[test]
fn ids_change_to_fit_their_addresses() {
    for_seeds(|seed| {
        let mut network = Network::new(seed, 100, 0, 0, &[Family::V4]);
        network.run(900);
        assert!(network.proven() >= 95, "{} of 100", network.proven());
    });
}

#[test]
fn a_third_of_dead_nodes_and_a_tenth_of_liars_hide_few_peers() {
    for_seeds(|seed| {
        let mut network = Network::new(seed, 180, 90, 30, &[Family::V4]);
        network.run(900);
        let (found, proven, tables) =
            (found(&mut network, 10, Family::V4), network.proven(), network.tables());
        assert!(found >= 9, "{found} of 10 with {proven} proven names, tables of {tables:?}");
    });
}

#[test]
fn both_families_are_searched_and_the_second_is_found_through_the_first() {
    for_seeds(|seed| {
        let mut network = Network::new(seed, 80, 0, 0, &[Family::V4, Family::V6]);
        network.run(1_200);
        assert_eq!(found(&mut network, 5, Family::V4), 5);
        assert_eq!(found(&mut network, 5, Family::V6), 5);
    });
}

#[test]
fn a_node_restarts_from_its_stored_nodes_without_bootstrap_nodes() {
    for_seeds(|seed| {
        let mut network = Network::new(seed, 60, 0, 0, &[Family::V4]);
        network.run(600);
        let Who::Honest(former) = &network.nodes[5] else { unreachable!("the first are honest") };
        let (kept, own) = (former.export(), former.v4.own());
        let mut again = Dht::new(&mut network.rng, network.now);
        assert!(again.import(&kept));
        assert_eq!(again.v4.own(), own);
        network.nodes[5] = Who::Honest(Box::new(again));
        let info_hash = InfoHash([9; 20]);
        network.with(20, |dht, now, rng| dht.announce(info_hash, 7_000, now, rng));
        network.run(30);
        network.with(5, |dht, now, rng| {
            dht.open(Family::V4, now);
            dht.handle_timeout(now, rng);
        });
        let peer = SocketAddr::new(addr(20, Family::V4).ip(), 7_000);
        assert!(network.finds(5, info_hash, peer, 20));
    });
}

#[test]
fn a_flood_of_invented_nodes_has_bounded_cost() {
    for_seeds(|seed| {
        let mut network = Network::new(seed, 1, 0, 0, &[Family::V4]);
        network.run(60);
        let mut sent = 0;
        for round in 0..20_000 {
            let from = addr(network.rng.random_range(1..60_000), Family::V4);
            let (now, rng) = (network.now + Duration::from_millis(round), &mut network.rng);
            let Who::Honest(dht) = &mut network.nodes[ROUTER] else {
                unreachable!("the first is honest")
            };
            let query = match round % 3 {
                0 => Query::Ping,
                1 => Query::GetPeers { info_hash: InfoHash(NodeId::random(rng).0) },
                _ => Query::AnnouncePeer {
                    info_hash: InfoHash(NodeId::random(rng).0),
                    port: Some(1),
                    token: vec![1],
                },
            };
            // All of them are near the victim, and all of them answer.
            let id = dht.v4.own().with_common_bits(rng.random_range(0..159), rng);
            let body = Body::Query { id, query, want: None, read_only: false };
            dht.handle_packet(
                from,
                &Message { transaction: vec![1], seen_as: None, body }.encode(),
                now,
                rng,
            );
            while let Some((to, packet)) = dht.poll_packet() {
                sent += 1;
                let message = Message::parse(&packet).unwrap();
                if let Body::Query { .. } = message.body {
                    let id = dht.v4.own().with_common_bits(rng.random_range(0..159), rng);
                    let response =
                        Response { id, nodes: Vec::new(), peers: Vec::new(), token: None };
                    let answer = Message {
                        transaction: message.transaction,
                        seen_as: None,
                        body: Body::Response(response),
                    };
                    dht.handle_packet(to, &answer.encode(), now, rng);
                }
            }
            dht.handle_timeout(now, rng);
        }
        let Who::Honest(dht) = &network.nodes[ROUTER] else { unreachable!("the first is honest") };
        let (nodes, (torrents, peers)) = (dht.nodes(), dht.server.stored());
        assert!(nodes <= 160 * BUCKET, "{nodes} nodes");
        assert_eq!((torrents, peers), (0, 0), "no sender had a token");
        // 20 s: two windows and a bit, each with answers, and each answer with a ping at most; and
        // its own searches for nodes.
        assert!(sent <= 2 * 3 * server::IN_ALL as usize + 500, "{sent} packets");
    });
}
