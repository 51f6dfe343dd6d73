//! HTTP fetches of ranges into files, from servers with and without ranges.

use std::{net::SocketAddr, time::Duration};

use io_shim::policy::dial::DialPolicy;
use io_shim::policy::io_config::IoConfig;
use shared_proto::{
    FileRef, IoCommand, OpId, Span,
    io::{DigestKind, OpError, OpErrorKind, OpOutput},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

use crate::bench::{Bench, config, span};

/// Serves each connection once: `answer` gets the head and the stream.
async fn serve<F>(answer: impl Fn(String, TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let addr = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n")
                && stream.read_line(&mut head).await.is_ok_and(|read| read > 0)
            {}
            tokio::spawn(answer(head, stream.into_inner()));
        }
    });
    addr
}

/// Answers every request with these bytes.
async fn replying(status: &str, headers: &str, body: &[u8]) -> SocketAddr {
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n");
    let reply = [head.as_bytes(), body].concat();
    serve(move |_, mut stream| {
        let reply = reply.clone();
        async move { drop(stream.write_all(&reply).await) }
    })
    .await
}

fn start(bench: &mut Bench, url: String, offset: u64, spans: &[Span], timeout_ms: u32) -> OpId {
    let spans = spans.to_vec();
    bench.start(|op| IoCommand::HttpFetch { op, url, offset, spans, group: 3, timeout_ms })
}

async fn fetch(
    bench: &mut Bench,
    addr: SocketAddr,
    offset: u64,
    spans: &[Span],
) -> Result<u16, OpErrorKind> {
    let op = start(bench, format!("http://{addr}/film"), offset, spans, 5_000);
    status(bench.finish(op).await)
}

fn status(fetched: Result<OpOutput, OpError>) -> Result<u16, OpErrorKind> {
    match fetched {
        Ok(OpOutput::Http { status, body }) => {
            assert!(body.is_empty());
            Ok(status)
        }
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.kind),
    }
}

/// A bench with two files of ten bytes.
async fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.create(1, "a", 10).await;
    bench.create(2, "b", 10).await;
    bench
}

async fn contents(bench: &mut Bench) -> (Vec<u8>, Vec<u8>) {
    (
        bench.read(span(1, 0, 10)).await.unwrap().to_vec(),
        bench.read(span(2, 0, 10)).await.unwrap().to_vec(),
    )
}

const UNTOUCHED: &[u8] = &[0; 10];

#[tokio::test]
async fn a_range_goes_to_its_spans_over_two_files() {
    let addr = serve(|head, mut stream| async move {
        assert!(head.to_lowercase().contains("\r\nrange: bytes=5-11\r\n"), "{head}");
        let reply = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes \
            5-11/99\r\nContent-Length: 7\r\n\r\nabcdefg";
        stream.write_all(reply.as_bytes()).await.unwrap();
    })
    .await;
    let mut bench = bench().await;
    assert_eq!(fetch(&mut bench, addr, 5, &[span(1, 7, 3), span(2, 0, 4)]).await, Ok(206));
    assert_eq!(
        contents(&mut bench).await,
        (b"\0\0\0\0\0\0\0abc".to_vec(), b"defg\0\0\0\0\0\0".to_vec())
    );
    assert_eq!(bench.metrics.payload_stored_bytes.load(std::sync::atomic::Ordering::Relaxed), 7);
}

#[tokio::test]
async fn a_server_without_ranges_will_do_for_a_file_that_is_just_the_range() {
    let mut bench = bench().await;
    let whole = replying("200 OK", "Content-Length: 4\r\n", b"film").await;
    assert_eq!(fetch(&mut bench, whole, 0, &[span(1, 0, 4)]).await, Ok(200));
    let chunked =
        replying("200 OK", "Transfer-Encoding: chunked\r\n", b"2\r\nfi\r\n2\r\nlm\r\n0\r\n\r\n")
            .await;
    assert_eq!(fetch(&mut bench, chunked, 0, &[span(1, 4, 4)]).await, Ok(200));
    assert_eq!(contents(&mut bench).await.0, b"filmfilm\0\0");
    assert_eq!(
        fetch(&mut bench, whole, 4, &[span(2, 4, 4)]).await,
        Err(OpErrorKind::Network),
        "from the beginning"
    );
    let longer = replying("200 OK", "Content-Length: 5\r\n", b"films").await;
    assert_eq!(fetch(&mut bench, longer, 0, &[span(2, 0, 4)]).await, Err(OpErrorKind::Network));
    assert_eq!(contents(&mut bench).await.1, UNTOUCHED);
}

