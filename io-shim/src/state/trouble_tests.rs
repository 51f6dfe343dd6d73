//! The store on a failing disk. It loses no request, reports nothing as done too early, and
//! recovers.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::io::Errno;
use shared_proto::frame::MAX_VALUE;

use super::faults::{Deed, make};
use super::tests::{get, put, scan};
use super::*;
use crate::testing::TempDir;

/// Short, so that no test waits. No test asserts times.
const QUICK: Backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(4) };

/// A disk that can fail: error numbers of the system, 0 for none.
#[derive(Debug, Default)]
struct Disk {
    read: AtomicI32,
    write: AtomicI32,
}

impl Disk {
    /// A sound disk, and what makes databases on it.
    fn new() -> (Arc<Self>, Make) {
        let disk = Arc::new(Self::default());
        let its = Arc::clone(&disk);
        let fault = move |deed: Deed| {
            let errno = if deed == Deed::Read { &its.read } else { &its.write };
            match errno.load(Ordering::SeqCst) {
                0 => Ok(()),
                errno => Err(io::Error::from_raw_os_error(errno)),
            }
        };
        (disk, make(Arc::new(fault)))
    }

    fn fail_writes(&self, errno: Errno) {
        self.write.store(errno.raw_os_error(), Ordering::SeqCst);
    }

    fn fail_reads(&self, errno: Errno) {
        self.read.store(errno.raw_os_error(), Ordering::SeqCst);
    }

    fn mend(&self) {
        self.write.store(0, Ordering::SeqCst);
        self.read.store(0, Ordering::SeqCst);
    }
}

/// A store on the tester's disk.
fn sound() -> Make {
    Arc::new(|builder: &redb::Builder, file: fs::File| builder.create_file(file))
}

async fn delete(store: &StateStore, key: &str) -> Reply {
    store.ask(StateRequest::Delete { key: key.into() }).await
}

async fn until(
    store: &StateStore,
    what: &str,
    is_so: impl FnMut(&StoreStatus) -> bool,
) -> StoreStatus {
    let mut status = store.status();
    let waited = tokio::time::timeout(Duration::from_secs(30), status.wait_for(is_so)).await;
    waited.unwrap_or_else(|_| panic!("{what}")).expect("the store lives").clone()
}

