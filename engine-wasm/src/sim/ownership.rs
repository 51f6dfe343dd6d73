//! Existing files are never changed, and their valid pieces are used.

use std::time::Duration;

use super::seeder::Behaviour;
use super::world::World;
use crate::metainfo::testing::{Sample, torrent};
use crate::view::{Intent, IntentReply, TorrentState};

const PIECE: u32 = 64 << 10;

fn fast() -> Vec<Behaviour> {
    vec![Behaviour::honest(4 << 20, 10); 2]
}

/// Returns a torrent of three files; the second shares pieces with both others.
fn three() -> Sample {
    torrent(PIECE, &[("a.mkv", 600_000), ("b.mkv", 500_000), ("c.mkv", 700_000)])
}

fn path(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

impl World {
    fn completes(&mut self) {
        let took = self.run_until_within(Duration::from_secs(60), |world| {
            world.is_state(TorrentState::Complete)
        });
        assert!(
            took.is_some(),
            "{:?} {:?} {:?}",
            self.view().state,
            self.view().message,
            self.paths()
        );
    }

    fn is_state(&self, state: TorrentState) -> bool {
        self.engine
            .snapshot(self.now)
            .torrents
            .first()
            .is_some_and(|torrent| torrent.state == state)
    }

    fn has_trouble(&mut self, words: &str) {
        let came = self
            .run_until_within(Duration::from_secs(60), |world| world.is_state(TorrentState::Error));
        assert!(came.is_some(), "{:?} {:?}", self.view().state, self.view().message);
        let message = self.view().message.expect("trouble has words");
        assert!(message.contains(words), "{message}");
    }

    /// Checks the content of the files with these names.
    fn holds(&self, names: [&str; 3]) {
        for (file, name) in names.iter().enumerate() {
            let is_right = self.read(&format!("Sample/{name}")) == Some(self.sample.file(file));
            assert!(is_right, "{name}: {:?}", self.paths());
        }
    }
}

#[test]
fn one_matching_piece_does_not_make_a_file_ours() {
    // Another user file that starts with the torrent's bytes.
    let mut world = World::new(torrent(16 << 10, &[("diary.txt", 100_000)]), &fast(), 180);
    let mut diary = world.sample.file(0).to_vec();
    diary[20_000..].fill(b'x');
    world.plant("diary.txt", &diary);
    world.add();
    world.completes();
    assert_eq!(world.read("diary.txt").unwrap(), diary, "it is not ours");
    assert_eq!(world.read("diary (2).txt").unwrap(), world.sample.file(0));
    let view = world.view();
    assert!(view.files[0].displaced && view.files[0].path == "diary (2).txt");
    world.intend(Intent::Remove { info_hash: world.info_hash(), delete_data: true, undo: false });
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.paths(), ["diary.txt"]);
}

#[test]
fn valid_pieces_of_an_existing_file_are_copied_not_downloaded() {
    let mut world = World::new(torrent(PIECE, &[("film.mp4", 4 << 20)]), &fast(), 181);
    let mut other = world.sample.file(0).to_vec();
    other[3 << 20..].fill(0);
    world.plant("film.mp4", &other);
    world.add();
    world.completes();
    assert_eq!(world.read("film.mp4").unwrap(), other);
    assert_eq!(world.read("film (2).mp4").unwrap(), world.sample.file(0));
    assert!(
        world.lines.received_bytes < (1 << 20) + 4 * u64::from(PIECE),
        "{}",
        world.lines.received_bytes
    );
}

#[test]
fn one_conflict_renames_only_one_file() {
    for length in [500_000, 499_999, 0] {
        let mut world = World::new(three(), &fast(), 182);
        world.plant("Sample/b.mkv", &vec![7; length]);
        world.add();
        world.completes();
        world.holds(["a.mkv", "b (2).mkv", "c.mkv"]);
        assert_eq!(world.read("Sample/b.mkv").unwrap(), vec![7; length]);
    }
}

#[test]
fn a_complete_existing_file_is_used_in_place_and_never_written() {
    let mut world = World::new(three(), &fast(), 183);
    let own = world.sample.file(1).to_vec();
    world.plant("Sample/b.mkv", &own);
    let before = world.disk.stat(&path("Sample/b.mkv")).unwrap();
    world.add();
    world.completes();
    world.holds(["a.mkv", "b.mkv", "c.mkv"]);
    assert_eq!(world.disk.stat(&path("Sample/b.mkv")).unwrap(), before, "it was touched");
    assert!(!world.view().files[1].displaced);
    world.intend(Intent::Remove { info_hash: world.info_hash(), delete_data: true, undo: false });
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.paths(), ["Sample/b.mkv"]);
}

