//! How far ahead of its line a peer is asked while somebody watches.
//!
//! A short queue is a quick seek: what a peer has begun to send can't be taken back. But a peer
//! that looks at its requests only now and then, as Transmission does twice a second, falls silent
//! in between unless it was asked for enough at once. So each peer begins with little, gets more by
//! as long as it was silent, again and again, while it owed blocks, and slowly less while it never
//! is. It knows times, and nothing of requests.
//!
//! Invariant: what it says lies between [`LEAST`] and [`MOST`].

use std::time::Duration;

use crate::time::Instant;

/// What every peer is asked ahead: our own turn-around and the jitter of a line.
pub(crate) const LEAST: Duration = Duration::from_millis(100);
/// Twice as long as the longest pause that is known of clients.
pub const MOST: Duration = Duration::from_secs(1);
/// A pause shorter than this is jitter, as long as there are few of them.
const JITTER: Duration = Duration::from_millis(50);
/// Two pauses within this time are a manner, one is chance.
const RECURS_WITHIN: Duration = Duration::from_millis(1_500);
/// So often it is looked whether less will do.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// All pauses of that time together: with more of them the peer is asked for more, with less than a
/// quarter of it for less.
const BEARABLE: Duration = Duration::from_millis(80);
/// This share of what is above [`LEAST`] goes, one in so many parts.
const SHRINK_PART: u32 = 16;
/// The pause of clients that are known to pause.
const PULSE: Duration = Duration::from_millis(500);

/// The spare of one peer.
#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    spare: Duration,
    looked: Instant,
    /// Pauses since then, together.
    paused: Duration,
    last_pause: Option<Instant>,
}

impl Pipe {
    /// A peer that nothing is known of.
    pub(crate) fn new(now: Instant) -> Self {
        Self { spare: LEAST, looked: now, paused: Duration::ZERO, last_pause: None }
    }

    /// How much of a peer's rate is to be under way, where the fastest reply takes so long. The
    /// rate of one that pauses is what it was asked for, so a quarter more is asked: else it would
    /// never be seen to send faster.
    pub(crate) fn horizon(&self, fastest: Duration) -> Duration {
        let horizon = fastest + self.spare;
        if self.spare > LEAST + JITTER { horizon * 5 / 4 } else { horizon }
    }

    /// A block came. The peer was silent for so long before it although it could have sent it; at
    /// its rate a block takes `block_time`.
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

    /// Blocks every 16 ms, and before each of `seconds` the silences given; the spare at the end,
    /// in milliseconds.
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
    fn a_peer_that_never_pauses_is_asked_little_ahead() {
        assert_eq!(check(&[], 60), 100);
        assert_eq!(check(&[50, 40], 60), 100, "jitter is no pause");
    }

    #[test]
    fn a_pause_that_comes_back_is_bridged_at_once() {
        assert_eq!(check(&[400], 1), 100, "once is chance");
        assert_eq!(check(&[400, 400], 1), 500);
        assert_eq!(check(&[400, 400, 400], 1), 900);
        assert!(check(&[75; 4], 60) > 300, "nor are many short ones");
        assert_eq!(check(&[5_000], 9), 1_000, "within reason");
    }

    #[test]
    fn what_is_not_needed_goes_slowly() {
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
    fn a_slow_peer_is_not_taken_for_one_that_pauses() {
        let mut pipe = Pipe::new(Instant(0));
        pipe.received(Duration::from_millis(300), Duration::from_millis(200), Instant(0));
        assert_eq!(pipe.spare, LEAST);
    }
}
