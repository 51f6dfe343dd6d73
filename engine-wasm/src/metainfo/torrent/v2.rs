//! The BitTorrent v2 part of a `.torrent` file (BEP 52): file tree, piece layers, hybrids.
//!
//! This module owns which of these fields are read and how a hybrid's two parts must agree.
//! Invariant: every layer that [`layers`] returns hashes to the root that is its key.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::error::MetainfoError;
use super::field::required;
use super::file::{Entry, File, MAX_PATH_DEPTH};
use crate::geometry::{BLOCK_LENGTH, Geometry, MAX_FILES};
use crate::metainfo::bencode::{self, Value};
use crate::metainfo::encode::{self, Dict};
use crate::metainfo::merkle::{self, HASH_LENGTH, Hash, Shape};

const LAYERS: &str = "piece layers";
const TREE: MetainfoError = MetainfoError::Bad("file tree");

/// The concatenated piece hashes of each file, by the file's root (BEP 52).
pub type PieceLayers = BTreeMap<Hash, Bytes>;

/// Returns the `meta version` of an info dictionary; 1 if it has none.
pub(super) fn meta_version(info: Value<'_>) -> Result<i64, MetainfoError> {
    match info.get("meta version") {
        None => Ok(1),
        Some(version) => match version.int() {
            Some(version @ 1..=2) => Ok(version),
            Some(version) => Err(MetainfoError::Version(version)),
            None => Err(MetainfoError::Bad("meta version")),
        },
    }
}

/// Checks a v2 piece length: a power of two, and at least one block.
pub(super) fn check_piece_length(piece_length: u64) -> Result<(), MetainfoError> {
    let is_whole = piece_length.is_power_of_two() && piece_length >= u64::from(BLOCK_LENGTH);
    if is_whole { Ok(()) } else { Err(MetainfoError::PieceLength(piece_length)) }
}

/// Returns the files in tree order, and whether the torrent is a single-file torrent.
pub(super) fn files<'d>(info: Value<'d>) -> Result<(Vec<Entry<'d>>, bool), MetainfoError> {
    let tree = info.get("file tree").ok_or(MetainfoError::Missing("file tree"))?;
    let mut entries = Vec::new();
    walk(tree, &mut Vec::new(), &mut entries)?;
    let is_single = entries.len() == 1 && entries[0].path.len() == 1;
    Ok((entries, is_single))
}

fn walk<'d>(
    folder: Value<'d>,
    path: &mut Vec<&'d [u8]>,
    out: &mut Vec<Entry<'d>>,
) -> Result<(), MetainfoError> {
    for (name, child) in folder.dict().ok_or(TREE)? {
        // One more than the limit is enough to detect too many files.
        if out.len() > MAX_FILES {
            return Ok(());
        }
        if name.is_empty() || path.len() >= MAX_PATH_DEPTH {
            return Err(TREE);
        }
        path.push(name);
        match child.get("") {
            Some(file) if child.dict().is_some_and(|entries| entries.count() == 1) => {
                out.push(entry(file, path)?)
            }
            Some(_) => return Err(TREE),
            None => walk(child, path, out)?,
        }
        path.pop();
    }
    Ok(())
}

