//! A torrent and what its files look like: at the beginning, after every return of the daemon, and
//! when somebody wants all of it hashed again.
//!
//! Owns the round over all files and what follows from it: which pieces are believed, which are to
//! be hashed, which can't be there. Believed are those that the record names as verified and all of
//! whose files look as they were stamped; a file that looks otherwise is hashed. The opposite is
//! believed, too: a piece that the record does not name is not looked for in files that nobody
//! touched.

use shared_proto::io::{FileStat, OpError, OpErrorKind, OpOutput};

/// What is at a file's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::torrent) enum Found {
    /// Nothing.
    Nothing,
    /// A file.
    File(FileStat),
    /// Something that is no file: a folder, a link, a device.
    Foreign,
}

impl Found {
    /// What a look came to; an error that says nothing about the path is handed back.
    pub(in crate::torrent) fn from_result(
        result: Result<OpOutput, OpError>,
    ) -> Result<Self, OpError> {
        match result {
            Ok(OpOutput::Stat(Some(stat))) => Ok(Self::File(stat)),
            Ok(_) => Ok(Self::Nothing),
            Err(error) => match error.kind {
                OpErrorKind::NotFound => Ok(Self::Nothing),
                OpErrorKind::Exists => Ok(Self::Foreign),
                _ => Err(error),
            },
        }
    }

    /// The file, if it is one.
    pub(in crate::torrent) fn stat(&self) -> Option<FileStat> {
        if let Self::File(stat) = self { Some(*stat) } else { None }
    }
}

/// What is to be thought of a file that was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::torrent) struct Appearance {
    /// The file, if there is one and it is the torrent's.
    pub(in crate::torrent) stat: Option<FileStat>,
    /// Bytes that can be read from the beginning, of a found file that ours is copied from as well.
    pub(in crate::torrent) readable: u64,
    /// Whether it holds what it held when it was stamped.
    pub(in crate::torrent) agrees: bool,
    /// Whether what was verified of it has to be hashed again.
    pub(in crate::torrent) is_stale: bool,
    /// Whether it looks as it did when it was seen last, and as it was stamped.
    pub(in crate::torrent) is_as_seen: bool,
}

/// A round over all files.
#[derive(Debug)]
pub(in crate::torrent) struct Look {
    pub(in crate::torrent) next: u32,
    pub(in crate::torrent) left: u32,
    pub(in crate::torrent) found: Vec<Found>,
    /// Whether everything is to be hashed whatever it looks like.
    pub(in crate::torrent) is_recheck: bool,
}

impl Look {
    /// Whether a person wants everything hashed.
    pub(in crate::torrent) fn is_recheck(&self) -> bool {
        self.is_recheck
    }
}
