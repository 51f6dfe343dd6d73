//! Opening, moving and deleting files beneath the roots.
//!
//! Outlives every engine: it also owns what keeps the operations of one engine from those of the next (the locks on
//! spans, one change of names at a time) and how many blocking jobs run at once. Invariant: it never follows a link at
//! the end of a path, and never opens anything but a regular file.

use std::{
    collections::HashMap,
    fs::File,
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::SystemTime,
};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::fs::{Dir, OpenOptions};
use shared_proto::{
    Root, RootKey,
    io::{FileStat, OpError, OpErrorKind},
};
use tokio::sync::Semaphore;

use super::{
    error::{from_io, op_error},
    locks::{Identity, SpanLocks},
    moving,
    roots::{Roots, checked_path},
};
use crate::limits;

/// The files of all roots.
pub struct FileStore {
    roots: Roots,
    identities: Mutex<Identities>,
    locks: Arc<SpanLocks>,
    names: Arc<tokio::sync::Mutex<()>>,
    disk_jobs: Semaphore,
    digest_jobs: Semaphore,
    move_jobs: Semaphore,
}

/// Which files are in use, so that everyone who opens the same path shares its locks.
#[derive(Default)]
struct Identities {
    by_path: HashMap<(RootKey, String), Weak<Identity>>,
    next: u64,
    prune_at: usize,
}

/// Where a file was when somebody looked.
pub(crate) struct Place {
    identity: Arc<Identity>,
    moves: u64,
}

impl Place {
    /// Whether a handle from then is still of the file: what was written before this call is in it.
    pub(crate) fn is_current(&self) -> bool {
        self.identity.moves() == self.moves
    }
}

