//! Tests of moves: during downloads and playback, with failing disks, and with restarts in the
//! middle.

use std::time::Duration;

use shared_proto::io::OpErrorKind;

use super::seeder::Behaviour;
use super::world::World;
use crate::metainfo::testing::{Sample, torrent};
use crate::view::{Intent, IntentReply, TorrentState};

const PIECE: u32 = 64 << 10;
const MIB: usize = 1 << 20;

fn film() -> Sample {
    torrent(PIECE, &[("film.mp4", 4 * MIB)])
}

/// Returns a torrent of files that share pieces, some of them empty.
fn show() -> Sample {
    let names: Vec<String> = (0..20).map(|file| format!("S{}/{file}.mkv", file / 10)).collect();
    let files: Vec<(&str, usize)> = names
        .iter()
        .enumerate()
        .map(|(at, name)| (name.as_str(), if at % 7 == 3 { 0 } else { 100_000 + at }))
        .collect();
    torrent(PIECE, &files)
}

fn slow() -> Vec<Behaviour> {
    vec![Behaviour::honest(512 << 10, 10); 2]
}

fn path(path: &str) -> Vec<String> {
    path.split('/').map(str::to_owned).collect()
}

impl World {
    fn relocate(&mut self, root: Option<&str>, folder: Option<&str>, name: Option<&str>) {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let (root, folder, name) = (owned(root), owned(folder), owned(name));
        self.intend(Intent::Move { info_hash: self.info_hash(), root, folder, name });
    }

    /// Waits for the reply to the last intent.
    fn outcome(&mut self) -> Result<(), String> {
        let before = self.replies.len();
        self.run_until_within(Duration::from_secs(5), |world| world.replies.len() > before);
        match self.replies.last() {
            Some(IntentReply::Done { .. }) => Ok(()),
            Some(IntentReply::Failed { message, .. }) => Err(message.clone()),
            _ => Err("nothing was said".to_owned()),
        }
    }

    fn finish(&mut self, what: &str) {
        let took = self.run_until_within(Duration::from_secs(60), |world| {
            world.is_complete()
                && world.view().move_progress.is_none()
                && world.view().state != TorrentState::Checking
        });
        assert!(took.is_some(), "{what}: {:?} {:?}", self.view().state, self.view().message);
    }

    /// Checks that all files are complete below this folder, and that no others exist.
    fn check_all_below(&self, folder: &str) {
        let files = &self.sample.metainfo.files;
        let mut expected: Vec<String> =
            files.iter().map(|file| format!("{folder}{}", file.path.join("/"))).collect();
        expected.sort();
        let mut there = self.paths();
        there.sort();
        assert_eq!(there, expected);
        for (at, file) in files.iter().enumerate() {
            assert_eq!(
                self.read(&format!("{folder}{}", file.path.join("/"))).unwrap(),
                self.sample.file(at)
            );
        }
    }
}

#[test]
fn a_torrent_moves_during_download_and_playback() {
    for move_ms in [0, 1, 50, 3_000] {
        let mut world = World::with_torrent(film(), &slow(), 140);
        world.daemon.move_time = Duration::from_millis(move_ms);
        let request = world.ask(0, 0, (4 << 20) - 1);
        world.run_for(Duration::from_millis(1_500));
        world.relocate(Some("e"), Some("films/new"), None);
        world.outcome().unwrap();
        world.finish("it arrives");
        world.check_all_below("e:/films/new/");
        assert!(world.viewers[&request].done_at.is_some(), "{move_ms} ms: the viewer read on");
        assert!(
            world.lines.received_bytes < (5 << 20),
            "{} bytes came",
            world.lines.received_bytes
        );
        assert_eq!(world.view().lies_at, "films/new/film.mp4");
    }
}

#[test]
fn files_move_one_by_one_including_those_created_meanwhile() {
    let mut world = World::with_torrent(show(), &slow(), 141);
    world.daemon.move_time = Duration::from_millis(300);
    world.run_for(Duration::from_millis(1_200));
    world.relocate(None, Some("shows"), None);
    world.outcome().unwrap();
    world.run_for(Duration::from_millis(500));
    assert!(
        world.view().move_progress.is_some_and(|progress| progress < 1.0),
        "{:?}",
        world.view().move_progress
    );
    world.finish("it arrives");
    world.run_for(Duration::from_secs(1));
    world.check_all_below("shows/");
}

#[test]
fn an_existing_file_at_the_destination_prevents_the_move() {
    let mut world = World::with_torrent(show(), &slow(), 142);
    world.plant("shows/Sample/S1/15.mkv", b"mine");
    world.run_for(Duration::from_millis(1_200));
    world.relocate(None, Some("shows"), None);
    let why = world.outcome().unwrap_err();
    assert!(why.contains("“shows/Sample/S1/15.mkv”"), "{why}");
    world.finish("it continues");
    assert_eq!((world.daemon.moves, world.read("shows/Sample/S1/15.mkv")), (0, Some(&b"mine"[..])));
    world.disk.remove(&path("shows/Sample/S1/15.mkv"));
    world.run_for(Duration::from_secs(1));
    world.check_all_below("");
}

