//! A film from adding to removing, by keyboard alone.

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::{Browser, extension_url};
use jstorrent_tests::clock::LIMIT;
use jstorrent_tests::fixture::{FILM_RATE_BPS, Fixture};
use jstorrent_tests::keys::Key;
use jstorrent_tests::media::Film;
use jstorrent_tests::page::{by_css, by_test_id};
use jstorrent_tests::pages::AppPage;
use jstorrent_tests::swarm::Client;
use jstorrent_tests::torrent::Torrent;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_film_is_added_watched_left_removed_and_brought_back_by_keyboard_alone() -> Result<()> {
    let film = Fixture::film(Film::Mp4MoovFirst).linked();
    let fixture = film.seeded(Client::Libtorrent, 2 * FILM_RATE_BPS).build().await?;
    let link = format!("{}&dn=Linked", fixture.magnet());
    let browser = Browser::headless().await?;
    let app = AppPage::open(&browser).await?;
    app.linked().await.with_context(|| browser.report())?;
    by_keyboard(&app, &browser, &fixture.torrent, &link).await.with_context(|| browser.report())
}

async fn by_keyboard(app: &AppPage, browser: &Browser, film: &Torrent, link: &str) -> Result<()> {
    let page = &app.session;
    let has_focus = |id: &str| format!("document.activeElement?.dataset.testid === {}", json!(id));
    page.tab_to(&by_test_id("add-link")).await?;
    page.press(Key::Enter).await?;
    page.wait_for(&has_focus("link-input"), LIMIT).await?;
    page.type_text(link).await?;
    page.press(Key::Enter).await?;
    page.wait_for("document.querySelector('#adding').open", LIMIT).await?;
    page.wait_for(&has_focus("adding-watch"), LIMIT)
        .await
        .context("the sheet does not begin at Watch")?;
    page.press(Key::Enter).await?;
    let player = extension_url(&format!("player.html?torrent={}", film.info_hash));
    page.wait_for(&format!("location.href.startsWith({})", json!(player)), LIMIT).await?;
    let plays = "(() => { const v = document.querySelector('video'); v.muted = true; \
        return !v.paused && v.currentTime > 0.5 })()";
    page.wait_for(plays, LIMIT).await.context("it does not play by itself")?;
    page.press(Key::Character(' ')).await?;
    page.wait_for("document.querySelector('video').paused", LIMIT).await?;
    page.press(Key::Character(' ')).await?;
    page.wait_for("!document.querySelector('video').paused", LIMIT).await?;
    page.press(Key::Character('5')).await?;
    let middle = "(() => { const v = document.querySelector('video'); \
        return v.currentTime > 30.5 && v.currentTime < 45 && v.readyState >= 2 })()";
    page.wait_for(middle, LIMIT).await.context("it does not play from the middle")?;
    for _ in 0..3 {
        page.press(Key::ArrowLeft).await?;
    }
    page.wait_for("document.querySelector('video').currentTime < 30", LIMIT).await?;
    page.wait_for("document.querySelector('video').readyState >= 2", LIMIT).await?;
    page.tab_to(&by_css("a[href='app.html']")).await.context("no way back by Tab")?;
    page.press(Key::Enter).await?;
    page.wait_for("location.pathname === '/app.html'", LIMIT).await?;
    let row = "document.querySelector('[data-testid=torrent]')";
    page.wait_for(row, LIMIT).await?;
    page.wait_for(
        &format!("/Resume|Continue/.test({row}.querySelector('[data-testid=play]').ariaLabel)"),
        LIMIT,
    )
    .await
    .context("the list does not know that it was begun")?;
    page.tab_to(&by_test_id("play")).await?;
    page.press(Key::Enter).await?;
    page.wait_for(&format!("location.href.startsWith({})", json!(player)), LIMIT).await?;
    let on = "(() => { const v = document.querySelector('video'); v.muted = true; \
        return v.currentTime > 10 && !v.paused })()";
    page.wait_for(on, LIMIT).await.context("it does not go on where it was left")?;
    // The browser's own way back.
    page.evaluate("history.back()").await?;
    page.wait_for("location.pathname === '/app.html'", LIMIT).await?;
    page.wait_for(row, LIMIT).await?;
    page.wait_for(&has_focus("play"), LIMIT).await.context("the focus is not where it was")?;
    page.press(Key::Delete).await?;
    page.dialog_is_open(true).await?;
    page.press(Key::Enter).await?;
    page.wait_for("!document.querySelector('[data-testid=torrent]')", LIMIT).await?;
    page.tab_to(&by_test_id("undo")).await?;
    page.press(Key::Enter).await?;
    page.wait_for(row, LIMIT).await?;
    ensure!(browser.downloads().join(&film.name).exists(), "the film is gone");
    Ok(())
}
