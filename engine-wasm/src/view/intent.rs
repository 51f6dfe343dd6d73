//! What a page, the terminal and the HTTP API may ask of the engine.
//!
//! Owns [`Intent`] and the values inside it. What came of an intent is an [`super::IntentReply`].

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Priority, Settings, Sharing};

/// What a page asks of the engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Intent {
    /// Add a `.torrent` file. One that is there already is answered like a new one and changes
    /// nothing.
    AddTorrent {
        /// The file's bytes.
        #[cfg_attr(test, ts(type = "Uint8Array"))]
        metainfo: Bytes,
    },
    /// Add a magnet link: the torrent's description is fetched from its peers. Answered at once.
    /// For a torrent that is there already, the link's trackers and peers are added to it.
    AddMagnet {
        /// The link.
        uri: String,
    },
    /// Add a `.torrent` file that the daemon fetches. Answered when it is added, or when that
    /// failed.
    AddUrl {
        /// Its address, `http:` or `https:`.
        url: String,
    },
    /// Name peers by hand, each `address:port`.
    AddPeers {
        /// Which torrent, 40 hex digits.
        info_hash: String,
        /// Addresses.
        peers: Vec<String>,
    },
    /// Say how a torrent shares: limits of its own, and when it has given enough.
    SetSharing {
        /// Which torrent.
        info_hash: String,
        /// How.
        sharing: Sharing,
    },
    /// Set what counts for all torrents. It counts at once, and is kept; answered when it is
    /// written down.
    Configure {
        /// How it is to be.
        settings: Settings,
    },
    /// Stop a torrent: its peers go, what is verified stays.
    Pause {
        /// Which torrent.
        info_hash: String,
    },
    /// Go on with a paused torrent, or try again after a disk error.
    Resume {
        /// Which torrent.
        info_hash: String,
    },
    /// Want files of a torrent more or less than before. What viewers ask for is fetched whatever
    /// is wanted.
    SetPriorities {
        /// Which torrent.
        info_hash: String,
        /// Which files, and how much.
        files: Vec<FilePriority>,
    },
    /// Say what becomes of a torrent that waits for it (`TorrentView::undecided`): until then
    /// only what a viewer needs at first was fetched. For any other torrent it chooses anew.
    Decide {
        /// Which torrent.
        info_hash: String,
        /// Whether it is to be watched now, or downloaded.
        choice: Choice,
        /// How much files are wanted, where that is to be other than before.
        #[serde(default)]
        files: Vec<FilePriority>,
        /// Into which of the daemon's folders it goes; `None` for where it is.
        root: Option<String>,
    },
    /// Change when a torrent has its turn, among those that fetch as it does, or are complete as it
    /// is (`TorrentView::queue_position`).
    MoveInQueue {
        /// Which torrent.
        info_hash: String,
        /// Where to.
        to: QueueMove,
    },
    /// Ask a torrent's trackers for peers now, those that may be asked already. Failed, with the
    /// time to wait, when none may.
    Announce {
        /// Which torrent.
        info_hash: String,
    },
    /// Ask further trackers for peers. Refused for a private torrent, whose trackers are part of it
    /// (BEP 27).
    AddTrackers {
        /// Which torrent.
        info_hash: String,
        /// URLs, each a tier of its own behind those that are there.
        trackers: Vec<String>,
    },
    /// Ask a tracker no more. It stays away when the torrent is loaded again.
    RemoveTracker {
        /// Which torrent.
        info_hash: String,
        /// Its URL, as `TrackerView::url` has it.
        url: String,
    },
    /// A torrent's magnet link, with its name and, unless it is private, its trackers. Answered
    /// with `IntentReply::Text`.
    MagnetLink {
        /// Which torrent.
        info_hash: String,
    },
    /// A torrent's `.torrent` file: the info dictionary as it came. Answered with
    /// `IntentReply::File`.
    TorrentFile {
        /// Which torrent.
        info_hash: String,
    },
    /// A report of how things are, to be sent to those who look for a fault: without names, hashes,
    /// addresses, keys. Answered with `IntentReply::Text`.
    Report {
        /// What the page knows, such as versions, a line each.
        #[serde(default)]
        about: Vec<String>,
    },
    /// Hash again all that lies there.
    Recheck {
        /// Which torrent.
        info_hash: String,
    },
    /// Go on in the files that were there before, instead of leaving them alone and fetching into
    /// files of our own. Our own copies go.
    Adopt {
        /// Which torrent.
        info_hash: String,
    },
    /// Call a check off: what was not hashed again counts as before.
    CancelRecheck {
        /// Which torrent.
        info_hash: String,
    },
    /// Move a torrent's files. What is not given stays as it is. Answered when the move begins, or
    /// with what is in its way.
    Move {
        /// Which torrent.
        info_hash: String,
        /// To which of the daemon's folders.
        root: Option<String>,
        /// Into which folder below it, with `/`; empty for none.
        folder: Option<String>,
        /// What its file or folder is called there.
        name: Option<String>,
    },
    /// Give a file of a torrent another name. Answered as a move is.
    RenameFile {
        /// Which torrent.
        info_hash: String,
        /// Which file.
        index: u32,
        /// Its new name, without folders.
        name: String,
    },
    /// Say how far a file is watched: every few seconds while it plays, and at the end. It counts
    /// as watched at 95 % of its length, and a film of 20 minutes and more in its last two minutes.
    Watched {
        /// Which torrent.
        info_hash: String,
        /// Which file.
        file: u32,
        /// Where its player is, seconds.
        position_s: f64,
        /// Its length, seconds, where that is known.
        duration_s: Option<f64>,
        /// Whether it counts as watched from now on; `None` for what follows from the position.
        watched: Option<bool>,
    },
    /// Say whether files count as watched. Either way they begin anew next time.
    SetWatched {
        /// Which torrent.
        info_hash: String,
        /// Which files.
        files: Vec<u32>,
        /// Whether.
        watched: bool,
    },
    /// Remember what a person chose for a torrent, such as languages, instead of all that was
    /// chosen before. At most 16 choices; a name of 32 bytes and a value of 128 bytes at the most.
    Choose {
        /// Which torrent.
        info_hash: String,
        /// Names and values of the pages' own.
        #[cfg_attr(test, ts(type = "Record<string, string>"))]
        choices: BTreeMap<String, String>,
    },
    /// Make a file ready for a viewer who is likely to come soon: its beginning, its index and the
    /// place where it was left are fetched after all that viewers want. It replaces the file that
    /// was prepared before, and is forgotten after five minutes.
    Prepare {
        /// Which torrent.
        info_hash: String,
        /// Which file: its place in the torrent's list of files.
        file: u32,
        /// Where the file was left; `None` for nowhere.
        #[serde(default)]
        position: Option<Position>,
    },
    /// Forget a torrent.
    Remove {
        /// Which torrent.
        info_hash: String,
        /// Delete what it downloaded, too.
        delete_data: bool,
        /// Wait ten seconds first, in which [`Intent::UndoRemove`] brings it back. It leaves all
        /// views at once, and the intent is answered at once.
        #[serde(default)]
        undo: bool,
    },
    /// Bring back a torrent that was removed less than ten seconds ago (`RemovedView`), as it
    /// was.
    UndoRemove {
        /// Which torrent.
        info_hash: String,
    },
    /// Show where a torrent lies in the system's file manager. Refused where
    /// `topics::World::folders` is false, and over the HTTP API.
    ShowInFolder {
        /// Which torrent.
        info_hash: String,
        /// Which file; `None` for the torrent's own file or folder.
        file: Option<u32>,
    },
    /// Store new torrents in another folder; torrents that are there stay where they are. Answered
    /// when the daemon has written it down, or with what is wrong with the folder. Refused where
    /// `topics::World::folders` is false, and over the HTTP API.
    SetDownloadFolder {
        /// The absolute path of a folder that exists, belongs to the user and can be written.
        path: String,
    },
}

