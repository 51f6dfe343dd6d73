//! Which files are wanted, and what follows for pieces, peers and viewers.

use std::collections::BTreeSet;

use crate::context::Context;
use crate::geometry::{FileIndex, PieceIndex, each_piece};
use crate::pick::piece_map::PieceState;
use crate::pick::priority::Priority;
use crate::time::Instant;
use crate::torrent::Torrent;

impl Torrent {
    /// Wants files more or less than before.
    pub(crate) fn set_priorities(
        &mut self,
        changes: &[(FileIndex, Priority)],
        cx: &mut Context<'_>,
    ) {
        let changed = self.selection.set(&self.content.meta, changes);
        if changed.is_empty() {
            return;
        }
        self.apply_priorities(&changed);
        if self.is_running() {
            for &file in changed.iter().filter(|&&file| self.content.geometry.file_len(file) == 0) {
                self.storage.want_empty(file);
            }
            self.create_empty(cx);
        }
        self.after_selection(cx);
    }

    /// Whether it waits for a person's word: until then only what viewers need at first is fetched.
    pub(crate) fn is_undecided(&self) -> bool {
        self.selection.is_undecided()
    }

    /// It waits for a person's word, or no longer.
    pub(crate) fn set_undecided(&mut self, undecided: bool, cx: &mut Context<'_>) {
        if !self.selection.set_undecided(undecided) {
            return;
        }
        let all: Vec<FileIndex> = self.content.geometry.files().collect();
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
            self.subtitles(film.get()).iter().map(|subtitle| subtitle.index).collect();
        let of = |file: FileIndex| match self.selection.priority(file) {
            Priority::Skip if file == film || subtitles.contains(&file.get()) => Priority::Normal,
            priority if file == film || subtitles.contains(&file.get()) => priority,
            _ => Priority::Skip,
        };
        let changes: Vec<(FileIndex, Priority)> =
            self.content.geometry.files().map(|file| (file, of(file))).collect();
        self.set_priorities(&changes, cx);
    }

    /// As an earlier engine wrote it down, or as a link names it, before anything begins.
    pub(in crate::torrent) fn restore_priorities(&mut self, priorities: &[(u32, Priority)]) {
        let known = priorities
            .iter()
            .filter_map(|&(file, priority)| Some((self.content.geometry.file(file)?, priority)));
        let changes: Vec<(FileIndex, Priority)> = known.collect();
        self.selection.set(&self.content.meta, &changes);
        let all: Vec<FileIndex> = self.content.geometry.files().collect();
        self.apply_priorities(&all);
    }

    /// Only these files are wanted (BEP 53).
    pub(crate) fn select_only(
        &mut self,
        ranges: &[std::ops::RangeInclusive<u32>],
        cx: &mut Context<'_>,
    ) {
        let is_meant = |file: FileIndex| ranges.iter().any(|range| range.contains(&file.get()));
        if !self.content.geometry.files().any(is_meant) {
            return;
        }
        let of = |file| if is_meant(file) { Priority::Normal } else { Priority::Skip };
        let changes: Vec<(FileIndex, Priority)> =
            self.content.geometry.files().map(|file| (file, of(file))).collect();
        self.set_priorities(&changes, cx);
    }

    fn apply_priorities(&mut self, changed: &[FileIndex]) {
        // Once a piece, however many of the files have bytes of it.
        let pieces = changed
            .iter()
            .filter_map(|&file| self.content.geometry.pieces_of_file(file))
            .flat_map(each_piece);
        for piece in pieces.collect::<BTreeSet<PieceIndex>>() {
            let is_idle = self.ledger.pieces().state(piece) == PieceState::Missing
                && !self.ledger.pieces().is_sealed(piece);
            self.fetch.set_priority(
                piece,
                self.selection.of_piece(&self.content.geometry, piece),
                is_idle,
            );
        }
        let fetch = &self.fetch;
        self.ledger.set_wanted(|piece| fetch.is_wanted(piece));
    }

    /// What is no longer wanted is no longer asked for; what is wanted now is.
    fn after_selection(&mut self, cx: &mut Context<'_>) {
        self.watch.preparations().selection_changed();
        self.drop_what_nobody_wants(cx);
        self.refresh_all_interest(cx.now);
        self.fetch.invalidate();
        self.next_tick = cx.now;
        self.record.touch(cx.now);
        self.confirm(cx);
        cx.changed();
    }

    /// Bytes of the files that are wanted, and how many of these are verified.
    pub(in crate::torrent) fn wanted_bytes(&self) -> (u64, u64) {
        let wanted = self.content.geometry.files().filter(|&file| self.selection.is_wanted(file));
        wanted.fold((0, 0), |(length, verified), file| {
            (length + self.content.geometry.file_len(file), verified + self.storage.verified(file))
        })
    }

    /// Whether all that is wanted is there. What no file of the selection is made of does not
    /// count.
    pub(crate) fn is_done(&self) -> bool {
        self.ledger.pieces().is_done() && !self.selection.is_undecided()
    }

    /// Whether peers have anything to give that somebody wants now.
    pub(in crate::torrent) fn lacks_something(&self) -> bool {
        !self.ledger.pieces().is_done()
            || self
                .fetch
                .wants()
                .iter()
                .any(|want| self.ledger.pieces().state(want.piece) != PieceState::Have)
    }

    /// Whether peers that have everything are kept, and sought: something is wanted now, or
    /// somebody watched a file of which something is missing a moment ago and will want it soon.
    /// Who seeks is away for a moment, and a seed that left takes long to send again.
    pub(in crate::torrent) fn needs_peers(&self) -> bool {
        self.lacks_something()
            || (self.watch.lacks_something() && !self.ledger.pieces().is_complete())
    }

    /// Takes note of viewers whose files are not complete.
    pub(in crate::torrent) fn note_viewers(&mut self, now: Instant) {
        let is_incomplete =
            |file: FileIndex| self.storage.verified(file) < self.content.geometry.file_len(file);
        self.watch.note_missing(is_incomplete, now);
    }
}
