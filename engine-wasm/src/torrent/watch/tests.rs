//! Tests of the watch without a torrent: the order of needed pieces, and the prepared films.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shared_proto::RequestId;

use super::*;

use crate::geometry::{Geometry, testing};
use crate::marks::Watching;
use crate::pick::piece_map::PieceMap;
use crate::view::Position;

const MIB: u64 = 1 << 20;
const SECOND: u64 = 1_000_000;
const FILM: FileIndex = testing::file(0);
const OTHER: FileIndex = testing::file(1);
const REQUEST: RequestId = RequestId(uuid::Uuid::from_u128(1));

/// Two films of eight pieces of 1 MiB each, and a subtitle file. The subtitle file belongs to the
/// first film and fills one more piece.
struct Scene {
    geometry: Arc<Geometry>,
    pieces: PieceMap,
    watch: Watch,
}

impl Scene {
    fn new() -> Self {
        let geometry = Arc::new(Geometry::new(1 << 20, &[8 * MIB, 8 * MIB, 9]).expect("a layout"));
        let pieces = PieceMap::new(Arc::clone(&geometry));
        let mut watch = Watch::new(Instant(0));
        let names = ["a.mkv", "b.mkv", "a.srt"].map(|name| vec![name.to_owned()]);
        let files =
            (0..).zip(names).map(|(at, name)| (at, name, geometry.file_len(testing::file(at))));
        watch.films_mut().set_names(files.collect());
        Self { geometry, pieces, watch }
    }

    fn verify(&mut self, pieces: std::ops::Range<u32>) {
        pieces.for_each(|piece| self.pieces.verified(testing::piece(piece)));
    }

    /// Lends the watch and the verified bytes.
    fn lend(&mut self) -> (&mut Watch, Verified<'_>) {
        (&mut self.watch, Verified { geometry: &self.geometry, pieces: &self.pieces })
    }

    fn expect(&mut self, film: FileIndex) {
        self.watch.preparations().expect(film, None, &self.geometry, Instant(0));
    }

    fn wanted(&mut self, ahead: Option<FileIndex>) -> Vec<(u32, bool)> {
        let (watch, verified) = self.lend();
        let wants = watch.wants(ahead, verified, Instant(0));
        wants.into_iter().map(|want| (want.piece.get(), want.idle)).collect()
    }
}

#[test]
fn viewers_come_before_subtitles_and_these_before_prepared_films() {
    let mut scene = Scene::new();
    assert_eq!(scene.wanted(None), []);
    scene.expect(OTHER);
    let (watch, verified) = scene.lend();
    watch.desk_mut().open(REQUEST, FILM, (7 * MIB, 8 * MIB - 1), verified, Instant(0));
    assert_eq!(scene.wanted(None), [(7, false), (16, false), (8, true), (9, true)]);
    scene.verify(7..10);
    let left: Vec<u32> = scene.wanted(None).into_iter().map(|(piece, _)| piece).collect();
    assert_eq!(left, [16], "what is verified is not wanted");
}

#[test]
fn subtitles_of_the_film_ahead_are_wanted_without_hurry() {
    let mut scene = Scene::new();
    assert_eq!(scene.wanted(Some(FILM)), [(16, true)]);
    assert_eq!(scene.wanted(Some(OTHER)), [], "it has none");
}

#[test]
fn an_expected_film_is_forgotten_after_five_minutes_or_for_another_one() {
    let mut scene = Scene::new();
    scene.expect(FILM);
    assert_eq!(scene.wanted(None), [(0, true), (1, true)]);
    scene.expect(OTHER);
    assert_eq!(scene.wanted(None), [(8, true), (9, true)]);
    assert!(!scene.watch.preparations().expire(Instant(299 * SECOND)));
    assert!(scene.watch.preparations().expire(Instant(300 * SECOND)));
    assert_eq!(scene.wanted(None), []);
    assert!(!scene.watch.preparations().forget_expected());
}

#[test]
fn the_index_is_searched_in_verified_bytes_only() {
    let mut scene = Scene::new();
    scene.expect(FILM);
    let (watch, verified) = scene.lend();
    assert_eq!(watch.preparations().reads(|_| true, verified), [], "nothing is verified");
    scene.verify(0..8);
    let (watch, verified) = scene.lend();
    let reads = watch.preparations().reads(|_| false, verified);
    let [(FILM, range)] = reads[..] else { panic!("{reads:?}") };
    watch.preparations().reading(FILM);
    assert_eq!(watch.preparations().reads(|_| true, verified), [], "it is being read");
    // Another program changed the file meanwhile: the bytes are ignored and read again.
    scene.pieces.lose(testing::piece(0), true);
    let (watch, verified) = scene.lend();
    watch.preparations().read(FILM, range, Some(&vec![7; 64].into()), verified);
    scene.verify(0..1);
    let (watch, verified) = scene.lend();
    assert_eq!(watch.preparations().reads(|_| true, verified), [(FILM, range)]);
    watch.preparations().reading(FILM);
    watch.preparations().read(FILM, range, None, verified);
    assert_eq!(watch.preparations().reads(|_| true, verified), [], "it can't be read");
}

