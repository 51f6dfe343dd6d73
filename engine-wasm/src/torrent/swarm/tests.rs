//! Tests of a swarm without a torrent: what it returns for the actions of peers.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use shared_proto::ConnId;
use shared_proto::io::CloseReason;

use super::*;
use crate::addresses::Families;
use crate::arrivals::Named;
use crate::bitfield::Bitfield;
use crate::discover::candidates::{Candidates, Source};
use crate::discover::dht::requests::Wish;
use crate::discover::tracker::announcer::Announcer;
use crate::geometry::{Geometry, testing};
use crate::metainfo::InfoHash;
use crate::peer::extension::ExtensionHandshake;
use crate::peer::handshake::{HANDSHAKE_LEN, Handshake};
use crate::peer::local::{Local, Opening};
use crate::peer::pex::{self, PexMessage};
use crate::peer::policy::{ConnectionPolicy, Transport};
use crate::peer::upload::Request;
use crate::peer::wire::Message;
use crate::peer::{PeerEvent, holepunch};
use crate::time::Instant;

const HASH: InfoHash = InfoHash([1; 20]);
const US: [u8; 20] = [2; 20];
const BLOCK: u32 = 16 << 10;

fn at(seconds: u64) -> Instant {
    Instant(seconds * 1_000_000)
}

fn addr(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 6881))
}

fn local() -> Local {
    Local {
        peer_id: US,
        own: [None; 2],
        port: Some(6881),
        has_dht_node: true,
        dht_port: Some(7000),
        policy: ConnectionPolicy { utp: true, ..ConnectionPolicy::default() },
        utp: Families { v4: true, v6: false },
        has_utp: true,
        awaits_sockets: false,
        pex: true,
        pex_interval: Duration::from_secs(60),
    }
}

fn swarm_of(private: bool) -> Swarm {
    let mut rng = ChaCha8Rng::from_seed([1; 32]);
    let trackers = Announcer::new(HASH, Vec::new(), true, &mut rng, at(0));
    let discovered = Discovered { candidates: Candidates::default(), trackers };
    Swarm::new(HASH.into(), private, discovered, web_seeds::WebSeeds::default(), 0, at(0))
}

fn geometry() -> Geometry {
    Geometry::new(4 * BLOCK, &[u64::from(16 * BLOCK)]).unwrap()
}

/// Dials the best candidate on this connection.
fn dial(swarm: &mut Swarm, conn: u64, now: Instant) -> Option<SocketAddr> {
    let dial = swarm.next_dial(&local(), now)?;
    swarm.dialling(ConnId(conn), dial, now);
    Some(dial.addr)
}

/// The handshake of a peer whose ID is made of this byte.
fn hello(name: u8) -> [u8; HANDSHAKE_LEN] {
    let mut theirs = Handshake::ours(HASH, [name; 20]).encode();
    Handshake::offer_dht(&mut theirs);
    theirs
}

/// A swarm with peers that we dialled, after all handshakes. The peers' connections count from 1.
fn connected(peers: u8) -> Swarm {
    let mut swarm = swarm_of(false);
    for number in 1..=peers {
        swarm.add_candidates([addr(number)], Source::Tracker);
        let conn = u64::from(number);
        assert_eq!(dial(&mut swarm, conn, at(0)), Some(addr(number)));
        assert_eq!(
            swarm.connected(ConnId(conn), &local(), at(0)),
            Some(Opening::Plain(HANDSHAKE_LEN))
        );
        let shaken = swarm.handshake(ConnId(conn), &hello(10 + number), &local(), at(0));
        assert!(matches!(shaken, Shaking::Done), "{shaken:?}");
        let offered = Offered { geometry: None, have: &Bitfield::new(4), metadata: Some(100) };
        swarm.send_introduction(ConnId(conn), offered, &local(), at(0));
    }
    swarm.take_out();
    swarm
}

/// Lets a peer send a message.
fn say(
    swarm: &mut Swarm,
    conn: u64,
    message: &Message<'_>,
) -> Result<Option<PeerEvent>, EndedConnection> {
    let mut frame = Vec::new();
    message.encode(&mut frame);
    swarm.frame(ConnId(conn), &Bytes::from(frame.split_off(4)), Some(&geometry()), at(1))
}

