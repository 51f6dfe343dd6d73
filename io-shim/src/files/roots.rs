//! The download folders, and the confinement of paths to them.
//!
//! Owns the only use of ambient authority: to open a root. Everything else goes through the root's
//! directory handle, which the operating system keeps from leading out. Invariant: no path of a
//! stranger, and no symbolic link on disk, reaches a file outside its root.
//!
//! A key that an engine knows names the same folder for as long as the daemon runs, and later for
//! as long as the folder is configured or chosen: an engine's record may wait for weeks without a
//! file. A folder that overlaps with a later choice is *set aside*: new engines do not hear of it,
//! but its key still works.

use std::{
    collections::HashSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use cap_std::{ambient_authority, fs::Dir};
use parking_lot::{Mutex, RwLock};
use sha2::{Digest, Sha256};
use shared_proto::{
    Root, RootKey,
    io::{OpError, OpErrorKind},
};

use super::{
    disk::{canonical, file_system_of, is_absence, is_empty, room_of},
    error::{from_io, op_error},
    seen::Seen,
};

/// The download folders, by key. The first is the default.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    /// Locked for moments only: a holder never waits for a disk.
    entries: Arc<RwLock<Vec<Entry>>>,
    /// Held while the entries change.
    changes: Arc<Mutex<()>>,
    seen: Arc<Seen>,
}

#[derive(Clone, Debug)]
struct Entry {
    root: Root,
    path: PathBuf,
    /// Whether the folder overlaps with a later choice. Engines do not hear of it then.
    is_aside: bool,
}

/// Two roots overlap.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RootsError {
    /// Both are the same folder.
    #[error("{0} and {1} are the same folder")]
    Same(PathBuf, PathBuf),
    /// One lies inside the other.
    #[error(
        "{inner} lies inside {outer}; a download folder must not lie inside another one",
        inner = .0.display(),
        outer = .1.display()
    )]
    Nested(PathBuf, PathBuf),
}

impl Roots {
    /// Creates the roots from key, name for a person, and path.
    pub fn new(entries: Vec<(RootKey, String, PathBuf)>) -> Self {
        let entries = entries
            .into_iter()
            .map(|(key, label, path)| {
                let shown = path.display().to_string();
                Entry { root: Root { key, label, path: shown }, path, is_aside: false }
            })
            .collect();
        Self { entries: Arc::new(RwLock::new(entries)), ..Self::default() }
    }

    /// The same roots, which remember in `folder` which of them held files.
    #[must_use]
    pub fn remembering_in(self, folder: &Path) -> Self {
        Self { seen: Arc::new(Seen::load(folder)), ..self }
    }