#[test]
fn a_read_lost_with_the_daemon_is_repeated() {
    let mut scene = Scene::new();
    scene.expect(FILM);
    scene.verify(0..8);
    let (watch, verified) = scene.lend();
    watch.preparations().reading(FILM);
    watch.unlink(Instant(0));
    assert_eq!(watch.preparations().reads(|_| true, verified).len(), 1);
}

#[test]
fn the_film_after_a_watched_one_is_looked_up_once() {
    let mut scene = Scene::new();
    let geometry = Arc::clone(&scene.geometry);
    let next = |_| Some(OTHER);
    scene.watch.preparations().set_watched(Some(FILM), next, &geometry);
    assert_eq!(scene.wanted(None), [(8, true), (9, true)]);
    let again = |_| panic!("the same film is watched");
    scene.watch.preparations().set_watched(Some(FILM), again, &geometry);
    scene.watch.preparations().selection_changed();
    assert_eq!(scene.wanted(None), []);
}

#[test]
fn a_torrent_is_unread_from_the_end_of_its_last_request() {
    let mut scene = Scene::new();
    assert_eq!(scene.watch.unread_since(), Some(Instant(0)));
    let (watch, verified) = scene.lend();
    watch.desk_mut().open(REQUEST, FILM, (0, 9), verified, Instant(5));
    assert!(watch.desk().request(REQUEST).is_some());
    watch.settle(Instant(5));
    assert_eq!(watch.unread_since(), None);
    watch.desk_mut().cancel(REQUEST, Instant(9));
    watch.settle(Instant(9));
    watch.settle(Instant(12));
    assert_eq!(watch.unread_since(), Some(Instant(9)));
}

#[test]
fn an_incomplete_film_counts_as_watched_for_a_moment_after_its_viewer_left() {
    let mut scene = Scene::new();
    let (watch, verified) = scene.lend();
    watch.desk_mut().open(REQUEST, FILM, (0, 9), verified, Instant(0));
    watch.note_missing(|file| file == OTHER, Instant(0));
    assert!(!watch.lacks_something(), "this film is complete");
    watch.note_missing(|file| file == FILM, Instant(0));
    assert!(watch.lacks_something());
    let over = Instant(0) + LINGER;
    watch.note_missing(|_| false, Instant(over.0 - 1));
    assert!(watch.lacks_something());
    watch.note_missing(|_| false, over);
    assert!(!watch.lacks_something());
}

#[test]
fn the_next_film_and_last_position_follow_the_watch_marks() {
    let mut scene = Scene::new();
    let films = scene.watch.films();
    assert_eq!(films.order().collect::<Vec<_>>(), [0, 2, 1], "as people count");
    assert_eq!(films.next(|_| true), Some(0));
    assert_eq!(films.next(|file| file == 1), Some(1));
    assert_eq!(films.left_at(FILM), None);
    let mut watching = Watching::default();
    let mark = crate::marks::Mark { position_ms: 60_000, duration_ms: 600_000, watched: false };
    let when = crate::marks::When::At(1);
    watching.marks.insert(0, crate::marks::Dated { value: mark, when });
    scene.watch.films_mut().set_watching(watching);
    let position = scene.watch.films().left_at(FILM).expect("it was left in the middle");
    assert_eq!(Duration::from_secs_f64(position.seconds), Duration::from_secs(60));
}

#[test]
fn a_film_is_left_in_the_middle_after_five_seconds_of_a_known_length() {
    let mut scene = Scene::new();
    let mut left_at = |position_ms, duration_ms| {
        let mark = crate::marks::Mark { position_ms, duration_ms, watched: false };
        let dated = crate::marks::Dated { value: mark, when: crate::marks::When::At(1) };
        let choices = crate::marks::Dated {
            value: BTreeMap::from([("audio".to_owned(), "de".to_owned())]),
            when: crate::marks::When::At(1),
        };
        let watching = Watching { marks: [(0, dated)].into(), choices: Some(choices) };
        scene.watch.films_mut().set_watching(watching);
        assert_eq!(scene.watch.films().mark(0).position_ms, position_ms);
        assert_eq!(scene.watch.films().choices()["audio"], "de");
        scene.watch.films().left_at(FILM).map(|position| position.duration_s)
    };
    assert_eq!(left_at(60_000, 600_000), Some(600.0));
    assert_eq!(left_at(60_000, 0), None);
    assert_eq!(left_at(1_000, 600_000), None);
    assert_eq!(left_at(60_000, 1), Some(0.001));
}

