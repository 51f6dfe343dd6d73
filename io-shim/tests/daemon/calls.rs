//! Calls of the HTTP API: put to the engine, answered in its words, withdrawn when the client
//! leaves.

use std::time::{Duration, Instant};

use shared_proto::frame::{BATCH_TARGET, MAX_CONTENT};
use shared_proto::{
    CloseCode, DaemonMessage, EngineMessage, FileId, IoCommand, IoEvent, RequestId,
};

use crate::rig::{Brain, QUIET, Reply, Rig, Viewer, film, soon};

const TOKEN: &str = "a-token-of-the-test";

/// A daemon whose token fits a line, and its engine.
async fn rig() -> (Rig, Brain) {
    rig_with(400, 120_000).await
}

async fn rig_with(grace_ms: u64, max_wait_ms: u64) -> (Rig, Brain) {
    let rig = Rig::start_with(|settings| {
        settings.token = Some(TOKEN.parse().unwrap());
        (settings.grace_ms, settings.max_wait_ms) = (Some(grace_ms), Some(max_wait_ms));
    })
    .await;
    let brain = rig.brain().await;
    (rig, brain)
}

const BEARER: (&str, &str) = ("Authorization", "Bearer a-token-of-the-test");

async fn call(rig: &Rig, method: &str, target: &str) -> Viewer {
    rig.send(method, target, &[BEARER]).await
}

async fn post(rig: &Rig, body: &[u8], headers: &[(&str, &str)]) -> Viewer {
    let length = body.len().to_string();
    let headers = [&[BEARER, ("Content-Length", length.as_str())], headers].concat();
    let mut viewer = rig.send("POST", "/add", &headers).await;
    viewer.send(body).await;
    viewer
}

impl Brain {
    /// The next call, whole.
    async fn called(&mut self) -> (RequestId, DaemonMessage) {
        soon(self.next(|message| match message {
            DaemonMessage::HttpCall { request_id, .. }
            | DaemonMessage::FileResolve { request_id, .. } => Some((*request_id, message.clone())),
            _ => None,
        }))
        .await
    }

    async fn reply(&mut self, request_id: RequestId, status: u16, body: &str, more: bool) {
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        self.tell(EngineMessage::HttpReply {
            request_id,
            status,
            headers,
            body: body.into(),
            more,
        })
        .await;
    }

    /// The content of a call, in whatever parts it comes.
    async fn content(&mut self, call: RequestId, length: usize) -> Vec<u8> {
        let mut content = Vec::new();
        while content.len() < length {
            let taken = soon(self.io_frame()).await;
            for event in self.events.drain(..) {
                if let IoEvent::HttpContent { request_id, data } = event {
                    assert!(request_id == call && data.len() <= BATCH_TARGET);
                    content.extend_from_slice(&data);
                }
            }
            self.order(&[IoCommand::Credit { bytes: u32::try_from(taken).unwrap() }]).await;
        }
        content
    }

    async fn hears_no_call(&mut self) {
        let call = self.next(|message| {
            matches!(message, DaemonMessage::HttpCall { .. } | DaemonMessage::FileResolve { .. })
                .then_some(())
        });
        assert!(
            tokio::time::timeout(QUIET, call).await.is_err(),
            "a call came: {:?}",
            self.heard.last()
        );
    }
}

#[track_caller]
fn check_failure(reply: &Reply, status: u16, code: &str) {
    let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!((reply.status, body["code"].as_str()), (status, Some(code)), "{body}");
    assert!(body["error"].as_str().is_some_and(|words| !words.is_empty()));
}

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
async fn a_body_follows_its_call_with_its_type() {
    let (rig, mut brain) = rig().await;
    let mut client =
        post(&rig, b"\x00\xffd4:info", &[("Content-Type", "application/x-bittorrent")]).await;
    let (id, asked) = brain.called().await;
    let DaemonMessage::HttpCall { method, content_type, content_length, .. } = asked else {
        panic!("{asked:?}")
    };
    assert_eq!((method.as_str(), content_length), ("POST", 9));
    assert_eq!(content_type.as_deref(), Some("application/x-bittorrent"));
    assert_eq!(brain.content(id, 9).await, b"\x00\xffd4:info");
    brain.reply(id, 200, "{}", false).await;
    assert_eq!(client.reply().await.status, 200);
}