/// Lets a peer offer peer exchange as 5 and hole punching as 6.
fn agree(swarm: &mut Swarm, conn: u64) {
    let mut hello = ExtensionHandshake::default();
    hello.messages.insert(pex::EXTENSION.to_owned(), 5);
    hello.messages.insert(holepunch::EXTENSION.to_owned(), 6);
    let event = say(swarm, conn, &Message::Extended { id: 0, payload: &hello.encode() });
    assert_eq!(event.unwrap(), Some(PeerEvent::Agreed));
}

/// The numbers of connections.
fn conns(ended: &[EndedConnection]) -> Vec<u64> {
    ended.iter().map(|ended| ended.conn.0).collect()
}

#[test]
fn dials_stay_within_the_limit() {
    let mut swarm = swarm_of(false);
    swarm.set_max_connections(2);
    swarm.add_candidates([addr(1), addr(2), addr(3)], Source::Tracker);
    assert_eq!(dial(&mut swarm, 1, at(0)), Some(addr(1)));
    assert_eq!(dial(&mut swarm, 2, at(0)), Some(addr(2)));
    assert_eq!(dial(&mut swarm, 3, at(0)), None);
    let ended = swarm.drop_peer(ConnId(1), "a test", at(0)).unwrap();
    assert!(ended.is_open && ended.peer.addr() == addr(1));
    assert_eq!(dial(&mut swarm, 3, at(0)), Some(addr(1)), "another way to it is left");
    assert_eq!(dial(&mut swarm, 4, at(0)), None);
}

#[test]
fn no_peer_is_dialled_before_the_sockets_are_open() {
    let mut swarm = swarm_of(false);
    swarm.add_candidates([addr(1)], Source::Tracker);
    let waiting = Local { awaits_sockets: true, ..local() };
    assert_eq!(swarm.next_dial(&waiting, at(0)), None);
    assert!(swarm.next_dial(&local(), at(0)).is_some());
}

#[test]
fn a_failed_dial_is_retried_another_way_at_once_and_later_again() {
    let mut swarm = swarm_of(false);
    swarm.add_candidates([addr(1)], Source::Tracker);
    let closed = |swarm: &mut Swarm, conn, seconds| {
        let ended = swarm.closed(ConnId(conn), CloseReason::Refused, None, at(seconds)).unwrap();
        assert!(!ended.is_open);
        ended.retries
    };
    dial(&mut swarm, 1, at(0));
    assert!(closed(&mut swarm, 1, 0), "uTP is left");
    let second = swarm.next_dial(&local(), at(0)).unwrap();
    assert_eq!((second.method.transport, second.has_other), (Transport::Utp, false));
    swarm.dialling(ConnId(2), second, at(0));
    assert!(!closed(&mut swarm, 2, 0));
    assert_eq!((dial(&mut swarm, 3, at(4)), dial(&mut swarm, 3, at(5))), (None, Some(addr(1))));
}

#[test]
fn a_handshake_may_come_in_parts_and_for_another_torrent_ends_the_connection() {
    let mut swarm = swarm_of(false);
    swarm.add_candidates([addr(1)], Source::Tracker);
    dial(&mut swarm, 1, at(0));
    swarm.connected(ConnId(1), &local(), at(0));
    let (conn, theirs) = (ConnId(1), hello(9));
    assert!(matches!(swarm.handshake(conn, &theirs[..50], &local(), at(0)), Shaking::Unfinished));
    assert!(!swarm.has_ready_peer());
    assert!(matches!(swarm.handshake(conn, &theirs[50..], &local(), at(0)), Shaking::Done));
    assert!(swarm.has_ready_peer());
    let mut swarm = swarm_of(false);
    swarm.add_candidates([addr(1)], Source::Tracker);
    dial(&mut swarm, 1, at(0));
    swarm.connected(ConnId(1), &local(), at(0));
    let other = Handshake::ours(InfoHash([7; 20]), [9; 20]).encode();
    let shaken = swarm.handshake(conn, &other, &local(), at(0));
    assert!(matches!(&shaken, Shaking::Over(ended) if ended.is_open), "{shaken:?}");
    assert!(swarm.peers().is_empty());
}

#[test]
fn our_own_address_is_not_dialled_again() {
    let mut swarm = swarm_of(false);
    swarm.add_candidates([addr(1)], Source::Tracker);
    dial(&mut swarm, 1, at(0));
    swarm.connected(ConnId(1), &local(), at(0));
    let ours = Handshake::ours(HASH, US).encode();
    assert!(matches!(swarm.handshake(ConnId(1), &ours, &local(), at(0)), Shaking::Over(_)));
    assert_eq!(
        (dial(&mut swarm, 2, at(900)), dial(&mut swarm, 2, at(3_600))),
        (None, Some(addr(1)))
    );
}