#[test]
fn subtitles_of_a_watched_film_come_before_what_its_viewer_needs_later() {
    let mut scene = Scene::new();
    let (watch, verified) = scene.lend();
    watch.desk_mut().open(REQUEST, FILM, (0, 8 * MIB - 1), verified, Instant(0));
    // The viewer drains 8 MiB/s and reads 4 MiB ahead: the last of these is due after 500 ms.
    assert_eq!(scene.wanted(None), [0, 1, 2, 3, 4, 16].map(|piece| (piece, false)));
    let start = Instant(0);
    let (watch, verified) = scene.lend();
    let wants = watch.wants(None, verified, start);
    assert_eq!(wants.last().map(|want| want.deadline), Some(start + Duration::from_secs(1)));
    assert_eq!(scene.watch.films().subtitles(0).len(), 1);
    assert!(scene.watch.films().subtitles(1).is_empty());
}

#[test]
fn the_film_that_a_click_opens_is_prepared_from_where_it_was_left() {
    let mut scene = Scene::new();
    let geometry = Arc::clone(&scene.geometry);
    let position = Some(Position { seconds: 50.0, duration_s: 100.0 });
    let pieces = |scene: &mut Scene| -> Vec<u32> {
        scene.wanted(None).into_iter().map(|(piece, _)| piece).collect()
    };
    scene.watch.preparations().set_first(Some((FILM, None)), &geometry);
    assert_eq!(pieces(&mut scene), [0, 1]);
    // The place is guessed: it begins a mebibyte before and ends three after.
    scene.watch.preparations().set_first(Some((FILM, position)), &geometry);
    assert_eq!(pieces(&mut scene), [0, 1, 3, 4, 5, 6, 7]);
    scene.watch.preparations().set_first(Some((OTHER, None)), &geometry);
    assert_eq!(pieces(&mut scene), [8, 9]);
    scene.watch.preparations().set_first(None, &geometry);
    assert_eq!(pieces(&mut scene), [0; 0]);
}

#[test]
fn the_same_first_film_keeps_what_was_read_of_its_index() {
    let mut scene = Scene::new();
    let geometry = Arc::clone(&scene.geometry);
    scene.verify(0..16);
    scene.watch.preparations().set_first(Some((FILM, None)), &geometry);
    let (watch, verified) = scene.lend();
    assert_eq!(watch.preparations().reads(|_| false, verified), [], "it is not due");
    let reads = watch.preparations().reads(|file| file == FILM, verified);
    let [(FILM, range)] = reads[..] else { panic!("{reads:?}") };
    watch.preparations().reading(OTHER);
    assert_eq!(watch.preparations().reads(|_| true, verified), reads);
    watch.preparations().read(OTHER, range, None, verified);
    assert_eq!(watch.preparations().reads(|_| true, verified), reads);
    watch.preparations().read(FILM, range, Some(&vec![].into()), verified);
    assert_eq!(watch.preparations().reads(|_| true, verified), reads, "nothing was read");
    watch.preparations().read(FILM, range, None, verified);
    watch.preparations().set_first(Some((FILM, None)), &geometry);
    let (watch, verified) = scene.lend();
    assert_eq!(watch.preparations().reads(|_| true, verified), [], "it can't be read");
}

#[test]
fn the_expected_film_is_read_ahead_from_the_disk_where_it_is_verified() {
    let mut scene = Scene::new();
    let (watch, verified) = scene.lend();
    assert_eq!(watch.preparations().hints(verified), []);
    scene.expect(OTHER);
    scene.verify(8..9);
    let (watch, verified) = scene.lend();
    assert_eq!(watch.preparations().hints(verified), [], "a part is missing");
    scene.verify(9..10);
    let (watch, verified) = scene.lend();
    assert_eq!(
        watch.preparations().hints(verified),
        [(OTHER, testing::file_range((0, 2 * MIB - 1)))]
    );
    assert_eq!(watch.preparations().hints(verified), [], "once");
}

#[test]
fn a_film_that_is_expected_again_keeps_what_was_read_of_it() {
    let mut scene = Scene::new();
    scene.expect(FILM);
    scene.verify(0..8);
    let (watch, verified) = scene.lend();
    let range = watch.preparations().reads(|_| false, verified)[0].1;
    watch.preparations().read(FILM, range, None, verified);
    scene.expect(FILM);
    let (watch, verified) = scene.lend();
    assert_eq!(watch.preparations().reads(|_| false, verified), []);
    assert!(watch.preparations().forget_expected());
}

