//! v2 and hybrid torrents, padding files, and odd lengths.

use std::net::SocketAddr;
use std::time::Duration;

use super::seeder::{Behaviour, Describes, Hashes};
use super::world::World;
use crate::metainfo::Version;
use crate::metainfo::testing::{Sample, torrent, torrent_of};
use crate::view::Intent;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Files with odd lengths, in pieces of 256 KiB.
const FILES: &[(&str, usize)] = &[
    ("a/empty", 0),
    ("b/film.mkv", 3 << 20),
    ("b/film.srt", 5),
    ("c.bin", (256 << 10) + 1),
    ("d.exact", 512 << 10),
    ("e.block", 16 << 10),
    ("f.empty", 0),
];

fn sample(version: Version) -> Sample {
    torrent_of(version, 256 << 10, FILES)
}

/// Returns a film in pieces of 1 MiB.
fn film(version: Version, mib: usize) -> Sample {
    torrent_of(version, 1 << 20, &[("film.mkv", mib << 20)])
}

fn with(hashes: Hashes) -> Behaviour {
    Behaviour { hashes, ..Behaviour::honest(4 * MIB, 20) }
}

/// Checks that all files are complete and no padding file exists.
fn check(mut world: World, what: &str) {
    let took = world.run_until_within(Duration::from_secs(60), World::is_complete);
    assert!(
        took.is_some(),
        "{what}: {} of {}",
        world.verified(),
        world.sample.metainfo.total_length()
    );
    let files = world.sample.metainfo.files.clone();
    for (index, file) in files.iter().enumerate() {
        let expected = (!file.padding).then(|| world.sample.file(index));
        assert_eq!(world.read(&file.path.join("/")), expected, "{what}: {}", file.path.join("/"));
    }
    assert_eq!(
        world.lines.received_bytes,
        world.sample.metainfo.total_length(),
        "{what}: nothing came twice, and no padding"
    );
}

#[test]
fn every_version_downloads_with_and_without_hash_transfer() {
    for version in [Version::V2, Version::Hybrid] {
        for hashes in [Hashes::Given, Hashes::Rejected, Hashes::OfPieces, Hashes::Silent] {
            let world = World::with_torrent(sample(version), &[with(hashes)], 1);
            check(world, &format!("{version:?} {hashes:?}"));
        }
    }
    check(
        World::with_torrent(sample(Version::Hybrid), &[with(Hashes::Unknown)], 1),
        "a hybrid from one who knows v1 only",
    );
}

#[test]
fn a_magnet_link_gets_its_piece_layers_from_peers() {
    for version in [Version::V2, Version::Hybrid] {
        for hashes in [Hashes::Given, Hashes::OfPieces] {
            check(
                World::with_magnet(sample(version), &[with(hashes)], 2),
                &format!("{version:?} {hashes:?}"),
            );
        }
    }
    check(
        World::with_magnet(sample(Version::Hybrid), &[with(Hashes::Unknown)], 2),
        "a hybrid from one who knows v1 only",
    );
    check(
        World::with_magnet(sample(Version::Hybrid), &[with(Hashes::Rejected)], 2),
        "a hybrid without layers",
    );
}

#[test]
fn a_hybrid_added_by_its_v2_hash_downloads_from_v2_peers() {
    let mut named = sample(Version::Hybrid);
    let second = named.metainfo.info_hash_v2.unwrap().truncated();
    named.metainfo.use_key(second);
    check(World::with_magnet(named, &[with(Hashes::Given)], 3), "by its v2 hash alone");
}

#[test]
fn a_peer_with_wrong_layers_is_banned_and_others_are_asked() {
    let mut world =
        World::with_magnet(film(Version::V2, 4), &[with(Hashes::Wrong), with(Hashes::Given)], 4);
    assert!(world.run_until_within(Duration::from_secs(60), World::is_complete).is_some());
    let liar = SocketAddr::from(([127, 0, 0, 1], 1));
    assert!(!world.connected().contains(&liar), "{:?}", world.connected());
}

#[test]
fn without_piece_layers_nothing_is_downloaded() {
    let mut world = World::with_magnet(film(Version::V2, 4), &[with(Hashes::Rejected)], 5);
    world.run_for(Duration::from_secs(100));
    assert_eq!(world.lines.received_bytes, 0);
    world.replace_seeders(&[with(Hashes::Given)]);
    assert!(world.run_until_within(Duration::from_secs(120), World::is_complete).is_some());
}

#[test]
fn piece_layers_are_stored_with_the_torrent() {
    let mut world = World::with_magnet(film(Version::V2, 4), &[with(Hashes::Given)], 6);
    assert!(
        world.run_until_within(Duration::from_secs(2), |world| world.verified() > MIB).is_some()
    );
    world.replace_engine();
    world.replace_seeders(&[with(Hashes::Rejected)]);
    assert!(
        world.run_until_within(Duration::from_secs(60), World::is_complete).is_some(),
        "{}",
        world.verified()
    );
}

#[test]
fn existing_files_are_adopted_once_the_layers_arrive() {
    let sample = film(Version::V2, 4);
    let (name, content) = ("film.mkv", sample.content.clone());
    let mut world = World::new(sample, &[with(Hashes::Given)], 7);
    world.plant(name, &content);
    world.intend(Intent::AddMagnet { uri: world.magnet() });
    assert!(
        world.run_until_within(Duration::from_secs(20), World::is_complete).is_some(),
        "{}",
        world.verified()
    );
    assert_eq!((world.lines.received_bytes, world.paths()), (0, vec![name.to_owned()]));
}

