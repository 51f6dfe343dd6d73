//! Opens, moves and deletes files below the roots.
//!
//! Outlives every engine. Owns what separates the operations of one engine from those of the next:
//! the locks on spans, the order of changes of names, and how many blocking jobs run at a time.
//! Invariant: a file is changed or deleted only if it is the expected one.

use std::{
    collections::HashMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use shared_proto::{
    FileIdentity, OpenMode, Root, RootKey,
    io::{FileStat, OpError, OpErrorKind},
};
use tokio::sync::Semaphore;

use super::{
    confined::checked_path,
    error::{from_io, from_name_io, op_error},
    folders::{
        make_parents, parent_of, remove_empty_parents, remove_file, rename_no_replace,
        unmake_parents,
    },
    handle::Handle,
    identity,
    locks::{self, Claim, Region, SpanLocks, TrackedFile},
    moving,
    opening::{self, Access},
    roots::Roots,
    watch::Watch,
    writers::{LockName, Writer, Writers},
};
use crate::policy::limits;

/// The files of all roots.
pub struct FileStore {
    roots: Roots,
    writers: Writers,
    tracked_files: Mutex<TrackedFiles>,
    locks: Arc<SpanLocks>,
    names: Arc<tokio::sync::Mutex<()>>,
    disk_jobs: Semaphore,
    digest_jobs: Semaphore,
    move_jobs: Semaphore,
    copy_jobs: Semaphore,
}

/// The files in use. All commands and replies that open the same path share its locks.
#[derive(Default)]
struct TrackedFiles {
    by_path: HashMap<(RootKey, String), Weak<TrackedFile>>,
    next: u64,
    prune_at: usize,
}

/// What to show to a person who asks for a file.
#[derive(Debug)]
pub(crate) struct Found {
    /// The root's folder, which a person named.
    pub(crate) root: PathBuf,
    /// The file or the nearest folder above it, relative to the root. Empty for the root itself.
    /// Strangers chose this name.
    pub(crate) below: PathBuf,
    /// Whether `below` is the file itself.
    pub(crate) is_file: bool,
}

/// Where a file was when it was looked up.
#[derive(Clone)]
pub(crate) struct Location {
    identity: Arc<TrackedFile>,
    moves: u64,
    locks: Arc<SpanLocks>,
}

impl Location {
    /// Whether a handle of that time still leads to the file. It then has all earlier writes.
    pub(crate) fn is_current(&self) -> bool {
        self.identity.moves() == self.moves
    }

    /// What is known about changes by other programs.
    pub(crate) fn watch(&self) -> &Watch {
        self.identity.watch()
    }

    /// Claims the bytes from `start` up to `end` for reading. The daemon writes nothing to them
    /// meanwhile.
    pub(crate) fn claim(&self, start: u64, end: u64) -> Claim {
        let region = Region { file: Arc::clone(&self.identity), start, end };
        self.locks.claim(None, locks::Access::Read, vec![region])
    }
}

impl FileStore {
    /// A store over these roots. It writes to no file that another process holds. Touches nothing
    /// yet.
    pub fn new(roots: Roots, writers: Writers) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            roots,
            writers,
            tracked_files: Mutex::default(),
            locks: Arc::default(),
            names: Arc::default(),
            disk_jobs: Semaphore::new(limits::MAX_DISK_JOBS),
            digest_jobs: Semaphore::new(cores),
            move_jobs: Semaphore::new(1),
            copy_jobs: Semaphore::new(limits::MAX_COPY_JOBS),
        }
    }

    /// The roots that engines hear of.
    pub(crate) fn roots(&self) -> Vec<Root> {
        self.roots.list()
    }

    /// The roots that are set aside. An engine then knows where files lie.
    pub(crate) fn roots_aside(&self) -> Vec<Root> {
        self.roots.list_aside()
    }

    /// Makes a folder the first root, after `keep` has saved the choice. Blocking.
    ///
    /// # Errors
    /// [`OpErrorKind::Denied`] when the folder overlaps with a root that held files, and errors of
    /// `keep`. Nothing has changed then.
    pub(crate) fn prefer_root(
        &self,
        path: &Path,
        label: impl FnOnce(&[Root]) -> String,
        keep: impl FnOnce() -> Result<(), OpError>,
    ) -> Result<Vec<Root>, OpError> {
        self.roots.prefer(label, path, keep)
    }

    /// Whether a file was ever opened in the folder.
    pub(crate) fn held_files(&self, folder: &Path) -> bool {
        self.roots.held_files(&Roots::key_of(folder))
    }

    /// Finds a file, or the nearest folder above it. Follows no symbolic links below the root.
    /// Blocking.
    ///
    /// # Errors
    /// [`OpErrorKind::NotFound`] when the root's folder is missing, [`OpErrorKind::Denied`] when
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
        // A path that is joined with an empty one ends with a separator.
        let root = self.roots.canonical_path(root, Path::new(""))?.components().collect();
        Ok(Found { root, below, is_file })
    }

    /// Opens a file for a viewer, read-only. Blocking, but quick on a healthy disk.
    ///
    /// # Errors
    /// [`OpErrorKind::NotFound`] when the root or file does not exist; [`OpErrorKind::Denied`] when
    /// the path is not allowed, leads through a symbolic link, or is no regular file.
    pub fn open_for_serving(&self, root: &RootKey, path: &[String]) -> Result<File, OpError> {
        let path = checked_path(path)?;
        let dir = self.roots.open(root, false)?;
        opening::open(&dir, &path, Access::Read)
    }

    /// Where the file is now. Ask before opening the file.
    pub(crate) fn location(&self, root: &RootKey, path: &[String]) -> Location {
        let identity = self.tracked_file(root, path);
        Location { moves: identity.moves(), identity, locks: Arc::clone(&self.locks) }
    }

    /// [`shared_proto::IoCommand::FileOpen`]. Also returns the file's state.
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

    /// Takes the right to write to an open file.
    fn admit(&self, root: &RootKey, path: &Path, file: &File) -> Result<Arc<Writer>, OpError> {
        let found = file.metadata().map_err(|error| from_io(&error))?;
        let name = match identity::by_number(file, &found) {
            Some(identity) => LockName::of_file(identity),
            None => LockName::of_path(&self.roots.canonical_path(root, path)?),
        };
        self.writers.admit(&name)
    }

    /// Moves a file and creates the target's folders. An existing target is an error. Between disks
    /// the file is copied; the handle of the copy is returned. Blocking; must run outside of name
    /// jobs, because a copy takes long.
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
                // No other process can copy to that name meanwhile.
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

    /// Bytes that this user may still write to a root's disk, and its size.
    pub(crate) fn room(&self, root: &RootKey) -> Result<(u64, u64), OpError> {
        self.roots.room(root)
    }

    /// The state of the file at a path; `None` if there is none.
    pub(crate) fn stat(
        &self,
        root: &RootKey,
        path: &[String],
    ) -> Result<Option<FileStat>, OpError> {
        let path = checked_path(path)?;
        let Some(dir) = self.roots.open_if_there(root)? else { return Ok(None) };
        opening::look(&dir, &path)?.as_ref().map(opening::stat).transpose()
    }

    /// Deletes a file, and the folders above it that become empty.
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
                "this is a folder, and only files are deleted",
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

    /// The file at this path as the locks see it. All users share one object while any of them
    /// lives.
    pub(crate) fn tracked_file(&self, root: &RootKey, path: &[String]) -> Arc<TrackedFile> {
        self.tracked_files.lock().of(root, path)
    }

    /// From now on `to` shares the locks of `from`.
    pub(crate) fn share_locks(
        &self,
        root: &RootKey,
        from: &[String],
        to_root: &RootKey,
        to: &[String],
    ) {
        let mut tracked_files = self.tracked_files.lock();
        let identity = tracked_files.of(root, from);
        let target = tracked_files.by_path.entry((to_root.clone(), lock_name(to))).or_default();
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

    /// Runs a blocking job that moves a file, perhaps between disks. One runs at a time, because
    /// two would slow each other down.
    pub(crate) async fn move_job<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, OpError> + Send + 'static,
    ) -> Result<T, OpError> {
        run_in(&self.move_jobs, job).await
    }

    /// Runs a blocking job that copies. A few run at a time, so that the disk has time for others.
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

    /// Runs a blocking job that opens, renames or deletes. One runs at a time, across engines.
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

