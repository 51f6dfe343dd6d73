//! Sending from files: the bytes on disk, at the socket's pace and within the limits.

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use shared_proto::{
    ConnId, FileRef, IoCommand, OpId, Span,
    io::{CloseReason, OpErrorKind, OpOutput},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use crate::bench::{Bench, span};

const BLOCK: u32 = 16 << 10;

fn send(bench: &mut Bench, head: &[u8], spans: &[Span]) -> OpId {
    let (head, spans) = (Bytes::copy_from_slice(head), spans.to_vec());
    bench.start(|op| IoCommand::TcpSendSpan { op, conn: ConnId(1), head, spans })
}

/// A file with a pattern in it.
async fn film(bench: &mut Bench, file: u32, blocks: u32) -> Vec<u8> {
    let bytes: Vec<u8> = (0..blocks * BLOCK)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 11).to_le_bytes()[0])
        .collect();
    bench.create(file, &format!("film-{file}"), bytes.len() as u64).await;
    bench.write(file, 0, &bytes).await.unwrap();
    bytes
}

async fn heard(peer: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    timeout(Duration::from_secs(10), peer.read_exact(&mut bytes))
        .await
        .expect("in time")
        .expect("all of it");
    bytes
}

#[tokio::test]
async fn head_and_spans_go_out_in_the_order_of_the_commands() {
    let mut bench = Bench::new();
    let (first, second) = (film(&mut bench, 1, 2).await, film(&mut bench, 2, 1).await);
    let mut peer = bench.connect(1).await;
    let a = send(&mut bench, b"<a>", &[span(1, 10, 100), span(2, 0, 5)]);
    bench.tell(IoCommand::TcpSend { conn: ConnId(1), data: Bytes::from_static(b"<between>") });
    let b = send(&mut bench, b"<b>", &[span(1, 0, 2 * BLOCK)]);
    let c = send(&mut bench, b"<nothing>", &[]);
    let expected =
        [b"<a>", &first[10..110], &second[..5], b"<between>", b"<b>", &first[..], b"<nothing>"]
            .concat();
    assert_eq!(heard(&mut peer, expected.len()).await, expected);
    for op in [a, b, c] {
        assert_eq!(bench.finish(op).await, Ok(OpOutput::Unit));
    }
    assert_eq!(
        bench.metrics.payload_sent_bytes.load(Ordering::Relaxed),
        105 + 2 * u64::from(BLOCK)
    );
}

#[tokio::test]
async fn what_was_written_before_is_what_is_sent() {
    let mut bench = Bench::new();
    bench.create(1, "film", 8).await;
    let mut peer = bench.connect(1).await;
    for round in 0..50u8 {
        let data = Bytes::from(vec![round; 8]);
        let write =
            bench.start(|op| IoCommand::FileWrite { op, file: FileRef(1), offset: 0, data });
        let op = send(&mut bench, b"", &[span(1, 0, 8)]);
        assert_eq!(heard(&mut peer, 8).await, [round; 8]);
        bench.finish(op).await.unwrap();
        bench.finish(write).await.unwrap();
    }
}

#[tokio::test]
async fn thousands_of_blocks_go_out_whole_while_the_other_end_reads() {
    const BLOCKS: u32 = 2_000;
    let mut bench = Bench::new();
    let bytes = film(&mut bench, 1, 64).await;
    let mut peer = bench.connect(1).await;
    let reading = tokio::spawn(async move { heard(&mut peer, (BLOCKS * BLOCK) as usize).await });
    let ops: Vec<OpId> = (0..BLOCKS)
        .map(|n| send(&mut bench, b"", &[span(1, u64::from(n % 64 * BLOCK), BLOCK)]))
        .collect();
    for op in ops {
        bench.finish(op).await.unwrap();
    }
    let heard = reading.await.unwrap();
    assert!(heard.chunks(bytes.len()).all(|round| round == &bytes[..round.len()]));
}

