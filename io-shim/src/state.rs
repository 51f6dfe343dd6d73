//! The daemon's durable state: one table of keys and values in `state.redb`.
//!
//! Owns a thread that works requests off in order and commits all that have gathered in one transaction, so that many
//! small puts cost one sync. It never looks into a value. Invariants: a put is answered when it is durable; a file that
//! cannot be read is moved aside, never deleted.

use std::{
    fs, io, iter,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use bytes::Bytes;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use shared_proto::{
    frame::{MAX_KEY, MAX_VALUE},
    io::{OpError, OpErrorKind, OpOutput},
};
use tokio::sync::oneshot;

use crate::{files::error::op_error, limits};

/// Name of the file in the state folder.
const FILE: &str = "state.redb";
const TABLE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("state");
/// Memory that the database may use for its cache: the state is small and read once.
const CACHE_BYTES: usize = 8 << 20;
/// Requests in one transaction; bounds how long the first of them waits.
const GROUP: usize = 1_024;

/// What is asked of the state.
#[derive(Debug)]
pub(crate) enum StateRequest {
    Put { key: String, value: Bytes },
    Get { key: String },
    Delete { key: String },
    Scan { prefix: String },
}

type Reply = Result<OpOutput, OpError>;
type Asked = (StateRequest, oneshot::Sender<Reply>);

/// The store. Dropping it finishes what was asked and closes the file.
pub struct StateStore {
    requests: Option<mpsc::Sender<Asked>>,
    worker: Option<thread::JoinHandle<()>>,
}

/// Why there is no state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another daemon uses the same state folder.
    #[error("another daemon uses this state folder")]
    InUse,
    /// The file can be neither used nor moved aside.
    #[error("the state cannot be opened: {0}")]
    Io(#[from] io::Error),
}

impl StateStore {
    /// Opens `state.redb` in a folder, making both as needed. A damaged file is moved aside to `state.redb.corrupt-<n>`
    /// and a new one begun.
    ///
    /// # Errors
    /// When another daemon has it open, or the folder cannot be read or written.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        fs::create_dir_all(folder)?;
        let path = folder.join(FILE);
        let database = match open_database(&path)? {
            Some(database) => database,
            None => {
                let aside = move_aside(&path)?;
                let kept_as = aside.file_name();
                tracing::error!(?kept_as, "the state was damaged; it was moved aside and a new one begun");
                open_database(&path)?.ok_or_else(|| io::Error::other("a new state file is damaged, too"))?
            }
        };
        let (requests, asked) = mpsc::channel();
        let worker = thread::Builder::new().name("state".into()).spawn(move || work(&database, &asked))?;
        Ok(Self { requests: Some(requests), worker: Some(worker) })
    }

    /// Queues a request; requests take effect in the order of the calls.
    pub(crate) fn ask(&self, request: StateRequest) -> impl Future<Output = Reply> + use<> {
        let (tell, told) = oneshot::channel();
        let refused = request.check();
        if refused.is_ok()
            && let Some(requests) = &self.requests
        {
            // A worker that is gone drops `tell`, which is answered below.
            let _ = requests.send((request, tell));
        }
        async move {
            refused?;
            told.await.unwrap_or_else(|_| Err(op_error(OpErrorKind::Other, "the state store has failed")))
        }
    }
}

impl Drop for StateStore {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(worker) = self.worker.take()
            && worker.join().is_err()
        {
            tracing::error!("the state store failed");
        }
    }
}

impl StateRequest {
    fn check(&self) -> Result<(), OpError> {
        let (key, value) = match self {
            Self::Put { key, value } => (key, value.len()),
            Self::Get { key } | Self::Delete { key } => (key, 0),
            Self::Scan { prefix } => (prefix, 0),
        };
        if key.len() > MAX_KEY || value > MAX_VALUE {
            return Err(op_error(OpErrorKind::Limit, "the key or the value is too long"));
        }
        Ok(())
    }

    fn writes(&self) -> bool {
        matches!(self, Self::Put { .. } | Self::Delete { .. })
    }
}

/// The database, or `None` when the file is damaged.
fn open_database(path: &Path) -> Result<Option<Database>, StateError> {
    // Damage can also show as a panic inside the database.
    let opened = catch_unwind(AssertUnwindSafe(|| -> Result<Database, redb::Error> {
        let mut database = Database::builder().set_cache_size(CACHE_BYTES).create(path)?;
        // Reads all of it and compares checksums: a fraction of a second for the megabytes that a state has.
        database.check_integrity()?;
        let write = database.begin_write()?;
        write.open_table(TABLE)?;
        write.commit()?;
        Ok(database)
    }));
    match opened {
        Ok(Ok(database)) => Ok(Some(database)),
        Ok(Err(redb::Error::DatabaseAlreadyOpen)) => Err(StateError::InUse),
        Ok(Err(redb::Error::Io(error))) if !is_damage(&error) => Err(error.into()),
        Ok(Err(error)) => {
            tracing::error!(%error, "the state is damaged");
            Ok(None)
        }
        Err(_) => Ok(None),
    }
}

fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidInput)
}

