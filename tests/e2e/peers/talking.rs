//! How `jstorrent` and real clients come to talk: plainly or encrypted, over TCP or uTP, whoever
//! dials, and what then passes is compared byte for byte.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::clock::until;
use jstorrent_tests::dice::Dice;
use jstorrent_tests::party::{Part, Party};
use jstorrent_tests::swarm::Client;
use jstorrent_tests::terminal::Terminal;
use jstorrent_tests::torrent::{Recipe, Torrent};
use jstorrent_tests::workspace::Scratch;

/// Longest wait for a transfer.
const LIMIT: Duration = Duration::from_secs(60);
/// Length of what is transferred, bytes: many frames, and not a whole number of blocks.
const LENGTH: usize = (4 << 20) + 777;

/// How a client is told to talk.
#[derive(Clone, Copy, Debug)]
struct Theirs {
    client: Client,
    encrypted: bool,
    utp: bool,
    address: &'static str,
}

impl Theirs {
    fn new(client: Client) -> Self {
        Self { client, encrypted: false, utp: false, address: "127.0.0.1" }
    }

    fn encrypted(self) -> Self {
        Self { encrypted: true, ..self }
    }

    fn over_utp(self) -> Self {
        Self { utp: true, ..self }
    }

    fn at(self, address: &'static str) -> Self {
        Self { address, ..self }
    }

    fn part<'a>(&self, torrent: &'a Torrent, seeds: bool) -> Part<'a> {
        let part = Part::new(self.client, torrent, seeds);
        Part { encrypted: self.encrypted, utp: self.utp, address: self.address, ..part }
    }
}

/// A torrent of one file, and where everybody has folders.
struct Stage {
    torrent: Torrent,
    file: PathBuf,
    truth: Vec<u8>,
    scratch: Scratch,
}

impl Stage {
    fn new(length: usize) -> Result<Self> {
        let scratch = Scratch::new("talking")?;
        let truth = Dice::new(7).bytes(length);
        let path = scratch.dir("content")?.join("film.bin");
        std::fs::write(&path, &truth)?;
        let torrent = Torrent::make(&Recipe::of_file(&path, 64 << 10)?)?;
        let file = torrent.write_to(scratch.path())?;
        Ok(Self { torrent, file, truth, scratch })
    }

    /// `jstorrent get`, here or where the file lies.
    fn get(&self, name: &str, dir: &str, flags: &[&str]) -> Result<(Terminal, PathBuf)> {
        let (state, dir) = (self.scratch.dir(name)?, self.scratch.dir(dir)?);
        let file = self.file.to_str().context("a plain path")?;
        let mut args = vec![
            "get",
            file,
            "--dir",
            dir.to_str().context("a plain path")?,
            "--no-lsd",
            "--no-pex",
        ];
        args.extend(flags);
        let film = dir.join("film.bin");
        Ok((Terminal::start(&state, args)?, film))
    }

    fn is_at(&self, path: &PathBuf) -> bool {
        std::fs::read(path).is_ok_and(|bytes| bytes == self.truth)
    }
}

/// We download from a client that we dial.
async fn check_getting(theirs: Theirs, flags: &[&str]) -> Result<()> {
    let stage = Stage::new(LENGTH)?;
    let seeder = Party::start(&theirs.part(&stage.torrent, true)).await?;
    let peer = seeder.address().to_string();
    let (mut terminal, film) =
        stage.get("state", "downloads", &[flags, &["--peer", &peer]].concat())?;
    let status = terminal
        .ended()
        .await
        .with_context(|| format!("{theirs:?}, {flags:?}: {}", seeder.log()))?;
    ensure!(status.success(), "{theirs:?}, {flags:?}: {status}; {}", seeder.log());
    ensure!(stage.is_at(&film), "{theirs:?}, {flags:?}: not what was seeded");
    Ok(())
}

/// We give to a client: libtorrent dials us, the others are dialled.
async fn check_giving(theirs: Theirs, flags: &[&str]) -> Result<()> {
    let stage = Stage::new(LENGTH)?;
    let flags = [flags, &["--seed"]].concat();
    let (_terminal, leecher) = if theirs.client == Client::Libtorrent {
        let (mut terminal, _) = stage.get("state", "content", &flags)?;
        let has_port =
            |event: &serde_json::Value| event["port"].as_u64().is_some_and(|port| port != 0);
        let event = terminal.event("its port", has_port).await?;
        let port = u16::try_from(event["port"].as_u64().context("a port")?)?;
        let us = [(theirs.address.parse::<std::net::IpAddr>()?, port).into()];
        let part = Part { peers: &us, ..theirs.part(&stage.torrent, false) };
        (terminal, Party::start(&part).await?)
    } else {
        let leecher = Party::start(&theirs.part(&stage.torrent, false)).await?;
        let peer = leecher.address().to_string();
        let (terminal, _) =
            stage.get("state", "content", &[&flags[..], &["--peer", &peer]].concat())?;
        (terminal, leecher)
    };
    let film = leecher.folder().join("film.bin");
    let done = until("the client to have everything", LIMIT, || async {
        Ok(stage.is_at(&film).then_some(()))
    });
    done.await.with_context(|| format!("{theirs:?}, {flags:?}: {}", leecher.log()))
}

