//! What is known of a torrent's hash trees: the hashes of its pieces, and of some pieces those of
//! their blocks.
//!
//! Owns only what is proved: by the `.torrent` file, whose layers were checked when it was read, or
//! by a proof that leads to a hash that is known. It asks nobody. Invariant: every hash that comes
//! out is one that the torrent's info hash vouches for. Memory is bounded by the pieces' hashes and
//! by [`limits::LEAF_PIECES`].

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::Bytes;

use super::request::{CHUNK, HashRequest};
use crate::geometry::{Block, Geometry, PieceIndex};
use crate::limits;
use crate::metainfo::merkle::{self, HASH_LENGTH, Hash, Shape};
use crate::metainfo::torrent::PieceLayers;
use crate::metainfo::{Metainfo, Version};

/// Hashes of one layer that come chunk by chunk.
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

    /// Puts a chunk in; which places it filled.
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
    first: PieceIndex,
    layer: Row,
}

impl Tree {
    /// What a chunk of a row is proved by: from hashes at `base`, of which the row's whole has its
    /// top at `top`.
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

/// What an answer brought for one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gain {
    /// The hashes of these pieces are known.
    pub pieces: Range<u32>,
    /// More of the blocks of this piece can be judged.
    pub blocks_of: Option<PieceIndex>,
}

/// An answer that its proof does not bear out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("hashes without a proof")]
pub struct Unproved;

/// The trees of one torrent; none of one that has only a v1 part.
#[derive(Debug, Default)]
pub struct Trees {
    files: Vec<Tree>,
    leaves: BTreeMap<PieceIndex, Row>,
    needed: bool,
}

impl Trees {
    /// What a `.torrent` file knows.
    pub fn new(meta: &Metainfo, geometry: &Geometry) -> Self {
        let tree = |(file, root): (_, Hash)| {
            let shape = Shape::new(geometry.file_len(file), meta.piece_length);
            let first =
                *geometry.pieces_of_file(file).expect("a file with a root has a byte").start();
            let layer = match meta.layers.get(&root) {
                _ if !shape.has_layer() => Row::known(vec![root]),
                Some(layer) => Row::known(merkle::split(layer)),
                None => Row::unknown(shape.pieces as usize),
            };
            Tree { root, shape, first, layer }
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

    /// The SHA-256 that a piece is held against, if it is known.
    pub fn piece(&self, piece: PieceIndex) -> Option<Hash> {
        let (tree, at) = self.tree_of(piece)?;
        tree.layer.get(at)
    }

    /// Whether these blocks' digests are the piece's. `None` when that is not known.
    pub fn is_right(&self, piece: PieceIndex, blocks: &[Hash]) -> Option<bool> {
        let (tree, at) = self.tree_of(piece)?;
        let expected = tree.layer.get(at)?;
        let fits = !blocks.is_empty() && blocks.len() as u64 <= 1 << tree.shape.piece_height;
        Some(fits && tree.shape.piece(blocks) == expected)
    }

    /// Whether a piece can't be judged before its hash is known: nothing but the v2 part vouches
    /// for it.
    pub fn is_sealed(&self, piece: PieceIndex) -> bool {
        self.needed && self.tree_of(piece).is_some_and(|(tree, at)| tree.layer.get(at).is_none())
    }

    /// Whether a whole layer of pieces is still to be asked for.
    pub fn lacks_layers(&self) -> bool {
        self.files.iter().any(|tree| tree.layer.missing > 0)
    }

    /// The digest that a block is held against, if it is known.
    pub fn block(&self, block: Block) -> Option<Hash> {
        let (tree, at) = self.tree_of(block.piece)?;
        if tree.shape.piece_height == 0 {
            return tree.layer.get(at);
        }
        self.leaves.get(&block.piece)?.get(block.index.0 as usize)
    }

    /// What to ask for so that a piece can be judged; `None` when it can, or never will.
    pub fn request_for_piece(&self, piece: PieceIndex) -> Option<HashRequest> {
        let (tree, at) = self.tree_of(piece)?;
        if tree.layer.chunk_is_known(at) {
            return None;
        }
        let chunk = u32::try_from(at / CHUNK as usize).expect("pieces are counted in 32 bits");
        Some(tree.request(tree.shape.piece_height, tree.shape.height, 0, chunk))
    }

    /// What to ask for so that a block can be judged alone; `None` when it can, or its piece can't
    /// be judged yet.
    pub fn request_for_block(&self, block: Block) -> Option<HashRequest> {
        let (tree, at) = self.tree_of(block.piece)?;
        let height = tree.shape.piece_height;
        let known = self
            .leaves
            .get(&block.piece)
            .is_some_and(|row| row.chunk_is_known(block.index.0 as usize));
        if height == 0 || known || tree.layer.get(at).is_none() {
            return None;
        }
        let offset = u32::try_from(at).ok()?.checked_mul(1 << height)?;
        Some(tree.request(0, height, offset, block.index.0 / CHUNK))
    }

    /// Requests for all layers that lack, file by file.
    pub fn layer_requests(&self) -> impl Iterator<Item = HashRequest> + '_ {
        self.files.iter().filter(|tree| tree.layer.missing > 0).flat_map(|tree| {
            let chunks = (0u32..).zip(&tree.layer.known).filter(|(_, known)| !**known);
            chunks.map(|(chunk, _)| {
                tree.request(tree.shape.piece_height, tree.shape.height, 0, chunk)
            })
        })
    }

    /// An answer came to a request of ours.
    ///
    /// # Errors
    /// [`Unproved`]: its giver lies.
    pub fn learn(&mut self, request: &HashRequest, hashes: &[u8]) -> Result<Vec<Gain>, Unproved> {
        // What was never asked for may name any height and any number: it is not even computed.
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
        // Files of the same bytes have the same root.
        let Self { files, leaves, .. } = self;
        let same =
            files.iter_mut().filter(|tree| tree.root == request.root && tree.is_ours(request));
        same.map(|tree| tree.learn(request, hashes, top, leaves)).collect()
    }

    /// The blocks of a piece need no proof any more.
    pub fn forget_blocks(&mut self, piece: PieceIndex) {
        self.leaves.remove(&piece);
    }

    /// Pieces whose blocks' digests are kept.
    pub fn pieces_with_leaves(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.leaves.keys().copied()
    }

    /// All layers that are whole, as a `.torrent` file has them.
    pub fn layers(&self) -> PieceLayers {
        let whole =
            self.files.iter().filter(|tree| tree.shape.has_layer() && tree.layer.missing == 0);
        whole.map(|tree| (tree.root, Bytes::from(tree.layer.hashes.concat()))).collect()
    }

    /// How a request of a peer's is to be answered.
    pub fn answer(&self, request: &HashRequest) -> Answer {
        let asked =
            self.files.iter().find(|tree| tree.root == request.root && request.fits(&tree.shape));
        let Some(tree) = asked.filter(|tree| tree.layer.missing == 0) else {
            return Answer::Reject;
        };
        let height = tree.shape.piece_height;
        if request.base == height {
            return give(request, &tree.layer.hashes, 0, tree);
        }
        let at = request.index >> height;
        let is_in_one_piece =
            request.base == 0 && request.span() <= height && at < tree.shape.pieces;
        if is_in_one_piece { Answer::Blocks(PieceIndex(tree.first.0 + at)) } else { Answer::Reject }
    }

    /// The answer to a request for digests of blocks, now that those of the whole piece are there.
    pub fn answer_with(&self, request: &HashRequest, blocks: &[Hash]) -> Answer {
        let asked =
            self.files.iter().find(|tree| tree.root == request.root && request.fits(&tree.shape));
        let height = asked.map_or(0, |tree| tree.shape.piece_height);
        match asked {
            Some(tree)
                if tree.layer.get((request.index >> height) as usize)
                    == Some(tree.shape.piece(blocks)) =>
            {
                give(request, blocks, (request.index >> height) << height, tree)
            }
            _ => Answer::Reject,
        }
    }

    fn tree_of(&self, piece: PieceIndex) -> Option<(&Tree, usize)> {
        let after = self.files.partition_point(|tree| tree.first <= piece);
        let tree = self.files.get(after.checked_sub(1)?)?;
        let at = piece.0 - tree.first.0;
        (at < tree.shape.pieces).then_some((tree, at as usize))
    }
}

impl Tree {
    /// Whether a request is one of ours: of the layer of pieces, or of the blocks of one piece.
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

