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
