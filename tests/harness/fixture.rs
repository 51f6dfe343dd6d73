//! What most scenarios start from: a torrent, its seeders, and folders for a program.
//!
//! A [`Builder`] describes the fixture; [`Builder::build`] makes files, starts clients and waits
//! until they are ready. Dropping the [`Fixture`] ends the clients and deletes the files.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::clock::until;
use crate::dice::Dice;
use crate::home::Home;
use crate::made::{Made, Version};
use crate::media::Film;
use crate::plain::Server;
use crate::proxy::Line;
use crate::swarm::{Client, Swarm};
use crate::terminal::Terminal;
use crate::torrent::{Recipe, Torrent};
use crate::tracker::Tracker;
use crate::workspace::Scratch;

/// Length of a film's pieces, bytes.
pub const PIECE_LENGTH: usize = 128 << 10;
/// A line that carries a film about twice as fast as it plays.
pub const FILM_RATE_BPS: u64 = 600 << 10;

/// A torrent, its seeders, and folders for one program. It is a [`Swarm`] with known content.
#[derive(Debug)]
pub struct Fixture {
    /// The content of the torrent's files, in order.
    pub truth: Vec<Vec<u8>>,
    /// Folders for the program under test.
    pub home: Home,
    /// A folder for anything else.
    pub scratch: Scratch,
    topics: Vec<String>,
    swarm: Swarm,
}

/// The content of a torrent.
#[derive(Clone, Debug)]
enum Content {
    /// A file of this length, made by [`Dice`].
    Random { name: String, length: usize },
    /// A folder of such files.
    RandomFiles { name: String, files: Vec<(String, usize)> },
    /// A file that exists.
    File(PathBuf),
    /// Files below `folder/name` that exist.
    Files { folder: PathBuf, name: String, files: Vec<String> },
    /// A film, made once.
    Film(Film),
}

/// Describes a [`Fixture`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    content: Content,
    dice: u64,
    piece_length: usize,
    version: Option<Version>,
    is_public: bool,
    is_announced: bool,
    seeders: Vec<(Client, Line)>,
}

impl Builder {
    fn new(content: Content) -> Self {
        Self {
            content,
            dice: 0,
            piece_length: PIECE_LENGTH,
            version: None,
            is_public: false,
            is_announced: true,
            seeders: Vec::new(),
        }
    }

    /// Sets the seed of random content; 0 unless given. Another seed makes another torrent.
    pub fn dice(mut self, seed: u64) -> Self {
        self.dice = seed;
        self
    }

    /// Sets the length of a piece, bytes; 128 KiB unless given.
    pub fn pieces_of(mut self, bytes: usize) -> Self {
        self.piece_length = bytes;
        self
    }

    /// Lets libtorrent make the torrent in a version. It is public and names no tracker.
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self.linked()
    }

    /// Makes the torrent public: peers may send its metadata, and name each other.
    pub fn public(mut self) -> Self {
        self.is_public = true;
        self
    }

    /// Leaves the tracker out of the torrent.
    pub fn trackerless(mut self) -> Self {
        self.is_announced = false;
        self
    }

    /// Makes the torrent public, without a tracker, so that a magnet link suffices.
    pub fn linked(self) -> Self {
        self.public().trackerless()
    }

    /// Adds a seeder behind a line of this rate. The rate is in bytes a second; 0 is without limit.
    pub fn seeded(mut self, client: Client, rate_bps: u64) -> Self {
        self.seeders.push((client, Line::of_rate(rate_bps)));
        self
    }

    /// Makes the files and the torrent, and starts the seeders.
    ///
    /// # Errors
    /// A program is missing, a file can't be made, or a seeder does not come up.
    pub async fn build(self) -> Result<Fixture> {
        let scratch = Scratch::new("fixture")?;
        let mut recipe = self.recipe(&scratch).await?;
        let tracker = Tracker::start().await?;
        let (torrent, topics) = match self.version {
            None => {
                recipe.announce = self.is_announced.then(|| tracker.url());
                let private = Torrent::make(&recipe)?;
                let torrent = if self.is_public { private.public() } else { private };
                let topics = vec![format!("xt=urn:btih:{}", torrent.info_hash)];
                (torrent, topics)
            }
            Some(version) => {
                let (folder, name) = (&recipe.folder, &recipe.name);
                let made = Made::new(folder, name, recipe.piece_length, version).await?;
                let plain = Torrent::make(&recipe)?;
                let (paths, length) = (plain.paths, plain.length);
                (Torrent { paths, length, ..made.torrent }, made.topics)
            }
        };
        let truth = torrent.paths.iter().map(std::fs::read).collect::<Result<_, _>>()?;
        let swarm = Swarm::seed(torrent, tracker, &self.seeders).await?;
        let home = Home::below(&scratch, "home")?;
        Ok(Fixture { truth, home, scratch, topics, swarm })
    }

    /// Makes the content.
    async fn recipe(&self, scratch: &Scratch) -> Result<Recipe> {
        let recipe = match &self.content {
            Content::File(path) => Recipe::of_file(path, self.piece_length)?,
            Content::Film(film) => Recipe::of_file(&film.file().await?, self.piece_length)?,
            Content::Files { folder, name, files } => Recipe {
                folder: folder.clone(),
                name: name.clone(),
                files: files.clone(),
                piece_length: self.piece_length,
                announce: None,
            },
            Content::Random { name, length } => {
                let path = scratch.dir("content")?.join(name);
                std::fs::write(&path, Dice::new(self.dice).bytes(*length))?;
                Recipe::of_file(&path, self.piece_length)?
            }
            Content::RandomFiles { name, files } => {
                let folder = scratch.dir("content")?;
                let dice = Dice::new(self.dice);
                for (number, (path, length)) in (0..).zip(files) {
                    let path = folder.join(name).join(path);
                    std::fs::create_dir_all(path.parent().context("a folder")?)?;
                    std::fs::write(path, dice.fork(number).bytes(*length))?;
                }
                let files = files.iter().map(|(path, _)| path.clone()).collect();
                let name = name.clone();
                Recipe { folder, name, files, piece_length: self.piece_length, announce: None }
            }
        };
        Ok(recipe)
    }
}

