//! The body of the messages `hash request`, `hashes` and `hash reject` (BEP 52).
//!
//! This module owns the encoding and the arithmetic of a request; it knows no torrent. Invariant:
//! parsing and encoding are inverse, and every hash named by a request that [`HashRequest::fits`] a
//! tree exists in that tree.

use crate::metainfo::merkle::{HASH_LENGTH, Hash, Shape};

/// Length of a request in bytes: root, base layer, index, length, proof layers.
pub(crate) const REQUEST_LENGTH: usize = HASH_LENGTH + 16;
/// Most hashes that we request at once (BEP 52 allows 512).
pub const CHUNK: u32 = 512;
/// Most hashes that we send at once: libtorrent requests a 64 MiB piece as a whole.
pub(crate) const MAX_SENT: u32 = 4_096;

/// A request for hashes of one layer of a file's tree. The answer includes the uncles that prove
/// the hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HashRequest {
    /// Root of the file's tree; it identifies the file.
    pub root: Hash,
    /// Height of the layer above the leaves.
    pub base: u32,
    /// Index of the first hash in its layer; a multiple of `length`.
    pub index: u32,
    /// Number of hashes, a power of two.
    pub length: u32,
    /// Number of layers above the base for which uncles are requested.
    pub proof_layers: u32,
}

impl HashRequest {
    /// Parses a message body. Returns the request and the bytes after it, which are the hashes.
    pub fn parse(body: &[u8]) -> Option<(Self, &[u8])> {
        let (&root, rest) = body.split_first_chunk()?;
        let (numbers, hashes) = rest.split_at_checked(16)?;
        let (&[base, index, length, proof_layers], _) =
            numbers.as_chunks::<4>().0.split_first_chunk()?;
        let [base, index, length, proof_layers] =
            [base, index, length, proof_layers].map(u32::from_be_bytes);
        Some((Self { root, base, index, length, proof_layers }, hashes))
    }

    /// Appends the message body to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.root);
        for number in [self.base, self.index, self.length, self.proof_layers] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }

    /// Returns how many layers above the base the hashes' common ancestor lies.
    pub fn span(&self) -> u32 {
        self.length.max(1).ilog2()
    }

    /// Returns the number of uncles in the answer.
    ///
    /// Uncles below the common ancestor are left out because they follow from the hashes.
    pub fn uncles(&self) -> u32 {
        self.proof_layers.saturating_add(1).saturating_sub(self.span())
    }

    /// Returns whether the request is valid (BEP 52). This tree must have the named hashes.
    pub fn fits(&self, shape: &Shape) -> bool {
        self.length.is_power_of_two()
            && self.length <= MAX_SENT
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

    /// Checks the number of uncles for a number of hashes and of proof layers.
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
    fn only_requests_for_existing_hashes_fit() {
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
        fn parsing_and_encoding_round_trip(body in prop::collection::vec(any::<u8>(), 0..120)) {
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