    /// Checks that no two roots overlap, symbolic links included. Roots that are set aside do not
    /// count.
    ///
    /// # Errors
    /// The first two that overlap.
    pub(crate) fn check_apart(&self) -> Result<(), RootsError> {
        let entries: Vec<Entry> =
            self.entries().into_iter().filter(|entry| !entry.is_aside).collect();
        for (index, entry) in entries.iter().enumerate() {
            for other in &entries[..index] {
                if let Some(error) = shared(&other.path, &entry.path) {
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Sets aside the roots that overlap with an earlier root that a person chose. They held no
    /// files at the time of the choice. Of two roots that nobody chose, the later one is set aside
    /// only if it never held files. Blocking.
    pub(crate) fn set_aside(&self, chosen: &[PathBuf]) {
        let _alone = self.changes.lock();
        let chosen: HashSet<RootKey> = chosen.iter().map(|path| Self::key_of(path)).collect();
        let mut entries = self.entries();
        arrange(&mut entries, |other, later| {
            chosen.contains(&other.key) || !self.held_files(&later.key)
        });
        self.swap(entries);
    }

    /// Makes a folder the first root, after `keep` has saved the choice. Overlapping roots that
    /// never held files are set aside; their keys still work. Blocking.
    ///
    /// # Errors
    /// [`OpErrorKind::Denied`] when the folder overlaps with a root that held files, and errors of
    /// `keep`. Nothing has changed then.
    pub(crate) fn prefer(
        &self,
        label: impl FnOnce(&[Root]) -> String,
        path: &Path,
        keep: impl FnOnce() -> Result<(), OpError>,
    ) -> Result<Vec<Root>, OpError> {
        let _alone = self.changes.lock();
        let key = Self::key_of(path);
        let (known, others): (Vec<Entry>, Vec<Entry>) =
            self.entries().into_iter().partition(|entry| entry.root.key == key);
        let known = known.into_iter().next();
        for other in others.iter().filter(|other| self.held_files(&other.root.key)) {
            // A root that was set aside may hold files by now. A folder that was chosen before may
            // be chosen again.
            if other.is_aside && known.is_some() {
                continue;
            }
            if let Some(error) = shared(&other.path, path) {
                return Err(op_error(OpErrorKind::Denied, error.in_words(path)));
            }
        }
        let first = known.unwrap_or_else(|| {
            let roots: Vec<Root> = others.iter().map(|other| other.root.clone()).collect();
            let root = Root { key, label: label(&roots), path: path.display().to_string() };
            Entry { root, path: path.to_path_buf(), is_aside: false }
        });
        let mut entries: Vec<Entry> = std::iter::once(first).chain(others).collect();
        arrange(&mut entries, |_, _| true);
        keep()?;
        self.swap(entries);
        Ok(self.list())
    }

    /// Whether a file was ever opened in the root.
    pub(crate) fn held_files(&self, key: &RootKey) -> bool {
        self.seen.file_system(key).is_some()
    }

    fn swap(&self, entries: Vec<Entry>) {
        *self.entries.write() = entries;
    }

    /// The key of a folder. It never changes and does not reveal the path.
    pub(crate) fn key_of(path: &Path) -> RootKey {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
        RootKey(data_encoding::HEXLOWER.encode(&digest[..8]))
    }

    fn entries(&self) -> Vec<Entry> {
        self.entries.read().clone()
    }

    /// The roots that are set aside. Files may lie there, and no new files go there.
    pub(crate) fn list_aside(&self) -> Vec<Root> {
        self.entries().into_iter().filter(|entry| entry.is_aside).map(|entry| entry.root).collect()
    }

    /// The roots that engines hear of.
    pub(crate) fn list(&self) -> Vec<Root> {
        self.entries().into_iter().filter(|entry| !entry.is_aside).map(|entry| entry.root).collect()
    }

    /// Opens a root's folder. With `create`, a folder that never held files is created. It is
    /// opened each time, because the folder may move or its disk change at any time.
    pub(crate) fn open(&self, key: &RootKey, create: bool) -> Result<Dir, OpError> {
        let not_there = || from_io(&io::ErrorKind::NotFound.into());
        if let Some(dir) = self.open_if_there(key)? {
            return Ok(dir);
        }
        if !create {
            return Err(not_there());
        }
        let Entry { path, .. } = self.find(key)?;
        std::fs::create_dir_all(&path).map_err(|error| unusable(&error))?;
        self.open_if_there(key)?.ok_or_else(not_there)
    }

    /// Opens a root's folder; `None` if there is none and never was.
    pub(crate) fn open_if_there(&self, key: &RootKey) -> Result<Option<Dir>, OpError> {
        let Entry { root, path, .. } = self.find(key)?;
        let path = &path;
        let Some(file_system) = self.seen.file_system(key) else {
            return match Dir::open_ambient_dir(path, ambient_authority()) {
                Ok(dir) => Ok(Some(dir)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(unusable(&error)),
            };
        };
        let dir = match Dir::open_ambient_dir(path, ambient_authority()) {
            Ok(dir) => dir,
            Err(error) if is_absence(&error) => return Err(absent(&root)),
            Err(error) => return Err(unusable(&error)),
        };
        // This is the empty folder at which the disk would be mounted.
        if file_system_of(&dir) != Some(file_system) && is_empty(&dir) {
            Err(absent(&root))
        } else {
            Ok(Some(dir))
        }
    }

    /// Remembers that a file was opened in this folder of the root.
    pub(crate) fn remember(&self, key: &RootKey, dir: &Dir) {
        if let Some(file_system) = file_system_of(dir) {
            self.seen.remember(key, file_system);
        }
    }

    /// Bytes that this user may still write, and the size of the disk. A root that was never
    /// created counts as the folder above it.
    pub(crate) fn room(&self, key: &RootKey) -> Result<(u64, u64), OpError> {
        if let Some(dir) = self.open_if_there(key)? {
            return room_of(&dir);
        }
        let Entry { path, .. } = self.find(key)?;
        let above = path
            .ancestors()
            .skip(1)
            .find_map(|above| Dir::open_ambient_dir(above, ambient_authority()).ok());
        above.map_or_else(|| Err(from_io(&io::ErrorKind::NotFound.into())), |dir| room_of(&dir))
    }

    /// The path below a root, without symbolic links in the root's own path.
    pub(crate) fn canonical_path(&self, key: &RootKey, path: &Path) -> Result<PathBuf, OpError> {
        Ok(canonical(&self.find(key)?.path).join(path))
    }

    fn find(&self, key: &RootKey) -> Result<Entry, OpError> {
        let entries = self.entries.read();
        let found = entries.iter().find(|entry| entry.root.key == *key).cloned();
        found.ok_or_else(|| op_error(OpErrorKind::NotFound, "no such folder is configured"))
    }
}

/// Sets aside each entry that overlaps with an earlier one and `yields` to it. Blocking.
fn arrange(entries: &mut [Entry], yields: impl Fn(&Root, &Root) -> bool) {
    for index in 0..entries.len() {
        let (before, rest) = entries.split_at_mut(index);
        let entry = &mut rest[0];
        entry.is_aside = before.iter().any(|other| {
            !other.is_aside
                && shared(&other.path, &entry.path).is_some()
                && yields(&other.root, &entry.root)
        });
    }
}

/// How two folders overlap, symbolic links included; `path` is the later one.
fn shared(other: &Path, path: &Path) -> Option<RootsError> {
    let (resolved, other_resolved) = (canonical(path), canonical(other));
    let (path, other) = (path.to_path_buf(), other.to_path_buf());
    if resolved == other_resolved {
        Some(RootsError::Same(other, path))
    } else if resolved.starts_with(&other_resolved) {
        Some(RootsError::Nested(path, other))
    } else if other_resolved.starts_with(&resolved) {
        Some(RootsError::Nested(other, path))
    } else {
        None
    }
}

impl RootsError {
    /// Why this folder cannot be used besides the others.
    fn in_words(&self, path: &Path) -> &'static str {
        match self {
            Self::Same(..) => "it is a download folder already",
            Self::Nested(inner, _) if inner == path => "it lies inside another download folder",
            Self::Nested(..) => "another download folder lies inside it",
        }
    }
}

fn absent(root: &Root) -> OpError {
    let label = &root.label;
    op_error(
        OpErrorKind::Absent,
        format!(
            "the download folder “{label}” is not there, maybe because its disk is not connected"
        ),
    )
}

/// Why a root's folder cannot be opened or created. [`OpErrorKind::Exists`] is for names below the
/// root only, where another name helps.
fn unusable(error: &io::Error) -> OpError {
    match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            op_error(OpErrorKind::Denied, "a file is where the download folder should be")
        }
        _ => from_io(error),
    }
}

#[cfg(test)]
mod tests;
