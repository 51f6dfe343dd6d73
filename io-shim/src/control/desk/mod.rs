//! The desk: which files can be asked for, which viewers wait for which bytes, and which engine
//! answers.
//!
//! Owns the announcements of the present engine, the tables of running range requests and
//! [calls](call), and the limits on both. Must never know what a file's bytes mean or why they are
//! not there yet. Invariants:
//!
//! - a request's watermark rises and falls only by the word of the present engine, and never beyond
//!   its range;
//! - announcements end with their engine, requests outlive it: they are put again to the next
//!   engine, with the same id and from the first byte not yet granted, as soon as that has
//!   announced the same file;
//! - every request that an engine has heard of ends with exactly one `range_cancel`, unless the
//!   engine rejected it.

mod call;
mod file;
mod places;
mod request;
mod slot;
mod ticket;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use shared_proto::io::FileStat;
use shared_proto::{CloseCode, DaemonMessage, EngineMessage, FileId, IoEvent, RequestId};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::http::auth::{Credential, secrets_match};
use crate::http::connections::Activity;
use crate::http::ranges::ByteRange;
use call::Call;
pub use call::{CallTicket, Part, Question, Unanswered};
pub use file::{Breach, ServedFile};
use request::Request;
pub use slot::Slot;
use slot::Slots;
use ticket::Grant;
pub use ticket::{End, Lease, Ticket};

/// Messages that may wait for an engine's socket. An engine that lets so many gather has stopped
/// reading.
const OUTBOX: usize = 8192;
/// Announced files of one engine: a few hundred bytes each.
const MAX_FILES: usize = 1 << 18;

/// What the user may set about the desk.
#[derive(Clone, Debug)]
pub struct DeskConfig {
    /// How long viewers are kept when the engine is gone.
    pub grace: Duration,
    /// How long an engine may be silent about a waiting request.
    pub max_wait: Duration,
    /// Viewers at once that have been granted all that they asked for.
    pub max_replies: usize,
    /// Of these, viewers of one file.
    pub max_replies_per_file: usize,
    /// Viewers at once that wait for more grants.
    pub max_waiting: usize,
    /// Of these, viewers of one file.
    pub max_waiting_per_file: usize,
}

/// How long whoever asks for bytes waits for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// As long as the engine says that they come.
    Some,
    /// Not at all: what is granted at once is all that is sent.
    None,
}

/// Why a viewer is turned away before it has cost anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No engine is there to answer.
    NoEngine,
    /// No such file, or not with this key: a stranger is not told which.
    Denied,
    /// No such file, told to someone who holds the session token.
    Unknown,
    /// Too many viewers.
    Busy,
    /// The daemon is stopping.
    Stopping,
}

/// The table. One per daemon.
pub struct Desk {
    config: DeskConfig,
    inner: Mutex<Inner>,
    /// Rung when a file is announced, an engine comes, or the daemon stops.
    news: Notify,
    stopping: AtomicBool,
}

struct Inner {
    epoch: u64,
    brain: Option<Brain>,
    files: HashMap<FileId, Arc<ServedFile>>,
    requests: HashMap<RequestId, Request>,
    calls: HashMap<RequestId, Call>,
    slots: Slots,
    busy_until: Instant,
}

/// The present engine, as the desk sees it.
struct Brain {
    epoch: u64,
    since: Instant,
    outbox: mpsc::Sender<Said>,
    dismiss: oneshot::Sender<CloseCode>,
}

/// Something to tell the engine.
#[derive(Clone, Debug)]
pub struct Said {
    /// The message.
    pub message: DaemonMessage,
    /// Its content, which goes after it on the I/O plane.
    pub content: Vec<IoEvent>,
}

impl From<DaemonMessage> for Said {
    fn from(message: DaemonMessage) -> Self {
        Self { message, content: Vec::new() }
    }
}

/// What a newly accepted engine's connection holds.
pub struct Seat {
    /// The engine's term.
    pub epoch: u64,
    /// What to tell it.
    pub outbox: mpsc::Receiver<Said>,
    /// Resolves when the connection has to end.
    pub dismissed: oneshot::Receiver<CloseCode>,
}

