//! Open ports: listening sockets, datagrams, groups, and refused addresses.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use io_shim::policy::dial::DialPolicy;
use io_shim::policy::io_config::IoConfig;
use shared_proto::{
    ConnId, IoCommand, IoEvent,
    frame::MAX_DATAGRAM,
    ids::SocketId,
    io::{CloseReason, Family, OpErrorKind},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    time::timeout,
};

use crate::bench::{Bench, config};

const SOON: Duration = Duration::from_secs(5);
const MOMENT: Duration = Duration::from_millis(100);
const BOTH: [Family; 2] = [Family::V4, Family::V6];

fn strict() -> Bench {
    Bench::with(IoConfig { policy: DialPolicy::default(), ..config() }, 1 << 20)
}

fn datagram(socket: u32, from: SocketAddr, data: &[u8]) -> IoEvent {
    IoEvent::UdpReceived { socket: SocketId(socket), from, data: Bytes::copy_from_slice(data) }
}

fn send(bench: &mut Bench, socket: u32, to: SocketAddr, data: &[u8]) {
    bench.tell(IoCommand::UdpSend {
        socket: SocketId(socket),
        to,
        data: Bytes::copy_from_slice(data),
    });
}

/// A UDP socket of another program on this machine.
async fn neighbour(family: Family) -> (UdpSocket, SocketAddr) {
    let ip: IpAddr =
        if family == Family::V4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    let socket = UdpSocket::bind((ip, 0)).await.expect("loopback");
    let addr = socket.local_addr().expect("bound");
    (socket, addr)
}

async fn receive(socket: &UdpSocket) -> Option<Vec<u8>> {
    let mut buffer = vec![0; 9000];
    let (length, _) = timeout(MOMENT, socket.recv_from(&mut buffer)).await.ok()?.expect("a socket");
    Some(buffer[..length].to_vec())
}

/// Whether the other end has closed.
async fn is_cut(stream: &mut TcpStream) -> bool {
    matches!(timeout(SOON, stream.read(&mut [0])).await.expect("an end"), Ok(0) | Err(_))
}

#[tokio::test]
async fn incoming_connections_are_reported_and_work_like_dialled_ones() {
    for family in BOTH {
        let mut bench = Bench::new();
        let addr = bench.listen(7, family, 0).await.unwrap();
        let mut peer = TcpStream::connect(addr).await.unwrap();
        let (conn, from) = bench.accepted(7).await;
        assert_eq!(from, peer.local_addr().unwrap());
        peer.write_all(b"hello").await.unwrap();
        assert!(bench.is_silent().await, "nothing is read before it is ordered");
        bench.tell(IoCommand::TcpRaw { conn: ConnId(conn), bytes: 5 });
        let data = Bytes::from_static(b"hello");
        assert_eq!(
            bench.event().await,
            IoEvent::TcpData { conn: ConnId(conn), data: data.clone() }
        );
        bench.tell(IoCommand::TcpSend { conn: ConnId(conn), data });
        let mut heard = [0; 5];
        peer.read_exact(&mut heard).await.unwrap();
        bench.tell(IoCommand::TcpRaw { conn: ConnId(conn), bytes: 1 });
        drop(peer);
        assert_eq!(bench.closed(conn).await, CloseReason::Remote);
        let next = TcpStream::connect(addr).await.unwrap();
        assert_eq!(
            bench.accepted(7).await,
            (conn + 1, next.local_addr().unwrap()),
            "numbers are not used again"
        );
    }
}

#[tokio::test]
async fn an_ipv6_socket_takes_ipv6_only() {
    let mut bench = Bench::new();
    let addr = bench.listen(1, Family::V6, 0).await.unwrap();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, addr.port())).await.is_err());
    assert_eq!(
        bench.listen(2, Family::V4, addr.port()).await.map(|addr| addr.port()),
        Ok(addr.port())
    );
}