impl Fixture {
    /// A film.
    pub fn film(film: Film) -> Builder {
        Builder::new(Content::Film(film))
    }

    /// Builds a public film with one seeder. The seeder's line is about twice as fast as the film
    /// plays.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub async fn linked_film(film: Film) -> Result<Self> {
        Self::film(film).linked().seeded(Client::Libtorrent, FILM_RATE_BPS).build().await
    }

    /// One file that exists already; it is not copied.
    pub fn of_file(path: &Path) -> Builder {
        Builder::new(Content::File(path.to_owned()))
    }

    /// Files below `folder/name` that exist already; they are not copied.
    pub fn of_files<'a>(
        folder: &Path,
        name: &str,
        files: impl IntoIterator<Item = &'a str>,
    ) -> Builder {
        let files = files.into_iter().map(str::to_owned).collect();
        Builder::new(Content::Files { folder: folder.to_owned(), name: name.to_owned(), files })
    }

    /// One file of random bytes.
    pub fn random(name: &str, length: usize) -> Builder {
        Builder::new(Content::Random { name: name.to_owned(), length })
    }

    /// A folder of files of random bytes. Each file has its path below the folder and its length.
    pub fn random_files(name: &str, files: &[(&str, usize)]) -> Builder {
        let files = files.iter().map(|(path, length)| ((*path).to_owned(), *length)).collect();
        Builder::new(Content::RandomFiles { name: name.to_owned(), files })
    }

    /// Writes the `.torrent` file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn torrent_file(&self) -> Result<PathBuf> {
        self.torrent.write_to(self.scratch.path())
    }

    /// The exact topics of a magnet link: one, or for a hybrid one of v1 and one of v2.
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// A magnet link that names the seeders' lines as peers.
    pub fn magnet(&self) -> String {
        let peers = self.lines.iter().map(|line| format!("x.pe={}", line.address()));
        let parts: Vec<String> = self.topics.iter().cloned().chain(peers).collect();
        format!("magnet:?{}", parts.join("&"))
    }

    /// Folders for one more program.
    ///
    /// # Errors
    /// The folders cannot be made.
    pub fn home(&self, name: &str) -> Result<Home> {
        Home::below(&self.scratch, name)
    }

    /// Starts `jstorrent get` with the torrent's file in the fixture's home.
    ///
    /// # Errors
    /// As [`Terminal::start`].
    pub fn get(&self, further: &[&str]) -> Result<Terminal> {
        self.home.get(self.torrent_file()?, further)
    }

    /// Starts `jstorrent stream` with the torrent's file in the fixture's home.
    ///
    /// # Errors
    /// As [`Terminal::start`].
    pub fn stream(&self, further: &[&str]) -> Result<Terminal> {
        self.home.stream(self.torrent_file()?, further)
    }

    /// Starts `jstorrent get --seed` in the content's folder, and waits until it has everything.
    ///
    /// # Errors
    /// As [`Terminal::start`], or it does not find everything.
    pub async fn give(&self, further: &[&str]) -> Result<Terminal> {
        let further = [&["--seed"], further].concat();
        let home = self.home("giving")?;
        let mut terminal = home.get_into(&self.torrent.folder, self.torrent_file()?, &further)?;
        terminal.complete().await?;
        Ok(terminal)
    }

    /// Starts `jstorrent serve` in the fixture's home.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub async fn serve(&self, further: &[&str]) -> Result<Server> {
        self.home.serve(further).await
    }

    /// The path of the torrent's file or folder in the fixture's download folder.
    pub fn downloaded(&self) -> PathBuf {
        self.home.downloads.join(&self.torrent.name)
    }

    /// Makes sure that a download folder has the torrent's content.
    ///
    /// # Errors
    /// A file is missing, or holds other bytes.
    pub fn is_in(&self, downloads: &Path) -> Result<()> {
        self.lies_at(&downloads.join(&self.torrent.name))
    }

    /// Makes sure that the file or folder at this path has the torrent's content.
    ///
    /// # Errors
    /// A file is missing, or holds other bytes.
    pub fn lies_at(&self, path: &Path) -> Result<()> {
        let base = self.torrent.folder.join(&self.torrent.name);
        for (file, truth) in self.torrent.paths.iter().zip(&self.truth) {
            let relative = file.strip_prefix(&base)?;
            // Joining an empty path would add a slash, and no file has a path with a slash at its
            // end.
            let is_file = relative.as_os_str().is_empty();
            let file = if is_file { path.to_owned() } else { path.join(relative) };
            let found =
                std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
            ensure!(found == *truth, "{} is not what was seeded", file.display());
        }
        Ok(())
    }

    /// Waits until a download folder has the torrent's content.
    ///
    /// # Errors
    /// It is not in time; the message says what is missing.
    pub async fn comes_to(&self, downloads: &Path, what: &str, limit: Duration) -> Result<()> {
        let is_there = || async { Ok(self.is_in(downloads).ok()) };
        let waited = until(what, limit, is_there).await;
        waited.with_context(|| format!("{:?}", self.is_in(downloads)))
    }
}

impl Deref for Fixture {
    type Target = Swarm;

    fn deref(&self) -> &Swarm {
        &self.swarm
    }
}
