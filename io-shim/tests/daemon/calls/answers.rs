//! How the engine answers calls, late, in parts, or not at all.

use std::time::{Duration, Instant};

use shared_proto::{CloseCode, DaemonMessage, EngineMessage};

use super::{BEARER, TOKEN, call, check_failure, post, rig, rig_with};
use crate::rig::soon;

#[tokio::test]
async fn a_call_is_put_to_the_engine_as_it_came_and_answered_in_its_words() {
    let (rig, mut brain) = rig().await;
    let target = format!("/add/magnet%3A%3Fxt%3Da%2Fb?keep=%74rue&token={TOKEN}&x");
    let mut client = rig.send("GET", &target, &[]).await;
    let (id, asked) = brain.called().await;
    let expected = DaemonMessage::HttpCall {
        request_id: id,
        method: "GET".into(),
        path: "/add/magnet%3A%3Fxt%3Da%2Fb".into(),
        query: "keep=%74rue&x".into(),
        host: format!("127.0.0.1:{}", rig.port),
        content_type: None,
        content_length: 0,
    };
    assert_eq!(asked, expected);
    brain.reply(id, 201, "{\"name\":\"Fílm\"}", false).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text().as_str()), (201, "{\"name\":\"Fílm\"}"));
    let header = |name: &str| reply.headers[name].as_str();
    assert_eq!((header("content-type"), header("cache-control")), ("application/json", "no-store"));
    assert_eq!(
        (header("x-content-type-options"), header("cross-origin-resource-policy")),
        ("nosniff", "same-origin")
    );
    rig.metric_becomes("jstorrent_calls", 0).await;
    assert!(!brain.heard.iter().any(|heard| matches!(heard, DaemonMessage::RangeCancel { .. })));
}

#[tokio::test]
async fn parts_of_a_streamed_reply_go_out_as_they_come() {
    let (rig, mut brain) = rig().await;
    let mut client = call(&rig, "GET", "/events").await;
    let (id, _) = brain.called().await;
    brain.reply(id, 200, "data: 1\n\n", true).await;
    let head = client.head().await;
    assert_eq!((head.status, head.headers["transfer-encoding"].as_str()), (200, "chunked"));
    assert_eq!(client.take(14).await, b"9\r\ndata: 1\n\n\r\n");
    client.sees_nothing().await;
    brain.reply(id, 500, "data: 2\n\n", true).await;
    assert_eq!(client.take(14).await, b"9\r\ndata: 2\n\n\r\n");
    brain.reply(id, 200, "", false).await;
    assert_eq!(client.take(5).await, b"0\r\n\r\n");
    rig.metric_becomes("jstorrent_calls", 0).await;
}

#[tokio::test]
async fn a_client_that_leaves_is_withdrawn_at_once_waiting_or_streaming() {
    let (rig, mut brain) = rig().await;
    let waiting = call(&rig, "GET", "/add/x").await;
    let (id, _) = brain.called().await;
    let left = Instant::now();
    waiting.leave();
    brain.cancelled(id).await;
    let posted = post(&rig, b"{}", &[]).await;
    let (id, _) = brain.called().await;
    posted.leave();
    brain.cancelled(id).await;
    let mut streaming = call(&rig, "GET", "/events").await;
    let (id, _) = brain.called().await;
    brain.reply(id, 200, "data: 1\n\n", true).await;
    streaming.head().await;
    streaming.leave();
    brain.cancelled(id).await;
    assert!(left.elapsed() < Duration::from_secs(2));
    brain.reply(id, 200, "too late", true).await;
    rig.metric_becomes("jstorrent_calls", 0).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_its_stream_is_cut_off() {
    let (rig, mut brain) = rig().await;
    let mut client = call(&rig, "GET", "/events").await;
    let (id, _) = brain.called().await;
    let event = "x".repeat(100_000);
    for _ in 0..200 {
        brain.reply(id, 200, &event, true).await;
    }
    brain.cancelled(id).await;
    client.head().await;
    assert!(client.take(20_000_000).await.len() < 15_000_000);
}

#[tokio::test]
async fn without_an_engine_a_call_is_held_for_the_grace_and_then_503() {
    let (rig, brain) = rig().await;
    drop(brain);
    rig.metric_becomes("jstorrent_engine_connected", 0).await;
    let began = Instant::now();
    let mut client = call(&rig, "GET", "/torrents").await;
    let reply = client.reply().await;
    check_failure(&reply, 503, "no_engine");
    assert!(
        began.elapsed() >= Duration::from_millis(350) && reply.headers.contains_key("retry-after")
    );
}

#[tokio::test]
async fn a_call_that_only_reads_goes_to_the_next_engine_and_one_that_may_not_be_repeated_fails() {
    let (rig, mut first) = rig_with(60_000, 120_000).await;
    let mut reading = call(&rig, "GET", "/torrents").await;
    let (id, asked) = first.called().await;
    let mut writing = post(&rig, b"{}", &[]).await;
    first.called().await;
    let mut streaming = call(&rig, "GET", "/events").await;
    let (stream, _) = first.called().await;
    first.reply(stream, 200, "a", true).await;
    streaming.head().await;
    streaming.take(6).await;
    drop(first);
    check_failure(&writing.reply().await, 503, "no_engine");
    assert!(streaming.take(5).await.is_empty(), "cut, not ended");
    let mut later = post(&rig, b"{}", &[]).await;
    later.sees_nothing().await;
    let mut second = rig.brain().await;
    let put = [second.called().await, second.called().await];
    assert!(put.contains(&(id, asked)), "the same question by the same name");
    for (id, _) in put {
        second.reply(id, 200, "{}", false).await;
    }
    assert_eq!((reading.reply().await.status, later.reply().await.status), (200, 200));
}

#[tokio::test]
async fn a_silent_engine_is_504_and_a_block_renews_the_wait() {
    let (rig, mut brain) = rig_with(400, 400).await;
    let mut client = call(&rig, "GET", "/add/x").await;
    let (id, _) = brain.called().await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        brain.block(id).await;
    }
    brain.reply(id, 200, "{}", false).await;
    assert_eq!(client.reply().await.status, 200);
    let mut client = call(&rig, "GET", "/add/x").await;
    let (id, _) = brain.called().await;
    check_failure(&client.reply().await, 504, "timeout");
    brain.cancelled(id).await;
}

