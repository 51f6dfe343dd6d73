//! A torrent as what people watch: the order of its files, its films, and how far each was watched.
//!
//! Owns what follows from names alone, and what was noted of the films. The rules are
//! [`crate::natural`]'s and [`crate::marks`]'s.

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

/// Subtitles of a watched film come before what its viewer needs later than this.
const SOON: Duration = Duration::from_secs(1);

/// What is known of a torrent's files as films.
#[derive(Debug, Default)]
pub(in crate::torrent) struct Films {
    /// All files but padding, in the order in which people count.
    order: Vec<u32>,
    /// The films that the torrent is about.
    main: Vec<u32>,
    /// The subtitles of each film that has any.
    subtitles: BTreeMap<u32, Vec<SubtitleView>>,
    /// How far they were watched.
    watching: Watching,
}

impl Films {
    /// Takes the names of all files but padding: index, path as shown, length in bytes.
    pub(in crate::torrent) fn set_names(&mut self, mut files: Vec<(u32, Vec<String>, u64)>) {
        files.sort_by(|(_, a, _), (_, b, _)| natural(a, b));
        let named: Vec<(u32, &[String])> =
            files.iter().map(|(index, path, _)| (*index, path.as_slice())).collect();
        self.subtitles = subtitles::matched(&named);
        self.order = files.iter().map(|(index, ..)| *index).collect();
        let lengths = files.iter().map(|(index, path, length)| (*index, path.as_slice(), *length));
        self.main = marks::films(lengths);
    }

    /// Takes what was noted of the torrent.
    pub(in crate::torrent) fn set_watching(&mut self, watching: Watching) {
        self.watching = watching;
    }

    /// The files but padding, in the order in which people count.
    pub(in crate::torrent) fn order(&self) -> impl Iterator<Item = u32> + '_ {
        self.order.iter().copied()
    }

    /// How far a file was watched.
    pub(in crate::torrent) fn mark(&self, file: u32) -> Mark {
        self.watching.mark(file)
    }

    /// What the user chose for all films of the torrent, such as languages.
    pub(in crate::torrent) fn choices(&self) -> BTreeMap<String, String> {
        self.watching.choices.as_ref().map(|chosen| chosen.value.clone()).unwrap_or_default()
    }

    /// The subtitle files that belong to a film.
    pub(in crate::torrent) fn subtitles(&self, film: u32) -> &[SubtitleView] {
        self.subtitles.get(&film).map_or(&[], Vec::as_slice)
    }

    /// The film that the next click on play opens; `None` when there is nothing to play.
    pub(in crate::torrent) fn next(&self, is_wanted: impl Fn(u32) -> bool) -> Option<u32> {
        self.watching.next(&self.main, is_wanted)
    }

    /// Where the user left a film in the middle.
    pub(in crate::torrent) fn left_at(&self, film: FileIndex) -> Option<Position> {
        let mark = self.mark(film.get());
        let position =
            Position { seconds: seconds(mark.position_ms), duration_s: seconds(mark.duration_ms) };
        (mark.resumes() && mark.duration_ms > 0).then_some(position)
    }

    /// Adds the missing pieces of subtitles: those of `watched` films, and of the film that is
    /// fetched `ahead`, whether these files are wanted or not.
    pub(in crate::torrent) fn add_subtitle_wants(
        &self,
        wants: &mut Vec<Want>,
        watched: &BTreeSet<FileIndex>,
        ahead: Option<FileIndex>,
        verified: Verified<'_>,
        now: Instant,
    ) {
        if self.subtitles.is_empty() || verified.pieces.is_complete() {
            return;
        }
        let ahead = ahead.filter(|film| !watched.contains(film)).map(|film| (film, (now, true)));
        for (film, when) in watched.iter().map(|&film| (film, (now + SOON, false))).chain(ahead) {
            let files = self.subtitles(film.get()).iter().map(|subtitle| FileIndex(subtitle.index));
            wants.extend(subtitles::wants(files, verified, when));
        }
        wants.sort_by_key(|want| (want.idle, want.deadline));
        let mut seen = BTreeSet::new();
        wants.retain(|want| seen.insert(want.piece));
    }
}

/// Milliseconds as seconds.
pub(in crate::torrent) fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}
