//! The known hashes of a torrent's trees: piece hashes, and block hashes of some pieces.
//!
//! This module holds verified hashes only: from the `.torrent` file, whose layers the parser
//! verified, or from a peer's answer with a proof that leads to a known hash. It sends no requests.
//! Invariant: every hash that it returns follows from the torrent's info hash. Memory is bounded by
//! the number of pieces and by [`limits::LEAF_PIECES`].

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use bytes::Bytes;

use super::request::{CHUNK, HashRequest};
use crate::geometry::{Block, Geometry, PieceIndex, nth_piece};
use crate::limits;
use crate::metainfo::merkle::{self, HASH_LENGTH, Hash, Shape};
use crate::metainfo::torrent::PieceLayers;
use crate::metainfo::{Metainfo, Version};

/// Hashes of one layer, received in chunks of [`CHUNK`].
#[derive(Clone, Debug)]
struct Row {
    hashes: Vec<Hash>,
    known: Vec<bool>,
    missing: usize,
}

impl Row {
    fn unknown(length: usize) -> Self {
        let chunks = length.div_ceil(CHUNK as usize);
        Self { hashes: vec![[0; HASH_LENGTH]; length], known: vec![false; chunks], missing: chunks }
    }

    fn known(hashes: Vec<Hash>) -> Self {
        Self { known: vec![true; hashes.len().div_ceil(CHUNK as usize)], hashes, missing: 0 }
    }

    fn get(&self, at: usize) -> Option<Hash> {
        self.known.get(at / CHUNK as usize)?.then(|| self.hashes[at])
    }

    /// Stores a chunk. Returns the positions that are newly known.
    fn fill(&mut self, chunk: usize, hashes: &[Hash]) -> Range<usize> {
        let start = chunk * CHUNK as usize;
        let end = (start + CHUNK as usize).min(self.hashes.len());
        if std::mem::replace(&mut self.known[chunk], true) {
            return 0..0;
        }
        self.hashes[start..end].copy_from_slice(&hashes[..end - start]);
        self.missing -= 1;
        start..end
    }

    fn chunk_is_known(&self, at: usize) -> bool {
        self.known.get(at / CHUNK as usize).copied().unwrap_or(true)
    }
}

/// The tree of one file.
#[derive(Debug)]
struct Tree {
    root: Hash,
    shape: Shape,
    pieces: RangeInclusive<PieceIndex>,
    layer: Row,
}

impl Tree {
    /// Returns the request for a chunk of a row.
    ///
    /// The row's hashes have height `base`, start at `offset` in their layer, and have their common
    /// ancestor at height `top`.
    fn request(&self, base: u32, top: u32, offset: u32, chunk: u32) -> HashRequest {
        let whole = 1u32 << (top - base).min(30);
        let index = chunk * CHUNK;
        HashRequest {
            root: self.root,
            base,
            index: offset + index,
            length: whole.min(CHUNK),
            proof_layers: top - base - 1,
        }
    }
}

/// What an answer taught about one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewHashes {
    /// Pieces whose hashes became known.
    pub(crate) pieces: Option<RangeInclusive<PieceIndex>>,
    /// A piece of which more blocks can be verified.
    pub blocks_of: Option<PieceIndex>,
}

/// The error for an answer whose proof does not lead to a known hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proof leads to no known hash")]
pub struct Unproved;

/// The hash trees of one torrent; empty for a torrent without a v2 part.
#[derive(Debug, Default)]
pub struct Trees {
    files: Vec<Tree>,
    leaves: BTreeMap<PieceIndex, Row>,
    needed: bool,
}

impl Trees {
    /// Creates the trees from the layers that the `.torrent` file contains.
    pub fn new(meta: &Metainfo, geometry: &Geometry) -> Self {
        let tree = |(file, root): (_, Hash)| {
            let shape = Shape::new(geometry.file_len(file), meta.piece_length);
            let pieces = geometry.pieces_of_file(file).expect("a file with a root has a byte");
            let layer = match meta.layers.get(&root) {
                _ if !shape.has_layer() => Row::known(vec![root]),
                Some(layer) => Row::known(merkle::split(layer)),
                None => Row::unknown(shape.pieces as usize),
            };
            Tree { root, shape, pieces, layer }
        };
        let files = geometry
            .files()
            .zip(&meta.files)
            .filter_map(|(index, file)| Some((index, file.root?)))
            .map(tree);
        Self {
            files: files.collect(),
            leaves: BTreeMap::new(),
            needed: meta.version() == Version::V2,
        }
    }

    /// Returns the SHA-256 of a piece, if it is known.
    pub fn piece(&self, piece: PieceIndex) -> Option<Hash> {
        let (tree, at) = self.tree_of(piece)?;
        tree.layer.get(at)
    }

    /// Returns whether these block digests hash to the piece. `None` if the piece's hash is
    /// unknown.
    pub(crate) fn verify_piece(&self, piece: PieceIndex, blocks: &[Hash]) -> Option<bool> {
        let (tree, at) = self.tree_of(piece)?;
        let expected = tree.layer.get(at)?;
        let fits = !blocks.is_empty() && blocks.len() as u64 <= 1 << tree.shape.piece_height;
        Some(fits && tree.shape.piece(blocks) == expected)
    }

