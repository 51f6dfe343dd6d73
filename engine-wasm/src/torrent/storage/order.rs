//! The orders of a torrent's storage to the daemon.
//!
//! Owns the orders and the purpose of each answer. It knows no operation ids: the torrent assigns
//! them when it sends an order.

use shared_proto::io::FileStat;
use shared_proto::{FileIdentity, FileRef, IoCommand, OpId, OpenMode, RootKey};

use crate::geometry::{FileIndex, PieceIndex};
use crate::handles::Access;

/// A path below one of the daemon's folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::torrent) struct Location {
    /// The folder.
    pub(in crate::torrent) root: RootKey,
    /// The path below it.
    pub(in crate::torrent) path: Vec<String>,
}

/// An order to the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Order {
    /// Closes a file; there is no answer.
    Close(FileRef),
    /// A request whose answer belongs to this task.
    Ask(Task, Request),
    /// A request whose answer is ignored.
    Tell(Request),
}

/// The purpose of a request, to which its answer belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Task {
    /// Inspects a file, in the round with this number.
    Look(FileIndex, u32),
    /// Opens a file of ours.
    Open(FileIndex, FileRef, Access),
    /// Opens a donor.
    OpenFound(FileIndex, FileRef),
    /// Creates an empty file.
    Create(FileIndex, FileRef),
    /// Makes a file durable for a stamp.
    Sync(FileIndex),
    /// Inspects a file after that.
    Stamp(FileIndex),
    /// Inspects a file between rounds; holds the expected state.
    Glance(FileIndex, FileStat),
    /// Inspects the new name of a displaced file.
    LookAgain(FileIndex),
    /// Copies a span of this piece.
    Copy(PieceIndex),
    /// Inspects the new path of a file in a move. The number is that of the round.
    LookAhead(FileIndex, u32),
    /// Inspects the old path of a file in a move.
    LookBack(FileIndex, u32),
    /// Moves a file.
    Move(FileIndex),
    /// Deletes a file of a torrent that is removed with its files.
    Delete(FileIndex),
}

/// A file operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Request {
    /// Opens a file under a handle. A new file is at least `length` bytes long.
    Open {
        /// The handle.
        file: FileRef,
        /// Its path.
        at: Location,
        /// Minimum length in bytes.
        length: u64,
        /// Whether it may be created or written.
        mode: OpenMode,
    },
    /// Inspects what has a path.
    Stat(Location),
    /// Makes the written bytes of an open file durable.
    Sync(FileRef),
    /// Copies bytes of one open file to the same offset in another.
    Copy {
        /// The file to read.
        from: FileRef,
        /// The file to write.
        to: FileRef,
        /// Offset of the first byte.
        offset: u64,
        /// Number of bytes.
        length: u64,
    },
    /// Moves a file if it still has this identity.
    Move {
        /// The file's identity.
        identity: Option<FileIdentity>,
        /// Its old path.
        from: Location,
        /// Its new path.
        to: Location,
    },
    /// Deletes a file if it still has this identity.
    Delete(Location, Option<FileIdentity>),
}

impl Request {
    /// The command for the daemon, with this operation id.
    pub(in crate::torrent) fn command(self, op: OpId) -> IoCommand {
        match self {
            Self::Open { file, at: Location { root, path }, length, mode } => {
                IoCommand::FileOpen { op, file, root, path, length, mode }
            }
            Self::Stat(Location { root, path }) => IoCommand::FileStat { op, root, path },
            Self::Sync(file) => IoCommand::FileSync { op, file },
            Self::Copy { from, to, offset, length } => {
                IoCommand::FileCopy { op, from, to, offset, length }
            }
            Self::Move { identity, from, to } => IoCommand::FileMove {
                op,
                identity,
                root: from.root,
                from: from.path,
                to_root: to.root,
                to: to.path,
            },
            Self::Delete(Location { root, path }, identity) => {
                IoCommand::FileDelete { op, root, path, identity }
            }
        }
    }
}
