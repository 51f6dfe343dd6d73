//! The files that one engine has open, and the commands on their bytes.
//!
//! Every method claims its bytes before it returns, so that commands take effect in the order of
//! the calls; the future that it gives back does the work and may run at any time. Invariant: no
//! byte of a file is touched without a claim on it that is ready, and the claim lives in the job
//! that touches it.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use shared_proto::{
    FileIdentity, FileRef, OpenMode, RootKey, Span,
    frame::MAX_READ,
    io::{DigestKind, FileStat, OpError, OpErrorKind, OpOutput},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{
    copying::copy_span,
    error::{from_io, op_error},
    faults,
    handle::Handle,
    locks::{Access, Claim, Identity, Owner, Region},
    read_at,
    store::{FileStore, lock_name},
    write_all_at,
};
use crate::files::digest::{self, Part};
use crate::limits;
use crate::metrics::Metrics;

/// Largest length of a file: operating systems count with signed numbers.
const LONGEST: u64 = i64::MAX as u64;

/// What a command gives back.
pub(crate) type OpResult = Result<OpOutput, OpError>;

/// The open files of one engine.
pub(crate) struct FileTable {
    store: Arc<FileStore>,
    metrics: Arc<Metrics>,
    files: HashMap<FileRef, Arc<OpenFile>>,
    max_files: usize,
    /// Resolves when the last command on names is done.
    last_name_job: Option<oneshot::Receiver<()>>,
    /// Moves take their time, so only those who name the same paths wait for them.
    moves: Moves,
    /// Files whose look the engine was told, so that it is known what other programs change.
    watched: Arc<Mutex<HashMap<u64, Arc<Identity>>>>,
    stopped: CancellationToken,
}

/// One open file, or one that is being opened.
pub(crate) struct OpenFile {
    identity: Arc<Identity>,
    handle: watch::Receiver<Option<Result<Arc<Handle>, OpError>>>,
    closed: AtomicBool,
    /// Where its bytes are now, once they were moved to another disk.
    moved: Mutex<Option<Arc<Handle>>>,
    metrics: Arc<Metrics>,
}

/// A span of an open file.
#[derive(Clone)]
pub(crate) struct Placed {
    /// `None` for zeros.
    file: Option<Arc<OpenFile>>,
    offset: u64,
    length: u32,
}

impl FileTable {
    pub(crate) fn new(
        store: Arc<FileStore>,
        metrics: Arc<Metrics>,
        max_files: usize,
        stopped: CancellationToken,
    ) -> Self {
        Self {
            store,
            metrics,
            files: HashMap::new(),
            max_files,
            last_name_job: None,
            moves: Moves::default(),
            watched: Arc::default(),
            stopped,
        }
    }

    /// [`shared_proto::IoCommand::FileOpen`]
    pub(crate) fn open(
        &mut self,
        file: FileRef,
        root: RootKey,
        path: Vec<String>,
        length: u64,
        mode: OpenMode,
    ) -> impl Future<Output = OpResult> + use<> {
        let admitted = self.admit(file);
        let (told, handle) = watch::channel(None);
        let identity = self.store.identity(&root, &path);
        let watched = Arc::clone(&identity);
        if admitted.is_ok() {
            self.metrics.files_open.fetch_add(1, Ordering::Relaxed);
            let open = OpenFile {
                identity,
                handle,
                closed: AtomicBool::new(false),
                moved: Mutex::default(),
                metrics: Arc::clone(&self.metrics),
            };
            self.files.insert(file, Arc::new(open));
        }
        let store = Arc::clone(&self.store);
        let name = name_of(&root, &path);
        let job = move || {
            let is_long =
                |found: Option<FileStat>| found.is_some_and(|found| found.length >= length);
            if mode != OpenMode::Read && !store.stat(&root, &path).is_ok_and(is_long) {
                // It is made, or made longer.
                watched.watch().touch();
            }
            store.open(&root, &path, length, mode)
        };
        let opening = self.name_job(&name, Box::new(job));
        async move {
            admitted?;
            match opening.await {
                Ok((file, stat)) => {
                    told.send_replace(Some(Ok(Arc::new(file))));
                    Ok(OpOutput::Opened { stat })
                }
                Err(error) => {
                    told.send_replace(Some(Err(error.clone())));
                    Err(error)
                }
            }
        }
    }

