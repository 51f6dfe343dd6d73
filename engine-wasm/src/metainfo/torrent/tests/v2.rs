//! V2 and hybrid torrents: what is accepted, and each way to be invalid.

use proptest::prelude::*;

use super::{entry, parse};
use crate::metainfo::encode::{self, Dict};
use crate::metainfo::merkle::{self, Shape};
use crate::metainfo::testing::{self, Sample, torrent_of};
use crate::metainfo::torrent::{Metainfo, MetainfoError, Version};

const PIECE: u32 = 32 << 10;
const FILES: &[(&str, usize)] =
    &[("a.mkv", 100_000), ("b/c.srt", 5), ("b/empty", 0), ("d.mkv", 65_536)];

fn paths(meta: &Metainfo) -> Vec<String> {
    let visible = meta.files.iter().filter(|file| !file.padding);
    visible.map(|file| format!("{} {}", file.path.join("/"), file.length)).collect()
}

/// Creates a file's entry in a tree.
fn leaf(length: i64) -> Dict {
    Dict::new().raw("", Dict::new().int("length", length).bytes("pieces root", [1; 32]).encode())
}

/// Creates a v2 info dictionary with this tree.
fn v2(tree: &Dict) -> Dict {
    Dict::new()
        .bytes("name", "x")
        .int("piece length", 32768)
        .int("meta version", 2)
        .raw("file tree", tree.encode())
}

fn check_error(info: &Dict, expected: MetainfoError) {
    assert_eq!(parse(info), Err(expected));
}

/// Checks a hybrid of these v1 files and a v2 tree. The tree holds `a` (40,000 bytes) and `b` (5
/// bytes).
///
/// `expected` names the part that differs, if any.
fn check_hybrid(files: &[Dict], pieces: usize, expected: Option<&'static str>) {
    let info = v2(&Dict::new().raw("a", leaf(40_000).encode()).raw("b", leaf(5).encode()));
    let info = info
        .bytes("pieces", vec![0; 20 * pieces])
        .raw("files", encode::list(files.iter().map(Dict::encode)));
    let result = parse(&info).map(|meta| assert_eq!(meta.version(), Version::Hybrid));
    assert_eq!(result, expected.map_or(Ok(()), |what| Err(MetainfoError::Inconsistent(what))));
}

fn padding(length: i64) -> Dict {
    entry(length, &[".pad", "x"]).bytes("attr", "p")
}

/// Parses the sample with its piece layers replaced.
fn with_layers(sample: &Sample, layers: &Dict) -> Result<Metainfo, MetainfoError> {
    Metainfo::parse(
        &Dict::new()
            .raw("info", sample.metainfo.info.to_vec())
            .raw("piece layers", layers.encode())
            .encode(),
    )
}

#[test]
fn files_of_a_v2_torrent_start_at_pieces_in_its_folder() {
    let meta = torrent_of(Version::V2, PIECE, FILES).metainfo;
    assert_eq!(meta.version(), Version::V2);
    assert_eq!(
        paths(&meta),
        ["Sample/a.mkv 100000", "Sample/b/c.srt 5", "Sample/b/empty 0", "Sample/d.mkv 65536"]
    );
    assert_eq!((meta.total_length(), meta.geometry().piece_count()), (165_541, 4 + 1 + 2));
    assert_eq!(meta.layers.values().map(|layer| layer.len() / 32).sum::<usize>(), 4 + 2);
    assert_eq!(meta.info_hash, meta.info_hash_v2.unwrap().truncated());
    let single = torrent_of(Version::V2, PIECE, &[("film.mp4", 20_000)]).metainfo;
    assert_eq!(paths(&single), ["film.mp4 20000"]);
    assert_eq!(
        single.files[0].root,
        Some(Shape::new(20_000, PIECE).piece(&merkle::leaves(&testing::content(20_000))))
    );
}

