//! Opening modes: creating a file, writing to the expected one, reading; and copies between files.

use std::fs;

use shared_proto::{
    FileRef, IoCommand, OpenMode,
    io::{OpErrorKind, OpOutput},
};

use crate::bench::{Bench, span};

#[tokio::test]
async fn what_is_there_is_never_taken_for_a_new_file() {
    let mut bench = Bench::new();
    fs::create_dir_all(bench.disk("root/folder")).unwrap();
    fs::write(bench.disk("root/empty"), b"").unwrap();
    fs::write(bench.disk("root/diary"), b"dear diary").unwrap();
    fs::write(bench.disk("outside"), b"outside").unwrap();
    let mut names = vec!["folder", "empty", "diary"];
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink("diary", bench.disk("root/link")).unwrap();
        symlink(bench.disk("outside"), bench.disk("root/link-out")).unwrap();
        symlink(bench.disk("nothing"), bench.disk("root/dangling")).unwrap();
        fs::hard_link(bench.disk("outside"), bench.disk("root/hard")).unwrap();
        names.extend(["link", "link-out", "dangling", "hard"]);
    }
    for name in names {
        let made = bench.open_as("root", 1, &[name], 100, OpenMode::Create).await;
        assert_eq!(made.unwrap_err(), OpErrorKind::Exists, "{name}");
    }
    assert_eq!(fs::metadata(bench.disk("root/empty")).unwrap().len(), 0);
    assert_eq!(fs::read(bench.disk("root/diary")).unwrap(), b"dear diary");
    assert_eq!(fs::read(bench.disk("outside")).unwrap(), b"outside");
    assert!(!bench.disk("nothing").exists());
}

#[tokio::test]
async fn writing_to_what_is_not_there_makes_nothing() {
    let mut bench = Bench::new();
    fs::create_dir_all(bench.disk("root")).unwrap();
    for mode in [OpenMode::Read, OpenMode::Write { identity: None }] {
        assert_eq!(
            bench.open_as("root", 1, &["a", "film"], 4, mode).await.unwrap_err(),
            OpErrorKind::NotFound
        );
    }
    assert_eq!(fs::read_dir(bench.disk("root")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_that_is_read_stays_as_short_as_it_is() {
    let mut bench = Bench::new();
    fs::create_dir_all(bench.disk("root")).unwrap();
    fs::write(bench.disk("root/film"), b"film").unwrap();
    let stat = bench.open_as("root", 1, &["film"], 100, OpenMode::Read).await.unwrap();
    assert_eq!(stat.length, 4);
    assert_eq!(bench.read(span(1, 0, 100)).await.unwrap(), &b"film"[..]);
    assert!(bench.write(1, 0, b"x").await.is_err());
    assert_eq!(fs::read(bench.disk("root/film")).unwrap(), b"film");
}

#[tokio::test]
async fn a_name_that_is_too_long_is_said_to_be_one() {
    let mut bench = Bench::new();
    for (name, folders) in [("n".repeat(256), 1), ("d".to_owned(), 65), ("n".repeat(255), 17)] {
        let path = vec![name.as_str(); folders];
        assert_eq!(
            bench.open_in("root", 1, &path, 1, true).await,
            Err(OpErrorKind::Name),
            "{folders}"
        );
        assert!(
            !bench.disk("root").exists() || fs::read_dir(bench.disk("root")).unwrap().count() == 0
        );
    }
    assert_eq!(bench.open_in("root", 1, &["n".repeat(255).as_str()], 1, true).await, Ok(1));
}

#[tokio::test]
async fn a_failed_attempt_takes_the_folders_that_it_made_and_no_others() {
    let mut bench = Bench::new();
    fs::create_dir_all(bench.disk("root/mine/empty")).unwrap();
    let failed =
        bench.open_in("root", 1, &["mine", "empty", "new", "deep", "huge"], u64::MAX, true).await;
    assert!(failed.is_err());
    assert!(bench.disk("root/mine/empty").exists());
    assert!(!bench.disk("root/mine/empty/new").exists());
}

async fn copy(
    bench: &mut Bench,
    from: u32,
    to: u32,
    offset: u64,
    length: u64,
) -> Result<OpOutput, OpErrorKind> {
    let (from, to) = (FileRef(from), FileRef(to));
    let copied = bench.ask(|op| IoCommand::FileCopy { op, from, to, offset, length }).await;
    copied.map_err(|error| error.kind)
}

#[tokio::test]
async fn a_span_is_copied_from_file_to_file_and_from_disk_to_disk() {
    for root in ["root", "elsewhere"] {
        let mut bench = Bench::new();
        bench.create(1, "film", 3 << 20).await;
        bench.write(1, (1 << 20) - 2, b"film").await.unwrap();
        bench.open_in(root, 2, &["copy"], 3 << 20, true).await.unwrap();
        assert_eq!(copy(&mut bench, 1, 2, 1 << 20, 1 << 20).await, Ok(OpOutput::Unit));
        assert_eq!(bench.read(span(2, (1 << 20) - 2, 4)).await.unwrap(), &b"\0\0lm"[..], "{root}");
        assert_eq!(copy(&mut bench, 1, 2, 0, 3 << 20).await, Ok(OpOutput::Unit));
        assert_eq!(bench.read(span(2, (1 << 20) - 2, 4)).await.unwrap(), &b"film"[..], "{root}");
        assert_eq!(copy(&mut bench, 1, 2, 0, (3 << 20) + 1).await, Err(OpErrorKind::NotFound));
        assert_eq!(copy(&mut bench, 1, 2, u64::MAX, 1).await, Err(OpErrorKind::Denied));
        assert_eq!(copy(&mut bench, 1, 9, 0, 1).await, Err(OpErrorKind::NotFound));
        assert_eq!(copy(&mut bench, 1, 2, 7, 0).await, Ok(OpOutput::Unit));
    }
}

#[tokio::test]
async fn a_copy_takes_its_turn_among_the_writes_of_both_files() {
    let mut bench = Bench::new();
    bench.create(1, "film", 4 << 20).await;
    bench.create(2, "copy", 4 << 20).await;
    let mut ops = Vec::new();
    for round in 0..50u8 {
        for (file, fill) in [(1, round), (2, 255)] {
            let data = vec![fill; 1 << 20].into();
            ops.push(bench.start(|op| IoCommand::FileWrite {
                op,
                file: FileRef(file),
                offset: 1 << 20,
                data,
            }));
        }
        let (from, to) = (FileRef(1), FileRef(2));
        ops.push(bench.start(|op| IoCommand::FileCopy {
            op,
            from,
            to,
            offset: 0,
            length: 4 << 20,
        }));
        assert_eq!(bench.read(span(2, 1 << 20, 1 << 20)).await.unwrap(), vec![round; 1 << 20]);
    }
    for op in ops {
        bench.finish(op).await.unwrap();
    }
}
