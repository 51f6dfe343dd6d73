//! The engine's timers, each with its owner and reason.
//!
//! Owns one queue of times for the whole engine. An owner and a reason identify a timer, which has
//! at most one time. Setting a timer costs a few comparisons, however many torrents there are;
//! finding the next one costs none.

use std::collections::{BTreeMap, BTreeSet};

use crate::metainfo::InfoHash;
use crate::time::Instant;

/// The owner of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerOwner {
    /// The engine itself.
    Engine,
    /// A torrent or magnet link.
    Torrent(InfoHash),
}

/// What to do when a timer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerReason {
    /// A torrent saves its record.
    Record,
    /// A torrent inspects files that were not written to for a while.
    Stamps,
    /// A torrent retries after an error of the disk.
    Retry,
    /// A torrent checks its peers and viewers, or a magnet link its peers.
    Tick,
    /// The HTTP API answers, cleans up or sends events.
    Api,
    /// An incoming connection has not named a torrent in time.
    Arrivals,
    /// The DHT node repeats, refreshes or saves.
    Dht,
    /// Local peer discovery announces (BEP 14).
    LocalDiscovery,
    /// A datagram to a UDP tracker is repeated (BEP 15).
    UdpTrackers,
    /// A state value is written again.
    Writes,
    /// A failed read of the stored state is repeated.
    Loading,
    /// Watch marks are read or written.
    Notes,
    /// A removed torrent can no longer be restored.
    Removals,
}

/// The identity of a timer.
pub(crate) type Timer = (TimerOwner, TimerReason);

/// The next time at which the engine needs [`crate::Input::Timeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout {
    /// The time; one in the past is due at once.
    pub at: Instant,
    /// The owner of the timer.
    pub owner: TimerOwner,
    /// The reason of the timer.
    pub reason: TimerReason,
}

/// All timers of an engine.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    moments: BTreeMap<Timer, Instant>,
    queue: BTreeSet<(Instant, Timer)>,
}

impl Timers {
    /// Sets a timer to another time, or stops it.
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Instant>) {
        if self.moments.get(&timer).copied() == at {
            return;
        }
        if let Some(before) = self.moments.remove(&timer) {
            self.queue.remove(&(before, timer));
        }
        if let Some(at) = at {
            self.moments.insert(timer, at);
            self.queue.insert((at, timer));
        }
    }

    /// Stops all timers of an owner.
    pub(crate) fn stop_all_of(&mut self, owner: TimerOwner) {
        let from = self.moments.range((owner, TimerReason::Record)..).map(|(&timer, _)| timer);
        let theirs: Vec<Timer> = from.take_while(|timer| timer.0 == owner).collect();
        theirs.into_iter().for_each(|timer| self.set(timer, None));
    }

    /// The timer that ends first.
    pub(crate) fn next(&self) -> Option<Timeout> {
        self.queue.first().map(|&(at, (owner, reason))| Timeout { at, owner, reason })
    }

    /// Stops the first timer of a torrent that has ended, and returns it.
    pub(crate) fn take_due_of_torrents(&mut self, now: Instant) -> Option<(InfoHash, TimerReason)> {
        let due = self.queue.iter().take_while(|(at, _)| *at <= now);
        let (timer, info_hash) = due.into_iter().find_map(|&(_, timer)| match timer.0 {
            TimerOwner::Torrent(info_hash) => Some((timer, info_hash)),
            TimerOwner::Engine => None,
        })?;
        self.set(timer, None);
        Some((info_hash, timer.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    const A: TimerOwner = TimerOwner::Torrent(InfoHash([1; 20]));
    const B: TimerOwner = TimerOwner::Torrent(InfoHash([2; 20]));

    fn at(timers: &Timers) -> Option<(Instant, TimerReason)> {
        timers.next().map(|timeout| (timeout.at, timeout.reason))
    }

    #[test]
    fn the_next_timer_is_the_earliest_with_its_reason() {
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        timers.set((A, TimerReason::Tick), Some(Instant(20)));
        timers.set((TimerOwner::Engine, TimerReason::Dht), Some(Instant(10)));
        assert_eq!(at(&timers), Some((Instant(10), TimerReason::Dht)));
        timers.set((TimerOwner::Engine, TimerReason::Dht), Some(Instant(30)));
        assert_eq!(at(&timers), Some((Instant(20), TimerReason::Tick)));
        timers.set((A, TimerReason::Tick), None);
        assert_eq!(at(&timers), Some((Instant(30), TimerReason::Dht)));
    }

    #[test]
    fn a_due_timer_is_taken_once_and_the_engines_own_timers_stay() {
        let mut timers = Timers::default();
        timers.set((TimerOwner::Engine, TimerReason::Api), Some(Instant(1)));
        timers.set((A, TimerReason::Tick), Some(Instant(2)));
        timers.set((B, TimerReason::Record), Some(Instant(3)));
        assert_eq!(timers.take_due_of_torrents(Instant(1)), None);
        let due = timers.take_due_of_torrents(Instant(2));
        assert_eq!(due, Some((InfoHash([1; 20]), TimerReason::Tick)));
        assert_eq!(timers.take_due_of_torrents(Instant(2)), None);
        assert_eq!(at(&timers), Some((Instant(1), TimerReason::Api)));
    }

    #[test]
    fn a_removed_torrent_leaves_no_timer() {
        let mut timers = Timers::default();
        for reason in [TimerReason::Record, TimerReason::Tick, TimerReason::Removals] {
            timers.set((A, reason), Some(Instant(1)));
        }
        timers.set((B, TimerReason::Tick), Some(Instant(2)));
        timers.stop_all_of(A);
        assert_eq!(at(&timers), Some((Instant(2), TimerReason::Tick)));
    }

    proptest! {
        #[test]
        fn the_queue_agrees_with_a_linear_search(
            steps in prop::collection::vec((0u8..3, 0usize..3, prop::option::of(0u64..9)), 0..60),
        ) {
            let reasons = [TimerReason::Record, TimerReason::Retry, TimerReason::Tick];
            let (mut timers, mut plain) = (Timers::default(), BTreeMap::new());
            for (owner, reason, moment) in steps {
                let timer = (TimerOwner::Torrent(InfoHash([owner; 20])), reasons[reason]);
                timers.set(timer, moment.map(Instant));
                match moment {
                    Some(moment) => drop(plain.insert(timer, Instant(moment))),
                    None => drop(plain.remove(&timer)),
                }
                let soonest = plain.iter().map(|(&timer, &at)| (at, timer)).min();
                let next = timers.next().map(|it| (it.at, (it.owner, it.reason)));
                prop_assert_eq!(next, soonest);
            }
        }
    }
}
