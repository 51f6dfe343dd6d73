//! Opening, moving and deleting files beneath the roots.
//!
//! Outlives every engine: it also owns what keeps the operations of one engine from those of the
//! next (the locks on spans, one change of names at a time) and how many blocking jobs run at once.
//! Invariant: a file is changed or deleted only if it is the one that was meant.

use std::{
    collections::HashMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
};

use shared_proto::{
    FileIdentity, OpenMode, Root, RootKey,
    io::{FileStat, OpError, OpErrorKind},
};
use tokio::sync::Semaphore;

use super::{
    error::{from_io, from_name_io, op_error},
    folders::{
        make_parents, parent_of, remove_empty_parents, remove_file, rename_no_replace,
        unmake_parents,
    },
    handle::Handle,
    identity,
    locks::{self, Claim, Identity, Region, SpanLocks},
    moving,
    opening::{self, Access},
    roots::{Roots, checked_path},
    watch::Watch,
    writers::{LockName, Writer, Writers},
};
use crate::limits;

/// The files of all roots.
pub struct FileStore {
    roots: Roots,
    writers: Writers,
    identities: Mutex<Identities>,
    locks: Arc<SpanLocks>,
    names: Arc<tokio::sync::Mutex<()>>,
    disk_jobs: Semaphore,
    digest_jobs: Semaphore,
    move_jobs: Semaphore,
    copy_jobs: Semaphore,
}

/// Which files are in use, so that everyone who opens the same path shares its locks.
#[derive(Default)]
struct Identities {
    by_path: HashMap<(RootKey, String), Weak<Identity>>,
    next: u64,
    prune_at: usize,
}

/// What there is of a file, for a person to be shown.
#[derive(Debug)]
pub(crate) struct Found {
    /// The folder of the root: a person named it.
    pub(crate) root: PathBuf,
    /// The file, or the nearest folder above it, below the root; empty for the root itself.
    /// Strangers named it.
    pub(crate) below: PathBuf,
    /// Whether it is the file.
    pub(crate) is_file: bool,
}

/// Where a file was when somebody looked.
#[derive(Clone)]
pub(crate) struct Place {
    identity: Arc<Identity>,
    moves: u64,
    locks: Arc<SpanLocks>,
}

impl Place {
    /// Whether a handle from then is still of the file: what was written before this call is in it.
    pub(crate) fn is_current(&self) -> bool {
        self.identity.moves() == self.moves
    }

    /// Whether other programs change it.
    pub(crate) fn watch(&self) -> &Watch {
        self.identity.watch()
    }

    /// Queues for reading its bytes from `start` up to `end`: nothing of ours is written to them
    /// meanwhile.
    pub(crate) fn claim(&self, start: u64, end: u64) -> Claim {
        let region = Region { file: Arc::clone(&self.identity), start, end };
        self.locks.claim(None, locks::Access::Read, vec![region])
    }
}

