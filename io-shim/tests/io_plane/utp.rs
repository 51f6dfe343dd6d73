//! uTP: connections over a UDP socket besides other datagrams, and peers that break the rules.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use io_shim::policy::dial::DialPolicy;
use io_shim::policy::io_config::IoConfig;
use shared_proto::{
    ConnId, IoCommand, IoEvent,
    ids::SocketId,
    io::{CloseReason, Family, OpErrorKind, OpOutput, Rc4Start},
};
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout},
};

use crate::bench::{Bench, config, frame, span};

const SOCKET: SocketId = SocketId(1);
// Types of packets.
const DATA: u8 = 0;
const STATE: u8 = 2;
const RESET: u8 = 3;
const SYN: u8 = 4;

/// A bench that accepts uTP, and its address.
async fn speaking(family: Family) -> (Bench, SocketAddr) {
    let mut bench = Bench::new();
    let at = bench.bind(SOCKET.0, family, 0, None).await.unwrap();
    assert_eq!(
        bench.ask(|op| IoCommand::UtpListen { op, socket: SOCKET }).await,
        Ok(OpOutput::Unit)
    );
    (bench, at)
}

fn dial(bench: &mut Bench, conn: u64, addr: SocketAddr, timeout_ms: u32) {
    bench.tell(IoCommand::UtpConnect { conn: ConnId(conn), socket: SOCKET, addr, timeout_ms });
}

/// Two benches with a connection, and its number at each.
async fn pair() -> (Bench, u64, Bench, u64) {
    let ((mut near, at), (mut far, to)) = (speaking(Family::V4).await, speaking(Family::V4).await);
    dial(&mut near, 1, to, 5_000);
    assert_eq!(near.event().await, IoEvent::TcpConnected { conn: ConnId(1) });
    let (conn, from) = far.accepted(SOCKET.0).await;
    assert_eq!(from, at);
    (near, 1, far, conn)
}

fn send(bench: &mut Bench, conn: u64, data: impl Into<Bytes>) {
    bench.tell(IoCommand::TcpSend { conn: ConnId(conn), data: data.into() });
}

/// Exactly `length` bytes of a connection.
async fn heard(bench: &mut Bench, conn: u64, length: u32) -> Vec<u8> {
    bench.tell(IoCommand::TcpRaw { conn: ConnId(conn), bytes: length });
    let mut bytes = Vec::new();
    while bytes.len() < length as usize {
        match bench.event().await {
            IoEvent::TcpData { conn: of, data } if of == ConnId(conn) => bytes.extend(data),
            other => panic!("{other:?}"),
        }
    }
    bytes
}

