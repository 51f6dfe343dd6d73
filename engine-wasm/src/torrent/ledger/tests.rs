//! Tests of the ledger without a torrent: the meaning of results, including late and stale ones.

mod v2;

use std::net::SocketAddr;

use shared_proto::ConnId;

use super::*;

use crate::geometry::{BLOCK_LENGTH, testing};

const PIECE: PieceIndex = testing::piece(0);
const RIGHT: [u8; SHA1] = [7; SHA1];
const WRONG: [u8; SHA1] = [8; SHA1];

/// Two pieces of two blocks each, both with the hash [`RIGHT`].
fn ledger() -> (Ledger, Metainfo) {
    let head = b"d4:infod6:lengthi65536e4:name1:a12:piece lengthi32768e6:pieces40:";
    let meta = Metainfo::parse(&[&head[..], &RIGHT, &RIGHT, b"ee"].concat()).expect("a torrent");
    (Ledger::new(&meta, Arc::new(meta.geometry())), meta)
}

fn peer(port: u16) -> (ConnId, Sender) {
    (ConnId(u64::from(port)), Sender::Peer(SocketAddr::from(([127, 0, 0, 1], port))))
}

/// Stores both blocks of [`PIECE`], each from the peer at one of `ports`.
fn receive(ledger: &mut Ledger, ports: [u16; 2]) {
    for (index, port) in (0..).zip(ports) {
        let (block, (conn, addr)) = (testing::block(PIECE.get(), index), peer(port));
        let (pieces, _) = ledger.for_requests();
        pieces.ask(block, conn);
        pieces.store(block, conn, addr).expect("it was requested");
    }
}

fn finish(ledger: &mut Ledger, meta: &Metainfo, id: DigestId, digest: &[u8]) -> Outcome {
    ledger.finish(id, Some(&Bytes::copy_from_slice(digest)), meta)
}

#[test]
fn a_received_piece_is_right_or_wrong_and_is_not_verified_by_itself() {
    for (digest, expected) in [
        (RIGHT, Outcome::Right { piece: PIECE, was_on_disk: false }),
        (WRONG, Outcome::WrongReceived(PIECE)),
    ] {
        let (mut ledger, meta) = ledger();
        receive(&mut ledger, [1, 1]);
        let id = ledger.begin_verifying(PIECE);
        assert_eq!(finish(&mut ledger, &meta, id, &digest), expected);
        assert_eq!(ledger.pieces().state(PIECE), PieceState::Hashing);
    }
}

#[test]
fn a_piece_on_the_disk_is_checked_once_and_counted_once() {
    let (mut ledger, meta) = ledger();
    ledger.suspect(PIECE, true);
    assert_eq!(ledger.take_next_check(std::iter::empty()), Some(PIECE));
    let id = ledger.begin_check(PIECE, false);
    assert_eq!((ledger.checks_underway(), ledger.check_progress()), (1, Some(0.0)));
    let expected = Outcome::Right { piece: PIECE, was_on_disk: true };
    assert_eq!(finish(&mut ledger, &meta, id, &RIGHT), expected);
    ledger.believe(PIECE);
    assert!(ledger.end_check(PIECE) && ledger.is_checked());
    assert!(ledger.end_check(PIECE), "a second end changes nothing");
    assert_eq!(ledger.checks_underway(), 0);
}

#[test]
fn a_digest_of_a_reset_piece_blames_no_peer() {
    let (mut ledger, meta) = ledger();
    receive(&mut ledger, [1, 1]);
    let id = ledger.begin_verifying(PIECE);
    ledger.reset(PIECE);
    // Another peer sends it again, while the first digest is still pending.
    receive(&mut ledger, [2, 2]);
    let second = ledger.begin_verifying(PIECE);
    assert_eq!(finish(&mut ledger, &meta, id, &WRONG), Outcome::Stale);
    let expected = Outcome::Right { piece: PIECE, was_on_disk: false };
    assert_eq!(finish(&mut ledger, &meta, second, &RIGHT), expected);
}

#[test]
fn a_digest_of_a_piece_that_was_verified_meanwhile_is_stale() {
    let (mut ledger, meta) = ledger();
    receive(&mut ledger, [1, 1]);
    let id = ledger.begin_verifying(PIECE);
    ledger.believe(PIECE);
    assert_eq!(finish(&mut ledger, &meta, id, &WRONG), Outcome::Stale);
    assert_eq!((ledger.pieces().state(PIECE), ledger.checks_underway()), (PieceState::Have, 0));
}

