//! Adding, pausing and removing torrents, and files that existed before.

use std::time::Duration;

use super::scenarios::{film, finish, four};
use super::world::World;
use crate::metainfo::testing::torrent;
use crate::view::{Intent, IntentReply, TorrentState};

const MIB: u64 = 1 << 20;
const MIB_USIZE: usize = 1 << 20;

#[test]
fn many_small_and_empty_files_are_served() {
    let files = [("a", 0), ("b/film.mp4", 300_000), ("c", 1), ("d", 0), ("e", 100_000), ("f", 0)];
    let mut world = World::with_torrent(torrent(32 << 10, &files), &four(), 13);
    let request = world.ask(1, 299_999, 299_999);
    finish(&mut world, 30, "it completes");
    assert!(world.viewers[&request].done_at.is_some());
}

#[test]
fn an_added_torrent_can_be_paused_resumed_and_removed() {
    let mut world = World::with_torrent(film(8), &four(), 14);
    world.run_for(Duration::from_millis(300));
    let info_hash = world.info_hash();
    let request = world.ask(0, 7 * MIB, 8 * MIB - 1);
    assert_eq!(world.engine.open_requests(), 1);
    world.intend(Intent::Pause { info_hash: info_hash.clone() });
    assert_eq!(world.viewers[&request].rejected, Some(Some(503)));
    assert_eq!(world.engine.open_requests(), 0, "the daemon says no more about it");
    assert_eq!(world.connected(), []);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.engine.snapshot(world.now).torrents[0].state, TorrentState::Paused);
    world.intend(Intent::Resume { info_hash: info_hash.clone() });
    finish(&mut world, 60, "it continues");
    world.intend(Intent::Remove { info_hash: info_hash.clone(), delete_data: true, undo: false });
    world.run_for(Duration::from_secs(1));
    assert!(!world.has_state() && !world.has_files());
    assert_eq!(world.numbers_in_use(), 0);
    assert!(world.replies.iter().all(|reply| *reply
        == IntentReply::Done {
            info_hash: info_hash.clone(),
            message: None,
            says: None,
            duplicate: false
        }));
}

#[test]
fn two_torrents_of_one_name_have_separate_folders_also_after_a_restart() {
    let mut world = World::with_torrent(film(2), &four(), 17);
    finish(&mut world, 30, "the first one is there");
    let other = torrent(32 << 10, &[("film.mp4", 100_000)]);
    let third = torrent(32 << 10, &[("FILM.mp4", 50_000)]);
    world.intend(Intent::AddTorrent { metainfo: other.torrent.into() });
    world.intend(Intent::AddTorrent { metainfo: third.torrent.into() });
    world.run_for(Duration::from_secs(1));
    let apart = ["FILM.mp4", "film (2).mp4", "film.mp4"];
    let places = |world: &World| -> Vec<String> {
        let torrents = world.engine.snapshot(world.now).torrents;
        let mut paths: Vec<String> =
            torrents.iter().map(|torrent| torrent.files[0].path.clone()).collect();
        paths.sort();
        paths
    };
    assert_eq!(places(&world), apart);
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    assert_eq!(places(&world), apart);
    // The second one begins with the same bytes, which were copied.
    assert_eq!(
        world.paths(),
        ["film (2).mp4", "film.mp4"],
        "what nothing was written of is not made"
    );
}

#[test]
fn an_existing_copy_is_used_and_not_deleted_with_the_torrent() {
    let mut world = World::new(film(8), &four(), 18);
    let copy = world.sample.content[..5 * MIB_USIZE].to_vec();
    world.plant("film.mp4", &copy);
    world.add();
    world.run_for(Duration::from_millis(20));
    assert!(world.verified() >= 5 * MIB);
    finish(&mut world, 30, "the rest is fetched");
    assert!(
        world.lines.received_bytes <= 3 * MIB,
        "{} bytes were fetched",
        world.lines.received_bytes
    );
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    world.intend(Intent::Remove { info_hash: world.info_hash(), delete_data: true, undo: false });
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.paths(), ["film.mp4"]);
}

#[test]
fn another_file_of_the_same_name_is_not_touched() {
    let mut world = World::new(film(4), &four(), 19);
    let theirs = vec![7; 6 * MIB_USIZE];
    world.plant("film.mp4", &theirs);
    world.plant("film (2).mp4", b"short");
    world.add();
    finish(&mut world, 30, "it lies elsewhere");
    assert_eq!(world.paths(), ["film (2).mp4", "film (3).mp4", "film.mp4"]);
    assert_eq!(world.read("film (3).mp4"), Some(&world.sample.content[..]));
    world.intend(Intent::Remove { info_hash: world.info_hash(), delete_data: true, undo: false });
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.read("film.mp4"), Some(&theirs[..]));
    assert_eq!(world.read("film (2).mp4"), Some(&b"short"[..]));
    assert_eq!(world.read("film (3).mp4"), None);
}

#[test]
fn a_torrent_paused_while_its_folder_is_inspected_starts_again() {
    let mut world = World::new(film(4), &four(), 20);
    let copy = world.sample.content.clone();
    world.plant("film.mp4", &copy);
    world.run_for(Duration::from_millis(10));
    world.intend(Intent::AddTorrent { metainfo: world.sample.torrent.clone().into() });
    world.run_for(Duration::from_micros(300));
    let info_hash = world.info_hash();
    world.intend(Intent::Pause { info_hash: info_hash.clone() });
    world.run_for(Duration::from_secs(1));
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    world.intend(Intent::Resume { info_hash });
    finish(&mut world, 5, "the copy is found");
    assert_eq!(world.lines.received_bytes, 0);
}

#[test]
fn limits_are_sent_to_every_new_daemon() {
    use shared_proto::{EngineMessage, Limits, Root, RootKey};

    use crate::{Config, Engine, Input, Output, time::Instant};
    let config = Config { download_limit_bps: Some(1_000), ..Config::default() };
    let mut engine = Engine::new(config, [21; 32], Instant(0));
    for epoch in 1..=2 {
        let roots =
            vec![Root { key: RootKey("d".into()), label: "Downloads".into(), path: String::new() }];
        let limits = Limits { max_conns: 1, max_files: 1, io_window: 1, max_wait_ms: 1 };
        engine.handle_input(Instant(epoch), Input::Linked { epoch, roots, limits });
        let said = EngineMessage::RateLimit { group: 0, down_bps: Some(1_000), up_bps: None };
        let outputs: Vec<Output> = std::iter::from_fn(|| engine.poll_output()).collect();
        assert!(outputs.contains(&Output::Control(said)), "{outputs:?}");
        engine.handle_input(Instant(epoch), Input::Unlinked);
    }
}

#[test]
fn an_invalid_torrent_file_gets_a_clear_message() {
    let mut world = World::new(film(1), &[], 15);
    world.run_for(Duration::from_millis(10));
    world.intend(Intent::AddTorrent { metainfo: b"<html>".as_slice().into() });
    world.intend(Intent::AddPeers { info_hash: "00".into(), peers: vec![] });
    assert_eq!(world.replies.len(), 2);
    assert!(
        world.replies.iter().all(|reply| matches!(reply, IntentReply::Failed { .. })),
        "{:?}",
        world.replies
    );
}
