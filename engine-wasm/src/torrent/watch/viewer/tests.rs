//! A viewer of a film of 100 MiB in pieces of 1 MiB.

use std::ops::Range;
use std::sync::Arc;

use super::*;
use crate::geometry::testing::{block, file, file_offset, piece};
use crate::geometry::{BLOCK_LENGTH, Geometry};
use crate::pick::piece_map::PieceMap;
use crate::source::{Sender, Source, WebSeedId};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const LENGTH: u64 = 100 * MIB;
const FILM: FileIndex = file(0);
const START: Instant = Instant(0);

struct Scene {
    geometry: Arc<Geometry>,
    pieces: PieceMap,
}

impl Scene {
    /// The pieces in `verified` are there.
    fn new(verified: Range<u32>) -> Self {
        let geometry = Arc::new(Geometry::new(1 << 20, &[LENGTH]).unwrap());
        let mut pieces = PieceMap::new(Arc::clone(&geometry));
        verified.for_each(|index| pieces.verified(piece(index)));
        Self { geometry, pieces }
    }

    fn lend(&self) -> Verified<'_> {
        Verified { geometry: &self.geometry, pieces: &self.pieces }
    }

    /// First and last piece that a viewer wants.
    fn wanted(&self, viewer: &Viewer) -> Option<(u32, u32)> {
        let wants = viewer.wants(self.lend(), START);
        Some((wants.first()?.piece.get(), wants.last()?.piece.get()))
    }
}

fn viewer(start: u64) -> Viewer {
    Viewer::new(FILM, file_offset(start), START)
}

#[test]
fn a_request_close_to_where_a_viewer_stopped_goes_on_with_it() {
    let mut viewer = viewer(0);
    assert!(!viewer.continues_at(FILM, file_offset(0)), "its request is under way");
    viewer.finish(file_offset(MIB), START);
    for (start, expected) in [
        (MIB + 64 * KIB, true),
        (MIB + 64 * KIB + 1, false),
        (MIB - 64 * KIB, true),
        (MIB - 64 * KIB - 1, false),
    ] {
        assert_eq!(viewer.continues_at(FILM, file_offset(start)), expected, "{start}");
    }
    assert!(!viewer.continues_at(file(1), file_offset(MIB)));
    viewer.resume(file_offset(MIB), START);
    assert!(!viewer.continues_at(FILM, file_offset(MIB)));
}

#[test]
fn the_window_grows_with_the_sequential_read() {
    let scene = Scene::new(0..0);
    let mut viewer = viewer(0);
    assert_eq!(scene.wanted(&viewer), Some((0, 4)), "the first window has 4 MiB");
    viewer.advance(file_offset(3 * MIB), START);
    assert_eq!(scene.wanted(&viewer), Some((3, 7)));
    viewer.advance(file_offset(10 * MIB), START);
    assert_eq!(scene.wanted(&viewer), Some((10, 20)));
    viewer.advance(file_offset(MIB), START);
    assert_eq!(scene.wanted(&viewer), Some((10, 20)), "it never goes back");
    viewer.advance(file_offset(60 * MIB), START);
    assert_eq!(scene.wanted(&viewer), Some((60, 92)), "at most 32 MiB");
    viewer.advance(file_offset(95 * MIB), START);
    assert_eq!(scene.wanted(&viewer), Some((95, 99)));
    viewer.advance(file_offset(LENGTH - 1), START);
    assert_eq!(scene.wanted(&viewer), Some((99, 99)));
    viewer.advance(file_offset(LENGTH), START);
    assert_eq!(scene.wanted(&viewer), None);
}

#[test]
fn the_window_of_small_pieces_is_sixteen_of_them_at_first() {
    let length = 100 * u64::from(BLOCK_LENGTH);
    let geometry = Arc::new(Geometry::new(BLOCK_LENGTH, &[length]).unwrap());
    let pieces = PieceMap::new(Arc::clone(&geometry));
    let scene = Scene { geometry, pieces };
    assert_eq!(scene.wanted(&viewer(0)), Some((0, 16)));
}

#[test]
fn a_viewer_that_goes_on_before_where_it_began_begins_there() {
    let scene = Scene::new(0..0);
    let mut viewer = viewer(10 * MIB);
    viewer.finish(file_offset(10 * MIB), START);
    assert!(viewer.wants(scene.lend(), START).iter().all(|want| want.idle));
    assert_eq!(viewer.idle_since(), Some(START));
    viewer.resume(file_offset(10 * MIB - 1), START);
    assert!(viewer.wants(scene.lend(), START).iter().all(|want| !want.idle));
    assert_eq!(viewer.idle_since(), None);
    assert_eq!(scene.wanted(&viewer), Some((9, 13)));
}

