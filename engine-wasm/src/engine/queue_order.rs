//! The queue: applies the user's order, and decides which torrents are active.
//!
//! [`crate::queue`] owns the rule. Downloads and complete torrents are two queues that share one
//! order: a move passes torrents of its own kind only.

use std::collections::BTreeMap;

use super::Engine;
use super::parts::QUEUE_KEY;
use crate::metainfo::InfoHash;
use crate::queue;
use crate::time::Instant;
use crate::view::QueueMove;

impl Engine {
    /// Re-evaluates which torrents are active, if it is time.
    pub(super) fn update_queue(&mut self, now: Instant) {
        let is_time = self.common.shared.queue_is_stale || self.decisions.order.is_due(now);
        if !self.config.queue.is_limited() || !self.roots.is_linked() || !is_time {
            return;
        }
        self.common.shared.queue_is_stale = false;
        self.decisions.order.set_evaluated(now);
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
            if self.torrents.get(&torrent).is_some_and(|it| it.is_active() != turn) {
                self.with(torrent, now, |it, cx| it.take_turn(turn, cx));
            }
        }
    }

    /// Handles a changed limit of active torrents.
    pub(super) fn handle_queue_limit(&mut self, now: Instant) {
        self.common.shared.queue_is_stale = true;
        if !self.config.queue.is_limited() {
            let all: Vec<InfoHash> = self.torrents.keys().copied().collect();
            all.into_iter()
                .for_each(|info_hash| self.with(info_hash, now, |it, cx| it.take_turn(true, cx)));
        }
    }

    /// Moves a torrent within its queue, and saves the order.
    pub(super) fn move_in_queue(&mut self, info_hash: InfoHash, to: QueueMove, now: Instant) {
        let all = self.in_order();
        let torrents = &self.torrents;
        let is_seed =
            |other: InfoHash| torrents.get(&other).is_some_and(|torrent| torrent.is_done());
        if self.decisions.order.shift(info_hash, to, all, is_seed) {
            self.save_order(now);
            self.common.shared.queue_is_stale = true;
        }
    }

    /// Removes a torrent from the order.
    pub(super) fn forget_turn(&mut self, info_hash: InfoHash, now: Instant) {
        if self.decisions.order.forget(info_hash) {
            let value = self.decisions.order.encode();
            self.common.context(now).write(QUEUE_KEY.to_owned(), value);
        }
    }

    pub(super) fn save_order(&mut self, now: Instant) {
        if let Some(value) = self.decisions.order.encode() {
            self.common.context(now).write(QUEUE_KEY.to_owned(), Some(value));
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
        let shown = self
            .in_order()
            .into_iter()
            .filter(|info_hash| !self.decisions.removals.hides(*info_hash));
        shown.map(position).collect()
    }

    /// Returns all torrents and magnet links in queue order.
    fn in_order(&self) -> Vec<InfoHash> {
        let torrents = self.torrents.values().map(|torrent| (torrent.added(), torrent.info_hash()));
        let magnets = self.magnets.values().map(|pending| (pending.added(), pending.info_hash()));
        self.decisions.order.sorted(torrents.chain(magnets))
    }

    /// Returns whether a torrent has all its wanted files.
    fn only_seeds(&self, info_hash: InfoHash) -> bool {
        self.torrents.get(&info_hash).is_some_and(|torrent| torrent.is_done())
    }
}