#[test]
fn an_existing_file_with_a_wrong_shared_piece_is_not_used_and_bans_no_peer() {
    let mut world = World::new(three(), &fast(), 184);
    let mut own = world.sample.file(1).to_vec();
    own[3] ^= 1;
    world.plant("Sample/b.mkv", &own);
    world.add();
    world.completes();
    world.holds(["a.mkv", "b (2).mkv", "c.mkv"]);
    assert_eq!(world.read("Sample/b.mkv").unwrap(), own);
    assert_eq!(world.connected().len(), 0, "seeds part when all is there");
    assert!(world.lines.received_bytes < 1_800_000, "{}", world.lines.received_bytes);
}

#[test]
fn a_file_smaller_than_a_piece_is_proved_by_its_neighbour() {
    let sample = || torrent(PIECE, &[("readme.txt", 21), ("film.mkv", 600_000)]);
    for is_right in [true, false] {
        let mut world = World::new(sample(), &fast(), 185);
        let text = if is_right { world.sample.file(0).to_vec() } else { vec![b'x'; 21] };
        world.plant("Sample/readme.txt", &text);
        world.add();
        world.completes();
        assert_eq!(world.read("Sample/readme.txt").unwrap(), text);
        assert_eq!(world.read("Sample/film.mkv").unwrap(), world.sample.file(1));
        let text = world.view().files.into_iter().find(|file| file.index == 0);
        assert_eq!(text.expect("it is there").displaced, !is_right);
        let own = if is_right { "Sample/readme.txt" } else { "Sample/readme (2).txt" };
        assert_eq!(world.read(own).unwrap(), world.sample.file(0));
    }
}

#[test]
fn the_user_can_continue_in_an_existing_file() {
    for is_early in [true, false] {
        let mut world = World::new(torrent(PIECE, &[("film.mp4", 4 << 20)]), &fast(), 186);
        let mut other = world.sample.file(0).to_vec();
        other[3 << 20..].fill(0);
        world.plant("film.mp4", &other);
        world.add();
        if !is_early {
            world.completes();
        }
        world.intend(Intent::Adopt { info_hash: world.info_hash() });
        assert!(
            matches!(world.replies.last(), Some(IntentReply::Done { .. })),
            "{:?}",
            world.replies
        );
        world.run_for(Duration::from_millis(100));
        world.completes();
        assert_eq!(world.paths(), ["film.mp4"], "early: {is_early}");
        assert_eq!(world.read("film.mp4").unwrap(), world.sample.file(0));
        world.intend(Intent::Remove {
            info_hash: world.info_hash(),
            delete_data: true,
            undo: false,
        });
        world.run_for(Duration::from_secs(5));
        assert_eq!(world.paths(), ["film.mp4"], "what was there before stays");
    }
}

#[test]
fn a_file_that_replaces_ours_is_not_touched() {
    for is_linked in [true, false] {
        let mut world = World::with_torrent(torrent(PIECE, &[("film.mp4", 4 << 20)]), &fast(), 187);
        world.run_for(Duration::from_millis(400));
        assert!((1..4 << 20).contains(&world.verified()));
        if !is_linked {
            world.unlink();
        }
        let now = world.now;
        world.disk.swap_in(&path("film.mp4"), vec![9; 4 << 20], now);
        if !is_linked {
            world.start_over();
        }
        world.completes();
        assert_eq!(world.read("film.mp4").unwrap(), vec![9; 4 << 20], "linked: {is_linked}");
        assert_eq!(world.read("film (2).mp4").unwrap(), world.sample.file(0));
        world.intend(Intent::Remove {
            info_hash: world.info_hash(),
            delete_data: true,
            undo: false,
        });
        world.run_for(Duration::from_secs(5));
        assert_eq!(world.paths(), ["film.mp4"]);
    }
}

