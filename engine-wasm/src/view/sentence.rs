//! The sentences that the engine shows to the user.
//!
//! Owns each sentence once: as a code with values, which pages translate, and as English text
//! ([`Display`](std::fmt::Display)), which the terminal, the HTTP API and the logs use. Text from
//! others (an operating system, a tracker) is a value inside such a sentence.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Why;

/// A sentence of the engine, identified by a code. Its English text explains the code.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(tag = "code", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[expect(missing_docs, reason = "the text of each code is its documentation")]
pub enum Sentence {
    // Impossible requests.
    #[error("There is no such torrent.")]
    NoSuchTorrent,
    #[error("There is no file {index} in this torrent.")]
    NoSuchFile { index: u32 },
    #[error("This torrent's files are not known yet.")]
    FilesNotKnown,
    #[error("This torrent is being removed. Try again in a moment.")]
    BeingRemoved,
    #[error("It can't be brought back any more. Add it again.")]
    UndoTooLate,
    #[error("Not connected to the daemon. Try again when it is back.")]
    NoDaemon,
    #[error("Lost connection to the daemon. Try again when it is back.")]
    DaemonLost,
    #[error("The daemon's answer was lost. Try again.")]
    AnswerLost,

    // Adding.
    #[error("This file is larger than {most_mib} MiB: too large for a .torrent file.")]
    FileTooLarge { most_mib: usize },
    #[error("This .torrent file is damaged or incomplete: {detail}.")]
    TorrentDamaged { detail: String },
    #[error("This torrent can't be used: {detail}.")]
    TorrentUnusable { detail: String },
    #[error("This can't be added: {detail}.")]
    LinkUnusable { detail: String },
    #[error("This is not an address that begins with http:// or https://.")]
    NotAnAddress,
    #[error("{most} .torrent files are being downloaded already. Try again in a moment.")]
    TooManyFetches { most: usize },
    #[error("The .torrent file can't be downloaded: the server answered {status}.")]
    FetchStatus { status: u16 },
    #[error("The .torrent file can't be downloaded: {why}.")]
    FetchFailed { why: Why },
    #[error("There are {most} torrents already: remove one first.")]
    TooManyTorrents { most: usize },
    #[error("“{address}” is not an address like 192.0.2.1:6881.")]
    NotAPeer { address: String },

