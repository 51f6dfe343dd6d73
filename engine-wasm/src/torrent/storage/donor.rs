//! Copying what is right in a file that was there before into a file of ours.
//!
//! Owns the found files that pieces are read from, and the copies under way. A piece is hashed
//! where it was found, its bytes are copied, and it is hashed again in our file: only that makes it
//! verified. The found file is never written to.

use std::collections::BTreeMap;

use shared_proto::RootKey;

use crate::geometry::PieceIndex;

/// A file that was there before, under the name that ours wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::torrent) struct Donor {
    pub(in crate::torrent) root: RootKey,
    pub(in crate::torrent) path: Vec<String>,
    pub(in crate::torrent) length: u64,
}

/// Copies under way, by piece: how many are left, and whether one failed.
#[derive(Debug, Default)]
pub(in crate::torrent) struct Copies(pub(in crate::torrent) BTreeMap<PieceIndex, (usize, bool)>);

impl Copies {
    /// Forgets the copies under way of a piece. False when there were none.
    pub(in crate::torrent) fn forget(&mut self, piece: PieceIndex) -> bool {
        self.0.remove(&piece).is_some()
    }

    /// The link is gone, and the copies with it.
    pub(in crate::torrent) fn unlink(&mut self) {
        self.0.clear();
    }
}
