//! What a person is asked when a torrent was added: watched at once, downloaded, or taken out
//! again.

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::{Browser, extension_url};
use jstorrent_tests::clock::LIMIT;
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::media::Film;
use jstorrent_tests::pages::AppPage;
use jstorrent_tests::swarm::Client;

/// A line on which the whole film would come in a moment.
const FAST_BPS: u64 = 64 << 20;

/// A list in which a film was just added, and a person who does not decide by themselves.
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
async fn what_is_added_shows_what_one_gets_and_waits_until_a_person_watches_it() -> Result<()> {
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
async fn a_torrent_that_was_not_meant_goes_again_with_what_came_of_it() -> Result<()> {
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
async fn who_wants_no_question_is_not_asked() -> Result<()> {
    let film = Fixture::film(Film::Mp4MoovLast).seeded(Client::Libtorrent, FAST_BPS);
    let fixture = film.build().await?;
    let browser = Browser::headless().await?;
    let app = AppPage::open(&browser).await?;
    app.linked().await.with_context(|| browser.report())?;
    // They open as soon as they are known, also when that is after the click.
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