impl FileStore {
    /// A store over these roots, which writes to no file that another process holds; nothing is
    /// touched yet.
    pub fn new(roots: Roots, writers: Writers) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            roots,
            writers,
            identities: Mutex::default(),
            locks: Arc::default(),
            names: Arc::default(),
            disk_jobs: Semaphore::new(limits::MAX_DISK_JOBS),
            digest_jobs: Semaphore::new(cores),
            move_jobs: Semaphore::new(1),
            copy_jobs: Semaphore::new(limits::MAX_COPY_JOBS),
        }
    }

    /// The roots, for the engine to choose from.
    pub fn roots(&self) -> Vec<Root> {
        self.roots.list()
    }

    /// The roots that are set aside, for the engine to say where files lie.
    pub fn roots_aside(&self) -> Vec<Root> {
        self.roots.list_aside()
    }

    /// Makes a folder the first root, once `keep` has written that down. Blocking.
    ///
    /// # Errors
    /// [`OpErrorKind::Denied`] when it shares files with a root that held some, or what `keep`
    /// says; then nothing has changed.
    pub(crate) fn prefer_root(
        &self,
        path: &Path,
        label: impl FnOnce(&[Root]) -> String,
        keep: impl FnOnce() -> Result<(), OpError>,
    ) -> Result<Vec<Root>, OpError> {
        self.roots.prefer(label, path, keep)
    }

    /// Whether files were ever opened in a folder.
    pub(crate) fn held_files(&self, folder: &Path) -> bool {
        self.roots.held_files(&Roots::key_of(folder))
    }

    /// Where a file is; without it, the nearest folder above it. Links below the root are not
    /// followed. Blocking.
    ///
    /// # Errors
    /// [`OpErrorKind::NotFound`] when the root's folder is not there, [`OpErrorKind::Denied`] when
    /// the path is not allowed.
    pub(crate) fn find_to_show(&self, root: &RootKey, path: &[String]) -> Result<Found, OpError> {
        checked_path(path)?;
        let dir = self.roots.open(root, false)?;
        let (mut below, mut is_file) = (PathBuf::new(), false);
        for (index, name) in path.iter().enumerate() {
            let next = below.join(name);
            let is_last = index + 1 == path.len();
            match dir.symlink_metadata(&next) {
                Ok(meta) if meta.is_dir() && !is_last => below = next,
                Ok(meta) if meta.is_file() && is_last => (below, is_file) = (next, true),
                _ => break,
            }
        }
        // Joined with nothing, a path ends with a separator.
        let root = self.roots.canonical_path(root, Path::new(""))?.components().collect();
        Ok(Found { root, below, is_file })
    }

    /// A file to send to a viewer, read-only. Blocking, but quick on a healthy disk.
    ///
    /// # Errors
    /// [`OpErrorKind::NotFound`] when there is no such root or file, [`OpErrorKind::Denied`] when
    /// the path is not allowed, leads through a link, or is no regular file.
    pub fn open_for_serving(&self, root: &RootKey, path: &[String]) -> Result<File, OpError> {
        let path = checked_path(path)?;
        let dir = self.roots.open(root, false)?;
        opening::open(&dir, &path, Access::Read)
    }

    /// Where the file is now; to be asked before it is opened for serving.
    pub(crate) fn place(&self, root: &RootKey, path: &[String]) -> Place {
        let identity = self.identity(root, path);
        Place { moves: identity.moves(), identity, locks: Arc::clone(&self.locks) }
    }

    /// Opens as [`shared_proto::IoCommand::FileOpen`] says. Also what the file looks like then.
    pub(crate) fn open(
        &self,
        root: &RootKey,
        path: &[String],
        length: u64,
        mode: OpenMode,
    ) -> Result<(Handle, FileStat), OpError> {
        let path = checked_path(path)?;
        let dir = self.roots.open(root, mode == OpenMode::Create)?;
        let (file, writer) = match mode {
            OpenMode::Read => (opening::open(&dir, &path, Access::Read)?, None),
            OpenMode::Create => {
                let file = opening::make(&dir, &path, length)?;
                let writer = self.admit(root, &path, &file)?;
                (file, Some(writer))
            }
            OpenMode::Write { identity } => {
                let file = opening::open(&dir, &path, Access::Write)?;
                expect_identity(identity, opening::stat(&file)?.identity)?;
                let writer = self.admit(root, &path, &file)?;
                opening::extend(&file, length)?;
                (file, Some(writer))
            }
        };
        self.roots.remember(root, &dir);
        let stat = opening::stat(&file)?;
        Ok((Handle::new(file, writer), stat))
    }

    /// The right to write to an open file.
    fn admit(&self, root: &RootKey, path: &Path, file: &File) -> Result<Arc<Writer>, OpError> {
        let found = file.metadata().map_err(|error| from_io(&error))?;
        let name = match identity::by_number(file, &found) {
            Some(identity) => LockName::of_file(identity),
            None => LockName::of_path(&self.roots.canonical_path(root, path)?),
        };
        self.writers.admit(&name)
    }

    /// Renames, making the target's folders; an existing target is an error. From disk to disk it
    /// is copied, and gives the file that is now there. Blocking; to be called outside of a name
    /// job, because a copy takes its time.
    pub(crate) fn rename(
        &self,
        identity: Option<FileIdentity>,
        (root, from): (&RootKey, &[String]),
        (to_root, to): (&RootKey, &[String]),
        cancelled: impl Fn() -> bool,
    ) -> Result<Option<Handle>, OpError> {
        let (from, to) = (checked_path(from)?, checked_path(to)?);
        let source = self.roots.open(root, false)?;
        let found = opening::look(&source, &from)?
            .ok_or_else(|| from_io(&io::ErrorKind::NotFound.into()))?;
        let _writer = self.admit(root, &from, &found)?;
        expect_identity(identity, opening::stat(&found)?.identity)?;
        let target = if root == to_root {
            source.try_clone()
        } else {
            Ok(self.roots.open(to_root, true)?)
        };
        let target = target.map_err(|error| from_io(&error))?;
        let alone = || self.names.blocking_lock();
        let (renamed, made) = {
            let _alone = alone();
            let made = make_parents(&target, &to)?;
            let (from_dir, from_name) =
                parent_of(&source, &from).map_err(|error| from_io(&error))?;
            let (to_dir, to_name) = parent_of(&target, &to).map_err(|error| from_io(&error))?;
            (rename_no_replace(&from_dir, from_name, &to_dir, to_name), made)
        };
        let moved = match renamed {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let admit = |copy: &File| self.admit(to_root, &to, copy);
                // Nobody else makes a copy of that name meanwhile.
                let draft = self
                    .roots
                    .canonical_path(to_root, &to)
                    .and_then(|to| self.writers.admit(&LockName::of_path(&to)));
                let moved = draft.and_then(|_draft| {
                    moving::copy_over((&source, &from), (&target, &to), cancelled, alone, admit)
                });
                moved.map(|(file, writer)| Some(Handle::new(file, Some(writer))))
            }
            renamed => renamed.map(|()| None).map_err(|error| from_name_io(&error)),
        };
        let _alone = alone();
        if moved.is_ok() {
            self.roots.remember(to_root, &target);
            remove_empty_parents(&source, &from);
        } else {
            unmake_parents(&target, &to, made.as_deref());
        }
        moved
    }

    /// Bytes that may still be written where a root lies, and bytes in all.
    pub(crate) fn room(&self, root: &RootKey) -> Result<(u64, u64), OpError> {
        self.roots.room(root)
    }

    /// What a path holds, `None` for nothing.
    pub(crate) fn stat(
        &self,
        root: &RootKey,
        path: &[String],
    ) -> Result<Option<FileStat>, OpError> {
        let path = checked_path(path)?;
        let Some(dir) = self.roots.open_if_there(root)? else { return Ok(None) };
        opening::look(&dir, &path)?.as_ref().map(opening::stat).transpose()
    }

    /// Deletes a file and the folders above it that this leaves empty.
    pub(crate) fn delete(
        &self,
        root: &RootKey,
        path: &[String],
        identity: Option<FileIdentity>,
    ) -> Result<(), OpError> {
        let path = checked_path(path)?;
        let dir = self.roots.open(root, false)?;
        if dir.symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
            return Err(op_error(
                OpErrorKind::Denied,
                "it is a folder, and only files are deleted",
            ));
        }
        let found =
            opening::look(&dir, &path)?.ok_or_else(|| from_io(&io::ErrorKind::NotFound.into()))?;
        let _writer = self.admit(root, &path, &found)?;
        expect_identity(identity, opening::stat(&found)?.identity)?;
        remove_file(&dir, &path).map_err(|error| from_name_io(&error))?;
        remove_empty_parents(&dir, &path);
        Ok(())
    }

    /// Who holds the locks of this path: the same one for all who ask while one of them is alive.
    pub(crate) fn identity(&self, root: &RootKey, path: &[String]) -> Arc<Identity> {
        self.identities.lock().unwrap_or_else(PoisonError::into_inner).of(root, path)
    }

    /// From now on whoever opens `to` shares the locks of those who have `from` open.
    pub(crate) fn rename_identity(
        &self,
        root: &RootKey,
        from: &[String],
        to_root: &RootKey,
        to: &[String],
    ) {
        let mut identities = self.identities.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = identities.of(root, from);
        let target = identities.by_path.entry((to_root.clone(), lock_name(to))).or_default();
        if target.strong_count() == 0 {
            *target = Arc::downgrade(&identity);
        }
    }

    /// The locks on spans.
    pub(crate) fn locks(&self) -> &Arc<SpanLocks> {
        &self.locks
    }

    /// Runs a blocking job that reads or writes.
    pub(crate) async fn disk_job<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, OpError> + Send + 'static,
    ) -> Result<T, OpError> {
        run_in(&self.disk_jobs, job).await
    }

    /// Runs a blocking job that moves a file, maybe from disk to disk: one at a time, because they
    /// would only slow each other down.
    pub(crate) async fn move_job<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, OpError> + Send + 'static,
    ) -> Result<T, OpError> {
        run_in(&self.move_jobs, job).await
    }

    /// Runs a blocking job that copies: a few at a time, so that the disk has time for others.
    pub(crate) async fn copy_job<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, OpError> + Send + 'static,
    ) -> Result<T, OpError> {
        run_in(&self.copy_jobs, job).await
    }

    /// Runs a blocking job that hashes.
    pub(crate) async fn digest_job<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, OpError> + Send + 'static,
    ) -> Result<T, OpError> {
        run_in(&self.digest_jobs, job).await
    }

    /// Runs a blocking job that opens, renames or deletes: one at a time, across engines too.
    pub(crate) async fn name_job<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, OpError> + Send + 'static,
    ) -> Result<T, OpError> {
        let alone = Arc::clone(&self.names).lock_owned().await;
        let job = move || {
            let _alone = alone;
            job()
        };
        run_in(&self.disk_jobs, job).await
    }
}

