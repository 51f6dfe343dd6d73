//! A range request in the desk's table: how the engine's messages change it.
//!
//! Invariants: the watermark never exceeds the range; it falls only when bytes are revoked, and a
//! reply that has read revoked bytes is cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shared_proto::{DaemonMessage, RequestId};
use tokio::sync::watch;
use tokio::time::Instant;

use super::ServedFile;
use super::grant::{End, Grant};
use crate::files::byte_range::ByteRange;

/// A range request that has not ended.
pub(super) struct Request {
    /// The file, as it was announced when the viewer asked.
    pub(super) file: Arc<ServedFile>,
    /// The bytes that the viewer asked for.
    pub(super) range: ByteRange,
    /// Whether the viewer wants only what is granted at once.
    pub(super) only_now: bool,
    /// The viewer's slot.
    pub(super) slot: u64,
    /// The epoch of the engine that was asked; `None` if none was.
    pub(super) asked: Option<u64>,
    /// The byte after the last one that the reply reads or has read.
    pub(super) reach: Arc<AtomicU64>,
    /// The state that [`super::Ticket`] sees.
    pub(super) grant: watch::Sender<Grant>,
}

impl Request {
    /// Makes the message that asks the engine for all bytes not yet granted. `epoch` is the
    /// engine's.
    pub(super) fn ask_engine(&mut self, id: RequestId, epoch: u64) -> DaemonMessage {
        self.asked = Some(epoch);
        self.grant.send_modify(|grant| {
            grant.orphaned = None;
            grant.renewed = Instant::now();
        });
        let start = self.grant.borrow().watermark;
        DaemonMessage::RangeRequest {
            request_id: id,
            file_id: self.file.id.clone(),
            start,
            end: self.range.end,
            only_now: self.only_now,
        }
    }

    /// Whether the reply has read all that is granted and needs more.
    pub(super) fn is_hungry(&self) -> bool {
        let grant = self.grant.borrow();
        let (reach, watermark) = (self.reach.load(Ordering::SeqCst), grant.watermark);
        grant.end.is_none() && watermark <= self.range.end && reach >= watermark
    }

    /// Ends the range at the first grant if the viewer does not wait.
    pub(super) fn narrow(&mut self, end: Option<u64>) {
        if self.only_now
            && let Some(end) = end.filter(|end| *end >= self.range.start)
        {
            self.range.end = self.range.end.min(end);
        }
    }

    /// Whether a grant up to `end` inclusive covers the whole range.
    pub(super) fn is_all(&self, end: Option<u64>) -> bool {
        end.is_none_or(|end| end >= self.range.end)
    }

    /// Grants the bytes up to `end` inclusive, or all.
    pub(super) fn grant(&mut self, end: Option<u64>) {
        let last = end.unwrap_or(self.range.end).min(self.range.end);
        self.grant.send_modify(|grant| {
            grant.renewed = Instant::now();
            if grant.end.is_none() && last >= grant.watermark {
                grant.watermark = last + 1;
            }
        });
    }

    /// Takes back the grant of the bytes from `start` to `end`.
    pub(super) fn revoke(&mut self, start: u64, end: u64) {
        let first = start.max(self.range.start);
        if first > end || self.grant.borrow().watermark <= first {
            return;
        }
        self.grant.send_modify(|grant| {
            grant.renewed = Instant::now();
            grant.watermark = first;
        });
        // This order matters: a reply announces how far it will read before it looks at the
        // watermark (`Ticket::lease`).
        if self.only_now || self.reach.load(Ordering::SeqCst) > first {
            self.finish(End::Revoked);
        }
    }

    /// The engine asked for more time.
    pub(super) fn renew(&mut self) {
        self.grant.send_modify(|grant| grant.renewed = Instant::now());
    }

    /// The engine that was asked has left.
    pub(super) fn orphan(&mut self, now: Instant) {
        self.grant.send_modify(|grant| {
            grant.orphaned.get_or_insert(now);
        });
    }

    /// Ends the request. The first reason counts.
    pub(super) fn finish(&mut self, end: End) {
        self.grant.send_modify(|grant| {
            grant.end.get_or_insert(end);
        });
    }

    /// Whether the engine need not be asked again.
    pub(super) fn is_settled(&self) -> bool {
        let grant = self.grant.borrow();
        grant.end.is_some() || grant.watermark > self.range.end
    }
}
