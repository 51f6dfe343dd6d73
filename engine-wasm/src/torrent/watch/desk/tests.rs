//! Tests of the desk: which bytes of a file are granted, revoked and rejected.

use std::sync::Arc;

use super::*;

use crate::geometry::{BLOCK_LENGTH, Geometry, testing};
use crate::pick::piece_map::PieceMap;
use crate::torrent::watch::viewer::LINGER;

const FILE: FileIndex = testing::file(0);

/// A file of pieces of one block each; those with `#` are verified.
struct Scene {
    geometry: Arc<Geometry>,
    pieces: PieceMap,
    desk: Desk,
    now: Instant,
}

impl Scene {
    fn new(picture: &str) -> Self {
        let length = u64::from(BLOCK_LENGTH) * picture.len() as u64;
        let geometry = Arc::new(Geometry::new(BLOCK_LENGTH, &[length]).unwrap());
        let mut pieces = PieceMap::new(Arc::clone(&geometry));
        for (index, _) in picture.chars().enumerate().filter(|(_, mark)| *mark == '#') {
            pieces.verified(testing::piece(u32::try_from(index).unwrap()));
        }
        Self { geometry, pieces, desk: Desk::default(), now: Instant(0) }
    }

    fn open(&mut self, id: u128, start: u64, end: u64) -> Answer {
        let ledger = Verified { geometry: &self.geometry, pieces: &self.pieces };
        self.desk.open(request(id), FILE, (start, end), ledger, self.now).0
    }

    fn verify(&mut self, piece: u32) -> Vec<(RequestId, Grant)> {
        self.pieces.verified(testing::piece(piece));
        let ledger = Verified { geometry: &self.geometry, pieces: &self.pieces };
        self.desk.verified(testing::piece(piece), ledger, self.now)
    }

    fn lose(&mut self, piece: u32) {
        self.pieces.lose(testing::piece(piece), true);
        let ledger = Verified { geometry: &self.geometry, pieces: &self.pieces };
        let first = at(u64::from(piece));
        let lost = testing::file_range((first, first + u64::from(BLOCK_LENGTH) - 1));
        self.desk.revoke(FILE, lost, ledger, self.now);
    }

    fn wants(&self) -> Vec<u32> {
        let ledger = Verified { geometry: &self.geometry, pieces: &self.pieces };
        self.desk.wants(ledger, self.now).iter().map(|want| want.piece.get()).collect()
    }
}

fn request(id: u128) -> RequestId {
    RequestId(uuid::Uuid::from_u128(id))
}

fn up_to(offset: u64) -> Grant {
    Grant::UpTo(testing::file_offset(offset))
}

/// Byte offset of a block.
fn at(block: u64) -> u64 {
    block * u64::from(BLOCK_LENGTH)
}

/// Checks the answer to a request in blocks, given a picture such as `####..`.
fn check(picture: &str, start: u64, end: u64, expected: Answer) {
    assert_eq!(Scene::new(picture).open(1, start, end), expected, "{picture} {start}–{end}");
}

#[test]
fn a_request_is_granted_the_verified_prefix() {
    check("####", 0, at(4) - 1, Answer::Granted(Grant::All));
    check("##..", 0, at(4) - 1, Answer::Granted(up_to(at(2) - 1)));
    check("##..", 5, at(2) - 1, Answer::Granted(Grant::All));
    check("..##", 0, 0, Answer::Wait);
    check("..##", at(2), at(4) - 1, Answer::Granted(Grant::All));
    check("#.##", at(1) - 1, at(1), Answer::Granted(up_to(at(1) - 1)));
}

#[test]
fn ranges_outside_the_file_are_refused() {
    check("##", 0, at(2), Answer::OutsideFile);
    check("##", at(2), at(2), Answer::OutsideFile);
    check("##", 5, 4, Answer::OutsideFile);
    check("", 0, 0, Answer::OutsideFile);
}

#[test]
fn a_grant_extends_over_everything_verified() {
    let mut scene = Scene::new("..#.");
    assert_eq!(scene.open(1, 10, at(4) - 1), Answer::Wait);
    assert_eq!(scene.verify(1), [], "the cursor waits for piece 0");
    assert_eq!(scene.verify(0), [(request(1), up_to(at(3) - 1))]);
    assert_eq!(scene.verify(3), [(request(1), Grant::All)]);
    assert!(!scene.desk.is_waited());
}

