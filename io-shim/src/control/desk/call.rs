//! Calls: questions of HTTP clients that the engine answers in words, and what becomes of them.
//!
//! Owns the waiting for an answer and the queue of its parts. Must never know what is asked.
//! Invariants: a call ends with its last part, or with one `range_cancel` if an engine has heard of
//! it and not finished; what an engine says and a client does not take is bounded; a question that
//! may change something is put to one engine only.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use shared_proto::{DaemonMessage, FileId, IoEvent, RequestId};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::{Desk, Inner, Refusal, Said};

/// Calls at once, streamed replies included.
const MAX_CALLS: usize = 512;
/// Parts of a reply that may wait for their client.
const MAX_PARTS: usize = 256;
/// Bytes of a reply that may wait for their client before another part; a single one may be larger.
const MAX_QUEUED: usize = 1 << 20;

/// What is asked, before it has a name.
#[derive(Clone, Debug)]
pub enum Question {
    /// A call of the engine's HTTP API.
    Http {
        /// HTTP method.
        method: http::Method,
        /// Path, still percent-encoded.
        path: String,
        /// Query, still percent-encoded.
        query: String,
        /// The daemon's name, as the client knows it.
        host: String,
        /// Type of the content.
        content_type: Option<String>,
        /// The content, in parts that each fit a message.
        content: Vec<Bytes>,
    },
    /// Which file is at this path?
    File {
        /// Path, still percent-encoded.
        path: String,
    },
}

/// What the engine says, part by part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// A reply, or more of its body.
    Reply {
        /// HTTP status.
        status: u16,
        /// Headers, name and value.
        headers: Vec<(String, String)>,
        /// The body or the next part of it.
        body: String,
        /// Whether more follows.
        more: bool,
    },
    /// The file that was asked for.
    File(FileId),
    /// There is no such file.
    NoFile {
        /// HTTP status.
        status: Option<u16>,
        /// JSON.
        body: Option<String>,
    },
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// No engine came within the grace, or the one that was asked has gone.
    NoEngine,
    /// The engine was silent for longer than the maximum wait.
    Silence,
    /// The daemon is stopping.
    Stopping,
}

/// A call in the desk's table.
pub(super) struct Call {
    /// What to put to the next engine; nothing once an engine has heard what must not be said
    /// twice.
    question: Option<Said>,
    is_repeatable: bool,
    asked: Option<u64>,
    standing: watch::Sender<Standing>,
    /// Where parts go, until the last one or a cut.
    parts: Option<mpsc::Sender<Part>>,
    queued: Arc<AtomicUsize>,
    has_begun: bool,
}

/// How a call waits.
#[derive(Clone, Debug)]
struct Standing {
    renewed: Instant,
    orphaned: Option<Instant>,
    end: Option<Unanswered>,
}

/// A call that the desk keeps until this is dropped.
pub struct CallTicket {
    desk: Arc<Desk>,
    id: RequestId,
    parts: mpsc::Receiver<Part>,
    queued: Arc<AtomicUsize>,
    standing: watch::Receiver<Standing>,
}

impl Question {
    /// Asking twice does no more than asking once (RFC 9110 §9.2.2).
    fn is_repeatable(&self) -> bool {
        match self {
            Self::Http { method, .. } => method.is_idempotent(),
            Self::File { .. } => true,
        }
    }

    fn named(self, request_id: RequestId) -> Said {
        match self {
            Self::Http { method, path, query, host, content_type, content } => {
                let method = method.as_str().to_owned();
                let content_length = content.iter().map(|part| part.len() as u64).sum();
                let message = DaemonMessage::HttpCall {
                    request_id,
                    method,
                    path,
                    query,
                    host,
                    content_type,
                    content_length,
                };
                let parts =
                    content.into_iter().map(|data| IoEvent::HttpContent { request_id, data });
                Said { message, content: parts.collect() }
            }
            Self::File { path } => DaemonMessage::FileResolve { request_id, path }.into(),
        }
    }
}

impl Desk {
    /// Puts a question to the engine, or to the next one that comes within the grace.
    ///
    /// # Errors
    /// [`Refusal`] when there is no place for it.
    pub fn call(self: &Arc<Self>, question: Question) -> Result<CallTicket, Refusal> {
        let id = RequestId(uuid::Uuid::new_v4());
        let (sender, parts) = mpsc::channel(MAX_PARTS);
        let (standing, watched) =
            watch::channel(Standing { renewed: Instant::now(), orphaned: None, end: None });
        let queued = Arc::new(AtomicUsize::new(0));
        let mut inner = self.lock();
        if self.is_stopping() {
            return Err(Refusal::Stopping);
        }
        if inner.calls.len() >= MAX_CALLS {
            return Err(Refusal::Busy);
        }
        let mut call = Call {
            is_repeatable: question.is_repeatable(),
            question: Some(question.named(id)),
            asked: None,
            standing,
            parts: Some(sender),
            queued: Arc::clone(&queued),
            has_begun: false,
        };
        let message = if inner.brain.is_some() { call.put(inner.epoch) } else { None };
        if message.is_none() {
            call.orphan(Instant::now());
        }
        inner.calls.insert(id, call);
        if let Some(said) = message {
            inner.tell(said);
        }
        Ok(CallTicket { desk: Arc::clone(self), id, parts, queued, standing: watched })
    }