#[test]
fn a_hybrid_has_the_files_of_both_and_the_hash_of_v1() {
    let sample = torrent_of(Version::Hybrid, PIECE, FILES);
    let meta = &sample.metainfo;
    assert_eq!(meta.version(), Version::Hybrid);
    assert_eq!(paths(meta), paths(&torrent_of(Version::V2, PIECE, FILES).metainfo));
    assert_eq!(
        (meta.pieces.len(), meta.geometry().piece_count(), meta.total_length()),
        (7, 7, 165_541)
    );
    assert_ne!(meta.info_hash, meta.info_hash_v2.unwrap().truncated());
    let roots = meta.files.iter().map(|file| file.root.is_some()).collect::<Vec<_>>();
    assert_eq!(roots, [true, false, true, false, false, true]);
    assert_eq!(sample.file(5), &testing::content(165_541)[100_005..]);
    assert_eq!(torrent_of(Version::Hybrid, PIECE, &[("film.mp4", 5)]).metainfo.files.len(), 1);
}

#[test]
fn a_hybrid_can_be_identified_by_its_v2_hash() {
    let mut meta = torrent_of(Version::Hybrid, PIECE, FILES).metainfo;
    let (first, second) = (meta.info_hash, meta.info_hash_v2.unwrap().truncated());
    assert!(meta.identity().is_hash_of(&meta.info) && meta.identity().matches(second));
    meta.use_key(crate::metainfo::InfoHash([7; 20]));
    assert_eq!(meta.info_hash, first);
    meta.use_key(second);
    assert_eq!((meta.info_hash, meta.version()), (second, Version::Hybrid));
    assert!(meta.identity().is_hash_of(&meta.info));
}

#[test]
fn both_parts_of_a_hybrid_must_agree() {
    let (a, b) = (entry(40_000, &["a"]), entry(5, &["b"]));
    let pad = padding(65_536 - 40_000);
    check_hybrid(&[a.clone(), pad.clone(), b.clone()], 3, None);
    check_hybrid(&[a.clone(), pad.clone(), b.clone(), padding(32_763)], 3, None);
    check_hybrid(&[a.clone(), b.clone()], 2, Some("place of a file"));
    check_hybrid(std::slice::from_ref(&a), 2, Some("number of files"));
    check_hybrid(
        &[a.clone(), pad.clone(), b.clone(), entry(0, &["c"])],
        3,
        Some("number of files"),
    );
    check_hybrid(&[a.clone(), pad.clone(), entry(5, &["c"])], 3, Some("names of files"));
    check_hybrid(&[a.clone(), pad.clone(), entry(6, &["b"])], 3, Some("length of a file"));
    check_hybrid(&[b.clone(), padding(32_763), a.clone()], 3, Some("names of files"));
    check_hybrid(&[a, pad, b, padding(32_763 + 32_768)], 4, Some("number of pieces"));
}

#[test]
fn every_part_of_a_file_tree_must_have_the_right_type() {
    let file = |name: &str, leaf: Dict| v2(&Dict::new().raw(name, leaf.encode()));
    let of = |dict: Dict| Dict::new().raw("", dict.encode());
    check_error(&v2(&Dict::new()), MetainfoError::Empty);
    check_error(&v2(&Dict::new()).int("file tree", 1), MetainfoError::Bad("file tree"));
    check_error(&v2(&leaf(5)), MetainfoError::Bad("file tree"));
    check_error(&file("a", leaf(5).int("more", 1)), MetainfoError::Bad("file tree"));
    check_error(&v2(&Dict::new().int("a", 1)), MetainfoError::Bad("file tree"));
    check_error(&file("a", of(Dict::new())), MetainfoError::Missing("length"));
    check_error(&file("a", of(Dict::new().int("length", -1))), MetainfoError::Bad("length"));
    check_error(
        &file("a", of(Dict::new().int("length", 5))),
        MetainfoError::Missing("pieces root"),
    );
    check_error(
        &file("a", of(Dict::new().int("length", 5).bytes("pieces root", "x"))),
        MetainfoError::Bad("pieces root"),
    );
    let deep = (0..70).fold(leaf(5), |inner, _| Dict::new().raw("d", inner.encode()));
    check_error(&v2(&deep), MetainfoError::Bad("file tree"));
    let link = parse(&file("a", of(Dict::new().bytes("attr", "l")))).unwrap();
    assert_eq!((link.files[0].length, link.geometry().piece_count()), (0, 0));
    let safe = parse(&v2(&Dict::new()
        .raw("..", Dict::new().raw("A", leaf(5).encode()).raw("a", leaf(5).encode()).encode())));
    assert_eq!(paths(&safe.unwrap()), ["x/_/A 5", "x/_/a 5"]);
}

