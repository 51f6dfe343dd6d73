//! One tracker of a torrent as pages show it.

use serde::{Deserialize, Serialize};

use super::Sentence;

/// One tracker of a torrent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct TrackerView {
    /// Its URL, which may hold the user's private key.
    pub url: String,
    /// Its tier (BEP 12), from 0.
    pub tier: u32,
    /// Its state.
    pub state: TrackerState,
    /// Seconds until the next announce; `None` when that depends on other trackers.
    pub next_announce_s: Option<u32>,
    /// Number of seeders, according to its last answer.
    pub seeders: Option<u32>,
    /// Number of leechers, according to its last answer.
    pub leechers: Option<u32>,
    /// Its last warning, or the reason of its failure, in English.
    pub message: Option<String>,
    /// The same as a code, for pages to translate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub says: Option<Sentence>,
}

impl TrackerView {
    /// Drops the code and keeps the English message: the HTTP API has no codes.
    pub(crate) fn in_english(self) -> Self {
        Self { says: None, ..self }
    }
}

/// The state of a tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum TrackerState {
    /// Not asked yet, because other trackers come first.
    Idle,
    /// An announce is pending.
    Asking,
    /// The last announce succeeded.
    Working,
    /// The last announce failed.
    Failing,
}
