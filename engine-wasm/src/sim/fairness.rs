//! Viewers of one torrent share its download rate fairly. The viewers' positions in the file do not
//! matter.

use std::time::Duration;

use shared_proto::RequestId;

use super::seeder::Behaviour;
use super::world::World;
use crate::metainfo::testing::torrent;

const MIB: u64 = 1 << 20;
const LENGTH: u64 = 20 * MIB;
/// Interval at which viewers read their granted bytes.
const STEP: Duration = Duration::from_millis(10);

/// Creates a world with one seeder of this rate. The film has small pieces.
fn tight_line(rate_bps: u64, seed: u8) -> World {
    let film = torrent(64 << 10, &[("film.mp4", usize::try_from(LENGTH).expect("a short film"))]);
    World::with_torrent(film, &[Behaviour::honest(rate_bps, 50)], seed)
}

/// Lets the viewers read all granted bytes.
fn watch(world: &mut World, viewers: &[RequestId]) {
    world.run_for(STEP);
    for &viewer in viewers {
        let granted = world.viewers[&viewer].next;
        world.drain(viewer, granted);
    }
}

#[test]
fn viewers_share_a_slow_line_at_any_position() {
    let mut world = tight_line(512 << 10, 40);
    let starts: Vec<u64> = (0..10).map(|number| number * 2 * MIB).collect();
    let viewers: Vec<RequestId> =
        starts.iter().map(|&start| world.ask(0, start, LENGTH - 1)).collect();
    for _ in 0..1_500 {
        watch(&mut world, &viewers);
    }
    let shares: Vec<u64> =
        viewers.iter().zip(starts).map(|(id, start)| world.viewers[id].next - start).collect();
    let (least, most) = (shares.iter().min().expect("ten"), shares.iter().max().expect("ten"));
    assert!(*least * 3 >= *most * 2, "{shares:?}");
    assert!(shares.iter().sum::<u64>() >= 6 * MIB, "the line is used: {shares:?}");
}

#[test]
fn repeated_seeks_do_not_starve_a_waiting_viewer() {
    let mut world = tight_line(512 << 10, 41);
    world.run_for(Duration::from_secs(1));
    // All viewers seek to positions before the last one.
    let mut seekers: Vec<(RequestId, u64)> =
        (0..9u64).map(|number| (world.ask(0, number * MIB, LENGTH - 1), number * MIB)).collect();
    let last = world.ask(0, LENGTH - MIB, LENGTH - 1);
    let mut seeks = 0;
    let from = world.now;
    while world.viewers[&last].next - (LENGTH - MIB) < MIB / 2 {
        assert!(world.now.saturating_since(from) < Duration::from_secs(30), "the last one starves");
        watch(&mut world, &[last]);
        for (viewer, start) in &mut seekers {
            if world.viewers[viewer].next > *start {
                world.leave(*viewer);
                seeks += 1;
                // 7 and 18 are coprime, so positions repeat late.
                *start = (*start + 7 * MIB + seeks * (64 << 10)) % (18 * MIB);
                *viewer = world.ask(0, *start, LENGTH - 1);
            }
        }
    }
    assert!(seeks > 40, "the others went on, too: {seeks} seeks");
}