async fn run_in<T: Send + 'static>(
    jobs: &Semaphore,
    job: impl FnOnce() -> Result<T, OpError> + Send + 'static,
) -> Result<T, OpError> {
    let _permit = jobs.acquire().await.expect("job semaphores are never closed");
    match tokio::task::spawn_blocking(job).await {
        Ok(result) => result,
        Err(error) => {
            tracing::error!(%error, "a file job did not end");
            Err(op_error(OpErrorKind::Other, "the daemon failed"))
        }
    }
}

impl Identities {
    fn of(&mut self, root: &RootKey, path: &[String]) -> Arc<Identity> {
        let key = (root.clone(), lock_name(path));
        if let Some(identity) = self.by_path.get(&key).and_then(Weak::upgrade) {
            return identity;
        }
        if self.by_path.len() >= self.prune_at {
            self.by_path.retain(|_, identity| identity.strong_count() > 0);
            self.prune_at = 2 * self.by_path.len() + 64;
        }
        self.next += 1;
        let identity = Arc::new(Identity::new(self.next));
        self.by_path.insert(key, Arc::downgrade(&identity));
        identity
    }
}

/// Whether a file is the one that is meant. Where the file system does not tell files apart, it is
/// none that was named.
fn expect_identity(
    expected: Option<FileIdentity>,
    found: Option<FileIdentity>,
) -> Result<(), OpError> {
    if expected.is_some() && expected != found {
        return Err(op_error(OpErrorKind::Changed, "another file is in the place of this one"));
    }
    Ok(())
}

