//! Port mappings: asked for, renewed and removed, with good and bad routers.

use std::time::{Duration, Instant};

use io_shim::sockets::port_map::MapConfig;
use shared_proto::{
    IoCommand, IoEvent, SocketId,
    io::{Family, MappedBy, Mapping, OpError, OpErrorKind},
};

use crate::bench::{Bench, config};
use crate::routers::{Asked, FakeRouter, Manner, OUTSIDE, address, way_by};

/// Longer than the slowest answer in a test.
const BOUNDED: Duration = Duration::from_secs(5);

fn bench(mapping: MapConfig) -> Bench {
    Bench::mapping(config(), 1 << 20, mapping)
}

/// A listening socket with a requested mapping, and its port.
async fn ask(bench: &mut Bench) -> u16 {
    let addr = bench.listen(1, Family::V4, 0).await.expect("a port");
    bench.tell(IoCommand::PortMap { socket: SocketId(1) });
    addr.port()
}

async fn told(bench: &mut Bench) -> Result<Mapping, OpError> {
    match bench.event().await {
        IoEvent::PortMapped { socket: SocketId(1), result } => result,
        other => panic!("{other:?}"),
    }
}

fn mapping(port: u16, by: MappedBy) -> Mapping {
    Mapping { port, address: Some(OUTSIDE.into()), by }
}

/// Expects a mapping, and its removal when the socket closes.
async fn check(router: FakeRouter, expected: impl FnOnce(u16) -> Mapping) {
    let mut bench = bench(router.way());
    let port = ask(&mut bench).await;
    let expected = expected(port);
    assert_eq!(told(&mut bench).await, Ok(expected));
    bench.tell(IoCommand::SocketClose { socket: SocketId(1) });
    let forgotten = if expected.by == MappedBy::Upnp { expected.port } else { port };
    router.until(Asked::Unmap { tcp: true, port: forgotten }).await;
}

/// Expects no mapping within bounded time, and an error with these words. Engine and task go on.
async fn check_refused(router: FakeRouter, words: &str) {
    let mut bench = bench(router.way());
    let began = Instant::now();
    ask(&mut bench).await;
    let error = told(&mut bench).await.unwrap_err();
    assert!(error.message.contains(words), "{error:?}");
    assert!(matches!(error.kind, OpErrorKind::Network | OpErrorKind::Timeout), "{error:?}");
    assert!(began.elapsed() < BOUNDED, "{:?}", began.elapsed());
    bench.tell(IoCommand::SocketClose { socket: SocketId(1) });
    tokio::time::timeout(BOUNDED, bench.maps.settled()).await.expect("an end in bounded time");
}

#[tokio::test]
async fn a_router_of_each_kind_lets_a_port_in_and_forgets_it() {
    check(FakeRouter::pmp(Manner::Willing).await, |port| mapping(port, MappedBy::Pcp)).await;
    check(FakeRouter::pmp(Manner::Old).await, |port| mapping(port, MappedBy::NatPmp)).await;
    check(FakeRouter::upnp(Manner::Willing).await, |port| mapping(port, MappedBy::Upnp)).await;
}

#[tokio::test]
async fn a_port_that_is_taken_there_is_replaced_by_another_one() {
    check(FakeRouter::pmp(Manner::Another(40_001)).await, |_| mapping(40_001, MappedBy::Pcp)).await;
    check(FakeRouter::upnp(Manner::Another(40_002)).await, |_| mapping(40_002, MappedBy::Upnp))
        .await;
}

#[tokio::test]
async fn a_router_that_leases_for_ever_is_asked_so() {
    check(FakeRouter::upnp(Manner::ForEver).await, |port| mapping(port, MappedBy::Upnp)).await;
}

#[tokio::test]
async fn datagrams_are_let_in_too() {
    let router = FakeRouter::pmp(Manner::Willing).await;
    let mut bench = bench(router.way());
    let addr = bench.bind(1, Family::V4, 0, None).await.expect("a port");
    bench.tell(IoCommand::PortMap { socket: SocketId(1) });
    assert_eq!(told(&mut bench).await, Ok(mapping(addr.port(), MappedBy::Pcp)));
    assert_eq!(router.asked(), [Asked::Map { tcp: false, port: addr.port() }]);
}

#[tokio::test]
async fn a_lease_is_renewed_and_only_what_changes_is_told() {
    for router in [FakeRouter::pmp(Manner::Willing).await, FakeRouter::pmp(Manner::Old).await] {
        let mut bench = bench(router.way());
        let port = ask(&mut bench).await;
        let first = told(&mut bench).await.expect("a port");
        let began = Instant::now();
        while router.asked().len() < 3 {
            assert!(bench.is_silent().await);
        }
        assert!(
            began.elapsed() >= Duration::from_millis(1_500),
            "twice half of two seconds: {:?}",
            began.elapsed()
        );
        assert!(router.asked().iter().all(|asked| *asked == Asked::Map { tcp: true, port }));
        if first.by == MappedBy::Pcp {
            router.behave(Manner::Another(40_003));
            assert_eq!(told(&mut bench).await, Ok(Mapping { port: 40_003, ..first }));
        }
    }
}

