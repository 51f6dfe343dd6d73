//! The I/O plane of one engine: routes commands to the rooms beneath and returns answers.
//!
//! Owns no algorithm. Commands take effect in the order of [`IoPlane::handle`], which never waits:
//! it claims what a command touches, and a task does the work. Invariant: after a shutdown, the
//! plane's sockets and files are closed and its commands answer nothing more.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use shared_proto::{
    IoCommand, IoEvent,
    ids::OpId,
    io::{Note, OpErrorKind, OpOutput},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::events::EventSender;
use crate::files::{
    FileStore,
    error::op_error,
    table::{FileTable, OpResult},
};
use crate::host::about;
use crate::metrics::Metrics;
use crate::plane::http_client::HttpClient;
use crate::plane::http_fetch::{self, Target};
use crate::plane::resolve::Lookup;
use crate::policy::io_config::IoConfig;
use crate::policy::limits;
use crate::sockets::Sockets;
use crate::sockets::port_map::PortMaps;
use crate::state::notes::{self, NoteStore};
use crate::state::{StateRequest, StateStore};

/// Sockets, files, digests, state and fetches of one engine.
pub struct IoPlane {
    files: FileTable,
    sockets: Sockets,
    state: Arc<StateStore>,
    notes: Arc<NoteStore>,
    /// Whether the engine wants to know what others write.
    tells_notes: bool,
    http: Arc<HttpClient>,
    lookup: Arc<Lookup>,
    cancels: Cancels,
    events: EventSender,
    pending: Arc<Pending>,
    reads: Arc<Semaphore>,
    fetches: Arc<Semaphore>,
    transfers: Arc<Semaphore>,
    store: Arc<FileStore>,
    metrics: Arc<Metrics>,
    stopped: CancellationToken,
}

/// What outlives engines, besides files.
#[derive(Clone)]
pub struct Stores {
    /// The state of this daemon's engine.
    pub state: Arc<StateStore>,
    /// The notes that all daemons of the user share.
    pub notes: Arc<NoteStore>,
}

/// How much the running commands hold.
#[derive(Default)]
struct Pending {
    ops: AtomicUsize,
    bytes: AtomicUsize,
}

/// One running command.
struct Admitted {
    pending: Arc<Pending>,
    bytes: usize,
}

