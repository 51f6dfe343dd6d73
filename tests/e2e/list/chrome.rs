//! The extension in Chrome beyond its pages: languages, notifications, updates.

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::{Browser, Options, extension_url};
use jstorrent_tests::cdp::Session;
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::fixture::{FILM_RATE_BPS, Fixture};
use jstorrent_tests::media::Film;
use jstorrent_tests::page::Page;
use jstorrent_tests::pages::AppPage;
use jstorrent_tests::scene::Scene;
use jstorrent_tests::swarm::Client;

/// Attaches to the service worker.
async fn background(browser: &Browser) -> Result<Session> {
    let target =
        browser.cdp().wait_target("service_worker", &extension_url("background.js"), LIMIT).await?;
    let session = browser.cdp().attach(&target.id).await?;
    session.wait_for("typeof chrome !== 'undefined' && chrome.offscreen", LIMIT).await?;
    Ok(session)
}

/// A slow download of a film in a browser with these options.
async fn scene(options: Options) -> Result<Scene> {
    let film = Fixture::film(Film::Mp4MoovFirst).seeded(Client::Libtorrent, FILM_RATE_BPS);
    Scene::with(film.build().await?, options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_german_chrome_shows_the_extension_in_german() -> Result<()> {
    let options = Options { native_host: false, language: Some("de"), ..Options::default() };
    let browser = Browser::start(options).await?;
    let app = AppPage::open(&browser).await?;
    let notice = app.text_of("notice").await.with_context(|| browser.report())?;
    ensure!(
        notice.contains("Noch ein Schritt") && notice.contains("jstorrent-io-daemon install"),
        "it says: {notice}"
    );
    ensure!(
        app.session.evaluate("document.documentElement.lang").await? == "de",
        "the page calls itself English"
    );
    let worker = background(&browser).await?;
    let words = "(async () => [chrome.runtime.getManifest().description, \
                 await chrome.action.getTitle({}), \
                 chrome.i18n.getMessage('addMenu')].join('|'))()";
    let words = worker.evaluate(words).await?.to_string();
    for german in
        ["Torrent hinzufügen, abspielen", "|JSTorrent anzeigen|", "|Zu JSTorrent hinzufügen"]
    {
        ensure!(words.contains(german), "{german:?} is not in {words}");
    }
    Ok(())
}

/// The visible notifications.
async fn notifications(browser: &Browser) -> Result<String> {
    let all = "chrome.notifications.getAll().then((all) => Object.keys(all).join())";
    Ok(background(browser).await?.evaluate(all).await?.as_str().unwrap_or_default().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_completes_without_a_page_shows_one_notification() -> Result<()> {
    let scene = scene(Options { granted: vec!["notifications"], ..Options::default() }).await?;
    told(&scene).await.with_context(|| scene.browser.report())
}

async fn told(scene: &Scene) -> Result<()> {
    let (browser, hash) = (&scene.browser, scene.info_hash());
    let page = &scene.app.session;
    page.wait_for("byTestId('notify').getAttribute('aria-pressed') === 'true'", LIMIT).await?;
    scene.torrent_when("bytes to come in", |t| t.verified > 0).await?;
    ensure!(notifications(browser).await?.is_empty(), "nothing is complete yet");
    browser.cdp().close(page.target()).await?;
    scene.fixture.set_rate(0);
    until("the notification", LIMIT, || async {
        Ok((notifications(browser).await? == hash).then_some(()))
    })
    .await?;
    let click = format!("chrome.notifications.onClicked.dispatch('{hash}')");
    background(browser).await?.evaluate(&click).await?;
    let list = browser.cdp().wait_target("page", &extension_url("app.html"), LIMIT).await?;
    let list = browser.cdp().attach(&list.id).await?;
    let opened = format!("document.querySelector('[data-info-hash=\"{hash}\"][data-open]')");
    list.wait_for(&opened, LIMIT).await.context("the list does not show it")?;
    ensure!(notifications(browser).await?.is_empty(), "what was clicked stays");
    // Another engine finds it complete.
    browser.offscreen().await?.evaluate("engineWorker.terminate()").await?;
    list.wait_for("jstorrent.snapshot()?.link.kind === 'connecting'", LIMIT).await.ok();
    let complete = "jstorrent.snapshot()?.snapshot.torrents[0]?.state === 'complete'";
    list.wait_for(complete, LIMIT).await?;
    list.evaluate("chrome.runtime.sendMessage({ kind: 'ensure_engine' })").await?;
    ensure!(notifications(browser).await?.is_empty(), "what was complete is told again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_is_offered_on_the_list_which_returns_after_the_restart() -> Result<()> {
    let browser = Browser::headless().await?;
    updated(&browser).await.with_context(|| browser.report())
}

async fn updated(browser: &Browser) -> Result<()> {
    // Without this Chrome drops an unpacked extension that restarts.
    let settings = browser.cdp().open("chrome://extensions").await?;
    settings.wait_for("chrome.developerPrivate", LIMIT).await?;
    settings
        .evaluate("chrome.developerPrivate.updateProfileConfiguration({ inDeveloperMode: true })")
        .await?;
    let app = AppPage::open(browser).await?;
    app.linked().await?;
    ensure!(
        app.session.evaluate("byTestId('update-ready') === null").await? == true,
        "there is no update yet"
    );
    let ready = "chrome.runtime.onUpdateAvailable.dispatch({ version: '9' })";
    background(browser).await?.evaluate(ready).await?;
    app.session.wait_for("byTestId('update-ready')", LIMIT).await?;
    app.session.click("update-restart").await?;
    let (url, old) = (extension_url("app.html"), app.session.target().to_owned());
    let anew = until("the list to come back", LIMIT, || async {
        let targets = browser.cdp().targets().await?;
        Ok(targets
            .into_iter()
            .find(|target| target.kind == "page" && target.url == url && target.id != old))
    })
    .await?;
    let list = browser.cdp().attach(&anew.id).await?;
    list.wait_for("document.querySelector('[data-state=connected]')", LIMIT).await?;
    ensure!(
        list.evaluate("document.querySelector('[data-testid=update-ready]') === null").await?
            == true,
        "still offered"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_during_the_engines_death_is_carried_out_by_the_next_engine() -> Result<()> {
    let scene = scene(Options::default()).await?;
    scene.torrent_when("bytes to come in", |t| t.verified > 0).await?;
    let page = &scene.app.session;
    page.wait_for("byTestId('pause')", LIMIT).await?;
    scene.browser.offscreen().await?.evaluate("engineWorker.terminate()").await?;
    page.click("pause").await?;
    scene.torrent_when("it to be paused", |t| t.state == "paused").await?;
    ensure!(
        page.evaluate("byTestId('note') === null").await? == true,
        "it says that something failed"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_quick_clicks_on_the_button_open_one_tab() -> Result<()> {
    let browser = Browser::headless().await?;
    let worker = background(&browser).await?;
    worker
        .evaluate("for (let click = 0; click < 3; click++) chrome.action.onClicked.dispatch({})")
        .await?;
    let list = browser.cdp().wait_target("page", &extension_url("app.html"), LIMIT).await?;
    worker.evaluate("chrome.action.onClicked.dispatch({})").await?;
    let list = browser.cdp().attach(&list.id).await?;
    list.wait_for("document.querySelector('[data-state=connected]')", LIMIT).await?;
    worker.evaluate("chrome.action.onClicked.dispatch({})").await?;
    worker.evaluate("chrome.runtime.getContexts({ contextTypes: ['TAB'] })").await?;
    let tabs = browser
        .cdp()
        .targets()
        .await?
        .into_iter()
        .filter(|target| target.url == extension_url("app.html"));
    let pages = tabs.filter(|target| target.kind == "page").count();
    ensure!(pages == 1, "{pages} tabs were opened");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_when_chrome_refuses_the_offscreen_document_and_recovers() -> Result<()> {
    let browser = Browser::start(Options { native_host: false, ..Options::default() }).await?;
    browser.offscreen().await?;
    let worker = background(&browser).await?;
    let refuse = "globalThis.create = chrome.offscreen.createDocument; \
                  chrome.offscreen.createDocument = async () => { throw new Error('no place'); }; \
                  chrome.offscreen.closeDocument().then(() => true)";
    worker.evaluate(refuse).await?;
    let page = Page::of(browser.open("app.html").await?).await?;
    let says = |words: &str| {
        format!("document.querySelector('[data-testid=notice]')?.textContent.includes('{words}')")
    };
    page.wait_for(&says("(no place)"), LIMIT).await.with_context(|| browser.report())?;
    worker
        .evaluate("chrome.offscreen.createDocument = create.bind(chrome.offscreen); true")
        .await?;
    page.click("notice-action").await?;
    page.wait_for(&says("install the daemon"), LIMIT).await.with_context(|| browser.report())
}
