//! The whole way of a film by keyboard alone.

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::{Browser, extension_url};
use jstorrent_tests::clock::LIMIT;
use jstorrent_tests::fixture::{FILM_RATE_BPS, PIECE_LENGTH};
use jstorrent_tests::media::Film;
use jstorrent_tests::pages::AppPage;
use jstorrent_tests::proxy::{Line, Proxy};
use jstorrent_tests::swarm::{Client, Seeder};
use jstorrent_tests::torrent::{Recipe, Torrent};
use serde_json::json;

use super::hand::{Hand, by_id, dialog};

#[tokio::test(flavor = "multi_thread")]
async fn a_film_is_added_watched_left_removed_and_brought_back_by_keyboard_alone() -> Result<()> {
    let film = Film::Mp4MoovFirst.file().await?;
    // Clients keep the description of a private torrent to themselves.
    let torrent = Torrent::make(&Recipe::of_file(&film, PIECE_LENGTH)?)?.public();
    let seeder = Seeder::start(Client::Libtorrent, &torrent).await?;
    let line = Proxy::start(seeder.address(), Line::of_rate(2 * FILM_RATE_BPS))?;
    let link =
        format!("magnet:?xt=urn:btih:{}&dn=Linked&x.pe={}", torrent.info_hash, line.address());
    let browser = Browser::headless().await?;
    let app = AppPage::open(&browser).await?;
    app.linked().await.with_context(|| browser.report())?;
    by_keyboard(&app, &browser, &torrent, &link).await.with_context(|| browser.report())
}

async fn by_keyboard(app: &AppPage, browser: &Browser, film: &Torrent, link: &str) -> Result<()> {
    let (page, hand) = (&app.session, Hand(&app.session));
    let has_focus =
        |selector: &str| format!("document.activeElement?.matches({})", json!(selector));
    hand.tab_to(&by_id("add-link")).await?;
    hand.press("Enter").await?;
    page.wait_for(&has_focus(&by_id("link-input")), LIMIT).await?;
    hand.type_text(link).await?;
    hand.press("Enter").await?;
    page.wait_for("document.querySelector('#adding').open", LIMIT).await?;
    page.wait_for(&has_focus(&by_id("adding-watch")), LIMIT)
        .await
        .context("the sheet does not begin at Watch")?;
    hand.press("Enter").await?;
    let player = extension_url(&format!("player.html?torrent={}", film.info_hash));
    page.wait_for(&format!("location.href.startsWith({})", json!(player)), LIMIT).await?;
    let plays = "(() => { const v = document.querySelector('video'); v.muted = true; \
        return !v.paused && v.currentTime > 0.5 })()";
    page.wait_for(plays, LIMIT).await.context("it does not play by itself")?;
    hand.press(" ").await?;
    page.wait_for("document.querySelector('video').paused", LIMIT).await?;
    hand.press(" ").await?;
    page.wait_for("!document.querySelector('video').paused", LIMIT).await?;
    hand.press("5").await?;
    let middle = "(() => { const v = document.querySelector('video'); \
        return v.currentTime > 30.5 && v.currentTime < 45 && v.readyState >= 2 })()";
    page.wait_for(middle, LIMIT).await.context("it does not play from the middle")?;
    for _ in 0..3 {
        hand.press("ArrowLeft").await?;
    }
    page.wait_for("document.querySelector('video').currentTime < 30", LIMIT).await?;
    page.wait_for("document.querySelector('video').readyState >= 2", LIMIT).await?;
    hand.tab_to("a[href='app.html']").await.context("no way back by Tab")?;
    hand.press("Enter").await?;
    page.wait_for("location.pathname === '/app.html'", LIMIT).await?;
    let row = "document.querySelector('[data-testid=torrent]')";
    page.wait_for(row, LIMIT).await?;
    page.wait_for(
        &format!("/Resume|Continue/.test({row}.querySelector('[data-testid=play]').ariaLabel)"),
        LIMIT,
    )
    .await
    .context("the list does not know that it was begun")?;
    hand.tab_to(&by_id("play")).await?;
    hand.press("Enter").await?;
    page.wait_for(&format!("location.href.startsWith({})", json!(player)), LIMIT).await?;
    let on = "(() => { const v = document.querySelector('video'); v.muted = true; \
        return v.currentTime > 10 && !v.paused })()";
    page.wait_for(on, LIMIT).await.context("it does not go on where it was left")?;
    // Back as the browser does it.
    page.evaluate("history.back()").await?;
    page.wait_for("location.pathname === '/app.html'", LIMIT).await?;
    page.wait_for(row, LIMIT).await?;
    page.wait_for(&has_focus(&by_id("play")), LIMIT)
        .await
        .context("the focus is not where it was")?;
    hand.press("Delete").await?;
    dialog(page, true).await?;
    hand.press("Enter").await?;
    page.wait_for("!document.querySelector('[data-testid=torrent]')", LIMIT).await?;
    hand.tab_to(&by_id("undo")).await?;
    hand.press("Enter").await?;
    page.wait_for(row, LIMIT).await?;
    ensure!(browser.downloads().join(&film.name).exists(), "the film is gone");
    Ok(())
}
