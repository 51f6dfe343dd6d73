//! Download at full speed from one unlimited seeder, beside libtorrent. Both leechers get the same
//! file from the same seeder.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result};
use jstorrent_tests::process::{Group, log_to, ready_line};
use jstorrent_tests::steps::Step;
use jstorrent_tests::swarm::Seeder;
use jstorrent_tests::torrent::{Recipe, Torrent};
use jstorrent_tests::tracker::Tracker;
use jstorrent_tests::workspace::Scratch;
use jstorrent_tests::{cpu, peers};

use crate::film;
use crate::path::{Finished, Warm};
use crate::plan::{MIB, PIECE_LENGTH, Plan};
use crate::report::{Report, Unit};

#[derive(Default)]
struct Samples {
    rate: Vec<f64>,
    daemon_cpu: Vec<f64>,
    engine_cpu: Vec<f64>,
    browser_cpu: Vec<f64>,
    control: Vec<f64>,
    other_rate: Vec<f64>,
    other_cpu: Vec<f64>,
}

/// Measures both clients in turns; returns the last finished download, still served.
pub(crate) async fn measure(plan: &Plan, report: &mut Report) -> Result<Finished> {
    let step = Step::start(format!("{} MiB and an unlimited seeder", plan.payload_mib));
    let mut recipe = Recipe::of_file(&film::payload(plan.payload_mib).await?, PIECE_LENGTH)?;
    let tracker = Tracker::start().await?;
    recipe.announce = Some(tracker.url());
    let torrent = Torrent::make(&recipe)?;
    let seeder = Seeder::start_wide(&torrent).await?;
    tracker.name([seeder.address()]);
    step.done();
    let mut samples = Samples::default();
    let mut finished = None;
    for round in 0..plan.downloads {
        let step =
            Step::start(format!("download, libtorrent: {} of {}", round + 1, plan.downloads));
        libtorrent(&torrent, &seeder, &mut samples).await?;
        step.done();
        let step =
            Step::start(format!("download, Chrome’s engine: {} of {}", round + 1, plan.downloads));
        // The files of the download before are deleted first.
        drop(finished.take());
        finished = Some(ours(&torrent, &mut samples).await?);
        step.done();
    }
    let rate = report.add("libtorrent: download", Unit::MibPerSecond, &samples.other_rate, None);
    let processor =
        report.add("libtorrent: download, processor", Unit::CpuSeconds, &samples.other_cpu, None);
    let processor = Some(("libtorrent", processor));
    report.add(
        "download: add to complete",
        Unit::MibPerSecond,
        &samples.rate,
        Some(("libtorrent", rate)),
    );
    report.add("download: daemon's processor", Unit::CpuSeconds, &samples.daemon_cpu, processor);
    report.add("download: engine's process", Unit::CpuSeconds, &samples.engine_cpu, processor);
    report.add("download: all of Chrome", Unit::CpuSeconds, &samples.browser_cpu, processor);
    report.add("download: WebSocket bytes per payload byte", Unit::Percent, &samples.control, None);
    finished.context("at least one download")
}

async fn ours(torrent: &Torrent, samples: &mut Samples) -> Result<Finished> {
    let warm = Warm::start().await?;
    let daemon = warm.browser.daemon().await?;
    let crossed_before = control_bytes(&daemon.metrics().await?);
    let (browser_before, daemon_before) = (cpu::of_group(warm.browser.pid()), cpu::of(daemon.pid));
    let start = Instant::now();
    let added = warm.add(torrent).await?;
    // The page itself polls: a poll from outside would cost more than the engine.
    let complete = format!(
        "(async () => {{ for (;;) {{ \
         const torrents = jstorrent.snapshot()?.snapshot?.torrents; \
         const torrent = torrents?.find((t) => t.infoHash === '{}'); \
         if (torrent && torrent.verified === torrent.length) return true; \
         await new Promise((done) => setTimeout(done, 20)); }} }})()",
        torrent.info_hash
    );
    warm.app.session.evaluate(&complete).await.with_context(|| warm.browser.report())?;
    let seconds = start.elapsed().as_secs_f64();
    samples.rate.push(torrent.length as f64 / MIB as f64 / seconds);
    let grown = grown(&browser_before, &cpu::of_group(warm.browser.pid()));
    if let (Some(before), Some(after)) = (daemon_before, cpu::of(daemon.pid)) {
        samples.daemon_cpu.push(after - before);
        samples.browser_cpu.push(grown.iter().sum());
        // The extension's pages and its engine share a process, the busiest of this browser.
        samples.engine_cpu.push(grown.iter().copied().fold(0.0, f64::max));
    }
    let crossed = control_bytes(&daemon.metrics().await?) - crossed_before;
    samples.control.push(100.0 * crossed / torrent.length as f64);
    let file = warm.browser.downloads().join(&torrent.name);
    Ok(Finished { warm, url: added.url, file })
}

fn grown(before: &BTreeMap<u32, f64>, after: &BTreeMap<u32, f64>) -> Vec<f64> {
    after.iter().map(|(pid, seconds)| seconds - before.get(pid).unwrap_or(&0.0)).collect()
}

fn control_bytes(metrics: &BTreeMap<String, f64>) -> f64 {
    metrics.iter().filter(|(name, _)| name.contains("control_bytes")).map(|(_, value)| value).sum()
}

async fn libtorrent(torrent: &Torrent, seeder: &Seeder, samples: &mut Samples) -> Result<()> {
    let scratch = Scratch::new("leecher")?;
    let file = torrent.write_to(scratch.path())?;
    let mut command = peers::script("libtorrent_leech.py");
    command.arg(file).arg(scratch.path());
    command.arg(seeder.address().ip().to_string()).arg(seeder.address().port().to_string());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log_to(&scratch.path().join("log"))?);
    let mut group = Group::spawn(&mut command)?;
    let done = ready_line(group.stdout()?, "done ").await;
    let done = done
        .with_context(|| std::fs::read_to_string(scratch.path().join("log")).unwrap_or_default())?;
    let (seconds, processor) = done.split_once(' ').context("two numbers")?;
    samples.other_rate.push(torrent.length as f64 / MIB as f64 / seconds.parse::<f64>()?);
    samples.other_cpu.push(processor.parse()?);
    Ok(())
}
