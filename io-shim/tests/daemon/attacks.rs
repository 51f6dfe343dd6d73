//! What hostile pages, programs and engines try.

use std::time::Duration;

use shared_proto::frame::{MAX_BINARY, MAX_TEXT, encode_batch};
use shared_proto::{CloseCode, ConnId, EngineMessage, FileId, IoCommand, OpId};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::rig::{Brain, Reply, Rig, Viewer, soon};

const EXTENSION: &str = "chrome-extension://cpallhfnafgboofejffacjngdjldepmp";
const URL: &str = "/stream/film?key=key-of-the-film";

async fn close_code_after(rig: &Rig, frame: Message) -> Option<u16> {
    let mut brain = rig.brain().await;
    brain.send(frame).await;
    brain.closed().await
}

#[tokio::test]
async fn a_wrong_token_opens_nothing() {
    let rig = Rig::start().await;
    for token in ["", "x", &"0".repeat(64), &rig.token[..63], &format!("{}0", rig.token)] {
        let mut brain = Brain::connect(rig.port, Some(EXTENSION)).await.unwrap();
        brain.hello(token).await;
        assert_eq!(brain.closed().await, Some(CloseCode::Token.code()), "{} digits", token.len());
    }
    assert_eq!(rig.metric("jstorrent_engines_total").await, 0);
}

#[tokio::test]
async fn a_stranger_does_not_disturb_the_engine_that_is_there() {
    let (rig, mut brain) = Rig::with_film(10).await;
    let mut stranger = Brain::connect(rig.port, None).await.unwrap();
    stranger.hello(&"0".repeat(64)).await;
    stranger.closed().await;
    rig.settled(&mut brain).await;
}

#[tokio::test]
async fn another_protocol_is_told_so() {
    let rig = Rig::start().await;
    let mut brain = Brain::connect(rig.port, None).await.unwrap();
    brain.hello_of(&rig.token, 999).await;
    assert_eq!(brain.closed().await, Some(CloseCode::Protocol.code()));
}

#[tokio::test]
async fn only_the_extensions_origin_may_open_the_control_socket() {
    let rig = Rig::start().await;
    for origin in [
        "https://evil.example",
        "null",
        "http://127.0.0.1",
        "chrome-extension://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        let refused = Brain::connect(rig.port, Some(origin)).await;
        assert!(
            matches!(refused, Err(tungstenite::Error::Http(reply)) if reply.status() == 403),
            "{origin}"
        );
    }
    let mut brain = Brain::connect(rig.port, Some(EXTENSION)).await.unwrap();
    brain.hello(&rig.token).await;
    soon(brain.welcomed()).await;
}

#[tokio::test]
async fn a_connection_without_a_hello_is_closed() {
    let rig = Rig::start().await;
    let mut brain = Brain::connect(rig.port, None).await.unwrap();
    assert_eq!(brain.closed().await, Some(CloseCode::HelloTimeout.code()));
}

#[tokio::test]
async fn the_first_frame_has_to_be_a_hello() {
    let rig = Rig::start().await;
    let forget = r#"{"op":"file_forget","fileId":"film"}"#;
    let first =
        [Message::text(forget), Message::text("{}"), Message::binary(vec![0]), Message::text("")];
    for frame in first {
        let mut brain = Brain::connect(rig.port, None).await.unwrap();
        brain.send(frame).await;
        assert_eq!(brain.closed().await, Some(CloseCode::Malformed.code()));
    }
}