#[tokio::test]
async fn what_is_not_the_range_is_not_written() {
    let mut bench = bench().await;
    for (status, headers, expected) in [
        ("404 Not Found", "Content-Length: 4\r\n", Ok(404)),
        ("416 Range Not Satisfiable", "Content-Range: bytes */4\r\nContent-Length: 4\r\n", Ok(416)),
        ("503 Busy", "Content-Length: 4\r\n", Ok(503)),
        ("204 No Content", "", Ok(204)),
        ("206 Partial", "Content-Length: 4\r\n", Err(OpErrorKind::Network)),
        (
            "206 Partial",
            "Content-Range: bytes 0-3/4\r\nContent-Length: 4\r\n",
            Err(OpErrorKind::Network),
        ),
        (
            "206 Partial",
            "Content-Range: bytes 4-8/9\r\nContent-Length: 4\r\n",
            Err(OpErrorKind::Network),
        ),
        (
            "206 Partial",
            "Content-Range: bytes 4-7/9\r\nContent-Length: 3\r\n",
            Err(OpErrorKind::Network),
        ),
        (
            "206 Partial",
            "Content-Type: multipart/byteranges; boundary=x\r\nContent-Length: 4\r\n",
            Err(OpErrorKind::Network),
        ),
    ] {
        let addr = replying(status, headers, b"evil").await;
        assert_eq!(
            fetch(&mut bench, addr, 4, &[span(1, 0, 4)]).await,
            expected,
            "{status} {headers}"
        );
    }
    assert_eq!(contents(&mut bench).await.0, UNTOUCHED);
}

#[tokio::test]
async fn a_label_of_a_coding_does_not_matter_to_a_range() {
    let mut bench = bench().await;
    let headers = "Content-Range: bytes 4-7/9\r\nContent-Length: 4\r\nContent-Encoding: x-gzip\r\n";
    let addr = replying("206 Partial", headers, b"good").await;
    assert_eq!(fetch(&mut bench, addr, 4, &[span(1, 0, 4)]).await, Ok(206));
    assert_eq!(contents(&mut bench).await.0[..4], *b"good");
}

#[tokio::test]
async fn a_body_of_another_length_fails_and_nothing_beyond_the_spans_is_written() {
    let mut bench = bench().await;
    let range = "Content-Range: bytes 0-3/9\r\n";
    let short = replying("206 Partial", &format!("{range}Content-Length: 4\r\n"), b"fil").await;
    assert_eq!(fetch(&mut bench, short, 0, &[span(1, 0, 4)]).await, Err(OpErrorKind::Network));
    let endless = replying("206 Partial", range, b"filmfilmfilm").await;
    assert_eq!(fetch(&mut bench, endless, 0, &[span(1, 0, 4)]).await, Err(OpErrorKind::Network));
    assert_eq!(contents(&mut bench).await.0[4..], UNTOUCHED[4..]);
}

#[tokio::test]
async fn a_large_range_streams_through_and_the_limit_holds() {
    const LENGTH: u32 = 12 << 20;
    let body: Vec<u8> =
        (0..LENGTH).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    let headers =
        format!("Content-Range: bytes 0-{}/*\r\nContent-Length: {LENGTH}\r\n", LENGTH - 1);
    let addr = replying("206 Partial Content", &headers, &body).await;
    let mut bench = Bench::new();
    bench.create(1, "film", LENGTH.into()).await;
    let spans: Vec<Span> = (0..12).map(|n| span(1, n << 20, 1 << 20)).collect();
    assert_eq!(fetch(&mut bench, addr, 0, &spans).await, Ok(206));
    assert!(std::fs::read(bench.disk("root/film")).unwrap() == body);

    const RATE: u64 = 4 << 20;
    bench.plane.limit_rate(3, Some(RATE), None);
    let began = Instant::now();
    let op = start(&mut bench, format!("http://{addr}/"), 0, &spans, 1_500);
    assert_eq!(
        status(bench.finish(op).await),
        Ok(206),
        "it is the limit that takes longer, not the server"
    );
    let ratio = f64::from(LENGTH) / (RATE as f64 * began.elapsed().as_secs_f64());
    assert!(ratio < 1.1, "{ratio} of the rate");
}

#[tokio::test]
async fn a_server_that_drips_has_its_time_in_all() {
    let addr = serve(|_, mut stream| async move {
        let head =
            "HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-9/*\r\nContent-Length: 10\r\n\r\n";
        let _ = stream.write_all(head.as_bytes()).await;
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let _ = stream.write_all(b"x").await;
        }
    })
    .await;
    let mut bench = bench().await;
    let op = start(&mut bench, format!("http://{addr}/"), 0, &[span(1, 0, 10)], 400);
    assert_eq!(status(bench.finish(op).await), Err(OpErrorKind::Timeout));
}