fn move_aside(path: &Path) -> io::Result<PathBuf> {
    for n in 1.. {
        let aside = path.with_file_name(format!("{FILE}.corrupt-{n}"));
        if !aside.try_exists()? {
            fs::rename(path, &aside)?;
            return Ok(aside);
        }
    }
    unreachable!("some number is free")
}

fn work(database: &Database, asked: &mpsc::Receiver<Asked>) {
    while let Ok(first) = asked.recv() {
        let group = iter::once(first).chain(asked.try_iter().take(GROUP - 1));
        let (requests, tells): (Vec<_>, Vec<_>) = group.unzip();
        let replies = answer(database, &requests).unwrap_or_else(|error| {
            tracing::error!(%error, "the state store failed");
            let failure = failure_of(&error);
            requests.iter().map(|_| Err(failure.clone())).collect()
        });
        for (tell, reply) in tells.into_iter().zip(replies) {
            // An engine that is gone wants no answer.
            let _ = tell.send(reply);
        }
    }
}

/// Answers a group of requests in one transaction, once that is durable.
fn answer(database: &Database, requests: &[StateRequest]) -> Result<Vec<Reply>, redb::Error> {
    if !requests.iter().any(StateRequest::writes) {
        let table = database.begin_read()?.open_table(TABLE)?;
        return requests.iter().map(|request| look_up(&table, request)).collect();
    }
    let write = database.begin_write()?;
    let mut replies = Vec::with_capacity(requests.len());
    {
        let mut table = write.open_table(TABLE)?;
        for request in requests {
            replies.push(match request {
                StateRequest::Put { key, value } => {
                    table.insert(key.as_str(), &value[..])?;
                    Ok(OpOutput::Unit)
                }
                StateRequest::Delete { key } => {
                    table.remove(key.as_str())?;
                    Ok(OpOutput::Unit)
                }
                StateRequest::Get { .. } | StateRequest::Scan { .. } => look_up(&table, request)?,
            });
        }
    }
    write.commit()?;
    Ok(replies)
}

fn look_up(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    request: &StateRequest,
) -> Result<Reply, redb::Error> {
    match request {
        StateRequest::Get { key } => {
            let value = table.get(key.as_str())?.map(|value| Bytes::copy_from_slice(value.value()));
            Ok(Ok(OpOutput::Value(value)))
        }
        StateRequest::Scan { prefix } => scan(table, prefix),
        StateRequest::Put { .. } | StateRequest::Delete { .. } => Ok(Ok(OpOutput::Unit)),
    }
}

fn scan(table: &impl ReadableTable<&'static str, &'static [u8]>, prefix: &str) -> Result<Reply, redb::Error> {
    let mut keys = Vec::new();
    let mut bytes = 0;
    for entry in table.range(prefix..)? {
        let (key, _) = entry?;
        let key = key.value();
        if !key.starts_with(prefix) {
            break;
        }
        bytes += key.len() + size_of::<u32>();
        if bytes > limits::MAX_SCAN_BYTES {
            return Ok(Err(op_error(OpErrorKind::Limit, "too many keys; scan for a longer prefix")));
        }
        keys.push(key.to_owned());
    }
    Ok(Ok(OpOutput::Keys(keys)))
}

fn failure_of(error: &redb::Error) -> OpError {
    match error {
        redb::Error::Io(error) => crate::files::error::from_io(error),
        _ => op_error(OpErrorKind::Other, "the state store has failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    fn open(dir: &TempDir) -> Result<StateStore, StateError> {
        StateStore::open(dir.path())
    }

    async fn put(store: &StateStore, key: &str, value: &[u8]) -> Reply {
        store.ask(StateRequest::Put { key: key.into(), value: Bytes::copy_from_slice(value) }).await
    }

    async fn get(store: &StateStore, key: &str) -> Option<Bytes> {
        match store.ask(StateRequest::Get { key: key.into() }).await {
            Ok(OpOutput::Value(value)) => value,
            other => panic!("{other:?}"),
        }
    }

    async fn scan(store: &StateStore, prefix: &str) -> Vec<String> {
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
            asked.push(store.ask(StateRequest::Put { key: "k".into(), value: Bytes::from(n.to_string()) }));
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
        assert_eq!(put(&store, &"k".repeat(MAX_KEY + 1), b"").await.unwrap_err().kind, OpErrorKind::Limit);
        put(&store, "large", &vec![1; MAX_VALUE]).await.unwrap();
        assert_eq!(get(&store, "large").await.map(|value| value.len()), Some(MAX_VALUE));
        assert_eq!(put(&store, "large", &vec![1; MAX_VALUE + 1]).await.unwrap_err().kind, OpErrorKind::Limit);
    }

    #[test]
    fn a_folder_is_used_by_one_daemon_at_a_time() {
        let dir = TempDir::new();
        let _store = open(&dir).unwrap();
        assert!(matches!(open(&dir), Err(StateError::InUse)));
        assert!(!dir.path().join("state.redb.corrupt-1").exists());
    }

    /// Damages a state file that holds something; it must be moved aside whole, and a new state work.
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
}
