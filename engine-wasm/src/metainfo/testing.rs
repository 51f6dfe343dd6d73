//! Valid `.torrent` files for tests, with reproducible contents.

use std::collections::BTreeMap;

use sha1::{Digest, Sha1};

use super::encode::{self, Dict};
use super::merkle::{self, Shape};
use super::{Metainfo, Version};

/// A torrent made for a test.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// The `.torrent` file's bytes.
    pub(crate) torrent: Vec<u8>,
    /// The parsed `.torrent` file.
    pub(crate) metainfo: Metainfo,
    /// The concatenated files, with zeros in padding files.
    pub(crate) content: Vec<u8>,
}

impl Sample {
    /// Returns the contents of a file.
    pub(crate) fn file(&self, file: usize) -> &[u8] {
        let geometry = self.metainfo.geometry();
        let start = geometry.file_start(geometry.files().nth(file).expect("the file exists")).get();
        let place = [start, start + self.metainfo.files[file].length];
        let [start, end] =
            place.map(|at| usize::try_from(at).expect("a test's file fits into memory"));
        &self.content[start..end]
    }
}

/// Creates a torrent without trackers.
///
/// Paths are separated by `/`. A single path without `/` makes a single-file torrent; anything else
/// is put into the folder `Sample`.
pub(crate) fn torrent(piece_length: u32, files: &[(&str, usize)]) -> Sample {
    torrent_with_trackers(piece_length, files, &[])
}

/// Creates a torrent with these trackers, each in its own tier.
pub(crate) fn torrent_with_trackers(
    piece_length: u32,
    files: &[(&str, usize)],
    trackers: &[&str],
) -> Sample {
    let content = content(files.iter().map(|(_, length)| length).sum());
    let info = info(piece_length, files, &content).encode();
    let tiers = trackers.iter().map(|url| encode::list([encode::bytes(url)]));
    let torrent = Dict::new().raw("info", info).raw("announce-list", encode::list(tiers)).encode();
    let metainfo = Metainfo::parse(&torrent).expect("a test's torrent is valid");
    Sample { torrent, metainfo, content }
}

/// Creates a torrent without trackers whose files have these contents.
pub(crate) fn torrent_holding(piece_length: u32, files: &[(&str, &[u8])]) -> Sample {
    let content: Vec<u8> = files.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
    let files: Vec<(&str, usize)> =
        files.iter().map(|(path, bytes)| (*path, bytes.len())).collect();
    let torrent = Dict::new().raw("info", info(piece_length, &files, &content).encode()).encode();
    let metainfo = Metainfo::parse(&torrent).expect("a test's torrent is valid");
    Sample { torrent, metainfo, content }
}

/// Creates a private torrent (BEP 27).
pub(crate) fn private(piece_length: u32, files: &[(&str, usize)], trackers: &[&str]) -> Sample {
    let content = content(files.iter().map(|(_, length)| length).sum());
    let info = info(piece_length, files, &content).int("private", 1).encode();
    let tiers = trackers.iter().map(|url| encode::list([encode::bytes(url)]));
    let torrent = Dict::new().raw("info", info).raw("announce-list", encode::list(tiers)).encode();
    let metainfo = Metainfo::parse(&torrent).expect("a test's torrent is valid");
    Sample { torrent, metainfo, content }
}