#[test]
fn a_check_of_a_file_that_another_program_changed_is_stale_and_no_longer_counted() {
    let (mut ledger, meta) = ledger();
    ledger.suspect(PIECE, false);
    let id = ledger.begin_check(PIECE, false);
    assert!(!ledger.lose_begun(PIECE));
    assert_eq!(ledger.checks_underway(), 0);
    assert_eq!(finish(&mut ledger, &meta, id, &RIGHT), Outcome::Stale);
}

#[test]
fn a_lost_piece_makes_its_proof_stale() {
    let (mut ledger, meta) = ledger();
    receive(&mut ledger, [1, 2]);
    ledger.believe(PIECE);
    let id = ledger.begin(Purpose::Proof(PIECE));
    ledger.lose(PIECE, true);
    assert_eq!(finish(&mut ledger, &meta, id, &[0; 2 * LEAF]), Outcome::Stale);
}

#[test]
fn one_sender_of_a_wrong_piece_is_guilty_and_several_are_compared() {
    let (mut ledger, meta) = ledger();
    receive(&mut ledger, [1, 1]);
    assert_eq!(ledger.failed(PIECE), Failure::Guilty(peer(1).1));
    ledger.reset(PIECE);
    receive(&mut ledger, [1, 2]);
    let Failure::Exhibit(senders) = ledger.failed(PIECE) else { panic!("two peers sent it") };
    let id = ledger.begin(Purpose::Exhibit(PIECE, senders));
    let leaves = [[1; LEAF], [2; LEAF]].concat();
    assert_eq!(finish(&mut ledger, &meta, id, &leaves), Outcome::Exhibited(PIECE));
    ledger.reset(PIECE);
    receive(&mut ledger, [3, 3]);
    ledger.believe(PIECE);
    assert!(ledger.needs_digests(PIECE));
    let proof = ledger.begin(Purpose::Proof(PIECE));
    let leaves = [[1; LEAF], [9; LEAF]].concat();
    assert_eq!(finish(&mut ledger, &meta, proof, &leaves), Outcome::Guilty(vec![peer(2).1]));
}

#[test]
fn unreadable_pieces_are_distinguished_by_origin() {
    let (mut ledger, meta) = ledger();
    receive(&mut ledger, [1, 1]);
    let received = ledger.begin_verifying(PIECE);
    assert_eq!(ledger.finish(received, None, &meta), Outcome::UnreadableReceived(PIECE));
    let other = testing::piece(1);
    for (in_donor, expected) in
        [(false, Outcome::UnreadableOnDisk(other)), (true, Outcome::WrongInDonor(other))]
    {
        ledger.suspect(other, false);
        let id = ledger.begin_check(other, in_donor);
        assert_eq!(ledger.finish(id, None, &meta), expected);
        ledger.reset(other);
    }
}

#[test]
fn a_cancelled_check_restores_what_was_verified_and_leaves_the_rest_missing() {
    let (mut ledger, _) = ledger();
    assert_eq!(ledger.cancel_check(), None, "the user started no check");
    ledger.believe(PIECE);
    ledger.ask_for_check();
    ledger.doubt(PIECE);
    ledger.lose(PIECE, true);
    ledger.suspect(PIECE, false);
    ledger.suspect(testing::piece(1), false);
    assert_eq!(ledger.cancel_check(), Some((vec![PIECE], vec![testing::piece(1)])));
    assert!(ledger.is_checked());
}

#[test]
fn a_lost_daemon_makes_digests_stale_and_verified_pieces_stay() {
    let (mut ledger, meta) = ledger();
    ledger.believe(testing::piece(1));
    receive(&mut ledger, [1, 1]);
    let id = ledger.begin_verifying(PIECE);
    ledger.unlink();
    assert_eq!(finish(&mut ledger, &meta, id, &WRONG), Outcome::Stale);
    assert_eq!(ledger.pieces().state(PIECE), PieceState::Unchecked);
    assert_eq!(ledger.pieces().state(testing::piece(1)), PieceState::Have);
    assert_eq!(ledger.take_next_check(std::iter::empty()), Some(PIECE));
}