#[tokio::test]
async fn a_fetch_that_is_cancelled_writes_nothing_afterwards() {
    let addr = serve(|_, mut stream| async move {
        let head = "HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-3999999/*\r\nContent-Length: \
            4000000\r\n\r\n";
        let _ = stream.write_all(head.as_bytes()).await;
        while stream.write_all(&[7; 4_000]).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let mut bench = Bench::new();
    bench.create(1, "film", 4_000_000).await;
    let op = start(&mut bench, format!("http://{addr}/"), 0, &[span(1, 0, 4_000_000)], 60_000);
    while bench.metrics.payload_stored_bytes.load(std::sync::atomic::Ordering::Relaxed) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // Other commands on these bytes do not wait for the server.
    timeout(Duration::from_secs(5), bench.write(1, 0, b"mine")).await.expect("at once").unwrap();
    bench.tell(IoCommand::Cancel { op });
    assert_eq!(status(bench.finish(op).await), Err(OpErrorKind::Timeout));
    let all = [span(1, 0, 4_000_000)];
    let digest = bench.digest(DigestKind::Sha1, &all).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(bench.digest(DigestKind::Sha1, &all).await.unwrap(), digest);
    bench.tell(IoCommand::Cancel { op });
    assert!(bench.is_silent().await, "what is done is not done again");
}

#[tokio::test]
async fn a_server_that_stalls_does_not_hold_the_files() {
    let addr = serve(|_, mut stream| async move {
        let head =
            "HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-3/*\r\nContent-Length: 4\r\n\r\nfi";
        let _ = stream.write_all(head.as_bytes()).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    })
    .await;
    let mut bench = bench().await;
    let op = start(&mut bench, format!("http://{addr}/"), 0, &[span(1, 0, 4)], 400);
    timeout(Duration::from_millis(300), bench.write(1, 0, b"mine"))
        .await
        .expect("at once")
        .unwrap();
    assert_eq!(status(bench.finish(op).await), Err(OpErrorKind::Timeout));
    assert_eq!(contents(&mut bench).await.0[..4], *b"mine");
}

#[tokio::test]
async fn a_file_that_is_closed_meanwhile_is_written_no_more() {
    let addr = serve(|_, mut stream| async move {
        let head =
            "HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-3/*\r\nContent-Length: 4\r\n\r\n";
        let _ = stream.write_all(head.as_bytes()).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let _ = stream.write_all(b"film").await;
    })
    .await;
    let mut bench = bench().await;
    let op = start(&mut bench, format!("http://{addr}/"), 0, &[span(1, 0, 4)], 5_000);
    bench.tell(IoCommand::FileClose { file: FileRef(1) });
    assert_eq!(status(bench.finish(op).await), Err(OpErrorKind::NotFound));
    assert_eq!(std::fs::read(bench.disk("root/a")).unwrap(), UNTOUCHED);
}

#[tokio::test]
async fn policy_and_sense_come_first() {
    let addr =
        replying("206 Partial", "Content-Range: bytes 0-3/*\r\nContent-Length: 4\r\n", b"film")
            .await;
    let mut strict = Bench::with(IoConfig { policy: DialPolicy::default(), ..config() }, 1 << 20);
    strict.create(1, "a", 10).await;
    assert_eq!(fetch(&mut strict, addr, 0, &[span(1, 0, 4)]).await, Err(OpErrorKind::Denied));
    let away =
        replying("302 Found", "Location: http://10.0.0.1/\r\nContent-Length: 0\r\n", b"").await;
    let mut bench = bench().await;
    assert_eq!(fetch(&mut bench, away, 0, &[span(1, 0, 4)]).await, Err(OpErrorKind::Denied));
    let there =
        replying("302 Found", &format!("Location: http://{addr}/x\r\nContent-Length: 0\r\n"), b"")
            .await;
    assert_eq!(
        fetch(&mut bench, there, 0, &[span(1, 0, 4)]).await,
        Ok(206),
        "the range is asked for there, too"
    );
    for (offset, spans) in [(0, vec![]), (0, vec![span(1, 0, 0)]), (u64::MAX, vec![span(1, 0, 4)])]
    {
        assert_eq!(
            fetch(&mut bench, addr, offset, &spans).await,
            Err(OpErrorKind::Denied),
            "{offset} {spans:?}"
        );
    }
    assert_eq!(fetch(&mut bench, addr, 0, &[span(9, 0, 4)]).await, Err(OpErrorKind::NotFound));
}
