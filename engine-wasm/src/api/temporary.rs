//! Torrents that exist only while they are read.
//!
//! This module owns which torrents are temporary, and when each was last requested; the torrent
//! itself knows its readers. Each is stored under its own key before the torrent is stored, so that
//! no crash turns a temporary torrent into a permanent one.

use std::collections::BTreeMap;

use crate::metainfo::InfoHash;
use crate::time::Instant;

/// Key prefix of temporary torrents in the daemon's state.
pub(crate) const PREFIX: &str = "temporary/";

/// Returns the key of a temporary torrent.
pub(crate) fn key(info_hash: InfoHash) -> String {
    format!("{PREFIX}{info_hash}")
}

/// The temporary torrents.
#[derive(Debug, Default)]
pub(crate) struct Temporary {
    wanted: BTreeMap<InfoHash, Instant>,
}

impl Temporary {
    /// Adds a torrent, or notes that it was requested again.
    pub(crate) fn touch(&mut self, info_hash: InfoHash, now: Instant) {
        self.wanted.insert(info_hash, now);
    }

    /// Notes a request for all of them: after a reconnect, readers may come back.
    pub(crate) fn touch_all(&mut self, now: Instant) {
        self.wanted.values_mut().for_each(|since| *since = now);
    }

    /// Removes a torrent that becomes permanent or is deleted. Returns whether it was temporary.
    pub(crate) fn forget(&mut self, info_hash: InfoHash) -> bool {
        self.wanted.remove(&info_hash).is_some()
    }

    pub(crate) fn has(&self, info_hash: InfoHash) -> bool {
        self.wanted.contains_key(&info_hash)
    }

    /// Returns each torrent with the time when it was last requested.
    pub(crate) fn all(&self) -> impl Iterator<Item = (InfoHash, Instant)> + '_ {
        self.wanted.iter().map(|(&info_hash, &since)| (info_hash, since))
    }
}
