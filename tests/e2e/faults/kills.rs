//! `kill -9` at any moment: no verified piece is lost, and no viewer gets a wrong byte.
//!
//! `KILLS` is the number of kills, `KILLS_SEED` repeats a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::dice::Dice;
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::http;
use jstorrent_tests::plain::{Server, url_of};
use jstorrent_tests::swarm::Client;
use jstorrent_tests::terminal::daemons;
use serde_json::json;

const LENGTH: usize = 24 << 20;
const PIECE_LENGTH: usize = 64 << 10;
const KILLS: u64 = 3;
/// The longest time between a start and its kill.
const LIFE_MS: u64 = 2_500;

/// Reads from `start` until the connection breaks; `seen` counts the bytes.
async fn view(url: String, truth: Arc<Vec<u8>>, start: usize, seen: Arc<AtomicU64>) -> Result<()> {
    // The kill may come before the reply's head.
    let Ok(mut reply) = http::open(&url, &[("Range", &format!("bytes={start}-"))]).await else {
        return Ok(());
    };
    ensure!(reply.status == 206, "status {}", reply.status);
    let mut bytes = Vec::new();
    while reply.read_some(&mut bytes).await? > 0 {
        ensure!(truth[start..].starts_with(&bytes), "other bytes after {start}");
        seen.fetch_max(bytes.len() as u64, Ordering::Relaxed);
    }
    Ok(())
}

/// Adds the torrent permanently and returns its URL.
async fn add(server: &Server, magnet: &str) -> Result<String> {
    let (status, added) = server.post(&json!({ "magnet": magnet, "keep": true })).await?;
    ensure!(status == 200, "{status} {added}");
    Ok(url_of(&added)?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_loses_no_verified_piece_and_serves_no_wrong_byte() -> Result<()> {
    let kills = std::env::var("KILLS").map_or(Ok(KILLS), |kills| kills.parse())?;
    let mut dice = Dice::from_env("KILLS_SEED");
    let film = Fixture::random("film.mp4", LENGTH).dice(dice.below(u64::MAX));
    // Slow enough for the last kill to hit a download.
    let rate = LENGTH as u64 * 1_000 / (kills.max(1) * LIFE_MS);
    let film = film.pieces_of(PIECE_LENGTH).linked().seeded(Client::Libtorrent, rate);
    let fixture = film.build().await?;
    let (torrent, truth) = (&fixture.torrent, Arc::new(fixture.truth[0].clone()));
    let magnet = fixture.magnet();
    let (mut told, mut served, mut regained) = (0, 0, 0);
    for kill in 0..kills {
        let mut server = fixture.serve(&[]).await?;
        if kill > 0 {
            // The server remembers the torrent.
            let verified = server.verified(&torrent.info_hash, 0).await?;
            ensure!(
                verified >= told,
                "kill {kill}: {told} bytes were verified, and {verified} are"
            );
            regained = verified;
        }
        let url = add(&server, &magnet).await?;
        let start = usize::try_from(dice.below(LENGTH as u64))?;
        let seen = Arc::new(AtomicU64::new(0));
        let viewer = tokio::spawn(view(url, Arc::clone(&truth), start, Arc::clone(&seen)));
        tokio::time::sleep(Duration::from_millis(dice.below(LIFE_MS))).await;
        if kill + 1 == kills {
            // At least one kill comes while a viewer reads.
            let is_read = || async { Ok((seen.load(Ordering::Relaxed) > 0).then_some(())) };
            until("the last viewer to read", LIMIT, is_read).await?;
        }
        told = server.verified(&torrent.info_hash, 0).await?;
        let daemon = daemons(&fixture.home.state).pop().context("no daemon runs")?;
        if dice.below(2) == 0 {
            server.terminal.kill().await;
            daemon.kill();
        } else {
            daemon.kill();
            server.terminal.kill().await;
        }
        // Another daemon may have been started in between.
        drop(server);
        viewer.await?.with_context(|| format!("kill {kill}"))?;
        served += seen.load(Ordering::Relaxed);
    }
    println!(
        "{kills} kills: {served} bytes served, {regained} verified at the last start, \
         {told} at the last kill"
    );
    ensure!(served > 0 && told > 0, "no viewer got a byte, or nothing was verified");
    ensure!(
        told < LENGTH as u64,
        "the download was over before the last kill: it proves less than it should"
    );
    let server = fixture.serve(&[]).await?;
    let verified = server.verified(&torrent.info_hash, 0).await?;
    ensure!(verified >= told, "{told} bytes were verified, and {verified} are");
    fixture.set_rate(0);
    let url = add(&server, &magnet).await?;
    let whole = http::get(&url).await?;
    ensure!(whole.whole && whole.body == *truth, "what is served at last is not what was seeded");
    fixture.is_in(&fixture.home.downloads)
}