/// Both at once: these clients mostly wait, Transmission for ten seconds before it gives anybody a
/// slot.
async fn check_both_ways(theirs: Theirs, flags: &[&str]) -> Result<()> {
    tokio::try_join!(check_getting(theirs, flags), check_giving(theirs, flags)).map(drop)
}

const FORCED: &[&str] = &["--encryption", "forced"];
const OFF: &[&str] = &["--encryption", "off"];

#[tokio::test(flavor = "multi_thread")]
async fn libtorrent_that_insists_on_encryption_is_talked_to_in_it() -> Result<()> {
    let theirs = Theirs::new(Client::Libtorrent).encrypted();
    check_both_ways(theirs, FORCED).await?;
    // Plainly at first, then as it wants.
    check_both_ways(theirs, &[]).await?;
    check_both_ways(theirs, &["--encryption", "preferred"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn libtorrent_that_refuses_encryption_is_talked_to_plainly() -> Result<()> {
    let theirs = Theirs::new(Client::Libtorrent);
    check_both_ways(theirs, OFF).await?;
    check_both_ways(theirs, &["--encryption", "preferred"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn transmission_that_insists_on_encryption_is_talked_to_in_it() -> Result<()> {
    let theirs = Theirs::new(Client::Transmission).encrypted();
    tokio::try_join!(check_both_ways(theirs, FORCED), check_both_ways(theirs, &[])).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn aria2_that_insists_on_encryption_is_talked_to_in_it() -> Result<()> {
    let theirs = Theirs::new(Client::Aria2).encrypted();
    tokio::try_join!(check_both_ways(theirs, FORCED), check_both_ways(theirs, &[])).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_we_force_talks_in_secret_though_it_would_not_have_to() -> Result<()> {
    let (transmission, aria2) = (Theirs::new(Client::Transmission), Theirs::new(Client::Aria2));
    tokio::try_join!(check_both_ways(transmission, FORCED), check_both_ways(aria2, FORCED))
        .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_passes_between_one_that_forces_encryption_and_one_that_has_none() -> Result<()> {
    let (forced, plain) =
        (Theirs::new(Client::Libtorrent).encrypted(), Theirs::new(Client::Libtorrent));
    for (theirs, flags) in [(forced, OFF), (plain, FORCED)] {
        let stage = Stage::new(LENGTH)?;
        let seeder = Party::start(&theirs.part(&stage.torrent, true)).await?;
        let peer = seeder.address().to_string();
        let (mut terminal, _) =
            stage.get("state", "downloads", &[flags, &["--peer", &peer]].concat())?;
        for _ in 0..4 {
            let event = terminal.event("progress", |event| event["event"] == "progress").await?;
            ensure!(event["verified"] == 0, "{theirs:?}, {flags:?}: {event}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn libtorrent_without_tcp_is_talked_to_over_utp() -> Result<()> {
    let theirs = Theirs::new(Client::Libtorrent).over_utp();
    // TCP is refused at first.
    check_both_ways(theirs, &[]).await?;
    check_both_ways(theirs, &["--no-tcp", "--encryption", "off"]).await?;
    check_both_ways(theirs.encrypted(), &["--no-tcp", "--encryption", "forced"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn transmission_is_talked_to_over_utp_when_tcp_is_ruled_out() -> Result<()> {
    let theirs = Theirs::new(Client::Transmission).over_utp();
    let secretly = ["--no-tcp", "--encryption", "forced"];
    let (plainly, secretly) =
        (check_both_ways(theirs, &["--no-tcp"]), check_both_ways(theirs.encrypted(), &secretly));
    tokio::try_join!(plainly, secretly).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn libtorrent_is_talked_to_over_ipv6() -> Result<()> {
    let theirs = Theirs::new(Client::Libtorrent).at("::1");
    check_both_ways(theirs, &["--peer-address", "::1"]).await?;
    check_both_ways(theirs.encrypted(), &["--peer-address", "::1", "--no-utp"]).await?;
    check_both_ways(theirs.over_utp(), &["--peer-address", "::1", "--no-tcp"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_us_talk_over_utp() -> Result<()> {
    for flags in [&["--no-tcp"][..], &["--no-tcp", "--encryption", "forced"]] {
        let stage = Stage::new(LENGTH)?;
        let (mut giving, _) = stage.get("giving", "content", &[flags, &["--seed"]].concat())?;
        let has_port =
            |event: &serde_json::Value| event["port"].as_u64().is_some_and(|port| port != 0);
        let event = giving.event("its port", has_port).await?;
        let peer = format!("127.0.0.1:{}", event["port"]);
        let (mut terminal, film) =
            stage.get("state", "downloads", &[flags, &["--peer", &peer]].concat())?;
        ensure!(terminal.ended().await?.success());
        ensure!(stage.is_at(&film), "not what was given");
    }
    Ok(())
}
