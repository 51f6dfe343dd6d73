//! Files: confinement, opening, moving, deleting, hashing; and the state store through the plane.

use std::fs;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use shared_proto::{
    FileRef, IoCommand, IoEvent, RootKey,
    frame::MAX_READ,
    io::{DigestKind, OpErrorKind, OpOutput},
};

use crate::bench::{Bench, config, span};

fn names(path: &[&str]) -> Vec<String> {
    path.iter().map(|name| (*name).to_owned()).collect()
}

fn kind(result: Result<OpOutput, shared_proto::io::OpError>) -> Result<OpOutput, OpErrorKind> {
    result.map_err(|error| error.kind)
}

#[tokio::test]
async fn a_new_file_is_sparse_and_of_full_length_with_its_folders() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.open_in("root", 1, &["a..b", "c", "film.mkv"], 1 << 30, true).await,
        Ok(1 << 30)
    );
    let found = fs::metadata(bench.disk("root/a..b/c/film.mkv")).unwrap();
    assert_eq!(found.len(), 1 << 30);
    #[cfg(unix)]
    assert!(std::os::unix::fs::MetadataExt::blocks(&found) < 2_000, "a gibibyte was allocated");
    bench.write(1, 1000, b"film").await.unwrap();
    bench.ask(|op| IoCommand::FileSync { op, file: FileRef(1) }).await.unwrap();
    assert_eq!(bench.read(span(1, 998, 8)).await.unwrap(), &b"\0\0film\0\0"[..]);
}

#[tokio::test]
async fn zeros_are_read_and_hashed_and_what_is_written_there_is_gone() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.open_in("root", u32::MAX, &["zeros"], 4, true).await,
        Err(OpErrorKind::Exists),
        "it is no file"
    );
    bench.open_in("root", 1, &["f"], 4, true).await.unwrap();
    bench.write(1, 0, b"film").await.unwrap();
    bench.write(u32::MAX, 5, b"lost").await.unwrap();
    assert_eq!(bench.read(span(u32::MAX, 4, 5)).await.unwrap(), &[0; 5][..]);
    let spans = vec![span(1, 0, 4), span(u32::MAX, 0, 3), span(1, 0, 1)];
    let digest = bench.ask(|op| IoCommand::Digest { op, kind: DigestKind::Sha256, spans }).await;
    assert_eq!(
        digest,
        Ok(OpOutput::Digest(Bytes::copy_from_slice(&Sha256::digest(b"film\0\0\0f"))))
    );
}

#[tokio::test]
async fn a_shorter_file_is_extended_and_a_longer_one_left_alone() {
    let mut bench = Bench::new();
    fs::create_dir_all(bench.disk("root")).unwrap();
    fs::write(bench.disk("root/short"), b"12").unwrap();
    fs::write(bench.disk("root/long"), b"123456").unwrap();
    assert_eq!(bench.open_in("root", 1, &["short"], 4, false).await, Ok(4));
    assert_eq!(bench.open_in("root", 2, &["long"], 4, false).await, Ok(6));
    assert_eq!(fs::read(bench.disk("root/short")).unwrap(), b"12\0\0");
    assert_eq!(fs::read(bench.disk("root/long")).unwrap(), b"123456");
}

#[tokio::test]
async fn what_is_not_there_is_made_only_when_asked() {
    let mut bench = Bench::new();
    assert_eq!(bench.open_in("root", 1, &["d", "f"], 4, false).await, Err(OpErrorKind::NotFound));
    assert!(!bench.disk("root").exists(), "not even the root");
    assert_eq!(bench.open_in("nowhere", 1, &["f"], 4, true).await, Err(OpErrorKind::NotFound));
    assert_eq!(
        bench.open_in("root", 1, &["d", "f"], 4, true).await,
        Ok(4),
        "a number that failed can be used again"
    );
}

#[tokio::test]
async fn something_else_in_the_way_is_said_clearly() {
    let mut bench = Bench::new();
    fs::create_dir_all(bench.disk("root/folder")).unwrap();
    fs::write(bench.disk("root/file"), b"").unwrap();
    for create in [true, false] {
        assert_eq!(
            bench.open_in("root", 1, &["folder"], 4, create).await,
            Err(OpErrorKind::Exists)
        );
        assert_eq!(
            bench.open_in("root", 1, &["file", "inner"], 4, create).await,
            Err(OpErrorKind::Exists)
        );
        assert_eq!(
            bench.open_in("root", 1, &["file", "in", "ner"], 4, create).await,
            Err(OpErrorKind::Exists)
        );
    }
}

