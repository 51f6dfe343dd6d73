//! A client's side of a call: it waits for the parts of the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use shared_proto::{DaemonMessage, RequestId};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::call::{Call, MAX_PARTS, Part, Question, Unanswered, WaitState};
use super::table::Desk;
use super::terms::Refusal;

/// A running call. Dropping the ticket ends the call.
pub(crate) struct CallTicket {
    desk: Arc<Desk>,
    id: RequestId,
    parts: mpsc::Receiver<Part>,
    queued: Arc<AtomicUsize>,
    wait: watch::Receiver<WaitState>,
}

impl Desk {
    /// Asks the engine, or the next engine that connects within the grace.
    ///
    /// # Errors
    /// [`Refusal`] when there are too many calls or the daemon is stopping.
    pub(crate) fn call(self: &Arc<Self>, question: Question) -> Result<CallTicket, Refusal> {
        let id = RequestId(uuid::Uuid::new_v4());
        let (sender, parts) = mpsc::channel(MAX_PARTS);
        let queued = Arc::new(AtomicUsize::new(0));
        let mut inner = self.lock();
        if self.is_stopping() {
            return Err(Refusal::Stopping);
        }
        if inner.calls.is_full() {
            return Err(Refusal::Busy);
        }
        let (mut call, watched) = Call::new(question, id, sender, Arc::clone(&queued));
        let message = if inner.engine.is_some() { call.ask_engine(inner.epoch) } else { None };
        if message.is_none() {
            call.orphan(Instant::now());
        }
        inner.calls.insert(id, call);
        if let Some(said) = message {
            inner.send(said);
        }
        Ok(CallTicket { desk: Arc::clone(self), id, parts, queued, wait: watched })
    }

    /// Number of calls now.
    pub fn calls(&self) -> usize {
        self.lock().calls.len()
    }

    /// Whether another call would be refused now.
    pub(crate) fn calls_are_full(&self) -> bool {
        self.lock().calls.is_full()
    }

    fn end_call(&self, id: RequestId) {
        let mut inner = self.lock();
        let Some(call) = inner.calls.remove(id) else { return };
        inner.busy_until = Instant::now();
        if inner.engine.is_some() && call.is_asked_of(inner.epoch) {
            inner.send(DaemonMessage::RangeCancel { request_id: id });
        }
    }
}

impl CallTicket {
    /// The call's id, for logs.
    pub(crate) fn id(&self) -> RequestId {
        self.id
    }

    /// Waits for the first part of the answer.
    ///
    /// # Errors
    /// [`Unanswered`] says why there is none.
    pub(crate) async fn answer(&mut self) -> Result<Part, Unanswered> {
        loop {
            let wait = self.wait.borrow_and_update().clone();
            let (deadline, why) = match (wait.end, wait.orphaned) {
                // A part that came before the end still counts.
                (Some(end), _) => {
                    return self.parts.try_recv().map_err(|_| end).inspect(|part| self.took(part));
                }
                (None, Some(since)) => (since + self.desk.config.grace, Unanswered::NoEngine),
                (None, None) => (wait.renewed + self.desk.config.max_wait, Unanswered::Silence),
            };
            tokio::select! {
                biased;
                part = self.parts.recv() => match part {
                    Some(part) => {
                        self.took(&part);
                        return Ok(part);
                    }
                    None => return Err(self.wait.borrow().end.unwrap_or(Unanswered::NoEngine)),
                },
                _ = self.wait.changed() => {}
                () = tokio::time::sleep_until(deadline) => return Err(why),
            }
        }
    }

    /// Polls for the next part; `None` when no more will come.
    pub(crate) fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        let part = std::task::ready!(self.parts.poll_recv(cx));
        if let Some(part) = &part {
            self.took(part);
        }
        Poll::Ready(part)
    }

    fn took(&self, part: &Part) {
        self.queued.fetch_sub(part.length(), Ordering::Relaxed);
    }
}

impl Drop for CallTicket {
    fn drop(&mut self) {
        self.desk.end_call(self.id);
    }
}
