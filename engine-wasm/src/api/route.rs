//! Parses API calls.
//!
//! This module owns paths, methods, and the forms of parameters and bodies. An [`Action`] is
//! well-formed, but what it names may not exist.

use bytes::Bytes;
use serde::Deserialize;

use super::error::{Code, Failure};
use super::url;
use crate::limits;
use crate::marks::Report;
use crate::metainfo::InfoHash;
use crate::view::{Choice, FilePriority, Intent, Position, Sharing};

/// Paths of the daemon's own pages ([`super::host`]). They may change with every version and are
/// not documented.
const PAGE_ROUTES: &[(&str, &[&str])] =
    &[(TOPICS, &["GET"]), (INTENTS, &["POST"]), (TORRENT_FILES, &["POST"]), (PIECES, &["GET"])];

/// All documented paths with their methods.
///
/// `HEAD` is allowed where `GET` is, except for `/add/{magnet}`.
pub(crate) const ROUTES: &[(&str, &[&str])] = &[
    (OPENAPI, &["GET"]),
    (EVENTS, &["GET"]),
    (ADD, &["POST"]),
    (ADD_LINK, &["GET"]),
    (TORRENTS, &["GET"]),
    (TORRENT, &["GET", "DELETE"]),
    (PLAYLIST, &["GET"]),
    (PLAYLIST_ALIAS, &["GET"]),
    (FILE_PLAYLIST, &["GET"]),
    (SHARING, &["PUT"]),
    (FILES, &["PATCH"]),
    (RECHECK, &["POST", "DELETE"]),
    (ADOPT, &["POST"]),
    (LOCATION, &["PUT"]),
    (FILE_NAME, &["PUT"]),
    (WATCHED, &["PUT"]),
    (PREPARE, &["POST"]),
    (PAUSE, &["POST"]),
    (RESUME, &["POST"]),
    (DECISION, &["PUT"]),
    (REPORT, &["GET"]),
];

const TOPICS: &str = "/host/topics";
const INTENTS: &str = "/host/intents";
/// Adds a `.torrent` file from a page.
const TORRENT_FILES: &str = "/host/torrents";
const PIECES: &str = "/host/pieces";
const OPENAPI: &str = "/openapi.json";
const EVENTS: &str = "/events";
const ADD: &str = "/add";
const ADD_LINK: &str = "/add/{magnet}";
const TORRENTS: &str = "/torrents";
const TORRENT: &str = "/torrents/{infoHash}";
const PLAYLIST: &str = "/torrents/{infoHash}/playlist.m3u";
/// An alias for players that expect this extension; VLC treats it as a stream.
const PLAYLIST_ALIAS: &str = "/torrents/{infoHash}/playlist.m3u8";
const FILE_PLAYLIST: &str = "/torrents/{infoHash}/files/{index}/playlist.m3u";
const SHARING: &str = "/torrents/{infoHash}/sharing";
const FILES: &str = "/torrents/{infoHash}/files";
const RECHECK: &str = "/torrents/{infoHash}/recheck";

const ADOPT: &str = "/torrents/{infoHash}/adopt";
const LOCATION: &str = "/torrents/{infoHash}/location";
const FILE_NAME: &str = "/torrents/{infoHash}/files/{index}/name";
const WATCHED: &str = "/torrents/{infoHash}/files/{index}/watched";
const PREPARE: &str = "/torrents/{infoHash}/files/{index}/prepare";
const PAUSE: &str = "/torrents/{infoHash}/pause";
const RESUME: &str = "/torrents/{infoHash}/resume";
const DECISION: &str = "/torrents/{infoHash}/decision";
const REPORT: &str = "/report";

/// Longest body with settings, bytes.
const MAX_SETTINGS: usize = 3 << 10;
/// Longest body with file priorities, bytes: enough for a hundred thousand files.
const MAX_PRIORITIES: usize = 6 << 20;

/// Most topics that one page may follow.
const MAX_TOPICS: usize = 100;

/// The content type of a `.torrent` file.
const TORRENT_TYPE: &str = "application/x-bittorrent";
const JSON_TYPE: &str = "application/json";

/// An API call.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) content: Bytes,
}

/// A torrent's new location; absent parts stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Target {
    /// Key of the download folder.
    #[serde(default)]
    pub(crate) root: Option<String>,
    /// The folder below the download folder, separated by `/`.
    #[serde(default)]
    pub(crate) folder: Option<String>,
    /// The name of the torrent's file or folder.
    #[serde(default)]
    pub(crate) name: Option<String>,
}

