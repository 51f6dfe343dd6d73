//! What a person sees and does in the list of torrents.

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::{Browser, Options, extension_url};
use jstorrent_tests::clock::LIMIT;
use jstorrent_tests::fixture::{FILM_RATE_BPS, Fixture};
use jstorrent_tests::media::Film;
use jstorrent_tests::pages::{AppPage, FileSnapshot, TorrentSnapshot};
use jstorrent_tests::scene::Scene;
use jstorrent_tests::swarm::Client;

#[tokio::test(flavor = "multi_thread")]
async fn an_added_torrent_shows_progress_peers_and_a_play_button() -> Result<()> {
    let scene = Scene::of(Film::Mp4MoovFirst, Client::Libtorrent).await?;
    let hash = scene.info_hash().to_owned();
    let page = &scene.app.session;
    page.wait_for(&format!("byTestId('torrent').dataset.infoHash === '{hash}'"), LIMIT).await?;
    let torrent = scene
        .torrent_when("bytes to come in", |t| t.verified > 0 && t.peers > 0 && t.down_rate_bps > 0)
        .await?;
    ensure!(torrent.peers == 1, "{} peers", torrent.peers);
    ensure!(
        torrent.down_rate_bps < 2 * FILM_RATE_BPS,
        "{} B/s on a line of {FILM_RATE_BPS}",
        torrent.down_rate_bps
    );
    page.wait_for("/1 peer/.test(byTestId('torrent').textContent)", LIMIT).await?;
    page.wait_for("/B\\/s/.test(byTestId('torrent').textContent)", LIMIT).await?;
    page.wait_for("byTestId('torrent-progress')", LIMIT).await?;
    page.click("play").await?;
    let player = extension_url(&format!("player.html?torrent={hash}"));
    scene.browser.cdp().wait_target("page", &player, LIMIT).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torrent_file_dropped_on_the_page_is_added() -> Result<()> {
    let film = Fixture::film(Film::Matroska).seeded(Client::Libtorrent, FILM_RATE_BPS);
    let fixture = film.build().await?;
    let browser = Browser::headless().await?;
    let app = AppPage::open(&browser).await?;
    app.drop_file("film.torrent", &fixture.torrent.metainfo).await?;
    app.torrent_when(&fixture.torrent.info_hash, "the torrent to be in the list", LIMIT, |t| {
        t.name == fixture.torrent.name
    })
    .await
    .with_context(|| browser.report())
    .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_torrent_is_refused_with_a_reason() -> Result<()> {
    let browser = Browser::headless().await?;
    let app = AppPage::open(&browser).await?;
    app.linked().await.with_context(|| browser.report())?;
    app.drop_file("notes.torrent", b"d8:announce4:nono").await?;
    let words = app.text_of("note").await.with_context(|| browser.report())?;
    ensure!(words.contains("notes.torrent"), "it says: {words}");
    ensure!(app.torrents().await?.is_empty(), "something was added");
    Ok(())
}

/// A file by its index in the torrent. The page lists files in natural order.
fn file_of(torrent: &TorrentSnapshot, index: u32) -> &FileSnapshot {
    torrent.files.iter().find(|file| file.index == index).expect("the torrent has such a file")
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_selected_rechecked_and_moved_on_the_page() -> Result<()> {
    let files = ["one.bin", "two.bin", "three.bin"].map(|name| (name, 2_000_000));
    let show = Fixture::random_files("show", &files).seeded(Client::Libtorrent, FILM_RATE_BPS);
    let scene = Scene::with(show.build().await?, Options::default()).await?;
    let page = &scene.app.session;
    let of = |file: u32, part: &str| {
        format!(
            "document.querySelector( \
             '[data-testid=file][data-index=\"{file}\"] [data-testid={part}]')"
        )
    };
    page.wait_for(&of(2, "want"), LIMIT).await?;
    for file in [0, 2] {
        page.click_on(&of(file, "want")).await?;
    }
    scene.fixture.set_rate(0);
    let chosen = |torrent: &TorrentSnapshot| {
        torrent.state == "complete" && file_of(torrent, 1).verified == 2_000_000
    };
    let torrent = scene.torrent_when("the chosen file to be complete", chosen).await?;
    let first = file_of(&torrent, 0);
    ensure!(first.priority == "skip" && first.verified < 2_000_000, "{torrent:?}");
    page.wait_for("byTestId('want-all').indeterminate", LIMIT).await?;
    page.click("want-all").await?;
    scene
        .torrent_when("all files to be complete", |torrent| torrent.verified == torrent.length)
        .await?;
    page.choose_in(&of(2, "priority"), "high").await?;
    scene
        .torrent_when("a file to come first", |torrent| file_of(torrent, 2).priority == "high")
        .await?;
    page.click("details").await?;
    page.wait_for("byTestId('recheck')", LIMIT).await?;
    let damaged = scene.browser.downloads().join("show/two.bin");
    let truth = std::fs::read(&damaged)?;
    std::fs::write(&damaged, [&[!truth[0]], &truth[1..]].concat())?;
    let before = scene.torrent_when("the torrent", |_| true).await?.downloaded;
    page.click("recheck").await?;
    let mended = |torrent: &TorrentSnapshot| {
        torrent.downloaded > before
            && torrent.verified == torrent.length
            && torrent.check_progress.is_none()
    };
    scene.torrent_when("the damaged piece to be found and fetched again", mended).await?;
    ensure!(std::fs::read(&damaged)? == truth, "it is not mended");
    page.fill("move-folder", "films").await?;
    page.click("move").await?;
    scene
        .torrent_when("it to lie elsewhere", |torrent| torrent.lies_at == "films/show")
        .await
        .map(drop)
}

/// The expression for the settings that the engine publishes.
const SET: &str = "jstorrent.snapshot()?.snapshot?.settings";

/// Opens the settings on a linked page.
async fn open_settings(app: &AppPage) -> Result<()> {
    app.session
        .wait_for(
            &format!(
                "{SET} && byTestId('settings').checkVisibility({{ visibilityProperty: true }})"
            ),
            LIMIT,
        )
        .await?;
    app.session.click("settings").await?;
    app.session.wait_for("byTestId('settings-form')?.checkVisibility()", LIMIT).await
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_apply_at_once_and_survive_a_new_page_and_engine() -> Result<()> {
    const LIMIT_BPS: u64 = 100_000;
    let scene = Scene::of(Film::Mp4MoovFirst, Client::Libtorrent).await?;
    let rate = |t: &TorrentSnapshot| t.down_rate_bps > 2 * LIMIT_BPS;
    scene.torrent_when("more than will be allowed to come in", rate).await?;
    let page = &scene.app.session;
    open_settings(&scene.app).await?;
    let reach = scene.app.text_of("reach").await?;
    ensure!(reach.contains("port ") && reach.ends_with(['.', '…']), "it says: {reach}");
    for (typed, words) in [("fast", "is not a number"), ("0", "download limit is too low")] {
        page.fill("set-download", typed).await?;
        page.click("settings-save").await?;
        let says = format!("byTestId('settings-words').textContent.includes('{words}')");
        page.wait_for(&says, LIMIT).await.with_context(|| typed.to_owned())?;
    }
    page.fill("set-download", "0.1").await?;
    page.choose_in("byTestId('set-encryption')", "forced").await?;
    page.click("settings-save").await?;
    page.wait_for("!document.querySelector('#settings').open", LIMIT).await?;
    page.wait_for(
        &format!("{SET}.downLimitBps === {LIMIT_BPS} && {SET}.encryption === 'forced'"),
        LIMIT,
    )
    .await?;
    let slow =
        |t: &TorrentSnapshot| t.peers > 0 && (1..LIMIT_BPS * 3 / 2).contains(&t.down_rate_bps);
    scene.torrent_when("the limit to count", slow).await?;
    let (before, since) = (scene.fixture.passed(), std::time::Instant::now());
    scene.torrent_when("some time to pass", |_| since.elapsed().as_secs() >= 4).await?;
    let (passed, allowed) =
        (scene.fixture.passed() - before, LIMIT_BPS as f64 * since.elapsed().as_secs_f64());
    ensure!((passed as f64) < 1.5 * allowed, "{passed} bytes came where {allowed} may");
    scene.is_incomplete().await?;
    scene.browser.cdp().close(page.target()).await?;
    let engine = scene.browser.offscreen().await?;
    scene.browser.cdp().close(engine.target()).await?;
    let app = AppPage::open(&scene.browser).await?;
    app.linked().await.with_context(|| scene.browser.report())?;
    open_settings(&app).await.with_context(|| scene.browser.report())?;
    let shown = app
        .session
        .evaluate("[byTestId('set-download').value, byTestId('set-encryption').value].join()")
        .await?;
    ensure!(shown == "0.1,forced", "it shows {shown}");
    app.fill("set-download", "").await?;
    app.session.click("settings-save").await?;
    app.session.wait_for(&format!("{SET}.downLimitBps === null"), LIMIT).await?;
    app.torrent_when(scene.info_hash(), "it to come fast again, encrypted", LIMIT, rate)
        .await
        .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_continues_without_a_page() -> Result<()> {
    let scene = Scene::of(Film::Mp4MoovFirst, Client::Libtorrent).await?;
    let before = scene.torrent_when("bytes to come in", |t| t.verified > 0).await?.verified;
    scene.browser.cdp().close(scene.app.session.target()).await?;
    let carried = scene.fixture.passed();
    jstorrent_tests::clock::until("a megabyte to come in unseen", LIMIT, || async {
        Ok((scene.fixture.passed() > carried + (1 << 20)).then_some(()))
    })
    .await?;
    let app = AppPage::open(&scene.browser).await?;
    app.torrent_when(scene.info_hash(), "the list to know it", LIMIT, |t| {
        t.verified > before + (1 << 19)
    })
    .await
    .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_daemon_the_page_says_what_to_do() -> Result<()> {
    let browser = Browser::start(Options { native_host: false, ..Options::default() }).await?;
    let app = AppPage::open(&browser).await?;
    let words = app.text_of("notice").await.with_context(|| browser.report())?;
    ensure!(
        words.contains("daemon") && words.contains("jstorrent-io-daemon install"),
        "it says: {words}"
    );
    Ok(())
}
