//! A finished file in the page cache: one big GET from the daemon, beside nginx with the same file.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::nginx::Nginx;

use super::path::Finished;
use super::report::{Report, Unit};
use super::{MIB, Plan};
use crate::ui::Step;

/// Read at once: the client should cost as little as it can.
const CHUNK: usize = 256 << 10;

/// Measures both in turns.
pub(super) async fn measure(finished: &Finished, plan: &Plan, report: &mut Report) -> Result<()> {
    let step = Step::start("serving the finished file, and nginx doing so");
    let folder = finished.file.parent().context("a file lies in a folder")?;
    let name = finished.file.file_name().and_then(|name| name.to_str()).context("a name in UTF-8")?;
    let length = finished.file.metadata()?.len();
    let nginx = Nginx::start(folder).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // The first of each is for the page cache.
    for turn in 0..=plan.serves {
        let other = drain(nginx.url(name), length).await?;
        let own = drain(finished.url.clone(), length).await.with_context(|| finished.warm.browser.report())?;
        if turn > 0 {
            theirs.push(other);
            ours.push(own);
        }
    }
    step.done();
    let other = report.add("nginx: one big GET", Unit::MibPerSecond, &theirs, None);
    report.add("serving: one big GET", Unit::MibPerSecond, &ours, Some(("nginx", other)));
    Ok(())
}

/// Reads a whole resource and forgets it; MiB per second.
async fn drain(url: String, length: u64) -> Result<f64> {
    let seconds = tokio::task::spawn_blocking(move || drain_blocking(&url, length)).await??;
    Ok(length as f64 / MIB as f64 / seconds)
}

fn drain_blocking(url: &str, length: u64) -> Result<f64> {
    let rest = url.strip_prefix("http://").context("an http URL")?;
    let (host, path) = rest.split_once('/').context("a path")?;
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
    let end = head.windows(4).position(|four| four == b"\r\n\r\n").context("a reply with a head")? + 4;
    ensure!(came == length + end as u64, "{came} bytes came for {length} and a head of {end}");
    Ok(seconds)
}
