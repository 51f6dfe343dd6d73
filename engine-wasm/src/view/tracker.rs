//! One tracker of a torrent as a page shows it.

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
    /// What it does.
    pub state: TrackerState,
    /// Seconds until the next announce; `None` when that depends on other trackers.
    pub next_announce_s: Option<u32>,
    /// Number of seeders, as the tracker last said.
    pub seeders: Option<u32>,
    /// Number of leechers, as the tracker last said.
    pub leechers: Option<u32>,
    /// Its last warning, or why it failed, in English.
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

/// What a tracker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum TrackerState {
    /// Not asked yet: other trackers come first.
    Idle,
    /// An announce is under way.
    Asking,
    /// The last announce succeeded.
    Working,
    /// The last announce failed.
    Failing,
}
