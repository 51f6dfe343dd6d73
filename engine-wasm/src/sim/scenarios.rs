//! What a swarm must come to, whatever its peers do.

use std::net::SocketAddr;
use std::time::Duration;

use super::seeder::Manner;
use super::world::World;
use crate::bitfield::Bitfield;
use crate::metainfo::testing::{Sample, torrent};
use crate::view::{FilePriority, Intent, IntentReply, Priority, TorrentState};

const MIB: u64 = 1 << 20;
const MIB_USIZE: usize = 1 << 20;

fn film(mib: usize) -> Sample {
    torrent(1 << 20, &[("film.mp4", mib * MIB_USIZE)])
}

/// Four seeders of 1 MiB/s, 50 ms away.
fn four() -> Vec<Manner> {
    vec![Manner::honest(MIB, 50); 4]
}

fn finish(world: &mut World, within_s: u64, what: &str) {
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
    assert_eq!(world.received_bytes, 40 * MIB, "nothing came twice");
}

#[test]
fn a_film_starts_near_the_floor_of_its_swarm() {
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
fn a_seek_is_near_the_floor_of_its_swarm() {
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

/// What comes of a seeder while somebody watches: its share of the line after the first seconds,
/// and the longest queue in that time.
fn watched(seeder: Manner, seed: u8) -> (f64, usize) {
    let rate_bps = seeder.rate_bps;
    let mut world = World::with_torrent(film(100), &[seeder], seed);
    world.ask(0, 0, 100 * MIB - 1);
    world.run_for(Duration::from_secs(5));
    let (before, mut longest) = (world.received_bytes, 0);
    for _ in 0..2_000 {
        world.run_for(Duration::from_millis(10));
        longest = longest.max(world.longest_queue());
    }
    let received = f64::from(u32::try_from(world.received_bytes - before).unwrap());
    (received / (20.0 * f64::from(u32::try_from(rate_bps).unwrap())), longest)
}

#[test]
fn a_seeder_that_sends_in_pulses_is_not_starved_while_somebody_watches() {
    for (pulse_ms, rtt_ms) in [(500, 20), (500, 100), (250, 20), (700, 40)] {
        let pulsing = Manner {
            pulse: Some(Duration::from_millis(pulse_ms)),
            ..Manner::honest(2 * MIB, rtt_ms)
        };
        let (share, _) = watched(pulsing, 23);
        assert!(share > 0.9, "{share} of its line with a pulse of {pulse_ms} ms, {rtt_ms} ms away");
    }
}

#[test]
fn a_steady_seeder_keeps_a_short_queue_while_somebody_watches() {
    for rtt_ms in [5, 50, 150] {
        let (share, longest) = watched(Manner::honest(2 * MIB, rtt_ms), 24);
        assert!(share > 0.99, "{share} of its line, {rtt_ms} ms away");
        // A tenth of a second is 13 blocks.
        assert!(longest <= 16, "{longest} requests wait, {rtt_ms} ms away");
    }
}

#[test]
fn a_player_that_asks_part_by_part_is_never_starved() {
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

/// Every jump takes requests back, and makes most of them again: rejections that answer the former
/// are no refusal of the latter.
#[test]
fn a_seeder_that_rejects_what_was_taken_back_is_not_taken_for_one_that_gives_nothing() {
    let mut world = World::with_torrent(film(200), &[Manner::honest(40 * MIB, 20)], 25);
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
    assert_eq!(world.dialled.values().sum::<u32>(), 1, "it was dropped");
    let wasted = world.received_bytes.saturating_sub(world.verified());
    assert!(wasted < 2 * MIB, "{wasted} bytes of no use");
}

#[test]
fn bytes_outside_the_file_are_refused() {
    let mut world = World::with_torrent(film(2), &four(), 5);
    let request = world.ask(0, 2 * MIB, 2 * MIB + 5);
    assert_eq!(world.viewers[&request].rejected, Some(None));
}

#[test]
fn a_lone_liar_is_dropped_and_gives_nothing() {
    let liar = Manner { corrupts_every: 1, ..Manner::honest(MIB, 10) };
    let mut world = World::with_torrent(film(4), &[liar], 6);
    let request = world.ask(0, 0, 4 * MIB - 1);
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.viewers[&request].first_at, None);
    assert_eq!(world.connected(), []);
    assert_eq!(world.dialled.values().sum::<u32>(), 1, "a liar is not dialled again");
}

#[test]
fn a_liar_among_the_honest_is_found_and_nobody_else_is_blamed() {
    let mut seeders = four();
    seeders[2].corrupts_every = 3;
    let mut world = World::with_torrent(film(20), &seeders, 7);
    let request = world.ask(0, 0, 20 * MIB - 1);
    finish(&mut world, 60, "the honest are enough");
    assert!(world.viewers[&request].done_at.is_some());
    let redialled: Vec<(&SocketAddr, &u32)> =
        world.dialled.iter().filter(|(_, times)| **times > 1).collect();
    assert!(redialled.is_empty(), "nobody else was dropped: {redialled:?}");
    let wasted = world.received_bytes - 20 * MIB;
    assert!(wasted < 7 * MIB, "{wasted} bytes wasted for one liar");
}

#[test]
fn a_seeder_that_stalls_does_not_hold_up_the_viewer() {
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
fn chokes_hang_ups_and_partial_seeders_are_lived_with() {
    let mut pieces = Bitfield::new(20);
    (0..12).for_each(|piece| pieces.set(piece));
    for fast in [true, false] {
        let seeders = [
            Manner { chokes_every: Some(30), fast, ..Manner::honest(2 * MIB, 20) },
            Manner { hangs_up_after: Some(50), fast, ..Manner::honest(MIB, 5) },
            Manner { pieces: Some(pieces.clone()), fast, ..Manner::honest(4 * MIB, 80) },
        ];
        let mut world = World::with_torrent(film(20), &seeders, 9);
        world.ask(0, 3 * MIB, 20 * MIB - 1);
        finish(&mut world, 200, if fast { "with the fast extension" } else { "without it" });
    }
}

#[test]
fn a_lost_daemon_costs_no_verified_piece() {
    let mut world = World::with_torrent(film(20), &four(), 10);
    world.run_for(Duration::from_secs(3));
    let before = world.verified();
    assert!(before > 5 * MIB);
    world.unlink();
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.verified(), before);
    world.link();
    finish(&mut world, 60, "it goes on");
    assert!(world.received_bytes < 24 * MIB, "{} bytes for 20 MiB", world.received_bytes);
}

#[test]
fn a_new_engine_goes_on_where_the_old_one_died() {
    let mut world = World::with_torrent(film(20), &four(), 11);
    for _ in 0..4 {
        world.run_for(Duration::from_millis(1_300));
        let before = world.verified();
        world.replace_engine();
        world.run_for(Duration::from_millis(500));
        assert!(world.verified() >= before, "{} after, {before} before", world.verified());
    }
    finish(&mut world, 60, "it goes on with the peers that were written down");
}

#[test]
fn an_engine_that_dies_in_the_moment_of_a_verification_loses_nothing() {
    // So fast that a piece is begun and verified before any record can name it.
    let fast = vec![Manner::honest(20 * MIB, 1); 2];
    let mut world =
        World::with_torrent(torrent(64 << 10, &[("film.mp4", 20 * MIB_USIZE)]), &fast, 22);
    for part in 1..=10 {
        world.name_seeders();
        let request = world.ask(0, part * MIB, 20 * MIB - 1);
        let first = |world: &World| world.viewers[&request].first_at.is_some();
        assert!(world.run_until_within(Duration::from_secs(5), first).is_some(), "it goes on");
        let known = world.verified();
        world.replace_engine();
        let back =
            world.run_until_within(Duration::from_millis(20), |world| world.verified() >= known);
        assert!(back.is_some(), "{} after, {known} before", world.verified());
    }
}

#[test]
fn what_was_changed_on_disk_is_found_before_it_is_granted() {
    let mut world = World::with_torrent(film(8), &four(), 12);
    finish(&mut world, 30, "it completes");
    world.vandalise(3 * MIB_USIZE);
    world.lose_seeders();
    world.replace_engine();
    world.run_for(Duration::from_millis(10));
    let request = world.ask(0, 0, 8 * MIB - 1);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.verified(), 7 * MIB);
    assert_eq!(world.viewers[&request].next, 3 * MIB, "granted up to the changed piece");
}

#[test]
fn what_was_granted_of_a_changed_file_is_revoked() {
    let mut world = World::with_torrent(film(8), &four(), 26);
    finish(&mut world, 30, "it completes");
    world.run_for(Duration::from_secs(10));
    let request = world.ask(0, 0, 8 * MIB - 1);
    assert_eq!(world.viewers[&request].next, 8 * MIB);
    world.lose_seeders();
    world.vandalise(3 * MIB_USIZE);
    world.run_for(Duration::from_secs(10));
    // Somebody else begins to read, and the file is looked at.
    world.ask(0, 5, 9);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.viewers[&request].next, 3 * MIB);
    assert_eq!(world.verified(), 7 * MIB);
}

