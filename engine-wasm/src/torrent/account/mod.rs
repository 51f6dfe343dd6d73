//! The torrent's transfer account: bytes received and sent, rates, and seeding goals.

pub(in crate::torrent) mod pace;
pub(in crate::torrent) mod seeding;

use crate::time::Instant;
use pace::Pace;
use seeding::Seeding;

/// Bytes received and sent, and their rates.
#[derive(Debug)]
pub(in crate::torrent) struct Account {
    downloaded: u64,
    wasted: u64,
    /// The download rate.
    pub(in crate::torrent) pace: Pace,
    /// Uploads and seeding goals.
    pub(in crate::torrent) seeding: Seeding,
}

impl Account {
    /// Creates an empty account.
    pub(in crate::torrent) fn new(now: Instant) -> Self {
        Self { downloaded: 0, wasted: 0, pace: Pace::new(now), seeding: Seeding::default() }
    }

    /// Payload arrived, whether useful or not.
    pub(in crate::torrent) fn received(&mut self, bytes: u64, now: Instant) {
        self.downloaded += bytes;
        self.pace.add(bytes, now);
    }

    /// Counts discarded payload.
    pub(in crate::torrent) fn discard(&mut self, bytes: u64) {
        self.wasted += bytes;
    }

    /// Bytes of payload received since the engine started, including discarded ones.
    pub(in crate::torrent) fn downloaded(&self) -> u64 {
        self.downloaded
    }

    /// Bytes of payload discarded since the engine started.
    pub(in crate::torrent) fn wasted(&self) -> u64 {
        self.wasted
    }
}
