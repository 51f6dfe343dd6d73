//! Viewers that are slow, many, or suddenly gone.

use std::time::{Duration, Instant};

use shared_proto::RequestId;

use crate::brain::Brain;
use crate::rig::{QUIET, Rig, film, soon};
use crate::viewer::Viewer;

const BIG: usize = 48 << 20;
const FILM: &str = "/stream/film?key=key-of-the-film";

#[tokio::test]
async fn a_viewer_that_does_not_read_costs_a_bounded_buffer() {
    let (rig, mut brain) = Rig::with_film(BIG).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    viewer.head().await;
    let mut read = 0;
    // The kernel's buffers fill up, then nothing moves.
    soon(async {
        loop {
            tokio::time::sleep(QUIET).await;
            let now = rig.metric("jstorrent_read_bytes_total").await;
            if now == read {
                break;
            }
            read = now;
        }
    })
    .await;
    let served = rig.metric("jstorrent_served_bytes_total").await;
    assert!(
        read - served <= 1 << 20,
        "at most a few chunks ahead: {read} read, {served} handed over"
    );
    assert!(served < 16 << 20, "{served} bytes went to a viewer that takes none");
    assert!(viewer.take(BIG).await == film(BIG), "and all of it comes once it is taken");
    brain.cancelled(id).await;
}

/// Expects that daemon and engine notice within a second that a viewer left.
async fn is_noticed(rig: &Rig, brain: &mut Brain, viewer: Viewer, id: RequestId) {
    let left = Instant::now();
    viewer.leave();
    brain.cancelled(id).await;
    assert!(left.elapsed() < Duration::from_secs(1));
    rig.metric_becomes("jstorrent_viewers", 0).await;
}

#[tokio::test]
async fn a_viewer_that_leaves_before_its_headers_is_noticed_within_a_second() {
    let (rig, mut brain) = Rig::with_film(10_000).await;
    let viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.block(id).await;
    is_noticed(&rig, &mut brain, viewer, id).await;
}

#[tokio::test]
async fn a_viewer_that_leaves_a_stalled_body_is_noticed_within_a_second() {
    let (rig, mut brain) = Rig::with_film(10_000).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.ready(id, 999).await;
    viewer.head().await;
    viewer.take(1_000).await;
    is_noticed(&rig, &mut brain, viewer, id).await;
}

#[tokio::test]
async fn a_viewer_that_leaves_under_backpressure_is_noticed_within_a_second() {
    let (rig, mut brain) = Rig::with_film(BIG).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    viewer.head().await;
    tokio::time::sleep(QUIET).await;
    is_noticed(&rig, &mut brain, viewer, id).await;
}

const OTHER: &str = "/stream/other?key=key-of-the-film";

/// A daemon with two files and these limits on permits. One limit is for all files, the other for
/// each file.
async fn with_places(all: usize, per_file: usize, length: usize) -> (Rig, Brain) {
    let limits = |settings: &mut io_shim::host::settings::Settings| {
        settings.max_replies = Some(all);
        settings.max_replies_per_file = Some(per_file);
        settings.stall_ms = Some(100);
    };
    let (rig, mut brain) = Rig::with_film_and(length, limits).await;
    brain.announce("other", "film.mp4", length as u64).await;
    rig.settled(&mut brain).await;
    (rig, brain)
}

/// A viewer that the engine has told to wait.
async fn waiting(rig: &Rig, brain: &mut Brain, target: &str) -> (Viewer, RequestId) {
    let viewer = rig.send("GET", target, &[]).await;
    let (id, ..) = brain.asked().await;
    brain.block(id).await;
    (viewer, id)
}

async fn is_turned_away(mut viewer: Viewer) {
    let head = viewer.head().await;
    assert_eq!((head.status, head.headers.contains_key("retry-after")), (503, true));
}

#[tokio::test]
async fn viewers_are_limited_in_all_and_per_file() {
    let (rig, mut brain) = with_places(3, 2, 10_000).await;
    let (first, id) = waiting(&rig, &mut brain, FILM).await;
    let _second = waiting(&rig, &mut brain, FILM).await;
    is_turned_away(waiting(&rig, &mut brain, FILM).await.0).await;
    let _third = waiting(&rig, &mut brain, OTHER).await;
    is_turned_away(waiting(&rig, &mut brain, OTHER).await.0).await;
    first.leave();
    brain.cancelled(id).await;
    rig.metric_becomes("jstorrent_viewers", 2).await;
    let (mut fourth, id) = waiting(&rig, &mut brain, FILM).await;
    brain.available(id).await;
    assert_eq!(fourth.reply().await.status, 200);
}

#[tokio::test]
async fn waiting_viewers_take_no_permits_of_running_replies() {
    let (rig, mut brain) = with_places(2, 2, 10_000).await;
    let mut film = [waiting(&rig, &mut brain, FILM).await, waiting(&rig, &mut brain, FILM).await];
    let beyond = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    // Some of it is granted; the rest would have to wait.
    brain.ready(id, 10).await;
    is_turned_away(beyond).await;
    for target in [OTHER, FILM] {
        let mut whole = rig.send("GET", target, &[]).await;
        let (id, ..) = brain.asked().await;
        brain.available(id).await;
        assert_eq!(whole.reply().await.body.len(), 10_000, "what is all there is served at once");
    }
    let [(first, id), _] = &mut film;
    brain.available(*id).await;
    assert_eq!(first.reply().await.body.len(), 10_000);
    rig.metric_becomes("jstorrent_viewers", 1).await;
    let (mut late, id) = waiting(&rig, &mut brain, FILM).await;
    brain.available(id).await;
    assert_eq!(late.reply().await.status, 200, "a place to wait is free again");
}

#[tokio::test]
async fn a_viewer_that_reads_nothing_loses_its_permit_to_a_new_one() {
    const LENGTH: usize = 16 << 20;
    let (rig, brain) = with_places(1, 1, LENGTH).await;
    brain.be_generous();
    let mut stalled = rig.watch("").await;
    assert_eq!(stalled.head().await.status, 200);
    soon(async {
        while rig.send("GET", OTHER, &[("Range", "bytes=0-9")]).await.head().await.status != 206 {}
    })
    .await;
    assert!(stalled.take(LENGTH).await.len() < LENGTH, "its reply was cut");
}

#[tokio::test]
async fn a_hundred_viewers_that_come_and_go_leave_nothing_behind() {
    let (rig, mut brain) = Rig::with_film_and(100_000, |settings| {
        settings.max_replies = Some(1_000);
        settings.max_replies_per_file = Some(1_000);
    })
    .await;
    for round in 0..100 {
        let mut viewer = rig.watch("bytes=10-").await;
        let (id, ..) = brain.asked().await;
        match round % 4 {
            0 => {}
            1 => brain.ready(id, 50_000).await,
            2 => {
                brain.available(id).await;
                assert_eq!(viewer.reply().await.body, film(100_000)[10..]);
            }
            _ => {
                brain.reject(id, None).await;
                assert_eq!(viewer.head().await.status, 503);
                continue;
            }
        }
        viewer.leave();
        brain.cancelled(id).await;
    }
    rig.metric_becomes("jstorrent_viewers", 0).await;
    rig.metric_becomes("jstorrent_viewers_waiting", 0).await;
}
