//! How long a peer has owed blocks. Times at which it owes nothing do not count.

use std::time::Duration;

use crate::time::Instant;

/// The time for which a peer has owed blocks since its last one.
#[derive(Debug)]
pub(super) struct Debt {
    /// Since when the peer has owed blocks; the time of its last block if that is later.
    owing: Option<Instant>,
    /// When the peer last ceased to owe blocks.
    idle: Instant,
    /// How long the peer has owed blocks since its last one, before `owing`.
    owed: Duration,
}

impl Debt {
    /// No debt yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { owing: None, idle: now, owed: Duration::ZERO }
    }

    /// Returns how long the peer has owed blocks since its last one.
    pub(super) fn silent_for(&self, now: Instant) -> Duration {
        self.owed + self.owing.map_or(Duration::ZERO, |since| now.saturating_since(since))
    }

    /// Returns when the peer last owed blocks: `now` if it owes some.
    pub(super) fn last_owed(&self, now: Instant) -> Instant {
        if self.owing.is_some() { now } else { self.idle }
    }

    /// A block has arrived: the time begins anew.
    pub(super) fn restart(&mut self, now: Instant) {
        self.owed = Duration::ZERO;
        self.owing = self.owing.map(|_| now);
    }

    /// The peer was found silent: the time begins anew, as if it owed blocks.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        (self.owed, self.owing) = (Duration::ZERO, Some(now));
    }

    /// The peer owes blocks now. Returns how long it owed none, if it did not.
    pub(super) fn owes(&mut self, now: Instant) -> Option<Duration> {
        if self.owing.is_some() {
            return None;
        }
        self.owing = Some(now);
        Some(now.saturating_since(self.idle))
    }

    /// The peer owes nothing any more. The time until now counts if it `counts`.
    pub(super) fn owes_nothing(&mut self, counts: bool, now: Instant) {
        if let Some(since) = self.owing.take() {
            if counts {
                self.owed += now.saturating_since(since);
            }
            self.idle = now;
        }
    }
}