    fn admit(&mut self, file: FileRef) -> Result<(), OpError> {
        if file == FileRef::ZEROS || self.files.get(&file).is_some_and(|open| !open.has_failed()) {
            return Err(op_error(OpErrorKind::Exists, "this file number is in use"));
        }
        if self.files.len() >= self.max_files {
            self.files.retain(|_, open| !open.has_failed());
        }
        if self.files.len() >= self.max_files {
            return Err(op_error(OpErrorKind::Limit, "too many files are open"));
        }
        Ok(())
    }

    /// [`shared_proto::IoCommand::FileClose`]
    pub(crate) fn close(&mut self, file: FileRef) {
        if let Some(open) = self.files.remove(&file) {
            open.closed.store(true, Ordering::SeqCst);
        }
    }

    /// Closes all of them.
    pub(crate) fn clear(&mut self) {
        for (_, open) in self.files.drain() {
            open.closed.store(true, Ordering::SeqCst);
        }
    }

    /// [`shared_proto::IoCommand::FileMove`]
    pub(crate) fn rename(
        &mut self,
        expected: Option<FileIdentity>,
        (root, from): (RootKey, Vec<String>),
        (to_root, to): (RootKey, Vec<String>),
    ) -> impl Future<Output = OpResult> + use<> {
        let identity = self.store.identity(&root, &from);
        self.store.rename_identity(&root, &from, &to_root, &to);
        let open_now = self.files.values().filter(|open| Arc::ptr_eq(&open.identity, &identity));
        let open_now: Vec<_> = open_now.cloned().collect();
        // Writes wait meanwhile, so that none of them is missing from a copy.
        let claim = self.store.locks().claim(None, Access::Read, vec![Region::whole(&identity)]);
        // A new name is a change, too.
        identity.watch().touch();
        let names = vec![name_of(&root, &from), name_of(&to_root, &to)];
        let (done, conflicting) = self.moves.begin(names);
        let earlier = self.stand_in_line();
        let (store, stopped) = (Arc::clone(&self.store), self.stopped.clone());
        async move {
            let _done = done;
            earlier.await;
            conflicting.await;
            claim.ready().await;
            let mover = Arc::clone(&store);
            let job = move || {
                let _claim = claim;
                let moved = mover
                    .rename(expected, (&root, &from), (&to_root, &to), || stopped.is_cancelled())?;
                if let Some(file) = moved.map(Arc::new) {
                    identity.count_move();
                    for open in open_now {
                        *open.moved.lock().unwrap_or_else(PoisonError::into_inner) =
                            Some(Arc::clone(&file));
                    }
                }
                Ok(OpOutput::Unit)
            };
            store.move_job(job).await
        }
    }

    /// [`shared_proto::IoCommand::FileStat`]
    pub(crate) fn stat(
        &mut self,
        root: RootKey,
        path: Vec<String>,
    ) -> impl Future<Output = OpResult> + use<> {
        let identity = self.store.identity(&root, &path);
        let ours = identity.watch().ours();
        let claim = self.store.locks().claim(None, Access::Read, vec![Region::whole(&identity)]);
        let watched = Arc::clone(&self.watched);
        let store = Arc::clone(&self.store);
        let name = name_of(&root, &path);
        let looking = self.name_job(&name, Box::new(move || store.stat(&root, &path)));
        async move {
            // It tells of the writes before it.
            claim.ready().await;
            drop(claim);
            let stat = looking.await?;
            identity.watch().tell(stat, ours);
            let mut watched = watched.lock().unwrap_or_else(PoisonError::into_inner);
            if stat.is_some() {
                watched.insert(identity.number(), identity);
            } else {
                watched.remove(&identity.number());
            }
            Ok(OpOutput::Stat(stat))
        }
    }

