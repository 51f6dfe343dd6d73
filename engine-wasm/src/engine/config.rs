//! What an engine is told once, by whoever starts it.

use crate::api::ApiConfig;
use crate::discover::Sources;
use crate::discover::dht::DhtConfig;
use crate::limits;
use crate::log_tail::LogTail;
use crate::magnet::Patience;
use crate::net::NetConfig;
use crate::peer::way::Ways;
use crate::queue::QueueConfig;
use crate::torrent::Goals;

/// What the engine is told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// When to give up on a magnet link that nobody describes; `None` for never.
    pub magnet_patience: Option<Patience>,
    /// The plain HTTP API.
    pub api: ApiConfig,
    /// Connections of one torrent.
    pub max_connections: usize,
    /// Where peers may come from.
    pub sources: Sources,
    /// Bytes a second from all peers of all torrents together; `None` for no limit.
    pub download_limit_bps: Option<u64>,
    /// Bytes a second to all of them; `None` for no limit.
    pub upload_limit_bps: Option<u64>,
    /// The engine's own sockets.
    pub net: NetConfig,
    /// How peers are talked to.
    pub ways: Ways,
    /// The DHT, which needs the datagrams of [`Config::net`]; `None` for none.
    pub dht: Option<DhtConfig>,
    /// When a torrent has given enough.
    pub goals: Goals,
    /// How many torrents are at work at once.
    pub queue: QueueConfig,
    /// Whether a person changes what [`crate::view::Settings`] names while the engine runs. That is
    /// then kept in the state, and outranks what is said here. In the terminal flags decide, and
    /// nothing else.
    pub adjustable: bool,
    /// Whether a torrent that a page adds is downloaded at once, and does not wait for
    /// [`crate::view::Intent::Decide`].
    pub start_at_once: bool,
    /// Whether a person has read that watching also uploads.
    pub sharing_told: bool,
    /// What was logged last, for reports: empty unless the host subscribes it.
    pub log: LogTail,
    /// Whether a person may have folders shown on this computer, and the download folder changed.
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
            ways: Ways::default(),
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
