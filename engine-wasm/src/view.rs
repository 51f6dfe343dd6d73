//! What a page sees and what it may ask for: snapshots and intents.
//!
//! These types are the whole contract between the engine and any user interface; the extension's
//! TypeScript types are generated from them (`cargo xtask bindings`). A snapshot is a picture of
//! everything; what pages follow by what differs are its [`topics`].

pub mod topics;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::api::url;
use crate::media;
use crate::metainfo::Version;
pub use crate::peer::mse::Encryption;
pub use crate::pick::priority::Priority;

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
    /// Say what becomes of a torrent that waits for it ([`TorrentView::undecided`]): until then
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
    /// is ([`TorrentView::queue_position`]).
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
        /// Its URL, as [`TrackerView::url`] has it.
        url: String,
    },
    /// A torrent's magnet link, with its name and, unless it is private, its trackers. Answered
    /// with [`IntentReply::Text`].
    MagnetLink {
        /// Which torrent.
        info_hash: String,
    },
    /// A torrent's `.torrent` file: the info dictionary as it came. Answered with
    /// [`IntentReply::File`].
    TorrentFile {
        /// Which torrent.
        info_hash: String,
    },
    /// A report of how things are, to be sent to those who look for a fault: without names, hashes,
    /// addresses, keys. Answered with [`IntentReply::Text`].
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
    /// Bring back a torrent that was removed less than ten seconds ago ([`RemovedView`]), as it
    /// was.
    UndoRemove {
        /// Which torrent.
        info_hash: String,
    },
    /// Show where a torrent lies in the system's file manager. Refused where
    /// [`topics::World::folders`] is false, and over the HTTP API.
    ShowInFolder {
        /// Which torrent.
        info_hash: String,
        /// Which file; `None` for the torrent's own file or folder.
        file: Option<u32>,
    },
    /// Store new torrents in another folder; torrents that are there stay where they are. Answered
    /// when the daemon has written it down, or with what is wrong with the folder. Refused where
    /// [`topics::World::folders`] is false, and over the HTTP API.
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

/// How a torrent shares with others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sharing {
    /// Bytes a second that it may take; `None` for no limit but that of all together.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub down_limit_bps: Option<u64>,
    /// Bytes a second that it may give; `None` for no limit but that of all together.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub up_limit_bps: Option<u64>,
    /// It rests when it has given so many bytes for each hundred that it has; `None` for what is
    /// usual.
    pub ratio_percent: Option<u32>,
    /// It rests when it has offered everything for so many seconds; `None` for what is usual.
    pub seed_s: Option<u32>,
}

/// What a person sets for all torrents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// Bytes a second from all peers and web servers together; `None` for no limit.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub down_limit_bps: Option<u64>,
    /// Bytes a second to all peers together; `None` for no limit.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub up_limit_bps: Option<u64>,
    /// Connections of one torrent, 1 to [`crate::limits::MOST_CONNECTIONS_PER_TORRENT`].
    pub max_connections: u32,
    /// How new connections are encrypted.
    pub encryption: Encryption,
    /// Whether new connections, both ways, may be over TCP.
    pub tcp: bool,
    /// Whether they may be over uTP (BEP 29). One of both is needed.
    pub utp: bool,
    /// Whether the DHT is asked for peers, and answers others (BEP 5).
    pub dht: bool,
    /// Whether trackers are asked for peers (BEP 3, 15).
    pub trackers: bool,
    /// Whether peers are asked for further ones, and told of them (BEP 11).
    pub pex: bool,
    /// Whether web servers that a torrent names are fetched from (BEP 19).
    pub web_seeds: bool,
    /// A torrent rests when it has given so many bytes for each hundred that it has; `None` for
    /// never. What is set for one torrent goes before.
    pub ratio_percent: Option<u32>,
    /// A torrent rests when it has offered everything for so many seconds; `None` for never. What
    /// is set for one torrent goes before.
    pub seed_s: Option<u32>,
    /// Torrents that fetch at once; `None` for all.
    pub max_downloads: Option<u32>,
    /// Complete torrents that give at once; `None` for all.
    pub max_seeds: Option<u32>,
    /// Whether a torrent that a page adds is downloaded at once, and does not wait for
    /// [`Intent::Decide`].
    pub start_at_once: bool,
    /// Whether a person has read that watching also uploads.
    pub sharing_told: bool,
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