#[test]
fn what_a_check_by_hand_finds_wrong_is_revoked() {
    let mut world = World::with_torrent(film(8), &four(), 27);
    finish(&mut world, 30, "it completes");
    world.run_for(Duration::from_secs(10));
    let request = world.ask(0, MIB, 8 * MIB - 1);
    world.lose_seeders();
    let path = world.disk.paths().next().expect("a file is there").clone();
    world.disk.change_unseen(&path, 5 * MIB_USIZE);
    let info_hash = world.info_hash();
    world.intend(Intent::Recheck { info_hash });
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.viewers[&request].next, 5 * MIB);
}

#[test]
fn many_small_files_with_empty_ones_among_them_are_served() {
    let files = [("a", 0), ("b/film.mp4", 300_000), ("c", 1), ("d", 0), ("e", 100_000), ("f", 0)];
    let mut world = World::with_torrent(torrent(32 << 10, &files), &four(), 13);
    let request = world.ask(1, 299_999, 299_999);
    finish(&mut world, 30, "it completes");
    assert!(world.viewers[&request].done_at.is_some());
}

#[test]
fn an_added_torrent_can_be_paused_resumed_and_removed() {
    let mut world = World::with_torrent(film(8), &four(), 14);
    world.run_for(Duration::from_millis(300));
    let info_hash = world.info_hash();
    let request = world.ask(0, 7 * MIB, 8 * MIB - 1);
    world.intend(Intent::Pause { info_hash: info_hash.clone() });
    assert_eq!(world.viewers[&request].rejected, Some(Some(503)));
    assert_eq!(world.connected(), []);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.engine.snapshot(world.now).torrents[0].state, TorrentState::Paused);
    world.intend(Intent::Resume { info_hash: info_hash.clone() });
    finish(&mut world, 60, "it goes on");
    world.intend(Intent::Remove { info_hash: info_hash.clone(), delete_data: true, undo: false });
    world.run_for(Duration::from_secs(1));
    assert!(!world.has_state() && !world.has_files());
    assert_eq!(world.numbers_in_use(), 0);
    assert!(world.replies.iter().all(|reply| *reply
        == IntentReply::Done {
            info_hash: info_hash.clone(),
            message: None,
            says: None,
            duplicate: false
        }));
}

