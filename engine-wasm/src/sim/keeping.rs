//! Files on disk: selection, thousands of files, restarts without hashing, and changes by other
//! programs.

use std::time::Duration;

use super::seeder::Behaviour;
use super::world::World;
use crate::metainfo::testing::{Sample, torrent};
use crate::view::{FilePriority, Intent, IntentReply, Priority, TorrentState};

const KIB: u64 = 1 << 10;
const PIECE: u32 = 64 << 10;

/// Returns a torrent of three files; the second shares pieces with both others.
fn three() -> Sample {
    torrent(PIECE, &[("a.mkv", 600_000), ("b.mkv", 500_000), ("c.mkv", 700_000)])
}

fn fast() -> Vec<Behaviour> {
    vec![Behaviour::honest(4 << 20, 10); 2]
}

fn path(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

impl World {
    fn want(&mut self, files: &[(u32, Priority)]) {
        let files =
            files.iter().map(|&(index, priority)| FilePriority { index, priority }).collect();
        self.intend(Intent::SetPriorities { info_hash: self.info_hash(), files });
    }

    fn is_in_state(&self, state: TorrentState) -> bool {
        self.engine
            .snapshot(self.now)
            .torrents
            .first()
            .is_some_and(|torrent| torrent.state == state)
    }

    fn until_state(&mut self, state: TorrentState, what: &str) {
        // Not at every event, because a snapshot of thousands of files is slow.
        let came = (0..1_200).any(|_| {
            self.run_for(Duration::from_millis(50));
            self.is_in_state(state)
        });
        assert!(came, "{what}: {:?}", self.view().state);
    }

    /// Replaces the engine and returns how many pieces the new one hashed.
    fn start_again(&mut self) -> u32 {
        self.lose_seeders();
        self.daemon.digests = 0;
        self.replace_engine();
        self.run_for(Duration::from_secs(2));
        self.daemon.digests
    }
}

/// Creates a world with a complete torrent and saved stamps.
fn complete(sample: Sample, seed: u8) -> World {
    let mut world = World::with_torrent(sample, &fast(), seed);
    world.until_state(TorrentState::Complete, "it completes");
    world.run_for(Duration::from_secs(10));
    world
}

#[test]
fn only_selected_files_are_downloaded_and_created() {
    let mut world = World::new(three(), &fast(), 100);
    world.add_choosing(&[(0, Priority::Skip), (2, Priority::Skip)]);
    world.until_state(TorrentState::Complete, "the one file is all that is wanted");
    let view = world.view();
    assert_eq!(
        (view.wanted, view.wanted_verified, view.files[1].verified),
        (500_000, 500_000, 500_000)
    );
    assert!(
        world.lines.received_bytes < 500_000 + 2 * u64::from(PIECE),
        "{}",
        world.lines.received_bytes
    );
    assert_eq!(world.read("Sample/b.mkv").map(<[u8]>::len), Some(500_000));
    // Parts of the other files are stored in place and occupy only their size.
    assert!(world.read("Sample/c.mkv").is_some_and(|bytes| bytes.len() < PIECE as usize));
    assert!(world.disk.used() < 500_000 + 2 * u64::from(PIECE));
    world.want(&[(2, Priority::High)]);
    world.until_state(TorrentState::Complete, "another one is wanted later");
    assert_eq!(world.view().files[2].verified, 700_000);
    assert!(world.view().files[0].verified < 600_000);
}

#[test]
fn an_unselected_file_without_shared_pieces_is_not_created() {
    let mut world = World::new(torrent(PIECE, &[("a", 2 * 65_536), ("b", 65_536)]), &fast(), 101);
    world.add_choosing(&[(1, Priority::Skip)]);
    world.until_state(TorrentState::Complete, "it completes");
    assert_eq!(world.paths(), ["Sample/a"]);
}

#[test]
fn a_viewers_file_is_downloaded_although_not_selected() {
    let mut world = World::new(three(), &fast(), 102);
    world.add_choosing(&[(0, Priority::Skip), (1, Priority::Skip), (2, Priority::Skip)]);
    world.until_state(TorrentState::Complete, "nothing is wanted");
    assert_eq!(world.lines.received_bytes, 0);
    let request = world.ask(2, 300_000, 699_999);
    let took = world.run_until_within(Duration::from_secs(20), |world| {
        world.viewers[&request].done_at.is_some()
    });
    assert!(took.is_some(), "{:?}", world.viewers[&request]);
}

#[test]
fn high_priority_files_come_first() {
    let sample = torrent(PIECE, &[("a", 2 << 20), ("b", 2 << 20), ("c", 2 << 20)]);
    let mut world = World::new(sample, &[Behaviour::honest(1 << 20, 10)], 103);
    world.add_choosing(&[(0, Priority::Low), (2, Priority::High)]);
    let mut order = Vec::new();
    while order.len() < 3 {
        world.run_for(Duration::from_millis(100));
        for file in world.view().files.iter().filter(|file| file.verified == file.length) {
            if !order.contains(&file.index) {
                order.push(file.index);
            }
        }
    }
    assert_eq!(order, [2, 1, 0]);
}

#[test]
fn the_selection_survives_a_restart() {
    let mut world = World::new(three(), &fast(), 104);
    world.add_choosing(&[(0, Priority::Skip), (2, Priority::Skip)]);
    world.until_state(TorrentState::Complete, "it completes");
    world.run_for(Duration::from_secs(1));
    world.start_again();
    assert_eq!(world.view().files[0].priority, Priority::Skip);
    assert!(world.is_in_state(TorrentState::Complete));
}

#[test]
fn unchanged_files_are_not_hashed_again() {
    let mut world = complete(three(), 110);
    assert_eq!(world.start_again(), 0);
    assert!(world.is_complete());
    let request = world.ask(1, 0, 499_999);
    world.run_for(Duration::from_millis(10));
    assert!(world.viewers[&request].done_at.is_some());
}

#[test]
fn only_a_changed_file_is_hashed_again() {
    for is_secret in [false, true] {
        let mut world = complete(three(), 111);
        world.unlink();
        let now = world.now;
        if is_secret {
            world.disk.change_secretly(&path("Sample/c.mkv"), 300_000, now);
        } else {
            world.disk.change(&path("Sample/c.mkv"), 300_000, now);
        }
        let hashed = world.start_again();
        let of_c = 700_000_u32.div_ceil(PIECE) + 1;
        assert!((of_c - 1..=of_c).contains(&hashed), "{hashed} pieces were hashed");
        assert_eq!(world.verified(), 1_800_000 - u64::from(PIECE), "one piece is not what it was");
    }
}

#[test]
fn a_truncated_file_loses_its_own_pieces_only() {
    let mut world = complete(three(), 112);
    world.unlink();
    let now = world.now;
    world.disk.cut(&path("Sample/a.mkv"), 1_000, now);
    world.start_again();
    assert!(world.verified() >= 1_200_000 - u64::from(PIECE));
    assert!(world.is_in_state(TorrentState::Downloading));
}

#[test]
fn a_crash_during_the_download_loses_no_verified_piece() {
    for after_ms in [150, 250, 400, 700, 3_500, 5_000] {
        let mut world = World::with_torrent(three(), &[Behaviour::honest(600 * KIB, 10)], 113);
        world.run_for(Duration::from_millis(after_ms));
        let before = world.verified();
        world.start_again();
        assert!(world.verified() >= before, "{after_ms} ms: {} of {before}", world.verified());
    }
}

#[test]
fn a_change_while_running_is_noticed_when_the_file_is_read() {
    let mut world = complete(three(), 114);
    let now = world.now;
    world.disk.change(&path("Sample/b.mkv"), 200_000, now);
    let request = world.ask(1, 0, 99_999);
    world.run_for(Duration::from_secs(3));
    assert!(world.viewers[&request].done_at.is_some());
    world.leave(request);
    world.until_state(TorrentState::Complete, "the changed piece is fetched again");
    assert_eq!(world.read("Sample/b.mkv").unwrap(), world.sample.file(1));
}

#[test]
fn a_check_hashes_everything_and_viewers_continue() {
    let mut world = complete(torrent(PIECE, &[("film.mp4", 8 << 20)]), 115);
    world.disk.change_unseen(&path("film.mp4"), 7 << 20);
    world.lose_seeders();
    world.daemon.digests = 0;
    world.intend(Intent::Recheck { info_hash: world.info_hash() });
    world.run_for(Duration::from_micros(700));
    let view = world.view();
    assert_eq!(view.state, TorrentState::Checking);
    assert!(view.check_progress.is_some_and(|progress| progress < 1.0));
    let request = world.ask(0, 0, (1 << 20) - 1);
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.daemon.digests, 128);
    assert!(world.viewers[&request].done_at.is_some());
    assert_eq!(world.verified(), (8 << 20) - u64::from(PIECE));
    assert_eq!(world.view().check_progress, None);
}

