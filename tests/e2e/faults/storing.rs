//! The list of torrents on a disk that is full, with a damaged file, and with the file of a newer
//! version, as a person meets them.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::clock::until;
use jstorrent_tests::mounts::{Disk, within};
use jstorrent_tests::plain::Server;
use jstorrent_tests::proxy::Line;
use jstorrent_tests::scene::LIMIT;
use jstorrent_tests::swarm::{Client, Swarm};
use jstorrent_tests::terminal;
use jstorrent_tests::workspace::Scratch;
use serde_json::Value;

/// A store that says of itself that a later version wrote it.
const NEWER: &[u8] = include_bytes!("../../../io-shim/tests/fixtures/state-newer.redb");

/// Folders for a server, and torrents that nobody gives.
struct Stage {
    state: PathBuf,
    dir: PathBuf,
    scratch: Scratch,
}

impl Stage {
    fn new() -> Result<Self> {
        let scratch = Scratch::new("storing")?;
        Ok(Self { state: scratch.dir("state")?, dir: scratch.dir("downloads")?, scratch })
    }

    async fn serve(&self) -> Result<Server> {
        Server::start(&self.state, &self.dir, &[]).await
    }

    /// A torrent whose description takes 200 KB.
    fn torrent(&self, name: &str) -> Result<PathBuf> {
        const PIECES: usize = 10_000;
        const PIECE_LENGTH: usize = 16 << 10;
        let mut bytes = format!(
            "d4:infod6:lengthi{}e4:name{}:{name}12:piece lengthi{PIECE_LENGTH}e6:pieces{}:",
            PIECES * PIECE_LENGTH,
            name.len(),
            PIECES * 20
        )
        .into_bytes();
        bytes.resize(bytes.len() + PIECES * 20, 7);
        bytes.extend(b"ee");
        let path = self.scratch.path().join(format!("{name}.torrent"));
        std::fs::write(&path, bytes)?;
        Ok(path)
    }

    async fn add(&self, server: &Server, name: &str) -> Result<String> {
        let added = server.add_file(&self.torrent(name)?, "?keep=1").await?;
        Ok(added["infoHash"].as_str().context("an info hash")?.to_owned())
    }

    /// The state folder of the one server.
    fn folder(&self) -> Result<PathBuf> {
        let mut folders = std::fs::read_dir(&self.state)?.flatten().map(|entry| entry.path());
        folders.find(|path| path.join("identity.json").exists()).context("a state folder")
    }
}

