//! The purposes of commands to the daemon.

use shared_proto::ConnId;

use crate::geometry::{FileIndex, FileRange, PieceIndex};
use crate::hashes::request::HashRequest;
use crate::torrent::ledger::DigestId;
use crate::torrent::storage::Task;
use crate::torrent::swarm::web_seeds::RunId;

/// The purpose of a command, which decides where its answer goes.
#[derive(Debug)]
pub(in crate::torrent) enum Op {
    /// A task of the storage.
    Storage(Task),
    /// A digest, and the piece whose files stay open for it.
    Digest(DigestId, Option<PieceIndex>),
    /// The digests of a piece's blocks, for a peer.
    Blocks(ConnId, HashRequest),
    Give(ConnId, u32),
    /// Reading these bytes of a film, first and last, in search of its index.
    ReadIndex(FileIndex, FileRange),
    LoadSharing,
    Web(RunId),
    SaveRecord,
    /// Saving that the torrent moves.
    SaveMove,
}
