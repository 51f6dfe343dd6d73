//! The keys armed on one connection, and the moment at which a payload becomes a write.
//!
//! Knows keys and spans, not streams. Invariant: after [`Diversion::disarm`] or
//! [`Diversion::close`] returned, no write of the key (of any key) begins; and one that began holds
//! a claim on its spans, so that whatever the engine orders next on them waits. Both follow from
//! taking a key and claiming its spans under one lock.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use shared_proto::io::{DivertKey, NotStored, OpError, OpErrorKind};

use crate::files::{
    FileStore,
    error::op_error,
    locks::{Access, Owner},
    table::{Claimed, Placed},
};
use crate::limits;

/// What is to become of diverted payloads of one connection.
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
    /// `owner` names the connection among all that write to the store: one burst of it is written
    /// in order.
    pub(crate) fn new(store: Arc<FileStore>, owner: Owner) -> Self {
        Self { store, owner, keys: Mutex::default() }
    }

    /// Arms a key; spans that could not be resolved fail its payload.
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

    /// Where a payload of this length goes; its write has begun then.
    ///
    /// # Errors
    /// Why it is thrown away.
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
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
