//! Preparation of films before their viewers arrive.

use std::time::Duration;

use super::seeder::Behaviour;
use super::world::World;
use crate::media::container_index::samples::{avi, matroska, mp4_with_index_last};
use crate::metainfo::testing::{Sample, torrent_holding};
use crate::view::{FilePriority, Intent, IntentReply, Position, Priority};

const MIB: u64 = 1 << 20;
const MEDIA: usize = 40 << 20;
const INDEX: usize = 600_000;
const PIECE: u64 = 256 << 10;

/// Four seeders of 1 MiB/s, 50 ms away.
fn four() -> Vec<Behaviour> {
    vec![Behaviour::honest(MIB, 50); 4]
}

/// Returns three episodes, and the offset of the index. The episodes are MP4 films with the index
/// at the end. The second file is the first episode.
fn season(media: usize) -> (Sample, u64) {
    let (film, at) = mp4_with_index_last(media, INDEX);
    (
        torrent_holding(
            256 << 10,
            &[
                ("S/e10.mp4", &film),
                ("S/e1.mp4", &film),
                ("S/e2.mp4", &film),
                ("S/a.nfo", b"words"),
            ],
        ),
        at,
    )
}

impl World {
    fn has(&self, file: usize, first: u64, last: u64) -> bool {
        self.engine.is_proven(&self.info_hash(), file, (first, last))
    }

    fn prepare(&mut self, file: u32, position: Option<(f64, f64)>) {
        let position = position.map(|(seconds, duration_s)| Position { seconds, duration_s });
        self.intend(Intent::Prepare { info_hash: self.info_hash(), file, position });
        assert!(
            matches!(self.replies.last(), Some(IntentReply::Done { .. })),
            "{:?}",
            self.replies.last()
        );
    }

    /// Checks that a request for these bytes is granted at once.
    fn is_ready(&mut self, file: usize, first: u64, last: u64) {
        let request = self.ask(file, first, last);
        assert_eq!(self.viewers[&request].done_at, Some(self.now), "{first} to {last} of {file}");
        self.leave(request);
    }

    fn length(&self, file: usize) -> u64 {
        self.sample.metainfo.files[file].length
    }

    /// Checks that everything is downloaded exactly once.
    fn finishes_without_waste(&mut self) {
        let took = self.run_until_within(Duration::from_secs(120), World::is_complete);
        assert!(took.is_some(), "{} bytes", self.verified());
        assert_eq!(
            self.lines.received_bytes,
            self.sample.metainfo.total_length(),
            "nothing came twice"
        );
    }
}

#[test]
fn start_and_index_of_the_first_film_are_prepared_for_its_viewer() {
    for (name, (film, at)) in [
        ("a.mp4", mp4_with_index_last(MEDIA, INDEX)),
        ("a.mkv", matroska(MEDIA, INDEX)),
        ("a.avi", avi(MEDIA, INDEX)),
    ] {
        let mut world = World::with_torrent(
            torrent_holding(256 << 10, &[("z", &[7; 5_000_000]), (name, &film)]),
            &four(),
            1,
        );
        let end = at + INDEX as u64 + 7;
        let both = |world: &World| world.has(1, 0, 2 * MIB - 1) && world.has(1, at, end);
        let took = world.run_until_within(Duration::from_secs(3), both);
        assert!(took.is_some(), "{name}");
        // Blocks under way when the search ended, and one or two pieces around the index.
        let most = 2 * MIB + INDEX as u64 + 12 * PIECE;
        assert!(
            world.lines.received_bytes < most,
            "{name}: {} bytes came before that",
            world.lines.received_bytes
        );
        world.is_ready(1, 0, 2 * MIB - 1);
        world.is_ready(1, at, end);
        world.finishes_without_waste();
    }
}

#[test]
fn the_index_is_downloaded_before_the_rest_of_the_start() {
    let (sample, at) = season(MEDIA);
    let mut world = World::with_torrent(sample, &vec![Behaviour::honest(117_000, 50); 4], 2);
    world.run_for(Duration::from_secs(3));
    world.is_ready(1, 0, 262_143);
    assert!(world.has(1, at, at + 7), "the head of the index is there");
    assert!(!world.has(1, 0, 2 * MIB - 1));
}

