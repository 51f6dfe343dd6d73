//! Which torrents are at work, when not all may be at once: in the order that they are given in,
//! and those that somebody watches always.
//!
//! It knows what each torrent wants, and nothing else of it. Invariant: the same torrents in the
//! same states come to the same order, so nobody has to remember whose turn it was.

use std::collections::BTreeSet;

use crate::metainfo::InfoHash;

/// How many torrents may be at work at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueConfig {
    /// Torrents that fetch; `None` for all.
    pub max_downloads: Option<usize>,
    /// Torrents that only give; `None` for all.
    pub max_seeds: Option<usize>,
}

impl QueueConfig {
    /// Whether a torrent may ever have to wait.
    pub(crate) fn is_limited(self) -> bool {
        self.max_downloads.is_some() || self.max_seeds.is_some()
    }
}

/// What a torrent that has work wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// To fetch.
    Fetch,
    /// To give.
    Give,
}

/// A torrent that has work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its place in the order: the lowest goes first.
    pub(crate) rank: u64,
    /// Which.
    pub(crate) torrent: InfoHash,
    /// What it would do.
    pub(crate) work: Work,
    /// Whether somebody waits for its bytes.
    pub(crate) watched: bool,
}

/// Whose turn it is. The watched take their share of the room first.
pub(crate) fn turns(config: QueueConfig, mut entries: Vec<Entry>) -> BTreeSet<InfoHash> {
    entries.sort_unstable_by_key(|entry| (!entry.watched, entry.rank, entry.torrent));
    let mut room = [config.max_downloads, config.max_seeds];
    let mut chosen = BTreeSet::new();
    for entry in entries {
        let room = &mut room[usize::from(entry.work == Work::Give)];
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

    /// Torrents from a picture, in their order: `f` fetches, `g` gives; a capital is watched. Those
    /// whose turn it is are kept in the expected picture, the others are `.`.
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
            work: if letter.eq_ignore_ascii_case(&'f') { Work::Fetch } else { Work::Give },
            watched: letter.is_uppercase(),
        };
        let entries = torrents.chars().enumerate().map(entry).collect();
        let chosen = turns(QueueConfig { max_downloads, max_seeds }, entries);
        let shown: String = torrents
            .chars()
            .enumerate()
            .map(|(at, c)| if chosen.contains(&name(at)) { c } else { '.' })
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn those_that_come_first_in_the_order_go_first() {
        check(None, None, "fgfg", "fgfg");
        check(Some(1), None, "fgfgf", "fg.g.");
        check(Some(2), Some(1), "ffgfgg", "ffg...");
        check(Some(0), Some(0), "fg", "..");
    }

    #[test]
    fn what_is_watched_is_at_work_whatever_the_limits_are() {
        check(Some(1), None, "ffF", "..F");
        check(Some(2), None, "ffF", "f.F");
        check(Some(0), Some(0), "FfGg", "F.G.");
    }
}
