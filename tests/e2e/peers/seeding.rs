//! `jstorrent` gives to real clients: they find it, they ask, and what they get is right, while no
//! payload passes through its engine.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::fixture::{Builder, Fixture};
use jstorrent_tests::leecher::Leecher;
use jstorrent_tests::swarm::Client;
use serde_json::Value;

/// Longest wait for a transfer.
const LIMIT: Duration = Duration::from_secs(60);
/// Share of what was given that may cross the WebSocket, both directions together.
const SHARE: f64 = 0.05;

/// Three files, of which blocks lie in more than one.
const FILES: [(&str, usize); 3] = [("a.bin", 3_000_001), ("b/c.bin", 70_000), ("d.bin", 5_000_003)];

/// A torrent whose files lie ready, and whose tracker names nobody.
fn album() -> Builder {
    Fixture::random_files("Album", &FILES).pieces_of(64 << 10)
}

/// A real client gets everything from us, and no payload goes through the engine.
async fn check(client: Client) -> Result<()> {
    let fixture = album().build().await?;
    let (mut terminal, mut leecher) = if client == Client::Libtorrent {
        let mut terminal = fixture.give(&[]).await?;
        let us = terminal.address().await?;
        (terminal, Leecher::dialling(&fixture.torrent, us).await?)
    } else {
        let leecher = Leecher::waiting(client, &fixture.torrent).await?;
        (fixture.give(&["--peer", &leecher.address().to_string()]).await?, leecher)
    };
    leecher.complete(&fixture.torrent, LIMIT).await?;
    let length = fixture.torrent.length;
    let given = |event: &Value| event["uploaded"].as_u64().is_some_and(|given| given >= length);
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
    let fixture = album().build().await?;
    let mut terminal = fixture.give(&["--ratio", "1"]).await?;
    let mut leecher = Leecher::dialling(&fixture.torrent, terminal.address().await?).await?;
    leecher.complete(&fixture.torrent, LIMIT).await?;
    ensure!(terminal.ended().await?.code() == Some(0), "it ends by itself");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_downloads_it_gives_on_while_it_comes() -> Result<()> {
    let fixture = album().seeded(Client::Libtorrent, 2 << 20).build().await?;
    let mut terminal = fixture.get(&["--seed"])?;
    let begun = |event: &Value| {
        event["port"].as_u64().is_some_and(|port| port != 0) && event["verified"].as_u64() > Some(0)
    };
    let event = terminal.event("the first piece", begun).await?;
    let port = u16::try_from(event["port"].as_u64().context("a port")?)?;
    // The leecher's torrent has the same content and a tracker that names nobody.
    let blind = album().build().await?;
    ensure!(blind.torrent.info_hash == fixture.torrent.info_hash, "another torrent");
    let mut leecher = Leecher::dialling(&blind.torrent, ([127, 0, 0, 1], port).into()).await?;
    leecher.complete(&blind.torrent, LIMIT).await
}
