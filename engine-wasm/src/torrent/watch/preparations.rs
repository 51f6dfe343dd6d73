//! The films that are prepared before their viewers come.
//!
//! Owns which films these are: the one that a page expects to open
//! ([`crate::view::Intent::Prepare`]), the next film, and the one after a complete watched film.
//! Their pieces come after all that viewers need.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;

use super::ahead;
use super::prepared_film::PreparedFilm;
use crate::geometry::{FileIndex, FileRange, Geometry, PieceIndex};
use crate::pick::verified::Verified;
use crate::pick::want::Want;
use crate::time::Instant;
use crate::view::Position;

/// How long a prepared film is kept that nobody opened.
const PREPARED_FOR: Duration = Duration::from_secs(300);

/// The prepared films.
#[derive(Debug, Default)]
pub(in crate::torrent) struct Preparations {
    /// The film that a page expects to open, and until when.
    expected: Option<(PreparedFilm, Instant)>,
    /// The film to play next.
    first: Option<PreparedFilm>,
    /// The film after the watched one.
    next: Option<PreparedFilm>,
    /// The watched film, if it is complete.
    watched: Option<FileIndex>,
}

impl Preparations {
    /// A page expects this film to open at this position. It replaces the film that was expected
    /// before.
    pub(in crate::torrent) fn expect(
        &mut self,
        file: FileIndex,
        position: Option<Position>,
        geometry: &Geometry,
        now: Instant,
    ) {
        let same = self.expected.take().map(|(film, _)| film).filter(|film| film.file == file);
        let mut film = same.unwrap_or_else(|| PreparedFilm::new(file, None, geometry));
        film.move_to(position);
        self.expected = Some((film, now + PREPARED_FOR));
    }

    /// Forgets the expected film. False if there was none.
    pub(in crate::torrent) fn forget_expected(&mut self) -> bool {
        self.expected.take().is_some()
    }

    /// Forgets the expected film if it was not opened in time. Returns whether it was forgotten.
    pub(in crate::torrent) fn expire(&mut self, now: Instant) -> bool {
        self.expected.take_if(|(_, until)| *until <= now).is_some()
    }

    /// The selection of files has changed.
    pub(in crate::torrent) fn selection_changed(&mut self) {
        (self.next, self.watched) = (None, None);
    }

    /// Sets the film to play next, with the position at which the user stopped.
    pub(in crate::torrent) fn set_first(
        &mut self,
        film: Option<(FileIndex, Option<Position>)>,
        geometry: &Geometry,
    ) {
        let file = film.map(|(file, _)| file);
        if self.first.as_ref().map(|film| film.file) != file {
            self.first = file.map(|file| PreparedFilm::new(file, None, geometry));
        }
        if let (Some(first), Some((_, position))) = (&mut self.first, film) {
            first.move_to(position);
        }
    }

    /// Sets the watched film that is complete. The one after it is looked up only when this
    /// changes.
    pub(in crate::torrent) fn set_watched(
        &mut self,
        watched: Option<FileIndex>,
        after: impl FnOnce(FileIndex) -> Option<FileIndex>,
        geometry: &Geometry,
    ) {
        if self.watched != watched {
            let next = watched.and_then(after);
            self.next = next.map(|file| PreparedFilm::new(file, None, geometry));
            self.watched = watched;
        }
    }

    /// Adds the missing pieces of prepared films that no viewer needs.
    pub(in crate::torrent) fn add_wants(
        &self,
        wants: &mut Vec<Want>,
        verified: Verified<'_>,
        now: Instant,
    ) {
        let mut seen: BTreeSet<PieceIndex> = wants.iter().map(|want| want.piece).collect();
        for film in self.all() {
            for part in film.parts() {
                let missing = ahead::wants(film.file, part, verified, now);
                wants.extend(missing.filter(|want| seen.insert(want.piece)));
            }
        }
    }

    /// The verified bytes to read next in search of each film's index: for the expected film, and
    /// for those that `is_due` selects.
    pub(in crate::torrent) fn reads(
        &self,
        is_due: impl Fn(FileIndex) -> bool,
        verified: Verified<'_>,
    ) -> Vec<(FileIndex, FileRange)> {
        let expected = self.expected.as_ref().map(|(film, _)| film.file);
        let mut reads: Vec<(FileIndex, FileRange)> = Vec::new();
        for film in self.all().filter(|film| !film.is_reading) {
            let is_new = reads.iter().all(|&(file, _)| file != film.file);
            if is_new
                && (expected == Some(film.file) || is_due(film.file))
                && let Some(range) = film.reads()
                && verified.verified_until(film.file, range) == range.end()
            {
                reads.push((film.file, range));
            }
        }
        reads
    }

    /// Bytes of a film are being read in search of its index.
    pub(in crate::torrent) fn reading(&mut self, file: FileIndex) {
        self.all_mut().filter(|film| film.file == file).for_each(|film| film.is_reading = true);
    }

    /// Handles the bytes read in search of a film's index, `None` after an error. They count only
    /// if they are still verified.
    pub(in crate::torrent) fn read(
        &mut self,
        file: FileIndex,
        range: FileRange,
        bytes: Option<&Bytes>,
        verified: Verified<'_>,
    ) {
        let is_verified = verified.verified_until(file, range) == range.end();
        for film in self.all_mut().filter(|film| film.file == file) {
            film.is_reading = false;
            match bytes {
                Some(bytes) if !bytes.is_empty() && is_verified && film.reads() == Some(range) => {
                    film.search.feed(bytes)
                }
                Some(_) => {}
                None => film.search.abort(),
            }
        }
    }

    /// Returns the verified parts of the expected film that the daemon should read ahead. Each byte
    /// is returned once.
    pub(in crate::torrent) fn hints(
        &mut self,
        verified: Verified<'_>,
    ) -> Vec<(FileIndex, FileRange)> {
        let Some((film, _)) = &mut self.expected else { return Vec::new() };
        let file = film.file;
        let parts = film.hints(|part| verified.verified_until(file, part) == part.end());
        parts.into_iter().map(|part| (file, part)).collect()
    }

    /// The link to the daemon is lost: no read is pending.
    pub(in crate::torrent) fn unlink(&mut self) {
        self.all_mut().for_each(|film| film.is_reading = false);
    }

    /// All films, most likely first. The same film may appear twice.
    fn all(&self) -> impl Iterator<Item = &PreparedFilm> {
        self.expected.iter().map(|(film, _)| film).chain(&self.first).chain(&self.next)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut PreparedFilm> {
        self.expected.iter_mut().map(|(film, _)| film).chain(&mut self.first).chain(&mut self.next)
    }
}
