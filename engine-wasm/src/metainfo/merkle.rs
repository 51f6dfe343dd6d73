//! The hash trees of BitTorrent v2 (BEP 52): one per file, over the SHA-256 of its 16 KiB blocks.
//!
//! This module owns the arithmetic of layers, roots and proofs. It reads no files and holds no
//! hashes. Heights count from the leaves, which have height 0. Invariant: a tree has 2ʰ leaves, and
//! the leaves beyond the end of the file are zero, so every missing node of a layer is known
//! ([`zero`]).

use sha2::{Digest, Sha256};

use crate::geometry::BLOCK_LENGTH;

/// A node of a tree: a SHA-256 digest, 32 bytes.
pub type Hash = [u8; 32];

/// Length of a `Hash` in bytes.
pub const HASH_LENGTH: usize = 32;

/// Returns the parent of two nodes.
pub fn parent(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update(left).chain_update(right).finalize().into()
}

/// Returns the node at this height above padding only. All leaves below the node lie beyond the
/// file's end.
pub(crate) fn zero(height: u32) -> Hash {
    (0..height).fold([0; HASH_LENGTH], |below, _| parent(&below, &below))
}

/// Returns the number of layers above a layer of this many nodes. The root counts as one.
pub(crate) fn layers_above(nodes: u64) -> u32 {
    nodes.max(1).next_power_of_two().trailing_zeros()
}

/// Returns the node `layers` above a run of nodes of this height.
///
/// The run is the beginning of the node's 2^`layers` descendants at this height; the rest of them
/// lies beyond the end of the file.
///
/// # Panics
/// If `nodes` is empty or longer than 2^`layers`.
pub fn root(nodes: &[Hash], height: u32, layers: u32) -> Hash {
    assert!(
        !nodes.is_empty() && nodes.len() as u64 <= 1 << layers,
        "{} nodes below {layers} layers",
        nodes.len()
    );
    let mut row = nodes.to_vec();
    let mut beyond = zero(height);
    for _ in 0..layers {
        row = row.chunks(2).map(|pair| parent(&pair[0], pair.get(1).unwrap_or(&beyond))).collect();
        beyond = parent(&beyond, &beyond);
    }
    row[0]
}

/// Returns the node that a proof leads to.
///
/// `index` is the position of `node` in its layer. `uncles` has one hash per layer, the lowest
/// first.
pub fn climb(node: Hash, index: u64, uncles: &[Hash]) -> Hash {
    let step = |(node, index): (Hash, u64), uncle: &Hash| {
        let above = if index % 2 == 0 { parent(&node, uncle) } else { parent(uncle, &node) };
        (above, index / 2)
    };
    uncles.iter().fold((node, index), step).0
}

/// Returns the uncles of a node up to the root, the lowest first: the proof for [`climb`].
///
/// `layer` holds the known nodes of the node's layer, which has this height; the rest of the layer
/// lies beyond the end of the file.
pub fn uncles(layer: &[Hash], height: u32, index: u64, layers: u32) -> Vec<Hash> {
    let mut row = layer.to_vec();
    let mut beyond = zero(height);
    let mut at = usize::try_from(index).expect("a layer is in memory");
    let mut uncles = Vec::new();
    for _ in 0..layers {
        uncles.push(row.get(at ^ 1).copied().unwrap_or(beyond));
        row = row.chunks(2).map(|pair| parent(&pair[0], pair.get(1).unwrap_or(&beyond))).collect();
        beyond = parent(&beyond, &beyond);
        at /= 2;
    }
    uncles
}

/// Splits concatenated hashes, as they appear in a `.torrent` file and on the wire.
pub fn split(bytes: &[u8]) -> Vec<Hash> {
    bytes.as_chunks().0.to_vec()
}

/// The dimensions of a file's tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Number of blocks in the file.
    pub blocks: u64,
    /// Number of pieces in the file.
    pub pieces: u32,
    /// Height of the root.
    pub height: u32,
    /// Height of the nodes that stand for pieces. The root's height if the file has only one piece.
    pub piece_height: u32,
}

impl Shape {
    /// Returns the dimensions for a file that is not empty; lengths in bytes.
    pub fn new(length: u64, piece_length: u32) -> Self {
        let blocks = length.div_ceil(u64::from(BLOCK_LENGTH));
        let height = layers_above(blocks);
        Self {
            blocks,
            pieces: u32::try_from(length.div_ceil(u64::from(piece_length))).unwrap_or(u32::MAX),
            height,
            piece_height: layers_above(u64::from(piece_length / BLOCK_LENGTH)).min(height),
        }
    }

    /// Returns whether a layer of pieces exists below the root.
    pub(crate) fn has_layer(&self) -> bool {
        self.pieces > 1
    }

    /// Computes the root from the hashes of all pieces.
    ///
    /// # Panics
    /// If the number of hashes is not the number of pieces.
    pub fn root(&self, pieces: &[Hash]) -> Hash {
        assert_eq!(pieces.len(), self.pieces as usize, "one hash a piece");
        root(pieces, self.piece_height, self.height - self.piece_height)
    }

