//! Parses `.torrent` files.
//!
//! Supports BEP 3 with BEP 12 (tracker tiers), BEP 19 (web seeds), BEP 27 (private), BEP 47
//! (padding files) and BEP 52 (v2 and hybrids, in `v2`). This module owns which fields are read and
//! the limits on them. Invariants of a [`Metainfo`]:
//! - it has at least one file, and its paths are safe and distinct;
//! - with a v1 part, it has exactly one SHA-1 for each piece of its `Geometry`;
//! - with a v2 part, it has a root for each file that is not empty;
//! - both parts agree.

mod error;
mod field;
mod file;
mod v2;

use std::collections::BTreeSet;

use bytes::Bytes;
use sha1::{Digest, Sha1};
use sha2::Sha256;

pub use error::MetainfoError;
pub use file::File;
pub(crate) use file::MAX_PATH_DEPTH;
pub use v2::PieceLayers;
pub(crate) use v2::with_layers;

use super::bencode::{self, Value};
use super::sanitise::{self, Paths, Rule};
use super::{Identity, InfoHash, InfoHashV2};
use crate::geometry::{Geometry, GeometryError, MAX_FILES};
use crate::percent::encode_url;
use field::{localised, required};
use file::Entry;

/// Most trackers, and most web seeds, taken from one torrent.
pub(crate) const MAX_URLS: usize = 100;
/// Longest accepted URL in bytes.
pub(crate) const MAX_URL_LENGTH: usize = 2_000;
/// Most DHT nodes taken from one torrent.
pub(crate) const MAX_NODES: usize = 16;
/// Longest host name in bytes (RFC 1035 §2.3.4).
const MAX_HOST_LENGTH: usize = 255;

const HASH_LENGTH: usize = 20;

/// Which protocol version's hashes a torrent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// SHA-1 of its pieces (BEP 3).
    V1,
    /// Both kinds of hashes.
    Hybrid,
    /// SHA-256 trees of its files (BEP 52).
    V2,
}

/// The contents of a `.torrent` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metainfo {
    /// The torrent's key. This is the SHA-1 of its info dictionary as it stands in the file, or the
    /// truncated SHA-256 if it has no v1 part.
    pub info_hash: InfoHash,
    /// The SHA-256 of the info dictionary, if the torrent has a v2 part.
    pub info_hash_v2: Option<InfoHashV2>,
    /// The torrent's name, safe as a path component.
    pub name: String,
    /// Length in bytes of every piece except the last.
    pub piece_length: u32,
    /// The SHA-1 of each piece; empty if the torrent has no v1 part.
    pub pieces: Vec<[u8; HASH_LENGTH]>,
    /// The files in torrent order, including empty files and padding files.
    pub files: Vec<File>,
    /// Tiers of announce URLs (BEP 12). URLs are distinct, and no tier is empty.
    pub trackers: Vec<Vec<String>>,
    /// URLs of web seeds (BEP 19).
    pub web_seeds: Vec<String>,
    /// DHT nodes listed in the torrent, host and port (BEP 5).
    pub nodes: Vec<(String, u16)>,
    /// Whether peers may come only from trackers (BEP 27).
    pub private: bool,
    /// The known piece layers, each verified against its root.
    pub layers: PieceLayers,
    has_v1: bool,
    /// The info dictionary as it stands in the file.
    pub info: Bytes,
}

impl Metainfo {
    /// Parses a `.torrent` file.
    ///
    /// # Errors
    /// [`MetainfoError`], whose message is shown to the user.
    pub fn parse(input: &[u8]) -> Result<Self, MetainfoError> {
        // Some programs append a newline.
        let document = bencode::parse(input.trim_ascii_end())?;
        let root = document.root();
        let info = root.get("info").ok_or(MetainfoError::Missing("info"))?;
        if info.dict().is_none() {
            return Err(MetainfoError::Bad("info"));
        }
        let has_v2 = v2::meta_version(info)? == 2;
        let pieces = match info.get("pieces") {
            Some(pieces) => Some(hashes(pieces)?),
            None if has_v2 => None,
            None => return Err(MetainfoError::Missing("pieces")),
        };
        let name = localised(info, "name.utf-8", "name", some_bytes)
            .or_else(|| info.get("name").and_then(Value::bytes))
            .ok_or(MetainfoError::Missing("name"))?;
        let piece_length = required(info, "piece length", Value::uint)?;
        if has_v2 {
            v2::check_piece_length(piece_length)?;
        }
        let (entries, is_single) = match (&pieces, has_v2) {
            (Some(_), false) => files(info, name)?,
            (None, _) => v2::files(info)?,
            (Some(_), true) => {
                let (mut entries, is_single) = files(info, name)?;
                v2::unite(&mut entries, &v2::files(info)?.0, piece_length)?;
                (entries, is_single)
            }
        };
        let sha256 = has_v2.then(|| InfoHashV2(Sha256::digest(info.raw()).into()));
        let info_hash = match sha256 {
            Some(sha256) if pieces.is_none() => sha256.truncated(),
            _ => InfoHash(Sha1::digest(info.raw()).into()),
        };
        let mut metainfo = Self {
            info_hash,
            info_hash_v2: sha256,
            name: sanitise::component(name),
            piece_length: u32::try_from(piece_length).unwrap_or(u32::MAX),
            has_v1: pieces.is_some(),
            pieces: pieces.unwrap_or_default(),
            files: place(entries, (!is_single).then_some(name)),
            trackers: trackers(root),
            web_seeds: web_seeds(root),
            nodes: nodes(root),
            private: info.get("private").and_then(Value::int) == Some(1),
            layers: PieceLayers::new(),
            info: Bytes::copy_from_slice(info.raw()),
        };
        metainfo.check()?;
        if has_v2 {
            metainfo.layers = v2::layers(root, &metainfo.files, metainfo.piece_length)?;
        }
        Ok(metainfo)
    }

