//! The settings of the API: patience, clean-up and the number of torrents.

use std::time::Duration;

use crate::limits;

/// The settings of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiConfig {
    /// How many times the metadata of a magnet link is requested; at least once.
    pub retries: u32,
    /// Pause between two attempts.
    pub retry_delay: Duration,
    /// Time limit of each attempt.
    pub metadata_timeout: Duration,
    /// How long a temporary torrent without readers is kept. After that the torrent and its data
    /// are removed.
    pub cleanup_delay: Duration,
    /// Number of torrents from which the API refuses to add others.
    pub max_torrents: usize,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            retries: 3,
            retry_delay: Duration::from_secs(5),
            metadata_timeout: Duration::from_secs(30),
            cleanup_delay: Duration::from_secs(120),
            max_torrents: limits::TORRENTS,
        }
    }
}

impl ApiConfig {
    /// Returns the total time limit for the metadata of a magnet link.
    pub(crate) fn patience(&self) -> Duration {
        let attempts = self.retries.max(1);
        self.metadata_timeout * attempts + self.retry_delay * (attempts - 1)
    }
}
