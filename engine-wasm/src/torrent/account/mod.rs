//! Bytes that a torrent received and sent, its rates, and when it has seeded enough.

pub(in crate::torrent) mod pace;
pub(in crate::torrent) mod seeding;

use crate::time::Instant;
use pace::Pace;
use seeding::Seeding;

/// Bytes received and sent, and how fast.
#[derive(Debug)]
pub(in crate::torrent) struct Account {
    downloaded: u64,
    wasted: u64,
    /// How fast payload comes.
    pub(in crate::torrent) pace: Pace,
    /// What was uploaded, and how much is enough.
    pub(in crate::torrent) seeding: Seeding,
}

impl Account {
    /// Nothing came and nothing went.
    pub(in crate::torrent) fn new(now: Instant) -> Self {
        Self { downloaded: 0, wasted: 0, pace: Pace::new(now), seeding: Seeding::default() }
    }

    /// Payload came, useful or not.
    pub(in crate::torrent) fn received(&mut self, bytes: u64, now: Instant) {
        self.downloaded += bytes;
        self.pace.add(bytes, now);
    }

    /// Payload is discarded.
    pub(in crate::torrent) fn discard(&mut self, bytes: u64) {
        self.wasted += bytes;
    }

    /// Bytes of payload received since the engine started, the discarded ones included.
    pub(in crate::torrent) fn downloaded(&self) -> u64 {
        self.downloaded
    }

    /// Bytes of payload discarded since the engine started.
    pub(in crate::torrent) fn wasted(&self) -> u64 {
        self.wasted
    }
}
