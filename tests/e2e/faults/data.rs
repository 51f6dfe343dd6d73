//! The fault matrix of the data: what each disk fault does in each phase of a torrent.
//!
//! In every cell: no foreign file changes, no verified piece is lost, one sentence tells the user,
//! and work continues when the cause is gone. Errors of the system are injected in the daemon
//! (`io-shim/src/files/faults.rs`), which only debug builds allow; the other faults are real. The
//! test prints its table; `FAULTS_ONLY="EIO serving"` runs the cells whose names contain all these
//! words.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::{StreamExt as _, stream};
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::home::Home;
use jstorrent_tests::http;
use jstorrent_tests::plain::{Server, url_of};
use jstorrent_tests::proxy::{Line, Proxy};
use jstorrent_tests::swarm::Client;
use jstorrent_tests::tracker::Tracker;
use serde_json::{Value, json};

const PIECE_LENGTH: usize = 64 << 10;
const LENGTH: usize = 2_000_000;
const DIARY: &[u8] = b"dear diary";
/// A fault during a download happens after this many bytes. The line holds the rest back until
/// then.
const HELD_AT: u64 = 1_000_000;
/// How many cells run at the same time.
const AT_ONCE: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    NoSpace,
    Io,
    Denied,
    ReadOnly,
    Gone,
    Swapped,
    DiskGone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Adding,
    Downloading,
    Serving,
    Moving,
    Removing,
}

const FAULTS: [(Fault, &str); 7] = [
    (Fault::NoSpace, "ENOSPC"),
    (Fault::Io, "EIO"),
    (Fault::Denied, "EACCES"),
    (Fault::ReadOnly, "EROFS"),
    (Fault::Gone, "file gone"),
    (Fault::Swapped, "file swapped"),
    (Fault::DiskGone, "disk gone"),
];
const PHASES: [(Phase, &str); 5] = [
    (Phase::Adding, "adding"),
    (Phase::Downloading, "downloading"),
    (Phase::Serving, "serving"),
    (Phase::Moving, "moving"),
    (Phase::Removing, "removing"),
];

/// Why a cell makes no sense, if so.
fn without_meaning(fault: Fault, phase: Phase) -> Option<&'static str> {
    match (fault, phase) {
        (Fault::Gone, Phase::Adding) => Some("no file is there yet"),
        (Fault::Swapped, Phase::Adding) => {
            Some("no file is there yet; foreign files have tests of their own")
        }
        (Fault::NoSpace, Phase::Removing) => Some("removing takes no space"),
        (Fault::Gone, Phase::Removing) => Some("nothing is left to remove"),
        _ => None,
    }
}

/// The lines of the daemon's file of faults.
fn lines(fault: Fault, phase: Phase) -> String {
    let (errno, accesses): (_, &[&str]) = match fault {
        Fault::NoSpace => ("ENOSPC", &["make", "extend", "write"]),
        Fault::Io => (
            "EIO",
            &[
                "open",
                "open-to-write",
                "make",
                "extend",
                "read",
                "write",
                "sync",
                "rename",
                "remove",
            ],
        ),
        Fault::Denied if phase == Phase::Serving => ("EACCES", &["open", "open-to-write"]),
        Fault::Denied => ("EACCES", &["open-to-write", "make", "write", "rename", "remove"]),
        Fault::ReadOnly => {
            ("EROFS", &["open-to-write", "make", "extend", "write", "rename", "remove"])
        }
        Fault::Gone | Fault::Swapped | Fault::DiskGone => return String::new(),
    };
    accesses.iter().map(|access| format!("{access} {errno}\n")).collect()
}

/// One cell: its server, its line to the seeder, and its download folder.
struct Cell {
    world: Arc<Fixture>,
    fault: Fault,
    phase: Phase,
    home: Home,
    server: Server,
    file: PathBuf,
    line: Proxy,
    _tracker: Tracker,
}

