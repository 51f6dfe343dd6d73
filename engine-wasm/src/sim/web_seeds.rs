//! Web seeds with and without peers: honest, corrupt and incomplete ones.

use std::time::Duration;

use super::seeder::Behaviour;
use super::world::World;
use crate::config::Config;
use crate::discover::Sources;
use crate::metainfo::Magnet;
use crate::metainfo::Metainfo;
use crate::metainfo::Version;
use crate::metainfo::encode;
use crate::metainfo::testing::{Sample, torrent, torrent_of};
use crate::view::Intent;

const MIB: usize = 1 << 20;

/// Returns the same torrent with these web seeds.
pub(super) fn seeded(sample: Sample, urls: &[&str]) -> Sample {
    let list = [&b"8:url-list"[..], &encode::list(urls.iter().map(encode::bytes))].concat();
    let end = sample.torrent.len() - 1;
    let torrent = [&sample.torrent[..end], &list, b"e"].concat();
    let metainfo = Metainfo::parse(&torrent).expect("a test's torrent is valid");
    assert_eq!(metainfo.web_seeds, urls);
    Sample { torrent, metainfo, ..sample }
}

pub(super) fn film(urls: &[&str]) -> Sample {
    seeded(torrent(256 << 10, &[("a film.mp4", 4 * MIB)]), urls)
}

fn world(config: Config, sample: Sample, seeders: &[Behaviour], seed: u8) -> World {
    let mut world = World::configured(config, sample, seeders, seed);
    world.run_for(Duration::from_millis(10));
    world.intend(Intent::AddTorrent { metainfo: world.sample.torrent.clone().into() });
    world
}

fn finish(world: &mut World, within_s: u64, what: &str) {
    let took = world.run_until_within(Duration::from_secs(within_s), World::is_complete);
    assert!(took.is_some(), "{what}: {} bytes, {:?}", world.verified(), world.view().message);
}

#[test]
fn a_web_seed_alone_is_enough_without_repeated_downloads() {
    let mut world = world(Config::default(), film(&["http://w/dir/"]), &[], 120);
    world
        .outside
        .web
        .insert("http://w/dir/a%20film.mp4".into(), world.sample.content.clone().into());
    let request = world.ask(0, 3 << 20, (4 << 20) - 1);
    finish(&mut world, 20, "by the web");
    assert!(world.viewers[&request].done_at.is_some(), "a viewer was served");
    let view = world.view();
    assert_eq!((view.downloaded, view.wasted), (4 << 20, 0));
}

#[test]
fn web_seed_urls_contain_the_torrents_name_and_runs_end_at_file_borders() {
    let sample = torrent(64 << 10, &[("a/x y", 100_000), ("a/empty", 0), ("b", 300_000), ("c", 5)]);
    let mut world = world(Config::default(), seeded(sample, &["http://w"]), &[], 121);
    for (file, url) in [(0, "a/x%20y"), (2, "b"), (3, "c")] {
        world
            .outside
            .web
            .insert(format!("http://w/Sample/{url}"), world.sample.file(file).to_vec().into());
    }
    finish(&mut world, 20, "several files");
}

#[test]
fn web_seeds_work_for_v2_and_hybrid_torrents() {
    for (version, seed) in [(Version::V2, 127), (Version::Hybrid, 128)] {
        let files = [("a film.mkv", 1_000_001), ("b/c", 5), ("b/empty", 0), ("d", 65_536)];
        let sample = torrent_of(version, 64 << 10, &files);
        let real: Vec<usize> = (0..sample.metainfo.files.len())
            .filter(|&at| !sample.metainfo.files[at].padding)
            .collect();
        let mut world = world(Config::default(), seeded(sample, &["http://w/"]), &[], seed);
        for (file, url) in real.into_iter().zip(["a%20film.mkv", "b/c", "b/empty", "d"]) {
            world
                .outside
                .web
                .insert(format!("http://w/Sample/{url}"), world.sample.file(file).to_vec().into());
        }
        finish(&mut world, 30, "of v2");
        assert!(
            world.outside.fetched.iter().all(|url| !url.contains(".pad")),
            "padding is on no server"
        );
    }
}

#[test]
fn a_web_seed_with_wrong_data_is_dropped_and_peers_finish() {
    let mut world = world(
        Config::default(),
        film(&["http://liar/film", "http://liar/again"]),
        &[Behaviour::honest(1 << 20, 20)],
        122,
    );
    for url in ["http://liar/film", "http://liar/again"] {
        world.outside.web.insert(url.into(), vec![7; 4 * MIB].into());
    }
    world.run_for(Duration::from_secs(2));
    let asked = world.outside.fetched.len();
    world.name_seeders();
    finish(&mut world, 60, "in spite of a liar");
    assert!(
        world.outside.fetched.len() <= asked + 8,
        "{} fetches after it was caught",
        world.outside.fetched.len() - asked
    );
}

#[test]
fn a_web_seed_without_the_file_is_dropped_for_another() {
    let mut world =
        world(Config::default(), film(&["http://empty/film", "http://w/film"]), &[], 123);
    world.outside.web.insert("http://w/film".into(), world.sample.content.clone().into());
    finish(&mut world, 30, "by the other one");
    let wasted_bytes =
        world.outside.fetched.iter().filter(|url| url.starts_with("http://empty")).count();
    assert!((1..=2).contains(&wasted_bytes), "{wasted_bytes}");
}

#[test]
fn web_seeds_and_peers_download_together() {
    let mut world =
        world(Config::default(), film(&["http://w/film"]), &[Behaviour::honest(1 << 20, 20)], 124);
    world.outside.web.insert("http://w/film".into(), world.sample.content.clone().into());
    world.name_seeders();
    finish(&mut world, 20, "together");
    let view = world.view();
    assert!(view.wasted <= 512 << 10, "{} bytes came in vain", view.wasted);
}

#[test]
fn web_seeds_of_a_magnet_link_are_used_and_can_be_switched_off() {
    let run = |web_seeds| {
        let sources = Sources { web_seeds, ..Sources::default() };
        let config = Config { sources, ..Config::default() };
        let sample = torrent(256 << 10, &[("film.mp4", MIB)]);
        let mut world = World::configured(config, sample, &[Behaviour::honest(1 << 10, 20)], 125);
        world.outside.web.insert("http://w/film".into(), world.sample.content.clone().into());
        let mut link = Magnet::new(world.sample.metainfo.info_hash);
        link.peers = vec!["127.0.0.1:1".parse().expect("an address")];
        link.web_seeds = vec!["http://w/film".into()];
        world.intend(Intent::AddMagnet { uri: link.to_string() });
        world.run_for(Duration::from_secs(20));
        (world.is_complete(), world.outside.fetched.is_empty())
    };
    assert_eq!((run(true), run(false)), ((true, false), (false, true)));
}

#[test]
fn web_seed_downloads_continue_with_a_new_daemon() {
    let mut world = world(Config::default(), film(&["http://w/film"]), &[], 126);
    world.outside.web.insert("http://w/film".into(), world.sample.content.clone().into());
    world.run_for(Duration::from_millis(600));
    assert!(!world.is_complete());
    world.unlink();
    world.link();
    finish(&mut world, 30, "after a pause");
}
