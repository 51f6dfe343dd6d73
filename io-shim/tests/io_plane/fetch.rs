//! HTTP fetches from a small server on loopback.

use std::{net::SocketAddr, time::Duration};

use io_shim::policy::dial::DialPolicy;
use io_shim::policy::io_config::IoConfig;
use shared_proto::{
    IoCommand,
    io::{CloseReason, OpErrorKind, OpOutput},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use crate::bench::{Bench, config};

/// Answers every request with what `answer` makes of its head.
async fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + Clone + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let addr = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n")
                    && stream.read_line(&mut head).await.is_ok_and(|read| read > 0)
                {
                }
                // The client may close early.
                let _ = stream.write_all(&answer(&head)).await;
            });
        }
    });
    addr
}

fn reply(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

async fn get(bench: &mut Bench, url: &str, max_bytes: u32) -> Result<(u16, String), OpErrorKind> {
    let (url, timeout_ms) = (url.to_owned(), 3_000);
    match bench.ask(|op| IoCommand::HttpGet { op, url, max_bytes, timeout_ms }).await {
        Ok(OpOutput::Http { status, body }) => {
            Ok((status, String::from_utf8_lossy(&body).into_owned()))
        }
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.kind),
    }
}

fn strict() -> Bench {
    Bench::with(IoConfig { policy: DialPolicy::default(), ..config() }, 1 << 20)
}

#[tokio::test]
async fn a_fetch_gives_status_and_body_and_says_who_asks() {
    let addr = serve(|head| reply("200 OK", "", head)).await;
    let mut bench = Bench::new();
    let (status, head) =
        get(&mut bench, &format!("http://user:word@{addr}/ask?key=%ff%00&x=1"), 9999)
            .await
            .unwrap();
    assert_eq!(status, 200);
    assert!(head.starts_with("GET /ask?key=%ff%00&x=1 HTTP/1.1\r\n"), "{head}");
    let head = head.to_lowercase();
    assert!(head.contains("user-agent: jstorrent/0.1.0\r\n"), "{head}");
    assert!(head.contains("authorization: basic dxnlcjp3b3jk\r\n"), "{head}");
    assert!(head.contains("accept-encoding: identity\r\n"), "{head}");
    assert!(!head.contains("cookie"), "{head}");
}

#[tokio::test]
async fn what_does_not_speak_tls_is_not_spoken_to_in_the_clear() {
    let addr = serve(|_| reply("200 OK", "", "in the clear")).await;
    assert_eq!(
        get(&mut Bench::new(), &format!("https://{addr}/"), 99).await,
        Err(OpErrorKind::Network)
    );
}

#[tokio::test]
async fn errors_of_the_server_are_answers_too() {
    let addr = serve(|_| reply("404 Not Found", "", "no such thing")).await;
    assert_eq!(
        get(&mut Bench::new(), &format!("http://{addr}/"), 99).await,
        Ok((404, "no such thing".into()))
    );
}

#[tokio::test]
async fn redirects_are_followed_but_not_for_ever() {
    let addr = serve(|head| match head.split(' ').nth(1) {
        Some("/once") => reply("302 Found", "Location: there?x=1\r\n", ""),
        Some("/there?x=1") => reply("200 OK", "", "arrived"),
        _ => reply("301 Moved Permanently", "Location: /loop\r\n", ""),
    })
    .await;
    let mut bench = Bench::new();
    assert_eq!(
        get(&mut bench, &format!("http://{addr}/once"), 99).await,
        Ok((200, "arrived".into()))
    );
    assert_eq!(get(&mut bench, &format!("http://{addr}/loop"), 99).await, Err(OpErrorKind::Limit));
}

#[tokio::test]
async fn a_compressed_body_arrives_plain() {
    /// `d8:intervali1800e5:peers0:e`, compressed with gzip.
    const PACKED: [u8; 47] = [
        31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 75, 177, 176, 202, 204, 43, 73, 45, 42, 75, 204, 201, 52,
        180, 48, 48, 72, 53, 181, 42, 72, 77, 45, 42, 54, 176, 74, 5, 0, 171, 217, 152, 146, 27, 0,
        0, 0,
    ];
    let addr = serve(|_| {
        let head = "HTTP/1.0 200 OK\r\nContent-Encoding: x-gzip\r\nBad Header: 1\r\n\r\n";
        [head.as_bytes(), &PACKED].concat()
    })
    .await;
    assert_eq!(
        get(&mut Bench::new(), &format!("http://{addr}/announce"), 99).await,
        Ok((200, "d8:intervali1800e5:peers0:e".into()))
    );
}

#[tokio::test]
async fn a_redirect_may_lead_to_a_name_that_is_not_ascii() {
    let addr = serve(|head| match head.split(' ').nth(1) {
        Some("/once") => reply("302 Found", "Location: /f\u{fc}r uns\r\n", ""),
        Some("/f%C3%BCr%20uns") => reply("200 OK", "", "arrived"),
        _ => reply("404 Not Found", "", ""),
    })
    .await;
    let found = get(&mut Bench::new(), &format!("http://{addr}/once"), 99).await;
    assert_eq!(found, Ok((200, "arrived".into())));
}

