//! Hole punching (BEP 55): engines behind routers, and peers that abuse it.

use std::net::SocketAddr;
use std::time::Duration;

use shared_proto::ConnId;

use super::engines::{Carried, Engines, TRACKER, addr_of};
use crate::config::Config;
use crate::discover::Sources;
use crate::limits;
use crate::metainfo::testing::{Sample, private, torrent, torrent_with_trackers};
use crate::net::NetConfig;
use crate::peer::handshake::{HANDSHAKE_LEN, Handshake};
use crate::peer::holepunch::{self, HolepunchMessage, Refusal};
use crate::peer::policy::ConnectionPolicy;
use crate::peer::wire::Message;
use crate::view::Intent;

const MIB: u64 = 1 << 20;
const FILES: &[(&str, usize)] = &[("film.mp4", 8 << 20)];
/// The peers' message id for hole punching (BEP 10).
const THEIRS: u8 = 9;

fn config(pex: bool, utp: bool) -> Config {
    let sources = Sources { pex, lsd: false, ..Sources::default() };
    let net = NetConfig { listen_port: None, udp: true, ..NetConfig::default() };
    Config {
        sources,
        net,
        policy: ConnectionPolicy { utp, ..ConnectionPolicy::default() },
        ..Config::default()
    }
}

/// Returns whether engine 2 downloads everything from engine 0. Both are behind routers; engine 1
/// is not, has no data and a slow line. The tracker returns ports that no router maps.
fn meet(relay: Config, seed: u8) -> (bool, Engines) {
    let sample = torrent_with_trackers(256 << 10, FILES, &[TRACKER]);
    let config = |node| if node == 1 { relay.clone() } else { config(true, true) };
    let mut engines = Engines::configured(sample, &[MIB, 4 << 10, MIB], seed, config);
    engines.routers.behind = [0, 2].into();
    // A TCP connection does not show the router's port for datagrams.
    engines.without_tcp = true;
    engines.seed(0);
    engines.add(1);
    engines.add(2);
    let took = engines.run_until_within(Duration::from_secs(300), |engines| engines.is_complete(2));
    (took.is_some(), engines)
}

#[test]
fn two_engines_behind_routers_connect_through_a_relay() {
    for seed in 180..184 {
        let (done, engines) = meet(config(true, true), seed);
        assert!(done && engines.is_right(2), "seed {seed}: {:?}", engines.view(2));
        let met = engines.connected.iter().filter(|pair| [(0, 2), (2, 0)].contains(pair)).count();
        assert!((1..=2).contains(&met), "{met}: each dialled the other, and one connection stays");
        assert!(!engines.is_complete(1), "it did not come through the third");
    }
}

#[test]
fn without_a_relay_they_do_not_connect() {
    for seed in 180..182 {
        let (done, engines) = meet(config(false, true), seed);
        assert!(!done && engines.connected.contains(&(2, 1)), "seed {seed}");
        assert!(
            !engines.connected.iter().any(|pair| [(0, 2), (2, 0)].contains(pair)),
            "{:?}",
            engines.connected
        );
    }
}

/// Creates one engine that seeds.
fn alone(sample: Sample, config: Config, seed: u8) -> Engines {
    let mut engines = Engines::configured(sample, &[MIB], seed, |_| config.clone());
    engines.seed(0);
    engines
}

fn frame(id: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Message::Extended { id, payload }.encode(&mut bytes);
    bytes
}

/// Connects a peer to engine 0. The peer states its listen port, and `speaks` says whether it has
/// the extension.
fn stranger(engines: &mut Engines, port: u16, speaks: bool) -> ConnId {
    let stranger = engines.dial(0);
    let mut id = [8; 20];
    id[..2].copy_from_slice(&port.to_be_bytes());
    engines.say(stranger, Handshake::ours(engines.sample.metainfo.info_hash, id).encode().to_vec());
    let extensions = if speaks { format!("12:ut_holepunchi{THEIRS}e") } else { String::new() };
    engines.say(stranger, frame(0, format!("d1:md{extensions}e1:pi{port}ee").as_bytes()));
    engines.run_for(Duration::from_secs(1));
    stranger
}