#[test]
fn what_is_verified_is_not_wanted() {
    assert_eq!(Scene::new(0..3).wanted(&viewer(0)), Some((3, 4)));
    assert_eq!(Scene::new(0..5).wanted(&viewer(0)), None);
}

#[test]
fn a_piece_is_due_when_the_viewer_reaches_it() {
    let scene = Scene::new(0..0);
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap();
    let due = |viewer: &Viewer, now| -> Vec<u64> {
        let wants = viewer.wants(scene.lend(), now);
        wants.iter().map(|want| ms(want.deadline.saturating_since(now))).collect()
    };
    let now = START + Duration::from_secs(1);
    let mut film = viewer(0);
    assert_eq!(due(&film, now), [0, 125, 250, 375, 500], "8 MiB/s are assumed");
    film.position = file_offset(MIB / 2);
    assert_eq!(due(&film, now), [0, 62, 187, 312, 437]);
    film.position = file_offset(0);
    film.advance(file_offset(MIB), now);
    // The only second that was seen has the whole weight of a past that fades by 1/e in a second.
    let [0, second, third, ..] = due(&film, now)[..] else { panic!("the first piece is due") };
    assert!((620..645).contains(&second) && (1_240..1_290).contains(&third), "{second} {third}");
}

#[test]
fn a_viewer_in_a_piece_of_verified_blocks_needs_the_first_that_is_not() {
    let mut scene = Scene::new(0..0);
    let viewer = viewer(MIB / 2);
    let first = |scene: &Scene| {
        let want = viewer.wants(scene.lend(), START)[0];
        assert_eq!(want.piece, piece(0));
        (want.first.get(), want.deadline)
    };
    assert_eq!(first(&scene), (0, START), "the whole piece is verified at once");
    scene.pieces.verify_by_block();
    assert_eq!(first(&scene), (32, START));
    let seed = WebSeedId(0);
    for index in 32..64 {
        scene.pieces.ask(block(0, index), Source::WebSeed(seed));
        let sender = Sender::Peer(([127, 0, 0, 1], 1).into());
        scene.pieces.store(block(0, index), Source::WebSeed(seed), sender);
        scene.pieces.prove(block(0, index));
        let expected = if index < 63 {
            let ms = u64::from(index - 31) * u64::from(BLOCK_LENGTH) * 1_000 / (8 * MIB);
            (index + 1, START + Duration::from_millis(ms))
        } else {
            (0, START + Duration::from_millis(62))
        };
        assert_eq!(first(&scene), expected);
    }
}

#[test]
fn hints_name_verified_bytes_ahead_once_and_are_worth_a_message() {
    let scene = Scene::new(0..10);
    let mut viewer = viewer(0);
    assert_eq!(viewer.hint(scene.lend()).map(FileRange::get), Some((0, 4 * MIB - 1)));
    assert_eq!(viewer.hint(scene.lend()), None);
    viewer.advance(file_offset(MIB - 1), START);
    assert_eq!(viewer.hint(scene.lend()), None, "less than a mebibyte is new");
    viewer.advance(file_offset(MIB), START);
    assert_eq!(viewer.hint(scene.lend()).map(FileRange::get), Some((4 * MIB, 5 * MIB - 1)));
    viewer.advance(file_offset(9 * MIB), START);
    assert_eq!(viewer.hint(scene.lend()).map(FileRange::get), Some((9 * MIB, 10 * MIB - 1)));
    viewer.advance(file_offset(9 * MIB + MIB / 2), START);
    assert_eq!(viewer.hint(scene.lend()), None, "nothing more is verified");
}

#[test]
fn the_last_bytes_of_a_file_are_worth_a_hint() {
    let scene = Scene::new(98..100);
    let hint = |start| viewer(start).hint(scene.lend()).map(FileRange::get);
    assert_eq!(hint(LENGTH - MIB / 2), Some((LENGTH - MIB / 2, LENGTH - 1)));
    assert_eq!(hint(LENGTH - 1), Some((LENGTH - 1, LENGTH - 1)));
    assert_eq!(hint(LENGTH), None);
    assert_eq!(viewer(LENGTH - 1).hint(Scene::new(0..0).lend()), None);
}
