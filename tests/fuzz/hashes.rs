//! Parts of hash trees (BEP 52): requests and answers.
//!
//! Two sides have the torrent: one has all its layers and answers, the other has none and learns.
//! The answers of the first must suffice for the second.

use std::sync::LazyLock;

use engine_wasm::hashes::request::HashRequest;
use engine_wasm::hashes::trees::{Answer, Trees};
use engine_wasm::metainfo::Metainfo;
use engine_wasm::metainfo::encode::{self, Dict};
use engine_wasm::metainfo::merkle::{self, HASH_LENGTH, Hash, Shape};

/// Length of a piece: two blocks.
const PIECE: u32 = 32 << 10;
/// Blocks of the file: enough pieces for a tree with a gap in its last row.
const BLOCKS: u8 = 11;
/// The file's length, bytes; the last block is short.
const LENGTH: u64 = BLOCKS as u64 * (16 << 10) - 5;

static META: LazyLock<Metainfo> =
    LazyLock::new(|| Metainfo::parse(&torrent()).expect("a valid torrent"));

/// Digests of the file's blocks; no bytes have them.
fn blocks() -> Vec<Hash> {
    (1..=BLOCKS).map(|block| [block; HASH_LENGTH]).collect()
}

fn blocks_of(piece: u32) -> Vec<Hash> {
    blocks().chunks(2).nth(piece as usize).expect("a piece of the file").to_vec()
}

fn torrent() -> Vec<u8> {
    let shape = Shape::new(LENGTH, PIECE);
    let pieces: Vec<Hash> = blocks().chunks(2).map(|piece| shape.piece(piece)).collect();
    let root = shape.root(&pieces);
    let file = Dict::new()
        .int("length", i64::try_from(LENGTH).expect("a small file"))
        .bytes("pieces root", root);
    let tree = Dict::new().raw("film", Dict::new().raw("", file.encode()).encode());
    let info =
        Dict::new().raw("file tree", tree.encode()).int("meta version", 2).bytes("name", "film");
    let info = info.int("piece length", i64::from(PIECE));
    let layers = Dict::new().raw(root, encode::bytes(pieces.concat()));
    Dict::new().raw("info", info.encode()).raw("piece layers", layers.encode()).encode()
}

fn trees(with_layers: bool) -> Trees {
    let mut meta = META.clone();
    if !with_layers {
        meta.layers.clear();
    }
    Trees::new(&meta, &meta.geometry())
}

/// The answer of the side that has everything.
fn say(all: &Trees, request: &HashRequest) -> Option<Vec<u8>> {
    let answer = match all.answer(request) {
        Answer::Blocks(piece) => all.answer_with(request, &blocks_of(piece.get())),
        answer => answer,
    };
    let Answer::Hashes(hashes) = answer else { return None };
    Some(hashes)
}

/// Reads the bytes as a request or as an answer. Some answers have an open request and some have
/// none.
pub(crate) fn run(data: &[u8]) {
    let Some((&kind, body)) = data.split_first() else { return };
    let (all, mut lean) = (trees(true), trees(false));
    match kind % 4 {
        0 => question(&all, body),
        1 => {
            let Some((request, hashes)) = HashRequest::parse(body) else { return };
            let learnt = lean.learn(&request, hashes).is_ok_and(|gains| !gains.is_empty());
            assert!(
                !learnt || Some(hashes) == say(&all, &request).as_deref(),
                "{request:?} was forged"
            );
        }
        2 => {
            let request = lean.layer_requests().next().expect("the layer lacks");
            assert!(
                lean.learn(&request, body).is_err() || say(&all, &request).as_deref() == Some(body)
            );
        }
        _ => {
            let request = lean.layer_requests().next().expect("the layer lacks");
            let hashes = say(&all, &request).expect("an answer");
            lean.learn(&request, &hashes).expect("the right hashes");
            let Some((request, hashes)) = HashRequest::parse(body) else { return };
            let learnt = lean.learn(&request, hashes).is_ok_and(|gains| !gains.is_empty());
            assert!(
                !learnt || Some(hashes) == say(&all, &request).as_deref(),
                "{request:?} was forged"
            );
        }
    }
}

fn question(all: &Trees, body: &[u8]) {
    let Some((request, _)) = HashRequest::parse(body) else { return };
    let Some(hashes) = say(all, &request) else { return };
    let (hashes, rest) = hashes.as_chunks::<HASH_LENGTH>();
    assert!(rest.is_empty() && hashes.len() <= (request.length + request.uncles()) as usize);
    let shape = Shape::new(LENGTH, PIECE);
    let (row, uncles) = hashes.split_at(request.length as usize);
    if request.span() as usize + uncles.len() == (shape.height - request.base) as usize {
        let top = merkle::root(row, request.base, request.span());
        let proved = merkle::climb(top, u64::from(request.index >> request.span()), uncles);
        assert_eq!(proved, request.root, "{request:?} is answered without a proof");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_without_layers_learns_them_all() {
        let (all, mut lean) = (trees(true), trees(false));
        while let Some(request) = { lean.layer_requests().next() } {
            lean.learn(&request, &say(&all, &request).expect("an answer"))
                .expect("the right hashes");
        }
        assert_eq!(lean.layers(), all.layers());
    }
}
