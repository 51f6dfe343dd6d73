//! Torrents that are here only while somebody reads them.
//!
//! Owns which ones, and since when nobody may have wanted them; whether somebody reads is the
//! torrent's to say. It is written down under a key of its own for each, before the torrent is:
//! whatever dies in between, nothing stays that nobody asked to keep.

use std::collections::BTreeMap;

use crate::metainfo::InfoHash;
use crate::time::Instant;

/// Where in the daemon's state they are named.
pub(crate) const PREFIX: &str = "temporary/";

/// The key that names one.
pub(crate) fn key(info_hash: InfoHash) -> String {
    format!("{PREFIX}{info_hash}")
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Temporary {
    wanted: BTreeMap<InfoHash, Instant>,
}

impl Temporary {
    /// One more, or one that is wanted again.
    pub(crate) fn touch(&mut self, info_hash: InfoHash, now: Instant) {
        self.wanted.insert(info_hash, now);
    }

    /// All are wanted again: a daemon came, and readers may come back with it.
    pub(crate) fn touch_all(&mut self, now: Instant) {
        self.wanted.values_mut().for_each(|since| *since = now);
    }

    /// It stays, or is gone. True when it was temporary.
    pub(crate) fn forget(&mut self, info_hash: InfoHash) -> bool {
        self.wanted.remove(&info_hash).is_some()
    }

    pub(crate) fn has(&self, info_hash: InfoHash) -> bool {
        self.wanted.contains_key(&info_hash)
    }

    /// Each with the last moment at which somebody asked for it.
    pub(crate) fn all(&self) -> impl Iterator<Item = (InfoHash, Instant)> + '_ {
        self.wanted.iter().map(|(&info_hash, &since)| (info_hash, since))
    }
}
