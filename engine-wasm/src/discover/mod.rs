//! Discovery of peers through [`tracker`]s, the [`dht`] and the local network ([`lsd`]).
//!
//! [`candidates`] chooses the next peer to dial.

pub(crate) mod candidates;
pub mod dht;
pub(crate) mod external;
pub mod lsd;
pub mod priority;
pub mod tracker;
pub(crate) mod web_seed;

use std::time::Duration;

/// The sources of peers that the user allows.
///
/// Addresses from the user, a magnet link or a stored record are always accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The DHT (BEP 5), if a node of it is running.
    pub dht: bool,
    /// Trackers (BEP 3, 15).
    pub trackers: bool,
    /// Other peers (BEP 11).
    pub pex: bool,
    /// The local network (BEP 14).
    pub lsd: bool,
    /// Web servers that hold the files (BEP 19).
    pub web_seeds: bool,
    /// Shortest time between two messages about other peers to a peer. BEP 11 asks for a minute.
    pub pex_interval: Duration,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            dht: true,
            trackers: true,
            pex: true,
            lsd: true,
            web_seeds: true,
            pex_interval: Duration::from_secs(60),
        }
    }
}
