//! Peer exchange and local discovery without trackers; private torrents use neither.

use std::time::Duration;

use super::engines::{Engines, TRACKER, addr_of};
use crate::config::Config;
use crate::discover::Sources;
use crate::discover::dht::DhtConfig;
use crate::metainfo::Magnet;
use crate::metainfo::encode::Dict;
use crate::metainfo::testing::{Sample, private, torrent};
use crate::net::NetConfig;
use crate::peer::handshake::Handshake;
use crate::peer::pex::{self, PexMessage};
use crate::peer::wire::Message;
use crate::view::Intent;

const MIB: u64 = 1 << 20;
const FILES: &[(&str, usize)] = &[("film.mp4", 8 << 20)];

fn film() -> Sample {
    torrent(256 << 10, FILES)
}

fn sources(pex: bool, lsd: bool) -> Config {
    Config { sources: Sources { pex, lsd, ..Sources::default() }, ..Config::default() }
}

/// A configuration with datagrams, and a DHT that starts from engine 0.
fn everything() -> Config {
    let dht = Some(DhtConfig { bootstrap: vec![addr_of(0).to_string()] });
    Config {
        net: NetConfig { listen_port: None, udp: true, ..NetConfig::default() },
        dht,
        ..Config::default()
    }
}

fn name(engines: &mut Engines, node: usize, other: usize) {
    let (info_hash, peers) = (engines.info_hash(), vec![addr_of(other).to_string()]);
    engines.intend(node, Intent::AddPeers { info_hash, peers });
}

/// Returns whether engines 0 and 2 connect. Engine 0 seeds, 1 knows 0, and 2 knows 1, which has no
/// data and a slow line.
fn meet(sample: Sample, config: impl Fn(usize) -> Config, seed: u8) -> (bool, Engines) {
    let mut engines = Engines::configured(sample, &[64 << 10, 32 << 10, MIB], seed, config);
    engines.seed(0);
    engines.add(1);
    engines.add(2);
    engines.run_for(Duration::from_secs(1));
    name(&mut engines, 1, 0);
    name(&mut engines, 2, 1);
    engines.run_for(Duration::from_secs(70));
    (engines.view(2).peers == 2, engines)
}

/// Returns whether an incoming peer is offered peer exchange.
fn is_asked_for_others(engines: &mut Engines, node: usize) -> bool {
    let stranger = engines.dial(node);
    engines.say(
        stranger,
        Handshake::ours(engines.sample.metainfo.info_hash, [8; 20]).encode().to_vec(),
    );
    // Its line is slow, and other messages come first.
    engines.run_for(Duration::from_secs(5));
    let heard = &engines.strangers[&stranger].heard;
    assert!(heard.windows(11).any(|window| window == b"ut_metadata"), "it was greeted");
    heard.windows(6).any(|window| window == b"ut_pex")
}

#[test]
fn peer_exchange_introduces_a_third_engine() {
    let (met, mut engines) = meet(film(), |_| Config::default(), 130);
    assert!(met, "{:?}", engines.view(2));
    assert!(is_asked_for_others(&mut engines, 0));
    let done = |engines: &Engines| engines.is_complete(1) && engines.is_complete(2);
    assert!(engines.run_until_within(Duration::from_secs(400), done).is_some());
    assert!(engines.is_right(2));
}

#[test]
fn without_peer_exchange_addresses_are_neither_sent_nor_received() {
    for silent in 0..3 {
        let (met, mut engines) = meet(film(), |node| sources(node != silent, false), 131);
        // It suffices that the middle peer tells one end about the other.
        let expected = silent != 1;
        assert_eq!(met, expected, "without {silent}");
        assert!(!is_asked_for_others(&mut engines, silent));
    }
}

#[test]
fn a_magnet_link_with_one_peer_leads_to_that_peers_peers() {
    let mut engines =
        Engines::configured(film(), &[MIB, 32 << 10, MIB], 132, |_| Config::default());
    engines.seed(0);
    engines.add(1);
    engines.run_for(Duration::from_secs(1));
    name(&mut engines, 1, 0);
    let mut link = Magnet::new(engines.sample.metainfo.info_hash);
    link.peers = vec![addr_of(1)];
    engines.intend(2, Intent::AddMagnet { uri: link.to_string() });
    assert!(
        engines
            .run_until_within(Duration::from_secs(100), |engines| engines.is_complete(2))
            .is_some()
    );
}

#[test]
fn a_peer_that_floods_addresses_is_heeded_a_little_and_then_dropped() {
    let mut engines = Engines::configured(film(), &[MIB], 133, |_| Config::default());
    engines.add(0);
    engines.run_for(Duration::from_secs(1));
    let stranger = engines.dial(0);
    engines.say(
        stranger,
        Handshake::ours(engines.sample.metainfo.info_hash, [8; 20]).encode().to_vec(),
    );
    let frame = |payload: &[u8]| {
        let mut bytes = Vec::new();
        Message::Extended { id: pex::OUR_ID, payload }.encode(&mut bytes);
        bytes
    };
    let naming = |round: u8| {
        let addrs: Vec<u8> = (0..200).flat_map(|host| [10, 50, round, host, 0x1a, 0xe1]).collect();
        frame(&Dict::new().bytes("added", addrs).encode())
    };
    engines.say(stranger, naming(0));
    assert_eq!(engines.view(0).known_peers, u32::try_from(pex::MAX_FIRST).unwrap());
    for round in 1..13 {
        engines.say(stranger, naming(round));
    }
    assert_eq!(engines.view(0).known_peers, 200, "one peer can name no more");
    assert!(!engines.strangers[&stranger].closed);
    engines.say(stranger, frame(&PexMessage::default().encode()));
    assert!(engines.strangers[&stranger].closed, "it floods us");
}

