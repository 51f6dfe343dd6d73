//! Decisions that choose a download folder, and torrents that are being removed.

use std::time::Duration;

use super::seeder::{Behaviour, Describes};
use super::world::World;
use crate::config::Config;
use crate::metainfo::testing::{Sample, torrent};
use crate::view::{Choice, Intent, IntentReply, QueueMove, TorrentState};

/// Returns a torrent of a film and an empty file. The decision creates the empty file.
fn films() -> Sample {
    torrent(64 << 10, &[("S/a.mkv", 2 << 20), ("S/empty.nfo", 0)])
}

fn asking(seed: u8) -> World {
    let config = Config { start_at_once: false, ..Config::default() };
    World::configured(config, films(), &[Behaviour::honest(4 << 20, 10)], seed)
}

fn decision(world: &World, choice: Choice, root: &str) -> Intent {
    Intent::Decide {
        info_hash: world.info_hash(),
        choice,
        files: Vec::new(),
        root: Some(root.to_owned()),
    }
}

#[test]
fn a_decided_torrent_lies_in_the_chosen_folder() {
    for choice in [Choice::Download, Choice::Watch] {
        let mut world = asking(220);
        world.add();
        world.run_for(Duration::from_secs(3));
        let replies = world.replies.len();
        world.intend(decision(&world, choice, "e"));
        world.run_until_within(Duration::from_secs(30), |world| {
            world.view().state == TorrentState::Complete && world.view().move_progress.is_none()
        });
        assert!(
            matches!(world.replies[replies..], [IntentReply::Done { .. }]),
            "{:?}",
            &world.replies[replies..]
        );
        let view = world.view();
        assert_eq!(
            (view.root.as_str(), view.undecided, view.state),
            ("e", false, TorrentState::Complete)
        );
        assert!(world.paths().iter().all(|path| path.starts_with("e:")), "{:?}", world.paths());
    }
}

#[test]
fn a_decision_with_an_invalid_folder_is_rejected() {
    let mut world = asking(221);
    world.add();
    world.run_for(Duration::from_secs(3));
    let replies = world.replies.len();
    world.intend(decision(&world, Choice::Download, "nowhere"));
    world.run_for(Duration::from_secs(5));
    let said = &world.replies[replies..];
    assert!(
        matches!(
            said,
            [IntentReply::Failed { message, .. }] if message.contains("no such download folder")
        ),
        "{said:?}"
    );
    assert_eq!((world.view().undecided, world.view().root.as_str()), (true, "d"), "it still waits");
    assert!(world.paths().iter().all(|path| !path.contains("empty")), "{:?}", world.paths());
}

#[test]
fn a_torrent_in_a_retired_folder_shows_its_folder_and_can_be_renamed() {
    let mut world = World::with_torrent(films(), &[Behaviour::honest(4 << 20, 10)], 226);
    world.run_for(Duration::from_secs(20));
    assert_eq!(world.view().path, "/Downloads/Sample");
    world.unlink();
    world.link_with_aside(&["d"]);
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.engine.snapshot(world.now).roots.len(), 1, "new ones go elsewhere");
    assert_eq!(world.view().path, "/Downloads/Sample");
    let name = Some("Films".to_owned());
    let (info_hash, root) = (world.info_hash(), Some("d".to_owned()));
    world.intend(Intent::Move { info_hash, root, folder: None, name });
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.view().path, "/Downloads/Films", "{:?}", world.replies.last());
}

#[test]
fn a_magnet_link_without_metadata_cannot_be_moved() {
    let config = Config { start_at_once: false, ..Config::default() };
    let mut world =
        World::configured(config, films(), &[Behaviour::describing(Describes::Honestly)], 222);
    world.run_for(Duration::from_millis(10));
    world.intend(Intent::AddMagnet { uri: world.magnet() });
    world.intend(decision(&world, Choice::Download, "e"));
    assert!(
        matches!(world.replies.last(), Some(IntentReply::Failed { .. })),
        "{:?}",
        world.replies.last()
    );
    assert!(world.view().undecided);
}

#[test]
fn removed_torrents_leave_the_queue() {
    let mut world = World::with_torrent(films(), &[Behaviour::honest(4 << 20, 10)], 223);
    world.intend(Intent::MoveInQueue { info_hash: world.info_hash(), to: QueueMove::Top });
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.keys("queue"), 1);
    world.intend(Intent::Remove { info_hash: world.info_hash(), delete_data: true, undo: false });
    world.run_for(Duration::from_secs(5));
    assert_eq!((world.keys("queue"), world.paths().len()), (0, 0));
}

#[test]
fn a_removed_tracker_stays_removed_when_the_magnet_link_is_added_again() {
    let mut world = World::new(films(), &[], 224);
    world.run_for(Duration::from_millis(10));
    let link = format!(
        "magnet:?xt=urn:btih:{}&tr=http%3A%2F%2Fa%2Fx&tr=http%3A%2F%2Fb%2Fx",
        world.info_hash()
    );
    world.intend(Intent::AddMagnet { uri: link.clone() });
    world.intend(Intent::RemoveTracker { info_hash: world.info_hash(), url: "http://a/x".into() });
    world.intend(Intent::AddMagnet { uri: link });
    let trackers: Vec<String> =
        world.view().trackers.into_iter().map(|tracker| tracker.url).collect();
    assert_eq!(trackers, ["http://b/x"]);
}