#[tokio::test]
async fn only_the_addresses_that_the_user_names_are_bound() {
    let mut bench =
        Bench::with(IoConfig { addresses: vec![Ipv4Addr::LOCALHOST.into()], ..config() }, 1 << 20);
    assert_eq!(bench.listen(1, Family::V6, 0).await, Err(OpErrorKind::Denied));
    assert_eq!(bench.bind(1, Family::V6, 0, None).await, Err(OpErrorKind::Denied));
    let addr = bench.listen(1, Family::V4, 0).await.unwrap();
    assert!(TcpStream::connect(("127.0.0.2", addr.port())).await.is_err());
    let elsewhere = IoConfig { addresses: vec!["192.0.2.1".parse().unwrap()], ..config() };
    assert_eq!(
        Bench::with(elsewhere, 1 << 20).listen(1, Family::V4, 0).await,
        Err(OpErrorKind::Network)
    );
}

#[tokio::test]
async fn several_addresses_share_one_port() {
    let addresses = vec![Ipv4Addr::LOCALHOST.into(), Ipv4Addr::new(127, 0, 0, 2).into()];
    let mut bench = Bench::with(IoConfig { addresses, ..config() }, 1 << 20);
    let addr = bench.listen(1, Family::V4, 0).await.unwrap();
    for ip in ["127.0.0.1", "127.0.0.2"] {
        let _peer = TcpStream::connect((ip, addr.port())).await.unwrap();
        bench.accepted(1).await;
    }
}

/// Any page in a browser on this machine can reach the port.
#[tokio::test]
async fn addresses_that_the_policy_would_not_dial_are_refused_unreported() {
    let mut bench = strict();
    let addr = bench.listen(1, Family::V4, 0).await.unwrap();
    let mut page = TcpStream::connect(addr).await.unwrap();
    let _ = page.write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
    assert!(is_cut(&mut page).await);
    let at = bench.bind(2, Family::V4, 0, None).await.unwrap();
    let (neighbour, addr) = neighbour(Family::V4).await;
    neighbour.send_to(b"hello", at).await.unwrap();
    send(&mut bench, 2, addr, b"hello");
    assert_eq!(receive(&neighbour).await, None, "nor is he spoken to");
    assert!(bench.is_silent().await);
    assert_eq!(bench.conns_open(), 0);
}

#[tokio::test]
async fn strangers_fill_their_share_of_the_connections_and_no_more() {
    let mut bench = Bench::with(IoConfig { max_conns: 8, ..config() }, 1 << 20);
    let addr = bench.listen(1, Family::V4, 0).await.unwrap();
    let mut inside = Vec::new();
    for _ in 0..7 {
        inside.push(TcpStream::connect(addr).await.unwrap());
        bench.accepted(1).await;
    }
    let mut outside = TcpStream::connect(addr).await.unwrap();
    assert!(is_cut(&mut outside).await);
    let _mine = bench.connect(1).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    bench.dial(2, listener.local_addr().unwrap());
    assert_eq!(bench.closed(2).await, CloseReason::Limit);
    for conn in 0..2 {
        bench.tell(IoCommand::TcpClose { conn: ConnId(ConnId::ACCEPTED.0 + conn) });
    }
    let _late = TcpStream::connect(addr).await.unwrap();
    bench.accepted(1).await;
}

#[tokio::test]
async fn a_number_of_the_daemons_is_not_the_engines_to_dial_with() {
    let mut bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    bench.dial(ConnId::ACCEPTED.0, listener.local_addr().unwrap());
    assert!(timeout(MOMENT, listener.accept()).await.is_err());
    assert!(bench.is_silent().await);
}

#[tokio::test]
async fn incoming_connections_wait_while_the_engine_takes_no_events() {
    let mut bench = Bench::with(IoConfig { max_conns: 64, ..config() }, 64);
    bench.generous = false;
    let addr = bench.listen(1, Family::V4, 0).await.unwrap();
    let mut crowd = Vec::new();
    for _ in 0..32 {
        crowd.push(TcpStream::connect(addr).await.unwrap());
    }
    bench.generous = true;
    bench.tell(IoCommand::Credit { bytes: 1 << 20 });
    for _ in 0..32 {
        bench.accepted(1).await;
    }
}