#[test]
fn pieces_that_viewers_wait_for_are_checked_first_up_to_the_limit() {
    let (mut ledger, _) = ledger();
    let second = testing::piece(1);
    ledger.suspect(PIECE, true);
    ledger.suspect(second, false);
    assert_eq!(ledger.take_next_check([second].into_iter()), Some(second));
    ledger.begin_check(second, false);
    assert_eq!(ledger.take_next_check([second].into_iter()), Some(PIECE), "that one is begun");
    for piece in 0..u32::try_from(limits::CHECKS).unwrap() {
        ledger.checks.begin(testing::piece(piece));
    }
    assert_eq!(ledger.take_next_check([PIECE].into_iter()), None);
}

#[test]
fn the_next_check_is_of_an_unchecked_piece_whose_hash_is_known() {
    let (mut ledger, _) = ledger();
    assert!(!ledger.can_check(PIECE), "it is missing");
    ledger.suspect(PIECE, true);
    ledger.suspect(testing::piece(1), false);
    assert!(ledger.can_check(PIECE) && !ledger.is_checked());
    ledger.for_requests().0.seal(PIECE);
    assert!(!ledger.can_check(PIECE));
    assert_eq!(ledger.take_next_check(std::iter::empty()), Some(testing::piece(1)));
    ledger.for_requests().0.unseal(PIECE);
    assert!(ledger.unsuspect(testing::piece(1)) && !ledger.unsuspect(testing::piece(1)));
    assert_eq!(ledger.take_next_check(std::iter::empty()), Some(PIECE));
}

#[test]
fn a_torrent_may_be_complete_until_a_piece_is_known_to_be_missing() {
    let (mut ledger, _) = ledger();
    assert!(!ledger.may_be_complete(), "nothing is on the disk");
    ledger.suspect(PIECE, false);
    assert!(!ledger.may_be_complete(), "others are missing");
    ledger.geometry.pieces().for_each(|piece| ledger.suspect(piece, false));
    assert!(ledger.may_be_complete());
    ledger.begin_check(PIECE, false);
    assert!(ledger.may_be_complete());
    ledger.believe(PIECE);
    ledger.end_check(PIECE);
    assert!(ledger.may_be_complete());
    ledger.begin_check(testing::piece(1), false);
    ledger.reset(testing::piece(1));
    ledger.end_check(testing::piece(1));
    assert!(!ledger.may_be_complete());
}

#[test]
fn checks_are_over_when_none_is_left_and_the_next_counts_from_zero() {
    let (mut ledger, _) = ledger();
    assert_eq!(ledger.check_progress(), None);
    (0..2).for_each(|piece| ledger.suspect(testing::piece(piece), false));
    ledger.begin_check(PIECE, false);
    assert!(!ledger.end_checks());
    ledger.believe(PIECE);
    assert!(!ledger.end_check(PIECE) && !ledger.is_checked());
    assert_eq!(ledger.check_progress(), Some(0.5));
    ledger.begin_check(testing::piece(1), false);
    assert!(!ledger.is_checked(), "it is being checked");
    ledger.believe(testing::piece(1));
    assert!(ledger.end_check(testing::piece(1)) && ledger.is_checked());
    ledger.lose(PIECE, true);
    ledger.suspect(PIECE, false);
    assert_eq!(ledger.check_progress(), Some(0.0));
}

#[test]
fn a_delayed_piece_is_verified_later_if_it_still_waits_for_that() {
    let (mut ledger, _) = ledger();
    receive(&mut ledger, [1, 1]);
    ledger.delay_verifying(PIECE);
    ledger.delay_verifying(testing::piece(1));
    assert_eq!(ledger.take_delayed(), [PIECE], "the other is missing");
    assert_eq!(ledger.take_delayed(), []);
    ledger.delay_verifying(PIECE);
    ledger.unlink();
    assert_eq!(ledger.take_delayed(), []);
}

