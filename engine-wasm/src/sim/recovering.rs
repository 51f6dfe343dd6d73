//! What survives a lost daemon, a dead engine, and changes on the disk.

use std::time::Duration;

use super::scenarios::{film, finish, four};
use super::seeder::Behaviour;
use super::world::World;
use crate::metainfo::testing::torrent;
use crate::view::Intent;

const MIB: u64 = 1 << 20;
const MIB_USIZE: usize = 1 << 20;

#[test]
fn a_lost_daemon_loses_no_verified_piece() {
    let mut world = World::with_torrent(film(20), &four(), 10);
    world.run_for(Duration::from_secs(3));
    let before = world.verified();
    assert!(before > 5 * MIB);
    world.unlink();
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.verified(), before);
    world.link();
    finish(&mut world, 60, "it continues");
    assert!(
        world.lines.received_bytes < 24 * MIB,
        "{} bytes for 20 MiB",
        world.lines.received_bytes
    );
}

#[test]
fn a_new_engine_continues_after_a_crash() {
    let mut world = World::with_torrent(film(20), &four(), 11);
    for _ in 0..4 {
        world.run_for(Duration::from_millis(1_300));
        let before = world.verified();
        world.replace_engine();
        world.run_for(Duration::from_millis(500));
        assert!(world.verified() >= before, "{} after, {before} before", world.verified());
    }
    finish(&mut world, 60, "it goes on with the peers that were written down");
}

#[test]
fn a_crash_during_verification_loses_nothing() {
    // So fast that a piece is begun and verified before any record can name it.
    let fast = vec![Behaviour::honest(20 * MIB, 1); 2];
    let mut world =
        World::with_torrent(torrent(64 << 10, &[("film.mp4", 20 * MIB_USIZE)]), &fast, 22);
    for part in 1..=10 {
        world.name_seeders();
        let request = world.ask(0, part * MIB, 20 * MIB - 1);
        let first = |world: &World| world.viewers[&request].first_at.is_some();
        assert!(world.run_until_within(Duration::from_secs(5), first).is_some(), "it continues");
        let known = world.verified();
        world.replace_engine();
        let back =
            world.run_until_within(Duration::from_millis(20), |world| world.verified() >= known);
        assert!(back.is_some(), "{} after, {known} before", world.verified());
    }
}

#[test]
fn a_change_on_disk_is_found_before_a_grant() {
    let mut world = World::with_torrent(film(8), &four(), 12);
    finish(&mut world, 30, "it completes");
    world.vandalise(3 * MIB_USIZE);
    world.lose_seeders();
    world.replace_engine();
    world.run_for(Duration::from_millis(10));
    let request = world.ask(0, 0, 8 * MIB - 1);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.verified(), 7 * MIB);
    assert_eq!(world.viewers[&request].next, 3 * MIB, "granted up to the changed piece");
}

#[test]
fn grants_of_a_changed_file_are_revoked() {
    let mut world = World::with_torrent(film(8), &four(), 26);
    finish(&mut world, 30, "it completes");
    world.run_for(Duration::from_secs(10));
    let request = world.ask(0, 0, 8 * MIB - 1);
    assert_eq!(world.viewers[&request].next, 8 * MIB);
    world.lose_seeders();
    world.vandalise(3 * MIB_USIZE);
    world.run_for(Duration::from_secs(10));
    // Another viewer starts to read, so the file is inspected.
    world.ask(0, 5, 9);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.viewers[&request].next, 3 * MIB);
    assert_eq!(world.verified(), 7 * MIB);
}

#[test]
fn grants_that_a_check_disproves_are_revoked() {
    let mut world = World::with_torrent(film(8), &four(), 27);
    finish(&mut world, 30, "it completes");
    world.run_for(Duration::from_secs(10));
    let request = world.ask(0, MIB, 8 * MIB - 1);
    world.lose_seeders();
    let path = world.disk.paths().next().expect("a file is there").clone();
    world.disk.change_unseen(&path, 5 * MIB_USIZE);
    let info_hash = world.info_hash();
    world.intend(Intent::Recheck { info_hash });
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.viewers[&request].next, 5 * MIB);
}
