//! Port mappings, and their announcement to trackers, the DHT and peers.

use std::net::SocketAddr;
use std::time::Duration;

use shared_proto::io::{MappedBy, Mapping, OpError, OpErrorKind};

use super::seeder::Behaviour;
use super::tracker::UdpTracker;
use super::world::World;
use crate::config::Config;
use crate::metainfo::testing::torrent_with_trackers;
use crate::net::NetConfig;
use crate::view::{Intent, MappedBy as By, MappingState};

/// The listen port.
const HERE: u16 = 6881;
/// The router's external port.
const THERE: u16 = 40_000;
const TRACKER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 80);

/// Creates a world that has announced to a tracker before the router answers.
fn world(port_mapping: bool, seed: u8) -> World {
    let net = NetConfig { listen_port: Some(HERE), udp: true, port_mapping };
    let sample =
        torrent_with_trackers(64 << 10, &[("film.mp4", 1 << 20)], &["udp://tracker.example:80"]);
    let config = Config { net, ..Config::default() };
    let mut world = World::configured(config, sample, &[Behaviour::honest(1 << 20, 20)], seed);
    world.name("tracker.example", &["192.0.2.1"]);
    world.outside.trackers.insert(TRACKER, UdpTracker::default());
    world.intend(Intent::AddTorrent { metainfo: world.sample.torrent.clone().into() });
    world.run_for(Duration::from_secs(3));
    world
}

fn mapping() -> Mapping {
    Mapping {
        port: THERE,
        address: Some("203.0.113.7".parse().expect("an address")),
        by: MappedBy::Upnp,
    }
}

fn announced(world: &World) -> &[u16] {
    &world.outside.trackers[&TRACKER].ports
}

#[test]
fn a_port_mapping_is_announced_to_trackers_at_once() {
    let mut world = world(true, 140);
    assert_eq!(announced(&world), [HERE]);
    world.router_says(&Ok(mapping()));
    world.run_for(Duration::from_secs(3));
    assert_eq!(announced(&world), [HERE, THERE]);
    let snapshot = world.engine.snapshot(world.now);
    let view = snapshot.port_mapping.expect("the router was asked");
    assert_eq!(
        (view.state, view.port, view.by),
        (MappingState::Mapped, Some(THERE), Some(By::Upnp))
    );
    assert_eq!((view.address.as_deref(), snapshot.listen_port), (Some("203.0.113.7"), Some(HERE)));
    // A repeated mapping changes nothing; another port does.
    world.router_says(&Ok(mapping()));
    world.run_for(Duration::from_secs(3));
    assert_eq!(announced(&world), [HERE, THERE]);
    world.router_says(&Err(OpError { kind: OpErrorKind::Network, message: "gone".into() }));
    world.run_for(Duration::from_secs(3));
    assert_eq!(announced(&world), [HERE, THERE, HERE]);
}

#[test]
fn a_refusing_router_is_shown_and_changes_nothing() {
    let mut world = world(true, 141);
    world.router_says(&Err(OpError { kind: OpErrorKind::Denied, message: "no gateway".into() }));
    world.run_for(Duration::from_secs(3));
    assert_eq!(announced(&world), [HERE]);
    let view = world.engine.snapshot(world.now).port_mapping.expect("the router was asked");
    assert_eq!((view.state, view.message.as_deref()), (MappingState::Failed, Some("no gateway")));
}

#[test]
fn a_router_is_asked_only_if_enabled() {
    let mut world = world(false, 142);
    assert_eq!(world.router_says(&Ok(mapping())), 0, "it was asked for no socket");
    assert_eq!(world.engine.snapshot(world.now).port_mapping, None);
}
