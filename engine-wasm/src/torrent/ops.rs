//! What an answer of the daemon is for.

use shared_proto::ConnId;

use crate::geometry::{FileIndex, PieceIndex};
use crate::hashes::request::HashRequest;
use crate::torrent::ledger::DigestId;
use crate::torrent::storage::Task;
use crate::torrent::swarm::web_seeds::RunId;

/// What an answer is for.
#[derive(Debug)]
pub(in crate::torrent) enum Op {
    /// What the storage asked for.
    Storage(Task),
    /// A digest, and the piece whose files are kept open for it.
    Digest(DigestId, Option<PieceIndex>),
    /// The digests of a piece's blocks, for a peer.
    Blocks(ConnId, HashRequest),
    Give(ConnId, u32),
    /// Bytes of a film, from the first to the last, that lead to its index.
    ReadIndex(FileIndex, (u64, u64)),
    LoadSharing,
    Web(RunId),
    SaveRecord,
    /// That it moves.
    SaveMove,
}
