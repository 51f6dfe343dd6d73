//! The queue: the user's order of torrents, and which of them are active.
//!
//! Owns the order; [`crate::queue`] decides which torrents are active. Torrents that the user never
//! moved come last, in the order in which they were added. Downloads and complete torrents are two
//! queues that share one order: a move passes torrents of its own kind only.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::{Engine, context};
use crate::limits;
use crate::metainfo::InfoHash;
use crate::queue;
use crate::time::Instant;
use crate::view::QueueMove;

/// How often to re-evaluate the queue when no event arrives, because viewers can leave without
/// notice.
const EVERY: Duration = Duration::from_secs(1);
/// State key of the order: info hashes, a line each.
pub(super) const KEY: &str = "queue";

/// The queue's order, and when it was last evaluated.
#[derive(Debug)]
pub(super) struct QueueOrder {
    /// Torrents in the user's order. Torrents that are missing here follow in the order of adding.
    order: Vec<InfoHash>,
    looked: Instant,
}

impl QueueOrder {
    pub(super) fn new(now: Instant) -> Self {
        Self { order: Vec::new(), looked: now }
    }

    /// Restores the stored order; lines that are not info hashes are ignored.
    pub(super) fn restore(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        self.order =
            text.lines().filter_map(|line| line.parse().ok()).take(limits::TORRENTS).collect();
    }

    fn encode(&self) -> Bytes {
        self.order.iter().map(|info_hash| format!("{info_hash}\n")).collect::<String>().into()
    }
}

impl Engine {
    /// Re-evaluates which torrents are active, if it is time.
    pub(super) fn update_queue(&mut self, now: Instant) {
        let is_time =
            self.shared.queue_is_stale || now.saturating_since(self.queue_order.looked) >= EVERY;
        if !self.config.queue.is_limited() || self.root.is_none() || !is_time {
            return;
        }
        (self.shared.queue_is_stale, self.queue_order.looked) = (false, now);
        let ranks: BTreeMap<InfoHash, u64> = self.in_order().into_iter().zip(0..).collect();
        let entries = self.torrents.values().filter_map(|torrent| torrent.queue_entry());
        let entries: Vec<queue::Entry> = entries
            .map(|entry| queue::Entry {
                rank: ranks.get(&entry.torrent).copied().unwrap_or(u64::MAX),
                ..entry
            })
            .collect();
        let turns = queue::running(self.config.queue, entries.clone());
        for queue::Entry { torrent, .. } in entries {
            let turn = turns.contains(&torrent);
            if self.torrents.get(&torrent).is_some_and(|it| it.is_at_work() != turn) {
                self.with(torrent, now, |it, cx| it.take_turn(turn, cx));
            }
        }
    }

    /// Handles a changed limit of active torrents.
    pub(super) fn handle_queue_limit(&mut self, now: Instant) {
        self.shared.queue_is_stale = true;
        if !self.config.queue.is_limited() {
            let all: Vec<InfoHash> = self.torrents.keys().copied().collect();
            all.into_iter()
                .for_each(|info_hash| self.with(info_hash, now, |it, cx| it.take_turn(true, cx)));
        }
    }

    /// Moves a torrent within its queue, and saves the order.
    pub(super) fn move_in_queue(&mut self, info_hash: InfoHash, to: QueueMove, now: Instant) {
        let all = self.in_order();
        let kind = self.only_seeds(info_hash);
        let mut same: Vec<InfoHash> =
            all.iter().copied().filter(|other| self.only_seeds(*other) == kind).collect();
        let Some(at) = same.iter().position(|other| *other == info_hash) else { return };
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
            if self.only_seeds(other) == kind {
                same.next().expect("as many places as torrents")
            } else {
                other
            }
        };
        self.queue_order.order = all.into_iter().map(place).collect();
        self.save_order(now);
        self.shared.queue_is_stale = true;
    }

    /// Removes a torrent from the order.
    pub(super) fn forget_turn(&mut self, info_hash: InfoHash, now: Instant) {
        let before = self.queue_order.order.len();
        self.queue_order.order.retain(|other| *other != info_hash);
        if self.queue_order.order.len() < before {
            let value = Some(self.queue_order.encode()).filter(|order| !order.is_empty());
            let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
            cx.write(KEY.to_owned(), value);
        }
    }

    pub(super) fn save_order(&mut self, now: Instant) {
        if !self.queue_order.order.is_empty() {
            let value = self.queue_order.encode();
            let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
            cx.write(KEY.to_owned(), Some(value));
        }
    }

    /// Returns the position of each torrent and magnet link in its queue, from 1.
    pub(super) fn queue_positions(&self) -> BTreeMap<InfoHash, u32> {
        let mut counts = [0u32; 2];
        let position = |info_hash: InfoHash| {
            let count = &mut counts[usize::from(self.only_seeds(info_hash))];
            *count += 1;
            (info_hash, *count)
        };
        let shown =
            self.in_order().into_iter().filter(|info_hash| !self.removals.hides(*info_hash));
        shown.map(position).collect()
    }

    /// Returns all torrents and magnet links in queue order.
    fn in_order(&self) -> Vec<InfoHash> {
        let places: BTreeMap<InfoHash, usize> =
            self.queue_order.order.iter().copied().zip(0..).collect();
        let torrents = self.torrents.values().map(|torrent| (torrent.added(), torrent.info_hash()));
        let magnets = self.magnets.values().map(|pending| (pending.added(), pending.info_hash()));
        let mut all: Vec<(u64, InfoHash)> = torrents.chain(magnets).collect();
        all.sort_unstable_by_key(|&(added, hash)| {
            (places.get(&hash).copied().unwrap_or(usize::MAX), added, hash)
        });
        all.into_iter().map(|(_, hash)| hash).collect()
    }

    /// Returns whether a torrent has all its wanted files.
    fn only_seeds(&self, info_hash: InfoHash) -> bool {
        self.torrents.get(&info_hash).is_some_and(|torrent| torrent.is_done())
    }
}
