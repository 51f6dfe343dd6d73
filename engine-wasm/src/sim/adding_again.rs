//! Adding a torrent again reports a duplicate and merges the new trackers, web seeds and peers.

use std::time::Duration;

use super::web_seeds;
use super::world::World;
use crate::metainfo::testing::{Sample, private, torrent_with_trackers};
use crate::view::{Intent, IntentReply};

const FILES: &[(&str, usize)] = &[("film.mp4", 1 << 20)];
const FIRST: &str = "http://one.example/announce";
const SECOND: &str = "http://two.example/announce";

impl World {
    fn give_again(&mut self, sample: &Sample) {
        self.intend(Intent::AddTorrent { metainfo: sample.torrent.clone().into() });
        self.run_for(Duration::from_millis(100));
    }

    fn was_there(&self) -> bool {
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
fn its_new_trackers_are_added_and_it_is_said_that_it_was_there() {
    let first = torrent_with_trackers(64 << 10, FILES, &[FIRST]);
    let again = torrent_with_trackers(64 << 10, FILES, &[FIRST, SECOND]);
    let mut world = world(first.clone(), 240);
    world.give_again(&first);
    assert!(!world.was_there());
    world.give_again(&again);
    assert!(world.was_there());
    assert_eq!(world.trackers(), [FIRST, SECOND]);
    let magnet = world.magnet();
    world.intend(Intent::AddMagnet { uri: magnet });
    assert!(world.was_there());
}

#[test]
fn its_new_web_seeds_outlive_the_engine() {
    const WEB: &str = "http://w/film";
    let mut world = world(web_seeds::film(&[]), 243);
    let first = world.sample.clone();
    world.give_again(&first);
    world.give_again(&web_seeds::film(&[WEB]));
    assert!(world.was_there());
    world.web.insert(WEB.into(), first.content.into());
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    world.intend(Intent::MagnetLink { info_hash: world.info_hash() });
    let link = world.replies.last();
    assert!(
        matches!(link, Some(IntentReply::Text { text }) if text.contains("&ws=http")),
        "{link:?}"
    );
    let took = world.run_until_within(Duration::from_secs(120), World::is_complete);
    assert!(took.is_some(), "{} bytes, fetched {:?}", world.verified(), world.fetched);
}

#[test]
fn a_private_one_takes_no_web_seeds() {
    let first = private(64 << 10, FILES, &[FIRST]);
    let mut world = world(first.clone(), 244);
    world.give_again(&first);
    world.give_again(&web_seeds::seeded(first, &["http://w/film.mp4"]));
    assert!(world.was_there());
    world.run_for(Duration::from_secs(2));
    world.replace_engine();
    world.run_for(Duration::from_secs(2));
    let from_web = world.fetched.iter().filter(|url| url.starts_with("http://w/")).count();
    assert_eq!(from_web, 0, "{:?}", world.fetched);
}

#[test]
fn a_private_one_keeps_its_own() {
    let first = private(64 << 10, FILES, &[FIRST]);
    let again = private(64 << 10, FILES, &[SECOND]);
    let mut world = world(first.clone(), 241);
    world.give_again(&first);
    world.give_again(&again);
    assert!(world.was_there());
    assert_eq!(world.trackers(), [FIRST]);
}

#[test]
fn a_link_twice_is_one() {
    let mut world = world(torrent_with_trackers(64 << 10, FILES, &[]), 242);
    let magnet = world.magnet();
    for expected in [false, true] {
        world.intend(Intent::AddMagnet { uri: magnet.clone() });
        assert_eq!(world.was_there(), expected);
    }
}
