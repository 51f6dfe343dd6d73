//! The file of notes: its lock, and files that were set aside.
//!
//! Owns the names in the folder; knows no note. Invariants: the file is replaced as a whole and
//! never written in place; the lock file stays, so that all processes lock the same one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::files::private::{make_private_folder, private};

use crate::state::durable::sync_folder;

/// Name of the file.
const FILE: &str = "notes.json";
/// The suffix of a file that was set aside. A number follows.
const ASIDE: &str = ".damaged-";
/// The suffix of a file that is being filled.
const DRAFT: &str = ".new";
/// Name of the lock.
const LOCK: &str = "notes.lock";
/// How long another process may hold the lock. It reads and writes one small file, perhaps on a
/// busy disk.
const LOCKED_WITHIN: Duration = Duration::from_secs(5);
/// How often to try the lock.
const TRY_EVERY: Duration = Duration::from_millis(5);
/// Longest file that is read, bytes: the most notes of the greatest length, as JSON.
const MAX_FILE: u64 = 64 << 20;

/// The folder of the notes.
#[derive(Debug)]
pub(super) struct NotesFile {
    folder: PathBuf,
}

/// What tells whether the file has changed; `None` inside for no file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen(Option<(u64, Option<SystemTime>, u64)>);

impl NotesFile {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.into() }
    }

    /// Takes the lock. Closing the returned file releases the lock. `None` if another process keeps
    /// it.
    pub(super) fn lock(&self) -> io::Result<Option<File>> {
        make_private_folder(&self.folder)?;
        let mut options = OpenOptions::new();
        let lock = private(options.write(true).create(true).truncate(false))
            .open(self.folder.join(LOCK))?;
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Some(lock)),
                Err(TryLockError::WouldBlock) if began.elapsed() < LOCKED_WITHIN => {
                    std::thread::sleep(TRY_EVERY)
                }
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// The state of the file now.
    pub(super) fn look(&self) -> io::Result<Seen> {
        match fs::metadata(self.path()) {
            Ok(found) => Ok(Seen(Some((found.len(), found.modified().ok(), number(&found))))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Seen(None)),
            Err(error) => Err(error),
        }
    }

    /// The file's bytes, up to the longest allowed; `None` for no file.
    pub(super) fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match File::open(self.path()) {
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(MAX_FILE).read_to_end(&mut bytes)?;
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file durably, and returns its state. The caller holds the lock.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<Seen> {
        let draft = self.beside(DRAFT);
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let write = || {
            let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&draft)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&draft, self.path())
        };
        if let Err(error) = write() {
            let _ = fs::remove_file(&draft);
            return Err(error);
        }
        sync_folder(&self.folder)?;
        self.look()
    }

    /// Sets the file aside, and returns its new name.
    pub(super) fn set_aside(&self) -> io::Result<PathBuf> {
        for number in 1..=u32::MAX {
            let aside = self.beside(&format!("{ASIDE}{number}"));
            match fs::symlink_metadata(&aside) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    fs::rename(self.path(), &aside)?;
                    sync_folder(&self.folder)?;
                    return Ok(aside);
                }
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }

    /// All files that were set aside and still exist, in order.
    pub(super) fn set_aside_before(&self) -> Vec<PathBuf> {
        let prefix = format!("{FILE}{ASIDE}");
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let is_one =
            |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(&prefix);
        let mut found: Vec<PathBuf> =
            entries.flatten().filter(is_one).map(|entry| entry.path()).collect();
        found.sort();
        found
    }

    fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.folder.join(format!("{FILE}{suffix}"))
    }
}

/// The file's number in its file system. Each write makes another file.
#[cfg(unix)]
fn number(found: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(found)
}

#[cfg(not(unix))]
fn number(_: &fs::Metadata) -> u64 {
    0
}
