//! What a person sees and does in the list of torrents.

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::{Browser, Options, extension_url};
use jstorrent_tests::media::Film;
use jstorrent_tests::pages::AppPage;
use jstorrent_tests::proxy::Line;
use jstorrent_tests::scene::{FILM_RATE_BPS, LIMIT, PIECE_LENGTH, Scene};
use jstorrent_tests::swarm::{Client, Swarm};

#[tokio::test(flavor = "multi_thread")]
async fn a_chosen_torrent_shows_its_progress_its_peers_and_a_way_to_play_it() -> Result<()> {
    let scene = Scene::of(Film::Mp4MoovFirst, Client::Libtorrent).await?;
    let hash = scene.info_hash().to_owned();
    let page = &scene.app.session;
    page.wait_for(&format!("byTestId('torrent').dataset.infoHash === '{hash}'"), LIMIT).await?;
    let torrent =
        scene.torrent_when("bytes to come in", |t| t.verified > 0 && t.peers > 0 && t.down_rate_bps > 0).await?;
    ensure!(torrent.peers == 1, "{} peers", torrent.peers);
    ensure!(torrent.down_rate_bps < 2 * FILM_RATE_BPS, "{} B/s on a line of {FILM_RATE_BPS}", torrent.down_rate_bps);
    page.wait_for("/1 peer/.test(byTestId('torrent').textContent)", LIMIT).await?;
    page.wait_for("/B\\/s/.test(byTestId('torrent').textContent)", LIMIT).await?;
    page.wait_for("byTestId('torrent-progress')", LIMIT).await?;
    page.evaluate("byTestId('play').click()").await?;
    let player = extension_url(&format!("player.html?torrent={hash}"));
    scene.browser.cdp().wait_target("page", &player, LIMIT).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torrent_that_is_dropped_on_the_page_is_added() -> Result<()> {
    let line = Line::of_rate(FILM_RATE_BPS);
    let swarm = Swarm::of_file(&Film::Matroska.file().await?, PIECE_LENGTH, &[(Client::Libtorrent, line)]).await?;
    let browser = Browser::headless().await?;
    let app = AppPage::open(&browser).await?;
    app.drop_file("film.torrent", &swarm.torrent.metainfo).await?;
    app.torrent_when(&swarm.torrent.info_hash, "the torrent to be in the list", LIMIT, |t| t.name == swarm.torrent.name)
        .await
        .with_context(|| browser.report())
        .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_torrent_is_refused_in_plain_words() -> Result<()> {
    let browser = Browser::headless().await?;
    let app = AppPage::open(&browser).await?;
    app.linked().await.with_context(|| browser.report())?;
    app.drop_file("notes.torrent", b"d8:announce4:nono").await?;
    let words = app.text_of("note").await.with_context(|| browser.report())?;
    ensure!(words.contains("notes.torrent"), "it says: {words}");
    ensure!(app.torrents().await?.is_empty(), "something was added");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_goes_on_without_any_page() -> Result<()> {
    let scene = Scene::of(Film::Mp4MoovFirst, Client::Libtorrent).await?;
    let before = scene.torrent_when("bytes to come in", |t| t.verified > 0).await?.verified;
    scene.browser.cdp().close(scene.app.session.target()).await?;
    let carried = scene.swarm.passed();
    jstorrent_tests::clock::until("a megabyte to come in unseen", LIMIT, || async {
        Ok((scene.swarm.passed() > carried + (1 << 20)).then_some(()))
    })
    .await?;
    let app = AppPage::open(&scene.browser).await?;
    app.torrent_when(scene.info_hash(), "the list to know it", LIMIT, |t| t.verified > before + (1 << 19))
        .await
        .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_daemon_the_page_says_what_to_do() -> Result<()> {
    let browser = Browser::start(Options { native_host: false, ..Options::default() }).await?;
    let app = AppPage::open(&browser).await?;
    let words = app.text_of("notice").await.with_context(|| browser.report())?;
    ensure!(words.contains("daemon") && words.contains("jstorrent-io-daemon install"), "it says: {words}");
    Ok(())
}