    /// Returns whether the piece cannot be verified yet.
    ///
    /// That is so in a torrent without v1 hashes while the piece's v2 hash is unknown.
    pub(crate) fn is_sealed(&self, piece: PieceIndex) -> bool {
        self.needed && self.tree_of(piece).is_some_and(|(tree, at)| tree.layer.get(at).is_none())
    }

    /// Returns whether the piece layer of any file is incomplete.
    pub(crate) fn lacks_layers(&self) -> bool {
        self.files.iter().any(|tree| tree.layer.missing > 0)
    }

    /// Returns the digest of a block, if it is known.
    pub fn block(&self, block: Block) -> Option<Hash> {
        let (tree, at) = self.tree_of(block.piece())?;
        if tree.shape.piece_height == 0 {
            return tree.layer.get(at);
        }
        self.leaves.get(&block.piece())?.get(block.index().get() as usize)
    }

    /// Returns the request that makes the piece verifiable. `None` if it is, or never will be.
    pub(crate) fn request_for_piece(&self, piece: PieceIndex) -> Option<HashRequest> {
        let (tree, at) = self.tree_of(piece)?;
        if tree.layer.chunk_is_known(at) {
            return None;
        }
        let chunk = u32::try_from(at / CHUNK as usize).expect("pieces are counted in 32 bits");
        Some(tree.request(tree.shape.piece_height, tree.shape.height, 0, chunk))
    }

    /// Returns the request that makes a single block verifiable.
    ///
    /// `None` if the block is verifiable already, or if its piece's hash is unknown.
    pub(crate) fn request_for_block(&self, block: Block) -> Option<HashRequest> {
        let (tree, at) = self.tree_of(block.piece())?;
        let height = tree.shape.piece_height;
        let known = self
            .leaves
            .get(&block.piece())
            .is_some_and(|row| row.chunk_is_known(block.index().get() as usize));
        if height == 0 || known || tree.layer.get(at).is_none() {
            return None;
        }
        let offset = u32::try_from(at).ok()?.checked_mul(1 << height)?;
        Some(tree.request(0, height, offset, block.index().get() / CHUNK))
    }

    /// Returns requests for all missing parts of piece layers, file by file.
    pub fn layer_requests(&self) -> impl Iterator<Item = HashRequest> + '_ {
        self.files.iter().filter(|tree| tree.layer.missing > 0).flat_map(|tree| {
            let chunks = (0u32..).zip(&tree.layer.known).filter(|(_, known)| !**known);
            chunks.map(|(chunk, _)| {
                tree.request(tree.shape.piece_height, tree.shape.height, 0, chunk)
            })
        })
    }

    /// Stores the hashes of an answer to one of our requests.
    ///
    /// # Errors
    /// [`Unproved`]: the peer sent false hashes.
    pub fn learn(
        &mut self,
        request: &HashRequest,
        hashes: &[u8],
    ) -> Result<Vec<NewHashes>, Unproved> {
        // A request that we never sent may name any height and any number of hashes, so nothing is
        // computed for it.
        if !self.files.iter().any(|tree| tree.root == request.root && tree.is_ours(request)) {
            return Ok(Vec::new());
        }
        let (hashes, []) = hashes.as_chunks::<HASH_LENGTH>() else { return Err(Unproved) };
        if hashes.len() as u64 != u64::from(request.length) + u64::from(request.uncles()) {
            return Err(Unproved);
        }
        let (hashes, uncles) = hashes.split_at(request.length as usize);
        let top = merkle::climb(
            merkle::root(hashes, request.base, request.span()),
            u64::from(request.index >> request.span()),
            uncles,
        );
        // Files with equal contents have equal roots.
        let Self { files, leaves, .. } = self;
        let same =
            files.iter_mut().filter(|tree| tree.root == request.root && tree.is_ours(request));
        same.map(|tree| tree.learn(request, hashes, top, leaves)).collect()
    }

    /// Drops the block digests of a piece, once its blocks need no verification.
    pub(crate) fn forget_blocks(&mut self, piece: PieceIndex) {
        self.leaves.remove(&piece);
    }

    /// Returns all complete piece layers, in the form of a `.torrent` file.
    pub fn layers(&self) -> PieceLayers {
        let whole =
            self.files.iter().filter(|tree| tree.shape.has_layer() && tree.layer.missing == 0);
        whole.map(|tree| (tree.root, Bytes::from(tree.layer.hashes.concat()))).collect()
    }

    /// Decides how to answer a peer's request.
    pub fn answer(&self, request: &HashRequest) -> Answer {
        let asked =
            self.files.iter().find(|tree| tree.root == request.root && request.fits(&tree.shape));
        let Some(tree) = asked.filter(|tree| tree.layer.missing == 0) else {
            return Answer::Reject;
        };
        let height = tree.shape.piece_height;
        if request.base == height {
            return with_uncles(request, &tree.layer.hashes, 0, tree);
        }
        let at = request.index >> height;
        let is_in_one_piece =
            request.base == 0 && request.span() <= height && at < tree.shape.pieces;
        let piece = nth_piece(&tree.pieces, at).filter(|_| is_in_one_piece);
        piece.map_or(Answer::Reject, Answer::Blocks)
    }

    /// Answers a request for block digests, given the digests of the whole piece.
    pub fn answer_with(&self, request: &HashRequest, blocks: &[Hash]) -> Answer {
        let asked =
            self.files.iter().find(|tree| tree.root == request.root && request.fits(&tree.shape));
        let height = asked.map_or(0, |tree| tree.shape.piece_height);
        match asked {
            Some(tree)
                if tree.layer.get((request.index >> height) as usize)
                    == Some(tree.shape.piece(blocks)) =>
            {
                with_uncles(request, blocks, (request.index >> height) << height, tree)
            }
            _ => Answer::Reject,
        }
    }

    fn tree_of(&self, piece: PieceIndex) -> Option<(&Tree, usize)> {
        let after = self.files.partition_point(|tree| *tree.pieces.start() <= piece);
        let tree = self.files.get(after.checked_sub(1)?)?;
        let at = piece.get() - tree.pieces.start().get();
        (at < tree.shape.pieces).then_some((tree, at as usize))
    }
}

