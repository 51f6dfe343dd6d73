//! Hashing everything again because a person wants it, and how far any hashing of what lies there
//! has come.
//!
//! Owns what was verified before, so that a check that is called off leaves things as they were.
//! While it goes on viewers are served from what is hashed already, and what they wait for is
//! hashed first.

use crate::geometry::PieceIndex;

/// A check of what lies on disk.
#[derive(Debug, Default)]
pub(in crate::torrent) struct Recheck {
    /// Pieces that were verified before the check began.
    pub(in crate::torrent) doubted: Vec<PieceIndex>,
    /// Pieces to hash since nothing was left to hash.
    pub(in crate::torrent) total: u32,
    /// Whether a person asked for it.
    pub(in crate::torrent) is_asked: bool,
}
