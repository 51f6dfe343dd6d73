//! Valid `.torrent` files for tests, with contents that can be made again at will.

use sha1::{Digest, Sha1};

use super::Metainfo;
use super::encode::{self, Dict};

/// A torrent made for a test.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// The `.torrent` file.
    pub(crate) torrent: Vec<u8>,
    /// The same, parsed.
    pub(crate) metainfo: Metainfo,
    /// The bytes of all files, one after the other.
    pub(crate) content: Vec<u8>,
}

impl Sample {
    /// The bytes of a file.
    pub(crate) fn file(&self, file: usize) -> &[u8] {
        let length = |file: &super::File| usize::try_from(file.length).expect("a test's file fits into memory");
        let start: usize = self.metainfo.files[..file].iter().map(length).sum();
        &self.content[start..start + length(&self.metainfo.files[file])]
    }
}

/// A torrent without trackers. Paths are separated by `/`; a single one without `/` makes a torrent of a single file, anything else one in
/// a folder `Sample`.
pub(crate) fn torrent(piece_length: u32, files: &[(&str, usize)]) -> Sample {
    torrent_with_trackers(piece_length, files, &[])
}

/// A torrent with these trackers, each in a tier of its own.
pub(crate) fn torrent_with_trackers(piece_length: u32, files: &[(&str, usize)], trackers: &[&str]) -> Sample {
    let content = content(files.iter().map(|(_, length)| length).sum());
    let info = info(piece_length, files, &content).encode();
    let tiers = trackers.iter().map(|url| encode::list([encode::bytes(url)]));
    let torrent = Dict::new().raw("info", info).raw("announce-list", encode::list(tiers)).encode();
    let metainfo = Metainfo::parse(&torrent).expect("a test's torrent is valid");
    Sample { torrent, metainfo, content }
}

/// The info dictionary of a torrent.
pub(crate) fn info(piece_length: u32, files: &[(&str, usize)], content: &[u8]) -> Dict {
    let pieces: Vec<u8> = content.chunks(piece_length as usize).flat_map(Sha1::digest).collect();
    let info = Dict::new().int("piece length", i64::from(piece_length)).bytes("pieces", pieces);
    match files {
        [(name, length)] if !name.contains('/') => info.bytes("name", name).int("length", number(*length)),
        _ => info.bytes("name", "Sample").raw("files", encode::list(files.iter().map(file_entry))),
    }
}

fn file_entry((path, length): &(&str, usize)) -> Vec<u8> {
    let path = encode::list(path.split('/').map(encode::bytes));
    Dict::new().int("length", number(*length)).raw("path", path).encode()
}

/// Bytes that look random, are the same every time, and differ from block to block.
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
