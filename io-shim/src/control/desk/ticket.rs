//! A viewer's side of a range request.
//!
//! Owns the wait for grants and its patience. Dropping a ticket withdraws the request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shared_proto::RequestId;
use tokio::sync::watch;
use tokio::time::Instant;

use super::file::ServedFile;
use super::grant::{End, Grant, Lease};
use super::request::Request;
use super::slot::Slot;
use super::table::Desk;
use super::terms::Patience;
use crate::files::byte_range::ByteRange;

/// A running range request.
pub(crate) struct Ticket {
    desk: Arc<Desk>,
    id: RequestId,
    range: ByteRange,
    reach: Arc<AtomicU64>,
    grant: watch::Receiver<Grant>,
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

    /// Takes permission to read and send the bytes before `end`. `None` unless all of them are
    /// granted. If one of them is revoked later, the reply is cut.
    pub(crate) fn lease(&self, end: u64) -> Option<Lease> {
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

    /// The range of the request.
    pub(crate) fn range(&self) -> ByteRange {
        self.range
    }

    /// Shortens the range to what is granted. Returns `false` when nothing is granted.
    pub(crate) fn narrow(&mut self) -> bool {
        let granted = self.granted();
        let is_any = granted > self.range.start;
        if is_any {
            self.range.end = granted - 1;
        }
        is_any
    }

    /// The request's id, for logs.
    pub(crate) fn id(&self) -> RequestId {
        self.id
    }

    /// Waits until the first byte is granted.
    ///
    /// # Errors
    /// [`End`] says why it will not be.
    pub(crate) async fn begin(&mut self) -> Result<(), End> {
        let mut grant = self.grant.clone();
        tokio::select! {
            begun = Self::beyond(&self.desk, &mut grant, self.range.start, Instant::now()) => {
                begun.map(drop)
            }
            _ = self.grant.wait_for(|grant| grant.stopping) => Err(End::Stopping),
        }
    }

    /// The end (exclusive) of what may be sent now. It is the start of the range if nothing may.
    pub(crate) fn granted(&self) -> u64 {
        let now = self.grant.borrow();
        if now.end.as_ref().is_some_and(End::cuts) {
            self.range.start
        } else {
            now.watermark.min(self.range.end + 1)
        }
    }

    /// Waits until the byte at `position` may be sent. Returns the end (exclusive) of what may be
    /// sent then. The maximum wait counts from `began` or from the engine's last message, whichever
    /// is later.
    ///
    /// # Errors
    /// [`End`] says why the byte will not be granted.
    pub(crate) async fn granted_beyond(
        &mut self,
        position: u64,
        began: Instant,
    ) -> Result<u64, End> {
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
    pub(crate) async fn cut(&self) -> End {
        let mut grant = self.grant.clone();
        let cut = grant.wait_for(|grant| grant.end.as_ref().is_some_and(End::cuts)).await;
        cut.ok().and_then(|grant| grant.end.clone()).unwrap_or(End::Stopping)
    }

    /// Tells the engine that the viewer has received all bytes before `position`.
    pub(crate) fn progress(&self, position: u64) {
        self.desk.progress(self.id, position);
    }
}

impl Desk {
    /// Asks the engine whether these bytes may be sent.
    pub(crate) fn ask(
        self: &Arc<Self>,
        file: Arc<ServedFile>,
        range: ByteRange,
        patience: Patience,
        slot: &Slot,
    ) -> Ticket {
        let id = RequestId(uuid::Uuid::new_v4());
        let (grant, receiver) = watch::channel(Grant::nothing(range.start));
        let reach = Arc::new(AtomicU64::new(range.start));
        let ticket = Ticket::new(Arc::clone(self), id, range, Arc::clone(&reach), receiver);
        let mut inner = self.lock();
        let slot = slot.number();
        let only_now = patience == Patience::None;
        let mut request = Request { file, range, only_now, slot, asked: None, reach, grant };
        let mut question = None;
        if self.is_stopping() {
            request.finish(End::Stopping);
        } else if inner.engine.is_some()
            && inner.files.get(&request.file.id).is_some_and(|f| f.same_bytes(&request.file))
        {
            question = Some(request.ask_engine(id, inner.epoch));
        } else {
            request.orphan(Instant::now());
        }
        inner.requests.insert(id, request);
        if let Some(question) = question {
            inner.send(question);
        }
        ticket
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.desk.finish(self.id);
    }
}
