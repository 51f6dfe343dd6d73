//! The handle of one connection: commands act upon it while a [`super::session`] runs.
//!
//! Owns how the stream is read, what waits to be sent, and how the connection is ended from
//! outside.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use parking_lot::Mutex;
use shared_proto::io::{OpError, Rc4Start};
use shared_proto::{ConnId, OpId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::cipher::Cipher;
use super::divert::Diversion;
use super::framing::Framing;
use super::outbox::{Item, Outbox, Refused};
use super::rate::{Group, Membership};
use super::reading::Reading;
use crate::files::claimed::Placed;

/// The handle of one connection.
pub(crate) struct Conn {
    pub(super) id: ConnId,
    pub(super) reading: Mutex<Reading>,
    pub(super) reading_changed: Notify,
    pub(super) outbox: Outbox,
    pub(super) diversion: Diversion,
    pub(super) group: Membership,
    /// Closes the connection at once, without an event.
    pub(super) killed: CancellationToken,
    /// Closes the connection after the current burst, with an event.
    pub(super) overfull: CancellationToken,
    /// Closes the connection after the current burst, with an event: its local address is gone.
    pub(super) lost: CancellationToken,
    /// The local address, once the connection is open.
    local: OnceLock<IpAddr>,
}

impl Conn {
    pub(super) fn new(id: ConnId, diversion: Diversion, killed: CancellationToken) -> Self {
        Self {
            id,
            reading: Mutex::default(),
            reading_changed: Notify::new(),
            outbox: Outbox::default(),
            diversion,
            group: Membership::new(None),
            overfull: killed.child_token(),
            lost: killed.child_token(),
            local: OnceLock::new(),
            killed,
        }
    }

    /// The connection's number.
    pub(super) fn id(&self) -> ConnId {
        self.id
    }

    /// Queues bytes to send. If the peer does not read, the connection closes in the end.
    pub(super) fn send(&self, data: Bytes) {
        if !data.is_empty() {
            self.queue(Item::Bytes(data));
        }
    }

    /// Queues bytes to send, and then bytes of files. Returns `false` when the connection has
    /// ended.
    pub(super) fn send_spans(
        &self,
        op: OpId,
        head: Bytes,
        spans: Result<Vec<Placed>, OpError>,
    ) -> bool {
        self.queue(Item::Spans(op, head, spans))
    }

    fn queue(&self, item: Item) -> bool {
        if self.overfull.is_cancelled() {
            return false;
        }
        let queued = self.outbox.push(item);
        if queued == Err(Refused::Overfull) {
            self.overfull.cancel();
        }
        queued.is_ok()
    }

    /// Sets the ciphers for the rest of the stream. An impossible order closes the connection,
    /// because it would send garbage.
    pub(super) fn transform(&self, read: Option<Rc4Start>, write: Option<Rc4Start>) {
        let read = read.map(|start| Cipher::new(&start));
        let write = write.map(|start| Cipher::new(&start));
        let is_reading = match read {
            Some(Some(cipher)) => self.reading.lock().transform(cipher),
            Some(None) => false,
            None => true,
        };
        let is_writing = match write {
            Some(Some(cipher)) => self.queue(Item::Cipher(cipher)),
            Some(None) => false,
            None => true,
        };
        self.reading_changed.notify_one();
        if !is_reading || !is_writing {
            tracing::warn!(conn = %self.id, "the engine set an impossible cipher");
            self.overfull.cancel();
        }
    }

    /// Changes how the rest of the stream is read.
    pub(super) fn change_framing(&self, change: impl FnOnce(&mut Framing)) {
        change(&mut self.reading.lock().framing);
        self.reading_changed.notify_one();
    }

    /// Moves the connection to a group of the rate limits.
    pub(super) fn join(&self, group: Option<Arc<Group>>) {
        self.group.send_replace(group);
    }

    /// The armed keys.
    pub(super) fn diversion(&self) -> &Diversion {
        &self.diversion
    }

    /// Notes the local address of the open connection.
    pub(super) fn set_local(&self, local: Option<IpAddr>) {
        if let Some(local) = local {
            let _ = self.local.set(local);
        }
    }

    /// The local address; `None` while the connection is not open.
    pub(super) fn local(&self) -> Option<IpAddr> {
        self.local.get().copied()
    }

    /// Closes the connection with an event, because its local address is gone.
    pub(super) fn lose(&self) {
        self.lost.cancel();
    }

    /// Closes the connection at once: no write begins and no event follows.
    pub(super) fn kill(&self) {
        self.diversion.close();
        self.killed.cancel();
    }
}