#[tokio::test]
async fn paths_that_are_not_names_are_refused_everywhere() {
    let mut bench = Bench::new();
    fs::create_dir_all(bench.disk("root")).unwrap();
    fs::write(bench.disk("secret"), b"secret").unwrap();
    let absolute = bench.disk("secret").to_str().unwrap().to_owned();
    let attacks: [&[&str]; 9] = [
        &["..", "secret"],
        &["x", "..", "..", "secret"],
        &["../secret"],
        &[&absolute],
        &["/", "etc", "passwd"],
        &[".", "secret"],
        &["sec\0ret"],
        &[""],
        &[],
    ];
    for attack in attacks {
        for create in [true, false] {
            assert_eq!(
                bench.open_in("root", 1, attack, 1, create).await,
                Err(OpErrorKind::Denied),
                "{attack:?}"
            );
        }
        let (root, good) = (RootKey::from("root"), names(&["good"]));
        let served = bench.files.open_for_serving(&root, &names(attack));
        assert_eq!(
            served.map(drop).map_err(|error| error.kind),
            Err(OpErrorKind::Denied),
            "{attack:?}"
        );
        let deleted = bench
            .ask(|op| IoCommand::FileDelete {
                op,
                root: root.clone(),
                path: names(attack),
                identity: None,
            })
            .await;
        assert_eq!(kind(deleted), Err(OpErrorKind::Denied), "{attack:?}");
        let renames = [(names(attack), good.clone()), (good, names(attack))];
        for (from, to) in renames {
            let renamed = bench
                .ask(|op| IoCommand::FileMove {
                    op,
                    identity: None,
                    root: root.clone(),
                    from,
                    to_root: root.clone(),
                    to,
                })
                .await;
            assert_eq!(kind(renamed), Err(OpErrorKind::Denied), "{attack:?}");
        }
    }
    assert_eq!(fs::read(bench.disk("secret")).unwrap(), b"secret");
}

#[cfg(unix)]
#[tokio::test]
async fn links_that_lie_on_the_disk_lead_nowhere() {
    use std::os::unix::fs::symlink;
    let mut bench = Bench::new();
    fs::create_dir_all(bench.disk("root/inner")).unwrap();
    fs::create_dir_all(bench.disk("outside")).unwrap();
    fs::write(bench.disk("outside/secret"), b"secret").unwrap();
    fs::write(bench.disk("root/inner/mine"), b"mine").unwrap();
    symlink(bench.disk("outside/secret"), bench.disk("root/to-file")).unwrap();
    symlink("../outside/secret", bench.disk("root/to-file-relative")).unwrap();
    symlink(bench.disk("outside"), bench.disk("root/to-folder")).unwrap();
    symlink("../outside", bench.disk("root/to-folder-relative")).unwrap();
    symlink(bench.disk("outside/new"), bench.disk("root/dangling")).unwrap();
    symlink("inner/mine", bench.disk("root/to-mine")).unwrap();
    let attacks: [&[&str]; 8] = [
        &["to-file"],
        &["to-file-relative"],
        &["to-folder", "secret"],
        &["to-folder-relative", "secret"],
        &["to-folder", "new"],
        &["to-folder-relative", "deep", "new"],
        &["dangling"],
        &["to-mine"],
    ];
    for attack in attacks {
        for create in [true, false] {
            let opened = bench.open_in("root", 1, attack, 100, create).await;
            assert!(
                matches!(opened, Err(OpErrorKind::Denied | OpErrorKind::Exists)),
                "{attack:?}: {opened:?}"
            );
        }
        assert!(
            bench.files.open_for_serving(&RootKey::from("root"), &names(attack)).is_err(),
            "{attack:?}"
        );
    }
    for folder in ["to-folder", "to-folder-relative"] {
        let root = || RootKey::from("root");
        let path = names(&[folder, "secret"]);
        kind(
            bench
                .ask(|op| IoCommand::FileDelete {
                    op,
                    root: root(),
                    path: path.clone(),
                    identity: None,
                })
                .await,
        )
        .unwrap_err();
        let to = names(&["stolen"]);
        kind(
            bench
                .ask(|op| IoCommand::FileMove {
                    op,
                    identity: None,
                    root: root(),
                    from: path,
                    to_root: root(),
                    to,
                })
                .await,
        )
        .unwrap_err();
        let (from, to) = (names(&["inner", "mine"]), names(&[folder, "planted"]));
        kind(
            bench
                .ask(|op| IoCommand::FileMove {
                    op,
                    identity: None,
                    root: root(),
                    from,
                    to_root: root(),
                    to,
                })
                .await,
        )
        .unwrap_err();
    }
    assert_eq!(fs::read_dir(bench.disk("outside")).unwrap().count(), 1);
    assert_eq!(fs::read(bench.disk("outside/secret")).unwrap(), b"secret");
    assert_eq!(fs::read(bench.disk("root/inner/mine")).unwrap(), b"mine");
}

