//! The parts of a film to prepare before its viewer comes: its start, its index, and its last
//! position.
//!
//! Owns the choice of bytes. It knows neither which of them exist nor who needs the film.
//! Invariant: the parts are within the file.

use crate::geometry::{FileIndex, Geometry};
use crate::media::container_index::{Bytes, Search};
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
    length: u64,
    head: u64,
    place: Option<Bytes>,
    /// The bytes that the daemon was asked to read ahead.
    hinted: Vec<Bytes>,
}

impl PreparedFilm {
    /// Creates a film of which only the length is known.
    pub(crate) fn new(file: FileIndex, position: Option<Position>, geometry: &Geometry) -> Self {
        let length = geometry.file_len(file);
        let head = HEAD.min(HEAD_PIECES * u64::from(geometry.piece_length()));
        let mut film = Self {
            file,
            search: Search::new(length),
            is_reading: false,
            length,
            head,
            place: None,
            hinted: Vec::new(),
        };
        film.move_to(position);
        film
    }

    /// Sets the position at which the user stopped, if there is one.
    pub(crate) fn move_to(&mut self, position: Option<Position>) {
        let at = position.and_then(|position| position.share_of(self.length));
        self.place =
            at.and_then(|at| self.part(at.saturating_sub(BEFORE), at.saturating_add(AFTER)));
    }

    /// The parts of the film to prepare, most useful first. They may overlap.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Bytes> + use<> {
        let start = self.part(0, START.min(self.head) - 1);
        let head = self.part(0, self.head - 1);
        [start, self.search.reads(), self.search.index(), head, self.place].into_iter().flatten()
    }

    /// The available parts that the daemon should read ahead, each byte once.
    pub(crate) fn hints(&mut self, is_there: impl Fn(Bytes) -> bool) -> Vec<Bytes> {
        let head = self.part(0, self.head - 1);
        let parts = [head, self.search.index(), self.place].into_iter().flatten();
        let mut fresh = Vec::new();
        for (mut first, last) in parts.filter(|&part| is_there(part)) {
            while let Some(told) =
                self.hinted.iter().find(|told| told.0 <= first && first <= told.1)
            {
                first = told.1 + 1;
            }
            if first <= last {
                self.hinted.push((first, last));
                fresh.push((first, last));
            }
        }
        fresh
    }

    /// The bytes within the file; `None` if there are none.
    fn part(&self, first: u64, last: u64) -> Option<Bytes> {
        let end = self.length.checked_sub(1)?;
        (first <= end).then(|| (first, last.min(end)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::testing;

    fn film(length: u64, piece_length: u32, position: Option<(f64, f64)>) -> Vec<Bytes> {
        let geometry = Geometry::new(piece_length, &[length]).unwrap();
        let position = position.map(|(seconds, duration_s)| Position { seconds, duration_s });
        let mut film = PreparedFilm::new(testing::file(0), position, &geometry);
        film.search.abort();
        film.parts().collect()
    }

    #[test]
    fn each_byte_is_read_ahead_once() {
        let geometry = Geometry::new(256 << 10, &[100 * MIB]).unwrap();
        let position = |seconds| Some(Position { seconds, duration_s: 100.0 });
        let mut film = PreparedFilm::new(testing::file(0), position(2.0), &geometry);
        assert_eq!(film.hints(|_| false), []);
        assert_eq!(film.hints(|(first, _)| first == 0), [(0, 2 * MIB - 1)]);
        assert_eq!(film.hints(|_| true), [(2 * MIB, 5 * MIB)], "the place overlaps the beginning");
        assert_eq!(film.hints(|_| true), []);
        film.move_to(position(50.0));
        assert_eq!(film.hints(|_| true), [(49 * MIB, 53 * MIB)]);
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
}
