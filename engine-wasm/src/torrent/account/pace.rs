//! The download rate, the remaining time, and stalls.
//!
//! The shown rate is that of the last second. The remaining time comes from a slower average, so
//! that one pausing peer does not turn a second into a day. Web seeds count as peers here.

use std::time::Duration;

use crate::peer::rate::RateMeter;
use crate::time::Instant;

/// A longer remaining time is not shown.
const LONGEST_S: u64 = 100 * 24 * 3600;

/// Time without payload, while peers could send some, that counts as a stall.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// Minimum time that the average covers before a remaining time is shown.
const KNOWN_AFTER: Duration = Duration::from_secs(3);

/// Time constant in seconds of the average for the remaining time.
const STEADY_S: f64 = 25.0;

/// The rate of received payload.
#[derive(Debug)]
pub(in crate::torrent) struct Pace {
    recent: RateMeter,
    steady: RateMeter,
    /// When the first payload arrived since downloading began.
    moving_since: Option<Instant>,
    /// Since when payload could arrive and none did; `None` while none could.
    awaited_since: Option<Instant>,
}

impl Pace {
    /// Creates a pace without payload so far.
    pub(in crate::torrent) fn new(now: Instant) -> Self {
        let (recent, steady) = (RateMeter::new(now), RateMeter::over(STEADY_S, now));
        Self { recent, steady, moving_since: None, awaited_since: None }
    }

    /// Payload arrived.
    pub(in crate::torrent) fn add(&mut self, bytes: u64, now: Instant) {
        if self.moving_since.is_none() {
            // The pause before it is not part of the average.
            self.steady = RateMeter::over(STEADY_S, now);
            self.moving_since = Some(now);
        }
        self.recent.add(bytes, now);
        self.steady.add(bytes, now);
        self.awaited_since = self.awaited_since.map(|_| now);
    }

    /// Current rate in bytes per second.
    pub(in crate::torrent) fn rate_bps(&self, now: Instant) -> u64 {
        self.recent.rate_bps(now)
    }

    /// The time in seconds for `bytes` at the average rate, rounded up.
    pub(in crate::torrent) fn time_for(&self, bytes: u64, now: Instant) -> Option<u32> {
        self.moving_since.filter(|since| now.saturating_since(*since) >= KNOWN_AFTER)?;
        let rate = self.steady.rate_bps(now);
        let seconds = bytes.div_ceil(rate.max(1));
        u32::try_from(seconds).ok().filter(|_| rate > 0 && seconds <= LONGEST_S)
    }

    /// Sets whether payload could arrive at this moment.
    pub(in crate::torrent) fn expect(&mut self, could_come: bool, now: Instant) {
        self.awaited_since = could_come.then(|| self.awaited_since.unwrap_or(now));
    }

    pub(in crate::torrent) fn is_stalled(&self, now: Instant) -> bool {
        self.awaited_since.is_some_and(|since| now.saturating_since(since) >= STALLED_AFTER)
    }

    /// Downloading has stopped: later payload starts a new average.
    pub(in crate::torrent) fn rest(&mut self) {
        (self.moving_since, self.awaited_since) = (None, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    /// A pace after `seconds` at `rate` bytes per second and `silent` seconds of silence.
    fn pace(seconds: u64, rate: u64, silent: u64) -> (Pace, Instant) {
        let mut pace = Pace::new(Instant(0));
        pace.expect(true, Instant(0));
        for tick in 1..=seconds * 10 {
            pace.add(rate / 10, Instant(tick * SECOND / 10));
        }
        (pace, Instant((seconds + silent) * SECOND))
    }

    fn check_time(
        seconds: u64,
        rate: u64,
        silent: u64,
        left: u64,
        expected: std::ops::RangeInclusive<u32>,
    ) {
        let (pace, now) = pace(seconds, rate, silent);
        let time = pace.time_for(left, now).expect("a time");
        assert!(expected.contains(&time), "{time} s for {left} bytes after {silent} s of silence");
    }

    #[test]
    fn the_remaining_time_does_not_jump_when_a_peer_pauses() {
        check_time(30, 1_000_000, 0, 10_000_000, 9..=11);
        check_time(30, 1_000_000, 5, 10_000_000, 11..=14);
        check_time(30, 1_000_000, 9, 10_000_000, 13..=17);
        check_time(4, 1_000_000, 0, 10_000_000, 9..=11);
    }

    #[test]
    fn no_time_is_shown_too_early_or_when_meaningless() {
        let (early, now) = pace(2, 1_000_000, 0);
        assert_eq!(early.time_for(10_000_000, now), None);
        let (slow, now) = pace(10, 10, 0);
        assert_eq!(slow.time_for(u64::MAX / 2, now), None);
        assert_eq!(Pace::new(Instant(0)).time_for(1, Instant(60 * SECOND)), None);
    }

    #[test]
    fn a_stall_is_ten_seconds_without_payload_that_could_have_come() {
        let (mut pace, _) = pace(5, 1_000, 0);
        let at = |seconds: u64| Instant(seconds * SECOND);
        assert!(!pace.is_stalled(at(14)) && pace.is_stalled(at(15)));
        pace.add(1, at(15));
        assert!(!pace.is_stalled(at(24)));
        pace.expect(false, at(24));
        assert!(!pace.is_stalled(at(60)), "no source could send anything");
        pace.expect(true, at(60));
        assert!(!pace.is_stalled(at(69)) && pace.is_stalled(at(70)));
    }
}
