//! Parses dictionaries and compares the fields or the exact error.

use proptest::prelude::*;

mod v2;
mod vectors;

use super::*;
use crate::geometry::GeometryError;
use crate::metainfo::bencode::BencodeError;
use crate::metainfo::encode::{self, Dict};
use crate::metainfo::testing;

/// A single file `film.mp4` of 100,000 bytes in pieces of 32 KiB.
fn single() -> Dict {
    testing::info(32768, &[("film.mp4", 100_000)], &testing::content(100_000))
}

/// Parses a torrent with this info dictionary.
fn parse(info: &Dict) -> Result<Metainfo, MetainfoError> {
    Metainfo::parse(&Dict::new().raw("info", info.encode()).encode())
}

/// Parses a torrent with a single file and these additional fields.
fn parse_with(fields: Dict) -> Metainfo {
    Metainfo::parse(&fields.raw("info", single().encode()).encode()).unwrap()
}

fn check_error(info: &Dict, expected: MetainfoError) {
    assert_eq!(parse(info), Err(expected));
}

/// Creates an entry of the file list.
fn entry(length: i64, path: &[&str]) -> Dict {
    Dict::new().int("length", length).raw("path", encode::list(path.iter().map(encode::bytes)))
}

/// A torrent with these files.
fn several(entries: &[Dict]) -> Dict {
    let info =
        Dict::new().bytes("name", "Folder").int("piece length", 100).bytes("pieces", [0; 20]);
    info.raw("files", encode::list(entries.iter().map(Dict::encode)))
}

#[test]
fn a_torrent_of_one_file_has_its_name_as_path() {
    let meta = parse(&single()).unwrap();
    assert_eq!(meta.name, "film.mp4");
    assert_eq!(
        meta.files,
        [File {
            path: vec!["film.mp4".into()],
            safe_path: None,
            length: 100_000,
            padding: false,
            root: None
        }]
    );
    assert_eq!(
        (meta.piece_length, meta.pieces.len(), meta.geometry().piece_count()),
        (32768, 4, 4)
    );
    assert_eq!(meta.info, single().encode());
    let last = Sha1::digest(&testing::content(100_000)[3 * 32768..]);
    assert_eq!(meta.pieces[3], *last);
}

#[test]
fn the_info_hash_is_computed_from_the_exact_bytes_even_if_unsorted() {
    let info = b"d6:pieces20:aaaaaaaaaaaaaaaaaaaa12:piece lengthi16384e4:name1:x6:lengthi1ee";
    let torrent = [&b"d4:info"[..], info, b"e\r\n"].concat();
    let meta = Metainfo::parse(&torrent).unwrap();
    // `printf '…' | sha1sum`
    assert_eq!(meta.info_hash.0, <[u8; 20]>::from(Sha1::digest(info)));
    assert_eq!(meta.info_hash.to_string(), "f2b65f4aba16cfce0617f2d8e7cb0388845a2897");
}

#[test]
fn a_torrent_of_several_files_lies_in_a_folder_of_its_name() {
    let meta = testing::torrent(16384, &[("a/b.mkv", 20_000), ("empty", 0), ("c.srt", 5)]).metainfo;
    let paths: Vec<String> = meta.files.iter().map(|file| file.path.join("/")).collect();
    assert_eq!(paths, ["Sample/a/b.mkv", "Sample/empty", "Sample/c.srt"]);
    assert_eq!(meta.total_length(), 20_005);
}

#[test]
fn names_in_torrents_are_made_safe() {
    let evil = [entry(50, &["..", "..", "etc", "passwd"]), entry(30, &["A"]), entry(20, &["a"])];
    let meta = parse(&several(&evil).bytes("name", "../up")).unwrap();
    let paths: Vec<String> = meta.files.iter().map(|file| file.path.join("/")).collect();
    assert_eq!(meta.name, ".._up");
    assert_eq!(paths, [".._up/_/_/etc/passwd", ".._up/A", ".._up/a"]);
}

#[test]
fn utf8_names_take_precedence() {
    let path = encode::list([encode::bytes("é.mkv")]);
    let meta =
        parse(&several(&[entry(1, &["?"]).raw("path.utf-8", path)]).bytes("name.utf-8", "Été"))
            .unwrap();
    assert_eq!(meta.files[0].path, ["Été", "é.mkv"]);
    assert_eq!(meta.name, "Été");
}

#[test]
fn empty_components_add_nothing_to_a_path() {
    let files = [
        entry(1, &["", "a.mkv"]),
        entry(2, &["cd1", "", "b.mkv"]),
        entry(0, &["extras", ""]),
        entry(3, &["", ""]),
    ];
    let meta = parse(&several(&files)).unwrap();
    let shown = meta.files.iter().filter(|file| !file.padding);
    let paths: Vec<String> = shown.map(|file| file.path.join("/")).collect();
    let below = |name: &str| format!("{}/{name}", meta.name);
    assert_eq!(paths, [below("a.mkv"), below("cd1/b.mkv"), below("_")]);
}

