//! Magnet links with good and misbehaving peers.

use std::time::Duration;

use bytes::Bytes;
use sha1::{Digest, Sha1};

use super::seeder::{Behaviour, Describes};
use super::world::World;
use crate::config::Config;
use crate::engine::Engine;
use crate::limits;
use crate::magnet::Patience;
use crate::metainfo::encode::{self, Dict};
use crate::metainfo::testing::{Sample, torrent, torrent_with_trackers};
use crate::metainfo::{InfoHash, Magnet};
use crate::view::{Intent, IntentReply, TorrentState};

/// Returns a short film of tiny pieces, which has a long info dictionary.
fn film() -> Sample {
    torrent(1 << 10, &[("film.mp4", 3 << 20)])
}

fn blocks(sample: &Sample) -> usize {
    sample.metainfo.info.len().div_ceil(16 << 10)
}

fn is_described(world: &World) -> bool {
    let torrents = world.engine.snapshot(world.now).torrents;
    torrents
        .first()
        .is_some_and(|view| !matches!(view.state, TorrentState::Metadata | TorrentState::Error))
}

/// Checks that the metadata arrives in time and the film can be streamed.
fn check(world: &mut World, within_s: u64, what: &str) -> Duration {
    let took = world.run_until_within(Duration::from_secs(within_s), is_described);
    let took = took.unwrap_or_else(|| panic!("{what}: {:?}", world.view()));
    assert_eq!((world.keys("magnet/"), world.keys("torrent/")), (0, 1), "{what}");
    assert_eq!(world.view().name, "film.mp4");
    let request = world.ask(0, 1 << 20, 2 << 20);
    let streams = world.run_until_within(Duration::from_secs(60), |world| {
        world.viewers[&request].done_at.is_some()
    });
    assert!(streams.is_some(), "{what}: the film does not stream");
    took
}

fn describing(ways: &[Describes]) -> Vec<Behaviour> {
    ways.iter().map(|&way| Behaviour::describing(way)).collect()
}

#[test]
fn a_magnet_link_and_one_honest_peer_yield_a_playable_film() {
    let mut world = World::with_magnet(film(), &describing(&[Describes::Honestly]), 30);
    world.run_for(Duration::from_millis(5));
    let view = world.view();
    assert_eq!(
        (view.name.as_str(), view.state, view.length, view.files.len()),
        ("A film", TorrentState::Metadata, 0, 0)
    );
    assert_eq!(view.message.as_deref(), Some("Connecting to peers"));
    assert_eq!(
        world.replies,
        [IntentReply::Done {
            info_hash: world.info_hash(),
            message: None,
            says: None,
            duplicate: false
        }]
    );
    assert_eq!(world.keys("magnet/"), 1);
    assert!(blocks(&world.sample) == 4);
    let took = check(&mut world, 10, "an honest peer");
    assert!(took < Duration::from_millis(200), "{took:?} at 20 ms there and back");
}

#[test]
fn a_peer_that_answers_one_metadata_request_at_a_time_describes_the_torrent_at_once() {
    use Describes::{OneByOne, Singly};
    for (describes, fast, seed) in [(Singly, false, 60), (OneByOne, true, 61)] {
        let seeder = Behaviour { fast, ..Behaviour::describing(describes) };
        let mut world = World::with_magnet(film(), &[seeder], seed);
        let took = check(&mut world, 10, &format!("{describes:?}"));
        assert!(took < Duration::from_millis(400), "{describes:?}: {took:?} for four blocks");
    }
}

#[test]
fn metadata_arrives_despite_misbehaving_peers() {
    use Describes::{Briefly, Falsely, Honestly, Never, OfSize, Reluctantly, Silently};
    let ways: [&[Describes]; 12] = [
        &[Never, Honestly],
        &[Reluctantly(4)],
        &[Reluctantly(1_000), Honestly],
        &[Silently, Honestly],
        &[Falsely, Honestly],
        &[Falsely, Falsely, Falsely, Honestly],
        &[OfSize(100), Honestly],
        &[OfSize(100), OfSize(101), OfSize(102), OfSize(103), OfSize(limits::METADATA), Honestly],
        &[OfSize(u32::MAX), OfSize(limits::METADATA + 1), Honestly],
        &[OfSize(70_000), OfSize(70_000), OfSize(70_000), Honestly],
        &[Briefly(2), Briefly(1), Briefly(3)],
        &[Falsely, Silently, Reluctantly(6), OfSize(9), Never, Briefly(1), Honestly],
    ];
    for (seed, ways) in (31..).zip(ways) {
        let mut world = World::with_magnet(film(), &describing(ways), seed);
        check(&mut world, 120, &format!("{ways:?}"));
    }
}

#[test]
fn a_lone_liar_is_banned_and_its_metadata_rejected() {
    let mut world = World::with_magnet(film(), &describing(&[Describes::Falsely]), 45);
    world.run_for(Duration::from_secs(60));
    assert_eq!(world.view().state, TorrentState::Metadata);
    assert_eq!(world.connected(), []);
    assert_eq!(world.lines.dialled.values().sum::<u32>(), 1, "a liar is not dialled again");
}

