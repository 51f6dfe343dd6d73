//! The range conversation. No byte goes out before its grant, every byte does afterwards, and the
//! engine learns of each end.

use shared_proto::{DaemonMessage, EngineMessage, FileId};

use crate::rig::{QUIET, Rig, film, soon};

#[tokio::test]
async fn a_request_is_held_until_the_first_grant_and_then_begins_at_once() {
    let (rig, mut brain) = Rig::with_film(100_000).await;
    let mut viewer = rig.watch("bytes=0-").await;
    let (id, start, end) = brain.asked().await;
    assert_eq!((start, end), (0, 99_999));
    brain.block(id).await;
    viewer.sees_nothing().await;
    brain.ready(id, 9_999).await;
    viewer.head().await.check(206, "bytes 0-99999/100000");
    assert_eq!(viewer.take(10_000).await, film(100_000)[..10_000]);
    viewer.sees_nothing().await;
}

#[tokio::test]
async fn each_grant_raises_the_watermark_and_no_byte_passes_it() {
    let (rig, mut brain) = Rig::with_film(1_000_000).await;
    let mut viewer = rig.watch("bytes=1000-").await;
    let (id, ..) = brain.asked().await;
    let mut position = 1_000;
    for watermark in [1_001, 1_500, 70_000, 600_000, 600_001, 999_999, 1_000_000] {
        brain.ready(id, watermark as u64 - 1).await;
        if position == 1_000 {
            viewer.head().await.check(206, "bytes 1000-999999/1000000");
        }
        assert_eq!(viewer.take(watermark - position).await, film(1_000_000)[position..watermark]);
        if watermark < 1_000_000 {
            viewer.sees_nothing().await;
        }
        position = watermark;
    }
    brain.cancelled(id).await;
}

#[tokio::test]
async fn a_lower_grant_or_one_beyond_the_range_changes_nothing() {
    let (rig, mut brain) = Rig::with_film(10_000).await;
    let mut viewer = rig.watch("bytes=100-199").await;
    let (id, ..) = brain.asked().await;
    brain.ready(id, 50).await;
    viewer.sees_nothing().await;
    brain.ready(id, 149).await;
    viewer.head().await.check(206, "bytes 100-199/10000");
    assert_eq!(viewer.take(50).await, film(10_000)[100..150]);
    brain.ready(id, 120).await;
    viewer.sees_nothing().await;
    brain.ready(id, 9_999).await;
    assert_eq!(viewer.take(50).await, film(10_000)[150..200]);
    viewer.sees_nothing().await;
}

#[tokio::test]
async fn what_is_complete_is_sent_whole_and_then_cancelled() {
    let (rig, mut brain) = Rig::with_film(3_000_000).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    let reply = viewer.reply().await;
    assert!(reply.status == 200 && reply.is_complete && reply.body == film(3_000_000));
    brain.cancelled(id).await;
    let last = brain.heard.iter().rev().find_map(|message| match message {
        DaemonMessage::RangeProgress { position, .. } => Some(*position),
        _ => None,
    });
    assert_eq!(last, Some(3_000_000), "the engine knows that all of it was taken");
}

#[tokio::test]
async fn a_reject_before_the_headers_is_a_status() {
    let (rig, mut brain) = Rig::with_film(1_000).await;
    for (status, expected) in [
        (None, 503),
        (Some(503), 503),
        (Some(416), 416),
        (Some(404), 404),
        (Some(409), 409),
        (Some(200), 503),
    ] {
        let mut viewer = rig.watch("bytes=0-9").await;
        let (id, ..) = brain.asked().await;
        brain.reject(id, status).await;
        let head = viewer.head().await;
        head.check(expected, if expected == 416 { "bytes */1000" } else { "" });
        assert_eq!(head.headers.contains_key("retry-after"), expected == 503);
    }
}

#[tokio::test]
async fn a_reject_carries_the_engines_words_and_retry_time() {
    let (rig, mut brain) = Rig::with_film(1_000).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    let reason = Some("nobody\r\nhas: it".into());
    brain
        .tell(EngineMessage::RangeReject {
            request_id: id,
            status: None,
            reason,
            retry_after: Some(77),
        })
        .await;
    let reply = viewer.reply().await;
    assert_eq!((reply.status, reply.headers["retry-after"].as_str()), (503, "77"));
    assert_eq!(reply.text(), "nobody\r\nhas: it\n");
}

#[tokio::test]
async fn a_reject_after_the_headers_cuts_the_body_at_the_watermark() {
    let (rig, mut brain) = Rig::with_film(10_000).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.ready(id, 4_999).await;
    brain.reject(id, None).await;
    let reply = viewer.reply().await;
    assert_eq!((reply.status, reply.is_complete), (200, false));
    assert_eq!(reply.body, film(10_000)[..5_000]);
}

