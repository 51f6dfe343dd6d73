//! The store on a sound disk and with damaged or foreign files. Foreign files come from other
//! versions.

use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use shared_proto::frame::{MAX_KEY, MAX_VALUE};
use shared_proto::io::OpOutput;

use super::request::TABLE;
use super::state_file::FILE;
use super::*;
use crate::testing::TempDir;

fn open(dir: &TempDir) -> Result<StateStore, StateError> {
    StateStore::open(dir.path())
}

pub(super) async fn put(store: &StateStore, key: &str, value: &[u8]) -> Reply {
    store.ask(StateRequest::Put { key: key.into(), value: Bytes::copy_from_slice(value) }).await
}

pub(super) async fn get(store: &StateStore, key: &str) -> Option<Bytes> {
    match store.ask(StateRequest::Get { key: key.into() }).await {
        Ok(OpOutput::Value(value)) => value,
        other => panic!("{other:?}"),
    }
}

pub(super) async fn scan(store: &StateStore, prefix: &str) -> Vec<String> {
    match store.ask(StateRequest::Scan { prefix: prefix.into() }).await {
        Ok(OpOutput::Keys(keys)) => keys,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_put_is_there_after_a_restart() {
    let dir = TempDir::new();
    let store = open(&dir).unwrap();
    put(&store, "a", b"1").await.unwrap();
    put(&store, "b", b"2").await.unwrap();
    put(&store, "a", b"3").await.unwrap();
    store.ask(StateRequest::Delete { key: "b".into() }).await.unwrap();
    store.ask(StateRequest::Delete { key: "never there".into() }).await.unwrap();
    drop(store);
    let store = open(&dir).unwrap();
    assert_eq!(get(&store, "a").await.as_deref(), Some(&b"3"[..]));
    assert_eq!(get(&store, "b").await, None);
}

#[tokio::test]
async fn requests_take_effect_in_order_even_within_one_transaction() {
    let dir = TempDir::new();
    let store = open(&dir).unwrap();
    let mut asked = Vec::new();
    for n in 0..500u32 {
        asked.push(
            store.ask(StateRequest::Put { key: "k".into(), value: Bytes::from(n.to_string()) }),
        );
        let got = store.ask(StateRequest::Get { key: "k".into() });
        asked.push(store.ask(StateRequest::Delete { key: "k".into() }));
        assert_eq!(got.await.unwrap(), OpOutput::Value(Some(Bytes::from(n.to_string()))));
    }
    for answer in asked {
        assert_eq!(answer.await, Ok(OpOutput::Unit));
    }
    assert_eq!(get(&store, "k").await, None);
}

#[tokio::test]
async fn a_scan_gives_the_keys_of_a_prefix_in_order() {
    let dir = TempDir::new();
    let store = open(&dir).unwrap();
    for key in ["b/2", "a", "b/10", "b", "c/1", "b/\u{10ffff}"] {
        put(&store, key, b"").await.unwrap();
    }
    assert_eq!(scan(&store, "b/").await, ["b/10", "b/2", "b/\u{10ffff}"]);
    assert_eq!(scan(&store, "").await.len(), 6);
    assert_eq!(scan(&store, "d").await, [""; 0]);
}

#[tokio::test]
async fn sizes_are_bounded() {
    let dir = TempDir::new();
    let store = open(&dir).unwrap();
    put(&store, &"k".repeat(MAX_KEY), b"").await.unwrap();
    assert_eq!(
        put(&store, &"k".repeat(MAX_KEY + 1), b"").await.unwrap_err().kind,
        OpErrorKind::Limit
    );
    put(&store, "large", &vec![1; MAX_VALUE]).await.unwrap();
    assert_eq!(get(&store, "large").await.map(|value| value.len()), Some(MAX_VALUE));
    assert_eq!(
        put(&store, "large", &vec![1; MAX_VALUE + 1]).await.unwrap_err().kind,
        OpErrorKind::Limit
    );
}

#[test]
fn a_folder_is_used_by_one_daemon_at_a_time() {
    let dir = TempDir::new();
    let _store = open(&dir).unwrap();
    assert!(matches!(open(&dir), Err(StateError::InUse)));
    assert!(!dir.path().join("state.redb.corrupt-1").exists());
}

/// Damages a state file with content. It must be set aside as a whole, and a new state must work.
async fn check_damage(what: &str, damage: impl FnOnce(&mut Vec<u8>)) {
    let dir = TempDir::new();
    let store = open(&dir).unwrap();
    for n in 0..200 {
        put(&store, &format!("key {n}"), &[7; 1000]).await.unwrap();
    }
    drop(store);
    let path = dir.path().join(FILE);
    let mut bytes = fs::read(&path).unwrap();
    damage(&mut bytes);
    fs::write(&path, &bytes).unwrap();
    let store = open(&dir).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(fs::read(dir.path().join("state.redb.corrupt-1")).unwrap(), bytes, "{what}");
    put(&store, "new", b"life").await.unwrap();
    assert_eq!(scan(&store, "").await, ["new"], "{what}");
}

#[tokio::test]
async fn a_damaged_file_is_moved_aside_and_a_new_one_begun() {
    check_damage("no database at all", |bytes| *bytes = b"what is this?".repeat(999)).await;
    check_damage("header of zeros", |bytes| bytes[..512].fill(0)).await;
    check_damage("cut short", |bytes| bytes.truncate(bytes.len() / 2)).await;
    check_damage("pages of noise", |bytes| bytes[8192..].fill(0xa5)).await;
}

#[tokio::test]
async fn an_earlier_damaged_file_is_kept_too() {
    let dir = TempDir::new();
    for n in 1..=2 {
        fs::write(dir.path().join(FILE), format!("garbage {n}")).unwrap();
        drop(open(&dir).unwrap());
        assert_eq!(
            fs::read_to_string(dir.path().join(format!("{FILE}.corrupt-{n}"))).unwrap(),
            format!("garbage {n}")
        );
    }
}

/// Bytes of a store with this version number, or without one.
fn numbered(number: Option<u64>, is_closed: bool) -> Vec<u8> {
    let dir = TempDir::new();
    let path = dir.path().join(FILE);
    let database = redb::Database::create(&path).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(TABLE).unwrap().insert("kept", &b"value"[..]).unwrap();
    if let Some(number) = number {
        let meta = redb::TableDefinition::<&str, u64>::new("meta");
        write.open_table(meta).unwrap().insert("schema", number).unwrap();
    }
    write.commit().unwrap();
    // What is on disk before the database is closed is what a killed process leaves.
    let killed = fs::read(&path).unwrap();
    drop(database);
    if is_closed { fs::read(&path).unwrap() } else { killed }
}

fn names(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_as_it_is() {
    for is_closed in [true, false] {
        let dir = TempDir::new();
        let bytes = numbered(Some(open::SCHEMA + 1), is_closed);
        fs::write(dir.path().join(FILE), &bytes).unwrap();
        let Err(error) = StateStore::open(dir.path()) else { panic!("it was opened") };
        assert!(matches!(error, StateError::Newer { .. }), "{error}");
        assert!(error.to_string().contains("newer version"), "{error}");
        assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), bytes, "closed in order: {is_closed}");
        assert_eq!(names(&dir), [FILE]);
    }
}

#[test]
fn a_database_of_another_format_is_refused_and_left_as_it_is() {
    let dir = TempDir::new();
    let mut bytes = numbered(Some(open::SCHEMA), true);
    // Both slots of the header begin with the version of redb's format.
    for slot in [64, 192] {
        assert_eq!(bytes[slot], 3, "redb's format has moved");
        bytes[slot] = 4;
    }
    fs::write(dir.path().join(FILE), &bytes).unwrap();
    assert!(matches!(StateStore::open(dir.path()), Err(StateError::Format(_))));
    assert_eq!(fs::read(dir.path().join(FILE)).unwrap(), bytes);
    assert_eq!(names(&dir), [FILE]);
}

#[tokio::test]
async fn a_store_without_a_number_is_migrated_after_a_copy_was_kept() {
    for is_closed in [true, false] {
        let dir = TempDir::new();
        let bytes = numbered(None, is_closed);
        fs::write(dir.path().join(FILE), &bytes).unwrap();
        let store = StateStore::open(dir.path()).unwrap();
        assert_eq!(get(&store, "kept").await.as_deref(), Some(&b"value"[..]));
        drop(store);
        assert_eq!(names(&dir), [FILE, "state.redb.version-0-1"]);
        assert_eq!(fs::read(dir.path().join("state.redb.version-0-1")).unwrap(), bytes);
        // Now the file has a number and is not migrated again.
        let store = StateStore::open(dir.path()).unwrap();
        assert_eq!(get(&store, "kept").await.as_deref(), Some(&b"value"[..]));
        assert_eq!(names(&dir), [FILE, "state.redb.version-0-1"]);
    }
}

#[tokio::test]
async fn a_new_store_has_todays_number_and_no_copy() {
    let dir = TempDir::new();
    drop(open(&dir).unwrap());
    drop(open(&dir).unwrap());
    assert_eq!(names(&dir), [FILE]);
}

#[tokio::test]
async fn a_file_that_was_set_aside_is_told_until_it_is_deleted() {
    let dir = TempDir::new();
    fs::write(dir.path().join(FILE), "garbage").unwrap();
    let aside = vec![dir.path().join("state.redb.corrupt-1")];
    for _ in 0..2 {
        assert_eq!(open(&dir).unwrap().status().borrow().set_aside, aside);
    }
    fs::remove_file(&aside[0]).unwrap();
    assert!(open(&dir).unwrap().status().borrow().set_aside.is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn all_that_is_kept_is_the_users_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new();
    let folder = dir.path().join("state");
    drop(StateStore::open(&folder).unwrap());
    fs::write(folder.join(FILE), numbered(None, true)).unwrap();
    drop(StateStore::open(&folder).unwrap());
    fs::write(folder.join(FILE), "garbage").unwrap();
    drop(StateStore::open(&folder).unwrap());
    for name in ["", FILE, "state.redb.version-0-1", "state.redb.corrupt-1"] {
        let mode = fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
}

/// A stored file of each version, as its program left it. All hold the same three values.
const FIXTURES: [(u64, &[u8]); 2] = [
    (0, include_bytes!("../../tests/fixtures/state-0.redb")),
    (1, include_bytes!("../../tests/fixtures/state-1.redb")),
];

#[tokio::test]
async fn files_of_all_versions_are_read_and_hold_what_they_held() {
    const HASH: &str = "2495eef6bd8739eacbec96280653f882802811b4";
    for (version, bytes) in FIXTURES {
        let dir = TempDir::new();
        fs::write(dir.path().join(FILE), bytes).unwrap();
        let store = open(&dir).unwrap();
        let keys = scan(&store, "").await;
        let [record, secret, source] = &keys[..] else { panic!("version {version}: {keys:?}") };
        assert_eq!(
            (record, secret),
            (&format!("resume/{HASH}"), &"secret".to_owned()),
            "version {version}"
        );
        assert!(source.ends_with(HASH), "version {version}: {source}");
        let source = get(&store, source).await.unwrap();
        assert!(
            source.starts_with(
                b"d8:announce31:http://127.0.0.1:33729/announce4:infod6:lengthi300000e"
            )
        );
        assert_eq!(get(&store, "secret").await.unwrap().len(), 32);
        assert_eq!(store.status().borrow().set_aside, Vec::<PathBuf>::new());
        let copies: Vec<String> =
            names(&dir).into_iter().filter(|name| name.contains("version")).collect();
        match version {
            open::SCHEMA => assert_eq!(copies, [""; 0]),
            _ => {
                assert_eq!(copies, [format!("{FILE}.version-{version}-1")]);
                assert_eq!(fs::read(dir.path().join(&copies[0])).unwrap(), bytes);
            }
        }
    }
}