#[test]
fn a_v2_viewer_starts_after_one_block() {
    let slow = Behaviour { hashes: Hashes::Given, ..Behaviour::honest(64 * KIB, 20) };
    for version in [Version::V2, Version::Hybrid] {
        let mut world = World::with_torrent(film(version, 4), std::slice::from_ref(&slow), 8);
        let request = world.ask(0, 0, 4 * MIB - 1);
        let took = world.run_until_within(Duration::from_secs(30), |world| {
            world.viewers[&request].first_at.is_some()
        });
        // Dial, handshake and unchoke, then a block in 0.25 s; a whole piece would take 16 s.
        assert!(
            took.is_some_and(|took| took < Duration::from_millis(800)),
            "{version:?}: {took:?}"
        );
        world.leave(request);
        let request = world.ask(0, 2 * MIB + 700 * KIB, 4 * MIB - 1);
        let took = world.run_until_within(Duration::from_secs(30), |world| {
            world.viewers[&request].first_at.is_some()
        });
        assert!(
            took.is_some_and(|took| took < Duration::from_secs(4)),
            "{version:?}, in the middle of a piece: {took:?}"
        );
    }
}

#[test]
fn a_v2_viewer_continues_block_by_block() {
    let mut world = World::with_torrent(film(Version::V2, 3), &[with(Hashes::Given)], 9);
    let request = world.ask(0, 100_000, 3 * MIB - 1);
    assert!(
        world
            .run_until_within(Duration::from_secs(20), |world| world.viewers[&request]
                .done_at
                .is_some())
            .is_some()
    );
    assert!(world.run_until_within(Duration::from_secs(20), World::is_complete).is_some());
    assert_eq!(world.lines.received_bytes, 3 * MIB);
}

#[test]
fn a_peer_is_banned_after_one_wrong_v2_block() {
    let liar = Behaviour { corrupts_every: 1, ..Behaviour::honest(MIB, 20) };
    let mut world =
        World::with_torrent(film(Version::V2, 8), &[liar, Behaviour::honest(MIB, 20)], 10);
    let request = world.ask(0, 0, 8 * MIB - 1);
    assert!(world.run_until_within(Duration::from_secs(60), World::is_complete).is_some());
    assert!(world.viewers[&request].done_at.is_some());
    assert_eq!(
        world.lines.dialled[&SocketAddr::from(([127, 0, 0, 1], 1))],
        1,
        "the liar is not dialled again"
    );
    let wasted = world.lines.received_bytes - 8 * MIB;
    assert!(wasted <= 16 * 16 * KIB, "{wasted} bytes came in vain: only what was under way");
    assert!(world.connected().len() <= 1);
}

#[test]
fn a_v2_liar_is_found_without_block_hashes() {
    let liar =
        Behaviour { corrupts_every: 3, hashes: Hashes::OfPieces, ..Behaviour::honest(MIB, 20) };
    let honest = Behaviour { hashes: Hashes::OfPieces, ..Behaviour::honest(MIB, 20) };
    let mut world = World::with_torrent(film(Version::V2, 8), &[liar, honest.clone(), honest], 11);
    assert!(world.run_until_within(Duration::from_secs(90), World::is_complete).is_some());
}

#[test]
fn v1_padding_is_neither_downloaded_written_nor_counted() {
    let mut sample = sample(Version::Hybrid);
    // The same info dictionary without its v2 keys.
    let info = &sample.metainfo.info;
    let document = crate::metainfo::bencode::parse(info).unwrap();
    let v1 = document
        .root()
        .dict()
        .unwrap()
        .filter(|(key, _)| !matches!(*key, b"meta version" | b"file tree"));
    let info = v1.fold(crate::metainfo::encode::Dict::new(), |dict, (key, value)| {
        dict.raw(key, value.raw().to_vec())
    });
    sample.torrent = crate::metainfo::encode::Dict::new().raw("info", info.encode()).encode();
    sample.metainfo = crate::metainfo::Metainfo::parse(&sample.torrent).unwrap();
    assert_eq!(sample.metainfo.version(), Version::V1);
    let world = World::with_torrent(sample, &[with(Hashes::Unknown)], 12);
    assert_eq!(world.view().length, FILES.iter().map(|(_, length)| *length as u64).sum::<u64>());
    assert_eq!(world.view().files.len(), FILES.len());
    check(world, "v1 with padding");
}

#[test]
fn empty_v2_files_exist_at_once() {
    let mut world = World::with_torrent(torrent(16 << 10, &[("a/x", 0), ("b", 0)]), &[], 13);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.paths(), ["Sample/a/x", "Sample/b"]);
    assert_eq!(world.view().state, crate::view::TorrentState::Complete);
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.view().state, crate::view::TorrentState::Complete);
}

#[test]
fn a_v2_download_survives_a_misbehaving_swarm() {
    let seeders = [
        Behaviour { chokes_every: Some(30), ..Behaviour::honest(2 * MIB, 20) },
        Behaviour {
            hangs_up_after: Some(50),
            hashes: Hashes::OfPieces,
            ..Behaviour::honest(MIB, 5)
        },
        Behaviour { stalls_after: Some(40), ..Behaviour::honest(MIB, 5) },
        Behaviour { corrupts_every: 7, ..Behaviour::honest(MIB, 30) },
        Behaviour { describes: Describes::Never, ..Behaviour::honest(2 * MIB, 80) },
    ];
    for seed in 20..26 {
        for version in [Version::V2, Version::Hybrid] {
            let mut world = World::with_torrent(film(version, 12), &seeders, seed);
            let request = world.ask(0, 5 * MIB + 5, 12 * MIB - 1);
            let took = world.run_until_within(Duration::from_secs(120), World::is_complete);
            assert!(took.is_some(), "{version:?}, seed {seed}: {} bytes", world.verified());
            assert!(world.viewers[&request].done_at.is_some(), "{version:?}, seed {seed}");
        }
    }
}