    /// Returns which protocol version's hashes the torrent has.
    pub fn version(&self) -> Version {
        match self.info_hash_v2 {
            None => Version::V1,
            Some(_) if self.has_v1 => Version::Hybrid,
            Some(_) => Version::V2,
        }
    }

    /// Returns the torrent's hashes.
    pub fn identity(&self) -> Identity {
        Identity { key: self.info_hash, v2: self.info_hash_v2 }
    }

    /// Uses the truncated v2 hash as the key, if `key` is that hash.
    ///
    /// A swarm that knows only the v2 hash treats a hybrid as a v2 torrent.
    pub(crate) fn use_key(&mut self, key: InfoHash) {
        if self.info_hash_v2.is_some_and(|v2| v2.truncated() == key) {
            self.info_hash = key;
        }
    }

    /// Returns the layout of the files and pieces.
    ///
    /// # Panics
    /// If fields were changed to values that [`Metainfo::parse`] refuses.
    pub fn geometry(&self) -> Geometry {
        self.layout().expect("the lengths were checked when the torrent was parsed")
    }

    /// Returns the total length in bytes, without padding.
    pub fn total_length(&self) -> u64 {
        self.files.iter().filter(|file| !file.padding).map(|file| file.length).sum()
    }

    fn layout(&self) -> Result<Geometry, GeometryError> {
        if self.version() == Version::V2 {
            let lengths: Vec<u64> = self.files.iter().map(|file| file.length).collect();
            return Geometry::aligned(self.piece_length, &lengths);
        }
        let files: Vec<(u64, bool)> =
            self.files.iter().map(|file| (file.length, file.padding)).collect();
        Geometry::padded(self.piece_length, &files)
    }

    fn check(&self) -> Result<(), MetainfoError> {
        let geometry = self.layout()?;
        if self.files.iter().all(|file| file.padding) {
            return Err(MetainfoError::Empty);
        }
        for file in self.files.iter().filter(|file| !file.padding) {
            shared_proto::path::check_length(&file.path)?;
        }
        let (expected, got) = (geometry.piece_count(), self.pieces.len());
        match self.version() {
            Version::V2 => Ok(()),
            _ if expected as usize != got => Err(MetainfoError::PieceCount { expected, got }),
            Version::Hybrid => v2::check_pieces(&geometry, &self.files),
            Version::V1 => Ok(()),
        }
    }
}

fn hashes(pieces: Value<'_>) -> Result<Vec<[u8; HASH_LENGTH]>, MetainfoError> {
    match pieces.bytes().map(<[u8]>::as_chunks) {
        Some((hashes, [])) => Ok(hashes.to_vec()),
        _ => Err(MetainfoError::Bad("pieces")),
    }
}

/// Returns the files of a v1 list. The flag says whether the torrent is a single-file torrent.
fn files<'d>(info: Value<'d>, name: &'d [u8]) -> Result<(Vec<Entry<'d>>, bool), MetainfoError> {
    match (info.get("files"), info.get("length")) {
        (Some(_), Some(_)) => Err(MetainfoError::Bad("files")),
        (Some(files), None) => {
            let files = files.list().ok_or(MetainfoError::Bad("files"))?;
            // One more than the limit is enough to detect too many files.
            let entries: Result<_, _> = files.take(MAX_FILES + 1).map(file_of_several).collect();
            Ok((entries?, false))
        }
        (None, Some(_)) => {
            let length = required(info, "length", Value::uint)?;
            Ok((vec![Entry { path: vec![name], length, padding: false, root: None }], true))
        }
        (None, None) => Err(MetainfoError::Missing("files")),
    }
}