#[tokio::test]
async fn a_closed_port_is_free_again() {
    let mut bench = Bench::new();
    let tcp = bench.listen(1, Family::V4, 0).await.unwrap();
    let udp = bench.bind(2, Family::V4, 0, None).await.unwrap();
    let mut peer = TcpStream::connect(tcp).await.unwrap();
    let (conn, _) = bench.accepted(1).await;
    assert_eq!(
        bench.listen(1, Family::V4, 0).await,
        Err(OpErrorKind::Exists),
        "the number is in use"
    );
    assert_eq!(
        bench.listen(3, Family::V4, tcp.port()).await,
        Err(OpErrorKind::Exists),
        "the port is in use"
    );
    assert_eq!(bench.bind(3, Family::V4, udp.port(), None).await, Err(OpErrorKind::Exists));
    for socket in [1, 2, 9] {
        bench.tell(IoCommand::SocketClose { socket: SocketId(socket) });
    }
    is_free(tcp, udp).await;
    bench.tell(IoCommand::TcpSend { conn: ConnId(conn), data: Bytes::from_static(b"still here") });
    let mut heard = [0; 10];
    peer.read_exact(&mut heard).await.expect("connections outlive the port that they came by");
}

#[tokio::test]
async fn the_end_of_an_engine_is_the_end_of_its_ports() {
    let mut bench = Bench::new();
    let tcp = bench.listen(1, Family::V4, 0).await.unwrap();
    let udp = bench.bind(2, Family::V4, 0, None).await.unwrap();
    bench.next_epoch();
    is_free(tcp, udp).await;
}

/// Waits until the ports are free.
async fn is_free(tcp: SocketAddr, udp: SocketAddr) {
    let free = async {
        while TcpListener::bind(tcp).await.is_err() || UdpSocket::bind(udp).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, free).await.expect("the ports are closed");
}

#[tokio::test]
async fn ports_are_bounded() {
    let mut bench = Bench::new();
    for socket in 0..16 {
        bench.bind(socket, Family::V4, 0, None).await.unwrap();
    }
    assert_eq!(bench.bind(16, Family::V4, 0, None).await, Err(OpErrorKind::Limit));
    assert_eq!(bench.listen(16, Family::V4, 0).await, Err(OpErrorKind::Limit));
    bench.tell(IoCommand::SocketClose { socket: SocketId(3) });
    bench.listen(16, Family::V4, 0).await.unwrap();
}

#[tokio::test]
async fn datagrams_go_both_ways() {
    for family in BOTH {
        let mut bench = Bench::new();
        let at = bench.bind(1, family, 0, None).await.unwrap();
        let (neighbour, addr) = neighbour(family).await;
        for data in [&b"ping"[..], b"", &[7; 1400]] {
            send(&mut bench, 1, addr, data);
            assert_eq!(receive(&neighbour).await.as_deref(), Some(data));
            neighbour.send_to(data, at).await.unwrap();
            assert_eq!(bench.event().await, datagram(1, addr, data));
        }
        neighbour.send_to(&[9; 6000], at).await.unwrap();
        assert_eq!(bench.event().await, datagram(1, addr, &[9; MAX_DATAGRAM]), "cut");
        send(&mut bench, 1, addr, &[9; MAX_DATAGRAM + 1]);
        assert_eq!(receive(&neighbour).await, None);
        send(&mut bench, 8, addr, b"nobody's socket");
        send(&mut bench, 1, SocketAddr::new(addr.ip(), 0), b"nobody's port");
        assert!(bench.is_silent().await);
    }
}