#[test]
fn a_prepared_file_is_ready_at_its_last_position() {
    let (sample, at) = season(MEDIA);
    let mut world = World::with_torrent(sample, &four(), 3);
    world.prepare(0, Some((1_200.0, 2_400.0)));
    world.run_for(Duration::from_secs(3));
    let (end, middle) = (world.length(0) - 1, world.length(0) / 2);
    world.is_ready(0, 0, 2 * MIB - 1);
    world.is_ready(0, at, end);
    world.is_ready(0, middle - MIB, middle + 3 * MIB);
    assert!(!world.has(0, 10 * MIB, 18 * MIB), "the rest of it is nothing special");
    world.finishes_without_waste();
}

#[test]
fn preparing_another_file_replaces_the_former() {
    let (sample, at) = season(MEDIA);
    let mut world = World::with_torrent(sample, &[Behaviour::honest(MIB, 50)], 4);
    world.prepare(0, None);
    world.run_for(Duration::from_millis(400));
    world.prepare(2, None);
    let end = world.length(2) - 1;
    let is_there = |world: &World| world.has(2, 0, 2 * MIB - 1) && world.has(2, at, end);
    let took = world.run_until_within(Duration::from_secs(5), is_there).expect("it is there");
    // Start and index are 2.6 MiB; the former film was prepared for 0.4 s.
    assert!(took < Duration::from_millis(4_000), "{took:?}");
    assert!(!world.has(0, 0, MIB - 1), "the former one is not wanted any more");
    // Its first piece contains the end of the former file.
    assert!(!world.has(1, PIECE, 2 * PIECE), "the first film comes after it");
    world.finishes_without_waste();
}

#[test]
fn a_preparation_without_a_viewer_expires() {
    let (sample, _) = season(MEDIA);
    let mut world = World::new(sample, &[Behaviour::honest(4 * MIB, 20)], 5);
    world.run_for(Duration::from_millis(10));
    world.intend(Intent::AddTorrent { metainfo: world.sample.torrent.clone().into() });
    let skip = |index| FilePriority { index, priority: Priority::Skip };
    world.intend(Intent::SetPriorities {
        info_hash: world.info_hash(),
        files: (0..3).map(skip).collect(),
    });
    world.run_for(Duration::from_millis(10));
    world.prepare(0, None);
    world.run_for(Duration::from_secs(301));
    world.name_seeders();
    world.run_for(Duration::from_secs(10));
    assert!(!world.has(0, 0, PIECE - 1), "no viewer is expected any more");
    world.prepare(0, None);
    world.run_for(Duration::from_secs(10));
    world.is_ready(0, 0, 2 * MIB - 1);
    let most = 2 * MIB + INDEX as u64 + 4 * PIECE;
    assert!(
        world.lines.received_bytes < most,
        "a file that is not wanted is made ready, and no more: {}",
        world.lines.received_bytes
    );
}

#[test]
fn a_refused_preparation_names_the_reason() {
    let (sample, _) = season(9_000);
    let mut world = World::with_torrent(sample, &[], 6);
    let answers = world.replies.len();
    world.intend(Intent::Prepare { info_hash: world.info_hash(), file: 4, position: None });
    world.intend(Intent::Prepare { info_hash: "0".repeat(40), file: 0, position: None });
    assert!(
        world.replies[answers..].iter().all(|reply| matches!(reply, IntentReply::Failed { .. }))
    );
    assert_eq!(world.replies.len(), answers + 2);
}

#[test]
fn the_next_film_is_prepared_while_a_complete_one_plays() {
    let (sample, at) = season(8 << 20);
    let mut world = World::with_torrent(sample, &[Behaviour::honest(2 * MIB, 50)], 7);
    let end = world.length(1) - 1;
    let request = world.ask(1, 0, end);
    let is_whole = |world: &World| world.has(1, 0, end);
    for _ in 0..8 {
        world.run_until_within(Duration::from_secs(1), is_whole);
        world.drain(request, world.viewers[&request].next);
    }
    assert!(is_whole(&world), "the first episode came");
    assert!(!world.has(0, 3 * MIB, 4 * MIB), "it was wanted before all else");
    let is_next = |world: &World| world.has(2, 0, 2 * MIB - 1) && world.has(2, at, end);
    let took =
        world.run_until_within(Duration::from_secs(5), is_next).expect("the second one is ready");
    assert!(took < Duration::from_millis(2_000), "{took:?}");
    world.leave(request);
    world.finishes_without_waste();
}