#[tokio::test]
async fn a_router_that_comes_back_is_found_again() {
    let router = FakeRouter::upnp(Manner::Willing).await;
    let mut bench = bench(router.way());
    let port = ask(&mut bench).await;
    assert_eq!(told(&mut bench).await, Ok(mapping(port, MappedBy::Upnp)));
    router.behave(Manner::Refuses);
    assert_eq!(told(&mut bench).await.unwrap_err().kind, OpErrorKind::Network);
    router.behave(Manner::Willing);
    assert_eq!(told(&mut bench).await, Ok(mapping(port, MappedBy::Upnp)));
}

#[tokio::test]
async fn whatever_ends_a_port_the_router_forgets_it() {
    let ends: [fn(&mut Bench); 3] = [
        |bench| bench.tell(IoCommand::PortUnmap { socket: SocketId(1) }),
        |bench| bench.plane.shutdown(),
        |bench| bench.next_epoch(),
    ];
    for end in ends {
        let router = FakeRouter::pmp(Manner::Willing).await;
        let mut bench = bench(router.way());
        let port = ask(&mut bench).await;
        told(&mut bench).await.expect("a port");
        end(&mut bench);
        bench.maps.settled().await;
        assert_eq!(
            router.asked(),
            [Asked::Map { tcp: true, port }, Asked::Unmap { tcp: true, port }]
        );
    }
}

#[tokio::test]
async fn the_next_engine_asks_when_the_former_ones_port_is_forgotten() {
    let router = FakeRouter::pmp(Manner::Willing).await;
    let mut bench = bench(router.way());
    let port = ask(&mut bench).await;
    told(&mut bench).await.expect("a port");
    bench.next_epoch();
    // The former socket takes a moment to close.
    while bench.listen(1, Family::V4, port).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    bench.tell(IoCommand::PortMap { socket: SocketId(1) });
    assert_eq!(told(&mut bench).await, Ok(mapping(port, MappedBy::Pcp)));
    let (map, unmap) = (Asked::Map { tcp: true, port }, Asked::Unmap { tcp: true, port });
    assert_eq!(router.asked(), [map, unmap, map]);
}

#[tokio::test]
async fn a_router_that_refuses_is_quoted() {
    check_refused(FakeRouter::pmp(Manner::Refuses).await, "forwards no port").await;
    check_refused(FakeRouter::upnp(Manner::Refuses).await, "forwards no port").await;
}

#[tokio::test]
async fn a_router_that_stalls_costs_bounded_time() {
    check_refused(FakeRouter::pmp(Manner::Stalls).await, "does not answer").await;
    check_refused(FakeRouter::upnp(Manner::Stalls).await, "does not answer").await;
}

#[tokio::test]
async fn no_router_is_no_trouble() {
    let mut bench = bench(way_by(address()));
    ask(&mut bench).await;
    assert_eq!(told(&mut bench).await.unwrap_err().kind, OpErrorKind::Network);
}

#[tokio::test]
async fn a_router_that_talks_nonsense_is_not_believed() {
    for nonsense in
        [&[][..], &[0; 3], &[0xff; 60], &[2, 0x81, 0, 0], &[0, 0x81, 0, 0, 0, 0, 0, 0], &[2; 1100]]
    {
        check_refused(FakeRouter::pmp(Manner::Says(nonsense.to_vec())).await, "").await;
    }
    let deep = "<a>".repeat(100);
    for nonsense in
        ["", "HTTP/1.1 200 OK\r\n\r\n", "LOCATION: nowhere", "LOCATION: http://[::1", deep.as_str()]
    {
        check_refused(FakeRouter::upnp(Manner::Says(nonsense.into())).await, "").await;
    }
}

#[tokio::test]
async fn only_the_gateway_is_believed() {
    let other = FakeRouter::upnp(Manner::Willing).await;
    let elsewhere = format!("http://{}:1/root.xml", other.ip);
    for location in
        [&*elsewhere, "http://127.0.0.1:1/root.xml", "https://192.0.2.1/", "file:///etc/passwd"]
    {
        check_refused(FakeRouter::upnp(Manner::Names(location.into())).await, "").await;
    }
    // Another device answers the search with its own address.
    let mut way = way_by(address());
    way.way.as_mut().expect("a way").searched = vec![(other.ip, 1900).into()];
    let mut bench = bench(way);
    ask(&mut bench).await;
    assert!(told(&mut bench).await.is_err());
    assert_eq!(other.asked(), []);
}

/// Expects a final refusal at once.
async fn check_denied(mut bench: Bench) {
    ask(&mut bench).await;
    assert_eq!(told(&mut bench).await.unwrap_err().kind, OpErrorKind::Denied);
    bench.maps.settled().await;
}

#[tokio::test]
async fn where_it_is_not_wanted_nothing_is_sent() {
    let router = FakeRouter::pmp(Manner::Willing).await;
    check_denied(bench(MapConfig { enabled: false, ..router.way() })).await;
    // The addresses keep the engine to this machine.
    check_denied(Bench::new()).await;
    assert_eq!(router.asked(), []);
}

#[tokio::test]
async fn only_open_ipv4_sockets_are_let_in() {
    let router = FakeRouter::pmp(Manner::Willing).await;
    let mut bench = bench(router.way());
    bench.tell(IoCommand::PortMap { socket: SocketId(1) });
    assert_eq!(told(&mut bench).await.unwrap_err().kind, OpErrorKind::Denied, "no such socket");
    bench.listen(1, Family::V6, 0).await.expect("a port");
    bench.tell(IoCommand::PortMap { socket: SocketId(1) });
    assert_eq!(told(&mut bench).await.unwrap_err().kind, OpErrorKind::Denied, "IPv6");
    assert_eq!(router.asked(), []);
}
