//! The effects that the storage returns for other parts to carry out.

use shared_proto::io::OpError;

use super::order::Order;
use crate::geometry::FileIndex;
use crate::view::{Sentence, Trouble};

/// An effect, to be carried out in the order in which effects are returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Effect {
    /// Send this order to the daemon.
    Order(Order),
    /// Announce the place of this file to the daemon.
    Announce(FileIndex),
    /// Announce the places of all files to the daemon.
    AnnounceAll,
    /// Stop reading and writing this file, and close it. Another file may have its path now.
    LetGo(FileIndex),
    /// Close this file.
    Close(FileIndex),
    /// Close the donor of this file.
    CloseDonor(FileIndex),
    /// Close every file.
    CloseAll,
    /// Forget everything known about this file's bytes.
    LoseAll(FileIndex),
    /// Another program changed this file: hash the pieces within its first bytes again.
    Doubt {
        /// The file.
        file: FileIndex,
        /// Bytes that can be read from the start.
        readable: u64,
    },
    /// The missing pieces within this file's first bytes may be on the disk.
    Suspect {
        /// The file.
        file: FileIndex,
        /// Bytes that can be read from the start.
        readable: u64,
    },
    /// Files with verified bytes are missing: the torrent stops and forgets nothing.
    Missing(Vec<FileIndex>),
    /// Inspect all files; hash them again if this is `true`.
    Look(bool),
    /// End the inspection of all files; none is needed any more.
    LookCalledOff,
    /// Continue to hash what is on the disk.
    Check,
    /// Create empty files.
    Create,
    /// An empty file was created; all may exist now.
    Made,
    /// Stop the torrent with this error, which the sentence explains to the user.
    Fail(Trouble, Sentence),
    /// The disk failed with this error.
    DiskTrouble(OpError),
    /// Write the record soon.
    Touch,
    /// Write the record at once.
    Hurry,
    /// Write the record; the answer belongs to the move that begins.
    SaveMove,
    /// A move has ended: all files are at one place.
    Arrived,
    /// A move did not begin.
    MoveCalledOff,
    /// Recompute what is needed.
    WantsAreStale,
    /// Report a change to pages.
    Changed,
}
