//! Prepares the file that the user will probably open next. At most one file is prepared, in all
//! torrents together.

use super::Engine;
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::torrent::Torrent;
use crate::view::{Position, Sentence};

impl Engine {
    /// Prepares a file, and releases the file that was prepared before.
    ///
    /// # Errors
    /// There is no such torrent or file, or its files are not known yet.
    pub(super) fn prepare(
        &mut self,
        info_hash: &str,
        (file, position): (u32, Option<Position>),
        now: Instant,
    ) -> Result<InfoHash, Sentence> {
        let torrent = self.described(info_hash)?;
        let file = torrent.servable(file).ok_or(Sentence::NoSuchFile { index: file })?;

        let info_hash = torrent.info_hash();
        if let Some(former) = self.prepared.replace(info_hash).filter(|former| *former != info_hash)
        {
            self.with(former, now, Torrent::forget_prepared);
        }
        self.with(info_hash, now, |torrent, cx| torrent.prepare(file, position, cx));
        Ok(info_hash)
    }
}