fn noise(length: u32) -> Vec<u8> {
    (0..length).map(|n| (n.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
}

#[tokio::test]
async fn a_connection_carries_bytes_both_ways_in_both_families() {
    for family in [Family::V4, Family::V6] {
        let ((mut near, _), (mut far, to)) = (speaking(family).await, speaking(family).await);
        dial(&mut near, 1, to, 5_000);
        assert_eq!(near.event().await, IoEvent::TcpConnected { conn: ConnId(1) });
        let (conn, _) = far.accepted(SOCKET.0).await;
        send(&mut near, 1, &b"hello"[..]);
        assert_eq!(heard(&mut far, conn, 5).await, b"hello");
        send(&mut far, conn, &b"and you"[..]);
        assert_eq!(heard(&mut near, 1, 7).await, b"and you");
        near.tell(IoCommand::TcpClose { conn: ConnId(1) });
        far.tell(IoCommand::TcpRaw { conn: ConnId(conn), bytes: 1 });
        assert_eq!(far.closed(conn).await, CloseReason::Remote);
        assert!(near.is_silent().await);
    }
}

#[tokio::test]
async fn megabytes_of_a_file_arrive_whole_in_the_files_of_another() {
    const BLOCKS: u32 = 256;
    const BLOCK: u32 = 16 << 10;
    let (mut near, _, mut far, conn) = pair().await;
    let bytes = noise(BLOCKS * BLOCK);
    near.create(1, "film", bytes.len() as u64).await;
    near.write(1, 0, &bytes).await.unwrap();
    far.create(1, "film", bytes.len() as u64).await;
    let start = |key: &'static [u8]| Some(Rc4Start { key: Bytes::from_static(key), skip: 1024 });
    near.tell(IoCommand::TcpCipher { conn: ConnId(1), read: None, write: start(b"key") });
    far.tell(IoCommand::TcpCipher { conn: ConnId(conn), read: start(b"key"), write: None });
    far.framed(conn, 1 << 20);
    for n in 0..BLOCKS {
        far.arm(conn, &u64::from(n).to_be_bytes(), &[span(1, u64::from(n * BLOCK), BLOCK)]);
        let head = [&(9 + BLOCK).to_be_bytes()[..], &[7], &u64::from(n).to_be_bytes()].concat();
        let spans = vec![span(1, u64::from(n * BLOCK), BLOCK)];
        near.start(|op| IoCommand::TcpSendSpan { op, conn: ConnId(1), head: head.into(), spans });
    }
    for n in 0..BLOCKS {
        let key = u64::from(n).to_be_bytes();
        assert_eq!(far.event().await, IoEvent::Stored { conn: ConnId(conn), key });
    }
    assert!(std::fs::read(far.disk("root/film")).unwrap() == bytes);
}

/// A stranger's datagram with this type, number, segment and acknowledgement.
fn datagram(kind: u8, id: u16, seq: u16, ack: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind << 4 | 1, 0];
    bytes.extend(id.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend((1_u32 << 20).to_be_bytes());
    bytes.extend([seq.to_be_bytes(), ack.to_be_bytes()].concat());
    bytes.extend(payload);
    bytes
}

#[tokio::test]
async fn a_window_that_was_shut_with_some_room_left_opens_again() {
    let (mut far, to) = speaking(Family::V4).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    stranger.connect(to).await.unwrap();
    let window = async || {
        let mut buffer = [0; 2000];
        loop {
            let length = timeout(Duration::from_secs(5), stranger.recv(&mut buffer))
                .await
                .expect("a word")
                .unwrap();
            if length >= 20 && buffer[0] >> 4 == STATE {
                let number = |at: usize| u16::from_be_bytes([buffer[at], buffer[at + 1]]);
                return (
                    number(16),
                    number(18),
                    u32::from_be_bytes(buffer[12..16].try_into().unwrap()),
                );
            }
        }
    };
    stranger.send(&datagram(SYN, 100, 1, 0, &[])).await.unwrap();
    let (theirs, ..) = window().await;
    let (conn, _) = far.accepted(SOCKET.0).await;
    // One of the largest segments, then small ones: in the end a small one fits and a large one
    // does not.
    let lengths = [&[1452][..], &[1000; 522]].concat();
    let (mut seq, mut wide) = (1_u16, 0);
    for lengths in lengths.chunks(12) {
        for &length in lengths {
            seq += 1;
            stranger
                .send(&datagram(DATA, 101, seq, theirs.wrapping_sub(1), &vec![7; length]))
                .await
                .unwrap();
        }
        let mut heard_of = 0;
        while heard_of != seq {
            (_, heard_of, wide) = window().await;
        }
    }
    assert_eq!(wide, 0, "it is shut");
    let sent = u32::try_from(lengths.iter().sum::<usize>()).unwrap();
    assert_eq!(heard(&mut far, conn, sent).await.len(), sent as usize);
    while window().await.2 == 0 {}
}

#[tokio::test]
async fn the_download_limit_holds_and_the_sender_waits() {
    const RATE: u64 = 400_000;
    let (mut near, _, mut far, conn) = pair().await;
    far.plane.limit_rate(5, Some(RATE), None);
    far.tell(IoCommand::TcpGroup { conn: ConnId(conn), group: 5 });
    send(&mut near, 1, noise(3 << 20));
    let began = Instant::now();
    heard(&mut far, conn, 800_000).await;
    let ratio = 800_000.0 / (RATE as f64 * began.elapsed().as_secs_f64());
    assert!((0.2..1.1).contains(&ratio), "{ratio} of the rate");
}

#[tokio::test]
async fn other_datagrams_are_handed_up_as_before() {
    let (mut bench, at) = speaking(Family::V4).await;
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for data in [
        &b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe"[..],
        b"",
        &[0; 20],
        &[0x21; 19],
    ] {
        other.send_to(data, at).await.unwrap();
        let data = Bytes::copy_from_slice(data);
        assert_eq!(
            bench.event().await,
            IoEvent::UdpReceived { socket: SOCKET, from: other.local_addr().unwrap(), data }
        );
    }
}

#[tokio::test]
async fn a_silent_address_is_a_timeout_and_a_forbidden_one_a_refusal() {
    let (mut bench, _) = speaking(Family::V4).await;
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    dial(&mut bench, 1, silent.local_addr().unwrap(), 1_500);
    assert_eq!(bench.closed(1).await, CloseReason::Timeout);
    dial(&mut bench, 2, "10.0.0.1:9".parse().unwrap(), 1_500);
    assert_eq!(bench.closed(2).await, CloseReason::Denied);
    assert_eq!(bench.conns_open(), 0);

    let mut plain = Bench::new();
    plain.bind(SOCKET.0, Family::V4, 0, None).await.unwrap();
    dial(&mut plain, 1, silent.local_addr().unwrap(), 1_500);
    assert_eq!(plain.closed(1).await, CloseReason::Denied, "uTP is not spoken there");
    let unknown = plain.ask(|op| IoCommand::UtpListen { op, socket: SocketId(9) }).await;
    assert_eq!(unknown.unwrap_err().kind, OpErrorKind::NotFound);
}

/// What a stranger received within a few seconds, and from where.
async fn next_datagram(stranger: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2_000];
    let (length, from) = timeout(Duration::from_secs(5), stranger.recv_from(&mut buffer))
        .await
        .expect("a datagram")
        .unwrap();
    (buffer[..length].to_vec(), from)
}

#[tokio::test]
async fn a_call_that_is_answered_late_is_one_connection() {
    let (mut bench, _) = speaking(Family::V4).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    dial(&mut bench, 1, stranger.local_addr().unwrap(), 10_000);
    let (call, from) = next_datagram(&stranger).await;
    assert_eq!(
        next_datagram(&stranger).await,
        (call.clone(), from),
        "it may be lost, so it is repeated"
    );
    let number = |at: usize| u16::from_be_bytes([call[at], call[at + 1]]);
    // The stranger answers the first SYN.
    stranger.send_to(&datagram(STATE, number(2), 500, number(16), &[]), from).await.unwrap();
    assert_eq!(bench.event().await, IoEvent::TcpConnected { conn: ConnId(1) });
    send(&mut bench, 1, &b"hello"[..]);
    let (data, _) = next_datagram(&stranger).await;
    assert_eq!(
        (data[0] >> 4, &data[20..]),
        (DATA, &b"hello"[..]),
        "an answered call is not repeated"
    );
}

#[tokio::test]
async fn an_unanswered_call_is_taken_back() {
    let (mut bench, _) = speaking(Family::V4).await;
    let (mut far, to) = speaking(Family::V4).await;
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    dial(&mut bench, 1, silent.local_addr().unwrap(), 1_500);
    assert_eq!(bench.closed(1).await, CloseReason::Timeout);
    let mut came = Vec::new();
    while came.len() < 3 {
        came.push(next_datagram(&silent).await.0);
    }
    assert_eq!(came.iter().map(|datagram| datagram[0] >> 4).collect::<Vec<_>>(), [SYN, SYN, RESET]);
    assert_eq!(came[0], came[1]);
    // A peer that received the SYN late finds no connection in the end.
    silent.send_to(&came[0], to).await.unwrap();
    let (conn, _) = far.accepted(SOCKET.0).await;
    far.tell(IoCommand::TcpRaw { conn: ConnId(conn), bytes: 1 });
    silent.send_to(&came[2], to).await.unwrap();
    far.closed(conn).await;
}

#[tokio::test]
async fn addresses_that_the_policy_would_not_dial_get_no_answer() {
    let mut bench = Bench::with(IoConfig { policy: DialPolicy::default(), ..config() }, 1 << 20);
    let at = bench.bind(SOCKET.0, Family::V4, 0, None).await.unwrap();
    bench.ask(|op| IoCommand::UtpListen { op, socket: SOCKET }).await.unwrap();
    let (mut near, _) = speaking(Family::V4).await;
    dial(&mut near, 1, at, 300);
    assert_eq!(near.closed(1).await, CloseReason::Timeout);
    assert!(bench.is_silent().await);
}

/// Two routers between two ends that see each other at these addresses. A datagram passes once the
/// other end has sent one, too.
async fn routers(ends: [SocketAddr; 2]) -> [SocketAddr; 2] {
    let [one, other] = [
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
    ];
    let seen_at = [one.local_addr().unwrap(), other.local_addr().unwrap()];
    tokio::spawn(async move {
        let mut has_sent = [false; 2];
        let mut buffers = [[0; 2_000]; 2];
        let [first, second] = &mut buffers;
        loop {
            let (from, length) = tokio::select! {
                received = one.recv_from(first) => (0, received.unwrap().0),
                received = other.recv_from(second) => (1, received.unwrap().0),
            };
            has_sent[from] = true;
            if has_sent[1 - from] {
                let (way_out, data) =
                    if from == 0 { (&other, &first[..length]) } else { (&one, &second[..length]) };
                let _ = way_out.send_to(data, ends[1 - from]).await;
            }
        }
    });
    seen_at
}

#[tokio::test]
async fn two_peers_behind_closed_routers_connect_when_both_dial() {
    let ((mut near, at), (mut far, to)) = (speaking(Family::V4).await, speaking(Family::V4).await);
    let alone = routers([at, to]).await;
    dial(&mut near, 1, alone[0], 2_500);
    assert_eq!(near.closed(1).await, CloseReason::Timeout);
    assert!(far.is_silent().await);
    let [theirs, ours] = routers([at, to]).await;
    dial(&mut near, 2, theirs, 6_000);
    dial(&mut far, 2, ours, 6_000);
    // Each dial succeeds, in any order, and arrives as an incoming connection.
    let mut accepted = None;
    for _ in 0..2 {
        match near.event().await {
            IoEvent::TcpConnected { conn } => assert_eq!(conn, ConnId(2)),
            IoEvent::TcpAccepted { addr, .. } => assert_eq!(addr, theirs),
            other => panic!("{other:?}"),
        }
        match far.event().await {
            IoEvent::TcpConnected { conn } => assert_eq!(conn, ConnId(2)),
            IoEvent::TcpAccepted { addr, conn, .. } => {
                assert_eq!(addr, ours);
                accepted = Some(conn);
            }
            other => panic!("{other:?}"),
        }
    }
    send(&mut near, 2, &b"hello"[..]);
    assert_eq!(heard(&mut far, accepted.expect("near dialled").0, 5).await, b"hello");
}

#[tokio::test]
async fn connections_close_with_their_socket_and_with_their_engine() {
    let (mut near, _, mut far, conn) = pair().await;
    far.tell(IoCommand::TcpRaw { conn: ConnId(conn), bytes: 1 });
    far.tell(IoCommand::SocketClose { socket: SOCKET });
    far.closed(conn).await;
    assert_eq!(far.conns_open(), 0);
    near.next_epoch();
    let free = async {
        while near.conns_open() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(5), free).await.expect("no connection outlives its engine");
}

#[tokio::test]
async fn strangers_fill_their_share_of_the_connections_and_no_more() {
    let mut far = Bench::with(IoConfig { max_conns: 8, ..config() }, 1 << 20);
    let to = far.bind(SOCKET.0, Family::V4, 0, None).await.unwrap();
    far.ask(|op| IoCommand::UtpListen { op, socket: SOCKET }).await.unwrap();
    let mut crowd = Vec::new();
    for _ in 0..10 {
        let (mut near, _) = speaking(Family::V4).await;
        dial(&mut near, 1, to, 5_000);
        crowd.push(near);
    }
    for _ in 0..7 {
        far.accepted(SOCKET.0).await;
    }
    assert!(far.is_silent().await);
    assert_eq!(far.conns_open(), 7);
}

/// Random headers: types, extensions, numbers, lengths.
#[tokio::test]
async fn made_up_packets_do_no_harm() {
    let (mut near, _, mut far, conn) = pair().await;
    let (target, other) = (
        far.bind(2, Family::V4, 0, None).await.unwrap(),
        UdpSocket::bind("127.0.0.1:0").await.unwrap(),
    );
    far.ask(|op| IoCommand::UtpListen { op, socket: SocketId(2) }).await.unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33).to_le_bytes()[0]
    };
    for n in 0..6_000u32 {
        let length = usize::from(next()) % 60;
        let mut packet: Vec<u8> = (0..20 + length).map(|_| next()).collect();
        packet[0] = (next() % 5) << 4 | 1;
        packet[1] = next() % 3;
        // Few connection numbers, so that packets hit other connections.
        packet[2..4].copy_from_slice(&[0, next() % 8]);
        packet[16..20].copy_from_slice(&[0, next() % 16, 0, next() % 16]);
        other.send_to(&packet, target).await.unwrap();
        if n % 50 == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    // The accepted connections are read, and new ones may come.
    for stranger in 0..16 {
        far.tell(IoCommand::TcpRaw {
            conn: ConnId(ConnId::ACCEPTED.0 + 1 + stranger),
            bytes: u32::MAX,
        });
        far.tell(IoCommand::TcpClose { conn: ConnId(ConnId::ACCEPTED.0 + 1 + stranger) });
    }
    send(&mut near, 1, frame(&[b"hello"]));
    far.framed(conn, 100);
    near.tell(IoCommand::UtpConnect {
        conn: ConnId(2),
        socket: SOCKET,
        addr: target,
        timeout_ms: 10_000,
    });
    let (mut is_heard, mut has_come) = (false, false);
    while !is_heard || !has_come {
        match far.event().await {
            IoEvent::TcpFrame { conn: of, data } if of == ConnId(conn) => {
                is_heard = data == b"hello"[..]
            }
            IoEvent::TcpAccepted { addr, .. } => has_come |= addr != other.local_addr().unwrap(),
            IoEvent::TcpClosed { .. } | IoEvent::TcpData { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}