    /// [`shared_proto::IoCommand::FileDelete`]
    pub(crate) fn delete(
        &mut self,
        root: RootKey,
        path: Vec<String>,
        identity: Option<FileIdentity>,
    ) -> impl Future<Output = OpResult> + use<> {
        let store = Arc::clone(&self.store);
        store.identity(&root, &path).watch().touch();
        let name = name_of(&root, &path);
        let deleting = self.name_job(&name, Box::new(move || store.delete(&root, &path, identity)));
        async move { deleting.await.map(|()| OpOutput::Unit) }
    }

    /// [`shared_proto::IoCommand::FileCopy`]
    pub(crate) fn copy(
        &self,
        from: FileRef,
        to: FileRef,
        offset: u64,
        length: u64,
    ) -> impl Future<Output = OpResult> + use<> {
        let claimed = self.claim_copy(from, to, offset, length);
        let (store, stopped) = (Arc::clone(&self.store), self.stopped.clone());
        async move {
            let (claim, from, to) = claimed?;
            claim.ready().await;
            let (from, to) = (from.handle().await?, to.handle().await?);
            let job = move || {
                let _claim = claim;
                copy_span(&from, &to, offset, length, || stopped.is_cancelled())
            };
            store.copy_job(job).await.map(|()| OpOutput::Unit)
        }
    }

    /// Both files of a copy, with a claim on the span in each.
    fn claim_copy(
        &self,
        from: FileRef,
        to: FileRef,
        offset: u64,
        length: u64,
    ) -> Result<(Claim, Arc<OpenFile>, Arc<OpenFile>), OpError> {
        let (from, to) = (self.find(from)?, self.find(to)?);
        let end = offset.checked_add(length).filter(|end| *end <= LONGEST);
        let end = end.ok_or_else(|| op_error(OpErrorKind::Denied, "no file is that long"))?;
        let region =
            |open: &OpenFile| Region { file: Arc::clone(&open.identity), start: offset, end };
        let regions = vec![(Access::Read, region(&from)), (Access::Write, region(&to))];
        let claim = self.store.locks().claim_each(None, regions);
        to.identity.watch().touch();
        Ok((claim, from, to))
    }

    /// [`shared_proto::IoCommand::FileWrite`]
    pub(crate) fn write(
        &self,
        file: FileRef,
        offset: u64,
        data: Bytes,
    ) -> impl Future<Output = OpResult> + use<> {
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let placed = self.resolve(&[Span { file, offset, length }]);
        let claimed = placed.map(|placed| self.claim(None, Access::Write, placed));
        let store = Arc::clone(&self.store);
        async move {
            let claimed = claimed?.ready().await;
            let writing = store.disk_job(move || claimed.write(data));
            writing.await.map(|()| OpOutput::Unit)
        }
    }

    /// [`shared_proto::IoCommand::FileRead`]. What is read is in memory as long as the permit of
    /// `turns` that comes with it is held. The permit is taken after the claim is ready: whoever
    /// holds one waits for no other read.
    pub(crate) fn read(
        &self,
        span: Span,
        turns: Arc<Semaphore>,
    ) -> impl Future<Output = (OpResult, Option<OwnedSemaphorePermit>)> + use<> {
        let claimed = match span.length {
            0..=MAX_READ => {
                self.resolve(&[span]).map(|placed| self.claim(None, Access::Read, placed))
            }
            _ => Err(op_error(OpErrorKind::Limit, "a read of this length is not allowed")),
        };
        let store = Arc::clone(&self.store);
        async move {
            let claimed = match claimed {
                Ok(claimed) => claimed.ready().await,
                Err(error) => return (Err(error), None),
            };
            let turn = turns.acquire_owned().await.ok();
            (store.disk_job(move || claimed.read()).await.map(OpOutput::Bytes), turn)
        }
    }