#[test]
fn empty_utf8_names_do_not_count() {
    let path = |names: &[&str]| encode::list(names.iter().map(encode::bytes));
    for empty in [path(&[]), path(&[""]), path(&["", ""]), encode::bytes("")] {
        let file = entry(1, &["film.mkv"]).raw("path.utf-8", empty);
        let meta = parse(&several(&[file]).bytes("name.utf-8", "")).unwrap();
        assert_eq!(meta.files[0].path.last().map(String::as_str), Some("film.mkv"));
        assert_ne!(meta.name, "_");
    }
}

#[test]
fn padding_needs_no_path() {
    let padding = Dict::new().bytes("attr", "p").int("length", 5);
    let meta = parse(&several(&[entry(1, &["a"]), padding])).unwrap();
    assert!(meta.files[1].padding);
}

#[test]
fn padding_files_and_symbolic_links_are_recognised() {
    let link = Dict::new().bytes("attr", "l").raw("path", encode::list([encode::bytes("link")]));
    let files = [
        entry(1, &["a"]).bytes("attr", "x"),
        entry(2, &[".pad", "2"]).bytes("attr", "p"),
        entry(3, &["_____padding_file_0_if you see this file"]),
        link,
    ];
    let meta = parse(&several(&files)).unwrap();
    assert_eq!(
        meta.files.iter().map(|file| file.padding).collect::<Vec<_>>(),
        [false, true, true, false]
    );
    assert_eq!(meta.files[3].length, 0);
}

#[test]
fn a_torrent_of_empty_files_has_no_pieces() {
    let meta = parse(&several(&[entry(0, &["a"]), entry(0, &["b"])]).bytes("pieces", "")).unwrap();
    assert_eq!((meta.files.len(), meta.total_length(), meta.geometry().piece_count()), (2, 0, 0));
}

#[test]
fn trackers_come_in_tiers_or_from_announce() {
    let tier = |urls: &[&str]| encode::list(urls.iter().map(encode::bytes));
    let list = encode::list([
        tier(&["http://a/announce", " udp://b:1 ", "not a url", "udp://b:1"]),
        tier(&[]),
        tier(&["http://a/announce"]),
        encode::bytes("https://c/x"),
        encode::int(3),
    ]);
    let meta = parse_with(Dict::new().raw("announce-list", list).bytes("announce", "http://z/"));
    assert_eq!(meta.trackers, [vec!["http://a/announce", "udp://b:1"], vec!["https://c/x"]]);
    let meta = parse_with(
        Dict::new().raw("announce-list", encode::list([])).bytes("announce", "http://z/"),
    );
    assert_eq!(meta.trackers, [["http://z/"]]);
    let meta = parse_with(Dict::new().int("announce", 7).int("announce-list", 7));
    assert_eq!(meta.trackers, Vec::<Vec<String>>::new());
    let many = encode::list((0..1000).map(|i| tier(&[&format!("http://t{i}/a")])));
    assert_eq!(parse_with(Dict::new().raw("announce-list", many)).trackers.len(), MAX_URLS);
}

#[test]
fn dht_nodes_are_read_and_invalid_ones_skipped() {
    let node = |host: &str, port| encode::list([encode::bytes(host), encode::int(port)]);
    let odd = [node("", 1), node("a", 0), node("a", 70_000), encode::list([]), encode::int(1)];
    let list = encode::list([node("node.example", 6881), node("::1", 2)].into_iter().chain(odd));
    let expected = [("node.example".to_owned(), 6881), ("::1".to_owned(), 2)];
    assert_eq!(parse_with(Dict::new().raw("nodes", list)).nodes, expected);
    let many = encode::list((1..100).map(|port| node("a", port)));
    assert_eq!(parse_with(Dict::new().raw("nodes", many)).nodes.len(), MAX_NODES);
}

#[test]
fn web_seeds_and_the_private_flag_are_read() {
    let list = encode::list(["http://a/", "ftp://b/", "https://c/d"].map(encode::bytes));
    assert_eq!(
        parse_with(Dict::new().raw("url-list", list)).web_seeds,
        ["http://a/", "https://c/d"]
    );
    assert_eq!(parse_with(Dict::new().bytes("url-list", "http://a/")).web_seeds, ["http://a/"]);
    let odd = encode::list([
        encode::bytes("HTTP://a/"),
        encode::int(1),
        encode::bytes("ftp://a/"),
        encode::bytes(""),
        encode::list([encode::bytes("http://nested/")]),
        encode::bytes(b" http://b/f\xfcr uns.mkv\r\n"),
        encode::bytes("HTTP://a/"),
        encode::bytes("hTTps://c/"),
    ]);
    assert_eq!(
        parse_with(Dict::new().raw("url-list", odd)).web_seeds,
        ["HTTP://a/", "http://b/f%FCr%20uns.mkv", "hTTps://c/"]
    );
    assert!(parse(&single().int("private", 1)).unwrap().private);
    assert!(!parse(&single().int("private", 0)).unwrap().private);
}

