//! What a torrent asked the daemon for, and who in it gets the answer.

use shared_proto::io::FileStat;
use shared_proto::{ConnId, FileRef};

use crate::geometry::{FileIndex, PieceIndex};
use crate::handles::Access;
use crate::hashes::request::HashRequest;
use crate::torrent::ledger::DigestId;

/// What an answer is for.
#[derive(Debug)]
pub(in crate::torrent) enum Op {
    Look(FileIndex, u32),
    Open(FileIndex, FileRef, Access),
    Create(FileIndex, FileRef),
    Sync(FileIndex),
    Stamp(FileIndex),
    /// Another look at a file, with what it should look like.
    Glance(FileIndex, FileStat),
    /// A digest, and the piece whose files are kept open for it.
    Digest(DigestId, Option<PieceIndex>),
    Copy(PieceIndex),
    OpenFound(FileIndex, FileRef),
    /// The new name of a file that was displaced.
    LookAgain(FileIndex),
    /// The digests of a piece's blocks, for a peer.
    Blocks(ConnId, HashRequest),
    Give(ConnId, u32),
    /// Bytes of a film, from the first to the last, that lead to its index.
    ReadIndex(FileIndex, (u64, u64)),
    LoadSharing,
    Web(u64),
    SaveRecord,
    /// That it moves.
    SaveMove,
    /// What lies at a file's new path, and at its old one.
    LookAhead(FileIndex, u32),
    LookBack(FileIndex, u32),
    Move(FileIndex),
    /// A file of a torrent that is removed with its data.
    Delete(FileIndex),
}