/// What a person wants of a torrent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// To watch the film that comes next: it and its subtitles are wanted, and no other file.
    /// Without a film it is as with `download`.
    Watch,
    /// To have all files that are wanted.
    Download,
}

/// Where in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum QueueMove {
    /// Before all others.
    Top,
    /// Before the one before it.
    Up,
    /// Behind the one behind it.
    Down,
    /// Behind all others.
    Bottom,
}

/// A place in a film, in time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Position {
    /// Seconds from the film's beginning.
    pub seconds: f64,
    /// Seconds that the whole film takes.
    pub duration_s: f64,
}

impl Position {
    /// The same share of so many bytes; `None` when the numbers make no sense. It is where the film
    /// is at that time if its bit rate is constant.
    pub(crate) fn share_of(self, length: u64) -> Option<u64> {
        let millis = |seconds: f64| Some(Duration::try_from_secs_f64(seconds).ok()?.as_millis());
        let (at, whole) = (millis(self.seconds)?, millis(self.duration_s)?);
        let share = u128::from(length).checked_mul(at.min(whole))?.checked_div(whole)?;
        u64::try_from(share).ok()
    }
}

/// How much a file is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilePriority {
    /// Its place in the torrent's list of files.
    pub index: u32,
    /// How much.
    pub priority: Priority,
}
