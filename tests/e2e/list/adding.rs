//! The question after adding a torrent: watch, download, or cancel.

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::{Browser, extension_url};
use jstorrent_tests::clock::LIMIT;
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::media::Film;
use jstorrent_tests::pages::AppPage;
use jstorrent_tests::swarm::Client;

/// A line that carries the whole film in a moment.
const FAST_BPS: u64 = 64 << 20;

/// A list with a film that was just added and is not decided about.
async fn added() -> Result<(Fixture, Browser, AppPage)> {
    let film = Fixture::film(Film::Mp4MoovLast).seeded(Client::Libtorrent, FAST_BPS);
    let fixture = film.build().await?;
    let browser = Browser::headless().await?;
    let app = AppPage::open(&browser).await?;
    app.linked().await.with_context(|| browser.report())?;
    app.drop_file("film.torrent", &fixture.torrent.metainfo).await?;
    app.session
        .wait_for("byTestId('adding')?.closest('dialog').open", LIMIT)
        .await
        .with_context(|| browser.report())?;
    Ok((fixture, browser, app))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_added_torrent_shows_its_content_and_waits_for_a_decision() -> Result<()> {
    let (fixture, browser, app) = added().await?;
    let hash = &fixture.torrent.info_hash;
    let words = app.text_of("adding").await?;
    ensure!(words.contains(&fixture.torrent.name), "no name in {words}");
    app.session.wait_for("/are free/.test(byTestId('adding-space').textContent)", LIMIT).await?;
    app.torrent_when(hash, "the beginning", LIMIT, |torrent| torrent.verified > 0).await?;
    fixture.is_quiet().await?;
    let waiting = app.torrent(hash).await?.context("the torrent")?;
    ensure!(
        waiting.verified < waiting.length * 9 / 10,
        "{} of {} bytes came",
        waiting.verified,
        waiting.length
    );
    app.session.click("adding-watch").await?;
    let player = extension_url(&format!("player.html?torrent={hash}"));
    browser.cdp().wait_target("page", &player, LIMIT).await.with_context(|| browser.report())?;
    let list = AppPage::open(&browser).await?;
    list.torrent_when(hash, "all of the film", LIMIT, |torrent| torrent.state == "complete")
        .await
        .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_removes_the_torrent_and_its_downloaded_data() -> Result<()> {
    let (fixture, browser, app) = added().await?;
    app.torrent_when(&fixture.torrent.info_hash, "the beginning", LIMIT, |torrent| {
        torrent.verified > 0
    })
    .await?;
    app.session.click("adding-cancel").await?;
    app.session
        .wait_for("jstorrent.snapshot().snapshot.torrents.length === 0", LIMIT)
        .await
        .with_context(|| browser.report())?;
    ensure!(
        !app.session
            .evaluate("byTestId('adding').closest('dialog').open")
            .await?
            .as_bool()
            .unwrap_or(true)
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_at_once_setting_skips_the_question() -> Result<()> {
    let film = Fixture::film(Film::Mp4MoovLast).seeded(Client::Libtorrent, FAST_BPS);
    let fixture = film.build().await?;
    let browser = Browser::headless().await?;
    let app = AppPage::open(&browser).await?;
    app.linked().await.with_context(|| browser.report())?;
    // The files open as soon as they are known, even after the click.
    app.session.click("settings").await?;
    app.session.wait_for("byTestId('set-startAtOnce')", LIMIT).await?;
    app.session.click("set-startAtOnce").await?;
    app.session.click("settings-save").await?;
    app.session.wait_for("!byTestId('settings-form')?.closest('dialog').open", LIMIT).await?;
    app.drop_file("film.torrent", &fixture.torrent.metainfo).await?;
    let hash = &fixture.torrent.info_hash;
    app.torrent_when(hash, "all of it", LIMIT, |torrent| torrent.state == "complete")
        .await
        .map(drop)
}