    // Trackers.
    #[error("{}", announcing(*count))]
    Announcing { count: u32 },
    #[error("This torrent is private: only its own trackers may be asked.")]
    PrivateTrackers,
    #[error(
        "“{url}” is not the address of a tracker: those begin with udp://, http:// or https://."
    )]
    NotATracker { url: String },
    #[error("Name at least one tracker.")]
    NoTrackerNamed,
    #[error("A torrent can have {most} trackers at the most.")]
    TooManyTrackers { most: usize },
    #[error("The torrent has no such tracker.")]
    NoSuchTracker,
    #[error("The torrent is stopped, so trackers are not asked. Resume it first.")]
    NotAtWork,
    #[error("Trackers are switched off in the settings.")]
    TrackersOff,
    #[error("This torrent has no tracker that can be asked.")]
    NoTracker,
    #[error("The trackers were asked a moment ago. They may be asked again in {seconds} s.")]
    AskedJustNow { seconds: u32 },
    #[error("All trackers of this torrent refused to be asked again.")]
    TrackersGone,
    #[error("{warning}")]
    TrackerWarns { warning: String },
    #[error("the tracker refuses: {reason}")]
    TrackerRefuses { reason: String },
    #[error("the tracker's answer can't be read")]
    TrackerUnreadable,
    #[error("the tracker answered {status}")]
    TrackerStatus { status: u16 },
    #[error("no datagram can be sent to this tracker")]
    TrackerNoWay,
    #[error("{why}")]
    TrackerFailed { why: Why },

    // Names, moves and checks.
    #[error("“{name}” can't be a name here. “{safe}” can.")]
    UnfitName { name: String, safe: String },
    #[error(
        "“{folder}” is an absolute path. Name a folder inside the download folder, such as \
         “Films/New”. Another download folder is chosen in the settings."
    )]
    AbsoluteFolder { folder: String },
    #[error("There is no such download folder.")]
    NoSuchFolder,
    #[error("There are too many nested folders.")]
    TooDeep,
    #[error("The torrent has a file “{name}” already.")]
    NameTaken { name: String },
    #[error("The path of “{name}” would be too long there: {detail}.")]
    PathTooLong { name: String, detail: String },
    #[error("This torrent is being moved already. Try again when that is done.")]
    MovingAlready,
    #[error("The torrent is not ready to be moved. Try again in a moment.")]
    NotReadyToMove,
    #[error("The torrent is not ready to be checked. Try again in a moment.")]
    NotReadyToCheck,
    #[error("Its files are in two locations. Move it to one of them first.")]
    TwoLocations,
    #[error("The move can't be saved: {why}.")]
    MoveNotSaved { why: Why },
    #[error("“{path}” exists already. Nothing was moved.")]
    PlaceTaken { path: String },
    #[error("It can't be moved there: {why}.")]
    CantMoveThere { why: Why },
    #[error("The torrent was removed.")]
    Removed,
    #[error("It can't be moved: the disk is full there.")]
    MoveFull,
    #[error("It can't be moved: the folder can't be written ({why}).")]
    MoveDenied { why: Why },
    #[error("It can't be moved: “{name}” exists there already.")]
    MoveExists { name: String },
    #[error("It can't be moved: “{name}”: {why}.")]
    MoveFailed { name: String, why: Why },
    #[error("It is moved back.")]
    MovedBack,
    #[error("{why} Moving it back.")]
    MoveReturning { why: Box<Sentence> },
    #[error("{why} It stays where it was.")]
    MoveStayed { why: Box<Sentence> },
    #[error(
        "{why} Some files are at the old location and some at the new one. Move the torrent again."
    )]
    MoveStuck { why: Box<Sentence> },

    // Folders of this computer.
    #[error("Folders of this computer can't be shown or changed here.")]
    NoFolders,
    #[error("Only the extension can show or change folders of this computer.")]
    OnlyExtension,
    #[error("There is nothing to show yet.")]
    NothingToShow,
    #[error("It can't be shown: {why}.")]
    CantShow { why: Why },
    #[error("This folder can't be used: {why}.")]
    FolderUnusable { why: Why },

    // Settings, and what is stored about films.
    #[error("This engine keeps the settings that it was started with.")]
    FixedSettings,
    #[error(
        "The settings apply now, but could not be saved yet: {why}. They are saved as soon as that \
         works."
    )]
    SettingsNotSaved { why: Why },
    #[error("The settings apply now, and are saved when the daemon is back.")]
    SettingsSavedLater,
    #[error("The download limit is too low: enter at least 1 kB/s, or nothing for no limit.")]
    DownloadLimitTooLow,
    #[error("The upload limit is too low: enter at least 1 kB/s, or nothing for no limit.")]
    UploadLimitTooLow,
    #[error("Peers per torrent can be 1 to {most}.")]
    PeersOutOfRange { most: u32 },
    #[error("Without TCP and uTP there is no way to any peer: leave one of them on.")]
    NoTransport,
    #[error(
        "Without trackers, the DHT, peer exchange and web seeds nothing can be found: leave one of \
         them on."
    )]
    NoSource,
    #[error("At least one active download has to be allowed. Leave the field empty for no limit.")]
    NoDownloads,
    #[error("This ratio is too high: the most is one million.")]
    RatioTooHigh,
    #[error("These are too many choices, or too long ones.")]
    TooManyChoices,
    #[error("This is not a time in a film.")]
    NoTimeInFilm,

    // What a torrent is doing.
    #[error("Deleting its files")]
    DeletingFiles,
    #[error("Moving files")]
    MovingFiles,
    #[error("Queued")]
    Queued,
    #[error("Queued for seeding")]
    QueuedForSeeding,
    #[error("Looking for peers")]
    LookingForPeers,
    #[error("Connecting to peers")]
    ConnectingToPeers,
    #[error("Asking peers for the description")]
    AskingForDescription,
    #[error("Getting the description: {have} of {all} parts")]
    GettingDescription { have: usize, all: usize },
    #[error("No peer has sent this torrent's description yet. Retrying soon")]
    DescriptionRetry,
    #[error("No peers: {why}")]
    NoPeers { why: Box<Sentence> },
    #[error("No peers: this torrent names no tracker that can be asked. Add a peer by hand.")]
    NoPeersNoTracker,
    #[error(
        "No peers: this link names them by host, which is not supported yet. Add a peer by hand."
    )]
    NoPeersByHost,
    #[error(
        "No peers: this link names no tracker that can be asked and no peer. Add a peer by hand."
    )]
    NoPeersInLink,

    // What stopped a torrent.
    #[error("The disk is full. Free some space; it continues automatically.")]
    DiskFull,
    #[error(
        "The download folder can't be written: {why}. Once that is allowed, it continues \
         automatically, or at once with Resume."
    )]
    ReadOnly { why: Why },
    #[error(
        "The download folder is not there. Once it is back, it continues automatically, or at once \
         with Resume."
    )]
    FolderMissing,
    #[error(
        "{}. Once it is back, the torrent continues automatically, or at once with Resume.",
        why.begun()
    )]
    DiskMissing { why: Why },
    #[error(
        "Another program of yours downloads into the same file. Once that has ended, the torrent \
         continues automatically, or at once with Resume."
    )]
    FileBusy,
    #[error(
        "The disk takes no file of that name: {why}. Move the torrent to another folder or rename \
         it."
    )]
    BadName { why: Why },
    #[error("Every name for “{name}” is taken in its folder. Move some of them away, then resume.")]
    NamesTaken { name: String },
    #[error(
        "The disk reports a problem: {why}. JSTorrent tries again automatically, or at once with \
         Resume."
    )]
    DiskProblem { why: Why },
    #[error("The disk reports a problem: {why}. Press Resume to try again.")]
    DiskProblemStays { why: Why },
    #[error(
        "{} can't be found in the download folder. Is its disk connected? When it is back, the \
         torrent continues automatically. To download it again, check the files for errors.",
        among(name, *others)
    )]
    FilesMissing { name: String, others: usize },
    #[error("Each of its pieces has more files than can be open at the same time.")]
    TooManyOpenFiles,
    #[error(
        "No peer sent this torrent's description; it was tried {} for {seconds} s.",
        times(*tries)
    )]
    NotDescribed { tries: u32, seconds: u32 },

    // Removing with files.
    #[error("“{name}” can't be deleted: {why}. Remove the torrent again when that is fixed.")]
    CantDelete { name: String, why: Why },
    #[error("The files can't be deleted: {why}. Remove the torrent again when the folder is back.")]
    CantDeleteThere { why: Why },
    #[error(
        "Lost connection to the daemon before all files were deleted. Remove the torrent again."
    )]
    NotAllDeleted,
    #[error("{}", spared(name, *others))]
    Spared { name: String, others: usize },

    // Notices.
    #[error(
        "The list of torrents and the settings can't be saved: {detail}. Changes are kept in \
         memory and saved as soon as that works. They are lost if the program ends first."
    )]
    NotSaved { detail: String },
    #[error(
        "The saved list of torrents can't be read now: {detail}. Retrying; until then nothing is \
         listed."
    )]
    NotRead { detail: String },
    #[error(
        "The saved list of torrents and settings was damaged or replaced, and is kept as {path}. \
         Torrents that are missing now were listed only there. Add them again: their files are \
         found where they lie. Delete that file to dismiss this message."
    )]
    SetAside { path: String },
    #[error("{}. They are left as they are; add these torrents again.", unreadable(*count))]
    Unreadable { count: u32 },
    #[error("What has been watched can't be saved or read now: {detail}. JSTorrent tries again.")]
    WatchedNotSaved { detail: String },
    #[error(
        "The file that says what you have watched was damaged, and is kept as {path}. Delete it to \
         dismiss this message."
    )]
    WatchedSetAside { path: String },
    #[error(
        "The downloads into “{folder}” need {} more, and {} are free. Free some space, or choose \
         fewer files.",
        decimal(*needed_bytes),
        decimal(*free_bytes)
    )]
    NeedsSpace {
        folder: String,
        #[cfg_attr(test, ts(type = "number"))]
        needed_bytes: u64,
        #[cfg_attr(test, ts(type = "number"))]
        free_bytes: u64,
    },
}

