//! One viewer's question to the engine, from the asking to the end.
//!
//! Owns the waiting: how far the bytes are granted, and how long patience lasts. Dropping a ticket
//! withdraws the question.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shared_proto::RequestId;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Desk;
use crate::http::ranges::ByteRange;

/// Why no further byte will be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The engine said no.
    Rejected {
        /// HTTP status that it wants.
        status: Option<u16>,
        /// Plain words.
        reason: Option<String>,
        /// `Retry-After`, seconds.
        retry_after: Option<u64>,
    },
    /// It may come, but not at once, and the client does not wait.
    NotNow,
    /// There was no place for the viewer.
    Busy,
    /// The engine forgot the file: cut at once.
    Forgotten,
    /// The engine announced other bytes under the same name: cut at once.
    Changed,
    /// Bytes that were read for the reply are proven no longer: cut at once.
    Revoked,
    /// The engine was gone for longer than the grace.
    EngineGone,
    /// The engine was silent for longer than the maximum wait.
    Silence,
    /// The daemon stops: cut at once.
    Stopping,
}

impl End {
    /// Whether granted bytes that were not sent yet stay unsent.
    fn cuts(&self) -> bool {
        matches!(self, Self::Forgotten | Self::Changed | Self::Revoked | Self::Stopping)
    }
}

/// How things stand with a request.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// First byte that is not granted.
    pub(super) watermark: u64,
    /// When the engine last spoke about it.
    pub(super) renewed: Instant,
    /// Since when there is no engine that knows of it.
    pub(super) orphaned: Option<Instant>,
    /// Nothing more will be granted.
    pub(super) end: Option<End>,
    /// The daemon is stopping: no reply begins any more.
    pub(super) stopping: bool,
}

impl Grant {
    pub(super) fn nothing(start: u64) -> Self {
        Self {
            watermark: start,
            renewed: Instant::now(),
            orphaned: None,
            end: None,
            stopping: false,
        }
    }

    pub(super) fn has_begun(&self, range: ByteRange) -> bool {
        self.watermark > range.start
    }
}

/// A question that the desk keeps until this is dropped.
pub struct Ticket {
    desk: Arc<Desk>,
    id: RequestId,
    range: ByteRange,
    reach: Arc<AtomicU64>,
    grant: watch::Receiver<Grant>,
}

/// Leave to send bytes that were read while they were granted.
#[derive(Clone, Debug)]
pub struct Lease(watch::Receiver<Grant>);

impl Lease {
    /// Whether the reply was cut since then: its bytes are not to be sent.
    pub fn is_cut(&self) -> bool {
        self.0.borrow().end.as_ref().is_some_and(End::cuts)
    }
}

impl Ticket {
    pub(super) fn new(
        desk: Arc<Desk>,
        id: RequestId,
        range: ByteRange,
        reach: Arc<AtomicU64>,
        grant: watch::Receiver<Grant>,
    ) -> Self {
        Self { desk, id, range, reach, grant }
    }

    /// Leave to read and send the bytes before `end`, if all of them are granted. Should one of
    /// them be revoked later, the reply is cut.
    pub fn lease(&self, end: u64) -> Option<Lease> {
        let before = self.reach.swap(end, Ordering::SeqCst);
        let is_granted = {
            let now = self.grant.borrow();
            now.watermark >= end && !now.end.as_ref().is_some_and(End::cuts)
        };
        if !is_granted {
            self.reach.store(before, Ordering::SeqCst);
        }
        is_granted.then(|| Lease(self.grant.clone()))
    }

    /// The bytes asked for.
    pub fn range(&self) -> ByteRange {
        self.range
    }

    /// What is granted is all that was asked for, from now on. False when nothing is granted any
    /// more.
    pub fn narrow(&mut self) -> bool {
        let granted = self.granted();
        let is_any = granted > self.range.start;
        if is_any {
            self.range.end = granted - 1;
        }
        is_any
    }

    /// Its name, for logs.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Waits until the first byte is granted.
    ///
    /// # Errors
    /// Why it never will be.
    pub async fn begin(&mut self) -> Result<(), End> {
        let mut grant = self.grant.clone();
        tokio::select! {
            begun = Self::beyond(&self.desk, &mut grant, self.range.start, Instant::now()) => begun.map(drop),
            _ = self.grant.wait_for(|grant| grant.stopping) => Err(End::Stopping),
        }
    }

    /// Up to where (exclusive) bytes may be sent now; the range's start for none.
    pub fn granted(&self) -> u64 {
        let now = self.grant.borrow();
        if now.end.as_ref().is_some_and(End::cuts) {
            self.range.start
        } else {
            now.watermark.min(self.range.end + 1)
        }
    }

    /// Waits until the byte at `position` may be sent, and says up to where (exclusive) bytes may
    /// be sent then. Patience is counted from `began`, or from the engine's last word, whichever is
    /// later.
    ///
    /// # Errors
    /// Why it never will be.
    pub async fn granted_beyond(&mut self, position: u64, began: Instant) -> Result<u64, End> {
        Self::beyond(&self.desk, &mut self.grant, position, began).await
    }

    async fn beyond(
        desk: &Desk,
        grant: &mut watch::Receiver<Grant>,
        position: u64,
        began: Instant,
    ) -> Result<u64, End> {
        loop {
            let deadline = {
                let now = grant.borrow_and_update();
                match &now.end {
                    Some(end) if end.cuts() || now.watermark <= position => return Err(end.clone()),
                    _ if now.watermark > position => return Ok(now.watermark),
                    _ => {}
                }
                match now.orphaned {
                    Some(since) => (since + desk.config.grace, End::EngineGone),
                    None => (now.renewed.max(began) + desk.config.max_wait, End::Silence),
                }
            };
            if let Ok(changed) = tokio::time::timeout_at(deadline.0, grant.changed()).await {
                // The sender lives in the table until this ticket is dropped.
                changed.map_err(|_| End::Stopping)?;
            } else {
                return Err(deadline.1);
            }
        }
    }

    /// Resolves when the reply has to be cut, whatever is granted.
    pub async fn cut(&self) -> End {
        let mut grant = self.grant.clone();
        let cut = grant.wait_for(|grant| grant.end.as_ref().is_some_and(End::cuts)).await;
        cut.ok().and_then(|grant| grant.end.clone()).unwrap_or(End::Stopping)
    }

    /// Tells the engine that the viewer has taken everything before `position`.
    pub fn progress(&self, position: u64) {
        self.desk.progress(self.id, position);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.desk.finish(self.id);
    }
}
