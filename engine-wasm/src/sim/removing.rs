//! Torrents that are removed at awkward moments: nothing of theirs is left, and nothing that was there before is touched.

use std::time::Duration;

use super::seeder::{Describes, Manner};
use super::world::World;
use crate::metainfo::testing::{Sample, torrent};
use crate::view::{Intent, IntentReply, TorrentState};

const PIECE: u32 = 64 << 10;

fn three() -> Sample {
    torrent(PIECE, &[("a.mkv", 600_000), ("b.mkv", 500_000), ("empty", 0)])
}

fn fast() -> Vec<Manner> {
    vec![Manner::honest(4 << 20, 10); 2]
}

impl World {
    fn remove(&mut self, delete_data: bool) {
        self.intend(Intent::Remove { info_hash: self.info_hash(), delete_data });
        self.run_for(Duration::from_secs(30));
    }

    /// Nothing is left but these files.
    fn left(&self, expected: &[&str], what: &str) {
        assert_eq!(self.paths(), expected, "{what}");
        assert!(!self.has_state(), "{what}: it is remembered");
        assert_eq!(self.numbers_in_use(), 0, "{what}: files are open");
        assert!(self.engine.snapshot(self.now).torrents.is_empty(), "{what}");
    }
}

#[test]
fn at_any_moment_of_its_beginning() {
    for after_us in (0..4_000).step_by(100).chain([10_000, 50_000, 200_000, 1_000_000]) {
        let mut world = World::with_torrent(three(), &fast(), 160);
        world.run_for(Duration::from_micros(after_us));
        world.remove(true);
        world.left(&[], &format!("after {after_us} µs"));
    }
}

#[test]
fn while_it_is_being_checked() {
    for after_us in [0, 300, 500, 700, 1_500] {
        let mut world = World::with_torrent(three(), &fast(), 161);
        world.run_for(Duration::from_secs(10));
        world.intend(Intent::Recheck { info_hash: world.info_hash() });
        world.run_for(Duration::from_micros(after_us));
        assert!(after_us > 300 || world.view().state == TorrentState::Checking, "{after_us} µs");
        world.remove(true);
        world.left(&[], &format!("after {after_us} µs"));
    }
}

#[test]
fn while_what_lay_there_before_is_compared_and_after_it_was_adopted() {
    for after_us in [0, 300, 500, 700, 900, 2_000, 2_000_000] {
        let mut world = World::new(three(), &fast(), 162);
        let own = world.sample.file(0).to_vec();
        world.plant("Sample/a.mkv", &own);
        world.add();
        world.run_for(Duration::from_micros(after_us));
        world.remove(true);
        world.left(&["Sample/a.mkv"], &format!("after {after_us} µs"));
        assert_eq!(world.read("Sample/a.mkv").unwrap(), own);
    }
}

#[test]
fn a_strangers_files_of_the_same_name_are_never_touched() {
    for after_us in [0, 500, 1_000, 2_000, 2_000_000] {
        let mut world = World::new(three(), &fast(), 163);
        world.plant("Sample/a.mkv", &[7; 600_000]);
        world.add();
        world.run_for(Duration::from_micros(after_us));
        world.remove(true);
        world.left(&["Sample/a.mkv"], &format!("after {after_us} µs"));
        assert_eq!(world.read("Sample/a.mkv").unwrap(), [7; 600_000]);
    }
}

#[test]
fn before_it_is_described() {
    for after_ms in [0, 10, 50, 100] {
        let describing = Manner::describing(Describes::Honestly);
        let mut world = World::with_magnet(three(), &[describing], 164);
        world.plant("Sample/a.mkv", b"mine");
        world.run_for(Duration::from_millis(after_ms));
        world.remove(true);
        world.left(&["Sample/a.mkv"], &format!("after {after_ms} ms"));
    }
}

#[test]
fn without_its_data_which_is_used_when_it_comes_again() {
    let mut world = World::with_torrent(three(), &fast(), 165);
    world.run_for(Duration::from_secs(10));
    world.remove(false);
    world.left(&["Sample/a.mkv", "Sample/b.mkv", "Sample/empty"], "its files stay");
    let before = world.received_bytes;
    world.add();
    world.run_for(Duration::from_secs(5));
    assert!(world.is_complete());
    assert_eq!(world.received_bytes, before);
    // It was there before the torrent, this time.
    world.remove(true);
    world.left(&["Sample/a.mkv", "Sample/b.mkv", "Sample/empty"], "it was there before");
}

#[test]
fn not_while_the_daemon_is_away() {
    let mut world = World::with_torrent(three(), &fast(), 166);
    world.run_for(Duration::from_secs(5));
    world.unlink();
    world.intend(Intent::Remove { info_hash: world.info_hash(), delete_data: true });
    assert!(matches!(world.replies.last(), Some(IntentReply::Failed { message }) if message.contains("daemon")));
    world.link();
    world.run_for(Duration::from_secs(1));
    assert!(world.is_complete(), "nothing happened to it");
    world.remove(true);
    world.left(&[], "now it is gone");
}
