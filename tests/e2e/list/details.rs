//! The details of a torrent: what each control does to trackers, peers and files.
//!
//! The problem report is tested here too.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::Browser;
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::fixture::{FILM_RATE_BPS, PIECE_LENGTH};
use jstorrent_tests::leecher::Leecher;
use jstorrent_tests::pages::{AppPage, TorrentSnapshot};
use jstorrent_tests::proxy::{Line, Proxy};
use jstorrent_tests::swarm::{Client, Seeder};
use jstorrent_tests::torrent::{Recipe, Torrent};
use jstorrent_tests::tracker::{Front, Tracker};
use jstorrent_tests::workspace::Scratch;
use serde_json::json;

use super::hand::{CTRL, Hand, by_id, content, dialog};

/// Three files that one seeder has, in a browser in which they were added.
struct Show {
    torrent: Torrent,
    tracker: Tracker,
    line: Proxy,
    browser: Browser,
    app: AppPage,
    _seeder: Seeder,
    scratch: Scratch,
}

impl Show {
    async fn comes(rate_bps: u64) -> Result<Self> {
        let scratch = Scratch::new("controls")?;
        let folder = scratch.dir("content")?;
        std::fs::create_dir(folder.join("show"))?;
        let files = ["one.bin", "two.bin", "three.bin"];
        for (salt, name) in (1..).zip(files) {
            std::fs::write(folder.join("show").join(name), content(5_000_000, salt))?;
        }
        let tracker = Tracker::start().await?;
        let torrent = Torrent::make(&Recipe {
            folder,
            name: "show".into(),
            files: files.map(str::to_owned).to_vec(),
            piece_length: PIECE_LENGTH,
            announce: Some(tracker.url()),
        })?;
        // Nobody may add trackers to a private one.
        let torrent = torrent.public();
        let seeder = Seeder::start(Client::Libtorrent, &torrent).await?;
        let line = Proxy::start(seeder.address(), Line::of_rate(rate_bps))?;
        tracker.name([line.address()]);
        let browser = Browser::headless().await?;
        let app = AppPage::open(&browser).await?;
        app.linked().await.with_context(|| browser.report())?;
        app.download_all().await?;
        app.choose(&torrent.write_to(scratch.path())?).await?;
        let show = Self { torrent, tracker, line, browser, app, _seeder: seeder, scratch };
        show.when("it to come", |torrent| torrent.verified > 0).await?;
        Ok(show)
    }

    /// The same, with its details open.
    async fn in_detail(rate_bps: u64) -> Result<Self> {
        let show = Self::comes(rate_bps).await?;
        let hand = Hand(&show.app.session);
        hand.click(&by_id("details")).await.with_context(|| show.browser.report())?;
        hand.spot(&by_id("details-open")).await?;
        Ok(show)
    }

