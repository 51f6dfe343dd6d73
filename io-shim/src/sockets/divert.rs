//! The armed keys of one connection.
//!
//! Knows keys and spans, not streams. Invariant: after [`Diversion::disarm`] or
//! [`Diversion::close`] has returned, no write for the key (or any key) begins; a write that has
//! begun holds a claim, so the engine's later commands on the spans wait for it. Both hold because
//! taking a key and claiming its spans happen under one lock.

use std::{collections::HashMap, sync::Arc};

use parking_lot::{Mutex, MutexGuard};
use shared_proto::io::{DivertKey, NotStored, OpError, OpErrorKind};

use crate::files::{
    FileStore,
    claimed::{Claimed, Placed},
    error::op_error,
    locks::{Access, Owner},
};
use crate::policy::limits;

/// Where diverted payloads of one connection go.
pub(crate) struct Diversion {
    store: Arc<FileStore>,
    owner: Owner,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    closed: bool,
    armed: HashMap<DivertKey, Result<Vec<Placed>, OpError>>,
}

impl Diversion {
    /// Creates a table without keys. `owner` names the connection among all that write to the
    /// store; its own writes are ordered.
    pub(crate) fn new(store: Arc<FileStore>, owner: Owner) -> Self {
        Self { store, owner, keys: Mutex::default() }
    }

    /// Arms a key. If its spans could not be resolved, its payload fails.
    pub(crate) fn arm(&self, key: DivertKey, spans: Result<Vec<Placed>, OpError>) {
        let mut keys = self.lock();
        if keys.closed {
            return;
        }
        if keys.armed.len() >= limits::MAX_ARMED_KEYS && !keys.armed.contains_key(&key) {
            tracing::warn!("too many keys are armed on a connection: one is ignored");
            return;
        }
        keys.armed.insert(key, spans);
    }

    /// Forgets a key.
    pub(crate) fn disarm(&self, key: &DivertKey) {
        self.lock().armed.remove(key);
    }

    /// Forgets all keys for good.
    pub(crate) fn close(&self) {
        let mut keys = self.lock();
        keys.closed = true;
        keys.armed.clear();
    }

    /// Takes a key's spans for a payload of this length. Its write has then begun.
    ///
    /// # Errors
    /// Why the payload is dropped.
    pub(crate) fn take(&self, key: &DivertKey, length: usize) -> Result<Claimed, NotStored> {
        let mut keys = self.lock();
        if let Some(Ok(spans)) = keys.armed.get(key) {
            let wanted: u64 = spans.iter().map(|span| u64::from(span.length())).sum();
            if wanted != length as u64 {
                return Err(NotStored::Length);
            }
        }
        let spans = keys.armed.remove(key).ok_or(NotStored::Unarmed)?.map_err(NotStored::Failed)?;
        if spans.iter().any(Placed::is_closed) {
            return Err(NotStored::Failed(op_error(OpErrorKind::NotFound, "the file was closed")));
        }
        Ok(Claimed::new(&self.store, Some(self.owner), Access::Write, spans))
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock()
    }
}

#[cfg(test)]
mod tests {
    use shared_proto::{FileRef, RootKey, Span};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::files::{Roots, Writers, table::FileTable};
    use crate::metrics::Metrics;
    use crate::testing::TempDir;

    const KEY: DivertKey = [1; 8];

    /// A connection, and an engine's table with the file number 1.
    struct Rig {
        diversion: Diversion,
        table: FileTable,
        _dir: TempDir,
    }

    impl Rig {
        fn new() -> Self {
            let dir = TempDir::new();
            let writers = Writers::open(dir.path()).unwrap();
            let store = Arc::new(FileStore::new(Roots::default(), writers));
            let diversion = Diversion::new(Arc::clone(&store), Owner(1));
            let stopped = CancellationToken::new();
            let mut table = FileTable::new(store, Arc::new(Metrics::default()), 9, stopped);
            let (root, path) = (RootKey::from("root"), vec!["film".to_owned()]);
            drop(table.open(FileRef(1), root, path, 9, shared_proto::OpenMode::Create));
            Self { diversion, table, _dir: dir }
        }

        /// Spans of the file, of these lengths.
        fn spans(&self, lengths: &[u32]) -> Result<Vec<Placed>, OpError> {
            let span = |&length: &u32| Span { file: FileRef(1), offset: 0, length };
            self.table.resolve(&lengths.iter().map(span).collect::<Vec<_>>())
        }

        /// What becomes of a payload of this length with the first key.
        fn take(&self, length: usize) -> Result<(), NotStored> {
            self.diversion.take(&KEY, length).map(drop)
        }
    }

    #[test]
    fn an_armed_key_takes_one_payload_of_its_length() {
        let rig = Rig::new();
        rig.diversion.arm(KEY, rig.spans(&[3, 4]));
        assert_eq!(rig.take(6), Err(NotStored::Length));
        assert_eq!(rig.take(8), Err(NotStored::Length));
        assert_eq!(rig.take(7), Ok(()), "a payload of another length leaves the key armed");
        assert_eq!(rig.take(7), Err(NotStored::Unarmed));
        rig.diversion.arm(KEY, rig.spans(&[3]));
        rig.diversion.arm(KEY, rig.spans(&[5]));
        assert_eq!(rig.take(5), Ok(()), "the latest spans count");
    }

    #[test]
    fn a_disarmed_key_takes_nothing_and_the_others_stay() {
        let rig = Rig::new();
        rig.diversion.arm(KEY, rig.spans(&[3]));
        rig.diversion.arm([2; 8], rig.spans(&[3]));
        rig.diversion.disarm(&KEY);
        assert_eq!(rig.take(3), Err(NotStored::Unarmed));
        assert!(rig.diversion.take(&[2; 8], 3).is_ok());
    }

    #[test]
    fn after_the_end_of_a_connection_no_payload_is_written() {
        let rig = Rig::new();
        rig.diversion.arm(KEY, rig.spans(&[3]));
        rig.diversion.close();
        assert_eq!(rig.take(3), Err(NotStored::Unarmed), "armed before the end");
        rig.diversion.arm(KEY, rig.spans(&[3]));
        assert_eq!(rig.take(3), Err(NotStored::Unarmed), "armed after the end");
    }

    #[test]
    fn a_payload_without_an_open_file_fails() {
        let mut rig = Rig::new();
        let unknown = op_error(OpErrorKind::NotFound, "no such open file");
        rig.diversion.arm(KEY, Err(unknown.clone()));
        assert_eq!(rig.take(3), Err(NotStored::Failed(unknown)));
        rig.diversion.arm(KEY, rig.spans(&[3]));
        rig.table.close(FileRef(1));
        let closed = op_error(OpErrorKind::NotFound, "the file was closed");
        assert_eq!(rig.take(3), Err(NotStored::Failed(closed)));
    }

    #[test]
    fn beyond_the_limit_only_armed_keys_get_new_spans() {
        let rig = Rig::new();
        let key = |number: usize| (number as u64).to_le_bytes();
        for number in 0..=limits::MAX_ARMED_KEYS {
            rig.diversion.arm(key(number), rig.spans(&[3]));
        }
        rig.diversion.arm(key(0), rig.spans(&[5]));
        let take = |number, length| rig.diversion.take(&key(number), length).map(drop);
        assert_eq!(take(0, 5), Ok(()));
        assert_eq!(take(limits::MAX_ARMED_KEYS - 1, 3), Ok(()));
        assert_eq!(take(limits::MAX_ARMED_KEYS, 3), Err(NotStored::Unarmed));
    }
}
