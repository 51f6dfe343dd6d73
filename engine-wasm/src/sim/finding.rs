//! Sources of peers: trackers, peer exchange, local discovery and web seeds.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::seeder::Behaviour;
use super::tracker::UdpTracker;
use super::world::World;
use crate::config::Config;
use crate::discover::Sources;
use crate::metainfo::Magnet;
use crate::metainfo::encode::Dict;
use crate::metainfo::testing::{Sample, torrent_with_trackers};
use crate::net::NetConfig;
use crate::view::{Intent, TrackerState};

const TRACKER: &str = "192.0.2.1:80";

fn film(trackers: &[&str]) -> Sample {
    torrent_with_trackers(64 << 10, &[("film.mp4", 1 << 20)], trackers)
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn config() -> Config {
    Config {
        net: NetConfig { listen_port: Some(6881), udp: true, ..NetConfig::default() },
        ..Config::default()
    }
}

/// Creates a world with the torrent and one seeder, whose address no source knows.
fn world(trackers: &[&str], config: Config, seed: u8) -> World {
    let mut world =
        World::configured(config, film(trackers), &[Behaviour::honest(4 << 20, 20)], seed);
    world.name("tracker.example", &["192.0.2.1", "2001:db8::1"]);
    world.run_for(Duration::from_millis(10));
    world
}

fn add(world: &mut World) {
    world.intend(Intent::AddTorrent { metainfo: world.sample.torrent.clone().into() });
}

fn finish(world: &mut World, within_s: u64, what: &str) -> Duration {
    let took = world.run_until_within(Duration::from_secs(within_s), World::is_complete);
    took.unwrap_or_else(|| {
        panic!("{what}: {} bytes; {:?}", world.verified(), world.view().trackers)
    })
}

fn seeder() -> SocketAddr {
    addr("127.0.0.1:1")
}

#[test]
fn a_udp_tracker_returns_peers_and_receives_completed_and_stopped() {
    let mut world = world(&["udp://tracker.example:80/announce?key=x"], config(), 100);
    world.outside.trackers.insert(addr(TRACKER), UdpTracker::naming(&[seeder()]));
    world.outside.trackers.insert(addr("[2001:db8::1]:80"), UdpTracker::default());
    add(&mut world);
    finish(&mut world, 10, "by a UDP tracker");
    world.run_for(Duration::from_secs(70));
    world.intend(Intent::Pause { info_hash: world.info_hash() });
    world.run_for(Duration::from_secs(1));
    for tracker in world.outside.trackers.values() {
        assert_eq!(tracker.events, [2, 1, 0, 3], "started, completed, one as ever, stopped");
        assert_eq!(
            tracker.options.iter().next().map(Vec::as_slice),
            Some(&b"\x02\x0f/announce?key=x\x00"[..])
        );
    }
}

#[test]
fn a_magnet_link_with_a_udp_tracker_downloads() {
    let mut world = world(&[], config(), 101);
    world.outside.trackers.insert(addr(TRACKER), UdpTracker::naming(&[seeder()]));
    let mut link = Magnet::new(world.sample.metainfo.info_hash);
    link.trackers = vec!["udp://tracker.example:80".into()];
    world.intend(Intent::AddMagnet { uri: link.to_string() });
    finish(&mut world, 10, "by a link");
    world.run_for(Duration::from_secs(1));
    let view = &world.view().trackers[0];
    assert_eq!(
        (view.state, view.seeders, view.leechers),
        (TrackerState::Working, Some(9), Some(7))
    );
}

#[test]
fn lost_datagrams_are_resent_and_a_dead_tracker_is_distinguished_from_a_slow_one() {
    let mut world = world(&["udp://tracker.example:80"], config(), 102);
    world
        .outside
        .trackers
        .insert(addr(TRACKER), UdpTracker { loses: 2, ..UdpTracker::naming(&[seeder()]) });
    add(&mut world);
    let took = finish(&mut world, 60, "after losses");
    assert!((45..50).contains(&took.as_secs()), "two were lost, after 15 s and 30 s: {took:?}");
    let mut world = self::world(&["udp://tracker.example:80"], config(), 103);
    add(&mut world);
    world.run_for(Duration::from_secs(106));
    let view = &world.view().trackers[0];
    assert_eq!(
        (view.state, view.message.as_deref()),
        (TrackerState::Failing, Some("the tracker does not answer"))
    );
}

#[test]
fn a_hanging_tracker_does_not_delay_the_others() {
    let trackers = [
        "udp://dead.example:1",
        "http://hangs/announce",
        "http://unknown/announce",
        "udp://tracker.example:80",
    ];
    let mut world = world(&trackers, config(), 104);
    world.name("dead.example", &["192.0.2.66"]);
    world.outside.hanging.insert("http://hangs/announce".into());
    world.outside.trackers.insert(addr(TRACKER), UdpTracker::naming(&[seeder()]));
    add(&mut world);
    let took = finish(&mut world, 20, "with a dead tracker in front");
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[test]
fn unsolicited_tracker_answers_add_no_peers() {
    let mut world = world(&["udp://tracker.example:80"], config(), 105);
    world
        .outside
        .trackers
        .insert(addr(TRACKER), UdpTracker { lies: true, ..UdpTracker::naming(&[seeder()]) });
    add(&mut world);
    world.run_for(Duration::from_secs(100));
    assert_eq!((world.view().known_peers, world.lines.dialled.len()), (0, 0));
}

#[test]
fn without_datagrams_a_udp_tracker_fails_with_a_clear_message() {
    let mut world =
        world(&["udp://tracker.example:80", "udp://unknown.example:80"], Config::default(), 106);
    add(&mut world);
    world.run_for(Duration::from_secs(1));
    let messages: Vec<_> =
        world.view().trackers.iter().filter_map(|view| view.message.clone()).collect();
    assert_eq!(messages, ["no datagram can be sent to this tracker", "nobody has this name"]);
    assert_eq!(
        world.view().message.as_deref(),
        Some("No peers: no datagram can be sent to this tracker")
    );
}

#[test]
fn trackers_can_be_switched_off() {
    let sources = Sources { trackers: false, ..Sources::default() };
    let mut world = world(
        &["udp://tracker.example:80", "http://t/announce"],
        Config { sources, ..config() },
        107,
    );
    world.outside.trackers.insert(addr(TRACKER), UdpTracker::naming(&[seeder()]));
    add(&mut world);
    let link = format!("magnet:?xt=urn:btih:{}&tr=http://t/announce", "ab".repeat(20));
    world.intend(Intent::AddMagnet { uri: link });
    world.run_for(Duration::from_secs(60));
    assert!(
        world.outside.trackers[&addr(TRACKER)].events.is_empty()
            && world.outside.fetched.is_empty()
    );
    assert!(world.view().trackers.is_empty());
}

#[test]
fn trackers_without_announces_are_scraped() {
    let trackers =
        ["http://t/announce", "udp://tracker.example:80", "http://u/announce", "http://v/a"];
    let mut world = world(&trackers, config(), 108);
    let peer = [127, 0, 0, 1, 0, 1];
    let answer = Dict::new().int("interval", 60).int("complete", 3).bytes("peers", peer).encode();
    world.outside.web.insert("http://t/announce".into(), answer.into());
    let file = Dict::new().int("complete", 5).int("incomplete", 6).encode();
    let hash = world.sample.metainfo.info_hash.0;
    let scrape = [&b"d5:filesd20:"[..], &hash, &file, b"ee"].concat();
    world.outside.web.insert("http://u/scrape".into(), Bytes::from(scrape));
    world.outside.trackers.insert(addr(TRACKER), UdpTracker::default());
    add(&mut world);
    world.run_for(Duration::from_secs(20));
    let counts: Vec<_> =
        world.view().trackers.iter().map(|view| (view.seeders, view.leechers)).collect();
    assert_eq!(counts, [(Some(3), None), (Some(9), Some(7)), (Some(5), Some(6)), (None, None)]);
    assert_eq!(
        (
            world.outside.trackers[&addr(TRACKER)].scrapes,
            world.outside.trackers[&addr(TRACKER)].events.len()
        ),
        (1, 0)
    );
}

#[test]
fn the_same_seed_finds_the_same_peers_at_the_same_time() {
    let run = || {
        let mut world = world(&["udp://tracker.example:80", "http://t/announce"], config(), 109);
        world
            .outside
            .trackers
            .insert(addr(TRACKER), UdpTracker { loses: 1, ..UdpTracker::naming(&[seeder()]) });
        add(&mut world);
        finish(&mut world, 60, "twice")
    };
    assert_eq!(run(), run());
}