#[tokio::test]
async fn forgetting_a_file_cuts_its_bodies_and_ends_its_waits() {
    let (rig, mut brain) = Rig::with_film(10_000).await;
    let mut running = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.ready(id, 4_999).await;
    running.head().await;
    let mut waiting = rig.watch("").await;
    brain.asked().await;
    brain.tell(EngineMessage::FileForget { file_id: FileId::from("film") }).await;
    assert_eq!(waiting.head().await.status, 404);
    assert!(running.take(10_000).await.len() <= 5_000);
    assert_eq!(rig.get("/stream/film?key=key-of-the-film", &[]).await.status, 403);
}

#[tokio::test]
async fn other_bytes_under_the_same_name_cut_the_old_ones() {
    let (rig, mut brain) = Rig::with_film(10_000).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.ready(id, 4_999).await;
    viewer.head().await;
    brain.announce("film", "film.mp4", 10_000).await;
    brain.ready(id, 5_999).await;
    assert_eq!(viewer.take(6_000).await.len(), 6_000, "the same announcement changes nothing");
    brain.announce("film", "elsewhere.mp4", 10_000).await;
    brain.ready(id, 6_999).await;
    assert_eq!(viewer.take(1_000).await.len(), 1_000, "the same bytes may lie elsewhere");
    brain.announce("film", "other.mp4", 9_999).await;
    brain.available(id).await;
    assert!(viewer.take(10_000).await.is_empty());
}

#[tokio::test]
async fn a_reply_waits_where_bytes_were_revoked_that_it_has_not_read() {
    let (rig, mut brain) = Rig::with_film(10_000).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.ready(id, 3_999).await;
    viewer.head().await;
    assert_eq!(viewer.take(4_000).await, film(10_000)[..4_000]);
    brain.revoke("film", 6_000, 7_999).await;
    brain.ready(id, 7_999).await;
    brain.revoke("other", 0, 9_999).await;
    assert_eq!(viewer.take(4_000).await, film(10_000)[4_000..8_000]);
    // None of this is granted.
    brain.revoke("film", 8_000, 9_999).await;
    brain.available(id).await;
    let reply = viewer.take(2_000).await;
    assert_eq!(reply, film(10_000)[8_000..]);
    brain.cancelled(id).await;
}

/// More than the buffers between the daemon and a stopped viewer hold.
const LONG: usize = 32 << 20;
/// Start of the last MiB.
const LATE: usize = 31 << 20;

#[tokio::test]
async fn bytes_that_were_revoked_before_they_were_read_are_not_sent_before_they_are_granted_again()
{
    let (rig, mut brain) = Rig::with_film(LONG).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    viewer.head().await;
    brain.revoke("film", LATE as u64, LATE as u64 + 99_999).await;
    rig.settled(&mut brain).await;
    assert!(viewer.take(LATE).await == film(LONG)[..LATE]);
    viewer.sees_nothing().await;
    brain.available(id).await;
    assert!(viewer.take(LONG - LATE).await == film(LONG)[LATE..]);
    brain.cancelled(id).await;
}

#[tokio::test]
async fn a_reply_that_has_read_revoked_bytes_is_cut_and_those_elsewhere_go_on() {
    let (rig, mut brain) = Rig::with_film(100_000).await;
    let mut passed = rig.watch("").await;
    let (first, ..) = brain.asked().await;
    brain.ready(first, 49_999).await;
    passed.head().await;
    assert_eq!(passed.take(50_000).await.len(), 50_000);
    let mut behind = rig.watch("bytes=40000-").await;
    let (second, ..) = brain.asked().await;
    brain.ready(second, 49_999).await;
    behind.head().await;
    assert_eq!(behind.take(10_000).await.len(), 10_000);
    brain.revoke("film", 30_000, 39_999).await;
    brain.available(first).await;
    brain.available(second).await;
    assert!(passed.take(50_000).await.is_empty(), "it has sent bytes that are not granted");
    assert_eq!(behind.take(50_000).await, film(100_000)[50_000..]);
}

#[tokio::test]
async fn what_waits_to_be_taken_is_thrown_away_when_it_is_revoked() {
    let (rig, mut brain) = Rig::with_film(LONG).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    viewer.head().await;
    let taken = rig.stands_still().await;
    assert!(
        rig.metric("jstorrent_read_bytes_total").await > taken,
        "more is read than is handed over"
    );
    brain.revoke("film", 0, 99).await;
    brain.cancelled(id).await;
    let body = viewer.take(LONG).await;
    assert!(body.len() as u64 <= taken, "{} bytes came, {taken} had been handed over", body.len());
    assert_eq!(rig.metric("jstorrent_served_bytes_total").await, taken);
}

