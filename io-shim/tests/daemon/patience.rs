//! Viewers while engines leave, return, are replaced or say nothing.

use std::time::{Duration, Instant};

use shared_proto::CloseCode;

use crate::rig::{Rig, film, soon};

#[tokio::test]
async fn a_waiting_request_outlives_its_engine_and_is_put_again_with_the_same_id() {
    let (rig, mut brain) =
        Rig::with_film_and(10_000, |settings| settings.grace_ms = Some(60_000)).await;
    let mut viewer = rig.watch("bytes=100-").await;
    let (id, ..) = brain.asked().await;
    drop(brain);
    viewer.sees_nothing().await;
    let mut brain = rig.brain().await;
    assert_eq!(brain.epoch, 2);
    brain.hears_no_question().await;
    brain.announce("film", "film.mp4", 10_000).await;
    assert_eq!(brain.asked().await, (id, 100, 9_999));
    brain.available(id).await;
    viewer.head().await.check(206, "bytes 100-9999/10000");
    assert_eq!(viewer.take(9_900).await, film(10_000)[100..]);
}

#[tokio::test]
async fn a_stalled_body_goes_on_under_the_next_engine_from_its_first_ungranted_byte() {
    let (rig, mut brain) =
        Rig::with_film_and(10_000, |settings| settings.grace_ms = Some(60_000)).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.ready(id, 2_999).await;
    viewer.head().await;
    viewer.take(3_000).await;
    drop(brain);
    viewer.sees_nothing().await;
    let mut brain = rig.brain().await;
    brain.announce("film", "film.mp4", 10_000).await;
    assert_eq!(brain.asked().await, (id, 3_000, 9_999));
    brain.available(id).await;
    assert_eq!(viewer.take(7_000).await, film(10_000)[3_000..]);
}

#[tokio::test]
async fn after_the_grace_waiting_is_503_and_a_body_is_cut_at_the_watermark() {
    let (rig, mut brain) = Rig::with_film(10_000).await;
    let mut waiting = rig.watch("bytes=5-").await;
    brain.asked().await;
    let mut running = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.ready(id, 2_999).await;
    running.head().await;
    let left = Instant::now();
    drop(brain);
    let head = waiting.head().await;
    assert_eq!((head.status, head.headers.contains_key("retry-after")), (503, true));
    assert!(left.elapsed() >= Duration::from_millis(350), "held for the grace");
    assert_eq!(running.take(10_000).await, film(10_000)[..3_000]);
    rig.metric_becomes("jstorrent_viewers", 0).await;
}

#[tokio::test]
async fn without_grace_nothing_is_held() {
    let (rig, mut brain) = Rig::with_film_and(10_000, |settings| settings.grace_ms = Some(0)).await;
    let mut viewer = rig.watch("").await;
    brain.asked().await;
    drop(brain);
    assert_eq!(viewer.head().await.status, 503);
    assert_eq!(rig.watch("").await.head().await.status, 503);
}

#[tokio::test]
async fn granted_bytes_go_out_without_an_engine_but_not_one_more() {
    let (rig, mut brain) =
        Rig::with_film_and(6 << 20, |settings| settings.grace_ms = Some(0)).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.ready(id, (5 << 20) - 1).await;
    viewer.head().await;
    drop(brain);
    assert!(viewer.take(6 << 20).await == film(6 << 20)[..5 << 20]);
}

#[tokio::test]
async fn an_engine_that_returns_with_other_bytes_does_not_continue_the_old_ones() {
    let (rig, mut brain) =
        Rig::with_film_and(10_000, |settings| settings.grace_ms = Some(60_000)).await;
    let mut viewer = rig.watch("").await;
    let (old, ..) = brain.asked().await;
    drop(brain);
    let mut brain = rig.brain().await;
    brain.announce("film", "film.mp4", 9_999).await;
    let (new, start, end) = brain.asked().await;
    assert!(new != old && (start, end) == (0, 9_998), "nothing was sent: the request begins anew");
    brain.available(new).await;
    assert_eq!(viewer.reply().await.body, film(10_000)[..9_999]);
}

