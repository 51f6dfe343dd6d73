//! The torrent queue: chooses which torrents run when not all may run at once.
//!
//! Torrents run in queue order; watched torrents always run. This module knows what each torrent
//! needs to do and nothing else about it. Invariant: the result depends only on the given entries,
//! so no state is kept between calls.

use std::collections::BTreeSet;

use crate::metainfo::InfoHash;

/// Limits on the number of torrents that run at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueConfig {
    /// Most torrents that download; `None` for no limit.
    pub max_downloads: Option<usize>,
    /// Most torrents that only seed; `None` for no limit.
    pub max_seeds: Option<usize>,
}

impl QueueConfig {
    /// Returns whether any limit is set.
    pub(crate) fn is_limited(self) -> bool {
        self.max_downloads.is_some() || self.max_seeds.is_some()
    }
}

/// What a torrent in the queue would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Download.
    Download,
    /// Seed.
    Seed,
}

/// A torrent that has work to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Position in the queue; the lowest runs first.
    pub(crate) rank: u64,
    /// The torrent.
    pub(crate) torrent: InfoHash,
    /// What the torrent would do.
    pub(crate) work: Work,
    /// Whether a viewer is present.
    pub(crate) watched: bool,
}

/// Returns the torrents that run. Watched torrents count towards the limits first.
pub(crate) fn running(config: QueueConfig, mut entries: Vec<Entry>) -> BTreeSet<InfoHash> {
    entries.sort_unstable_by_key(|entry| (!entry.watched, entry.rank, entry.torrent));
    let mut room = [config.max_downloads, config.max_seeds];
    let mut chosen = BTreeSet::new();
    for entry in entries {
        let room = &mut room[usize::from(entry.work == Work::Seed)];
        if entry.watched || *room != Some(0) {
            *room = room.map(|left| left.saturating_sub(1));
            chosen.insert(entry.torrent);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a queue given as text, in queue order.
    ///
    /// `f` downloads, `g` seeds; a capital letter is watched. The expected text has `.` for each
    /// torrent that waits.
    fn check(
        max_downloads: Option<usize>,
        max_seeds: Option<usize>,
        torrents: &str,
        expected: &str,
    ) {
        let name = |at: usize| InfoHash([u8::try_from(99 - at).unwrap(); 20]);
        let entry = |(at, letter): (usize, char)| Entry {
            rank: at as u64,
            torrent: name(at),
            work: if letter.eq_ignore_ascii_case(&'f') { Work::Download } else { Work::Seed },
            watched: letter.is_uppercase(),
        };
        let entries = torrents.chars().enumerate().map(entry).collect();
        let chosen = running(QueueConfig { max_downloads, max_seeds }, entries);
        let shown: String = torrents
            .chars()
            .enumerate()
            .map(|(at, c)| if chosen.contains(&name(at)) { c } else { '.' })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_queue_order_decides() {
        check(None, None, "fgfg", "fgfg");
        check(Some(1), None, "fgfgf", "fg.g.");
        check(Some(2), Some(1), "ffgfgg", "ffg...");
        check(Some(0), Some(0), "fg", "..");
    }

    #[test]
    fn watched_torrents_run_regardless_of_limits() {
        check(Some(1), None, "ffF", "..F");
        check(Some(2), None, "ffF", "f.F");
        check(Some(0), Some(0), "FfGg", "F.G.");
    }
}
