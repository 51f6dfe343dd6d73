//! Removals at difficult moments: no file of the torrent stays, and no other file is touched.

use std::time::Duration;

use super::seeder::{Behaviour, Describes};
use super::world::World;
use crate::metainfo::testing::{Sample, torrent};
use crate::view::{Intent, IntentReply, Sentence, TorrentState};

const PIECE: u32 = 64 << 10;

fn three() -> Sample {
    torrent(PIECE, &[("a.mkv", 600_000), ("b.mkv", 500_000), ("empty", 0)])
}

fn fast() -> Vec<Behaviour> {
    vec![Behaviour::honest(4 << 20, 10); 2]
}

impl World {
    fn remove(&mut self, delete_data: bool) {
        self.intend(Intent::Remove { info_hash: self.info_hash(), delete_data, undo: false });
        self.run_for(Duration::from_secs(30));
    }

    /// Checks that only these files are left.
    fn left(&self, expected: &[&str], what: &str) {
        assert_eq!(self.paths(), expected, "{what}");
        assert!(!self.has_state(), "{what}: it is remembered");
        assert_eq!(self.numbers_in_use(), 0, "{what}: files are open");
        assert!(self.engine.snapshot(self.now).torrents.is_empty(), "{what}");
    }
}

#[test]
fn removal_at_any_moment_of_the_start_leaves_no_file() {
    for after_us in (0..4_000).step_by(100).chain([10_000, 50_000, 200_000, 1_000_000]) {
        let mut world = World::with_torrent(three(), &fast(), 160);
        world.run_for(Duration::from_micros(after_us));
        world.remove(true);
        world.left(&[], &format!("after {after_us} µs"));
    }
}

