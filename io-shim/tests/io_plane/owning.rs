//! Which file is expected: identities, two processes, and missing disks.

use std::fs;

use shared_proto::{
    FileIdentity, FileRef, IoCommand, OpenMode, RootKey,
    io::{FileStat, OpErrorKind, OpOutput},
};

use crate::bench::{Bench, span};

const WRITE: OpenMode = OpenMode::Write { identity: None };

fn names(path: &[&str]) -> Vec<String> {
    path.iter().map(|name| (*name).to_owned()).collect()
}

async fn stat(bench: &mut Bench, path: &[&str]) -> Result<Option<FileStat>, OpErrorKind> {
    let path = names(path);
    match bench.ask(|op| IoCommand::FileStat { op, root: "root".into(), path }).await {
        Ok(OpOutput::Stat(found)) => Ok(found),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.kind),
    }
}

async fn delete(
    bench: &mut Bench,
    path: &[&str],
    identity: Option<FileIdentity>,
) -> Result<(), OpErrorKind> {
    let path = names(path);
    let deleted =
        bench.ask(|op| IoCommand::FileDelete { op, root: "root".into(), path, identity }).await;
    deleted.map(drop).map_err(|error| error.kind)
}

async fn rename(bench: &mut Bench, from: &str, to: (&str, &str)) -> Result<(), OpErrorKind> {
    let (from, to_root, to) = (names(&[from]), RootKey::from(to.0), names(&[to.1]));
    let moved = bench
        .ask(|op| IoCommand::FileMove {
            op,
            identity: None,
            root: "root".into(),
            from,
            to_root,
            to,
        })
        .await;
    moved.map(drop).map_err(|error| error.kind)
}

#[tokio::test]
async fn opening_and_looking_tell_the_same_identity_and_it_moves_along() {
    let mut bench = Bench::new();
    let made = bench.open_as("root", 1, &["film"], 4, OpenMode::Create).await.unwrap();
    assert!(made.identity.is_some());
    assert_eq!(stat(&mut bench, &["film"]).await.unwrap(), Some(made));
    rename(&mut bench, "film", ("root", "new")).await.unwrap();
    bench.write(1, 0, b"film").await.unwrap();
    let moved = stat(&mut bench, &["new"]).await.unwrap().unwrap();
    assert_eq!(moved.identity, made.identity);
    let opened = bench
        .open_as("root", 2, &["new"], 4, OpenMode::Write { identity: made.identity })
        .await
        .unwrap();
    assert_eq!(opened, moved);
    assert_eq!(bench.open_as("root", 3, &["new"], 4, OpenMode::Read).await.unwrap(), moved);
}

/// What a user may put in place of the expected file.
#[derive(Clone, Copy, Debug)]
enum Swap {
    Another,
    Equal,
    HardLink,
}

#[tokio::test]
async fn another_file_in_the_place_of_ours_is_neither_written_nor_deleted() {
    for swap in [Swap::Another, Swap::Equal, Swap::HardLink] {
        let mut bench = Bench::new();
        let ours =
            bench.open_as("root", 1, &["film"], 100, OpenMode::Create).await.unwrap().identity;
        bench.tell(IoCommand::FileClose { file: FileRef(1) });
        let (film, theirs) = (bench.disk("root/film"), bench.disk("diary"));
        fs::write(
            &theirs,
            if matches!(swap, Swap::Equal) { vec![0; 100] } else { b"dear diary".to_vec() },
        )
        .unwrap();
        let content = fs::read(&theirs).unwrap();
        match swap {
            Swap::Another | Swap::Equal => fs::rename(&theirs, &film).unwrap(),
            Swap::HardLink => {
                fs::remove_file(&film).unwrap();
                fs::hard_link(&theirs, &film).unwrap();
            }
        }
        let before = stat(&mut bench, &["film"]).await.unwrap().unwrap();
        let opened =
            bench.open_as("root", 1, &["film"], 100, OpenMode::Write { identity: ours }).await;
        assert_eq!(opened.unwrap_err(), OpErrorKind::Changed, "{swap:?}");
        assert_eq!(
            delete(&mut bench, &["film"], ours).await,
            Err(OpErrorKind::Changed),
            "{swap:?}"
        );
        assert_eq!(
            stat(&mut bench, &["film"]).await.unwrap(),
            Some(before),
            "{swap:?}: it was touched"
        );
        assert_eq!(fs::read(&film).unwrap(), content, "{swap:?}");
        assert_eq!(delete(&mut bench, &["film"], before.identity).await, Ok(()), "{swap:?}");
        assert!(!film.exists());
    }
}