#[test]
fn invalid_versions_and_piece_lengths_are_reported() {
    let tree = Dict::new().raw("a", leaf(5).encode());
    check_error(&v2(&tree).int("meta version", 3), MetainfoError::Version(3));
    check_error(&v2(&tree).bytes("meta version", "2"), MetainfoError::Bad("meta version"));
    check_error(&v2(&tree).int("meta version", 1), MetainfoError::Missing("pieces"));
    for length in [0, 1, 8 << 10, 48 << 10] {
        let expected = MetainfoError::PieceLength(u64::try_from(length).unwrap());
        check_error(&v2(&tree).int("piece length", length), expected);
    }
    let no_tree = Dict::new().bytes("name", "x").int("piece length", 32768).int("meta version", 2);
    check_error(&no_tree, MetainfoError::Missing("file tree"));
    let v1_only =
        testing::info(PIECE, &[("a", 5)], &testing::content(5)).raw("file tree", tree.encode());
    assert_eq!(parse(&v1_only).unwrap().version(), Version::V1);
}

#[test]
fn layers_are_verified_against_their_roots_and_may_be_absent() {
    let sample = torrent_of(Version::V2, PIECE, FILES);
    let (root, layer) = sample.metainfo.layers.first_key_value().unwrap();
    let with = |layer: &[u8]| with_layers(&sample, &Dict::new().raw(root, encode::bytes(layer)));
    assert_eq!(with(layer).unwrap().layers.len(), 1);
    assert_eq!(with_layers(&sample, &Dict::new()).unwrap().layers.len(), 0);
    assert_eq!(with_layers(&sample, &Dict::new().bytes("stray", "x")).unwrap().layers.len(), 0);
    let wrong = with(&layer[..layer.len() - 32]);
    assert_eq!(
        wrong,
        Err(MetainfoError::LayerLength { expected: layer.len(), got: layer.len() - 32 })
    );
    let mut changed = layer.to_vec();
    changed[40] ^= 1;
    assert_eq!(with(&changed), Err(MetainfoError::LayerRoot));
    assert_eq!(
        with_layers(&sample, &Dict::new().raw(root, encode::int(1))),
        Err(MetainfoError::Bad("piece layers"))
    );
}

#[test]
fn layers_received_later_are_written_into_the_file() {
    let sample = torrent_of(Version::Hybrid, PIECE, FILES);
    let without =
        Dict::new().raw("info", sample.metainfo.info.to_vec()).bytes("comment", "x").encode();
    let with = crate::metainfo::torrent::with_layers(&without, &sample.metainfo.layers);
    assert_eq!(Metainfo::parse(&with).unwrap(), sample.metainfo);
    assert!(with.starts_with(b"d7:comment1:x4:info"));
}

#[test]
fn the_largest_possible_torrent_is_accepted() {
    let pieces = i64::from(crate::geometry::MAX_PIECES);
    let info = Dict::new()
        .bytes("name", "x")
        .int("meta version", 2)
        .raw("file tree", Dict::new().raw("a", leaf(pieces * (16 << 20)).encode()).encode());
    let meta = parse(&info.int("piece length", 16 << 20)).unwrap();
    assert_eq!(meta.geometry().piece_count(), crate::geometry::MAX_PIECES);
    assert_eq!(Shape::new(meta.total_length(), meta.piece_length).height, 30);
}

proptest! {
    #[test]
    fn a_v2_torrent_with_changed_bytes_is_an_error_or_valid_and_never_a_panic(
        hybrid in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let version = if hybrid { Version::Hybrid } else { Version::V2 };
        let mut torrent = torrent_of(version, 16384, &[("a", 40_000), ("b/x", 100)]).torrent;
        for (at, byte) in changes {
            let at = at.index(torrent.len());
            torrent[at] = byte;
        }
        if let Ok(meta) = Metainfo::parse(&torrent) {
            let pieces = meta.geometry().piece_count() as usize;
            prop_assert!(meta.pieces.len() == pieces || meta.version() == Version::V2);
            let whole = meta.layers.iter().all(|(root, layer)| meta.files.iter().any(|file| {
                file.root == Some(*root)
                    && crate::metainfo::torrent::v2::check_layer(
                        &Shape::new(file.length, meta.piece_length),
                        root,
                        layer,
                    )
                    .is_ok()
            }));
            prop_assert!(whole || meta.version() == Version::V1);
        }
    }
}
