//! A torrent that one seeder behind a slow line has, and folders for a server that streams it.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::media::Film;
use crate::plain::Server;
use crate::proxy::{Line, Proxy};
use crate::scene::{FILM_RATE_BPS, PIECE_LENGTH};
use crate::swarm::{Client, Seeder};
use crate::torrent::{Recipe, Torrent};
use crate::workspace::Scratch;

/// All of it; dropping it ends the seeder and deletes the folders.
#[derive(Debug)]
pub struct Stage {
    /// The torrent.
    pub torrent: Torrent,
    /// What its files hold.
    pub truths: Vec<Vec<u8>>,
    /// The seeder's line.
    pub line: Proxy,
    /// For a server to remember in.
    pub state: PathBuf,
    /// For a server to download to.
    pub dir: PathBuf,
    /// For anything else.
    pub scratch: Scratch,
    _seeder: Seeder,
}

impl Stage {
    /// A torrent over a line of this rate, bytes a second; 0 for any.
    ///
    /// # Errors
    /// The recipe's files can't be read, or there is no seeder.
    pub async fn of(recipe: &Recipe, rate_bps: u64, scratch: Scratch) -> Result<Self> {
        let torrent = Torrent::make(recipe)?.public();
        let truths = torrent.paths.iter().map(std::fs::read).collect::<Result<_, _>>()?;
        let seeder = Seeder::start(Client::Libtorrent, &torrent).await?;
        let line = Proxy::start(seeder.address(), Line::of_rate(rate_bps))?;
        let (state, dir) = (scratch.dir("state")?, scratch.dir("downloads")?);
        Ok(Self { torrent, truths, line, state, dir, scratch, _seeder: seeder })
    }

    /// A film that comes twice as fast as it plays.
    ///
    /// # Errors
    /// As [`Stage::of`], or ffmpeg can't make it.
    pub async fn film(film: Film) -> Result<Self> {
        let film = film.file().await?;
        Self::of(&Recipe::of_file(&film, PIECE_LENGTH)?, FILM_RATE_BPS, Scratch::new("stage")?)
            .await
    }

    /// Starts a server in its folders.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn serve(&self, further: &[&str]) -> Result<Server> {
        Server::start(&self.state, &self.dir, further).await
    }

    /// A link that names the seeder.
    pub fn magnet(&self) -> String {
        format!("magnet:?xt=urn:btih:{}&x.pe={}", self.torrent.info_hash, self.line.address())
    }

    /// Where the torrent's file or folder is downloaded to.
    pub fn downloaded(&self) -> PathBuf {
        self.dir.join(Path::new(&self.torrent.name))
    }

    /// Whether nothing is downloaded.
    ///
    /// # Errors
    /// The folder is gone.
    pub fn is_dir_empty(&self) -> Result<bool> {
        Ok(std::fs::read_dir(&self.dir)?.next().is_none())
    }
}
