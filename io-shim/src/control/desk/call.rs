//! Calls of the HTTP API, as the engine answers them.
//!
//! Owns the wait for an answer and the queue of its parts. Must never know what is asked.
//! Invariants: a call ends with its last part, or with one `range_cancel` if an engine knows of it
//! and has not finished; the bytes that wait for a slow client are bounded; a call that may change
//! something goes to one engine only.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use shared_proto::{DaemonMessage, FileId, IoEvent, RequestId};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::outgoing::Outgoing;

/// Most calls at a time, streamed replies included.
const MAX_CALLS: usize = 512;
/// Most parts of a reply that wait for their client.
pub(super) const MAX_PARTS: usize = 256;
/// Bytes of a reply that may wait for a slow client. A single part may be larger.
const MAX_QUEUED: usize = 1 << 20;

/// A question for the engine, before it has an id.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    /// A call of the engine's HTTP API.
    Http {
        /// HTTP method.
        method: http::Method,
        /// Path, still percent-encoded.
        path: String,
        /// Query, still percent-encoded.
        query: String,
        /// The `Host` that the client named.
        host: String,
        /// Type of the content.
        content_type: Option<String>,
        /// The content, in parts that each fit one message.
        content: Vec<Bytes>,
    },
    /// Asks which file a path names.
    File {
        /// Path, still percent-encoded.
        path: String,
    },
}

/// A part of the engine's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A reply, or the next part of its body.
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
    /// The file that the path names.
    File(FileId),
    /// No file has this path.
    NoFile {
        /// HTTP status.
        status: Option<u16>,
        /// The body, JSON.
        body: Option<String>,
    },
}

/// Why a call gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unanswered {
    /// No engine connected within the grace, or the engine that was asked has left.
    NoEngine,
    /// The engine said nothing for longer than the maximum wait.
    Silence,
    /// The daemon is stopping.
    Stopping,
}

/// A call in the desk's table.
pub(super) struct Call {
    /// The message for the next engine. `None` once an engine has received a question that must not
    /// be repeated.
    question: Option<Outgoing>,
    is_repeatable: bool,
    asked: Option<u64>,
    wait: watch::Sender<WaitState>,
    /// Where parts go, until the last part or a cut.
    parts: Option<mpsc::Sender<Part>>,
    queued: Arc<AtomicUsize>,
    has_begun: bool,
}

/// The waiting state of a call.
#[derive(Clone, Debug)]
pub(super) struct WaitState {
    pub(super) renewed: Instant,
    pub(super) orphaned: Option<Instant>,
    pub(super) end: Option<Unanswered>,
}

impl Question {
    /// Whether a repeated question has the effect of a single one (RFC 9110 §9.2.2).
    fn is_repeatable(&self) -> bool {
        match self {
            Self::Http { method, .. } => method.is_idempotent(),
            Self::File { .. } => true,
        }
    }

    fn named(self, request_id: RequestId) -> Outgoing {
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
                Outgoing { message, content: parts.collect() }
            }
            Self::File { path } => DaemonMessage::FileResolve { request_id, path }.into(),
        }
    }
}

/// The calls that wait for the engine or for their clients.
#[derive(Default)]
pub(super) struct Calls(HashMap<RequestId, Call>);

impl Calls {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MAX_CALLS
    }

    pub(super) fn insert(&mut self, id: RequestId, call: Call) {
        self.0.insert(id, call);
    }

    pub(super) fn remove(&mut self, id: RequestId) -> Option<Call> {
        self.0.remove(&id)
    }

    /// Messages for the engine of this epoch, which has just connected.
    pub(super) fn ask_all(&mut self, epoch: u64) -> Vec<Outgoing> {
        self.0.values_mut().filter_map(|call| call.ask_engine(epoch)).collect()
    }

    /// Takes a part of an answer. Returns the message that cancels the call when its client does
    /// not keep up. Unknown calls are ignored.
    pub(super) fn answer(
        &mut self,
        epoch: u64,
        request_id: RequestId,
        part: Part,
    ) -> Option<DaemonMessage> {
        let call = self.0.get_mut(&request_id).filter(|call| call.asked == Some(epoch))?;
        if call.take(part) {
            return None;
        }
        tracing::debug!(request = %request_id, "a client does not keep up with its reply: cut");
        Some(DaemonMessage::RangeCancel { request_id })
    }

    /// The engine asked for more time.
    pub(super) fn renew(&self, epoch: u64, id: RequestId) {
        if let Some(call) = self.0.get(&id).filter(|call| call.asked == Some(epoch)) {
            call.wait.send_modify(|wait| wait.renewed = Instant::now());
        }
    }

    /// The engine has left.
    pub(super) fn orphan(&mut self, now: Instant) {
        for call in self.0.values_mut() {
            call.orphan(now);
        }
    }

    /// Ends all calls. Returns the messages that cancel those that the engine knows.
    pub(super) fn stop(&mut self) -> Vec<DaemonMessage> {
        let cut = self.0.iter_mut().filter_map(|(&request_id, call)| {
            let is_heard = call.parts.is_some() && call.asked.is_some();
            call.end(Unanswered::Stopping);
            is_heard.then_some(DaemonMessage::RangeCancel { request_id })
        });
        cut.collect()
    }
}

impl Call {
    pub(super) fn new(
        question: Question,
        id: RequestId,
        parts: mpsc::Sender<Part>,
        queued: Arc<AtomicUsize>,
    ) -> (Self, watch::Receiver<WaitState>) {
        let (wait, watched) =
            watch::channel(WaitState { renewed: Instant::now(), orphaned: None, end: None });
        let call = Self {
            is_repeatable: question.is_repeatable(),
            question: Some(question.named(id)),
            asked: None,
            wait,
            parts: Some(parts),
            queued,
            has_begun: false,
        };
        (call, watched)
    }

    /// Whether the engine of this epoch still works on the call.
    pub(super) fn is_asked_of(&self, epoch: u64) -> bool {
        self.asked == Some(epoch) && self.parts.is_some()
    }

    pub(super) fn ask_engine(&mut self, epoch: u64) -> Option<Outgoing> {
        if self.has_begun || self.parts.is_none() {
            return None;
        }
        let message =
            if self.is_repeatable { self.question.clone() } else { self.question.take() }?;
        self.asked = Some(epoch);
        self.wait.send_modify(|wait| {
            wait.orphaned = None;
            wait.renewed = Instant::now();
        });
        Some(message)
    }

    pub(super) fn orphan(&mut self, now: Instant) {
        self.asked = None;
        if self.has_begun || self.question.is_none() {
            self.end(Unanswered::NoEngine);
        } else {
            self.wait.send_modify(|wait| {
                wait.orphaned.get_or_insert(now);
            });
        }
    }

    /// Ends the call. A reply that has begun is truncated, unless it is complete.
    fn end(&mut self, why: Unanswered) {
        self.parts = None;
        self.wait.send_modify(|wait| {
            wait.end.get_or_insert(why);
        });
    }

    /// Queues a part for the client. Returns `false` when the client is too slow and the rest must
    /// be cancelled.
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
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Reply { body, .. } => body.len(),
            Self::File(_) | Self::NoFile { .. } => 0,
        }
    }
}
