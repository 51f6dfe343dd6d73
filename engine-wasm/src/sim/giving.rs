//! What engines must do for each other.

use std::time::Duration;

use super::engines::{Engines, TRACKER};
use crate::metainfo::Magnet;
use crate::metainfo::testing::{Sample, torrent_with_trackers};
use crate::view::{Intent, TorrentState};

const MIB: u64 = 1 << 20;

fn film(mib: usize) -> Sample {
    torrent_with_trackers(256 << 10, &[("film.mp4", mib << 20)], &[TRACKER])
}

/// A torrent of several files, whose blocks lie in more than one of them.
fn album() -> Sample {
    let files = [("a.flac", 300_001), ("b.txt", 0), ("c/d.flac", 70_000), ("e.jpg", 16_383), ("f.flac", 900_000)];
    torrent_with_trackers(32 << 10, &files, &[TRACKER])
}

fn finish(engines: &mut Engines, nodes: &[usize], within_s: u64) -> Duration {
    let all = |engines: &Engines| nodes.iter().all(|&node| engines.is_complete(node));
    let took = engines.run_until_within(Duration::from_secs(within_s), all);
    let views: Vec<_> = nodes.iter().map(|&node| engines.view(node)).collect();
    let took = took.unwrap_or_else(|| panic!("not in time: {views:?}"));
    assert!(nodes.iter().all(|&node| engines.is_right(node)));
    took
}

#[test]
fn an_engine_gives_to_another_all_that_it_has() {
    for sample in [film(8), album()] {
        let length = sample.metainfo.total_length();
        let mut engines = Engines::new(sample, &[4 * MIB, MIB], 50);
        engines.seed(0);
        engines.add(1);
        finish(&mut engines, &[1], 20);
        assert_eq!((engines.nodes[0].given, engines.nodes[1].given), (length, 0), "nothing went twice");
        engines.run_for(Duration::from_secs(3));
        assert_eq!(engines.view(0).uploaded, length);
        assert_eq!((engines.connections(0), engines.connections(1)), (0, 0), "seeds part");
    }
}

#[test]
fn a_giver_sends_as_fast_as_its_line_is() {
    let mut engines = Engines::new(film(40), &[4 * MIB, MIB], 51);
    engines.seed(0);
    engines.add(1);
    let took = finish(&mut engines, &[1], 30);
    assert!(took < Duration::from_secs(12), "40 MiB at 4 MiB/s took {took:?}");
}

#[test]
fn those_who_fetch_give_to_each_other() {
    let mut engines = Engines::new(film(16), &[MIB, MIB, MIB, MIB, MIB], 52);
    engines.seed(0);
    (1..5).for_each(|node| engines.add(node));
    let took = finish(&mut engines, &[1, 2, 3, 4], 120);
    assert!(took < Duration::from_secs(45), "alone the giver would take 64 s, together they took {took:?}");
    let given = engines.nodes[0].given;
    assert!(given < 40 * MIB, "the giver gave {given} bytes of {}", 64 * MIB);
    engines.run_for(Duration::from_secs(5));
    assert!((0..5).all(|node| engines.connections(node) == 0), "everybody has everything");
}

#[test]
fn who_comes_later_is_given_to_by_those_who_stayed() {
    let mut engines = Engines::new(film(4), &[2 * MIB, 2 * MIB, 2 * MIB], 53);
    engines.seed(0);
    engines.add(1);
    finish(&mut engines, &[1], 20);
    engines.intend(0, Intent::Pause { info_hash: engines.info_hash() });
    engines.run_for(Duration::from_secs(1));
    engines.add(2);
    finish(&mut engines, &[2], 40);
    assert_eq!(engines.nodes[1].given, 4 * MIB);
    let events: Vec<&str> = engines
        .announces
        .iter()
        .filter(|(node, _)| *node == 1)
        .filter_map(|(_, query)| query.split_once("&event=").map(|(_, event)| event))
        .collect();
    assert_eq!(events, ["started", "completed"]);
    let seeder_says = |what: &str| engines.announces.iter().any(|(node, query)| *node == 0 && query.contains(what));
    assert!(seeder_says("left=0") && !seeder_says("event=completed"), "what lay there was not completed now");
}

#[test]
fn a_magnet_link_is_described_by_an_engine_that_has_the_torrent() {
    let mut engines = Engines::new(film(2), &[2 * MIB, MIB], 54);
    engines.seed(0);
    let mut link = Magnet::new(engines.sample.metainfo.info_hash);
    link.trackers.push(TRACKER.to_owned());
    engines.intend(1, Intent::AddMagnet { uri: link.to_string() });
    finish(&mut engines, &[1], 40);
}

#[test]
fn two_that_dial_each_other_keep_one_connection_and_nobody_talks_to_himself() {
    let mut engines = Engines::new(film(16), &[64 << 10, 64 << 10], 55);
    engines.add(0);
    engines.add(1);
    engines.run_for(Duration::from_secs(200));
    assert_eq!((engines.view(0).peers, engines.view(1).peers), (1, 1));
    assert_eq!((engines.connections(0), engines.connections(1)), (1, 1));
}

#[test]
fn a_paused_or_unknown_torrent_turns_arrivals_away() {
    let mut engines = Engines::new(film(2), &[MIB, MIB], 56);
    engines.seed(0);
    engines.intend(0, Intent::Pause { info_hash: engines.info_hash() });
    engines.add(1);
    engines.run_for(Duration::from_secs(30));
    assert_eq!((engines.connections(0), engines.view(1).verified), (0, 0));
    engines.intend(0, Intent::Resume { info_hash: engines.info_hash() });
    finish(&mut engines, &[1], 60);
    assert_eq!(engines.view(0).state, TorrentState::Complete);
}
