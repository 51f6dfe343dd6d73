//! What the operating system says about a root's folder and its disk.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;
use data_encoding::HEXLOWER;
use shared_proto::io::OpError;

use crate::files::error::from_io;
use crate::files::identity::FileSystem;

/// Whether a folder cannot be opened because its disk is gone. The disk may be unmounted,
/// unplugged, or on a server that cannot be reached.
pub(super) fn is_absence(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        let gone =
            [Errno::NOTCONN, Errno::NODEV, Errno::NXIO, Errno::STALE, Errno::HOSTDOWN, Errno::IO];
        if Errno::from_io_error(error).is_some_and(|errno| gone.contains(&errno)) {
            return true;
        }
    }
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

pub(super) fn file_system_of(dir: &Dir) -> Option<String> {
    let dir: File = dir.try_clone().ok()?.into_std_file();
    let found = dir.metadata().ok()?;
    Some(HEXLOWER.encode(&FileSystem::of(&dir, &found).id))
}

/// Bytes that this user may still write, and the size of the disk, bytes.
#[cfg(unix)]
pub(super) fn room_of(dir: &Dir) -> Result<(u64, u64), OpError> {
    let found = rustix::fs::fstatvfs(dir).map_err(|errno| from_io(&errno.into()))?;
    Ok((
        found.f_bavail.saturating_mul(found.f_frsize),
        found.f_blocks.saturating_mul(found.f_frsize),
    ))
}

#[cfg(not(unix))]
pub(super) fn room_of(_: &Dir) -> Result<(u64, u64), OpError> {
    use shared_proto::io::OpErrorKind;
    Err(crate::files::error::op_error(
        OpErrorKind::Other,
        "the operating system does not tell the free space",
    ))
}

pub(super) fn is_empty(dir: &Dir) -> bool {
    dir.entries().is_ok_and(|mut entries| entries.next().is_none())
}

/// Resolves symbolic links in the part of the path that exists.
pub(super) fn canonical(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let known =
        path.ancestors().find_map(|above| Some((above, std::fs::canonicalize(above).ok()?)));
    match known {
        Some((above, resolved)) => resolved.join(path.strip_prefix(above).unwrap_or(Path::new(""))),
        None => path,
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::symlink;

    use cap_std::ambient_authority;
    use rustix::io::Errno;

    use super::*;
    use crate::testing::TempDir;

    fn open(path: &Path) -> Dir {
        Dir::open_ambient_dir(path, ambient_authority()).unwrap()
    }

    #[test]
    fn a_disk_that_is_gone_is_told_from_one_that_refuses() {
        let absent =
            [Errno::NOENT, Errno::NOTDIR, Errno::NOTCONN, Errno::NODEV, Errno::STALE, Errno::IO];
        for errno in absent {
            assert!(is_absence(&errno.into()), "{errno:?}");
        }
        for errno in [Errno::ACCESS, Errno::LOOP, Errno::NOSPC, Errno::MFILE] {
            assert!(!is_absence(&errno.into()), "{errno:?}");
        }
    }

    #[test]
    fn the_room_is_what_the_system_tells() {
        let dir = TempDir::new();
        let (free, total) = room_of(&open(dir.path())).unwrap();
        let told = rustix::fs::statvfs(dir.path()).unwrap();
        assert_eq!(total, told.f_blocks * told.f_frsize);
        // Other programs write meanwhile.
        let expected = told.f_bavail * told.f_frsize;
        assert!(free.abs_diff(expected) < total / 10 + (1 << 30), "{free} for {expected}");
        assert!(free > 1 && free <= total);
    }

    #[test]
    fn a_folder_is_empty_until_something_is_in_it() {
        let dir = TempDir::new();
        assert!(is_empty(&open(dir.path())));
        std::fs::write(dir.path().join("a"), b"").unwrap();
        assert!(!is_empty(&open(dir.path())));
    }

    #[test]
    fn folders_of_one_file_system_name_the_same_one() {
        let dir = TempDir::new();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        let of = |path: &Path| file_system_of(&open(path)).unwrap();
        assert_eq!(of(dir.path()), of(&dir.path().join("a")));
        assert_eq!(of(dir.path()).len(), 32, "sixteen bytes in hex");
        let memory = Path::new("/dev/shm");
        if cfg!(target_os = "linux") && memory.is_dir() {
            assert_ne!(of(memory), of(dir.path()));
        }
    }

    #[test]
    fn links_are_resolved_as_far_as_the_path_exists() {
        let dir = TempDir::new();
        let real = std::fs::canonicalize(dir.path()).unwrap();
        std::fs::create_dir(real.join("films")).unwrap();
        symlink(real.join("films"), real.join("link")).unwrap();
        assert_eq!(canonical(&real.join("link")), real.join("films"));
        assert_eq!(canonical(&real.join("link/not/there")), real.join("films/not/there"));
        assert_eq!(canonical(Path::new(".")), std::fs::canonicalize(".").unwrap());
    }
}
