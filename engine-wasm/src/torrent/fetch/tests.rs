//! Fetch without a torrent around it: when requests are stale, and which pieces can be begun.

use std::collections::BTreeMap;

use bytes::Bytes;
use rand::SeedableRng as _;
use shared_proto::ConnId;

use super::*;
use crate::geometry::testing::{block, piece};
use crate::geometry::{BLOCK_LENGTH, Geometry};
use crate::limits;
use crate::metainfo::{Identity, InfoHash};
use crate::peer::Peer;
use crate::peer::handshake::Handshake;
use crate::peer::wire::Message;
use crate::pick::picker::Scene;
use crate::pick::piece_map::PieceMap;
use crate::pick::suspects::Suspects;
use crate::source::{Source, WebSeedId};

const PIECES: u32 = 4;

/// Four pieces, of which the last can't be requested.
fn fetch() -> Fetch {
    let is_there = |piece: PieceIndex| piece.get() == PIECES - 1;
    Fetch::new(&geometry(), is_there, &mut ChaCha8Rng::seed_from_u64(1))
}

/// The idle pieces that a peer has, the rarest first.
fn rarest(fetch: &mut Fetch) -> Vec<u32> {
    let (_, availability) = fetch.for_requests();
    availability.rarest().map(PieceIndex::get).collect()
}

fn bits(pieces: &[u32]) -> Bitfield {
    let mut bits = Bitfield::new(PIECES);
    pieces.iter().for_each(|&piece| bits.set(piece));
    bits
}

#[test]
fn requests_are_worked_out_again_after_a_change_only() {
    let mut fetch = fetch();
    assert!(fetch.is_stale(), "nothing was worked out yet");
    let want = Want {
        piece: piece(1),
        first: block(1, 0).index(),
        deadline: Instant(0),
        idle: false,
        awaited: false,
    };
    fetch.set_wants(vec![want], true, Instant(0));
    assert!(!fetch.is_stale());
    assert_eq!(fetch.wants().len(), 1);
    assert!(fetch.for_requests().0.is_watched(Instant(1)));
    fetch.invalidate();
    assert!(fetch.is_stale());
}

#[test]
fn each_announced_piece_is_counted_once() {
    for (events, expected) in [
        (vec![(PeerEvent::HasAll, &[][..])], [1, 1, 1]),
        (vec![(PeerEvent::HasSome, &[0, 2])], [1, 0, 1]),
        (
            vec![
                (PeerEvent::Has(piece(0)), &[0]),
                (PeerEvent::HasMore(vec![piece(1), piece(2)]), &[0, 1, 2]),
            ],
            [1, 1, 1],
        ),
    ] {
        let mut fetch = fetch();
        for (event, all) in &events {
            assert!(fetch.handle_event(&geometry(), event, Some(&bits(all))), "{event:?}");
        }
        let seen = [0, 1, 2].map(|index| fetch.availability.count(piece(index)));
        assert_eq!(seen, expected, "{events:?}");
    }
    assert!(
        !fetch().handle_event(&geometry(), &PeerEvent::Unchoked, None),
        "it is about something else"
    );
}

#[test]
fn the_rarest_idle_piece_comes_first() {
    let mut fetch = fetch();
    assert_eq!(rarest(&mut fetch), [0; 0], "nobody has any");
    fetch.handle_event(&geometry(), &PeerEvent::HasAll, None);
    fetch.handle_event(&geometry(), &PeerEvent::HasSome, Some(&bits(&[0, 1])));
    fetch.handle_event(&geometry(), &PeerEvent::Has(piece(1)), None);
    assert_eq!(rarest(&mut fetch), [2, 0, 1]);
    let geometry = geometry();
    fetch.lose(&geometry, &peer(&geometry, &[0, 1]));
    fetch.handle_event(&geometry, &PeerEvent::HasMore(vec![piece(2), piece(2)]), None);
    assert_eq!(rarest(&mut fetch), [0, 1, 2]);
    fetch.lose(&geometry, &peer(&geometry, &[0, 1, 2, 3]));
    assert_eq!(rarest(&mut fetch), [1, 2], "nobody has the first any more");
    fetch.take(piece(1));
    assert_eq!(rarest(&mut fetch), [2]);
    fetch.put_back(piece(1));
    assert_eq!(rarest(&mut fetch), [1, 2]);
}

