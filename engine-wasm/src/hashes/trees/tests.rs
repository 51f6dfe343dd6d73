//! Trees of sample torrents: which hashes are requested, accepted and refused.

use proptest::prelude::*;

use super::*;
use crate::geometry::BLOCK_LENGTH;
use crate::geometry::testing::{self, block};
use crate::metainfo::testing::{Sample, torrent_of};

/// Creates the trees of a sample, with or without its piece layers.
fn trees(sample: &Sample, with_layers: bool) -> Trees {
    let mut meta = sample.metainfo.clone();
    if !with_layers {
        meta.layers.clear();
    }
    Trees::new(&meta, &meta.geometry())
}

/// Returns the answer of a peer that has all hashes.
fn answer_of_seed(sample: &Sample, request: &HashRequest) -> Vec<u8> {
    let all = trees(sample, true);
    let answer = match all.answer(request) {
        Answer::Blocks(piece) => all.answer_with(request, &digests(sample, piece)),
        answer => answer,
    };
    let Answer::Hashes(hashes) = answer else { panic!("{request:?} is rejected") };
    hashes
}

fn digests(sample: &Sample, piece: PieceIndex) -> Vec<Hash> {
    let geometry = sample.metainfo.geometry();
    let start = usize::try_from(geometry.piece_start(piece).get()).unwrap();
    merkle::leaves(&sample.content[start..start + geometry.piece_len(piece) as usize])
}

/// Checks the hash of every piece and block. Each hash can be requested and is correct.
fn check(piece_length: u32, files: &[(&str, usize)]) {
    let sample = torrent_of(Version::V2, piece_length, files);
    let geometry = sample.metainfo.geometry();
    let mut trees = trees(&sample, false);
    loop {
        let next = trees.layer_requests().next();
        let Some(request) = next else { break };
        let gain = trees.learn(&request, &answer_of_seed(&sample, &request)).unwrap();
        assert!(gain.iter().any(|gain| gain.pieces.is_some()), "{request:?}");
    }
    assert!(!trees.lacks_layers());
    assert_eq!(trees.layers(), sample.metainfo.layers);
    for piece in geometry.pieces() {
        let digests = digests(&sample, piece);
        assert_eq!(trees.verify_piece(piece, &digests), Some(true), "{piece}");
        assert_eq!(trees.verify_piece(piece, &[[1; 32]]), Some(false));
        for (block, digest) in geometry.blocks(piece).zip(&digests) {
            if let Some(request) = trees.request_for_block(block) {
                assert_eq!(trees.block(block), None);
                trees.learn(&request, &answer_of_seed(&sample, &request)).unwrap();
            }
            assert_eq!(trees.block(block), Some(*digest), "{block:?}");
        }
        trees.forget_blocks(piece);
    }
}

const KIB: u32 = 1 << 10;
const SOME: &[(&str, usize)] =
    &[("a", 300_000), ("b", 0), ("c", 5), ("d", 65_536), ("e", 65_537), ("f", 16_384)];

#[test]
fn all_hashes_can_be_learnt_from_a_seed() {
    check(64 * KIB, SOME);
    check(16 * KIB, SOME);
    check(1024 * KIB, SOME);
    check(16 * KIB, &[("many pieces", 700 * BLOCK_LENGTH as usize)]);
    check(16 * KIB, &[("twice", 100_000), ("twice again", 100_000)]);
    check(16 << 20, &[("a large piece and a bit", (16 << 20) + 20_000)]);
}

#[test]
fn unrequested_hashes_are_ignored_without_cost() {
    let sample = torrent_of(Version::V2, 16 * KIB, &[("a", 100_000)]);
    let mut trees = trees(&sample, false);
    let request = trees.layer_requests().next().unwrap();
    for odd in [
        HashRequest { base: u32::MAX, ..request },
        HashRequest { length: 3, proof_layers: 0, ..request },
        HashRequest { length: 1 << 31, ..request },
    ] {
        assert_eq!(trees.learn(&odd, &[7; 4 * HASH_LENGTH]), Ok(Vec::new()), "{odd:?}");
    }
}

