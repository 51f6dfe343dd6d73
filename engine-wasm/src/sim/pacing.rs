//! Displayed speed: the remaining time is steady, a stall is shown, and a stopped torrent has no
//! rate.

use std::time::Duration;

use super::seeder::Behaviour;
use super::world::World;
use crate::metainfo::testing::torrent;
use crate::view::{Intent, TorrentState};

const FILM: usize = 8 << 20;

fn film(behaviour: Behaviour, seed: u8) -> World {
    World::with_torrent(torrent(64 << 10, &[("film.mp4", FILM)]), &[behaviour], seed)
}

#[test]
fn the_remaining_time_is_shown_and_accurate() {
    let mut world = film(Behaviour::honest(512 << 10, 10), 230);
    world.run_for(Duration::from_secs(6));
    let (eta, at) = (world.view().eta_s.expect("it is known"), world.now);
    assert!((8..=14).contains(&eta), "{eta} s");
    let took =
        world.run_until_within(Duration::from_secs(60), World::is_complete).expect("it completes");
    assert!(took.as_secs().abs_diff(eta.into()) <= 3, "{took:?} instead of {eta} s, {at:?}");
    let view = world.view();
    assert_eq!((view.eta_s, view.stalled, view.down_rate_bps), (None, false, 0));
}

#[test]
fn a_frozen_peer_shows_a_stall_not_a_huge_remaining_time() {
    let half = u32::try_from(FILM / 2 / (16 << 10)).unwrap();
    let mut world =
        film(Behaviour { stalls_after: Some(half), ..Behaviour::honest(512 << 10, 10) }, 231);
    world.run_for(Duration::from_secs(8));
    assert!(world.view().eta_s.is_some() && !world.view().stalled);
    let frozen = world.run_until_within(Duration::from_secs(60), |world| world.view().stalled);
    assert!(frozen.is_some(), "{:?}", world.view());
    assert_eq!(world.view().eta_s, None);
    let mut world =
        film(Behaviour { stalls_after: Some(half), ..Behaviour::honest(512 << 10, 10) }, 232);
    for _ in 0..40 {
        world.run_for(Duration::from_millis(500));
        assert!(world.view().eta_s.is_none_or(|eta| eta < 60), "{:?}", world.view().eta_s);
    }
}

#[test]
fn a_paused_torrent_has_no_rate_at_once() {
    let mut world = film(Behaviour::honest(512 << 10, 10), 233);
    world.run_for(Duration::from_secs(5));
    assert!(world.view().down_rate_bps > 0);
    world.intend(Intent::Pause { info_hash: world.info_hash() });
    let view = world.view();
    assert_eq!((view.state, view.down_rate_bps, view.up_rate_bps), (TorrentState::Paused, 0, 0));
    assert_eq!((view.eta_s, view.stalled), (None, false));
}

#[test]
fn without_peers_no_stall_is_shown() {
    let mut world = World::with_torrent(torrent(64 << 10, &[("film.mp4", FILM)]), &[], 234);
    world.run_for(Duration::from_secs(60));
    assert!(!world.view().stalled);
}
