//! A token bucket: a burst of actions, then one action per interval.
//!
//! Knows no messages and no peers. Invariant: over any span, at most the burst plus one action per
//! interval is granted.

use std::time::Duration;

use crate::time::Instant;

/// A token bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    most: u32,
    every: Duration,
    left: u32,
    /// The time from which further tokens accrue.
    since: Instant,
}

impl Allowance {
    /// Creates a full bucket: `most` tokens, and one more per `every`, which is not zero.
    pub(crate) fn new((most, every): (u32, Duration), now: Instant) -> Self {
        Self { most, every, left: most, since: now }
    }

    /// Takes a token; returns whether there was one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let intervals = now.saturating_since(self.since).as_micros() / self.every.as_micros();
        let intervals = u32::try_from(intervals).unwrap_or(u32::MAX);
        if self.left.saturating_add(intervals) >= self.most {
            (self.left, self.since) = (self.most, now);
        } else {
            self.left += intervals;
            self.since = self.since + self.every * intervals;
        }
        let may = self.left > 0;
        self.left = self.left.saturating_sub(1);
        may
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EVERY: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Instant {
        Instant(0) + Duration::from_secs(seconds)
    }

    /// Checks at which of these seconds the action is granted.
    fn check(most: u32, seconds: &[u64], expected: &str) {
        let mut allowance = Allowance::new((most, EVERY), at(0));
        let said: String = seconds
            .iter()
            .map(|&second| if allowance.take(at(second)) { '+' } else { '-' })
            .collect();
        assert_eq!(said, expected, "{most} at once, {seconds:?}");
    }

    #[test]
    fn a_burst_is_followed_by_one_action_per_interval() {
        check(2, &[0, 0, 0, 0], "++--");
        check(2, &[0, 0, 9, 10, 10, 19, 20], "++-+--+");
        check(2, &[5, 100, 100, 100], "+++-");
        check(1, &[3, 9, 12, 13], "+--+");
    }

    proptest! {
        #[test]
        fn never_more_is_granted_than_burst_and_intervals_allow(
            most in 1u32..20,
            pauses in prop::collection::vec(0u64..30, 0..200),
        ) {
            let mut allowance = Allowance::new((most, EVERY), at(0));
            let (mut now, mut granted) = (0, 0);
            for pause in pauses {
                now += pause;
                granted += u64::from(allowance.take(at(now)));
            }
            prop_assert!(granted <= u64::from(most) + now / 10);
        }
    }
}
