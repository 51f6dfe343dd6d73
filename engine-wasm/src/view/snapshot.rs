//! The state of everything that pages show, at one moment.
//!
//! Owns [`Snapshot`], the daemon's folders and the router's port mapping.

use serde::{Deserialize, Serialize};
use shared_proto::io;

use super::{NoticeView, RemovedView, Settings, StreamView, TorrentView, Why};
use crate::mapping::Report;

/// The state of everything that pages show, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// All torrents, newest first.
    pub torrents: Vec<TorrentView>,
    /// The download folders, the default first.
    pub roots: Vec<RootView>,
    /// All requests of viewers.
    pub streams: Vec<StreamView>,
    /// The port on which the engine listens; `None` when it does not.
    pub listen_port: Option<u16>,
    /// The router's port mapping; `None` if no mapping is requested.
    pub port_mapping: Option<PortMappingView>,
    /// Settings for all torrents. `None` if they can't be changed or are not loaded yet.
    pub settings: Option<Settings>,
    /// Notices about the engine as a whole.
    #[serde(default)]
    pub notices: Vec<NoticeView>,
    /// Torrents just removed that can be brought back, newest first.
    #[serde(default)]
    pub removed: Vec<RemovedView>,
    /// Whether the user can have folders shown and change the download folder
    /// (`Intent::ShowInFolder`, `Intent::SetDownloadFolder`).
    #[serde(default)]
    pub folders: bool,
}

/// A download folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct RootView {
    /// Its key.
    pub key: String,
    /// The label to show.
    pub label: String,
    /// Free bytes on its disk; `None` if the daemon can't tell.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub free_bytes: Option<u64>,
    /// Size of its disk, bytes.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub total_bytes: Option<u64>,
    /// Its absolute path; empty if the daemon does not say.
    #[serde(default)]
    pub path: String,
}

/// A port mapping at the router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct PortMappingView {
    /// Its state.
    pub state: MappingState,
    /// The port at the router.
    pub port: Option<u16>,
    /// The router's external address, if it gives one. Behind another router this may not be a
    /// public address.
    pub address: Option<String>,
    /// The protocol that made the mapping.
    pub by: Option<MappedBy>,
    /// Why the mapping failed, in English.
    pub message: Option<String>,
    /// The same as a kind of failure, for pages to translate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub why: Option<Why>,
}

impl PortMappingView {
    /// Drops the code and keeps the English message: the HTTP API has no codes.
    pub(crate) fn in_english(self) -> Self {
        Self { why: None, ..self }
    }
}

impl From<Option<&Report>> for PortMappingView {
    fn from(report: Option<&Report>) -> Self {
        let (mapping, error) = match report {
            None => (None, None),
            Some(Ok(mapping)) => (Some(mapping), None),
            Some(Err(error)) => (None, Some(error)),
        };
        Self {
            state: match report {
                None => MappingState::Asking,
                Some(Ok(_)) => MappingState::Mapped,
                Some(Err(_)) => MappingState::Failed,
            },
            port: mapping.map(|mapping| mapping.port),
            address: mapping.and_then(|mapping| mapping.address).map(|address| address.to_string()),
            by: mapping.map(|mapping| mapping.by.into()),
            message: error.map(|error| error.message.clone()),
            why: error.map(Why::from),
        }
    }
}

/// The state of a port mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum MappingState {
    /// The router is being asked.
    Asking,
    /// The port is mapped.
    Mapped,
    /// The router refused, or there is none.
    Failed,
}

/// A protocol for port mappings.
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

impl From<io::MappedBy> for MappedBy {
    fn from(by: io::MappedBy) -> Self {
        match by {
            io::MappedBy::Pcp => Self::Pcp,
            io::MappedBy::NatPmp => Self::NatPmp,
            io::MappedBy::Upnp => Self::Upnp,
        }
    }
}