#[test]
fn a_suspect_piece_belongs_to_one_source_until_that_is_gone() {
    let (mut ledger, _) = ledger();
    receive(&mut ledger, [1, 2]);
    assert!(matches!(ledger.failed(PIECE), Failure::Exhibit(_)));
    assert!(!ledger.needs_digests(PIECE), "nothing is known of the failure");
    ledger.reset(PIECE);
    ledger.for_requests().1.asked(PIECE, peer(3).0);
    assert!(!ledger.suspects().may_ask(PIECE, peer(4).0));
    ledger.release(peer(3).0);
    assert!(ledger.suspects().may_ask(PIECE, peer(4).0));
    ledger.drop_suspicion(PIECE);
    assert!(ledger.suspects().is_free(PIECE));
}

#[test]
fn bytes_that_another_program_changed_are_not_restored_by_a_cancelled_check() {
    let (mut ledger, _) = ledger();
    ledger.ask_for_check();
    for piece in [PIECE, testing::piece(1)] {
        ledger.believe(piece);
        ledger.doubt(piece);
        ledger.lose(piece, true);
        ledger.suspect(piece, false);
    }
    ledger.forget_doubted(&(PIECE..=PIECE));
    assert_eq!(ledger.cancel_check(), Some((vec![testing::piece(1)], vec![PIECE])));
}

#[test]
fn what_the_selection_does_not_want_is_not_needed() {
    let (mut ledger, _) = ledger();
    ledger.set_wanted(|piece| piece == PIECE);
    assert!(!ledger.pieces().is_done());
    ledger.believe(PIECE);
    assert!(ledger.pieces().is_done() && !ledger.pieces().is_complete());
    assert_eq!(ledger.pieces().unneeded().count(), 2);
}

#[test]
fn pieces_are_named_when_blocks_of_them_are_armed_or_no_longer() {
    let (mut ledger, _) = ledger();
    receive(&mut ledger, [1, 1]);
    assert!(ledger.take_armed_changes().contains(&PIECE));
    assert_eq!(ledger.take_armed_changes(), []);
}

#[test]
fn a_copied_piece_is_verified_as_one_on_the_disk() {
    let (mut ledger, meta) = ledger();
    ledger.suspect(PIECE, false);
    let id = ledger.begin_check(PIECE, true);
    assert_eq!(finish(&mut ledger, &meta, id, &RIGHT), Outcome::RightInDonor(PIECE));
    let id = ledger.begin_verifying(PIECE);
    let expected = Outcome::Right { piece: PIECE, was_on_disk: true };
    assert_eq!(finish(&mut ledger, &meta, id, &RIGHT), expected);
    let id = ledger.begin_verifying(PIECE);
    assert_eq!(finish(&mut ledger, &meta, id, &WRONG), Outcome::WrongOnDisk(PIECE));
}

#[test]
fn only_the_sender_of_the_block_that_differs_is_guilty() {
    for (differing, guilty) in [(0, 1), (1, 2)] {
        let (mut ledger, meta) = ledger();
        receive(&mut ledger, [1, 2]);
        let Failure::Exhibit(senders) = ledger.failed(PIECE) else { panic!("two peers sent it") };
        let id = ledger.begin(Purpose::Exhibit(PIECE, senders));
        let mut leaves = [[1; LEAF], [2; LEAF]];
        finish(&mut ledger, &meta, id, &leaves.concat());
        leaves[differing] = [9; LEAF];
        let proof = ledger.begin(Purpose::Proof(PIECE));
        let expected = Outcome::Guilty(vec![peer(guilty).1]);
        assert_eq!(finish(&mut ledger, &meta, proof, &leaves.concat()), expected);
    }
}

#[test]
fn large_pieces_are_checked_a_few_at_once_and_those_that_viewers_need_at_any_time() {
    let head = b"d4:infod6:lengthi100663296e4:name1:a12:piece lengthi16777216e6:pieces120:";
    let meta = Metainfo::parse(&[&head[..], &RIGHT.repeat(6), b"ee"].concat()).expect("a torrent");
    let mut ledger = Ledger::new(&meta, Arc::new(meta.geometry()));
    (0..6).for_each(|index| ledger.suspect(testing::piece(index), false));
    for index in 0..4 {
        let piece = testing::piece(index);
        assert_eq!(ledger.take_next_check(std::iter::empty()), Some(piece));
        ledger.begin_check(piece, false);
    }
    assert_eq!(ledger.take_next_check(std::iter::empty()), None, "these are 64 MiB");
    let wanted = testing::piece(5);
    assert_eq!(ledger.take_next_check([wanted].into_iter()), Some(wanted));
}
