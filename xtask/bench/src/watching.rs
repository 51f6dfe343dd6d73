//! What the user waits for: from dropping a torrent to the first picture, and from a seek to its
//! picture.
//!
//! The pages themselves take the times, from the events of the `<video>` and the frames that
//! Chrome presents.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::extension_url;
use jstorrent_tests::cdp::Session;
use jstorrent_tests::daemon::Endpoint;
use jstorrent_tests::steps::Step;
use jstorrent_tests::swarm::Swarm;
use serde::Deserialize;
use serde_json::json;

use crate::film::{Chance, untouched};
use crate::floor::Floor;
use crate::path::{PAUSE, Warm};
use crate::plan::Plan;
use crate::report::{Report, Unit};

const LIMIT: Duration = Duration::from_secs(60);
/// How near a frame must be to the place sought, seconds. Such a frame shows that the seek has
/// arrived.
const NEAR_S: f64 = 3.0;

/// A script that notes the events of the first `<video>` with their times. The script runs before
/// the page's own, and captures the events, since media events don't bubble.
const WATCH: &str = r#"(() => {
  const seen = (globalThis.bench = {});
  const now = () => performance.timeOrigin + performance.now();
  const watch = (video) => {
    video.muted = true;
    video.requestVideoFrameCallback(() => (seen.frame ??= now()));
  };
  for (const type of ["loadstart", "loadedmetadata", "loadeddata", "playing"])
    document.addEventListener(type, (event) => {
      if (type === "loadstart" && !seen.loadstart) watch(event.target);
      seen[type] ??= now();
    }, true);
})()"#;

/// The times of events of the `<video>`, in milliseconds since 1970.
#[derive(Deserialize)]
struct Seen {
    loadstart: f64,
    loadedmetadata: f64,
    frame: f64,
}

/// When a seek arrived, in seconds since the page set the time.
#[derive(Deserialize)]
struct Sought {
    seeked: f64,
    frame: f64,
}

#[derive(Default)]
struct Samples {
    page: Vec<f64>,
    byte: Vec<f64>,
    index: Vec<f64>,
    frame: Vec<f64>,
    seeked: Vec<f64>,
    shown: Vec<f64>,
    wasted: Vec<f64>,
}

/// Measures watching, with a new browser in each round.
pub(crate) async fn measure(
    swarm: &Swarm,
    plan: &Plan,
    floor: &Floor,
    report: &mut Report,
) -> Result<()> {
    let mut samples = Samples::default();
    for round in 0..plan.rounds {
        let step =
            Step::start(format!("watching in Chrome: round {} of {}", round + 1, plan.rounds));
        let warm = Warm::start().await?;
        measure_round(&warm, swarm, plan, round, &mut samples)
            .await
            .with_context(|| warm.browser.report())?;
        step.done();
    }
    let cold = Some(("floor", floor.cold_s));
    report.add(
        "Chrome cold: add to the player's first request",
        Unit::Seconds,
        &samples.page,
        None,
    );
    report.add("Chrome cold: add to first byte served", Unit::Seconds, &samples.byte, cold);
    report.add("Chrome cold: add to the film's index read", Unit::Seconds, &samples.index, cold);
    report.add("Chrome cold: add to first frame", Unit::Seconds, &samples.frame, cold);
    let seek = Some(("floor", floor.piece_s));
    report.add("Chrome seek: to `seeked`", Unit::Seconds, &samples.seeked, seek);
    report.add("Chrome seek: to the frame presented", Unit::Seconds, &samples.shown, seek);
    report.add("Chrome: bytes of no use", Unit::Percent, &samples.wasted, None);
    Ok(())
}

async fn measure_round(
    warm: &Warm,
    swarm: &Swarm,
    plan: &Plan,
    round: usize,
    samples: &mut Samples,
) -> Result<()> {
    let torrent = &swarm.torrent;
    let page = &warm.app.session;
    page.call("Page.enable", json!({})).await?;
    page.call("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH })).await?;
    let daemon = warm.browser.daemon().await?;
    let start_ms = epoch_ms();
    warm.add(torrent).await?;
    // The player's link in the list leads there, in the same tab.
    let player = extension_url(&format!("player.html?torrent={}&file=0", torrent.info_hash));
    let byte = tokio::spawn(first_byte_ms(daemon));
    page.call("Page.navigate", json!({ "url": player })).await?;
    page.wait_for("globalThis.bench?.frame && bench.loadedmetadata", LIMIT).await?;
    let seen: Seen = serde_json::from_value(page.evaluate("bench").await?)?;
    let since = |at_ms: f64| (at_ms - start_ms) / 1000.0;
    samples.page.push(since(seen.loadstart));
    samples.byte.push(since(byte.await??));
    samples.index.push(since(seen.loadedmetadata));
    samples.frame.push(since(seen.frame));
    let duration_s = page.evaluate("document.querySelector('video').duration").await?;
    let duration_s = duration_s.as_f64().context("the film has a length")?;
    let mut chance = Chance::of(round + 100);
    for _ in 0..plan.seeks {
        tokio::time::sleep(PAUSE).await;
        let offset = untouched(warm.browser.downloads(), &torrent.name, &mut chance, false)?;
        // The film has a constant rate, so an offset is a time.
        let to_s = duration_s * offset as f64 / torrent.length as f64;
        let sought = seek(page, to_s).await?;
        samples.seeked.push(sought.seeked);
        samples.shown.push(sought.frame);
    }
    samples.wasted.push(warm.wasted_while_incomplete(page, torrent).await?);
    Ok(())
}

async fn seek(page: &Session, to_s: f64) -> Result<Sought> {
    let script = format!(
        r#"(async () => {{
          const video = document.querySelector("video");
          const start = performance.now();
          const since = () => (performance.now() - start) / 1000;
          const seeked = new Promise((done) =>
            video.addEventListener("seeked", () => done(since()), {{ once: true }}));
          const frame = new Promise((done) => {{
            const look = (_, shown) => {{
              if (Math.abs(shown.mediaTime - {to_s}) < {NEAR_S}) done(since());
              else video.requestVideoFrameCallback(look);
            }};
            video.requestVideoFrameCallback(look);
          }});
          video.currentTime = {to_s};
          void video.play().catch(() => {{}});
          const limit = new Promise((_, fail) =>
            setTimeout(() => fail(new Error("no picture in 50 s")), 50_000));
          const both = async () => ({{ seeked: await seeked, frame: await frame }});
          return Promise.race([limit, both()]);
        }})()"#
    );
    let sought: Sought = serde_json::from_value(page.evaluate(&script).await?)?;
    ensure!(sought.frame > 0.0, "a picture before the seek");
    Ok(sought)
}

/// Waits until the daemon has served the first byte. Returns the time, milliseconds since 1970.
async fn first_byte_ms(daemon: Endpoint) -> Result<f64> {
    let end = tokio::time::Instant::now() + LIMIT;
    while tokio::time::Instant::now() < end {
        if daemon
            .metrics()
            .await?
            .get("jstorrent_served_bytes_total")
            .is_some_and(|bytes| *bytes > 0.0)
        {
            return Ok(epoch_ms());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    anyhow::bail!("no byte was served")
}

fn epoch_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() * 1000.0
}
