//! How often something may happen: so many times at once, and then once in a while.
//!
//! Knows no message and no peer. Invariant: over any span no more is granted than what may happen
//! at once and one for each interval in it.

use std::time::Duration;

use crate::time::Instant;

/// What may still happen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    most: u32,
    every: Duration,
    left: u32,
    /// From when on what is left grows.
    since: Instant,
}

impl Allowance {
    /// So many times at once, and one more after each interval, which is not zero.
    pub(crate) fn new((most, every): (u32, Duration), now: Instant) -> Self {
        Self { most, every, left: most, since: now }
    }

    /// It is to happen: whether it may.
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

    /// At which of these seconds it may happen.
    fn check(most: u32, seconds: &[u64], expected: &str) {
        let mut allowance = Allowance::new((most, EVERY), at(0));
        let said: String = seconds
            .iter()
            .map(|&second| if allowance.take(at(second)) { '+' } else { '-' })
            .collect();
        assert_eq!(said, expected, "{most} at once, {seconds:?}");
    }

    #[test]
    fn so_often_at_once_and_then_once_in_a_while() {
        check(2, &[0, 0, 0, 0], "++--");
        check(2, &[0, 0, 9, 10, 10, 19, 20], "++-+--+");
        check(2, &[5, 100, 100, 100], "+++-");
        check(1, &[3, 9, 12, 13], "+--+");
    }

    proptest! {
        #[test]
        fn no_more_is_granted_than_was_promised(most in 1u32..20, pauses in prop::collection::vec(0u64..30, 0..200)) {
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
