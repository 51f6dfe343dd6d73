//! What a person wants done with a torrent's files: which of them to fetch, to hash them again, where they are to lie.
//!
//! Owns what is checked before a torrent hears of it, and the words for what can't be done.

use super::Engine;
use crate::geometry::FileIndex;
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::torrent::Torrent;
use crate::view::FilePriority;

impl Engine {
    /// Wants files more or less than before.
    pub(super) fn set_priorities(
        &mut self,
        info_hash: &str,
        files: &[FilePriority],
        now: Instant,
    ) -> Result<InfoHash, String> {
        let torrent = self.described(info_hash)?;
        let count = torrent.file_count();
        if let Some(unknown) = files.iter().find(|file| file.index >= count) {
            return Err(format!("There is no file {} in this torrent.", unknown.index));
        }
        let info_hash = torrent.info_hash();
        let changes: Vec<_> = files.iter().map(|file| (FileIndex(file.index), file.priority)).collect();
        self.with(info_hash, now, |torrent, cx| torrent.set_priorities(&changes, cx));
        Ok(info_hash)
    }

    /// Hashes all of a torrent again.
    pub(super) fn recheck(&mut self, info_hash: &str, now: Instant) -> Result<InfoHash, String> {
        let info_hash = self.described(info_hash)?.info_hash();
        let mut outcome = Ok(());
        self.with(info_hash, now, |torrent, cx| outcome = torrent.recheck(cx));
        outcome.map(|()| info_hash)
    }

    /// Calls that off.
    pub(super) fn cancel_recheck(&mut self, info_hash: &str, now: Instant) -> Result<InfoHash, String> {
        let info_hash = self.described(info_hash)?.info_hash();
        self.with(info_hash, now, Torrent::cancel_recheck);
        Ok(info_hash)
    }

    /// A torrent whose files are known.
    fn described(&self, info_hash: &str) -> Result<&Torrent, String> {
        let info_hash = self.known(info_hash)?;
        self.torrents.get(&info_hash).ok_or_else(|| "This torrent's files are not known yet.".to_owned())
    }
}
