//! What the user has to know about the engine as a whole, and about torrents just removed.

use serde::{Deserialize, Serialize};

/// Something that a person has to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct NoticeView {
    /// What it is about.
    pub kind: NoticeKind,
    /// Plain words: what is wrong, and what to do.
    pub message: String,
    /// For [`NoticeKind::Space`]: where, and how much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub space: Option<SpaceView>,
}

/// A folder that has less room than what is to come into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct SpaceView {
    /// The folder's name for programs.
    pub root: String,
    /// Bytes that are wanted and not there yet, of all torrents that fetch into it.
    #[cfg_attr(test, ts(type = "number"))]
    pub needed_bytes: u64,
    /// Bytes that are free.
    #[cfg_attr(test, ts(type = "number"))]
    pub free_bytes: u64,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The list of torrents and the settings can't be saved now.
    NotSaved,
    /// The saved list can't be read now.
    NotRead,
    /// A saved list was damaged or replaced, and set aside.
    SetAside,
    /// Some of what was saved can't be read.
    Unreadable,
    /// The disk will be full before all is there that is wanted.
    Space,
}

/// A torrent that was just removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct RemovedView {
    /// Its info hash, 40 hex digits.
    pub info_hash: String,
    /// Its name, safe to show as text.
    pub name: String,
    /// How long `Intent::UndoRemove` brings it back, seconds; 0 when it is too late.
    pub undo_s: u32,
    /// Whether its files are deleted.
    pub delete_data: bool,
    /// What was left alone when they were, in plain words.
    pub message: Option<String>,
}
