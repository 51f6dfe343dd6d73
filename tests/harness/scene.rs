//! The scene of most scenarios in Chrome: a film in a slow swarm, added in a browser.

use anyhow::{Context as _, Result, ensure};

use crate::browser::{Browser, Options};
use crate::clock::LIMIT;
use crate::fixture::{FILM_RATE_BPS, Fixture};
use crate::http;
use crate::media::Film;
use crate::pages::{AppPage, PlayerPage, TorrentSnapshot};
use crate::swarm::Client;

/// A film that is being downloaded in a browser.
#[derive(Debug)]
pub struct Scene {
    /// The torrent and its seeders.
    pub fixture: Fixture,
    /// The browser with the extension.
    pub browser: Browser,
    /// The list of torrents, linked, with the film in it.
    pub app: AppPage,
    /// The film's index in the torrent.
    pub film: u32,
}

impl Scene {
    /// Starts a film with one seeder. The seeder's line is about twice as fast as the film plays.
    ///
    /// # Errors
    /// Anything that is needed for it fails.
    pub async fn of(film: Film, client: Client) -> Result<Self> {
        let fixture = Fixture::film(film).seeded(client, FILM_RATE_BPS).build().await?;
        Self::with(fixture, Options::default()).await
    }

    /// Starts a browser and adds a fixture's torrent.
    ///
    /// # Errors
    /// The browser, the extension, the daemon or the engine does not come up, or refuses the
    /// torrent.
    pub async fn with(fixture: Fixture, options: Options) -> Result<Self> {
        let browser = Browser::start(options).await?;
        let app = AppPage::open(&browser).await?;
        app.linked().await.with_context(|| browser.report())?;
        app.choose(&fixture.torrent_file()?).await?;
        app.download().await.with_context(|| browser.report())?;
        let scene = Self { fixture, browser, app, film: 0 };
        scene.torrent_when("the torrent to be in the list", |_| true).await?;
        Ok(scene)
    }

    /// Opens the player and presses play.
    ///
    /// # Errors
    /// The player does not load.
    pub async fn play(&self) -> Result<PlayerPage> {
        PlayerPage::open(&self.browser, self.info_hash(), self.film).await
    }

    /// The torrent's info hash.
    pub fn info_hash(&self) -> &str {
        &self.fixture.torrent.info_hash
    }

    /// The engine's view of the torrent now.
    ///
    /// # Errors
    /// The torrent is not there.
    pub async fn torrent(&self) -> Result<TorrentSnapshot> {
        self.app.torrent(self.info_hash()).await?.context("the torrent went away")
    }

    /// The engine's view of the torrent, as soon as `is_so` holds.
    ///
    /// # Errors
    /// `is_so` did not hold in time; the message has the consoles and the daemon's log.
    pub async fn torrent_when(
        &self,
        what: &str,
        is_so: impl Fn(&TorrentSnapshot) -> bool,
    ) -> Result<TorrentSnapshot> {
        match self.app.torrent_when(self.info_hash(), what, LIMIT, is_so).await {
            Ok(torrent) => Ok(torrent),
            Err(error) => {
                Err(error.context(format!("{}\n{}", self.app.shows().await, self.browser.report())))
            }
        }
    }

    /// Makes sure that the film is far from complete. Otherwise the scenario proves nothing.
    ///
    /// # Errors
    /// It is complete, or nearly.
    pub async fn is_incomplete(&self) -> Result<()> {
        let torrent = self.torrent().await?;
        ensure!(
            torrent.verified < torrent.length * 9 / 10 && torrent.state == "downloading",
            "not incomplete any more: {} of {} bytes, {}",
            torrent.verified,
            torrent.length,
            torrent.state
        );
        Ok(())
    }

    /// The film's content.
    pub fn truth(&self) -> &[u8] {
        &self.fixture.truth[self.film as usize]
    }

    /// The film's address at the daemon.
    ///
    /// # Errors
    /// The engine is not linked.
    pub async fn stream_url(&self) -> Result<String> {
        let torrent = self.torrent().await?;
        Ok(self.app.base_url().await?
            + &torrent.files.iter().find(|file| file.index == self.film).context("a file")?.url)
    }

    /// Fetches a range of the film and compares it with the truth. The daemon sends the range; both
    /// ends are inclusive.
    ///
    /// # Errors
    /// It does not come, or one byte differs.
    pub async fn range_is_true(&self, start: usize, end: usize) -> Result<()> {
        let reply = http::get_range(&self.stream_url().await?, start as u64, end as u64).await?;
        ensure!(reply.status == 206, "status {} for {start}-{end}", reply.status);
        ensure!(reply.whole, "only {} bytes of {start}-{end} came", reply.body.len());
        ensure!(
            reply.body == self.truth()[start..=end],
            "the bytes of {start}-{end} are not the film's"
        );
        Ok(())
    }
}
