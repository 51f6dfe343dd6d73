//! `cargo xtask run`: the product in a real browser, with the user's torrent or the demo's.
//!
//! With a display a window opens and stays until the user closes it or presses Ctrl+C. Without a
//! display the command prints a timeline and takes pictures of the pages.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use jstorrent_tests::browser::{Browser, Options as BrowserOptions};
use jstorrent_tests::cdp::Session;
use jstorrent_tests::clock::until;
use jstorrent_tests::pages::{AppPage, PlayerPage, TorrentSnapshot};
use jstorrent_tests::steps::{Step, heading};
use jstorrent_tests::swarm::Swarm;

use crate::consent::Consent;
use crate::install::{For, ensure};
use crate::{build, demo};

/// Longest wait for each event of the story.
const LIMIT: Duration = Duration::from_secs(60);

/// What the user asked for.
pub(crate) struct Options {
    /// The torrent to play; without one, the demo's.
    pub(crate) torrent: Option<PathBuf>,
    /// Install nothing.
    pub(crate) no_install: bool,
    /// Open no window.
    pub(crate) headless: bool,
    /// Install without asking.
    pub(crate) yes: bool,
}

/// Installs, builds, and plays.
///
/// # Errors
/// Something is missing, does not build, or does not play.
pub(crate) async fn run(options: Options) -> Result<()> {
    let consent = match (options.no_install, options.yes) {
        (true, _) => Consent::Never,
        (false, true) => Consent::Given,
        (false, false) => Consent::Ask,
    };
    let torrent = options
        .torrent
        .map(|path| path.canonicalize().with_context(|| path.display().to_string()))
        .transpose()?;
    ensure(if torrent.is_some() { For::Playing } else { For::Demo }, consent).await?;
    heading("build");
    build::all(consent).await?;
    heading("play");
    let swarm = if torrent.is_some() { None } else { Some(demo::swarm().await?) };
    let file = match (&torrent, &swarm) {
        (Some(file), _) => file.clone(),
        (None, Some(swarm)) => swarm.torrent.write_to(&demo::folder())?,
        (None, None) => unreachable!("without a torrent there is the demo's"),
    };
    let headless = options.headless || !has_display();
    let step = Step::start("Chrome");
    let mut browser = Browser::start(BrowserOptions {
        headless,
        loopback_peers: swarm.is_some(),
        ..BrowserOptions::default()
    })
    .await?;
    step.done();
    if headless {
        tell(&browser, &file, swarm.as_ref()).await
    } else {
        show(&mut browser, &file).await
    }
}

fn has_display() -> bool {
    cfg!(target_os = "macos")
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|v| !v.is_empty()))
}

async fn open_app(browser: &Browser) -> Result<AppPage> {
    let app = AppPage::open(browser).await?;
    app.linked().await.with_context(|| browser.report())?;
    app.download_all().await?;
    Ok(app)
}

async fn add(browser: &Browser, app: &AppPage, file: &Path) -> Result<TorrentSnapshot> {
    app.choose(file).await?;
    let torrent = until("the torrent to be in the list", LIMIT, || async {
        Ok(app.torrents().await?.into_iter().next())
    });
    torrent.await.with_context(|| browser.report())
}

fn film_of(torrent: &TorrentSnapshot) -> Result<u32> {
    let film = torrent.files.iter().filter(|file| file.playable).max_by_key(|file| file.length);
    Ok(film.context("the torrent has no file that a browser plays")?.index)
}

async fn show(browser: &mut Browser, file: &Path) -> Result<()> {
    let app = open_app(browser).await?;
    let torrent = add(browser, &app, file).await?;
    PlayerPage::open(browser, &torrent.info_hash, film_of(&torrent)?).await?;
    println!(
        "\n“{}” plays. Close the window or press Ctrl+C to end; then all downloads are deleted.",
        torrent.name
    );
    browser.closed().await
}

async fn tell(browser: &Browser, file: &Path, swarm: Option<&Swarm>) -> Result<()> {
    println!("\n{:>8}  {:<24} {:>14} {:>12}", "time", "event", "verified", "rate");
    let app = open_app(browser).await?;
    let start = Instant::now();
    let torrent = add(browser, &app, file).await?;
    let story = Story { start, app, info_hash: torrent.info_hash.clone() };
    story.line("added").await?;
    story
        .app
        .torrent_when(&torrent.info_hash, "the first byte", LIMIT, |t| t.downloaded > 0)
        .await?;
    story.line("first byte").await?;
    let player = PlayerPage::open(browser, &torrent.info_hash, film_of(&torrent)?).await?;
    player.first_frame(LIMIT).await.with_context(|| browser.report())?;
    story.line("first frame").await?;
    player.plays_on(5.0, LIMIT).await?;
    story.line("5 s of film").await?;
    picture(&player.session, "player.png").await?;
    let length = player.playback().await?.duration.unwrap_or(60.0);
    let far = (length * 0.8).floor();
    let took = player.seek(far, LIMIT).await.with_context(|| browser.report())?;
    story.line(&format!("seek to {far} s ({:.2} s)", took.as_secs_f64())).await?;
    player.seek(length * 0.1, LIMIT).await.with_context(|| browser.report())?;
    story.line("seek back").await?;
    picture(&player.session, "player-after-seek.png").await?;
    story.app.session.bring_to_front().await?;
    picture(&story.app.session, "app.png").await?;
    if let Some(swarm) = swarm {
        println!(
            "\nthe seeder's line carried {:.1} MB of {:.1} MB",
            mega(swarm.passed()),
            mega(swarm.torrent.length)
        );
    }
    println!("pictures: {}", demo::folder().display());
    Ok(())
}

struct Story {
    start: Instant,
    app: AppPage,
    info_hash: String,
}

impl Story {
    async fn line(&self, event: &str) -> Result<()> {
        let time = self.start.elapsed().as_secs_f64();
        let torrent = self.app.torrent(&self.info_hash).await?.context("the torrent went away")?;
        let share = 100.0 * torrent.verified as f64 / torrent.length.max(1) as f64;
        let verified = format!("{:.1} MB {share:>3.0} %", mega(torrent.verified));
        println!(
            "{time:>6.2} s  {event:<24} {verified:>14} {:>7.2} MB/s",
            mega(torrent.down_rate_bps)
        );
        Ok(())
    }
}

fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

async fn picture(page: &Session, name: &str) -> Result<()> {
    std::fs::create_dir_all(demo::folder())?;
    Ok(std::fs::write(demo::folder().join(name), page.screenshot().await?)?)
}
