//! One tracker of a torrent as a page shows it.

use serde::{Deserialize, Serialize};

/// One tracker of a torrent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct TrackerView {
    /// Its URL. It may hold a key that is this person's alone.
    pub url: String,
    /// Its tier (BEP 12), from 0.
    pub tier: u32,
    /// What it does.
    pub state: TrackerState,
    /// When it is asked again, seconds from now; `None` when that depends on others.
    pub next_announce_s: Option<u32>,
    /// Peers that have everything, as it last said.
    pub seeders: Option<u32>,
    /// Peers that don't, as it last said.
    pub leechers: Option<u32>,
    /// Its last warning, or why it failed, in plain words.
    pub message: Option<String>,
}

/// What a tracker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum TrackerState {
    /// Nothing: others are asked before it.
    Idle,
    /// It is being asked.
    Asking,
    /// It answered.
    Working,
    /// It did not answer, or refused.
    Failing,
}
