//! A computer that moves to another network while a film plays.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::http;
use jstorrent_tests::networks::{FAR, Far, become_reachable_at, within};
use jstorrent_tests::terminal::Terminal;
use serde_json::json;

/// Longest time that the viewer may wait after the change. Without notice of it, the connection
/// would die after minutes.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

#[test]
fn a_film_goes_on_when_the_address_changes() -> Result<()> {
    within(async {
        let far = Far::connect().await?;
        become_reachable_at(Ipv4Addr::new(10, 77, 0, 2)).await?;
        let fixture = Fixture::random("film.mp4", 12 << 20).linked().build().await?;
        let torrent = fixture.torrent_file()?;
        let what = json!({
            "torrent": torrent, "folder": fixture.torrent.folder, "seeds": true,
            "address": FAR.to_string(), "encrypted": false, "utp": false, "dht": null,
            "pex": false, "gives": true, "peers": [],
        });
        let seeder = far.seed(&what, &fixture.scratch).await?;
        let (state, films) = (fixture.scratch.dir("state")?, fixture.scratch.dir("films")?);
        let peer = format!("{FAR}:{}", seeder.port);
        let mut terminal = Terminal::start(
            &state,
            [
                "stream",
                torrent.to_str().unwrap_or_default(),
                "--dir",
                films.to_str().unwrap_or_default(),
                "--peer",
                &peer,
                "--download-limit",
                "1M",
                "--no-lsd",
                "--no-utp",
            ],
        )?;
        let mut reply = http::open(&terminal.url().await?, &[]).await?;
        let mut film = Vec::new();
        while film.len() < 2 << 20 {
            ensure!(reply.read_some(&mut film).await? > 0, "it ended after {} bytes", film.len());
        }
        become_reachable_at(Ipv4Addr::new(10, 77, 0, 3)).await?;
        let (mut longest, mut last) = (Duration::ZERO, Instant::now());
        while film.len() < fixture.truth[0].len() {
            let more = tokio::time::timeout(LONGEST_PAUSE, reply.read_some(&mut film)).await;
            let more =
                more.map_err(|_| anyhow::anyhow!("the film stopped at {} bytes", film.len()))?;
            ensure!(more? > 0, "it ended after {} bytes", film.len());
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        println!("the viewer waited {longest:.1?}");
        ensure!(film == fixture.truth[0], "the film is not what was seeded");
        Ok(())
    })
}
