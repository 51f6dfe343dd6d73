//! A range request in the desk's table: what the engine's words do to it.
//!
//! Invariants: the watermark never goes beyond the range; it falls only when bytes are revoked, and
//! a reply that has read some of those is cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shared_proto::{DaemonMessage, RequestId};
use tokio::sync::watch;
use tokio::time::Instant;

use super::ServedFile;
use super::ticket::{End, Grant};
use crate::http::ranges::ByteRange;

/// A question to the engine that has not ended.
pub(super) struct Request {
    /// The file, as it was when it was asked for.
    pub(super) file: Arc<ServedFile>,
    /// The bytes asked for.
    pub(super) range: ByteRange,
    /// Whether only what is granted at once is sent.
    pub(super) only_now: bool,
    /// The viewer that it is for.
    pub(super) slot: u64,
    /// The term in which it was put to an engine.
    pub(super) asked: Option<u64>,
    /// The byte after the last one that its reply has read, or is reading.
    pub(super) reach: Arc<AtomicU64>,
    /// What its [`super::Ticket`] sees.
    pub(super) grant: watch::Sender<Grant>,
}

impl Request {
    /// The question to the engine of this term: everything that is not granted yet.
    pub(super) fn put(&mut self, id: RequestId, epoch: u64) -> DaemonMessage {
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

    /// Whether its reply has read all that is granted, and is to get more.
    pub(super) fn is_hungry(&self) -> bool {
        let grant = self.grant.borrow();
        let (reach, watermark) = (self.reach.load(Ordering::SeqCst), grant.watermark);
        grant.end.is_none() && watermark <= self.range.end && reach >= watermark
    }

    /// The engine grants up to `end` inclusive for the first time: with that a request ends that
    /// waits for nothing.
    pub(super) fn narrow(&mut self, end: Option<u64>) {
        if self.only_now
            && let Some(end) = end.filter(|end| *end >= self.range.start)
        {
            self.range.end = self.range.end.min(end);
        }
    }

    /// Whether a grant up to `end` inclusive would leave nothing to wait for.
    pub(super) fn is_all(&self, end: Option<u64>) -> bool {
        end.is_none_or(|end| end >= self.range.end)
    }

    /// The engine grants up to `end` inclusive, or everything.
    pub(super) fn grant(&mut self, end: Option<u64>) {
        let last = end.unwrap_or(self.range.end).min(self.range.end);
        self.grant.send_modify(|grant| {
            grant.renewed = Instant::now();
            if grant.end.is_none() && last >= grant.watermark {
                grant.watermark = last + 1;
            }
        });
    }

    /// The bytes from `start` to `end` are granted no longer.
    pub(super) fn revoke(&mut self, start: u64, end: u64) {
        let first = start.max(self.range.start);
        if first > end || self.grant.borrow().watermark <= first {
            return;
        }
        self.grant.send_modify(|grant| {
            grant.renewed = Instant::now();
            grant.watermark = first;
        });
        // In this order: a reply says how far it will read before it looks at the watermark
        // (`Ticket::lease`).
        if self.only_now || self.reach.load(Ordering::SeqCst) > first {
            self.finish(End::Revoked);
        }
    }

    /// The engine asks for patience.
    pub(super) fn renew(&mut self) {
        self.grant.send_modify(|grant| grant.renewed = Instant::now());
    }

    /// The engine that it was put to is gone.
    pub(super) fn orphan(&mut self, now: Instant) {
        self.grant.send_modify(|grant| {
            grant.orphaned.get_or_insert(now);
        });
    }

    /// Nothing more will be granted. The first reason stands.
    pub(super) fn finish(&mut self, end: End) {
        self.grant.send_modify(|grant| {
            grant.end.get_or_insert(end);
        });
    }

    /// Nothing more is to be asked about it.
    pub(super) fn is_settled(&self) -> bool {
        let grant = self.grant.borrow();
        grant.end.is_some() || grant.watermark > self.range.end
    }
}