#[tokio::test]
async fn two_processes_never_write_to_one_file() {
    let mut first = Bench::new();
    let mut second = first.another_process();
    first.create(1, "film", 4).await;
    assert_eq!(
        second.open_as("root", 1, &["film"], 4, OpenMode::Create).await.unwrap_err(),
        OpErrorKind::Exists
    );
    assert_eq!(
        second.open_as("root", 1, &["film"], 100, WRITE).await.unwrap_err(),
        OpErrorKind::Busy
    );
    assert_eq!(
        fs::metadata(first.disk("root/film")).unwrap().len(),
        4,
        "it was extended all the same"
    );
    assert_eq!(delete(&mut second, &["film"], None).await, Err(OpErrorKind::Busy));
    for root in ["root", "other", "elsewhere"] {
        assert_eq!(rename(&mut second, "film", (root, "mine")).await, Err(OpErrorKind::Busy));
    }
    let opened = second.open_as("root", 1, &["film"], 4, OpenMode::Read).await.unwrap();
    assert_eq!(opened.length, 4, "reading is free");
    // The process has the file open twice, and one handle stays.
    first.open_as("root", 2, &["film"], 4, WRITE).await.unwrap();
    first.tell(IoCommand::FileClose { file: FileRef(1) });
    assert_eq!(
        second.open_as("root", 2, &["film"], 4, WRITE).await.unwrap_err(),
        OpErrorKind::Busy
    );
    first.tell(IoCommand::FileClose { file: FileRef(2) });
    first.read(span(2, 0, 1)).await.unwrap_err();
    second.open_as("root", 2, &["film"], 4, WRITE).await.unwrap();
    assert_eq!(first.open_as("root", 1, &["film"], 4, WRITE).await.unwrap_err(), OpErrorKind::Busy);
}

#[tokio::test]
async fn a_file_that_moves_stays_locked_on_its_new_disk() {
    for root in ["root", "other", "elsewhere"] {
        let mut first = Bench::new();
        first.create(1, "film", 4).await;
        rename(&mut first, "film", (root, "moved")).await.unwrap();
        first.write(1, 0, b"film").await.unwrap();
        let mut again = first.another_process();
        if root != "elsewhere" {
            assert_eq!(
                again.open_as(root, 1, &["moved"], 4, WRITE).await.unwrap_err(),
                OpErrorKind::Busy,
                "{root}"
            );
        }
        assert_eq!(
            fs::read_dir(first.disk("locks")).unwrap().count(),
            if root == "elsewhere" { 2 } else { 1 },
            "{root}"
        );
        first.tell(IoCommand::FileClose { file: FileRef(1) });
        first.read(span(1, 0, 1)).await.unwrap_err();
        assert_eq!(
            fs::read_dir(first.disk("locks")).unwrap().count(),
            0,
            "{root}: lock files pile up"
        );
    }
}

#[tokio::test]
async fn a_lock_ends_with_its_engine() {
    let mut first = Bench::new();
    let mut second = first.another_process();
    first.create(1, "film", 4).await;
    first.next_epoch();
    second.open_as("root", 1, &["film"], 4, WRITE).await.unwrap();
}

#[tokio::test]
async fn a_root_whose_disk_is_gone_is_an_error_for_everything_and_nothing_is_made_in_its_place() {
    let mut bench = Bench::new();
    bench.create(1, "film", 4).await;
    bench.write(1, 0, b"film").await.unwrap();
    bench.tell(IoCommand::FileClose { file: FileRef(1) });
    bench.create(2, "other", 4).await;
    bench.tell(IoCommand::FileClose { file: FileRef(2) });
    let (root, away) = (bench.disk("root"), bench.disk("away"));
    fs::rename(&root, &away).unwrap();
    let mut later = bench.another_process();
    for mode in [OpenMode::Create, OpenMode::Read, WRITE] {
        for path in [&["film"][..], &["new", "film"]] {
            assert_eq!(
                bench.open_as("root", 1, path, 4, mode).await.unwrap_err(),
                OpErrorKind::Absent,
                "{mode:?}"
            );
        }
    }
    assert_eq!(stat(&mut bench, &["film"]).await, Err(OpErrorKind::Absent));
    assert_eq!(delete(&mut bench, &["film"], None).await, Err(OpErrorKind::Absent));
    assert_eq!(rename(&mut bench, "film", ("other", "film")).await, Err(OpErrorKind::Absent));
    let served = bench.files.open_for_serving(&RootKey::from("root"), &names(&["film"]));
    assert_eq!(served.unwrap_err().kind, OpErrorKind::Absent);
    assert!(!root.exists());
    // A process that never saw the folder takes it for an unused one.
    assert_eq!(stat(&mut later, &["film"]).await, Ok(None));
    fs::rename(&away, &root).unwrap();
    bench.open_as("root", 1, &["film"], 4, WRITE).await.unwrap();
    assert_eq!(bench.read(span(1, 0, 4)).await.unwrap(), &b"film"[..]);
}

#[tokio::test]
async fn nothing_moves_to_a_disk_that_is_gone() {
    let mut bench = Bench::new();
    bench.create(1, "film", 4).await;
    bench.open_in("other", 2, &["film"], 4, true).await.unwrap();
    fs::rename(bench.disk("other"), bench.disk("away")).unwrap();
    assert_eq!(rename(&mut bench, "film", ("other", "new")).await, Err(OpErrorKind::Absent));
    assert!(bench.disk("root/film").exists() && !bench.disk("other").exists());
}

#[cfg(unix)]
#[tokio::test]
async fn the_engine_learns_the_room_of_a_roots_disk() {
    let mut bench = Bench::new();
    let mut ask = async |root: &str| {
        let root = RootKey::from(root);
        bench.ask(|op| IoCommand::RootRoom { op, root }).await.map_err(|error| error.kind)
    };
    let Ok(OpOutput::Room { free, total }) = ask("root").await else { panic!("it is told") };
    assert!(free > 1 && free <= total, "{free} of {total}");
    assert_eq!(ask("unknown").await, Err(OpErrorKind::NotFound));
}