#[test]
fn a_grant_shrinks_to_a_lost_piece_and_grows_again_with_it() {
    let mut scene = Scene::new("####");
    for (id, first, last) in [(1, 0, 4), (2, 2, 4), (3, 0, 1), (4, 1, 2)] {
        scene.open(id, at(first), at(last) - 1);
    }
    scene.desk.progress(request(1), at(3), scene.now);
    scene.lose(1);
    let next = |scene: &Scene, id| scene.desk.request(request(id)).unwrap().next.get();
    assert_eq!([1, 2, 3, 4].map(|id| next(&scene, id)), [at(1), at(4), at(1), at(1)]);
    assert!(scene.desk.is_awaited(testing::piece(1)));
    // The daemon may have reported this before it learned of the loss.
    scene.desk.progress(request(1), at(4), scene.now);
    assert_eq!(scene.wants(), [1]);
    assert_eq!(scene.verify(1), [(request(1), Grant::All), (request(4), Grant::All)]);
    assert!(!scene.desk.is_waited());
}

#[test]
fn a_waiting_request_waits_for_an_earlier_lost_piece_first() {
    let mut scene = Scene::new("###.");
    assert_eq!(scene.open(1, 5, at(4) - 1), Answer::Granted(up_to(at(3) - 1)));
    scene.lose(2);
    scene.lose(0);
    assert_eq!(
        scene.desk.request(request(1)).unwrap().next.get(),
        5,
        "never before its first byte"
    );
    assert_eq!(scene.verify(3), []);
    assert_eq!(scene.verify(0), [(request(1), up_to(at(2) - 1))]);
    assert_eq!(scene.verify(2), [(request(1), Grant::All)]);
}

#[test]
fn a_cancelled_request_leaves_no_demand() {
    let mut scene = Scene::new("......");
    scene.open(1, 0, at(6) - 1);
    assert_eq!(scene.wants(), [0, 1, 2, 3, 4, 5]);
    assert!(scene.desk.cancel(request(1), scene.now));
    assert_eq!(scene.wants(), [] as [u32; 0]);
    assert_eq!(scene.verify(0), []);
}

#[test]
fn a_player_that_requests_part_by_part_is_one_viewer() {
    let mut scene = Scene::new("##....");
    scene.open(1, 0, at(2) - 1);
    scene.desk.progress(request(1), at(2), scene.now);
    assert!(
        !scene.desk.cancel(request(1), scene.now),
        "it was granted in full: nothing is given up"
    );
    assert_eq!(scene.wants(), [2, 3, 4, 5]);
    scene.open(2, at(2), at(4) - 1);
    assert_eq!(scene.desk.viewers.len(), 1);
}

#[test]
fn viewers_with_requests_come_before_idle_ones() {
    let mut scene = Scene::new("#.#######.");
    scene.open(1, 0, at(1) - 1);
    scene.desk.cancel(request(1), scene.now);
    scene.open(2, at(9), at(10) - 1);
    assert_eq!(scene.wants(), [9, 1]);
}

#[test]
fn a_viewer_that_does_not_come_back_is_forgotten() {
    let mut scene = Scene::new("#...");
    scene.open(1, 0, at(1) - 1);
    scene.desk.cancel(request(1), scene.now);
    assert!(!scene.desk.expire(scene.now + LINGER));
    assert!(scene.desk.expire(scene.now + LINGER + Duration::from_secs(1)));
    assert_eq!(scene.wants(), [] as [u32; 0]);
}

#[test]
fn a_thousand_requests_for_one_piece_are_all_granted() {
    let mut scene = Scene::new("..");
    for id in 0..1000 {
        assert_eq!(scene.open(id, 0, at(2) - 1), Answer::Wait);
    }
    assert_eq!(scene.verify(0).len(), 1000);
}

#[test]
fn random_reads_leave_a_bounded_number_of_viewers() {
    let mut scene = Scene::new(&"#".repeat(2_000));
    for id in 0..400 {
        let start = at(u64::try_from(id).unwrap() * 5);
        scene.open(id, start, start);
        scene.now = scene.now + Duration::from_millis(1);
        scene.desk.cancel(request(id), scene.now);
    }
    assert_eq!(scene.desk.viewers.len(), limits::IDLE_VIEWERS);
    // The last viewer is still expected back.
    scene.open(1_000, at(399 * 5), at(399 * 5) + 9);
    assert_eq!(scene.desk.viewers.len(), limits::IDLE_VIEWERS);
}