impl FileStore {
    /// A store over these roots; nothing is touched yet.
    pub fn new(roots: Roots) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            roots,
            identities: Mutex::default(),
            locks: Arc::default(),
            names: Arc::default(),
            disk_jobs: Semaphore::new(limits::MAX_DISK_JOBS),
            digest_jobs: Semaphore::new(cores),
            move_jobs: Semaphore::new(1),
        }
    }

    /// The roots, for the engine to choose from.
    pub fn roots(&self) -> Vec<Root> {
        self.roots.list()
    }

    /// A file to send to a viewer, read-only. Blocking, but quick on a healthy disk.
    ///
    /// # Errors
    /// [`OpErrorKind::NotFound`] when there is no such root or file, [`OpErrorKind::Denied`] when the path is not
    /// allowed, leads through a link, or is no regular file.
    pub fn open_for_serving(&self, root: &RootKey, path: &[String]) -> Result<File, OpError> {
        let path = checked_path(path)?;
        let dir = self.roots.open(root, false)?;
        regular(open_at(&dir, &path, Mode::Read))
    }

    /// Where the file is now; to be asked before it is opened for serving.
    pub(crate) fn place(&self, root: &RootKey, path: &[String]) -> Place {
        let identity = self.identity(root, path);
        Place { moves: identity.moves(), identity }
    }

    /// Opens for reading and writing, as [`shared_proto::IoCommand::FileOpen`] says; a file that exists and cannot be
    /// written is opened for reading. Also its length before it was extended, `None` when it is new.
    pub(crate) fn open(
        &self,
        root: &RootKey,
        path: &[String],
        length: u64,
        create: bool,
    ) -> Result<(File, Option<u64>), OpError> {
        let path = checked_path(path)?;
        let dir = self.roots.open(root, create)?;
        match open_at(&dir, &path, Mode::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => self.create(&dir, &path, length),
            Err(error) if is_denied(&error) && !create => {
                let file = regular(open_at(&dir, &path, Mode::Read))?;
                let existing = length_of(&file)?;
                Ok((file, Some(existing)))
            }
            opened => {
                let file = regular(opened)?;
                let existing = length_of(&file)?;
                if existing < length {
                    file.set_len(length).map_err(|error| from_io(&error))?;
                }
                Ok((file, Some(existing)))
            }
        }
    }

    fn create(&self, dir: &Dir, path: &Path, length: u64) -> Result<(File, Option<u64>), OpError> {
        make_parents(dir, path)?;
        let file = regular(open_at(dir, path, Mode::Create))?;
        if let Err(error) = file.set_len(length) {
            // An empty stub would look like a download that began.
            drop(file);
            let _ = dir.remove_file(path);
            return Err(from_io(&error));
        }
        Ok((file, None))
    }

    /// Renames, making the target's folders; an existing target is an error. From disk to disk it is copied, and gives the file
    /// that is now there. Blocking; to be called outside of a name job, because a copy takes its time.
    pub(crate) fn rename(
        &self,
        (root, from): (&RootKey, &[String]),
        (to_root, to): (&RootKey, &[String]),
        cancelled: impl Fn() -> bool,
    ) -> Result<Option<File>, OpError> {
        let (from, to) = (checked_path(from)?, checked_path(to)?);
        let source = self.roots.open(root, false)?;
        source.symlink_metadata(&from).map_err(|error| from_io(&error))?;
        let target = if root == to_root { source.try_clone() } else { Ok(self.roots.open(to_root, true)?) };
        let target = target.map_err(|error| from_io(&error))?;
        let renamed = {
            let _alone = self.names.blocking_lock();
            make_parents(&target, &to)?;
            let (from_dir, from_name) = parent_of(&source, &from)?;
            let (to_dir, to_name) = parent_of(&target, &to)?;
            rename_no_replace(&from_dir, from_name, &to_dir, to_name)
        };
        let moved = match renamed {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let alone = || self.names.blocking_lock();
                moving::copy_over(&source, &from, &target, &to, cancelled, alone).map(Some)
            }
            renamed => renamed.map(|()| None).map_err(|error| from_io(&error)),
        };
        if moved.is_ok() {
            remove_empty_parents(&source, &from);
        } else {
            remove_empty_parents(&target, &to);
        }
        moved
    }

    /// What a path holds, `None` for nothing.
    pub(crate) fn stat(&self, root: &RootKey, path: &[String]) -> Result<Option<FileStat>, OpError> {
        let path = checked_path(path)?;
        let Some(dir) = self.roots.open_if_there(root)? else { return Ok(None) };
        let found = match dir.symlink_metadata(&path) {
            Ok(found) => found,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(from_io(&error)),
        };
        if found.is_dir() {
            return Err(from_io(&io::ErrorKind::IsADirectory.into()));
        }
        if !found.is_file() {
            return Err(op_error(OpErrorKind::Denied, "it is not a regular file"));
        }
        let since = found.modified().ok().and_then(|at| at.into_std().duration_since(SystemTime::UNIX_EPOCH).ok());
        let modified_ns = since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0);
        Ok(Some(FileStat { length: found.len(), modified_ns, changed_ns: changed_ns(&found) }))
    }

    /// Deletes a file and the folders above it that this leaves empty.
    pub(crate) fn delete(&self, root: &RootKey, path: &[String]) -> Result<(), OpError> {
        let path = checked_path(path)?;
        let dir = self.roots.open(root, false)?;
        if dir.symlink_metadata(&path).is_ok_and(|found| found.is_dir()) {
            return Err(op_error(OpErrorKind::Denied, "it is a folder, and only files are deleted"));
        }
        dir.remove_file(&path).map_err(|error| from_io(&error))?;
        remove_empty_parents(&dir, &path);
        Ok(())
    }

    /// Who holds the locks of this path: the same one for all who ask while one of them is alive.
    pub(crate) fn identity(&self, root: &RootKey, path: &[String]) -> Arc<Identity> {
        self.identities.lock().unwrap_or_else(PoisonError::into_inner).of(root, path)
    }

    /// From now on whoever opens `to` shares the locks of those who have `from` open.
    pub(crate) fn rename_identity(&self, root: &RootKey, from: &[String], to_root: &RootKey, to: &[String]) {
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

    /// Runs a blocking job that moves a file, maybe from disk to disk: one at a time, because they would only slow each other down.
    pub(crate) async fn move_job<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, OpError> + Send + 'static,
    ) -> Result<T, OpError> {
        run_in(&self.move_jobs, job).await
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

/// Where the file system does not tell cases apart two spellings are one file; to share locks needlessly is harmless.
pub(super) fn lock_name(path: &[String]) -> String {
    path.join("/").to_lowercase()
}

/// The folders above a path, as far as they are empty.
fn remove_empty_parents(dir: &Dir, path: &Path) {
    for folder in path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
        if dir.remove_dir(folder).is_err() {
            break;
        }
    }
}

/// How to open.
pub(super) enum Mode {
    Read,
    Write,
    Create,
}