#[tokio::test]
async fn what_a_former_engine_granted_its_successor_can_revoke() {
    let (rig, mut brain) = Rig::with_film(LONG).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    viewer.head().await;
    drop(brain);
    let mut brain = rig.brain().await;
    brain.announce("film", "film.mp4", LONG as u64).await;
    brain.revoke("film", LATE as u64, LONG as u64 - 1).await;
    assert_eq!(
        brain.asked().await,
        (id, LATE as u64, LONG as u64 - 1),
        "the engine is asked for the bytes that are no longer granted"
    );
    assert!(viewer.take(LATE).await == film(LONG)[..LATE]);
    viewer.sees_nothing().await;
    brain.available(id).await;
    assert!(viewer.take(LONG - LATE).await == film(LONG)[LATE..]);
}

#[tokio::test]
async fn what_the_engine_says_of_unknown_or_finished_requests_is_ignored() {
    let (rig, mut brain) = Rig::with_film(1_000).await;
    let mut viewer = rig.watch("bytes=0-99").await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    viewer.reply().await;
    brain.cancelled(id).await;
    let unknown = shared_proto::RequestId(uuid::Uuid::new_v4());
    for id in [id, unknown] {
        brain.available(id).await;
        brain.block(id).await;
        brain.reject(id, Some(404)).await;
    }
    brain.tell(EngineMessage::FileForget { file_id: FileId::from("nothing") }).await;
    brain
        .tell(EngineMessage::HttpReply {
            request_id: unknown,
            status: 200,
            headers: vec![],
            body: String::new(),
            more: false,
        })
        .await;
    brain
        .tell(EngineMessage::FileResolved {
            request_id: unknown,
            file_id: None,
            status: None,
            body: None,
        })
        .await;
    brain
        .tell(EngineMessage::RangeHint { file_id: FileId::from("film"), start: 0, end: u64::MAX })
        .await;
    rig.settled(&mut brain).await;
}

#[tokio::test]
async fn a_granted_file_that_cannot_be_opened_is_unavailable() {
    let (rig, mut brain) = Rig::with_film(10).await;
    brain.announce("gone", "gone.mp4", 10).await;
    brain.announce("up", "..", 10).await;
    rig.settled(&mut brain).await;
    for id in ["gone", "up"] {
        let mut viewer = rig.send("GET", &format!("/stream/{id}?key=key-of-the-film"), &[]).await;
        let (request, ..) = brain.asked().await;
        brain.available(request).await;
        assert_eq!(viewer.head().await.status, 503, "{id}");
        brain.cancelled(request).await;
    }
}

#[tokio::test]
async fn a_file_shorter_than_its_grant_breaks_the_connection() {
    let (rig, mut brain) = Rig::with_film(10).await;
    rig.folders.write("short.mp4", &film(300));
    brain.announce("short", "short.mp4", 1_000).await;
    rig.settled(&mut brain).await;
    let mut viewer = rig.send("GET", "/stream/short?key=key-of-the-film", &[]).await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    let reply = viewer.reply().await;
    assert!(reply.status == 200 && !reply.is_complete);
    brain.cancelled(id).await;
}

#[tokio::test]
async fn progress_tells_how_far_the_viewer_is_but_not_too_often() {
    let (rig, mut brain) = Rig::with_film(8 << 20).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    viewer.reply().await;
    brain.cancelled(id).await;
    let positions: Vec<u64> = brain
        .heard
        .iter()
        .filter_map(|message| match message {
            DaemonMessage::RangeProgress { position, .. } => Some(*position),
            _ => None,
        })
        .collect();
    assert!(positions.is_sorted() && positions.last() == Some(&(8 << 20)), "{positions:?}");
    assert!(positions.len() <= 8 + 40, "about one a MiB, and four a second: {positions:?}");
}

#[tokio::test]
async fn a_stalled_viewers_position_is_told_without_its_moving() {
    let (rig, mut brain) = Rig::with_film(1_000_000).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.ready(id, 99_999).await;
    viewer.head().await;
    viewer.take(100_000).await;
    soon(brain.next(|message| match message {
        DaemonMessage::RangeProgress { request_id, position: 100_000 } if *request_id == id => {
            Some(())
        }
        _ => None,
    }))
    .await;
    assert!(
        tokio::time::timeout(QUIET * 3, brain.next(|_| Some(()))).await.is_err(),
        "nothing new, nothing told"
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_hint_is_followed_within_the_file_and_for_files_that_are_announced() {
    let (rig, mut brain) = Rig::with_film(10_000).await;
    let hint = |file: &str, start, end| EngineMessage::RangeHint {
        file_id: FileId::from(file),
        start,
        end,
    };
    for nowhere in [
        hint("nothing", 0, 9),
        hint("film", 10_000, 20_000),
        hint("film", 9, 8),
        hint("film", u64::MAX, u64::MAX),
    ] {
        brain.tell(nowhere).await;
    }
    brain.announce("gone", "gone.mp4", 10).await;
    brain.tell(hint("gone", 0, 9)).await;
    rig.settled(&mut brain).await;
    brain.tell(hint("film", 9_000, u64::MAX)).await;
    rig.metric_becomes("jstorrent_hinted_bytes_total", 1_000).await;
}
