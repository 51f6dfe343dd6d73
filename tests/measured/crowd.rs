//! Two hundred viewers at once get correct bytes and leave no resources behind.
//!
//! `LOAD_SECONDS` is the duration, `LOAD_SEED` repeats a run.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use jstorrent_tests::clock::until;
use jstorrent_tests::daemon::Endpoint;
use jstorrent_tests::dice::Dice;
use jstorrent_tests::http;
use jstorrent_tests::plain::{Server, url_of};
use jstorrent_tests::proxy::{Line, Proxy};
use jstorrent_tests::swarm::Seeder;
use jstorrent_tests::torrent::{Recipe, Torrent};
use jstorrent_tests::workspace::Scratch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

const TORRENTS: usize = 20;
const VIEWERS: usize = 200;
const LENGTH: usize = 6 << 20;
const PIECE_LENGTH: usize = 64 << 10;
const SECONDS: u64 = 15;
/// Longest wait for the release of resources: the runtime keeps an idle thread for 10 s.
const SETTLE: Duration = Duration::from_secs(25);
/// How many descriptors, threads and tasks a process may have gained. Periodic work needs some.
const SPARE: usize = 4;

/// A file's content and URL.
struct Film {
    truth: Vec<u8>,
    url: String,
    info_hash: String,
}

/// The resources of a process.
#[derive(Clone, Copy, Debug)]
struct Held {
    descriptors: usize,
    memory: u64,
    threads: usize,
}

impl Held {
    fn by(pid: u32) -> Result<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let value = |name: &str| {
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .context("a line of the status")?;
            Ok::<u64, anyhow::Error>(line.trim().trim_end_matches(" kB").parse()?)
        };
        Ok(Self {
            descriptors: std::fs::read_dir(format!("/proc/{pid}/fd"))?.count(),
            memory: value("VmRSS:")? << 10,
            threads: usize::try_from(value("Threads:")?)?,
        })
    }

    fn is_back_at(self, before: Self) -> bool {
        self.descriptors <= before.descriptors + SPARE
            && self.threads <= before.threads + SPARE
            && self.memory <= before.memory + before.memory / 2 + (64 << 20)
    }

    fn or_more(self, other: Self) -> Self {
        Self {
            descriptors: self.descriptors.max(other.descriptors),
            memory: self.memory.max(other.memory),
            threads: self.threads.max(other.threads),
        }
    }
}

/// The server's two processes: engine and daemon.
struct Processes {
    engine: u32,
    daemon: Endpoint,
}

/// The resources of both processes, and the number of the daemon's tasks.
#[derive(Clone, Copy, Debug)]
struct Both {
    engine: Held,
    daemon: Held,
    tasks: f64,
}

impl Processes {
    async fn hold(&self) -> Result<Both> {
        let tasks = self.gauge("jstorrent_tasks").await?;
        Ok(Both { engine: Held::by(self.engine)?, daemon: Held::by(self.daemon.pid)?, tasks })
    }

    async fn gauge(&self, name: &str) -> Result<f64> {
        self.daemon.metrics().await?.get(name).copied().with_context(|| format!("no {name}"))
    }

