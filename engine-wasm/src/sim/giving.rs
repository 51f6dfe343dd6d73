//! Uploading between engines.

use std::time::Duration;

use super::engines::{Engines, TRACKER};
use crate::metainfo::testing::{Sample, torrent_of, torrent_with_trackers};
use crate::metainfo::{InfoHash, Magnet, Version};
use crate::peer::handshake::Handshake;
use crate::peer::wire::Message;
use crate::view::{Giving, Intent, Sharing, TorrentState};
use crate::{Config, Goals};

const MIB: u64 = 1 << 20;

fn film(mib: usize) -> Sample {
    torrent_with_trackers(256 << 10, &[("film.mp4", mib << 20)], &[TRACKER])
}

/// Returns a torrent of several files with blocks that cross file boundaries.
fn album() -> Sample {
    let files = [
        ("a.flac", 300_001),
        ("b.txt", 0),
        ("c/d.flac", 70_000),
        ("e.jpg", 16_383),
        ("f.flac", 900_000),
    ];
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
fn an_engine_uploads_everything_to_another() {
    for sample in [film(8), album()] {
        let length = sample.metainfo.total_length();
        let mut engines = Engines::new(sample, &[4 * MIB, MIB], 50);
        engines.seed(0);
        engines.add(1);
        finish(&mut engines, &[1], 20);
        assert_eq!(
            (engines.nodes[0].given, engines.nodes[1].given),
            (length, 0),
            "nothing went twice"
        );
        engines.run_for(Duration::from_secs(3));
        assert_eq!(engines.view(0).uploaded, length);
        assert_eq!((engines.connections(0), engines.connections(1)), (0, 0), "seeds part");
    }
}

#[test]
fn a_seeder_uploads_at_the_rate_of_its_line() {
    let mut engines = Engines::new(film(40), &[4 * MIB, MIB], 51);
    engines.seed(0);
    engines.add(1);
    let took = finish(&mut engines, &[1], 30);
    assert!(took < Duration::from_secs(12), "40 MiB at 4 MiB/s took {took:?}");
}

#[test]
fn downloading_engines_upload_to_each_other() {
    let mut engines = Engines::new(film(16), &[MIB, MIB, MIB, MIB, MIB], 52);
    engines.seed(0);
    (1..5).for_each(|node| engines.add(node));
    let took = finish(&mut engines, &[1, 2, 3, 4], 120);
    assert!(
        took < Duration::from_secs(45),
        "alone the giver would take 64 s, together they took {took:?}"
    );
    let given = engines.nodes[0].given;
    assert!(given < 40 * MIB, "the giver gave {given} bytes of {}", 64 * MIB);
    engines.run_for(Duration::from_secs(5));
    assert!((0..5).all(|node| engines.connections(node) == 0), "everybody has everything");
}

#[test]
fn a_late_engine_downloads_from_the_remaining_seeders() {
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
    let seeder_says = |what: &str| {
        engines.announces.iter().any(|(node, query)| *node == 0 && query.contains(what))
    };
    assert!(
        seeder_says("left=0") && !seeder_says("event=completed"),
        "what lay there was not completed now"
    );
}

#[test]
fn data_on_the_disk_is_checked_before_the_first_announce() {
    for is_whole in [true, false] {
        let mut engines = Engines::new(film(8), &[MIB], 77);
        engines.plant(0);
        if !is_whole {
            engines.spoil(0);
        }
        engines.add(0);
        engines.run_for(Duration::from_secs(3));
        let (_, first) = engines.announces.first().expect("it announces");
        assert!(first.contains("event=started"), "{first}");
        assert_eq!(first.contains("left=0&"), is_whole, "{first}");
        assert!(!first.contains("left=8388608&"), "nothing was checked: {first}");
    }
}

#[test]
fn an_engine_sends_the_metadata_for_a_magnet_link() {
    let mut engines = Engines::new(film(2), &[2 * MIB, MIB], 54);
    engines.seed(0);
    let mut link = Magnet::new(engines.sample.metainfo.info_hash);
    link.trackers.push(TRACKER.to_owned());
    engines.intend(1, Intent::AddMagnet { uri: link.to_string() });
    finish(&mut engines, &[1], 40);
}

#[test]
fn simultaneous_dials_keep_one_connection_and_self_dials_none() {
    let mut engines = Engines::new(film(16), &[64 << 10, 64 << 10], 55);
    engines.add(0);
    engines.add(1);
    engines.run_for(Duration::from_secs(200));
    assert_eq!((engines.view(0).peers, engines.view(1).peers), (1, 1));
    assert_eq!((engines.connections(0), engines.connections(1)), (1, 1));
}

#[test]
fn incoming_peers_of_a_paused_or_unknown_torrent_are_closed() {
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

#[test]
fn seeding_stops_at_the_ratio_and_continues_on_resume() {
    let goals = Goals { ratio_percent: Some(150), ..Goals::default() };
    let config = move |node| Config {
        goals: if node == 0 { goals } else { Goals::default() },
        ..Config::default()
    };
    let mut engines = Engines::configured(film(4), &[2 * MIB, 2 * MIB, 2 * MIB], 57, config);
    engines.seed(0);
    engines.add(1);
    finish(&mut engines, &[1], 20);
    engines.intend(1, Intent::Pause { info_hash: engines.info_hash() });
    engines.add(2);
    let rests = |engines: &Engines| engines.view(0).giving == Giving::Sated;
    assert!(engines.run_until_within(Duration::from_secs(30), rests).is_some());
    let given = engines.nodes[0].given;
    assert!(
        (6 * MIB..8 * MIB).contains(&given),
        "what was under way comes on top of it: {given} bytes"
    );
    assert_eq!((engines.connections(0), engines.view(0).state), (0, TorrentState::Complete));
    engines.run_for(Duration::from_secs(1));
    engines.replace(0, 99);
    engines.run_for(Duration::from_secs(6));
    assert_eq!(engines.view(0).giving, Giving::Sated, "the next engine remembers");
    assert_eq!(engines.view(0).uploaded, given);
    engines.intend(0, Intent::Resume { info_hash: engines.info_hash() });
    finish(&mut engines, &[2], 60);
}

#[test]
fn seeding_stops_after_the_seeding_time() {
    let goals = Goals { seed_time: Some(Duration::from_secs(60)), ..Goals::default() };
    let mut engines =
        Engines::configured(film(1), &[MIB], 58, move |_| Config { goals, ..Config::default() });
    engines.seed(0);
    engines.run_for(Duration::from_secs(50));
    assert_eq!(engines.view(0).giving, Giving::Open);
    engines.replace(0, 98);
    engines.run_for(Duration::from_secs(60));
    assert_eq!(engines.view(0).giving, Giving::Sated);
    let stopped =
        engines.announces.iter().filter(|(_, query)| query.contains("event=stopped")).count();
    assert_eq!(stopped, 1);
}

#[test]
fn a_torrents_limits_are_a_rate_group_of_its_own() {
    let mut engines = Engines::new(film(8), &[64 << 10, 64 << 10], 59);
    engines.seed(0);
    engines.add(1);
    engines.run_for(Duration::from_secs(2));
    assert_eq!(engines.groups(0), [0]);
    let sharing = Sharing { up_limit_bps: Some(5_000), ..Sharing::default() };
    engines.intend(0, Intent::SetSharing { info_hash: engines.info_hash(), sharing });
    engines.run_for(Duration::from_secs(1));
    let [group] = engines.groups(0)[..] else { panic!("one connection") };
    assert_eq!(engines.nodes[0].limits.get(&group), Some(&(None, Some(5_000))));
    assert!(group != 0);
    assert_eq!(engines.view(0).sharing, sharing);
    engines.replace(0, 97);
    engines.run_for(Duration::from_secs(70));
    assert_eq!(
        (engines.view(0).sharing, engines.groups(0).len()),
        (sharing, 1),
        "the next engine remembers"
    );
    assert!(!engines.groups(0).contains(&0));
}

#[test]
fn torrents_queue_and_watched_torrents_do_not_wait() {
    use shared_proto::{DaemonMessage, RequestId};

    use crate::Input;
    use crate::queue::QueueConfig;
    let queue = QueueConfig { max_downloads: Some(1), max_seeds: Some(1) };
    let mut engines = Engines::configured(film(1), &[MIB, MIB], 60, move |_| Config {
        queue,
        ..Config::default()
    });
    let others: Vec<Sample> = (1..=2)
        .map(|at| {
            torrent_with_trackers(
                256 << 10,
                &[(format!("{at}.mp4").as_str(), 100_000 * at)],
                &[TRACKER],
            )
        })
        .collect();
    engines.add(0);
    for other in &others {
        engines.intend(0, Intent::AddTorrent { metainfo: other.torrent.clone().into() });
    }
    engines.run_for(Duration::from_secs(2));
    // The newest is first.
    let states = |engines: &Engines| {
        let torrents = engines.nodes[0].engine.snapshot(engines.now).torrents;
        torrents.iter().map(|torrent| torrent.state).collect::<Vec<_>>()
    };
    use TorrentState::{Complete, Downloading, Queued};
    assert_eq!(states(&engines), [Queued, Queued, Downloading]);
    let file_id = format!("{}.0", others[1].metainfo.info_hash).as_str().into();
    let request_id = RequestId(uuid::Uuid::from_u128(1));
    let question =
        DaemonMessage::RangeRequest { request_id, file_id, start: 0, end: 9, only_now: false };
    engines.hear(0, Input::Control(question));
    engines.run_for(Duration::from_secs(1));
    assert_eq!(states(&engines), [Downloading, Queued, Queued], "a viewer is present");
    engines.hear(0, Input::Control(DaemonMessage::RangeCancel { request_id }));
    engines.run_for(Duration::from_secs(20));
    assert_eq!(states(&engines), [Queued, Queued, Downloading]);
    engines.seed(1);
    engines.run_for(Duration::from_secs(120));
    assert_eq!(states(&engines), [Queued, Downloading, Complete], "the next one follows");
}

/// Connects a peer without an engine and completes its handshake.
fn greeted(engines: &mut Engines) -> shared_proto::ConnId {
    let stranger = engines.dial(0);
    let hello = Handshake::ours(engines.sample.metainfo.info_hash, *b"-XX0001-a-stranger!!");
    engines.say(stranger, hello.encode().to_vec());
    stranger
}

fn wire(messages: &[Message<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    messages.iter().for_each(|message| message.encode(&mut out));
    out
}

/// Returns the kinds of messages that the peer received since the last call. Handshakes are left
/// out.
fn kinds(engines: &mut Engines, stranger: shared_proto::ConnId) -> Vec<u8> {
    let heard = std::mem::take(&mut engines.strangers.get_mut(&stranger).unwrap().heard);
    let mut rest = if heard.first() == Some(&19) { &heard[68..] } else { &heard[..] };
    let mut kinds = Vec::new();
    while let Some(length) = rest.first_chunk().map(|&length| u32::from_be_bytes(length) as usize) {
        kinds.extend(rest.get(4).filter(|_| length > 0));
        rest = &rest[4 + length..];
    }
    kinds
}

#[test]
fn a_new_peer_learns_our_pieces_and_receives_requested_blocks() {
    let mut engines = Engines::new(film(4), &[4 * MIB], 61);
    engines.seed(0);
    let stranger = greeted(&mut engines);
    // Have all, the extension handshake, and ten allowed-fast pieces.
    assert_eq!(kinds(&mut engines, stranger), [&[14, 20][..], &[17; 10]].concat());
    let ask = |begin, length| Message::Request { piece: 15, begin, length };
    engines.say(stranger, wire(&[Message::Interested, ask(0, 16384)]));
    engines.run_for(Duration::from_secs(1));
    assert_eq!(kinds(&mut engines, stranger), [1, 7], "a free slot is given at once");
    engines
        .say(stranger, wire(&[ask(0, 16384), ask(100, 131_072), ask(0, 131_073), ask(262_143, 2)]));
    engines.run_for(Duration::from_secs(1));
    let mut heard = kinds(&mut engines, stranger);
    heard.sort_unstable();
    assert_eq!(heard, [7, 7, 16, 16], "what does not exist and what is too long is refused");
    let bogus = Message::Request { piece: u32::MAX, begin: u32::MAX, length: u32::MAX };
    for _ in 0..3 {
        engines.say(stranger, wire(&[bogus; 101]));
    }
    engines.run_for(Duration::from_secs(1));
    assert!(engines.strangers[&stranger].closed, "a nuisance is let go");
}

/// Returns the payloads of the `piece` messages that the peer received since the last call.
fn payloads(engines: &mut Engines, stranger: shared_proto::ConnId) -> Vec<Vec<u8>> {
    let heard = std::mem::take(&mut engines.strangers.get_mut(&stranger).unwrap().heard);
    let (mut rest, mut payloads) = (&heard[..], Vec::new());
    while let Some(length) = rest.first_chunk().map(|&length| u32::from_be_bytes(length) as usize) {
        let (message, after) = rest[4..].split_at(length);
        payloads.extend(message.strip_prefix(&[7]).map(|message| message[8..].to_vec()));
        rest = after;
    }
    payloads
}

#[test]
fn a_v2_block_is_as_long_as_requested_and_ends_with_zeros() {
    const BLOCK: usize = 16 << 10;
    let v2 = torrent_of(Version::V2, 32 << 10, &[("a.bin", 50_000), ("b.bin", BLOCK + 3)]);
    let mut engines = Engines::new(v2, &[4 * MIB], 76);
    engines.seed(0);
    let stranger = greeted(&mut engines);
    kinds(&mut engines, stranger);
    let ask = |piece, begin| Message::Request { piece, begin, length: 16 << 10 };
    engines.say(stranger, wire(&[Message::Interested, ask(1, 16 << 10), ask(2, 16 << 10)]));
    engines.run_for(Duration::from_secs(1));
    let padded = |bytes: &[u8]| [bytes, &vec![0; BLOCK - bytes.len()]].concat();
    let (first, last) = (engines.sample.file(0), engines.sample.file(1));
    let expected = [padded(&first[3 * BLOCK..]), padded(&last[BLOCK..])];
    assert_eq!(payloads(&mut engines, stranger), expected);
}

#[test]
fn invalid_incoming_connections_are_closed() {
    let mut engines = Engines::new(film(1), &[MIB], 62);
    engines.seed(0);
    let unknown = Handshake::ours(InfoHash([9; 20]), [1; 20]).encode().to_vec();
    let real = Handshake::ours(engines.sample.metainfo.info_hash, *b"-XX0001-a-stranger!!")
        .encode()
        .to_vec();
    let short = [&real[..], &[0, 0, 0, 1, 6]].concat();
    // Bytes that may start an encrypted handshake are read until they cannot be one.
    let other = b"GET / HTTP/1.1\r\n\r\n\r\n".repeat(40);
    for bytes in [other, vec![0; 96], unknown, short] {
        let stranger = engines.dial(0);
        engines.say(stranger, bytes.clone());
        engines.run_for(Duration::from_secs(1));
        assert!(engines.strangers[&stranger].closed, "{bytes:?}");
    }
    let silent = engines.dial(0);
    engines.run_for(Duration::from_secs(9));
    assert!(!engines.strangers[&silent].closed);
    engines.run_for(Duration::from_secs(2));
    assert!(engines.strangers[&silent].closed, "who says nothing is not waited for");
    assert_eq!(engines.connections(0), 0);
}

#[test]
fn a_peer_that_has_only_keep_alives_to_send_stays_connected() {
    let mut engines = Engines::new(film(1), &[MIB], 75);
    engines.seed(0);
    let info_hash = engines.sample.metainfo.info_hash;
    let (quiet, dead) = (engines.dial(0), engines.dial(0));
    for (stranger, id) in [(quiet, [1; 20]), (dead, [2; 20])] {
        engines.say(stranger, Handshake::ours(info_hash, id).encode().to_vec());
    }
    for _ in 0..12 {
        engines.run_for(Duration::from_secs(60));
        engines.say(quiet, vec![0; 4]);
    }
    assert!(!engines.strangers[&quiet].closed && engines.strangers[&dead].closed);
    let keep_alives = engines.strangers[&quiet].heard.ends_with(&[0; 4]);
    assert!(keep_alives, "we send keep-alives, too");
}

#[test]
fn incoming_connections_beyond_the_limit_are_closed() {
    let config = |_| Config { max_connections: 3, ..Config::default() };
    let mut engines = Engines::configured(film(1), &[MIB], 63, config);
    engines.seed(0);
    let strangers: Vec<_> = (0..5)
        .map(|at: u8| {
            let stranger = engines.dial(0);
            let hello = Handshake::ours(engines.sample.metainfo.info_hash, [b'a' + at; 20]);
            engines.say(stranger, hello.encode().to_vec());
            stranger
        })
        .collect();
    let closed: Vec<bool> =
        strangers.iter().map(|stranger| engines.strangers[stranger].closed).collect();
    assert_eq!(closed, [false, false, false, true, true]);
    engines.run_for(Duration::from_secs(310));
    assert_eq!(engines.connections(0), 0, "who wants nothing is not kept for ever");
}
