//! One file of a torrent as pages show it: its progress, subtitles and pieces.

use serde::{Deserialize, Serialize};

use super::Priority;
use crate::api::url;
use crate::media;

/// One file of a torrent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct FileView {
    /// Its index in the torrent's list of files.
    pub index: u32,
    /// Its path in the torrent, with `/`.
    pub path: String,
    /// Length, bytes.
    #[cfg_attr(test, ts(type = "number"))]
    pub length: u64,
    /// Bytes verified.
    #[cfg_attr(test, ts(type = "number"))]
    pub verified: u64,
    /// Its priority.
    pub priority: Priority,
    /// Its media type, guessed from its name.
    pub content_type: String,
    /// Whether its name is that of a video or audio file.
    pub playable: bool,
    /// Its URL below the daemon's base URL: `/stream/<fileId>?key=…`.
    pub url: String,
    /// Whether another file had its name already, so that its own has a number. `Intent::Adopt`
    /// continues in that other file.
    pub displaced: bool,
    /// Where to continue watching, seconds; 0 for the beginning.
    pub position_s: f64,
    /// Its length, seconds, if a player reported it.
    pub duration_s: Option<f64>,
    /// Whether it counts as watched.
    pub watched: bool,
    /// The torrent's subtitle files whose names match this file, the best match first.
    pub subtitles: Vec<SubtitleView>,
}

impl FileView {
    /// Returns the URL under the file's own name, below the daemon's base URL. The URL has the key
    /// of [`FileView::url`].
    ///
    /// For players that recognise a format by the name's extension. Empty for a file that is not
    /// served.
    pub fn named_url(&self) -> String {
        let parts =
            self.url.split_once('?').and_then(|(id, query)| Some((id.rsplit_once('.')?.0, query)));
        parts.map_or_else(
            || self.url.clone(),
            |(torrent, query)| format!("{torrent}/{}?{query}", url::encode(&self.path)),
        )
    }

    /// Creates the view of a file of which nothing is stored.
    ///
    /// `path` is its path in the torrent, with `/`; `length` is in bytes.
    pub fn new(index: u32, path: String, length: u64) -> Self {
        let name = path.rsplit('/').next().unwrap_or_default();
        let (content_type, playable) = (media::content_type(name).to_owned(), media::is_film(name));
        Self {
            index,
            path,
            length,
            verified: 0,
            priority: Priority::Normal,
            content_type,
            playable,
            url: String::new(),
            displaced: false,
            position_s: 0.0,
            duration_s: None,
            watched: false,
            subtitles: Vec::new(),
        }
    }
}

/// A subtitle file of a film.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct SubtitleView {
    /// Its index in the torrent's list of files.
    pub index: u32,
    /// Its language as a BCP 47 tag, if its name contains one.
    pub language: Option<String>,
    /// The title to show.
    pub title: String,
}

/// The pieces of one file, summed up in cells for a progress strip.
///
/// There are as many cells as requested, or one per piece if the file has fewer pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct PiecesView {
    /// For each cell the share that is verified, 0–255.
    pub verified: Vec<u8>,
    /// For each cell the share that is requested or stored but not verified, 0–255.
    pub underway: Vec<u8>,
}
