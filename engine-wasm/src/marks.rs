//! Watch marks: how far the user watched each file, and which film to play next.
//!
//! This module owns the rules and the stored format of marks; [`crate::notebook`] stores them. It
//! reads no clock.
//!
//! - A film is *watched* at 95 % of its length, or, if it is at least 20 minutes long, in its last
//!   two minutes, where credits run. The user may also mark it as watched.
//! - A watched film starts from the beginning next time: its position is 0. It stays watched while
//!   the user watches it again.
//! - A film *resumes* at its position, unless that lies within the first five seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::media;
use crate::time::Instant;
use crate::view::Sentence;

/// Part of a film after which it counts as watched, percent.
const WATCHED_PERCENT: u64 = 95;
/// Remaining time at which a long film counts as watched, milliseconds.
const CREDITS_MS: u64 = 120_000;
/// Length from which a film counts as long, milliseconds.
const LONG_MS: u64 = 20 * 60_000;
/// Position below which a film counts as not started, milliseconds.
const STARTED_MS: u64 = 5_000;
/// Largest accepted position, seconds: a hundred days.
const LONGEST_S: f64 = 8_640_000.0;
/// How many times smaller a sample or a trailer is than the largest film.
const MUCH_SMALLER: u64 = 20;
/// Folder names, and words in file names, that mark extras.
const EXTRAS: &[&str] =
    &["sample", "samples", "trailer", "trailers", "extras", "featurettes", "bonus"];

/// Most choices per torrent, and the longest name and value of a choice. The lengths are in bytes.
pub(crate) const CHOICES: (usize, usize, usize) = (16, 32, 128);

/// How far the user watched a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Mark {
    /// Position at which to resume, milliseconds.
    pub(crate) position_ms: u64,
    /// Length, milliseconds; 0 if unknown.
    pub(crate) duration_ms: u64,
    /// Whether the file was watched to its end.
    pub(crate) watched: bool,
}

/// A report about a file that is being watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    position_ms: Option<u64>,
    duration_ms: Option<u64>,
    watched: Option<bool>,
}

impl Report {
    /// Creates a report from times in seconds. A missing time leaves the mark's value unchanged.
    ///
    /// # Errors
    /// If a time is negative, not finite or longer than a hundred days.
    pub(crate) fn new(
        position_s: Option<f64>,
        duration_s: Option<f64>,
        watched: Option<bool>,
    ) -> Result<Self, Sentence> {
        let ms = |seconds: Option<f64>| match seconds {
            Some(seconds) if !(0.0..=LONGEST_S).contains(&seconds) => Err(Sentence::NoTimeInFilm),
            Some(seconds) => Ok(u64::try_from(Duration::from_secs_f64(seconds).as_millis()).ok()),
            None => Ok(None),
        };
        Ok(Self { position_ms: ms(position_s)?, duration_ms: ms(duration_s)?, watched })
    }

    /// Creates a report with which the user marks the file as watched or unwatched.
    pub(crate) fn watched(watched: bool) -> Self {
        Self { watched: Some(watched), ..Self::default() }
    }

    /// Returns whether the report comes from the user, not from a player.
    pub(crate) fn is_from_user(self) -> bool {
        self.watched.is_some()
    }
}

impl Mark {
    /// Returns the mark after a report.
    pub(crate) fn after(self, report: Report) -> Self {
        let duration_ms =
            report.duration_ms.filter(|&length| length > 0).unwrap_or(self.duration_ms);
        let position_ms = report.position_ms.unwrap_or(self.position_ms);
        match report.watched {
            Some(true) => Self { position_ms: 0, duration_ms, watched: true },
            Some(false) => {
                Self { position_ms: report.position_ms.unwrap_or(0), duration_ms, watched: false }
            }
            None if is_over(position_ms, duration_ms) => {
                Self { position_ms: 0, duration_ms, watched: true }
            }
            None => Self { position_ms, duration_ms, watched: self.watched },
        }
    }

    /// Returns whether playback resumes in the middle.
    pub(crate) fn resumes(self) -> bool {
        self.position_ms >= STARTED_MS
    }
}

fn is_over(position_ms: u64, duration_ms: u64) -> bool {
    let left = duration_ms.saturating_sub(position_ms);
    let is_at_the_end =
        position_ms.saturating_mul(100) >= duration_ms.saturating_mul(WATCHED_PERCENT);
    duration_ms > 0 && (is_at_the_end || (duration_ms >= LONG_MS && left <= CREDITS_MS))
}

