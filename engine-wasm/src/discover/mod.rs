//! Where peers come from: trackers ([`tracker`]), a network of nodes ([`dht`]) and the local network
//! ([`lsd`]); and which peer to dial next ([`candidates`]).

pub(crate) mod candidates;
pub mod dht;
pub(crate) mod external;
pub mod lsd;
pub mod priority;
pub mod tracker;
pub(crate) mod web_seed;

/// Where peers may come from; a person may rule each of them out. What a person, a link or a record
/// names is always taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sources {
    /// The DHT (BEP 5), if there is a node of it.
    pub dht: bool,
    /// Trackers (BEP 3, 15).
    pub trackers: bool,
    /// Other peers (BEP 11).
    pub pex: bool,
    /// The local network (BEP 14).
    pub lsd: bool,
    /// Web servers that hold the files (BEP 19).
    pub web_seeds: bool,
}

impl Default for Sources {
    fn default() -> Self {
        Self { dht: true, trackers: true, pex: true, lsd: true, web_seeds: true }
    }
}
