//! Unselected files play after all selected files are complete. The files play although seeds
//! disconnect upload-only peers (BEP 21).

use std::time::Duration;

use super::seeder::Behaviour;
use super::world::World;
use crate::metainfo::testing::{Sample, torrent};
use crate::view::{Priority, TorrentState};

const LENGTH: usize = 6 << 20;
/// Bytes that a player requests at once.
const PART: usize = 512 << 10;

fn two() -> Sample {
    torrent(64 << 10, &[("a.mp4", LENGTH), ("b.mp4", LENGTH)])
}

/// Seeders that behave like libtorrent.
fn seeds() -> Vec<Behaviour> {
    vec![Behaviour { leaves_upload_only: true, ..Behaviour::honest(1 << 20, 20) }; 3]
}

/// Creates a world in which the first file is complete. The second is not selected.
fn complete(seed: u8) -> World {
    let mut world = World::new(two(), &seeds(), seed);
    world.add_choosing(&[(1, Priority::Skip)]);
    let done = world.run_until_within(Duration::from_secs(30), |world| {
        world.view().state == TorrentState::Complete
    });
    assert!(done.is_some(), "{:?}", world.view());
    world
}

impl World {
    /// Plays the second file part by part. The first part must arrive within this time.
    fn play_second(&mut self, within_s: u64) {
        for (part, within_s) in
            (0..LENGTH / PART).zip(std::iter::once(within_s).chain(std::iter::repeat(2)))
        {
            let viewer = self.ask(1, (part * PART) as u64, ((part + 1) * PART) as u64 - 1);
            let within = Duration::from_secs(within_s);
            let took =
                self.run_until_within(within, |world| world.viewers[&viewer].done_at.is_some());
            assert!(took.is_some(), "part {part}: {:?}", self.view());
            self.leave(viewer);
        }
    }
}

#[test]
fn an_unselected_file_plays_at_once_after_completion() {
    let mut world = complete(200);
    assert_eq!(world.view().peers, 0, "seeds have left");
    world.play_second(10);
    assert_eq!(world.view().down_rate_bps, 0);
}

#[test]
fn an_unselected_file_plays_long_after_completion() {
    let mut world = complete(201);
    world.run_for(Duration::from_secs(3_600));
    world.play_second(10);
}

#[test]
fn an_unselected_file_plays_after_a_restart() {
    let mut world = complete(202);
    world.replace_engine();
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.view().state, TorrentState::Complete);
    world.name_seeders();
    world.run_for(Duration::from_secs(60));
    world.play_second(20);
}

#[test]
fn seeds_stay_connected_until_the_viewer_leaves() {
    let mut world = complete(203);
    let viewer = world.ask(1, 0, LENGTH as u64 - 1);
    world.run_for(Duration::from_millis(500));
    assert!(world.viewers[&viewer].done_at.is_none());
    assert_eq!(world.view().peers, 3, "all of them are dialled again");
    world.leave(viewer);
    // A seeking player has no request for a moment.
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.view().peers, 3);
    world.run_for(Duration::from_secs(30));
    assert_eq!(world.view().peers, 0, "no peer needs anything");
    world.play_second(10);
}

#[test]
fn a_watched_torrent_keeps_its_peers_beyond_the_ratio() {
    let mut world = complete(204);
    let info_hash = world.info_hash();
    let sharing = crate::view::Sharing { ratio_percent: Some(0), ..Default::default() };
    world.intend(crate::view::Intent::SetSharing { info_hash, sharing });
    world.run_for(Duration::from_secs(60));
    world.play_second(20);
}
