//! Notices about the engine as a whole, and about torrents just removed.

use serde::{Deserialize, Serialize};

use super::Sentence;

/// A notice about the engine as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct NoticeView {
    /// Its subject.
    pub kind: NoticeKind,
    /// The problem and the remedy, in English.
    pub message: String,
    /// The same as a code, for pages to translate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub says: Option<Sentence>,
    /// For [`NoticeKind::Space`]: the folder and the amounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub space: Option<SpaceView>,
}

impl NoticeView {
    /// Creates a notice with this sentence.
    pub(crate) fn new(kind: NoticeKind, says: Sentence) -> Self {
        Self { kind, message: says.to_string(), says: Some(says), space: None }
    }

    /// Drops the code and keeps the English message: the HTTP API has no codes.
    pub(crate) fn in_english(self) -> Self {
        Self { says: None, ..self }
    }
}

/// A folder with less free space than the downloads into it need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct SpaceView {
    /// The folder's key.
    pub root: String,
    /// Bytes that the downloads into the folder still need.
    #[cfg_attr(test, ts(type = "number"))]
    pub needed_bytes: u64,
    /// Free bytes.
    #[cfg_attr(test, ts(type = "number"))]
    pub free_bytes: u64,
}

/// The subject of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The list of torrents and the settings can't be saved at the moment.
    NotSaved,
    /// The saved list can't be read at the moment.
    NotRead,
    /// A saved list was damaged or replaced, and set aside.
    SetAside,
    /// Some saved records can't be read.
    Unreadable,
    /// The disk will be full before all selected files are complete.
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
    /// Seconds during which `Intent::UndoRemove` can restore it; 0 when it is too late.
    pub undo_s: u32,
    /// Whether its files are deleted.
    pub delete_data: bool,
    /// Which files were kept, in English.
    pub message: Option<String>,
    /// The same as a code, for pages to translate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub says: Option<Sentence>,
}
