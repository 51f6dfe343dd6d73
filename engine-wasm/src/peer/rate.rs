//! Measures the rate of a byte stream and the times of its replies.

use std::time::Duration;

use crate::time::Instant;

/// Time constant of the usual average, in seconds.
const TAU_S: f64 = 1.0;
/// Minimum time of measurement before a rate is trusted.
const MIN_SPAN: Duration = Duration::from_millis(200);

/// An exponentially weighted average of bytes per second.
///
/// It is unbiased from the start, because the missing weight of the past is divided out.
#[derive(Clone, Debug)]
pub(crate) struct RateMeter {
    tau_s: f64,
    weighted: f64,
    since: Instant,
    last: Instant,
}

impl RateMeter {
    /// Creates a meter that averages over about a second.
    pub(crate) fn new(now: Instant) -> Self {
        Self::over(TAU_S, now)
    }

    /// Creates a meter with another time constant in seconds. The past of this age has 1/e of the
    /// present's weight.
    pub(crate) fn over(tau_s: f64, now: Instant) -> Self {
        Self { tau_s, weighted: 0.0, since: now, last: now }
    }

    /// Adds bytes that arrived now.
    pub(crate) fn add(&mut self, bytes: u64, now: Instant) {
        self.decay(now);
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no 53 bits")]
        let bytes = bytes as f64;
        self.weighted += bytes / self.tau_s;
    }

    /// Leaves out the last `pause` of the measurement: nothing could have arrived.
    pub(crate) fn skip(&mut self, pause: Duration) {
        self.since = self.since + pause;
        self.last = self.last + pause;
    }

    /// Bytes per second now.
    pub(crate) fn rate_bps(&self, now: Instant) -> u64 {
        let age = now.saturating_since(self.since).max(MIN_SPAN).as_secs_f64();
        let idle = now.saturating_since(self.last).as_secs_f64();
        let seen = 1.0 - (-age / self.tau_s).exp();
        let rate = self.weighted * (-idle / self.tau_s).exp() / seen;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "never negative, far below 2^53"
        )]
        let rate = rate as u64;
        rate
    }

    /// Whether the rate was measured long enough to be trusted.
    pub(crate) fn is_settled(&self, now: Instant) -> bool {
        now.saturating_since(self.since) >= MIN_SPAN && self.weighted > 0.0
    }

    fn decay(&mut self, now: Instant) {
        self.weighted *= (-now.saturating_since(self.last).as_secs_f64() / self.tau_s).exp();
        self.last = now;
    }
}

/// Smallest and smoothed reply time with its mean deviation (RFC 6298 §2).
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplyTime {
    min: Option<Duration>,
    smoothed: Option<(f64, f64)>,
}

impl ReplyTime {
    /// Adds a reply that took this long.
    pub(crate) fn add(&mut self, took: Duration) {
        self.min = Some(self.min.map_or(took, |min| min.min(took)));
        let sample = took.as_secs_f64();
        self.smoothed = Some(match self.smoothed {
            None => (sample, sample / 2.0),
            Some((mean, deviation)) => (
                mean + (sample - mean) / 8.0,
                deviation + ((sample - mean).abs() - deviation) / 4.0,
            ),
        });
    }

    /// The fastest reply so far, or what to assume before the first one.
    pub(crate) fn min(&self) -> Duration {
        self.min.unwrap_or(Duration::from_millis(100))
    }

    /// Time that a reply usually takes; zero before the first one.
    pub(crate) fn usual(&self) -> Duration {
        self.smoothed.map_or(Duration::ZERO, |(mean, _)| Duration::from_secs_f64(mean))
    }

    /// Tolerance for late replies: four mean deviations (RFC 6298 §2).
    pub(crate) fn slack(&self) -> Duration {
        let deviation = self.smoothed.map_or(0.1, |(_, deviation)| deviation);
        Duration::from_secs_f64(4.0 * deviation)
            .clamp(Duration::from_millis(50), Duration::from_secs(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rate: u64, seconds: u64) {
        let mut meter = RateMeter::new(Instant(0));
        for tick in 1..=seconds * 100 {
            meter.add(rate / 100, Instant(tick * 10_000));
        }
        let seen = meter.rate_bps(Instant(seconds * 1_000_000));
        assert!(seen.abs_diff(rate) < rate / 20, "{seen} is not {rate} after {seconds} s");
    }

    #[test]
    fn a_steady_rate_is_seen_early_and_late() {
        check(1_000_000, 1);
        check(1_000_000, 30);
        check(40_000_000, 3);
    }

    #[test]
    fn a_rate_fades_when_nothing_comes() {
        let mut meter = RateMeter::new(Instant(0));
        meter.add(1_000_000, Instant(0));
        assert!(meter.rate_bps(Instant(10_000_000)) < 100);
    }

    #[test]
    fn the_fastest_reply_is_kept() {
        let mut reply = ReplyTime::default();
        for ms in [80, 50, 70, 300] {
            reply.add(Duration::from_millis(ms));
        }
        assert_eq!(reply.min(), Duration::from_millis(50));
        assert!(reply.slack() >= Duration::from_millis(50));
    }
}
