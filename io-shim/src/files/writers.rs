//! Which process writes to a file: one of the user's at a time.
//!
//! Owns a folder with a lock file for each file that is open for writing. All daemons of a user
//! share the folder, whatever their state folders. The file itself is not locked, because on
//! Windows a lock would exclude players. Invariants: at most one process has a `Writer` for a
//! file; the operating system takes it from a process that dies; its lock file disappears with it.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};

use data_encoding::HEXLOWER;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use shared_proto::{
    FileIdentity,
    io::{OpError, OpErrorKind},
};

use super::error::{from_io, op_error};
use crate::files::private::{make_private_folder, private};

/// How often to try a lock. Another process may be about to release it, or may only check it.
const ATTEMPTS: usize = 20;
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(5);

/// The locks of all files that processes of this user write to.
#[derive(Debug)]
pub struct Writers {
    folder: PathBuf,
    held: Mutex<HashMap<String, Weak<Writer>>>,
}

/// The right to write to one file. All open handles of this process share it.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Locked until it is closed.
    _lock: File,
    #[cfg_attr(windows, expect(dead_code, reason = "the system removes the file by itself"))]
    path: PathBuf,
}

/// The name of a lock file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LockName(String);

impl LockName {
    /// The lock of a file, whatever its path.
    pub(crate) fn of_file(identity: FileIdentity) -> Self {
        Self(HEXLOWER.encode(&identity.0))
    }

    /// The lock of whatever file has this path. Spellings that a file system may take for the same
    /// share one lock.
    pub(crate) fn of_path(path: &Path) -> Self {
        let path = path.to_string_lossy().to_lowercase();
        Self(format!("path-{}", HEXLOWER.encode(&Sha256::digest(path.as_bytes())[..16])))
    }
}

impl Writers {
    /// Opens a folder of locks, and creates it if need be. Removes the files of dead processes.
    ///
    /// # Errors
    /// When the folder cannot be created or read, or others can write to it.
    pub fn open(folder: &Path) -> io::Result<Self> {
        make_private_folder(folder)?;
        make_private(folder)?;
        for left in fs::read_dir(folder)? {
            let path = left?.path();
            if is_lock(&path) {
                drop(try_lock(&path).map(|lock| lock.map(|lock| Writer { _lock: lock, path })));
            }
        }
        Ok(Self { folder: folder.into(), held: Mutex::default() })
    }

    /// Takes the right to write to a file.
    ///
    /// # Errors
    /// [`OpErrorKind::Busy`] when another process has it.
    pub(crate) fn admit(&self, name: &LockName) -> Result<Arc<Writer>, OpError> {
        let mut held = self.held.lock();
        if let Some(writer) = held.get(&name.0).and_then(Weak::upgrade) {
            return Ok(writer);
        }
        let path = self.folder.join(&name.0).with_extension("lock");
        for attempt in 0..ATTEMPTS {
            match try_lock(&path) {
                Ok(Some(lock)) => {
                    let writer = Arc::new(Writer { _lock: lock, path });
                    held.retain(|_, writer| writer.strong_count() > 0);
                    held.insert(name.0.clone(), Arc::downgrade(&writer));
                    return Ok(writer);
                }
                Ok(None) => std::thread::sleep(PAUSE),
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempt == 0 => {
                    make_private_folder(&self.folder).map_err(|error| no_lock(&error))?;
                }
                Err(error) => return Err(no_lock(&error)),
            }
        }
        Err(op_error(OpErrorKind::Busy, "another jstorrent of yours is writing to this file"))
    }
}

/// Whether a file is a lock file. A person may have chosen a folder with other files.
fn is_lock(path: &Path) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let name =
        path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".lock"));
    let digits = name.map(|name| name.strip_prefix("path-").unwrap_or(name).as_bytes());
    digits.is_some_and(|digits| digits.len() == 32 && digits.iter().all(is_digit))
}

fn no_lock(error: &io::Error) -> OpError {
    let cause = from_io(error);
    op_error(cause.kind, format!("the daemon's lock for the file can't be made: {}", cause.message))
}

/// Makes the folder private. Where others can write to a folder, its locks exclude no process.
#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let found = fs::symlink_metadata(folder)?;
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("the folder belongs to another user"));
    }
    if found.is_symlink() {
        return Err(io::Error::other("it is a symbolic link"));
    }
    if found.mode() & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_private(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Locks the file; `None` while another process holds it.
#[cfg(unix)]
fn try_lock(path: &Path) -> io::Result<Option<File>> {
    use std::os::unix::fs::MetadataExt;
    let lock = private(OpenOptions::new().write(true).create(true).truncate(false)).open(path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => return Ok(None),
        Err(fs::TryLockError::Error(error)) => return Err(error),
    }
    // The former holder may have removed the file after it was opened here. The lock would then
    // exclude no process.
    let own = lock.metadata()?;
    let is_there = fs::symlink_metadata(path)
        .is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino()));
    Ok(is_there.then_some(lock))
}