impl From<Sentence> for String {
    fn from(sentence: Sentence) -> Self {
        sentence.to_string()
    }
}

fn announcing(count: u32) -> String {
    match count {
        1 => "One tracker is being asked.".to_owned(),
        _ => format!("{count} trackers are being asked."),
    }
}

fn times(tries: u32) -> String {
    if tries == 1 { "once".to_owned() } else { format!("{tries} times") }
}

fn among(name: &str, others: usize) -> String {
    match others {
        0 => format!("“{name}”"),
        _ => format!("“{name}” and {others} other files"),
    }
}

fn spared(name: &str, others: usize) -> String {
    match others {
        0 => format!("“{name}” was not deleted: it is not the file that was downloaded."),
        _ => format!(
            "“{name}” and {others} other files were not deleted: they are not those that were \
             downloaded."
        ),
    }
}

fn unreadable(count: u32) -> String {
    match count {
        1 => "One entry of the saved list can't be read and is not shown".to_owned(),
        _ => format!("{count} entries of the saved list can't be read and are not shown"),
    }
}

/// Formats a number of bytes in decimal units, as disks are sold.
pub(crate) fn decimal(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) if bytes / unit < 10 => {
            format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
        }
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;

    use super::decimal;

    /// Codes whose English text on pages deliberately differs from the text here.
    const DIFFERENT: [&str; 17] = [
        // Pages format counts and lists of files by their own plural rules.
        "announcing",
        "files_missing",
        "not_described",
        "spared",
        "unreadable",
        // Pages show which file it is.
        "no_such_file",
        // Pages show these on a line of their own, so they start with a capital letter.
        "tracker_failed",
        "tracker_no_way",
        "tracker_refuses",
        "tracker_status",
        "tracker_unreadable",
        // Pages show the tracker's own text.
        "tracker_warns",
        // Pages show the number of peers beside the sentence.
        "no_peers",
        "no_peers_by_host",
        "no_peers_in_link",
        "no_peers_no_tracker",
        // The detail is a number of bytes.
        "path_too_long",
    ];

    /// Returns the text of each code, as the attributes of `Sentence` define it.
    fn texts() -> BTreeMap<String, String> {
        let source = include_str!("sentence.rs");
        let (_, body) = source.split_once("pub enum Sentence {").expect("the enum is here");
        let (body, _) = body.split_once("\n}").expect("the enum ends");
        let mut texts = BTreeMap::new();
        for part in body.split("#[error(").skip(1) {
            let (text, rest) = part.split_once(")]\n").expect("an attribute ends");
            let (_, text) = text.split_once('"').expect("an attribute has a text");
            let (text, _) = text.split_once('"').expect("a text ends");
            let lines: Vec<&str> = text.split("\\\n").map(str::trim_start).collect();
            let variant = rest.trim_start().split(|it: char| !it.is_alphanumeric()).next();
            let mut code = String::new();
            for letter in variant.expect("a variant follows").chars() {
                if letter.is_uppercase() && !code.is_empty() {
                    code.push('_');
                }
                code.extend(letter.to_lowercase());
            }
            texts.insert(code, lines.concat());
        }
        texts
    }

    /// Returns a text in which each value is `{}` and each apostrophe is plain.
    fn pattern(text: &str) -> String {
        let mut pattern = String::new();
        let mut rest = text.chars();
        while let Some(letter) = rest.next() {
            match letter {
                '{' => {
                    rest.by_ref().find(|it| *it == '}');
                    pattern.push_str("{}");
                }
                '$' => {
                    rest.next();
                    pattern.push_str("{}");
                }
                '’' => pattern.push('\''),
                letter => pattern.push(letter),
            }
        }
        pattern
    }

    #[test]
    fn english_texts_of_pages_match_the_engines_but_for_a_few() {
        let messages = include_str!("../../../extension/_locales/en/messages.json");
        let messages: Value = serde_json::from_str(messages).expect("messages are JSON");
        let texts = texts();
        assert!(texts.len() > 100, "{} texts were found", texts.len());
        let differs = |(code, text): &(&String, &String)| {
            let shown = messages[format!("engine_{code}")]["message"].as_str();
            shown.map(pattern) != Some(pattern(text))
        };
        let mut found: Vec<&str> = texts.iter().filter(differs).map(|(code, _)| &**code).collect();
        found.sort_unstable();
        let mut expected = DIFFERENT;
        expected.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn sizes_are_shown_in_decimal_units() {
        let said =
            [0, 999, 1_000, 15_000, 2_500_000, 12_000_000_000, 9_990_000_000_000].map(decimal);
        assert_eq!(said, ["0 bytes", "999 bytes", "1.0 kB", "15 kB", "2.5 MB", "12 GB", "9.9 TB"]);
    }
}
