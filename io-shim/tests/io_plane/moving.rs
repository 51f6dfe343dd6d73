//! Moving files between roots, on one disk and between disks.

use std::{fs, time::Duration};

use bytes::Bytes;
use shared_proto::{
    FileRef, IoCommand, OpId, OpenMode, RootKey,
    io::{DigestKind, OpErrorKind, OpOutput},
};
use tokio::time::timeout;

use crate::bench::{Bench, span};

fn start(bench: &mut Bench, from: (&str, &[&str]), to: (&str, &[&str])) -> OpId {
    let names = |path: &[&str]| path.iter().map(|name| (*name).to_owned()).collect();
    let (root, to_root) = (RootKey::from(from.0), RootKey::from(to.0));
    let (from, to) = (names(from.1), names(to.1));
    bench.start(|op| IoCommand::FileMove { op, identity: None, root, from, to_root, to })
}

async fn rename(
    bench: &mut Bench,
    from: (&str, &[&str]),
    to: (&str, &[&str]),
) -> Result<(), OpErrorKind> {
    let op = start(bench, from, to);
    bench.finish(op).await.map(drop).map_err(|error| error.kind)
}

const ROOTS: [&str; 2] = ["other", "elsewhere"];

fn place(bench: &Bench, root: &str, path: &str) -> std::path::PathBuf {
    if root == "elsewhere" { bench.elsewhere(path) } else { bench.disk(&format!("{root}/{path}")) }
}

#[tokio::test]
async fn a_file_moves_with_its_bytes_and_open_handles_go_on() {
    for root in ROOTS {
        let mut bench = Bench::new();
        assert_eq!(bench.open_in("root", 1, &["a", "b", "film"], 8, true).await, Ok(8));
        bench.write(1, 0, b"12345678").await.unwrap();
        rename(&mut bench, ("root", &["a", "b", "film"]), (root, &["c", "new"])).await.unwrap();
        assert_eq!(fs::read(place(&bench, root, "c/new")).unwrap(), b"12345678", "{root}");
        assert!(!bench.disk("root/a").exists(), "folders that this leaves empty go, too");
        assert!(bench.disk("root").exists());
        bench.write(1, 2, b"ab").await.unwrap();
        assert_eq!(bench.read(span(1, 0, 8)).await.unwrap(), &b"12ab5678"[..]);
        assert_eq!(fs::read(place(&bench, root, "c/new")).unwrap(), b"12ab5678");
        assert_eq!(bench.open_in(root, 2, &["c", "new"], 8, false).await, Ok(8));
        rename(&mut bench, (root, &["c", "new"]), ("root", &["back"])).await.unwrap();
        bench.write(2, 0, b"xy").await.unwrap();
        bench.write(1, 6, b"z").await.unwrap();
        assert_eq!(fs::read(bench.disk("root/back")).unwrap(), b"xyab56z8");
    }
}

#[tokio::test]
async fn a_target_is_not_replaced_and_a_source_that_is_not_there_makes_nothing() {
    for root in ROOTS {
        let mut bench = Bench::new();
        bench.create(1, "film", 4).await;
        bench.open_in(root, 2, &["there"], 2, true).await.unwrap();
        assert_eq!(
            rename(&mut bench, ("root", &["film"]), (root, &["there"])).await,
            Err(OpErrorKind::Exists)
        );
        assert_eq!(
            rename(&mut bench, ("root", &["no"]), (root, &["x", "y"])).await,
            Err(OpErrorKind::NotFound)
        );
        assert_eq!(
            rename(&mut bench, ("root", &["film"]), (root, &["there", "in"])).await,
            Err(OpErrorKind::Exists)
        );
        assert_eq!(
            rename(&mut bench, ("root", &["film"]), (root, &["..", "film"])).await,
            Err(OpErrorKind::Denied)
        );
        assert_eq!(
            rename(&mut bench, ("root", &["film"]), ("nowhere", &["film"])).await,
            Err(OpErrorKind::NotFound)
        );
        assert_eq!(fs::read(bench.disk("root/film")).unwrap(), [0; 4]);
        assert_eq!(fs::metadata(place(&bench, root, "there")).unwrap().len(), 2);
        assert_eq!(fs::read_dir(place(&bench, root, "")).unwrap().count(), 1, "{root}");
    }
}

