//! Pieces as pictures of their blocks: `.` free, `a` requested, `#` stored, `=` verified.

mod model;

use std::net::SocketAddr;

use shared_proto::ConnId;

use super::*;
use crate::geometry::{BLOCK_LENGTH, testing};

const A: Source = Source::Peer(ConnId(1));
const B: Source = Source::Peer(ConnId(2));

fn map(pieces: u32, blocks: u32) -> PieceMap {
    let piece = blocks * BLOCK_LENGTH;
    PieceMap::new(Arc::new(Geometry::new(piece, &[u64::from(pieces * piece)]).unwrap()))
}

fn block(piece: u32, index: u32) -> Block {
    testing::block(piece, index)
}

fn by(source: Source) -> Sender {
    let Source::Peer(conn) = source else { panic!("it is a peer") };
    let port = u16::try_from(conn.0).unwrap();
    Sender::Peer(SocketAddr::from(([127, 0, 0, 1], port)))
}

/// Checks the map: open pieces block by block, others `-` missing, `?` unchecked, `%` hashing, `H`
/// verified.
fn check(map: &PieceMap, expected: &str) {
    let pieces: Vec<String> = (0..map.geometry.piece_count())
        .map(|piece| match map.state(testing::piece(piece)) {
            PieceState::Missing => "-".to_owned(),
            PieceState::Unchecked => "?".to_owned(),
            PieceState::Hashing => "%".to_owned(),
            PieceState::Have => "H".to_owned(),
            PieceState::Open => map.open[&testing::piece(piece)].picture(),
        })
        .collect();
    assert_eq!(pieces.join(" "), expected);
}

#[test]
fn a_piece_goes_from_missing_to_have() {
    let mut map = map(2, 2);
    check(&map, "- -");
    map.ask(block(1, 0), A);
    check(&map, "- a.");
    assert_eq!(map.first_free(testing::piece(1)), Some(block(1, 1)));
    map.ask(block(1, 1), B);
    assert_eq!(map.first_free(testing::piece(1)), None);
    assert!(!map.store(block(1, 1), B, by(B)).unwrap().piece_is_full);
    check(&map, "- a#");
    assert!(map.store(block(1, 0), A, by(A)).unwrap().piece_is_full);
    check(&map, "- %");
    map.verified(testing::piece(1));
    check(&map, "- H");
    assert_eq!(map.verified_bytes(), u64::from(2 * BLOCK_LENGTH));
    assert!(!map.is_complete());
    map.verified(testing::piece(0));
    assert!(map.is_complete());
}

/// Requests a block from A and stores it.
fn store(map: &mut PieceMap, block: Block) {
    map.ask(block, A);
    map.store(block, A, by(A));
}

#[test]
fn blocks_are_verified_and_refuted_one_by_one() {
    let mut map = map(1, 4);
    for index in [2, 1, 3] {
        store(&mut map, block(0, index));
    }
    assert!(!map.prove(block(0, 1)) && !map.prove(block(0, 2)) && !map.prove(block(0, 0)));
    check(&map, ".==#");
    assert_eq!(map.unproved(testing::piece(0)).collect::<Vec<_>>(), [block(0, 3)]);
    let unproved = |map: &PieceMap, from| {
        map.first_unproved(testing::piece(0), testing::block_index(from)).map(|index| index.get())
    };
    assert_eq!(
        [unproved(&map, 0), unproved(&map, 1), unproved(&map, 3)],
        [Some(0), Some(3), Some(3)]
    );
    assert_eq!(map.refute(block(0, 3)), [by(A)]);
    assert_eq!(map.refute(block(0, 1)), [], "what is proved stays so");
    check(&map, ".==.");
    store(&mut map, block(0, 3));
    map.ask(block(0, 0), B);
    assert!(map.store(block(0, 0), B, by(B)).unwrap().piece_is_full);
    check(&map, "%");
    map.reset(testing::piece(0));
    check(&map, ".==.");
    store(&mut map, block(0, 0));
    store(&mut map, block(0, 3));
    assert!(!map.prove(block(0, 0)) && map.prove(block(0, 3)));
    assert_eq!(unproved(&map, 0), None);
}

