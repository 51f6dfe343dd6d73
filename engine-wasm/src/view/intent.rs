//! Requests to the engine from pages, the terminal and the HTTP API.
//!
//! Owns [`Intent`] and the values inside it. The result of an intent is a [`super::IntentReply`].

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Priority, Settings, Sharing};

/// A request of a page, the terminal or the HTTP API to the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Intent {
    /// Add a `.torrent` file. An existing torrent gets the file's new trackers and web seeds,
    /// unless it is private.
    AddTorrent {
        /// The file's bytes.
        #[cfg_attr(test, ts(type = "Uint8Array"))]
        metainfo: Bytes,
    },
    /// Add a magnet link. Answered at once; the metadata is then downloaded from peers. An existing
    /// torrent gets the link's trackers, web seeds and peers, unless it is private.
    AddMagnet {
        /// The link.
        uri: String,
    },
    /// Add a `.torrent` file that the daemon downloads. Answered when the torrent is added, or when
    /// that failed.
    AddUrl {
        /// Its URL, `http:` or `https:`.
        url: String,
    },
    /// Add peers by hand.
    AddPeers {
        /// Which torrent, 40 hex digits.
        info_hash: String,
        /// Their addresses, each `address:port`.
        peers: Vec<String>,
    },
    /// Set a torrent's own rate limits and seeding goals.
    SetSharing {
        /// Which torrent.
        info_hash: String,
        /// The limits and goals.
        sharing: Sharing,
    },
    /// Change the settings for all torrents. They apply at once; answered when they are saved.
    Configure {
        /// The new settings.
        settings: Settings,
    },
    /// Pause a torrent. Its peers are disconnected; verified data stays.
    Pause {
        /// Which torrent.
        info_hash: String,
    },
    /// Resume a paused torrent, or retry after an error.
    Resume {
        /// Which torrent.
        info_hash: String,
    },
    /// Change the priorities of files. Bytes that viewers request are downloaded at any priority.
    SetPriorities {
        /// Which torrent.
        info_hash: String,
        /// The files and their new priorities.
        files: Vec<FilePriority>,
    },
    /// Decide what happens to an undecided torrent (`TorrentView::undecided`). Until then only what
    /// a first viewer needs is downloaded. A decision can be changed later.
    Decide {
        /// Which torrent.
        info_hash: String,
        /// Whether to watch it or to download it.
        choice: Choice,
        /// Files whose priority changes.
        #[serde(default)]
        files: Vec<FilePriority>,
        /// The download folder to move it to; `None` to leave it where it is.
        root: Option<String>,
    },
    /// Move a torrent in the queue (`TorrentView::queue_position`). Downloads and seeds have a
    /// queue each.
    MoveInQueue {
        /// Which torrent.
        info_hash: String,
        /// The new position.
        to: QueueMove,
    },
    /// Announce to a torrent's trackers now. Fails, with the time to wait, when no tracker may be
    /// asked yet.
    Announce {
        /// Which torrent.
        info_hash: String,
    },
    /// Add trackers. Refused for a private torrent (BEP 27).
    AddTrackers {
        /// Which torrent.
        info_hash: String,
        /// Their URLs. Each becomes a tier of its own behind the existing ones.
        trackers: Vec<String>,
    },
    /// Remove a tracker permanently.
    RemoveTracker {
        /// Which torrent.
        info_hash: String,
        /// Its URL, as `TrackerView::url` has it.
        url: String,
    },
    /// Ask for a torrent's magnet link. It contains the info hash and, unless the torrent is
    /// private, its trackers and web seeds. Answered with `IntentReply::Text`.
    MagnetLink {
        /// Which torrent.
        info_hash: String,
    },
    /// Ask for a torrent's `.torrent` file. Answered with `IntentReply::File`.
    TorrentFile {
        /// Which torrent.
        info_hash: String,
    },
    /// Ask for a problem report. It holds no names, hashes, addresses or keys. Answered with
    /// `IntentReply::Text`.
    Report {
        /// Lines that the page adds, such as versions.
        #[serde(default)]
        about: Vec<String>,
    },
    /// Check a torrent's files for errors: hash everything that is on the disk.
    Recheck {
        /// Which torrent.
        info_hash: String,
    },
    /// Continue in files that existed before the torrent. The engine's own copies are deleted.
    Adopt {
        /// Which torrent.
        info_hash: String,
    },
    /// Cancel a check. Pieces that were not hashed again count as before.
    CancelRecheck {
        /// Which torrent.
        info_hash: String,
    },
    /// Move or rename a torrent. Fields without a value stay the same. Answered when the move
    /// begins, or with the reason why it can't.
    Move {
        /// Which torrent.
        info_hash: String,
        /// The download folder.
        root: Option<String>,
        /// The folder below it, with `/`; empty for none.
        folder: Option<String>,
        /// The new name of its file or folder.
        name: Option<String>,
    },
    /// Rename a file of a torrent. Answered like [`Intent::Move`].
    RenameFile {
        /// Which torrent.
        info_hash: String,
        /// Which file.
        index: u32,
        /// Its new name, without folders.
        name: String,
    },
    /// Report how far a file was watched, every few seconds and at the end. A file counts as
    /// watched at 95 % of its length, and a film of 20 minutes or more in its last two minutes.
    Watched {
        /// Which torrent.
        info_hash: String,
        /// Which file.
        file: u32,
        /// The player's position, seconds.
        position_s: f64,
        /// The file's length, seconds, if known.
        duration_s: Option<f64>,
        /// Whether it counts as watched; `None` to derive it from the position.
        watched: Option<bool>,
    },
    /// Mark files as watched or not. Either way they start from the beginning next time.
    SetWatched {
        /// Which torrent.
        info_hash: String,
        /// Which files.
        files: Vec<u32>,
        /// Whether they count as watched.
        watched: bool,
    },
    /// Replace the user's choices for a torrent, such as languages. At most 16 choices, each a name
    /// of up to 32 bytes and a value of up to 128 bytes.
    Choose {
        /// Which torrent.
        info_hash: String,
        /// Names and values, whose meaning only pages know.
        #[cfg_attr(test, ts(type = "Record<string, string>"))]
        choices: BTreeMap<String, String>,
    },
    /// Prepare a file for a viewer that will probably come soon. Its start, its index and the
    /// position at which the user stopped are downloaded after everything that viewers need. One
    /// file at a time is prepared, for five minutes.
    Prepare {
        /// Which torrent.
        info_hash: String,
        /// The file's index in the torrent.
        file: u32,
        /// Where the user stopped watching; `None` for the start.
        #[serde(default)]
        position: Option<Position>,
    },
    /// Remove a torrent.
    Remove {
        /// Which torrent.
        info_hash: String,
        /// Whether to delete its files, too.
        delete_data: bool,
        /// Whether [`Intent::UndoRemove`] can restore it for ten seconds. The torrent leaves all
        /// views at once, and the intent is answered at once.
        #[serde(default)]
        undo: bool,
    },
    /// Restore a torrent that was removed less than ten seconds ago (`RemovedView`).
    UndoRemove {
        /// Which torrent.
        info_hash: String,
    },
    /// Show a torrent in the system's file manager. Refused where `topics::World::folders` is
    /// false, and over the HTTP API.
    ShowInFolder {
        /// Which torrent.
        info_hash: String,
        /// Which file; `None` for the torrent's own file or folder.
        file: Option<u32>,
    },
    /// Change the download folder for new torrents. Answered when the daemon has saved it, or with
    /// the reason why the folder can't be used. Refused where `topics::World::folders` is false,
    /// and over the HTTP API.
    SetDownloadFolder {
        /// The absolute path of an existing folder. The folder belongs to the user and is writable.
        path: String,
    },
}

/// What to do with a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Watch the next film. Only the film and its subtitles are downloaded; in a torrent without a
    /// film this is `download`.
    Watch,
    /// Download all selected files.
    Download,
}

/// A change of position in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum QueueMove {
    /// To the first position.
    Top,
    /// One position up.
    Up,
    /// One position down.
    Down,
    /// To the last position.
    Bottom,
}

/// A position in a film, in time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Position {
    /// Seconds from the film's start.
    pub seconds: f64,
    /// Length of the film, seconds.
    pub duration_s: f64,
}

impl Position {
    /// Returns the byte at this position in a file of `length` bytes. Assumes a constant bit rate.
    /// `None` if the numbers are invalid.
    pub(crate) fn share_of(self, length: u64) -> Option<u64> {
        let millis = |seconds: f64| Some(Duration::try_from_secs_f64(seconds).ok()?.as_millis());
        let (at, whole) = (millis(self.seconds)?, millis(self.duration_s)?);
        let share = u128::from(length).checked_mul(at.min(whole))?.checked_div(whole)?;
        u64::try_from(share).ok()
    }
}

/// A file and its priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilePriority {
    /// The file's index in the torrent.
    pub index: u32,
    /// Its priority.
    pub priority: Priority,
}
