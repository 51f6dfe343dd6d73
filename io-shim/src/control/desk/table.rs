//! The desk's tables: announced files, running requests and calls, and the present engine.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use shared_proto::io::FileStat;
use shared_proto::{CloseCode, DaemonMessage, EngineMessage, FileId, RequestId};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::call::{Calls, Part};
use super::file::{Breach, ServedFile};
use super::grant::End;
use super::outgoing::Outgoing;
use super::request::Request;
use super::slots::{Kind, Slots};
use super::terms::{DeskConfig, Refusal};
use crate::policy::secrets::{Credential, secrets_match};

/// Most messages that wait for the engine's connection. An engine with more has stopped reading.
const OUTBOX: usize = 8192;
/// Most announced files of one engine. Each takes a few hundred bytes.
const MAX_FILES: usize = 1 << 18;

/// The desk of one daemon.
pub struct Desk {
    pub(super) config: DeskConfig,
    inner: Mutex<Inner>,
    /// Signals that a file was announced, an engine connected, or the daemon stops.
    news: Notify,
    stopping: AtomicBool,
}

pub(super) struct Inner {
    pub(super) epoch: u64,
    pub(super) engine: Option<ConnectedEngine>,
    pub(super) files: HashMap<FileId, Arc<ServedFile>>,
    pub(super) requests: HashMap<RequestId, Request>,
    pub(super) calls: Calls,
    pub(super) slots: Slots,
    pub(super) busy_until: Instant,
}

/// The connected engine.
pub(super) struct ConnectedEngine {
    epoch: u64,
    since: Instant,
    outbox: mpsc::Sender<Outgoing>,
    dismiss: oneshot::Sender<CloseCode>,
}

/// What an accepted control connection holds.
pub struct Seat {
    /// The connection's epoch.
    pub epoch: u64,
    /// Messages to send to the engine.
    pub outbox: mpsc::Receiver<Outgoing>,
    /// Resolves when the connection has to end.
    pub dismissed: oneshot::Receiver<CloseCode>,
}

impl Desk {
    /// A desk without files.
    pub(crate) fn new(config: DeskConfig) -> Arc<Self> {
        let inner = Inner {
            epoch: 0,
            engine: None,
            files: HashMap::new(),
            requests: HashMap::new(),
            calls: Calls::default(),
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

    /// Finds a file that the credential opens. While no engine is connected, or one has just
    /// connected and may still announce files, this waits for the grace: a `<video>` gives up for
    /// good at any error status.
    pub(crate) async fn find(
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
        match &inner.engine {
            None => Look::Later(Refusal::NoEngine),
            // The engine connected less than one grace before the question.
            Some(engine) if engine.since + self.config.grace * 2 > until => Look::Later(refusal),
            Some(_) => Look::Now(refusal),
        }
    }

    /// The latest announcement of the file if it has the same bytes. Its path may differ.
    pub(crate) fn where_now(&self, file: &Arc<ServedFile>) -> Arc<ServedFile> {
        let inner = self.lock();
        let now = inner.files.get(&file.id).filter(|now| now.same_bytes(file));
        Arc::clone(now.unwrap_or(file))
    }

    /// A file that the engine of this epoch has announced.
    pub(crate) fn announced(&self, epoch: u64, id: &FileId) -> Option<Arc<ServedFile>> {
        let inner = self.lock();
        let is_present = inner.engine.as_ref().is_some_and(|engine| engine.epoch == epoch);
        inner.files.get(id).filter(|_| is_present).map(Arc::clone)
    }

    pub(super) fn release(&self, slot: u64) {
        let mut inner = self.lock();
        inner.slots.close(slot);
        inner.busy_until = Instant::now();
    }

    /// Registers a new engine and dismisses the former one.
    pub fn enter(&self) -> Seat {
        let (outbox, receiver) = mpsc::channel(OUTBOX);
        let (dismiss, dismissed) = oneshot::channel();
        let mut inner = self.lock();
        inner.drop_engine(CloseCode::Superseded);
        inner.epoch += 1;
        let epoch = inner.epoch;
        inner.engine = Some(ConnectedEngine { epoch, since: Instant::now(), outbox, dismiss });
        let questions = inner.calls.ask_all(epoch);
        for question in questions {
            inner.send(question);
        }
        drop(inner);
        self.news.notify_waiters();
        Seat { epoch, outbox: receiver, dismissed }
    }

    /// Removes the engine of this epoch, unless another one has replaced it.
    pub fn leave(&self, epoch: u64) {
        let mut inner = self.lock();
        if inner.engine.as_ref().is_some_and(|engine| engine.epoch == epoch) {
            inner.drop_engine(CloseCode::GoingAway);
        }
    }

    /// Acts on a message of the engine of this epoch. Ignores messages about unknown requests, and
    /// messages of former engines.
    ///
    /// # Errors
    /// `Breach` for a message that is out of turn or out of bounds.
    pub fn handle(&self, epoch: u64, message: EngineMessage) -> Result<(), Breach> {
        let mut inner = self.lock();
        if inner.engine.as_ref().is_none_or(|engine| engine.epoch != epoch) {
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
                    let kind = if request.is_all(end) { Kind::Sending } else { Kind::Waiting };
                    if slots.give_permit(request.slot, kind) {
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
                    let has_permit = slots.give_permit(request.slot, Kind::Waiting);
                    if has_permit { request.renew() } else { request.finish(End::Busy) }
                });
                inner.calls.renew(epoch, request_id);
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
            // The control connection handles these itself.
            EngineMessage::RangeHint { .. }
            | EngineMessage::RateLimit { .. }
            | EngineMessage::FileShow { .. }
            | EngineMessage::RootPrefer { .. } => {}
        }
        Ok(())
    }

    /// Accepts no new viewers and turns away those that wait for headers. Running replies go on
    /// until [`Desk::cut_all`].
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        let mut inner = self.lock();
        for request in inner.requests.values_mut() {
            request.grant.send_modify(|grant| grant.stopping = true);
        }
        let cut = inner.calls.stop();
        for message in cut {
            inner.send(message);
        }
        drop(inner);
        self.news.notify_waiters();
    }

