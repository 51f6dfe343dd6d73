//! What a torrent is: its metainfo and what follows from it. It never changes.

use std::sync::Arc;

use crate::geometry::Geometry;
use crate::metainfo::Metainfo;

/// What a torrent is.
#[derive(Debug)]
pub(in crate::torrent) struct Content {
    pub(in crate::torrent) meta: Metainfo,
    pub(in crate::torrent) geometry: Arc<Geometry>,
    /// When it was added, as a number that rises.
    pub(in crate::torrent) added: u64,
}