/// What came of an intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum IntentReply {
    /// Done.
    Done {
        /// The torrent it was about.
        info_hash: String,
        /// What a person should know of it, in plain words.
        #[serde(default)]
        message: Option<String>,
        /// Whether a torrent that was to be added was there already. Its new trackers and web seeds
        /// were added to it, unless it is private.
        #[serde(default)]
        duplicate: bool,
    },
    /// The settings are as they were asked for, and written down.
    Configured,
    /// What was asked for, as a text.
    Text {
        /// The text.
        text: String,
    },
    /// What was asked for, as a file.
    File {
        /// What to call it, without folders.
        name: String,
        /// Its bytes; over HTTP an array of numbers.
        #[cfg_attr(test, ts(type = "Uint8Array | number[]"))]
        content: Bytes,
    },
    /// Not done.
    Failed {
        /// Plain words for a person.
        message: String,
    },
}

/// Everything a page shows, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// All torrents, newest first.
    pub torrents: Vec<TorrentView>,
    /// The folders that the daemon lets torrents lie in.
    pub roots: Vec<RootView>,
    /// All requests of viewers that are under way.
    pub streams: Vec<StreamView>,
    /// The port at which peers connect; `None` when they don't.
    pub listen_port: Option<u16>,
    /// Whether the router lets them in; `None` where it is not asked.
    pub port_mapping: Option<PortMappingView>,
    /// What counts for all torrents; `None` where it can't be changed, or is not known yet.
    pub settings: Option<Settings>,
    /// What a person has to know about the engine as a whole, while it is so.
    #[serde(default)]
    pub notices: Vec<NoticeView>,
    /// Torrents that were just removed and can be brought back, newest first.
    #[serde(default)]
    pub removed: Vec<RemovedView>,
    /// Whether a person can have folders shown and the download folder changed
    /// ([`Intent::ShowInFolder`], [`Intent::SetDownloadFolder`]).
    #[serde(default)]
    pub folders: bool,
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
    /// How long [`Intent::UndoRemove`] brings it back, seconds; 0 when it is too late.
    pub undo_s: u32,
    /// Whether its files are deleted.
    pub delete_data: bool,
    /// What was left alone when they were, in plain words.
    pub message: Option<String>,
}

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

/// What the router lets in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct PortMappingView {
    /// How far it is.
    pub state: MappingState,
    /// The port at the router.
    pub port: Option<u16>,
    /// Its address out there, if it says; one behind another router may have one that is not the
    /// internet's.
    pub address: Option<String>,
    /// How it was asked.
    pub by: Option<MappedBy>,
    /// Why it lets nothing in, in plain words.
    pub message: Option<String>,
}

/// How far the router is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum MappingState {
    /// It is being asked.
    Asking,
    /// It lets the port in.
    Mapped,
    /// It does not, or there is none.
    Failed,
}

/// How a router was asked to let a port in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum MappedBy {
    /// Port Control Protocol (RFC 6887).
    Pcp,
    /// NAT Port Mapping Protocol (RFC 6886).
    NatPmp,
    /// UPnP's Internet Gateway Device.
    Upnp,
}

