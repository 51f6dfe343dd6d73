//! Several torrents in the list: queue and order, search, selection, removal, and undo.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::Browser;
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::dice::Dice;
use jstorrent_tests::fixture::PIECE_LENGTH;
use jstorrent_tests::keys::{Key, Modifier};
use jstorrent_tests::page::{by_css, by_test_id};
use jstorrent_tests::pages::AppPage;
use jstorrent_tests::proxy::{Line, Proxy, quiet};
use jstorrent_tests::swarm::Seeder;
use jstorrent_tests::torrent::{Recipe, Torrent};
use jstorrent_tests::tracker::Tracker;
use jstorrent_tests::workspace::Scratch;
use serde_json::json;

/// Four torrents of one file each, and one seeder of all. The largest torrent is added last.
struct Four {
    names: [&'static str; 4],
    torrents: Vec<Torrent>,
    line: Proxy,
    browser: Browser,
    app: AppPage,
    _seeder: Seeder,
    _tracker: Tracker,
    _scratch: Scratch,
}

impl Four {
    async fn come(rate_bps: u64) -> Result<Self> {
        let scratch = Scratch::new("controls")?;
        let folder = scratch.dir("content")?;
        let tracker = Tracker::start().await?;
        let names = ["delta.bin", "alpha.bin", "charlie.bin", "bravo.bin"];
        let mut torrents = Vec::new();
        for (seed, name) in (1_u32..).zip(names) {
            let length = 3_000_000 * seed as usize;
            std::fs::write(folder.join(name), Dice::new(seed.into()).bytes(length))?;
            let recipe = Recipe {
                announce: Some(tracker.url()),
                ..Recipe::of_file(&folder.join(name), PIECE_LENGTH)?
            };
            torrents.push(Torrent::make(&recipe)?);
        }
        let seeder = Seeder::start_several(&torrents).await?;
        let line = Proxy::start(seeder.address(), Line::of_rate(rate_bps))?;
        tracker.name([line.address()]);
        let browser = Browser::headless().await?;
        let app = AppPage::open(&browser).await?;
        app.linked().await.with_context(|| browser.report())?;
        for torrent in &torrents {
            app.choose(&torrent.write_to(scratch.path())?).await?;
            app.download().await?;
            app.torrent_when(&torrent.info_hash, "it to be added", LIMIT, |_| true).await?;
        }
        app.dialog_is_open(false).await?;
        Ok(Self {
            names,
            torrents,
            line,
            browser,
            app,
            _seeder: seeder,
            _tracker: tracker,
            _scratch: scratch,
        })
    }

    fn row(&self, at: usize) -> String {
        format!("[data-info-hash='{}']", self.torrents[at].info_hash)
    }

    fn file(&self, at: usize) -> PathBuf {
        self.browser.downloads().join(self.names[at])
    }

    async fn state(&self, at: usize) -> Result<String> {
        let torrent = self.app.torrent(&self.torrents[at].info_hash).await?;
        Ok(torrent.map_or_else(|| "gone".to_owned(), |torrent| torrent.state))
    }

    async fn states_are(&self, wanted: [&str; 4]) -> Result<()> {
        let last = std::sync::Mutex::new(Vec::new());
        let seen = &last;
        let waited = until("the torrents' states", LIMIT, || async move {
            let mut states = Vec::new();
            for at in 0..4 {
                states.push(self.state(at).await?);
            }
            let is_so = states.iter().zip(wanted).all(|(is, wanted)| is == wanted);
            *seen.lock().expect("nobody panics while holding it") = states;
            Ok(is_so.then_some(()))
        });
        let waited = waited.await;
        waited.with_context(|| format!("wanted {wanted:?}, they are {last:?}"))
    }

