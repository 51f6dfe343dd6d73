//! What a torrent asked the daemon for, and who in it gets the answer.

use std::net::SocketAddr;

use shared_proto::io::FileStat;
use shared_proto::{ConnId, FileRef};

use crate::geometry::{Block, FileIndex, PieceIndex};
use crate::handles::Access;
use crate::hashes::request::HashRequest;

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
    Hash(PieceIndex),
    /// A digest of bytes that another program may have changed since: it says nothing any more.
    Stale(PieceIndex),
    /// A piece where it was found, and its copy.
    HashFound(PieceIndex),
    Copy(PieceIndex),
    OpenFound(FileIndex, FileRef),
    /// The new name of a file that was displaced.
    LookAgain(FileIndex),
    Exhibit(PieceIndex, Vec<Vec<SocketAddr>>),
    Proof(PieceIndex),
    /// A block by itself.
    Judge(Block),
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
