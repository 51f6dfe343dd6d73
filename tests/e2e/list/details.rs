//! The details of a torrent: what each control does to trackers, peers and files.
//!
//! The problem report is tested here too.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::Options;
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::fixture::{FILM_RATE_BPS, Fixture};
use jstorrent_tests::keys::{Key, Modifier};
use jstorrent_tests::leecher::Leecher;
use jstorrent_tests::page::{by_css, by_test_id};
use jstorrent_tests::pages::TorrentSnapshot;
use jstorrent_tests::scene::Scene;
use jstorrent_tests::swarm::Client;
use jstorrent_tests::torrent::Torrent;
use jstorrent_tests::tracker::{Front, Tracker};
use serde_json::json;

/// A torrent of three files with one seeder, added in a browser.
async fn show(rate_bps: u64) -> Result<Scene> {
    let files = ["one.bin", "two.bin", "three.bin"].map(|name| (name, 5_000_000));
    // Adding trackers to a private torrent is refused.
    let show = Fixture::random_files("show", &files).public();
    let fixture = show.seeded(Client::Libtorrent, rate_bps).build().await?;
    let scene = Scene::with(fixture, Options::default()).await?;
    scene.torrent_when("the first piece", |torrent| torrent.verified > 0).await?;
    Ok(scene)
}

