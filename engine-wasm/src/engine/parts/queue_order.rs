//! The user's order of torrents in the queue.
//!
//! Torrents that the user never moved come last, in the order in which they were added.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use crate::limits;
use crate::metainfo::InfoHash;
use crate::time::Instant;
use crate::view::QueueMove;

/// How often to re-evaluate the queue when no event arrives. Viewers can leave without notice.
const EVERY: Duration = Duration::from_secs(1);
/// State key of the order: info hashes, a line each.
pub(crate) const KEY: &str = "queue";

/// The queue's order, and when it was last evaluated.
#[derive(Debug)]
pub(crate) struct QueueOrder {
    /// Torrents in the user's order. Torrents that are missing here follow in the order of adding.
    order: Vec<InfoHash>,
    evaluated: Instant,
    /// The number of the next torrent that is added.
    next: u64,
}

impl QueueOrder {
    /// Starts without torrents.
    pub(crate) fn new(now: Instant) -> Self {
        Self { order: Vec::new(), evaluated: now, next: 0 }
    }

    /// Restores the stored order; lines that are not info hashes are ignored.
    pub(crate) fn restore(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        self.order =
            text.lines().filter_map(|line| line.parse().ok()).take(limits::TORRENTS).collect();
    }

    /// Encodes the order for storage; `None` if the user moved no torrent.
    pub(crate) fn encode(&self) -> Option<Bytes> {
        let lines = self.order.iter().map(|info_hash| format!("{info_hash}\n"));
        (!self.order.is_empty()).then(|| lines.collect::<String>().into())
    }

    /// Returns the number of a torrent that is added now; numbers rise.
    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Returns the number that [`QueueOrder::number`] returns next.
    pub(crate) fn next_number(&self) -> u64 {
        self.next
    }

    /// Notes the number of a restored torrent: later torrents get higher ones.
    pub(crate) fn saw_number(&mut self, number: u64) {
        self.next = self.next.max(number + 1);
    }

    /// Returns whether it is time to evaluate the queue again.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        now.saturating_since(self.evaluated) >= EVERY
    }

    /// Notes that the queue is evaluated now.
    pub(crate) fn set_evaluated(&mut self, now: Instant) {
        self.evaluated = now;
    }

    /// Sorts torrents, each with its number.
    pub(crate) fn sorted(&self, torrents: impl Iterator<Item = (u64, InfoHash)>) -> Vec<InfoHash> {
        let places: BTreeMap<InfoHash, usize> = self.order.iter().copied().zip(0..).collect();
        let mut all: Vec<(u64, InfoHash)> = torrents.collect();
        all.sort_unstable_by_key(|&(added, hash)| {
            (places.get(&hash).copied().unwrap_or(usize::MAX), added, hash)
        });
        all.into_iter().map(|(_, hash)| hash).collect()
    }

    /// Moves a torrent past others of its kind. `all` is the sorted list of all torrents, and
    /// `is_seed` says of which kind a torrent is. Returns whether the torrent is in the list.
    pub(crate) fn shift(
        &mut self,
        info_hash: InfoHash,
        to: QueueMove,
        all: Vec<InfoHash>,
        is_seed: impl Fn(InfoHash) -> bool,
    ) -> bool {
        let kind = is_seed(info_hash);
        let mut same: Vec<InfoHash> =
            all.iter().copied().filter(|other| is_seed(*other) == kind).collect();
        let Some(at) = same.iter().position(|other| *other == info_hash) else { return false };
        let last = same.len() - 1;
        let goal = match to {
            QueueMove::Top => 0,
            QueueMove::Up => at.saturating_sub(1),
            QueueMove::Down => (at + 1).min(last),
            QueueMove::Bottom => last,
        };
        let moved = same.remove(at);
        same.insert(goal, moved);
        let mut same = same.into_iter();
        let place = |other: InfoHash| {
            if is_seed(other) == kind {
                same.next().expect("as many places as torrents")
            } else {
                other
            }
        };
        self.order = all.into_iter().map(place).collect();
        true
    }

    /// Removes a torrent from the order; returns whether it was there.
    pub(crate) fn forget(&mut self, info_hash: InfoHash) -> bool {
        let before = self.order.len();
        self.order.retain(|other| *other != info_hash);
        self.order.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u8) -> InfoHash {
        InfoHash([number; 20])
    }

    /// Moves torrent 2 of 1, 2, 3 and 4. Torrent 3 is a seed.
    fn check_move(to: QueueMove, expected: [u8; 4]) {
        let mut order = QueueOrder::new(Instant(0));
        let all = order.sorted((1..5).map(|number| (number.into(), hash(number))));
        assert!(order.shift(hash(2), to, all, |other| other == hash(3)));
        let sorted = order.sorted((1..5).map(|number| (number.into(), hash(number))));
        assert_eq!(sorted, expected.map(hash), "{to:?}");
        let mut restored = QueueOrder::new(Instant(0));
        restored.restore(&order.encode().unwrap());
        assert_eq!(restored.order, order.order);
    }

    #[test]
    fn a_move_passes_torrents_of_the_same_kind_only() {
        check_move(QueueMove::Top, [2, 1, 3, 4]);
        check_move(QueueMove::Up, [2, 1, 3, 4]);
        check_move(QueueMove::Down, [1, 4, 3, 2]);
        check_move(QueueMove::Bottom, [1, 4, 3, 2]);
    }

    #[test]
    fn an_unknown_torrent_changes_no_order() {
        let mut order = QueueOrder::new(Instant(0));
        assert!(!order.shift(hash(9), QueueMove::Top, vec![hash(1)], |_| false));
        assert_eq!(order.encode(), None);
        assert!(!order.forget(hash(1)));
    }

    #[test]
    fn a_new_torrent_has_a_higher_number_than_restored_ones() {
        let mut order = QueueOrder::new(Instant(0));
        assert_eq!((order.number(), order.number()), (0, 1));
        order.saw_number(7);
        order.saw_number(3);
        assert_eq!(order.number(), 8);
    }
}
