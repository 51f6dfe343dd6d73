//! The empty files to create, and those being created.

use std::collections::{BTreeSet, VecDeque};

use shared_proto::FileRef;

use crate::geometry::FileIndex;
use crate::limits;

/// The empty files to create.
#[derive(Debug, Default)]
pub(super) struct Empties {
    waiting: VecDeque<FileIndex>,
    underway: BTreeSet<FileRef>,
}

impl Empties {
    /// Adds a file to create, if it is still selected by then.
    pub(super) fn add(&mut self, file: FileIndex) {
        self.waiting.push_back(file);
    }

    /// Removes all waiting files.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Number of files being created.
    pub(super) fn underway(&self) -> usize {
        self.underway.len()
    }

    /// Takes the next file to create. `None` while enough are being created.
    pub(super) fn next(&mut self) -> Option<FileIndex> {
        if self.underway.len() >= limits::CREATED_AT_ONCE {
            return None;
        }
        self.waiting.pop_front()
    }

    /// Records that a file is being created with this handle.
    pub(super) fn begin(&mut self, handle: FileRef) {
        self.underway.insert(handle);
    }

    /// Records the end of the creation of the file with this handle.
    pub(super) fn end(&mut self, handle: FileRef) {
        self.underway.remove(&handle);
    }

    /// Returns whether all selected files were created.
    pub(super) fn are_made(&self, is_wanted: impl Fn(FileIndex) -> bool) -> bool {
        self.underway.is_empty() && !self.waiting.iter().any(|&file| is_wanted(file))
    }

    /// Takes the handles of the files being created.
    pub(super) fn abandon(&mut self) -> BTreeSet<FileRef> {
        std::mem::take(&mut self.underway)
    }

    /// Forgets everything, because the link to the daemon is lost.
    pub(super) fn unlink(&mut self) {
        self.waiting.clear();
        self.underway.clear();
    }
}
