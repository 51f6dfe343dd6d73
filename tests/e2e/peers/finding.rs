//! Sources beside trackers: PEX, local discovery and web seeds; and private torrents, which use
//! none.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::fixture::{Builder, Fixture};
use jstorrent_tests::http;
use jstorrent_tests::nginx::Nginx;
use jstorrent_tests::party::{Kind, Part, Party};
use jstorrent_tests::terminal::Terminal;
use serde_json::Value;

/// Longest wait for a transfer: libtorrent sends PEX once a minute.
const LIMIT: Duration = Duration::from_secs(100);
const LENGTH: usize = 3_000_001;

/// A private torrent without trackers; each test has its own.
fn film(dice: u64) -> Builder {
    Fixture::random("a film.bin", LENGTH).dice(dice).pieces_of(64 << 10).trackerless()
}

/// A libtorrent seeder, a slow `jstorrent`, and a second libtorrent. The slow `jstorrent` knows the
/// seeder, and the second libtorrent knows only `jstorrent`.
async fn between_two(fixture: &Fixture) -> Result<(Party, Terminal, Party)> {
    let seeder = Part { pex: true, ..Part::new(Kind::Libtorrent, &fixture.torrent, true) };
    let seeder = Party::start(&seeder).await?;
    let limits =
        ["--download-limit", "1K", "--upload-limit", "1K", "--peer", &seeder.address().to_string()];
    let mut hub = fixture.home("hub")?.get(fixture.torrent_file()?, &limits)?;
    let peers = [hub.address().await?];
    let getter =
        Part { pex: true, peers: &peers, ..Part::new(Kind::Libtorrent, &fixture.torrent, false) };
    let getter = Party::start(&getter).await?;
    Ok((seeder, hub, getter))
}

#[tokio::test(flavor = "multi_thread")]
async fn libtorrent_finds_a_seeder_through_our_pex() -> Result<()> {
    let fixture = film(1).public().build().await?;
    let (_seeder, _hub, getter) = between_two(&fixture).await?;
    let heard = fixture.comes_to(getter.folder(), "libtorrent to hear of the seeder", LIMIT).await;
    heard.with_context(|| getter.log())
}

#[tokio::test(flavor = "multi_thread")]
async fn we_find_a_seeder_through_libtorrents_pex() -> Result<()> {
    let fixture = film(2).public().build().await?;
    let seeder = Part { pex: true, ..Part::new(Kind::Libtorrent, &fixture.torrent, true) };
    let seeder = Party::start(&seeder).await?;
    let peers = [seeder.address()];
    let hub = Part {
        pex: true,
        gives: false,
        peers: &peers,
        ..Part::new(Kind::Libtorrent, &fixture.torrent, false)
    };
    let hub = Party::start(&hub).await?;
    let mut terminal = fixture.get(&["--peer", &hub.address().to_string()])?;
    let done =
        terminal.event_within(LIMIT, "everything", |event| event["event"] == "complete").await;
    done.with_context(|| hub.log())?;
    fixture.is_in(&fixture.home.downloads)
}

#[tokio::test(flavor = "multi_thread")]
async fn neighbours_find_each_other_in_the_local_network() -> Result<()> {
    let film = Fixture::random("a film.bin", LENGTH).dice(3).trackerless().public();
    let fixture = film.build().await?;
    // Only on this machine: the engine joins the multicast group where it takes peers, on loopback.
    let _seeder = fixture.give(&["--no-lsd=no"]).await?;
    let mut getter = fixture.get(&["--no-lsd=no"])?;
    ensure!(getter.ended().await?.success(), "it failed");
    fixture.is_in(&fixture.home.downloads)
}

/// A libtorrent seeder, a slow `jstorrent`, and a second `jstorrent`. The slow one is connected to
/// the seeder, and the second one to the slow one.
async fn behind_one(fixture: &Fixture) -> Result<(Party, Terminal, Terminal)> {
    let seeder = Part { pex: true, ..Part::new(Kind::Libtorrent, &fixture.torrent, true) };
    let seeder = Party::start(&seeder).await?;
    let limits =
        ["--download-limit", "1K", "--upload-limit", "1K", "--peer", &seeder.address().to_string()];
    let mut hub = fixture.home("hub")?.get(fixture.torrent_file()?, &limits)?;
    let address = hub.address().await?.to_string();
    hub.event("the hub to meet the seeder", |event| event["peers"] == 1).await?;
    let mut getter = fixture.get(&["--peer", &address])?;
    getter.event("the hub", |event| event["peers"].as_u64() >= Some(1)).await?;
    Ok((seeder, hub, getter))
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_of_a_private_torrent_are_not_exchanged() -> Result<()> {
    let fixture = film(7).public().build().await?;
    let (_seeder, _hub, mut getter) = behind_one(&fixture).await?;
    let since = Instant::now();
    getter
        .event_within(LIMIT, "everything, of a public one", |event| event["event"] == "complete")
        .await?;
    let takes = since.elapsed();
    let fixture = film(8).build().await?;
    let (_seeder, _hub, mut getter) = behind_one(&fixture).await?;
    stays(&mut getter, 1, 3 * takes.max(Duration::from_secs(3))).await
}

/// Makes sure that at most `most` peers are found in this time.
async fn stays(terminal: &mut Terminal, most: u64, time: Duration) -> Result<()> {
    let mut looks = 0;
    let watched = tokio::time::timeout(time, async {
        loop {
            let is_progress = |event: &Value| event["event"] == "progress";
            let event = terminal.event("progress", is_progress).await?;
            let peers = event["peers"].as_u64().context("progress counts peers")?;
            ensure!(peers <= most, "somebody was found: {event}");
            looks += 1;
        }
    });
    watched.await.unwrap_or(Ok(()))?;
    ensure!(looks >= 2, "only {looks} looks in {time:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_torrent_is_not_found_in_the_local_network() -> Result<()> {
    let fixture = film(4).build().await?;
    let _seeder = fixture.give(&["--no-lsd=no"]).await?;
    let mut getter = fixture.get(&["--no-lsd=no"])?;
    // Five times as long as a public torrent takes.
    stays(&mut getter, 0, Duration::from_secs(10)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_downloads_from_a_web_server_alone() -> Result<()> {
    let fixture = film(5).public().build().await?;
    let nginx = Nginx::start(&fixture.torrent.folder).await?;
    let seeded = fixture.torrent.with_web_seed(&nginx.url(""));
    let mut terminal = fixture.home.get(seeded.write_to(fixture.scratch.path())?, &[])?;
    ensure!(terminal.ended().await?.success(), "it failed");
    fixture.is_in(&fixture.home.downloads)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_reads_and_seeks_in_a_download_from_a_web_server() -> Result<()> {
    let fixture = film(6).public().build().await?;
    let nginx = Nginx::start(&fixture.torrent.folder).await?;
    let seeded = fixture.torrent.with_web_seed(&nginx.url("a%20film.bin"));
    let file = seeded.write_to(fixture.scratch.path())?;
    // Slow enough for seeks to come before the end.
    let mut terminal = fixture.home.stream(file, &["--file", "1", "--download-limit", "500K"])?;
    let url = terminal.url().await?;
    for start in [0, LENGTH - 100_000, LENGTH / 2, 1_000_000] {
        let end = (start + 70_000).min(LENGTH - 1);
        let reply = http::get_range(&url, start as u64, end as u64).await?;
        ensure!(
            reply.status == 206 && reply.body == fixture.truth[0][start..=end],
            "from {start}: {}",
            reply.status
        );
    }
    Ok(())
}