#[test]
fn a_cancelled_check_changes_nothing() {
    let mut world = complete(torrent(PIECE, &[("film.mp4", 8 << 20)]), 116);
    world.lose_seeders();
    world.daemon.digests = 0;
    world.intend(Intent::Recheck { info_hash: world.info_hash() });
    world.run_for(Duration::from_micros(700));
    world.intend(Intent::CancelRecheck { info_hash: world.info_hash() });
    world.run_for(Duration::from_secs(1));
    assert!(world.is_complete() && world.daemon.digests < 128, "{}", world.daemon.digests);
    assert!(world.replies.iter().all(|reply| matches!(reply, IntentReply::Done { .. })));
}

#[test]
fn fifty_thousand_files_stay_within_the_limit_of_open_files() {
    let names: Vec<String> =
        (0..50_000).map(|file| format!("{}/{file}.txt", file / 1_000)).collect();
    let files: Vec<(&str, usize)> =
        names.iter().enumerate().map(|(at, name)| (name.as_str(), at % 150)).collect();
    let mut world =
        World::new(torrent(16 << 10, &files), &vec![Behaviour::honest(4 << 20, 10); 3], 117);
    world.unlink();
    world.daemon.max_files = 1_500;
    world.link();
    world.add();
    world.until_state(TorrentState::Complete, "it completes");
    assert!(world.daemon.most_open <= 1_500);
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.paths().len(), 50_000, "those without bytes are made, too");
    assert_eq!(world.verified(), world.sample.metainfo.total_length());
}