#[test]
fn neighbours_find_each_other_and_announce_every_five_minutes() {
    let config = |_| Config {
        net: NetConfig { listen_port: None, udp: true, ..NetConfig::default() },
        ..Config::default()
    };
    let mut engines = Engines::configured(film(), &[MIB, MIB], 134, config);
    engines.seed(0);
    engines.add(1);
    assert!(
        engines
            .run_until_within(Duration::from_secs(30), |engines| engines.is_complete(1))
            .is_some()
    );
    engines.run_for(Duration::from_secs(590));
    let said = |node| engines.datagrams.iter().filter(|(by, ..)| *by == node).count();
    assert!((2..=3).contains(&said(0)) && (2..=3).contains(&said(1)), "{} {}", said(0), said(1));
}

#[test]
fn without_local_discovery_nothing_is_announced_or_received() {
    let config = |node| Config {
        net: NetConfig { listen_port: None, udp: true, ..NetConfig::default() },
        ..sources(true, node == 0)
    };
    let mut engines = Engines::configured(film(), &[MIB, MIB], 135, config);
    engines.seed(0);
    engines.add(1);
    engines.run_for(Duration::from_secs(60));
    assert_eq!((engines.connections(0), engines.view(1).known_peers), (0, 0));
    assert!(engines.datagrams.iter().all(|(node, ..)| *node == 0));
}

#[test]
fn the_dht_finds_peers_of_a_public_torrent_and_never_of_a_private_one() {
    for (sample, expected) in [(film(), true), (private(256 << 10, FILES, &[]), false)] {
        let hash = sample.metainfo.info_hash;
        let config = |node| Config {
            sources: Sources { lsd: node > 9, ..Sources::default() },
            ..everything()
        };
        let mut engines = Engines::configured(sample, &[MIB, MIB, MIB], 136, config);
        engines.seed(1);
        engines.run_for(Duration::from_secs(30));
        engines.add(2);
        engines.run_for(Duration::from_secs(120));
        let speaks_of_it =
            engines.datagrams.iter().any(|(.., data)| data.windows(20).any(|it| it == hash.0));
        assert_eq!((engines.is_complete(2), speaks_of_it), (expected, expected));
    }
}

#[test]
fn a_private_torrent_gets_peers_from_its_tracker_only() {
    // Although all other sources would find everyone, only peers from the tracker connect.
    let sample = private(256 << 10, FILES, &[TRACKER]);
    let hash = sample.metainfo.info_hash;
    let hex = hash.to_string();
    let mut engines = Engines::configured(sample, &[MIB, MIB], 137, |_| everything());
    engines.seed(0);
    engines.add(1);
    assert!(
        engines
            .run_until_within(Duration::from_secs(60), |engines| engines.is_complete(1))
            .is_some()
    );
    engines.run_for(Duration::from_secs(400));
    let speaks_of_it = |data: &[u8]| {
        data.windows(20).any(|it| it == hash.0) || String::from_utf8_lossy(data).contains(&hex)
    };
    assert!(!engines.datagrams.iter().any(|(.., data)| speaks_of_it(data)));
    assert!(!is_asked_for_others(&mut engines, 0));
    let (met, mut engines) = meet(private(256 << 10, FILES, &[]), |_| Config::default(), 138);
    assert!(!met, "a peer named another");
    assert!(!is_asked_for_others(&mut engines, 1));
}

#[test]
fn a_magnet_link_adds_no_peers_to_an_existing_private_torrent() {
    let mut engines =
        Engines::configured(private(256 << 10, FILES, &[]), &[MIB, MIB], 139, |_| everything());
    engines.seed(0);
    engines.add(1);
    engines.run_for(Duration::from_secs(1));
    let mut link = Magnet::new(engines.sample.metainfo.info_hash);
    link.peers = vec![addr_of(0)];
    engines.intend(1, Intent::AddMagnet { uri: link.to_string() });
    engines.run_for(Duration::from_secs(60));
    assert_eq!((engines.view(1).known_peers, engines.connections(1)), (0, 0));
}

#[test]
fn peers_found_for_a_magnet_link_are_dropped_when_its_torrent_is_private() {
    let mut engines =
        Engines::configured(private(256 << 10, FILES, &[]), &[64 << 10, MIB, MIB], 140, |_| {
            Config {
                net: NetConfig { listen_port: None, udp: true, ..NetConfig::default() },
                ..Config::default()
            }
        });
    engines.seed(0);
    let mut link = Magnet::new(engines.sample.metainfo.info_hash);
    link.peers = vec![addr_of(0)];
    // Two engines with only the magnet link find each other in the local network.
    engines.intend(1, Intent::AddMagnet { uri: link.to_string() });
    engines.intend(2, Intent::AddMagnet { uri: link.to_string() });
    engines.run_for(Duration::from_secs(60));
    assert_eq!(
        (engines.view(1).known_peers, engines.view(2).known_peers),
        (1, 1),
        "the one of the link"
    );
}
