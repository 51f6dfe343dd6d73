//! Each part is killed during playback: the film plays on, and no verified byte is fetched again.

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::extension_url;
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::media::Film;
use jstorrent_tests::scene::Scene;
use jstorrent_tests::swarm::Client;

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    EngineWorker,
    OffscreenDocument,
    ServiceWorker,
    Daemon,
}

/// Bytes that may come twice: those on their way at the kill, and those sent after a CANCEL.
const FETCHED_AGAIN: u64 = 2 << 20;

async fn kill(victim: Victim, scene: &Scene) -> Result<()> {
    let cdp = scene.browser.cdp();
    match victim {
        Victim::EngineWorker => {
            scene.browser.offscreen().await?.evaluate("engineWorker.terminate()").await.map(drop)
        }
        Victim::OffscreenDocument => cdp.close(scene.browser.offscreen().await?.target()).await,
        Victim::ServiceWorker => {
            let url = extension_url("");
            let target = cdp.wait_target("service_worker", &url, LIMIT).await?;
            let worker = cdp.attach(&target.id).await?;
            worker.evaluate("void (globalThis.isTheFirst = true)").await?;
            cdp.close(&target.id).await
        }
        Victim::Daemon => {
            scene.browser.daemon().await?.kill();
            Ok(())
        }
    }
}

/// The daemon's pid, and how many engines have connected to it.
async fn lives(scene: &Scene) -> Result<(u32, f64)> {
    let daemon = scene.browser.daemon().await?;
    let metrics = daemon.metrics().await?;
    Ok((daemon.pid, *metrics.get("jstorrent_engines_total").context("a counter of engines")?))
}

/// Wakes the service worker and makes sure that it is not the killed one.
async fn another_service_worker(scene: &Scene) -> Result<()> {
    let cdp = scene.browser.cdp();
    let wake = "chrome.runtime.sendMessage({ kind: 'ensure_engine' }).then(() => true)";
    scene.app.evaluate(wake).await?;
    let target = cdp.wait_target("service_worker", &extension_url(""), LIMIT).await?;
    let worker = cdp.attach(&target.id).await?;
    let is_first = worker.evaluate("globalThis.isTheFirst === true").await?;
    ensure!(is_first == false, "nothing died: the service worker is the same");
    Ok(())
}

async fn check(victim: Victim, film: Film) -> Result<()> {
    let scene = Scene::of(film, Client::Libtorrent).await?;
    story(victim, &scene).await.with_context(|| scene.browser.report())
}

async fn story(victim: Victim, scene: &Scene) -> Result<()> {
    let player = scene.play().await?;
    player.first_frame(LIMIT).await?;
    player.plays_on(2.0, LIMIT).await?;
    scene.is_incomplete().await?;
    let before = scene.torrent().await?.verified;
    ensure!(before > 0, "nothing was verified before the death");
    // The source object of a film that a worker reads must stay the same: it is not opened again.
    player.session.evaluate("void (globalThis.sourceBefore = byTestId('video').srcObject)").await?;

    let life = lives(scene).await?;
    kill(victim, scene).await?;

    player.plays_on(2.0, LIMIT).await.context("playback after the death")?;
    scene.torrent_when("the download to go on where it was", |t| t.verified > before).await?;
    if victim == Victim::ServiceWorker {
        another_service_worker(scene).await?;
    } else {
        until("another engine or another daemon", LIMIT, || async {
            Ok((lives(scene).await? != life).then_some(()))
        })
        .await
        .context("nothing died: the same engine still speaks with the same daemon")?;
    }
    player.seek(45.0, LIMIT).await.context("a seek after the death")?;
    let kept =
        player.session.evaluate("globalThis.sourceBefore === byTestId('video').srcObject").await?;
    ensure!(kept.as_bool() == Some(true), "the film was opened again");
    scene.is_incomplete().await?;

    scene.fixture.set_rate(0);
    scene.torrent_when("the film to be complete", |t| t.state == "complete").await?;
    let length = scene.fixture.torrent.length;
    let carried = scene.fixture.passed();
    ensure!(
        carried < length + length / 50 + FETCHED_AGAIN,
        "the line carried {carried} bytes for a film of {length}"
    );
    let end = usize::try_from(length)? - 1;
    scene.range_is_true(0, end).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_survives_the_death_of_the_engine() -> Result<()> {
    check(Victim::EngineWorker, Film::Mp4MoovFirst).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_survives_the_death_of_the_offscreen_document() -> Result<()> {
    check(Victim::OffscreenDocument, Film::Mp4MoovFirst).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_survives_the_death_of_the_service_worker() -> Result<()> {
    check(Victim::ServiceWorker, Film::Mp4MoovFirst).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_survives_the_death_of_the_daemon() -> Result<()> {
    check(Victim::Daemon, Film::Mp4MoovFirst).await
}

/// The page's worker requests bytes while no engine runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_film_with_sound_decoded_by_the_page_survives_the_death_of_the_engine() -> Result<()> {
    check(Victim::EngineWorker, Film::Dolby).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_with_sound_decoded_by_the_page_survives_the_death_of_the_daemon() -> Result<()> {
    check(Victim::Daemon, Film::Dolby).await
}