#[tokio::test]
async fn calls_are_bounded_and_their_room_comes_back() {
    let (rig, mut brain) = rig().await;
    let mut clients = Vec::new();
    for _ in 0..512 {
        clients.push(call(&rig, "GET", "/add/x").await);
        brain.called().await;
    }
    check_failure(&call(&rig, "GET", "/add/x").await.reply().await, 503, "busy");
    drop(clients);
    rig.metric_becomes("jstorrent_calls", 0).await;
    let mut client = call(&rig, "GET", "/").await;
    let (id, _) = brain.called().await;
    brain.reply(id, 200, "", false).await;
    assert_eq!(client.reply().await.status, 200);
}

#[tokio::test]
async fn a_head_is_answered_without_a_body() {
    let (rig, mut brain) = rig().await;
    let mut client = call(&rig, "HEAD", "/torrents").await;
    let (id, asked) = brain.called().await;
    assert!(matches!(asked, DaemonMessage::HttpCall { method, .. } if method == "HEAD"));
    brain.reply(id, 200, "[1,2]", false).await;
    assert_eq!(client.head().await.status, 200);
    client.sees_nothing().await;
    client.request("HEAD", "/events", &[BEARER]).await;
    let (id, _) = brain.called().await;
    brain.reply(id, 200, "data", true).await;
    assert_eq!(client.head().await.status, 200);
    brain.cancelled(id).await;
    client.sees_nothing().await;
}

#[tokio::test]
async fn a_reply_that_makes_no_sense_is_502() {
    let (rig, mut brain) = rig().await;
    for status in [0, 99, 101, 600, 65_535] {
        let mut client = call(&rig, "GET", "/").await;
        let (id, _) = brain.called().await;
        brain.reply(id, status, "", false).await;
        check_failure(&client.reply().await, 502, "bad_reply");
    }
    let mut client = call(&rig, "GET", "/").await;
    let (request_id, _) = brain.called().await;
    brain
        .tell(EngineMessage::FileResolved { request_id, file_id: None, status: None, body: None })
        .await;
    check_failure(&client.reply().await, 502, "bad_reply");
}

#[tokio::test]
async fn a_stopping_daemon_answers_what_waits_and_ends_streams() {
    let (rig, mut brain) = rig().await;
    let mut waiting = call(&rig, "GET", "/add/x").await;
    brain.called().await;
    let mut streaming = call(&rig, "GET", "/events").await;
    let (id, _) = brain.called().await;
    brain.reply(id, 200, "a", true).await;
    streaming.head().await;
    let began = Instant::now();
    soon(rig.daemon.stop()).await;
    check_failure(&waiting.reply().await, 503, "stopping");
    streaming.take(100).await;
    assert_eq!(brain.closed().await, Some(CloseCode::GoingAway.code()));
    assert!(began.elapsed() < Duration::from_secs(2));
}
