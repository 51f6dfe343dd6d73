//! What the storage wants done outside of itself.

use shared_proto::io::OpError;

use super::order::Order;
use crate::geometry::FileIndex;
use crate::view::{Sentence, Trouble};

/// What is to be done, in the order in which effects are returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Effect {
    /// The daemon is to do this.
    Order(Order),
    /// The daemon is to know where this file lies.
    Announce(FileIndex),
    /// The daemon is to know where all files lie.
    AnnounceAll,
    /// Nothing more may be written to this file or read from it, and it is to be closed: what is
    /// open may be another file than what has its path.
    LetGo(FileIndex),
    /// This file is to be closed.
    Close(FileIndex),
    /// The file that this one was copied from is to be closed.
    CloseDonor(FileIndex),
    /// Every file is to be closed.
    CloseAll,
    /// Nothing that was known of this file's bytes holds any more.
    LoseAll(FileIndex),
    /// Another program changed this file. The pieces within its first bytes are to be hashed again.
    Doubt {
        /// Which file.
        file: FileIndex,
        /// Bytes that can be read from the beginning.
        readable: u64,
    },
    /// The missing pieces within this file's first bytes may be on the disk.
    Suspect {
        /// Which file.
        file: FileIndex,
        /// Bytes that can be read from the beginning.
        readable: u64,
    },
    /// Files with verified bytes are not there: the torrent stops and forgets nothing.
    Missing(Vec<FileIndex>),
    /// All files are to be looked at, and hashed again if this is `true`.
    Look(bool),
    /// No look at all files is under way any more, and none is needed.
    LookCalledOff,
    /// What lies on the disk is to be hashed further.
    Check,
    /// Files without bytes are to be made.
    Create,
    /// A file without bytes was made: all may be there now.
    Made,
    /// The torrent stops, and this tells the user why.
    Fail(Trouble, Sentence),
    /// The disk could not do what was needed.
    DiskTrouble(OpError),
    /// The record is to be written soon.
    Touch,
    /// The record is to be written at once.
    Hurry,
    /// The record is to be written, and the answer is for the move that begins.
    SaveMove,
    /// All files arrived where they were to go, or are back.
    Arrived,
    /// A move did not begin.
    MoveCalledOff,
    /// What is wanted is to be worked out anew.
    WantsAreStale,
    /// Pages are to be told.
    Changed,
}