    /// The resources, once they have not changed for a second: a new server still opens sockets.
    async fn at_rest(&self) -> Result<Both> {
        let end = Instant::now() + SETTLE;
        let mut last = self.hold().await?;
        let mut since = Instant::now();
        while since.elapsed() < Duration::from_secs(1) && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = self.hold().await?;
            if (now.daemon.descriptors, now.tasks) != (last.daemon.descriptors, last.tasks) {
                (last, since) = (now, Instant::now());
            }
        }
        Ok(last)
    }

    /// The resources, once they are no more than before and no viewer is served.
    async fn settle(&self, what: &str, before: Both) -> Result<Both> {
        let end = Instant::now() + SETTLE;
        loop {
            let now = self.hold().await?;
            let mut served = 0.0;
            for name in ["jstorrent_viewers", "jstorrent_viewers_waiting", "jstorrent_calls"] {
                served += self.gauge(name).await?;
            }
            let is_back =
                now.engine.is_back_at(before.engine) && now.daemon.is_back_at(before.daemon);
            if served == 0.0 && is_back && now.tasks <= before.tasks + SPARE as f64 {
                return Ok(now);
            }
            if Instant::now() > end {
                bail!("{what}: {served} are served, {now:?} is held, and it was {before:?}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The results of a viewer.
#[derive(Default)]
struct View {
    bytes: u64,
    seeks: u64,
}

/// Reads, seeks and leaves until the time is over.
async fn view(film: Arc<Film>, mut dice: Dice, end: Instant) -> Result<View> {
    let mut view = View::default();
    while Instant::now() < end {
        let length = film.truth.len();
        let start = usize::try_from(dice.below(length as u64))?;
        let enough = start + 1 + usize::try_from(dice.below(1 << 20))?;
        let range = match dice.below(2) {
            0 => format!("bytes={start}-"),
            _ => format!("bytes={start}-{}", enough - 1),
        };
        view.seeks += 1;
        let watch = watch(&film, &range, start, enough, &mut view.bytes);
        // A viewer that waits when the time is over leaves.
        timeout_at(end, watch).await.unwrap_or(Ok(()))?;
    }
    Ok(view)
}

async fn watch(
    film: &Film,
    range: &str,
    start: usize,
    enough: usize,
    came: &mut u64,
) -> Result<()> {
    let mut reply = http::open(&film.url, &[("Range", range)]).await?;
    ensure!(reply.status == 206, "{range}: status {}", reply.status);
    let (mut at, mut bytes) = (start, Vec::new());
    while at < enough.min(film.truth.len()) {
        bytes.clear();
        let read = reply.read_some(&mut bytes).await?;
        ensure!(read > 0, "{range} ended at {at}");
        ensure!(film.truth.get(at..at + read) == Some(&bytes[..]), "{range}: other bytes at {at}");
        (at, *came) = (at + read, *came + read as u64);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_viewers_get_the_right_bytes_and_leave_nothing_behind() -> Result<()> {
    let _turn = crate::turn().await;
    let seconds = std::env::var("LOAD_SECONDS").map_or(Ok(SECONDS), |seconds| seconds.parse())?;
    let mut dice = Dice::from_env("LOAD_SEED");
    let scratch = Scratch::new("load")?;
    let (content, state, dir) =
        (scratch.dir("content")?, scratch.dir("state")?, scratch.dir("downloads")?);
    let mut torrents = Vec::new();
    for number in 0..TORRENTS {
        let path = content.join(format!("film {number}.mp4"));
        std::fs::write(&path, dice.bytes(LENGTH))?;
        torrents.push(Torrent::make(&Recipe::of_file(&path, PIECE_LENGTH)?)?.public());
    }
    let seeder = Seeder::start_several(&torrents).await?;
    // The download takes about as long as the viewers watch.
    let line = Proxy::start(seeder.address(), Line::of_rate((TORRENTS * LENGTH) as u64 / seconds))?;
    let server = Server::start(&state, &dir, &[]).await?;
    let processes = Processes { engine: server.terminal.pid(), daemon: server.terminal.daemon()? };
    let empty = processes.at_rest().await?;
    let mut films = Vec::new();
    for torrent in &torrents {
        let magnet = format!("magnet:?xt=urn:btih:{}&x.pe={}", torrent.info_hash, line.address());
        let url = url_of(&server.add(&magnet).await?)?.to_owned();
        let (truth, info_hash) = (std::fs::read(&torrent.paths[0])?, torrent.info_hash.clone());
        films.push(Arc::new(Film { truth, url, info_hash }));
    }
    let before = processes.hold().await?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut viewers = JoinSet::new();
    for viewer in 0..VIEWERS {
        viewers.spawn(view(Arc::clone(&films[viewer % TORRENTS]), dice.fork(viewer as u64), end));
    }
    let mut most = 0.0_f64;
    let mut peak = before;
    while Instant::now() + Duration::from_millis(500) < end {
        tokio::time::sleep(Duration::from_millis(500)).await;
        most = most.max(processes.gauge("jstorrent_viewers").await?);
        let now = processes.hold().await?;
        peak.engine = peak.engine.or_more(now.engine);
        peak.daemon = peak.daemon.or_more(now.daemon);
        peak.tasks = peak.tasks.max(now.tasks);
    }
    let mut views = Vec::new();
    while let Some(viewer) = viewers.join_next().await {
        views.push(viewer??);
    }
    let bytes: u64 = views.iter().map(|view| view.bytes).sum();
    let seeks: u64 = views.iter().map(|view| view.seeks).sum();
    let without = views.iter().filter(|view| view.bytes == 0).count();
    let least = views.iter().map(|view| view.bytes).min().unwrap_or(0);
    println!(
        "{seconds} s: {bytes} bytes, {least} to the slowest viewer, {seeks} seeks, \
         at most {most} viewers"
    );
    println!("with torrents   {before:?}\nat most         {peak:?}");
    println!("after viewers   {:?}", processes.settle("after the viewers", before).await?);
    ensure!(most >= VIEWERS as f64 * 0.75, "only {most} viewers at once");
    ensure!(without == 0, "{without} viewers got nothing");
    for film in &films {
        server.remove(&film.info_hash).await?;
    }
    let files =
        || async { Ok((processes.gauge("jstorrent_files_open").await? == 0.0).then_some(())) };
    until("every file to be closed", SETTLE, files).await?;
    println!(
        "without anything {:?}\nas at first      {empty:?}",
        processes.settle("after the torrents", empty).await?
    );
    ensure!(std::fs::read_dir(&dir)?.count() == 0, "what was removed still lies there");
    Ok(())
}
