//! The data path alone: a plain HTTP client reads places that were not downloaded.
//!
//! These figures compare with the floor: the same bytes from the same swarm, but through engine,
//! daemon, disk and hashing.

use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::{Browser, Options};
use jstorrent_tests::cdp::Session;
use jstorrent_tests::clock::until;
use jstorrent_tests::http;
use jstorrent_tests::pages::{self, AppPage};
use jstorrent_tests::steps::Step;
use jstorrent_tests::swarm::Swarm;
use jstorrent_tests::torrent::Torrent;
use serde::Deserialize;

use crate::film::{Chance, untouched};
use crate::floor::Floor;
use crate::plan::{MIB, Plan};
use crate::report::{Report, Unit};

/// The pause between two seeks. Seeks follow each other as fast when the user drags the seek bar.
pub(crate) const PAUSE: Duration = Duration::from_millis(300);
/// How long a page may take to know the torrents.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);

/// A browser whose extension is linked with its daemon, without a torrent.
pub(crate) struct Warm {
    pub(crate) browser: Browser,
    pub(crate) app: AppPage,
}

/// A torrent that the page shows.
#[derive(Deserialize)]
pub(crate) struct Added {
    /// Seconds from dropping the file on the page until it is in the list.
    pub(crate) seconds: f64,
    /// The URL of its first file at the daemon.
    pub(crate) url: String,
}

impl Warm {
    /// Starts a browser and waits for the link.
    pub(crate) async fn start() -> Result<Self> {
        let browser = Browser::start(Options::default()).await?;
        let app = AppPage::open(&browser).await?;
        app.linked().await.with_context(|| browser.report())?;
        app.download_all().await?;
        Ok(Self { browser, app })
    }

    /// Drops a torrent on the page. Returns as soon as the page has its URL.
    pub(crate) async fn add(&self, torrent: &Torrent) -> Result<Added> {
        let start = Instant::now();
        self.app.drop_file(&format!("{}.torrent", torrent.name), &torrent.metainfo).await?;
        // The page itself polls: a poll from outside would lengthen the figure.
        let script = format!(
            "(async () => {{ for (;;) {{ const state = jstorrent.snapshot(); \
             const torrents = state?.snapshot?.torrents; \
             const url = torrents?.find((t) => t.infoHash === '{}')?.files?.[0]?.url; \
             if (url && state.link.baseUrl) return state.link.baseUrl + url; \
             await new Promise((done) => setTimeout(done, 4)); }} }})()",
            torrent.info_hash
        );
        let url =
            self.app.session.evaluate(&script).await.with_context(|| self.browser.report())?;
        Ok(Added {
            seconds: start.elapsed().as_secs_f64(),
            url: url.as_str().context("a URL")?.to_owned(),
        })
    }

    /// Returns wasted bytes in percent of downloaded ones. Fails if the torrent is almost complete,
    /// since the figures would then mean nothing.
    pub(crate) async fn wasted_while_incomplete(
        &self,
        page: &Session,
        torrent: &Torrent,
    ) -> Result<f64> {
        // A page follows the engine's view of torrents from the first question on.
        let known = || pages::torrent(page, &torrent.info_hash);
        let state = until("the page to know the torrent", KNOWN_WITHIN, known).await?;
        ensure!(
            state.verified < state.length * 9 / 10,
            "the film is complete: {} bytes",
            state.verified
        );
        Ok(100.0 * state.wasted as f64 / state.downloaded.max(1) as f64)
    }
}

#[derive(Default)]
struct Samples {
    added: Vec<f64>,
    cold_first: Vec<f64>,
    cold_all: Vec<f64>,
    aligned_first: Vec<f64>,
    aligned_all: Vec<f64>,
    anywhere_first: Vec<f64>,
    anywhere_all: Vec<f64>,
    wasted: Vec<f64>,
}

