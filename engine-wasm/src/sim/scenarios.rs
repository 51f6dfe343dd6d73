//! Downloads and viewers with good, slow and misbehaving peers.

use std::net::SocketAddr;
use std::time::Duration;

use super::seeder::Behaviour;
use super::world::World;
use crate::bitfield::Bitfield;
use crate::metainfo::testing::{Sample, torrent};
use crate::view::{FilePriority, Intent, Priority};

const MIB: u64 = 1 << 20;
const MIB_USIZE: usize = 1 << 20;

pub(super) fn film(mib: usize) -> Sample {
    torrent(1 << 20, &[("film.mp4", mib * MIB_USIZE)])
}

/// Four seeders of 1 MiB/s, 50 ms away.
pub(super) fn four() -> Vec<Behaviour> {
    vec![Behaviour::honest(MIB, 50); 4]
}

pub(super) fn finish(world: &mut World, within_s: u64, what: &str) {
    let took = world.run_until_within(Duration::from_secs(within_s), World::is_complete);
    assert!(
        took.is_some(),
        "{what}: {} of {} bytes",
        world.verified(),
        world.sample.metainfo.total_length()
    );
}

#[test]
fn a_torrent_is_downloaded_at_the_rate_of_its_seeders() {
    let mut world = World::with_torrent(film(40), &four(), 1);
    let took =
        world.run_until_within(Duration::from_secs(60), World::is_complete).expect("it completes");
    assert!(took < Duration::from_secs(12), "40 MiB at 4 MiB/s took {took:?}");
    assert_eq!(world.lines.received_bytes, 40 * MIB, "nothing came twice");
}

#[test]
fn a_film_starts_near_the_minimum_time_of_its_swarm() {
    let mut world = World::with_torrent(film(40), &four(), 2);
    let request = world.ask(0, 0, 40 * MIB - 1);
    let took = world.run_until_within(Duration::from_secs(10), |world| {
        world.viewers[&request].first_at.is_some()
    });
    // Dial, handshake and unchoke are two and a half round trips; then 1 MiB at 4 MiB/s.
    let floor = Duration::from_millis(50 * 5 / 2 + 50 + 250);
    let took = took.expect("it starts");
    assert!(took < floor * 13 / 10, "{took:?} with a floor of {floor:?}");
}

#[test]
fn a_seek_takes_near_the_minimum_time_of_its_swarm() {
    let mut world = World::with_torrent(film(100), &four(), 3);
    let mut request = world.ask(0, 0, 100 * MIB - 1);
    world.run_for(Duration::from_secs(3));
    let floor = Duration::from_millis(50 + 250);
    let mut all = Vec::new();
    for mib in [50, 90, 30, 70, 96] {
        world.leave(request);
        request = world.ask(0, mib * MIB, 100 * MIB - 1);
        let took = world.run_until_within(Duration::from_secs(10), |world| {
            world.viewers[&request].first_at.is_some()
        });
        all.push(took.expect("the seek ends"));
        world.run_for(Duration::from_secs(1));
    }
    let mean = all.iter().sum::<Duration>() / u32::try_from(all.len()).unwrap();
    assert!(mean < floor * 14 / 10, "{all:?} with a floor of {floor:?}");
}

/// Plays a film from one seeder. Returns its share of the line after the first seconds, and its
/// longest queue.
fn watched(seeder: Behaviour, seed: u8) -> (f64, usize) {
    let rate_bps = seeder.rate_bps;
    let mut world = World::with_torrent(film(100), &[seeder], seed);
    world.ask(0, 0, 100 * MIB - 1);
    world.run_for(Duration::from_secs(5));
    let (before, mut longest) = (world.lines.received_bytes, 0);
    for _ in 0..2_000 {
        world.run_for(Duration::from_millis(10));
        longest = longest.max(world.longest_queue());
    }
    let received = f64::from(u32::try_from(world.lines.received_bytes - before).unwrap());
    (received / (20.0 * f64::from(u32::try_from(rate_bps).unwrap())), longest)
}

#[test]
fn a_seeder_that_sends_in_pulses_is_not_starved_with_a_viewer() {
    for (pulse_ms, rtt_ms) in [(500, 20), (500, 100), (250, 20), (700, 40)] {
        let pulsing = Behaviour {
            pulse: Some(Duration::from_millis(pulse_ms)),
            ..Behaviour::honest(2 * MIB, rtt_ms)
        };
        let (share, _) = watched(pulsing, 23);
        assert!(share > 0.9, "{share} of its line with a pulse of {pulse_ms} ms, {rtt_ms} ms away");
    }
}

#[test]
fn a_steady_seeder_keeps_a_short_queue_with_a_viewer() {
    for rtt_ms in [5, 50, 150] {
        let (share, longest) = watched(Behaviour::honest(2 * MIB, rtt_ms), 24);
        assert!(share > 0.99, "{share} of its line, {rtt_ms} ms away");
        // A tenth of a second is 13 blocks.
        assert!(longest <= 16, "{longest} requests wait, {rtt_ms} ms away");
    }
}