/// What a call asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Follow these topics; `HEAD` only checks that this is possible.
    Topics {
        follow: bool,
        names: Vec<String>,
    },
    /// An intent of a page.
    Intent(Intent),
    /// Return the state of a file's pieces.
    Pieces {
        info_hash: InfoHash,
        index: u32,
        cells: u32,
    },
    OpenApi,
    /// Follow the status; `HEAD` only checks that this is possible.
    Events {
        follow: bool,
    },
    List,
    Show(InfoHash),
    Remove {
        info_hash: InfoHash,
        delete_data: bool,
    },
    /// Return a playlist of all media files or of one file.
    Playlist {
        info_hash: InfoHash,
        file: Option<u32>,
    },
    Share {
        info_hash: InfoHash,
        sharing: Sharing,
    },
    /// Change file priorities.
    Want {
        info_hash: InfoHash,
        files: Vec<FilePriority>,
    },
    /// Check all files for errors, or stop doing so.
    Recheck {
        info_hash: InfoHash,
        begin: bool,
    },
    /// Continue with the files that were there before.
    Adopt(InfoHash),
    /// Move or rename the torrent.
    Move {
        info_hash: InfoHash,
        target: Target,
    },
    /// Rename a file.
    RenameFile {
        info_hash: InfoHash,
        index: u32,
        name: String,
    },
    /// Set how far a file was watched.
    Watched {
        info_hash: InfoHash,
        index: u32,
        report: Report,
    },
    /// Prepare a file for a viewer that will probably come.
    Prepare {
        info_hash: InfoHash,
        index: u32,
        position: Option<Position>,
    },
    /// Pause or resume the torrent.
    Pause {
        info_hash: InfoHash,
        paused: bool,
    },
    /// Decide about a torrent that waits for the user's decision.
    Decide {
        info_hash: InfoHash,
        decision: Decision,
    },
    Report,
    AddMagnet {
        link: String,
        stay: AddOptions,
    },
    AddTorrent {
        metainfo: Bytes,
        stay: AddOptions,
    },
}

/// How long an added torrent stays and what it downloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AddOptions {
    /// Whether to keep the torrent permanently, not only while it is read.
    pub(crate) keep: bool,
    /// Whether to download only what viewers need until the user decides.
    pub(crate) hold: bool,
}

/// The user's decision about a torrent.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    pub(crate) choice: Choice,
    /// Files whose priority changes.
    #[serde(default)]
    pub(crate) files: Vec<FilePriority>,
}

