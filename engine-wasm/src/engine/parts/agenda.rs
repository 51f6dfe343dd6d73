//! What the engine must do later: settle torrents at the end of a turn, and wake up for timers.

use std::collections::BTreeSet;

use crate::metainfo::InfoHash;
use crate::timers::Timers;

/// The torrents to settle, and the timers.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    unsettled: BTreeSet<InfoHash>,
    /// The timers of the engine, of torrents and of magnet links.
    pub(crate) timers: Timers,
}

impl Agenda {
    /// Adds a torrent or magnet link to those to settle.
    pub(crate) fn unsettle(&mut self, info_hash: InfoHash) {
        self.unsettled.insert(info_hash);
    }

    /// Removes and returns the next torrent or magnet link to settle.
    pub(crate) fn next_unsettled(&mut self) -> Option<InfoHash> {
        self.unsettled.pop_first()
    }
}