#[test]
fn a_player_that_requests_part_by_part_is_never_starved() {
    let mut world = World::with_torrent(film(30), &four(), 4);
    for part in 0..30 {
        let request = world.ask(0, part * MIB, (part + 1) * MIB - 1);
        let took = world.run_until_within(Duration::from_secs(5), |world| {
            world.viewers[&request].done_at.is_some()
        });
        assert!(took.is_some(), "part {part} does not come");
        world.drain(request, (part + 1) * MIB);
        world.leave(request);
    }
}

/// Every seek cancels requests and repeats most of them. A rejection of a cancelled request must
/// not count against its repetition.
#[test]
fn rejections_of_cancelled_requests_do_not_count_against_a_seeder() {
    let mut world = World::with_torrent(film(200), &[Behaviour::honest(40 * MIB, 20)], 25);
    world.run_for(Duration::from_secs(1));
    for jump in [150, 20, 180, 60, 120, 90] {
        let request = world.ask(0, jump * MIB, 200 * MIB - 1);
        let took = world.run_until_within(Duration::from_secs(2), |world| {
            world.viewers[&request].first_at.is_some()
        });
        assert!(took.is_some(), "nothing at {jump} MiB");
        world.run_for(Duration::from_millis(100));
        world.leave(request);
    }
    assert_eq!(world.lines.dialled.values().sum::<u32>(), 1, "it was dropped");
    let wasted = world.lines.redundant_bytes;
    assert!(wasted < 2 * MIB, "{wasted} bytes of no use of {}", world.lines.received_bytes);
}

#[test]
fn bytes_outside_the_file_are_refused() {
    let mut world = World::with_torrent(film(2), &four(), 5);
    let request = world.ask(0, 2 * MIB, 2 * MIB + 5);
    assert_eq!(world.viewers[&request].rejected, Some(None));
    assert_eq!(world.engine.open_requests(), 0, "the daemon says no more about it");
}

#[test]
fn a_lone_liar_is_dropped_and_no_piece_is_accepted() {
    let liar = Behaviour { corrupts_every: 1, ..Behaviour::honest(MIB, 10) };
    let mut world = World::with_torrent(film(4), &[liar], 6);
    let request = world.ask(0, 0, 4 * MIB - 1);
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.viewers[&request].first_at, None);
    assert_eq!(world.connected(), []);
    assert_eq!(world.lines.dialled.values().sum::<u32>(), 1, "a liar is not dialled again");
}

#[test]
fn a_liar_among_honest_peers_is_the_only_one_banned() {
    let mut seeders = four();
    seeders[2].corrupts_every = 3;
    let mut world = World::with_torrent(film(20), &seeders, 7);
    let request = world.ask(0, 0, 20 * MIB - 1);
    finish(&mut world, 60, "the honest are enough");
    assert!(world.viewers[&request].done_at.is_some());
    let redialled: Vec<(&SocketAddr, &u32)> =
        world.lines.dialled.iter().filter(|(_, times)| **times > 1).collect();
    assert!(redialled.is_empty(), "no other peer was dropped: {redialled:?}");
    let wasted = world.lines.received_bytes - 20 * MIB;
    assert!(wasted < 7 * MIB, "{wasted} bytes wasted for one liar");
}

#[test]
fn a_stalled_seeder_does_not_delay_the_viewer() {
    let mut seeders = four();
    seeders[0].stalls_after = Some(10);
    let mut world = World::with_torrent(film(20), &seeders, 8);
    world.run_for(Duration::from_secs(1));
    let request = world.ask(0, 10 * MIB, 20 * MIB - 1);
    let took = world.run_until_within(Duration::from_secs(20), |world| {
        world.viewers[&request].first_at.is_some()
    });
    assert!(took.is_some_and(|took| took < Duration::from_secs(3)), "{took:?}");
    finish(&mut world, 60, "what the staller owes is asked of others");
}

#[test]
fn a_download_survives_chokes_disconnects_and_partial_seeders() {
    let mut pieces = Bitfield::new(20);
    (0..12).for_each(|piece| pieces.set(piece));
    for fast in [true, false] {
        let seeders = [
            Behaviour { chokes_every: Some(30), fast, ..Behaviour::honest(2 * MIB, 20) },
            Behaviour { hangs_up_after: Some(50), fast, ..Behaviour::honest(MIB, 5) },
            Behaviour { pieces: Some(pieces.clone()), fast, ..Behaviour::honest(4 * MIB, 80) },
        ];
        let mut world = World::with_torrent(film(20), &seeders, 9);
        world.ask(0, 3 * MIB, 20 * MIB - 1);
        finish(&mut world, 200, if fast { "with the fast extension" } else { "without it" });
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut world = World::with_torrent(film(10), &four(), seed);
        world.ask(0, 5 * MIB, 10 * MIB - 1);
        let took = world.run_until_within(Duration::from_secs(60), World::is_complete);
        (took, world.lines.received_bytes)
    };
    assert_eq!(run(16), run(16));
}