impl Cell {
    async fn new(world: Arc<Fixture>, fault: Fault, phase: Phase) -> Result<Self> {
        let name = format!("{fault:?}-{phase:?}");
        let (own, home) = (world.scratch.dir(&name)?, world.home(&name)?);
        let tracker = Tracker::start().await?;
        let file = world.torrent.with_tracker(&tracker.url()).write_to(&own)?;
        let line = Proxy::start(world.lines[0].address(), Line::of_rate(0))?;
        tracker.name([line.address()]);
        if phase == Phase::Downloading {
            line.hold_at(HELD_AT);
        }
        // A foreign file, in the same folder from the beginning.
        std::fs::write(home.downloads.join("diary.txt"), DIARY)?;
        let server = home.serve(&[]).await?;
        Ok(Self { world, fault, phase, home, server, file, line, _tracker: tracker })
    }

    fn film(&self) -> PathBuf {
        self.home.downloads.join("film.mp4")
    }

    fn aside(&self, name: &str) -> PathBuf {
        self.home.downloads.with_file_name(name)
    }

    /// Lets the fault happen.
    fn strike(&self) -> Result<()> {
        match self.fault {
            Fault::Gone => {
                std::fs::rename(self.film(), self.aside("film")).context("taking the film away")?
            }
            Fault::Swapped => {
                std::fs::rename(self.film(), self.aside("film")).context("taking the film away")?;
                std::fs::write(self.film(), DIARY)?;
            }
            Fault::DiskGone => std::fs::rename(&self.home.downloads, self.aside("away"))?,
            _ => std::fs::write(self.home.state.join("faults"), lines(self.fault, self.phase))?,
        }
        Ok(())
    }

    /// Makes sure that no foreign file changed, and removes the cause.
    fn mend(&self) -> Result<()> {
        match self.fault {
            Fault::Gone if !self.film().exists() => {
                std::fs::rename(self.aside("film"), self.film())?
            }
            // The file was fetched again meanwhile.
            Fault::Gone => {}
            Fault::Swapped => {
                ensure!(std::fs::read(self.film())? == DIARY, "the foreign file was changed");
                std::fs::rename(self.aside("film"), self.film())?;
            }
            Fault::DiskGone => {
                ensure!(!self.home.downloads.exists(), "something was made in place of the disk");
                std::fs::rename(self.aside("away"), &self.home.downloads)?;
            }
            _ => std::fs::remove_file(self.home.state.join("faults"))?,
        }
        Ok(())
    }

    async fn add(&self) -> Result<Value> {
        self.server.add_file(&self.file, "?keep=1").await
    }

    fn path(&self) -> String {
        format!("torrents/{}", self.world.torrent.info_hash)
    }

