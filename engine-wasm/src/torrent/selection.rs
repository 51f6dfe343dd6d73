//! Which files of a torrent are wanted, and how much.
//!
//! Owns the priority of each file and what follows from it for pieces: a piece is wanted as much as
//! the most wanted file that has bytes of it, and not at all while nobody has said whether the
//! torrent is to be downloaded. It never knows what is there. What viewers ask for is fetched
//! whatever is selected; that is the desk's.

use std::collections::BTreeSet;

use super::Torrent;
use crate::context::Context;
use crate::geometry::{FileIndex, Geometry, PieceIndex, each_piece};
use crate::media;
use crate::metainfo::Metainfo;
use crate::natural::natural;
use crate::pick::piece_map::PieceState;
use crate::pick::priority::Priority;
use crate::stream::desk::LINGER;
use crate::time::Instant;

/// The priorities of a torrent's files.
#[derive(Debug)]
pub(super) struct Selection {
    files: Vec<Priority>,
    /// Nobody has said yet whether anything is to be downloaded: the files' priorities are a plan.
    undecided: bool,
    /// The film that is watched first, most likely: the first playable file that is wanted.
    film: Option<FileIndex>,
}

impl Selection {
    /// Everything is wanted; padding (BEP 47) for its own sake never is.
    pub(super) fn new(meta: &Metainfo) -> Self {
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
    pub(super) fn priority(&self, file: FileIndex) -> Priority {
        self.files.get(file.as_usize()).copied().unwrap_or_default()
    }

    /// How much a piece is wanted.
    pub(super) fn of_piece(&self, geometry: &Geometry, piece: PieceIndex) -> Priority {
        if self.undecided {
            return Priority::Skip;
        }
        geometry.files_of(piece).map(|file| self.priority(file)).max().unwrap_or(Priority::Skip)
    }

    /// The film whose beginning is fetched first.
    pub(super) fn film(&self) -> Option<FileIndex> {
        self.film
    }

    /// The first film in the order of people; a file that is alone counts as one.
    fn find_film(&mut self, meta: &Metainfo) {
        let wanted =
            (0..).map(FileIndex).zip(&meta.files).filter(|&(file, _)| self.is_wanted(file));
        let mut alone = wanted.clone().map(|(file, _)| file);
        let films =
            wanted.filter(|(_, file)| file.path.last().is_some_and(|name| media::is_film(name)));
        let first = films.min_by(|(_, a), (_, b)| natural(&a.path, &b.path)).map(|(file, _)| file);
        self.film = first.or_else(|| alone.next().filter(|_| alone.next().is_none()));
    }

    /// The film that comes after a file in the order of people, among those that are wanted.
    pub(super) fn film_after(&self, file: FileIndex, meta: &Metainfo) -> Option<FileIndex> {
        let path = &meta.files.get(file.as_usize())?.path;
        let wanted =
            (0..).map(FileIndex).zip(&meta.files).filter(|&(file, _)| self.is_wanted(file));
        let films =
            wanted.filter(|(_, file)| file.path.last().is_some_and(|name| media::is_film(name)));
        let after = films.filter(|(_, file)| natural(&file.path, path).is_gt());
        after.min_by(|(_, a), (_, b)| natural(&a.path, &b.path)).map(|(file, _)| file)
    }

    /// Whether a file is wanted.
    pub(super) fn is_wanted(&self, file: FileIndex) -> bool {
        self.priority(file) != Priority::Skip
    }

    /// The files whose priority is not the usual one, for the record.
    pub(super) fn unusual(&self) -> Vec<(u32, Priority)> {
        (0..)
            .zip(&self.files)
            .filter(|(_, priority)| **priority != Priority::Normal)
            .map(|(at, &it)| (at, it))
            .collect()
    }

    /// Takes new priorities. True when any is another one than before.
    fn set(&mut self, meta: &Metainfo, changes: &[(FileIndex, Priority)]) -> Vec<FileIndex> {
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

impl Torrent {
    /// Wants files more or less than before.
    pub(crate) fn set_priorities(
        &mut self,
        changes: &[(FileIndex, Priority)],
        cx: &mut Context<'_>,
    ) {
        let changed = self.selection.set(&self.meta, changes);
        if changed.is_empty() {
            return;
        }
        self.apply_priorities(&changed);
        if self.is_running() {
            for &file in changed.iter().filter(|&&file| self.geometry.file_len(file) == 0) {
                self.empties.push_back(file);
            }
            self.create_empty(cx);
        }
        self.after_selection(cx);
    }

    /// Whether it waits for a person's word: until then only what viewers need at first is fetched.
    pub(crate) fn is_undecided(&self) -> bool {
        self.selection.undecided
    }

    /// It waits for a person's word, or no longer.
    pub(crate) fn set_undecided(&mut self, undecided: bool, cx: &mut Context<'_>) {
        if std::mem::replace(&mut self.selection.undecided, undecided) == undecided {
            return;
        }
        let all: Vec<FileIndex> = self.geometry.files().collect();
        self.apply_priorities(&all);
        if self.is_running() && !undecided {
            // Those that are there already were made before; each is looked at as it is made.
            self.create_empty(cx);
            if self.is_done() {
                self.completed(cx);
            }
        }
        self.after_selection(cx);
    }

    /// Only the film that a click on play opens is wanted, and its subtitles. Without a film
    /// nothing changes.
    pub(crate) fn want_film_only(&mut self, cx: &mut Context<'_>) {
        let Some(film) = self.film_ahead() else { return };
        let subtitles: BTreeSet<u32> =
            self.subtitles(film.0).iter().map(|subtitle| subtitle.index).collect();
        let of = |file: FileIndex| match self.selection.priority(file) {
            Priority::Skip if file == film || subtitles.contains(&file.0) => Priority::Normal,
            priority if file == film || subtitles.contains(&file.0) => priority,
            _ => Priority::Skip,
        };
        let changes: Vec<(FileIndex, Priority)> =
            self.geometry.files().map(|file| (file, of(file))).collect();
        self.set_priorities(&changes, cx);
    }

    /// As an earlier engine wrote it down, or as a link names it, before anything begins.
    pub(super) fn restore_priorities(&mut self, priorities: &[(u32, Priority)]) {
        let known = priorities
            .iter()
            .filter_map(|&(file, priority)| Some((self.geometry.file(file)?, priority)));
        let changes: Vec<(FileIndex, Priority)> = known.collect();
        self.selection.set(&self.meta, &changes);
        let all: Vec<FileIndex> = self.geometry.files().collect();
        self.apply_priorities(&all);
    }

    /// Only these files are wanted (BEP 53).
    pub(crate) fn select_only(
        &mut self,
        ranges: &[std::ops::RangeInclusive<u32>],
        cx: &mut Context<'_>,
    ) {
        let is_meant = |file: FileIndex| ranges.iter().any(|range| range.contains(&file.0));
        if !self.geometry.files().any(is_meant) {
            return;
        }
        let of = |file| if is_meant(file) { Priority::Normal } else { Priority::Skip };
        let changes: Vec<(FileIndex, Priority)> =
            self.geometry.files().map(|file| (file, of(file))).collect();
        self.set_priorities(&changes, cx);
    }

    fn apply_priorities(&mut self, changed: &[FileIndex]) {
        // Once a piece, however many of the files have bytes of it.
        let pieces = changed
            .iter()
            .filter_map(|&file| self.geometry.pieces_of_file(file))
            .flat_map(each_piece);
        for piece in pieces.collect::<BTreeSet<PieceIndex>>() {
            let is_idle =
                self.pieces.state(piece) == PieceState::Missing && !self.pieces.is_sealed(piece);
            self.availability.set_priority(
                piece,
                self.selection.of_piece(&self.geometry, piece),
                is_idle,
            );
        }
        let availability = &self.availability;
        self.pieces.set_wanted(|piece| availability.is_wanted(piece));
    }

    /// What is no longer wanted is no longer asked for; what is wanted now is.
    fn after_selection(&mut self, cx: &mut Context<'_>) {
        self.warmth.selection_changed();
        self.drop_what_nobody_wants(cx);
        self.refresh_all_interest(cx.now);
        self.wants_are_stale = true;
        self.next_tick = cx.now;
        self.record.touch(cx.now);
        self.confirm(cx);
        cx.changed();
    }

    /// Bytes of the files that are wanted, and how many of these are verified.
    pub(super) fn wanted_bytes(&self) -> (u64, u64) {
        let wanted = self.geometry.files().filter(|&file| self.selection.is_wanted(file));
        wanted.fold((0, 0), |(length, verified), file| {
            (length + self.geometry.file_len(file), verified + self.files[file.as_usize()].verified)
        })
    }

    /// Whether all that is wanted is there. What no file of the selection is made of does not
    /// count.
    pub(crate) fn is_done(&self) -> bool {
        self.pieces.is_done() && !self.selection.undecided
    }

    /// Whether peers have anything to give that somebody wants now.
    pub(super) fn lacks_something(&self) -> bool {
        !self.pieces.is_done()
            || self
                .picker
                .wants()
                .iter()
                .any(|want| self.pieces.state(want.piece) != PieceState::Have)
    }

    /// Whether peers that have everything are kept, and sought: something is wanted now, or
    /// somebody watched a file of which something is missing a moment ago and will want it soon.
    /// Who seeks is away for a moment, and a seed that left takes long to send again.
    pub(super) fn needs_peers(&self) -> bool {
        self.lacks_something() || (self.watched_missing.is_some() && !self.pieces.is_complete())
    }

    /// Takes note of viewers whose files are not complete.
    pub(super) fn note_viewers(&mut self, now: Instant) {
        let is_missing_some = |file: FileIndex| {
            self.files
                .get(file.as_usize())
                .is_some_and(|slot| slot.verified < self.geometry.file_len(file))
        };
        if self.desk.watched().any(is_missing_some) {
            self.watched_missing = Some(now);
        } else {
            self.watched_missing.take_if(|last| now.saturating_since(*last) >= LINGER);
        }
    }
}
