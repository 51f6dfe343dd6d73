//! The messages by which peers give each other parts of hash trees (BEP 52): their body and what a
//! valid one may ask.
//!
//! Owns the form and the arithmetic of a request; it knows no torrent. Invariant: what is parsed
//! and written again is the same, and a request that [`HashRequest::fits`] a tree names hashes that
//! the tree has.

use crate::metainfo::merkle::{HASH_LENGTH, Hash, Shape};

/// Bytes of a request: root, base layer, index, length, proof layers.
pub const REQUEST_LENGTH: usize = HASH_LENGTH + 16;
/// Most hashes asked for in one go (BEP 52: no more than 512).
pub const CHUNK: u32 = 512;
/// Most hashes given in one go: what libtorrent asks for, a piece of 64 MiB whole.
pub const MOST_GIVEN: u32 = 4_096;

/// Asks for hashes of one layer of a file's tree, and for the uncles that prove them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HashRequest {
    /// Which file, by its root.
    pub root: Hash,
    /// Height of the layer, from the leaves.
    pub base: u32,
    /// First hash.
    pub index: u32,
    /// How many, a power of two.
    pub length: u32,
    /// Layers above the base whose uncles are wanted.
    pub proof_layers: u32,
}

impl HashRequest {
    /// Reads the body of a message; what follows are the hashes, if it carries any.
    pub fn parse(body: &[u8]) -> Option<(Self, &[u8])> {
        let (&root, rest) = body.split_first_chunk()?;
        let (numbers, hashes) = rest.split_at_checked(16)?;
        let (&[base, index, length, proof_layers], _) =
            numbers.as_chunks::<4>().0.split_first_chunk()?;
        let [base, index, length, proof_layers] =
            [base, index, length, proof_layers].map(u32::from_be_bytes);
        Some((Self { root, base, index, length, proof_layers }, hashes))
    }

    /// Appends the body of a message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.root);
        for number in [self.base, self.index, self.length, self.proof_layers] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }

    /// Height of the hashes' common ancestor above the base.
    pub fn span(&self) -> u32 {
        self.length.max(1).ilog2()
    }

    /// Number of uncles that belong to the answer: those below the common ancestor follow from the
    /// hashes themselves.
    pub fn uncles(&self) -> u32 {
        self.proof_layers.saturating_add(1).saturating_sub(self.span())
    }

    /// Whether it names hashes of such a tree, in the way that BEP 52 allows, and not too many.
    pub fn fits(&self, shape: &Shape) -> bool {
        self.length.is_power_of_two()
            && self.length <= MOST_GIVEN
            && self.index.is_multiple_of(self.length)
            && self.base < shape.height
            && self.proof_layers < shape.height - self.base
            && u64::from(self.index) + u64::from(self.length) <= 1 << (shape.height - self.base)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Checks how many uncles come with so many hashes and proof layers.
    fn check_uncles(length: u32, proof_layers: u32, expected: u32) {
        assert_eq!(
            HashRequest { root: [0; 32], base: 0, index: 0, length, proof_layers }.uncles(),
            expected
        );
    }

    #[test]
    fn uncles_that_follow_from_the_hashes_are_left_out() {
        check_uncles(2, 0, 0);
        check_uncles(2, 1, 1);
        check_uncles(2, 5, 5);
        check_uncles(4, 1, 0);
        check_uncles(4, 2, 1);
        check_uncles(4, u32::MAX, u32::MAX - 2);
        check_uncles(512, 8, 0);
        check_uncles(512, 9, 1);
        check_uncles(512, 0, 0);
        check_uncles(1, 3, 4);
    }

    #[test]
    fn only_hashes_that_a_tree_has_are_asked_for() {
        let shape = Shape::new(20 << 20, 1 << 20);
        let good = HashRequest { root: [0; 32], base: 0, index: 64, length: 64, proof_layers: 10 };
        assert_eq!(shape.height, 11);
        assert!(good.fits(&shape));
        for bad in [
            HashRequest { length: 0, ..good },
            HashRequest { length: 48, ..good },
            HashRequest { length: 1 << 13, ..good },
            HashRequest { index: 32, ..good },
            HashRequest { index: 2048, ..good },
            HashRequest { index: u32::MAX - 63, ..good },
            HashRequest { base: 11, ..good },
            HashRequest { base: u32::MAX, ..good },
            HashRequest { proof_layers: 11, ..good },
        ] {
            assert!(!bad.fits(&shape), "{bad:?}");
        }
        assert!(!good.fits(&Shape::new(5, 1 << 20)), "a file of one block has no layer to ask for");
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_alike(body in prop::collection::vec(any::<u8>(), 0..120)) {
            match HashRequest::parse(&body) {
                None => prop_assert!(body.len() < REQUEST_LENGTH),
                Some((request, hashes)) => {
                    let mut out = Vec::new();
                    request.encode(&mut out);
                    out.extend_from_slice(hashes);
                    prop_assert_eq!(out, body);
                    let _ = (request.uncles(), request.fits(&Shape::new(5 << 30, 1 << 24)));
                }
            }
        }
    }
}
