//! Seeding to real clients, while no payload passes through the engine.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::fixture::{Builder, Fixture};
use jstorrent_tests::leecher::Leecher;
use jstorrent_tests::swarm::Client;
use serde_json::Value;

/// Longest wait for a transfer.
const LIMIT: Duration = Duration::from_secs(60);
/// Share of the uploaded bytes that may cross the WebSocket, both directions together.
const SHARE: f64 = 0.05;

/// Three files whose blocks cross their borders.
const FILES: [(&str, usize); 3] = [("a.bin", 3_000_001), ("b/c.bin", 70_000), ("d.bin", 5_000_003)];

/// A torrent without seeders whose content exists, and whose tracker names no peer.
fn album() -> Builder {
    Fixture::random_files("Album", &FILES).pieces_of(64 << 10)
}

/// A real client downloads everything from us, and no payload crosses the WebSocket.
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
async fn libtorrent_downloads_from_us() -> Result<()> {
    check(Client::Libtorrent).await
}

#[tokio::test(flavor = "multi_thread")]
async fn transmission_downloads_from_us() -> Result<()> {
    check(Client::Transmission).await
}

#[tokio::test(flavor = "multi_thread")]
async fn aria2_downloads_from_us() -> Result<()> {
    check(Client::Aria2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn seeding_stops_at_its_goal() -> Result<()> {
    let fixture = album().build().await?;
    let mut terminal = fixture.give(&["--ratio", "1"]).await?;
    let mut leecher = Leecher::dialling(&fixture.torrent, terminal.address().await?).await?;
    leecher.complete(&fixture.torrent, LIMIT).await?;
    ensure!(terminal.ended().await?.code() == Some(0), "it ends by itself");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_torrent_is_uploaded_while_it_downloads() -> Result<()> {
    let fixture = album().seeded(Client::Libtorrent, 2 << 20).build().await?;
    let mut terminal = fixture.get(&["--seed"])?;
    let begun = |event: &Value| {
        event["port"].as_u64().is_some_and(|port| port != 0) && event["verified"].as_u64() > Some(0)
    };
    let event = terminal.event("the first piece", begun).await?;
    let port = u16::try_from(event["port"].as_u64().context("a port")?)?;
    // The leecher's torrent has the same content and a tracker that names no peer.
    let blind = album().build().await?;
    ensure!(blind.torrent.info_hash == fixture.torrent.info_hash, "another torrent");
    let mut leecher = Leecher::dialling(&blind.torrent, ([127, 0, 0, 1], port).into()).await?;
    leecher.complete(&blind.torrent, LIMIT).await
}
