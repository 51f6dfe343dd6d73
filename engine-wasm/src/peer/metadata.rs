//! The messages that transfer an info dictionary (BEP 9, `ut_metadata`).
//!
//! Owns their form and the sizes of blocks; which block to request, and whether a block is right,
//! is decided elsewhere. Invariant: a parsed message names a block that an info dictionary within
//! [`limits::METADATA`] may have, and its data is no longer than a block.

use thiserror::Error;

use crate::limits;
use crate::metainfo::bencode::{self, BencodeError, Value};
use crate::metainfo::encode::Dict;

/// The extension's name in extension handshakes.
pub const EXTENSION: &str = "ut_metadata";
/// The message id that we assign to the extension.
pub(crate) const OUR_ID: u8 = 1;
/// Length in bytes of every block except the last.
pub const BLOCK: u32 = 16 << 10;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetadataMessage<'a> {
    /// A request for a block.
    Request {
        /// Its index.
        block: u32,
    },
    /// A block.
    Data {
        /// Its index.
        block: u32,
        /// Length of the whole info dictionary, bytes.
        total: u32,
        /// The bytes.
        data: &'a [u8],
    },
    /// A rejected request.
    Reject {
        /// The block's index.
        block: u32,
    },
    /// An unknown type of message, to be ignored.
    Unknown,
}

/// Why a payload is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MetadataError {
    /// The payload is not bencoded.
    #[error("a metadata message can't be read: {0}")]
    Bencode(#[from] BencodeError),
    /// A field is missing, of the wrong type or out of bounds.
    #[error("a metadata message has a bad {0:?}")]
    Bad(&'static str),
}

impl<'a> MetadataMessage<'a> {
    /// Parses a payload.
    ///
    /// # Errors
    /// [`MetadataError`]: the peer does not speak the extension.
    pub fn parse(payload: &'a [u8]) -> Result<Self, MetadataError> {
        let document = bencode::parse_prefix(payload)?;
        let root = document.root();
        let number = |key| root.get(key).and_then(Value::uint).ok_or(MetadataError::Bad(key));
        let block = || {
            let block = number("piece")?;
            u32::try_from(block)
                .ok()
                .filter(|&block| block < block_count(limits::METADATA))
                .ok_or(MetadataError::Bad("piece"))
        };
        match number("msg_type")? {
            0 => Ok(Self::Request { block: block()? }),
            1 => {
                let total = u32::try_from(number("total_size")?)
                    .ok()
                    .filter(|total| (1..=limits::METADATA).contains(total));
                let total = total.ok_or(MetadataError::Bad("total_size"))?;
                let data = &payload[document.end()..];
                if data.len() > BLOCK as usize {
                    return Err(MetadataError::Bad("length"));
                }
                Ok(Self::Data { block: block()?, total, data })
            }
            2 => Ok(Self::Reject { block: block()? }),
            _ => Ok(Self::Unknown),
        }
    }

    /// Encodes the payload; empty for an unknown type.
    pub fn encode(&self) -> Vec<u8> {
        let dict =
            |kind, block: u32| Dict::new().int("msg_type", kind).int("piece", i64::from(block));
        match *self {
            Self::Request { block } => dict(0, block).encode(),
            Self::Data { block, total, data } => {
                let mut out = dict(1, block).int("total_size", i64::from(total)).encode();
                out.extend_from_slice(data);
                out
            }
            Self::Reject { block } => dict(2, block).encode(),
            Self::Unknown => Vec::new(),
        }
    }
}

/// Number of blocks of an info dictionary of `size` bytes.
pub(crate) fn block_count(size: u32) -> u32 {
    size.div_ceil(BLOCK)
}

/// Length of a block in bytes; zero beyond the end.
pub(crate) fn block_length(size: u32, block: u32) -> u32 {
    size.saturating_sub(block.saturating_mul(BLOCK)).min(BLOCK)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(payload: &[u8], expected: MetadataMessage<'_>) {
        assert_eq!(MetadataMessage::parse(payload), Ok(expected));
        assert_eq!(expected.encode(), payload);
    }

    fn check_error(payload: &str, expected: &'static str) {
        assert_eq!(
            MetadataMessage::parse(payload.as_bytes()),
            Err(MetadataError::Bad(expected)),
            "{payload}"
        );
    }

    #[test]
    fn the_messages_are_those_of_bep_9() {
        check(b"d8:msg_typei0e5:piecei3ee", MetadataMessage::Request { block: 3 });
        check(b"d8:msg_typei2e5:piecei0ee", MetadataMessage::Reject { block: 0 });
        let data = MetadataMessage::Data { block: 0, total: 34256, data: b"xxx" };
        check(b"d8:msg_typei1e5:piecei0e10:total_sizei34256eexxx", data);
    }

    #[test]
    fn fields_out_of_bounds_are_refused() {
        check_error("le", "msg_type");
        check_error("d8:msg_type1:0e", "msg_type");
        check_error("d8:msg_typei0ee", "piece");
        check_error("d8:msg_typei0e5:piecei-1ee", "piece");
        check_error("d8:msg_typei0e5:piecei4294967296ee", "piece");
        check_error(&format!("d8:msg_typei0e5:piecei{}ee", block_count(limits::METADATA)), "piece");
        check_error("d8:msg_typei1e5:piecei0ee", "total_size");
        check_error("d8:msg_typei1e5:piecei0e10:total_sizei0ee", "total_size");
        check_error("d8:msg_typei1e5:piecei0e10:total_sizei99999999ee", "total_size");
        check_error(
            &format!("d8:msg_typei1e5:piecei0e10:total_sizei9ee{}", "x".repeat(16385)),
            "length",
        );
        assert!(MetadataMessage::parse(b"").is_err());
    }

    #[test]
    fn an_unknown_kind_is_not_refused() {
        assert_eq!(MetadataMessage::parse(b"d8:msg_typei9ee"), Ok(MetadataMessage::Unknown));
    }

    #[test]
    fn blocks_add_up_to_the_whole() {
        for size in [1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK, limits::METADATA] {
            let sum: u32 = (0..block_count(size)).map(|block| block_length(size, block)).sum();
            assert_eq!(sum, size);
            assert_eq!(block_length(size, block_count(size)), 0);
        }
    }

    proptest! {
        #[test]
        fn no_payload_panics(
            at in any::<prop::sample::Index>(),
            bytes in prop::collection::vec(any::<u8>(), 0..8),
        ) {
            let mut payload =
                MetadataMessage::Data { block: 2, total: 40_000, data: b"data" }.encode();
            let at = at.index(payload.len());
            payload.splice(at..at, bytes);
            if let Ok(
                message @ (MetadataMessage::Request { .. }
                | MetadataMessage::Data { .. }
                | MetadataMessage::Reject { .. }),
            ) = MetadataMessage::parse(&payload)
            {
                let again = message.encode();
                prop_assert_eq!(MetadataMessage::parse(&again), Ok(message));
            }
        }
    }
}