    /// [`shared_proto::IoCommand::FileSync`]
    pub(crate) fn sync(&self, file: FileRef) -> impl Future<Output = OpResult> + use<> {
        let found = self.find(file).map(|open| {
            let claim =
                self.store.locks().claim(None, Access::Read, vec![Region::whole(&open.identity)]);
            (open, claim)
        });
        let store = Arc::clone(&self.store);
        async move {
            let (open, claim) = found?;
            claim.ready().await;
            // The writes before it are in the file; those after it need not wait for a slow disk.
            drop(claim);
            let handle = open.handle().await?;
            let syncing = store.disk_job(move || sync(&handle).map_err(|error| from_io(&error)));
            syncing.await.map(|()| OpOutput::Unit)
        }
    }

    /// [`shared_proto::IoCommand::Digest`]
    pub(crate) fn digest(
        &self,
        kind: DigestKind,
        spans: &[Span],
    ) -> impl Future<Output = OpResult> + use<> {
        let total: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
        let claimed = match total {
            0..=limits::MAX_DIGEST_BYTES => {
                self.resolve(spans).map(|placed| self.claim(None, Access::Read, placed))
            }
            _ => Err(op_error(OpErrorKind::Limit, "a digest over so many bytes is not allowed")),
        };
        let (store, metrics, stopped) =
            (Arc::clone(&self.store), Arc::clone(&self.metrics), self.stopped.clone());
        async move {
            let claimed = claimed?.ready().await;
            let hashing = store.digest_job(move || claimed.digest(kind, || stopped.is_cancelled()));
            let digest = hashing.await?;
            metrics.digest_bytes.fetch_add(total, Ordering::Relaxed);
            Ok(OpOutput::Digest(digest))
        }
    }

    /// The open files that spans lie in.
    pub(crate) fn resolve(&self, spans: &[Span]) -> Result<Vec<Placed>, OpError> {
        if spans.len() > limits::MAX_SPANS {
            return Err(op_error(OpErrorKind::Limit, "too many spans"));
        }
        let place = |span: &Span| {
            let end = span.end().filter(|end| *end <= LONGEST);
            end.ok_or_else(|| op_error(OpErrorKind::Denied, "no file is that long"))?;
            let file = (span.file != FileRef::ZEROS).then(|| self.find(span.file)).transpose()?;
            Ok(Placed { file, offset: span.offset, length: span.length })
        };
        spans.iter().map(place).collect()
    }

    fn find(&self, file: FileRef) -> Result<Arc<OpenFile>, OpError> {
        self.files
            .get(&file)
            .cloned()
            .ok_or_else(|| op_error(OpErrorKind::NotFound, "no such open file"))
    }

    fn claim(&self, owner: Option<Owner>, access: Access, placed: Vec<Placed>) -> Claimed {
        Claimed::new(&self.store, owner, access, placed)
    }

    /// Runs a job on a name after all earlier ones, of moves those that touch the name.
    fn name_job<T: Send + 'static>(
        &mut self,
        name: &str,
        job: Box<dyn FnOnce() -> Result<T, OpError> + Send>,
    ) -> impl Future<Output = Result<T, OpError>> + use<T> {
        let conflicting = self.moves.conflicting(&[name]);
        let (done, turn) = oneshot::channel();
        let before = self.last_name_job.replace(turn);
        let store = Arc::clone(&self.store);
        async move {
            let _done: oneshot::Sender<()> = done;
            if let Some(before) = before {
                let _ = before.await;
            }
            conflicting.await;
            store.name_job(job).await
        }
    }

    /// Resolves when all earlier jobs on names are done, and holds no later one back.
    fn stand_in_line(&mut self) -> impl Future<Output = ()> + use<> {
        let (done, turn) = oneshot::channel::<()>();
        let before = self.last_name_job.replace(turn);
        async move {
            let _done = done;
            if let Some(before) = before {
                let _ = before.await;
            }
        }
    }
}