#[test]
fn files_of_equal_content_share_hashes() {
    let mut sample = torrent_of(Version::V2, 16 * KIB, &[("a", 100_000), ("b", 100_000)]);
    sample.metainfo.files[1].root = sample.metainfo.files[0].root;
    let mut trees = trees(&sample, false);
    let request = trees.layer_requests().next().unwrap();
    let gains = trees.learn(&request, &answer_of_seed(&sample, &request)).unwrap();
    let pieces = |first, last| Some(testing::piece(first)..=testing::piece(last));
    let gained: Vec<_> = gains.iter().map(|gain| gain.pieces.clone()).collect();
    assert_eq!(gained, [pieces(0, 6), pieces(7, 13)]);
    assert!(!trees.lacks_layers());
}

#[test]
fn only_v2_pieces_are_sealed_until_their_hash_is_known() {
    for (version, sealed) in [(Version::Hybrid, false), (Version::V2, true)] {
        let sample = torrent_of(version, 16 * KIB, &[("a", 100_000), ("b", 5)]);
        let mut trees = trees(&sample, false);
        assert_eq!(trees.is_sealed(testing::piece(0)), sealed);
        assert!(!trees.is_sealed(testing::piece(7)), "a file of one piece has its root");
        let request = trees.request_for_piece(testing::piece(0)).unwrap();
        trees.learn(&request, &answer_of_seed(&sample, &request)).unwrap();
        assert!(
            !trees.is_sealed(testing::piece(0))
                && trees.request_for_piece(testing::piece(0)).is_none()
        );
    }
}

#[test]
fn a_v1_torrent_has_no_trees() {
    let sample = crate::metainfo::testing::torrent(16 * KIB, &[("a", 100_000)]);
    let trees = trees(&sample, true);
    assert_eq!(
        (
            trees.piece(testing::piece(0)),
            trees.block(block(0, 0)),
            trees.is_sealed(testing::piece(0))
        ),
        (None, None, false)
    );
    assert_eq!(trees.request_for_piece(testing::piece(0)), None);
}

#[test]
fn invalid_requests_are_rejected() {
    let sample = torrent_of(Version::V2, 64 * KIB, SOME);
    let trees_known = trees(&sample, true);
    let good = trees(&sample, false).layer_requests().next().unwrap();
    assert!(matches!(trees_known.answer(&good), Answer::Hashes(_)));
    assert_eq!(
        trees(&sample, false).answer(&good),
        Answer::Reject,
        "what is not known is not given"
    );
    for bad in [
        HashRequest { root: [9; 32], ..good },
        HashRequest { base: 1, ..good },
        HashRequest { base: 30, ..good },
        HashRequest { length: 3, ..good },
        HashRequest { base: 0, index: 0, length: 8, proof_layers: 1, ..good },
    ] {
        assert_eq!(trees_known.answer(&bad), Answer::Reject, "{bad:?}");
    }
    let blocks = HashRequest { base: 0, index: 4, length: 4, proof_layers: 1, ..good };
    assert_eq!(trees_known.answer(&blocks), Answer::Blocks(testing::piece(1)));
    assert_eq!(
        trees_known.answer_with(&blocks, &[[1; 32]; 4]),
        Answer::Reject,
        "the disk holds something else"
    );
}

proptest! {
    #[test]
    fn an_altered_answer_is_refused(
        at in any::<prop::sample::Index>(),
        which in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let sample = torrent_of(Version::V2, 16 * KIB, &[("a", 700 * BLOCK_LENGTH as usize)]);
        let mut trees = trees(&sample, false);
        let requests: Vec<HashRequest> = trees.layer_requests().collect();
        let request = which.get(&requests);
        let mut answer = answer_of_seed(&sample, request);
        let at = at.index(answer.len());
        if cut {
            answer.truncate(at);
        } else {
            answer[at] ^= 1;
        }
        prop_assert_eq!(trees.learn(request, &answer), Err(Unproved));
        prop_assert!(trees.lacks_layers());
    }

    #[test]
    fn no_request_of_a_peer_panics(
        base in 0u32..40,
        index: u32,
        length: u32,
        small in 0u32..14,
        proof_layers in 0u32..40,
    ) {
        let sample = torrent_of(Version::V2, 32 * KIB, SOME);
        let root = sample.metainfo.files[0].root.unwrap();
        let trees = trees(&sample, true);
        for length in [length, 1 << small] {
            for index in [index, index % 32, (index % 32).wrapping_mul(length)] {
                let request = HashRequest { root, base, index, length, proof_layers };
                if let Answer::Blocks(piece) = trees.answer(&request) {
                    prop_assert_ne!(
                        trees.answer_with(&request, &digests(&sample, piece)),
                        Answer::Reject
                    );
                }
            }
        }
    }
}
