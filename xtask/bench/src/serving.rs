//! Serving a finished file from the page cache, compared with nginx: one big GET, then small
//! ranges.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::nginx::Nginx;
use jstorrent_tests::steps::Step;

use crate::path::Finished;
use crate::plan::{MIB, Plan};
use crate::report::{Report, Unit};

/// Bytes that the client reads at once: many, so that the client needs little CPU.
const CHUNK: usize = 256 << 10;
/// Bytes of a small range.
const SMALL: u64 = 64 << 10;

/// Measures both servers in turns.
pub(crate) async fn measure(finished: &Finished, plan: &Plan, report: &mut Report) -> Result<()> {
    let step = Step::start("serving the finished file, and nginx doing so");
    let folder = finished.file.parent().context("a file lies in a folder")?;
    let name =
        finished.file.file_name().and_then(|name| name.to_str()).context("a name in UTF-8")?;
    let length = finished.file.metadata()?.len();
    let nginx = Nginx::start(folder).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // The first turn only fills the page cache.
    for turn in 0..=plan.serves {
        let other = drain(nginx.url(name), length).await?;
        let own = drain(finished.url.clone(), length)
            .await
            .with_context(|| finished.warm.browser.report())?;
        if turn > 0 {
            theirs.push(other);
            ours.push(own);
        }
    }
    step.done();
    let other = report.add("nginx: one big GET", Unit::MibPerSecond, &theirs, None);
    report.add("serving: one big GET", Unit::MibPerSecond, &ours, Some(("nginx", other)));
    small_ranges(&nginx.url(name), finished, length, plan, report).await
}

/// Measures small ranges, one after the other on one connection. A player reads an index like this.
///
/// The first ranges beside the last ones show whether a range costs more after many others.
async fn small_ranges(
    other: &str,
    finished: &Finished,
    length: u64,
    plan: &Plan,
    report: &mut Report,
) -> Result<()> {
    let step = Step::start("small ranges of it, and nginx doing so");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for turn in 0..plan.serves {
        let seed = u64::try_from(turn)?;
        theirs.extend(ask(other.to_owned(), length, plan.small_ranges, seed).await?);
        let own = ask(finished.url.clone(), length, plan.small_ranges, seed).await;
        ours.extend(own.with_context(|| finished.warm.browser.report())?);
    }
    step.done();
    let other = report.add("nginx: a range of 64 KiB", Unit::Milliseconds, &theirs, None);
    report.add("serving: a range of 64 KiB", Unit::Milliseconds, &ours, Some(("nginx", other)));
    let first: Vec<f64> = ours.iter().take(plan.small_ranges / 4).copied().collect();
    let last: Vec<f64> = ours.iter().rev().take(plan.small_ranges / 4).copied().collect();
    let first = report.add("serving: the first of these", Unit::Milliseconds, &first, None);
    report.add("serving: the last of these", Unit::Milliseconds, &last, Some(("first", first)));
    Ok(())
}

/// Requests small ranges; returns for each the milliseconds until its last byte.
async fn ask(url: String, length: u64, count: usize, seed: u64) -> Result<Vec<f64>> {
    tokio::task::spawn_blocking(move || ask_blocking(&url, length, count, seed)).await?
}

fn ask_blocking(url: &str, length: u64, count: usize, seed: u64) -> Result<Vec<f64>> {
    let (host, path) = parts(url)?;
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.set_nodelay(true)?;
    let (mut chunk, mut took) = (vec![0; CHUNK], Vec::with_capacity(count));
    let mut state = seed.wrapping_add(1);
    for _ in 0..count {
        // A linear congruential generator with Knuth's constants (MMIX).
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let from = (state >> 16) % length.saturating_sub(SMALL).max(1);
        let last = from + SMALL.min(length) - 1;
        let start = Instant::now();
        let request =
            format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nRange: bytes={from}-{last}\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let (mut head, mut body) = (Vec::new(), None);
        while body.is_none_or(|came| came < SMALL.min(length)) {
            let read = stream.read(&mut chunk)?;
            ensure!(read > 0, "the connection ended");
            if let Some(came) = &mut body {
                *came += read as u64;
                continue;
            }
            head.extend_from_slice(&chunk[..read]);
            if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                ensure!(
                    head.starts_with(b"HTTP/1.1 206"),
                    "{}",
                    String::from_utf8_lossy(&head[..end])
                );
                body = Some((head.len() - end - 4) as u64);
            }
        }
        took.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(took)
}

/// Splits a URL into host with port, and the path without its slash.
fn parts(url: &str) -> Result<(&str, &str)> {
    let rest = url.strip_prefix("http://").context("an http URL")?;
    rest.split_once('/').context("a path")
}

/// Reads a whole resource and drops it; returns MiB per second.
async fn drain(url: String, length: u64) -> Result<f64> {
    let seconds = tokio::task::spawn_blocking(move || drain_blocking(&url, length)).await??;
    Ok(length as f64 / MIB as f64 / seconds)
}

fn drain_blocking(url: &str, length: u64) -> Result<f64> {
    let (host, path) = parts(url)?;
    let start = Instant::now();
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut chunk = vec![0; CHUNK];
    let mut came = 0;
    let mut head = Vec::new();
    loop {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        if head.len() < 4096 {
            head.extend_from_slice(&chunk[..read.min(4096)]);
        }
        came += read as u64;
    }
    let seconds = start.elapsed().as_secs_f64();
    let end =
        head.windows(4).position(|four| four == b"\r\n\r\n").context("a reply with a head")? + 4;
    ensure!(came == length + end as u64, "{came} bytes came for {length} and a head of {end}");
    Ok(seconds)
}