impl TrackedFiles {
    fn of(&mut self, root: &RootKey, path: &[String]) -> Arc<TrackedFile> {
        let key = (root.clone(), lock_name(path));
        if let Some(identity) = self.by_path.get(&key).and_then(Weak::upgrade) {
            return identity;
        }
        if self.by_path.len() >= self.prune_at {
            self.by_path.retain(|_, identity| identity.strong_count() > 0);
            self.prune_at = 2 * self.by_path.len() + 64;
        }
        self.next += 1;
        let identity = Arc::new(TrackedFile::new(self.next));
        self.by_path.insert(key, Arc::downgrade(&identity));
        identity
    }
}

/// Checks that a file is the expected one. Where the file system does not tell files apart, no file
/// is.
fn expect_identity(
    expected: Option<FileIdentity>,
    found: Option<FileIdentity>,
) -> Result<(), OpError> {
    if expected.is_some() && expected != found {
        return Err(op_error(OpErrorKind::Changed, "another file has this path"));
    }
    Ok(())
}

/// On a file system without case, two spellings are one file. To share locks needlessly is
/// harmless.
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
    fn all_users_of_a_file_share_its_locks_whatever_engine_or_name() {
        let dir = crate::testing::TempDir::new();
        let store = FileStore::new(Roots::default(), Writers::open(dir.path()).unwrap());
        let (root, other) = (RootKey::from("a"), RootKey::from("b"));
        let first = store.tracked_file(&root, &path("folder/film"));
        let is_same = |root, name| Arc::ptr_eq(&first, &store.tracked_file(root, &path(name)));
        assert!(is_same(&root, "folder/film"));
        assert!(is_same(&root, "Folder/FILM"), "the file system may not tell them apart");
        assert!(!is_same(&root, "folder/other"));
        assert!(!is_same(&other, "folder/film"));
        store.share_locks(&root, &path("folder/film"), &root, &path("new"));
        assert!(is_same(&root, "new"));
    }

    #[test]
    fn unused_files_are_forgotten() {
        let dir = crate::testing::TempDir::new();
        let store = FileStore::new(Roots::default(), Writers::open(dir.path()).unwrap());
        let root = RootKey::from("a");
        let kept = store.tracked_file(&root, &path("kept"));
        for n in 0..10_000 {
            store.tracked_file(&root, &[n.to_string()]);
        }
        assert!(store.tracked_files.lock().by_path.len() < 200);
        assert!(Arc::ptr_eq(&kept, &store.tracked_file(&root, &path("kept"))));
    }

    #[test]
    fn a_location_is_current_until_its_file_moves_to_another_disk() {
        let dir = crate::testing::TempDir::new();
        let store = FileStore::new(Roots::default(), Writers::open(dir.path()).unwrap());
        let root = RootKey::from("a");
        let [before, other] = ["film", "other"].map(|name| store.location(&root, &path(name)));
        let tracked = store.tracked_file(&root, &path("film"));
        assert!(before.is_current());
        tracked.count_move();
        assert!(!before.is_current() && other.is_current());
        assert!(store.location(&root, &path("film")).is_current());
        tracked.watch().touch();
        assert_eq!(before.watch().ours(), 1, "a file has one watch");
        assert_ne!(tracked.number(), store.tracked_file(&root, &path("other")).number());
    }
}