#[test]
fn a_third_of_the_connections_is_reserved_for_dials() {
    let arrive = |needs_peers, swarm: &mut Swarm, conn: u8| {
        let received = hello(conn)[..48].to_vec();
        let named = Named { addr: addr(conn), over: Transport::Tcp, info_hash: HASH, received };
        swarm.accept(ConnId(u64::from(conn)), &named, needs_peers, &local(), at(0))
    };
    let mut swarm = swarm_of(false);
    swarm.set_max_connections(3);
    assert_eq!(arrive(true, &mut swarm, 1), Some(HANDSHAKE_LEN - 48));
    assert_eq!(arrive(true, &mut swarm, 2), Some(HANDSHAKE_LEN - 48));
    assert_eq!(arrive(true, &mut swarm, 3), None);
    assert!(arrive(false, &mut swarm, 3).is_some() && arrive(false, &mut swarm, 4).is_none());
    swarm.ban(addr(1), "a test", at(0));
    assert_eq!(arrive(false, &mut swarm, 1), None, "its host is banned");
}

#[test]
fn protocol_violations_drop_a_peer_and_bans_prevent_dials() {
    let mut swarm = connected(2);
    let ended = say(&mut swarm, 1, &Message::Have(99)).unwrap_err();
    assert_eq!((ended.conn, ended.is_open), (ConnId(1), true));
    assert_eq!(conns(&swarm.ban(addr(2), "a test", at(1))), [2]);
    assert!(swarm.peers().is_empty());
    assert_eq!(dial(&mut swarm, 3, at(10_000)), Some(addr(1)));
    assert_eq!(dial(&mut swarm, 4, at(10_000)), None);
}

#[test]
fn silent_peers_are_dropped_and_others_kept_alive() {
    let mut swarm = connected(1);
    assert!(swarm.tick(at(100)).dead.is_empty() && swarm.take_out().is_empty());
    assert!(swarm.tick(at(101)).dead.is_empty());
    assert_eq!(swarm.take_out(), [(ConnId(1), Bytes::from_static(&[0; 4]))]);
    assert_eq!(conns(&swarm.tick(at(151)).dead), [1]);
}

#[test]
fn a_lower_limit_closes_dials_first_and_then_the_newest_connections() {
    let mut swarm = connected(2);
    swarm.add_candidates([addr(3)], Source::Tracker);
    dial(&mut swarm, 3, at(1));
    swarm.set_max_connections(1);
    assert_eq!(conns(&swarm.release_newest()), [3, 2]);
    assert!(swarm.release_newest().is_empty());
}

#[test]
fn both_ends_close_the_same_one_of_two_connections() {
    let mut swarm = connected(1);
    let received = hello(11)[..48].to_vec();
    let named = Named { addr: addr(1), over: Transport::Tcp, info_hash: HASH, received };
    swarm.accept(ConnId(2), &named, true, &local(), at(0)).unwrap();
    swarm.handshake(ConnId(2), &hello(11)[48..], &local(), at(0));
    // Our ID is lower: the connection that we dialled stays.
    assert_eq!(swarm.twin_to_drop(ConnId(2), US), Some(ConnId(2)));
    assert_eq!(swarm.twin_to_drop(ConnId(2), [99; 20]), Some(ConnId(1)));
    assert_eq!(swarm.twin_to_drop(ConnId(1), US), Some(ConnId(2)));
}

#[test]
fn seeds_are_closed_when_we_need_nothing_and_dialled_when_we_do() {
    let mut swarm = connected(2);
    let seed = ExtensionHandshake { upload_only: true, ..ExtensionHandshake::default() };
    say(&mut swarm, 1, &Message::Extended { id: 0, payload: &seed.encode() }).unwrap();
    assert_eq!(conns(&swarm.close_seeds(at(1))), [1]);
    assert_eq!(dial(&mut swarm, 3, at(60)), None);
    swarm.release_seeds();
    assert_eq!(dial(&mut swarm, 3, at(60)), Some(addr(1)));
}