    async fn torrent(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Result<Value> {
        self.server.torrent_when(&self.world.torrent.info_hash, what, is_so).await
    }

    /// Waits for the one sentence that tells the user what is wrong.
    async fn says_so(&self) -> Result<String> {
        let torrent =
            self.torrent("it to say what is wrong", |torrent| torrent["state"] == "error").await?;
        let message = torrent["message"].as_str().unwrap_or_default();
        ensure!(message.ends_with('.') && message.len() > 20, "no sentence: {torrent}");
        ensure!(
            !message.contains(self.world.scratch.path().to_str().unwrap_or_default()),
            "a path: {message}"
        );
        Ok(message.to_owned())
    }

    /// Waits until the torrent completes by itself.
    async fn completes(&self) -> Result<()> {
        self.torrent("it to be complete", |torrent| torrent["state"] == "complete").await.map(drop)
    }

    /// Checks the files, the sentences and the transferred bytes at the end.
    fn holds(&self, dir: &Path) -> Result<()> {
        ensure!(
            std::fs::read(self.home.downloads.join("diary.txt"))? == DIARY,
            "the diary was changed"
        );
        let names: Vec<_> =
            std::fs::read_dir(dir)?.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
        let holds_film =
            |name| std::fs::read(dir.join(name)).is_ok_and(|bytes| bytes == self.world.truth[0]);
        ensure!(names.iter().any(holds_film), "the film is not there: {names:?}");
        Ok(())
    }

    async fn run(&self) -> Result<String> {
        match self.phase {
            Phase::Adding => self.adding().await,
            Phase::Downloading => self.downloading().await,
            Phase::Serving => self.serving().await,
            Phase::Moving => self.moving().await,
            Phase::Removing => self.removing().await,
        }
    }

    async fn adding(&self) -> Result<String> {
        if self.fault == Fault::DiskGone {
            // This folder had files; a folder that had none may be made.
            self.add().await?;
            self.completes().await?;
            self.server.remove(&self.world.torrent.info_hash).await?;
        }
        self.strike()?;
        self.add().await?;
        let said = self.says_so().await?;
        self.mend()?;
        self.completes().await?;
        self.holds(&self.home.downloads)?;
        Ok(said)
    }

    async fn downloading(&self) -> Result<String> {
        self.add().await?;
        self.torrent("a few pieces", |torrent| torrent["verified"].as_u64() > Some(300_000))
            .await?;
        self.strike()?;
        self.line.hold_at(u64::MAX);
        let said = match self.fault {
            // The daemon can still write to the open, renamed file. The loss shows at the end or at
            // the next check.
            Fault::Gone | Fault::Swapped | Fault::DiskGone => {
                let is_settled =
                    |torrent: &Value| torrent["state"] == "error" || torrent["state"] == "complete";
                let torrent = self.torrent("it to notice, or to end", is_settled).await?;
                torrent["message"].as_str().unwrap_or("it ends all the same").to_owned()
            }
            _ => self.says_so().await?,
        };
        self.mend()?;
        self.completes().await?;
        self.holds(&self.home.downloads)?;
        Ok(said)
    }

    async fn serving(&self) -> Result<String> {
        let added = self.add().await?;
        self.completes().await?;
        let url = url_of(&added)?.to_owned();
        self.strike()?;
        let reply = http::get(&url).await;
        let said = match (&reply, self.fault) {
            (Ok(reply), Fault::NoSpace | Fault::ReadOnly) => {
                ensure!(reply.body == self.world.truth[0], "reading needs no writing");
                "it is served all the same".to_owned()
            }
            (Ok(reply), _) if reply.status == 200 => {
                // Bytes sent before the daemon noticed the fault are correct.
                ensure!(self.world.truth[0].starts_with(&reply.body), "a wrong byte was served");
                "the reply ends early".to_owned()
            }
            (Ok(reply), _) => format!("status {}", reply.status),
            (Err(_), _) => "the reply ends early".to_owned(),
        };
        self.mend()?;
        self.completes().await?;
        let served = || async {
            Ok(http::get(&url)
                .await
                .is_ok_and(|reply| reply.body == self.world.truth[0])
                .then_some(()))
        };
        until("the film to be served again", LIMIT, served).await?;
        self.holds(&self.home.downloads)?;
        Ok(said)
    }

    async fn relocate(&self) -> Result<(u16, String)> {
        let body = json!({ "folder": "new" });
        self.server.put(&self.world.torrent.info_hash, "location", &body).await
    }

    async fn moving(&self) -> Result<String> {
        self.add().await?;
        self.completes().await?;
        self.strike()?;
        let (status, body) = self.relocate().await?;
        let is_over = |torrent: &Value| torrent["moveProgress"].is_null();
        let torrent = self.torrent("the move to end", is_over).await?;
        let said = torrent["message"].as_str().map(str::to_owned);
        match self.fault {
            Fault::Swapped => {
                // The file in the film's place is foreign, so it stays, and the film is fetched
                // again in its new place.
                self.completes().await?;
                ensure!(
                    std::fs::read(self.film())? == DIARY,
                    "the foreign file was moved or changed"
                );
                self.holds(&self.home.downloads.join("new"))?;
                return Ok("the foreign file stays, and the film is fetched again".to_owned());
            }
            Fault::Gone => {
                let said = self.says_so().await?;
                // The file is put back in the torrent's present place.
                let place =
                    self.home.downloads.join(torrent["liesAt"].as_str().context("a place")?);
                std::fs::create_dir_all(place.parent().context("a folder")?)?;
                std::fs::rename(self.aside("film"), &place)?;
                self.completes().await?;
                self.holds(place.parent().context("a folder")?)?;
                return Ok(said);
            }
            _ => {}
        }
        ensure!(torrent["liesAt"] == "film.mp4", "it moved in spite of the fault: {torrent}");
        let said = if status == 204 { said.context("nobody was told")? } else { body };
        self.mend()?;
        self.completes().await?;
        let moved = || async { Ok((self.relocate().await?.0 == 204).then_some(())) };
        until("the move to be taken", LIMIT, moved).await?;
        let is_there = |torrent: &Value| {
            torrent["moveProgress"].is_null()
                && torrent["liesAt"].as_str().is_some_and(|at| at.starts_with("new/"))
        };
        self.torrent("it to lie there", is_there).await?;
        self.holds(&self.home.downloads.join("new"))?;
        Ok(said)
    }

    async fn removing(&self) -> Result<String> {
        self.add().await?;
        self.completes().await?;
        self.strike()?;
        let path = format!("{}?data=1", self.path());
        let (status, said) = self.server.curl(&path, &["-X", "DELETE"]).await?;
        if self.fault == Fault::Swapped {
            ensure!(status == 200, "{status} {said}");
            let said = serde_json::from_str::<Value>(&said)?["message"]
                .as_str()
                .context("nobody was told")?
                .to_owned();
            self.mend()?;
            self.holds(&self.home.downloads)?;
            return Ok(said);
        }
        ensure!(status == 409, "{status} {said}");
        let said = self.says_so().await?;
        self.mend()?;
        self.holds(&self.home.downloads)?;
        let (status, last) = self.server.curl(&path, &["-X", "DELETE"]).await?;
        ensure!(status == 204, "{status} {last}");
        ensure!(!self.film().exists(), "the film is still there");
        ensure!(
            std::fs::read(self.home.downloads.join("diary.txt"))? == DIARY,
            "the diary was changed"
        );
        Ok(said)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_disk_fault_loses_nothing_and_passes() -> Result<()> {
    let film = Fixture::random("film.mp4", LENGTH).pieces_of(PIECE_LENGTH).trackerless();
    let world = Arc::new(film.seeded(Client::Libtorrent, 0).build().await?);
    let cells = FAULTS.iter().flat_map(|fault| PHASES.iter().map(move |phase| (*fault, *phase)));
    let only = std::env::var("FAULTS_ONLY").unwrap_or_default();
    let run = |((fault, fault_name), (phase, phase_name)): (
        (Fault, &'static str),
        (Phase, &'static str),
    )| {
        let world = Arc::clone(&world);
        let is_wanted =
            only.split(' ').all(|word| fault_name.contains(word) || phase_name.contains(word));
        // Each cell is a task: a cell that blocks does not delay the others.
        let cell = tokio::spawn(async move {
            let outcome = match without_meaning(fault, phase) {
                Some(reason) => Ok(format!("no meaning: {reason}")),
                None if !is_wanted => Ok("not run".to_owned()),
                None => match Cell::new(world, fault, phase).await {
                    Ok(cell) => tokio::time::timeout(Duration::from_secs(180), cell.run()).await?,
                    Err(error) => Err(error),
                },
            };
            anyhow::Ok((format!("{fault_name} × {phase_name}"), outcome))
        });
        async move { cell.await? }
    };
    let mut outcomes = stream::iter(cells.map(run)).buffered(AT_ONCE).boxed();
    let mut failed = 0;
    while let Some(outcome) = outcomes.next().await {
        let (cell, outcome) = outcome?;
        failed += usize::from(outcome.is_err());
        match outcome {
            Ok(said) => println!("{cell:28} ok: {said}"),
            Err(error) => println!("{cell:28} FAILED: {error:#}"),
        }
    }
    ensure!(failed == 0, "{failed} cells failed");
    Ok(())
}
