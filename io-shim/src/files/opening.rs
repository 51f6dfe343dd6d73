//! Opens, creates and looks at regular files beneath a directory handle.
//!
//! Blocking code; knows no roots and no locks. Invariants: no symbolic link at the end of a path is
//! followed; only regular files are opened; creating never opens an existing file.

use std::{
    fs::{File, Metadata},
    io,
    path::Path,
    time::SystemTime,
};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::fs::{Dir, OpenOptions};
use shared_proto::{
    FileIdentity,
    io::{FileStat, OpError, OpErrorKind},
};

use super::{
    error::{from_io, from_name_io, is_link, op_error},
    faults,
    folders::{make_parents, unmake_parents},
    identity,
};

/// How often to create a file again when another program removes its folder meanwhile.
const MAKE_ATTEMPTS: usize = 1000;

/// How to open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    /// For writing to a new file; an existing one is an error.
    Make,
}

/// Opens a regular file.
pub(super) fn open(dir: &Dir, path: &Path, access: Access) -> Result<File, OpError> {
    regular(open_at(dir, path, access).map_err(|error| from_name_io(&error))?)
}

fn open_at(dir: &Dir, path: &Path, access: Access) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // Non-blocking, because opening a pipe would otherwise wait for its other end.
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    match access {
        Access::Read => {}
        Access::Write => drop(options.write(true)),
        Access::Make => drop(options.write(true).create_new(true)),
    }
    faults::check(match access {
        Access::Read => faults::Access::Open,
        Access::Write => faults::Access::OpenToWrite,
        Access::Make => faults::Access::Make,
    })?;
    match dir.open_with(path, &options) {
        // A symbolic link of that name exists.
        Err(error) if access == Access::Make && is_link(&error) => {
            Err(io::ErrorKind::AlreadyExists.into())
        }
        opened => opened.map(cap_std::fs::File::into_std),
    }
}

fn regular(file: File) -> Result<File, OpError> {
    let found = file.metadata().map_err(|error| from_io(&error))?;
    if found.is_dir() {
        return Err(from_io(&io::ErrorKind::IsADirectory.into()));
    }
    if !found.is_file() {
        return Err(op_error(OpErrorKind::Denied, "it is not a regular file"));
    }
    Ok(file)
}

/// Creates a file of this length, and the folders above it. On failure nothing of them stays.
pub(super) fn make(dir: &Dir, path: &Path, length: u64) -> Result<File, OpError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let made = match make_parents(dir, path) {
            Err(error) if error.kind == OpErrorKind::NotFound && attempt < MAKE_ATTEMPTS => {
                continue;
            }
            made => made?,
        };
        let error = match open_at(dir, path, Access::Make) {
            Ok(file) => match extend(&file, length) {
                Ok(()) => return regular(file),
                Err(error) => {
                    // An empty file would look like a download that began.
                    drop(file);
                    let _ = dir.remove_file(path);
                    error
                }
            },
            // Another program removed a folder that was empty for a moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound && attempt < MAKE_ATTEMPTS => {
                continue;
            }
            Err(error) => from_name_io(&error),
        };
        unmake_parents(dir, path, made.as_deref());
        return Err(error);
    }
}

/// Extends a shorter file to `length` bytes, sparse.
pub(super) fn extend(file: &File, length: u64) -> Result<(), OpError> {
    let found = file.metadata().map_err(|error| from_io(&error))?;
    if found.len() >= length {
        return Ok(());
    }
    faults::check(faults::Access::Extend).and_then(|()| file.set_len(length)).map_err(|error| {
        match error.kind() {
            io::ErrorKind::InvalidInput => from_io(&io::ErrorKind::FileTooLarge.into()),
            _ => from_io(&error),
        }
    })
}

/// The state of an open file.
pub(crate) fn stat(file: &File) -> Result<FileStat, OpError> {
    let found = file.metadata().map_err(|error| from_io(&error))?;
    Ok(stat_of(&found, identity::of(file, &found)))
}

/// The same without the identity, for a handle whose file is known.
pub(crate) fn stat_briefly(file: &File) -> std::io::Result<FileStat> {
    Ok(stat_of(&file.metadata()?, None))
}

fn stat_of(found: &Metadata, identity: Option<FileIdentity>) -> FileStat {
    let since = found.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    let modified_ns = since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0);
    FileStat { length: found.len(), modified_ns, changed_ns: changed_ns(found), identity }
}

#[cfg(unix)]
fn changed_ns(found: &Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let seconds = u64::try_from(found.ctime()).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::try_from(found.ctime_nsec()).unwrap_or(0))
}

#[cfg(not(unix))]
fn changed_ns(_: &Metadata) -> u64 {
    0
}