#[test]
fn a_request_is_rejected_after_minutes_without_a_source() {
    let mut scene = Scene::new("...");
    scene.open(1, 0, at(3) - 1);
    scene.open(2, at(1), at(3) - 1);
    let mut rejected = |seconds: u64| {
        let now = Instant(0) + Duration::from_secs(seconds);
        scene.desk.reject_hopeless(|piece| piece == testing::piece(1), now)
    };
    assert_eq!(rejected(300), [], "the source may come back");
    assert_eq!(rejected(301), [request(1)]);
    assert_eq!(rejected(1_000), [], "the other piece has a source");
}

#[test]
fn a_request_for_a_piece_that_will_not_come_is_rejected_at_once() {
    let mut scene = Scene::new("#..");
    scene.open(1, 0, at(3) - 1);
    scene.open(2, at(2), at(3) - 1);
    assert_eq!(scene.desk.reject_lost(|piece| piece == testing::piece(2)), [request(2)]);
    assert!(scene.desk.request(request(1)).is_some() && scene.desk.request(request(2)).is_none());
}

#[test]
fn the_daemon_is_reminded_of_a_waiting_request_every_five_seconds() {
    let mut scene = Scene::new("#.");
    scene.open(1, 0, at(1) - 1);
    scene.open(2, at(1), at(2) - 1);
    let mut due =
        |seconds: u64| scene.desk.take_due_reminders(Instant(0) + Duration::from_secs(seconds));
    assert_eq!([due(4), due(5), due(9), due(10)].map(|ids| ids.len()), [0, 1, 0, 1]);
}

#[test]
fn a_new_viewer_has_jumped_and_a_continuing_one_has_not() {
    for (gap, viewers) in [(64 << 10, 1), ((64 << 10) + 1, 2)] {
        let mut scene = Scene::new("########");
        let ledger = Verified { geometry: &scene.geometry, pieces: &scene.pieces };
        let whole = (0, at(1) - 1);
        assert!(scene.desk.open(request(1), FILE, whole, ledger, scene.now).1);
        assert!(!scene.desk.cancel(request(1), scene.now));
        let next = (at(1) + gap, at(6));
        let jumped = scene.desk.open(request(2), FILE, next, ledger, scene.now).1;
        assert_eq!((jumped, scene.desk.viewers.len()), (viewers == 2, viewers));
    }
}

#[test]
fn a_desk_accepts_a_limited_number_of_requests() {
    let mut scene = Scene::new("..");
    for id in 0..limits::REQUESTS_PER_TORRENT {
        assert_eq!(scene.open(id as u128, 0, 0), Answer::Wait);
    }
    assert_eq!(scene.open(u128::MAX, 0, 0), Answer::Full);
    scene.desk.cancel(request(0), scene.now);
    assert_eq!(scene.open(u128::MAX, 0, 0), Answer::Wait);
}

#[test]
fn when_the_daemon_goes_viewers_are_expected_back_where_their_grants_end() {
    let mut scene = Scene::new("######......");
    scene.open(1, 0, at(12) - 1);
    scene.desk.unlink(scene.now);
    assert!(!scene.desk.is_read() && !scene.desk.is_waited() && scene.desk.is_watched());
    assert_eq!(scene.wants(), [6, 7, 8, 9, 10, 11]);
    scene.open(2, at(10), at(12) - 1);
    assert_eq!(scene.desk.viewers.len(), 1, "it goes on");
}

#[test]
fn a_stopping_torrent_rejects_waiting_requests() {
    let mut scene = Scene::new("#..");
    scene.open(1, 0, 9);
    scene.open(2, at(1), at(2) - 1);
    scene.open(3, at(2), at(3) - 1);
    assert_eq!(scene.desk.drain_waiting(), [request(2), request(3)]);
    assert!(scene.desk.is_read() && !scene.desk.is_waited());
    assert_eq!(scene.desk.requests().map(|(id, _)| id).collect::<Vec<_>>(), [request(1)]);
    assert_eq!(scene.desk.viewers.len(), 1);
    scene.desk.reject(request(1));
    assert!(!scene.desk.is_read() && !scene.desk.is_watched());
}