/// Measures the data path, with a new browser in each round.
pub(crate) async fn measure(
    swarm: &Swarm,
    plan: &Plan,
    floor: &Floor,
    report: &mut Report,
) -> Result<()> {
    let mut samples = Samples::default();
    for round in 0..plan.rounds {
        let step = Step::start(format!("data path: round {} of {}", round + 1, plan.rounds));
        let warm = Warm::start().await?;
        measure_round(&warm, swarm, plan, round, &mut samples)
            .await
            .with_context(|| warm.browser.report())?;
        step.done();
    }
    let cold = Some(("floor", floor.cold_s));
    report.add("add to URL in the page", Unit::Seconds, &samples.added, None);
    report.add("GET cold: add to first byte", Unit::Seconds, &samples.cold_first, cold);
    report.add("GET cold: add to 1 MiB", Unit::Seconds, &samples.cold_all, cold);
    let one = Some(("floor", floor.piece_s));
    report.add(
        "GET seek to a piece's start: first byte",
        Unit::Seconds,
        &samples.aligned_first,
        one,
    );
    report.add("GET seek to a piece's start: 1 MiB", Unit::Seconds, &samples.aligned_all, one);
    report.add(
        "GET seek anywhere: first byte",
        Unit::Seconds,
        &samples.anywhere_first,
        Some(("floor", floor.first_of_two_s)),
    );
    report.add(
        "GET seek anywhere: 1 MiB",
        Unit::Seconds,
        &samples.anywhere_all,
        Some(("floor", floor.two_s)),
    );
    report.add("GET: bytes of no use", Unit::Percent, &samples.wasted, None);
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
    let start = Instant::now();
    let added = warm.add(torrent).await?;
    samples.added.push(added.seconds);
    let truth = std::fs::File::open(&torrent.paths[0])?;
    let until_asked = start.elapsed();
    let (first, all) = fetch(&added.url, &truth, 0).await?;
    samples.cold_first.push((until_asked + first).as_secs_f64());
    samples.cold_all.push((until_asked + all).as_secs_f64());
    let mut chance = Chance::of(round);
    for seek in 0..2 * plan.seeks {
        tokio::time::sleep(PAUSE).await;
        let aligned = seek % 2 == 0;
        let offset = untouched(warm.browser.downloads(), &torrent.name, &mut chance, aligned)?;
        let (first, all) = fetch(&added.url, &truth, offset).await?;
        let (firsts, alls) = if aligned {
            (&mut samples.aligned_first, &mut samples.aligned_all)
        } else {
            (&mut samples.anywhere_first, &mut samples.anywhere_all)
        };
        firsts.push(first.as_secs_f64());
        alls.push(all.as_secs_f64());
    }
    samples.wasted.push(warm.wasted_while_incomplete(&warm.app.session, torrent).await?);
    Ok(())
}

/// Gets the first MiB from an offset on and hangs up. Returns the times to its first and last byte.
async fn fetch(url: &str, truth: &std::fs::File, offset: u64) -> Result<(Duration, Duration)> {
    let start = Instant::now();
    let mut reply = http::open(url, &[("Range", &format!("bytes={offset}-"))]).await?;
    ensure!(reply.status == 206, "status {} at {offset}", reply.status);
    let wanted = usize::try_from(MIB)?;
    let mut body = Vec::with_capacity(wanted + (1 << 20));
    let mut first = None;
    while body.len() < wanted {
        ensure!(reply.read_some(&mut body).await? > 0, "the body ended after {} bytes", body.len());
        first.get_or_insert_with(|| start.elapsed());
    }
    let all = start.elapsed();
    let mut expected = vec![0; wanted];
    truth.read_exact_at(&mut expected, offset)?;
    ensure!(body[..wanted] == expected, "wrong bytes at {offset}");
    Ok((first.unwrap_or(all), all))
}

/// A finished file: the browser that serves it, its URL, and its path on disk.
pub(crate) struct Finished {
    pub(crate) warm: Warm,
    pub(crate) url: String,
    pub(crate) file: PathBuf,
}
