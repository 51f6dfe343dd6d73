//! A film plays and seeks in Chrome while a client still sends it.

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::Options;
use jstorrent_tests::clock::LIMIT;
use jstorrent_tests::fixture::{FILM_RATE_BPS, Fixture};
use jstorrent_tests::http;
use jstorrent_tests::media::Film;
use jstorrent_tests::scene::Scene;
use jstorrent_tests::swarm::Client;
use jstorrent_tests::workspace::Scratch;

/// Watches a film from a client while it is incomplete, then compares every byte.
async fn check(film: Film, client: Client) -> Result<()> {
    let scene = Scene::of(film, client).await?;
    watch(&scene).await.with_context(|| scene.browser.report())?;
    scene.fixture.set_rate(0);
    let whole = http::get(&scene.stream_url().await?).await?;
    ensure!(
        whole.status == 200 && whole.whole,
        "status {}, {} bytes",
        whole.status,
        whole.body.len()
    );
    ensure!(
        whole.body == scene.truth(),
        "the film that was served is not the film that was seeded"
    );
    Ok(())
}

async fn watch(scene: &Scene) -> Result<()> {
    let player = scene.play().await?;
    player.first_frame(LIMIT).await?;
    scene.is_incomplete().await.context("at the first frame")?;
    player.plays_on(2.0, LIMIT).await?;
    let far = f64::from(Film::SECONDS) * 0.8;
    player.seek(far, LIMIT).await?;
    scene.is_incomplete().await.context("after the seek ahead")?;
    player.plays_on(1.0, LIMIT).await?;
    player.seek(5.0, LIMIT).await?;
    scene.is_incomplete().await.context("after the seek back")?;
    let length = scene.truth().len();
    // One range at the start, one across a border of pieces, one at the end.
    scene.range_is_true(0, 70_000).await?;
    scene.range_is_true(length / 2 - 90_000, length / 2 + 90_000).await?;
    scene.range_is_true(length - 1000, length - 1).await
}

/// Watches a film whose sound the browser can't decode, and listens to it.
async fn listen(film: Film) -> Result<()> {
    let scene = Scene::of(film, Client::Libtorrent).await?;
    let heard = async {
        let player = scene.play().await?;
        player.first_frame(LIMIT).await?;
        scene.is_incomplete().await.context("at the first frame")?;
        // The film has a tone throughout, so silence is wrong.
        let loudness = player.loudness(LIMIT).await?;
        ensure!(loudness > 0.02, "the loudest of it is {loudness}");
        player.seek(f64::from(Film::SECONDS) * 0.8, LIMIT).await?;
        scene.is_incomplete().await.context("after the seek ahead")?;
        player.seek(5.0, LIMIT).await?;
        let loudness = player.loudness(LIMIT).await?;
        ensure!(loudness > 0.02, "after the seeks the loudest of it is {loudness}");
        anyhow::Ok(())
    };
    heard.await.with_context(|| scene.browser.report())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matroska_with_dolby_digital_plays_with_sound_while_incomplete() -> Result<()> {
    listen(Film::Dolby).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matroska_with_dts_plays_with_sound_while_incomplete() -> Result<()> {
    listen(Film::Dts).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_mp4_with_its_index_first_plays_and_seeks_while_incomplete() -> Result<()> {
    check(Film::Mp4MoovFirst, Client::Libtorrent).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_mp4_with_its_index_last_plays_and_seeks_while_incomplete() -> Result<()> {
    check(Film::Mp4MoovLast, Client::Libtorrent).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webm_from_aria2_plays_and_seeks_while_incomplete() -> Result<()> {
    check(Film::Webm, Client::Aria2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_matroska_from_transmission_plays_and_seeks_while_incomplete() -> Result<()> {
    check(Film::Matroska, Client::Transmission).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_between_other_files_of_a_torrent_plays_and_seeks_while_incomplete() -> Result<()> {
    let folder = Scratch::new("several")?;
    let set = folder.dir("A film, with extras")?;
    // The lengths are no multiples of a piece, so the film starts and ends inside pieces.
    std::fs::write(set.join("read me.txt"), vec![b'r'; 50_001])?;
    std::fs::copy(Film::Mp4MoovLast.file().await?, set.join("film.mp4"))?;
    std::fs::write(set.join("cover.jpg"), vec![b'c'; 300_003])?;
    let files = ["read me.txt", "film.mp4", "cover.jpg"];
    let film = Fixture::of_files(folder.path(), "A film, with extras", files);
    let fixture = film.seeded(Client::Libtorrent, FILM_RATE_BPS).build().await?;
    let mut scene = Scene::with(fixture, Options::default()).await?;
    scene.film = 1;
    watch(&scene).await.with_context(|| scene.browser.report())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_viewer_far_away_does_not_stop_the_first() -> Result<()> {
    let scene = Scene::of(Film::Mp4MoovFirst, Client::Libtorrent).await?;
    let player = scene.play().await?;
    player.first_frame(LIMIT).await.with_context(|| scene.browser.report())?;
    let length = usize::try_from(scene.fixture.torrent.length)?;
    let far = length / 4 * 3;
    let mut other = http::open(&scene.stream_url().await?, &[("Range", &format!("bytes={far}-"))])
        .await
        .context("the second viewer")?;
    let mut read = Vec::new();
    ensure!(other.read_some(&mut read).await? > 0, "the second viewer gets nothing");
    scene.is_incomplete().await?;
    // Beyond what Chrome had buffered when the second viewer came.
    let had = player.buffered_until().await?;
    let first = player.plays_to(had + 1.0, LIMIT);
    let (first, second) = tokio::join!(first, other.read_to_end(&mut read));
    first.with_context(|| scene.browser.report())?;
    ensure!(second? && read == scene.truth()[far..], "the second viewer got other bytes");
    Ok(())
}
