//! The API's JSON: torrents, files and streams.
//!
//! This module owns the field names, which `openapi.json` describes and a test compares. Its values
//! come from [`crate::view`].

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::view::{
    FileView, NextFilm, NoticeView, PortMappingView, Priority, StreamView, SubtitleView,
    TorrentState, TorrentVersion, TorrentView, TrackerView, WaitView,
};

/// The response after a torrent was added.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Added {
    info_hash: String,
    name: String,
    /// Whether the torrent existed already.
    duplicate: bool,
    file_count: usize,
    /// All files; empty if the list would exceed the longest response.
    files: Vec<AddedFile>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct AddedFile {
    index: u32,
    name: String,
    path: String,
    length: u64,
    r#type: String,
    playable: bool,
    url: String,
}

/// All torrents, and where peers can connect.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct List {
    pub(crate) torrents: Vec<Status>,
    pub(crate) listen_port: Option<u16>,
    pub(crate) port_mapping: Option<PortMappingView>,
    pub(crate) notices: Vec<NoticeView>,
}

/// The state of a torrent.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    info_hash: String,
    name: String,
    state: TorrentState,
    undecided: bool,
    message: Option<String>,
    temporary: bool,
    length: u64,
    verified: u64,
    progress: f64,
    wanted: u64,
    wanted_verified: u64,
    check_progress: Option<f64>,
    move_progress: Option<f64>,
    downloaded: u64,
    download_rate: u64,
    uploaded: u64,
    upload_rate: u64,
    peers: u32,
    known_peers: u32,
    file_count: usize,
    streams: Vec<Stream>,
}

/// The state of a torrent with its files.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Detail {
    #[serde(flatten)]
    status: Status,
    version: Option<TorrentVersion>,
    piece_length: u32,
    piece_count: u32,
    root: String,
    lies_at: String,
    trackers: Vec<TrackerView>,
    next: Option<NextFilm>,
    choices: BTreeMap<String, String>,
    files: Vec<StatusFile>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusFile {
    #[serde(flatten)]
    file: AddedFile,
    verified: u64,
    progress: f64,
    priority: Priority,
    displaced: bool,
    position_s: f64,
    duration_s: Option<f64>,
    watched: bool,
    subtitles: Vec<Subtitle>,
}

/// A subtitle file of a video.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Subtitle {
    index: u32,
    language: Option<String>,
    title: String,
    url: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stream {
    file_index: u32,
    start: u64,
    end: u64,
    position: u64,
    waiting: Option<WaitView>,
}

impl Added {
    /// Creates the response; `base` starts its URLs.
    pub(crate) fn new(torrent: &TorrentView, base: &str, duplicate: bool) -> Self {
        Self {
            info_hash: torrent.info_hash.clone(),
            name: torrent.name.clone(),
            duplicate,
            file_count: torrent.files.len(),
            files: torrent.files.iter().map(|file| added_file(file, base)).collect(),
        }
    }

    /// Returns the same without the list of files.
    pub(crate) fn without_files(self) -> Self {
        Self { files: Vec::new(), ..self }
    }
}

impl Status {
    /// Creates the state of a torrent; `streams` may include those of other torrents.
    pub(crate) fn new(torrent: &TorrentView, streams: &[StreamView], temporary: bool) -> Self {
        let own = streams.iter().filter(|stream| stream.info_hash == torrent.info_hash);
        Self {
            info_hash: torrent.info_hash.clone(),
            name: torrent.name.clone(),
            state: torrent.state,
            undecided: torrent.undecided,
            message: torrent.message.clone(),
            temporary,
            length: torrent.length,
            verified: torrent.verified,
            progress: share(torrent.verified, torrent.length),
            wanted: torrent.wanted,
            wanted_verified: torrent.wanted_verified,
            check_progress: torrent.check_progress,
            move_progress: torrent.move_progress,
            downloaded: torrent.downloaded,
            download_rate: torrent.down_rate_bps,
            uploaded: torrent.uploaded,
            upload_rate: torrent.up_rate_bps,
            peers: torrent.peers,
            known_peers: torrent.known_peers,
            file_count: torrent.files.len(),
            streams: own.map(stream).collect(),
        }
    }
}

impl Detail {
    /// Creates the state with files; `base` starts their URLs.
    pub(crate) fn new(
        torrent: &TorrentView,
        streams: &[StreamView],
        temporary: bool,
        base: &str,
    ) -> Self {
        let urls: HashMap<u32, String> = torrent
            .files
            .iter()
            .map(|file| (file.index, format!("{base}{}", file.named_url())))
            .collect();
        let subtitle = |it: &SubtitleView| Subtitle {
            index: it.index,
            language: it.language.clone(),
            title: it.title.clone(),
            url: urls.get(&it.index).cloned().unwrap_or_default(),
        };
        let file = |file: &FileView| StatusFile {
            file: added_file(file, base),
            verified: file.verified,
            progress: if file.length == 0 { 1.0 } else { share(file.verified, file.length) },
            priority: file.priority,
            displaced: file.displaced,
            position_s: file.position_s,
            duration_s: file.duration_s,
            watched: file.watched,
            subtitles: file.subtitles.iter().map(subtitle).collect(),
        };
        Self {
            status: Status::new(torrent, streams, temporary),
            version: torrent.version,
            piece_length: torrent.piece_length,
            piece_count: torrent.piece_count,
            root: torrent.root.clone(),
            lies_at: torrent.lies_at.clone(),
            trackers: torrent.trackers.iter().cloned().map(TrackerView::in_english).collect(),
            next: torrent.next.clone(),
            choices: torrent.choices.clone(),
            files: torrent.files.iter().map(file).collect(),
        }
    }
}

/// Returns the URL of a file. Its key opens this file only, so any player may have it.
pub(crate) fn stream_url(file: &FileView, base: &str) -> String {
    format!("{base}{}", file.url)
}

/// Returns the last component of a path.
pub(crate) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn added_file(file: &FileView, base: &str) -> AddedFile {
    AddedFile {
        index: file.index,
        name: name_of(&file.path).to_owned(),
        path: file.path.clone(),
        length: file.length,
        r#type: file.content_type.clone(),
        playable: file.playable,
        url: stream_url(file, base),
    }
}

fn stream(stream: &StreamView) -> Stream {
    Stream {
        file_index: stream.file_index,
        start: stream.start,
        end: stream.end,
        position: stream.position,
        waiting: stream.waiting,
    }
}

/// Returns `part / whole`, from 0 to 1. The result is 1 only if nothing is missing.
fn share(part: u64, whole: u64) -> f64 {
    const STEPS: u64 = 1_000_000;
    if whole == 0 {
        return 0.0;
    }
    let steps = u128::from(part.min(whole)) * u128::from(STEPS) / u128::from(whole);
    f64::from(u32::try_from(steps).unwrap_or(0)) / f64::from(u32::try_from(STEPS).unwrap_or(1))
}
