//! What errors of the operating system mean to an engine.
//!
//! Messages are phrases for a person; they never hold paths.

use std::io::{self, ErrorKind};

use shared_proto::io::{OpError, OpErrorKind};

const NAME: &str = "the file system does not accept this name";

/// Makes an error.
pub(crate) fn op_error(kind: OpErrorKind, message: impl Into<String>) -> OpError {
    OpError { kind, message: message.into() }
}

/// What an error of the file system means to the engine.
pub(crate) fn from_io(error: &io::Error) -> OpError {
    if is_link(error) {
        return op_error(
            OpErrorKind::Denied,
            "a symbolic link is in the way, and the daemon does not follow links",
        );
    }
    if is_out_of_descriptors(error) {
        return op_error(OpErrorKind::Limit, "the daemon has too many files open");
    }
    let (kind, message) = match error.kind() {
        ErrorKind::NotFound => (OpErrorKind::NotFound, "no such file or folder"),
        ErrorKind::AlreadyExists => {
            (OpErrorKind::Exists, "there is something of that name already")
        }
        ErrorKind::NotADirectory => (OpErrorKind::Exists, "a file is where a folder should be"),
        ErrorKind::IsADirectory => (OpErrorKind::Exists, "a folder is where the file should be"),
        ErrorKind::PermissionDenied => {
            (OpErrorKind::Denied, "the operating system does not allow it")
        }
        ErrorKind::ReadOnlyFilesystem => (OpErrorKind::Denied, "the disk is read-only"),
        ErrorKind::StorageFull => (OpErrorKind::Full, "the disk is full"),
        ErrorKind::QuotaExceeded => (OpErrorKind::Full, "the disk quota is used up"),
        ErrorKind::FileTooLarge => {
            (OpErrorKind::Limit, "the file system does not accept files of this size")
        }
        ErrorKind::InvalidFilename => (OpErrorKind::Name, NAME),
        _ if is_illegal_sequence(error) => (OpErrorKind::Name, NAME),
        _ => return op_error(OpErrorKind::Other, format!("the disk failed: {}", plain(error))),
    };
    op_error(kind, message)
}

/// As [`from_io`], for an operation on a name. What the system calls invalid is then the name.
pub(crate) fn from_name_io(error: &io::Error) -> OpError {
    match error.kind() {
        ErrorKind::InvalidInput => op_error(OpErrorKind::Name, NAME),
        _ => from_io(error),
    }
}

/// The operating system's message, which holds no path. A wrapped error might.
fn plain(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code).to_string(),
        None => error.kind().to_string(),
    }
}

/// Whether a symbolic link was in the way.
#[cfg(unix)]
pub(crate) fn is_link(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::LOOP)
}

/// Whether a symbolic link was in the way.
#[cfg(not(unix))]
pub(crate) fn is_link(_: &io::Error) -> bool {
    false
}

/// Whether the file system cannot store the characters of a name.
#[cfg(unix)]
fn is_illegal_sequence(error: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::ILSEQ)
}

#[cfg(not(unix))]
fn is_illegal_sequence(_: &io::Error) -> bool {
    false
}

/// Whether the process has no file descriptor left.
#[cfg(unix)]
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// Whether the process has no file descriptor left.
#[cfg(not(unix))]
pub(crate) fn is_out_of_descriptors(_: &io::Error) -> bool {
    false
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    /// Expects this kind for a system error, and words in its message.
    fn check(errno: Errno, kind: OpErrorKind, words: &str) {
        let error = from_io(&io::Error::from(errno));
        assert_eq!(error.kind, kind, "{errno:?}");
        assert!(error.message.contains(words), "{errno:?}: {}", error.message);
    }

    #[test]
    fn the_kinds_that_an_engine_can_act_upon_are_told_apart() {
        check(Errno::NOSPC, OpErrorKind::Full, "disk is full");
        check(Errno::DQUOT, OpErrorKind::Full, "quota");
        check(Errno::ROFS, OpErrorKind::Denied, "read-only");
        check(Errno::ACCESS, OpErrorKind::Denied, "does not allow");
        check(Errno::PERM, OpErrorKind::Denied, "does not allow");
        check(Errno::LOOP, OpErrorKind::Denied, "link");
        check(Errno::NAMETOOLONG, OpErrorKind::Name, "name");
        check(Errno::ILSEQ, OpErrorKind::Name, "name");
        check(Errno::INVAL, OpErrorKind::Other, "the disk failed");
        assert_eq!(from_name_io(&io::Error::from(Errno::INVAL)).kind, OpErrorKind::Name);
        assert_eq!(from_name_io(&io::Error::from(Errno::NOSPC)).kind, OpErrorKind::Full);
        check(Errno::NOENT, OpErrorKind::NotFound, "no such");
        check(Errno::EXIST, OpErrorKind::Exists, "already");
        check(Errno::ISDIR, OpErrorKind::Exists, "a folder is where");
        check(Errno::NOTDIR, OpErrorKind::Exists, "a file is where");
        check(Errno::MFILE, OpErrorKind::Limit, "too many files");
        check(Errno::NFILE, OpErrorKind::Limit, "too many files");
        check(Errno::FBIG, OpErrorKind::Limit, "of this size");
        check(Errno::IO, OpErrorKind::Other, "the disk failed");
        check(Errno::NODEV, OpErrorKind::Other, "the disk failed");
    }

    #[test]
    fn each_says_what_it_is_in_words_of_its_own() {
        let causes = [
            Errno::NOSPC,
            Errno::DQUOT,
            Errno::ROFS,
            Errno::ACCESS,
            Errno::LOOP,
            Errno::NAMETOOLONG,
            Errno::NOENT,
            Errno::EXIST,
            Errno::ISDIR,
            Errno::NOTDIR,
            Errno::MFILE,
            Errno::FBIG,
            Errno::IO,
        ];
        let words: std::collections::BTreeSet<String> =
            causes.iter().map(|&errno| from_io(&io::Error::from(errno)).message).collect();
        assert_eq!(words.len(), causes.len(), "{words:?}");
    }

    #[test]
    fn other_errors_are_quoted_without_paths() {
        let told = io::Error::from(Errno::IO);
        assert_eq!(from_io(&told).message, format!("the disk failed: {told}"));
        let wrapped = from_io(&io::Error::other("/home/user/film"));
        assert_eq!(wrapped.message, "the disk failed: other error");
    }
}