#[test]
fn removal_spares_a_file_that_replaced_ours() {
    let mut world = World::with_torrent(torrent(PIECE, &[("film.mp4", 1 << 20)]), &fast(), 188);
    world.completes();
    let now = world.now;
    world.disk.swap_in(&path("film.mp4"), vec![9; 1 << 20], now);
    world.intend(Intent::Remove { info_hash: world.info_hash(), delete_data: true, undo: false });
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.paths(), ["film.mp4"]);
}

impl World {
    fn start_over(&mut self) {
        self.replace_engine();
        self.run_for(Duration::from_secs(1));
        self.name_seeders();
    }
}

#[test]
fn a_file_that_replaced_ours_is_not_moved_with_the_torrent() {
    let mut world = World::with_torrent(torrent(PIECE, &[("film.mp4", 1 << 20)]), &fast(), 201);
    world.completes();
    let now = world.now;
    world.disk.swap_in(&path("film.mp4"), vec![9; 1 << 20], now);
    let folder = Some("new".to_owned());
    world.intend(Intent::Move { info_hash: world.info_hash(), root: None, folder, name: None });
    world.run_for(Duration::from_secs(1));
    world.completes();
    assert_eq!(world.read("film.mp4").unwrap(), vec![9; 1 << 20]);
    assert_eq!(world.read("new/film.mp4").unwrap(), world.sample.file(0));
}

#[test]
fn a_missing_file_is_an_error_until_it_returns() {
    for is_restarted in [true, false] {
        let mut world = World::with_torrent(three(), &fast(), 189);
        world.completes();
        world.run_for(Duration::from_secs(10));
        let before = world.lines.received_bytes;
        let lost = world.disk.take_away(&path("Sample/b.mkv"));
        if is_restarted {
            world.start_over();
        } else {
            let request = world.ask(1, 0, 99_999);
            world.run_for(Duration::from_secs(3));
            world.leave(request);
        }
        world.has_trouble("b.mkv");
        assert_eq!(
            (world.lines.received_bytes, world.paths().len()),
            (before, 2),
            "restarted: {is_restarted}"
        );
        world.run_for(Duration::from_secs(60));
        assert_eq!((world.lines.received_bytes, world.paths().len()), (before, 2));
        world.daemon.digests = 0;
        world.disk.bring_back(&path("Sample/b.mkv"), lost);
        let took = world.run_until_within(Duration::from_secs(600), |world| {
            world.is_state(TorrentState::Complete)
        });
        assert!(took.is_some(), "{:?}", world.view().message);
        assert_eq!(
            (world.lines.received_bytes, world.daemon.digests),
            (before, 0),
            "restarted: {is_restarted}"
        );
    }
}

#[test]
fn a_missing_file_is_downloaded_again_after_a_check() {
    let mut world = World::with_torrent(three(), &fast(), 190);
    world.completes();
    world.run_for(Duration::from_secs(10));
    world.disk.take_away(&path("Sample/b.mkv"));
    world.start_over();
    world.has_trouble("b.mkv");
    world.intend(Intent::Recheck { info_hash: world.info_hash() });
    world.completes();
    world.holds(["a.mkv", "b.mkv", "c.mkv"]);
}

#[test]
fn a_disconnected_disk_stops_the_torrent_and_loses_nothing() {
    let mut world = World::with_torrent(three(), &[Behaviour::honest(600 << 10, 10)], 191);
    world.run_for(Duration::from_secs(2));
    let before = world.verified();
    assert!(before > 0);
    world.disk.is_absent = true;
    world.start_over();
    world.has_trouble("not connected");
    world.disk.is_absent = false;
    world.completes();
    assert!(world.lines.received_bytes < 1_800_000 + (1 << 20), "{}", world.lines.received_bytes);
}

#[test]
fn files_without_identities_are_hashed_before_they_are_trusted() {
    let mut world = World::new(three(), &[Behaviour::honest(600 << 10, 10)], 192);
    world.disk.is_indistinct = true;
    world.add();
    world.run_for(Duration::from_secs(2));
    let before = world.verified();
    assert!(before > 0);
    world.start_over();
    assert!(world.verified() >= before, "{} of {before}", world.verified());
    world.completes();
    world.holds(["a.mkv", "b.mkv", "c.mkv"]);
}

