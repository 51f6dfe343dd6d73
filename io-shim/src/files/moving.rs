//! Moves a file to another disk. It copies the file under a temporary name, makes the copy durable,
//! and renames it.
//!
//! Blocking code over directory handles; knows no roots and no locks. Invariants: the source stays
//! as it is until the target has its name; then the target is durable as a whole; a move that ends
//! early leaves no target.

use std::{
    fs::{File, FileTimes},
    io,
    path::{Path, PathBuf},
};

use cap_std::fs::Dir;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use shared_proto::io::{OpError, OpErrorKind};

use super::{
    error::{from_io, from_name_io, op_error},
    faults,
    folders::{parent_of, remove_file, rename_no_replace},
    opening::{self, Access},
};
use crate::files::positional::{read_at, write_all_at};

/// Bytes copied at a time. A chunk of zeros becomes a hole.
const CHUNK: usize = 1 << 20;

/// Copies the file, gives the copy its name, and removes the source. `cancelled` is asked between
/// chunks. `alone` keeps other changes of names away. `admit` takes the right to write to the copy
/// before another process can open it.
pub(super) fn copy_over<G, W>(
    (from_dir, from): (&Dir, &Path),
    (to_dir, to): (&Dir, &Path),
    cancelled: impl Fn() -> bool,
    alone: impl FnOnce() -> G,
    admit: impl FnOnce(&File) -> Result<W, OpError>,
) -> Result<(File, W), OpError> {
    let source = opening::open(from_dir, from, Access::Read)?;
    let (target_dir, target_name) = parent_of(to_dir, to).map_err(|error| from_io(&error))?;
    if target_dir.symlink_metadata(target_name).is_ok() {
        return Err(from_io(&io::ErrorKind::AlreadyExists.into()));
    }
    let temporary = temporary_name(to);
    // An earlier attempt may have left this file when the machine stopped.
    let _ = target_dir.remove_file(&temporary);
    let copied = copy(&source, &target_dir, &temporary, cancelled).and_then(|copy| {
        let writer = admit(&copy)?;
        Ok((copy, writer))
    });
    let moved = copied.and_then(|moved| {
        let _alone = alone();
        rename_no_replace(&target_dir, &temporary, &target_dir, target_name)
            .map_err(|error| from_name_io(&error))?;
        sync_folder(&target_dir);
        if let Err(error) = remove_source(&source, from_dir, from) {
            // One of the two has to go. The engine goes on with the source.
            let _ = target_dir.remove_file(target_name);
            return Err(error);
        }
        Ok(moved)
    });
    if moved.is_err() {
        let _ = target_dir.remove_file(&temporary);
    }
    moved
}

/// Removes the file that was copied. If another file is at the path now, that file stays.
fn remove_source(source: &File, dir: &Dir, path: &Path) -> Result<(), OpError> {
    let Some(found) = opening::look(dir, path)? else { return Ok(()) };
    if opening::stat(&found)?.identity != opening::stat(source)?.identity {
        return Ok(());
    }
    remove_file(dir, path).map_err(|error| from_io(&error))
}

/// A name that depends only on the target. Failed moves thus leave at most one file.
fn temporary_name(to: &Path) -> PathBuf {
    let digest = Sha256::digest(to.as_os_str().as_encoded_bytes());
    format!(".moving-{}.part", HEXLOWER.encode(&digest[..8])).into()
}

fn copy(
    source: &File,
    dir: &Dir,
    name: &Path,
    cancelled: impl Fn() -> bool,
) -> Result<File, OpError> {
    let copy = opening::open(dir, name, Access::Make)?;
    let found = source.metadata().map_err(|error| from_io(&error))?;
    opening::extend(&copy, found.len())?;
    copy_bytes(source, &copy, found.len(), cancelled)?;
    if let Ok(modified) = found.modified() {
        // The time tells whether another program changed the file. Not every disk keeps it.
        let _ = copy.set_times(FileTimes::new().set_modified(modified));
    }
    faults::check(faults::Access::Sync)
        .and_then(|()| copy.sync_all())
        .map_err(|error| from_io(&error))?;
    Ok(copy)
}

fn copy_bytes(
    source: &File,
    copy: &File,
    length: u64,
    cancelled: impl Fn() -> bool,
) -> Result<(), OpError> {
    let mut buffer = vec![0; CHUNK.min(usize::try_from(length).unwrap_or(CHUNK))];
    let mut done = 0;
    while done < length {
        if cancelled() {
            return Err(op_error(OpErrorKind::Other, "given up"));
        }
        let wanted = buffer.len().min(usize::try_from(length - done).unwrap_or(usize::MAX));
        let read = read_at(source, &mut buffer[..wanted], done).map_err(|error| from_io(&error))?;
        if read < wanted {
            return Err(op_error(OpErrorKind::Other, "the file changed while it was copied"));
        }
        if buffer[..read].iter().any(|byte| *byte != 0) {
            write_all_at(copy, &buffer[..read], done).map_err(|error| from_io(&error))?;
        }
        done += read as u64;
    }
    Ok(())
}

