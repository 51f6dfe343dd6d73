//! Viewers that are slow, many, or suddenly gone.

use std::time::{Duration, Instant};

use shared_proto::RequestId;

use crate::brain::Brain;
use crate::rig::{QUIET, Rig, film, soon};
use crate::viewer::Viewer;

const BIG: usize = 48 << 20;

#[tokio::test]
async fn a_viewer_that_does_not_read_costs_a_bounded_buffer() {
    let (rig, mut brain) = Rig::with_film(BIG).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    viewer.head().await;
    let mut read = 0;
    // The kernel's buffers fill, then nothing moves any more.
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
    assert!(read - served <= 1 << 20, "at most a few chunks ahead: {read} read, {served} handed over");
    assert!(served < 16 << 20, "{served} bytes went to a viewer that takes none");
    assert!(viewer.take(BIG).await == film(BIG), "and all of it comes once it is taken");
    brain.cancelled(id).await;
}

/// A viewer leaves, and everybody hears of it within a second.
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

#[tokio::test]
async fn viewers_are_limited_in_all_and_per_file() {
    let limits = |settings: &mut io_shim::config::Settings| {
        settings.max_replies = Some(3);
        settings.max_replies_per_file = Some(2);
    };
    let (rig, mut brain) = Rig::with_film_and(10_000, limits).await;
    brain.announce("other", "film.mp4", 10_000).await;
    rig.settled(&mut brain).await;
    let first = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    let _second = rig.watch("").await;
    brain.asked().await;
    let refused = rig.watch("").await.head().await;
    assert_eq!((refused.status, refused.headers.contains_key("retry-after")), (503, true));
    let other = "/stream/other?key=key-of-the-film";
    let _third = rig.send("GET", other, &[]).await;
    brain.asked().await;
    assert_eq!(rig.get(other, &[]).await.status, 503, "three in all");
    first.leave();
    brain.cancelled(id).await;
    rig.metric_becomes("jstorrent_viewers", 2).await;
    let _fourth = rig.watch("").await;
    brain.asked().await;
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