/// Moves under way, each with the names that it touches.
#[derive(Default)]
struct Moves(Vec<(Vec<String>, watch::Receiver<()>)>);

impl Moves {
    /// One more; it is done when the sender is dropped. Also what it has to wait for.
    fn begin(
        &mut self,
        names: Vec<String>,
    ) -> (watch::Sender<()>, impl Future<Output = ()> + use<>) {
        self.0.retain(|(_, done)| done.has_changed().is_ok());
        let named: Vec<&str> = names.iter().map(String::as_str).collect();
        let conflicting = self.conflicting(&named);
        let (sender, done) = watch::channel(());
        self.0.push((names, done));
        (sender, conflicting)
    }

    /// Resolves when the moves are done that touch one of these names, or a folder above or
    /// beneath.
    fn conflicting(&self, names: &[&str]) -> impl Future<Output = ()> + use<> {
        let touches = |a: &str, b: &str| {
            a.strip_prefix(b).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let conflict =
            |moved: &str| names.iter().any(|name| touches(moved, name) || touches(name, moved));
        let moves = self.0.iter().filter(|(moved, _)| moved.iter().any(|moved| conflict(moved)));
        let waiting: Vec<_> = moves.map(|(_, done)| done.clone()).collect();
        async move {
            for mut done in waiting {
                while done.changed().await.is_ok() {}
            }
        }
    }
}

fn sync(file: &Handle) -> io::Result<()> {
    faults::check(faults::Access::Sync)?;
    file.sync_data()
}

fn name_of(root: &RootKey, path: &[String]) -> String {
    format!("{root}\0{}", lock_name(path))
}

impl OpenFile {
    fn has_failed(&self) -> bool {
        match &*self.handle.borrow() {
            Some(result) => result.is_err(),
            // The command that should have opened it was refused or dropped.
            None => self.handle.has_changed().is_err(),
        }
    }