/// Makes a change of names durable, where folders can be synced.
fn sync_folder(dir: &Dir) {
    #[cfg(unix)]
    let _ = rustix::fs::openat(
        dir,
        ".",
        rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY,
        rustix::fs::Mode::empty(),
    )
    .and_then(rustix::fs::fsync);
    #[cfg(not(unix))]
    let _ = dir;
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        fs::{self, OpenOptions},
        io::Write,
    };

    use cap_std::ambient_authority;

    use super::*;
    use crate::testing::TempDir;

    struct Disks {
        _dir: TempDir,
        from: Dir,
        to: Dir,
        from_path: PathBuf,
        to_path: PathBuf,
    }

    impl Disks {
        /// Two folders in the role of disks, and a film on one of them.
        fn new(film: &[u8]) -> Self {
            let dir = TempDir::new();
            let (from_path, to_path) = (dir.path().join("from"), dir.path().join("to"));
            for path in [&from_path, &to_path] {
                fs::create_dir(path).unwrap();
            }
            fs::write(from_path.join("film"), film).unwrap();
            let open = |path| Dir::open_ambient_dir(path, ambient_authority()).unwrap();
            Self { from: open(&from_path), to: open(&to_path), from_path, to_path, _dir: dir }
        }

        fn copy_over(&self, cancelled: impl Fn() -> bool) -> Result<File, OpErrorKind> {
            let (from, to) = ((&self.from, Path::new("film")), (&self.to, Path::new("new")));
            copy_over(from, to, cancelled, || (), |_| Ok(()))
                .map(|(file, ())| file)
                .map_err(|error| error.kind)
        }

        fn names(path: &Path) -> Vec<String> {
            let mut names: Vec<_> = fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    #[test]
    fn a_file_arrives_whole_with_its_holes_and_its_time() {
        let film = [vec![1; 3], vec![0; 5 * CHUNK], b"end".to_vec()].concat();
        let disks = Disks::new(&film);
        let modified = fs::metadata(disks.from_path.join("film")).unwrap().modified().unwrap();
        disks.copy_over(|| false).unwrap();
        assert!(fs::read(disks.to_path.join("new")).unwrap() == film);
        let found = fs::metadata(disks.to_path.join("new")).unwrap();
        assert_eq!(found.modified().unwrap(), modified);
        #[cfg(unix)]
        assert!(
            std::os::unix::fs::MetadataExt::blocks(&found) * 512 < 3 * CHUNK as u64,
            "its hole was filled"
        );
        assert!(Disks::names(&disks.from_path).is_empty());
        assert_eq!(Disks::names(&disks.to_path), ["new"]);
    }

    #[test]
    fn what_is_given_up_leaves_the_source_and_nothing_else() {
        let disks = Disks::new(&vec![7; 3 * CHUNK]);
        let asked = Cell::new(0);
        let given_up = disks.copy_over(|| asked.replace(asked.get() + 1) == 2);
        assert_eq!(given_up.unwrap_err(), OpErrorKind::Other);
        assert_eq!(fs::read(disks.from_path.join("film")).unwrap(), vec![7; 3 * CHUNK]);
        assert!(Disks::names(&disks.to_path).is_empty());
    }

    #[test]
    fn a_target_is_never_replaced_not_even_one_that_appears_meanwhile() {
        let disks = Disks::new(b"film");
        fs::write(disks.to_path.join("new"), b"other").unwrap();
        assert_eq!(disks.copy_over(|| false).unwrap_err(), OpErrorKind::Exists);
        fs::remove_file(disks.to_path.join("new")).unwrap();
        let appears = || {
            fs::write(disks.to_path.join("new"), b"other").unwrap();
            false
        };
        assert_eq!(disks.copy_over(appears).unwrap_err(), OpErrorKind::Exists);
        assert_eq!(fs::read(disks.to_path.join("new")).unwrap(), b"other");
        assert_eq!(fs::read(disks.from_path.join("film")).unwrap(), b"film");
        assert_eq!(Disks::names(&disks.to_path), ["new"]);
    }

    #[test]
    fn another_file_that_takes_the_place_of_the_source_stays() {
        let disks = Disks::new(b"film");
        let asked = Cell::new(false);
        let swapped = || {
            if !asked.replace(true) {
                fs::write(disks.from_path.join("diary"), b"diary").unwrap();
                fs::rename(disks.from_path.join("diary"), disks.from_path.join("film")).unwrap();
            }
            false
        };
        disks.copy_over(swapped).unwrap();
        assert_eq!(fs::read(disks.from_path.join("film")).unwrap(), b"diary");
        assert_eq!(fs::read(disks.to_path.join("new")).unwrap(), b"film");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_source_that_can_not_be_removed_stays_the_only_one() {
        let disks = Disks::new(b"film");
        // A folder that even an administrator cannot change.
        let from = Dir::open_ambient_dir("/proc/self", ambient_authority()).unwrap();
        let (from, to) = ((&from, Path::new("cmdline")), (&disks.to, Path::new("new")));
        let moved = copy_over(from, to, || false, || (), |_| Ok(()));
        assert!(moved.is_err());
        assert!(Disks::names(&disks.to_path).is_empty(), "the target was left behind");
    }

    #[test]
    fn what_a_sudden_end_left_is_no_hindrance() {
        let disks = Disks::new(b"film");
        let left = disks.to_path.join(temporary_name(Path::new("new")));
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&left)
            .unwrap()
            .write_all(b"half")
            .unwrap();
        disks.copy_over(|| false).unwrap();
        assert_eq!(Disks::names(&disks.to_path), ["new"]);
    }
}