// Only on Linux the other folder is a file system in memory.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_disk_that_does_not_take_the_file_leaves_it_where_it_was() {
    // A file system in memory accepts a sparse file of 100 TiB; disks do not.
    const LENGTH: u64 = 100 << 40;
    let mut bench = Bench::new();
    bench
        .open_in("elsewhere", 1, &["film"], LENGTH, true)
        .await
        .expect("/dev/shm takes a sparse file of any length");
    bench.write(1, 0, b"film").await.unwrap();
    match rename(&mut bench, ("elsewhere", &["film"]), ("root", &["folder", "film"])).await {
        Err(kind) => assert!(matches!(kind, OpErrorKind::Limit | OpErrorKind::Full), "{kind:?}"),
        Ok(()) => panic!("no disk takes it"),
    }
    assert_eq!(bench.read(span(1, 0, 4)).await.unwrap(), &b"film"[..]);
    assert_eq!(fs::metadata(bench.elsewhere("film")).unwrap().len(), LENGTH);
    assert_eq!(fs::read_dir(bench.disk("root")).unwrap().count(), 0);
}

#[tokio::test]
async fn commands_see_a_move_in_their_order_and_others_do_not_wait_for_it() {
    const LENGTH: u64 = 64 << 20;
    let mut bench = Bench::new();
    bench.create(1, "film", LENGTH).await;
    bench.write(1, LENGTH - 4, b"last").await.unwrap();
    let before = bench.start(|op| IoCommand::FileWrite {
        op,
        file: FileRef(1),
        offset: 0,
        data: Bytes::from_static(b"before"),
    });
    let moving = start(&mut bench, ("root", &["film"]), ("elsewhere", &["film"]));
    let after = bench.start(|op| IoCommand::FileWrite {
        op,
        file: FileRef(1),
        offset: 6,
        data: Bytes::from_static(b"after"),
    });
    let root = RootKey::from("elsewhere");
    let path = vec!["film".to_owned()];
    let opening = bench.start(|op| IoCommand::FileOpen {
        op,
        file: FileRef(2),
        root,
        path,
        length: LENGTH,
        mode: OpenMode::Read,
    });
    timeout(Duration::from_secs(5), bench.create(3, "unrelated", 4))
        .await
        .expect("it does not wait");
    let read = bench.read(span(2, 0, 11)).await.unwrap();
    assert_eq!(read, &b"beforeafter"[..]);
    for op in [before, moving, after, opening] {
        bench.finish(op).await.unwrap();
    }
    let digests = [
        bench.digest(DigestKind::Sha1, &[span(1, 0, 1 << 20)]).await.unwrap(),
        bench.digest(DigestKind::Sha1, &[span(2, 0, 1 << 20)]).await.unwrap(),
    ];
    assert_eq!(digests[0], digests[1]);
    assert!(!bench.disk("root/film").exists());
}

#[tokio::test]
async fn a_move_ends_with_its_engine_and_the_next_one_finds_one_whole_file() {
    const LENGTH: u64 = 256 << 20;
    let mut bench = Bench::new();
    bench.create(1, "film", LENGTH).await;
    for at in 0..8 {
        bench.write(1, at * (LENGTH / 8), &vec![7; 1 << 20]).await.unwrap();
    }
    start(&mut bench, ("root", &["film"]), ("elsewhere", &["film"]));
    tokio::time::sleep(Duration::from_millis(30)).await;
    bench.next_epoch();
    // The move holds the file until it has ended.
    let settled = async {
        loop {
            let (here, there) =
                (bench.disk("root/film").exists(), bench.elsewhere("film").exists());
            let left = fs::read_dir(bench.elsewhere("")).map_or(0, Iterator::count);
            if here != there && left == usize::from(there) {
                break if here { "root" } else { "elsewhere" };
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let root = timeout(Duration::from_secs(20), settled).await.expect("one of them");
    assert_eq!(bench.open_in(root, 1, &["film"], LENGTH, false).await, Ok(LENGTH));
    for at in 0..8 {
        assert_eq!(
            bench.read(span(1, at * (LENGTH / 8), 1 << 20)).await.unwrap(),
            vec![7; 1 << 20]
        );
    }
    assert!(matches!(
        bench.ask(|op| IoCommand::FileSync { op, file: FileRef(1) }).await,
        Ok(OpOutput::Unit)
    ));
}