    /// Waits until the rows have these names, from top to bottom.
    async fn shows(&self, wanted: &[&str]) -> Result<()> {
        let names = "[...document.querySelectorAll('.line:has(.torrent)')] \
            .map((line) => [line.getBoundingClientRect().top, line]) \
            .sort(([top], [other]) => top - other).map(([, line]) => line) \
            .map((line) => line.querySelector('.torrent-name').title).join()";
        let is_so = format!("{names} === {}", json!(wanted.join(",")));
        let shown = self.app.session.wait_for(&is_so, LIMIT).await;
        shown.with_context(|| format!("wanted {wanted:?}"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_sets_the_order_of_the_queue() -> Result<()> {
    let four = Four::come(100_000).await?;
    queue(&four).await.with_context(|| four.browser.report())
}

async fn queue(four: &Four) -> Result<()> {
    let page = &four.app.session;
    page.click("settings").await?;
    page.fill("set-downloads", "1").await?;
    page.press(Key::Enter).await?;
    page.dialog_is_open(false).await?;
    four.states_are(["downloading", "queued", "queued", "queued"]).await?;
    // Each added torrent is open in the list.
    for at in [3, 1, 0] {
        page.click_on(&by_css(&format!("{} [data-testid=toggle]", four.row(at)))).await?;
    }
    page.wait_for("document.querySelectorAll('[data-testid=details]').length === 1", LIMIT).await?;
    page.click("details").await?;
    page.click("queue-top").await?;
    four.states_are(["queued", "queued", "downloading", "queued"]).await?;
    page.reads(&by_test_id("queue"), |text| text.starts_with('1')).await?;
    page.click("queue-down").await?;
    four.states_are(["downloading", "queued", "queued", "queued"]).await?;
    page.reads(&by_test_id("queue"), |text| text.starts_with('2')).await?;
    page.click("queue-up").await?;
    four.states_are(["queued", "queued", "downloading", "queued"]).await?;
    page.click("queue-bottom").await?;
    page.reads(&by_test_id("queue"), |text| text.starts_with('4')).await?;
    four.states_are(["downloading", "queued", "queued", "queued"]).await?;
    page.click("pause-all").await?;
    four.states_are(["paused"; 4]).await?;
    // Bytes that were on their way still arrive.
    quiet(|| four.line.passed()).await.context("bytes come to paused torrents")?;
    let passed = four.line.passed();
    page.click("resume-all").await?;
    four.states_are(["downloading", "queued", "queued", "queued"]).await?;
    until("bytes to come again", LIMIT, || async {
        Ok((four.line.passed() > passed + 100_000).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn torrents_are_sorted_found_selected_removed_and_brought_back() -> Result<()> {
    let four = Four::come(0).await?;
    four.states_are(["complete"; 4]).await?;
    let then = |result: Result<()>| result.with_context(|| four.browser.report());
    then(sorted(&four).await)?;
    then(removed_and_brought_back(&four).await)?;
    then(removed_for_good(&four).await)
}

async fn sorted(four: &Four) -> Result<()> {
    let page = &four.app.session;
    four.shows(&["bravo.bin", "charlie.bin", "alpha.bin", "delta.bin"]).await?;
    page.click("search").await?;
    page.press(Key::Tab).await?;
    // Tab leads to the list of sort orders; its second entry is the name.
    page.press(Key::ArrowDown).await?;
    four.shows(&["alpha.bin", "bravo.bin", "charlie.bin", "delta.bin"]).await?;
    page.press(Key::ArrowDown).await?;
    four.shows(&["bravo.bin", "charlie.bin", "alpha.bin", "delta.bin"]).await?;
    page.click("sort-reverse").await?;
    four.shows(&["delta.bin", "alpha.bin", "charlie.bin", "bravo.bin"]).await?;
    page.click("sort-reverse").await?;
    page.press_with(Key::Character('f'), Modifier::Control).await?;
    page.type_text("ALPH").await?;
    four.shows(&["alpha.bin"]).await?;
    page.press_with(Key::Character('a'), Modifier::Control).await?;
    page.type_text("nothing like it").await?;
    page.reads(&by_test_id("none-found"), |text| text.contains("nothing like it")).await?;
    page.press(Key::Escape).await?;
    four.shows(&["bravo.bin", "charlie.bin", "alpha.bin", "delta.bin"]).await?;
    page.wait_for("document.querySelector('[data-testid=search]').value === ''", LIMIT).await
}

/// Removes two selected torrents with their files, and brings each back with a click.
async fn removed_and_brought_back(four: &Four) -> Result<()> {
    let page = &four.app.session;
    page.click_with(&by_css(&format!("{} .torrent-state", four.row(3))), Modifier::Control).await?;
    page.click_with(&by_css(&format!("{} .torrent-state", four.row(1))), Modifier::Shift).await?;
    page.reads(&by_css(".selection-count"), |text| text.contains('3')).await?;
    page.click_on(&by_css(&format!("{} [data-testid=select]", four.row(2)))).await?;
    page.reads(&by_css(".selection-count"), |text| text.contains('2')).await?;
    page.press(Key::Delete).await?;
    page.dialog_is_open(true).await?;
    let asked = page.reads(&by_css("dialog[open]"), |text| text.contains("alpha.bin")).await?;
    ensure!(asked.contains("bravo.bin") && !asked.contains("charlie.bin"), "it asks: {asked}");
    page.click("remove-delete").await?;
    four.shows(&["charlie.bin", "delta.bin"]).await?;
    ensure!(four.file(1).exists() && four.file(3).exists(), "they are deleted at once");
    for rows in [3, 4] {
        page.click("undo").await?;
        let shown = "document.querySelectorAll('.line:has(.torrent)').length";
        page.wait_for(&format!("{shown} === {rows}"), LIMIT).await?;
    }
    four.shows(&["bravo.bin", "charlie.bin", "alpha.bin", "delta.bin"]).await?;
    four.states_are(["complete"; 4]).await?;
    for at in [1, 3] {
        let truth = std::fs::read(&four.torrents[at].paths[0])?;
        ensure!(std::fs::read(four.file(at))? == truth, "{} is not as it was", four.names[at]);
    }
    Ok(())
}

/// Removes one torrent without its file, and another one with its file. The file is deleted with no
/// page open.
async fn removed_for_good(four: &Four) -> Result<()> {
    let page = &four.app.session;
    page.click_on(&by_css(&format!("{} [data-testid=remove]", four.row(0)))).await?;
    page.dialog_is_open(true).await?;
    page.press(Key::Enter).await?;
    four.shows(&["bravo.bin", "charlie.bin", "alpha.bin"]).await?;
    page.click_on(&by_css(&format!("{} [data-testid=remove]", four.row(2)))).await?;
    page.click("remove-delete").await?;
    four.shows(&["bravo.bin", "alpha.bin"]).await?;
    four.browser.cdp().close(page.target()).await?;
    ensure!(four.file(2).exists(), "it is deleted at once");
    until("the file to go", LIMIT, || async { Ok((!four.file(2).exists()).then_some(())) }).await?;
    ensure!(four.file(0).exists(), "the file of the other one goes, too");
    let app = AppPage::open(&four.browser).await?;
    app.linked().await?;
    let names: Vec<_> = app.torrents().await?.into_iter().map(|torrent| torrent.name).collect();
    ensure!(names == ["bravo.bin", "alpha.bin"], "there are {names:?}");
    Ok(())
}