    /// The descriptor, once it is open.
    async fn handle(&self) -> Result<Arc<Handle>, OpError> {
        let mut handle = self.handle.clone();
        match handle.wait_for(Option::is_some).await {
            Ok(opened) => {
                let opened = opened.clone().expect("waited for");
                let moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner).clone();
                opened.map(|file| moved.unwrap_or(file))
            }
            Err(_) => Err(op_error(OpErrorKind::NotFound, "the file was never opened")),
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.metrics.files_open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Placed {
    pub(crate) fn length(&self) -> u32 {
        self.length
    }

    /// The first so many bytes, and what is left of it.
    pub(crate) fn split_at(mut self, bytes: u32) -> (Self, Option<Self>) {
        if bytes >= self.length {
            return (self, None);
        }
        let rest = Self {
            file: self.file.clone(),
            offset: self.offset + u64::from(bytes),
            length: self.length - bytes,
        };
        self.length = bytes;
        (self, Some(rest))
    }

    /// Whether the engine has closed the file meanwhile.
    pub(crate) fn is_closed(&self) -> bool {
        self.file.as_ref().is_some_and(|file| file.closed.load(Ordering::SeqCst))
    }
}

/// Spans with a claim on them.
pub(crate) struct Claimed {
    claim: Claim,
    placed: Vec<Placed>,
}

/// Spans whose claim is ready, with their files: good for one job.
pub(crate) struct Ready {
    _claim: Claim,
    parts: Result<Vec<Part>, OpError>,
}

impl Claimed {
    /// Queues for the spans.
    pub(crate) fn new(
        store: &FileStore,
        owner: Option<Owner>,
        access: Access,
        placed: Vec<Placed>,
    ) -> Self {
        let regions = placed.iter().filter(|placed| placed.length > 0).filter_map(|placed| {
            let file = Arc::clone(&placed.file.as_ref()?.identity);
            Some(Region {
                file,
                start: placed.offset,
                end: placed.offset + u64::from(placed.length),
            })
        });
        let claim = store.locks().claim(owner, access, regions.collect());
        if access == Access::Write {
            placed
                .iter()
                .filter_map(|placed| placed.file.as_ref())
                .for_each(|file| file.identity.watch().touch());
        }
        Self { claim, placed }
    }

    /// Whether there is nothing to wait for.
    pub(crate) fn is_ready(&self) -> bool {
        let is_open = |placed: &Placed| {
            placed.file.as_ref().is_none_or(|file| file.handle.borrow().is_some())
        };
        self.claim.is_ready() && self.placed.iter().all(is_open)
    }

    /// Waits for older claims, and for files that are still being opened.
    pub(crate) async fn ready(self) -> Ready {
        self.claim.ready().await;
        let mut parts = Ok(Vec::with_capacity(self.placed.len()));
        for placed in &self.placed {
            let file = match &placed.file {
                Some(file) => file.handle().await.map(Some),
                None => Ok(None),
            };
            match (file, &mut parts) {
                (Ok(file), Ok(parts)) => {
                    parts.push(Part {
                        file,
                        offset: placed.offset,
                        length: u64::from(placed.length),
                    });
                }
                (Err(error), _) => parts = Err(error),
                (Ok(_), Err(_)) => {}
            }
        }
        Ready { _claim: self.claim, parts }
    }
}

impl Ready {
    /// Writes data that is as long as the spans together. Blocking.
    pub(crate) fn write(self, data: Bytes) -> Result<(), OpError> {
        let mut rest = &data[..];
        for part in self.parts? {
            let length = usize::try_from(part.length).unwrap_or(usize::MAX).min(rest.len());
            let (now, later) = rest.split_at(length);
            if let Some(file) = &part.file {
                write_all_at(file, now, part.offset).map_err(|error| from_io(&error))?;
            }
            rest = later;
        }
        Ok(())
    }

    fn read(self) -> Result<Bytes, OpError> {
        let mut bytes = Vec::new();
        for part in self.parts? {
            let start = bytes.len();
            bytes.resize(start + usize::try_from(part.length).unwrap_or(usize::MAX), 0);
            if let Some(file) = &part.file {
                let read = read_at(file, &mut bytes[start..], part.offset)
                    .map_err(|error| from_io(&error))?;
                bytes.truncate(start + read);
            }
        }
        Ok(bytes.into())
    }

    /// The bytes of so many spans each, or why they can't be had whole. Blocking.
    pub(crate) fn read_groups(self, spans: &[usize]) -> Vec<Result<Bytes, OpError>> {
        let parts = match self.parts {
            Ok(parts) => parts,
            Err(error) => return spans.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut parts = parts.into_iter();
        spans.iter().map(|count| read_whole(parts.by_ref().take(*count))).collect()
    }

    fn digest(self, kind: DigestKind, cancelled: impl Fn() -> bool) -> Result<Bytes, OpError> {
        digest::digest(kind, &self.parts?, cancelled)
    }
}

fn read_whole(parts: impl Iterator<Item = Part>) -> Result<Bytes, OpError> {
    let mut bytes = Vec::new();
    for part in parts {
        let start = bytes.len();
        bytes.resize(start + usize::try_from(part.length).unwrap_or(usize::MAX), 0);
        // What was made room for is zeros already.
        let Some(file) = &part.file else { continue };
        let read =
            read_at(file, &mut bytes[start..], part.offset).map_err(|error| from_io(&error))?;
        if start + read < bytes.len() {
            return Err(op_error(OpErrorKind::NotFound, "the file ends before these bytes do"));
        }
    }
    Ok(bytes.into())
}