fn entry<'d>(file: Value<'d>, path: &[&'d [u8]]) -> Result<Entry<'d>, MetainfoError> {
    let is_link = file
        .get("attr")
        .and_then(Value::bytes)
        .is_some_and(|attributes| attributes.contains(&b'l'));
    let length = match file.get("length") {
        None if is_link => 0,
        _ => required(file, "length", Value::uint)?,
    };
    let root = match length {
        0 => None,
        _ => Some(required(file, "pieces root", |root| root.bytes()?.try_into().ok())?),
    };
    Ok(Entry { path: path.to_vec(), length, padding: false, root })
}

/// Checks that both lists of a hybrid describe the same files. The offsets must be the same as
/// well.
///
/// Copies the roots of the v2 files to the v1 files.
pub(super) fn unite(
    v1: &mut [Entry<'_>],
    v2: &[Entry<'_>],
    piece_length: u64,
) -> Result<(), MetainfoError> {
    let mut others = v2.iter();
    let mut start = 0u64;
    for entry in v1 {
        if !entry.padding {
            let other = others.next().ok_or(MetainfoError::Inconsistent("number of files"))?;
            if entry.path != other.path {
                return Err(MetainfoError::Inconsistent("names of files"));
            }
            if entry.length != other.length {
                return Err(MetainfoError::Inconsistent("length of a file"));
            }
            if entry.length > 0 && !start.is_multiple_of(piece_length) {
                return Err(MetainfoError::Inconsistent("place of a file"));
            }
            entry.root = other.root;
        }
        start = start.saturating_add(entry.length);
    }
    if others.next().is_some() {
        Err(MetainfoError::Inconsistent("number of files"))
    } else {
        Ok(())
    }
}

/// Checks that both parts of a hybrid have the same number of pieces.
pub(super) fn check_pieces(v1: &Geometry, files: &[File]) -> Result<(), MetainfoError> {
    let lengths: Vec<u64> =
        files.iter().filter(|file| !file.padding).map(|file| file.length).collect();
    let v2 = Geometry::aligned(v1.piece_length(), &lengths)?;
    if v1.piece_count() == v2.piece_count() {
        Ok(())
    } else {
        Err(MetainfoError::Inconsistent("number of pieces"))
    }
}

/// Returns the piece layers of a `.torrent` file, each verified against its root.
///
/// Ignores layers that belong to no file. Missing layers are requested from peers later.
pub(super) fn layers(
    root: Value<'_>,
    files: &[File],
    piece_length: u32,
) -> Result<PieceLayers, MetainfoError> {
    let shapes: BTreeMap<Hash, Shape> = files
        .iter()
        .filter_map(|file| Some((file.root?, Shape::new(file.length, piece_length))))
        .filter(|(_, shape)| shape.has_layer())
        .collect();
    let Some(given) = root.get(LAYERS) else { return Ok(PieceLayers::new()) };
    let mut layers = PieceLayers::new();
    for (root, layer) in given.dict().ok_or(MetainfoError::Bad(LAYERS))? {
        let Some((root, shape)) =
            <Hash>::try_from(root).ok().and_then(|root| shapes.get_key_value(&root))
        else {
            continue;
        };
        let layer = layer.bytes().ok_or(MetainfoError::Bad(LAYERS))?;
        check_layer(shape, root, layer)?;
        layers.insert(*root, Bytes::copy_from_slice(layer));
    }
    Ok(layers)
}

/// Returns the `.torrent` file with its piece layers replaced.
///
/// # Panics
/// If `torrent` is not a valid `.torrent` file.
pub(crate) fn with_layers(torrent: &[u8], layers: &PieceLayers) -> Vec<u8> {
    let document = bencode::parse(torrent.trim_ascii_end()).expect("the torrent was parsed before");
    let fields = document.root().dict().into_iter().flatten();
    let file = fields.fold(Dict::new(), |file, (key, value)| file.raw(key, value.raw().to_vec()));
    let layers =
        layers.iter().fold(Dict::new(), |dict, (root, layer)| dict.raw(root, encode::bytes(layer)));
    file.raw(LAYERS, layers.encode()).encode()
}

/// Verifies a layer against the root of its file.
pub(super) fn check_layer(shape: &Shape, root: &Hash, layer: &[u8]) -> Result<(), MetainfoError> {
    let expected = shape.pieces as usize * HASH_LENGTH;
    if layer.len() != expected {
        return Err(MetainfoError::LayerLength { expected, got: layer.len() });
    }
    if shape.root(&merkle::split(layer)) == *root { Ok(()) } else { Err(MetainfoError::LayerRoot) }
}