    /// Takes in an answer that leads to `top`.
    fn learn(
        &mut self,
        request: &HashRequest,
        hashes: &[Hash],
        top: Hash,
        leaves: &mut BTreeMap<PieceIndex, Row>,
    ) -> Result<Gain, Unproved> {
        let height = self.shape.piece_height;
        if request.base == height {
            if top != self.root {
                return Err(Unproved);
            }
            let filled = self.layer.fill((request.index / CHUNK) as usize, hashes);
            let number = |at: usize| {
                self.first.0 + u32::try_from(at).expect("pieces are counted in 32 bits")
            };
            if filled.is_empty() {
                return Ok(Gain::default());
            }
            return Ok(Gain { pieces: number(filled.start)..number(filled.end), blocks_of: None });
        }
        let at = request.index >> height;
        if self.layer.get(at as usize) != Some(top) {
            return Err(Unproved);
        }
        let piece = PieceIndex(self.first.0 + at);
        if !leaves.contains_key(&piece) && leaves.len() >= limits::LEAF_PIECES {
            return Ok(Gain::default());
        }
        let left = self.shape.blocks - (u64::from(at) << height);
        let blocks = usize::try_from(left.min(1 << height)).expect("a piece has few blocks");
        let row = leaves.entry(piece).or_insert_with(|| Row::unknown(blocks));
        row.fill(((request.index - (at << height)) / CHUNK) as usize, hashes);
        Ok(Gain { pieces: 0..0, blocks_of: Some(piece) })
    }
}

/// What to say to a peer that asks for hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These hashes.
    Hashes(Vec<u8>),
    /// The digests of this piece's blocks have to be computed first.
    Blocks(PieceIndex),
    /// No.
    Reject,
}

/// The hashes of `row`, which begins at `offset` of its layer, and the uncles that are wanted.
fn give(request: &HashRequest, row: &[Hash], offset: u32, tree: &Tree) -> Answer {
    let beyond = merkle::zero(request.base);
    let first = (request.index - offset) as usize;
    let wanted = (first..first + request.length as usize).map(|at| *row.get(at).unwrap_or(&beyond));
    let mut out: Vec<Hash> = wanted.collect();
    // Uncles within the row, then those above it, of the layer of pieces.
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
