//! Content passes from socket to disk to viewer inside the daemon. The engine sees only headers and
//! completions.

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::Options;
use jstorrent_tests::clock::LIMIT;
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::http;
use jstorrent_tests::media::Film;
use jstorrent_tests::scene::Scene;
use jstorrent_tests::swarm::Client;

/// Share of the payload that may cross the WebSocket, both directions together.
const SHARE: f64 = 0.02;

#[tokio::test(flavor = "multi_thread")]
async fn less_than_a_fiftieth_of_a_film_crosses_the_websocket() -> Result<()> {
    let film = Fixture::film(Film::Mp4MoovFirst).seeded(Client::Libtorrent, 4 << 20);
    let scene = Scene::with(film.build().await?, Options::default()).await?;
    let player = scene.play().await?;
    player.first_frame(LIMIT).await.with_context(|| scene.browser.report())?;
    let torrent = scene.torrent_when("the film to be complete", |t| t.verified == t.length).await?;
    let whole = http::get(&scene.stream_url().await?).await?;
    ensure!(
        whole.body == scene.truth(),
        "the film that was served is not the film that was seeded"
    );
    let metrics = scene.browser.daemon().await?.metrics().await?;
    let sum = |part: &str| {
        metrics.iter().filter(|(name, _)| name.contains(part)).map(|(_, value)| value).sum::<f64>()
    };
    let crossed = sum("control_bytes");
    ensure!(crossed > 0.0, "no counter of the WebSocket's bytes: {metrics:#?}");
    ensure!(
        crossed < SHARE * torrent.downloaded as f64,
        "{crossed} bytes crossed the WebSocket for {} bytes of payload",
        torrent.downloaded
    );
    Ok(())
}
