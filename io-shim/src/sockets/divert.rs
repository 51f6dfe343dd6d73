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
