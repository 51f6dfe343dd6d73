//! The user's selection: the priority of each file, and what follows for pieces.
//!
//! A piece has the highest priority of its files, and none while the user has not decided about the
//! torrent. This module never knows what is on the disk. What viewers need is downloaded regardless
//! of the selection.

use crate::geometry::{FileIndex, Geometry, PieceIndex};
use crate::media;
use crate::metainfo::Metainfo;
use crate::natural::natural;
use crate::pick::priority::Priority;
use crate::torrent::content::Content;

/// The priorities of a torrent's files.
#[derive(Debug)]
pub(in crate::torrent) struct Selection {
    files: Vec<Priority>,
    /// Whether the user has yet to decide. Until then the files' priorities are only a plan.
    undecided: bool,
    /// The film that will probably be watched first: the first selected playable file.
    film: Option<FileIndex>,
}

impl Selection {
    /// Selects everything except padding files (BEP 47), which are never selected.
    pub(in crate::torrent) fn new(meta: &Metainfo, geometry: &Geometry) -> Self {
        let of = |padding: bool| if padding { Priority::Skip } else { Priority::Normal };
        let mut selection = Self {
            files: meta.files.iter().map(|file| of(file.padding)).collect(),
            undecided: false,
            film: None,
        };
        selection.find_film(meta, geometry);
        selection
    }

    /// The priority of a file.
    pub(in crate::torrent) fn priority(&self, file: FileIndex) -> Priority {
        self.files.get(file.as_usize()).copied().unwrap_or_default()
    }

    /// The priority of a piece.
    pub(in crate::torrent) fn of_piece(&self, geometry: &Geometry, piece: PieceIndex) -> Priority {
        if self.undecided {
            return Priority::Skip;
        }
        geometry.files_of(piece).map(|file| self.priority(file)).max().unwrap_or(Priority::Skip)
    }

    /// Whether the user has yet to decide what to download.
    pub(in crate::torrent) fn is_undecided(&self) -> bool {
        self.undecided
    }

    /// Sets whether the user has yet to decide. False if unchanged.
    pub(in crate::torrent) fn set_undecided(&mut self, undecided: bool) -> bool {
        std::mem::replace(&mut self.undecided, undecided) != undecided
    }

    /// The film whose start is downloaded first.
    pub(in crate::torrent) fn film(&self) -> Option<FileIndex> {
        self.film
    }

    /// Finds the first film in natural order; a single file counts as a film.
    fn find_film(&mut self, meta: &Metainfo, geometry: &Geometry) {
        let wanted = geometry.files().zip(&meta.files).filter(|&(file, _)| self.is_wanted(file));
        let mut alone = wanted.clone().map(|(file, _)| file);
        let films =
            wanted.filter(|(_, file)| file.path.last().is_some_and(|name| media::is_film(name)));
        let first = films.min_by(|(_, a), (_, b)| natural(&a.path, &b.path)).map(|(file, _)| file);
        self.film = first.or_else(|| alone.next().filter(|_| alone.next().is_none()));
    }

    /// The next selected film after a file, in natural order.
    pub(in crate::torrent) fn film_after(
        &self,
        file: FileIndex,
        Content { meta, geometry, .. }: &Content,
    ) -> Option<FileIndex> {
        let path = &meta.files.get(file.as_usize())?.path;
        let wanted = geometry.files().zip(&meta.files).filter(|&(file, _)| self.is_wanted(file));
        let films =
            wanted.filter(|(_, file)| file.path.last().is_some_and(|name| media::is_film(name)));
        let after = films.filter(|(_, file)| natural(&file.path, path).is_gt());
        after.min_by(|(_, a), (_, b)| natural(&a.path, &b.path)).map(|(file, _)| file)
    }

    /// Whether a file is selected.
    pub(in crate::torrent) fn is_wanted(&self, file: FileIndex) -> bool {
        self.priority(file) != Priority::Skip
    }

    /// Returns the priorities with which only these files are selected. A selected file keeps its
    /// own priority.
    pub(in crate::torrent) fn only(
        &self,
        geometry: &Geometry,
        is_meant: impl Fn(FileIndex) -> bool,
    ) -> Vec<(FileIndex, Priority)> {
        let of = |(file, &priority): (FileIndex, &Priority)| match priority {
            _ if !is_meant(file) => (file, Priority::Skip),
            Priority::Skip => (file, Priority::Normal),
            priority => (file, priority),
        };
        geometry.files().zip(&self.files).map(of).collect()
    }

    /// The files whose priority is not the default, for the record.
    pub(in crate::torrent) fn unusual(&self) -> Vec<(u32, Priority)> {
        (0..)
            .zip(&self.files)
            .filter(|(_, priority)| **priority != Priority::Normal)
            .map(|(at, &it)| (at, it))
            .collect()
    }

    /// Sets new priorities. Returns whether any has changed.
    pub(in crate::torrent) fn set(
        &mut self,
        content: &Content,
        changes: &[(FileIndex, Priority)],
    ) -> Vec<FileIndex> {
        let mut changed = Vec::new();
        for &(file, priority) in changes {
            let is_padding = content.geometry.is_padding(file);
            if !is_padding && self.files[file.as_usize()] != priority {
                self.files[file.as_usize()] = priority;
                changed.push(file);
            }
        }
        if !changed.is_empty() {
            self.find_film(&content.meta, &content.geometry);
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::geometry::testing::file;
    use crate::metainfo::testing;

    #[test]
    fn only_these_files_are_selected_and_keep_their_priority() {
        let meta = testing::torrent(16_384, &[("a", 1), ("b", 1), ("c", 1)]).metainfo;
        let [a, b, c] = [0, 1, 2].map(file);
        let content = Content { geometry: Arc::new(meta.geometry()), meta, added: 0 };
        let mut selection = Selection::new(&content.meta, &content.geometry);
        selection.set(&content, &[(a, Priority::High), (b, Priority::Skip)]);
        let expected = [(a, Priority::High), (b, Priority::Normal), (c, Priority::Skip)];
        assert_eq!(selection.only(&content.geometry, |file| file != c), expected);
    }
}
