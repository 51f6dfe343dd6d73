//! What of a torrent is verified, and what is being verified.

pub(in crate::torrent) mod recheck;

use std::collections::{BTreeMap, VecDeque};

use shared_proto::OpId;

use crate::geometry::{Block, PieceIndex};
use crate::hashes::trees::Trees;
use crate::pick::piece_map::PieceMap;
use crate::pick::suspects::Suspects;
use recheck::Recheck;

/// Which pieces and blocks are verified, and which digests are under way.
#[derive(Debug)]
pub(in crate::torrent) struct Ledger {
    pub(in crate::torrent) pieces: PieceMap,
    pub(in crate::torrent) trees: Trees,
    pub(in crate::torrent) suspects: Suspects,
    pub(in crate::torrent) recheck: Recheck,
    /// Complete pieces that wait until their files can be open.
    pub(in crate::torrent) to_hash: VecDeque<PieceIndex>,
    /// The newest digest of each block that is verified by itself.
    pub(in crate::torrent) judging: BTreeMap<Block, OpId>,
    /// Digests of pieces on the disk that are under way.
    pub(in crate::torrent) checking: usize,
    /// Unchecked pieces that a record names: the likeliest to be there.
    pub(in crate::torrent) check_first: VecDeque<PieceIndex>,
}
