//! The engine's configuration at its start.

use crate::api::ApiConfig;
use crate::discover::Sources;
use crate::discover::dht::DhtConfig;
use crate::limits;
use crate::log_tail::LogTail;
use crate::magnet::Patience;
use crate::net::NetConfig;
use crate::peer::policy::ConnectionPolicy;
use crate::queue::QueueConfig;
use crate::torrent::Goals;

/// The configuration that a host passes to a new engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// When to give up on the metadata of a magnet link; `None` for never.
    pub magnet_patience: Option<Patience>,
    /// The plain HTTP API.
    pub api: ApiConfig,
    /// Most connections of one torrent.
    pub max_connections: usize,
    /// Where peers may come from.
    pub sources: Sources,
    /// Download limit for all torrents together, bytes per second; `None` for no limit.
    pub download_limit_bps: Option<u64>,
    /// Upload limit for all torrents together, bytes per second; `None` for no limit.
    pub upload_limit_bps: Option<u64>,
    /// The engine's own sockets.
    pub net: NetConfig,
    /// The transports and the encryption of peer connections.
    pub policy: ConnectionPolicy,
    /// The DHT; `None` disables it. It needs the datagram sockets of [`Config::net`].
    pub dht: Option<DhtConfig>,
    /// When a torrent stops seeding.
    pub goals: Goals,
    /// How many torrents are active at once.
    pub queue: QueueConfig,
    /// Whether the user can change [`crate::view::Settings`] while the engine runs. Saved settings
    /// then override the values here. The terminal program leaves this off: only its flags count.
    pub adjustable: bool,
    /// Whether a torrent that a page adds starts at once, without [`crate::view::Intent::Decide`].
    pub start_at_once: bool,
    /// Whether the user has seen the notice that watching also uploads.
    pub sharing_told: bool,
    /// The last log lines, for problem reports. Empty unless the host subscribes the tail to
    /// `tracing`.
    pub log: LogTail,
    /// Whether intents may open the file manager and change the download folder.
    pub folders: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            magnet_patience: None,
            api: ApiConfig::default(),
            max_connections: limits::CONNECTIONS_PER_TORRENT,
            sources: Sources::default(),
            download_limit_bps: None,
            upload_limit_bps: None,
            net: NetConfig::default(),
            policy: ConnectionPolicy::default(),
            dht: None,
            goals: Goals::default(),
            queue: QueueConfig::default(),
            adjustable: false,
            start_at_once: true,
            sharing_told: false,
            log: LogTail::default(),
            folders: false,
        }
    }
}
