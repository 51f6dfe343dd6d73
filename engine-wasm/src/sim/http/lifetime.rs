//! Temporary torrents stay while they are read.

use std::time::Duration;

use super::{series, world};
use crate::metainfo::testing::torrent;
use crate::sim::seeder::Behaviour;
use crate::sim::world::World;
use crate::view::Intent;

fn count(world: &World) -> usize {
    world.engine.snapshot(world.now).torrents.len()
}

/// Returns whether the torrent still exists after this many seconds.
fn check(world: &mut World, seconds: u64, is_there: bool, what: &str) {
    world.run_for(Duration::from_secs(seconds));
    assert_eq!(count(world) == 1, is_there, "{what}");
    if !is_there {
        world.run_for(Duration::from_secs(1));
        assert!(!world.has_state() && !world.has_files(), "{what}: something stays behind");
    }
}

fn magnet(world: &World) -> String {
    format!("/add/magnet%3A%3Fxt%3Durn%3Abtih%3A{}%26x.pe%3D127.0.0.1%3A1", world.info_hash())
}

#[test]
fn an_unread_torrent_is_removed_with_its_data() {
    let mut world = world(series());
    world.add_file();
    check(&mut world, 119, true, "the delay is not over");
    check(&mut world, 2, false, "nobody came");
}

#[test]
fn a_failed_deletion_is_retried_later() {
    let mut world = World::new(
        torrent(32 << 10, &[("film.mp4", 2 << 20)]),
        &[Behaviour::honest(1 << 20, 10)],
        71,
    );
    world.run_for(Duration::from_millis(10));
    world.add_file();
    world.name_seeders();
    world.run_for(Duration::from_secs(60));
    assert!(world.has_files());
    world.disk.is_read_only = true;
    check(&mut world, 1_000, true, "its file can't be deleted");
    world.disk.is_read_only = false;
    check(&mut world, 121, false, "now it can");
}

#[test]
fn a_kept_torrent_stays() {
    for how in ["query", "again", "page"] {
        let mut world = world(series());
        let torrent = world.sample.torrent.clone();
        if how == "query" {
            world.send("POST", "/add?keep=1", Some("application/x-bittorrent"), &torrent);
        } else {
            world.add_file();
        }
        world.run_for(Duration::from_secs(100));
        match how {
            "again" => {
                world.send("POST", "/add?keep=1", Some("application/x-bittorrent"), &torrent);
            }
            "page" => world.intend(Intent::AddTorrent { metainfo: torrent.into() }),
            _ => {}
        }
        check(&mut world, 1_000, true, how);
        world.add_file();
        check(&mut world, 1_000, true, "adding it again does not make it temporary");
        assert_eq!(world.keys("temporary/"), 0, "{how}");
    }
}

#[test]
fn a_reader_in_time_keeps_the_torrent_while_it_reads() {
    let mut world = world(series());
    world.add_file();
    world.run_for(Duration::from_secs(110));
    let request = world.ask(0, 0, 99_999);
    check(&mut world, 280, true, "somebody waits");
    world.leave(request);
    world.run_for(Duration::from_secs(60));
    let request = world.ask(0, 5, 10);
    world.run_for(Duration::from_secs(10));
    world.leave(request);
    check(&mut world, 119, true, "somebody read a moment ago");
    check(&mut world, 2, false, "the last one is gone");
}

#[test]
fn a_rejected_reader_does_not_keep_the_torrent() {
    let mut world = world(series());
    world.add_file();
    world.run_for(Duration::from_secs(1));
    let request = world.ask(0, 0, 99_999);
    world.run_for(Duration::from_secs(310));
    assert_eq!(world.viewers[&request].rejected, Some(Some(503)), "nobody has it");
    check(&mut world, 125, false, "there is no reader any more");
}

#[test]
fn adding_again_restarts_the_delay() {
    let mut world = world(series());
    for _ in 0..5 {
        world.add_file();
        check(&mut world, 100, true, "it was asked for a moment ago");
    }
    check(&mut world, 21, false, "it was asked for long ago");
}