#[test]
fn a_viewer_in_the_middle_of_a_piece_comes_first() {
    let mut map = map(2, 4);
    let free = |map: &mut PieceMap, from| {
        map.first_free_from(testing::piece(0), testing::block_index(from))
            .map(|block| block.index().get())
    };
    assert_eq!([free(&mut map, 0), free(&mut map, 2)], [Some(0), Some(2)]);
    map.ask(block(0, 2), A);
    assert_eq!([free(&mut map, 2), free(&mut map, 3)], [Some(3), Some(3)]);
    map.ask(block(0, 3), A);
    assert_eq!(free(&mut map, 2), Some(0));
    map.ask(block(0, 0), A);
    map.ask(block(0, 1), A);
    assert_eq!(free(&mut map, 2), None);
}

#[test]
fn a_sealed_piece_is_not_requested() {
    let mut map = map(2, 1);
    map.seal(testing::piece(0));
    assert_eq!(map.first_free(testing::piece(0)), None);
    assert_eq!(map.first_free(testing::piece(1)), Some(block(1, 0)));
    map.unseal(testing::piece(0));
    assert_eq!(map.first_free(testing::piece(0)), Some(block(0, 0)));
}

#[test]
fn a_withdrawn_block_is_free_and_still_accepted() {
    let mut map = map(1, 2);
    map.ask(block(0, 0), A);
    assert!(map.withdraw(block(0, 0), A, false));
    check(&map, "..");
    assert!(map.is_armed(block(0, 0), A));
    map.ask(block(0, 0), B);
    let stored = map.store(block(0, 0), A, by(A)).unwrap();
    assert_eq!(stored.disarm, [B]);
    check(&map, "#.");
}

#[test]
fn a_piece_without_senders_is_missing_again() {
    let mut map = map(1, 2);
    map.ask(block(0, 1), A);
    map.withdraw(block(0, 1), A, true);
    check(&map, "-");
}

#[test]
fn both_senders_of_a_block_are_recorded() {
    let mut map = map(1, 2);
    map.ask(block(0, 0), A);
    map.ask(block(0, 0), B);
    assert_eq!(map.store(block(0, 0), A, by(A)).unwrap().disarm, [B]);
    assert_eq!(map.store(block(0, 0), B, by(B)), None);
    assert_eq!(map.senders(testing::piece(0)), [vec![by(A), by(B)], vec![]]);
}

#[test]
fn a_lost_daemon_keeps_stored_blocks_and_repeats_hashing() {
    let mut map = map(3, 2);
    map.ask(block(0, 0), A);
    map.ask(block(1, 0), A);
    map.ask(block(1, 1), A);
    map.store(block(1, 0), A, by(A));
    map.mark_unchecked(testing::piece(2));
    map.begin_check(testing::piece(2));
    map.unlink();
    check(&map, "- #. ?");
}

#[test]
fn a_failed_piece_starts_over() {
    let mut map = map(1, 1);
    map.ask(block(0, 0), A);
    map.store(block(0, 0), A, by(A));
    map.reset(testing::piece(0));
    check(&map, "-");
    assert_eq!(map.store(block(0, 0), B, by(B)), None);
}

#[test]
fn a_source_that_could_not_send_a_block_changes_nothing() {
    let mut map = map(1, 2);
    map.ask(block(0, 0), A);
    assert_eq!(map.take_armed_changes(), [testing::piece(0)]);
    assert!(!map.withdraw(block(0, 0), B, true));
    assert_eq!(map.take_armed_changes(), []);
    assert!(map.withdraw(block(0, 0), A, true));
    assert_eq!(map.take_armed_changes(), [testing::piece(0)]);
}
