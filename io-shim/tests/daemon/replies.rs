//! Statuses, headers and bodies where nginx is no measure.

use shared_proto::{DaemonMessage, EngineMessage, RequestId};

use crate::rig::{Brain, Reply, Rig, film};

const URL: &str = "/stream/film?key=key-of-the-film";

#[tokio::test]
async fn head_shows_the_headers_without_asking_the_engine() {
    let (rig, mut brain) = Rig::with_film(5_000).await;
    let mut viewer = rig.send("HEAD", URL, &[]).await;
    let head = viewer.head().await;
    assert_eq!((head.status, head.headers["content-length"].as_str()), (200, "5000"));
    assert_eq!(head.headers["accept-ranges"], "bytes");
    viewer.request("HEAD", URL, &[("Range", "bytes=10-19")]).await;
    let head = viewer.head().await;
    head.check(206, "bytes 10-19/5000");
    assert_eq!(head.headers["content-length"], "10");
    brain.hears_no_question().await;
}

#[tokio::test]
async fn statuses_that_send_nothing_ask_the_engine_nothing() {
    let (rig, mut brain) = Rig::with_film(5_000).await;
    for (header, value, status) in [
        ("Range", "bytes=5000-", 416),
        ("If-None-Match", "\"v1\"", 304),
        ("If-Match", "\"v0\"", 412),
    ] {
        let reply = rig.get(URL, &[(header, value)]).await;
        assert_eq!((reply.status, reply.headers["etag"].as_str()), (status, "\"v1\""));
    }
    brain.hears_no_question().await;
}

#[tokio::test]
async fn an_empty_file_is_an_empty_reply() {
    let (rig, mut brain) = Rig::with_film(0).await;
    for range in ["", "bytes=0-", "bytes=-5"] {
        let reply = rig.watch(range).await.reply().await;
        assert_eq!(
            (reply.status, reply.headers["content-length"].as_str()),
            (200, "0"),
            "{range:?}"
        );
    }
    rig.watch("bytes=1-").await.head().await.check(416, "bytes */0");
    brain.hears_no_question().await;
}

#[tokio::test]
async fn one_connection_serves_one_reply_after_the_other() {
    let (rig, brain) = Rig::with_film(5_000).await;
    brain.be_generous();
    let mut viewer = rig.watch("bytes=0-99").await;
    for start in [100, 4_000, 0] {
        let reply = viewer.reply().await;
        assert!(reply.is_complete && reply.body.len() == 100);
        let range = format!("bytes={start}-{}", start + 99);
        viewer.request("GET", URL, &[("Range", &range)]).await;
    }
    assert_eq!(viewer.reply().await.body, film(5_000)[..100]);
}

#[tokio::test]
async fn several_ranges_come_as_parts() {
    let (rig, mut brain) = Rig::with_film(5_000).await;
    let mut viewer = rig.watch("bytes=4000-4099, 10-19").await;
    for (start, end) in [(4_000, 4_099), (10, 19)] {
        let (id, from, to) = brain.asked().await;
        assert_eq!((from, to), (start, end), "each part is asked for when its turn comes");
        brain.available(id).await;
    }
    let reply = viewer.reply().await;
    assert!(reply.status == 206 && reply.is_complete);
    let boundary = reply.headers["content-type"]
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap()
        .to_owned();
    let part = |start: usize, end: usize| {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: video/mp4\r\nContent-Range: bytes \
                {start}-{end}/5000\r\n\r\n"
        );
        [head.as_bytes(), &film(5_000)[start..=end]].concat()
    };
    let expected =
        [part(4_000, 4_099), part(10, 19), format!("\r\n--{boundary}--\r\n").into_bytes()].concat();
    assert_eq!(reply.body, expected);
}

#[tokio::test]
async fn a_part_is_the_beginning_of_the_range_asked_for() {
    let (rig, brain) = Rig::with_film(100_000).await;
    brain.be_generous();
    let part = async |size: &str, range: Option<&str>| -> Reply {
        let headers: Vec<_> = range.iter().map(|range| ("Range", *range)).collect();
        rig.get(&format!("{URL}&part={size}"), &headers).await
    };
    let check = |reply: Reply, expected: &str| {
        let shown = reply.headers.get("content-range").map_or("", String::as_str);
        assert_eq!((reply.status, shown, reply.is_complete), (206, expected, true));
    };
    check(part("20000", Some("bytes=0-")).await, "bytes 0-19999/100000");
    check(part("20000", Some("bytes=90000-")).await, "bytes 90000-99999/100000");
    check(part("20000", Some("bytes=-30000")).await, "bytes 70000-89999/100000");
    check(part("20000", Some("bytes=5-9")).await, "bytes 5-9/100000");
    check(part("20000", None).await, "bytes 0-19999/100000");
    check(part("1", Some("bytes=0-")).await, "bytes 0-16383/100000");
    check(part("99999999999999999", Some("bytes=0-")).await, "bytes 0-99999/100000");
    assert_eq!(part("x", None).await.status, 200);
    assert_eq!(part("-1", None).await.status, 200);
    assert_eq!(part("20000", Some("bytes=100000-")).await.status, 416);
}

/// The next request, which must be one that waits for nothing.
async fn asked_for_now(brain: &mut Brain) -> RequestId {
    let (id, ..) = brain.asked().await;
    let question = brain.heard.last();
    assert!(
        matches!(question, Some(DaemonMessage::RangeRequest { only_now: true, .. })),
        "{question:?}"
    );
    id
}