#[test]
fn a_pending_magnet_link_survives_engine_and_daemon() {
    let mut world = World::with_magnet(film(), &describing(&[Describes::Silently]), 46);
    world.run_for(Duration::from_secs(1));
    for _ in 0..2 {
        world.replace_engine();
        world.run_for(Duration::from_secs(1));
        let view = world.view();
        assert_eq!((view.name.as_str(), view.state), ("A film", TorrentState::Metadata));
        world.unlink();
        assert_eq!(world.view().state, TorrentState::Metadata);
        world.link();
        world.run_for(Duration::from_secs(1));
        assert_eq!(world.connected().len(), 1);
    }
    world.replace_seeders(&describing(&[Describes::Honestly]));
    check(&mut world, 60, "the next peer is honest");
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    assert!(is_described(&world));
}

#[test]
fn a_new_engine_finishes_the_metadata_after_a_crash() {
    for ms in [1, 20, 45, 60, 85, 100] {
        let mut world = World::with_magnet(film(), &describing(&[Describes::Honestly; 2]), 47);
        world.run_for(Duration::from_millis(ms));
        world.replace_engine();
        check(&mut world, 30, &format!("died after {ms} ms"));
    }
}

#[test]
fn a_pending_magnet_link_can_be_paused_resumed_and_removed() {
    let mut world = World::with_magnet(film(), &describing(&[Describes::Silently]), 48);
    let info_hash = world.info_hash();
    world.run_for(Duration::from_secs(1));
    world.intend(Intent::Pause { info_hash: info_hash.clone() });
    assert_eq!((world.view().state, world.connected().len()), (TorrentState::Paused, 0));
    world.replace_engine();
    world.run_for(Duration::from_secs(1));
    assert_eq!((world.view().state, world.connected().len()), (TorrentState::Paused, 0));
    world.intend(Intent::Resume { info_hash: info_hash.clone() });
    world.run_for(Duration::from_secs(1));
    assert_eq!((world.view().state, world.connected().len()), (TorrentState::Metadata, 1));
    world.intend(Intent::Remove { info_hash: info_hash.clone(), delete_data: true, undo: false });
    world.run_for(Duration::from_secs(1));
    assert!(!world.has_state() && world.connected().is_empty());
    assert!(world.engine.snapshot(world.now).torrents.is_empty());
    assert!(world.replies.iter().all(|reply| *reply
        == IntentReply::Done {
            info_hash: info_hash.clone(),
            message: None,
            says: None,
            duplicate: false
        }));
}

#[test]
fn a_magnet_link_gets_peers_from_trackers_and_the_user() {
    let peers = [127, 0, 0, 1, 0, 1];
    let answer = Bytes::from(Dict::new().bytes("peers", peers).encode());
    let mut world = World::new(film(), &describing(&[Describes::Honestly]), 49);
    world.outside.web.insert("http://t/announce".into(), answer);
    let mut link = Magnet::new(world.sample.metainfo.info_hash);
    link.trackers =
        vec!["udp://u/announce".into(), "http://dead/".into(), "http://t/announce".into()];
    world.intend(Intent::AddMagnet { uri: link.to_string() });
    check(&mut world, 10, "by a tracker");
    assert!(world.outside.fetched[0].contains("left=1&"), "{:?}", world.outside.fetched);

    let mut world = World::new(film(), &describing(&[Describes::Honestly]), 50);
    let uri = Magnet::new(world.sample.metainfo.info_hash).to_string();
    world.intend(Intent::AddMagnet { uri });
    world.run_for(Duration::from_secs(5));
    assert!(world.view().message.unwrap().starts_with("No peers"));
    assert_eq!(world.view().name, world.info_hash());
    world.name_seeders();
    check(&mut world, 10, "by hand");
}

#[test]
fn a_magnet_link_of_an_existing_torrent_adds_only_its_peers() {
    let mut world = World::new(film(), &describing(&[Describes::Honestly]), 51);
    world.intend(Intent::AddTorrent { metainfo: world.sample.torrent.clone().into() });
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.connected(), []);
    world.intend(Intent::AddMagnet { uri: world.magnet() });
    check(&mut world, 1, "a link for a torrent");
    assert_eq!(world.engine.snapshot(world.now).torrents.len(), 1);
}

#[test]
fn a_second_magnet_link_adds_peers_and_a_torrent_file_replaces_the_link() {
    let mut world = World::new(film(), &describing(&[Describes::Silently]), 52);
    let uri = Magnet::new(world.sample.metainfo.info_hash).to_string();
    world.intend(Intent::AddMagnet { uri });
    world.intend(Intent::AddMagnet { uri: world.magnet() });
    world.run_for(Duration::from_secs(1));
    assert_eq!((world.connected().len(), world.view().name.as_str()), (1, "A film"));
    world.intend(Intent::AddTorrent { metainfo: world.sample.torrent.clone().into() });
    check(&mut world, 1, "a torrent file with the peers of the link");
    assert_eq!(world.engine.snapshot(world.now).torrents.len(), 1);
}

