//! The files that one engine has open, and the commands on them.
//!
//! Every method claims its bytes before it returns, so that commands take effect in the order of
//! the calls. The returned future does the work and may run at any time.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use parking_lot::Mutex;
use shared_proto::frame::MAX_READ;
use shared_proto::io::{DigestKind, FileStat, OpError, OpErrorKind, OpOutput};
use shared_proto::{FileIdentity, FileRef, OpenMode, RootKey, Span};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::files::claimed::{Claimed, OpenFile, Placed};
use crate::files::copying::copy_span;
use crate::files::error::{from_io, op_error};
use crate::files::faults;
use crate::files::handle::Handle;
use crate::files::locks::{Access, Claim, Owner, Region, TrackedFile};
use crate::files::moves::Moves;
use crate::files::store::{FileStore, lock_name};
use crate::metrics::Metrics;
use crate::policy::limits;

/// Longest file, bytes: operating systems use signed numbers.
const LONGEST: u64 = i64::MAX as u64;

/// The result of a command.
pub(crate) type OpResult = Result<OpOutput, OpError>;

/// The open files of one engine.
pub(crate) struct FileTable {
    store: Arc<FileStore>,
    metrics: Arc<Metrics>,
    files: HashMap<FileRef, Arc<OpenFile>>,
    max_files: usize,
    /// Resolves when the last job on names is done.
    last_name_job: Option<oneshot::Receiver<()>>,
    /// Moves take long, so only commands on the same names wait for them.
    moves: Moves,
    /// Files whose state the engine knows. The daemon notices when other programs change these
    /// files.
    watched: Arc<Mutex<HashMap<u64, Arc<TrackedFile>>>>,
    stopped: CancellationToken,
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
        let (opened, handle) = watch::channel(None);
        let identity = self.store.tracked_file(&root, &path);
        let watched = Arc::clone(&identity);
        if admitted.is_ok() {
            let open = OpenFile::new(identity, handle, Arc::clone(&self.metrics));
            self.files.insert(file, Arc::new(open));
        }
        let store = Arc::clone(&self.store);
        let name = name_of(&root, &path);
        let job = move || {
            let is_long =
                |found: Option<FileStat>| found.is_some_and(|found| found.length >= length);
            if mode != OpenMode::Read && !store.stat(&root, &path).is_ok_and(is_long) {
                // The file is about to be created or extended.
                watched.watch().touch();
            }
            store.open(&root, &path, length, mode)
        };
        let opening = self.name_job(&name, Box::new(job));
        async move {
            admitted?;
            match opening.await {
                Ok((file, stat)) => {
                    opened.send_replace(Some(Ok(Arc::new(file))));
                    Ok(OpOutput::Opened { stat })
                }
                Err(error) => {
                    opened.send_replace(Some(Err(error.clone())));
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
            open.close();
        }
    }

    /// Closes all files.
    pub(crate) fn clear(&mut self) {
        for (_, open) in self.files.drain() {
            open.close();
        }
    }

    /// [`shared_proto::IoCommand::FileMove`]
    pub(crate) fn rename(
        &mut self,
        expected: Option<FileIdentity>,
        (root, from): (RootKey, Vec<String>),
        (to_root, to): (RootKey, Vec<String>),
    ) -> impl Future<Output = OpResult> + use<> {
        let identity = self.store.tracked_file(&root, &from);
        self.store.share_locks(&root, &from, &to_root, &to);
        let open_now = self.files.values().filter(|open| Arc::ptr_eq(&open.identity, &identity));
        let open_now: Vec<_> = open_now.cloned().collect();
        // Writes have to wait, so that none of them is missing in a copy.
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
                        open.move_to(Arc::clone(&file));
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
        let identity = self.store.tracked_file(&root, &path);
        let ours = identity.watch().ours();
        let claim = self.store.locks().claim(None, Access::Read, vec![Region::whole(&identity)]);
        let watched = Arc::clone(&self.watched);
        let store = Arc::clone(&self.store);
        let name = name_of(&root, &path);
        let looking = self.name_job(&name, Box::new(move || store.stat(&root, &path)));
        async move {
            // The answer has to show all earlier writes.
            claim.ready().await;
            drop(claim);
            let stat = looking.await?;
            identity.watch().tell(stat, ours);
            let mut watched = watched.lock();
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
        store.tracked_file(&root, &path).watch().touch();
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
        let end = end.ok_or_else(|| op_error(OpErrorKind::Denied, "no file can be this long"))?;
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

    /// [`shared_proto::IoCommand::FileRead`]. The answer's bytes count as in memory while its
    /// permit of `turns` is held. The permit is taken after the claim is ready, so that no holder
    /// waits for another read.
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
            // All earlier writes are in the file. Later ones need not wait for a slow disk.
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
            _ => Err(op_error(OpErrorKind::Limit, "one digest must not cover this many bytes")),
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

    /// The open files of the spans.
    pub(crate) fn resolve(&self, spans: &[Span]) -> Result<Vec<Placed>, OpError> {
        if spans.len() > limits::MAX_SPANS {
            return Err(op_error(OpErrorKind::Limit, "too many spans"));
        }
        let resolve = |span: &Span| {
            let end = span.end().filter(|end| *end <= LONGEST);
            end.ok_or_else(|| op_error(OpErrorKind::Denied, "no file can be this long"))?;
            let file = (span.file != FileRef::ZEROS).then(|| self.find(span.file)).transpose()?;
            Ok(Placed::new(file, span.offset, span.length))
        };
        spans.iter().map(resolve).collect()
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

    /// Runs a job on a name after all earlier jobs and after conflicting moves.
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

    /// Waits for all earlier jobs on names, and delays no later one.
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

fn sync(file: &Handle) -> io::Result<()> {
    faults::check(faults::Access::Sync)?;
    file.sync_data()
}

fn name_of(root: &RootKey, path: &[String]) -> String {
    format!("{root}\0{}", lock_name(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{Roots, Writers};
    use crate::testing::TempDir;

    const WRITE: OpenMode = OpenMode::Write { identity: None };

    fn table(dir: &TempDir) -> (FileTable, Arc<FileStore>) {
        let root = (RootKey::from("root"), "Root".to_owned(), dir.path().to_owned());
        let writers = Writers::open(&dir.path().join("locks")).unwrap();
        let store = Arc::new(FileStore::new(Roots::new(vec![root]), writers));
        let (metrics, stopped) = (Arc::new(Metrics::default()), CancellationToken::new());
        (FileTable::new(Arc::clone(&store), metrics, 9, stopped), store)
    }

    #[tokio::test]
    async fn only_an_opening_that_extends_the_file_counts_as_a_change() {
        let dir = TempDir::new();
        std::fs::write(dir.path().join("film"), b"0123456789").unwrap();
        let (mut table, store) = table(&dir);
        let (root, path) = (RootKey::from("root"), vec!["film".to_owned()]);
        let tracked = store.tracked_file(&root, &path);
        for (number, length, mode, changes) in
            [(1, 20, OpenMode::Read, 0), (2, 10, WRITE, 0), (3, 11, WRITE, 1), (4, 5, WRITE, 1)]
        {
            table.open(FileRef(number), root.clone(), path.clone(), length, mode).await.unwrap();
            assert_eq!(tracked.watch().ours(), changes, "{length} {mode:?}");
        }
    }

    #[test]
    fn a_command_has_at_most_so_many_spans() {
        let dir = TempDir::new();
        let (table, _) = table(&dir);
        let spans = |count| vec![Span { file: FileRef::ZEROS, offset: 0, length: 1 }; count];
        assert!(table.resolve(&spans(limits::MAX_SPANS)).is_ok());
        for count in [limits::MAX_SPANS + 1, limits::MAX_SPANS + 2] {
            let refused = table.resolve(&spans(count)).err().map(|error| error.kind);
            assert_eq!(refused, Some(OpErrorKind::Limit));
        }
    }

    #[tokio::test]
    async fn after_the_end_of_an_engine_none_of_its_files_is_open() {
        let dir = TempDir::new();
        let (mut table, _) = table(&dir);
        let path = vec!["film".to_owned()];
        table.open(FileRef(1), RootKey::from("root"), path, 9, OpenMode::Create).await.unwrap();
        let span = [Span { file: FileRef(1), offset: 0, length: 1 }];
        let placed = table.resolve(&span).unwrap();
        assert!(!placed[0].is_closed());
        table.clear();
        assert!(placed[0].is_closed());
        assert!(table.resolve(&span).is_err());
    }
}