#[test]
fn two_torrents_of_one_name_lie_apart_also_after_a_restart() {
    let mut world = World::with_torrent(film(2), &four(), 17);
    finish(&mut world, 30, "the first one is there");
    let other = torrent(32 << 10, &[("film.mp4", 100_000)]);
    let third = torrent(32 << 10, &[("FILM.mp4", 50_000)]);
    world.intend(Intent::AddTorrent { metainfo: other.torrent.into() });
    world.intend(Intent::AddTorrent { metainfo: third.torrent.into() });
    world.run_for(Duration::from_secs(1));
    let apart = ["FILM.mp4", "film (2).mp4", "film.mp4"];
    let places = |world: &World| -> Vec<String> {
        let torrents = world.engine.snapshot(world.now).torrents;
        let mut paths: Vec<String> =
            torrents.iter().map(|torrent| torrent.files[0].path.clone()).collect();
        paths.sort();
        paths
    };
    assert_eq!(places(&world), apart);
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    assert_eq!(places(&world), apart);
    // The second one begins with the same bytes, which were copied.
    assert_eq!(
        world.paths(),
        ["film (2).mp4", "film.mp4"],
        "what nothing was written of is not made"
    );
}

#[test]
fn a_copy_that_lies_there_is_used_and_not_deleted_with_the_torrent() {
    let mut world = World::new(film(8), &four(), 18);
    let copy = world.sample.content[..5 * MIB_USIZE].to_vec();
    world.plant("film.mp4", &copy);
    world.add();
    world.run_for(Duration::from_millis(20));
    assert!(world.verified() >= 5 * MIB);
    finish(&mut world, 30, "the rest is fetched");
    assert!(world.received_bytes <= 3 * MIB, "{} bytes were fetched", world.received_bytes);
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    world.intend(Intent::Remove { info_hash: world.info_hash(), delete_data: true, undo: false });
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.paths(), ["film.mp4"]);
}

#[test]
fn somebody_elses_file_of_the_same_name_is_left_alone() {
    let mut world = World::new(film(4), &four(), 19);
    let theirs = vec![7; 6 * MIB_USIZE];
    world.plant("film.mp4", &theirs);
    world.plant("film (2).mp4", b"short");
    world.add();
    finish(&mut world, 30, "it lies elsewhere");
    assert_eq!(world.paths(), ["film (2).mp4", "film (3).mp4", "film.mp4"]);
    assert_eq!(world.read("film (3).mp4"), Some(&world.sample.content[..]));
    world.intend(Intent::Remove { info_hash: world.info_hash(), delete_data: true, undo: false });
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.read("film.mp4"), Some(&theirs[..]));
    assert_eq!(world.read("film (2).mp4"), Some(&b"short"[..]));
    assert_eq!(world.read("film (3).mp4"), None);
}

