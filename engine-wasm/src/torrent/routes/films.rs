//! Films: which there are, which come next, and which are made ready before their viewers come.

use shared_proto::io::{OpError, OpOutput};
use shared_proto::{IoCommand, Span};

use crate::context::Context;
use crate::geometry::FileIndex;
use crate::handles::Access;
use crate::marks::{Mark, Watching};
use crate::torrent::Torrent;
use crate::torrent::ops::Op;
use crate::torrent::watch::films::seconds;
use crate::view::{NextFilm, Position, SubtitleView};

impl Torrent {
    /// Names may be other ones now.
    pub(in crate::torrent) fn find_films(&mut self) {
        let files = (0u32..).zip(&self.content.meta.files).filter(|(_, file)| !file.padding);
        let named = files.map(|(at, file)| (at, self.shown_path(FileIndex(at)), file.length));
        let named = named.collect();
        self.watch.films_mut().set_names(named);
    }

    /// The file of this number, if it is one that is served.
    pub(crate) fn servable(&self, file: u32) -> Option<FileIndex> {
        self.content.geometry.file(file).filter(|&file| !self.content.geometry.is_padding(file))
    }

    /// Whether it has a file of this index that is not padding.
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

    /// The film that is fetched ahead: the one that a click on play opens, or a file that is alone;
    /// never one that is not wanted.
    pub(in crate::torrent) fn film_ahead(&self) -> Option<FileIndex> {
        let next = self.next_film_index().map(FileIndex);
        next.filter(|&film| self.selection.is_wanted(film)).or_else(|| self.selection.film())
    }

    /// Takes what was noted of it.
    pub(crate) fn set_watching(&mut self, watching: Watching, cx: &mut Context<'_>) {
        self.watch.films_mut().set_watching(watching);
        cx.changed();
    }

    /// What the next click on play opens; `None` when there is nothing to play.
    pub(in crate::torrent) fn next_film(&self) -> Option<NextFilm> {
        let index = self.next_film_index()?;
        let mark = self.mark(index);
        let (resumes, position_ms) =
            if mark.resumes() { (true, mark.position_ms) } else { (false, 0) };
        let name = self.shown_path(FileIndex(index)).pop().unwrap_or_default();
        Some(NextFilm { index, name, position_s: seconds(position_ms), resumes })
    }

    fn next_film_index(&self) -> Option<u32> {
        let is_wanted = |file| self.selection.is_wanted(FileIndex(file));
        self.watch.films().next(is_wanted).filter(|&file| self.has_file(file))
    }

    /// A page expects this file to be opened, at this position: it is made ready for a while, and
    /// no other one that was expected.
    pub(crate) fn prepare(
        &mut self,
        file: FileIndex,
        position: Option<Position>,
        cx: &mut Context<'_>,
    ) {
        self.watch.preparations().expect(file, position, &self.content.geometry, cx.now);
        self.preparations_changed(cx);
    }

    /// No file of it is expected to be opened any more.
    pub(crate) fn forget_prepared(&mut self, cx: &mut Context<'_>) {
        if self.watch.preparations().forget_expected() {
            self.preparations_changed(cx);
        }
    }

    /// Forgets a film that was made ready and not opened for too long.
    pub(in crate::torrent) fn expire_preparations(&mut self, cx: &mut Context<'_>) {
        if self.watch.preparations().expire(cx.now) {
            self.preparations_changed(cx);
        }
    }

    fn preparations_changed(&mut self, cx: &mut Context<'_>) {
        self.refresh_wants(cx.now);
        self.drop_what_nobody_wants(cx);
        self.check_next(cx);
        self.refresh_all_interest(cx.now);
        self.fetch.invalidate();
    }

    /// Which films are made ready: the one that a click on play opens, and the one after a watched
    /// film that is complete.
    pub(in crate::torrent) fn choose_films(&mut self) {
        let geometry = std::sync::Arc::clone(&self.content.geometry);
        let film = self.film_ahead();
        let first = film.map(|film| (film, self.watch.films().left_at(film)));
        self.watch.preparations().set_first(first, &geometry);
        let watched = self.watch.desk().watched_files().find(|&file| self.is_whole(file));
        let (selection, meta) = (&self.selection, &self.content.meta);
        let after = |file| selection.film_after(file, meta);
        self.watch.preparations().set_watched(watched, after, &geometry);
    }

    /// Has the daemon read what is verified of prepared films: for their indexes, and ahead of
    /// viewers.
    pub(in crate::torrent) fn read_prepared(&mut self, cx: &mut Context<'_>) {
        if !self.life.linked || self.storage.is_looking() {
            return;
        }
        let geometry = std::sync::Arc::clone(&self.content.geometry);
        let verified = self.ledger.verified(&geometry);
        let hints = self.watch.preparations().hints(verified);
        // Of a film that is complete nothing is to be fetched, and so its index need not be found.
        // Which films are is known after the check.
        let is_checked = self.ledger.is_checked();
        let storage = &self.storage;
        let is_whole = |file: FileIndex| storage.verified(file) >= geometry.file_len(file);
        let reads = self.watch.preparations().reads(|file| is_checked && !is_whole(file), verified);
        for (file, bytes) in hints {
            self.hint(file, bytes, cx);
        }
        for (file, (first, last)) in reads {
            let Some(handle) = self.handle(file, Access::Read, cx) else { continue };
            let length = u32::try_from(last - first + 1).expect("a read is short");
            let span = Span { file: handle, offset: first, length };
            self.ask(Op::ReadIndex(file, (first, last)), cx, |op| IoCommand::FileRead { op, span });
            self.watch.preparations().reading(file);
        }
    }

    /// The daemon read bytes for the index of a film.
    pub(in crate::torrent) fn index_read(
        &mut self,
        file: FileIndex,
        range: (u64, u64),
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

    /// Whether all of a file is verified.
    fn is_whole(&self, file: FileIndex) -> bool {
        self.storage.verified(file) >= self.content.geometry.file_len(file)
    }
}
