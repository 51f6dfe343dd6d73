//! Hostile calls get a JSON error and have no effect.

use proptest::prelude::*;
use serde_json::json;

use super::{series, world};
use crate::limits;

#[test]
fn unknown_paths_get_an_error() {
    let mut world = world(series());
    let mut check = |target: &str, expected: (u16, &str)| {
        let (status, code) = world.call("GET", target).failure();
        assert_eq!((status, code.as_str()), expected, "{target}");
    };
    let long = format!("/add/{}", "a".repeat(limits::API_URI));
    let query = format!("/torrents?{}", "a".repeat(limits::API_URI + 1));
    for (target, status, code) in [
        ("", 404, "not_found"),
        ("//", 404, "not_found"),
        ("/torrents/", 404, "not_found"),
        ("/torrents/../torrents", 404, "not_found"),
        ("/torrents/%2e%2e", 400, "malformed"),
        ("/torrents/xyz", 400, "malformed"),
        ("/torrents/é/playlist.m3u8", 400, "malformed"),
        ("/torrents/0000000000000000000000000000000000000000", 404, "not_found"),
        ("/torrents/0000000000000000000000000000000000000000/playlist.m3u8", 404, "not_found"),
        ("/torrents/0000000000000000000000000000000000000000/other", 404, "not_found"),
        ("/add/", 404, "not_found"),
        ("/add/{magnet}", 400, "malformed"),
        ("/torrents/{infoHash}", 400, "malformed"),
        ("/add/http%3A%2F%2Fexample.org%2Fa.torrent", 400, "malformed"),
        ("/add/magnet%3A%3Fxt%3Durn%3Abtih%3Axyz", 400, "malformed"),
        ("/add/magnet:", 400, "malformed"),
        ("/add/%", 400, "malformed"),
        ("/add/%ff%fe", 400, "malformed"),
        ("/torrents?x=%ff", 400, "malformed"),
        ("/Torrents", 404, "not_found"),
        ("/stream/x", 404, "not_found"),
        (&long, 414, "uri_too_long"),
        (&query, 414, "uri_too_long"),
    ] {
        check(target, (status, code));
    }
}

#[test]
fn invalid_bodies_get_an_error() {
    let mut world = world(series());
    let mut check = |content_type: &str, body: &[u8], expected: (u16, &str)| {
        let (status, code) = world.post(content_type, body).failure();
        assert_eq!(
            (status, code.as_str()),
            expected,
            "{content_type}: {}",
            String::from_utf8_lossy(body)
        );
    };
    let magnet =
        json!({ "magnet": "magnet:?xt=urn:btih:0000000000000000000000000000000000000000" })
            .to_string();
    check("application/json", b"", (400, "malformed"));
    check("application/json", b"{}", (400, "malformed"));
    check("application/json", b"\xff\xfe", (400, "malformed"));
    check("application/json", b"{\"magnet\":7}", (400, "malformed"));
    check("application/json", b"{\"magnet\":\"x\",\"kep\":true}", (400, "malformed"));
    check("application/json", b"{\"magnet\":\"magnet:?xt=urn:btih:1\"}", (400, "malformed"));
    check("application/json", "[".repeat(100_000).as_bytes(), (400, "malformed"));
    check("application/x-bittorrent", b"", (400, "malformed"));
    check("application/x-bittorrent", b"<html>", (400, "malformed"));
    check("application/x-bittorrent", "d".repeat(1 << 20).as_bytes(), (400, "malformed"));
    check("application/x-bittorrent", &vec![b'd'; limits::METAINFO + 8], (413, "too_large"));
    check("text/plain", magnet.as_bytes(), (415, "unsupported_media_type"));
    check("", magnet.as_bytes(), (415, "unsupported_media_type"));
    assert!(world.engine.snapshot(world.now).torrents.is_empty() && !world.has_state());
}

#[test]
fn flags_accept_only_documented_values() {
    let mut world = world(series());
    world.add_file();
    let path = format!("/torrents/{}", world.info_hash());
    assert_eq!(
        world.call("DELETE", &format!("{path}?data=yes")).failure(),
        (400, "malformed".into())
    );
    assert_eq!(world.call("GET", &path).status, 200, "it is still there");
}

#[test]
fn names_cannot_escape_the_folder() {
    let mut world = world(series());
    world.add_file();
    let hash = world.info_hash();
    let mut check = |path: &str, expected: u16| {
        let (file, status, body) = world.resolve(path);
        assert_eq!((file, status), (None, Some(expected)), "{path}");
        assert!(!body.contains("key="), "no key is given away: {body}");
    };
    check("", 400);
    check(&hash, 400);
    check("xyz/7", 400);
    check("0000000000000000000000000000000000000000/7", 404);
    check(&format!("{hash}/%ff"), 400);
    check(&format!("{hash}/%zz"), 400);
    check(&format!("{hash}/../{hash}/7"), 404);
    check(&format!("{hash}/..%2f..%2fetc%2fpasswd"), 404);
    check(&format!("{hash}/S1/../7"), 404);
    check(&format!("{hash}//etc/passwd"), 404);
    check(&format!("{hash}/7%00"), 404);
    check(&format!("{hash}/{}", "a".repeat(limits::API_URI)), 414);
}

#[test]
fn an_invalid_host_never_appears_in_a_url() {
    let mut world = world(series());
    world.add_file();
    let path = format!("/torrents/{}", world.info_hash());
    let id = world.question(|request_id| shared_proto::DaemonMessage::HttpCall {
        request_id,
        method: "GET".into(),
        path,
        query: String::new(),
        host: "evil\"><script>".into(),
        content_type: None,
        content_length: 0,
    });
    let body = world.heard(id).unwrap().json();
    assert!(body["files"][0]["url"].as_str().unwrap().starts_with("/stream/"), "{body}");
}

#[test]
fn calls_beyond_the_limit_are_told_to_wait() {
    let mut world = world(series());
    for _ in 0..limits::API_FOLLOWERS {
        assert_eq!(world.call("GET", "/events").status, 200);
    }
    let answer = world.call("GET", "/events");
    assert_eq!(answer.failure(), (503, "busy".into()));
    assert_eq!(answer.header("retry-after"), Some("5"));
    let link = |number: usize| format!("/add/magnet%3A%3Fxt%3Durn%3Abtih%3A{number:040}");
    let mut busy = None;
    for number in 0..limits::API_WAITING {
        let id = world.send("GET", &link(number), None, b"");
        if let Some(answer) = world.heard(id) {
            busy.get_or_insert(answer.failure());
        }
    }
    assert_eq!(busy, Some((503, "busy".into())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn noise_never_panics(
        method in "GET|HEAD|POST|DELETE|.{0,8}",
        path in "/(add|torrents|stream|events|)?/?.{0,60}",
        query in ".{0,40}",
        body in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut world = world(series());
        world.send(&method, &format!("{path}?{query}"), Some("application/x-bittorrent"), &body);
        world.send(&method, &format!("{path}?{query}"), Some("application/json"), &body);
        world.resolve(&path);
    }
}
