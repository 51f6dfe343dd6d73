//! Looking names up, under the policy.

use std::net::SocketAddr;

use io_shim::{io_plane::IoConfig, sockets::DialPolicy};
use shared_proto::{
    IoCommand, OpId,
    io::{OpErrorKind, OpOutput},
};

use crate::bench::{Bench, config};

async fn resolve(bench: &mut Bench, host: &str) -> Result<Vec<SocketAddr>, OpErrorKind> {
    let host = host.to_owned();
    match bench.ask(|op| IoCommand::Resolve { op, host, port: 80 }).await {
        Ok(OpOutput::Addresses(found)) => Ok(found),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.kind),
    }
}

#[tokio::test]
async fn names_and_addresses_are_found() {
    let mut bench = Bench::new();
    let found = resolve(&mut bench, "localhost").await.unwrap();
    assert!(!found.is_empty() && found.iter().all(|addr| addr.ip().is_loopback() && addr.port() == 80));
    assert_eq!(resolve(&mut bench, "127.0.0.1").await, Ok(vec!["127.0.0.1:80".parse().unwrap()]));
    for spelling in ["::1", "[::1]"] {
        assert_eq!(resolve(&mut bench, spelling).await, Ok(vec!["[::1]:80".parse().unwrap()]), "{spelling}");
    }
}

#[tokio::test]
async fn what_the_policy_refuses_is_left_out() {
    let mut bench = Bench::with(IoConfig { policy: DialPolicy::default(), ..config() }, 1 << 20);
    for host in
        ["localhost", "127.0.0.1", "127.1", "0x7f000001", "::1", "10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1"]
    {
        assert_eq!(resolve(&mut bench, host).await, Err(OpErrorKind::Denied), "{host}");
    }
    let (host, port) = ("1.1.1.1".to_owned(), 0);
    let refused = bench.ask(|op| IoCommand::Resolve { op, host, port }).await.unwrap_err();
    assert_eq!(refused.kind, OpErrorKind::Denied, "port zero");
}

#[tokio::test]
async fn who_takes_connections_at_this_machine_alone_asks_no_name_server() {
    let mut bench = Bench::new();
    for host in ["name.invalid", "example.org", "localhost.example.org"] {
        assert_eq!(resolve(&mut bench, host).await, Err(OpErrorKind::Denied), "{host}");
    }
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        assert!(resolve(&mut bench, host).await.is_ok(), "{host}");
    }
}

#[tokio::test]
async fn what_is_no_name_has_no_address() {
    let mut bench = Bench::with(IoConfig { addresses: Vec::new(), ..config() }, 1 << 20);
    for host in ["", "..", "a\0b"] {
        assert_eq!(resolve(&mut bench, host).await, Err(OpErrorKind::Network), "{host:?}");
    }
    assert_eq!(resolve(&mut bench, &"n".repeat(256)).await, Err(OpErrorKind::Limit));
}

#[tokio::test]
async fn a_lookup_that_is_cancelled_ends_at_once() {
    let mut bench = Bench::new();
    let lookups: Vec<OpId> =
        (0..40).map(|_| bench.start(|op| IoCommand::Resolve { op, host: "localhost".to_owned(), port: 1 })).collect();
    for op in &lookups {
        bench.tell(IoCommand::Cancel { op: *op });
    }
    bench.tell(IoCommand::Cancel { op: OpId(999) });
    for op in lookups {
        assert_eq!(bench.finish(op).await.unwrap_err().kind, OpErrorKind::Timeout);
    }
    assert!(resolve(&mut bench, "localhost").await.is_ok());
}
