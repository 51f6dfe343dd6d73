//! One torrent as a page shows it: its state, sizes, rates and what stopped it.
//!
//! A magnet link without its description is shown as a torrent without files.

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
    /// Whose hashes it has; `None` while that is not known.
    pub version: Option<TorrentVersion>,
    /// What it is doing.
    pub state: TorrentState,
    /// Whether it waits for `Intent::Decide`: of its files only what a viewer needs at first is
    /// fetched. `wanted`, and each file's priority, say what would be downloaded.
    #[serde(default)]
    pub undecided: bool,
    /// Position in its queue, from 1. Incomplete and complete torrents have a queue each; undecided
    /// ones count among the incomplete.
    #[serde(default)]
    pub queue_position: u32,
    /// Whether only its own trackers may name peers (BEP 27).
    #[serde(default)]
    pub private: bool,
    /// English words about a state that needs them: what is wrong and what to do.
    pub message: Option<String>,
    /// The same as a code, for pages to translate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub says: Option<Sentence>,
    /// What stopped it in [`TorrentState::Error`]; `message` has details.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// Bytes in all.
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
    /// Progress of a check, 0 to 1; `None` while nothing is hashed.
    pub check_progress: Option<f64>,
    /// Progress of a move, 0 to 1; `None` while nothing moves.
    pub move_progress: Option<f64>,
    /// The key of the download folder in which it lies.
    pub root: String,
    /// The path of its file or folder below the download folder, with `/`.
    pub lies_at: String,
    /// The absolute path of its file or folder, as the system writes it; empty where that is not
    /// known.
    #[serde(default)]
    pub path: String,
    /// Bytes of payload received since it was added in this session, wasted ones included.
    #[cfg_attr(test, ts(type = "number"))]
    pub downloaded: u64,
    /// Bytes of payload uploaded, earlier sessions included.
    #[cfg_attr(test, ts(type = "number"))]
    pub uploaded: u64,
    /// Bytes received in vain: they failed a hash or came twice.
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
    /// When all that is wanted is there at the rate of the last half minute, seconds; `None` unless
    /// it downloads, and when that can't be told.
    #[serde(default)]
    pub eta_s: Option<u32>,
    /// Whether connected peers have what is wanted and have sent nothing for ten seconds.
    #[serde(default)]
    pub stalled: bool,
    /// Its own limits and seeding goals.
    pub sharing: Sharing,
    /// Whether it is seeded.
    pub giving: Giving,
    /// Peers connected.
    pub peers: u32,
    /// Peers known.
    pub known_peers: u32,
    /// Its trackers, tier by tier.
    pub trackers: Vec<TrackerView>,
    /// Number of its files, without padding.
    #[serde(default)]
    pub file_count: u32,
    /// What a click on play is for: the film that was watched last if it was left in the middle;
    /// else the first unwatched one after it, in the order of people; else the first unwatched one;
    /// else the first. `None` where nothing plays.
    #[serde(default)]
    pub next: Option<NextFilm>,
    /// What a person chose for it (`Intent::Choose`).
    #[serde(default)]
    #[cfg_attr(test, ts(type = "Record<string, string>"))]
    pub choices: BTreeMap<String, String>,
    /// Its files, padding left out, in the order of people. Empty in a list (`topics`).
    pub files: Vec<FileView>,
}

/// The film that is played next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct NextFilm {
    /// Its place in the torrent's list of files.
    pub index: u32,
    /// Its name, without folders.
    pub name: String,
    /// Where it begins, seconds.
    pub position_s: f64,
    /// Whether it goes on where somebody left it.
    pub resumes: bool,
}

/// What a torrent is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum TorrentState {
    /// Getting its description from peers: of a magnet link nothing but a name is known.
    Metadata,
    /// Looking at what lies on disk.
    Checking,
    /// Waiting until it is its turn.
    Queued,
    /// Fetching.
    Downloading,
    /// All of it that is wanted is there and verified.
    Complete,
    /// Stopped by a person.
    Paused,
    /// Stopped by trouble; `message` says which.
    Error,
}

/// What stopped a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The disk is full. It goes on by itself when there is room.
    DiskFull,
    /// The download folder can't be written. It goes on by itself when it can.
    ReadOnly,
    /// The download folder is not there, or its disk is not connected. It goes on by itself when it
    /// is back.
    FolderMissing,
    /// Files that were verified are not there. It goes on by itself when they are back; a recheck
    /// gives them up.
    FilesMissing,
    /// Another program of the user downloads into the same file. It goes on by itself when that has
    /// ended.
    FileBusy,
    /// The disk takes no file of such a name: the torrent has to be moved, or the file renamed.
    BadName,
    /// The disk reports another problem. It is tried again.
    DiskError,
    /// It was to be removed with its files, and one of them can't be deleted.
    NotDeleted,
    /// Nobody described the magnet link.
    NotDescribed,
    /// Anything else, as `message` says.
    Other,
}

/// Whether others get something of a torrent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum Giving {
    /// Not seeded: it is stopped, or there is no daemon.
    #[default]
    Closed,
    /// Seeded to every peer that requests.
    Open,
    /// It waits until it is its turn.
    Queued,
    /// Its seeding goals are reached.
    Sated,
}

/// Whose hashes a torrent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum TorrentVersion {
    /// Those of BitTorrent v1.
    V1,
    /// Those of both.
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
