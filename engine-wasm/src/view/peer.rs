//! One peer of a torrent as pages show it.

use serde::{Deserialize, Serialize};

/// One peer of a torrent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct PeerView {
    /// Its address, `address:port`.
    pub address: String,
    /// The client name that it sent, such as `Transmission 4.0.5`. Untrusted text; `None` if it
    /// sent none.
    pub client: Option<String>,
    /// The transport of its connection.
    pub transport: PeerTransport,
    /// Whether the connection is encrypted.
    pub encrypted: bool,
    /// Whether it connected to us.
    pub incoming: bool,
    /// Its share of the torrent, 0 to 1.
    pub progress: f64,
    /// Download rate from it, bytes of payload per second.
    #[cfg_attr(test, ts(type = "number"))]
    pub down_rate_bps: u64,
    /// Upload rate to it, bytes of payload per second.
    #[cfg_attr(test, ts(type = "number"))]
    pub up_rate_bps: u64,
    /// Bytes of payload downloaded from it.
    #[cfg_attr(test, ts(type = "number"))]
    pub downloaded: u64,
    /// Bytes of payload uploaded to it.
    #[cfg_attr(test, ts(type = "number"))]
    pub uploaded: u64,
    /// Whether we are interested in it.
    pub we_want: bool,
    /// Whether it has unchoked us.
    pub it_gives: bool,
    /// Whether it is interested in us.
    pub it_wants: bool,
    /// Whether we have unchoked it.
    pub we_give: bool,
    /// Whether it owes us blocks and sends none.
    pub snubbing: bool,
}

/// The transport of a peer's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum PeerTransport {
    /// Over TCP.
    Tcp,
    /// Over uTP (BEP 29).
    Utp,
}
