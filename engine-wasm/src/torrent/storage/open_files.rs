//! The open files of a torrent: the pieces that pin them, and the values for opening them.

use std::collections::BTreeSet;

use super::order::Order;
use crate::geometry::{FileIndex, PieceIndex};
use crate::handles::{Access, Handles, Key, Which};
use crate::time::Instant;
use crate::torrent::content::Content;

/// The purpose for which bytes of a piece are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Use {
    /// Writing. Parts in files that must not be written are discarded.
    Write,
    /// Reading them where the torrent has them.
    Read,
    /// Reading them where they were found, in donors.
    Find,
}

/// What opening a file depends on besides the storage.
pub(in crate::torrent) struct Given<'a> {
    /// The torrent's content.
    pub(in crate::torrent) content: &'a Content,
    /// Whether a file is selected.
    pub(in crate::torrent) is_wanted: &'a dyn Fn(FileIndex) -> bool,
    /// The open files of all torrents.
    pub(in crate::torrent) handles: &'a mut Handles,
    /// The current time.
    pub(in crate::torrent) now: Instant,
}

/// The result of an attempt to open files.
#[derive(Debug)]
pub(in crate::torrent) struct Opening<T> {
    /// The requested value; `None` if the files can't be opened now.
    pub(in crate::torrent) got: Option<T>,
    /// Orders for the daemon, to be sent in any case and in this order.
    pub(in crate::torrent) orders: Vec<Order>,
}

/// The pieces that keep their files open.
#[derive(Debug, Default)]
pub(super) struct OpenFiles {
    /// Pieces to which a peer may write.
    pinned: BTreeSet<PieceIndex>,
    /// Number of files being opened for writing.
    opening: usize,
    /// Whether any file could be opened for writing since the daemon connected.
    can_write: bool,
}

impl OpenFiles {
    /// Number of files being opened for writing.
    pub(super) fn opening(&self) -> usize {
        self.opening
    }

    /// Records that a file is being opened.
    pub(super) fn begin(&mut self, access: Access) {
        self.opening += usize::from(access == Access::Write);
    }

    /// Records the end of opening a file.
    pub(super) fn end(&mut self, access: Access) {
        self.opening = self.opening.saturating_sub(usize::from(access == Access::Write));
    }

    /// Returns whether any file could be opened for writing since the daemon connected.
    pub(super) fn can_write(&self) -> bool {
        self.can_write
    }

    /// Records that a file could be opened for writing. Returns whether it is the first.
    pub(super) fn set_can_write(&mut self) -> bool {
        !std::mem::replace(&mut self.can_write, true)
    }

    /// Returns whether a peer may write to a piece.
    pub(super) fn is_pinned(&self, piece: PieceIndex) -> bool {
        self.pinned.contains(&piece)
    }

    /// Records that a peer may write to a piece.
    pub(super) fn pin(&mut self, piece: PieceIndex) {
        self.pinned.insert(piece);
    }

    /// Records that no peer may write to a piece. Returns whether one might have.
    pub(super) fn unpin(&mut self, piece: PieceIndex) -> bool {
        self.pinned.remove(&piece)
    }

    /// Records that no peer may write to any piece.
    pub(super) fn unpin_all(&mut self) {
        self.pinned.clear();
    }
}

/// The key of a file of ours in the table of open files.
pub(super) fn own(content: &Content, file: FileIndex) -> Key {
    (content.meta.info_hash, file, Which::Own)
}

/// The key of the donor of a file.
pub(super) fn found(content: &Content, file: FileIndex) -> Key {
    (content.meta.info_hash, file, Which::Found)
}

/// The maximum number of files in any piece.
pub(in crate::torrent) fn most_files_of_a_piece(content: &Content) -> usize {
    let mut most = 0;
    let mut here = (u32::MAX, 0);
    for file in content.geometry.files() {
        let Some(pieces) = content.geometry.pieces_of_file(file) else { continue };
        let (first, last) = (pieces.start().get(), pieces.end().get());
        // Only the first and the last piece of a file can contain other files.
        here = if here.0 == first { (first, here.1 + 1) } else { (first, 1) };
        most = most.max(here.1);
        if last != first {
            here = (last, 1);
        }
    }
    most
}