/// Opens the regular file at a path, only to look at it. `None` if there is none.
pub(super) fn look(dir: &Dir, path: &Path) -> Result<Option<File>, OpError> {
    let found = match faults::check(faults::Access::Look).and_then(|()| look_at(dir, path)) {
        Ok(found) => found,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(from_name_io(&error)),
    };
    regular(found).map(Some)
}

/// A handle for looking at the path's last name only. It works even where the file cannot be read.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn look_at(dir: &Dir, path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let (parent, name) = super::folders::parent_of(dir, path)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(&parent, name, flags, Mode::empty())?))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn look_at(dir: &Dir, path: &Path) -> io::Result<File> {
    open_at(dir, path, Access::Read)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        sync::atomic::{AtomicBool, Ordering},
    };

    use cap_std::ambient_authority;

    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn a_file_is_made_although_its_folders_vanish_whenever_they_are_empty() {
        let temp = TempDir::new();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        let path = Path::new("show/season/episode");
        let done = AtomicBool::new(false);
        let made: Vec<_> = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let _ = fs::remove_dir(temp.path().join("show/season"));
                    let _ = fs::remove_dir(temp.path().join("show"));
                    std::thread::yield_now();
                }
            });
            let make = |_| {
                let made = make(&dir, path, 1).map(drop);
                let _ = fs::remove_file(temp.path().join(path));
                made
            };
            let made = (0..300).map(make).collect();
            done.store(true, Ordering::Relaxed);
            made
        });
        assert!(made.iter().all(Result::is_ok), "{made:?}");
    }

    #[test]
    fn a_file_is_extended_but_never_shortened() {
        let dir = TempDir::new();
        let path = dir.path().join("film");
        fs::write(&path, b"0123456789").unwrap();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        for (length, expected) in [(5, 10), (10, 10), (11, 11), (20, 20), (0, 20)] {
            extend(&file, length).unwrap();
            assert_eq!(file.metadata().unwrap().len(), expected, "extended to {length}");
        }
        assert_eq!(extend(&file, u64::MAX).unwrap_err().kind, OpErrorKind::Limit);
        let readable = File::open(&path).unwrap();
        extend(&readable, 20).expect("it is long enough");
        assert!(extend(&readable, 21).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn the_state_of_a_file_is_what_the_system_tells() {
        use std::os::unix::fs::MetadataExt;
        let dir = TempDir::new();
        let path = dir.path().join("film");
        fs::write(&path, b"0123456789").unwrap();
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::new(1_700_000_000, 123_456_789);
        file.set_modified(at).unwrap();
        let found = stat(&file).unwrap();
        let told = file.metadata().unwrap();
        assert_eq!((found.length, found.modified_ns), (10, 1_700_000_000_123_456_789));
        let changed = told.ctime() * 1_000_000_000 + told.ctime_nsec();
        assert_eq!(found.changed_ns, u64::try_from(changed).unwrap());
        assert!(found.identity.is_some());
        assert_eq!(stat_briefly(&file).unwrap(), FileStat { identity: None, ..found });
    }

    #[cfg(unix)]
    #[test]
    fn only_regular_files_are_opened_and_each_obstacle_is_told_apart() {
        let temp = TempDir::new();
        let dir = Dir::open_ambient_dir(temp.path(), ambient_authority()).unwrap();
        dir.create_dir("folder").unwrap();
        dir.write("film", b"film").unwrap();
        dir.symlink("film", "link").unwrap();
        let socket = std::os::unix::net::UnixListener::bind(temp.path().join("socket")).unwrap();
        let kind = |path, access| open(&dir, Path::new(path), access).map_err(|error| error.kind);
        for access in [Access::Read, Access::Write] {
            assert!(kind("film", access).is_ok());
            assert_eq!(kind("folder", access).unwrap_err(), OpErrorKind::Exists);
            assert_eq!(kind("link", access).unwrap_err(), OpErrorKind::Denied);
            assert_eq!(kind("none", access).unwrap_err(), OpErrorKind::NotFound);
        }
        for path in ["film", "folder", "link", "socket"] {
            assert_eq!(kind(path, Access::Make).unwrap_err(), OpErrorKind::Exists, "{path}");
        }
        let look = |path| look(&dir, Path::new(path)).map_err(|error| error.kind);
        assert!(look("film").unwrap().is_some());
        assert!(look("none").unwrap().is_none() && look("film/below").unwrap().is_none());
        assert_eq!(look("folder").unwrap_err(), OpErrorKind::Exists);
        assert_eq!(look("link").unwrap_err(), OpErrorKind::Denied);
        assert_eq!(look("socket").unwrap_err(), OpErrorKind::Denied);
        drop(socket);
    }
}
