//! Where peers and content come from when no tracker helps: other peers, the local network, the
//! web; and that a private torrent keeps to itself.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::clock::until;
use jstorrent_tests::dice::Dice;
use jstorrent_tests::http;
use jstorrent_tests::nginx::Nginx;
use jstorrent_tests::party::{Part, Party};
use jstorrent_tests::swarm::Client;
use jstorrent_tests::terminal::Terminal;
use jstorrent_tests::torrent::{Recipe, Torrent};
use jstorrent_tests::workspace::Scratch;

/// Longest wait for a transfer: peers speak of others once a minute.
const LIMIT: Duration = Duration::from_secs(100);
const LENGTH: usize = 3_000_001;

/// A torrent without trackers whose content lies ready.
struct Stage {
    torrent: Torrent,
    truth: Vec<u8>,
    scratch: Scratch,
}

impl Stage {
    fn new(seed: u64, is_private: bool) -> Result<Self> {
        let scratch = Scratch::new("finding")?;
        let truth = Dice::new(seed).bytes(LENGTH);
        let file = scratch.dir("content")?.join("a film.bin");
        std::fs::write(&file, &truth)?;
        let torrent = Torrent::make(&Recipe::of_file(&file, 64 << 10)?)?;
        let torrent = if is_private { torrent } else { torrent.public() };
        Ok(Self { torrent, truth, scratch })
    }

    /// `jstorrent` with the torrent, in folders of this name.
    fn start(&self, name: &str, further: &[&str]) -> Result<(Terminal, PathBuf)> {
        let folder = self.scratch.dir(name)?;
        self.start_in(name, folder, further)
    }

    fn start_in(
        &self,
        name: &str,
        folder: PathBuf,
        further: &[&str],
    ) -> Result<(Terminal, PathBuf)> {
        let file = self.torrent.write_to(self.scratch.path())?;
        let text = |path: &PathBuf| path.to_str().map(str::to_owned).context("a plain path");
        let args = ["get".to_owned(), text(&file)?, "--dir".to_owned(), text(&folder)?];
        let args = args.into_iter().chain(further.iter().map(|&arg| arg.to_owned()));
        let terminal = Terminal::start(&self.scratch.dir(&format!("{name}-state"))?, args)?;
        Ok((terminal, folder))
    }

    fn is_right(&self, folder: &std::path::Path) -> bool {
        std::fs::read(folder.join("a film.bin")).is_ok_and(|bytes| bytes == self.truth)
    }

    async fn comes_to(&self, folder: &std::path::Path, what: &str) -> Result<()> {
        until(what, LIMIT, || async { Ok(self.is_right(folder).then_some(())) }).await
    }
}

/// Where a terminal listens for peers.
async fn address(terminal: &mut Terminal) -> Result<SocketAddr> {
    let has_port = |event: &serde_json::Value| event["port"].as_u64().is_some_and(|port| port != 0);
    let event = terminal.event("its port", has_port).await?;
    Ok(SocketAddr::from((
        [127, 0, 0, 1],
        u16::try_from(event["port"].as_u64().context("a port")?)?,
    )))
}

/// libtorrent has everything, `jstorrent` between them can take and give next to nothing, and a
/// second libtorrent knows `jstorrent` alone.
async fn between_two(stage: &Stage) -> Result<(Party, Terminal, Party)> {
    let seeder = Part { pex: true, ..Part::new(Client::Libtorrent, &stage.torrent, true) };
    let seeder = Party::start(&seeder).await?;
    let limits =
        ["--download-limit", "1K", "--upload-limit", "1K", "--peer", &seeder.address().to_string()];
    let (mut hub, _) = stage.start("hub", &limits)?;
    let peers = [address(&mut hub).await?];
    let getter =
        Part { pex: true, peers: &peers, ..Part::new(Client::Libtorrent, &stage.torrent, false) };
    let getter = Party::start(&getter).await?;
    Ok((seeder, hub, getter))
}

#[tokio::test(flavor = "multi_thread")]
async fn libtorrent_finds_a_seeder_of_which_we_tell() -> Result<()> {
    let stage = Stage::new(1, false)?;
    let (_seeder, _hub, getter) = between_two(&stage).await?;
    stage
        .comes_to(getter.folder(), "libtorrent to hear of the seeder")
        .await
        .with_context(|| getter.log())
}