#[tokio::test]
async fn a_redirect_does_not_lead_around_the_policy() {
    let addr = serve(|head| {
        let to =
            head.split(' ').nth(1).and_then(|path| path.strip_prefix("/to=")).unwrap_or_default();
        reply("302 Found", &format!("Location: {to}\r\n"), "")
    })
    .await;
    let mut bench = Bench::new();
    for target in [
        "http://10.0.0.1/",
        "http://169.254.169.254/meta",
        "http://[fd00::1]/",
        "http://0.0.0.0/",
        "file:///etc/passwd",
        "ftp://1.1.1.1/",
    ] {
        assert_eq!(
            get(&mut bench, &format!("http://{addr}/to={target}"), 99).await,
            Err(OpErrorKind::Denied),
            "{target}"
        );
    }
}

#[tokio::test]
async fn our_own_api_is_not_reached_by_any_spelling_nor_by_a_redirect() {
    let api = serve(|_| reply("200 OK", "", "secret")).await;
    let port = api.port();
    let policy = DialPolicy { own: Some(api), ..config().policy };
    let mut bench = Bench::with(IoConfig { policy, ..config() }, 1 << 20);
    let other = serve(move |head| {
        match head.split(' ').nth(1).and_then(|path| path.strip_prefix("/to=")) {
            Some(host) => {
                reply("302 Found", &format!("Location: http://{host}:{port}/add\r\n"), "")
            }
            None => reply("200 OK", "", "another server"),
        }
    })
    .await;
    for host in ["127.0.0.1", "localhost", "127.1", "2130706433", "[::ffff:127.0.0.1]"] {
        for url in [format!("http://{host}:{port}/add"), format!("http://{other}/to={host}")] {
            let refused = get(&mut bench, &url, 99).await;
            // Where localhost has a second address, the daemon tries it and finds no server.
            let is_refused = matches!(refused, Err(OpErrorKind::Denied))
                || host == "localhost" && refused == Err(OpErrorKind::Network);
            assert!(is_refused, "{url}: {refused:?}");
        }
    }
    let url = format!("http://localhost:{}/", other.port());
    assert_eq!(
        get(&mut bench, &url, 99).await,
        Ok((200, "another server".into())),
        "another port of this machine"
    );
    bench.dial(1, api);
    assert_eq!(bench.closed(1).await, CloseReason::Denied, "as a peer");
}

#[tokio::test]
async fn this_machine_is_not_reached_in_any_notation() {
    let addr = serve(|_| reply("200 OK", "", "secret")).await;
    let port = addr.port();
    let mut bench = strict();
    for host in [
        "127.0.0.1",
        "localhost",
        "127.1",
        "0x7f000001",
        "2130706433",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "[::]",
    ] {
        assert_eq!(
            get(&mut bench, &format!("http://{host}:{port}/"), 99).await,
            Err(OpErrorKind::Denied),
            "{host}"
        );
    }
}

#[tokio::test]
async fn only_http_is_fetched() {
    let mut bench = Bench::new();
    for url in [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "udp://127.0.0.1:1/",
        "data:,x",
        "/relative",
        "",
        "http://",
        "http://127.0.0.1:0/",
    ] {
        assert_eq!(get(&mut bench, url, 99).await, Err(OpErrorKind::Denied), "{url}");
    }
    let long = format!("http://127.0.0.1/{}", "x".repeat(9 << 10));
    assert_eq!(get(&mut bench, &long, 99).await, Err(OpErrorKind::Limit));
}

#[tokio::test]
async fn a_body_over_its_bound_is_not_taken() {
    let addr = serve(|head| match head.split(' ').nth(1) {
        Some("/declared") => reply("200 OK", "", &"x".repeat(1001)),
        Some("/fits") => reply("200 OK", "", &"x".repeat(1000)),
        _ => {
            format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}", "x".repeat(1001)).into_bytes()
        }
    })
    .await;
    let mut bench = Bench::new();
    assert_eq!(
        get(&mut bench, &format!("http://{addr}/declared"), 1000).await,
        Err(OpErrorKind::Limit)
    );
    assert_eq!(
        get(&mut bench, &format!("http://{addr}/undeclared"), 1000).await,
        Err(OpErrorKind::Limit)
    );
    assert_eq!(
        get(&mut bench, &format!("http://{addr}/fits"), 1000).await.map(|(_, body)| body.len()),
        Ok(1000)
    );
}

#[tokio::test]
async fn silence_and_absence_are_told_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut bench = Bench::new();
    let url = format!("http://{addr}/");
    let asked =
        bench.ask(|op| IoCommand::HttpGet { op, url: url.clone(), max_bytes: 9, timeout_ms: 100 });
    let silent = tokio::time::timeout(Duration::from_secs(5), asked).await.expect("it gives up");
    assert_eq!(silent.map_err(|error| error.kind), Err(OpErrorKind::Timeout));
    drop(listener);
    assert_eq!(get(&mut bench, &url, 9).await, Err(OpErrorKind::Network));
}
