//! The films of a torrent: their order, and the preparation of those that may be watched next.

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{IoCommand, Span};

use crate::context::Context;
use crate::geometry::{FileIndex, FileRange};
use crate::handles::Access;
use crate::marks::{Mark, Watching};
use crate::torrent::Torrent;
use crate::torrent::ops::Op;
use crate::torrent::watch::films::seconds;
use crate::view::{NextFilm, Position, SubtitleView};

impl Torrent {
    /// Updates the films after names have changed.
    pub(in crate::torrent) fn find_films(&mut self) {
        let files = self.content.geometry.files().zip(&self.content.meta.files);
        let named = files
            .filter(|(_, file)| !file.padding)
            .map(|(at, file)| (at.get(), self.shown_path(at), file.length));
        let named = named.collect();
        self.watch.films_mut().set_names(named);
    }

    /// The file with this index, if it is served.
    pub(crate) fn servable(&self, file: u32) -> Option<FileIndex> {
        self.content.geometry.file(file).filter(|&file| !self.content.geometry.is_padding(file))
    }

    /// Whether it has a file with this index that is not padding.
    pub(crate) fn has_file(&self, file: u32) -> bool {
        self.servable(file).is_some()
    }

    /// How far a file was watched.
    pub(in crate::torrent) fn mark(&self, file: u32) -> Mark {
        self.watch.films().mark(file)
    }

    /// The subtitle files that belong to a film.
    pub(in crate::torrent) fn subtitles(&self, film: u32) -> &[SubtitleView] {
        self.watch.films().subtitles(film)
    }

    /// The film to prepare: the next film, or a single file; never an unselected one.
    pub(in crate::torrent) fn film_ahead(&self) -> Option<FileIndex> {
        let next = self.next_film_index();
        next.filter(|&film| self.selection.is_wanted(film)).or_else(|| self.selection.film())
    }

    /// Sets the stored watch marks and choices.
    pub(crate) fn set_watching(&mut self, watching: Watching, cx: &mut Context<'_>) {
        self.watch.films_mut().set_watching(watching);
        cx.changed();
    }

    /// The film to play next; `None` if nothing is playable.
    pub(in crate::torrent) fn next_film(&self) -> Option<NextFilm> {
        let film = self.next_film_index()?;
        let index = film.get();
        let mark = self.mark(index);
        let (resumes, position_ms) =
            if mark.resumes() { (true, mark.position_ms) } else { (false, 0) };
        let name = self.shown_path(film).pop().unwrap_or_default();
        Some(NextFilm { index, name, position_s: seconds(position_ms), resumes })
    }

    fn next_film_index(&self) -> Option<FileIndex> {
        let is_wanted = |file| self.file(file).is_some_and(|file| self.selection.is_wanted(file));
        self.servable(self.watch.films().next(is_wanted)?)
    }

    /// Prepares the file that a page expects to open at this position. The preparation ends after a
    /// while.
    ///
    /// It replaces the file that was expected before.
    pub(crate) fn prepare(
        &mut self,
        file: FileIndex,
        position: Option<Position>,
        cx: &mut Context<'_>,
    ) {
        self.watch.preparations().expect(file, position, &self.content.geometry, cx.now);
        self.preparations_changed(cx);
    }

    /// Forgets the expected file.
    pub(crate) fn forget_prepared(&mut self, cx: &mut Context<'_>) {
        if self.watch.preparations().forget_expected() {
            self.preparations_changed(cx);
        }
    }

    /// Forgets an expected file that was not opened in time.
    pub(in crate::torrent) fn expire_preparations(&mut self, cx: &mut Context<'_>) {
        if self.watch.preparations().expire(cx.now) {
            self.preparations_changed(cx);
        }
    }

    fn preparations_changed(&mut self, cx: &mut Context<'_>) {
        self.refresh_wants(cx.now);
        self.cancel_unneeded(cx);
        self.check_next(cx);
        self.refresh_all_interest(cx.now);
        self.fetch.invalidate();
    }

    /// Chooses the films to prepare: the next film, and the one after a complete watched film.
    pub(in crate::torrent) fn choose_films(&mut self) {
        let geometry = std::sync::Arc::clone(&self.content.geometry);
        let film = self.film_ahead();
        let first = film.map(|film| (film, self.watch.films().left_at(film)));
        self.watch.preparations().set_first(first, &geometry);
        let watched = self.watch.desk().watched_files().find(|&file| self.is_whole(file));
        let (selection, content) = (&self.selection, &self.content);
        let after = |file| selection.film_after(file, content);
        self.watch.preparations().set_watched(watched, after, &geometry);
    }

    /// Reads verified bytes of prepared films, for their indexes and as read-ahead.
    pub(in crate::torrent) fn read_prepared(&mut self, cx: &mut Context<'_>) {
        if !self.life.linked || self.storage.is_looking() {
            return;
        }
        let geometry = std::sync::Arc::clone(&self.content.geometry);
        let verified = self.ledger.verified(&geometry);
        let hints = self.watch.preparations().hints(verified);
        // A complete film needs no search for its index. Which films are complete is known after
        // the check.
        let is_checked = self.ledger.is_checked();
        let storage = &self.storage;
        let is_whole = |file: FileIndex| storage.verified(file) >= geometry.file_len(file);
        let reads = self.watch.preparations().reads(|file| is_checked && !is_whole(file), verified);
        for (file, bytes) in hints {
            self.hint(file, bytes, cx);
        }
        for (file, range) in reads {
            let Some(handle) = self.handle(file, Access::Read, cx) else { continue };
            let length = u32::try_from(range.length()).expect("a read is short");
            let span = Span { file: handle, offset: range.first().get(), length };
            self.ask(Op::ReadIndex(file, range), cx, |op| IoCommand::FileRead { op, span });
            self.watch.preparations().reading(file);
        }
    }

    /// Handles bytes that were read in search of a film's index.
    pub(in crate::torrent) fn index_read(
        &mut self,
        file: FileIndex,
        range: FileRange,
        result: Result<OpOutput, OpError>,
    ) {
        let verified = self.ledger.verified(&self.content.geometry);
        let empty = bytes::Bytes::new();
        let bytes = match &result {
            Ok(OpOutput::Bytes(bytes)) => Some(bytes),
            Ok(_) => Some(&empty),
            Err(_) => None,
        };
        self.watch.preparations().read(file, range, bytes, verified);
        self.fetch.invalidate();
    }

    /// Whether a file is verified completely.
    fn is_whole(&self, file: FileIndex) -> bool {
        self.storage.verified(file) >= self.content.geometry.file_len(file)
    }
}