#[test]
fn removal_during_a_check() {
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
fn removal_while_existing_files_are_compared_and_after_adoption() {
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
fn removal_never_touches_other_files_of_the_same_name() {
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
fn removal_before_the_metadata_arrives() {
    for after_ms in [0, 10, 50, 100] {
        let describing = Behaviour::describing(Describes::Honestly);
        let mut world = World::with_magnet(three(), &[describing], 164);
        world.plant("Sample/a.mkv", b"mine");
        world.run_for(Duration::from_millis(after_ms));
        world.remove(true);
        world.left(&["Sample/a.mkv"], &format!("after {after_ms} ms"));
    }
}

#[test]
fn removal_without_data_lets_the_data_be_reused() {
    let mut world = World::with_torrent(three(), &fast(), 165);
    world.run_for(Duration::from_secs(10));
    world.remove(false);
    world.left(&["Sample/a.mkv", "Sample/b.mkv", "Sample/empty"], "its files stay");
    let before = world.lines.received_bytes;
    world.add();
    world.run_for(Duration::from_secs(5));
    assert!(world.is_complete());
    assert_eq!(world.lines.received_bytes, before);
    // This time the file existed before the torrent.
    world.remove(true);
    world.left(&["Sample/a.mkv", "Sample/b.mkv", "Sample/empty"], "it was there before");
}

#[test]
fn removal_waits_for_the_daemon() {
    let mut world = World::with_torrent(three(), &fast(), 166);
    world.run_for(Duration::from_secs(5));
    world.unlink();
    world.intend(Intent::Remove { info_hash: world.info_hash(), delete_data: true, undo: false });
    assert!(matches!(
        world.replies.last(),
        Some(IntentReply::Failed { message, .. }) if message.contains("daemon")
    ));
    world.link();
    world.run_for(Duration::from_secs(1));
    assert!(world.is_complete(), "nothing happened to it");
    world.remove(true);
    world.left(&[], "now it is gone");
}

fn refusal(world: &World) -> &str {
    match world.replies.last() {
        Some(IntentReply::Failed { message, .. }) => message,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_torrent_stays_until_its_files_can_be_deleted() {
    let mut world = World::with_torrent(three(), &fast(), 167);
    world.run_for(Duration::from_secs(10));
    world.disk.is_read_only = true;
    world.remove(true);
    assert_eq!(
        refusal(&world),
        "“Sample/a.mkv” can't be deleted: the disk is read-only. Remove the torrent again when \
         that is fixed."
    );
    assert_eq!(world.view().state, TorrentState::Error);
    assert_eq!(world.view().message.as_deref(), Some(refusal(&world)));
    assert_eq!(world.verified(), 1_100_000, "what is there is as proven as before");
    world.run_for(Duration::from_secs(1_000));
    assert_eq!(world.paths().len(), 3, "nothing is deleted behind a person's back");
    world.disk.is_read_only = false;
    world.replace_engine();
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.verified(), 1_100_000, "nor forgotten");
    world.remove(true);
    world.left(&[], "the cause is gone");
}

#[test]
fn files_deleted_before_a_failed_removal_are_no_longer_verified() {
    let mut world = World::with_torrent(three(), &fast(), 168);
    world.run_for(Duration::from_secs(10));
    let path = |name: &str| vec!["Sample".to_owned(), name.to_owned()];
    world.disk.held_fast.insert(path("b.mkv"));
    world.remove(true);
    assert!(refusal(&world).starts_with("“Sample/b.mkv” can't be deleted"), "{:?}", world.replies);
    assert_eq!(world.paths(), ["Sample/b.mkv"]);
    // The shared piece is lost with the first torrent's file.
    assert!((400_000..500_000).contains(&world.verified()), "{}", world.verified());
    world.disk.held_fast.clear();
    world.intend(Intent::Resume { info_hash: world.info_hash() });
    world.run_for(Duration::from_secs(20));
    assert!(world.is_complete(), "{:?} {:?}", world.view().state, world.view().message);
    assert_eq!(world.read("Sample/a.mkv").unwrap(), world.sample.file(0));
}

#[test]
fn other_intents_are_refused_during_removal() {
    let mut world = World::with_torrent(three(), &fast(), 169);
    world.run_for(Duration::from_secs(10));
    let info_hash = world.info_hash();
    world.intend(Intent::Remove { info_hash: info_hash.clone(), delete_data: true, undo: false });
    assert_eq!(world.view().message.as_deref(), Some("Deleting its files"));
    for intent in [
        Intent::Resume { info_hash: info_hash.clone() },
        Intent::Recheck { info_hash: info_hash.clone() },
        Intent::Remove { info_hash, delete_data: true, undo: false },
        Intent::AddTorrent { metainfo: world.sample.torrent.clone().into() },
    ] {
        world.intend(intent);
        assert!(
            refusal(&world).starts_with("This torrent is being removed"),
            "{:?}",
            world.replies
        );
    }
    world.run_for(Duration::from_secs(1));
    world.left(&[], "it goes all the same");
}

#[test]
fn a_daemon_lost_during_removal_leaves_a_removable_torrent() {
    let mut world = World::with_torrent(three(), &fast(), 170);
    world.run_for(Duration::from_secs(10));
    world.intend(Intent::Remove { info_hash: world.info_hash(), delete_data: true, undo: false });
    world.unlink();
    assert_eq!(
        refusal(&world),
        "Lost connection to the daemon before all files were deleted. Remove the torrent again."
    );
    world.link();
    world.run_for(Duration::from_secs(5));
    world.remove(true);
    world.left(&[], "the daemon is back");
}

#[test]
fn removal_spares_and_reports_a_file_that_replaced_ours() {
    let mut world = World::with_torrent(three(), &fast(), 171);
    world.run_for(Duration::from_secs(10));
    let now = world.now;
    world.disk.swap_in(&["Sample".to_owned(), "a.mkv".to_owned()], vec![9; 600_000], now);
    world.remove(true);
    let says = Some(Sentence::Spared { name: "Sample/a.mkv".into(), others: 0 });
    let info_hash = world.info_hash();
    let message =
        Some("“Sample/a.mkv” was not deleted: it is not the file that was downloaded.".to_owned());
    let reply = IntentReply::Done { info_hash, message, says, duplicate: false };
    assert_eq!(world.replies.last(), Some(&reply));
    world.left(&["Sample/a.mkv"], "ours are gone");
    assert_eq!(world.read("Sample/a.mkv").unwrap(), [9; 600_000]);
}
