//! The keys by which the daemon diverts blocks from a connection to the disk.
//!
//! A key is the index of the piece and the offset in it, as in a `piece` message (BEP 3).

use shared_proto::io::DivertKey;

use crate::geometry::{BLOCK_LENGTH, Block, Geometry};

/// The key of a block.
pub(crate) fn key_of(block: Block) -> DivertKey {
    let mut key = [0; 8];
    key[..4].copy_from_slice(&block.piece().get().to_be_bytes());
    key[4..].copy_from_slice(&block.begin().get().to_be_bytes());
    key
}

/// The block that a key identifies; `None` if the torrent has none there.
pub(crate) fn block_of(key: DivertKey, geometry: &Geometry) -> Option<Block> {
    let [a, b, c, d, e, f, g, h] = key;
    let (piece, begin) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
    let block = geometry.blocks(geometry.piece(piece)?).get(begin / BLOCK_LENGTH)?;
    (block.begin().get() == begin).then_some(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::testing;

    #[test]
    fn a_key_identifies_its_block_and_no_other_place() {
        let geometry = Geometry::new(2 * BLOCK_LENGTH, &[100_000]).unwrap();
        for (piece, index) in [(0, 0), (0, 1), (3, 0)] {
            let block = testing::block(piece, index);
            assert_eq!(block_of(key_of(block), &geometry), Some(block));
        }
        let check = |piece: u32, begin: u32| {
            let key = [piece.to_be_bytes(), begin.to_be_bytes()].concat();
            assert_eq!(block_of(key.try_into().unwrap(), &geometry), None, "{piece} {begin}");
        };
        check(4, 0);
        check(0, 1);
        check(0, 2 * BLOCK_LENGTH);
        check(3, BLOCK_LENGTH);
        check(u32::MAX, u32::MAX - (BLOCK_LENGTH - 1));
    }
}
