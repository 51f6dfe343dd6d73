//! Undo of removals: a torrent is hidden at once, removed after ten seconds, and unchanged if
//! restored.

use std::time::Duration;

use super::seeder::{Behaviour, Describes};
use super::world::World;
use crate::metainfo::testing::{Sample, torrent};
use crate::view::{Intent, IntentReply, TorrentState};

const FILM: usize = 4 << 20;

fn film() -> Sample {
    torrent(64 << 10, &[("film.mp4", FILM)])
}

/// Creates a world with a half-downloaded film.
fn half(seed: u8) -> World {
    let mut world = World::with_torrent(film(), &vec![Behaviour::honest(512 << 10, 10); 2], seed);
    world.run_for(Duration::from_secs(2));
    assert!((1..FILM as u64).contains(&world.verified()));
    world
}

impl World {
    fn let_go(&mut self, delete_data: bool) {
        self.intend(Intent::Remove { info_hash: self.info_hash(), delete_data, undo: true });
        assert!(
            matches!(self.replies.last(), Some(IntentReply::Done { message: None, .. })),
            "{:?}",
            self.replies
        );
    }

    fn undo(&mut self) -> bool {
        self.intend(Intent::UndoRemove { info_hash: self.info_hash() });
        matches!(self.replies.last(), Some(IntentReply::Done { .. }))
    }

    /// Returns the seconds left for undo, and whether the torrent is listed.
    fn shown(&self) -> (Option<u32>, bool) {
        let snapshot = self.engine.snapshot(self.now);
        (snapshot.removed.first().map(|removed| removed.undo_s), !snapshot.torrents.is_empty())
    }

    fn is_gone(&self) -> bool {
        self.paths().is_empty() && !self.has_state() && self.shown() == (None, false)
    }
}

#[test]
fn a_removed_torrent_is_hidden_at_once_and_gone_after_ten_seconds() {
    let mut world = half(210);
    world.let_go(true);
    assert_eq!(world.shown(), (Some(10), false));
    let received = world.lines.received_bytes;
    world.run_for(Duration::from_millis(9_500));
    assert_eq!((world.shown(), world.paths().len()), ((Some(1), false), 1));
    assert!(world.lines.received_bytes < received + (1 << 20), "it fetches nothing more");
    world.run_for(Duration::from_secs(1));
    assert!(world.is_gone(), "{:?} {:?}", world.shown(), world.paths());
    assert_eq!(world.numbers_in_use(), 0);
    assert!(!world.undo(), "it is too late");
}

#[test]
fn removal_without_data_keeps_the_files() {
    let mut world = half(211);
    world.let_go(false);
    world.run_for(Duration::from_secs(11));
    assert_eq!((world.paths().len(), world.has_state(), world.shown()), (1, false, (None, false)));
}

#[test]
fn a_restored_torrent_continues_as_before() {
    for delete_data in [true, false] {
        let mut world = half(212);
        let before = world.verified();
        world.let_go(delete_data);
        world.run_for(Duration::from_secs(9));
        assert!(world.undo());
        assert_eq!(world.shown(), (None, true));
        assert!(world.verified() >= before, "nothing was lost");
        world.run_for(Duration::from_secs(20));
        assert!(world.is_complete(), "{:?}", world.view());
        assert!(
            world.lines.received_bytes < FILM as u64 + (1 << 20),
            "{}",
            world.lines.received_bytes
        );
        assert_eq!(world.read("film.mp4").unwrap(), world.sample.file(0));
    }
}

#[test]
fn a_restored_paused_torrent_stays_paused() {
    let mut world = half(213);
    world.intend(Intent::Pause { info_hash: world.info_hash() });
    world.let_go(true);
    world.run_for(Duration::from_secs(5));
    assert!(world.undo());
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.view().state, TorrentState::Paused);
}

#[test]
fn a_restart_within_the_undo_time_restores_the_torrent() {
    for paused in [false, true] {
        let mut world = half(214);
        if paused {
            world.intend(Intent::Pause { info_hash: world.info_hash() });
        }
        world.let_go(true);
        world.run_for(Duration::from_secs(5));
        world.replace_engine();
        world.run_for(Duration::from_secs(20));
        assert_eq!((world.shown(), world.paths().len()), ((None, true), 1));
        assert_eq!(world.view().state == TorrentState::Paused, paused);
    }
}

#[test]
fn removal_waits_for_a_lost_daemon_after_the_undo_time() {
    let mut world = half(215);
    world.let_go(true);
    world.run_for(Duration::from_secs(2));
    world.unlink();
    world.run_for(Duration::from_secs(60));
    assert_eq!((world.shown(), world.paths().len()), ((Some(0), false), 1));
    world.link();
    world.run_for(Duration::from_secs(1));
    assert!(world.is_gone(), "{:?} {:?}", world.shown(), world.paths());
}

#[test]
fn adding_a_hidden_torrent_again_restores_it() {
    let mut world = half(216);
    let before = world.verified();
    world.let_go(true);
    world.add();
    assert_eq!(world.shown(), (None, true));
    assert!(world.verified() >= before);
    let added = |reply: &&IntentReply| matches!(reply, IntentReply::Done { duplicate: true, .. });
    assert_eq!(world.replies.iter().filter(added).count(), 0, "it was not in the list");
    world.run_for(Duration::from_secs(20));
    assert!(world.is_complete());
}

#[test]
fn other_intents_on_a_hidden_torrent_are_refused() {
    let mut world = half(217);
    world.let_go(true);
    let info_hash = world.info_hash();
    for intent in [
        Intent::Resume { info_hash: info_hash.clone() },
        Intent::Recheck { info_hash: info_hash.clone() },
        Intent::Remove { info_hash, delete_data: false, undo: false },
    ] {
        world.intend(intent);
        let said = world.replies.last();
        assert!(
            matches!(
                said,
                Some(IntentReply::Failed { message, .. }) if message.contains("no such")
            ),
            "{said:?}"
        );
    }
    world.run_for(Duration::from_secs(11));
    assert!(world.is_gone());
}

#[test]
fn a_torrent_that_cannot_be_deleted_reappears_with_the_reason() {
    let mut world = half(218);
    world.let_go(true);
    world.disk.is_read_only = true;
    world.run_for(Duration::from_secs(11));
    assert_eq!(world.shown(), (None, true));
    assert_eq!(world.view().trouble, Some(crate::view::Trouble::NotDeleted));
}

#[test]
fn files_left_behind_are_reported_for_a_while() {
    let mut world = half(219);
    world.let_go(true);
    let now = world.now;
    world.disk.swap_in(&["film.mp4".to_owned()], vec![9; 10], now);
    world.run_for(Duration::from_secs(11));
    let told = world.engine.snapshot(world.now).removed.remove(0);
    assert_eq!((told.undo_s, told.delete_data), (0, true));
    assert!(told.message.is_some_and(|message| message.contains("not deleted")));
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.shown(), (None, false));
}

#[test]
fn a_magnet_link_can_be_removed_and_restored_too() {
    for comes_back in [true, false] {
        let mut world =
            World::with_magnet(film(), &[Behaviour::describing(Describes::Silently)], 220);
        world.run_for(Duration::from_secs(1));
        world.let_go(true);
        assert_eq!(world.shown(), (Some(10), false));
        world.run_for(Duration::from_secs(5));
        if comes_back {
            assert!(world.undo());
        }
        world.run_for(Duration::from_secs(10));
        assert_eq!((world.shown(), world.has_state()), ((None, comes_back), comes_back));
    }
}