impl Tree {
    /// Returns whether the request is one that we send: for a piece layer, or for one piece's
    /// blocks.
    fn is_ours(&self, request: &HashRequest) -> bool {
        let height = self.shape.piece_height;
        if !request.fits(&self.shape) {
            false
        } else if request.base == height {
            *request == self.request(height, self.shape.height, 0, request.index / CHUNK)
        } else {
            let offset = request.index >> height << height;
            request.base == 0
                && request.index >> height < self.shape.pieces
                && *request == self.request(0, height, offset, (request.index - offset) / CHUNK)
        }
    }

    /// Stores an answer whose proof leads to the hash `top`.
    fn learn(
        &mut self,
        request: &HashRequest,
        hashes: &[Hash],
        top: Hash,
        leaves: &mut BTreeMap<PieceIndex, Row>,
    ) -> Result<NewHashes, Unproved> {
        let height = self.shape.piece_height;
        if request.base == height {
            if top != self.root {
                return Err(Unproved);
            }
            let filled = self.layer.fill((request.index / CHUNK) as usize, hashes);
            let piece = |at: usize| nth_piece(&self.pieces, u32::try_from(at).ok()?);
            let first = piece(filled.start).filter(|_| !filled.is_empty());
            let last = filled.end.checked_sub(1).and_then(piece);
            let pieces = first.zip(last).map(|(first, last)| first..=last);
            return Ok(NewHashes { pieces, blocks_of: None });
        }
        let at = request.index >> height;
        if self.layer.get(at as usize) != Some(top) {
            return Err(Unproved);
        }
        let piece = nth_piece(&self.pieces, at).expect("a piece with a hash exists");
        if !leaves.contains_key(&piece) && leaves.len() >= limits::LEAF_PIECES {
            return Ok(NewHashes::default());
        }
        let left = self.shape.blocks - (u64::from(at) << height);
        let blocks = usize::try_from(left.min(1 << height)).expect("a piece has few blocks");
        let row = leaves.entry(piece).or_insert_with(|| Row::unknown(blocks));
        row.fill(((request.index - (at << height)) / CHUNK) as usize, hashes);
        Ok(NewHashes { pieces: None, blocks_of: Some(piece) })
    }
}

/// How to answer a peer that requests hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Send these hashes and uncles.
    Hashes(Vec<u8>),
    /// First compute the digests of this piece's blocks, then call [`Trees::answer_with`].
    Blocks(PieceIndex),
    /// Send `hash reject`.
    Reject,
}

/// Returns the requested hashes and uncles. `row` starts at `offset` in its layer.
fn with_uncles(request: &HashRequest, row: &[Hash], offset: u32, tree: &Tree) -> Answer {
    let beyond = merkle::zero(request.base);
    let first = (request.index - offset) as usize;
    let wanted = (first..first + request.length as usize).map(|at| *row.get(at).unwrap_or(&beyond));
    let mut out: Vec<Hash> = wanted.collect();
    // First the uncles within the row, then those above it, from the piece layer.
    let height = if request.base == tree.shape.piece_height {
        tree.shape.height
    } else {
        tree.shape.piece_height
    };
    let within = height - request.base;
    let mut uncles = merkle::uncles(row, request.base, first as u64, within);
    if height < tree.shape.height {
        let piece = request.index >> height;
        let above = merkle::uncles(
            &tree.layer.hashes,
            height,
            u64::from(piece),
            tree.shape.height - height,
        );
        uncles.extend(above);
    }
    out.extend(uncles.into_iter().skip(request.span() as usize).take(request.uncles() as usize));
    Answer::Hashes(out.concat())
}

#[cfg(test)]
mod tests;