pub(super) fn open_at(dir: &Dir, path: &Path, mode: Mode) -> io::Result<cap_std::fs::File> {
    let mut options = OpenOptions::new();
    // Non-blocking, because opening a pipe that lies in the folder would otherwise wait for its other end.
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    match mode {
        Mode::Read => {}
        Mode::Write => drop(options.write(true)),
        Mode::Create => drop(options.write(true).create_new(true)),
    }
    dir.open_with(path, &options)
}

pub(super) fn regular(opened: io::Result<cap_std::fs::File>) -> Result<File, OpError> {
    let file = opened.map_err(|error| from_io(&error))?.into_std();
    let found = file.metadata().map_err(|error| from_io(&error))?;
    if found.is_dir() {
        return Err(from_io(&io::ErrorKind::IsADirectory.into()));
    }
    if !found.is_file() {
        return Err(op_error(OpErrorKind::Denied, "it is not a regular file"));
    }
    Ok(file)
}

fn length_of(file: &File) -> Result<u64, OpError> {
    file.metadata().map(|found| found.len()).map_err(|error| from_io(&error))
}

#[cfg(unix)]
fn changed_ns(metadata: &cap_std::fs::Metadata) -> u64 {
    use cap_std::fs::MetadataExt;
    let seconds = u64::try_from(metadata.ctime()).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(metadata.ctime_nsec()).unwrap_or(0))
}

#[cfg(not(unix))]
fn changed_ns(_: &cap_std::fs::Metadata) -> u64 {
    0
}

fn is_denied(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

fn make_parents(dir: &Dir, path: &Path) -> Result<(), OpError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => match dir.create_dir_all(parent) {
            // Said of the folder, not of the file.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(from_io(&io::ErrorKind::NotADirectory.into()))
            }
            made => made.map_err(|error| from_io(&error)),
        },
        _ => Ok(()),
    }
}

/// A handle to the folder that holds the path's last name, and that name.
pub(super) fn parent_of<'a>(dir: &Dir, path: &'a Path) -> Result<(Dir, &'a Path), OpError> {
    let name = path.file_name().map(Path::new).expect("a checked path ends in a name");
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => dir.open_dir(parent),
        _ => dir.try_clone(),
    };
    Ok((parent.map_err(|error| from_io(&error))?, name))
}

/// One step where the system has it, so that a target which appears meanwhile is not lost.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(super) fn rename_no_replace(from_dir: &Dir, from: &Path, to_dir: &Dir, to: &Path) -> io::Result<()> {
    use rustix::{fs::RenameFlags, io::Errno};
    match rustix::fs::renameat_with(from_dir, from, to_dir, to, RenameFlags::NOREPLACE) {
        // File systems that lack it (some network and FAT drivers) say so in these ways.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => check_and_rename(from_dir, from, to_dir, to),
        result => Ok(result?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(super) fn rename_no_replace(from_dir: &Dir, from: &Path, to_dir: &Dir, to: &Path) -> io::Result<()> {
    check_and_rename(from_dir, from, to_dir, to)
}

/// In two steps: a target that another program makes in between is replaced.
fn check_and_rename(from_dir: &Dir, from: &Path, to_dir: &Dir, to: &Path) -> io::Result<()> {
    match to_dir.symlink_metadata(to) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => from_dir.rename(from, to_dir, to),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> Vec<String> {
        path.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn whoever_uses_the_same_file_shares_its_locks_whatever_engine_or_name() {
        let store = FileStore::new(Roots::default());
        let (root, other) = (RootKey::from("a"), RootKey::from("b"));
        let first = store.identity(&root, &path("folder/film"));
        assert_eq!(first, store.identity(&root, &path("folder/film")));
        assert_eq!(first, store.identity(&root, &path("Folder/FILM")), "the file system may not tell them apart");
        assert_ne!(first, store.identity(&root, &path("folder/other")));
        assert_ne!(first, store.identity(&other, &path("folder/film")));
        store.rename_identity(&root, &path("folder/film"), &root, &path("new"));
        assert_eq!(first, store.identity(&root, &path("new")));
    }

    #[test]
    fn files_that_nobody_uses_are_forgotten() {
        let store = FileStore::new(Roots::default());
        let root = RootKey::from("a");
        let kept = store.identity(&root, &path("kept"));
        for n in 0..10_000 {
            store.identity(&root, &[n.to_string()]);
        }
        assert!(store.identities.lock().unwrap().by_path.len() < 200);
        assert_eq!(kept, store.identity(&root, &path("kept")));
    }
}
