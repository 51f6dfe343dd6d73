//! Requests of every form in RFC 9112, and of other forms. Each is answered, and none panics.

use crate::rig::{Rig, Viewer, soon};

/// The status of the answer to these bytes. `None` if the connection closes without an answer.
async fn status_of(rig: &Rig, request: &[u8]) -> Option<u16> {
    let mut viewer = Viewer::connect(rig.port).await;
    viewer.send(request).await;
    soon(viewer.try_head()).await.map(|head| head.status)
}

/// A request for this target, with its own `Host` and one more line.
fn request(port: u16, start: &str, line: &[u8]) -> Vec<u8> {
    [format!("{start} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n").as_bytes(), line, b"\r\n"].concat()
}

#[tokio::test]
async fn a_target_that_is_no_path_is_refused_and_leaves_nothing_behind() {
    let rig = Rig::start().await;
    let port = rig.port;
    for start in [
        format!("CONNECT 127.0.0.1:{port}"),
        "CONNECT 127.0.0.1".into(),
        "CONNECT evil.example:443".into(),
        "CONNECT /".into(),
        "OPTIONS *".into(),
        "GET *".into(),
        format!("GET 127.0.0.1:{port}"),
        "GET health".into(),
    ] {
        for line in [&b""[..], b"Content-Length: 1\r\n", b"Sec-Fetch-Site: none\r\n"] {
            let status = status_of(&rig, &request(port, &start, line)).await;
            assert!(
                status.is_some_and(|status| (400..500).contains(&status)),
                "{start}: {status:?}"
            );
        }
    }
    // One connection is the one that asks for the metrics.
    rig.metric_becomes("jstorrent_http_connections", 1).await;
}

#[tokio::test]
async fn a_target_with_a_host_is_the_path_behind_it() {
    let rig = Rig::start().await;
    let port = rig.port;
    for (target, expected) in [
        (format!("http://127.0.0.1:{port}/health"), 200),
        (format!("http://LOCALHOST:{port}/health?x"), 200),
        (format!("http://127.0.0.1:{port}/nothing/"), 401),
        (format!("http://127.0.0.1:{port}"), 401),
        (format!("http://user@127.0.0.1:{port}/health"), 421),
        ("http://evil.example/health".into(), 421),
        (format!("https://evil.example:{port}/health"), 421),
    ] {
        assert_eq!(
            status_of(&rig, &request(port, &format!("GET {target}"), b"")).await,
            Some(expected),
            "{target}"
        );
    }
}

#[tokio::test]
async fn odd_paths_and_headers_are_answered() {
    let (rig, brain) = Rig::with_film(10).await;
    brain.be_generous();
    let paths = [
        "/",
        "//",
        "/%",
        "/%%%",
        "/stream/%",
        "/stream/%ff%00",
        "/stream//",
        "/stream/a/%",
        "/stream/film?key=%",
        "/stream/film?key=%ff",
        "/stream/film?%=%&&&=&key",
        "/control?%",
        "/control/",
        "/health/?%ff",
        "/;,!'()",
        "/add/%e2%28%a1",
        "/?token=%00",
    ];
    for path in paths {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"]
        {
            let status =
                status_of(&rig, &request(rig.port, &format!("{method} {path}"), b"")).await;
            assert!(
                status.is_some_and(|status| (200..500).contains(&status)),
                "{method} {path}: {status:?}"
            );
        }
    }
    for name in [
        "Range",
        "If-Range",
        "If-Match",
        "If-None-Match",
        "Authorization",
        "Origin",
        "Referer",
        "Sec-Fetch-Site",
        "Content-Type",
        "Upgrade",
        "Connection",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Expect",
        "Accept",
        "X",
    ] {
        for path in ["/stream/film?key=key-of-the-film", "/control", "/health", "/torrents"] {
            let line = [name.as_bytes(), b": \xff\xfe, bytes=\x80-\xff\r\n"].concat();
            let status = status_of(&rig, &request(rig.port, &format!("GET {path}"), &line)).await;
            assert!(
                status.is_some_and(|status| (200..500).contains(&status)),
                "{name} of {path}: {status:?}"
            );
        }
    }
    rig.metric_becomes("jstorrent_http_connections", 1).await;
}
