//! Tests of adding a torrent again. The engine reports a duplicate and merges the new trackers, web
//! seeds and peers.

use std::time::Duration;

use super::web_seeds;
use super::world::World;
use crate::metainfo::testing::{Sample, private, torrent_with_trackers};
use crate::view::{Intent, IntentReply};

const FILES: &[(&str, usize)] = &[("film.mp4", 1 << 20)];
const FIRST: &str = "http://one.example/announce";
const SECOND: &str = "http://two.example/announce";

impl World {
    fn add_again(&mut self, sample: &Sample) {
        self.intend(Intent::AddTorrent { metainfo: sample.torrent.clone().into() });
        self.run_for(Duration::from_millis(100));
    }

    fn reported_duplicate(&self) -> bool {
        match self.replies.last() {
            Some(IntentReply::Done { duplicate, .. }) => *duplicate,
            other => panic!("{other:?}"),
        }
    }

    fn trackers(&self) -> Vec<String> {
        self.view().trackers.into_iter().map(|tracker| tracker.url).collect()
    }
}

fn world(sample: Sample, seed: u8) -> World {
    let mut world = World::new(sample, &[], seed);
    world.run_for(Duration::from_millis(10));
    world
}

#[test]
fn new_trackers_are_added_and_the_duplicate_is_reported() {
    let first = torrent_with_trackers(64 << 10, FILES, &[FIRST]);
    let again = torrent_with_trackers(64 << 10, FILES, &[FIRST, SECOND]);
    let mut world = world(first.clone(), 240);
    world.add_again(&first);
    assert!(!world.reported_duplicate());
    world.add_again(&again);
    assert!(world.reported_duplicate());
    assert_eq!(world.trackers(), [FIRST, SECOND]);
    let magnet = world.magnet();
    world.intend(Intent::AddMagnet { uri: magnet });
    assert!(world.reported_duplicate());
}

#[test]
fn new_web_seeds_survive_a_restart() {
    const WEB: &str = "http://w/film";
    let mut world = world(web_seeds::film(&[]), 243);
    let first = world.sample.clone();
    world.add_again(&first);
    world.add_again(&web_seeds::film(&[WEB]));
    assert!(world.reported_duplicate());
    world.outside.web.insert(WEB.into(), first.content.into());
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    world.intend(Intent::MagnetLink { info_hash: world.info_hash() });
    let link = world.replies.last();
    assert!(
        matches!(link, Some(IntentReply::Text { text }) if text.contains("&ws=http")),
        "{link:?}"
    );
    let took = world.run_until_within(Duration::from_secs(120), World::is_complete);
    assert!(took.is_some(), "{} bytes, fetched {:?}", world.verified(), world.outside.fetched);
}

#[test]
fn a_private_torrent_accepts_no_further_web_seeds() {
    let first = private(64 << 10, FILES, &[FIRST]);
    let mut world = world(first.clone(), 244);
    world.add_again(&first);
    world.add_again(&web_seeds::seeded(first, &["http://w/film.mp4"]));
    assert!(world.reported_duplicate());
    world.run_for(Duration::from_secs(2));
    world.replace_engine();
    world.run_for(Duration::from_secs(2));
    let from_web = world.outside.fetched.iter().filter(|url| url.starts_with("http://w/")).count();
    assert_eq!(from_web, 0, "{:?}", world.outside.fetched);
}

#[test]
fn a_private_torrent_keeps_its_own_web_seeds() {
    let first = private(64 << 10, FILES, &[FIRST]);
    let again = private(64 << 10, FILES, &[SECOND]);
    let mut world = world(first.clone(), 241);
    world.add_again(&first);
    world.add_again(&again);
    assert!(world.reported_duplicate());
    assert_eq!(world.trackers(), [FIRST]);
}

#[test]
fn a_magnet_link_added_twice_is_listed_once() {
    let mut world = world(torrent_with_trackers(64 << 10, FILES, &[]), 242);
    let magnet = world.magnet();
    for expected in [false, true] {
        world.intend(Intent::AddMagnet { uri: magnet.clone() });
        assert_eq!(world.reported_duplicate(), expected);
    }
}
