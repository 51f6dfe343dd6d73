//! The immutable content of a torrent: its metainfo and what follows from it.

use std::sync::Arc;

use crate::geometry::Geometry;
use crate::metainfo::Metainfo;

/// The immutable content of a torrent.
#[derive(Debug)]
pub(in crate::torrent) struct Content {
    pub(in crate::torrent) meta: Metainfo,
    pub(in crate::torrent) geometry: Arc<Geometry>,
    /// A number that rises with each addition of a torrent.
    pub(in crate::torrent) added: u64,
}