/// Parses a call.
///
/// # Errors
/// [`Failure`] if the path, method, query or body is not valid.
pub(crate) fn route(call: Call<'_>) -> Result<Action, Failure> {
    if call.path.len() > limits::API_URI || call.query.len() > limits::API_URI {
        return Err(Failure::new(Code::UriTooLong, "the URL is too long"));
    }
    let pattern = pattern(call.path)
        .ok_or_else(|| Failure::new(Code::NotFound, "this path does not exist"))?;
    check_method(pattern, call.method)?;
    let query = url::parameters(call.query)
        .ok_or_else(|| malformed("the query is not percent-encoded UTF-8"))?;
    match pattern {
        TOPICS => Ok(Action::Topics { follow: call.method == "GET", names: topics(&query)? }),
        INTENTS => Ok(Action::Intent(settings(call, MAX_PRIORITIES, "what to do")?)),
        PIECES => Ok(Action::Pieces {
            info_hash: value(&query, "torrent")?,
            index: value(&query, "file")?,
            cells: value(&query, "cells")?,
        }),
        OPENAPI => Ok(Action::OpenApi),
        EVENTS => Ok(Action::Events { follow: call.method == "GET" }),
        TORRENT_FILES => Ok(Action::Intent(Intent::AddTorrent { metainfo: call.content })),
        REPORT => Ok(Action::Report),
        PAUSE | RESUME => {
            Ok(Action::Pause { info_hash: info_hash(call.path)?, paused: pattern == PAUSE })
        }
        DECISION => Ok(Action::Decide {
            info_hash: info_hash(call.path)?,
            decision: settings(call, MAX_PRIORITIES, "a decision")?,
        }),
        ADD => add(call, stay(&query)?),
        ADD_LINK => add_link(call, &query),
        TORRENTS => Ok(Action::List),
        SHARING => Ok(Action::Share {
            info_hash: info_hash(call.path)?,
            sharing: settings(call, MAX_SETTINGS, "a sharing setting")?,
        }),
        FILES => Ok(Action::Want {
            info_hash: info_hash(call.path)?,
            files: settings(call, MAX_PRIORITIES, "a list of file priorities")?,
        }),
        LOCATION => Ok(Action::Move {
            info_hash: info_hash(call.path)?,
            target: settings(call, MAX_SETTINGS, "a location")?,
        }),
        FILE_NAME => Ok(Action::RenameFile {
            info_hash: info_hash(call.path)?,
            index: index(call.path)?,
            name: settings(call, MAX_SETTINGS, "a name in JSON")?,
        }),
        WATCHED => {
            let (info_hash, index) = (info_hash(call.path)?, index(call.path)?);
            let body: WatchedBody = settings(call, MAX_SETTINGS, "a watch position")?;
            let report =
                Report::new(body.position_s, body.duration_s, body.watched).map_err(malformed)?;
            Ok(Action::Watched { info_hash, index, report })
        }
        PREPARE => Ok(Action::Prepare {
            info_hash: info_hash(call.path)?,
            index: index(call.path)?,
            position: position(call)?,
        }),
        RECHECK => {
            Ok(Action::Recheck { info_hash: info_hash(call.path)?, begin: call.method == "POST" })
        }
        ADOPT => Ok(Action::Adopt(info_hash(call.path)?)),
        PLAYLIST | PLAYLIST_ALIAS => {
            Ok(Action::Playlist { info_hash: info_hash(call.path)?, file: None })
        }
        FILE_PLAYLIST => {
            Ok(Action::Playlist { info_hash: info_hash(call.path)?, file: Some(index(call.path)?) })
        }
        _ if call.method == "DELETE" => Ok(Action::Remove {
            info_hash: info_hash(call.path)?,
            delete_data: flag(&query, "data")?,
        }),
        _ => Ok(Action::Show(info_hash(call.path)?)),
    }
}

/// Returns the pattern of [`ROUTES`] that matches a path.
fn pattern(path: &str) -> Option<&'static str> {
    if let Some((fixed, _)) =
        ROUTES.iter().chain(PAGE_ROUTES).find(|(fixed, _)| *fixed == path && !fixed.contains('{'))
    {
        return Some(fixed);
    }
    if path.strip_prefix("/add/").is_some_and(|link| !link.is_empty()) {
        return Some(ADD_LINK);
    }
    match path.strip_prefix("/torrents/")?.split('/').collect::<Vec<_>>()[..] {
        [hash] if !hash.is_empty() => Some(TORRENT),
        [hash, "sharing"] if !hash.is_empty() => Some(SHARING),
        [hash, "files"] if !hash.is_empty() => Some(FILES),
        [hash, "recheck"] if !hash.is_empty() => Some(RECHECK),
        [hash, "pause"] if !hash.is_empty() => Some(PAUSE),
        [hash, "resume"] if !hash.is_empty() => Some(RESUME),
        [hash, "decision"] if !hash.is_empty() => Some(DECISION),
        [hash, "adopt"] if !hash.is_empty() => Some(ADOPT),
        [hash, "location"] if !hash.is_empty() => Some(LOCATION),
        [hash, "files", _, "prepare"] if !hash.is_empty() => Some(PREPARE),
        [hash, "files", _, "name"] if !hash.is_empty() => Some(FILE_NAME),
        [hash, "files", _, "watched"] if !hash.is_empty() => Some(WATCHED),
        [hash, "playlist.m3u"] if !hash.is_empty() => Some(PLAYLIST),
        [hash, "playlist.m3u8"] if !hash.is_empty() => Some(PLAYLIST_ALIAS),
        [hash, "files", _, "playlist.m3u"] if !hash.is_empty() => Some(FILE_PLAYLIST),
        _ => None,
    }
}

fn check_method(pattern: &str, method: &str) -> Result<(), Failure> {
    let methods = ROUTES
        .iter()
        .chain(PAGE_ROUTES)
        .find(|(path, _)| *path == pattern)
        .map_or(&[][..], |(_, methods)| *methods);
    let mut allowed = methods.to_vec();
    if methods.contains(&"GET") && pattern != ADD_LINK {
        allowed.insert(1, "HEAD");
    }
    if allowed.contains(&method) { Ok(()) } else { Err(Failure::method(allowed.join(", "))) }
}