#[tokio::test]
async fn malformed_frames_close_the_socket_with_a_reason() {
    let rig = Rig::start().await;
    let credit = encode_batch(&[IoCommand::Credit { bytes: 1 }]);
    let frames = [
        Message::text("not json"),
        Message::text(r#"{"op":"no_such_op"}"#),
        Message::text(r#"{"op":"range_ready"}"#),
        Message::text(r#"{"op":"range_ready","requestId":"no uuid"}"#),
        Message::text(r#"{"op":"range_ready","requestId":7,"end":-1}"#),
        Message::text("[".repeat(100_000)),
        Message::text(" ".repeat(MAX_TEXT + 1)),
        Message::binary(vec![]),
        Message::binary(vec![0xff; 64]),
        Message::binary(vec![0xff, 0xff, 0xff, 0xff, 0x0f]),
        Message::binary([credit.as_slice(), &[0]].concat()),
        Message::binary(credit[..credit.len() - 1].to_vec()),
    ];
    for frame in frames {
        let shown = format!("{:.60}", frame.to_string());
        assert_eq!(
            close_code_after(&rig, frame).await,
            Some(CloseCode::Malformed.code()),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_frame_over_every_limit_ends_the_connection_and_nothing_else() {
    let rig = Rig::start().await;
    // A reset, caused by the unread rest, may destroy the close frame.
    let code = close_code_after(&rig, Message::binary(vec![0; MAX_BINARY + 1])).await;
    assert!(matches!(code, None | Some(1009)), "{code:?}");
    let mut brain = rig.brain().await;
    rig.settled(&mut brain).await;
}

#[tokio::test]
async fn senseless_announcements_close_the_socket() {
    let rig = Rig::start().await;
    let file = |id: &str, etag: &str, key: &str, path: &[&str]| EngineMessage::FileAnnounce {
        file_id: FileId::from(id),
        root: "r".into(),
        path: path.iter().map(|name| (*name).to_owned()).collect(),
        length: 1,
        content_type: "video/mp4".into(),
        etag: etag.into(),
        key: key.into(),
    };
    for announcement in [
        file("../x", "v", "k", &["f"]),
        file("", "v", "k", &["f"]),
        file(&"x".repeat(129), "v", "k", &["f"]),
        file("f", "a\"b", "k", &["f"]),
        file("f", "a\r\nb", "k", &["f"]),
        file("f", "", "k", &["f"]),
        file("f", "v", "", &["f"]),
        file("f", "v", "k", &[]),
    ] {
        let frame = Message::text(shared_proto::frame::encode_control(&announcement));
        assert_eq!(close_code_after(&rig, frame).await, Some(4400), "{announcement:?}");
    }
}

#[tokio::test]
async fn a_second_hello_is_out_of_turn() {
    let rig = Rig::start().await;
    let mut brain = rig.brain().await;
    brain.hello(&rig.token).await;
    assert_eq!(brain.closed().await, Some(CloseCode::Malformed.code()));
}

#[tokio::test]
async fn commands_that_make_no_sense_are_answered_and_harm_nothing() {
    let (rig, mut brain) = Rig::with_film(10).await;
    let commands = [
        IoCommand::TcpSend { conn: ConnId(9), data: bytes::Bytes::from_static(b"x") },
        IoCommand::TcpClose { conn: ConnId(9) },
        IoCommand::FileSync { op: OpId(1), file: shared_proto::FileRef(9) },
        IoCommand::KvGet { op: OpId(2), key: "k".repeat(100_000) },
    ];
    brain.send(Message::binary(encode_batch(&commands))).await;
    rig.settled(&mut brain).await;
}

#[tokio::test]
async fn only_the_daemons_own_host_names_are_answered() {
    let (rig, _brain) = Rig::with_film(10).await;
    let port = rig.port;
    for target in [URL, "/health", "/metrics", "/control", "/nothing"] {
        for host in [
            "evil.example".to_owned(),
            format!("evil.example:{port}"),
            "127.0.0.2".into(),
            format!("127.0.0.1.evil.example:{port}"),
            format!("localhost:{}", port - 1),
        ] {
            assert_eq!(rig.get(target, &[("Host", &host)]).await.status, 421, "{target} {host}");
        }
    }
    // A client that leaves the port out is a program; a browser names it.
    let hosts =
        ["127.0.0.1", "localhost", "[::1]"].map(|host| [host.to_owned(), format!("{host}:{port}")]);
    for host in hosts.concat() {
        assert_eq!(rig.get("/health", &[("Host", &host)]).await.status, 200, "{host}");
    }
    let mut viewer = Viewer::connect(port).await;
    viewer.send(b"GET /health HTTP/1.1\r\n\r\n").await;
    assert_eq!(viewer.head().await.status, 400);
}

#[tokio::test]
async fn a_file_opens_to_its_key_or_the_session_and_to_nothing_else() {
    let (rig, mut brain) = Rig::with_film(10).await;
    // After this time the engine counts as settled, and strangers get answers at once.
    tokio::time::sleep(Duration::from_millis(450)).await;
    let other_key = "/stream/film?key=key-of-the-fil";
    for target in [
        "/stream/film",
        "/stream/film?key=",
        other_key,
        "/stream/film?key=key-of-the-filmx",
        "/stream/nothing?key=x",
        "/stream/nothing",
    ] {
        let reply = rig.get(target, &[]).await;
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (403, "no such file, or not with this key\n"),
            "{target}"
        );
    }
    brain.hears_no_question().await;
    let bearer = format!("Bearer {}", rig.token);
    assert_eq!(rig.get("/stream/nothing", &[("Authorization", &bearer)]).await.status, 404);
    let with_token = format!("/stream/film?token={}", rig.token);
    for (target, headers) in
        [("/stream/film", vec![("Authorization", bearer.as_str())]), (with_token.as_str(), vec![])]
    {
        let mut viewer = rig.send("GET", target, &headers).await;
        let (id, ..) = brain.asked().await;
        brain.available(id).await;
        assert_eq!(viewer.reply().await.status, 200);
    }
}

#[tokio::test]
async fn pages_of_other_sites_may_not_look_around() {
    let rig = Rig::start().await;
    for target in ["/health", "/metrics"] {
        for header in [
            ("Origin", "https://evil.example"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
        ] {
            assert_eq!(rig.get(target, &[header]).await.status, 403, "{target} {header:?}");
        }
        let reply = rig.get(target, &[("Sec-Fetch-Site", "none")]).await;
        assert_eq!(
            (reply.status, reply.headers["cross-origin-resource-policy"].as_str()),
            (200, "same-origin")
        );
        assert!(!reply.text().contains(&rig.token));
    }
}

#[tokio::test]
async fn a_video_of_an_extension_page_is_served_although_it_is_cross_site() {
    let (rig, brain) = Rig::with_film(10).await;
    brain.be_generous();
    let reply = rig
        .get(
            URL,
            &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", "video"), ("Range", "bytes=0-")],
        )
        .await;
    assert_eq!(
        (reply.status, reply.headers["cross-origin-resource-policy"].as_str()),
        (206, "cross-origin")
    );
}

#[tokio::test]
async fn refusals_of_a_film_can_be_loaded_by_the_extensions_page_too() {
    let (rig, mut brain) = Rig::with_film_and(10, |settings| settings.grace_ms = Some(0)).await;
    let check = |reply: Reply, status: u16| {
        let policy = reply.headers.get("cross-origin-resource-policy").map(String::as_str);
        assert_eq!((reply.status, policy), (status, Some("cross-origin")));
    };
    check(rig.get("/stream/film?key=wrong", &[]).await, 403);
    check(rig.get(URL, &[("Range", "bytes=10-")]).await, 416);
    check(rig.get(URL, &[("If-None-Match", "\"v1\"")]).await, 304);
    check(rig.get(URL, &[("Content-Length", "1")]).await, 400);
    check(soon(async { rig.send("POST", URL, &[]).await.reply().await }).await, 405);
    let mut viewer = rig.watch("").await;
    let (id, ..) = brain.asked().await;
    brain.reject(id, Some(503)).await;
    check(viewer.reply().await, 503);
    drop(brain);
    check(rig.watch("").await.reply().await, 503);
}

#[tokio::test]
async fn headers_that_dawdle_are_cut_off() {
    let rig = Rig::start_with(|settings| settings.header_timeout_ms = Some(200)).await;
    let mut silent = Viewer::connect(rig.port).await;
    let mut dawdling = Viewer::connect(rig.port).await;
    dawdling.send(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1").await;
    assert!(silent.take(1).await.is_empty());
    assert!(dawdling.try_head().await.is_none_or(|head| head.status == 408));
    let mut idle = rig.send("GET", "/health", &[]).await;
    idle.reply().await;
    assert!(idle.take(1).await.is_empty(), "between requests, too");
}

#[tokio::test]
async fn oversized_and_garbled_requests_are_refused() {
    let rig = Rig::start().await;
    let header = "x".repeat(100 << 10);
    let mut viewer = rig.send("GET", "/health", &[("X", &header)]).await;
    let refused = viewer.try_head().await.map(|head| head.status);
    assert!(matches!(refused, None | Some(431)), "{refused:?}");
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
    ] {
        let mut viewer = Viewer::connect(rig.port).await;
        viewer.send(garbage).await;
        viewer.send(b"\r\n\r\n").await;
        assert!(soon(viewer.try_head()).await.is_none_or(|head| head.status >= 400));
    }
    assert_eq!(rig.get("/health", &[]).await.status, 200);
}

#[tokio::test]
async fn control_connections_that_say_nothing_cannot_keep_an_engine_out() {
    let rig = Rig::start().await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(Brain::connect(rig.port, None).await.unwrap());
    }
    let mut brain = Brain::connect(rig.port, None).await.unwrap();
    brain.hello(&rig.token).await;
    soon(brain.welcomed()).await;
    assert_eq!(
        silent[0].closed().await,
        Some(CloseCode::HelloTimeout.code()),
        "the longest silent one made room"
    );
}