#[tokio::test]
async fn a_request_before_the_engine_is_there_waits_for_it() {
    let rig = Rig::start_with(|settings| settings.grace_ms = Some(60_000)).await;
    rig.folders.write("film.mp4", &film(10));
    let mut viewer = rig.watch("").await;
    viewer.sees_nothing().await;
    let mut brain = rig.brain().await;
    viewer.sees_nothing().await;
    brain.announce("film", "film.mp4", 10).await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    assert_eq!(viewer.reply().await.body, film(10));
}

#[tokio::test]
async fn silence_is_504_before_the_headers_and_truncation_after() {
    let (rig, mut brain) =
        Rig::with_film_and(10_000, |settings| settings.max_wait_ms = Some(300)).await;
    let mut waiting = rig.watch("bytes=5-").await;
    let (id, ..) = brain.asked().await;
    assert_eq!(waiting.head().await.status, 504);
    brain.cancelled(id).await;
    let mut running = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.ready(id, 999).await;
    assert_eq!(running.reply().await.body, film(10_000)[..1_000]);
    brain.cancelled(id).await;
}

#[tokio::test]
async fn each_block_renews_the_wait() {
    let (rig, mut brain) =
        Rig::with_film_and(10_000, |settings| settings.max_wait_ms = Some(400)).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        brain.block(id).await;
    }
    brain.ready(id, 999).await;
    viewer.head().await.check(200, "");
    viewer.take(1_000).await;
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        brain.block(id).await;
    }
    brain.available(id).await;
    assert_eq!(viewer.take(9_000).await.len(), 9_000);
}

#[tokio::test]
async fn a_newer_engine_takes_over_with_everything_that_waits() {
    let (rig, mut first) =
        Rig::with_film_and(10_000, |settings| settings.grace_ms = Some(60_000)).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = first.asked().await;
    let mut second = rig.brain().await;
    assert_eq!(first.closed().await, Some(CloseCode::Superseded.code()));
    second.announce("film", "film.mp4", 10_000).await;
    assert_eq!(second.asked().await.0, id);
    second.available(id).await;
    assert!(viewer.reply().await.is_complete);
    second.cancelled(id).await;
}

#[tokio::test]
async fn announcements_end_with_their_engine() {
    let (rig, brain) = Rig::with_film_and(10_000, |settings| settings.grace_ms = Some(0)).await;
    drop(brain);
    let mut brain = rig.brain().await;
    assert_eq!(rig.watch("").await.head().await.status, 403);
    brain.hears_no_question().await;
}

#[tokio::test]
async fn ten_engines_at_once_leave_exactly_one() {
    let rig = Rig::start().await;
    let mut brains = Vec::new();
    for _ in 0..10 {
        brains.push(rig.brain().await);
    }
    let mut last = brains.pop().unwrap();
    for mut former in brains {
        assert_eq!(former.closed().await, Some(CloseCode::Superseded.code()));
    }
    assert_eq!(last.epoch, 10);
    rig.settled(&mut last).await;
}

#[tokio::test]
async fn a_viewer_finds_a_restarted_daemon_where_it_was() {
    let (rig, mut brain) =
        Rig::with_film_and(10_000, |settings| settings.grace_ms = Some(60_000)).await;
    let (port, token) = (rig.port, rig.token.clone());
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.ready(id, 10).await;
    viewer.head().await;
    let Rig { daemon, folders, .. } = rig;
    soon(daemon.stop()).await;
    assert_eq!(brain.closed().await, Some(CloseCode::GoingAway.code()));
    let rig = Rig::start_in(folders, |settings| settings.grace_ms = Some(60_000)).await;
    assert_eq!((rig.port, &rig.token), (port, &token));
    let mut viewer = rig.watch("bytes=11-").await;
    let mut brain = rig.brain().await;
    brain.announce("film", "film.mp4", 10_000).await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    assert!(viewer.reply().await.is_complete);
}
