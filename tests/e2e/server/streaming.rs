//! The plain HTTP server: programs that know only HTTP add, stream and remove torrents.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::Browser;
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::http;
use jstorrent_tests::media::Film;
use jstorrent_tests::page::Page;
use jstorrent_tests::pages::AppPage;
use jstorrent_tests::plain::{Server, curl, url_of};
use jstorrent_tests::process;
use jstorrent_tests::terminal::{Terminal, nothing_runs, output, run};
use serde_json::{Value, json};
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn other_programs_read_a_film_from_a_link_while_it_downloads() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovLast).await?;
    let mut server = fixture.serve(&[]).await?;
    let reach =
        server.terminal.event("where peers reach it", |event| event["event"] == "reach").await?;
    let added = server.add(&fixture.magnet()).await?;
    ensure!(added["infoHash"] == fixture.torrent.info_hash.as_str(), "{added}");
    ensure!(
        added["files"][0]["length"] == fixture.truth[0].len()
            && added["files"][0]["playable"] == true,
        "{added}"
    );
    ensure!(added["duplicate"] == false, "{added}");
    let mut again = server.add(&fixture.magnet()).await?;
    ensure!(again["duplicate"] == true, "{again}");
    again["duplicate"] = false.into();
    ensure!(again == added, "adding twice answers the same: {again}");
    let list = server.json("torrents", &[]).await?;
    ensure!(list["torrents"].as_array().map(Vec::len) == Some(1), "{list}");
    let port = format!("on port {}", list["listenPort"]);
    ensure!(reach["words"].as_str().is_some_and(|words| words.contains(&port)), "{reach} {list}");
    let url = url_of(&added)?;
    let mut probe = Command::new("ffprobe");
    probe.args(["-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"]).arg(url);
    let (status, duration, errors) = output(&mut probe).await?;
    ensure!(status == 0, "ffprobe: {errors}");
    ensure!(
        duration.trim().parse::<f64>()?.round() == f64::from(Film::SECONDS),
        "ffprobe says {duration}"
    );
    let (middle, part) = (fixture.truth[0].len() / 2, fixture.scratch.path().join("part"));
    let range = format!("{middle}-{}", middle + 99_999);
    let (status, _) =
        curl(url, &["-r", &range, "-o", part.to_str().context("a plain name")?]).await?;
    ensure!(
        status == 206 && std::fs::read(part)? == fixture.truth[0][middle..middle + 100_000],
        "wrong bytes"
    );
    let info = server.json(&format!("torrents/{}", fixture.torrent.info_hash), &[]).await?;
    ensure!(
        info["progress"].as_f64().is_some_and(|progress| progress > 0.0 && progress < 0.9),
        "{info}"
    );
    let (status, list) =
        server.curl(&format!("torrents/{}/playlist.m3u", fixture.torrent.info_hash), &[]).await?;
    ensure!(status == 200 && list.starts_with("#EXTM3U") && list.contains(url), "{list}");
    fixture.set_rate(0);
    let whole = http::get(url).await?;
    ensure!(
        whole.whole && whole.body == fixture.truth[0],
        "the film that was served is not the film that was seeded"
    );
    let by_name = format!(
        "{}stream/{}/{}?token={}",
        server.base, fixture.torrent.info_hash, fixture.torrent.name, server.token
    );
    ensure!(
        http::get_range(&by_name, 0, 999).await?.body == fixture.truth[0][..1000],
        "a file has a name, too"
    );
    let path = format!("torrents/{}?data=1", fixture.torrent.info_hash);
    ensure!(server.curl(&path, &["-X", "DELETE"]).await?.0 == 204, "it can be removed");
    ensure!(server.curl(&path, &[]).await?.0 == 404, "it is gone");
    until("the film to go", LIMIT, || async { Ok((!fixture.downloaded().exists()).then_some(())) })
        .await?;
    ensure!(
        server.terminal.interrupt().await?.code() == Some(0),
        "Ctrl+C is the way to end a server"
    );
    nothing_runs(&fixture.home.state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unread_temporary_torrent_is_removed_but_not_files_from_before() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovLast).await?;
    fixture.set_rate(0);
    std::fs::write(fixture.home.downloads.join("other.txt"), "mine")?;
    let mut server = fixture.serve(&["--cleanup-delay", "2"]).await?;
    let added = server.add(&fixture.magnet()).await?;
    ensure!(http::get(url_of(&added)?).await?.body == fixture.truth[0], "wrong bytes");
    ensure!(fixture.downloaded().exists(), "it is stored where it was told");
    server.terminal.event("its removal", |event| event["event"] == "removed").await?;
    until("the film to go", LIMIT, || async { Ok((!fixture.downloaded().exists()).then_some(())) })
        .await?;
    std::fs::write(fixture.downloaded(), &fixture.truth[0])?;
    server.add(&fixture.magnet()).await?;
    server.terminal.event("its removal", |event| event["event"] == "removed").await?;
    // The server deletes temporary files before it ends.
    ensure!(server.terminal.interrupt().await?.code() == Some(0), "it ends in order");
    ensure!(
        std::fs::read(fixture.downloaded())? == fixture.truth[0],
        "a film that was there before is nobody's to remove"
    );
    ensure!(
        std::fs::read_to_string(fixture.home.downloads.join("other.txt"))? == "mine",
        "nor is anything else"
    );
    nothing_runs(&fixture.home.state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_the_server_in_order_and_the_next_run_continues() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovLast).await?;
    let mut server = fixture.serve(&[]).await?;
    let file = fixture.torrent_file()?;
    let added = server.add_file(&file, "?keep=1").await?;
    // The `.torrent` file names no tracker; the link names the peer.
    let link = server.add(&fixture.magnet()).await?;
    ensure!(
        link["duplicate"] == true && link["files"] == added["files"],
        "a file and a link of one torrent are the same: {link}"
    );
    let mut reader = http::open(url_of(&added)?, &[]).await?;
    let mut read = Vec::new();
    while read.len() < 500_000 {
        ensure!(reader.read_some(&mut read).await? > 0, "the stream ended");
    }
    let before = server.verified(&fixture.torrent.info_hash, 500_000).await?;
    process::terminate_pid(server.terminal.pid());
    let refused = || async { Ok(http::get(&server.base).await.is_err().then_some(())) };
    until("new readers to be turned away", LIMIT, refused).await?;
    let more = read.len();
    ensure!(
        reader.read_some(&mut read).await? > 0 && read.len() > more,
        "who reads already has a grace"
    );
    ensure!(server.terminal.ended().await?.code() == Some(0), "it ends in order");
    ensure!(fixture.truth[0].starts_with(&read), "wrong bytes");
    nothing_runs(&fixture.home.state).await?;
    let server = fixture.serve(&["--no-token"]).await?;
    let after = server.verified(&fixture.torrent.info_hash, 1).await?;
    ensure!(after >= before, "{before} bytes were verified, and {after} are");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_server_at_once() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovLast).await?;
    let mut server = fixture.serve(&[]).await?;
    let added = server.add(&fixture.magnet()).await?;
    let _reader = http::open(url_of(&added)?, &[]).await?;
    process::terminate_pid(server.terminal.pid());
    let refused = || async { Ok(http::get(&server.base).await.is_err().then_some(())) };
    until("new readers to be turned away", LIMIT, refused).await?;
    // An orderly end has status 0, after a grace period for readers.
    ensure!(server.terminal.interrupt().await?.code() == Some(130), "it did not end at once");
    nothing_runs(&fixture.home.state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_dies_is_restarted_at_the_same_address() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovLast).await?;
    let mut server = fixture.serve(&[]).await?;
    let added = server.add(&fixture.magnet()).await?;
    server.verified(&fixture.torrent.info_hash, 500_000).await?;
    server.terminal.daemon()?.kill();
    server.terminal.event("another daemon", |event| event["event"] == "restarted").await?;
    fixture.set_rate(0);
    let whole = http::get(url_of(&added)?).await?;
    ensure!(whole.whole && whole.body == fixture.truth[0], "the same URL serves the film again");
    ensure!(server.terminal.interrupt().await?.code() == Some(0), "it ends in order");
    nothing_runs(&fixture.home.state).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_cannot_start_is_tried_again() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovLast).await?;
    let mut server = fixture.serve(&[]).await?;
    for _ in 0..6 {
        server.terminal.daemon()?.kill();
        server.terminal.event("another daemon", |event| event["event"] == "restarted").await?;
    }
    let daemon = server.terminal.daemon()?;
    daemon.kill();
    // Another program takes the daemon's port before the restart.
    let other = tokio::net::TcpListener::bind(("127.0.0.1", daemon.port)).await?;
    let trouble = server.terminal.event("its trouble", |event| event["event"] == "trouble").await?;
    ensure!(trouble["message"].as_str().is_some_and(|words| words.contains("in use")), "{trouble}");
    drop(other);
    server.terminal.event("another daemon", |event| event["event"] == "restarted").await?;
    until("it to answer", LIMIT, || async { Ok(server.curl("torrents", &[]).await.ok()) }).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn unauthorised_and_malformed_calls_are_refused_with_a_reason() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovLast).await?;
    let server = fixture.serve(&["--token", "a-token-of-my-own"]).await?;
    ensure!(server.token == "a-token-of-my-own", "the user chooses");
    let torrents = format!("{}torrents", server.base);
    ensure!(curl(&torrents, &[]).await?.0 == 401, "no token");
    ensure!(
        curl(&torrents, &["-H", "Authorization: Bearer a-token-of-another"]).await?.0 == 401,
        "a wrong token"
    );
    ensure!(curl(&format!("{torrents}?token={}", server.token), &[]).await?.0 == 200, "the token");
    for garbage in ["garbage", "magnet:?xt=urn:btih:00", "%FF"] {
        let (status, body) = server.curl(&format!("add/{garbage}"), &[]).await?;
        let body: Value = serde_json::from_str(&body)?;
        ensure!(
            status == 400 && body["error"].is_string() && body["code"] == "malformed",
            "{garbage}: {status} {body}"
        );
    }
    let address = server.base.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let dir = fixture.home.downloads_text();
    let elsewhere = fixture.scratch.dir("elsewhere")?;
    let elsewhere = elsewhere.to_str().context("a plain name")?;
    let table: &[(&[&str], &str)] = &[
        (&["--dir", dir], "another jstorrent serves in this folder"),
        (&["--dir", elsewhere, "--listen", &address], "is in use by another program"),
        (&["--dir", elsewhere, "--listen", "0.0.0.0:0"], "can be reached from other computers"),
        (&["--dir", elsewhere, "--retries", "0"], "1 to 100"),
        (&["--dir", elsewhere, "--token", "short"], "16"),
        (
            &["--dir", elsewhere, "--token", "a-token-of-my-own", "--no-token"],
            "contradict each other",
        ),
    ];
    for (args, words) in table {
        let (status, _, errors) =
            run(&fixture.home.state, ["serve"].iter().chain(*args).map(Path::new)).await?;
        ensure!(status == 1 && errors.contains(words), "{args:?}: status {status}, {errors}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_of_a_user_share_what_was_watched() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovLast).await?;
    let mut first = fixture.serve(&[]).await?;
    let second = Server::start(&fixture.home.state, &fixture.scratch.dir("other")?, &[]).await?;
    let path = format!("torrents/{}", fixture.torrent.info_hash);
    for server in [&first, &second] {
        server.add(&fixture.magnet()).await?;
    }
    let watched = format!("{path}/files/0/watched");
    let put = |server: &Server, body: &'static str| {
        let (url, token) = (
            format!("{}{watched}", server.base),
            format!("Authorization: Bearer {}", server.token),
        );
        async move { curl(&url, &["-X", "PUT", "-H", &token, "--json", body]).await }
    };
    ensure!(
        put(&first, "{\"positionS\": 7.5, \"durationS\": 60}").await?.0 == 204,
        "a position is taken"
    );
    let known = async |server: &Server, position: f64, is_watched: bool| {
        until("the mark to be known", LIMIT, || async {
            let file = server.json(&path, &[]).await?["files"][0].clone();
            let is_so = file["positionS"] == position && file["watched"] == is_watched;
            Ok(is_so.then_some(()))
        })
        .await
    };
    known(&second, 7.5, false).await?;
    ensure!(put(&second, "{\"watched\": true}").await?.0 == 204, "the other one may say so, too");
    known(&first, 0.0, true).await?;
    let notes = std::fs::read_to_string(fixture.home.state.join("notes/notes.json"))?;
    ensure!(notes.contains(&fixture.torrent.info_hash) && notes.contains("60000"), "{notes}");
    ensure!(first.terminal.interrupt().await?.code() == Some(0), "it ends in order");
    let later = fixture.serve(&[]).await?;
    later.add(&fixture.magnet()).await?;
    known(&later, 0.0, true).await
}