#[test]
fn idle_peers_make_room_after_a_while() {
    for is_crowded in [false, true] {
        let mut swarm = connected(2);
        say(&mut swarm, 1, &Message::Interested).unwrap();
        assert!(swarm.close_idle_peers(false, at(301)).is_empty(), "there is room");
        swarm.set_max_connections(if is_crowded { 3 } else { 2 });
        assert!(swarm.close_idle_peers(is_crowded, at(300)).is_empty());
        assert_eq!(conns(&swarm.close_idle_peers(is_crowded, at(301))), [2], "{is_crowded}");
    }
}

#[test]
fn we_are_interested_in_missing_pieces_and_those_of_viewers() {
    let mut swarm = connected(1);
    say(&mut swarm, 1, &Message::Have(2)).unwrap();
    let (have, mut unneeded) = (Bitfield::new(4), Bitfield::new(4));
    let mut check = |unneeded: &Bitfield, wanted: &[u32], expected| {
        let interests = Interests { any: true, have: &have, unneeded };
        let wanted = wanted.iter().copied().map(testing::piece);
        swarm.update_interest(ConnId(1), interests, wanted, at(1));
        assert_eq!(swarm.peers()[&ConnId(1)].is_interesting(), expected);
    };
    check(&unneeded, &[], true);
    unneeded.set(2);
    check(&unneeded, &[], false);
    check(&unneeded, &[2], true);
    check(&unneeded, &[1], false);
}

#[test]
fn interested_peers_get_slots_and_only_then_blocks() {
    let mut swarm = connected(2);
    let mut rng = ChaCha8Rng::from_seed([3; 32]);
    say(&mut swarm, 1, &Message::Interested).unwrap();
    swarm.take_out();
    swarm.choose(Slots { count: Some(2), is_done: true }, &mut rng, at(1));
    let request = Request { piece: 1, begin: 0, length: BLOCK };
    swarm.requested(ConnId(1), request, true, at(1)).unwrap();
    swarm.requested(ConnId(2), request, true, at(1)).unwrap();
    assert_eq!(swarm.next_block(ConnId(1), at(1)), Some(request));
    assert_eq!(swarm.next_block(ConnId(2), at(1)), None, "it is choked");
    swarm.block_sent(ConnId(1), BLOCK, true, at(2));
    assert_eq!(swarm.uploaded(), u64::from(BLOCK));
    swarm.choose(Slots { count: None, is_done: true }, &mut rng, at(3));
    swarm.requested(ConnId(1), request, true, at(3)).unwrap();
    assert_eq!(swarm.next_block(ConnId(1), at(3)), None, "all slots are closed");
}

#[test]
fn a_peer_that_keeps_requesting_the_impossible_is_dropped() {
    let mut swarm = connected(1);
    let request = Request { piece: 1, begin: 0, length: BLOCK };
    let refused = (0..1_000).find_map(|_| swarm.requested(ConnId(1), request, true, at(1)).err());
    assert_eq!(refused.flatten().map(|ended| ended.conn), Some(ConnId(1)));
}

#[test]
fn uploads_are_maintained_once_a_second() {
    let mut swarm = swarm_of(false);
    let due: Vec<bool> =
        [500_000, 1_000_000, 1_500_000].map(|at| swarm.uploads_are_due(Instant(at))).to_vec();
    assert_eq!(due, [false, true, false]);
    assert!(swarm.set_upload_only(true) && !swarm.set_upload_only(true));
}

#[test]
fn peers_are_named_to_each_other() {
    let mut swarm = connected(2);
    agree(&mut swarm, 1);
    swarm.take_out();
    swarm.send_peers(&local(), at(61));
    let out = swarm.take_out();
    let [(ConnId(1), data)] = &out[..] else { panic!("{out:?}") };
    let named = PexMessage::parse(&data[6..]).unwrap();
    assert_eq!((data[5], named.added[0].0, named.added.len()), (5, addr(2), 1));
    let quiet = Local { pex: false, ..local() };
    swarm.peers_named(vec![addr(9)], &quiet);
    assert_eq!(swarm.known_peers(), 2);
    swarm.peers_named(vec![addr(9)], &local());
    assert_eq!(swarm.known_peers(), 3);
}

#[test]
fn a_private_torrent_keeps_to_its_trackers() {
    let mut swarm = swarm_of(true);
    swarm.peers_named(vec![addr(9)], &local());
    assert_eq!((swarm.known_peers(), swarm.dht_wish(false)), (0, None));
    assert!(!swarm.may_be_announced() && !swarm.exchanges_peers(&local()));
    swarm.add_trackers(&["http://t.example/announce".to_owned()], at(0));
    assert!(!swarm.has_tracker());
    assert_eq!(swarm_of(false).dht_wish(true), Some(Wish::Announce));
}

