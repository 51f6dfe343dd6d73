//! Connections: dialling, framing, diversion, and the bounds of both directions.

use std::{sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use shared_proto::{
    ConnId, FileRef, IoCommand, IoEvent,
    io::{CloseReason, NotStored, OpErrorKind},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};

use crate::bench::{Bench, config, frame, span};

const KEY: &[u8; 8] = b"\0\0\0\x05\0\0\x40\0";

fn data(conn: u64, data: &[u8]) -> IoEvent {
    IoEvent::TcpData { conn: ConnId(conn), data: Bytes::copy_from_slice(data) }
}

fn framed(conn: u64, data: &[u8]) -> IoEvent {
    IoEvent::TcpFrame { conn: ConnId(conn), data: Bytes::copy_from_slice(data) }
}

fn stored(conn: u64, key: &[u8; 8]) -> IoEvent {
    IoEvent::Stored { conn: ConnId(conn), key: *key }
}

fn not_stored(conn: u64, key: &[u8; 8], length: u32, reason: NotStored) -> IoEvent {
    IoEvent::NotStored { conn: ConnId(conn), key: *key, length, reason }
}

#[tokio::test]
async fn bytes_go_both_ways_in_order() {
    let mut bench = Bench::new();
    let mut peer = bench.connect(1).await;
    for part in [&b"hello "[..], b"", b"world"] {
        bench.tell(IoCommand::TcpSend { conn: ConnId(1), data: Bytes::copy_from_slice(part) });
    }
    let mut heard = [0; 11];
    peer.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello world");
    bench.tell(IoCommand::TcpRaw { conn: ConnId(1), bytes: 100 });
    peer.write_all(b"answer").await.unwrap();
    assert_eq!(bench.event().await, data(1, b"answer"));
    drop(peer);
    assert_eq!(bench.closed(1).await, CloseReason::Remote);
    assert_eq!(bench.conns_open(), 0);
}

#[tokio::test]
async fn raw_reading_stops_at_the_very_byte_and_frames_go_on_from_there() {
    let mut bench = Bench::new();
    let mut peer = bench.connect(1).await;
    peer.write_all(b"handshake").await.unwrap();
    peer.write_all(&frame(&[b"first"])).await.unwrap();
    assert!(bench.is_silent().await, "nothing is read before it is ordered");
    bench.tell(IoCommand::TcpRaw { conn: ConnId(1), bytes: 4 });
    assert_eq!(bench.event().await, data(1, b"hand"));
    assert!(bench.is_silent().await);
    bench.tell(IoCommand::TcpRaw { conn: ConnId(1), bytes: 2 });
    bench.tell(IoCommand::TcpRaw { conn: ConnId(1), bytes: 3 });
    let mut rest = Vec::new();
    while rest.len() < 5 {
        match bench.event().await {
            IoEvent::TcpData { data, .. } => rest.extend(data),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rest, b"shake");
    bench.framed(1, 100);
    assert_eq!(bench.event().await, framed(1, b"first"));
}

#[tokio::test]
async fn frames_come_whole_however_they_arrive() {
    let mut bench = Bench::new();
    let mut peer = bench.connect(1).await;
    bench.framed(1, 1 << 20);
    let large: Vec<u8> = (0..900_000u32).flat_map(|n| n.to_le_bytes()).take(900_000).collect();
    let stream = [
        frame(&[b"a"]),
        frame(&[]),
        frame(&[b"bc"]),
        frame(&[]),
        frame(&[&large]),
        frame(&[b"7short"]),
    ]
    .concat();
    let writing = async {
        for byte in stream[..40].chunks(1) {
            peer.write_all(byte).await.unwrap();
        }
        peer.write_all(&stream[40..]).await.unwrap();
    };
    let reading = async {
        for expected in [framed(1, b"a"), framed(1, b"bc"), framed(1, &large), framed(1, b"7short")]
        {
            let mut event = bench.event().await;
            // Empty frames only tell that the peer is there.
            while event == framed(1, b"") {
                event = bench.event().await;
            }
            assert_eq!(event, expected);
        }
    };
    tokio::join!(writing, reading);
}

#[tokio::test]
async fn an_oversized_frame_closes_after_what_came_before_it() {
    let mut bench = Bench::new();
    let mut peer = bench.connect(1).await;
    bench.framed(1, 10);
    peer.write_all(&[frame(&[b"0123456789"]), frame(&[b"0123456789a"])].concat()).await.unwrap();
    assert_eq!(bench.event().await, framed(1, b"0123456789"));
    assert_eq!(bench.closed(1).await, CloseReason::Oversized);
    assert!(peer.read_u8().await.is_err(), "the socket is closed, too");
}

#[tokio::test]
async fn diverted_payloads_go_to_their_spans_over_two_files() {
    let mut bench = Bench::new();
    bench.create(1, "a", 10).await;
    bench.create(2, "b", 10).await;
    let mut peer = bench.connect(1).await;
    bench.framed(1, 1 << 20);
    bench.arm(1, KEY, &[span(1, 6, 4), span(2, 0, 3), span(1, 0, 1)]);
    let stream =
        [frame(&[b"before"]), frame(&[b"\x07", KEY, b"wxyzabcS"]), frame(&[b"after"])].concat();
    peer.write_all(&stream).await.unwrap();
    assert_eq!(bench.event().await, framed(1, b"before"));
    assert_eq!(bench.event().await, stored(1, KEY));
    assert_eq!(bench.event().await, framed(1, b"after"));
    assert_eq!(bench.read(span(1, 0, 10)).await.unwrap(), &b"S\0\0\0\0\0wxyz"[..]);
    assert_eq!(bench.read(span(2, 0, 10)).await.unwrap(), &b"abc\0\0\0\0\0\0\0"[..]);
    assert_eq!(bench.metrics.payload_stored_bytes.load(Ordering::Relaxed), 8);
    peer.write_all(&frame(&[b"\x07", KEY, b"wxyzabcS"])).await.unwrap();
    assert_eq!(bench.event().await, not_stored(1, KEY, 8, NotStored::Unarmed), "a key serves once");
}

#[tokio::test]
async fn what_was_not_armed_or_is_of_another_length_touches_nothing() {
    let mut bench = Bench::new();
    bench.create(1, "a", 4).await;
    let mut peer = bench.connect(1).await;
    bench.framed(1, 1 << 20);
    peer.write_all(&frame(&[b"\x07", KEY, b"evil"])).await.unwrap();
    assert_eq!(bench.event().await, not_stored(1, KEY, 4, NotStored::Unarmed));
    bench.arm(1, KEY, &[span(1, 0, 4)]);
    for wrong in [&b"evil!"[..], b"evi", b""] {
        peer.write_all(&frame(&[b"\x07", KEY, wrong])).await.unwrap();
        let length = u32::try_from(wrong.len()).unwrap();
        assert_eq!(bench.event().await, not_stored(1, KEY, length, NotStored::Length));
    }
    assert_eq!(bench.read(span(1, 0, 4)).await.unwrap(), &[0; 4][..]);
    peer.write_all(&frame(&[b"\x07", KEY, b"good"])).await.unwrap();
    assert_eq!(bench.event().await, stored(1, KEY), "a wrong length leaves the key armed");
    assert_eq!(bench.metrics.payload_dropped_bytes.load(Ordering::Relaxed), 4 + 5 + 3);
}

#[tokio::test]
async fn arming_again_replaces_and_disarming_forgets() {
    let mut bench = Bench::new();
    bench.create(1, "a", 8).await;
    let mut peer = bench.connect(1).await;
    bench.framed(1, 1 << 20);
    bench.arm(1, KEY, &[span(1, 0, 4)]);
    bench.arm(1, KEY, &[span(1, 4, 4)]);
    bench.arm(1, b"disarmed", &[span(1, 0, 4)]);
    bench.tell(IoCommand::Disarm { conn: ConnId(1), key: *b"disarmed" });
    peer.write_all(&frame(&[b"\x07disarmed", b"evil"])).await.unwrap();
    assert_eq!(bench.event().await, not_stored(1, b"disarmed", 4, NotStored::Unarmed));
    peer.write_all(&frame(&[b"\x07", KEY, b"good"])).await.unwrap();
    assert_eq!(bench.event().await, stored(1, KEY));
    assert_eq!(bench.read(span(1, 0, 8)).await.unwrap(), &b"\0\0\0\0good"[..]);
}

#[tokio::test]
async fn spans_of_files_that_are_not_open_fail_their_payload() {
    let mut bench = Bench::new();
    bench.create(1, "a", 4).await;
    let mut peer = bench.connect(1).await;
    bench.framed(1, 1 << 20);
    bench.arm(1, b"never on", &[span(9, 0, 4)]);
    bench.arm(1, b"closed  ", &[span(1, 0, 4)]);
    bench.tell(IoCommand::FileClose { file: FileRef(1) });
    for key in [b"never on", b"closed  "] {
        peer.write_all(&frame(&[b"\x07", key, b"evil"])).await.unwrap();
        match bench.event().await {
            IoEvent::NotStored { reason: NotStored::Failed(error), .. } => {
                assert_eq!(error.kind, OpErrorKind::NotFound)
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(std::fs::read(bench.disk("root/a")).unwrap(), [0; 4]);
}

#[tokio::test]
async fn thousands_of_blocks_arrive_in_order_and_whole() {
    const BLOCK: u32 = 16 << 10;
    const BLOCKS: u32 = 600;
    let mut bench = Bench::with(config(), 64 << 10);
    bench.create(1, "film", u64::from(BLOCK * BLOCKS)).await;
    let mut peer = bench.connect(1).await;
    bench.framed(1, 1 << 20);
    let key = |n: u32| (u64::from(n) << 8).to_be_bytes();
    let block = |n: u32| vec![u8::try_from(n % 255).unwrap(); BLOCK as usize];
    for n in 0..BLOCKS {
        bench.arm(1, &key(n), &[span(1, u64::from(n * BLOCK), BLOCK)]);
    }
    let writing = tokio::spawn(async move {
        for n in 0..BLOCKS {
            peer.write_all(&frame(&[b"\x07", &key(n), &block(n)])).await.unwrap();
        }
        peer
    });
    for n in 0..BLOCKS {
        assert_eq!(bench.event().await, stored(1, &key(n)));
    }
    let _peer = writing.await.unwrap();
    let bytes = std::fs::read(bench.disk("root/film")).unwrap();
    assert!(bytes.chunks(BLOCK as usize).zip(0..).all(|(chunk, n)| chunk == block(n)));
}

#[tokio::test]
async fn without_credit_no_event_comes_and_the_socket_is_not_read() {
    const WINDOW: u32 = 32 << 10;
    let mut bench = Bench::with(config(), WINDOW);
    bench.generous = false;
    let mut peer = bench.connect(1).await;
    bench.framed(1, 1 << 20);
    let one = frame(&[&[1; 1000]]);
    let mut sent = 0u64;
    while timeout(Duration::from_millis(300), peer.write_all(&one)).await.is_ok() {
        sent += 1;
        assert!(sent < 50_000, "a peer could fill the daemon's memory");
    }
    let mut received = 0;
    while let Ok(batch) = timeout(Duration::from_millis(100), bench.batch()).await {
        received += batch.len();
    }
    assert!(received < (WINDOW as usize) + (300 << 10), "beyond its credit: {received}");
    bench.generous = true;
    bench.tell(IoCommand::Credit { bytes: u32::try_from(received).unwrap() });
    let more = timeout(Duration::from_secs(5), bench.batch()).await.expect("it goes on");
    assert!(more.len() > 1000);
    // An interrupted write has left part of a frame. The rest of the stream is still read.
    timeout(Duration::from_secs(5), async {
        let mut pushing = Box::pin(peer.write_all(&one));
        loop {
            tokio::select! {
                _ = &mut pushing => break,
                _ = bench.batch() => {}
            }
        }
    })
    .await
    .expect("the socket is read again");
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_closed_in_the_end() {
    let mut bench = Bench::new();
    let peer = bench.connect(1).await;
    let chunk = Bytes::from(vec![0; 256 << 10]);
    for _ in 0..200 {
        bench.tell(IoCommand::TcpSend { conn: ConnId(1), data: chunk.clone() });
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.closed(1).await, CloseReason::Limit);
    drop(peer);
}

#[tokio::test]
async fn addresses_that_policy_forbids_are_not_dialled() {
    let mut bench = Bench::with(
        io_shim::policy::io_config::IoConfig {
            policy: io_shim::policy::dial::DialPolicy::default(),
            ..config()
        },
        1 << 20,
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let addrs = [
        format!("127.0.0.1:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        "10.0.0.1:1".into(),
        "1.1.1.1:0".into(),
    ];
    for (addr, conn) in addrs.iter().zip(1..) {
        bench.dial(conn, addr.parse().unwrap());
        assert_eq!(bench.closed(conn).await, CloseReason::Denied, "{addr}");
    }
    assert!(timeout(Duration::from_millis(50), listener.accept()).await.is_err());
}

#[tokio::test]
async fn a_port_without_a_listener_refuses() {
    let mut bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    bench.dial(1, addr);
    assert_eq!(bench.closed(1).await, CloseReason::Refused);
}

#[tokio::test]
async fn connections_are_bounded_and_their_room_comes_back() {
    let mut bench =
        Bench::with(io_shim::policy::io_config::IoConfig { max_conns: 2, ..config() }, 1 << 20);
    let first = bench.connect(1).await;
    let _second = bench.connect(2).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    bench.dial(3, listener.local_addr().unwrap());
    assert_eq!(bench.closed(3).await, CloseReason::Limit);
    bench.tell(IoCommand::TcpRaw { conn: ConnId(1), bytes: 1 });
    drop(first);
    assert_eq!(bench.closed(1).await, CloseReason::Remote);
    let _fourth = bench.connect(4).await;
}

#[tokio::test]
async fn closing_is_at_once_and_silent() {
    let mut bench = Bench::new();
    let mut peer = bench.connect(1).await;
    bench.framed(1, 100);
    bench.tell(IoCommand::TcpClose { conn: ConnId(1) });
    let mut rest = Vec::new();
    let _ = timeout(Duration::from_secs(5), peer.read_to_end(&mut rest)).await.expect("closed");
    assert!(bench.is_silent().await);
    bench.tell(IoCommand::TcpSend { conn: ConnId(1), data: Bytes::from_static(b"too late") });
    bench.tell(IoCommand::TcpClose { conn: ConnId(1) });
    assert!(bench.is_silent().await, "commands for what is gone are ignored");
}

#[tokio::test]
async fn the_end_of_an_engine_is_the_end_of_its_sockets() {
    let mut bench = Bench::new();
    let mut peers = [bench.connect(1).await, bench.connect(2).await];
    bench.framed(2, 100);
    bench.next_epoch();
    for peer in &mut peers {
        let mut rest = Vec::new();
        let _ = timeout(Duration::from_secs(5), peer.read_to_end(&mut rest)).await.expect("closed");
    }
    assert!(bench.is_silent().await);
    let _peer = bench.connect(1).await;
}

/// Bytes that the engine receives in `ms` milliseconds from a peer at full speed.
async fn received_within(bench: &mut Bench, ms: u64) -> f64 {
    let until = tokio::time::Instant::now() + Duration::from_millis(ms);
    let mut received = 0;
    while let Ok(event) = tokio::time::timeout_at(until, bench.event()).await {
        received += match event {
            IoEvent::TcpData { data, .. } => data.len(),
            other => panic!("{other:?}"),
        };
    }
    received as f64
}

#[tokio::test]
async fn a_rate_limit_holds_on_a_real_socket_in_both_directions() {
    const RATE: u64 = 400_000;
    const WINDOW_MS: u64 = 1_500;
    let expected = RATE as f64 * WINDOW_MS as f64 / 1_000.0;
    let mut bench = Bench::new();
    let (mut reading, mut writing) = bench.connect(1).await.into_split();
    let pushing =
        tokio::spawn(async move { while writing.write_all(&[7; 64 << 10]).await.is_ok() {} });
    bench.plane.limit_rate(5, Some(RATE), Some(RATE));
    bench.tell(IoCommand::TcpGroup { conn: ConnId(1), group: 5 });
    bench.tell(IoCommand::TcpRaw { conn: ConnId(1), bytes: u32::MAX });
    let ratio = received_within(&mut bench, WINDOW_MS).await / expected;
    assert!((0.2..1.1).contains(&ratio), "down: {ratio} of the rate");

    bench.tell(IoCommand::TcpSend { conn: ConnId(1), data: Bytes::from(vec![1; 2 << 20]) });
    let mut sent = 0;
    let until = tokio::time::Instant::now() + Duration::from_millis(WINDOW_MS);
    let mut chunk = vec![0; 64 << 10];
    loop {
        tokio::select! {
            read = reading.read(&mut chunk) => sent += read.unwrap(),
            _ = bench.event() => {}
            () = tokio::time::sleep_until(until) => break,
        }
    }
    let ratio = sent as f64 / expected;
    assert!((0.2..1.1).contains(&ratio), "up: {ratio} of the rate");

    bench.plane.limit_rate(5, None, None);
    let ratio = received_within(&mut bench, WINDOW_MS).await / expected;
    assert!(ratio > 3.0, "the limit is lifted: {ratio}");
    pushing.abort();
}