#[test]
fn a_peek_is_granted_or_rejected_and_changes_nothing() {
    let run = |peeks: bool| {
        let (sample, _) = season(MEDIA);
        let mut world = World::with_torrent(sample, &four(), 12);
        let end = world.length(1) - 1;
        let viewer = world.ask(1, 20 * MIB, end);
        world.run_for(Duration::from_secs(2));
        let (granted, viewers) =
            (world.viewers[&viewer].next, world.engine.snapshot(world.now).streams.len());
        if peeks {
            let some = world.peek(1, 20 * MIB, end);
            assert_eq!(
                (world.viewers[&some].next, world.viewers[&some].rejected),
                (granted, None),
                "as far as it is there"
            );
            let all = world.peek(1, 20 * MIB, 20 * MIB + 9);
            assert_eq!(world.viewers[&all].done_at, Some(world.now));
            let mut places = (0..40).map(|mib| mib * MIB);
            let far = places.find(|&at| !world.has(1, at, at)).expect("not all of it is there");
            let nothing = world.peek(1, far, end);
            assert_eq!(world.viewers[&nothing].rejected, Some(Some(409)));
            let outside = world.peek(1, 0, end + 1);
            assert_eq!(world.viewers[&outside].rejected, Some(None));
            world.leave(some);
            assert_eq!(
                world.engine.snapshot(world.now).streams.len(),
                viewers,
                "none of them is a viewer"
            );
        }
        world.run_for(Duration::from_secs(2));
        (world.viewers[&viewer].next, world.lines.received_bytes, world.verified())
    };
    assert_eq!(run(true), run(false));
}

/// A season that is already complete.
fn complete(media: usize, seed: u8) -> (World, u64) {
    let (sample, index) = season(media);
    let content = sample.content.clone();
    let mut world = World::new(sample, &[], seed);
    let mut at = 0;
    for file in world.sample.metainfo.files.clone() {
        let length = usize::try_from(file.length).unwrap();
        world.plant(&format!("Sample/{}", file.path[1..].join("/")), &content[at..at + length]);
        at += length;
    }
    world.add();
    world.run_for(Duration::from_secs(5));
    assert!(world.is_complete(), "{:?}", world.paths());
    (world, index)
}

#[test]
fn the_daemon_reads_ahead_without_repeating_a_byte() {
    let (mut world, _) = complete(20 << 20, 9);
    let end = world.length(1) - 1;
    let request = world.ask(1, 0, end);
    assert_eq!(world.daemon.hints, [(1, 0, 4 * MIB - 1)]);
    for quarter in 1..=(end + 1).div_ceil(MIB / 4) {
        let position = (quarter * MIB / 4).min(end + 1);
        world.drain(request, position);
        let (_, _, ahead) = world.daemon.hints[world.daemon.hints.len() - 1];
        assert!(
            ahead == end || (position + 3 * MIB..=position + 4 * MIB).contains(&(ahead + 1)),
            "{position}: {ahead}"
        );
    }
    let follow = |pair: &[(usize, u64, u64)]| pair[0].2 + 1 == pair[1].1;
    assert!(world.daemon.hints.windows(2).all(follow), "{:?}", world.daemon.hints);
    assert!(world.daemon.hints.len() <= 19, "one for each MiB: {}", world.daemon.hints.len());
    world.leave(request);
    world.daemon.hints.clear();
    world.ask(1, 9 * MIB, end);
    assert_eq!(world.daemon.hints, [(1, 9 * MIB, 13 * MIB - 1)], "after a jump");
}

#[test]
fn unverified_bytes_are_not_read_ahead() {
    let (sample, _) = season(MEDIA);
    let mut world = World::with_torrent(sample, &[Behaviour::honest(MIB, 20)], 10);
    let end = world.length(1) - 1;
    let request = world.ask(1, 20 * MIB, end);
    assert_eq!(world.daemon.hints, []);
    for _ in 0..40 {
        world.run_for(Duration::from_millis(250));
        world.drain(request, world.viewers[&request].next);
    }
    assert!(world.viewers[&request].next > 24 * MIB);
}

#[test]
fn prepared_bytes_are_read_ahead_from_the_disk() {
    let (mut world, at) = complete(20 << 20, 11);
    world.prepare(0, Some((1_200.0, 2_400.0)));
    world.run_for(Duration::from_millis(100));
    let (end, middle) = (world.length(0) - 1, world.length(0) / 2);
    let expected = [(0, 0, 2 * MIB - 1), (0, middle - MIB, middle + 3 * MIB), (0, at, end)];
    assert_eq!(world.daemon.hints, expected);
    world.prepare(0, Some((1_200.0, 2_400.0)));
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.daemon.hints.len(), 3, "a hint is not repeated");
}

#[test]
fn complete_films_are_not_read_ahead_without_a_viewer() {
    let (world, _) = complete(1 << 20, 8);
    assert_eq!((world.daemon.reads, world.daemon.hints), (0, Vec::new()));
}
