//! Tests of what a peer receives from us: the introduction, new pieces, answers to requests.

use std::net::SocketAddr;

use bytes::Bytes;

use super::*;
use crate::geometry::{Geometry, testing};
use crate::metainfo::InfoHash;
use crate::peer::PeerEvent;
use crate::peer::handshake::{HANDSHAKE_LEN, Handshake};

const HASH: InfoHash = InfoHash([1; 20]);
const US: [u8; 20] = [2; 20];
const THEY: [u8; 20] = [3; 20];

fn addr() -> SocketAddr {
    SocketAddr::from(([80, 4, 4, 200], 50_000))
}

fn geometry() -> Geometry {
    Geometry::new(32 << 10, &[100_000]).unwrap()
}

fn sent(peer: &mut Peer) -> Vec<u8> {
    peer.take_out().map(|data| data.to_vec()).unwrap_or_default()
}

fn frames(messages: &[Message<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    messages.iter().for_each(|message| message.encode(&mut out));
    out
}

fn hear(peer: &mut Peer, message: Message<'_>) -> Option<PeerEvent> {
    let frame = Bytes::from(frames(&[message]).split_off(4));
    peer.handle_frame(&frame, &geometry(), Instant(0)).unwrap()
}

/// A peer that dialled us and completed its handshake; `reserved` is what it supports.
fn arrived(reserved: [u8; 8]) -> Peer {
    let hello = Handshake { reserved, ..Handshake::ours(HASH, THEY) }.encode();
    let mut peer = Peer::accept(addr(), &hello[..48], HASH.into(), US, Instant(0));
    assert_eq!(sent(&mut peer), Handshake::ours(HASH, US).encode());
    assert_eq!(
        peer.handle_data(&hello[48..], HASH.into(), US, Instant(0)).unwrap(),
        Some(PeerEvent::Ready)
    );
    peer
}

fn have(pieces: &[u32]) -> Bitfield {
    let mut have = Bitfield::new(4);
    pieces.iter().for_each(|&piece| have.set(piece));
    have
}

fn us(have: &Bitfield) -> Introduction<'_> {
    let (port, upload_only) = (Some(6881), false);
    Introduction {
        have,
        metadata_size: Some(20_000),
        port,
        upload_only,
        exchanges_peers: false,
        pex_interval: Duration::from_secs(60),
        punches: false,
    }
}

const FAST: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 4];
const PLAIN: [u8; 8] = [0; 8];
const EXTENDED: [u8; 8] = [0, 0, 0, 0, 0, 0x10, 0, 0];