impl Desk {
    /// An empty desk.
    pub fn new(config: DeskConfig) -> Arc<Self> {
        let inner = Inner {
            epoch: 0,
            brain: None,
            files: HashMap::new(),
            requests: HashMap::new(),
            calls: HashMap::new(),
            slots: Slots::new(&config),
            busy_until: Instant::now(),
        };
        Arc::new(Self {
            config,
            inner: Mutex::new(inner),
            news: Notify::new(),
            stopping: AtomicBool::new(false),
        })
    }

    /// A file that the credential opens. While there is no engine, or it has only just come and may
    /// still be announcing, the question is held for the grace: a `<video>` gives up for good at
    /// any status.
    pub async fn find(
        &self,
        id: &FileId,
        credential: &Credential<'_>,
    ) -> Result<Arc<ServedFile>, Refusal> {
        let until = Instant::now() + self.config.grace;
        loop {
            let mut news = std::pin::pin!(self.news.notified());
            news.as_mut().enable();
            let refusal = match self.look_up(id, credential, until) {
                Look::Found(file) => return Ok(file),
                Look::Now(refusal) => return Err(refusal),
                Look::Later(refusal) => refusal,
            };
            if tokio::time::timeout_at(until, news).await.is_err() {
                return Err(refusal);
            }
        }
    }

    fn look_up(&self, id: &FileId, credential: &Credential<'_>, until: Instant) -> Look {
        if self.is_stopping() {
            return Look::Now(Refusal::Stopping);
        }
        let inner = self.lock();
        if let Some(file) = inner.files.get(id)
            && (credential.is_session
                || credential.key.is_some_and(|key| secrets_match(key, &file.key)))
        {
            return Look::Found(Arc::clone(file));
        }
        let refusal = if credential.is_session { Refusal::Unknown } else { Refusal::Denied };
        match &inner.brain {
            None => Look::Later(Refusal::NoEngine),
            // It came less than a grace before this question was asked.
            Some(brain) if brain.since + self.config.grace * 2 > until => Look::Later(refusal),
            Some(_) => Look::Now(refusal),
        }
    }

    /// The file as it was announced last, if its bytes are still the same: it may lie elsewhere by
    /// now.
    pub(crate) fn where_now(&self, file: &Arc<ServedFile>) -> Arc<ServedFile> {
        let inner = self.lock();
        let now = inner.files.get(&file.id).filter(|now| now.same_bytes(file));
        Arc::clone(now.unwrap_or(file))
    }

    /// A file as the engine of this term has announced it.
    pub fn announced(&self, epoch: u64, id: &FileId) -> Option<Arc<ServedFile>> {
        let inner = self.lock();
        let is_present = inner.brain.as_ref().is_some_and(|brain| brain.epoch == epoch);
        inner.files.get(id).filter(|_| is_present).map(Arc::clone)
    }

    /// Lets a viewer of the file in, over this connection. It has a place once the engine has said
    /// whether the viewer has to wait.
    pub(crate) fn admit(
        self: &Arc<Self>,
        file: &FileId,
        activity: Option<Arc<Activity>>,
    ) -> Result<Slot, Refusal> {
        let mut inner = self.lock();
        if self.is_stopping() {
            return Err(Refusal::Stopping);
        }
        let number = inner.slots.open(file, activity);
        drop(inner);
        Ok(Slot::new(Arc::clone(self), number))
    }

    fn release(&self, slot: u64) {
        let mut inner = self.lock();
        inner.slots.close(slot);
        inner.busy_until = Instant::now();
    }

