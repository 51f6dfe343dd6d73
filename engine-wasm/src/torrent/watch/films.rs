//! The torrent's files as films: their order, subtitles and watch marks.
//!
//! Owns what follows from names alone, and the notes about the films. The rules are in
//! [`crate::natural`] and [`crate::marks`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::subtitles;
use crate::geometry::FileIndex;
use crate::marks::{self, Mark, Watching};
use crate::natural::natural;
use crate::pick::verified::Verified;
use crate::pick::want::Want;
use crate::time::Instant;
use crate::view::{Position, SubtitleView};

/// Subtitles of a watched film precede what its viewer needs later than this.
const SOON: Duration = Duration::from_secs(1);

/// What is known about a torrent's files as films.
#[derive(Debug, Default)]
pub(in crate::torrent) struct Films {
    /// All files except padding, in natural order.
    order: Vec<u32>,
    /// The main films of the torrent.
    main: Vec<u32>,
    /// The subtitles of each film that has any.
    subtitles: BTreeMap<u32, Vec<SubtitleView>>,
    /// How far they were watched.
    watching: Watching,
}

impl Films {
    /// Sets the names of all files except padding: index, path as shown, length in bytes.
    pub(in crate::torrent) fn set_names(&mut self, mut files: Vec<(u32, Vec<String>, u64)>) {
        files.sort_by(|(_, a, _), (_, b, _)| natural(a, b));
        let named: Vec<(u32, &[String])> =
            files.iter().map(|(index, path, _)| (*index, path.as_slice())).collect();
        self.subtitles = subtitles::matched(&named);
        self.order = files.iter().map(|(index, ..)| *index).collect();
        let lengths = files.iter().map(|(index, path, length)| (*index, path.as_slice(), *length));
        self.main = marks::films(lengths);
    }

    /// Sets the notes about the torrent.
    pub(in crate::torrent) fn set_watching(&mut self, watching: Watching) {
        self.watching = watching;
    }

    /// The files except padding, in natural order.
    pub(in crate::torrent) fn order(&self) -> impl Iterator<Item = u32> + '_ {
        self.order.iter().copied()
    }

    /// How far a file was watched.
    pub(in crate::torrent) fn mark(&self, file: u32) -> Mark {
        self.watching.mark(file)
    }

    /// The user's choices for all films of the torrent, such as languages.
    pub(in crate::torrent) fn choices(&self) -> BTreeMap<String, String> {
        self.watching.choices.as_ref().map(|chosen| chosen.value.clone()).unwrap_or_default()
    }

    /// The subtitle files that belong to a film.
    pub(in crate::torrent) fn subtitles(&self, film: u32) -> &[SubtitleView] {
        self.subtitles.get(&film).map_or(&[], Vec::as_slice)
    }

    /// The film to play next; `None` if nothing is playable.
    pub(in crate::torrent) fn next(&self, is_wanted: impl Fn(u32) -> bool) -> Option<u32> {
        self.watching.next(&self.main, is_wanted)
    }

    /// Where the user stopped in the middle of a film.
    pub(in crate::torrent) fn left_at(&self, film: FileIndex) -> Option<Position> {
        let mark = self.mark(film.get());
        let position =
            Position { seconds: seconds(mark.position_ms), duration_s: seconds(mark.duration_ms) };
        (mark.resumes() && mark.duration_ms > 0).then_some(position)
    }

    /// Adds the missing pieces of subtitles, selected or not. These are the subtitles of `watched`
    /// films, and of the film that is prepared as `ahead`.
    pub(in crate::torrent) fn add_subtitle_wants(
        &self,
        wants: &mut Vec<Want>,
        watched: &BTreeSet<FileIndex>,
        ahead: Option<FileIndex>,
        verified: Verified<'_>,
        now: Instant,
    ) {
        if self.subtitles.is_empty() {
            return;
        }
        let ahead = ahead.filter(|film| !watched.contains(film)).map(|film| (film, (now, true)));
        for (film, when) in watched.iter().map(|&film| (film, (now + SOON, false))).chain(ahead) {
            let files = self
                .subtitles(film.get())
                .iter()
                .filter_map(|subtitle| verified.geometry.file(subtitle.index));
            wants.extend(subtitles::wants(files, verified, when));
        }
        wants.sort_by_key(|want| (want.idle, want.deadline));
        let mut seen = BTreeSet::new();
        wants.retain(|want| seen.insert(want.piece));
    }
}

/// Converts milliseconds to seconds.
pub(in crate::torrent) fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}