#[test]
fn pieces_with_more_files_than_can_be_open_are_refused() {
    let names: Vec<String> = (0..100).map(|file| file.to_string()).collect();
    let files: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 10)).collect();
    let mut world = World::with_torrent(torrent(16 << 10, &files), &fast(), 118);
    world.run_for(Duration::from_secs(1));
    let view = world.view();
    assert_eq!(view.state, TorrentState::Error);
    assert!(view.message.unwrap().contains("more files than can be open"));
}

#[test]
fn an_empty_torrent_is_complete_when_its_files_exist() {
    for files in [&[("empty", 0)][..], &[("a", 0), ("b", 0)]] {
        let mut world = World::with_torrent(torrent(PIECE, files), &[], 119);
        world.until_state(TorrentState::Complete, "nothing is missing");
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.paths().len(), files.len());
        world.start_again();
        assert!(world.is_in_state(TorrentState::Complete));
        world.intend(Intent::Remove {
            info_hash: world.info_hash(),
            delete_data: true,
            undo: false,
        });
        world.run_for(Duration::from_secs(1));
        assert!(!world.has_files());
    }
}

#[test]
fn selected_empty_files_are_created() {
    let mut world = World::new(torrent(PIECE, &[("a", 0), ("b", 100_000), ("c", 0)]), &fast(), 120);
    world.add_choosing(&[(2, Priority::Skip)]);
    world.until_state(TorrentState::Complete, "it completes");
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.paths(), ["Sample/a", "Sample/b"]);
    world.want(&[(2, Priority::Normal)]);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.paths().len(), 3);
}