impl IoPlane {
    /// Creates a plane whose events go to `events`.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(
        config: IoConfig,
        files: Arc<FileStore>,
        stores: Stores,
        metrics: Arc<Metrics>,
        maps: Arc<PortMaps>,
        events: EventSender,
    ) -> Self {
        let Stores { state, notes } = stores;
        notes.engine_connected();
        let stopped = CancellationToken::new();
        let lookup =
            Arc::new(Lookup::new(config.policy, &config.addresses, config.lookup_program.clone()));
        let sockets = Sockets::new(
            &config,
            events.clone(),
            Arc::clone(&files),
            Arc::clone(&metrics),
            maps,
            stopped.clone(),
        );
        Self {
            files: FileTable::new(
                Arc::clone(&files),
                Arc::clone(&metrics),
                config.max_files,
                stopped.clone(),
            ),
            sockets,
            state,
            notes,
            tells_notes: false,
            http: Arc::new(HttpClient::new(config.policy, Arc::clone(&lookup))),
            lookup,
            cancels: Cancels::default(),
            events,
            pending: Arc::default(),
            reads: Arc::new(Semaphore::new(limits::MAX_READS)),
            fetches: Arc::new(Semaphore::new(limits::MAX_FETCHES)),
            transfers: Arc::new(Semaphore::new(limits::MAX_TRANSFERS)),
            store: files,
            metrics,
            stopped,
        }
    }

    /// Accepts a command. The caller returns the credit of the frame
    /// (`EventSender::return_credit`) after its last command, because the memory of accepted
    /// commands is bounded here.
    pub fn handle(&mut self, command: IoCommand) {
        if self.stopped.is_cancelled() {
            return;
        }
        match command {
            IoCommand::Credit { bytes } => self.events.add_credit(bytes),
            IoCommand::TcpConnect { conn, addr, timeout_ms } => {
                self.sockets.connect(conn, addr, Duration::from_millis(timeout_ms.into()));
            }
            IoCommand::TcpListen { op, socket, family, port } => {
                self.sockets.ports.listen(op, socket, family, port)
            }
            IoCommand::UdpBind { op, socket, family, port, group } => {
                self.sockets.ports.bind(op, socket, family, port, group);
            }
            IoCommand::UdpSend { socket, to, data } => self.sockets.ports.send(socket, to, data),
            IoCommand::UtpListen { op, socket } => self.sockets.ports.listen_utp(op, socket),
            IoCommand::UtpConnect { conn, socket, addr, timeout_ms } => {
                self.sockets.ports.connect_utp(
                    conn,
                    socket,
                    addr,
                    Duration::from_millis(timeout_ms.into()),
                );
            }
            IoCommand::SocketClose { socket } => self.sockets.ports.close(socket),
            IoCommand::Resolve { op, host, port } => {
                let lookup = Arc::clone(&self.lookup);
                self.run_until_cancelled(
                    op,
                    async move { (lookup.resolve(host, port).await, None) },
                );
            }
            IoCommand::Cancel { op } => self.cancels.cancel(op),
            IoCommand::TcpGroup { conn, group } => self.sockets.group(conn, group),
            IoCommand::TcpCipher { conn, read, write } => self.sockets.transform(conn, read, write),
            IoCommand::TcpSendSpan { op, conn, head, spans } => {
                self.sockets.send_spans(op, conn, head, self.files.resolve(&spans));
            }
            IoCommand::TcpSend { conn, data } => self.sockets.send(conn, data),
            IoCommand::TcpRaw { conn, bytes } => self.sockets.raw(conn, bytes),
            IoCommand::TcpFramed { conn, max_frame, divert } => {
                self.sockets.framed(conn, max_frame, divert)
            }
            IoCommand::Arm { conn, key, spans } => {
                self.sockets.arm(conn, key, self.files.resolve(&spans))
            }
            IoCommand::Disarm { conn, key } => self.sockets.disarm(conn, &key),
            IoCommand::TcpClose { conn } => self.sockets.close(conn),
            IoCommand::FileOpen { op, file, root, path, length, mode } => {
                let opening = self.files.open(file, root, path, length, mode);
                self.run(op, 0, opening);
            }
            IoCommand::FileClose { file } => self.files.close(file),
            IoCommand::FileWrite { op, file, offset, data } => {
                self.run(op, data.len(), self.files.write(file, offset, data))
            }
            IoCommand::FileRead { op, span } => {
                self.run_bulky(op, self.files.read(span, Arc::clone(&self.reads)))
            }
            IoCommand::FileSync { op, file } => self.run(op, 0, self.files.sync(file)),
            IoCommand::FileMove { op, identity, root, from, to_root, to } => {
                let renaming = self.files.rename(identity, (root, from), (to_root, to));
                self.run(op, 0, renaming);
            }
            IoCommand::PortMap { socket } => self.sockets.ports.map(socket),
            IoCommand::PortUnmap { socket } => self.sockets.ports.unmap(socket),
            IoCommand::FileStat { op, root, path } => {
                let looking = self.files.stat(root, path);
                self.run(op, 0, looking);
            }
            IoCommand::FileDelete { op, root, path, identity } => {
                let deleting = self.files.delete(root, path, identity);
                self.run(op, 0, deleting);
            }
            IoCommand::FileCopy { op, from, to, offset, length } => {
                self.run(op, 0, self.files.copy(from, to, offset, length));
            }
            IoCommand::Digest { op, kind, spans } => {
                self.run(op, 0, self.files.digest(kind, &spans))
            }
            IoCommand::KvPut { op, key, value } => {
                self.run_state(op, value.len(), StateRequest::Put { key, value })
            }
            IoCommand::KvGet { op, key } => self.run_state(op, 0, StateRequest::Get { key }),
            IoCommand::KvDelete { op, key } => self.run_state(op, 0, StateRequest::Delete { key }),
            IoCommand::KvScan { op, prefix } => {
                self.run_state(op, 0, StateRequest::Scan { prefix })
            }
            IoCommand::NotePut { op, key, value, age_ms } => {
                let (bytes, at_ms) =
                    (key.len() + value.len(), notes::now_ms().saturating_sub(age_ms));
                self.run_notes(op, bytes, move |notes| notes.put(Note { key, value, at_ms }));
            }
            IoCommand::NotesRead { op } => {
                self.run_notes(op, 0, NoteStore::read);
                if !std::mem::replace(&mut self.tells_notes, true) {
                    tokio::spawn(tell_notes(
                        Arc::clone(&self.notes),
                        self.events.clone(),
                        self.stopped.clone(),
                    ));
                }
            }
            IoCommand::RootRoom { op, root } => {
                let store = Arc::clone(&self.store);
                // A stuck disk must not delay other commands.
                let looking = tokio::task::spawn_blocking(move || store.room(&root));
                self.run(op, 0, async move {
                    let (free, total) = looking.await.map_err(|_| {
                        op_error(OpErrorKind::Other, "looking at the disk failed")
                    })??;
                    Ok(OpOutput::Room { free, total })
                });
            }
            IoCommand::AboutDaemon { op } => {
                self.run(op, 0, async { Ok(OpOutput::About(about::about())) })
            }
            IoCommand::HttpGet { op, url, max_bytes, timeout_ms } => {
                let (http, turns) = (Arc::clone(&self.http), Arc::clone(&self.fetches));
                let timeout = Duration::from_millis(timeout_ms.into());
                self.run_until_cancelled(op, async move {
                    let turn = turns.acquire_owned().await.ok();
                    (http.get(&url, max_bytes, timeout).await, turn)
                });
            }
            IoCommand::HttpFetch { op, url, offset, spans, group, timeout_ms } => {
                let spans = self.files.resolve(&spans);
                let (http, turns) = (Arc::clone(&self.http), Arc::clone(&self.transfers));
                let (store, metrics) = (Arc::clone(&self.store), Arc::clone(&self.metrics));
                let (meter, timeout) =
                    (self.sockets.meter(group), Duration::from_millis(timeout_ms.into()));
                self.run_until_cancelled(op, async move {
                    let turn = turns.acquire_owned().await.ok();
                    let fetched = match spans {
                        Ok(spans) => {
                            http_fetch::fetch(
                                &http,
                                &url,
                                offset,
                                Target { store, metrics, meter, spans },
                                timeout,
                            )
                            .await
                        }
                        Err(error) => Err(error),
                    };
                    (fetched, turn)
                });
            }
        }
    }

    /// Limits the rate of a group's connections together, each direction on its own. Group 0 is all
    /// connections. The limit ends with this plane.
    pub fn limit_rate(&self, group: u32, down_bps: Option<u64>, up_bps: Option<u64>) {
        self.sockets.limit(group, down_bps, up_bps);
    }

    /// Closes all sockets and files at once, and drops running commands.
    pub fn shutdown(&mut self) {
        self.stopped.cancel();
        self.sockets.clear();
        self.files.clear();
        self.events.close();
    }

    /// Runs a command that carries `bytes` bytes, and answers it.
    fn run(&self, op: OpId, bytes: usize, work: impl Future<Output = OpResult> + Send + 'static) {
        match self.pending.admit(bytes) {
            Some(admitted) => self.launch(op, admitted, async move { (work.await, None) }),
            None => self.refuse(op),
        }
    }

    /// Runs a command with a large answer. Its permit is held until the answer is queued.
    fn run_bulky(
        &self,
        op: OpId,
        work: impl Future<Output = (OpResult, Option<OwnedSemaphorePermit>)> + Send + 'static,
    ) {
        match self.pending.admit(0) {
            Some(admitted) => self.launch(op, admitted, work),
            None => self.refuse(op),
        }
    }

    /// Runs a command that the engine may cancel. A cancelled command is dropped where it waits.
    fn run_until_cancelled(
        &self,
        op: OpId,
        work: impl Future<Output = (OpResult, Option<OwnedSemaphorePermit>)> + Send + 'static,
    ) {
        let cancelled = self.cancels.register(op);
        self.run_bulky(op, async move {
            let outcome = cancelled.token.run_until_cancelled(Box::pin(work)).await;
            outcome.unwrap_or_else(|| (Err(op_error(OpErrorKind::Timeout, "given up")), None))
        });
    }

    /// Asks the store of notes, which may have to wait for another process.
    fn run_notes(
        &self,
        op: OpId,
        bytes: usize,
        ask: impl FnOnce(&NoteStore) -> Result<shared_proto::io::Notes, shared_proto::io::OpError>
        + Send
        + 'static,
    ) {
        let notes = Arc::clone(&self.notes);
        self.run(op, bytes, async move {
            let asked = tokio::task::spawn_blocking(move || ask(&notes)).await;
            let failed =
                |_| Err(op_error(OpErrorKind::Other, "reading or writing the notes failed"));
            asked.unwrap_or_else(failed).map(OpOutput::Notes)
        });
    }

    /// Asks the state store, which keeps the order of requests.
    fn run_state(&self, op: OpId, bytes: usize, request: StateRequest) {
        match self.pending.admit(bytes) {
            Some(admitted) => {
                let asked = self.state.ask(request);
                self.launch(op, admitted, async move { (asked.await, None) });
            }
            None => self.refuse(op),
        }
    }

    fn launch(
        &self,
        op: OpId,
        mut admitted: Admitted,
        work: impl Future<Output = (OpResult, Option<OwnedSemaphorePermit>)> + Send + 'static,
    ) {
        let (events, stopped) = (self.events.clone(), self.stopped.clone());
        let whole = async move {
            let (result, _turn) = work.await;
            admitted.release_bytes();
            events.send(IoEvent::Done { op, result }).await;
        };
        tokio::spawn(async move { stopped.run_until_cancelled(Box::pin(whole)).await });
    }

    fn refuse(&self, op: OpId) {
        let error = op_error(OpErrorKind::Limit, "too many commands are under way");
        self.events.refuse(IoEvent::Done { op, result: Err::<OpOutput, _>(error) });
    }
}