fn say(engines: &mut Engines, stranger: ConnId, message: HolepunchMessage) {
    engines.say(stranger, frame(holepunch::OUR_ID, &message.encode()));
}

/// Returns the frames that a peer received.
fn frames(engines: &Engines, stranger: ConnId) -> Vec<&[u8]> {
    let mut rest = engines.strangers[&stranger].heard.get(HANDSHAKE_LEN..).unwrap_or_default();
    let mut frames = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let Some((frame, after)) = after.split_at_checked(u32::from_be_bytes(*length) as usize)
        else {
            break;
        };
        frames.push(frame);
        rest = after;
    }
    frames
}

fn heard(engines: &Engines, stranger: ConnId) -> Vec<HolepunchMessage> {
    let payloads =
        frames(engines, stranger).into_iter().filter_map(|frame| frame.strip_prefix(&[20, THEIRS]));
    payloads.map(|payload| HolepunchMessage::parse(payload).unwrap()).collect()
}

/// Returns the listening address that a peer claims.
fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 9, 9, 9], port))
}

#[test]
fn a_relay_informs_both_peers_or_answers_with_an_error() {
    let mut engines = alone(torrent(256 << 10, FILES), config(true, true), 186);
    let asker = stranger(&mut engines, 1001, true);
    let target = stranger(&mut engines, 1002, true);
    stranger(&mut engines, 1003, false);
    let silent = stranger(&mut engines, 1004, false);
    let mut check = |port: u16, expected: HolepunchMessage| {
        say(&mut engines, asker, HolepunchMessage::Rendezvous(at(port)));
        assert_eq!(heard(&engines, asker).last(), Some(&expected));
    };
    check(1002, HolepunchMessage::Connect(at(1002)));
    check(1003, HolepunchMessage::Error(at(1003), Refusal::NoSupport));
    check(1005, HolepunchMessage::Error(at(1005), Refusal::NotConnected));
    check(1001, HolepunchMessage::Error(at(1001), Refusal::NoSelf));
    check(0, HolepunchMessage::Error(at(0), Refusal::NoSuchPeer));
    assert_eq!(heard(&engines, target), [HolepunchMessage::Connect(at(1001))]);
    say(&mut engines, silent, HolepunchMessage::Rendezvous(at(1002)));
    assert_eq!(
        heard(&engines, target).len(),
        1,
        "who would not understand the answer is passed over"
    );
}

#[test]
fn a_flood_of_rendezvous_is_throttled_and_then_disconnected() {
    let mut engines = alone(torrent(256 << 10, FILES), config(true, true), 187);
    let target = stranger(&mut engines, 1002, true);
    let asker = stranger(&mut engines, 1001, true);
    let rendezvous = frame(holepunch::OUR_ID, &HolepunchMessage::Rendezvous(at(1002)).encode());
    engines.say(asker, rendezvous.repeat(300));
    let most = limits::INTRODUCTIONS.0 as usize;
    assert_eq!((heard(&engines, target).len(), heard(&engines, asker).len()), (most, most));
    assert!(!engines.strangers[&asker].closed);
    engines.say(asker, rendezvous.repeat(300));
    assert!(engines.strangers[&asker].closed, "it floods us");
    let another = stranger(&mut engines, 1006, true);
    engines.say(another, rendezvous.repeat(30));
    engines.run_for(Duration::from_secs(1));
    assert!(heard(&engines, target).len() <= most + 2, "whoever asks");
}