    /// Calls now.
    pub fn calls(&self) -> usize {
        self.lock().calls.len()
    }

    /// Whether there is no place for a call now.
    pub fn calls_are_full(&self) -> bool {
        self.calls() >= MAX_CALLS
    }

    fn hang_up(&self, id: RequestId) {
        let mut inner = self.lock();
        let Some(call) = inner.calls.remove(&id) else { return };
        inner.busy_until = Instant::now();
        if inner.brain.is_some() && call.asked == Some(inner.epoch) && call.parts.is_some() {
            inner.tell(DaemonMessage::RangeCancel { request_id: id });
        }
    }
}

impl Inner {
    /// Puts what waits to the engine that has just come.
    pub(super) fn put_calls(&mut self) {
        let epoch = self.epoch;
        let messages: Vec<_> = self.calls.values_mut().filter_map(|call| call.put(epoch)).collect();
        for message in messages {
            self.tell(message);
        }
    }

    /// Takes the engine's word for a call; unknown ones are ignored.
    pub(super) fn answer_call(&mut self, epoch: u64, id: RequestId, part: Part) {
        let Some(call) = self.calls.get_mut(&id).filter(|call| call.asked == Some(epoch)) else {
            return;
        };
        if !call.take(part) {
            tracing::debug!(request = %id, "a client does not take its reply: cut");
            self.tell(DaemonMessage::RangeCancel { request_id: id });
        }
    }

    /// The engine asks for patience.
    pub(super) fn renew_call(&mut self, epoch: u64, id: RequestId) {
        if let Some(call) = self.calls.get(&id).filter(|call| call.asked == Some(epoch)) {
            call.standing.send_modify(|standing| standing.renewed = Instant::now());
        }
    }

    /// The engine is gone.
    pub(super) fn orphan_calls(&mut self, now: Instant) {
        for call in self.calls.values_mut() {
            call.orphan(now);
        }
    }

    /// No call goes on.
    pub(super) fn stop_calls(&mut self) {
        let cut = self.calls.iter_mut().filter_map(|(&request_id, call)| {
            let is_heard = call.parts.is_some() && call.asked.is_some();
            call.end(Unanswered::Stopping);
            is_heard.then_some(DaemonMessage::RangeCancel { request_id })
        });
        for message in cut.collect::<Vec<_>>() {
            self.tell(message);
        }
    }
}

impl Call {
    fn put(&mut self, epoch: u64) -> Option<Said> {
        if self.has_begun || self.parts.is_none() {
            return None;
        }
        let message =
            if self.is_repeatable { self.question.clone() } else { self.question.take() }?;
        self.asked = Some(epoch);
        self.standing.send_modify(|standing| {
            standing.orphaned = None;
            standing.renewed = Instant::now();
        });
        Some(message)
    }

    fn orphan(&mut self, now: Instant) {
        self.asked = None;
        if self.has_begun || self.question.is_none() {
            self.end(Unanswered::NoEngine);
        } else {
            self.standing.send_modify(|standing| {
                standing.orphaned.get_or_insert(now);
            });
        }
    }

    /// Nothing more comes. A reply that has begun is cut, unless it is complete.
    fn end(&mut self, why: Unanswered) {
        self.parts = None;
        self.standing.send_modify(|standing| {
            standing.end.get_or_insert(why);
        });
    }

    /// `false` when the client takes too little of it: the rest is not wanted any more.
    fn take(&mut self, part: Part) -> bool {
        let Some(parts) = &self.parts else { return true };
        let is_last = !matches!(part, Part::Reply { more: true, .. });
        let length = part.length();
        let is_late = self.queued.load(Ordering::Relaxed) > MAX_QUEUED;
        self.queued.fetch_add(length, Ordering::Relaxed);
        let is_taken = !is_late && parts.try_send(part).is_ok();
        self.has_begun = true;
        if is_last || !is_taken {
            self.parts = None;
        }
        is_taken || is_last
    }
}

impl Part {
    fn length(&self) -> usize {
        match self {
            Self::Reply { body, .. } => body.len(),
            Self::File(_) | Self::NoFile { .. } => 0,
        }
    }
}

impl CallTicket {
    /// Its name, for logs.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Waits for the first part of the answer.
    ///
    /// # Errors
    /// Why there will be none.
    pub async fn answer(&mut self) -> Result<Part, Unanswered> {
        loop {
            let standing = self.standing.borrow_and_update().clone();
            let (deadline, why) = match (standing.end, standing.orphaned) {
                // What came before the end counts.
                (Some(end), _) => {
                    return self.parts.try_recv().map_err(|_| end).inspect(|part| self.took(part));
                }
                (None, Some(since)) => (since + self.desk.config.grace, Unanswered::NoEngine),
                (None, None) => (standing.renewed + self.desk.config.max_wait, Unanswered::Silence),
            };
            tokio::select! {
                biased;
                part = self.parts.recv() => match part {
                    Some(part) => {
                        self.took(&part);
                        return Ok(part);
                    }
                    None => return Err(self.standing.borrow().end.unwrap_or(Unanswered::NoEngine)),
                },
                _ = self.standing.changed() => {}
                () = tokio::time::sleep_until(deadline) => return Err(why),
            }
        }
    }

    /// The next part; `None` when the rest will not come.
    pub fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Part>> {
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
        self.desk.hang_up(self.id);
    }
}
