//! The state's file: its names, and whether the path still leads to the open file.
//!
//! Owns the names in the state folder and the identity of the open file. Invariant: a file that the
//! daemon did not create, or cannot read, is renamed and never deleted.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::durable::sync_folder;
use crate::files::private::private;

/// Name of the file in the state folder.
pub(super) const FILE: &str = "state.redb";
/// The suffix of a file that was set aside. A number follows.
const ASIDE: &str = ".corrupt-";
/// The suffix of a copy of an older version.
const COPY: &str = ".version-";
/// The suffix of a file that is being filled.
const DRAFT: &str = ".new";

/// A state folder and the file in it.
#[derive(Debug)]
pub(super) struct StateFile {
    folder: PathBuf,
    path: PathBuf,
    /// The device that the folder was on when the store was opened.
    device: Option<u64>,
}

/// Device and number of a file; `None` where the system has none.
pub(super) type FileNumber = Option<(u64, u64)>;

/// What the path of the state leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lies {
    /// The file that is open.
    Ours,
    /// Nothing; the folder exists.
    Nothing,
    /// Another file than the one that is open.
    Another,
    /// The folder is missing, or another disk is mounted at its path.
    NoFolder,
}

impl StateFile {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), path: folder.join(FILE), device: device(folder).ok() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the file for reading and writing.
    pub(super) fn open(&self, create: bool) -> io::Result<File> {
        let mut options = OpenOptions::new();
        private(options.read(true).write(true).create(create).truncate(false)).open(&self.path)
    }

    /// Creates an empty file for [`StateFile::put_in_place`].
    pub(super) fn draft(&self) -> io::Result<(PathBuf, File)> {
        let path = self.beside(DRAFT);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let file = private(options.read(true).write(true).create_new(true)).open(&path)?;
        Ok((path, file))
    }

    /// Makes a filled draft the file.
    pub(super) fn put_in_place(&self, draft: &Path) -> io::Result<()> {
        fs::rename(draft, &self.path)?;
        sync_folder(&self.folder)
    }

    /// Compares what the path leads to with the open file.
    pub(super) fn look(&self, open: FileNumber) -> io::Result<Lies> {
        match device(&self.folder) {
            Ok(device) if self.device.is_none_or(|before| before == device) => {}
            Ok(_) => return Ok(Lies::NoFolder),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lies::NoFolder),
            Err(error) => return Err(error),
        }
        match fs::metadata(&self.path) {
            Ok(found) if open.is_none() || identity(&found) == open => Ok(Lies::Ours),
            Ok(_) => Ok(Lies::Another),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Lies::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Sets the file aside, and returns its new name.
    pub(super) fn set_aside(&self) -> io::Result<PathBuf> {
        let aside = self.free(ASIDE, 1)?;
        fs::rename(&self.path, &aside)?;
        sync_folder(&self.folder)?;
        Ok(aside)
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

    /// Copies the file of an older version durably, and returns the copy's path.
    pub(super) fn keep_copy(&self, version: u64) -> io::Result<PathBuf> {
        let copy = self.free(&format!("{COPY}{version}-"), 1)?;
        let mut options = OpenOptions::new();
        let mut target = private(options.write(true).create_new(true)).open(&copy)?;
        let copied = File::open(&self.path)
            .and_then(|mut source| io::copy(&mut source, &mut target))
            .and_then(|_| target.sync_all())
            .and_then(|()| sync_folder(&self.folder));
        if let Err(error) = copied {
            // Half a copy would be taken for a whole one.
            let _ = fs::remove_file(&copy);
            return Err(error);
        }
        Ok(copy)
    }

    fn free(&self, suffix: &str, from: u32) -> io::Result<PathBuf> {
        for number in from..=u32::MAX {
            let path = self.beside(&format!("{suffix}{number}"));
            match fs::symlink_metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.path.with_file_name(format!("{FILE}{suffix}"))
    }
}

/// The identity of an open file.
pub(super) fn number_of(file: &File) -> io::Result<FileNumber> {
    Ok(identity(&file.metadata()?))
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> FileNumber {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> FileNumber {
    None
}

#[cfg(unix)]
fn device(folder: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    Ok(fs::metadata(folder)?.dev())
}

#[cfg(not(unix))]
fn device(folder: &Path) -> io::Result<u64> {
    fs::metadata(folder).map(|_| 0)
}
