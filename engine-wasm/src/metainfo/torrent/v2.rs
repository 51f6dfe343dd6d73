//! The part of a `.torrent` file that BitTorrent v2 adds (BEP 52): the tree of files, the layers of
//! pieces, and what a hybrid must hold to.
//!
//! Owns which of it is taken; it knows neither trackers nor disks. Invariant: a layer that comes
//! out of [`layers`] has the root that it is kept under.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Entry, MAX_PATH_DEPTH, MetainfoError, PieceLayers, required};
use crate::geometry::{BLOCK_LENGTH, Geometry, MAX_FILES};
use crate::metainfo::bencode::{self, Value};
use crate::metainfo::encode::{self, Dict};
use crate::metainfo::merkle::{self, HASH_LENGTH, Hash, Shape};

const LAYERS: &str = "piece layers";
const TREE: MetainfoError = MetainfoError::Bad("file tree");

/// The version that an info dictionary states, 1 where it states none.
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

/// Pieces of v2 must hold whole blocks, and as many as a tree has leaves.
pub(super) fn check_piece_length(piece_length: u64) -> Result<(), MetainfoError> {
    let is_whole = piece_length.is_power_of_two() && piece_length >= u64::from(BLOCK_LENGTH);
    if is_whole { Ok(()) } else { Err(MetainfoError::PieceLength(piece_length)) }
}

/// The files of a tree, in its order, and whether it is a single file without a folder.
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
        // One more than allowed is enough to see that there are too many.
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

/// Checks that both lists of a hybrid name the same files at the same places, and gives those of
/// the first the roots of the second.
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

/// Checks that a hybrid has as many pieces in its v1 part as in its v2 part.
pub(super) fn check_pieces(v1: &Geometry, files: &[super::File]) -> Result<(), MetainfoError> {
    let lengths: Vec<u64> =
        files.iter().filter(|file| !file.padding).map(|file| file.length).collect();
    let v2 = Geometry::aligned(v1.piece_length(), &lengths)?;
    if v1.piece_count() == v2.piece_count() {
        Ok(())
    } else {
        Err(MetainfoError::Inconsistent("number of pieces"))
    }
}

/// The layers of a `.torrent` file, each checked against its root. Those of no file are passed
/// over; those that lack are to be asked of peers, as after a magnet link.
pub(super) fn layers(
    root: Value<'_>,
    files: &[super::File],
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

/// The same `.torrent` file with these layers in the place of its own.
///
/// # Panics
/// When it is no `.torrent` file.
pub(crate) fn with_layers(torrent: &[u8], layers: &PieceLayers) -> Vec<u8> {
    let document = bencode::parse(torrent.trim_ascii_end()).expect("it was parsed before");
    let fields = document.root().dict().into_iter().flatten();
    let file = fields.fold(Dict::new(), |file, (key, value)| file.raw(key, value.raw().to_vec()));
    let layers =
        layers.iter().fold(Dict::new(), |dict, (root, layer)| dict.raw(root, encode::bytes(layer)));
    file.raw(LAYERS, layers.encode()).encode()
}

/// Checks a layer, hash after hash, against the root of its file.
pub(super) fn check_layer(shape: &Shape, root: &Hash, layer: &[u8]) -> Result<(), MetainfoError> {
    let expected = shape.pieces as usize * HASH_LENGTH;
    if layer.len() != expected {
        return Err(MetainfoError::LayerLength { expected, got: layer.len() });
    }
    if shape.root(&merkle::split(layer)) == *root { Ok(()) } else { Err(MetainfoError::LayerRoot) }
}