#[test]
fn the_viewer_that_starves_longest_comes_first() {
    let mut scene = Scene::new(&".".repeat(60));
    scene.open(1, at(40), at(60) - 1);
    scene.now = scene.now + Duration::from_secs(1);
    scene.open(2, 0, at(20) - 1);
    scene.open(3, at(40), at(60) - 1);
    scene.now = scene.now + Duration::from_secs(1);
    assert_eq!(scene.wants()[..2], [40, 0]);
    // The first is fed: it has something to drain, and then starves later than the second.
    scene.verify(40);
    assert_eq!(scene.wants()[0], 0);
    for id in [1, 3] {
        scene.desk.progress(request(id), at(41), scene.now);
    }
    assert_eq!(scene.wants()[..2], [0, 41]);
}

#[test]
fn the_piece_that_a_request_waits_for_is_awaited() {
    let mut scene = Scene::new("....");
    scene.open(1, at(1), at(4) - 1);
    let ledger = Verified { geometry: &scene.geometry, pieces: &scene.pieces };
    let wants = scene.desk.wants(ledger, scene.now);
    let awaited: Vec<(u32, bool)> =
        wants.iter().map(|want| (want.piece.get(), want.awaited)).collect();
    assert_eq!(awaited, [(1, true), (2, false), (3, false)]);
    assert!(scene.desk.is_awaited(testing::piece(1)) && !scene.desk.is_awaited(testing::piece(2)));
}

#[test]
fn hints_are_those_of_the_viewer_behind_a_request() {
    let mut scene = Scene::new("##..");
    scene.open(1, 0, at(4) - 1);
    let ledger = Verified { geometry: &scene.geometry, pieces: &scene.pieces };
    assert_eq!(scene.desk.hint(request(1), ledger), None, "little is there");
    assert_eq!(scene.desk.hint(request(2), ledger), None);
    let mut scene = Scene::new("####");
    scene.open(1, 5, at(2) - 1);
    let ledger = Verified { geometry: &scene.geometry, pieces: &scene.pieces };
    assert_eq!(
        scene.desk.hint(request(1), ledger),
        Some((FILE, testing::file_range((5, at(4) - 1))))
    );
}

#[test]
fn a_viewer_starves_since_it_last_moved() {
    let mut scene = Scene::new(&format!("#{}", ".".repeat(60)));
    let second = |seconds| Instant(0) + Duration::from_secs(seconds);
    scene.open(1, 0, at(20) - 1);
    scene.now = second(1);
    scene.open(2, at(40), at(60) - 1);
    scene.desk.progress(request(1), at(1), second(2));
    scene.now = second(4);
    scene.open(3, at(20), at(40) - 1);
    scene.desk.progress(request(1), at(1), second(5));
    scene.now = second(6);
    assert_eq!(scene.wants()[..3], [40, 1, 20]);
}

#[test]
fn a_verified_block_elsewhere_in_its_piece_grants_a_request_nothing() {
    let mut scene = Scene::new("#..");
    scene.open(1, 0, at(3) - 1);
    scene.open(2, at(2), at(3) - 1);
    scene.now = scene.now + Duration::from_secs(1);
    let ledger = Verified { geometry: &scene.geometry, pieces: &scene.pieces };
    for piece in [1, 2] {
        assert_eq!(scene.desk.verified(testing::piece(piece), ledger, scene.now), []);
        assert!(scene.desk.is_awaited(testing::piece(piece)) && scene.desk.is_waited());
    }
    assert_eq!(scene.desk.request(request(1)).unwrap().waiting_since, Instant(0));
}

#[test]
fn a_request_that_was_granted_nothing_of_a_lost_piece_waits_on() {
    let mut scene = Scene::new("#..");
    scene.open(1, 0, at(3) - 1);
    scene.now = scene.now + Duration::from_secs(1);
    scene.lose(1);
    assert_eq!(scene.desk.request(request(1)).unwrap().waiting_since, Instant(0));
    scene.lose(0);
    assert_eq!(scene.desk.request(request(1)).unwrap().waiting_since, scene.now);
}