#[tokio::test]
async fn a_file_that_can_not_be_read_ends_the_connection_and_nothing_of_it_is_sent() {
    for (what, bad, expected) in [
        ("not open", span(9, 0, 1), OpErrorKind::NotFound),
        ("closed", span(1, 0, 1), OpErrorKind::NotFound),
        ("beyond its end", span(1, u64::from(2 * BLOCK) - 1, 2), OpErrorKind::NotFound),
        ("beyond all ends", span(1, u64::MAX, 2), OpErrorKind::Denied),
        ("too long", span(1, 0, (1 << 20) + 1), OpErrorKind::Limit),
    ] {
        let mut bench = Bench::new();
        film(&mut bench, 1, 2).await;
        film(&mut bench, 2, 1).await;
        let mut peer = bench.connect(1).await;
        let good = send(&mut bench, b"good", &[]);
        if what == "closed" {
            bench.tell(IoCommand::FileClose { file: FileRef(1) });
        }
        let bad = send(&mut bench, b"bad", &[span(2, 0, 1), bad]);
        let late = send(&mut bench, b"late", &[]);
        let mut all = Vec::new();
        let _ = timeout(Duration::from_secs(5), peer.read_to_end(&mut all)).await.expect("closed");
        assert_eq!(all, b"good", "{what}");
        assert_eq!(bench.finish(good).await, Ok(OpOutput::Unit), "{what}");
        assert_eq!(bench.finish(bad).await.unwrap_err().kind, expected, "{what}");
        assert_eq!(bench.finish(late).await.unwrap_err().kind, OpErrorKind::Network, "{what}");
        assert_eq!(bench.closed(1).await, CloseReason::Network, "{what}");
        assert!(bench.is_silent().await);
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_costs_no_memory_and_delays_no_write() {
    let mut bench = Bench::new();
    film(&mut bench, 1, 64).await;
    let mut peer = bench.connect(1).await;
    let ops: Vec<OpId> =
        (0..400).map(|_| send(&mut bench, b"", &[span(1, 0, 64 * BLOCK)])).collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let read = bench.metrics.payload_sent_bytes.load(Ordering::Relaxed);
    assert!(read < 32 << 20, "{read} bytes were read ahead of the peer");
    let write = bench.write(1, 0, b"new");
    timeout(Duration::from_secs(5), write).await.expect("it waits for no stranger").unwrap();
    let mut some = vec![0; 1 << 20];
    peer.read_exact(&mut some).await.unwrap();
    drop(peer);
    let (mut sent, mut lost) = (0, 0);
    for op in ops {
        match bench.finish(op).await {
            Ok(_) => sent += 1,
            Err(error) if error.kind == OpErrorKind::Network => lost += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(sent > 0 && lost > 300, "{sent} sent, {lost} lost: each is answered");
}

#[tokio::test]
async fn the_upload_limit_holds_for_files_too() {
    const RATE: u64 = 400_000;
    let mut bench = Bench::new();
    film(&mut bench, 1, 64).await;
    let mut peer = bench.connect(1).await;
    bench.plane.limit_rate(5, None, Some(RATE));
    bench.tell(IoCommand::TcpGroup { conn: ConnId(1), group: 5 });
    for _ in 0..4 {
        send(&mut bench, b"", &[span(1, 0, 64 * BLOCK)]);
    }
    let (began, mut sent) = (Instant::now(), 0);
    let mut chunk = vec![0; 64 << 10];
    while began.elapsed() < Duration::from_millis(1_500) {
        if let Ok(read) = timeout(Duration::from_millis(100), peer.read(&mut chunk)).await {
            sent += read.unwrap();
        }
    }
    let ratio = sent as f64 / (RATE as f64 * began.elapsed().as_secs_f64());
    assert!((0.2..1.1).contains(&ratio), "{ratio} of the rate");
}

#[tokio::test]
async fn closing_forgets_what_was_to_be_sent() {
    let mut bench = Bench::new();
    film(&mut bench, 1, 64).await;
    let mut peer = bench.connect(1).await;
    for _ in 0..100 {
        send(&mut bench, b"", &[span(1, 0, 64 * BLOCK)]);
    }
    bench.tell(IoCommand::TcpClose { conn: ConnId(1) });
    let late = send(&mut bench, b"", &[]);
    assert_eq!(
        bench.finish(late).await.unwrap_err().kind,
        OpErrorKind::Network,
        "what comes after it is answered"
    );
    let _ =
        timeout(Duration::from_secs(5), peer.read_to_end(&mut Vec::new())).await.expect("closed");
    let _ = peer.write_all(b"anybody?").await;
    assert!(bench.is_silent().await);
    assert_eq!(bench.conns_open(), 0);
}