fn info_hash(path: &str) -> Result<InfoHash, Failure> {
    let hash = path.split('/').nth(2).unwrap_or_default();
    hash.parse().map_err(|_| malformed("an info hash must be 40 hex digits"))
}

fn index(path: &str) -> Result<u32, Failure> {
    let index = path.split('/').nth(4).unwrap_or_default();
    index.parse().map_err(|_| malformed("a file's index must be a number"))
}

/// Parses `/add/{magnet}`. The link is one encoded segment, or stands as it is, and then owns the
/// query.
fn add_link(call: Call<'_>, query: &[(String, String)]) -> Result<Action, Failure> {
    let encoded = call.path.strip_prefix("/add/").unwrap_or_default();
    let link =
        url::decode(encoded).ok_or_else(|| malformed("the link is not percent-encoded UTF-8"))?;
    if link.eq_ignore_ascii_case("magnet:") {
        return Ok(Action::AddMagnet {
            link: format!("magnet:?{}", call.query),
            stay: AddOptions::default(),
        });
    }
    Ok(Action::AddMagnet { link, stay: stay(query)? })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddBody {
    magnet: String,
    #[serde(default)]
    keep: bool,
    #[serde(default)]
    hold: bool,
}

/// A missing field leaves the mark's value unchanged.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WatchedBody {
    position_s: Option<f64>,
    duration_s: Option<f64>,
    watched: Option<bool>,
}

fn add(call: Call<'_>, stay: AddOptions) -> Result<Action, Failure> {
    let content_type = call.content_type.unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if ![TORRENT_TYPE, JSON_TYPE].contains(&media_type.as_str()) {
        let message =
            format!("send a .torrent file as {TORRENT_TYPE}, or a magnet link as {JSON_TYPE}");
        return Err(Failure::new(Code::UnsupportedMediaType, message));
    }
    if media_type == TORRENT_TYPE {
        return Ok(Action::AddTorrent { metainfo: call.content, stay });
    }
    if call.content.len() > limits::API_LINK {
        return Err(Failure::new(Code::TooLarge, "the body is too long"));
    }
    let body: AddBody = serde_json::from_slice(&call.content).map_err(|error| {
        malformed(format!("the body is not {{\"magnet\": …, \"keep\": …}}: {error}"))
    })?;
    let stay = AddOptions { keep: stay.keep || body.keep, hold: stay.hold || body.hold };
    Ok(Action::AddMagnet { link: body.magnet, stay })
}

/// Parses a JSON body of at most `most` bytes.
fn settings<T: serde::de::DeserializeOwned>(
    call: Call<'_>,
    most: usize,
    what: &str,
) -> Result<T, Failure> {
    if call.content.len() > most {
        return Err(Failure::new(Code::TooLarge, "the body is too long"));
    }
    serde_json::from_slice(&call.content)
        .map_err(|error| malformed(format!("the body is not {what}: {error}")))
}

/// Returns the topics from the query; `topic=` may be repeated.
fn topics(query: &[(String, String)]) -> Result<Vec<String>, Failure> {
    let named = query.iter().filter(|(key, _)| key == "topic").map(|(_, name)| name.clone());
    let names: Vec<String> = named.take(MAX_TOPICS + 1).collect();
    if names.len() > MAX_TOPICS { Err(malformed("there are too many topics")) } else { Ok(names) }
}

/// Returns a required value from the query.
fn value<T: std::str::FromStr>(query: &[(String, String)], name: &str) -> Result<T, Failure> {
    let found = query.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.parse().ok());
    found.ok_or_else(|| malformed(format!("“{name}” is missing or not valid")))
}

/// Parses where a file was stopped; `None` without a body.
fn position(call: Call<'_>) -> Result<Option<Position>, Failure> {
    if call.content.is_empty() {
        Ok(None)
    } else {
        settings(call, MAX_SETTINGS, "a playback position").map(Some)
    }
}

fn stay(query: &[(String, String)]) -> Result<AddOptions, Failure> {
    Ok(AddOptions { keep: flag(query, "keep")?, hold: flag(query, "hold")? })
}

/// Parses a flag in the query; false if it is missing.
fn flag(query: &[(String, String)], name: &str) -> Result<bool, Failure> {
    match query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()) {
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true" | "") => Ok(true),
        Some(_) => Err(malformed(format!("“{name}” must be 0 or 1"))),
    }
}

fn malformed(message: impl Into<String>) -> Failure {
    Failure::new(Code::Malformed, message)
}
