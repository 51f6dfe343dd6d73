//! Applies the selection of files to pieces, peers and viewers.

use std::collections::BTreeSet;

use crate::context::Context;
use crate::geometry::{FileIndex, PieceIndex, each_piece};
use crate::pick::piece_map::PieceState;
use crate::pick::priority::Priority;
use crate::time::Instant;
use crate::torrent::Torrent;

impl Torrent {
    /// Changes the priorities of files.
    pub(crate) fn set_priorities(
        &mut self,
        changes: &[(FileIndex, Priority)],
        cx: &mut Context<'_>,
    ) {
        let changed = self.selection.set(&self.content, changes);
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

    /// Whether it waits for the user's decision. Until then only what viewers need at first is
    /// downloaded.
    pub(crate) fn is_undecided(&self) -> bool {
        self.selection.is_undecided()
    }

    /// Sets whether it waits for the user's decision.
    pub(crate) fn set_undecided(&mut self, undecided: bool, cx: &mut Context<'_>) {
        if !self.selection.set_undecided(undecided) {
            return;
        }
        let all: Vec<FileIndex> = self.content.geometry.files().collect();
        self.apply_priorities(&all);
        if self.is_running() && !undecided {
            // Existing ones were created before; each is inspected when it is created.
            self.create_empty(cx);
            if self.is_done() {
                self.completed(cx);
            }
        }
        self.after_selection(cx);
    }

    /// Selects only the next film and its subtitles. Without a film nothing changes.
    pub(crate) fn want_film_only(&mut self, cx: &mut Context<'_>) {
        let Some(film) = self.film_ahead() else { return };
        let subtitles: BTreeSet<u32> =
            self.subtitles(film.get()).iter().map(|subtitle| subtitle.index).collect();
        let changes = self
            .selection
            .only(&self.content.geometry, |file| file == film || subtitles.contains(&file.get()));
        self.set_priorities(&changes, cx);
    }

    /// Restores priorities from a record or a magnet link, before anything starts.
    pub(in crate::torrent) fn restore_priorities(&mut self, priorities: &[(u32, Priority)]) {
        let known = priorities
            .iter()
            .filter_map(|&(file, priority)| Some((self.content.geometry.file(file)?, priority)));
        let changes: Vec<(FileIndex, Priority)> = known.collect();
        self.selection.set(&self.content, &changes);
        let all: Vec<FileIndex> = self.content.geometry.files().collect();
        self.apply_priorities(&all);
    }

    /// Selects only these files (BEP 53).
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
        // Each piece once, however many of the files it belongs to.
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

    /// Cancels requests for deselected files, and requests selected ones.
    fn after_selection(&mut self, cx: &mut Context<'_>) {
        self.watch.preparations().selection_changed();
        self.cancel_unneeded(cx);
        self.refresh_all_interest(cx.now);
        self.fetch.invalidate();
        self.next_tick = cx.now;
        self.record.touch(cx.now);
        self.confirm(cx);
        cx.changed();
    }

    /// Bytes of the selected files, and how many of them are verified.
    pub(in crate::torrent) fn wanted_bytes(&self) -> (u64, u64) {
        let wanted = self.content.geometry.files().filter(|&file| self.selection.is_wanted(file));
        wanted.fold((0, 0), |(length, verified), file| {
            (length + self.content.geometry.file_len(file), verified + self.storage.verified(file))
        })
    }

    /// Whether all selected files are complete. Pieces without selected files do not count.
    pub(crate) fn is_done(&self) -> bool {
        self.ledger.pieces().is_done() && !self.selection.is_undecided()
    }

    /// Whether something is missing that the selection or a viewer needs now.
    pub(in crate::torrent) fn lacks_something(&self) -> bool {
        !self.ledger.pieces().is_done()
            || self
                .fetch
                .wants()
                .iter()
                .any(|want| self.ledger.pieces().state(want.piece) != PieceState::Have)
    }

    /// Whether seeds are kept and sought.
    ///
    /// That is so while something is missing, and for a moment after an incomplete file was
    /// watched. A seeking player is away briefly, and a seed that left takes long to send again.
    pub(in crate::torrent) fn needs_peers(&self) -> bool {
        self.lacks_something()
            || (self.watch.lacks_something() && !self.ledger.pieces().is_complete())
    }

    /// Records viewers whose files are not complete.
    pub(in crate::torrent) fn note_viewers(&mut self, now: Instant) {
        let is_incomplete =
            |file: FileIndex| self.storage.verified(file) < self.content.geometry.file_len(file);
        self.watch.note_missing(is_incomplete, now);
    }
}