    /// Cuts all running replies and dismisses the engine.
    pub(crate) fn cut_all(&self) {
        let mut inner = self.lock();
        for request in inner.requests.values_mut() {
            request.finish(End::Stopping);
        }
        inner.drop_engine(CloseCode::GoingAway);
    }

    /// Whether [`Desk::stop`] was called.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Number of viewers, and how many of them wait for their first grant.
    pub fn viewers(&self) -> (usize, usize) {
        let inner = self.lock();
        let waiting = inner
            .requests
            .values()
            .filter(|request| !request.grant.borrow().has_begun(request.range))
            .count();
        (inner.slots.count(), waiting)
    }

    /// Whether a viewer of this file has read everything granted and waits for more.
    pub(crate) fn is_waiting(&self, file: &FileId) -> bool {
        let inner = self.lock();
        inner.requests.values().any(|request| request.file.id == *file && request.is_hungry())
    }

    /// Whether an engine is connected.
    pub(crate) fn has_engine(&self) -> bool {
        self.lock().engine.is_some()
    }

    /// How long ago the last engine, viewer or call ended.
    pub(crate) fn idle_for(&self) -> Duration {
        let mut inner = self.lock();
        if inner.engine.is_some() || inner.slots.count() > 0 || !inner.calls.is_empty() {
            inner.busy_until = Instant::now();
        }
        inner.busy_until.elapsed()
    }

    /// Tells the engine that another program changed a file.
    pub(crate) fn changed(&self, file: &ServedFile, stat: Option<FileStat>, sending: bool) {
        let mut inner = self.lock();
        if inner.files.contains_key(&file.id) {
            inner.send(DaemonMessage::FileChanged { file_id: file.id.clone(), stat, sending });
        }
    }

    pub(super) fn progress(&self, id: RequestId, position: u64) {
        let mut inner = self.lock();
        if inner.is_asked_now(id) {
            inner.send(DaemonMessage::RangeProgress { request_id: id, position });
        }
    }

    pub(super) fn finish(&self, id: RequestId) {
        let mut inner = self.lock();
        let is_known = inner.is_asked_now(id);
        let Some(request) = inner.requests.remove(&id) else { return };
        let rejected = matches!(request.grant.borrow().end, Some(End::Rejected { .. }));
        if is_known && !rejected {
            inner.send(DaemonMessage::RangeCancel { request_id: id });
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

enum Look {
    Found(Arc<ServedFile>),
    Now(Refusal),
    Later(Refusal),
}

impl Inner {
    fn answer_call(&mut self, epoch: u64, id: RequestId, part: Part) {
        if let Some(cancel) = self.calls.answer(epoch, id, part) {
            self.send(cancel);
        }
    }

    pub(super) fn send(&mut self, said: impl Into<Outgoing>) {
        let Some(engine) = &self.engine else { return };
        if engine.outbox.try_send(said.into()).is_err() {
            tracing::warn!(
                epoch = engine.epoch,
                "the engine does not read its messages: dismissed"
            );
            self.drop_engine(CloseCode::GoingAway);
        }
    }

    fn drop_engine(&mut self, why: CloseCode) {
        let Some(engine) = self.engine.take() else { return };
        // The connection may have ended by itself.
        let _ = engine.dismiss.send(why);
        self.files.clear();
        let now = Instant::now();
        self.busy_until = now;
        for request in self.requests.values_mut() {
            request.orphan(now);
        }
        self.calls.orphan(now);
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
                questions.push(request.ask_engine(id, epoch));
            }
        }
        for question in questions {
            self.send(question);
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
            // This engine was not asked about bytes that a former engine had granted in full.
            if request.asked != Some(epoch)
                && !request.is_settled()
                && self.files.contains_key(&request.file.id)
            {
                questions.push(request.ask_engine(id, epoch));
            }
        }
        for question in questions {
            self.send(question);
        }
    }

    fn is_asked_now(&self, id: RequestId) -> bool {
        self.engine.is_some()
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
