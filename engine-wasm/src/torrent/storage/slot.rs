//! The last known state of one file of a torrent.

use shared_proto::FileId;
use shared_proto::io::FileStat;

use super::donor::Donor;
use super::origin::Origin;
use super::stamps::Stamp;
use crate::time::Instant;

/// What is known about a file.
#[derive(Debug)]
pub(super) struct Slot {
    /// The id under which it is served.
    pub(super) id: FileId,
    /// Number of verified bytes.
    pub(super) verified: u64,
    /// Its stamp from a time when its content was known and durable. `None` once it is written.
    pub(super) stamp: Option<Stamp>,
    /// Its last known state, if we have not written to it since.
    pub(super) known: Option<FileStat>,
    /// When it was last written or found.
    pub(super) written: Option<Instant>,
    /// Whether it waits for a stamp.
    pub(super) is_dirty: bool,
    /// Whether its stamp is pending. False if we wrote to the file after the stamp began.
    pub(super) is_stamping: bool,
    /// Whether it is on the disk, as far as is known.
    pub(super) is_there: bool,
    /// When it was last inspected for a viewer.
    pub(super) glanced: Option<Instant>,
    /// How often another program changed it while it was served.
    pub(super) changes: u32,
    /// Its origin.
    pub(super) origin: Origin,
    /// Whether we created it, or found it to be ours, since the daemon connected. This counts if
    /// the file system has no identities.
    pub(super) is_ours_now: bool,
    /// Whether the file has a number in its name. Another file had the name.
    pub(super) is_displaced: bool,
    /// Number of names tried since the user last acted.
    pub(super) names_tried: u32,
    /// The file that had its name, while pieces are copied from it.
    pub(super) donor: Option<Donor>,
}

impl Slot {
    /// Creates a slot of which nothing is known.
    pub(super) fn new(id: FileId) -> Self {
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

    /// Length in bytes of its donor; 0 if there is none.
    pub(super) fn donated(&self) -> u64 {
        self.donor.as_ref().map_or(0, |donor| donor.length)
    }

    /// Its entity tag.
    ///
    /// The bytes of a torrent's file never differ. But once wrong bytes may have been sent, a
    /// client must not combine them with later ones.
    pub(super) fn etag(&self) -> String {
        if self.changes == 0 { self.id.0.clone() } else { format!("{}-{}", self.id, self.changes) }
    }

    /// Records that nothing has its path.
    pub(super) fn set_missing(&mut self, origin: Origin) {
        (self.origin, self.stamp, self.known) = (origin, None, None);
        (self.is_there, self.is_stamping) = (false, false);
    }
}