/// Where the file system does not tell cases apart two spellings are one file; to share locks
/// needlessly is harmless.
pub(super) fn lock_name(path: &[String]) -> String {
    path.join("/").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> Vec<String> {
        path.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn whoever_uses_the_same_file_shares_its_locks_whatever_engine_or_name() {
        let dir = crate::testing::TempDir::new();
        let store = FileStore::new(Roots::default(), Writers::open(dir.path()).unwrap());
        let (root, other) = (RootKey::from("a"), RootKey::from("b"));
        let first = store.identity(&root, &path("folder/film"));
        assert_eq!(first, store.identity(&root, &path("folder/film")));
        assert_eq!(
            first,
            store.identity(&root, &path("Folder/FILM")),
            "the file system may not tell them apart"
        );
        assert_ne!(first, store.identity(&root, &path("folder/other")));
        assert_ne!(first, store.identity(&other, &path("folder/film")));
        store.rename_identity(&root, &path("folder/film"), &root, &path("new"));
        assert_eq!(first, store.identity(&root, &path("new")));
    }

    #[test]
    fn files_that_nobody_uses_are_forgotten() {
        let dir = crate::testing::TempDir::new();
        let store = FileStore::new(Roots::default(), Writers::open(dir.path()).unwrap());
        let root = RootKey::from("a");
        let kept = store.identity(&root, &path("kept"));
        for n in 0..10_000 {
            store.identity(&root, &[n.to_string()]);
        }
        assert!(store.identities.lock().unwrap().by_path.len() < 200);
        assert_eq!(kept, store.identity(&root, &path("kept")));
    }
}