#[test]
fn a_private_magnet_link_forgets_peers_from_the_dht() {
    let mut link = swarm_of(false);
    link.add_candidates([addr(1)], Source::Dht);
    link.add_candidates([addr(2)], Source::Tracker);
    let discovered = link.into_discovered();
    let mut swarm = swarm_of(true);
    swarm.take_over(discovered, &[], at(0));
    assert_eq!(swarm.known_peers(), 1);
    assert_eq!(dial(&mut swarm, 1, at(0)), Some(addr(2)));
}

#[test]
fn two_peers_that_support_hole_punching_are_introduced() {
    let mut swarm = connected(2);
    agree(&mut swarm, 1);
    agree(&mut swarm, 2);
    swarm.take_out();
    let wanted = holepunch::HolepunchMessage::Rendezvous(addr(2));
    let introduced = swarm.handle_punch(ConnId(1), wanted, true, &local(), at(1));
    assert_eq!((introduced.dial, introduced.gives_way), (None, None));
    let offered: Vec<ConnId> = swarm.take_out().into_iter().map(|(conn, _)| conn).collect();
    assert_eq!(offered, [ConnId(1), ConnId(2)]);
}

#[test]
fn an_introduced_peer_is_dialled_over_utp_and_a_dial_over_tcp_gives_way() {
    let mut swarm = connected(1);
    agree(&mut swarm, 1);
    swarm.add_candidates([addr(7)], Source::Tracker);
    dial(&mut swarm, 2, at(1));
    let connect = holepunch::HolepunchMessage::Connect(addr(7));
    let introduced = swarm.handle_punch(ConnId(1), connect, false, &local(), at(1));
    assert_eq!((introduced.dial, introduced.gives_way), (None, None), "it is stopped");
    let introduced = swarm.handle_punch(ConnId(1), connect, true, &local(), at(1));
    assert_eq!(introduced.gives_way, Some(ConnId(2)));
    let dial = introduced.dial.unwrap();
    assert_eq!(
        (dial.addr, dial.method.transport, dial.is_punched),
        (addr(7), Transport::Utp, true)
    );
    swarm.dialling(ConnId(3), dial, at(1));
    let again = swarm.handle_punch(ConnId(1), connect, true, &local(), at(1));
    assert_eq!((again.dial, again.gives_way), (None, None), "it is under way");
}

#[test]
fn without_metadata_messages_about_pieces_are_ignored() {
    let mut swarm = connected(1);
    let mut undescribed = |message: &Message<'_>| {
        let mut frame = Vec::new();
        message.encode(&mut frame);
        swarm.frame(ConnId(1), &Bytes::from(frame.split_off(4)), None, at(1)).unwrap()
    };
    for message in [Message::HaveAll, Message::Bitfield(b"rubbish"), Message::Have(99)] {
        assert_eq!(undescribed(&message), None);
    }
    let hello = b"d1:md11:ut_metadatai7ee13:metadata_sizei31235ee";
    let agreed = undescribed(&Message::Extended { id: 0, payload: hello });
    assert_eq!(agreed, Some(PeerEvent::Agreed));
    let data = b"d8:msg_typei1e5:piecei1e10:total_sizei31235eexyz";
    let given = undescribed(&Message::Extended { id: 1, payload: data });
    let data = Bytes::from_static(b"xyz");
    assert_eq!(given, Some(PeerEvent::Metadata { block: 1, total: 31235, data }));
    let peer = &swarm.peers()[&ConnId(1)];
    assert!(peer.supports_metadata() && peer.offered_metadata() == Some(31235));
    swarm.take_out();
    swarm.metadata_requested(ConnId(1), 4, None, at(1));
    let refused = swarm.take_out();
    assert!(refused[0].1.ends_with(b"d8:msg_typei2e5:piecei4ee"), "{refused:?}");
}

#[test]
fn a_lost_daemon_ends_all_connections_and_peers_may_be_dialled_again() {
    let mut swarm = connected(2);
    assert_eq!(conns(&swarm.unlink(at(1))), [1, 2]);
    assert!(swarm.peers().is_empty());
    assert_eq!(
        (dial(&mut swarm, 3, at(1)), dial(&mut swarm, 4, at(1))),
        (Some(addr(1)), Some(addr(2)))
    );
}
