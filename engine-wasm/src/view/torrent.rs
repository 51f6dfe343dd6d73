//! One torrent as pages show it: its state, sizes, rates and errors.
//!
//! A magnet link without metadata is shown as a torrent without files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{FileView, Sentence, Sharing, TrackerView};
use crate::metainfo::Version;

/// One torrent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct TorrentView {
    /// Its info hash, 40 hex digits.
    pub info_hash: String,
    /// Its name, safe to show as text.
    pub name: String,
    /// Which hashes it has; `None` until that is known.
    pub version: Option<TorrentVersion>,
    /// What it is doing.
    pub state: TorrentState,
    /// Whether it waits for `Intent::Decide`. Until then only what a first viewer needs is
    /// downloaded; `wanted` and each file's priority say what would be downloaded.
    #[serde(default)]
    pub undecided: bool,
    /// Position in its queue, from 1. Incomplete and complete torrents have a queue each; undecided
    /// ones count among the incomplete.
    #[serde(default)]
    pub queue_position: u32,
    /// Whether only its own trackers may name peers (BEP 27).
    #[serde(default)]
    pub private: bool,
    /// A message about a state that needs one: the problem and the remedy, in English.
    pub message: Option<String>,
    /// The same as a code, for pages to translate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub says: Option<Sentence>,
    /// What stopped it in [`TorrentState::Error`]; `message` has details.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// Total length of its files, bytes.
    #[cfg_attr(test, ts(type = "number"))]
    pub length: u64,
    /// Bytes verified.
    #[cfg_attr(test, ts(type = "number"))]
    pub verified: u64,
    /// Bytes of the selected files. With these the torrent is complete.
    #[cfg_attr(test, ts(type = "number"))]
    pub wanted: u64,
    /// Verified bytes of the selected files.
    #[cfg_attr(test, ts(type = "number"))]
    pub wanted_verified: u64,
    /// Progress of a check, 0 to 1; `None` if none is running.
    pub check_progress: Option<f64>,
    /// Progress of a move, 0 to 1; `None` if none is running.
    pub move_progress: Option<f64>,
    /// The key of the download folder in which it lies.
    pub root: String,
    /// The path of its file or folder below the download folder, with `/`.
    pub lies_at: String,
    /// The absolute path of its file or folder, in the system's notation. Empty if unknown.
    #[serde(default)]
    pub path: String,
    /// Bytes of payload downloaded in this session, including wasted bytes.
    #[cfg_attr(test, ts(type = "number"))]
    pub downloaded: u64,
    /// Bytes of payload uploaded, including earlier sessions.
    #[cfg_attr(test, ts(type = "number"))]
    pub uploaded: u64,
    /// Wasted bytes: they failed verification or arrived twice.
    #[cfg_attr(test, ts(type = "number"))]
    pub wasted: u64,
    /// Length of a piece, bytes.
    pub piece_length: u32,
    /// Number of pieces.
    pub piece_count: u32,
    /// Download rate, bytes of payload per second; 0 while nothing is downloaded.
    #[cfg_attr(test, ts(type = "number"))]
    pub down_rate_bps: u64,
    /// Upload rate, bytes of payload per second; 0 while nothing is uploaded.
    #[cfg_attr(test, ts(type = "number"))]
    pub up_rate_bps: u64,
    /// Seconds until all selected files are complete. The rate of the last half minute is assumed.
    /// `None` if the torrent is not downloading, or if the time can't be estimated.
    #[serde(default)]
    pub eta_s: Option<u32>,
    /// Whether connected peers have missing pieces and have sent nothing for ten seconds.
    #[serde(default)]
    pub stalled: bool,
    /// Its own limits and seeding goals.
    pub sharing: Sharing,
    /// Whether it is seeded, and if not, why.
    pub giving: Giving,
    /// Number of connected peers.
    pub peers: u32,
    /// Number of known peers.
    pub known_peers: u32,
    /// Its trackers, tier by tier.
    pub trackers: Vec<TrackerView>,
    /// Number of its files, without padding.
    #[serde(default)]
    pub file_count: u32,
    /// The film to play next: the last watched film, if it was not finished. Else it is the first
    /// unwatched film after that in natural order, else the first unwatched film, else the first.
    /// `None` if nothing is playable.
    #[serde(default)]
    pub next: Option<NextFilm>,
    /// The user's choices for it (`Intent::Choose`).
    #[serde(default)]
    #[cfg_attr(test, ts(type = "Record<string, string>"))]
    pub choices: BTreeMap<String, String>,
    /// Its files in natural order, without padding files. Empty in a list (`topics`).
    pub files: Vec<FileView>,
}

/// The film to play next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct NextFilm {
    /// Its index in the torrent's list of files.
    pub index: u32,
    /// Its name, without folders.
    pub name: String,
    /// The position to start from, seconds.
    pub position_s: f64,
    /// Whether it continues where the user stopped.
    pub resumes: bool,
}

/// What a torrent is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum TorrentState {
    /// A magnet link that is getting its metadata from peers.
    Metadata,
    /// Its files are being checked.
    Checking,
    /// It waits for its turn in the queue.
    Queued,
    /// It is downloading.
    Downloading,
    /// All selected files are complete and verified.
    Complete,
    /// Paused by the user.
    Paused,
    /// Stopped by an error, which `message` describes.
    Error,
}

/// What stopped a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The disk is full. It continues automatically when there is space.
    DiskFull,
    /// The download folder is not writable. It continues automatically when it is.
    ReadOnly,
    /// The download folder is missing, or its disk is not connected. It continues automatically
    /// when the folder is back.
    FolderMissing,
    /// Verified files are missing. It continues automatically when they are back; a check discards
    /// them.
    FilesMissing,
    /// Another program of the user downloads into the same file. It continues automatically when
    /// that program has ended.
    FileBusy,
    /// The disk refuses a file's name. The torrent has to be moved, or the file renamed.
    BadName,
    /// Another error of the disk. The torrent retries automatically.
    DiskError,
    /// The torrent could not be removed with its files. One of the files can't be deleted.
    NotDeleted,
    /// No peer sent the metadata of the magnet link.
    NotDescribed,
    /// Anything else; `message` describes it.
    Other,
}

/// Whether a torrent is seeded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum Giving {
    /// Not seeded, because it is stopped or no daemon is connected.
    #[default]
    Closed,
    /// Seeded to every peer that requests.
    Open,
    /// It waits for its turn in the queue.
    Queued,
    /// Its seeding goals are reached.
    Sated,
}

/// Which hashes a torrent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum TorrentVersion {
    /// Those of BitTorrent v1.
    V1,
    /// Those of v1 and v2.
    Hybrid,
    /// Those of BitTorrent v2 (BEP 52).
    V2,
}

impl From<Version> for TorrentVersion {
    fn from(version: Version) -> Self {
        match version {
            Version::V1 => Self::V1,
            Version::Hybrid => Self::Hybrid,
            Version::V2 => Self::V2,
        }
    }
}