#[test]
fn a_failed_move_brings_the_other_files_back() {
    for (kind, words) in [
        (OpErrorKind::Full, "the disk is full there"),
        (OpErrorKind::Denied, "can't be written"),
        (OpErrorKind::Exists, "exists there already"),
        (OpErrorKind::Other, "can't be moved"),
    ] {
        let mut world = World::with_torrent(show(), &slow(), 143);
        world.daemon.move_time = Duration::from_millis(30);
        world.finish("it completes");
        world.disk.barred.insert(path("e:/Sample/S1/12.mkv"), kind);
        world.relocate(Some("e"), None, None);
        world.outcome().unwrap();
        world.finish("it comes back");
        world.check_all_below("");
        let message = world.view().message.expect("it says why");
        assert!(message.contains(words) && message.contains("It stays where it was."), "{message}");
        assert_eq!(world.view().state, TorrentState::Complete);
        assert!(world.daemon.moves > 12);
    }
}

#[test]
fn a_file_that_cannot_be_moved_back_stays_whole_where_it_is() {
    let mut world = World::with_torrent(show(), &slow(), 144);
    world.finish("it completes");
    world.disk.barred.insert(path("e:/Sample/S1/12.mkv"), OpErrorKind::Full);
    world.disk.barred.insert(path("Sample/S0/2.mkv"), OpErrorKind::Denied);
    world.relocate(Some("e"), None, None);
    world.outcome().unwrap();
    world.run_for(Duration::from_secs(2));
    assert!(
        world.view().message.is_some_and(|words| words.contains("Move the torrent again")),
        "{:?}",
        world.view().message
    );
    for file in [2, 12] {
        let request = world.ask(file, 0, 99_999);
        world.run_for(Duration::from_secs(1));
        assert!(world.viewers[&request].done_at.is_some(), "{file} is served from where it is");
    }
    world.disk.barred.clear();
    world.relocate(Some("e"), None, None);
    world.outcome().unwrap();
    world.finish("it arrives in the end");
    world.check_all_below("e:/");
}

#[test]
fn a_crash_during_a_move_loses_nothing() {
    for after_ms in [0, 10, 100, 250, 600, 1_000] {
        let mut world = World::with_torrent(show(), &slow(), 145);
        world.finish("it completes");
        world.run_for(Duration::from_secs(6));
        world.daemon.move_time = Duration::from_millis(200);
        world.relocate(Some("e"), Some("x"), None);
        world.run_for(Duration::from_millis(after_ms));
        world.lose_seeders();
        world.replace_engine();
        world.finish("the next engine brings it there");
        world.run_for(Duration::from_secs(2));
        world.check_all_below(if world.view().root == "e" { "e:/x/" } else { "" });
        assert!(after_ms < 10 || world.view().root == "e", "{after_ms} ms: it had begun");
    }
}

#[test]
fn a_lost_daemon_during_a_move_loses_nothing() {
    for after_ms in [1, 100, 250, 600] {
        let mut world = World::with_torrent(show(), &slow(), 146);
        world.daemon.move_time = Duration::from_millis(200);
        world.run_for(Duration::from_secs(2));
        let before = world.verified();
        world.relocate(Some("e"), None, None);
        world.run_for(Duration::from_millis(after_ms));
        world.unlink();
        world.run_for(Duration::from_secs(1));
        world.link();
        world.finish("it arrives");
        assert!(world.verified() >= before);
        let there = if world.view().root == "e" { "e:/" } else { "" };
        world.run_for(Duration::from_secs(2));
        world.check_all_below(there);
    }
}

#[test]
fn the_torrent_and_a_single_file_can_be_renamed() {
    let mut world = World::with_torrent(show(), &slow(), 147);
    world.finish("it completes");
    world.relocate(None, None, Some("The Show"));
    world.outcome().unwrap();
    world.run_for(Duration::from_secs(1));
    world.intend(Intent::RenameFile {
        info_hash: world.info_hash(),
        index: 0,
        name: "Pilot.mkv".into(),
    });
    world.outcome().unwrap();
    world.run_for(Duration::from_secs(5));
    let renamed = world.view().files.into_iter().find(|file| file.index == 0);
    assert_eq!(renamed.expect("it is there").path, "The Show/S0/Pilot.mkv");
    assert_eq!(world.read("The Show/S0/Pilot.mkv").unwrap(), world.sample.file(0));
    // The files at the new place are still verified.
    world.lose_seeders();
    world.daemon.digests = 0;
    world.replace_engine();
    world.run_for(Duration::from_secs(2));
    assert_eq!((world.daemon.digests, world.is_complete()), (0, true));
    let request = world.ask(0, 0, 99_999);
    world.run_for(Duration::from_millis(10));
    assert!(world.viewers[&request].done_at.is_some());
}

