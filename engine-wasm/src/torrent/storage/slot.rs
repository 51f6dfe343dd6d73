//! One file of a torrent, as far as the daemon knows it.

use shared_proto::FileId;
use shared_proto::io::FileStat;

use super::donor::Donor;
use super::origin::Origin;
use super::stamps::Stamp;
use crate::time::Instant;

/// What is known of a file.
#[derive(Debug)]
pub(super) struct Slot {
    /// The name under which it is served.
    pub(super) id: FileId,
    /// Bytes that are verified.
    pub(super) verified: u64,
    /// What it looked like when its content was known and durable; `None` once it is written to.
    pub(super) stamp: Option<Stamp>,
    /// What it looked like last, with nothing written to it by us since.
    pub(super) known: Option<FileStat>,
    /// When it was last written to, or found.
    pub(super) written: Option<Instant>,
    /// Whether it waits for a stamp.
    pub(super) is_dirty: bool,
    /// Whether its stamp is under way, and nothing was written to it since that began.
    pub(super) is_stamping: bool,
    /// Whether it is on the disk, as far as is known.
    pub(super) is_there: bool,
    /// When its viewers last had it looked at.
    pub(super) glanced: Option<Instant>,
    /// How often another program changed it while it was sent.
    pub(super) changes: u32,
    /// Whose it is.
    pub(super) origin: Origin,
    /// Whether we made it, or found it to be ours, since the daemon came. It counts where the file
    /// system does not tell files apart.
    pub(super) is_ours_now: bool,
    /// Whether another file had its name, which is why it has one with a number.
    pub(super) is_displaced: bool,
    /// Names that were tried since a person looked.
    pub(super) names_tried: u32,
    /// The file that had its name, while pieces are copied from there.
    pub(super) donor: Option<Donor>,
}

impl Slot {
    /// A file of which nothing is known.
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

    /// Bytes of the file that it is copied from; 0 when there is none.
    pub(super) fn donated(&self) -> u64 {
        self.donor.as_ref().map_or(0, |donor| donor.length)
    }

    /// Its entity tag. The bytes of a torrent's file never differ. But once a wrong byte may have
    /// been sent, a client must not complete what it kept with right ones.
    pub(super) fn etag(&self) -> String {
        if self.changes == 0 { self.id.0.clone() } else { format!("{}-{}", self.id, self.changes) }
    }

    /// Nothing has its path, as far as is known.
    pub(super) fn is_gone(&mut self, origin: Origin) {
        (self.origin, self.stamp, self.known) = (origin, None, None);
        (self.is_there, self.is_stamping) = (false, false);
    }
}