#[test]
fn connect_messages_from_one_peer_are_throttled() {
    let mut engines = alone(torrent(256 << 10, FILES), config(true, true), 188);
    let stranger = stranger(&mut engines, 1001, true);
    for host in 0..200 {
        say(
            &mut engines,
            stranger,
            HolepunchMessage::Connect(SocketAddr::from(([10, 50, 0, host], 7))),
        );
    }
    let told = |engines: &Engines| {
        let mut told: Vec<SocketAddr> = engines.dialled.iter().map(|(_, addr, _)| *addr).collect();
        told.sort_unstable();
        told.dedup();
        told.len()
    };
    let most = limits::UNSOLICITED_DIALS.0 as usize;
    // The messages were sent with delays between them.
    assert!((most..=most + 1).contains(&told(&engines)), "{}", told(&engines));
    let first = engines.dialled.first().expect("it dialled");
    assert_eq!(first.2, Carried::ByUtp);
}

#[test]
fn connected_peers_and_impossible_addresses_are_not_dialled() {
    let mut engines = alone(torrent(256 << 10, FILES), config(true, true), 189);
    let stranger = stranger(&mut engines, 1001, true);
    for addr in [at(1001), "224.0.0.1:5".parse().unwrap(), "10.1.1.1:0".parse().unwrap()] {
        say(&mut engines, stranger, HolepunchMessage::Connect(addr));
    }
    assert_eq!(engines.dialled, []);
}

#[test]
fn punching_respects_the_connection_limit() {
    let config = Config { max_connections: 1, ..config(true, true) };
    let mut engines = alone(torrent(256 << 10, FILES), config, 190);
    let stranger = stranger(&mut engines, 1001, true);
    say(&mut engines, stranger, HolepunchMessage::Connect("10.50.0.1:7".parse().unwrap()));
    assert_eq!(engines.dialled, []);
}

#[test]
fn hole_punching_is_offered_only_with_utp_and_peer_exchange() {
    let check = |sample: Sample, config: Config, expected: bool| {
        let mut engines = alone(sample, config.clone(), 191);
        let stranger = stranger(&mut engines, 1001, true);
        let name = holepunch::EXTENSION.as_bytes();
        let is_offered =
            engines.strangers[&stranger].heard.windows(name.len()).any(|window| window == name);
        assert_eq!(is_offered, expected, "{config:?}");
        say(&mut engines, stranger, HolepunchMessage::Rendezvous(at(1005)));
        say(&mut engines, stranger, HolepunchMessage::Connect("10.50.0.1:7".parse().unwrap()));
        assert_eq!(
            (heard(&engines, stranger).len() == 1, engines.dialled.len() == 1),
            (expected, expected)
        );
    };
    check(torrent(256 << 10, FILES), config(true, true), true);
    check(torrent(256 << 10, FILES), config(true, false), false);
    check(torrent(256 << 10, FILES), config(false, true), false);
    check(private(256 << 10, FILES, &[]), config(true, true), false);
}

#[test]
fn peer_exchange_flags_peers_that_support_hole_punching() {
    let mut engines =
        Engines::configured(torrent(256 << 10, FILES), &[MIB; 3], 192, |_| config(true, true));
    engines.routers.behind = [2].into();
    engines.seed(0);
    (1..3).for_each(|node| engines.add(node));
    let (info_hash, peers) = (engines.info_hash(), vec![addr_of(0).to_string()]);
    engines.intend(2, Intent::AddPeers { info_hash, peers });
    let hears = stranger(&mut engines, 1001, true);
    engines.say(hears, frame(0, b"d1:md6:ut_pexi7eee"));
    engines.run_for(Duration::from_secs(5));
    let told = frames(&engines, hears)
        .into_iter()
        .find_map(|frame| frame.strip_prefix(&[20, 7]))
        .expect("others");
    let told = crate::peer::pex::PexMessage::parse(told).unwrap();
    let (addr, flags) = told.added[0];
    assert_eq!((addr, flags.has(crate::peer::pex::Flags::HOLEPUNCH)), (addr_of(2), true));
}
