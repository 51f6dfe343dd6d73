//! Magnet links: typed, pasted, or chosen in the context menu.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::{Browser, extension_url};
use jstorrent_tests::cdp::Session;
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::media::Film;
use jstorrent_tests::pages::{AppPage, PlayerPage};
use serde_json::{Value, json};

/// Attaches to the service worker once its script has run.
async fn background(browser: &Browser) -> Result<Session> {
    let url = extension_url("background.js");
    let target = browser.cdp().wait_target("service_worker", &url, Duration::from_secs(10)).await?;
    let session = browser.cdp().attach(&target.id).await?;
    session.wait_for("chrome.contextMenus.onClicked.hasListeners()", LIMIT).await?;
    Ok(session)
}

/// Dispatches the event of the extension's entry in a link's context menu.
async fn choose_in_menu(background: &Session, link: &str) -> Result<()> {
    let page = "http://example.org/";
    let click =
        json!({ "menuItemId": "add-link", "linkUrl": link, "pageUrl": page, "editable": false });
    background
        .evaluate(&format!("chrome.contextMenus.onClicked.dispatch({click}, undefined)"))
        .await
        .map(drop)
}

async fn app_tabs(background: &Session) -> Result<Value> {
    background
        .evaluate(
            "chrome.runtime.getContexts({ contextTypes: ['TAB'] }).then((tabs) => tabs.length)",
        )
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_plays_from_a_typed_magnet_link() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovFirst).await?;
    let hash = &fixture.torrent.info_hash;
    let browser = Browser::headless().await?;
    let app = AppPage::open(&browser).await?;
    app.linked().await.with_context(|| browser.report())?;
    app.add_link(&fixture.magnet()).await?;
    let described = app
        .torrent_when(hash, "the description to come", LIMIT, |t| !t.files.is_empty())
        .await
        .with_context(|| browser.report())?;
    ensure!(described.name == fixture.torrent.name, "it is called {}", described.name);
    app.download().await.with_context(|| browser.report())?;
    app.session
        .wait_for("byTestId('file') && !byTestId('link-form')", LIMIT)
        .await
        .context("its files open")?;
    let player = PlayerPage::open(&browser, hash, described.files[0].index).await?;
    player.first_frame(LIMIT).await.with_context(|| browser.report())?;
    let now = player.torrent(hash).await?.context("the torrent went away")?;
    ensure!(
        now.verified < now.length * 9 / 10,
        "{} of {} bytes: nothing is proved",
        now.verified,
        now.length
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_link_waits_for_metadata_and_can_be_paused_and_removed() -> Result<()> {
    let browser = Browser::headless().await?;
    let app = AppPage::open(&browser).await?;
    app.linked().await.with_context(|| browser.report())?;
    let hash = "0123456789abcdef0123456789abcdef01234567";
    app.paste(&format!("magnet:?xt=urn:btih:{hash}&dn=Nobody")).await?;
    app.torrent_when(hash, "the link to be in the list", LIMIT, |t| {
        t.state == "metadata" && t.name == "Nobody"
    })
    .await?;
    let page = &app.session;
    page.wait_for("/Looking for peers/.test(byTestId('torrent').textContent)", LIMIT).await?;
    page.click("pause").await?;
    app.torrent_when(hash, "it to be paused", LIMIT, |t| t.state == "paused").await?;
    page.click("resume").await?;
    app.torrent_when(hash, "it to go on", LIMIT, |t| t.state == "metadata").await?;
    page.click("remove").await?;
    page.click("remove-keep").await?;
    page.wait_for("jstorrent.snapshot().snapshot.torrents.length === 0", LIMIT).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_names_no_torrent_is_refused_with_a_reason() -> Result<()> {
    let browser = Browser::headless().await?;
    let app = AppPage::open(&browser).await?;
    app.linked().await.with_context(|| browser.report())?;
    app.add_link("ftp://example.org/film.torrent").await?;
    let words = app.text_of("link-words").await?;
    ensure!(words.contains("Not a torrent link"), "it says: {words}");
    app.paste("magnet:?xt=urn:sha1:x&dn=Something%20else").await?;
    let words = app.text_of("note").await.with_context(|| browser.report())?;
    ensure!(
        words.contains("Something else") && words.contains("names no torrent"),
        "it says: {words}"
    );
    ensure!(app.torrents().await?.is_empty(), "something was added");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_chosen_in_the_context_menu_opens_the_list_and_is_added() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovFirst).await?;
    let hash = &fixture.torrent.info_hash;
    let browser = Browser::headless().await?;
    let background = background(&browser).await?;
    let entry = "new Promise((done) => chrome.contextMenus.update('add-link', {}, \
                 () => done(chrome.runtime.lastError?.message ?? '')))";
    until("the entry to be in the menu", LIMIT, || async {
        Ok((background.evaluate(entry).await? == "").then_some(()))
    })
    .await
    .with_context(|| browser.report())?;
    choose_in_menu(&background, "javascript:alert(1)").await?;
    choose_in_menu(&background, &fixture.magnet()).await?;
    let app = AppPage::opened(&browser).await?;
    app.torrent_when(hash, "the link's torrent", LIMIT, |t| !t.files.is_empty())
        .await
        .with_context(|| browser.report())?;
    let other = "89abcdef0123456789abcdef0123456789abcdef";
    choose_in_menu(&background, &format!("magnet:?xt=urn:btih:{other}")).await?;
    app.torrent_when(other, "the second link in the same page", LIMIT, |t| t.state == "metadata")
        .await?;
    ensure!(app.torrents().await?.len() == 2, "something else was added");
    ensure!(app_tabs(&background).await? == 1, "more than one tab");
    Ok(())
}

/// A script of all that a web page can try: the engine's channel, the list in a frame, the list in
/// a window.
fn attempts(link: &str) -> String {
    let app = json!(extension_url(&format!("app.html?add={link}")));
    let intent = json!({ "kind": "add_magnet", "uri": link });
    let request = json!({ "kind": "intent", "intent": intent });
    let request = json!({ "kind": "request", "page": "web", "id": 0, "request": request });
    format!(
        r#"(() => {{
          new BroadcastChannel("jstorrent").postMessage({request});
          const frame = document.createElement("iframe");
          frame.src = {app};
          document.body.append(frame);
          for (const target of [frame.contentWindow, window.open({app})])
            target?.postMessage({{ kind: "add_link", link: {link} }}, "*");
        }})()"#,
        link = json!(link)
    )
}

