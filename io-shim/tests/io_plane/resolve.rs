//! Name lookups under the policy.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use io_shim::policy::dial::DialPolicy;
use io_shim::policy::io_config::IoConfig;
use io_shim::policy::limits::{MAX_LOOKUPS, MAX_SLOW_LOOKUPS};
use shared_proto::{
    IoCommand, OpId,
    io::{OpErrorKind, OpOutput},
};

use crate::{
    bench::{Bench, config},
    testing::TempDir,
};

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
    assert!(
        !found.is_empty() && found.iter().all(|addr| addr.ip().is_loopback() && addr.port() == 80)
    );
    assert_eq!(resolve(&mut bench, "127.0.0.1").await, Ok(vec!["127.0.0.1:80".parse().unwrap()]));
    for spelling in ["::1", "[::1]"] {
        assert_eq!(
            resolve(&mut bench, spelling).await,
            Ok(vec!["[::1]:80".parse().unwrap()]),
            "{spelling}"
        );
    }
}

#[tokio::test]
async fn what_the_policy_refuses_is_left_out() {
    let mut bench = Bench::with(IoConfig { policy: DialPolicy::default(), ..config() }, 1 << 20);
    for host in [
        "localhost",
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "::1",
        "10.0.0.1",
        "169.254.169.254",
        "::ffff:10.0.0.1",
    ] {
        assert_eq!(resolve(&mut bench, host).await, Err(OpErrorKind::Denied), "{host}");
    }
    let (host, port) = ("1.1.1.1".to_owned(), 0);
    let refused = bench.ask(|op| IoCommand::Resolve { op, host, port }).await.unwrap_err();
    assert_eq!(refused.kind, OpErrorKind::Denied, "port zero");
}

#[tokio::test]
async fn an_engine_that_only_this_machine_reaches_asks_no_name_server() {
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
    let lookups: Vec<OpId> = (0..40)
        .map(|_| bench.start(|op| IoCommand::Resolve { op, host: "localhost".to_owned(), port: 1 }))
        .collect();
    for op in &lookups {
        bench.tell(IoCommand::Cancel { op: *op });
    }
    bench.tell(IoCommand::Cancel { op: OpId(999) });
    for op in lookups {
        assert_eq!(bench.finish(op).await.unwrap_err().kind, OpErrorKind::Timeout);
    }
    assert!(resolve(&mut bench, "localhost").await.is_ok());
}

/// A program in place of the daemon's own. It answers for one name only, and records its process
/// id for all others.
#[cfg(unix)]
fn silent_program(dir: &TempDir) -> (PathBuf, impl Fn() -> Vec<u32>) {
    use std::os::unix::fs::PermissionsExt;
    let (program, log) = (dir.path().join("silent"), dir.path().join("log"));
    let script = format!(
        "#!/bin/sh\n[ $3 = quick.invalid ] && echo 127.0.0.1 && exit\necho $$ >> {}\n\
         exec sleep 600\n",
        log.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let pids = move || {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        log.lines().filter_map(|line| line.parse().ok()).collect()
    };
    (program, pids)
}

#[cfg(unix)]
fn is_alive(pid: &u32) -> bool {
    let pid = i32::try_from(*pid).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::test_kill_process(pid).is_ok()
}

#[cfg(unix)]
async fn all_end(pids: &[u32]) {
    let ended = async {
        while pids.iter().any(is_alive) {
            tokio::time::sleep(Duration::from_millis(10)).await
        }
    };
    tokio::time::timeout(Duration::from_secs(10), ended)
        .await
        .expect("a lookup outlives its request");
}

#[cfg(unix)]
#[tokio::test]
async fn a_lookup_ends_with_its_request_and_only_so_many_run() {
    let dir = TempDir::new();
    let (program, pids) = silent_program(&dir);
    let config = IoConfig { addresses: Vec::new(), lookup_program: Some(program), ..config() };
    let mut bench = Bench::with(config, 1 << 20);
    let url = "http://name.invalid/".to_owned();
    let fetch = bench.start(|op| IoCommand::HttpGet { op, url, max_bytes: 99, timeout_ms: 60_000 });
    while pids().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bench.plane.handle(IoCommand::Cancel { op: fetch });
    all_end(&pids()).await;
    // Lookups and fetches share the permits.
    for number in 0..100 {
        let (host, url) =
            (format!("name-{number}.invalid"), format!("http://name-{number}.invalid/"));
        if number % 2 == 0 {
            bench.start(|op| IoCommand::Resolve { op, host, port: 80 });
        } else {
            bench.start(|op| IoCommand::HttpGet { op, url, max_bytes: 99, timeout_ms: 60_000 });
        }
    }
    let before = 1;
    while pids().len() < before + MAX_LOOKUPS + MAX_SLOW_LOOKUPS {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let running = pids().iter().filter(|pid| is_alive(pid)).count();
    assert!(running <= MAX_LOOKUPS + MAX_SLOW_LOOKUPS, "{running} run at once");
    drop(bench);
    all_end(&pids()).await;
}

#[cfg(unix)]
#[tokio::test]
async fn names_that_nobody_answers_do_not_delay_the_next_one() {
    let dir = TempDir::new();
    let (program, pids) = silent_program(&dir);
    let config = IoConfig { addresses: Vec::new(), lookup_program: Some(program), ..config() };
    let mut bench = Bench::with(config, 1 << 20);
    let silent: Vec<OpId> = (0..40)
        .map(|number| {
            let host = format!("name-{number}.invalid");
            bench.start(|op| IoCommand::Resolve { op, host, port: 80 })
        })
        .collect();
    let began = tokio::time::Instant::now();
    assert!(resolve(&mut bench, "quick.invalid").await.is_ok());
    assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
    assert_eq!(pids().iter().filter(|pid| is_alive(pid)).count(), silent.len());
    drop(bench);
    all_end(&pids()).await;
}