#[test]
fn impossible_names_are_refused() {
    let mut world = World::with_torrent(show(), &slow(), 148);
    world.finish("it completes");
    let mut check = |intent: Intent, words: &str| {
        world.intend(intent);
        let why = match world.replies.last() {
            Some(IntentReply::Failed { message, .. }) => message.clone(),
            other => panic!("{other:?}"),
        };
        assert!(why.contains(words), "{why}");
    };
    let info_hash = show().metainfo.info_hash.to_string();
    let relocate = |root: Option<&str>, folder: Option<&str>, name: Option<&str>| Intent::Move {
        info_hash: info_hash.clone(),
        root: root.map(str::to_owned),
        folder: folder.map(str::to_owned),
        name: name.map(str::to_owned),
    };
    let rename = |index, name: &str| Intent::RenameFile {
        info_hash: info_hash.clone(),
        index,
        name: name.into(),
    };
    check(relocate(Some("x"), None, None), "no such download folder");
    check(relocate(None, Some("../up"), None), "can't be a name");
    check(relocate(None, None, Some("a/b")), "can't be a name");
    check(relocate(None, None, Some("CON")), "“_CON” can");
    check(relocate(None, Some(&"a/".repeat(50)), None), "too many nested folders");
    check(rename(99, "x"), "no file 99");
    check(rename(0, ""), "can't be a name");
    check(rename(0, "1.mkv"), "has a file “Sample/S0/1.mkv” already");
    assert_eq!(world.daemon.moves, 0);
}

#[test]
fn a_check_and_a_move_exclude_each_other() {
    let mut world = World::with_torrent(show(), &slow(), 149);
    world.finish("it completes");
    world.lose_seeders();
    world.daemon.move_time = Duration::from_millis(100);
    world.relocate(Some("e"), None, None);
    world.run_for(Duration::from_millis(150));
    world.intend(Intent::Recheck { info_hash: world.info_hash() });
    world.finish("both are done");
    world.check_all_below("e:/");
    assert!(world.daemon.digests >= 30, "{}", world.daemon.digests);
}

#[test]
fn a_paused_torrent_moves_and_resumes_at_the_new_place() {
    let mut world = World::with_torrent(show(), &slow(), 150);
    world.daemon.move_time = Duration::from_millis(100);
    world.run_for(Duration::from_millis(1_200));
    world.intend(Intent::Pause { info_hash: world.info_hash() });
    world.relocate(Some("e"), None, None);
    world.run_for(Duration::from_millis(300));
    world.intend(Intent::Resume { info_hash: world.info_hash() });
    world.intend(Intent::Pause { info_hash: world.info_hash() });
    world.run_for(Duration::from_secs(5));
    assert_eq!((world.view().state, world.view().root.as_str()), (TorrentState::Paused, "e"));
    world.intend(Intent::Resume { info_hash: world.info_hash() });
    world.finish("it continues");
    world.run_for(Duration::from_secs(1));
    world.check_all_below("e:/");
}

#[test]
fn removal_during_a_move_leaves_only_earlier_files() {
    for after_ms in [0, 1, 100, 250, 500, 2_000] {
        let mut world = World::new(show(), &slow(), 151);
        let before = world.sample.file(1).to_vec();
        world.plant("Sample/S0/1.mkv", &before);
        world.add();
        world.finish("it completes");
        world.daemon.move_time = Duration::from_millis(200);
        world.relocate(Some("e"), None, None);
        world.run_for(Duration::from_millis(after_ms));
        world.intend(Intent::Remove {
            info_hash: world.info_hash(),
            delete_data: true,
            undo: false,
        });
        world.run_for(Duration::from_secs(2));
        let paths = world.paths();
        assert!(
            paths.len() == 1 && paths[0].ends_with("Sample/S0/1.mkv"),
            "{after_ms} ms: {paths:?}"
        );
        assert!(!world.has_state());
    }
}

#[test]
fn an_absolute_path_is_refused_and_nothing_created() {
    let mut world = World::with_torrent(film(), &slow(), 199);
    world.run_for(Duration::from_secs(10));
    for folder in ["/mnt/films", "~/films", "C:\\films", "d:", "\\\\server\\films"] {
        world.relocate(None, Some(folder), None);
        assert!(world.outcome().unwrap_err().contains("inside the download folder"), "{folder}");
    }
    assert_eq!(world.paths(), ["film.mp4"]);
    let view = world.view();
    assert_eq!((view.lies_at.as_str(), view.path.as_str()), ("film.mp4", "/Downloads/film.mp4"));
    world.relocate(Some("e"), Some("films/new"), None);
    world.outcome().unwrap();
    world.finish("a folder below the other disk");
    assert_eq!(world.view().path, "/Another disk/films/new/film.mp4");
}