/// A web page cannot add a torrent. No web page can open the list with a link, or send messages to
/// the extension.
#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_can_add_nothing() -> Result<()> {
    let browser = Browser::headless().await?;
    let app = AppPage::open(&browser).await?;
    app.linked().await.with_context(|| browser.report())?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let page = "<!doctype html><title>web</title>";
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n",
                page.len()
            );
            let _ = tokio::io::AsyncWriteExt::write_all(
                &mut stream,
                format!("{head}{page}").as_bytes(),
            )
            .await;
        }
    });
    let web = browser.cdp().open(&format!("http://{address}/")).await?;
    web.wait_for("document.title === 'web'", LIMIT).await?;
    let link = "magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567";
    let spoken = web.evaluate("typeof globalThis.chrome?.runtime?.sendMessage").await?;
    ensure!(spoken == "undefined", "it can speak to the extension: {spoken}");
    web.evaluate(&attempts(link)).await?;
    // The same attempts succeed from a page of the extension, after those of the web page.
    let other = "fedcba9876543210fedcba9876543210fedcba98";
    app.bring_to_front().await?;
    app.evaluate(&attempts(&format!("magnet:?xt=urn:btih:{other}"))).await?;
    app.torrent_when(other, "what the extension itself may add", LIMIT, |_| true).await?;
    server.abort();
    ensure!(app.torrents().await?.len() == 1, "the web added something");
    Ok(())
}
