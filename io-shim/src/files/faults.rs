//! Disk faults that a test asks for, in debug builds only.
//!
//! The environment's `JSTORRENT_FAULTS` names a file. Each of its lines makes one kind of access to
//! the files of roots fail, for example `write ENOSPC`. The file may change at any time; without it
//! nothing fails. Release builds hold none of this.

use std::io;

/// A kind of access to a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Access {
    /// Looking at a path.
    Look,
    /// Opening a file for reading.
    Open,
    /// Opening a file for writing.
    OpenToWrite,
    /// Creating a file or folder.
    Make,
    /// Changing the length.
    Extend,
    /// Reading bytes.
    Read,
    /// Writing bytes.
    Write,
    /// Making writes durable.
    Sync,
    /// Renaming a file.
    Rename,
    /// Removing a file.
    Remove,
}

/// Fails if a test wants this access to fail.
#[cfg(all(debug_assertions, unix))]
pub(crate) fn check(access: Access) -> io::Result<()> {
    use std::{path::PathBuf, sync::OnceLock};
    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let Some(file) = FILE.get_or_init(|| std::env::var_os("JSTORRENT_FAULTS").map(PathBuf::from))
    else {
        return Ok(());
    };
    match std::fs::read_to_string(file) {
        Ok(faults) => wanted(&faults, access).map_or(Ok(()), |errno| Err(errno.into())),
        Err(_) => Ok(()),
    }
}

/// Release builds never fail on request.
#[cfg(not(all(debug_assertions, unix)))]
#[inline]
pub(crate) const fn check(_: Access) -> io::Result<()> {
    Ok(())
}

#[cfg(all(debug_assertions, unix))]
fn wanted(faults: &str, access: Access) -> Option<rustix::io::Errno> {
    use rustix::io::Errno;
    let name = match access {
        Access::Look => "look",
        Access::Open => "open",
        Access::OpenToWrite => "open-to-write",
        Access::Make => "make",
        Access::Extend => "extend",
        Access::Read => "read",
        Access::Write => "write",
        Access::Sync => "sync",
        Access::Rename => "rename",
        Access::Remove => "remove",
    };
    let of_line = |line: &str| {
        let (wanted, errno) = line.split_once(' ')?;
        let errno = match errno.trim() {
            "ENOSPC" => Errno::NOSPC,
            "EIO" => Errno::IO,
            "EACCES" => Errno::ACCESS,
            "EROFS" => Errno::ROFS,
            unknown => panic!("tests know no fault {unknown:?}"),
        };
        (wanted == name).then_some(errno)
    };
    faults.lines().find_map(of_line)
}

#[cfg(all(test, debug_assertions, unix))]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn each_line_is_a_fault_of_one_kind_of_access() {
        let faults = "write ENOSPC\nmake EROFS\n";
        assert_eq!(wanted(faults, Access::Write), Some(Errno::NOSPC));
        assert_eq!(wanted(faults, Access::Make), Some(Errno::ROFS));
        assert_eq!(wanted(faults, Access::Read), None);
        assert_eq!(wanted("", Access::Write), None);
    }
}