/// A store with `old` and `kept`, on a disk that fails before changes come.
async fn check(break_it: impl FnOnce(&Disk), kind: OpErrorKind, words: &str) {
    let (disk, make) = Disk::new();
    let dir = TempDir::new();
    let store = StateStore::open_with(dir.path(), make, QUICK).unwrap();
    put(&store, "old", b"1").await.unwrap();
    put(&store, "kept", b"2").await.unwrap();
    break_it(&disk);
    // The first changes reveal that the disk fails; the later ones are not reported as done either.
    for (key, value) in [("kept", b"3"), ("new", b"4"), ("new", b"5")] {
        let error = put(&store, key, value).await.unwrap_err();
        assert_eq!(error.kind, kind, "{words}: {error:?}");
        assert!(error.message.contains(words), "{error:?}");
    }
    delete(&store, "old").await.unwrap_err();
    let status = until(&store, "trouble is told", |status| status.trouble.is_some()).await;
    assert!(status.trouble.unwrap().contains(words));
    disk.mend();
    until(&store, "the store works again", |status| status.trouble.is_none()).await;
    put(&store, "later", b"6").await.unwrap();
    // Another process sees all of it.
    drop(store);
    let store = StateStore::open(dir.path()).unwrap();
    assert_eq!(scan(&store, "").await, ["kept", "later", "new"], "{words}");
    assert_eq!(get(&store, "kept").await.as_deref(), Some(&b"3"[..]));
    assert_eq!(get(&store, "new").await.as_deref(), Some(&b"5"[..]));
    assert_eq!(store.status().borrow().set_aside, Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_full_disk_loses_no_change() {
    check(|disk| disk.fail_writes(Errno::NOSPC), OpErrorKind::Full, "full").await;
}

#[tokio::test]
async fn a_used_up_quota_loses_no_change() {
    check(|disk| disk.fail_writes(Errno::DQUOT), OpErrorKind::Full, "quota").await;
}

#[tokio::test]
async fn a_disk_that_fails_loses_no_change() {
    check(|disk| disk.fail_writes(Errno::IO), OpErrorKind::Other, "disk failed").await;
}

#[tokio::test]
async fn a_disk_that_became_read_only_loses_no_change() {
    check(|disk| disk.fail_writes(Errno::ROFS), OpErrorKind::Denied, "read-only").await;
}

#[tokio::test]
async fn a_disk_that_may_not_be_written_loses_no_change() {
    check(|disk| disk.fail_writes(Errno::ACCESS), OpErrorKind::Denied, "not allow").await;
}

#[tokio::test]
async fn a_disk_that_can_be_neither_read_nor_written_loses_no_change() {
    let break_it = |disk: &Disk| {
        disk.fail_reads(Errno::IO);
        disk.fail_writes(Errno::IO);
    };
    check(break_it, OpErrorKind::Other, "disk failed").await;
}

#[tokio::test]
async fn reads_see_what_could_not_be_written_yet() {
    let (disk, make) = Disk::new();
    let dir = TempDir::new();
    let store = StateStore::open_with(dir.path(), make, QUICK).unwrap();
    put(&store, "a/1", b"old").await.unwrap();
    put(&store, "a/2", b"old").await.unwrap();
    disk.fail_writes(Errno::NOSPC);
    put(&store, "a/3", b"new").await.unwrap_err();
    put(&store, "a/2", b"new").await.unwrap_err();
    delete(&store, "a/1").await.unwrap_err();
    assert_eq!(get(&store, "a/1").await, None);
    assert_eq!(get(&store, "a/2").await.as_deref(), Some(&b"new"[..]));
    assert_eq!(get(&store, "a/3").await.as_deref(), Some(&b"new"[..]));
    disk.mend();
    until(&store, "it works again", |status| status.trouble.is_none()).await;
    assert_eq!(scan(&store, "a/").await, ["a/2", "a/3"]);
}

#[tokio::test]
async fn a_store_that_can_not_be_read_says_so_and_does_not_look_empty() {
    let (disk, make) = Disk::new();
    let dir = TempDir::new();
    let store = StateStore::open_with(dir.path(), make, QUICK).unwrap();
    put(&store, "a", b"1").await.unwrap();
    disk.fail_reads(Errno::IO);
    disk.fail_writes(Errno::IO);
    put(&store, "b", b"2").await.unwrap_err();
    store.ask(StateRequest::Get { key: "a".into() }).await.unwrap_err();
    store.ask(StateRequest::Scan { prefix: String::new() }).await.unwrap_err();
    assert_eq!(
        get(&store, "b").await.as_deref(),
        Some(&b"2"[..]),
        "what is known without the disk is answered"
    );
    disk.mend();
    until(&store, "it works again", |status| status.trouble.is_none()).await;
    assert_eq!(scan(&store, "").await, ["a", "b"]);
}

#[tokio::test]
async fn trouble_that_comes_back_again_and_again_loses_nothing() {
    let (disk, make) = Disk::new();
    let dir = TempDir::new();
    let store = StateStore::open_with(dir.path(), make, QUICK).unwrap();
    for round in 0..5 {
        disk.fail_writes(Errno::NOSPC);
        put(&store, &format!("{round}"), b"x").await.unwrap_err();
        disk.mend();
        until(&store, "it works again", |status| status.trouble.is_none()).await;
    }
    drop(store);
    assert_eq!(scan(&StateStore::open(dir.path()).unwrap(), "").await, ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_store_that_ends_tries_a_last_time() {
    let (disk, make) = Disk::new();
    let dir = TempDir::new();
    let slow = Backoff { first: Duration::from_secs(3_600), most: Duration::from_secs(3_600) };
    let store = StateStore::open_with(dir.path(), make, slow).unwrap();
    disk.fail_writes(Errno::NOSPC);
    put(&store, "a", b"1").await.unwrap_err();
    disk.mend();
    drop(store);
    assert_eq!(get(&StateStore::open(dir.path()).unwrap(), "a").await.as_deref(), Some(&b"1"[..]));
}

#[tokio::test]
async fn what_does_not_fit_into_memory_is_refused_and_the_rest_is_kept() {
    let (disk, make) = Disk::new();
    let dir = TempDir::new();
    let slow = Backoff { first: Duration::from_secs(3_600), most: Duration::from_secs(3_600) };
    let store = StateStore::open_with(dir.path(), make, slow).unwrap();
    disk.fail_writes(Errno::NOSPC);
    let large = vec![7; MAX_VALUE];
    assert_eq!(put(&store, "a", &large).await.unwrap_err().kind, OpErrorKind::Full);
    assert_eq!(put(&store, "b", &large).await.unwrap_err().kind, OpErrorKind::Full);
    assert_eq!(put(&store, "c", &large).await.unwrap_err().kind, OpErrorKind::Limit);
    assert_eq!(put(&store, "d", b"small").await.unwrap_err().kind, OpErrorKind::Full);
    disk.mend();
    drop(store);
    assert_eq!(scan(&StateStore::open(dir.path()).unwrap(), "").await, ["a", "b", "d"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_deleted_while_it_is_open_is_written_again_whole() {
    let dir = TempDir::new();
    let store = StateStore::open_with(dir.path(), sound(), QUICK).unwrap();
    put(&store, "before", b"1").await.unwrap();
    fs::remove_file(dir.path().join(state_file::FILE)).unwrap();
    let error = put(&store, "after", b"2").await.unwrap_err();
    assert!(error.message.contains("gone"), "{error:?}");
    let status = until(&store, "it works again", |status| status.trouble.is_none()).await;
    assert_eq!(status.begun_anew, 0, "nothing was lost");
    drop(store);
    assert_eq!(scan(&StateStore::open(dir.path()).unwrap(), "").await, ["after", "before"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_swapped_while_it_is_open_is_set_aside_and_not_changed() {
    let dir = TempDir::new();
    let store = StateStore::open_with(dir.path(), sound(), QUICK).unwrap();
    put(&store, "before", b"1").await.unwrap();
    let path = dir.path().join(state_file::FILE);
    fs::write(dir.path().join("theirs"), b"a file of somebody else's").unwrap();
    fs::rename(dir.path().join("theirs"), &path).unwrap();
    put(&store, "after", b"2").await.unwrap_err();
    let status = until(&store, "it works again", |status| status.trouble.is_none()).await;
    assert_eq!(fs::read(&status.set_aside[0]).unwrap(), b"a file of somebody else's");
    drop(store);
    assert_eq!(scan(&StateStore::open(dir.path()).unwrap(), "").await, ["after", "before"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_is_gone_is_waited_for_and_not_made_again() {
    let dir = TempDir::new();
    let (folder, away) = (dir.path().join("state"), dir.path().join("away"));
    let store = StateStore::open_with(&folder, sound(), QUICK).unwrap();
    put(&store, "before", b"1").await.unwrap();
    fs::rename(&folder, &away).unwrap();
    let error = put(&store, "after", b"2").await.unwrap_err();
    assert!(error.message.contains("folder is not there"), "{error:?}");
    assert_eq!(get(&store, "before").await.as_deref(), Some(&b"1"[..]));
    assert!(!folder.exists());
    fs::rename(&away, &folder).unwrap();
    until(&store, "it works again", |status| status.trouble.is_none()).await;
    drop(store);
    assert_eq!(scan(&StateStore::open(&folder).unwrap(), "").await, ["after", "before"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_damaged_while_the_disk_fails_is_set_aside_and_the_changes_are_written() {
    let (disk, make) = Disk::new();
    let dir = TempDir::new();
    let store = StateStore::open_with(dir.path(), make, QUICK).unwrap();
    put(&store, "before", b"1").await.unwrap();
    disk.fail_reads(Errno::IO);
    disk.fail_writes(Errno::IO);
    put(&store, "after", b"2").await.unwrap_err();
    fs::write(dir.path().join(state_file::FILE), b"noise").unwrap();
    disk.mend();
    let status = until(&store, "it works again", |status| status.trouble.is_none()).await;
    assert_eq!(status.begun_anew, 1, "the engine is told to write all that it knows");
    assert_eq!(fs::read(&status.set_aside[0]).unwrap(), b"noise");
    assert_eq!(get(&store, "after").await.as_deref(), Some(&b"2"[..]));
}
