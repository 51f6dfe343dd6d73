//! The plain HTTP server's API: forms, names, keys, failures, another client than curl, its page.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::browser::Browser;
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::http;
use jstorrent_tests::media::Film;
use jstorrent_tests::pages::{AppPage, PlayerPage};
use jstorrent_tests::peers::PYTHON;
use jstorrent_tests::plain::{Server, curl, encoded, url_of};
use jstorrent_tests::process;
use jstorrent_tests::proxy::{Line, Proxy};
use jstorrent_tests::swarm::Client;
use jstorrent_tests::terminal::output;
use jstorrent_tests::workspace;
use serde_json::{Value, json};
use tokio::process::Command;

/// A torrent with folders and unusual names. One name occurs twice, and one must be encoded in
/// URLs.
async fn series() -> Result<Fixture> {
    let files = ["S1/one two.mkv", "S2/one two.mkv", "S2/ü&#%.mp3"].map(|path| (path, 100_000));
    let series = Fixture::random_files("Series", &files).pieces_of(32 << 10);
    series.linked().seeded(Client::Libtorrent, 0).build().await
}

async fn torrents(server: &Server) -> Result<Vec<Value>> {
    let list = server.json("torrents", &[]).await?;
    Ok(list["torrents"].as_array().context("a list")?.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_added_as_json_permanently_or_temporarily() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovFirst).await?;
    let server = fixture.serve(&[]).await?;
    let (status, added) = server.post(&json!({ "magnet": fixture.magnet() })).await?;
    ensure!(
        status == 200 && added["infoHash"] == fixture.torrent.info_hash.as_str(),
        "{status} {added}"
    );
    let file = &added["files"][0];
    ensure!(
        file["index"] == 0 && file["name"] == "moov-first.mp4" && file["path"] == "moov-first.mp4",
        "{added}"
    );
    ensure!(file["type"] == "video/mp4" && file["playable"] == true, "{added}");
    ensure!(torrents(&server).await?[0]["temporary"] == true, "it is for as long as it is read");
    let (status, again) = server.post(&json!({ "magnet": fixture.magnet(), "keep": true })).await?;
    ensure!(added["duplicate"] == false && again["duplicate"] == true, "{added} {again}");
    let same = |answer: &Value| (answer["infoHash"].clone(), answer["files"].clone());
    ensure!(
        status == 200 && same(&again) == same(&added),
        "adding twice answers the same: {again}"
    );
    ensure!(torrents(&server).await?[0]["temporary"] == false, "now it is for good");
    for nonsense in [json!({}), json!({ "magnet": 7 }), json!({ "magnet": "x" }), json!(["magnet"])]
    {
        let (status, answer) = server.post(&nonsense).await?;
        ensure!(status == 400 && answer["code"] == "malformed", "{nonsense}: {status} {answer}");
    }
    let (status, _) = server.curl("add", &["-d", "magnet=x"]).await?;
    ensure!(status == 415, "a form is no link: {status}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_without_metadata_times_out_and_leaves_nothing() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovFirst).await?;
    // A dropped proxy does not listen.
    let gone = Proxy::start(fixture.lines[0].address(), Line::of_rate(0))?.address();
    let magnet = format!("magnet:?xt=urn:btih:{}&x.pe={gone}", fixture.torrent.info_hash);
    let mut server = fixture.serve(&["--retries", "1", "--retry-delay", "0"]).await?;
    let first = json!({ "magnet": magnet });
    let second = json!({ "magnet": magnet, "keep": true });
    let is_there = || async { Ok((torrents(&server).await?.len() == 1).then_some(())) };
    let (first, second) = tokio::try_join!(server.post(&first), async {
        until("the link to be in the list", LIMIT, is_there).await?;
        server.post(&second).await
    })?;
    for (status, answer) in [first, second] {
        ensure!(status == 504 && answer["code"] == "metadata_timeout", "{status} {answer}");
        ensure!(
            answer["error"].as_str().is_some_and(|error| error.contains("no peer")),
            "{answer}"
        );
    }
    ensure!(
        torrents(&server).await?.is_empty() && fixture.home.is_empty()?,
        "something stays behind"
    );
    ensure!(server.terminal.interrupt().await?.code() == Some(0), "it ends in order");
    let server = fixture.serve(&[]).await?;
    ensure!(
        torrents(&server).await?.is_empty() && fixture.home.is_empty()?,
        "the next run knows nothing of it"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_torrent_survives_a_restart_and_goes_when_unread() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovFirst).await?;
    let mut server = fixture.serve(&[]).await?;
    server.add(&fixture.magnet()).await?;
    let before = server.verified(&fixture.torrent.info_hash, 300_000).await?;
    process::terminate_pid(server.terminal.pid());
    ensure!(server.terminal.ended().await?.code() == Some(0), "it ends in order");
    let server = fixture.serve(&["--cleanup-delay", "3"]).await?;
    let after = server.verified(&fixture.torrent.info_hash, 1).await?;
    ensure!(after >= before, "{before} bytes were verified, and {after} are");
    ensure!(torrents(&server).await?[0]["temporary"] == true, "nobody asked to keep it");
    until("it to go", LIMIT, || async { Ok(torrents(&server).await?.is_empty().then_some(())) })
        .await?;
    until("its data to go", LIMIT, || async { Ok(fixture.home.is_empty()?.then_some(())) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_served_by_path_by_unique_name_and_with_a_key() -> Result<()> {
    let fixture = series().await?;
    let server = fixture.serve(&[]).await?;
    let added = server.add(&fixture.magnet()).await?;
    let hash = &fixture.torrent.info_hash;
    let key_of = |index: usize| {
        let url = added["files"][index]["url"].as_str().context("a URL")?;
        Ok::<_, anyhow::Error>(url.split_once("key=").context("a key")?.1.to_owned())
    };
    for (name, index) in [
        ("Series%2FS1%2Fone%20two.mkv", 0),
        ("S2/one%20two.mkv", 1),
        ("%C3%BC%26%23%25.mp3", 2),
        ("S2/%C3%bc&%23%25.mp3", 2),
    ] {
        let url = format!("{}stream/{hash}/{name}", server.base);
        for shown in [format!("token={}", server.token), format!("key={}", key_of(index)?)] {
            let reply = http::get(&format!("{url}?{shown}")).await?;
            ensure!(
                reply.status == 200 && reply.body == fixture.truth[index],
                "{name}: {} {shown}",
                reply.status
            );
        }
        let (status, head) = curl(&format!("{url}?key={}", key_of(index)?), &["-I"]).await?;
        let head = head.to_lowercase();
        ensure!(status == 200 && head.contains("content-length: 100000"), "{name}: {head}");
        ensure!(head.contains("accept-ranges: bytes") && head.contains("etag: "), "{name}: {head}");
        for wrong in ["", "0123456789abcdef0123456789abcdef", &key_of((index + 1) % 3)?] {
            let reply = http::get(&format!("{url}?key={wrong}")).await?;
            ensure!(reply.status == 403, "{name} with the key {wrong:?}: {}", reply.status);
        }
        ensure!(http::get(&url).await?.status == 401, "nothing is shown");
    }
    let (status, body) = server.curl(&format!("stream/{hash}/one%20two.mkv"), &[]).await?;
    let body: Value = serde_json::from_str(&body)?;
    ensure!(status == 409 && body["code"] == "ambiguous", "{status} {body}");
    let expected = json!([
        { "index": 0, "path": "Series/S1/one two.mkv" },
        { "index": 1, "path": "Series/S2/one two.mkv" },
    ]);
    ensure!(body["files"] == expected, "{body}");
    let guess = format!("{}stream/{hash}/one%20two.mkv?key={}", server.base, key_of(0)?);
    ensure!(
        http::get(&guess).await?.status == 403,
        "a key is for one file and tells nothing of others"
    );
    for (path, status) in [("nothing.mkv", 404), ("S3/one%20two.mkv", 404), ("%FF", 400)] {
        let (heard, body) = server.curl(&format!("stream/{hash}/{path}"), &[]).await?;
        ensure!(
            heard == status && serde_json::from_str::<Value>(&body)?["error"].is_string(),
            "{path}: {heard} {body}"
        );
    }
    Ok(())
}

/// A script that adds, reads and removes over one connection.
const OTHER_CLIENT: &str = r#"
import http.client, json, sys
host, token, magnet = sys.argv[1:4]
server = http.client.HTTPConnection(host, timeout=60)
def call(method, path, body=None, **headers):
    headers["Authorization"] = "Bearer " + token
    server.request(method, path, body, headers)
    reply = server.getresponse()
    return reply.status, reply.headers, reply.read()
as_json = {"Content-Type": "application/json"}
status, _, body = call("POST", "/add", json.dumps({"magnet": magnet}), **as_json)
assert status == 200, body
file = json.loads(body)["files"][0]
path = "/" + file["url"].split("/", 3)[3]
status, headers, body = call("HEAD", path)
assert (status, body) == (200, b""), (status, body)
assert int(headers["Content-Length"]) == file["length"], headers
film = b""
while len(film) < file["length"]:
    last = min(len(film) + 999_999, file["length"] - 1)
    status, headers, body = call("GET", path, Range=f"bytes={len(film)}-{last}")
    expected = f"bytes {len(film)}-{last}/{file['length']}"
    assert status == 206 and headers["Content-Range"] == expected, status
    film += body
status, headers, body = call("GET", path, Range=f"bytes={file['length']}-")
assert status == 416 and headers["Content-Range"] == f"bytes */{file['length']}", status
with open(sys.argv[4], "wb") as out:
    out.write(film)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn another_http_client_is_served() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovFirst).await?;
    fixture.set_rate(0);
    let server = fixture.serve(&[]).await?;
    let host = server.base.trim_start_matches("http://").trim_end_matches('/');
    let copy = fixture.scratch.path().join("python.mp4");
    let mut python = Command::new(PYTHON);
    python.args(["-c", OTHER_CLIENT, host, &server.token, &fixture.magnet()]).arg(&copy);
    let (status, _, errors) = output(&mut python).await?;
    ensure!(status == 0, "http.client: {errors}");
    ensure!(std::fs::read(&copy)? == fixture.truth[0], "http.client got other bytes");
    server.remove(&fixture.torrent.info_hash).await?;
    // Four parts at once, none of them downloaded yet.
    let added = server.add(&fixture.magnet()).await?;
    let mut aria2 = Command::new("aria2c");
    aria2.args([
        "--no-conf",
        "-q",
        "-s4",
        "-x4",
        "-k1M",
        "--file-allocation=none",
        "-o",
        "aria2.mp4",
        "-d",
    ]);
    aria2.arg(fixture.scratch.path()).arg(url_of(&added)?);
    let (status, _, errors) = output(&mut aria2).await?;
    ensure!(status == 0, "aria2: {errors}");
    ensure!(
        std::fs::read(fixture.scratch.path().join("aria2.mp4"))? == fixture.truth[0],
        "aria2 got other bytes"
    );
    Ok(())
}

/// The path for a picture of the page.
fn picture() -> Result<PathBuf> {
    let folder = workspace::target().join("pictures");
    std::fs::create_dir_all(&folder)?;
    Ok(folder.join("plain-server.png"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_page_adds_plays_and_removes_a_film() -> Result<()> {
    let fixture = Fixture::linked_film(Film::Mp4MoovFirst).await?;
    let server = fixture.serve(&[]).await?;
    let browser = Browser::bare().await?;
    let session = browser.cdp().open(&format!("{}?token={}", server.base, server.token)).await?;
    let list = AppPage::served(session.clone()).await.with_context(|| browser.report())?;
    let page = &list.session;
    let address = page.evaluate("location.href").await?;
    ensure!(!address.to_string().contains("token"), "the token stays in the address: {address}");
    list.add_link(&fixture.magnet()).await?;
    list.download().await.with_context(|| browser.report())?;
    page.click("play").await.with_context(|| browser.report())?;
    let player = PlayerPage::served(session.clone()).await.with_context(|| browser.report())?;
    player.plays_on(1.0, LIMIT).await.with_context(|| browser.report())?;
    // Far ahead of the verified part.
    player.seek(50.0, LIMIT).await.with_context(|| browser.report())?;
    std::fs::write(picture()?, page.screenshot().await?)?;
    let torrent = server.json(&format!("torrents/{}", fixture.torrent.info_hash), &[]).await?;
    ensure!(torrent["streams"].as_array().is_some_and(|streams| !streams.is_empty()), "{torrent}");
    page.click_on("document.querySelector('a[href=\"app.html\"]')").await?;
    page.wait_for("document.querySelector('[data-testid=torrent]')", LIMIT).await?;
    AppPage::served(session).await?;
    page.click("remove").await?;
    page.click("remove-delete").await?;
    page.wait_for("!byTestId('torrent')", LIMIT).await?;
    until("its data to go", LIMIT, || async { Ok(fixture.home.is_empty()?.then_some(())) }).await?;
    const VIOLATION: &str = "Content Security Policy";
    let console = browser.cdp().console();
    ensure!(!console.contains(VIOLATION), "{console}");
    // The positive control: an inline script is a violation, which the console reports.
    let inline = "(() => { const script = document.createElement('script'); \
                  script.textContent = 'globalThis.ran = true'; document.head.append(script) })()";
    page.evaluate(inline).await?;
    until("the console to say so", LIMIT, || async {
        Ok(browser.cdp().console().contains(VIOLATION).then_some(()))
    })
    .await?;
    ensure!(page.evaluate("globalThis.ran === undefined").await? == true, "an inline script ran");
    // Without the token every request is refused.
    ensure!(http::get(&server.base).await?.status == 401, "the page needs the token");
    let unknown =
        http::get(&format!("{}?token={}", server.base, encoded("a-token-of-another"))).await?;
    ensure!(unknown.status == 401, "another token is none");
    ensure!(
        http::get(&format!("{}host/topics?topic=list", server.base)).await?.status == 401,
        "nor do its news"
    );
    Ok(())
}