    /// Computes the hash of a piece from the digests of its blocks.
    ///
    /// # Panics
    /// If there are no digests, or more than a piece has blocks.
    pub fn piece(&self, blocks: &[Hash]) -> Hash {
        root(blocks, 0, self.piece_height)
    }
}

/// Returns the digests of the 16 KiB blocks of `bytes`.
pub fn leaves(bytes: &[u8]) -> Vec<Hash> {
    bytes.chunks(BLOCK_LENGTH as usize).map(|block| Sha256::digest(block).into()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BLOCK: usize = BLOCK_LENGTH as usize;

    /// The model: computes the whole tree by recursion over a power of two of leaves.
    fn model(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => unreachable!("a row has a leaf"),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len() / 2);
                Sha256::digest([model(left), model(right)].concat()).into()
            }
        }
    }

    /// Pads leaves with zeros to `length`.
    fn row(leaves: &[Hash], length: usize) -> Vec<Hash> {
        let mut row = leaves.to_vec();
        row.resize(length, [0; 32]);
        row
    }

    fn some(count: usize) -> Vec<Hash> {
        (0..count).map(|at| Sha256::digest(at.to_le_bytes()).into()).collect()
    }

    /// Checks a file's dimensions: blocks, pieces, height, height of its pieces.
    fn check_shape(length: u64, piece_length: u32, expected: (u64, u32, u32, u32)) {
        let shape = Shape::new(length, piece_length);
        assert_eq!(
            (shape.blocks, shape.pieces, shape.height, shape.piece_height),
            expected,
            "{length} {piece_length}"
        );
    }

    #[test]
    fn the_root_of_one_block_is_its_digest() {
        let leaf = leaves(b"a file of one block")[0];
        assert_eq!(<[u8; 32]>::from(Sha256::digest(b"a file of one block")), leaf);
        check_shape(19, 1 << 20, (1, 1, 0, 0));
        assert_eq!(Shape::new(19, 1 << 20).piece(&[leaf]), leaf);
        assert_eq!(Shape::new(19, 1 << 20).root(&[leaf]), leaf);
    }

    #[test]
    fn a_small_file_has_a_tree_only_as_high_as_its_blocks_need() {
        check_shape(3 * BLOCK as u64, 1 << 20, (3, 1, 2, 2));
        check_shape(1 << 20, 1 << 20, (64, 1, 6, 6));
        check_shape((1 << 20) + 1, 1 << 20, (65, 2, 7, 6));
        check_shape(5 << 30, 16 << 20, (327_680, 320, 19, 10));
        assert!(
            !Shape::new(1 << 20, 1 << 20).has_layer()
                && Shape::new((1 << 20) + 1, 1 << 20).has_layer()
        );
    }

    #[test]
    fn a_piece_of_one_block_is_its_own_leaf() {
        check_shape(5 * BLOCK as u64, BLOCK_LENGTH, (5, 5, 3, 0));
        let leaves = some(5);
        assert_eq!(
            Shape::new(5 * BLOCK as u64, BLOCK_LENGTH).root(&leaves),
            model(&row(&leaves, 8))
        );
    }

    #[test]
    fn missing_nodes_of_a_layer_are_the_roots_of_zeros() {
        assert_eq!(zero(0), [0; 32]);
        assert_eq!(zero(3), model(&[[0; 32]; 8]));
    }

    #[test]
    #[should_panic(expected = "5 nodes below 2 layers")]
    fn more_nodes_than_a_tree_has_panic() {
        root(&some(5), 0, 2);
    }

    proptest! {
        #[test]
        fn roots_from_pieces_agree_with_the_whole_tree(
            blocks in 1usize..80,
            piece_blocks in 0u32..5,
        ) {
            let piece_length = BLOCK_LENGTH << piece_blocks;
            let shape = Shape::new((blocks * BLOCK) as u64, piece_length);
            let leaves = some(blocks);
            let pieces: Vec<Hash> =
                leaves.chunks(1 << piece_blocks).map(|piece| shape.piece(piece)).collect();
            prop_assert_eq!(shape.root(&pieces), model(&row(&leaves, blocks.next_power_of_two())));
        }

        #[test]
        fn a_proof_leads_to_the_root_only_at_its_own_position(
            blocks in 2usize..80,
            at in any::<prop::sample::Index>(),
            height in 0u32..3,
        ) {
            let shape = Shape::new((blocks * BLOCK) as u64, BLOCK_LENGTH << height);
            prop_assume!(shape.has_layer());
            let pieces: Vec<Hash> =
                some(blocks).chunks(1 << height).map(|piece| shape.piece(piece)).collect();
            let at = at.index(pieces.len());
            let uncles =
                uncles(&pieces, shape.piece_height, at as u64, shape.height - shape.piece_height);
            prop_assert_eq!(climb(pieces[at], at as u64, &uncles), shape.root(&pieces));
            prop_assert_ne!(climb(pieces[at], at as u64 ^ 1, &uncles), shape.root(&pieces));
            prop_assert_ne!(climb([7; 32], at as u64, &uncles), shape.root(&pieces));
        }
    }
}