#[test]
fn each_film_is_read_once_for_its_index_although_it_is_prepared_twice() {
    let mut scene = Scene::new();
    let geometry = Arc::clone(&scene.geometry);
    scene.verify(0..16);
    scene.expect(FILM);
    scene.watch.preparations().set_first(Some((FILM, None)), &geometry);
    let files = |scene: &mut Scene| -> Vec<FileIndex> {
        let (watch, verified) = scene.lend();
        watch.preparations().reads(|_| true, verified).iter().map(|(file, _)| *file).collect()
    };
    assert_eq!(files(&mut scene), [FILM]);
    scene.watch.preparations().set_first(Some((OTHER, None)), &geometry);
    assert_eq!(files(&mut scene), [FILM, OTHER]);
}

#[test]
fn bytes_of_the_range_that_the_search_needs_take_it_further() {
    let mut scene = Scene::new();
    scene.verify(0..8);
    scene.expect(FILM);
    let (watch, verified) = scene.lend();
    let reads = watch.preparations().reads(|_| true, verified);
    let [(FILM, range)] = reads[..] else { panic!("{reads:?}") };
    // A box of 1 MiB comes before the index.
    let mut bytes = b"\0\x10\0\0ftyp".to_vec();
    bytes.resize(64, 0);
    let bytes = bytes.into();
    let (first, last) = range.get();
    let another = testing::file_range((first, last + 1));
    watch.preparations().read(FILM, another, Some(&bytes), verified);
    assert_eq!(watch.preparations().reads(|_| true, verified), reads, "another range was read");
    watch.preparations().read(FILM, range, Some(&bytes), verified);
    let [(FILM, next)] = watch.preparations().reads(|_| true, verified)[..] else {
        panic!("the search goes on")
    };
    assert_eq!(next.first().get(), MIB);
}

/// A film, and all pieces before the byte at `last`. That byte begins a piece, because the file
/// before the film has a suitable length.
fn verified_before(last: u64) -> (Arc<Geometry>, PieceMap) {
    let before = MIB - last % MIB;
    let geometry = Arc::new(Geometry::new(1 << 20, &[before, 8 * MIB]).expect("a layout"));
    let mut pieces = PieceMap::new(Arc::clone(&geometry));
    let end = u32::try_from((before + last) / MIB).expect("few pieces");
    (0..end).for_each(|piece| pieces.verified(testing::piece(piece)));
    (geometry, pieces)
}

#[test]
fn a_part_of_a_film_is_there_when_its_last_byte_is() {
    let mut scene = Scene::new();
    scene.verify(0..8);
    scene.expect(FILM);
    let (watch, verified) = scene.lend();
    let (needed, head) = (
        watch.preparations().reads(|_| true, verified)[0].1,
        watch.preparations().hints(verified)[0].1,
    );
    let (geometry, pieces) = verified_before(needed.last().get());
    let verified = Verified { geometry: &geometry, pieces: &pieces };
    let mut preparations = Preparations::default();
    preparations.expect(OTHER, None, &geometry, Instant(0));
    assert_eq!(preparations.reads(|_| true, verified), []);
    preparations.read(OTHER, needed, Some(&vec![7; 64].into()), verified);
    let mut all = PieceMap::new(Arc::clone(&geometry));
    geometry.pieces().for_each(|piece| all.verified(piece));
    let verified = Verified { geometry: &geometry, pieces: &all };
    assert_eq!(preparations.reads(|_| true, verified), [(OTHER, needed)], "nothing was learnt");
    let (geometry, pieces) = verified_before(head.last().get());
    let verified = Verified { geometry: &geometry, pieces: &pieces };
    let mut preparations = Preparations::default();
    preparations.expect(OTHER, None, &geometry, Instant(0));
    assert_eq!(preparations.hints(verified), []);
}

#[test]
fn the_film_of_the_last_viewer_comes_first() {
    let mut scene = Scene::new();
    let (watch, verified) = scene.lend();
    let desk = watch.desk_mut();
    for (id, film) in [(1, FILM), (2, OTHER)] {
        desk.open(RequestId(uuid::Uuid::from_u128(id)), film, (0, 9), verified, Instant(0));
    }
    assert_eq!(desk.watched_files().collect::<Vec<_>>(), [OTHER, FILM]);
    assert_eq!(desk.watched().collect::<Vec<_>>(), [FILM, OTHER]);
}