#[test]
fn pieces_that_the_selection_skips_are_not_begun() {
    let mut fetch = fetch();
    fetch.handle_event(&geometry(), &PeerEvent::HasAll, None);
    fetch.set_priority(piece(0), Priority::Skip, true);
    fetch.set_priority(piece(2), Priority::High, true);
    assert_eq!([0, 1, 2].map(|index| fetch.is_wanted(piece(index))), [false, true, true]);
    assert_eq!(rarest(&mut fetch), [2, 1]);
    fetch.take(piece(0));
    fetch.set_priority(piece(0), Priority::Normal, false);
    assert_eq!(rarest(&mut fetch), [2, 1], "it is begun");
}

#[test]
fn blocks_requested_twice_are_counted() {
    let mut fetch = fetch();
    assert!(fetch.may_duplicate(0));
    fetch.count_duplicate(1);
    fetch.count_duplicate(u32::try_from(limits::DUPLICATE_FLOOR).unwrap() - 2);
    assert!(fetch.may_duplicate(0));
    fetch.count_duplicate(1);
    assert!(!fetch.may_duplicate(0) && fetch.may_duplicate(100));
}

fn geometry() -> Geometry {
    Geometry::new(BLOCK_LENGTH, &[u64::from(PIECES * BLOCK_LENGTH)]).unwrap()
}

/// A peer that has these pieces and unchoked us.
fn peer(geometry: &Geometry, pieces: &[u32]) -> Peer {
    let identity = Identity { key: InfoHash([7; 20]), v2: None };
    let mut peer = Peer::dial(([10, 0, 0, 1], 1).into(), Instant(0));
    peer.connected(identity, [1; 20], Instant(0));
    let hello = Handshake::ours(identity.key, [2; 20]).encode();
    peer.handle_data(&hello, identity, [1; 20], Instant(0)).unwrap();
    for message in [Message::Bitfield(&bits(pieces).to_wire()), Message::Unchoke] {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        peer.handle_frame(&Bytes::from(bytes.split_off(4)), geometry, Instant(0)).unwrap();
    }
    peer
}

#[test]
fn a_block_that_became_free_is_picked_again() {
    let geometry = geometry();
    let peers = BTreeMap::from([(ConnId(1), peer(&geometry, &[0, 1, 2, 3]))]);
    let mut pieces = PieceMap::new(geometry.into());
    let mut fetch = fetch();
    let wanted = block(1, 0);
    let want = Want {
        piece: wanted.piece(),
        first: wanted.index(),
        deadline: Instant(0),
        idle: false,
        awaited: false,
    };
    fetch.set_wants(vec![want], true, Instant(0));
    let pick = |fetch: &mut Fetch, pieces: &mut PieceMap| {
        let (picker, availability) = fetch.for_requests();
        let (suspects, web) = (Suspects::default(), BTreeMap::new());
        let mut scene = Scene {
            peers: &peers,
            pieces,
            availability,
            suspects: &suspects,
            web: &web,
            may_duplicate: false,
            now: Instant(0),
        };
        picker.pick(ConnId(1), &mut scene).map(|pick| pick.block)
    };
    pieces.ask(wanted, Source::WebSeed(WebSeedId(0)));
    assert_eq!(pick(&mut fetch, &mut pieces), None, "a web seed was asked for it");
    pieces.withdraw(wanted, Source::WebSeed(WebSeedId(0)), true);
    fetch.freed();
    assert_eq!(pick(&mut fetch, &mut pieces), Some(wanted));
}
