//! A torrent as what people watch: the order of its files, which of them are films, and how far
//! these were watched.
//!
//! Owns what follows from names alone, worked out when names change. The rules are
//! [`crate::natural`]'s and [`crate::marks`]'s.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::context::Context;
use crate::geometry::FileIndex;
use crate::marks::{self, Mark, Watching};
use crate::natural::natural;
use crate::time::Instant;
use crate::torrent::Torrent;
use crate::torrent::watch::desk::Verified;
use crate::torrent::watch::subtitles;
use crate::torrent::watch::viewer::Want;
use crate::view::{NextFilm, Position, SubtitleView};

/// The subtitles of a film that is watched come before what its viewer needs later than this.
const SOON: Duration = Duration::from_secs(1);

impl Torrent {
    /// Names may be other ones now.
    pub(in crate::torrent) fn find_films(&mut self) {
        let paths: Vec<(u32, Vec<String>, u64)> = (0u32..)
            .zip(&self.content.meta.files)
            .filter(|(_, file)| !file.padding)
            .map(|(index, file)| (index, self.shown_path(FileIndex(index)), file.length))
            .collect();
        let mut files: Vec<&(u32, Vec<String>, u64)> = paths.iter().collect();
        files.sort_by(|(_, a, _), (_, b, _)| natural(a, b));
        let named: Vec<(u32, &[String])> =
            files.iter().map(|(index, path, _)| (*index, path.as_slice())).collect();
        self.watch.films.subtitles = subtitles::matched(&named);
        self.watch.films.order = files.iter().map(|(index, ..)| *index).collect();
        self.watch.films.main = marks::films(
            files.iter().map(|(index, path, length)| (*index, path.as_slice(), *length)),
        );
    }

    /// Its files, padding left out, in the order of people.
    pub(in crate::torrent) fn files_in_order(&self) -> impl Iterator<Item = u32> + '_ {
        self.watch.films.order.iter().copied()
    }

    /// Whether it has a file of this index that is not padding.
    pub(crate) fn has_file(&self, file: u32) -> bool {
        self.content.meta.files.get(file as usize).is_some_and(|file| !file.padding)
    }

    /// How far a file was watched.
    pub(in crate::torrent) fn mark(&self, file: u32) -> Mark {
        self.watch.films.watching.mark(file)
    }

    /// The subtitle files that belong to a film.
    pub(in crate::torrent) fn subtitles(&self, film: u32) -> &[SubtitleView] {
        self.watch.films.subtitles.get(&film).map_or(&[], Vec::as_slice)
    }

    /// The film that is fetched ahead: the one that a click on play opens, or a file that is alone;
    /// never one that is not wanted.
    pub(in crate::torrent) fn film_ahead(&self) -> Option<FileIndex> {
        let next = self.next_film().map(|next| FileIndex(next.index));
        next.filter(|&film| self.selection.is_wanted(film)).or_else(|| self.selection.film())
    }

    /// Where somebody left a film in the middle.
    pub(in crate::torrent) fn left_at(&self, film: FileIndex) -> Option<Position> {
        let mark = self.mark(film.0);
        let position =
            Position { seconds: seconds(mark.position_ms), duration_s: seconds(mark.duration_ms) };
        (mark.resumes() && mark.duration_ms > 0).then_some(position)
    }

    /// Adds what is not there of the subtitles of films that are watched, or fetched ahead, whether
    /// these files are wanted or not.
    pub(in crate::torrent) fn want_subtitles(&self, wants: &mut Vec<Want>, now: Instant) {
        if self.watch.films.subtitles.is_empty() || self.ledger.pieces().is_complete() {
            return;
        }
        let watched: BTreeSet<FileIndex> = self.watch.desk.watched().collect();
        let ahead = self
            .film_ahead()
            .filter(|film| !watched.contains(film))
            .map(|film| (film, (now, true)));
        let ledger = Verified { geometry: &self.content.geometry, pieces: self.ledger.pieces() };
        for (film, when) in watched.iter().map(|&film| (film, (now + SOON, false))).chain(ahead) {
            let files = self.subtitles(film.0).iter().map(|subtitle| FileIndex(subtitle.index));
            wants.extend(subtitles::wants(files, ledger, when));
        }
        wants.sort_by_key(|want| (want.idle, want.deadline));
        let mut seen = BTreeSet::new();
        wants.retain(|want| seen.insert(want.piece));
    }

    /// What is noted of it.
    pub(crate) fn set_watching(&mut self, watching: Watching, cx: &mut Context<'_>) {
        self.watch.films.watching = watching;
        cx.changed();
    }

    /// What the next click on play is for; `None` when there is nothing to play.
    pub(in crate::torrent) fn next_film(&self) -> Option<NextFilm> {
        let is_wanted = |file| self.selection.is_wanted(FileIndex(file));
        let next = self
            .watch
            .films
            .watching
            .next(&self.watch.films.main, is_wanted)
            .filter(|&file| self.has_file(file));
        let index = next?;
        let mark = self.mark(index);
        let (resumes, position_ms) =
            if mark.resumes() { (true, mark.position_ms) } else { (false, 0) };
        let name = self.shown_path(FileIndex(index)).pop().unwrap_or_default();
        Some(NextFilm { index, name, position_s: seconds(position_ms), resumes })
    }
}

/// Milliseconds as seconds.
pub(in crate::torrent) fn seconds(ms: u64) -> f64 {
    std::time::Duration::from_millis(ms).as_secs_f64()
}