/// Checks the first messages to a peer. `reserved` says what the peer supports, and `pieces` which
/// pieces we have.
fn check_introduction(reserved: [u8; 8], pieces: &[u32], expected: &[Message<'_>]) {
    let mut peer = arrived(reserved);
    peer.introduce(&us(&have(pieces)), Instant(0));
    assert_eq!(sent(&mut peer), frames(expected), "{pieces:?}");
}

#[test]
fn our_pieces_are_sent_first_in_the_shortest_form() {
    check_introduction(FAST, &[], &[Message::HaveNone]);
    check_introduction(FAST, &[0, 1, 2, 3], &[Message::HaveAll]);
    check_introduction(FAST, &[1], &[Message::Bitfield(&[0x40])]);
    check_introduction(PLAIN, &[], &[]);
    check_introduction(PLAIN, &[0, 1, 2, 3], &[Message::Bitfield(&[0xf0])]);
}

#[test]
fn our_extension_handshake_goes_to_peers_that_support_it() {
    let mut peer = arrived(EXTENDED);
    peer.introduce(&us(&have(&[])), Instant(0));
    let said = sent(&mut peer);
    assert_eq!(said[4..6], [20, 0]);
    let hello = ExtensionHandshake::parse(&said[6..]).unwrap();
    assert_eq!(
        (hello.id("ut_metadata"), hello.metadata_size, hello.port),
        (Some(1), Some(20_000), Some(6881))
    );
    assert_eq!((hello.reqq, hello.upload_only), (Some(512), false));
}

#[test]
fn a_handshake_may_arrive_in_parts() {
    let hello = Handshake::ours(HASH, THEY).encode();
    for cut in 0..HANDSHAKE_LEN {
        let mut peer = Peer::accept(addr(), &hello[..cut], HASH.into(), US, Instant(0));
        assert_eq!(
            peer.handle_data(&hello[cut..], HASH.into(), US, Instant(0)).unwrap(),
            Some(PeerEvent::Ready),
            "{cut}"
        );
        assert!(peer.id() == Some(THEY) && !peer.is_dialled());
    }
}

#[test]
fn new_pieces_are_announced_except_to_seeds() {
    let mut peer = arrived(FAST);
    peer.announce_piece(testing::piece(1), Instant(0));
    assert_eq!(sent(&mut peer), [] as [u8; 0], "it will be in the introduction");
    peer.introduce(&us(&have(&[])), Instant(0));
    sent(&mut peer);
    peer.announce_piece(testing::piece(1), Instant(0));
    assert_eq!(sent(&mut peer), frames(&[Message::Have(1)]));
    hear(&mut peer, Message::HaveAll);
    peer.announce_piece(testing::piece(2), Instant(0));
    assert_eq!(sent(&mut peer), [] as [u8; 0]);
}

#[test]
fn a_late_bitfield_adds_pieces() {
    let mut peer = arrived(FAST);
    assert_eq!(hear(&mut peer, Message::HaveNone), Some(PeerEvent::HasSome));
    assert_eq!(hear(&mut peer, Message::Have(3)), Some(PeerEvent::Has(testing::piece(3))));
    let news = vec![testing::piece(0), testing::piece(1)];
    assert_eq!(hear(&mut peer, Message::Bitfield(&[0xc0])), Some(PeerEvent::HasMore(news)));
    assert_eq!(hear(&mut peer, Message::Bitfield(&[0x80])), None);
    assert!(
        [0, 1, 3].into_iter().all(|piece| peer.has(testing::piece(piece)))
            && !peer.is_upload_only()
    );
    hear(&mut peer, Message::Have(2));
    assert!(peer.is_upload_only(), "it has everything, piece by piece");
}

#[test]
fn interest_requests_and_cancels_are_passed_on() {
    let mut peer = arrived(FAST);
    assert_eq!(hear(&mut peer, Message::Interested), Some(PeerEvent::Interest));
    assert_eq!(hear(&mut peer, Message::Interested), None, "that is no news");
    let (piece, begin, length) = (9, 8, 7);
    let request = Request { piece, begin, length };
    assert_eq!(
        hear(&mut peer, Message::Request { piece, begin, length }),
        Some(PeerEvent::Asks(request))
    );
    assert_eq!(
        hear(&mut peer, Message::Cancel { piece, begin, length }),
        Some(PeerEvent::TakesBack(request))
    );
    assert_eq!(hear(&mut peer, Message::NotInterested), Some(PeerEvent::Interest));
}

#[test]
fn every_request_of_a_fast_peer_has_an_answer() {
    let (piece, begin, length) = (0, 0, 16384);
    let request = Request { piece, begin, length };
    let reject = Message::Reject { piece, begin, length };
    let mut peer = arrived(FAST);
    peer.handle_request(request, true, Instant(0)).unwrap();
    assert_eq!(sent(&mut peer), frames(&[reject]), "it is choked");
    peer.set_choked(false, Instant(0));
    peer.handle_request(request, true, Instant(0)).unwrap();
    peer.handle_cancel(request, Instant(0));
    assert_eq!(sent(&mut peer), frames(&[Message::Unchoke, reject]));
    peer.handle_request(request, true, Instant(0)).unwrap();
    peer.set_choked(true, Instant(0));
    peer.set_choked(true, Instant(0));
    assert_eq!(sent(&mut peer), frames(&[Message::Choke, reject]));
    let mut plain = arrived(PLAIN);
    plain.handle_request(request, true, Instant(0)).unwrap();
    assert_eq!(sent(&mut plain), [] as [u8; 0], "there are no words for it");
}

#[test]
fn a_peer_that_keeps_requesting_what_it_cannot_have_is_dropped() {
    let mut peer = arrived(PLAIN);
    let request = Request { piece: 0, begin: 0, length: 1 };
    let refused =
        (0..1000).take_while(|_| peer.handle_request(request, true, Instant(0)).is_ok()).count();
    assert_eq!(refused, 300);
}

#[test]
fn metadata_is_sent_in_blocks_up_to_a_limit() {
    let mut peer = arrived(EXTENDED);
    let info = vec![7; 20_000];
    hear(&mut peer, Message::Extended { id: 0, payload: b"d1:md11:ut_metadatai9eee" });
    let ask = Message::Extended { id: 1, payload: b"d8:msg_typei0e5:piecei1ee" };
    assert_eq!(hear(&mut peer, ask), Some(PeerEvent::AsksMetadata(1)));
    peer.handle_metadata_request(1, Some(20_000), Instant(0));
    peer.send_metadata(&info, 5, Instant(0));
    let payload = MetadataMessage::Data { block: 1, total: 20_000, data: &info[16384..] }.encode();
    assert_eq!(sent(&mut peer), frames(&[Message::Extended { id: 9, payload: &payload }]));
    peer.handle_metadata_request(2, Some(20_000), Instant(0));
    let payload = MetadataMessage::Reject { block: 2 }.encode();
    assert_eq!(
        sent(&mut peer),
        frames(&[Message::Extended { id: 9, payload: &payload }]),
        "there is no such block"
    );
    for _ in 0..100 {
        peer.handle_metadata_request(0, Some(20_000), Instant(0));
        peer.send_metadata(&info, 5, Instant(0));
    }
    assert!(sent(&mut peer).len() < 6 * 17_000);
}