/// As [`show`], with the details open.
async fn show_in_detail(rate_bps: u64) -> Result<Scene> {
    let show = show(rate_bps).await?;
    let page = &show.app.session;
    page.click("details").await.with_context(|| show.browser.report())?;
    page.wait_for("byTestId('details-open')", LIMIT).await?;
    Ok(show)
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_are_shown_and_limits_and_trackers_apply() -> Result<()> {
    let show = show_in_detail(FILM_RATE_BPS).await?;
    let then = |result: Result<()>| result.with_context(|| show.browser.report());
    then(peers_are_shown(&show).await)?;
    then(a_limit_holds(&show).await)?;
    then(trackers_are_asked(&show).await)?;
    then(without_the_limit_it_is_fast(&show).await)
}

/// The details show one peer: the seeder's line, its client's name and its rate.
async fn peers_are_shown(show: &Scene) -> Result<()> {
    let page = &show.app.session;
    let address = show.fixture.lines[0].address().to_string();
    let shown = page.reads(&by_test_id("peer"), |text| text.contains("B/s")).await?;
    ensure!(shown.contains(&address), "{address} is not in {shown}");
    ensure!(shown.contains("libtorrent"), "no client in {shown}");
    ensure!(shown.contains("100%") || shown.contains("100 %"), "a seeder has everything: {shown}");
    let known = page.reads(&by_test_id("details-open"), |text| text.contains("1 connected")).await;
    known.map(drop)
}

async fn downloaded(show: &Scene) -> Result<u64> {
    Ok(show.torrent_when("it to be there", |_| true).await?.downloaded)
}

/// The limit of the torrent, bytes a second.
const BPS: u64 = 50_000;

/// A limit of this torrent slows the line itself.
async fn a_limit_holds(show: &Scene) -> Result<()> {
    let page = &show.app.session;
    page.fill("limit-download", "fast").await?;
    page.click("limits-save").await?;
    page.reads(&by_test_id("details-open"), |text| text.contains("“fast” is not a number")).await?;
    page.fill("limit-download", "0.05").await?;
    page.press(Key::Enter).await?;
    let slow = |t: &TorrentSnapshot| (1..BPS * 3 / 2).contains(&t.down_rate_bps);
    show.torrent_when("the limit to count", slow).await?;
    let (before, passed, since) = (downloaded(show).await?, show.fixture.passed(), Instant::now());
    show.torrent_when("some time to pass", |_| since.elapsed().as_secs() >= 8).await?;
    let came = (downloaded(show).await? - before) as f64;
    let passed = (show.fixture.passed() - passed) as f64;
    let allowed = BPS as f64 * since.elapsed().as_secs_f64();
    // Bytes in the system's buffers had passed the line before.
    ensure!(passed < 1.5 * allowed, "{passed} bytes passed where {allowed} may");
    ensure!(came > 0.5 * allowed && came < 1.5 * allowed, "{came} came where {allowed} may");
    Ok(())
}

async fn without_the_limit_it_is_fast(show: &Scene) -> Result<()> {
    let page = &show.app.session;
    page.fill("limit-download", "").await?;
    page.press(Key::Enter).await?;
    let fast = |t: &TorrentSnapshot| t.down_rate_bps > 4 * BPS;
    show.torrent_when("it to be fast again", fast).await.map(drop)
}

/// The page adds, removes and asks trackers. An added tracker gets an announce, a removed one gets
/// a `stopped`, and a press of the button announces to all.
async fn trackers_are_asked(show: &Scene) -> Result<()> {
    let page = &show.app.session;
    let own = &show.fixture.tracker;
    let other = Tracker::open(Front::Http).await?;
    let before = own.announces();
    page.click("announce").await?;
    until("its tracker to be asked", LIMIT, || async {
        Ok((own.announces() > before).then_some(()))
    })
    .await?;
    page.fill("tracker-input", "nonsense").await?;
    page.click("tracker-add").await?;
    page.reads(&by_test_id("details-open"), |text| text.contains("nonsense")).await?;
    page.fill("tracker-input", &other.url()).await?;
    page.click("tracker-add").await?;
    until("the new tracker to be asked", LIMIT, || async {
        Ok((!other.announced().is_empty()).then_some(()))
    })
    .await?;
    let two = "document.querySelectorAll('[data-testid=tracker]').length === 2";
    page.wait_for(two, LIMIT).await?;
    ensure!(
        page.evaluate("document.querySelector('[data-testid=tracker-input]').value").await? == "",
        "what was added still stands in the field"
    );
    page.click_on(&by_css("[data-testid=tracker]:nth-child(2) [data-testid=tracker-remove]"))
        .await?;
    until("the tracker to hear goodbye", LIMIT, || async {
        Ok(other.announced().is_empty().then_some(()))
    })
    .await?;
    page.wait_for("document.querySelectorAll('[data-testid=tracker]').length === 1", LIMIT).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_torrent_is_copied_saved_renamed_and_seeded() -> Result<()> {
    let show = show_in_detail(0).await?;
    show.torrent_when("all of it", |t| t.state == "complete").await?;
    let then = |result: Result<()>| result.with_context(|| show.browser.report());
    then(the_magnet_link_is_copied(&show).await)?;
    then(the_torrent_is_saved(&show, &show.fixture.scratch.dir("saved")?).await)?;
    then(a_file_is_renamed(&show).await)?;
    then(what_is_given_is_counted(&show).await)
}

/// The copied link, pasted into the field for links, names this torrent.
async fn the_magnet_link_is_copied(show: &Scene) -> Result<()> {
    let page = &show.app.session;
    let granted = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
    show.browser.cdp().call("Browser.grantPermissions", granted).await?;
    page.click("copy-magnet").await?;
    page.reads(&by_test_id("copy-magnet"), |text| text.contains("Copied")).await?;
    page.click("add-link").await?;
    page.wait_for("document.activeElement === byTestId('link-input')", LIMIT).await?;
    page.press_with(Key::Character('v'), Modifier::Control).await?;
    page.wait_for("byTestId('link-input').value !== ''", LIMIT).await?;
    let link = page.evaluate("byTestId('link-input').value").await?;
    let link = link.as_str().unwrap_or_default();
    ensure!(link.contains(&format!("xt=urn:btih:{}", show.fixture.torrent.info_hash)), "{link}");
    ensure!(link.contains("&tr=http%3A%2F%2F127.0.0.1%3A"), "no tracker in {link}");
    page.press(Key::Enter).await?;
    page.reads(&by_test_id("already"), |text| !text.is_empty()).await?;
    ensure!(show.app.torrents().await?.len() == 1, "it is there twice");
    Ok(())
}

async fn the_torrent_is_saved(show: &Scene, folder: &Path) -> Result<()> {
    let page = &show.app.session;
    let behavior = json!({ "behavior": "allow", "downloadPath": folder });
    show.browser.cdp().call("Browser.setDownloadBehavior", behavior).await?;
    page.click("save-torrent").await?;
    let path: PathBuf = folder.join("show.torrent");
    let saved = until("the file", LIMIT, || async { Ok(std::fs::read(&path).ok()) }).await?;
    let info = info_of(&show.fixture.torrent.metainfo)?;
    ensure!(saved.windows(info.len()).any(|it| it == info), "another info dictionary");
    Ok(())
}

/// The info dictionary of a torrent of the harness, with its key. The dictionary is the last entry
/// of the metainfo.
fn info_of(metainfo: &[u8]) -> Result<&[u8]> {
    let at = metainfo.windows(6).position(|it| it == b"4:info").context("an info dictionary")?;
    Ok(&metainfo[at..metainfo.len() - 1])
}

async fn a_file_is_renamed(show: &Scene) -> Result<()> {
    let page = &show.app.session;
    let file = "[data-testid=file][data-index='1'] [data-testid=rename]";
    let folder = show.browser.downloads().join("show");
    let truth = std::fs::read(folder.join("two.bin"))?;
    page.click_on(&by_css(file)).await?;
    page.dialog_is_open(true).await?;
    // The name is selected without its extension.
    page.type_text("one").await?;
    page.press(Key::Enter).await?;
    page.reads(&by_css("dialog[open] .dialog-wrong"), |text| !text.is_empty()).await?;
    page.press_with(Key::Character('a'), Modifier::Control).await?;
    page.type_text("second.bin").await?;
    page.press(Key::Enter).await?;
    page.dialog_is_open(false).await?;
    until("the file to have its name", LIMIT, || async {
        Ok(std::fs::read(folder.join("second.bin")).ok().filter(|bytes| *bytes == truth))
    })
    .await?;
    ensure!(!folder.join("two.bin").exists(), "it is there twice");
    let focus = format!("document.activeElement?.matches({})", json!(file));
    page.wait_for(&focus, LIMIT).await.context("the focus is not where it was")?;
    page.wait_for("document.body.innerText.includes('second.bin')", LIMIT).await
}

/// Uploads to another client are counted and shown with their ratio.
async fn what_is_given_is_counted(show: &Scene) -> Result<()> {
    let page = &show.app.session;
    let port = page.evaluate("jstorrent.snapshot().snapshot.listenPort").await?;
    let port = u16::try_from(port.as_u64().context("a port")?)?;
    let torrent = &show.fixture.torrent;
    // The torrent's tracker would name the seeder.
    let metainfo = [b"d", info_of(&torrent.metainfo)?, b"e"].concat();
    let blind = Torrent { metainfo, ..torrent.clone() };
    let mut leecher = Leecher::dialling(&blind, ([127, 0, 0, 1], port).into()).await?;
    leecher.complete(&blind, LIMIT).await?;
    let uploaded = "jstorrent.snapshot().snapshot.torrents[0].uploaded";
    page.wait_for(&format!("{uploaded} >= {}", torrent.length), LIMIT).await?;
    let uploaded = page.evaluate(uploaded).await?.as_f64().context("a number")?;
    let length = show.fixture.torrent.length as f64;
    let ratio = format!("{:.2}", uploaded / length);
    let words = page.reads(&by_css(".torrent-uploaded"), |text| text.contains(&ratio)).await?;
    ensure!(words.contains("MB") || words.contains("kB"), "no bytes in {words}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_report_has_versions_and_no_secret() -> Result<()> {
    let show = show(FILM_RATE_BPS).await?;
    reported(&show).await.with_context(|| show.browser.report())
}

async fn reported(show: &Scene) -> Result<()> {
    let page = &show.app.session;
    page.click("report").await?;
    page.wait_for("!byTestId('report-copy')?.disabled", LIMIT).await?;
    let text = page.evaluate("byTestId('report-text').value").await?;
    let text = text.as_str().context("a text")?;
    for told in ["Extension: 0.1.0", "Engine: 0.1.0", "jstorrent-io-daemon 0.1.0", "Chrome/"] {
        ensure!(text.contains(told), "{told:?} is not in:\n{text}");
    }
    let token = show.browser.daemon().await?.token;
    let line = show.fixture.lines[0].address().to_string();
    let downloads = show.browser.downloads().display().to_string();
    let secrets = [
        show.fixture.torrent.info_hash.as_str(),
        "show",
        "one.bin",
        &token,
        &line,
        &downloads,
        "127.0.0.1",
    ];
    for secret in secrets {
        ensure!(!text.contains(secret), "{secret:?} is in:\n{text}");
    }
    let granted = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
    show.browser.cdp().call("Browser.grantPermissions", granted).await?;
    page.click("report-copy").await?;
    page.reads(&by_test_id("report-copy"), |text| text.contains("Copied")).await?;
    let copied = page.evaluate("navigator.clipboard.readText()").await?;
    ensure!(copied == text, "something else was copied: {copied}");
    page.press(Key::Escape).await?;
    page.dialog_is_open(false).await?;
    let focus = "document.activeElement === byTestId('report')";
    page.wait_for(focus, LIMIT).await.context("the focus is not where it was")
}
