//! How much to request from a peer in advance with a viewer.
//!
//! A short queue makes seeks fast, because blocks that a peer has begun to send can't be cancelled.
//! But some clients read their requests only at intervals (Transmission does so twice a second) and
//! fall silent in between unless enough is requested at once. So each peer starts with a short
//! queue. The queue grows by the length of each recurring pause during which the peer owed blocks,
//! and shrinks slowly without pauses. This module knows times and no requests.
//!
//! Invariant: the result lies between [`LEAST`] and [`MOST`].

use std::time::Duration;

use crate::time::Instant;

/// Minimum for every peer: our own reaction time and the jitter of a line.
pub(crate) const LEAST: Duration = Duration::from_millis(100);
/// Maximum: twice the longest pause of any known client.
pub const MOST: Duration = Duration::from_secs(1);
/// A pause shorter than this is jitter, unless there are many.
const JITTER: Duration = Duration::from_millis(50);
/// Two pauses within this window count as a pattern; a single one is noise.
const RECURS_WITHIN: Duration = Duration::from_millis(1_500);
/// Interval at which the queue may shrink.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Tolerated sum of all pauses within that interval. Above it the queue grows; below a quarter of
/// it the queue shrinks.
const BEARABLE: Duration = Duration::from_millis(80);
/// Divisor: this fraction of the excess over [`LEAST`] is removed each time.
const SHRINK_PART: u32 = 16;
/// The interval at which pausing clients read their requests.
const PULSE: Duration = Duration::from_millis(500);

/// The queue length of one peer, as a time.
#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    spare: Duration,
    looked: Instant,
    /// Sum of the pauses since then.
    paused: Duration,
    last_pause: Option<Instant>,
}

impl Pipe {
    /// Creates the minimum queue for an unknown peer.
    pub(crate) fn new(now: Instant) -> Self {
        Self { spare: LEAST, looked: now, paused: Duration::ZERO, last_pause: None }
    }

    /// Returns how much to have requested, as a time at the peer's rate. `fastest` is the time of
    /// the peer's fastest reply.
    ///
    /// A pausing peer only sends what was requested, so a quarter more is requested; otherwise a
    /// higher rate would never show.
    pub(crate) fn horizon(&self, fastest: Duration) -> Duration {
        let horizon = fastest + self.spare;
        if self.spare > LEAST + JITTER { horizon * 5 / 4 } else { horizon }
    }

    /// A block arrived after the peer was silent for `silent` although it owed blocks.
    ///
    /// `block_time` is the time that a block takes at its rate.
    pub(crate) fn received(&mut self, silent: Duration, block_time: Duration, now: Instant) {
        let pause = silent.saturating_sub(2 * block_time);
        self.paused += pause;
        let recurs = pause > JITTER
            && self
                .last_pause
                .replace(now)
                .is_some_and(|last| now.saturating_since(last) < RECURS_WITHIN);
        if recurs {
            self.spare = (self.spare + silent).clamp(PULSE, MOST);
            (self.looked, self.paused) = (now, Duration::ZERO);
        } else if now.saturating_since(self.looked) >= LOOK_EVERY {
            if self.paused > BEARABLE {
                self.spare = (self.spare + JITTER).min(MOST);
            } else if self.paused < BEARABLE / 4 {
                self.spare -= (self.spare - LEAST) / SHRINK_PART;
            }
            (self.looked, self.paused) = (now, Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: Duration = Duration::from_millis(16);

    /// Simulates blocks every 16 ms with these silences in each second. Returns the final queue in
    /// milliseconds.
    fn check(silences_ms: &[u64], seconds: u64) -> u128 {
        let mut pipe = Pipe::new(Instant(0));
        for second in 0..seconds {
            let begin = second * 1_000_000;
            for (at, &silent) in (0..).zip(silences_ms) {
                pipe.received(Duration::from_millis(silent), BLOCK, Instant(begin + at * 1_000));
            }
            for block in 1..60 {
                pipe.received(BLOCK, BLOCK, Instant(begin + block * 16_000));
            }
            assert!((LEAST..=MOST).contains(&pipe.spare));
        }
        pipe.spare.as_millis()
    }

    #[test]
    fn a_steady_peer_keeps_a_short_queue() {
        assert_eq!(check(&[], 60), 100);
        assert_eq!(check(&[50, 40], 60), 100, "jitter is no pause");
    }

    #[test]
    fn a_recurring_pause_is_bridged_at_once() {
        assert_eq!(check(&[400], 1), 100, "once is chance");
        assert_eq!(check(&[400, 400], 1), 500);
        assert_eq!(check(&[400, 400, 400], 1), 900);
        assert!(check(&[75; 4], 60) > 300, "nor are many short ones");
        assert_eq!(check(&[5_000], 9), 1_000, "within reason");
    }

    #[test]
    fn an_unneeded_queue_shrinks_slowly() {
        let mut pipe = Pipe::new(Instant(0));
        pipe.received(Duration::from_secs(9), BLOCK, Instant(0));
        pipe.received(Duration::from_secs(9), BLOCK, Instant(0));
        let mut spares = Vec::new();
        for second in 1..=60 {
            pipe.received(BLOCK, BLOCK, Instant(second * 1_000_000));
            spares.push(pipe.spare.as_millis());
        }
        assert!(spares.is_sorted_by(|a, b| a >= b), "{spares:?}");
        assert!(spares[4] > 800 && spares[59] < 250, "{spares:?}");
    }

    #[test]
    fn a_slow_peer_is_not_mistaken_for_a_pausing_one() {
        let mut pipe = Pipe::new(Instant(0));
        pipe.received(Duration::from_millis(300), Duration::from_millis(200), Instant(0));
        assert_eq!(pipe.spare, LEAST);
    }
}
