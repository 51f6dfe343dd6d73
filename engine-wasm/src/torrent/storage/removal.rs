//! The progress of a torrent's removal with its files, and its result.

use shared_proto::io::{OpError, OpErrorKind};

use super::mover::Asker;
use crate::geometry::FileIndex;
use crate::view::Sentence;

/// A removal in progress.
#[derive(Debug)]
pub(super) struct Removal {
    /// The origin of the request; `None` for the clean-up of temporary torrents.
    asker: Option<Asker>,
    /// Files that are being deleted, or were being created when the removal began.
    underway: usize,
    /// The error of the first file that could not be deleted.
    failure: Option<Sentence>,
    /// Files that are no longer ours: the first, and their number.
    spared: Option<(FileIndex, usize)>,
}

impl Removal {
    /// Starts a removal while this many files are being created.
    pub(super) fn new(asker: Option<Asker>, underway: usize) -> Self {
        Self { asker, underway, failure: None, spared: None }
    }

    /// Records that this many files are being deleted.
    pub(super) fn begin(&mut self, count: usize) {
        self.underway += count;
    }

    /// Records that the deletion or creation of a file has ended.
    pub(super) fn end(&mut self) {
        self.underway = self.underway.saturating_sub(1);
    }

    /// Records that a file was not deleted. Returns false if it no longer exists.
    pub(super) fn fail(&mut self, file: FileIndex, name: String, error: &OpError) -> bool {
        match error.kind {
            OpErrorKind::NotFound => return false,
            OpErrorKind::Changed => self.spared.get_or_insert((file, 0)).1 += 1,
            kind => {
                let why = error.into();
                self.failure.get_or_insert(match kind {
                    // The daemon's message names the folder.
                    OpErrorKind::Absent => Sentence::CantDeleteThere { why },
                    _ => Sentence::CantDelete { name, why },
                });
            }
        }
        true
    }

    /// Returns whether nothing is being deleted or created any more.
    pub(super) fn is_over(&self) -> bool {
        self.underway == 0
    }

    /// Returns the result of the removal. `name` gives the path of a file as shown.
    pub(super) fn into_parting(self, name: impl Fn(FileIndex) -> String) -> RemovalEnd {
        let Self { asker, failure, spared, .. } = self;
        if let Some(why) = failure {
            return RemovalEnd::Stays { asker, why };
        }
        let left = spared.map(|(first, count)| Sentence::Spared {
            name: name(first),
            others: count.saturating_sub(1),
        });
        RemovalEnd::Goes { asker, left }
    }

    /// Fails, because the link to the daemon is lost.
    pub(super) fn unlink(&mut self) {
        self.underway = 0;
        self.failure.get_or_insert(Sentence::NotAllDeleted);
    }
}

/// The result of a removal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RemovalEnd {
    /// The files are deleted, and the torrent is to be removed.
    Goes {
        /// The origin of the request.
        asker: Option<Asker>,
        /// The files that were spared.
        left: Option<Sentence>,
    },
    /// The torrent stays.
    Stays {
        /// The origin of the request.
        asker: Option<Asker>,
        /// The reason.
        why: Sentence,
    },
}