/// A download always completes, whatever happens. The test has all kinds of peers, viewers that
/// come, seek and leave, and lost connections and engines.
#[test]
fn chaos_ends_well() {
    use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
    let seeds = std::env::var("SIM_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .map_or(0..12u8, |seed| seed..seed + 1);
    for seed in seeds {
        println!("SIM_SEED={seed}");
        let mut rng = ChaCha8Rng::seed_from_u64(u64::from(seed));
        let mut seeders = vec![Behaviour::honest(MIB, 30)];
        for _ in 0..rng.random_range(1..6) {
            let mut behaviour =
                Behaviour::honest(rng.random_range(20_000..4 * MIB), rng.random_range(1..300));
            behaviour.fast = rng.random_bool(0.7);
            match rng.random_range(0..6) {
                0 => behaviour.corrupts_every = rng.random_range(1..20),
                1 => behaviour.stalls_after = Some(rng.random_range(0..200)),
                2 => behaviour.chokes_every = Some(rng.random_range(5..100)),
                3 => behaviour.hangs_up_after = Some(rng.random_range(1..200)),
                _ => {}
            }
            seeders.push(behaviour);
        }
        let piece_length = 16 << rng.random_range(10..17);
        let sample = torrent(
            piece_length,
            &[("a.txt", 70_001), ("film.mp4", 12 * MIB_USIZE + 17), ("z", 5)],
        );
        let length = sample.metainfo.files[1].length;
        let mut world = World::with_torrent(sample, &seeders, seed);
        for _ in 0..30 {
            let start = rng.random_range(0..length);
            let request = world.ask(1, start, rng.random_range(start..length));
            world.run_for(Duration::from_millis(rng.random_range(0..800)));
            match rng.random_range(0..12) {
                0 => {
                    world.unlink();
                    world.run_for(Duration::from_millis(300));
                    world.link();
                }
                1 => world.replace_engine(),
                2..8 => world.leave(request),
                _ => {}
            }
            let peers = (1..=seeders.len()).map(|port| format!("127.0.0.1:{port}")).collect();
            world.intend(Intent::AddPeers { info_hash: world.info_hash(), peers });
        }
        finish(&mut world, 900, "chaos");
    }
}

/// Returns the wasted bytes when a viewer leaves or seeks. The peers put all requests into their
/// send buffers, where no cancel removes them.
fn wasted_bytes(leaves: bool, jumps: bool) -> u64 {
    let buffering =
        Behaviour { pulse: Some(Duration::from_millis(10)), ..Behaviour::honest(58_000, 60) };
    let mut world = World::with_torrent(film(64), &vec![buffering; 8], 29);
    let first = world.ask(0, 0, 64 * MIB - 1);
    world.run_for(Duration::from_secs(20));
    assert!(world.verified() > 2 * MIB, "{}", world.verified());
    if jumps {
        world.ask(0, 40 * MIB, 64 * MIB - 1);
    }
    if leaves {
        world.leave(first);
    }
    world.run_for(Duration::from_secs(10));
    world.view().wasted
}

#[test]
fn a_leaving_viewer_causes_no_repeated_downloads() {
    assert_eq!(wasted_bytes(false, false), 0, "no viewer leaves");
    assert_eq!(wasted_bytes(true, false), 0, "what was read ahead is still wanted, and under way");
}

#[test]
fn the_film_is_ready_when_its_viewer_comes() {
    let season = || {
        let files = [
            ("Show.S01E10.mkv", 60 * MIB_USIZE),
            ("Show.S01E2.mkv", 60 * MIB_USIZE),
            ("a.nfo", 900_000),
        ];
        torrent(256 << 10, &files)
    };
    let mut world = World::with_torrent(season(), &vec![Behaviour::honest(117_000, 50); 4], 30);
    world.run_for(Duration::from_secs(3));
    let request = world.ask(1, 0, 262_143);
    assert!(
        world.viewers[&request].done_at.is_some(),
        "the second episode comes first, and its beginning is there"
    );
    let wanted: Vec<u64> = (0..3).map(|file| world.view().files[file].verified).collect();
    assert_eq!((wanted[0], wanted[2]), (0, 0), "all of the line went to it");
}

#[test]
fn an_unselected_film_is_not_prepared_without_a_viewer() {
    let files = [("a.mkv", 8 * MIB_USIZE), ("b.mkv", 8 * MIB_USIZE)];
    let mut world =
        World::new(torrent(256 << 10, &files), &vec![Behaviour::honest(117_000, 50); 4], 31);
    world.intend(Intent::AddTorrent { metainfo: world.sample.torrent.clone().into() });
    let skip = FilePriority { index: 0, priority: Priority::Skip };
    world.intend(Intent::SetPriorities { info_hash: world.info_hash(), files: vec![skip] });
    world.name_seeders();
    world.run_for(Duration::from_secs(4));
    let request = world.ask(1, 0, 262_143);
    assert!(world.viewers[&request].done_at.is_some(), "the beginning of the other one is there");
    assert_eq!(world.view().files[0].verified, 0);
}
