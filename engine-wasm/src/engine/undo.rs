//! Removed torrents that the user can still restore.
//!
//! During the undo period a torrent is only hidden and stopped: its record and files stay, so that
//! a restart restores it. Afterwards [`super::removing`] removes it, whether or not a page is open.

use super::Engine;
use super::parts::Due;
use crate::io::Output;
use crate::magnet::Pending;
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::torrent::Torrent;
use crate::view::Sentence;

impl Engine {
    /// Hides and stops a torrent, and starts its undo period.
    pub(super) fn hide_removed(&mut self, info_hash: InfoHash, delete_data: bool, now: Instant) {
        let name = self.torrents.get(&info_hash).map(|torrent| torrent.name().to_owned());
        let name =
            name.or_else(|| self.magnets.get(&info_hash).map(Pending::name)).unwrap_or_default();
        self.with(info_hash, now, Torrent::set_aside);
        self.with_magnet(info_hash, now, Pending::set_aside);
        self.decisions.removals.begin(info_hash, name, delete_data, now);
        self.common.out.push_back(Output::Changed);
    }

    /// Restores a removed torrent.
    ///
    /// # Errors
    /// The undo period is over, or the torrent was not removed.
    pub(super) fn undo_remove(
        &mut self,
        info_hash: &str,
        now: Instant,
    ) -> Result<InfoHash, Sentence> {
        let info_hash: InfoHash = info_hash.parse().map_err(|_| Sentence::NoSuchTorrent)?;

        if self.bring_back(info_hash, now) {
            return Ok(info_hash);
        }
        Err(Sentence::UndoTooLate)
    }

    /// Restores a torrent if it is in its undo period; returns whether it was.
    pub(super) fn bring_back(&mut self, info_hash: InfoHash, now: Instant) -> bool {
        if !self.decisions.removals.undo(info_hash) {
            return false;
        }
        let linked = self.roots.is_linked();
        self.with(info_hash, now, |torrent, cx| torrent.bring_back(linked, cx));
        self.with_magnet(info_hash, now, Pending::bring_back);
        self.common.out.push_back(Output::Changed);
        true
    }

    /// Returns when the next undo period ends.
    pub(super) fn removals_timeout(&self) -> Option<Instant> {
        self.decisions.removals.next().filter(|_| self.loading.is_over() && self.roots.is_linked())
    }

    /// Removes the torrents whose undo period is over.
    pub(super) fn finish_removals(&mut self, now: Instant) {
        while self.removals_timeout().is_some_and(|due| due <= now) {
            match self.decisions.removals.poll(now) {
                Some(Due::Show) => self.common.out.push_back(Output::Changed),
                Some(Due::Remove { info_hash, delete_data }) => {
                    if !self.remove(info_hash, delete_data, None, now) {
                        self.decisions.removals.end(info_hash, None, now);
                    }
                }
                None => return,
            }
        }
    }
}
