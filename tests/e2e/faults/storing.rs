//! The list of torrents on a full disk and in unreadable files. A file is unreadable if it is
//! damaged or of a newer version.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::home::Home;
use jstorrent_tests::mounts::{Disk, within};
use jstorrent_tests::plain::Server;
use jstorrent_tests::swarm::Client;
use jstorrent_tests::terminal;
use jstorrent_tests::torrent;
use jstorrent_tests::workspace::Scratch;
use serde_json::Value;

/// A store that a later version wrote.
const NEWER: &[u8] = include_bytes!("../../../io-shim/tests/fixtures/state-newer.redb");

/// Folders for a server, and for torrents without seeders.
fn empty() -> Result<(Scratch, Home)> {
    let scratch = Scratch::new("storing")?;
    let home = Home::below(&scratch, "home")?;
    Ok((scratch, home))
}

/// Adds a torrent without seeders and returns its info hash. The metainfo has 200 KB.
async fn add(server: &Server, scratch: &Scratch, name: &str) -> Result<String> {
    let file = torrent::of_nobody(scratch.path(), name, &[(name, 10_000 * (16 << 10))])?;
    let added = server.add_file(&file, "?keep=1").await?;
    Ok(added["infoHash"].as_str().context("an info hash")?.to_owned())
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

/// The notices, once `is_so` holds.
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

/// Fills a disk.
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
fn changes_made_on_a_full_disk_survive_the_next_start() -> Result<()> {
    within(async {
        let (scratch, home) = empty()?;
        let _disk = Disk::mount(&home.state, "size=8m").await?;
        let mut server = home.serve(&[]).await?;
        add(&server, &scratch, "before").await?;
        let removed = add(&server, &scratch, "removed").await?;
        ensure!(is_saved(&server).await?);
        let ballast = fill(&home.state)?;
        for number in 0..4 {
            add(&server, &scratch, &format!("added {number}")).await?;
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
        // Only what is on the disk survives a crash.
        server.terminal.kill().await;
        drop(server);
        terminal::nothing_runs(&home.state).await?;
        let server = home.serve(&[]).await?;
        let expected = ["added 0", "added 1", "added 2", "added 3", "before"];
        ensure!(names(&server).await? == expected, "{:?}", names(&server).await?);
        Ok(())
    })
}

#[test]
fn a_disk_full_for_list_and_downloads_loses_nothing() -> Result<()> {
    within(async {
        let film = Fixture::random("film.bin", 6_000_000).pieces_of(64 << 10);
        let fixture = film.seeded(Client::Libtorrent, 0).build().await?;
        // The state and the downloads lie on one disk.
        let (state, downloads) = (&fixture.home.state, &fixture.home.downloads);
        let both = state.parent().context("a folder of both")?;
        let disk = Disk::mount(both, "size=4m").await?;
        std::fs::create_dir(state)?;
        std::fs::create_dir(downloads)?;
        let server = fixture.serve(&[]).await?;
        let hash = &fixture.torrent.info_hash;
        server.add_file(&fixture.torrent_file()?, "?keep=1").await?;
        let is_stopped = |torrent: &Value| torrent["state"] == "error";
        let stopped = server.torrent_when(hash, "it to stop", is_stopped).await?;
        ensure!(
            stopped["message"].as_str().is_some_and(|words| words.contains("disk is full")),
            "{stopped}"
        );
        add(&server, &fixture.scratch, "added").await?;
        // Another notice says that the torrent does not fit.
        let is_unsaved =
            |notices: &[Value]| notices.iter().any(|notice| notice["kind"] == "not_saved");
        notices(&server, "a notice", is_unsaved).await?;
        disk.change("size=64m").await?;
        server.complete(hash).await?;
        notices(&server, "the notice to go", |notices| {
            notices.iter().all(|notice| notice["kind"] != "not_saved")
        })
        .await?;
        fixture.is_in(downloads)?;
        drop(server);
        terminal::nothing_runs(state).await?;
        let server = fixture.serve(&[]).await?;
        ensure!(names(&server).await? == ["added", "film.bin"], "{:?}", names(&server).await?);
        Ok(())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_list_is_set_aside_and_a_newer_one_is_refused() -> Result<()> {
    let (scratch, home) = empty()?;
    let mut server = home.serve(&[]).await?;
    add(&server, &scratch, "before").await?;
    ensure!(server.terminal.interrupt().await?.code() == Some(0), "it ends in order");
    let path = home.server_state()?.join("state.redb");
    std::fs::write(&path, "noise")?;
    let mut server = home.serve(&[]).await?;
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
    add(&server, &scratch, "after").await?;
    ensure!(server.terminal.interrupt().await?.code() == Some(0), "it ends in order");
    std::fs::remove_file(aside)?;
    let mut server = home.serve(&[]).await?;
    ensure!(names(&server).await? == ["after"], "{:?}", names(&server).await?);
    notices(&server, "no notice", <[Value]>::is_empty).await?;
    ensure!(server.terminal.interrupt().await?.code() == Some(0), "it ends in order");
    std::fs::write(&path, NEWER)?;
    let dir = home.downloads.to_str().context("a plain name")?;
    let (code, _, said) =
        terminal::run(&home.state, ["serve", "--listen", "127.0.0.1:0", "--dir", dir]).await?;
    ensure!(code != 0 && said.contains("newer version of this program"), "{code} {said}");
    ensure!(std::fs::read(&path)? == NEWER, "it was changed");
    Ok(())
}
