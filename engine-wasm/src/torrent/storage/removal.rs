//! A torrent that goes with its data: its files are deleted first, and it is forgotten when they
//! are gone.
//!
//! Owns how far that is. What can't be deleted keeps the torrent: it is stopped and says why, so
//! that a person can try again, and what is left is as proven as before. A file that is not ours
//! any more is left alone, and whoever asked is told.

use crate::geometry::FileIndex;
use crate::torrent::storage::mover::Asker;
use crate::view::Sentence;

/// A removal that is under way.
#[derive(Debug)]
pub(in crate::torrent) struct Removal {
    /// Who wants it; `None` for the clean-up of temporary torrents.
    pub(in crate::torrent) asker: Option<Asker>,
    /// Files that are being deleted, or were being made when it began.
    pub(in crate::torrent) underway: usize,
    /// Why the first file that could not be deleted could not, in plain words.
    pub(in crate::torrent) failure: Option<Sentence>,
    /// Files that are not ours any more: the first, and how many.
    pub(in crate::torrent) spared: Option<(FileIndex, usize)>,
}

/// How a removal ended.
#[derive(Debug)]
pub(crate) enum Parting {
    /// Its files are gone, and so should it be.
    Goes {
        /// Who wants to know.
        asker: Option<Asker>,
        /// What was left alone, in plain words.
        left: Option<Sentence>,
    },
    /// It stays.
    Stays {
        /// Who wants to know.
        asker: Option<Asker>,
        /// Why, in plain words.
        why: Sentence,
    },
}