#[tokio::test(flavor = "multi_thread")]
async fn we_find_a_seeder_of_which_libtorrent_tells() -> Result<()> {
    let stage = Stage::new(2, false)?;
    let seeder = Part { pex: true, ..Part::new(Client::Libtorrent, &stage.torrent, true) };
    let seeder = Party::start(&seeder).await?;
    let peers = [seeder.address()];
    let hub = Part {
        pex: true,
        gives: false,
        peers: &peers,
        ..Part::new(Client::Libtorrent, &stage.torrent, false)
    };
    let hub = Party::start(&hub).await?;
    let (mut terminal, folder) = stage.start("getter", &["--peer", &hub.address().to_string()])?;
    let done =
        terminal.event_within(LIMIT, "everything", |event| event["event"] == "complete").await;
    done.with_context(|| hub.log())?;
    ensure!(stage.is_right(&folder), "not what was seeded");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbours_find_each_other_in_the_local_network() -> Result<()> {
    let stage = Stage::new(3, false)?;
    // Only on this machine: the group is joined where peers may connect, and that is the loopback
    // interface.
    let (mut seeder, _) =
        stage.start_in("seeder", stage.torrent.folder.clone(), &["--seed", "--no-lsd=no"])?;
    seeder.event("everything to be found", |event| event["event"] == "complete").await?;
    let (mut getter, folder) = stage.start("getter", &["--no-lsd=no"])?;
    ensure!(getter.ended().await?.success(), "it failed");
    ensure!(stage.is_right(&folder), "not what was seeded");
    Ok(())
}

/// `jstorrent` that can take and give next to nothing knows libtorrent, which has everything; a
/// second `jstorrent` knows the first alone, and has met it.
async fn behind_one(stage: &Stage) -> Result<(Party, Terminal, Terminal)> {
    let seeder = Part { pex: true, ..Part::new(Client::Libtorrent, &stage.torrent, true) };
    let seeder = Party::start(&seeder).await?;
    let limits =
        ["--download-limit", "1K", "--upload-limit", "1K", "--peer", &seeder.address().to_string()];
    let (mut hub, _) = stage.start("hub", &limits)?;
    let address = address(&mut hub).await?.to_string();
    hub.event("the hub to meet the seeder", |event| event["peers"] == 1).await?;
    let (mut getter, _) = stage.start("getter", &["--peer", &address])?;
    getter.event("the hub", |event| event["peers"].as_u64() >= Some(1)).await?;
    Ok((seeder, hub, getter))
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_who_else_has_a_private_torrent() -> Result<()> {
    let stage = Stage::new(7, false)?;
    let (_seeder, _hub, mut getter) = behind_one(&stage).await?;
    let since = Instant::now();
    getter
        .event_within(LIMIT, "everything, of a public one", |event| event["event"] == "complete")
        .await?;
    let takes = since.elapsed();
    let stage = Stage::new(8, true)?;
    let (_seeder, _hub, mut getter) = behind_one(&stage).await?;
    stays(&mut getter, 1, 3 * takes.max(Duration::from_secs(3))).await
}

/// For so long nobody beyond so many is found.
async fn stays(terminal: &mut Terminal, most: u64, time: Duration) -> Result<()> {
    let found = tokio::time::timeout(time, async {
        loop {
            let event = terminal.next().await?;
            ensure!(event["peers"].as_u64().unwrap_or(0) <= most, "somebody was found: {event}");
        }
    });
    found.await.unwrap_or(Ok(()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_torrent_is_not_found_in_the_local_network() -> Result<()> {
    let stage = Stage::new(4, true)?;
    let (mut seeder, _) =
        stage.start_in("seeder", stage.torrent.folder.clone(), &["--seed", "--no-lsd=no"])?;
    seeder.event("everything to be found", |event| event["event"] == "complete").await?;
    let (mut getter, _) = stage.start("getter", &["--no-lsd=no"])?;
    // As long as five times what a public one takes.
    stays(&mut getter, 0, Duration::from_secs(10)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_comes_from_a_web_server_alone() -> Result<()> {
    let mut stage = Stage::new(5, false)?;
    let nginx = Nginx::start(&stage.torrent.folder).await?;
    stage.torrent = stage.torrent.with_web_seed(&nginx.url(""));
    let (mut terminal, folder) = stage.start("getter", &[])?;
    ensure!(terminal.ended().await?.success(), "it failed");
    ensure!(stage.is_right(&folder), "not what the server holds");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_reads_and_seeks_while_a_web_server_gives() -> Result<()> {
    let mut stage = Stage::new(6, false)?;
    let nginx = Nginx::start(&stage.torrent.folder).await?;
    stage.torrent = stage.torrent.with_web_seed(&nginx.url("a%20film.bin"));
    let file = stage.torrent.write_to(stage.scratch.path())?;
    let file = file.to_str().context("a plain path")?;
    // Slow enough for seeks to come before the end.
    let args = ["stream", file, "--file", "1", "--download-limit", "500K"];
    let mut terminal = Terminal::start(&stage.scratch.dir("state")?, args)?;
    let url = terminal.url().await?;
    for start in [0, LENGTH - 100_000, LENGTH / 2, 1_000_000] {
        let end = (start + 70_000).min(LENGTH - 1);
        let reply = http::get_range(&url, start as u64, end as u64).await?;
        ensure!(
            reply.status == 206 && reply.body == stage.truth[start..=end],
            "from {start}: {}",
            reply.status
        );
    }
    Ok(())
}
