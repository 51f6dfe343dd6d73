//! A computer that sleeps, or whose addresses change.

use std::net::SocketAddr;
use std::time::Duration;

use shared_proto::IoEvent;

use super::seeder::Behaviour;
use super::tracker::UdpTracker;
use super::world::World;
use crate::config::Config;
use crate::io::Input;
use crate::metainfo::testing::{torrent, torrent_with_trackers};
use crate::net::NetConfig;

const MIB: u64 = 1 << 20;
const FILE_MIB: usize = 1 << 20;

fn network_changed(world: &mut World, slept: bool) {
    world.hear(Input::Io(IoEvent::NetworkChanged { slept }));
}

fn seeders() -> [Behaviour; 2] {
    [Behaviour::honest(MIB, 20), Behaviour::honest(MIB, 20)]
}

#[test]
fn after_a_sleep_a_viewer_goes_on_over_new_connections_at_once() {
    let sample = torrent(64 << 10, &[("film.mp4", 32 * FILE_MIB)]);
    let mut world = World::with_torrent(sample, &seeders(), 230);
    world.run_for(Duration::from_secs(2));
    let request = world.ask(0, 16 * MIB, 24 * MIB - 1);
    world.run_for(Duration::from_secs(1));
    assert!(!world.connected().is_empty());
    let before = world.viewers[&request].next;
    world.drain(request, before);
    world.break_lines();
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.viewers[&request].next, before, "the connections are dead");
    network_changed(&mut world, true);
    let goes_on = world.run_until_within(Duration::from_secs(2), |world| {
        world.viewers[&request].next > before + MIB
    });
    let now = world.viewers[&request].next;
    assert!(goes_on.is_some(), "{before} bytes were granted, and now {now}");
}

#[test]
fn a_new_address_is_announced_and_peers_that_failed_are_dialled_at_once() {
    let tracker: SocketAddr = ([192, 0, 2, 1], 80).into();
    let sample = torrent_with_trackers(
        64 << 10,
        &[("film.mp4", 8 * FILE_MIB)],
        &["udp://tracker.example:80"],
    );
    let net = NetConfig { listen_port: Some(6881), udp: true, ..NetConfig::default() };
    let config = Config { net, ..Config::default() };
    let mut world = World::configured(config, sample, &[], 231);
    world.name("tracker.example", &["192.0.2.1"]);
    let seeder: SocketAddr = ([127, 0, 0, 1], 1).into();
    world.outside.trackers.insert(tracker, UdpTracker::naming(&[seeder]));
    world.add();
    // Nobody answers, so the waits between two dials become long.
    world.run_for(Duration::from_secs(50));
    let dials = world.lines.dialled[&seeder];
    let announces = world.outside.trackers[&tracker].ports.len();
    world.replace_seeders(&[Behaviour::honest(4 * MIB, 20)]);
    network_changed(&mut world, false);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.outside.trackers[&tracker].ports.len(), announces + 1);
    assert_eq!(world.lines.dialled[&seeder], dials + 1);
    assert!(world.run_until_within(Duration::from_secs(5), World::is_complete).is_some());
}

#[test]
fn new_addresses_alone_close_no_connection() {
    let sample = torrent(64 << 10, &[("film.mp4", 32 * FILE_MIB)]);
    let mut world = World::with_torrent(sample, &seeders(), 232);
    world.run_for(Duration::from_secs(2));
    let before = (world.connected().len(), world.lines.dialled.clone());
    network_changed(&mut world, false);
    world.run_for(Duration::from_secs(2));
    assert_eq!((world.connected().len(), world.lines.dialled.clone()), before);
}

#[test]
fn a_magnet_link_goes_on_after_a_sleep() {
    let sample = torrent(64 << 10, &[("film.mp4", 4 * FILE_MIB)]);
    let mut world = World::with_magnet(sample, &[], 233);
    world.run_for(Duration::from_secs(50));
    world.replace_seeders(&seeders());
    network_changed(&mut world, true);
    world.name_seeders();
    assert!(world.run_until_within(Duration::from_secs(10), World::is_complete).is_some());
}
