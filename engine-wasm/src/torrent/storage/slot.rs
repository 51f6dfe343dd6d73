//! A torrent and its open files: opening them when they are needed, and keeping them open while
//! somebody may write to them.
//!
//! Owns which pieces pin their files in [`crate::handles`]. Invariant: a key is armed, and a digest
//! under way, only on files that are pinned. Files of which nothing is wanted come into being only
//! when a piece that they share with a wanted one is written, and then they are as long as what was
//! written: the rest of them is neither made nor paid for. (Some clients keep such shares in a file
//! of their own; then a file that is wanted later has to be put together first, and nobody else can
//! adopt what lies there.)

use shared_proto::FileId;
use shared_proto::io::FileStat;

use crate::time::Instant;
use crate::torrent::storage::donor::Donor;
use crate::torrent::storage::origin::Origin;
use crate::torrent::storage::stamps::Stamp;

/// One of its files, as far as the daemon knows it.
#[derive(Debug)]
pub(in crate::torrent) struct Slot {
    pub(in crate::torrent) id: FileId,
    /// Bytes verified.
    pub(in crate::torrent) verified: u64,
    /// As it was when its content was known and durable; `None` once it is written to.
    pub(in crate::torrent) stamp: Option<Stamp>,
    /// As it was seen last, with nothing written to it by us since.
    pub(in crate::torrent) known: Option<FileStat>,
    /// When it was last written to, or found.
    pub(in crate::torrent) written: Option<Instant>,
    /// Whether it waits for a stamp.
    pub(in crate::torrent) is_dirty: bool,
    /// Whether its stamp is under way, and nothing was written to it since that began.
    pub(in crate::torrent) is_stamping: bool,
    /// Whether it is on the disk, as far as we know.
    pub(in crate::torrent) is_there: bool,
    /// When its viewers last had it looked at.
    pub(in crate::torrent) glanced: Option<Instant>,
    /// How often another program changed it while it was being sent.
    pub(in crate::torrent) changes: u32,
    /// Whose it is.
    pub(in crate::torrent) origin: Origin,
    /// Whether we made it, or found it to be ours, since the daemon came. It counts where the file
    /// system does not tell files apart.
    pub(in crate::torrent) is_ours_now: bool,
    /// Whether another file had its name, so that it has one with a number.
    pub(in crate::torrent) is_displaced: bool,
    /// Names tried since somebody looked.
    pub(in crate::torrent) names_tried: u32,
    /// The file that had its name, while pieces are copied from there.
    pub(in crate::torrent) donor: Option<Donor>,
}

impl Slot {
    /// Bytes of the file that it is copied from; none when it is not.
    pub(in crate::torrent) fn donated(&self) -> u64 {
        self.donor.as_ref().map_or(0, |donor| donor.length)
    }
}

/// What bytes of a piece are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Use {
    /// To be written: the parts that lie in files which we may not write to go nowhere.
    Write,
    /// To be read where the torrent has them.
    Read,
    /// To be read where they may have been found, in the files that ours are copied from.
    Find,
}

impl Slot {
    /// Its entity tag: the bytes of a torrent's file never differ, but once a wrong one may have
    /// been sent, what a client keeps of them is not to be completed with right ones.
    pub(in crate::torrent) fn etag(&self) -> String {
        if self.changes == 0 { self.id.0.clone() } else { format!("{}-{}", self.id, self.changes) }
    }

    pub(in crate::torrent) fn new(id: FileId) -> Self {
        Self {
            id,
            verified: 0,
            stamp: None,
            known: None,
            written: None,
            is_dirty: false,
            is_stamping: false,
            is_there: false,
            glanced: None,
            changes: 0,
            origin: Origin::default(),
            is_ours_now: false,
            is_displaced: false,
            names_tried: 0,
            donor: None,
        }
    }
}