#[tokio::test]
async fn a_port_without_a_listener_does_not_disturb_the_socket() {
    let mut bench = Bench::new();
    let at = bench.bind(1, Family::V4, 0, None).await.unwrap();
    let (gone, addr) = neighbour(Family::V4).await;
    drop(gone);
    for _ in 0..3 {
        send(&mut bench, 1, addr, b"anybody?");
    }
    let (neighbour, addr) = neighbour(Family::V4).await;
    neighbour.send_to(b"yes", at).await.unwrap();
    assert_eq!(bench.event().await, datagram(1, addr, b"yes"));
}

#[tokio::test]
async fn a_flood_of_datagrams_is_dropped_and_nothing_waits_behind_it() {
    let mut bench = Bench::with(config(), 32);
    bench.generous = false;
    let at = bench.bind(1, Family::V4, 0, None).await.unwrap();
    let mut peer = bench.connect(1).await;
    bench.tell(IoCommand::TcpRaw { conn: ConnId(1), bytes: 5 });
    let (flooder, _) = neighbour(Family::V4).await;
    for n in 0..6_000 {
        flooder.send_to(&[1; 1400], at).await.unwrap();
        if n % 64 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    peer.write_all(b"hello").await.unwrap();
    tokio::time::sleep(MOMENT).await;
    bench.generous = true;
    bench.tell(IoCommand::Credit { bytes: 64 << 20 });
    let mut datagrams = 0;
    loop {
        match bench.event().await {
            IoEvent::UdpReceived { .. } => datagrams += 1,
            IoEvent::TcpData { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    assert!((500..2_000).contains(&datagrams), "half of the queue is filled: {datagrams}");
}

#[tokio::test]
async fn a_group_is_heard_and_spoken_to_on_the_networks_that_are_allowed() {
    let group: IpAddr = "239.192.152.143".parse().unwrap();
    let mut bench = Bench::new();
    let at = bench.bind(1, Family::V4, 0, Some(group)).await.unwrap();
    let to = SocketAddr::new(group, at.port());
    send(&mut bench, 1, to, b"is anybody here?");
    match bench.event().await {
        IoEvent::UdpReceived { socket: SocketId(1), from, data } => {
            assert!(from.ip().is_loopback(), "{from}");
            assert_eq!(data, &b"is anybody here?"[..]);
        }
        other => panic!("{other:?}"),
    }
    let mut other = Bench::new();
    other.bind(1, Family::V4, at.port(), Some(group)).await.expect("the port is shared");
    send(&mut other, 1, to, b"I am");
    for bench in [&mut bench, &mut other] {
        match bench.event().await {
            IoEvent::UdpReceived { data, .. } => assert_eq!(data, &b"I am"[..]),
            other => panic!("{other:?}"),
        }
    }
    send(
        &mut bench,
        1,
        SocketAddr::new("239.255.255.250".parse().unwrap(), 1900),
        b"M-SEARCH * HTTP/1.1",
    );
    send(&mut bench, 1, SocketAddr::new(group, at.port() ^ 1), b"another port");
    assert!(other.is_silent().await);
}

#[tokio::test]
async fn groups_are_joined_where_policy_would_dial_and_nowhere_else() {
    let group: IpAddr = "239.192.152.143".parse().unwrap();
    assert_eq!(strict().bind(1, Family::V4, 0, Some(group)).await, Err(OpErrorKind::Denied));
    let mut bench = Bench::new();
    assert_eq!(
        bench.bind(1, Family::V6, 0, Some(group)).await,
        Err(OpErrorKind::Denied),
        "another family"
    );
    let host = Ipv4Addr::LOCALHOST.into();
    assert_eq!(
        bench.bind(1, Family::V4, 0, Some(host)).await,
        Err(OpErrorKind::Denied),
        "no group"
    );
    bench.bind(2, Family::V4, 0, None).await.unwrap();
    send(&mut bench, 2, SocketAddr::new(group, 6771), b"without having joined");
    assert!(bench.is_silent().await);
}