/// When a note was made. Notes that are not stored yet are newer than all stored ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum When {
    /// Stored: milliseconds since 1970.
    At(u64),
    /// Not stored yet: the engine's own time.
    Fresh(Instant),
}

/// A value and the time when it was noted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dated<T> {
    pub(crate) value: T,
    pub(crate) when: When,
}

/// The user's choices for a torrent, such as languages. The pages define names and values.
pub(crate) type Choices = BTreeMap<String, String>;

/// The marks and choices of one torrent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Watching {
    /// Marks by file index.
    pub(crate) marks: BTreeMap<u32, Dated<Mark>>,
    pub(crate) choices: Option<Dated<Choices>>,
}

impl Watching {
    /// Returns the mark of a file; the default if it has none.
    pub(crate) fn mark(&self, file: u32) -> Mark {
        self.marks.get(&file).map(|dated| dated.value).unwrap_or_default()
    }

    /// Returns the film to play next, from `films` in their order.
    ///
    /// This is the last watched film if it resumes; else the first unwatched film after it; else
    /// the first unwatched film; else the first film. `is_wanted` tells which files are still
    /// wanted.
    pub(crate) fn next(&self, films: &[u32], is_wanted: impl Fn(u32) -> bool) -> Option<u32> {
        let last = self
            .marks
            .iter()
            .max_by_key(|(_, dated)| dated.when)
            .map(|(&file, dated)| (file, dated.value));
        if let Some((file, mark)) = last
            && mark.resumes()
        {
            return Some(file);
        }
        let at =
            last.and_then(|(file, _)| films.iter().position(|&film| film == file)).unwrap_or(0);
        let mut turns = films[at.min(films.len())..].iter().chain(films).copied();
        let is_new = |&film: &u32| !self.mark(film).watched;
        turns
            .clone()
            .find(|film| is_new(film) && is_wanted(*film))
            .or_else(|| turns.clone().find(is_new))
            .or_else(|| films.iter().copied().find(|&film| is_wanted(film)))
            .or_else(|| turns.next())
    }
}

/// Returns the main files of a torrent. `files` gives the index, path and length in bytes of all
/// files.
///
/// The main files are its videos, or its audio files if it has no video. Samples, trailers and
/// extras are left out unless the torrent has nothing else.
pub(crate) fn films<'a>(files: impl Iterator<Item = (u32, &'a [String], u64)> + Clone) -> Vec<u32> {
    let name = |path: &'a [String]| path.last().map_or("", String::as_str);
    let has_video = files.clone().any(|(_, path, _)| media::is_video(name(path)));
    let is_meant = move |path: &'a [String]| match has_video {
        true => media::is_video(name(path)),
        false => media::is_film(name(path)),
    };
    let films = files.filter(move |(_, path, _)| is_meant(path));
    let largest = films.clone().map(|(_, _, length)| length).max().unwrap_or(0);
    let is_main = |path: &[String], length: u64| {
        !has_video || (!is_extra(path) && length.saturating_mul(MUCH_SMALLER) >= largest)
    };
    let main: Vec<u32> = films
        .clone()
        .filter(|&(_, path, length)| is_main(path, length))
        .map(|(file, ..)| file)
        .collect();
    if main.is_empty() { films.map(|(file, ..)| file).collect() } else { main }
}

