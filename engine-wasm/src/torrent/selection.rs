//! Which files of a torrent are wanted, and how much.
//!
//! Owns the priority of each file and what follows from it for pieces: a piece is wanted as much as
//! the most wanted file that it lies in, and not at all while the user has not said whether to
//! download the torrent. It never knows what is on the disk. What viewers ask for is fetched
//! whatever is selected.

use crate::geometry::{FileIndex, Geometry, PieceIndex};
use crate::media;
use crate::metainfo::Metainfo;
use crate::natural::natural;
use crate::pick::priority::Priority;

/// The priorities of a torrent's files.
#[derive(Debug)]
pub(in crate::torrent) struct Selection {
    files: Vec<Priority>,
    /// Nobody has said yet whether anything is to be downloaded: the files' priorities are a plan.
    undecided: bool,
    /// The film that is watched first, most likely: the first playable file that is wanted.
    film: Option<FileIndex>,
}

impl Selection {
    /// Everything is wanted; padding (BEP 47) for its own sake never is.
    pub(in crate::torrent) fn new(meta: &Metainfo) -> Self {
        let of = |padding: bool| if padding { Priority::Skip } else { Priority::Normal };
        let mut selection = Self {
            files: meta.files.iter().map(|file| of(file.padding)).collect(),
            undecided: false,
            film: None,
        };
        selection.find_film(meta);
        selection
    }

    /// How much a file is wanted.
    pub(in crate::torrent) fn priority(&self, file: FileIndex) -> Priority {
        self.files.get(file.as_usize()).copied().unwrap_or_default()
    }

    /// How much a piece is wanted.
    pub(in crate::torrent) fn of_piece(&self, geometry: &Geometry, piece: PieceIndex) -> Priority {
        if self.undecided {
            return Priority::Skip;
        }
        geometry.files_of(piece).map(|file| self.priority(file)).max().unwrap_or(Priority::Skip)
    }

    /// Whether the user has not said yet what to download.
    pub(in crate::torrent) fn is_undecided(&self) -> bool {
        self.undecided
    }

    /// The user said what to download, or the question is open. False when nothing changes.
    pub(in crate::torrent) fn set_undecided(&mut self, undecided: bool) -> bool {
        std::mem::replace(&mut self.undecided, undecided) != undecided
    }

    /// The film whose beginning is fetched first.
    pub(in crate::torrent) fn film(&self) -> Option<FileIndex> {
        self.film
    }

    /// The first film in the order of people; a file that is alone counts as one.
    pub(in crate::torrent) fn find_film(&mut self, meta: &Metainfo) {
        let wanted =
            (0..).map(FileIndex).zip(&meta.files).filter(|&(file, _)| self.is_wanted(file));
        let mut alone = wanted.clone().map(|(file, _)| file);
        let films =
            wanted.filter(|(_, file)| file.path.last().is_some_and(|name| media::is_film(name)));
        let first = films.min_by(|(_, a), (_, b)| natural(&a.path, &b.path)).map(|(file, _)| file);
        self.film = first.or_else(|| alone.next().filter(|_| alone.next().is_none()));
    }

    /// The film that comes after a file in the order of people, among those that are wanted.
    pub(in crate::torrent) fn film_after(
        &self,
        file: FileIndex,
        meta: &Metainfo,
    ) -> Option<FileIndex> {
        let path = &meta.files.get(file.as_usize())?.path;
        let wanted =
            (0..).map(FileIndex).zip(&meta.files).filter(|&(file, _)| self.is_wanted(file));
        let films =
            wanted.filter(|(_, file)| file.path.last().is_some_and(|name| media::is_film(name)));
        let after = films.filter(|(_, file)| natural(&file.path, path).is_gt());
        after.min_by(|(_, a), (_, b)| natural(&a.path, &b.path)).map(|(file, _)| file)
    }

    /// Whether a file is wanted.
    pub(in crate::torrent) fn is_wanted(&self, file: FileIndex) -> bool {
        self.priority(file) != Priority::Skip
    }

    /// The files whose priority is not the usual one, for the record.
    pub(in crate::torrent) fn unusual(&self) -> Vec<(u32, Priority)> {
        (0..)
            .zip(&self.files)
            .filter(|(_, priority)| **priority != Priority::Normal)
            .map(|(at, &it)| (at, it))
            .collect()
    }

    /// Takes new priorities. True when any is another one than before.
    pub(in crate::torrent) fn set(
        &mut self,
        meta: &Metainfo,
        changes: &[(FileIndex, Priority)],
    ) -> Vec<FileIndex> {
        let mut changed = Vec::new();
        for &(file, priority) in changes {
            let is_padding = meta.files.get(file.as_usize()).is_none_or(|file| file.padding);
            if !is_padding && self.files[file.as_usize()] != priority {
                self.files[file.as_usize()] = priority;
                changed.push(file);
            }
        }
        if !changed.is_empty() {
            self.find_film(meta);
        }
        changed
    }
}
