//! Full, read-only and failing disks: torrents stop with a message, lose nothing, and continue.

use std::time::Duration;

use super::seeder::Behaviour;
use super::world::World;
use crate::metainfo::testing::torrent;
use crate::view::{Intent, TorrentState, Trouble};

const KIB: u64 = 1 << 10;
const PIECE: u64 = 64 << 10;
const FILM: usize = 4 << 20;
/// Blocks that were under way when the disk failed are downloaded twice.
const UNDER_WAY: u64 = 2 << 20;

/// Creates a world with a film that downloads at 1 MB/s.
fn film(seed: u8) -> World {
    World::new(
        torrent(64 << 10, &[("film.mp4", FILM)]),
        &vec![Behaviour::honest(512 * KIB, 10); 2],
        seed,
    )
}

impl World {
    fn until_trouble(&mut self, words: &str) {
        let came = self.run_until_within(Duration::from_secs(60), |world| {
            world.view().state == TorrentState::Error
        });
        assert!(came.is_some(), "trouble: {:?}", self.view().state);
        let message = self.view().message.expect("trouble has words");
        assert!(message.contains(words), "{message}");
    }

    fn until_complete(&mut self, seconds: u64) {
        let took = self.run_until_within(Duration::from_secs(seconds), World::is_complete);
        assert!(took.is_some(), "{:?} {:?}", self.view().state, self.view().message);
        assert_eq!(self.read("film.mp4").unwrap(), self.sample.file(0));
    }
}

#[test]
fn a_full_disk_stops_the_torrent_until_there_is_space() {
    let mut world = film(130);
    world.disk.room = Some(1_500_000);
    world.add();
    world.until_trouble("disk is full");
    let before = world.verified();
    assert!((1 << 20..=1_500_000).contains(&before), "{before}");
    let pieces =
        world.engine.pieces(&world.info_hash(), 0, u32::MAX).expect("the film has pieces").verified;
    let there = pieces.iter().position(|share| *share == 255).expect("a piece is there") as u64;
    let request = world.ask(0, there * PIECE, (there + 1) * PIECE - 1);
    world.run_for(Duration::from_millis(100));
    assert!(world.viewers[&request].done_at.is_some(), "what is there is served");
    world.disk.room = None;
    world.until_complete(30);
    assert!(
        world.lines.received_bytes < FILM as u64 + UNDER_WAY,
        "{} bytes came for {FILM}",
        world.lines.received_bytes
    );
}

#[test]
fn resume_retries_at_once() {
    let mut world = film(131);
    world.disk.room = Some(1 << 20);
    world.add();
    world.until_trouble("disk is full");
    // By now the delay until the next attempt is long.
    world.run_for(Duration::from_secs(600));
    world.disk.room = None;
    world.intend(Intent::Resume { info_hash: world.info_hash() });
    world.until_complete(10);
}

#[test]
fn a_full_disk_is_retried_with_back_off() {
    let mut world = film(132);
    world.disk.room = Some(1 << 20);
    world.add();
    world.until_trouble("disk is full");
    let looks = world.daemon.stats;
    world.run_for(Duration::from_secs(3_600));
    assert!(
        (8..60).contains(&(world.daemon.stats - looks)),
        "{} looks in an hour",
        world.daemon.stats - looks
    );
    assert_eq!(world.view().state, TorrentState::Error);
}

#[test]
fn a_torrent_paused_by_the_user_stays_paused() {
    let mut world = film(133);
    world.disk.room = Some(1 << 20);
    world.add();
    world.until_trouble("disk is full");
    world.intend(Intent::Pause { info_hash: world.info_hash() });
    world.disk.room = None;
    world.run_for(Duration::from_secs(1_000));
    assert_eq!(world.view().state, TorrentState::Paused);
    world.intend(Intent::Resume { info_hash: world.info_hash() });
    world.until_complete(20);
}

#[test]
fn a_read_only_folder_stops_a_new_and_a_running_torrent() {
    for after in [Duration::ZERO, Duration::from_secs(2)] {
        let mut world = film(134);
        world.disk.is_read_only = after.is_zero();
        world.add();
        world.run_for(after);
        world.disk.is_read_only = true;
        world.until_trouble("can't be written");
        let before = world.verified();
        world.disk.is_read_only = false;
        world.until_complete(60);
        assert!(
            world.lines.received_bytes < FILM as u64 + UNDER_WAY,
            "{} bytes came",
            world.lines.received_bytes
        );
        assert!(before > 0 || after.is_zero());
    }
}

#[test]
fn a_restart_with_a_full_disk_loses_nothing() {
    let mut world = film(135);
    world.disk.room = Some(2 << 20);
    world.add();
    world.until_trouble("disk is full");
    let before = world.verified();
    world.lose_seeders();
    world.replace_engine();
    world.run_for(Duration::from_secs(2));
    assert!(world.verified() >= before, "{} of {before}", world.verified());
    world.disk.room = None;
    world.run_for(Duration::from_secs(10));
    world.replace_seeders(&vec![Behaviour::honest(512 * KIB, 10); 2]);
    world.name_seeders();
    world.until_complete(60);
}

#[test]
fn repeated_disk_errors_are_overcome() {
    let mut world = film(136);
    world.add();
    for room in 1..4 {
        world.disk.room = Some(room << 20);
        world.until_trouble("disk is full");
    }
    world.disk.room = None;
    world.until_complete(60);
    assert!(
        world.lines.received_bytes < FILM as u64 + 3 * UNDER_WAY,
        "{} bytes came",
        world.lines.received_bytes
    );
}

#[test]
fn a_waiting_viewer_shortens_the_retry_to_seconds() {
    let mut world = film(137);
    world.disk.room = Some(1 << 20);
    world.add();
    world.until_trouble("disk is full");
    assert_eq!(world.view().trouble, Some(Trouble::DiskFull));
    // By now the next attempt would be minutes away.
    world.run_for(Duration::from_secs(900));
    // A player repeats its requests, as `<video>` and Media Source Extensions do.
    for _ in 0..10 {
        world.ask(0, FILM as u64 - 1_000, FILM as u64 - 1);
        world.run_for(Duration::from_secs(3));
    }
    let looks = world.daemon.stats;
    world.run_for(Duration::from_secs(60));
    assert!(
        (5..60).contains(&(world.daemon.stats - looks)),
        "{} looks in a minute",
        world.daemon.stats - looks
    );
    world.ask(0, FILM as u64 - 1_000, FILM as u64 - 1);
    world.disk.room = None;
    let back = world.run_until_within(Duration::from_secs(6), |world| {
        world.view().state == TorrentState::Downloading
    });
    assert!(back.is_some(), "{:?}", world.view().message);
    world.until_complete(20);
}

#[test]
fn trouble_has_a_code_for_programs() {
    let mut world = film(138);
    world.disk.is_read_only = true;
    world.add();
    world.until_trouble("can't be written");
    assert_eq!(world.view().trouble, Some(Trouble::ReadOnly));
    world.disk.is_read_only = false;
    world.until_complete(60);
    assert_eq!(world.view().trouble, None);
}
