//! The exchange of the info dictionary with one peer (BEP 9).
//!
//! Invariant: a peer gets at most [`limits::METADATA_COPIES`] copies of the dictionary.

use std::collections::VecDeque;

use super::extension::ExtensionHandshake;
use super::metadata;
use crate::limits;

/// The exchange of the info dictionary with one peer.
#[derive(Debug, Default)]
pub(super) struct MetadataQueue {
    /// The message id that the peer assigned to the extension.
    id: Option<u8>,
    /// Length of the dictionary that the peer offers, in bytes.
    offered: Option<u32>,
    waiting: VecDeque<u32>,
    /// The number of blocks that the peer has received.
    given: u32,
}

impl MetadataQueue {
    /// Reads the peer's extension handshake. A later one may omit the metadata fields.
    pub(super) fn read_handshake(&mut self, hello: &ExtensionHandshake) {
        self.id = hello.next_id(metadata::EXTENSION, self.id);
        let size = hello.metadata_size.filter(|&size| size <= limits::METADATA);
        self.offered = size.or(self.offered);
    }

    /// Returns the message id that the peer assigned to the extension.
    pub(super) fn id(&self) -> Option<u8> {
        self.id
    }

    /// Returns the length of the dictionary that the peer offers, in bytes.
    pub(super) fn offered(&self) -> Option<u32> {
        self.offered
    }

    /// Queues the peer's request for a block of the dictionary, which has `size` bytes.
    ///
    /// Returns false if the block does not exist, or if the peer requests far more blocks than
    /// exist.
    pub(super) fn push(&mut self, block: u32, size: Option<u32>) -> bool {
        let blocks = size.map_or(0, metadata::block_count);
        let waiting = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        let is_too_much =
            self.given.saturating_add(waiting) >= blocks.saturating_mul(limits::METADATA_COPIES);
        if block >= blocks || is_too_much {
            return false;
        }
        self.waiting.push_back(block);
        true
    }

    /// Takes the next block to send.
    pub(super) fn pop(&mut self) -> Option<u32> {
        let block = self.waiting.pop_front()?;
        self.given += 1;
        Some(block)
    }
}