#[test]
fn names_equal_but_for_case_become_two_files() {
    let sample = || torrent(PIECE, &[("Film.mkv", 200_000), ("film.mkv", 200_000)]);
    for ignores_case in [true, false] {
        let mut world = World::new(sample(), &fast(), 193);
        world.disk.ignores_case = ignores_case;
        world.add();
        world.completes();
        let mut names = world.paths();
        names.sort();
        let expected = if ignores_case { 2 } else { 0 };
        assert_eq!(
            names.iter().filter(|name| name.contains("(2)")).count() * 2,
            expected,
            "{names:?}"
        );
        for (file, view) in world.view().files.iter().enumerate() {
            assert_eq!(world.read(&view.path).unwrap(), world.sample.file(file), "{}", view.path);
        }
    }
}

#[test]
fn only_names_that_the_disk_refuses_are_changed() {
    for refuses in [vec![], vec![':', '?']] {
        let is_changed = !refuses.is_empty();
        let mut world =
            World::new(torrent(PIECE, &[("a: b?.mkv", 200_000), ("c.mkv", 100_000)]), &fast(), 194);
        world.disk.refuses = refuses;
        world.add();
        world.completes();
        let name = if is_changed { "Sample/a_ b_.mkv" } else { "Sample/a: b?.mkv" };
        assert_eq!(world.paths(), [name, "Sample/c.mkv"]);
    }
}

#[test]
fn a_disk_that_refuses_every_name_is_reported_and_not_retried_forever() {
    let mut world = World::new(torrent(PIECE, &[("film.mkv", 200_000)]), &fast(), 195);
    world.disk.refuses = vec!['f'];
    world.add();
    world.has_trouble("takes no file of that name");
    let looks = world.daemon.stats;
    world.run_for(Duration::from_secs(600));
    assert!(world.daemon.stats - looks < 20, "{} looks", world.daemon.stats - looks);
}

#[test]
fn the_search_for_a_free_name_is_bounded() {
    let mut world = World::new(torrent(PIECE, &[("film.mkv", 200_000)]), &fast(), 196);
    world.plant("film.mkv", b"x");
    for number in 2..150 {
        world.plant(&format!("film ({number}).mkv"), b"x");
    }
    world.add();
    world.has_trouble("is taken");
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.paths().len(), 149);
}

#[test]
fn a_run_without_state_uses_the_numbered_files_of_the_previous_run() {
    let mut world = World::new(torrent(PIECE, &[("film.mp4", 4 << 20)]), &fast(), 199);
    let mut half = world.sample.file(0).to_vec();
    half[2 << 20..].fill(0);
    for (number, bytes) in [("", vec![1; 500]), (" (2)", half), (" (3)", vec![3; 4 << 20])] {
        world.plant(&format!("film{number}.mp4"), &bytes);
    }
    world.add();
    world.completes();
    assert_eq!(world.read("film (4).mp4").unwrap(), world.sample.file(0));
    assert_eq!(world.read("film (3).mp4").unwrap(), vec![3; 4 << 20]);
    let mut world = World::new(torrent(PIECE, &[("film.mp4", 4 << 20)]), &fast(), 200);
    let own = world.sample.file(0).to_vec();
    world.plant("film.mp4", &[1; 500]);
    world.plant("film (2).mp4", &own);
    world.add();
    world.completes();
    assert_eq!(
        (world.lines.received_bytes, world.paths().len()),
        (0, 2),
        "what was complete was used"
    );
}

#[test]
fn two_torrents_of_one_name_use_different_files() {
    let mut world = World::with_torrent(torrent(PIECE, &[("film.mp4", 300_000)]), &fast(), 197);
    world.completes();
    let first = world.read("film.mp4").unwrap().to_vec();
    let other = torrent(32 << 10, &[("film.mp4", 300_001)]);
    world.intend(Intent::AddTorrent { metainfo: other.torrent.into() });
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.read("film.mp4").unwrap(), first);
    assert_eq!(world.engine.snapshot(world.now).torrents.len(), 2);
}

#[test]
fn empty_files_exist_before_the_torrent_is_complete() {
    let names: Vec<String> = (0..5_000).map(|file| format!("{file}.txt")).collect();
    let files: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 0)).collect();
    let mut world = World::new(torrent(PIECE, &files), &[], 198);
    world.add();
    // In steps shorter than a few answers of the daemon.
    let came = (0..2_000).any(|_| {
        world.run_for(Duration::from_micros(400));
        world.is_state(TorrentState::Complete)
    });
    assert!(came);
    assert_eq!(world.paths().len(), 5_000);
}