/// Opens the file exclusively. The operating system removes it when it is closed.
#[cfg(windows)]
fn try_lock(path: &Path) -> io::Result<Option<File>> {
    use std::os::windows::fs::OpenOptionsExt;
    const GENERIC_WRITE: u32 = 0x4000_0000;
    const DELETE: u32 = 0x0001_0000;
    const FILE_FLAG_DELETE_ON_CLOSE: u32 = 0x0400_0000;
    const ERROR_ACCESS_DENIED: i32 = 5;
    const ERROR_SHARING_VIOLATION: i32 = 32;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).share_mode(0);
    options.access_mode(GENERIC_WRITE | DELETE).custom_flags(FILE_FLAG_DELETE_ON_CLOSE);
    match private(&mut options).open(path) {
        Ok(lock) => Ok(Some(lock)),
        // The second error comes while the file is being removed.
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(ERROR_SHARING_VIOLATION | ERROR_ACCESS_DENIED)
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
impl Drop for Writer {
    fn drop(&mut self) {
        // The file is removed while it is locked. A process that has opened it meanwhile sees that
        // it is gone.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::testing::TempDir;

    fn film() -> LockName {
        LockName::of_file(FileIdentity([7; 16]))
    }

    /// Two of them in one folder. They behave like two processes, because the operating system
    /// locks open files.
    fn two(dir: &TempDir) -> [Writers; 2] {
        [(); 2].map(|()| Writers::open(&dir.path().join("locks")).unwrap())
    }

    fn left(dir: &TempDir) -> usize {
        fs::read_dir(dir.path().join("locks")).unwrap().count()
    }

    #[test]
    fn one_process_writes_to_a_file_at_a_time() {
        let dir = TempDir::new();
        let [first, second] = two(&dir);
        let mine = first.admit(&film()).unwrap();
        let again = first.admit(&film()).unwrap();
        assert_eq!(second.admit(&film()).unwrap_err().kind, OpErrorKind::Busy);
        second.admit(&LockName::of_file(FileIdentity([8; 16]))).unwrap();
        drop(mine);
        assert_eq!(second.admit(&film()).unwrap_err().kind, OpErrorKind::Busy, "it is open twice");
        drop(again);
        let theirs = second.admit(&film()).unwrap();
        assert_eq!(first.admit(&film()).unwrap_err().kind, OpErrorKind::Busy);
        drop(theirs);
        assert_eq!(left(&dir), 0, "lock files pile up");
    }

    #[test]
    fn what_a_process_that_died_has_left_is_no_hindrance_and_is_cleared_away() {
        let dir = TempDir::new();
        let [first, _] = two(&dir);
        let held = first.admit(&film()).unwrap();
        for name in [
            "0123456789abcdef0123456789abcdef.lock",
            "path-0123456789abcdef0123456789abcdef.lock",
            "Cargo.lock",
            "0123456789abcdef.lock",
            "0123456789-not-hex-0123456789-ab.lock",
        ] {
            fs::write(dir.path().join("locks").join(name), b"").unwrap();
        }
        assert_eq!(left(&dir), 6);
        let third = Writers::open(&dir.path().join("locks")).unwrap();
        assert_eq!(left(&dir), 4, "the one that is held stays, and what is no lock of ours");
        assert_eq!(third.admit(&film()).unwrap_err().kind, OpErrorKind::Busy);
        drop(held);
    }

    #[test]
    fn there_is_never_more_than_one_writer_however_they_come_and_go() {
        let dir = TempDir::new();
        let (writing, admitted) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for writers in two(&dir).into_iter().chain(two(&dir)) {
                let (writing, admitted) = (&writing, &admitted);
                scope.spawn(move || {
                    for _ in 0..300 {
                        let Ok(writer) = writers.admit(&film()) else { continue };
                        assert_eq!(writing.fetch_add(1, Ordering::SeqCst), 0);
                        admitted.fetch_add(1, Ordering::SeqCst);
                        writing.fetch_sub(1, Ordering::SeqCst);
                        drop(writer);
                    }
                });
            }
        });
        assert!(admitted.load(Ordering::SeqCst) > 300);
        assert_eq!(left(&dir), 0);
    }

    #[test]
    fn a_folder_that_vanishes_is_made_again() {
        let dir = TempDir::new();
        let [first, second] = two(&dir);
        fs::remove_dir_all(dir.path().join("locks")).unwrap();
        let _held = first.admit(&film()).unwrap();
        assert_eq!(second.admit(&film()).unwrap_err().kind, OpErrorKind::Busy);
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_is_the_users_alone_also_when_it_was_there_before() {
        use std::os::unix::fs::PermissionsExt;
        let dir = TempDir::new();
        fs::create_dir(dir.path().join("locks")).unwrap();
        fs::set_permissions(dir.path().join("locks"), fs::Permissions::from_mode(0o777)).unwrap();
        let _writers = two(&dir);
        assert_eq!(
            fs::metadata(dir.path().join("locks")).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_is_a_link_is_refused() {
        let dir = TempDir::new();
        fs::create_dir(dir.path().join("elsewhere")).unwrap();
        let link = dir.path().join("locks");
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &link).unwrap();
        assert!(Writers::open(&link).is_err());
    }

    #[test]
    fn a_lock_that_cannot_be_made_is_an_error_and_not_a_busy_file() {
        let dir = TempDir::new();
        let [first, _] = two(&dir);
        let LockName(name) = film();
        fs::create_dir(dir.path().join("locks").join(name).with_extension("lock")).unwrap();
        let error = first.admit(&film()).unwrap_err();
        assert_ne!(error.kind, OpErrorKind::Busy, "{error:?}");
    }
}