#[test]
fn a_torrent_that_is_stopped_while_its_place_is_looked_at_begins_anew() {
    let mut world = World::new(film(4), &four(), 20);
    let copy = world.sample.content.clone();
    world.plant("film.mp4", &copy);
    world.run_for(Duration::from_millis(10));
    world.intend(Intent::AddTorrent { metainfo: world.sample.torrent.clone().into() });
    world.run_for(Duration::from_micros(300));
    let info_hash = world.info_hash();
    world.intend(Intent::Pause { info_hash: info_hash.clone() });
    world.run_for(Duration::from_secs(1));
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    world.intend(Intent::Resume { info_hash });
    finish(&mut world, 5, "the copy is found");
    assert_eq!(world.received_bytes, 0);
}

#[test]
fn limits_are_told_to_every_daemon_that_comes() {
    use shared_proto::{EngineMessage, Limits, Root, RootKey};

    use crate::{Config, Engine, Input, Output, time::Instant};
    let config = Config { download_limit_bps: Some(1_000), ..Config::default() };
    let mut engine = Engine::new(config, [21; 32], Instant(0));
    for epoch in 1..=2 {
        let roots =
            vec![Root { key: RootKey("d".into()), label: "Downloads".into(), path: String::new() }];
        let limits = Limits { max_conns: 1, max_files: 1, io_window: 1, max_wait_ms: 1 };
        engine.handle_input(Instant(epoch), Input::Linked { epoch, roots, limits });
        let said = EngineMessage::RateLimit { group: 0, down_bps: Some(1_000), up_bps: None };
        let outputs: Vec<Output> = std::iter::from_fn(|| engine.poll_output()).collect();
        assert!(outputs.contains(&Output::Control(said)), "{outputs:?}");
        engine.handle_input(Instant(epoch), Input::Unlinked);
    }
}

#[test]
fn what_is_no_torrent_is_answered_in_plain_words() {
    let mut world = World::new(film(1), &[], 15);
    world.run_for(Duration::from_millis(10));
    world.intend(Intent::AddTorrent { metainfo: b"<html>".as_slice().into() });
    world.intend(Intent::AddPeers { info_hash: "00".into(), peers: vec![] });
    assert_eq!(world.replies.len(), 2);
    assert!(
        world.replies.iter().all(|reply| matches!(reply, IntentReply::Failed { .. })),
        "{:?}",
        world.replies
    );
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut world = World::with_torrent(film(10), &four(), seed);
        world.ask(0, 5 * MIB, 10 * MIB - 1);
        let took = world.run_until_within(Duration::from_secs(60), World::is_complete);
        (took, world.received_bytes)
    };
    assert_eq!(run(16), run(16));
}

/// Peers of every manner, viewers that come, seek and leave, links and engines that die: it always
/// ends well.
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
        let mut seeders = vec![Manner::honest(MIB, 30)];
        for _ in 0..rng.random_range(1..6) {
            let mut manner =
                Manner::honest(rng.random_range(20_000..4 * MIB), rng.random_range(1..300));
            manner.fast = rng.random_bool(0.7);
            match rng.random_range(0..6) {
                0 => manner.corrupts_every = rng.random_range(1..20),
                1 => manner.stalls_after = Some(rng.random_range(0..200)),
                2 => manner.chokes_every = Some(rng.random_range(5..100)),
                3 => manner.hangs_up_after = Some(rng.random_range(1..200)),
                _ => {}
            }
            seeders.push(manner);
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

/// Peers whose requests lie in their send buffers at once: no cancel takes them back. What came in
/// vain when one viewer leaves and when one jumps.
fn in_vain(leaves: bool, jumps: bool) -> u64 {
    let buffering = Manner { pulse: Some(Duration::from_millis(10)), ..Manner::honest(58_000, 60) };
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
fn a_viewer_that_leaves_makes_nothing_come_twice() {
    assert_eq!(in_vain(false, false), 0, "nobody leaves");
    assert_eq!(in_vain(true, false), 0, "what was read ahead is still wanted, and under way");
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
    let mut world = World::with_torrent(season(), &vec![Manner::honest(117_000, 50); 4], 30);
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
fn a_film_that_is_not_wanted_is_not_fetched_before_anybody_asks() {
    let files = [("a.mkv", 8 * MIB_USIZE), ("b.mkv", 8 * MIB_USIZE)];
    let mut world =
        World::new(torrent(256 << 10, &files), &vec![Manner::honest(117_000, 50); 4], 31);
    world.intend(Intent::AddTorrent { metainfo: world.sample.torrent.clone().into() });
    let skip = FilePriority { index: 0, priority: Priority::Skip };
    world.intend(Intent::SetPriorities { info_hash: world.info_hash(), files: vec![skip] });
    world.name_seeders();
    world.run_for(Duration::from_secs(4));
    let request = world.ask(1, 0, 262_143);
    assert!(world.viewers[&request].done_at.is_some(), "the beginning of the other one is there");
    assert_eq!(world.view().files[0].verified, 0);
}