fn file_of_several(entry: Value<'_>) -> Result<Entry<'_>, MetainfoError> {
    let attributes = entry.get("attr").and_then(Value::bytes).unwrap_or_default();
    let length = match entry.get("length") {
        // A symbolic link has no bytes of its own; it becomes an empty file.
        None if attributes.contains(&b'l') => 0,
        _ => required(entry, "length", Value::uint)?,
    };
    let path = localised(entry, "path.utf-8", "path", path_components)
        .or_else(|| entry.get("path").and_then(nameless))
        // Nobody sees the name of padding.
        .or_else(|| attributes.contains(&b'p').then(|| vec![&b".pad"[..]]))
        .ok_or(MetainfoError::Bad("path"))?;
    // Such an entry stands for an empty folder.
    let is_folder = length == 0 && entry.get("path").is_some_and(ends_empty);
    let padding = attributes.contains(&b'p')
        || is_folder
        || path.last().is_some_and(|last| last.starts_with(b"_____padding_file"));
    Ok(Entry { path, length, padding, root: None })
}

/// Assigns paths to the files, below `folder` if there is one.
fn place(entries: Vec<Entry<'_>>, folder: Option<&[u8]>) -> Vec<File> {
    let (mut named, mut safe) = (Paths::new(Rule::AsNamed), Paths::new(Rule::Anywhere));
    let place = |Entry { path, length, padding, root }: Entry<'_>| {
        let components = || folder.into_iter().chain(path.iter().copied());
        let (path, safe_path) = (named.file(components()), safe.file(components()));
        let safe_path = (safe_path != path).then_some(safe_path);
        File { path, safe_path, length, padding, root }
    };
    entries.into_iter().map(place).collect()
}

/// Returns a path's components, unless it has none or too many. Empty ones are left out, as in
/// other clients: `a//b` is `a/b`.
fn path_components<'d>(path: Value<'d>) -> Option<Vec<&'d [u8]>> {
    let mut components = all_components(path)?;
    components.retain(|component| !component.is_empty());
    (!components.is_empty()).then_some(components)
}

/// Returns the path of a file whose components are all empty: one empty component.
fn nameless<'d>(path: Value<'d>) -> Option<Vec<&'d [u8]>> {
    all_components(path).map(|mut components| components.split_off(components.len() - 1))
}

fn ends_empty(path: Value<'_>) -> bool {
    all_components(path).is_some_and(|components| components.ends_with(&[b""]))
}

fn all_components<'d>(path: Value<'d>) -> Option<Vec<&'d [u8]>> {
    let components: Option<Vec<&[u8]>> =
        path.list()?.take(MAX_PATH_DEPTH + 1).map(Value::bytes).collect();
    components.filter(|components| (1..=MAX_PATH_DEPTH).contains(&components.len()))
}

/// Reads bytes, unless there are none.
fn some_bytes(value: Value<'_>) -> Option<&[u8]> {
    value.bytes().filter(|bytes| !bytes.is_empty())
}

fn trackers(root: Value<'_>) -> Vec<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut tiers = Vec::new();
    for tier in root.get("announce-list").and_then(Value::list).into_iter().flatten() {
        let tier: Vec<String> =
            urls(tier).filter(|url| seen.len() < MAX_URLS && seen.insert(url.clone())).collect();
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
        let host = fields
            .next()?
            .text()
            .filter(|host| !host.is_empty() && host.len() <= MAX_HOST_LENGTH)?;
        let port = fields
            .next()?
            .uint()
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port != 0)?;
        Some((host.to_owned(), port))
    });
    nodes.take(MAX_NODES).collect()
}

/// Returns the URLs of web servers, each encoded. An entry that is none costs no other entry.
fn web_seeds(root: Value<'_>) -> Vec<String> {
    let list = root.get("url-list");
    let entries = list.and_then(Value::list).into_iter().flatten();
    let all = entries.chain(list).filter_map(Value::bytes);
    let urls = all.map(|url| encode_url(url.trim_ascii())).filter(|url| {
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        let is_web = ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
        is_web && url.len() <= MAX_URL_LENGTH
    });
    let mut seen = BTreeSet::new();
    urls.filter(|url| seen.insert(url.clone())).take(MAX_URLS).collect()
}

/// Returns the URLs of a list, or a single URL. Both forms exist for trackers and web seeds.
fn urls<'d>(value: Value<'d>) -> impl Iterator<Item = String> + use<'d> {
    let list = value.list().into_iter().flatten();
    let single = value.bytes().is_some().then_some(value);
    list.chain(single).filter_map(|url| {
        let url = url.text()?.trim();
        let plausible = url.contains("://")
            && url.len() <= MAX_URL_LENGTH
            && url.bytes().all(|b| b.is_ascii_graphic());
        plausible.then(|| url.to_owned())
    })
}

#[cfg(test)]
mod tests;