#[tokio::test]
async fn a_client_that_does_not_wait_gets_what_is_there() {
    let (rig, mut brain) = Rig::with_film(100_000).await;
    let now = format!("{URL}&wait=0");
    for (range, granted, expected) in [
        (Some("bytes=50000-"), Some(59_999), "bytes 50000-59999/100000"),
        (Some("bytes=50000-50009"), None, "bytes 50000-50009/100000"),
        (Some("bytes=7-9, 20-29"), None, "bytes 7-9/100000"),
        (None, Some(9), "bytes 0-9/100000"),
        (None, None, "bytes 0-99999/100000"),
    ] {
        let headers: Vec<_> = range.iter().map(|range| ("Range", *range)).collect();
        let mut viewer = rig.send("GET", &now, &headers).await;
        let request_id = asked_for_now(&mut brain).await;
        brain.tell(EngineMessage::RangeAvailable { request_id, end: granted }).await;
        let reply = viewer.reply().await;
        assert_eq!((reply.status, reply.headers["content-range"].as_str()), (206, expected));
        let numbers: Vec<usize> =
            expected.split([' ', '-', '/']).filter_map(|number| number.parse().ok()).collect();
        assert!(
            reply.is_complete && reply.body == film(100_000)[numbers[0]..=numbers[1]],
            "{expected}"
        );
        brain.cancelled(request_id).await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_wait_is_told_at_once_that_nothing_is_there() {
    let (rig, mut brain) = Rig::with_film(100_000).await;
    let now = format!("{URL}&wait=0");
    let mut viewer = rig.send("GET", &now, &[("Range", "bytes=0-9")]).await;
    let id = asked_for_now(&mut brain).await;
    brain.reject(id, Some(409)).await;
    assert_eq!(viewer.reply().await.status, 409);
    // An engine that lets it wait is wrong.
    let mut viewer = rig.send("GET", &now, &[("Range", "bytes=0-9")]).await;
    let id = asked_for_now(&mut brain).await;
    brain.block(id).await;
    let reply = viewer.reply().await;
    assert_eq!(
        (reply.status, reply.body.as_slice()),
        (409, &b"these bytes are not here yet\n"[..])
    );
    brain.cancelled(id).await;
    // Requests that wait are asked about as before.
    rig.send("GET", &format!("{URL}&wait=1"), &[]).await;
    brain.asked().await;
    assert!(matches!(
        brain.heard.last(),
        Some(DaemonMessage::RangeRequest { only_now: false, .. })
    ));
}

#[tokio::test]
async fn bytes_that_are_revoked_from_a_client_that_does_not_wait_are_not_sent() {
    // More than the sockets between hold.
    const LENGTH: usize = 32 << 20;
    let (rig, mut brain) = Rig::with_film(LENGTH).await;
    let mut viewer = rig.send("GET", &format!("{URL}&wait=0"), &[]).await;
    let request_id = asked_for_now(&mut brain).await;
    brain.tell(EngineMessage::RangeAvailable { request_id, end: Some(LENGTH as u64 - 2) }).await;
    viewer.head().await.check(206, &format!("bytes 0-{}/{LENGTH}", LENGTH - 2));
    brain.revoke("film", LENGTH as u64 - 9, LENGTH as u64 - 1).await;
    brain.cancelled(request_id).await;
    let sent = viewer.take(LENGTH).await;
    assert!(sent.len() < LENGTH - 9, "it is cut, and does not wait for them");
}

async fn reply_for(rig: &Rig, brain: &mut Brain, content_type: &str) -> Reply {
    let mut announcement = brain.announcement("film", "film.mp4", 10);
    if let EngineMessage::FileAnnounce { content_type: announced, .. } = &mut announcement {
        *announced = content_type.into();
    }
    brain.tell(announcement).await;
    rig.settled(brain).await;
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.available(id).await;
    viewer.reply().await
}

#[tokio::test]
async fn what_a_stranger_wrote_never_runs_as_a_page_of_the_daemon() {
    let (rig, mut brain) = Rig::with_film(10).await;
    for (content_type, inline) in [
        ("video/mp4", true),
        ("audio/mpeg", true),
        ("image/png", true),
        ("image/svg+xml", false),
        ("text/html", false),
        ("application/javascript", false),
        ("application/octet-stream", false),
    ] {
        let reply = reply_for(&rig, &mut brain, content_type).await;
        assert_eq!(reply.headers["content-type"], content_type);
        assert_eq!(!reply.headers.contains_key("content-disposition"), inline, "{content_type}");
        assert!(reply.headers["content-security-policy"].starts_with("sandbox"));
        assert_eq!(reply.headers["x-content-type-options"], "nosniff");
        assert_eq!(reply.headers["cache-control"], "no-store");
    }
    for hostile in ["text/html\r\nSet-Cookie: a=b", "", "vidéo/mp4", "video"] {
        let reply = reply_for(&rig, &mut brain, hostile).await;
        assert_eq!(reply.headers["content-type"], "application/octet-stream");
        assert!(!reply.headers.contains_key("set-cookie"));
    }
}

#[tokio::test]
async fn other_methods_and_paths_are_told_so() {
    let (rig, _brain) = Rig::with_film(10).await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let mut viewer = rig.send(method, URL, &[]).await;
        assert_eq!(viewer.head().await.status, 405, "{method}");
    }
    for target in ["/stream", "/stream/"] {
        assert_eq!(rig.get(target, &[]).await.status, 404, "{target}");
    }
    // Paths of the engine's API, which strangers may not call.
    for target in ["/", "/stream/a/b/c", "/../etc/passwd", "/control/x", "/favicon.ico"] {
        assert_eq!(rig.get(target, &[]).await.status, 401, "{target}");
    }
    assert_eq!(rig.get(URL, &[("Content-Length", "5")]).await.status, 400);
}
