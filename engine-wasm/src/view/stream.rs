//! One viewer's request as pages show it, and what the request waits for.

use serde::{Deserialize, Serialize};

/// One HTTP request of a viewer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct StreamView {
    /// Its torrent.
    pub info_hash: String,
    /// Its file.
    pub file_index: u32,
    /// First byte requested.
    #[cfg_attr(test, ts(type = "number"))]
    pub start: u64,
    /// Last byte requested.
    #[cfg_attr(test, ts(type = "number"))]
    pub end: u64,
    /// First byte that the viewer has not read.
    #[cfg_attr(test, ts(type = "number"))]
    pub position: u64,
    /// What it waits for; `None` while bytes flow.
    pub waiting: Option<WaitView>,
}

/// What a viewer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct WaitView {
    /// The reason.
    pub reason: WaitReason,
    /// Verified pieces in the rest of this request.
    pub have_pieces: u32,
    /// All pieces in the rest of this request.
    pub need_pieces: u32,
    /// Milliseconds until the next byte is expected.
    pub eta_ms: Option<u32>,
    /// Connected peers that have the piece at the cursor.
    pub sources: u32,
}

/// Why a viewer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The bytes are being downloaded.
    Downloading,
    /// The files on the disk are being checked.
    Checking,
    /// No peer is connected.
    NoPeers,
    /// Peers are connected, but none of them has these bytes.
    NoSource,
    /// The torrent is paused or stopped by an error.
    Stopped,
}