async fn names(server: &Server) -> Result<Vec<String>> {
    let list = server.json("torrents", &[]).await?;
    let torrents = list["torrents"].as_array().context("a list")?;
    let mut names: Vec<String> = torrents
        .iter()
        .map(|torrent| torrent["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// The notices, once it is so.
async fn notices(
    server: &Server,
    what: &str,
    is_so: impl Fn(&[Value]) -> bool,
) -> Result<Vec<Value>> {
    let look = || async {
        let list = server.json("torrents", &[]).await?;
        let notices = list["notices"].as_array().context("a list")?.clone();
        Ok(is_so(&notices).then_some(notices))
    };
    until(what, LIMIT, look).await
}

/// Takes all the room that is left on a disk.
fn fill(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("ballast");
    let mut file = std::fs::File::create(&path)?;
    for size in [64 << 10, 4 << 10, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    Ok(path)
}

async fn is_saved(server: &Server) -> Result<bool> {
    let (_, health) = server.curl("health", &[]).await?;
    serde_json::from_str::<Value>(&health)?["stateSaved"]
        .as_bool()
        .context("a word about the state")
}

#[test]
fn what_is_added_and_removed_while_the_disk_is_full_is_so_after_the_next_start() -> Result<()> {
    within(async {
        let stage = Stage::new()?;
        let _disk = Disk::mount(&stage.state, "size=8m").await?;
        let mut server = stage.serve().await?;
        stage.add(&server, "before").await?;
        let removed = stage.add(&server, "removed").await?;
        ensure!(is_saved(&server).await?);
        let ballast = fill(&stage.state)?;
        for number in 0..4 {
            stage.add(&server, &format!("added {number}")).await?;
        }
        server.remove(&removed).await?;
        let said = notices(&server, "a notice", |notices| !notices.is_empty()).await?;
        ensure!(said[0]["kind"] == "not_saved", "{said:?}");
        ensure!(
            said[0]["message"].as_str().is_some_and(|words| words.contains("the disk is full")),
            "{said:?}"
        );
        server
            .terminal
            .event("a notice", |event| event["event"] == "notice" && event["kind"] == "not_saved")
            .await?;
        ensure!(!is_saved(&server).await?);
        std::fs::remove_file(ballast)?;
        notices(&server, "the notice to go", <[Value]>::is_empty).await?;
        server.terminal.event("its end", |event| event["event"] == "notice_over").await?;
        ensure!(is_saved(&server).await?);
        // A crash: what is there afterwards was on the disk.
        server.terminal.kill().await;
        drop(server);
        terminal::nothing_runs(&stage.state).await?;
        let server = stage.serve().await?;
        let expected = ["added 0", "added 1", "added 2", "added 3", "before"];
        ensure!(names(&server).await? == expected, "{:?}", names(&server).await?);
        Ok(())
    })
}

#[test]
fn a_disk_that_is_full_for_both_list_and_downloads_loses_nothing() -> Result<()> {
    within(async {
        let stage = Stage::new()?;
        let both = stage.scratch.dir("both")?;
        let disk = Disk::mount(&both, "size=4m").await?;
        let (state, dir) = (both.join("state"), both.join("downloads"));
        std::fs::create_dir(&state)?;
        std::fs::create_dir(&dir)?;
        let content = stage.scratch.dir("content")?;
        let film: Vec<u8> =
            (0..6_000_000_u32).map(|at| at.wrapping_mul(0x9e37_79b9).to_be_bytes()[0]).collect();
        std::fs::write(content.join("film.bin"), &film)?;
        let seeders = [(Client::Libtorrent, Line::of_rate(0))];
        let swarm = Swarm::of_file(&content.join("film.bin"), 64 << 10, &seeders).await?;
        let file = swarm.torrent.write_to(stage.scratch.path())?;
        let server = Server::start(&state, &dir, &[]).await?;
        server.add_file(&file, "?keep=1").await?;
        let look = |is_so: fn(&Value) -> bool| {
            let (server, path) = (&server, format!("torrents/{}", swarm.torrent.info_hash));
            move || {
                let path = path.clone();
                async move {
                    let torrent = server.json(&path, &[]).await?;
                    Ok(is_so(&torrent).then_some(torrent))
                }
            }
        };
        let stopped =
            until("it to stop", LIMIT, look(|torrent| torrent["state"] == "error")).await?;
        ensure!(
            stopped["message"].as_str().is_some_and(|words| words.contains("disk is full")),
            "{stopped}"
        );
        stage.add(&server, "added").await?;
        // That there is too little room for the torrent is said, too.
        let is_unsaved =
            |notices: &[Value]| notices.iter().any(|notice| notice["kind"] == "not_saved");
        notices(&server, "a notice", is_unsaved).await?;
        disk.change("size=64m").await?;
        until("it to be complete", LIMIT, look(|torrent| torrent["state"] == "complete")).await?;
        notices(&server, "the notice to go", |notices| {
            notices.iter().all(|notice| notice["kind"] != "not_saved")
        })
        .await?;
        ensure!(std::fs::read(dir.join("film.bin"))? == film, "it is not what was seeded");
        drop(server);
        terminal::nothing_runs(&state).await?;
        let server = Server::start(&state, &dir, &[]).await?;
        ensure!(names(&server).await? == ["added", "film.bin"], "{:?}", names(&server).await?);
        Ok(())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_list_is_kept_and_named_and_a_newer_one_is_refused_untouched() -> Result<()> {
    let stage = Stage::new()?;
    let mut server = stage.serve().await?;
    stage.add(&server, "before").await?;
    ensure!(server.terminal.interrupt().await?.code() == Some(0), "it ends in order");
    let path = stage.folder()?.join("state.redb");
    std::fs::write(&path, "noise")?;
    let mut server = stage.serve().await?;
    let aside = path.with_file_name("state.redb.corrupt-1");
    let said = notices(&server, "a notice", |notices| !notices.is_empty()).await?;
    ensure!(said[0]["kind"] == "set_aside", "{said:?}");
    ensure!(
        said[0]["message"].as_str().is_some_and(|words| words.contains(&*aside.to_string_lossy())),
        "{said:?}"
    );
    server
        .terminal
        .event("the notice", |event| event["event"] == "notice" && event["kind"] == "set_aside")
        .await?;
    ensure!(std::fs::read(&aside)? == b"noise", "it was changed");
    stage.add(&server, "after").await?;
    ensure!(server.terminal.interrupt().await?.code() == Some(0), "it ends in order");
    std::fs::remove_file(aside)?;
    let mut server = stage.serve().await?;
    ensure!(names(&server).await? == ["after"], "{:?}", names(&server).await?);
    notices(&server, "no notice", <[Value]>::is_empty).await?;
    ensure!(server.terminal.interrupt().await?.code() == Some(0), "it ends in order");
    std::fs::write(&path, NEWER)?;
    let dir = stage.dir.to_str().context("a plain name")?;
    let (code, _, said) =
        terminal::run(&stage.state, ["serve", "--listen", "127.0.0.1:0", "--dir", dir]).await?;
    ensure!(code != 0 && said.contains("newer version of this program"), "{code} {said}");
    ensure!(std::fs::read(&path)? == NEWER, "it was changed");
    Ok(())
}
