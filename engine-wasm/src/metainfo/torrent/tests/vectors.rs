//! The two torrents published with BEP 52. The tests compare what we read with what the BEP's own
//! implementation reads.

use data_encoding::HEXLOWER;

use crate::hashes::trees::Trees;
use crate::metainfo::torrent::{Metainfo, Version};
use crate::metainfo::{Magnet, merkle};

const V2: &[u8] = include_bytes!("vectors/bittorrent-v2-test.torrent");
const HYBRID: &[u8] = include_bytes!("vectors/bittorrent-v2-hybrid-test.torrent");
const V2_HASH: &str = "caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e";
const HYBRID_HASH: &str = "631a31dd0a46257d5078c0dee4e66e26f73e42ac";
const HYBRID_HASH_V2: &str = "d8dd32ac93357c368556af3ac1d95c9d76bd0dff6fa9833ecdac3d53134efabb";

/// The expected contents of a torrent.
struct Expected {
    version: Version,
    name: &'static str,
    info_hash: &'static str,
    v2: &'static str,
    piece_length: u32,
    pieces: u32,
    length: u64,
    /// The visible files: name, length, the beginning of the root.
    files: &'static [(&'static str, u64, &'static str)],
}

fn check(torrent: &[u8], expected: &Expected) {
    let meta = Metainfo::parse(torrent).unwrap();
    assert_eq!((meta.version(), meta.name.as_str()), (expected.version, expected.name));
    assert_eq!(meta.info_hash.to_string(), expected.info_hash);
    assert_eq!(meta.info_hash_v2.unwrap().to_string(), expected.v2);
    let geometry = meta.geometry();
    assert_eq!(
        (meta.piece_length, geometry.piece_count()),
        (expected.piece_length, expected.pieces)
    );
    assert_eq!(meta.total_length(), expected.length);
    let hex = |hash: merkle::Hash| HEXLOWER.encode(&hash);
    let visible: Vec<(String, u64, String)> = meta
        .files
        .iter()
        .filter(|file| !file.padding)
        .map(|file| (file.path[1..].join("/"), file.length, file.root.map(hex).unwrap_or_default()))
        .collect();
    assert_eq!(visible.len(), expected.files.len());
    for ((name, length, root), (expected_name, expected_length, beginning)) in
        visible.iter().zip(expected.files)
    {
        assert_eq!((name.as_str(), length), (*expected_name, expected_length));
        assert!(root.starts_with(beginning), "{name}: {root}");
    }
    // Every layer is present and hashes to its root.
    let trees = Trees::new(&meta, &geometry);
    assert!(!trees.lacks_layers() && geometry.pieces().all(|piece| trees.piece(piece).is_some()));
}

#[test]
fn the_v2_torrent_of_the_bep_is_read_as_its_authors_read_it() {
    let expected = Expected {
        version: Version::V2,
        name: "bittorrent-v2-test",
        info_hash: &V2_HASH[..40],
        v2: V2_HASH,
        piece_length: 4 << 20,
        pieces: 371,
        length: 1_534_222_888,
        files: &[
            ("13.Popsy Team - ViP 2.vob.mp4", 27_551_708, "81fd3fec"),
            ("Chameleon by ASD (female voice).mov", 91_862_892, "a3d1489f"),
            ("Darkroom (Stellar, 1994, Amiga ECS) HQ.mp4", 6_535_405, "8e31d30f"),
            ("Struct by Outracks (FullHD 1080p HQ demoscene).mov", 141_132_865, "4d86b421"),
            ("asd-rupture.mp4", 263_671_468, "e81d3d7f"),
            ("cncd_fairlight-ceasefire_(all_falls_down)-1080p.mp4", 342_230_630, "697d9b53"),
            ("crionics & silents - hardwired (1991, hpad, divx5).avi", 135_000_064, "2d907881"),
            ("elevated_4000.avi", 113_274_880, "5d990cab"),
            ("luma - mercury _ 64k _ Final.mp4", 183_814_243, "62e369a0"),
            ("readme.txt", 61, "3b3c50a1"),
            ("tbl-starstruck-2006.avi", 229_148_672, "eb3fde5f"),
        ],
    };
    check(V2, &expected);
}

#[test]
fn the_hybrid_torrent_of_the_bep_is_read_as_its_authors_read_it() {
    let expected = Expected {
        version: Version::Hybrid,
        name: "bittorrent-v1-v2-hybrid-test",
        info_hash: HYBRID_HASH,
        v2: HYBRID_HASH_V2,
        piece_length: 512 << 10,
        pieces: 1_715,
        length: 895_544_883,
        files: &[
            ("Darkroom (Stellar, 1994, Amiga ECS) HQ.mp4", 6_535_405, "8e31d30f"),
            ("Spaceballs-StateOfTheArt.avi", 20_506_624, "ef988424"),
            ("cncd_fairlight-ceasefire_(all_falls_down)-1080p.mp4", 342_230_630, "697d9b53"),
            ("eld-dust.mkv", 61_638_604, "c7a9116a"),
            ("fairlight_cncd-agenda_circling_forth-1080p30lq.mp4", 277_889_766, "07e3096b"),
            ("meet the deadline - Still _ Evoke 2014.mp4", 44_577_773, "cfa94f47"),
            ("readme.txt", 61, "3b3c50a1"),
            ("tbl-goa.avi", 26_296_320, "cd4403e7"),
            ("tbl-tint.mpg", 115_869_700, "77e9b83c"),
        ],
    };
    check(HYBRID, &expected);
}

#[test]
fn the_magnet_links_of_the_bep_match_its_torrents() {
    let v2 =
        Magnet::parse(&format!("magnet:?xt=urn:btmh:1220{V2_HASH}&dn=bittorrent-v2-test")).unwrap();
    assert_eq!(v2.identity(), Metainfo::parse(V2).unwrap().identity());
    let link = format!("magnet:?xt=urn:btih:{HYBRID_HASH}&xt=urn:btmh:1220{HYBRID_HASH_V2}");
    assert_eq!(
        Magnet::parse(&link).unwrap().identity(),
        Metainfo::parse(HYBRID).unwrap().identity()
    );
}

#[test]
fn one_wrong_bit_in_a_layer_is_detected() {
    let mut torrent = V2.to_vec();
    // The piece layers are the last thing in the file.
    let at = torrent.len() - 100;
    torrent[at] ^= 1;
    let sealed =
        Metainfo::parse(&torrent).map(|meta| Trees::new(&meta, &meta.geometry()).lacks_layers());
    assert_ne!(sealed, Ok(false));
}