/// A folder that torrents may lie in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct RootView {
    /// Its name for programs.
    pub key: String,
    /// Its name for people.
    pub label: String,
    /// Bytes that are free where it lies; `None` when the daemon can't tell.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub free_bytes: Option<u64>,
    /// Bytes in all there.
    #[cfg_attr(test, ts(type = "number | null"))]
    pub total_bytes: Option<u64>,
    /// Its absolute path; empty where the daemon does not say.
    #[serde(default)]
    pub path: String,
}

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
    /// Whether it waits for [`Intent::Decide`]: of its files only what a viewer needs at first is
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
    /// Plain words about a state that wants them: what is wrong and what to do.
    pub message: Option<String>,
    /// What stopped it, if it is in [`TorrentState::Error`]; `message` says more.
    #[serde(default)]
    pub trouble: Option<Trouble>,
    /// Bytes in all.
    #[cfg_attr(test, ts(type = "number"))]
    pub length: u64,
    /// Bytes verified.
    #[cfg_attr(test, ts(type = "number"))]
    pub verified: u64,
    /// Bytes of the files that are wanted: these are what it is complete with.
    #[cfg_attr(test, ts(type = "number"))]
    pub wanted: u64,
    /// How many of these are verified.
    #[cfg_attr(test, ts(type = "number"))]
    pub wanted_verified: u64,
    /// How much of what is to be hashed is hashed, 0 to 1; `None` when nothing is.
    pub check_progress: Option<f64>,
    /// How much of it has moved to where it is going, 0 to 1; `None` while it stays.
    pub move_progress: Option<f64>,
    /// Which of the daemon's folders it lies in.
    pub root: String,
    /// The path of its file or folder below that, with `/`.
    pub lies_at: String,
    /// The absolute path of its file or folder, as the system writes it; empty where that is not
    /// known.
    #[serde(default)]
    pub path: String,
    /// Bytes of payload received since it was added in this session, wasted ones included.
    #[cfg_attr(test, ts(type = "number"))]
    pub downloaded: u64,
    /// Bytes of payload given to others, those of earlier sessions included.
    #[cfg_attr(test, ts(type = "number"))]
    pub uploaded: u64,
    /// Bytes received that were of no use: failed a hash, or came twice.
    #[cfg_attr(test, ts(type = "number"))]
    pub wasted: u64,
    /// Length of a piece, bytes.
    pub piece_length: u32,
    /// Number of pieces.
    pub piece_count: u32,
    /// Payload per second now, bytes; 0 for a torrent that fetches nothing.
    #[cfg_attr(test, ts(type = "number"))]
    pub down_rate_bps: u64,
    /// Payload given per second now, bytes; 0 for a torrent that gives nothing.
    #[cfg_attr(test, ts(type = "number"))]
    pub up_rate_bps: u64,
    /// When all that is wanted is there at the rate of the last half minute, seconds; `None` unless
    /// it downloads, and when that can't be told.
    #[serde(default)]
    pub eta_s: Option<u32>,
    /// Whether connected peers have what is wanted and have sent nothing for ten seconds.
    #[serde(default)]
    pub stalled: bool,
    /// How it shares.
    pub sharing: Sharing,
    /// Whether others get something of it.
    pub giving: Giving,
    /// Peers connected.
    pub peers: u32,
    /// Peers known.
    pub known_peers: u32,
    /// Its trackers, tier by tier.
    pub trackers: Vec<TrackerView>,
    /// Number of its files, padding left out.
    #[serde(default)]
    pub file_count: u32,
    /// What a click on play is for: the film that was watched last if it was left in the middle;
    /// else the first unwatched one after it, in the order of people; else the first unwatched one;
    /// else the first. `None` where nothing plays.
    #[serde(default)]
    pub next: Option<NextFilm>,
    /// What a person chose for it ([`Intent::Choose`]).
    #[serde(default)]
    #[cfg_attr(test, ts(type = "Record<string, string>"))]
    pub choices: BTreeMap<String, String>,
    /// Its files, padding left out, in the order of people. Empty in a list ([`topics`]).
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

/// One peer of a torrent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct PeerView {
    /// Where it is, `address:port`.
    pub address: String,
    /// What it calls itself, such as `Transmission 4.0.5`: text of a stranger. `None` when it does
    /// not say.
    pub client: Option<String>,
    /// How it is connected.
    pub transport: PeerTransport,
    /// Whether what is said is encrypted.
    pub encrypted: bool,
    /// Whether it connected to us, and not we to it.
    pub incoming: bool,
    /// How much of the torrent it has, 0 to 1.
    pub progress: f64,
    /// Payload that comes from it, bytes a second.
    #[cfg_attr(test, ts(type = "number"))]
    pub down_rate_bps: u64,
    /// Payload that it gets of us, bytes a second.
    #[cfg_attr(test, ts(type = "number"))]
    pub up_rate_bps: u64,
    /// Payload that came from it, bytes.
    #[cfg_attr(test, ts(type = "number"))]
    pub downloaded: u64,
    /// Payload that it got of us, bytes.
    #[cfg_attr(test, ts(type = "number"))]
    pub uploaded: u64,
    /// We want something of it.
    pub we_want: bool,
    /// It lets us have something.
    pub it_gives: bool,
    /// It wants something of us.
    pub it_wants: bool,
    /// We let it have something.
    pub we_give: bool,
    /// It owes blocks, and sends none.
    pub snubbing: bool,
}