    /// What the engine says of it, as soon as `is_so`.
    async fn when(
        &self,
        what: &str,
        is_so: impl Fn(&TorrentSnapshot) -> bool,
    ) -> Result<TorrentSnapshot> {
        let torrent = self.app.torrent_when(&self.torrent.info_hash, what, LIMIT, is_so).await;
        torrent.with_context(|| self.browser.report())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_trackers_and_limits_do_what_they_say() -> Result<()> {
    let show = Show::in_detail(FILM_RATE_BPS).await?;
    let then = |result: Result<()>| result.with_context(|| show.browser.report());
    then(peers_are_shown(&show).await)?;
    then(a_limit_holds(&show).await)?;
    then(trackers_are_asked(&show).await)?;
    then(without_the_limit_it_is_fast(&show).await)
}

/// The one peer is the seeder behind its line, with its name and the rate at which bytes pass.
async fn peers_are_shown(show: &Show) -> Result<()> {
    let hand = Hand(&show.app.session);
    let address = show.line.address().to_string();
    let shown = hand.reads(&by_id("peer"), |text| text.contains("B/s")).await?;
    ensure!(shown.contains(&address), "{address} is not in {shown}");
    ensure!(shown.contains("libtorrent"), "no client in {shown}");
    ensure!(shown.contains("100%") || shown.contains("100 %"), "a seeder has everything: {shown}");
    let known = hand.reads(&by_id("details-open"), |text| text.contains("1 connected")).await;
    known.map(drop)
}

async fn downloaded(show: &Show) -> Result<u64> {
    Ok(show.when("it to be there", |_| true).await?.downloaded)
}

/// The limit of the torrent, bytes a second.
const BPS: u64 = 50_000;

/// A limit of this torrent slows it down, on the line itself.
async fn a_limit_holds(show: &Show) -> Result<()> {
    let hand = Hand(&show.app.session);
    hand.fill(&by_id("limit-download"), "fast").await?;
    hand.click(&by_id("limits-save")).await?;
    hand.reads(&by_id("details-open"), |text| text.contains("“fast” is not a number")).await?;
    hand.fill(&by_id("limit-download"), "0.05").await?;
    hand.press("Enter").await?;
    let slow = |t: &TorrentSnapshot| (1..BPS * 3 / 2).contains(&t.down_rate_bps);
    show.when("the limit to count", slow).await?;
    let (before, passed, since) = (downloaded(show).await?, show.line.passed(), Instant::now());
    show.when("some time to pass", |_| since.elapsed().as_secs() >= 8).await?;
    let came = (downloaded(show).await? - before) as f64;
    let passed = (show.line.passed() - passed) as f64;
    let allowed = BPS as f64 * since.elapsed().as_secs_f64();
    // What lies in the system's buffers has passed the line before.
    ensure!(passed < 1.5 * allowed, "{passed} bytes passed where {allowed} may");
    ensure!(came > 0.5 * allowed && came < 1.5 * allowed, "{came} came where {allowed} may");
    Ok(())
}

async fn without_the_limit_it_is_fast(show: &Show) -> Result<()> {
    let hand = Hand(&show.app.session);
    hand.fill(&by_id("limit-download"), "").await?;
    hand.press("Enter").await?;
    let fast = |t: &TorrentSnapshot| t.down_rate_bps > 4 * BPS;
    show.when("it to be fast again", fast).await.map(drop)
}

/// One that is added is asked, one that is taken away hears goodbye, and all are asked on a press.
async fn trackers_are_asked(show: &Show) -> Result<()> {
    let (page, hand) = (&show.app.session, Hand(&show.app.session));
    let own = &show.tracker;
    let other = Tracker::open(Front::Http).await?;
    let before = own.announces();
    hand.click(&by_id("announce")).await?;
    until("its tracker to be asked", LIMIT, || async {
        Ok((own.announces() > before).then_some(()))
    })
    .await?;
    hand.fill(&by_id("tracker-input"), "nonsense").await?;
    hand.click(&by_id("tracker-add")).await?;
    hand.reads(&by_id("details-open"), |text| text.contains("nonsense")).await?;
    hand.fill(&by_id("tracker-input"), &other.url()).await?;
    hand.click(&by_id("tracker-add")).await?;
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
    hand.click("[data-testid=tracker]:nth-child(2) [data-testid=tracker-remove]").await?;
    until("the tracker to hear goodbye", LIMIT, || async {
        Ok(other.announced().is_empty().then_some(()))
    })
    .await?;
    page.wait_for("document.querySelectorAll('[data-testid=tracker]').length === 1", LIMIT).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_complete_is_copied_saved_renamed_and_shared() -> Result<()> {
    let show = Show::in_detail(0).await?;
    show.when("all of it", |t| t.state == "complete").await?;
    let then = |result: Result<()>| result.with_context(|| show.browser.report());
    then(the_magnet_link_is_copied(&show).await)?;
    then(the_torrent_is_saved(&show, &show.scratch.dir("saved")?).await)?;
    then(a_file_is_renamed(&show).await)?;
    then(what_is_given_is_counted(&show).await)
}

/// The link that is copied is pasted into the field for links: it is the torrent that is here.
async fn the_magnet_link_is_copied(show: &Show) -> Result<()> {
    let (page, hand) = (&show.app.session, Hand(&show.app.session));
    let granted = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
    show.browser.cdp().call("Browser.grantPermissions", granted).await?;
    hand.click(&by_id("copy-magnet")).await?;
    hand.reads(&by_id("copy-magnet"), |text| text.contains("Copied")).await?;
    hand.click(&by_id("add-link")).await?;
    page.wait_for("document.activeElement === byTestId('link-input')", LIMIT).await?;
    hand.press_with("v", CTRL).await?;
    page.wait_for("byTestId('link-input').value !== ''", LIMIT).await?;
    let link = page.evaluate("byTestId('link-input').value").await?;
    let link = link.as_str().unwrap_or_default();
    ensure!(link.contains(&format!("xt=urn:btih:{}", show.torrent.info_hash)), "{link}");
    ensure!(link.contains("&tr=http%3A%2F%2F127.0.0.1%3A"), "no tracker in {link}");
    hand.press("Enter").await?;
    hand.reads(&by_id("already"), |text| !text.is_empty()).await?;
    ensure!(show.app.torrents().await?.len() == 1, "it is there twice");
    Ok(())
}

async fn the_torrent_is_saved(show: &Show, folder: &Path) -> Result<()> {
    let hand = Hand(&show.app.session);
    let behavior = json!({ "behavior": "allow", "downloadPath": folder });
    show.browser.cdp().call("Browser.setDownloadBehavior", behavior).await?;
    hand.click(&by_id("save-torrent")).await?;
    let path: PathBuf = folder.join("show.torrent");
    let saved = until("the file", LIMIT, || async { Ok(std::fs::read(&path).ok()) }).await?;
    let info = info_of(&show.torrent.metainfo)?;
    ensure!(saved.windows(info.len()).any(|it| it == info), "another info dictionary");
    Ok(())
}

/// The info dictionary of a torrent that the harness made, with its key: the last entry.
fn info_of(metainfo: &[u8]) -> Result<&[u8]> {
    let at = metainfo.windows(6).position(|it| it == b"4:info").context("an info dictionary")?;
    Ok(&metainfo[at..metainfo.len() - 1])
}

async fn a_file_is_renamed(show: &Show) -> Result<()> {
    let (page, hand) = (&show.app.session, Hand(&show.app.session));
    let file = "[data-testid=file][data-index='1'] [data-testid=rename]";
    let folder = show.browser.downloads().join("show");
    let truth = std::fs::read(folder.join("two.bin"))?;
    hand.click(file).await?;
    dialog(page, true).await?;
    // What is selected is the name without its ending.
    hand.type_text("one").await?;
    hand.press("Enter").await?;
    hand.reads("dialog[open] .dialog-wrong", |text| !text.is_empty()).await?;
    hand.press_with("a", CTRL).await?;
    hand.type_text("second.bin").await?;
    hand.press("Enter").await?;
    dialog(page, false).await?;
    until("the file to have its name", LIMIT, || async {
        Ok(std::fs::read(folder.join("second.bin")).ok().filter(|bytes| *bytes == truth))
    })
    .await?;
    ensure!(!folder.join("two.bin").exists(), "it is there twice");
    let focus = format!("document.activeElement?.matches({})", json!(file));
    page.wait_for(&focus, LIMIT).await.context("the focus is not where it was")?;
    page.wait_for("document.body.innerText.includes('second.bin')", LIMIT).await
}

/// What another client gets of us is counted, and shown with its ratio.
async fn what_is_given_is_counted(show: &Show) -> Result<()> {
    let (page, hand) = (&show.app.session, Hand(&show.app.session));
    let port = page.evaluate("jstorrent.snapshot().snapshot.listenPort").await?;
    let port = u16::try_from(port.as_u64().context("a port")?)?;
    let torrent = &show.torrent;
    // Its own tracker would name the seeder.
    let metainfo = [b"d", info_of(&torrent.metainfo)?, b"e"].concat();
    let blind = Torrent { metainfo, ..torrent.clone() };
    let mut leecher = Leecher::dialling(&blind, ([127, 0, 0, 1], port).into()).await?;
    leecher.complete(&blind, LIMIT).await?;
    let uploaded = "jstorrent.snapshot().snapshot.torrents[0].uploaded";
    page.wait_for(&format!("{uploaded} >= {}", torrent.length), LIMIT).await?;
    let uploaded = page.evaluate(uploaded).await?.as_f64().context("a number")?;
    let length = show.torrent.length as f64;
    let ratio = format!("{:.2}", uploaded / length);
    let words = hand.reads(".torrent-uploaded", |text| text.contains(&ratio)).await?;
    ensure!(words.contains("MB") || words.contains("kB"), "no bytes in {words}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_report_tells_versions_and_no_secret() -> Result<()> {
    let show = Show::comes(FILM_RATE_BPS).await?;
    reported(&show).await.with_context(|| show.browser.report())
}

async fn reported(show: &Show) -> Result<()> {
    let (page, hand) = (&show.app.session, Hand(&show.app.session));
    hand.click(&by_id("report")).await?;
    page.wait_for("!byTestId('report-copy')?.disabled", LIMIT).await?;
    let text = page.evaluate("byTestId('report-text').value").await?;
    let text = text.as_str().context("a text")?;
    for told in ["Extension: 0.1.0", "Engine: 0.1.0", "jstorrent-io-daemon 0.1.0", "Chrome/"] {
        ensure!(text.contains(told), "{told:?} is not in:\n{text}");
    }
    let token = show.browser.daemon().await?.token;
    let line = show.line.address().to_string();
    let downloads = show.browser.downloads().display().to_string();
    let secrets = [
        show.torrent.info_hash.as_str(),
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
    hand.click(&by_id("report-copy")).await?;
    hand.reads(&by_id("report-copy"), |text| text.contains("Copied")).await?;
    let copied = page.evaluate("navigator.clipboard.readText()").await?;
    ensure!(copied == text, "something else was copied: {copied}");
    hand.press("Escape").await?;
    dialog(page, false).await?;
    let focus = "document.activeElement === byTestId('report')";
    page.wait_for(focus, LIMIT).await.context("the focus is not where it was")
}
