//! Whose turn it is, when not all torrents may be at work at once, and the order that a person gave
//! them.
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

/// The order of torrents, and when it was looked at last.
#[derive(Debug)]
pub(super) struct Turns {
    /// Torrents in the order in which a person put them; those that are missing come behind them.
    order: Vec<InfoHash>,
    looked: Instant,
}

impl Turns {
    pub(super) fn new(now: Instant) -> Self {
        Self { order: Vec::new(), looked: now }
    }

    /// An order that an earlier engine wrote down. Lines that are no info hash are passed over.
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
    /// Whose turn it is, when not all torrents may be at work at once.
    pub(super) fn tend_queue(&mut self, now: Instant) {
        let is_time =
            self.shared.queue_is_stale || now.saturating_since(self.turns.looked) >= EVERY;
        if !self.config.queue.is_limited() || self.root.is_none() || !is_time {
            return;
        }
        (self.shared.queue_is_stale, self.turns.looked) = (false, now);
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

    /// Another number of torrents may be at work at once.
    pub(super) fn queue_changed(&mut self, now: Instant) {
        self.shared.queue_is_stale = true;
        if !self.config.queue.is_limited() {
            let all: Vec<InfoHash> = self.torrents.keys().copied().collect();
            all.into_iter()
                .for_each(|info_hash| self.with(info_hash, now, |it, cx| it.take_turn(true, cx)));
        }
    }

    /// Moves a torrent among those of its kind, and writes the order down.
    pub(super) fn move_in_queue(&mut self, info_hash: InfoHash, to: QueueMove, now: Instant) {
        let all = self.in_order();
        let kind = self.gives_only(info_hash);
        let mut same: Vec<InfoHash> =
            all.iter().copied().filter(|other| self.gives_only(*other) == kind).collect();
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
            if self.gives_only(other) == kind {
                same.next().expect("as many places as torrents")
            } else {
                other
            }
        };
        self.turns.order = all.into_iter().map(place).collect();
        self.save_order(now);
        self.shared.queue_is_stale = true;
    }

    /// A torrent is gone.
    pub(super) fn forget_turn(&mut self, info_hash: InfoHash, now: Instant) {
        let before = self.turns.order.len();
        self.turns.order.retain(|other| *other != info_hash);
        if self.turns.order.len() < before {
            let value = Some(self.turns.encode()).filter(|order| !order.is_empty());
            let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
            cx.write(KEY.to_owned(), value);
        }
    }

    pub(super) fn save_order(&mut self, now: Instant) {
        if !self.turns.order.is_empty() {
            let value = self.turns.encode();
            let mut cx = context(&mut self.rng, self.peer_id, &mut self.shared, &mut self.out, now);
            cx.write(KEY.to_owned(), Some(value));
        }
    }

    /// The place of each torrent and magnet link among those of its kind, from 1.
    pub(super) fn queue_positions(&self) -> BTreeMap<InfoHash, u32> {
        let mut counts = [0u32; 2];
        let position = |info_hash: InfoHash| {
            let count = &mut counts[usize::from(self.gives_only(info_hash))];
            *count += 1;
            (info_hash, *count)
        };
        let shown = self.in_order().into_iter().filter(|info_hash| !self.leavers.hides(*info_hash));
        shown.map(position).collect()
    }

    /// All torrents and magnet links in the order in which they have their turn.
    fn in_order(&self) -> Vec<InfoHash> {
        let places: BTreeMap<InfoHash, usize> = self.turns.order.iter().copied().zip(0..).collect();
        let torrents = self.torrents.values().map(|torrent| (torrent.added(), torrent.info_hash()));
        let magnets = self.magnets.values().map(|pending| (pending.added(), pending.info_hash()));
        let mut all: Vec<(u64, InfoHash)> = torrents.chain(magnets).collect();
        all.sort_unstable_by_key(|&(added, hash)| {
            (places.get(&hash).copied().unwrap_or(usize::MAX), added, hash)
        });
        all.into_iter().map(|(_, hash)| hash).collect()
    }

    /// Whether a torrent has everything that is wanted of it.
    fn gives_only(&self, info_hash: InfoHash) -> bool {
        self.torrents.get(&info_hash).is_some_and(|torrent| torrent.is_done())
    }
}