/// Types a token into the page that asks for it, and submits it.
async fn enter(page: &Page, typed: &str) -> Result<()> {
    page.fill("token-input", typed).await?;
    page.click("token-enter").await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_page_asks_for_the_token_and_reconnects() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovLast).await?;
    let mut server = fixture.serve(&[]).await?;
    let refused = http::get(&server.base).await?;
    let words: Value = serde_json::from_slice(&refused.body).context("programs get JSON")?;
    ensure!(refused.status == 401 && words["code"] == "token", "{words}");
    let browser = Browser::bare().await?;
    let session = browser.cdp().open(&server.base).await?;
    let page = Page::of(session.clone()).await?;
    enter(&page, "a-token-of-another").await.with_context(|| browser.report())?;
    page.wait_for("document.querySelector('[data-testid=token-wrong]')", LIMIT).await?;
    ensure!(page.evaluate("location.search").await? == "", "a wrong token stays in the address");
    enter(&page, &format!("{}?token={}", server.base, server.token)).await?;
    let list = AppPage::served(session.clone()).await.with_context(|| browser.report())?;
    list.add_link(&fixture.magnet()).await?;
    list.download().await.with_context(|| browser.report())?;
    page.wait_for("byTestId('play')", LIMIT).await.with_context(|| browser.report())?;
    let narrow = json!({ "width": 360, "height": 640, "deviceScaleFactor": 1, "mobile": false });
    page.call("Emulation.setDeviceMetricsOverride", narrow).await?;
    let width = page.evaluate("document.documentElement.scrollWidth").await?;
    // A scroll bar takes some of the width.
    let fits = |width: &Value| width.as_f64().is_some_and(|width| width <= 360.0);
    ensure!(fits(&width), "it is {width} wide on a screen of 360");

    let address = server.base.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let daemon = server.terminal.daemon()?;
    server.terminal.kill().await;
    daemon.kill();
    let gone = "byTestId('notice')?.innerText.includes('Lost connection to the server. Retrying…')";
    page.wait_for(gone, LIMIT).await.with_context(|| browser.report())?;
    let width = page.evaluate("document.documentElement.scrollWidth").await?;
    ensure!(fits(&width), "it is {width} wide without a server");
    let dir = fixture.home.downloads_text();
    let mut again =
        Terminal::start(&fixture.home.state, ["serve", "--listen", &address, "--dir", dir])?;
    again.event("the address", |event| event["event"] == "ready").await?;
    let back = "document.querySelector('[data-state=connected]') && !byTestId('notice') \
                && byTestId('torrent')";
    page.wait_for(back, LIMIT).await.with_context(|| browser.report())?;

    // Another server at this address has another token.
    let daemon = again.daemon()?;
    again.kill().await;
    daemon.kill();
    let mut other = Terminal::start(
        &fixture.scratch.dir("other-state")?,
        ["serve", "--listen", &address, "--dir", dir, "--token", "a-token-of-another"],
    )?;
    other.event("the address", |event| event["event"] == "ready").await?;
    page.wait_for("/needs a token/.test(byTestId('notice')?.innerText)", LIMIT).await?;
    page.click("notice-action").await?;
    enter(&page, "a-token-of-another").await?;
    AppPage::served(session.clone()).await.with_context(|| browser.report()).map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_names_versions_and_no_folder_of_the_user() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovLast).await?;
    let (status, text, errors) = run(&fixture.home.state, [Path::new("report")]).await?;
    ensure!(status == 0, "{errors}");
    for there in ["jstorrent-io-daemon ", std::env::consts::ARCH, "Torrents: 0", "Settings: "] {
        ensure!(text.contains(there), "no {there} in {text}");
    }
    ensure!(!text.contains(&fixture.home.state.display().to_string()), "{text}");
    let mut server = fixture.serve(&[]).await?;
    server.add(&fixture.magnet()).await?;
    let url = format!("{}?token={}", server.base, server.token);
    let (status, text, errors) =
        run(&fixture.home.state, [Path::new("report"), Path::new(&url)]).await?;
    ensure!(status == 0 && text.contains("Torrents: 1"), "{text} {errors}");
    for secret in [&fixture.torrent.info_hash, &fixture.torrent.name, &server.token] {
        ensure!(!text.contains(secret.as_str()), "{secret} is in {text}");
    }
    ensure!(server.terminal.interrupt().await?.code() == Some(0), "it ends in order");
    nothing_runs(&fixture.home.state).await
}