#[test]
fn unusable_metadata_is_shown_until_the_link_is_removed() {
    let mut sample = film();
    let info = encode::bytes("this is no dictionary");
    sample.metainfo.info_hash = InfoHash(Sha1::digest(&info).into());
    sample.metainfo.info = info.into();
    let mut world = World::with_magnet(sample, &describing(&[Describes::Honestly]), 53);
    world.run_for(Duration::from_secs(5));
    let view = world.view();
    assert_eq!(view.state, TorrentState::Error);
    assert!(
        view.message
            .as_ref()
            .is_some_and(|message| message.starts_with("This torrent can't be used")),
        "{view:?}"
    );
    assert_eq!(world.connected(), []);
    world.intend(Intent::Resume { info_hash: world.info_hash() });
    assert_eq!(world.view().state, TorrentState::Metadata);
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.view(), view, "trying again changes nothing");
    world.intend(Intent::Remove { info_hash: world.info_hash(), delete_data: false, undo: false });
    world.run_for(Duration::from_secs(1));
    assert!(!world.has_state());
}

#[test]
fn a_metadata_timeout_ends_with_a_message() {
    let mut world = World::new(film(), &[], 54);
    let patience = Patience {
        attempts: 3,
        attempt_time: Duration::from_secs(10),
        retry_delay: Duration::from_secs(5),
    };
    world.engine = Engine::new(
        Config { magnet_patience: Some(patience), ..Config::default() },
        [54; 32],
        world.now,
    );
    world.link();
    world.intend(Intent::AddMagnet { uri: world.magnet() });
    world.run_for(Duration::from_secs(39));
    assert_eq!(world.view().state, TorrentState::Metadata);
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.view().state, TorrentState::Error);
    assert_eq!(
        world.view().message.unwrap(),
        "No peer sent this torrent's description; it was tried 3 times for 10 s."
    );
    world.intend(Intent::Resume { info_hash: world.info_hash() });
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.view().state, TorrentState::Metadata);
}

#[test]
fn a_torrent_file_is_downloaded_from_a_url_and_then_answered() {
    let sample = torrent_with_trackers(16 << 10, &[("film.mp4", 100_000)], &["http://t/announce"]);
    let mut world = World::new(sample, &[], 55);
    world.run_for(Duration::from_millis(10));
    world.outside.web.insert("http://w/film.torrent".into(), world.sample.torrent.clone().into());
    world.outside.web.insert("https://w/page".into(), Bytes::from_static(b"<html>"));
    for url in [
        "HTTP://w/film.torrent",
        "http://w/film.torrent?key=1",
        "https://w/page",
        "http://dead/",
        "ftp://w/x",
        "",
    ] {
        world.intend(Intent::AddUrl { url: url.into() });
    }
    world.run_for(Duration::from_secs(1));
    let failures: Vec<&str> = world
        .replies
        .iter()
        .filter_map(|reply| match reply {
            IntentReply::Failed { message, .. } => Some(message.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        failures,
        [
            "This is not an address that begins with http:// or https://.",
            "This is not an address that begins with http:// or https://.",
            "The .torrent file can't be downloaded: nobody answers.",
            "This .torrent file is damaged or incomplete: not a torrent file: unexpected byte \
             at 0.",
            "The .torrent file can't be downloaded: nobody answers.",
        ]
    );
    assert!(world.replies.contains(&IntentReply::Done {
        info_hash: world.info_hash(),
        message: None,
        says: None,
        duplicate: false
    }));
    world.intend(Intent::AddUrl { url: "http://w/film.torrent".into() });
    world.unlink();
    assert!(matches!(
        world.replies.last(),
        Some(IntentReply::Failed { message, .. }) if message.contains("Lost connection")
    ));
}

#[test]
fn an_invalid_magnet_link_gets_a_clear_message() {
    let mut world = World::new(film(), &[], 56);
    world.run_for(Duration::from_millis(10));
    for uri in ["", "magnet:?xt=urn:btmh:1220ff", "magnet:?dn=x"] {
        world.intend(Intent::AddMagnet { uri: uri.into() });
    }
    assert_eq!(world.replies.len(), 3);
    assert!(
        world.replies.iter().all(|reply| matches!(reply, IntentReply::Failed { .. })),
        "{:?}",
        world.replies
    );
}

#[test]
fn the_connection_limit_holds_while_metadata_is_requested() {
    let mut world = World::new(film(), &describing(&[Describes::Silently; 8]), 57);
    world.engine =
        Engine::new(Config { max_connections: 3, ..Config::default() }, [57; 32], world.now);
    world.link();
    world.intend(Intent::AddMagnet { uri: world.magnet() });
    for _ in 0..20 {
        world.run_for(Duration::from_secs(1));
        assert!(world.connected().len() <= 3, "{:?}", world.connected());
    }
    assert_eq!(world.connected().len(), 3);
    world.replace_engine();
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.connected().len(), 8, "another engine may have more");
}