/// Tells the engine what other programs write into the notes. The file is read only when it has
/// changed.
async fn tell_notes(notes: Arc<NoteStore>, events: EventSender, stopped: CancellationToken) {
    let telling = async {
        loop {
            tokio::time::sleep(limits::LOOK_AT_NOTES_EVERY).await;
            let notes = Arc::clone(&notes);
            if let Ok(Some(notes)) = tokio::task::spawn_blocking(move || notes.news()).await {
                events.send(IoEvent::NotesChanged { notes }).await;
            }
        }
    };
    stopped.run_until_cancelled(Box::pin(telling)).await;
}

impl Drop for IoPlane {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// Commands that can be cancelled, by number.
#[derive(Clone, Default)]
struct Cancels(Arc<Mutex<HashMap<OpId, CancellationToken>>>);

/// A command that can be cancelled, until it is done.
struct Cancellable {
    op: OpId,
    token: CancellationToken,
    cancels: Cancels,
}

impl Cancels {
    fn register(&self, op: OpId) -> Cancellable {
        let token = CancellationToken::new();
        self.lock().insert(op, token.clone());
        Cancellable { op, token, cancels: self.clone() }
    }

    fn cancel(&self, op: OpId) {
        if let Some(token) = self.lock().get(&op) {
            token.cancel();
        }
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, HashMap<OpId, CancellationToken>> {
        self.0.lock()
    }
}

impl Drop for Cancellable {
    fn drop(&mut self) {
        self.cancels.lock().remove(&self.op);
    }
}

impl Pending {
    fn admit(self: &Arc<Self>, bytes: usize) -> Option<Admitted> {
        // Only one caller admits and the others release, so the check stays valid.
        let fits = self.ops.load(Ordering::Relaxed) < limits::MAX_PENDING_OPS
            && self.bytes.load(Ordering::Relaxed) + bytes <= limits::MAX_PENDING_BYTES;
        fits.then(|| {
            self.ops.fetch_add(1, Ordering::Relaxed);
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            Admitted { pending: Arc::clone(self), bytes }
        })
    }
}

impl Admitted {
    /// The command's bytes are processed.
    fn release_bytes(&mut self) {
        self.pending.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = 0;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.release_bytes();
        self.pending.ops.fetch_sub(1, Ordering::Relaxed);
    }
}
