//! The `.torrent` file: BEP 3, with BEP 12 (tiers of trackers), 19 (web seeds), 27 (private) and 47 (padding files).
//!
//! Owns which fields are taken and within which bounds; it fetches nothing and asks nobody. Invariant: a [`Metainfo`] that exists
//! has at least one byte, safe and distinct paths, and exactly one hash for each piece of its [`Geometry`]. A hybrid torrent
//! (BEP 52) is taken for its v1 part.

use std::collections::BTreeSet;

use bytes::Bytes;
use sha1::{Digest, Sha1};
use thiserror::Error;

use super::InfoHash;
use super::bencode::{self, BencodeError, Value};
use super::sanitise::{self, Paths};
use crate::geometry::{Geometry, GeometryError, MAX_FILES};

/// Longest path of a file, components: nobody's folders are so deep, and each costs a system call.
pub const MAX_PATH_DEPTH: usize = 64;
/// Most trackers taken, and most web seeds.
pub const MAX_URLS: usize = 100;
/// Longest URL taken, bytes.
pub const MAX_URL_LENGTH: usize = 2_000;
/// Most nodes of the DHT taken.
pub const MAX_NODES: usize = 16;
/// Longest name of a host (RFC 1035, §2.3.4), bytes.
const MAX_HOST_LENGTH: usize = 255;

const HASH_LENGTH: usize = 20;

/// What a `.torrent` file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metainfo {
    /// SHA-1 of the info dictionary as it stands in the file.
    pub info_hash: InfoHash,
    /// Its name, safe as a component of a path.
    pub name: String,
    /// Length of every piece but the last, bytes.
    pub piece_length: u32,
    /// SHA-1 of each piece.
    pub pieces: Vec<[u8; HASH_LENGTH]>,
    /// The files in their order; those of length zero and padding included.
    pub files: Vec<File>,
    /// Tiers of announce URLs (BEP 12), each distinct and not empty.
    pub trackers: Vec<Vec<String>>,
    /// URLs of web seeds (BEP 19).
    pub web_seeds: Vec<String>,
    /// Nodes of the DHT that the maker names, host and port (BEP 5).
    pub nodes: Vec<(String, u16)>,
    /// Whether peers may come from trackers only (BEP 27).
    pub private: bool,
    /// The info dictionary as it stands in the file.
    pub info: Bytes,
}

/// One file of a torrent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path, component by component, safe and distinct within the torrent. In a torrent of several files the first
    /// component is the torrent's name.
    pub path: Vec<String>,
    /// Bytes.
    pub length: u64,
    /// Whether it only fills up a piece (BEP 47): zeros that nobody wants to see.
    pub padding: bool,
}

