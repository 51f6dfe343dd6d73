//! What a torrent's storage wants the daemon to do with files.
//!
//! Owns the orders and what each answer is for. It knows no operation numbers: the torrent allots
//! them when it passes an order on.

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

/// What the daemon is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Order {
    /// Close a file. Nothing answers.
    Close(FileRef),
    /// Do something whose answer is for this task.
    Ask(Task, Request),
    /// Do something whose answer is of no interest.
    Tell(Request),
}

/// What an answer of the daemon is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Task {
    /// The round over all files with this number.
    Look(FileIndex, u32),
    /// A file of ours that is being opened.
    Open(FileIndex, FileRef, Access),
    /// A file that ours is copied from, being opened.
    OpenFound(FileIndex, FileRef),
    /// A file without bytes that is being made.
    Create(FileIndex, FileRef),
    /// A file that is made durable for a stamp.
    Sync(FileIndex),
    /// The look after that.
    Stamp(FileIndex),
    /// A look between rounds, and what the file should look like.
    Glance(FileIndex, FileStat),
    /// The new name of a file that was displaced.
    LookAgain(FileIndex),
    /// A stretch of this piece that is copied.
    Copy(PieceIndex),
    /// The new path of a file in a move, in the round with this number.
    LookAhead(FileIndex, u32),
    /// The old path of a file in a move.
    LookBack(FileIndex, u32),
    /// A file that is moved.
    Move(FileIndex),
    /// A file of a torrent that is removed with its data.
    Delete(FileIndex),
}

/// An operation on files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Request {
    /// Opens a file under a number, at least as long as `length` bytes when it is made.
    Open {
        /// Its number.
        file: FileRef,
        /// Its path.
        at: Location,
        /// Least length, bytes.
        length: u64,
        /// Whether it may be made or written to.
        mode: OpenMode,
    },
    /// Looks at what has a path.
    Stat(Location),
    /// Makes what was written to an open file durable.
    Sync(FileRef),
    /// Copies bytes of one open file to the same place in another one.
    Copy {
        /// The file that is read.
        from: FileRef,
        /// The file that is written.
        to: FileRef,
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
    },
    /// Moves a file if it still is this one.
    Move {
        /// Which file it is.
        identity: Option<FileIdentity>,
        /// Its old path.
        from: Location,
        /// Its new path.
        to: Location,
    },
    /// Deletes a file if it still is this one.
    Delete(Location, Option<FileIdentity>),
}

impl Request {
    /// The command for the daemon, under this number.
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