#[tokio::test]
async fn as_much_as_a_torrent_file_may_have_passes_and_one_byte_more_does_not() {
    let (rig, mut brain) = rig().await;
    let sent: Vec<u8> = (0..MAX_CONTENT).map(|at| (at % 251).to_le_bytes()[0]).collect();
    let mut client = Viewer::connect(rig.port).await;
    let length = MAX_CONTENT.to_string();
    client.request("POST", "/add", &[BEARER, ("Content-Length", &length)]).await;
    let (mut sending, sent) = (client, std::sync::Arc::new(sent));
    let body = std::sync::Arc::clone(&sent);
    let sending = tokio::spawn(async move {
        sending.send(&body).await;
        sending
    });
    let (id, asked) = brain.called().await;
    assert!(
        matches!(asked, DaemonMessage::HttpCall { content_length, .. } if content_length == MAX_CONTENT as u64),
        "{asked:?}"
    );
    assert!(brain.content(id, MAX_CONTENT).await == *sent, "the bytes are those that were sent");
    brain.reply(id, 200, "{}", false).await;
    assert_eq!(sending.await.unwrap().reply().await.status, 200);
    let beyond = (MAX_CONTENT + 1).to_string();
    let mut announced = rig.send("POST", "/add", &[BEARER, ("Content-Length", &beyond)]).await;
    check_failure(&announced.reply().await, 413, "too_large");
    let mut chunked = rig.send("POST", "/add", &[BEARER, ("Transfer-Encoding", "chunked")]).await;
    let chunk = [&b"100000\r\n"[..], &[7; 1 << 20], b"\r\n"].concat();
    for _ in 0..=MAX_CONTENT >> 20 {
        chunked.send(&chunk).await;
    }
    assert!(soon(chunked.try_head()).await.is_none_or(|head| head.status == 413));
    brain.hears_no_call().await;
}