/// Why a file is not a torrent that can be taken. The texts are for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MetainfoError {
    /// Not bencoding.
    #[error("not a torrent file: {0}")]
    Bencode(#[from] BencodeError),
    /// A field that must be there is not.
    #[error("the torrent file lacks {0:?}")]
    Missing(&'static str),
    /// A field is of the wrong kind or out of bounds.
    #[error("the torrent file has a bad {0:?}")]
    Bad(&'static str),
    /// Only BitTorrent v2.
    #[error("v2-only torrents are not supported yet")]
    V2Only,
    /// Not one byte.
    #[error("the torrent has no content")]
    Empty,
    /// Lengths or counts out of bounds.
    #[error("the torrent is out of bounds: {0}")]
    Geometry(#[from] GeometryError),
    /// The number of hashes is not that of pieces.
    #[error("the torrent has {got} piece hashes for {expected} pieces")]
    PieceCount {
        /// Pieces that its files make.
        expected: u32,
        /// Hashes that it has.
        got: usize,
    },
}

impl Metainfo {
    /// Reads a `.torrent` file.
    ///
    /// # Errors
    /// [`MetainfoError`], with a text for people.
    pub fn parse(input: &[u8]) -> Result<Self, MetainfoError> {
        // Some makers end the file like a text.
        let document = bencode::parse(input.trim_ascii_end())?;
        let root = document.root();
        let info = root.get("info").ok_or(MetainfoError::Missing("info"))?;
        if info.dict().is_none() {
            return Err(MetainfoError::Bad("info"));
        }
        let pieces = match info.get("pieces") {
            Some(pieces) => hashes(pieces)?,
            None if is_v2(info) => return Err(MetainfoError::V2Only),
            None => return Err(MetainfoError::Missing("pieces")),
        };
        let name = localised(info, "name.utf-8", "name", Value::bytes).ok_or(MetainfoError::Missing("name"))?;
        let piece_length = required(info, "piece length", Value::uint)?;
        let files = files(info, name)?;
        let metainfo = Self {
            info_hash: InfoHash(Sha1::digest(info.raw()).into()),
            name: sanitise::component(name),
            piece_length: u32::try_from(piece_length).unwrap_or(u32::MAX),
            pieces,
            files,
            trackers: trackers(root),
            web_seeds: web_seeds(root),
            nodes: nodes(root),
            private: info.get("private").and_then(Value::int) == Some(1),
            info: Bytes::copy_from_slice(info.raw()),
        };
        metainfo.check()?;
        Ok(metainfo)
    }

    /// Where its bytes lie.
    ///
    /// # Panics
    /// When its fields were changed to something that [`Metainfo::parse`] refuses.
    pub fn geometry(&self) -> Geometry {
        self.layout().expect("the lengths were checked when the torrent was parsed")
    }

    /// Bytes in all.
    pub fn total_length(&self) -> u64 {
        self.files.iter().map(|file| file.length).sum()
    }

    /// The SHA-1 of a piece.
    ///
    /// # Panics
    /// When there is no such piece.
    pub fn piece_hash(&self, piece: u32) -> &[u8] {
        &self.pieces[piece as usize]
    }

    fn layout(&self) -> Result<Geometry, GeometryError> {
        let lengths: Vec<u64> = self.files.iter().map(|file| file.length).collect();
        Geometry::new(self.piece_length, &lengths)
    }

    fn check(&self) -> Result<(), MetainfoError> {
        let geometry = self.layout()?;
        if geometry.total_length() == 0 {
            return Err(MetainfoError::Empty);
        }
        let (expected, got) = (geometry.piece_count(), self.pieces.len());
        if expected as usize == got { Ok(()) } else { Err(MetainfoError::PieceCount { expected, got }) }
    }
}

fn hashes(pieces: Value<'_>) -> Result<Vec<[u8; HASH_LENGTH]>, MetainfoError> {
    match pieces.bytes().map(<[u8]>::as_chunks) {
        Some((hashes, [])) => Ok(hashes.to_vec()),
        _ => Err(MetainfoError::Bad("pieces")),
    }
}

fn is_v2(info: Value<'_>) -> bool {
    info.get("meta version").and_then(Value::int) == Some(2) || info.get("file tree").is_some()
}

/// The files of either form of an info dictionary.
fn files(info: Value<'_>, name: &[u8]) -> Result<Vec<File>, MetainfoError> {
    let mut paths = Paths::default();
    match (info.get("files"), info.get("length")) {
        (Some(_), Some(_)) => Err(MetainfoError::Bad("files")),
        (Some(files), None) => {
            let files = files.list().ok_or(MetainfoError::Bad("files"))?;
            // One more than allowed is enough to see that there are too many.
            files.take(MAX_FILES + 1).map(|entry| file_of_several(entry, name, &mut paths)).collect()
        }
        (None, Some(_)) => {
            let length = required(info, "length", Value::uint)?;
            Ok(vec![File { path: paths.file([name]), length, padding: false }])
        }
        (None, None) => Err(MetainfoError::Missing("files")),
    }
}

fn file_of_several(entry: Value<'_>, name: &[u8], paths: &mut Paths) -> Result<File, MetainfoError> {
    let attributes = entry.get("attr").and_then(Value::bytes).unwrap_or_default();
    let length = match entry.get("length") {
        // A symbolic link has no bytes of its own; it becomes an empty file.
        None if attributes.contains(&b'l') => 0,
        _ => required(entry, "length", Value::uint)?,
    };
    let components = localised(entry, "path.utf-8", "path", path_components).ok_or(MetainfoError::Bad("path"))?;
    let padding =
        attributes.contains(&b'p') || components.last().is_some_and(|last| last.starts_with(b"_____padding_file"));
    let path = paths.file(std::iter::once(name).chain(components));
    Ok(File { path, length, padding })
}

/// The components of a path that has some, and not too many.
fn path_components<'d>(path: Value<'d>) -> Option<Vec<&'d [u8]>> {
    let components: Option<Vec<&[u8]>> = path.list()?.take(MAX_PATH_DEPTH + 1).map(Value::bytes).collect();
    components.filter(|components| (1..=MAX_PATH_DEPTH).contains(&components.len()))
}

fn trackers(root: Value<'_>) -> Vec<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut tiers = Vec::new();
    for tier in root.get("announce-list").and_then(Value::list).into_iter().flatten() {
        let tier: Vec<String> = urls(tier).filter(|url| seen.len() < MAX_URLS && seen.insert(url.clone())).collect();
        if !tier.is_empty() {
            tiers.push(tier);
        }
    }
    if tiers.is_empty() {
        tiers.extend(
            root.get("announce")
                .map(|url| urls(url).take(MAX_URLS).collect::<Vec<_>>())
                .filter(|tier| !tier.is_empty()),
        );
    }
    tiers
}

fn nodes(root: Value<'_>) -> Vec<(String, u16)> {
    let pairs = root.get("nodes").and_then(Value::list).into_iter().flatten();
    let nodes = pairs.filter_map(|pair| {
        let mut fields = pair.list()?;
        let host = fields.next()?.text().filter(|host| !host.is_empty() && host.len() <= MAX_HOST_LENGTH)?;
        let port = fields.next()?.uint().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)?;
        Some((host.to_owned(), port))
    });
    nodes.take(MAX_NODES).collect()
}

fn web_seeds(root: Value<'_>) -> Vec<String> {
    let seeds = root.get("url-list").into_iter().flat_map(urls);
    seeds.filter(|url| url.starts_with("http://") || url.starts_with("https://")).take(MAX_URLS).collect()
}

/// The URLs of a list, or the one that is not in a list: both exist, for trackers as for web seeds.
fn urls<'d>(value: Value<'d>) -> impl Iterator<Item = String> + use<'d> {
    let list = value.list().into_iter().flatten();
    let single = value.bytes().is_some().then_some(value);
    list.chain(single).filter_map(|url| {
        let url = url.text()?.trim();
        let plausible = url.contains("://") && url.len() <= MAX_URL_LENGTH && url.bytes().all(|b| b.is_ascii_graphic());
        plausible.then(|| url.to_owned())
    })
}

fn required<'d, T>(
    dict: Value<'d>,
    key: &'static str,
    read: impl Fn(Value<'d>) -> Option<T>,
) -> Result<T, MetainfoError> {
    read(dict.get(key).ok_or(MetainfoError::Missing(key))?).ok_or(MetainfoError::Bad(key))
}

/// A name from its UTF-8 form, which older makers add, or else from the ordinary one.
fn localised<'d, T>(dict: Value<'d>, utf8: &str, plain: &str, read: impl Fn(Value<'d>) -> Option<T>) -> Option<T> {
    dict.get(utf8).and_then(&read).or_else(|| dict.get(plain).and_then(&read))
}

#[cfg(test)]
mod tests;
