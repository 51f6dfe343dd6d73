//! The ledger of a v2 torrent, whose blocks are verified one by one.

use super::*;
use crate::metainfo::Version;
use crate::metainfo::testing::{Sample, torrent_of};

/// Four pieces of two blocks each, with or without the hashes of its pieces.
fn ledger_v2(with_layers: bool) -> (Ledger, Sample) {
    let sample = torrent_of(Version::V2, 2 * BLOCK_LENGTH, &[("film.mkv", 8 * BLOCK)]);
    let mut meta = sample.metainfo.clone();
    if !with_layers {
        meta.layers.clear();
    }
    (Ledger::new(&meta, Arc::new(meta.geometry())), sample)
}

const BLOCK: usize = BLOCK_LENGTH as usize;

/// The digests of a piece's blocks.
fn digests(sample: &Sample, piece: PieceIndex) -> Vec<merkle::Hash> {
    let start = piece.as_usize() * 2 * BLOCK;
    merkle::leaves(&sample.content[start..start + 2 * BLOCK])
}

/// The hashes that a peer with the whole torrent sends.
fn hashes_of_seed(sample: &Sample, request: &HashRequest) -> Vec<u8> {
    let (mut seed, _) = ledger_v2(true);
    for index in 0..4 {
        seed.believe(testing::piece(index));
    }
    let answer = match seed.answer(request) {
        Answer::Blocks(piece) => seed.trees().answer_with(request, &digests(sample, piece)),
        answer => answer,
    };
    let Answer::Hashes(hashes) = answer else { panic!("{request:?} is rejected") };
    hashes
}

/// Learns the hashes of the blocks of [`PIECE`].
fn learn_blocks(ledger: &mut Ledger, sample: &Sample) -> Vec<Block> {
    let request = ledger.trees().request_for_block(first()).expect("they are unknown");
    ledger.learn(&request, &hashes_of_seed(sample, &request)).expect("they are right").blocks
}

fn first() -> Block {
    testing::block(0, 0)
}

fn second() -> Block {
    testing::block(0, 1)
}

#[test]
fn a_piece_is_digested_by_blocks_where_its_v2_hash_is_known() {
    assert_eq!(ledger().0.kind_for(PIECE), DigestKind::Sha1);
    assert_eq!(ledger_v2(true).0.kind_for(PIECE), DigestKind::Sha256Leaves);
    assert!(ledger_v2(true).0.pieces().verifies_by_block());
    assert!(!ledger().0.pieces().verifies_by_block());
    for (is_right, expected) in [
        (true, Outcome::Right { piece: PIECE, was_on_disk: false }),
        (false, Outcome::WrongReceived(PIECE)),
    ] {
        let (mut ledger, sample) = ledger_v2(true);
        receive(&mut ledger, [1, 1]);
        let id = ledger.begin_verifying(PIECE);
        let piece = if is_right { PIECE } else { testing::piece(1) };
        let leaves = digests(&sample, piece).concat();
        assert_eq!(finish(&mut ledger, &sample.metainfo, id, &leaves), expected);
    }
}

#[test]
fn a_piece_without_a_hash_is_neither_checked_nor_requested_until_its_hash_comes() {
    let (mut ledger, sample) = ledger_v2(false);
    ledger.suspect(testing::piece(1), true);
    assert!(!ledger.can_check(testing::piece(1)));
    assert_eq!(ledger.take_next_check(std::iter::empty()), None);
    let request = ledger.trees().layer_requests().next().expect("all are unknown");
    let hashes = hashes_of_seed(&sample, &request);
    let wrong = vec![7; hashes.len()];
    assert!(ledger.learn(&request, &wrong).is_err());
    let learned = ledger.learn(&request, &hashes).expect("they are right");
    assert_eq!(learned.unsealed, [0, 2, 3].map(testing::piece), "the disk may have the other");
    assert!(ledger.can_check(testing::piece(1)) && !ledger.can_check(PIECE));
    assert_eq!(ledger.take_next_check(std::iter::empty()), Some(testing::piece(1)));
}

#[test]
fn blocks_are_verified_one_by_one_and_the_last_completes_the_piece() {
    let (mut ledger, sample) = ledger_v2(true);
    receive(&mut ledger, [1, 2]);
    assert!(!ledger.knows_block(first()) && !ledger.knows_blocks(PIECE));
    assert_eq!(learn_blocks(&mut ledger, &sample), [first(), second()]);
    assert!(ledger.knows_block(first()) && ledger.knows_blocks(PIECE));
    assert!(!ledger.knows_blocks(testing::piece(1)));
    assert_eq!(ledger.failed(PIECE), Failure::ByBlock);
    let leaves = digests(&sample, PIECE);
    for (block, leaf, completes) in [(first(), leaves[0], false), (second(), leaves[1], true)] {
        let id = ledger.begin(Purpose::Block(block));
        let outcome = finish(&mut ledger, &sample.metainfo, id, &leaf);
        assert_eq!(outcome, Outcome::BlockRight { block, completes });
    }
    ledger.believe(PIECE);
    assert!(!ledger.knows_block(first()), "they are needed no longer");
}

#[test]
fn a_wrong_block_is_missing_and_the_digest_of_its_piece_stale() {
    let (mut ledger, sample) = ledger_v2(true);
    receive(&mut ledger, [1, 2]);
    learn_blocks(&mut ledger, &sample);
    let whole = ledger.begin_verifying(PIECE);
    let id = ledger.begin(Purpose::Block(second()));
    let guilty = Some(peer(2).1);
    let outcome = finish(&mut ledger, &sample.metainfo, id, &[0; LEAF]);
    assert_eq!(outcome, Outcome::BlockWrong { block: second(), guilty });
    assert_eq!(ledger.pieces().state(PIECE), PieceState::Open);
    let leaves = digests(&sample, PIECE).concat();
    assert_eq!(finish(&mut ledger, &sample.metainfo, whole, &leaves), Outcome::Stale);
    let unread = ledger.begin(Purpose::Block(first()));
    let outcome = ledger.finish(unread, None, &sample.metainfo);
    assert_eq!(outcome, Outcome::BlockUnreadable(PIECE));
    assert!(ledger.pieces().first_unproved(PIECE, first().index()).is_some());
}

#[test]
fn a_block_whose_hash_was_forgotten_meanwhile_says_nothing() {
    let (mut ledger, sample) = ledger_v2(true);
    receive(&mut ledger, [1, 1]);
    let id = ledger.begin(Purpose::Block(first()));
    assert_eq!(finish(&mut ledger, &sample.metainfo, id, &[0; LEAF]), Outcome::Stale);
    assert_eq!(ledger.pieces().state(PIECE), PieceState::Hashing);
}

#[test]
fn hashes_of_blocks_are_given_of_verified_pieces_only() {
    let (mut ledger, _) = ledger_v2(true);
    let request = ledger.trees().request_for_block(first()).expect("they are unknown");
    assert_eq!(ledger.answer(&request), Answer::Reject);
    ledger.believe(PIECE);
    assert_eq!(ledger.answer(&request), Answer::Blocks(PIECE));
    let (without, _) = ledger_v2(false);
    let layer = without.trees().layer_requests().next().expect("all are unknown");
    assert!(matches!(ledger.answer(&layer), Answer::Hashes(_)));
}
