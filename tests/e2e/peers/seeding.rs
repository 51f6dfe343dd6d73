//! `jstorrent` gives to real clients: they find it, they ask, and what they get is right, while no
//! payload passes through its engine.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::leecher::Leecher;
use jstorrent_tests::proxy::Line;
use jstorrent_tests::swarm::{Client, Swarm};
use jstorrent_tests::terminal::Terminal;
use jstorrent_tests::torrent::{Recipe, Torrent};
use jstorrent_tests::tracker::Tracker;
use jstorrent_tests::workspace::Scratch;

/// Longest wait for a transfer.
const LIMIT: Duration = Duration::from_secs(60);
/// Share of what was given that may cross the WebSocket, both directions together.
const SHARE: f64 = 0.05;

/// Three files, of which blocks lie in more than one.
const FILES: [(&str, usize); 3] = [("a.bin", 3_000_001), ("b/c.bin", 70_000), ("d.bin", 5_000_003)];

fn content(length: usize, salt: u64) -> Vec<u8> {
    let words =
        (0u64..).map(|at| (at ^ salt << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    words.flatten().take(length).collect()
}

/// A torrent whose files lie ready, and a tracker.
struct Stage {
    torrent: Torrent,
    file: PathBuf,
    _tracker: Tracker,
    scratch: Scratch,
}

impl Stage {
    async fn new() -> Result<Self> {
        let scratch = Scratch::new("seeding")?;
        let folder = scratch.dir("content")?;
        for (salt, (path, length)) in (0..).zip(FILES) {
            let path = folder.join("Album").join(path);
            std::fs::create_dir_all(path.parent().context("a folder")?)?;
            std::fs::write(path, content(length, salt))?;
        }
        let tracker = Tracker::start().await?;
        let files = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        let recipe = Recipe {
            folder,
            name: "Album".into(),
            files,
            piece_length: 64 << 10,
            announce: Some(tracker.url()),
        };
        let torrent = Torrent::make(&recipe)?;
        let file = torrent.write_to(scratch.path())?;
        Ok(Self { torrent, file, _tracker: tracker, scratch })
    }

    /// `jstorrent get --seed` where the files lie; it tells the port at which it listens.
    async fn seed(&self, further: &[&str]) -> Result<(Terminal, u16)> {
        let state = self.scratch.dir("state")?;
        let dir = self.torrent.folder.to_str().context("a plain path")?;
        let file = self.file.to_str().context("a plain path")?;
        let args = ["get", file, "--dir", dir, "--seed"].into_iter().chain(further.iter().copied());
        let mut terminal = Terminal::start(&state, args)?;
        terminal.event("everything to be found", |event| event["event"] == "complete").await?;
        let is_announced =
            |event: &serde_json::Value| event["port"].as_u64().is_some_and(|port| port != 0);
        let event = terminal.event("its port", is_announced).await?;
        let port = u16::try_from(event["port"].as_u64().context("a port")?)?;
        Ok((terminal, port))
    }
}

/// A real client gets everything from us, and no payload goes through the engine.
async fn check(client: Client) -> Result<()> {
    let stage = Stage::new().await?;
    let (mut terminal, mut leecher) = if client == Client::Libtorrent {
        let (terminal, port) = stage.seed(&[]).await?;
        (terminal, Leecher::dialling(&stage.torrent, ([127, 0, 0, 1], port).into()).await?)
    } else {
        let leecher = Leecher::waiting(client, &stage.torrent).await?;
        let (terminal, _) = stage.seed(&["--peer", &leecher.address().to_string()]).await?;
        (terminal, leecher)
    };
    leecher.complete(&stage.torrent, LIMIT).await?;
    let length = stage.torrent.length;
    let given =
        |event: &serde_json::Value| event["uploaded"].as_u64().is_some_and(|given| given >= length);
    let event = terminal.event("it to count what it gave", given).await?;
    ensure!(
        event["uploaded"].as_u64() <= Some(length + length / 10),
        "much was given twice: {event}"
    );
    let metrics = terminal.daemon()?.metrics().await?;
    let sum = |part: &str| {
        metrics.iter().filter(|(name, _)| name.contains(part)).map(|(_, value)| value).sum::<f64>()
    };
    let crossed = sum("control_bytes");
    ensure!(crossed > 0.0, "no counter of the WebSocket's bytes: {metrics:#?}");
    ensure!(
        crossed < SHARE * length as f64,
        "{crossed} bytes crossed the WebSocket for {length} bytes of payload"
    );
    ensure!(
        terminal.interrupt().await?.code() == Some(0),
        "who has everything and is told to end has succeeded"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn libtorrent_gets_everything_from_us() -> Result<()> {
    check(Client::Libtorrent).await
}

#[tokio::test(flavor = "multi_thread")]
async fn transmission_gets_everything_from_us() -> Result<()> {
    check(Client::Transmission).await
}

#[tokio::test(flavor = "multi_thread")]
async fn aria2_gets_everything_from_us() -> Result<()> {
    check(Client::Aria2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_when_it_has_given_enough() -> Result<()> {
    let stage = Stage::new().await?;
    let (mut terminal, port) = stage.seed(&["--ratio", "1"]).await?;
    let mut leecher = Leecher::dialling(&stage.torrent, ([127, 0, 0, 1], port).into()).await?;
    leecher.complete(&stage.torrent, LIMIT).await?;
    ensure!(terminal.ended().await?.code() == Some(0), "it ends by itself");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_downloads_it_gives_on_while_it_comes() -> Result<()> {
    let stage = Stage::new().await?;
    let recipe = Recipe {
        folder: stage.torrent.folder.clone(),
        name: "Album".into(),
        files: FILES.iter().map(|(path, _)| (*path).to_owned()).collect(),
        piece_length: 64 << 10,
        announce: None,
    };
    let swarm = Swarm::of(recipe, &[(Client::Libtorrent, Line::of_rate(2 << 20))]).await?;
    let (state, dir) = (stage.scratch.dir("state")?, stage.scratch.dir("downloads")?);
    let file = swarm.torrent.write_to(stage.scratch.path())?;
    let (file, dir) =
        (file.to_str().context("a plain path")?, dir.to_str().context("a plain path")?);
    let mut terminal = Terminal::start(&state, ["get", file, "--dir", dir, "--seed"])?;
    let begun = |event: &serde_json::Value| {
        event["port"].as_u64().is_some_and(|port| port != 0) && event["verified"].as_u64() > Some(0)
    };
    let event = terminal.event("the first piece", begun).await?;
    let port = u16::try_from(event["port"].as_u64().context("a port")?)?;
    // Its own tracker would name the seeder.
    let blind = Torrent { metainfo: stage.torrent.metainfo.clone(), ..swarm.torrent.clone() };
    let mut leecher = Leecher::dialling(&blind, ([127, 0, 0, 1], port).into()).await?;
    leecher.complete(&blind, LIMIT).await?;
    Ok(())
}