#[test]
fn missing_and_mistyped_fields_are_reported() {
    assert_eq!(Metainfo::parse(b"de"), Err(MetainfoError::Missing("info")));
    assert_eq!(Metainfo::parse(b"le"), Err(MetainfoError::Missing("info")));
    assert_eq!(Metainfo::parse(b"d4:infolee"), Err(MetainfoError::Bad("info")));
    assert_eq!(Metainfo::parse(b"<html>"), Err(BencodeError::UnexpectedByte(0).into()));
    let base = || Dict::new().bytes("pieces", [0; 20]);
    check_error(&Dict::new(), MetainfoError::Missing("pieces"));
    check_error(&base(), MetainfoError::Missing("name"));
    check_error(&base().bytes("name", "x"), MetainfoError::Missing("piece length"));
    check_error(&base().bytes("name", "x").int("piece length", 5), MetainfoError::Missing("files"));
    check_error(&single().bytes("pieces", [0; 19]), MetainfoError::Bad("pieces"));
    check_error(&single().int("length", -1), MetainfoError::Bad("length"));
    check_error(&single().bytes("length", "1"), MetainfoError::Bad("length"));
    check_error(&single().raw("files", encode::list([])), MetainfoError::Bad("files"));
    check_error(&several(&[entry(1, &[])]), MetainfoError::Bad("path"));
    check_error(&several(&[entry(1, &["a"; MAX_PATH_DEPTH + 1])]), MetainfoError::Bad("path"));
    check_error(&several(&[entry(1, &["a"]).bytes("path", "a")]), MetainfoError::Bad("path"));
}

#[test]
fn a_path_too_long_for_any_disk_is_refused_and_a_long_name_is_shortened() {
    let long = "n".repeat(255);
    let deep = [long.as_str(); 16];
    check_error(&several(&[entry(1, &deep)]), shared_proto::path::TooLong::Bytes.into());
    assert!(parse(&several(&[entry(1, &deep[..15])])).is_ok());
    let name = "é".repeat(200) + ".mkv";
    let meta = parse(&several(&[entry(1, &[&name])])).unwrap();
    assert_eq!(meta.files[0].path[1], "é".repeat(125) + ".mkv");
}

#[test]
fn bounds_are_checked() {
    for length in [0, 64 << 20 | 1, i64::MAX] {
        let shown = u32::try_from(length).unwrap_or(u32::MAX);
        check_error(
            &single().int("piece length", length),
            GeometryError::PieceLength(shown).into(),
        );
    }
    check_error(
        &several(&[entry(i64::MAX, &["a"]), entry(i64::MAX, &["b"])]),
        GeometryError::TotalLength.into(),
    );
    check_error(
        &several(&[entry(1 << 52, &["a"])]).int("piece length", 1 << 20),
        GeometryError::Pieces(1 << 32).into(),
    );
    check_error(&several(&[]).bytes("pieces", ""), MetainfoError::Empty);
    check_error(&several(&[entry(9, &["a"]).bytes("attr", "p")]), MetainfoError::Empty);
    let empty = several(&[entry(0, &["a"])]).bytes("pieces", "");
    assert_eq!(parse(&empty).unwrap().total_length(), 0, "files without bytes are files");
    check_error(&several(&[entry(101, &["a"])]), MetainfoError::PieceCount { expected: 2, got: 1 });
    let many = vec![entry(0, &["a"]); MAX_FILES + 1];
    check_error(&several(&many), GeometryError::Files(MAX_FILES + 1).into());
}

#[test]
fn every_truncation_of_a_torrent_is_an_error() {
    let torrent = testing::torrent(16384, &[("a", 20_000), ("b/c", 1)]).torrent;
    for length in 0..torrent.len() {
        assert_eq!(
            Metainfo::parse(&torrent[..length]),
            Err(BencodeError::UnexpectedEnd.into()),
            "cut to {length}"
        );
    }
}

proptest! {
    #[test]
    fn a_torrent_with_changed_bytes_is_an_error_or_valid_and_never_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let files = [("a/x", 100), ("b", 1)];
        let mut torrent = testing::torrent_with_trackers(64, &files, &["http://t/a"]).torrent;
        for (at, byte) in changes {
            let at = at.index(torrent.len());
            torrent[at] = byte;
        }
        if let Ok(meta) = Metainfo::parse(&torrent) {
            prop_assert_eq!(meta.geometry().piece_count() as usize, meta.pieces.len());
        }
    }
}