#[tokio::test]
async fn unfinished_uploads_do_not_keep_others_out() {
    let (rig, mut brain) = rig().await;
    // More than all uploads together may hold.
    let mut unfinished = Vec::new();
    for _ in 0..17 {
        let mut viewer = rig.send("POST", "/add", &[BEARER, ("Content-Length", "8388608")]).await;
        viewer.send(&vec![7; (8 << 20) - 1]).await;
        unfinished.push(viewer);
    }
    let mut client = post(&rig, &vec![7; 1 << 20], &[]).await;
    let (id, _) = brain.called().await;
    assert_eq!(brain.content(id, 1 << 20).await.len(), 1 << 20);
    brain.reply(id, 200, "{}", false).await;
    assert_eq!(client.reply().await.status, 200);
    check_failure(&soon(unfinished[0].reply()).await, 408, "body");
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

const BY_NAME: &str = "/stream/0123abcd/Big%20Film%2Fpart.mp4";

async fn resolved(
    brain: &mut Brain,
    to: Option<&str>,
    status: Option<u16>,
    body: Option<&str>,
) -> String {
    let (request_id, asked) = brain.called().await;
    let DaemonMessage::FileResolve { path, .. } = asked else { panic!("{asked:?}") };
    let (file_id, body) = (to.map(FileId::from), body.map(str::to_owned));
    brain.tell(EngineMessage::FileResolved { request_id, file_id, status, body }).await;
    path
}

#[tokio::test]
async fn a_file_is_served_by_its_path_just_as_by_its_id() {
    let (rig, mut brain) = rig().await;
    rig.folders.write("film.mp4", &film(5_000));
    brain.announce("film", "film.mp4", 5_000).await;
    let mut viewer = rig.send("GET", BY_NAME, &[BEARER, ("Range", "bytes=100-199")]).await;
    assert_eq!(
        resolved(&mut brain, Some("film"), None, None).await,
        "0123abcd/Big%20Film%2Fpart.mp4"
    );
    let (id, start, end) = brain.asked().await;
    assert_eq!((start, end), (100, 199));
    brain.available(id).await;
    let reply = viewer.reply().await;
    assert_eq!(
        (reply.status, reply.headers["content-range"].as_str()),
        (206, "bytes 100-199/5000")
    );
    assert_eq!(reply.body, film(5_000)[100..200]);
    let target = format!("{BY_NAME}?token={TOKEN}");
    let mut viewer = rig.send("HEAD", &target, &[("Sec-Fetch-Site", "cross-site")]).await;
    resolved(&mut brain, Some("film"), None, None).await;
    let head = viewer.head().await;
    assert_eq!((head.status, head.headers["content-length"].as_str()), (200, "5000"));
    assert_eq!(
        (head.headers["etag"].as_str(), head.headers["accept-ranges"].as_str()),
        ("\"v1\"", "bytes")
    );
    let mut viewer = rig.send("GET", BY_NAME, &[BEARER, ("If-None-Match", "\"v1\"")]).await;
    resolved(&mut brain, Some("film"), None, None).await;
    assert_eq!(viewer.head().await.status, 304);
    rig.metric_becomes("jstorrent_calls", 0).await;
}

#[tokio::test]
async fn without_a_file_the_engines_words_are_the_reply() {
    let (rig, mut brain) = rig().await;
    let mut viewer = call(&rig, "GET", BY_NAME).await;
    resolved(&mut brain, None, None, None).await;
    check_failure(&viewer.reply().await, 404, "not_found");
    let mut viewer = call(&rig, "GET", BY_NAME).await;
    resolved(&mut brain, None, Some(409), Some("{\"files\":[1,2]}")).await;
    let reply = viewer.reply().await;
    assert_eq!((reply.status, reply.text().as_str()), (409, "{\"files\":[1,2]}"));
    let mut viewer = call(&rig, "POST", BY_NAME).await;
    assert_eq!(viewer.reply().await.status, 405);
    brain.hears_no_call().await;
    let waiting = call(&rig, "GET", BY_NAME).await;
    let (id, _) = brain.called().await;
    waiting.leave();
    brain.cancelled(id).await;
}

#[tokio::test]
async fn a_file_is_served_by_its_path_to_who_shows_its_key_and_nobody_learns_names() {
    let (rig, mut brain) = rig().await;
    rig.folders.write("film.mp4", &film(5_000));
    rig.folders.write("other.mp4", &film(10));
    brain.announce("film", "film.mp4", 5_000).await;
    let mut other = brain.announcement("other", "other.mp4", 10);
    if let EngineMessage::FileAnnounce { key, .. } = &mut other {
        *key = "key-of-the-other".into();
    }
    brain.tell(other).await;
    tokio::time::sleep(Duration::from_millis(450)).await;
    let with_key = format!("{BY_NAME}?key=key-of-the-film");
    // As with a film by its id: whoever has the key may embed it anywhere.
    let mut viewer = rig
        .send("GET", &with_key, &[("Range", "bytes=0-9"), ("Sec-Fetch-Site", "cross-site")])
        .await;
    resolved(&mut brain, Some("film"), None, None).await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    let reply = viewer.reply().await;
    assert_eq!((reply.status, &reply.body[..]), (206, &film(5_000)[..10]));
    assert_eq!(reply.headers["cross-origin-resource-policy"], "cross-origin");
    let mut refusals = Vec::new();
    for (key, to) in [
        ("key-of-the-other", Some("film")),
        ("", Some("film")),
        ("key-of-the-film", Some("other")),
        ("key-of-the-film", None),
    ] {
        for method in ["GET", "HEAD"] {
            let mut viewer = rig.send(method, &format!("{BY_NAME}?key={key}"), &[]).await;
            resolved(&mut brain, to, Some(409), Some("{\"files\":[1,2]}")).await;
            if method == "HEAD" {
                assert_eq!(viewer.head().await.status, 403, "{key} {to:?}");
                continue;
            }
            let reply = viewer.reply().await;
            assert_eq!(reply.status, 403, "{key} {to:?}");
            refusals.push((reply.body, reply.headers.get("content-type").cloned()));
        }
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "no file, two files and a wrong key look alike: {refusals:?}");
}

/// What hostile pages send; nothing of it may reach the engine.
async fn check_refused(
    rig: &Rig,
    brain: &mut Brain,
    request: (&str, &str),
    headers: &[(&str, &str)],
    status: u16,
) {
    let mut client = rig.send(request.0, request.1, headers).await;
    let reply = soon(client.reply()).await;
    assert_eq!(reply.status, status, "{request:?} {headers:?}");
    brain.hears_no_call().await;
}

#[tokio::test]
async fn pages_of_other_sites_cannot_call_even_where_no_token_is_needed() {
    let rig = Rig::start_with(|settings| settings.no_token = true).await;
    let mut brain = rig.brain().await;
    let port = rig.port;
    let rebound = format!("evil.example:{port}");
    let cross = ("Sec-Fetch-Site", "cross-site");
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let evil = ("Origin", "https://evil.example");
    let neighbour = format!("http://127.0.0.1:{}", port.wrapping_add(1));
    let no_cors = ("Sec-Fetch-Mode", "no-cors");
    let add = ("GET", "/add/magnet%3Ax");
    // DNS rebinding: the browser takes the page for one of this daemon's own.
    check_refused(
        &rig,
        &mut brain,
        add,
        &[("Host", &rebound), ("Sec-Fetch-Site", "same-origin")],
        421,
    )
    .await;
    check_refused(&rig, &mut brain, ("POST", "/add"), &[("Host", &rebound)], 421).await;
    // fetch() of another site, of another port of this machine, of a sandboxed frame.
    check_refused(
        &rig,
        &mut brain,
        ("GET", "/torrents"),
        &[evil, cross, ("Sec-Fetch-Mode", "cors")],
        403,
    )
    .await;
    check_refused(
        &rig,
        &mut brain,
        ("GET", "/events"),
        &[("Origin", &neighbour), ("Sec-Fetch-Site", "same-site")],
        403,
    )
    .await;
    check_refused(&rig, &mut brain, ("DELETE", "/torrents/x"), &[("Origin", "null")], 403).await;
    check_refused(
        &rig,
        &mut brain,
        ("OPTIONS", "/add"),
        &[evil, ("Access-Control-Request-Method", "POST")],
        403,
    )
    .await;
    // A form, posted into a tab, and a no-cors POST in the background.
    let posted =
        [evil, cross, form, ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];
    check_refused(&rig, &mut brain, ("POST", "/add"), &posted, 403).await;
    check_refused(&rig, &mut brain, ("POST", "/"), &posted, 403).await;
    check_refused(
        &rig,
        &mut brain,
        ("POST", "/add"),
        &[evil, cross, no_cors, ("Content-Type", "text/plain")],
        403,
    )
    .await;
    // An image, a frame, a link and a player that point here.
    check_refused(&rig, &mut brain, add, &[cross, no_cors, ("Sec-Fetch-Dest", "image")], 403).await;
    check_refused(&rig, &mut brain, add, &[("Sec-Fetch-Site", "same-site"), no_cors], 403).await;
    check_refused(
        &rig,
        &mut brain,
        ("GET", "/"),
        &[cross, ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe")],
        403,
    )
    .await;
    check_refused(
        &rig,
        &mut brain,
        add,
        &[cross, ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")],
        403,
    )
    .await;
    check_refused(
        &rig,
        &mut brain,
        ("GET", BY_NAME),
        &[cross, no_cors, ("Sec-Fetch-Dest", "video")],
        403,
    )
    .await;
}

#[tokio::test]
async fn without_a_token_programs_and_the_own_page_call_and_a_link_leads_to_the_front_page() {
    let rig = Rig::start_with(|settings| settings.no_token = true).await;
    let mut brain = rig.brain().await;
    let own = format!("http://127.0.0.1:{}", rig.port);
    let link = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Dest", "document"),
    ];
    let page = [("Origin", own.as_str()), ("Sec-Fetch-Site", "same-origin")];
    for (method, target, headers) in [
        ("GET", "/add/x", &[][..]),
        ("GET", "/", &link),
        ("DELETE", "/torrents/x", &page),
        ("GET", "/", &[("Sec-Fetch-Site", "none")]),
    ] {
        let mut client = rig.send(method, target, headers).await;
        let (id, _) = brain.called().await;
        brain.reply(id, 200, "{}", false).await;
        assert_eq!(client.reply().await.status, 200, "{method} {target}");
    }
    rig.folders.write("film.mp4", &film(10));
    brain.announce("film", "film.mp4", 10).await;
    let mut viewer = rig.send("GET", BY_NAME, &[]).await;
    resolved(&mut brain, Some("film"), None, None).await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    let reply = viewer.reply().await;
    assert_eq!(
        (reply.body, reply.headers["cross-origin-resource-policy"].as_str()),
        (film(10), "same-origin")
    );
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert_eq!(
        rig.get("/stream/film", &[]).await.status,
        403,
        "a file by its id still needs its key"
    );
    let mut stranger = Brain::connect(rig.port, None).await.unwrap();
    stranger.hello("").await;
    assert_eq!(
        stranger.closed().await,
        Some(CloseCode::Token.code()),
        "an engine still needs the token"
    );
}

#[tokio::test]
async fn every_call_needs_the_token_also_one_that_only_reads() {
    let (rig, mut brain) = rig().await;
    for request in [
        ("GET", "/"),
        ("GET", "/add/x"),
        ("POST", "/add"),
        ("GET", "/torrents"),
        ("GET", BY_NAME),
        ("PUT", "/x"),
    ] {
        check_refused(&rig, &mut brain, request, &[], 401).await;
        check_refused(
            &rig,
            &mut brain,
            request,
            &[("Authorization", "Bearer a-token-of-the-tesT")],
            401,
        )
        .await;
    }
    check_refused(&rig, &mut brain, ("GET", "/torrents?token=&key=key-of-the-film"), &[], 401)
        .await;
    check_refused(
        &rig,
        &mut brain,
        ("POST", "/add"),
        &[BEARER, ("Origin", "https://evil.example")],
        403,
    )
    .await;
    check_refused(&rig, &mut brain, ("GET", "/%68ealth"), &[], 401).await;
    check_refused(&rig, &mut brain, ("POST", "/health"), &[BEARER], 405).await;
    check_refused(&rig, &mut brain, ("TRACE", "/torrents"), &[BEARER], 405).await;
}
