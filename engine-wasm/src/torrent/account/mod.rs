//! Bytes that a torrent received and sent, and its rates.

pub(in crate::torrent) mod pace;
pub(in crate::torrent) mod sharing;

use pace::Pace;
use sharing::Goals;

/// Bytes received and sent, and how fast.
#[derive(Debug)]
pub(in crate::torrent) struct Account {
    /// Payload bytes that were useful, since the engine started.
    pub(in crate::torrent) downloaded: u64,
    /// Payload bytes that were discarded.
    pub(in crate::torrent) wasted: u64,
    pub(in crate::torrent) pace: Pace,
    pub(in crate::torrent) sharing: sharing::Account,
    pub(in crate::torrent) goals: Goals,
}