#[test]
fn temporary_torrents_survive_a_restart_as_temporary() {
    let mut world = World::new(
        torrent(32 << 10, &[("film.mp4", 2 << 20)]),
        &[Behaviour::honest(1 << 20, 10)],
        70,
    );
    world.run_for(Duration::from_millis(10));
    world.add_file();
    world.run_for(Duration::from_secs(100));
    world.replace_engine();
    check(&mut world, 119, true, "readers have the whole delay to come back");
    check(&mut world, 2, false, "nobody came back");
}

#[test]
fn a_lost_daemon_restarts_the_delay() {
    let mut world = world(series());
    world.add_file();
    world.run_for(Duration::from_secs(100));
    world.unlink();
    check(&mut world, 1_000, true, "nothing can be removed without a daemon");
    world.link();
    check(&mut world, 119, true, "readers may come back");
    check(&mut world, 2, false, "nobody came back");
}

#[test]
fn a_magnet_link_without_metadata_is_dropped_without_a_trace() {
    for keep in ["", "%26keep%3D1", "?keep=1"] {
        let mut world = world(series());
        let id = world.send("GET", &format!("{}{keep}", magnet(&world)), None, b"");
        world.run_for(Duration::from_secs(99));
        assert!(
            world.heard(id).is_none() && world.has_state(),
            "three times thirty seconds, and ten between them"
        );
        assert!(
            (19..=20).contains(&world.answers.len()),
            "every five seconds the call is said to be alive"
        );
        world.run_for(Duration::from_secs(2));
        assert_eq!(
            world.heard(id).expect("it is answered").failure(),
            (504, "metadata_timeout".into()),
            "{keep}"
        );
        check(&mut world, 0, false, "nothing stays behind");
    }
}

#[test]
fn every_call_for_a_magnet_link_is_answered() {
    let mut world = world(series());
    let first = world.send("GET", &magnet(&world), None, b"");
    world.run_for(Duration::from_secs(50));
    let gone = world.send("GET", &magnet(&world), None, b"");
    let second = world.send("GET", &magnet(&world), None, b"");
    world.leave(gone);
    assert_eq!(count(&world), 1);
    assert_eq!(
        world.resolve(&format!("{}/7", world.info_hash())).1,
        Some(409),
        "its files are not known yet"
    );
    let playlist = world.call("GET", &format!("/torrents/{}/playlist.m3u8", world.info_hash()));
    assert_eq!(playlist.failure(), (409, "not_ready".into()));
    // A caller adds the `.torrent` file.
    world.add_file();
    for id in [first, second] {
        assert_eq!(world.heard(id).expect("it is answered").status, 200);
    }
    assert!(world.heard(gone).is_none());
    check(&mut world, 121, false, "it is temporary all the same");
}

#[test]
fn a_permanent_magnet_link_without_metadata_is_dropped_too() {
    for keeps in [[false, true], [true, false], [true, true]] {
        let mut world = world(series());
        let target =
            |world: &World, keep: bool| format!("{}?keep={}", magnet(world), u8::from(keep));
        let calls = keeps.map(|keep| {
            let target = target(&world, keep);
            let id = world.send("GET", &target, None, b"");
            world.run_for(Duration::from_secs(5));
            id
        });
        world.run_for(Duration::from_secs(200));
        for id in calls {
            assert_eq!(
                world.heard(id).expect("it is answered").failure(),
                (504, "metadata_timeout".into())
            );
        }
        check(&mut world, 1, false, &format!("{keeps:?}"));
    }
}

#[test]
fn a_call_for_a_removed_magnet_link_is_answered() {
    let mut world = world(series());
    let id = world.send("GET", &magnet(&world), None, b"");
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.call("DELETE", &format!("/torrents/{}", world.info_hash())).status, 204);
    assert_eq!(world.heard(id).expect("it is answered").failure(), (410, "removed".into()));
}

#[test]
fn a_pages_magnet_link_is_not_dropped_when_a_call_times_out() {
    let mut world = world(series());
    world.intend(Intent::AddMagnet { uri: format!("magnet:?xt=urn:btih:{}", world.info_hash()) });
    let id = world.send("GET", &magnet(&world), None, b"");
    world.run_for(Duration::from_secs(101));
    assert_eq!(world.heard(id).expect("it is answered").status, 504);
    check(&mut world, 1_000, true, "the page wants it still");
}