    /// Puts a question to the engine: may these bytes be sent?
    pub fn ask(
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
        } else if inner.brain.is_some()
            && inner.files.get(&request.file.id).is_some_and(|f| f.same_bytes(&request.file))
        {
            question = Some(request.put(id, inner.epoch));
        } else {
            request.orphan(Instant::now());
        }
        inner.requests.insert(id, request);
        if let Some(question) = question {
            inner.tell(question);
        }
        ticket
    }

    /// A new engine takes the seat; the former one, if any, is dismissed.
    pub fn enter(&self) -> Seat {
        let (outbox, receiver) = mpsc::channel(OUTBOX);
        let (dismiss, dismissed) = oneshot::channel();
        let mut inner = self.lock();
        inner.lose_brain(CloseCode::Superseded);
        inner.epoch += 1;
        let epoch = inner.epoch;
        inner.brain = Some(Brain { epoch, since: Instant::now(), outbox, dismiss });
        inner.put_calls();
        drop(inner);
        self.news.notify_waiters();
        Seat { epoch, outbox: receiver, dismissed }
    }

    /// The engine of this term is gone. Nothing happens if it was superseded already.
    pub fn leave(&self, epoch: u64) {
        let mut inner = self.lock();
        if inner.brain.as_ref().is_some_and(|brain| brain.epoch == epoch) {
            inner.lose_brain(CloseCode::GoingAway);
        }
    }

    /// Does what the engine of this term says. What concerns an unknown request, or comes from a
    /// former engine, is ignored.
    ///
    /// # Errors
    /// [`Breach`] for a message that is out of turn or out of bounds.
    pub fn handle(&self, epoch: u64, message: EngineMessage) -> Result<(), Breach> {
        let mut inner = self.lock();
        if inner.brain.as_ref().is_none_or(|brain| brain.epoch != epoch) {
            return Ok(());
        }
        match message {
            EngineMessage::Hello { .. } => return Err(Breach("hello comes once, and first")),
            EngineMessage::FileAnnounce {
                file_id,
                root,
                path,
                length,
                content_type,
                etag,
                key,
            } => {
                let file = ServedFile { id: file_id, root, path, length, content_type, etag, key };
                file.check()?;
                inner.announce(file)?;
                drop(inner);
                self.news.notify_waiters();
            }
            EngineMessage::FileForget { file_id } => inner.forget(&file_id),
            EngineMessage::RangeAvailable { request_id, end }
            | EngineMessage::RangeReady { request_id, end } => {
                inner.of_epoch(request_id, epoch, |request, slots| {
                    request.narrow(end);
                    let place =
                        if request.is_all(end) { slot::Kind::Sending } else { slot::Kind::Waiting };
                    if slots.place(request.slot, place) {
                        request.grant(end)
                    } else {
                        request.finish(End::Busy)
                    }
                });
            }
            EngineMessage::RangeBlock { request_id, .. } => {
                inner.of_epoch(request_id, epoch, |request, slots| {
                    if request.only_now {
                        return request.finish(End::NotNow);
                    }
                    let has_place = slots.place(request.slot, slot::Kind::Waiting);
                    if has_place { request.renew() } else { request.finish(End::Busy) }
                });
                inner.renew_call(epoch, request_id);
            }
            EngineMessage::RangeRevoke { file_id, start, end } => {
                inner.revoke(&file_id, start, end)
            }
            EngineMessage::RangeReject { request_id, status, reason, retry_after } => {
                inner.of_epoch(request_id, epoch, |request, _| {
                    request.finish(End::Rejected { status, reason, retry_after });
                });
            }
            EngineMessage::HttpReply { request_id, status, headers, body, more } => {
                inner.answer_call(epoch, request_id, Part::Reply { status, headers, body, more });
            }
            EngineMessage::FileResolved { request_id, file_id, status, body } => {
                let part = file_id.map_or(Part::NoFile { status, body }, Part::File);
                inner.answer_call(epoch, request_id, part);
            }
            // The control connection takes these itself.
            EngineMessage::RangeHint { .. }
            | EngineMessage::RateLimit { .. }
            | EngineMessage::FileShow { .. }
            | EngineMessage::RootPrefer { .. } => {}
        }
        Ok(())
    }

    /// No new viewers; who waits for headers is turned away. Running replies go on until
    /// [`Desk::cut_all`].
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        let mut inner = self.lock();
        for request in inner.requests.values_mut() {
            request.grant.send_modify(|grant| grant.stopping = true);
        }
        inner.stop_calls();
        drop(inner);
        self.news.notify_waiters();
    }

    /// Cuts every running reply and dismisses the engine.
    pub fn cut_all(&self) {
        let mut inner = self.lock();
        for request in inner.requests.values_mut() {
            request.finish(End::Stopping);
        }
        inner.lose_brain(CloseCode::GoingAway);
    }

    /// Whether [`Desk::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Viewers now, and those of them whose request waits for its first grant.
    pub fn viewers(&self) -> (usize, usize) {
        let inner = self.lock();
        let waiting = inner
            .requests
            .values()
            .filter(|request| !request.grant.borrow().has_begun(request.range))
            .count();
        (inner.slots.count(), waiting)
    }

    /// Whether a viewer of this file has read all that was granted, and waits for more.
    pub(crate) fn is_waiting(&self, file: &FileId) -> bool {
        let inner = self.lock();
        inner.requests.values().any(|request| request.file.id == *file && request.is_hungry())
    }

    /// Whether an engine is connected.
    pub fn has_engine(&self) -> bool {
        self.lock().brain.is_some()
    }

    /// For how long neither an engine was connected nor a viewer served.
    pub fn idle_for(&self) -> Duration {
        let mut inner = self.lock();
        if inner.brain.is_some() || inner.slots.count() > 0 || !inner.calls.is_empty() {
            inner.busy_until = Instant::now();
        }
        inner.busy_until.elapsed()
    }

    /// Another program changed a file: the engine hears of it, if it has announced the file.
    pub(crate) fn changed(&self, file: &ServedFile, stat: Option<FileStat>, sending: bool) {
        let mut inner = self.lock();
        if inner.files.contains_key(&file.id) {
            inner.tell(DaemonMessage::FileChanged { file_id: file.id.clone(), stat, sending });
        }
    }

    fn progress(&self, id: RequestId, position: u64) {
        let mut inner = self.lock();
        if inner.is_asked_now(id) {
            inner.tell(DaemonMessage::RangeProgress { request_id: id, position });
        }
    }

    fn finish(&self, id: RequestId) {
        let mut inner = self.lock();
        let told = inner.is_asked_now(id);
        let Some(request) = inner.requests.remove(&id) else { return };
        let rejected = matches!(request.grant.borrow().end, Some(End::Rejected { .. }));
        if told && !rejected {
            inner.tell(DaemonMessage::RangeCancel { request_id: id });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code under the lock panics half-way through a change.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

enum Look {
    Found(Arc<ServedFile>),
    Now(Refusal),
    Later(Refusal),
}

impl Inner {
    fn tell(&mut self, said: impl Into<Said>) {
        let Some(brain) = &self.brain else { return };
        if brain.outbox.try_send(said.into()).is_err() {
            tracing::warn!(epoch = brain.epoch, "the engine does not read its messages: dismissed");
            self.lose_brain(CloseCode::GoingAway);
        }
    }

    fn lose_brain(&mut self, why: CloseCode) {
        let Some(brain) = self.brain.take() else { return };
        // The connection may have ended by itself.
        let _ = brain.dismiss.send(why);
        self.files.clear();
        let now = Instant::now();
        self.busy_until = now;
        for request in self.requests.values_mut() {
            request.orphan(now);
        }
        self.orphan_calls(now);
    }

    fn announce(&mut self, file: ServedFile) -> Result<(), Breach> {
        if self.files.len() >= MAX_FILES && !self.files.contains_key(&file.id) {
            return Err(Breach("file_announce: too many files"));
        }
        let file = Arc::new(file);
        self.files.insert(file.id.clone(), Arc::clone(&file));
        let epoch = self.epoch;
        let mut questions = Vec::new();
        for (&id, request) in
            self.requests.iter_mut().filter(|(_, request)| request.file.id == file.id)
        {
            if !request.file.same_bytes(&file) {
                request.finish(End::Changed);
            } else if request.asked != Some(epoch) && !request.is_settled() {
                questions.push(request.put(id, epoch));
            }
        }
        for question in questions {
            self.tell(question);
        }
        Ok(())
    }

    fn forget(&mut self, id: &FileId) {
        self.files.remove(id);
        for request in self.requests.values_mut().filter(|request| request.file.id == *id) {
            request.finish(End::Forgotten);
        }
    }

    fn revoke(&mut self, id: &FileId, start: u64, end: u64) {
        let epoch = self.epoch;
        let mut questions = Vec::new();
        for (&id, request) in self.requests.iter_mut().filter(|(_, request)| request.file.id == *id)
        {
            request.revoke(start, end);
            // What a former engine had granted in full, this one has not been asked about.
            if request.asked != Some(epoch)
                && !request.is_settled()
                && self.files.contains_key(&request.file.id)
            {
                questions.push(request.put(id, epoch));
            }
        }
        for question in questions {
            self.tell(question);
        }
    }

    fn is_asked_now(&self, id: RequestId) -> bool {
        self.brain.is_some()
            && self.requests.get(&id).is_some_and(|request| request.asked == Some(self.epoch))
    }

    fn of_epoch(&mut self, id: RequestId, epoch: u64, act: impl FnOnce(&mut Request, &mut Slots)) {
        if let Some(request) =
            self.requests.get_mut(&id).filter(|request| request.asked == Some(epoch))
        {
            act(request, &mut self.slots);
        }
    }
}