#[cfg(unix)]
#[tokio::test]
async fn pipes_and_the_like_are_not_files() {
    let mut bench = Bench::new();
    fs::create_dir_all(bench.disk("root")).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(bench.disk("root/socket")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(bench.disk("root/pipe")).status().unwrap();
    assert!(made.success());
    for name in ["pipe", "socket"] {
        assert!(bench.open_in("root", 1, &[name], 4, true).await.is_err(), "{name}");
        assert!(
            bench.files.open_for_serving(&RootKey::from("root"), &names(&[name])).is_err(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn files_to_serve_are_opened_for_reading_only() {
    let mut bench = Bench::new();
    bench.create(1, "film", 4).await;
    bench.write(1, 0, b"film").await.unwrap();
    let mut file = bench.files.open_for_serving(&RootKey::from("root"), &names(&["film"])).unwrap();
    assert_eq!(std::io::read_to_string(&file).unwrap(), "film");
    assert!(std::io::Write::write_all(&mut file, b"x").is_err());
    let missing = bench.files.open_for_serving(&RootKey::from("root"), &names(&["no"]));
    assert_eq!(missing.unwrap_err().kind, OpErrorKind::NotFound);
}

#[tokio::test]
async fn a_rename_never_replaces() {
    let mut bench = Bench::new();
    bench.create(1, "a", 1).await;
    bench.create(2, "b", 2).await;
    let root = || RootKey::from("root");
    let rename = |from: &[&str], to: &[&str]| {
        let (from, to) = (names(from), names(to));
        move |op| IoCommand::FileMove {
            op,
            identity: None,
            root: root(),
            from,
            to_root: root(),
            to,
        }
    };
    assert_eq!(kind(bench.ask(rename(&["a"], &["b"])).await), Err(OpErrorKind::Exists));
    assert_eq!(kind(bench.ask(rename(&["no"], &["c"])).await), Err(OpErrorKind::NotFound));
    assert_eq!(kind(bench.ask(rename(&["a"], &["deep", "er", "c"])).await), Ok(OpOutput::Unit));
    assert_eq!(fs::metadata(bench.disk("root/deep/er/c")).unwrap().len(), 1);
    assert!(!bench.disk("root/a").exists());
    assert_eq!(fs::metadata(bench.disk("root/b")).unwrap().len(), 2);
    bench.write(1, 0, b"x").await.expect("an open file stays open under its new name");
    assert_eq!(fs::read(bench.disk("root/deep/er/c")).unwrap(), b"x");
}

#[tokio::test]
async fn deleting_takes_the_folders_that_it_leaves_empty() {
    let mut bench = Bench::new();
    bench.open_in("root", 1, &["keep", "a", "b", "file"], 1, true).await.unwrap();
    bench.open_in("root", 2, &["keep", "other"], 1, true).await.unwrap();
    let delete = |path: &[&str]| {
        let path = names(path);
        move |op| IoCommand::FileDelete { op, root: RootKey::from("root"), path, identity: None }
    };
    assert_eq!(
        kind(bench.ask(delete(&["keep", "a"])).await),
        Err(OpErrorKind::Denied),
        "a folder is not deleted"
    );
    assert_eq!(kind(bench.ask(delete(&["keep", "a", "b", "file"])).await), Ok(OpOutput::Unit));
    assert!(!bench.disk("root/keep/a").exists());
    assert_eq!(
        kind(bench.ask(delete(&["keep", "a", "b", "file"])).await),
        Err(OpErrorKind::NotFound)
    );
    assert_eq!(kind(bench.ask(delete(&["keep", "other"])).await), Ok(OpOutput::Unit));
    assert!(!bench.disk("root/keep").exists());
    assert!(bench.disk("root").exists(), "the root stays");
}

#[tokio::test]
async fn reads_end_with_the_file_and_digests_insist() {
    let mut bench = Bench::new();
    bench.create(1, "abc", 0).await;
    bench.write(1, 0, b"abc").await.unwrap();
    assert_eq!(bench.read(span(1, 1, 100)).await.unwrap(), "bc");
    assert_eq!(bench.read(span(1, 100, 100)).await.unwrap(), "");
    assert_eq!(bench.read(span(1, 0, MAX_READ + 1)).await, Err(OpErrorKind::Limit));
    assert_eq!(bench.read(span(2, 0, 1)).await, Err(OpErrorKind::NotFound));
    assert_eq!(bench.read(span(1, u64::MAX, 1)).await, Err(OpErrorKind::Denied));
    let digest = bench.digest(DigestKind::Sha1, &[span(1, 0, 1), span(1, 1, 2)]).await.unwrap();
    assert_eq!(digest[..4], [0xa9, 0x99, 0x3e, 0x36]);
    assert_eq!(bench.digest(DigestKind::Sha1, &[span(1, 0, 4)]).await, Err(OpErrorKind::NotFound));
    assert_eq!(bench.digest(DigestKind::Sha1, &[span(2, 0, 4)]).await, Err(OpErrorKind::NotFound));
    assert_eq!(bench.digest(DigestKind::Sha256Leaves, &[span(1, 0, 3)]).await.unwrap().len(), 32);
}

#[tokio::test]
async fn open_files_are_bounded_and_numbers_are_not_mixed_up() {
    let mut bench =
        Bench::with(io_shim::policy::io_config::IoConfig { max_files: 2, ..config() }, 1 << 20);
    bench.create(1, "a", 1).await;
    assert_eq!(bench.open_in("root", 1, &["b"], 1, true).await, Err(OpErrorKind::Exists));
    assert_eq!(bench.open_in("root", 2, &["..", "b"], 1, true).await, Err(OpErrorKind::Denied));
    bench.create(2, "b", 1).await;
    assert_eq!(bench.open_in("root", 3, &["c"], 1, true).await, Err(OpErrorKind::Limit));
    bench.tell(IoCommand::FileClose { file: FileRef(1) });
    assert_eq!(bench.read(span(1, 0, 1)).await, Err(OpErrorKind::NotFound));
    bench.create(1, "c", 3).await;
    assert_eq!(bench.read(span(1, 0, 9)).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_length_that_no_disk_has_leaves_no_stub_behind() {
    let mut bench = Bench::new();
    for length in [1 << 62, u64::MAX] {
        let opened = bench.open_in("root", 1, &["huge"], length, true).await;
        assert!(matches!(opened, Err(OpErrorKind::Limit | OpErrorKind::Denied)), "{opened:?}");
        assert!(!bench.disk("root/huge").exists());
    }
    bench.create(1, "f", 1).await;
    assert_eq!(bench.read(span(1, 1 << 63, 1)).await, Err(OpErrorKind::Denied));
}

#[tokio::test]
async fn too_many_commands_at_once_are_refused_and_every_one_is_answered() {
    let mut bench = Bench::new();
    bench.create(1, "f", 100).await;
    let most = io_shim::policy::limits::MAX_PENDING_OPS;
    for n in 0..most + 50 {
        let at = u64::try_from(n).unwrap() << 14;
        bench.start(|op| IoCommand::FileRead { op, span: span(1, at, 1 << 14) });
    }
    let mut refused = 0;
    for _ in 0..most + 50 {
        match bench.event().await {
            IoEvent::Done { result: Ok(OpOutput::Bytes(bytes)), .. } => assert!(bytes.len() <= 100),
            IoEvent::Done { result: Err(error), .. } if error.kind == OpErrorKind::Limit => {
                refused += 1
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 50);
    let data = Bytes::from(vec![1; 8 << 20]);
    let file = FileRef(1);
    let ops: Vec<_> = (0..9)
        .map(|_| bench.start(|op| IoCommand::FileWrite { op, file, offset: 0, data: data.clone() }))
        .collect();
    let mut kinds = Vec::new();
    for op in ops {
        kinds.push(bench.finish(op).await.map_err(|error| error.kind));
    }
    assert_eq!(
        kinds.iter().filter(|kind| **kind == Err(OpErrorKind::Limit)).count(),
        1,
        "64 MiB fit, 72 do not"
    );
}

#[tokio::test]
async fn the_state_outlives_the_engine() {
    let mut bench = Bench::new();
    let value = Bytes::from_static(b"resume");
    bench
        .ask(|op| IoCommand::KvPut { op, key: "thing/1".into(), value: value.clone() })
        .await
        .unwrap();
    bench.next_epoch();
    assert_eq!(
        bench.ask(|op| IoCommand::KvGet { op, key: "thing/1".into() }).await,
        Ok(OpOutput::Value(Some(value)))
    );
    let keys = bench.ask(|op| IoCommand::KvScan { op, prefix: "thing/".into() }).await;
    assert_eq!(keys, Ok(OpOutput::Keys(vec!["thing/1".into()])));
    bench.ask(|op| IoCommand::KvDelete { op, key: "thing/1".into() }).await.unwrap();
    assert_eq!(
        bench.ask(|op| IoCommand::KvGet { op, key: "thing/1".into() }).await,
        Ok(OpOutput::Value(None))
    );
}

async fn stat(bench: &mut Bench, path: &[&str]) -> Result<Option<(u64, u64)>, OpErrorKind> {
    let path = path.iter().map(|name| (*name).to_owned()).collect();
    match bench.ask(|op| IoCommand::FileStat { op, root: "root".into(), path }).await {
        Ok(OpOutput::Stat(found)) => Ok(found.map(|found| (found.length, found.modified_ns))),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.kind),
    }
}

#[tokio::test]
async fn a_look_at_a_file_tells_whether_it_was_changed() {
    let mut bench = Bench::new();
    assert_eq!(stat(&mut bench, &["film"]).await, Ok(None), "not even the root is there");
    bench.create(1, "film", 10).await;
    let (length, made) = stat(&mut bench, &["film"]).await.unwrap().unwrap();
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    assert_eq!(length, 10);
    assert!(u128::from(made) <= now && u128::from(made) + 60_000_000_000 > now);
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let data = bytes::Bytes::from_static(b"more than ten");
    let write = bench.start(|op| IoCommand::FileWrite { op, file: FileRef(1), offset: 0, data });
    let (length, changed) = stat(&mut bench, &["film"]).await.unwrap().unwrap();
    assert_eq!(length, 13, "it sees the writes before it");
    assert!(changed > made);
    bench.finish(write).await.unwrap();
    assert_eq!(
        stat(&mut bench, &["film"]).await.unwrap().unwrap(),
        (length, changed),
        "looking changes nothing"
    );
    assert_eq!(stat(&mut bench, &["other"]).await, Ok(None));
    assert_eq!(stat(&mut bench, &["film", "inside"]).await, Ok(None));
    assert_eq!(stat(&mut bench, &["..", "root", "film"]).await, Err(OpErrorKind::Denied));
    std::fs::create_dir(bench.disk("root/folder")).unwrap();
    assert_eq!(stat(&mut bench, &["folder"]).await, Err(OpErrorKind::Exists));
}

#[cfg(unix)]
#[tokio::test]
async fn a_look_follows_no_link() {
    let mut bench = Bench::new();
    bench.create(1, "film", 10).await;
    std::os::unix::fs::symlink("/etc/passwd", bench.disk("root/link")).unwrap();
    assert_eq!(stat(&mut bench, &["link"]).await, Err(OpErrorKind::Denied));
    std::os::unix::fs::symlink("/etc", bench.disk("root/away")).unwrap();
    assert!(stat(&mut bench, &["away", "passwd"]).await.is_err());
}