/// Creates a torrent with a v2 part, its files in path order. A hybrid gets padding files.
pub(crate) fn torrent_of(version: Version, piece_length: u32, files: &[(&str, usize)]) -> Sample {
    let piece = piece_length as usize;
    let all = content(files.iter().map(|(_, length)| length).sum());
    let (mut row, mut taken) = (Vec::new(), 0);
    let (mut tree, mut layers, mut v1) = (Tree::default(), Dict::new(), Vec::new());
    for &(path, length) in files {
        let bytes = &all[taken..taken + length];
        taken += length;
        let gap = if length > 0 { row.len().next_multiple_of(piece) - row.len() } else { 0 };
        if gap > 0 {
            v1.push((format!(".pad/{gap}"), gap, true));
            row.resize(row.len() + gap, 0);
        }
        row.extend_from_slice(bytes);
        v1.push((path.to_owned(), length, false));
        let mut file = Dict::new().int("length", number(length));
        if length > 0 {
            let (root, layer) = trees(bytes, piece_length);
            file = file.bytes("pieces root", root);
            if length > piece {
                layers = layers.raw(root, encode::bytes(layer));
            }
        }
        tree.insert(&path.split('/').collect::<Vec<_>>(), file);
    }
    let mut info = Dict::new().int("piece length", i64::from(piece_length)).int("meta version", 2);
    info = info.raw("file tree", tree.encode());
    let is_single = files.len() == 1 && !files[0].0.contains('/');
    info = info.bytes("name", if is_single { files[0].0 } else { "Sample" });
    if version == Version::Hybrid {
        info = info.bytes("pieces", row.chunks(piece).flat_map(Sha1::digest).collect::<Vec<u8>>());
        info = match files {
            [(_, length)] if is_single => info.int("length", number(*length)),
            _ => info.raw(
                "files",
                encode::list(v1.iter().map(|(path, length, padding)| {
                    let entry = file_dict(path, *length);
                    if *padding { entry.bytes("attr", "p").encode() } else { entry.encode() }
                })),
            ),
        };
    }
    let torrent =
        Dict::new().raw("info", info.encode()).raw("piece layers", layers.encode()).encode();
    let metainfo = Metainfo::parse(&torrent).expect("a test's torrent is valid");
    Sample { torrent, metainfo, content: row }
}

/// Returns a file's root and the concatenated hashes of its pieces.
pub(crate) fn trees(bytes: &[u8], piece_length: u32) -> (merkle::Hash, Vec<u8>) {
    let shape = Shape::new(bytes.len() as u64, piece_length);
    let pieces: Vec<merkle::Hash> = bytes
        .chunks(piece_length as usize)
        .map(|piece| shape.piece(&merkle::leaves(piece)))
        .collect();
    (shape.root(&pieces), pieces.concat())
}

/// A file tree (BEP 52) under construction.
#[derive(Default)]
struct Tree {
    folders: BTreeMap<String, Tree>,
    files: BTreeMap<String, Dict>,
}

impl Tree {
    fn insert(&mut self, path: &[&str], file: Dict) {
        match path {
            [name] => drop(self.files.insert((*name).to_owned(), file)),
            [folder, rest @ ..] => {
                self.folders.entry((*folder).to_owned()).or_default().insert(rest, file)
            }
            [] => {}
        }
    }

    fn encode(&self) -> Vec<u8> {
        let files = self
            .files
            .iter()
            .map(|(name, file)| (name, Dict::new().raw("", file.encode()).encode()));
        let folders = self.folders.iter().map(|(name, folder)| (name, folder.encode()));
        files.chain(folders).fold(Dict::new(), |dict, (name, entry)| dict.raw(name, entry)).encode()
    }
}

/// Returns the info dictionary of a v1 torrent.
pub(crate) fn info(piece_length: u32, files: &[(&str, usize)], content: &[u8]) -> Dict {
    let pieces: Vec<u8> = content.chunks(piece_length as usize).flat_map(Sha1::digest).collect();
    let info = Dict::new().int("piece length", i64::from(piece_length)).bytes("pieces", pieces);
    match files {
        [(name, length)] if !name.contains('/') => {
            info.bytes("name", name).int("length", number(*length))
        }
        _ => info.bytes("name", "Sample").raw("files", encode::list(files.iter().map(file_entry))),
    }
}

fn file_entry((path, length): &(&str, usize)) -> Vec<u8> {
    file_dict(path, *length).encode()
}

fn file_dict(path: &str, length: usize) -> Dict {
    let path = encode::list(path.split('/').map(encode::bytes));
    Dict::new().int("length", number(length)).raw("path", path)
}

/// Returns pseudo-random bytes that are equal in every run. The blocks differ.
pub(crate) fn content(length: usize) -> Vec<u8> {
    let words = (0u64..).map(|at| {
        let mixed = (at ^ (at >> 7)).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).to_le_bytes()
    });
    words.flatten().take(length).collect()
}

fn number(length: usize) -> i64 {
    i64::try_from(length).expect("a test's file fits into memory")
}
