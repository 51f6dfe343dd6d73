//! What the user sets: for all torrents, and how one torrent shares.

use serde::{Deserialize, Serialize};

use super::Encryption;

/// What a person sets for all torrents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Bytes a second from all peers and web servers together; `None` for no limit.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub down_limit_bps: Option<u64>,
    /// Bytes a second to all peers together; `None` for no limit.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub up_limit_bps: Option<u64>,
    /// Connections of one torrent, 1 to [`crate::limits::MOST_CONNECTIONS_PER_TORRENT`].
    pub max_connections: u32,
    /// How new connections are encrypted.
    pub encryption: Encryption,
    /// Whether new connections, both ways, may be over TCP.
    pub tcp: bool,
    /// Whether they may be over uTP (BEP 29). One of both is needed.
    pub utp: bool,
    /// Whether the DHT is asked for peers, and answers others (BEP 5).
    pub dht: bool,
    /// Whether trackers are asked for peers (BEP 3, 15).
    pub trackers: bool,
    /// Whether peers are asked for further ones, and told of them (BEP 11).
    pub pex: bool,
    /// Whether web servers that a torrent names are fetched from (BEP 19).
    pub web_seeds: bool,
    /// A torrent rests when it has given so many bytes for each hundred that it has; `None` for
    /// never. What is set for one torrent goes before.
    pub ratio_percent: Option<u32>,
    /// A torrent rests when it has offered everything for so many seconds; `None` for never. What
    /// is set for one torrent goes before.
    pub seed_s: Option<u32>,
    /// Torrents that fetch at once; `None` for all.
    pub max_downloads: Option<u32>,
    /// Complete torrents that give at once; `None` for all.
    pub max_seeds: Option<u32>,
    /// Whether a torrent that a page adds is downloaded at once, and does not wait for
    /// `Intent::Decide`.
    pub start_at_once: bool,
    /// Whether a person has read that watching also uploads.
    pub sharing_told: bool,
}

/// How a torrent shares with others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sharing {
    /// Bytes a second that it may take; `None` for no limit but that of all together.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub down_limit_bps: Option<u64>,
    /// Bytes a second that it may give; `None` for no limit but that of all together.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub up_limit_bps: Option<u64>,
    /// It rests when it has given so many bytes for each hundred that it has; `None` for what is
    /// usual.
    pub ratio_percent: Option<u32>,
    /// It rests when it has offered everything for so many seconds; `None` for what is usual.
    pub seed_s: Option<u32>,
}
