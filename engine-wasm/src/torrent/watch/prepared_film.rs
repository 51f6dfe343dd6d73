//! The parts of a film to prepare before its viewer comes: its start, its index, and its last
//! position.
//!
//! Owns the choice of bytes. It knows neither which of them exist nor who needs the film.
//! Invariant: the parts are within the file.

use crate::geometry::{FileIndex, FileRange, Geometry};
use crate::media::container_index::Search;
use crate::view::Position;

/// Bytes of a film that come before its index: enough for the first picture.
const START: u64 = 512 << 10;
/// Bytes of a film's start: what a player reads before the first picture, and some seconds more.
const HEAD: u64 = 2 << 20;
/// Maximum number of pieces of a film's start.
const HEAD_PIECES: u64 = 16;
/// Bytes before and after the last position. The position is an estimate if the bit rate varies,
/// and a player starts at the key frame before it.
const BEFORE: u64 = 1 << 20;
const AFTER: u64 = 3 << 20;

/// One prepared film.
#[derive(Debug)]
pub(crate) struct PreparedFilm {
    pub(crate) file: FileIndex,
    /// The search for its index.
    pub(crate) search: Search,
    /// Whether the bytes for the search are being read.
    pub(crate) is_reading: bool,
    /// All of it; `None` for an empty file.
    whole: Option<FileRange>,
    head: u64,
    place: Option<FileRange>,
    /// The bytes that the daemon was asked to read ahead.
    hinted: Vec<FileRange>,
}

impl PreparedFilm {
    /// Creates a film of which only the length is known.
    pub(crate) fn new(file: FileIndex, position: Option<Position>, geometry: &Geometry) -> Self {
        let head = HEAD.min(HEAD_PIECES * u64::from(geometry.piece_length()));
        let mut film = Self {
            file,
            search: Search::new(geometry.file_len(file)),
            is_reading: false,
            whole: geometry.whole_file(file),
            head,
            place: None,
            hinted: Vec::new(),
        };
        film.move_to(position);
        film
    }

    /// Sets the position at which the user stopped, if there is one.
    pub(crate) fn move_to(&mut self, position: Option<Position>) {
        let at = position.and_then(|position| position.share_of(self.length()));
        self.place =
            at.and_then(|at| self.part(at.saturating_sub(BEFORE), at.saturating_add(AFTER)));
    }

    /// The parts of the film to prepare, most useful first. They may overlap.
    pub(crate) fn parts(&self) -> impl Iterator<Item = FileRange> + use<> {
        let start = self.part(0, START.min(self.head) - 1);
        let head = self.part(0, self.head - 1);
        [start, self.reads(), self.index(), head, self.place].into_iter().flatten()
    }

    /// The available parts that the daemon should read ahead, each byte once.
    pub(crate) fn hints(&mut self, is_there: impl Fn(FileRange) -> bool) -> Vec<FileRange> {
        let head = self.part(0, self.head - 1);
        let parts = [head, self.index(), self.place].into_iter().flatten();
        let mut fresh = Vec::new();
        for part in parts.filter(|&part| is_there(part)) {
            let mut left = Some(part);
            while let Some(rest) = left
                && let Some(reported) =
                    self.hinted.iter().find(|reported| reported.contains(rest.first()))
            {
                left = rest.from(reported.end());
            }
            self.hinted.extend(left);
            fresh.extend(left);
        }
        fresh
    }

    /// The bytes within the file; `None` if there are none.
    fn part(&self, first: u64, last: u64) -> Option<FileRange> {
        self.whole?.clip(first, last)
    }

    /// The bytes that the search for the index needs next.
    pub(crate) fn reads(&self) -> Option<FileRange> {
        self.search.reads().and_then(|(first, last)| self.part(first, last))
    }

    fn index(&self) -> Option<FileRange> {
        self.search.index().and_then(|(first, last)| self.part(first, last))
    }

    fn length(&self) -> u64 {
        self.whole.map_or(0, FileRange::length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::testing;

    fn film(length: u64, piece_length: u32, position: Option<(f64, f64)>) -> Vec<(u64, u64)> {
        let geometry = Geometry::new(piece_length, &[length]).unwrap();
        let position = position.map(|(seconds, duration_s)| Position { seconds, duration_s });
        let mut film = PreparedFilm::new(testing::file(0), position, &geometry);
        film.search.abort();
        film.parts().map(FileRange::get).collect()
    }

    #[test]
    fn each_byte_is_read_ahead_once() {
        let geometry = Geometry::new(256 << 10, &[100 * MIB]).unwrap();
        let position = |seconds| Some(Position { seconds, duration_s: 100.0 });
        let mut film = PreparedFilm::new(testing::file(0), position(2.0), &geometry);
        let part = |first, last| testing::file_range((first, last));
        assert_eq!(film.hints(|_| false), []);
        assert_eq!(film.hints(|part| part.first().get() == 0), [part(0, 2 * MIB - 1)]);
        let rest = [part(2 * MIB, 5 * MIB)];
        assert_eq!(film.hints(|_| true), rest, "the place overlaps the beginning");
        assert_eq!(film.hints(|_| true), []);
        film.move_to(position(50.0));
        assert_eq!(film.hints(|_| true), [part(49 * MIB, 53 * MIB)]);
    }

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_start_is_two_mebibytes_and_at_most_sixteen_pieces() {
        assert_eq!(film(100 * MIB, 256 << 10, None), [(0, MIB / 2 - 1), (0, 2 * MIB - 1)]);
        assert_eq!(film(100 * MIB, 16 << 10, None), [(0, MIB / 4 - 1), (0, MIB / 4 - 1)]);
        assert_eq!(film(9, 16 << 10, None), [(0, 8), (0, 8)]);
        assert_eq!(film(0, 16 << 10, None), []);
    }

    #[test]
    fn the_last_position_is_a_share_of_the_bytes() {
        let place = |seconds, duration| {
            film(100 * MIB, 256 << 10, Some((seconds, duration))).get(2).copied()
        };
        assert_eq!(place(50.0, 100.0), Some((49 * MIB, 53 * MIB)));
        assert_eq!(place(0.0, 100.0), Some((0, 3 * MIB)));
        assert_eq!(place(1e9, 100.0), Some((99 * MIB, 100 * MIB - 1)), "beyond the end");
        for (seconds, duration) in
            [(1.0, 0.0), (-1.0, 9.0), (f64::NAN, 9.0), (1.0, f64::INFINITY), (1.0, 1e300)]
        {
            assert_eq!(place(seconds, duration), None, "{seconds} of {duration}");
        }
    }

    #[test]
    fn the_index_is_a_part_once_it_is_found() {
        let geometry = Geometry::new(256 << 10, &[100 * MIB]).unwrap();
        let mut film = PreparedFilm::new(testing::file(0), None, &geometry);
        film.search.feed(b"\0\0\0\x10ftypisom\0\0\0\0\0\x30\0\0moov");
        let index = (16, 3 * MIB + 15);
        assert!(film.parts().any(|part| part.get() == index));
        let hints: Vec<(u64, u64)> = film.hints(|_| true).into_iter().map(FileRange::get).collect();
        assert_eq!(hints, [(0, 2 * MIB - 1), (2 * MIB, index.1)]);
    }
}
