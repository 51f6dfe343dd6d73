//! One peer of a torrent as a page shows it.

use serde::{Deserialize, Serialize};

/// One peer of a torrent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct PeerView {
    /// Where it is, `address:port`.
    pub address: String,
    /// What it calls itself, such as `Transmission 4.0.5`: text of a stranger. `None` when it does
    /// not say.
    pub client: Option<String>,
    /// How it is connected.
    pub transport: PeerTransport,
    /// Whether what is said is encrypted.
    pub encrypted: bool,
    /// Whether it connected to us, and not we to it.
    pub incoming: bool,
    /// How much of the torrent it has, 0 to 1.
    pub progress: f64,
    /// Payload that comes from it, bytes a second.
    #[cfg_attr(test, ts(type = "number"))]
    pub down_rate_bps: u64,
    /// Payload that it gets of us, bytes a second.
    #[cfg_attr(test, ts(type = "number"))]
    pub up_rate_bps: u64,
    /// Payload that came from it, bytes.
    #[cfg_attr(test, ts(type = "number"))]
    pub downloaded: u64,
    /// Payload that it got of us, bytes.
    #[cfg_attr(test, ts(type = "number"))]
    pub uploaded: u64,
    /// We want something of it.
    pub we_want: bool,
    /// It lets us have something.
    pub it_gives: bool,
    /// It wants something of us.
    pub it_wants: bool,
    /// We let it have something.
    pub we_give: bool,
    /// It owes blocks, and sends none.
    pub snubbing: bool,
}

/// How a peer is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum PeerTransport {
    /// Over TCP.
    Tcp,
    /// Over uTP (BEP 29).
    Utp,
}