/// How a peer is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum PeerTransport {
    /// Over TCP.
    Tcp,
    /// Over uTP (BEP 29).
    Utp,
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
    /// Nobody does: it is stopped, or there is no daemon.
    #[default]
    Closed,
    /// Whoever asks does.
    Open,
    /// It waits until it is its turn.
    Queued,
    /// It has given enough.
    Sated,
}

/// One file of a torrent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct FileView {
    /// Its place in the torrent's list of files.
    pub index: u32,
    /// Its path in the torrent, with `/`.
    pub path: String,
    /// Length, bytes.
    #[cfg_attr(test, ts(type = "number"))]
    pub length: u64,
    /// Bytes verified.
    #[cfg_attr(test, ts(type = "number"))]
    pub verified: u64,
    /// How much it is wanted.
    pub priority: Priority,
    /// Media type by its name.
    pub content_type: String,
    /// Whether it is to be watched or listened to. A player looks into it to see what that takes.
    pub playable: bool,
    /// Where it is served, below the daemon's base URL: `/stream/<fileId>?key=…`.
    pub url: String,
    /// Whether another file had its name already, so that its own has a number. [`Intent::Adopt`]
    /// goes on in that other file.
    pub displaced: bool,
    /// Where to go on with it, seconds; 0 for its beginning.
    pub position_s: f64,
    /// Its length, seconds, where a player has said it.
    pub duration_s: Option<f64>,
    /// Whether it was watched.
    pub watched: bool,
    /// The torrent's subtitle files that belong to it by their names, the best first.
    pub subtitles: Vec<SubtitleView>,
}

/// A subtitle file of a film.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct SubtitleView {
    /// Its place in the torrent's list of files.
    pub index: u32,
    /// Its language, a BCP 47 tag, where its name says it.
    pub language: Option<String>,
    /// What to call it in front of a person.
    pub title: String,
}

impl FileView {
    /// Where it is served under its own name, below the daemon's base URL, with the same key as
    /// [`FileView::url`]: for players that go by a name's ending. Empty for a file that is not
    /// served.
    pub fn named_url(&self) -> String {
        let parts =
            self.url.split_once('?').and_then(|(id, query)| Some((id.rsplit_once('.')?.0, query)));
        parts.map_or_else(
            || self.url.clone(),
            |(torrent, query)| format!("{torrent}/{}?{query}", url::encode(&self.path)),
        )
    }

    /// A file of which nothing is there: it is in the torrent, and nowhere else.
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

/// One viewer's request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct StreamView {
    /// Its torrent.
    pub info_hash: String,
    /// Its file.
    pub file_index: u32,
    /// First byte asked for.
    #[cfg_attr(test, ts(type = "number"))]
    pub start: u64,
    /// Last byte asked for.
    #[cfg_attr(test, ts(type = "number"))]
    pub end: u64,
    /// First byte that the viewer has not drained.
    #[cfg_attr(test, ts(type = "number"))]
    pub position: u64,
    /// What it waits for; `None` while it is fed.
    pub waiting: Option<WaitView>,
}

/// What a viewer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct WaitView {
    /// Why.
    pub reason: WaitReason,
    /// Pieces of the rest of this request that are there.
    pub have_pieces: u32,
    /// Pieces of the rest of this request.
    pub need_pieces: u32,
    /// When the next byte is expected, milliseconds.
    pub eta_ms: Option<u32>,
    /// Connected peers that have the piece at the cursor.
    pub sources: u32,
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

/// Why a viewer waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "snake_case")]
pub enum WaitReason {
    /// The bytes are being fetched.
    Downloading,
    /// What lies on disk is being checked.
    Checking,
    /// No peer is connected.
    NoPeers,
    /// Peers are connected, but none of them has these bytes.
    NoSource,
    /// The torrent is paused or in trouble.
    Stopped,
}

/// The pieces of one file, for a strip: as many cells as asked for, or one a piece where there are
/// fewer pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "camelCase")]
pub struct PiecesView {
    /// For each cell how much of it is verified, 0–255.
    pub verified: Vec<u8>,
    /// For each cell how much of it is asked for or stored and not yet verified, 0–255.
    pub underway: Vec<u8>,
}
