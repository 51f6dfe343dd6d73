//! Settings of the user, for all torrents and for a single one.

use serde::{Deserialize, Serialize};

use super::Encryption;

/// Settings for all torrents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Download limit of all torrents together, bytes per second; `None` for no limit.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub down_limit_bps: Option<u64>,
    /// Upload limit of all torrents together, bytes per second; `None` for no limit.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub up_limit_bps: Option<u64>,
    /// Most connections of one torrent, 1 to [`crate::limits::MOST_CONNECTIONS_PER_TORRENT`].
    pub max_connections: u32,
    /// Encryption of new connections.
    pub encryption: Encryption,
    /// Whether new connections may use TCP, in both directions.
    pub tcp: bool,
    /// Whether new connections may use uTP (BEP 29). TCP or uTP has to be on.
    pub utp: bool,
    /// Whether the engine takes part in the DHT (BEP 5).
    pub dht: bool,
    /// Whether trackers are used (BEP 3, 15).
    pub trackers: bool,
    /// Whether peers are exchanged with peers (BEP 11).
    pub pex: bool,
    /// Whether web seeds are used (BEP 19).
    pub web_seeds: bool,
    /// Seeding stops at this ratio of uploaded to verified bytes, percent; `None` for never. A
    /// torrent's own setting takes precedence.
    pub ratio_percent: Option<u32>,
    /// Seeding stops after this time, seconds; `None` for never. A torrent's own setting takes
    /// precedence.
    pub seed_s: Option<u32>,
    /// Most torrents that download at once; `None` for no limit.
    pub max_downloads: Option<u32>,
    /// Most complete torrents that seed at once; `None` for no limit.
    pub max_seeds: Option<u32>,
    /// Whether a torrent that a page adds downloads at once. Otherwise it waits for
    /// `Intent::Decide`.
    pub start_at_once: bool,
    /// Whether the user was told that watching also uploads.
    pub sharing_told: bool,
}

/// A torrent's own limits and seeding goals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sharing {
    /// Download limit, bytes per second; `None` for the common limit alone.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub down_limit_bps: Option<u64>,
    /// Upload limit, bytes per second; `None` for the common limit alone.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub up_limit_bps: Option<u64>,
    /// Seeding stops at this ratio of uploaded to verified bytes, percent. `None` for the common
    /// setting.
    pub ratio_percent: Option<u32>,
    /// Seeding stops after this time, seconds; `None` for the common setting.
    pub seed_s: Option<u32>,
}