/// Returns whether a path names a sample, a trailer or another extra.
pub(crate) fn is_extra(path: &[String]) -> bool {
    let is_extra_word = |word: &str| EXTRAS.iter().any(|extra| word.eq_ignore_ascii_case(extra));
    let Some((name, folders)) = path.split_last() else { return false };
    // The torrent's own folder may have any name.
    folders.iter().skip(1).any(|folder| is_extra_word(folder))
        || name
            .split(|letter: char| !letter.is_alphanumeric())
            .any(|word| is_extra_word(word) && !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: f64 = 60.0;

    fn report(position_s: f64, duration_s: f64) -> Report {
        Report::new(Some(position_s), Some(duration_s), None).unwrap()
    }

    #[test]
    fn a_film_is_watched_when_the_credits_run() {
        let check = |position_s: f64, duration_s: f64, watched: bool| {
            let mark = Mark::default().after(report(position_s, duration_s));
            assert_eq!(mark.watched, watched, "{position_s} of {duration_s}");
            assert_eq!(mark.position_ms == 0, watched, "a watched film starts from the beginning");
        };
        check(94.0, 100.0, false);
        check(95.0, 100.0, true);
        check(100.0, 100.0, true);
        check(17.0 * MINUTE, 19.0 * MINUTE, false);
        check(18.0 * MINUTE, 20.0 * MINUTE, true);
        check(17.9 * MINUTE, 20.0 * MINUTE, false);
        check(114.0 * MINUTE, 120.0 * MINUTE, true);
        check(113.0 * MINUTE, 120.0 * MINUTE, false);
        check(500.0, 0.0, false);
    }

    #[test]
    fn a_watched_mark_stays_until_the_user_changes_it() {
        let watched = Mark::default().after(report(99.0, 100.0));
        let again = watched.after(report(50.0, 100.0));
        assert!(again.watched && again.resumes());
        assert_eq!(
            again.after(Report::watched(false)),
            Mark { position_ms: 0, duration_ms: 100_000, watched: false }
        );
        let said = Mark::default().after(report(50.0, 100.0)).after(Report::watched(true));
        assert!(said.watched && !said.resumes());
        let unknown = Mark { duration_ms: 7, ..Mark::default() }
            .after(Report::new(Some(1.0), None, None).unwrap());
        assert_eq!(unknown.duration_ms, 7, "a length that is known stays known");
        for nonsense in [-1.0, f64::NAN, f64::INFINITY, 1e18] {
            assert!(
                Report::new(Some(nonsense), None, None).is_err()
                    && Report::new(None, Some(nonsense), None).is_err()
            );
        }
    }

    /// Checks the next film of a picture of films 0 to 4.
    ///
    /// `-` is unwatched, `w` watched, `m` stopped in the middle, `.` just started; the last watched
    /// one is in upper case.
    fn check(picture: &str, wanted: &str, expected: Option<u32>) {
        let mut watching = Watching::default();
        for (file, letter) in (0..).zip(picture.chars()).filter(|(_, letter)| *letter != '-') {
            let value = match letter.to_ascii_lowercase() {
                'w' => Mark { watched: true, ..Mark::default() },
                'm' => Mark { position_ms: 60_000, ..Mark::default() },
                _ => Mark { position_ms: 1_000, ..Mark::default() },
            };
            let when = if letter.is_ascii_uppercase() || letter == ':' {
                When::Fresh(Instant(1))
            } else {
                When::At(7)
            };
            watching.marks.insert(file, Dated { value, when });
        }
        let films: Vec<u32> = (0..).take(wanted.len()).collect();
        let is_wanted = |film: u32| wanted.as_bytes()[film as usize] == b'+';
        assert_eq!(watching.next(&films, is_wanted), expected, "{picture} {wanted}");
    }

    #[test]
    fn the_next_film_is_the_stopped_one_or_the_one_after_the_last() {
        check("-----", "+++++", Some(0));
        check("-----", "-++++", Some(1));
        check("-----", "-----", Some(0));
        check("w-M--", "+++++", Some(2));
        check("w-M--", "++-++", Some(2));
        check("ww-W-", "+++++", Some(4));
        check("w--mW", "+++++", Some(1));
        check("w-mW-", "+++++", Some(4));
        check("wwwwW", "+++++", Some(0));
        check("W-m--", "+++++", Some(1));
        check("--:--", "+++++", Some(2));
        check("", "", None);
    }

    fn films_of(picture: &str) -> Vec<u32> {
        let files: Vec<(Vec<String>, u64)> = picture
            .split(", ")
            .map(|entry| {
                let (path, length) = entry.rsplit_once(' ').unwrap();
                (path.split('/').map(str::to_owned).collect(), length.parse().unwrap())
            })
            .collect();
        films((0..).zip(&files).map(|(file, (path, length))| (file, path.as_slice(), *length)))
    }

    #[test]
    fn the_main_files_are_the_films_without_extras() {
        assert_eq!(
            films_of("a/Film.mkv 900, a/Sample/film.mkv 800, a/theme.mp3 9, a/x.nfo 1"),
            [0]
        );
        assert_eq!(
            films_of("a/1.mkv 900, a/1-sample.mkv 800, a/2.mkv 90, a/teaser.mkv 44"),
            [0, 2]
        );
        assert_eq!(films_of("Extras/1.mkv 900, Extras/2.mkv 900"), [0, 1]);
        assert_eq!(films_of("a/1.mp3 900, a/2 (bonus).mp3 1, a/cover.jpg 5"), [0, 1]);
        assert_eq!(films_of("a/Trailer Folk 1.mkv 9, a/Trailer Folk 2.mkv 9"), [0, 1]);
        assert_eq!(films_of("a/sample.avi 5"), [0]);
        assert_eq!(films_of("a/x.zip 5"), [] as [u32; 0]);
    }
}
