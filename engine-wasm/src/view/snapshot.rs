//! Everything that a page shows at one moment, and what of it belongs to no torrent.
//!
//! Owns [`Snapshot`], the daemon's folders and the router's port mapping.

use serde::{Deserialize, Serialize};

use super::{NoticeView, RemovedView, Settings, StreamView, TorrentView};

/// Everything a page shows, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// All torrents, newest first.
    pub torrents: Vec<TorrentView>,
    /// The folders that the daemon lets torrents lie in.
    pub roots: Vec<RootView>,
    /// All requests of viewers that are under way.
    pub streams: Vec<StreamView>,
    /// The port at which peers connect; `None` when they don't.
    pub listen_port: Option<u16>,
    /// Whether the router lets them in; `None` where it is not asked.
    pub port_mapping: Option<PortMappingView>,
    /// What counts for all torrents; `None` where it can't be changed, or is not known yet.
    pub settings: Option<Settings>,
    /// What a person has to know about the engine as a whole, while it is so.
    #[serde(default)]
    pub notices: Vec<NoticeView>,
    /// Torrents that were just removed and can be brought back, newest first.
    #[serde(default)]
    pub removed: Vec<RemovedView>,
    /// Whether a person can have folders shown and the download folder changed
    /// (`Intent::ShowInFolder`, `Intent::SetDownloadFolder`).
    #[serde(default)]
    pub folders: bool,
}

/// A folder that torrents may lie in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct RootView {
    /// Its name for programs.
    pub key: String,
    /// Its name for people.
    pub label: String,
    /// Bytes that are free where it lies; `None` when the daemon can't tell.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub free_bytes: Option<u64>,
    /// Bytes in all there.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub total_bytes: Option<u64>,
    /// Its absolute path; empty where the daemon does not say.
    #[serde(default)]
    pub path: String,
}

/// What the router lets in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct PortMappingView {
    /// How far it is.
    pub state: MappingState,
    /// The port at the router.
    pub port: Option<u16>,
    /// Its address out there, if it says; one behind another router may have one that is not the
    /// internet's.
    pub address: Option<String>,
    /// How it was asked.
    pub by: Option<MappedBy>,
    /// Why it lets nothing in, in plain words.
    pub message: Option<String>,
}

/// How far the router is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum MappingState {
    /// It is being asked.
    Asking,
    /// It lets the port in.
    Mapped,
    /// It does not, or there is none.
    Failed,
}

/// How a router was asked to let a port in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum MappedBy {
    /// Port Control Protocol (RFC 6887).
    Pcp,
    /// NAT Port Mapping Protocol (RFC 6886).
    NatPmp,
    /// UPnP's Internet Gateway Device.
    Upnp,
}
