//! Files on disk: restarts without hashing, changes by other programs, full and read-only disks,
//! moves.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::clock::{LIMIT, until};
use jstorrent_tests::fixture::Fixture;
use jstorrent_tests::http;
use jstorrent_tests::mounts::{Disk, within};
use jstorrent_tests::plain::{Server, url_of};
use jstorrent_tests::swarm::Client;
use serde_json::{Value, json};

const PIECE_LENGTH: usize = 64 << 10;
const NAMES: [&str; 5] = ["one.bin", "two.bin", "three.bin", "twelve.bin", "twenty.bin"];
const LENGTH: usize = 1_500_000;
/// Bytes of all files.
const ALL: u64 = (NAMES.len() * LENGTH) as u64;
/// How long a file rests before its stamp is surely taken. The engine takes the stamp when nothing
/// was written to the file for three seconds.
const SETTLED: Duration = Duration::from_secs(5);

/// Files that share pieces, from a seeder behind a line of this rate.
async fn show(rate_bps: u64) -> Result<Fixture> {
    let files = NAMES.map(|name| (name, LENGTH));
    let show = Fixture::random_files("show", &files).pieces_of(PIECE_LENGTH);
    show.seeded(Client::Libtorrent, rate_bps).build().await
}

/// A server with a complete torrent, and its fixture.
async fn complete() -> Result<(Fixture, Server)> {
    let fixture = show(0).await?;
    let server = fixture.serve(&[]).await?;
    server.add_file(&fixture.torrent_file()?, "?keep=1").await?;
    server.complete(&fixture.torrent.info_hash).await?;
    Ok((fixture, server))
}

/// Bytes that the server's daemon has hashed.
async fn hashed(server: &Server) -> Result<u64> {
    let metrics = server.terminal.daemon()?.metrics().await?;
    let bytes = metrics.get("jstorrent_digest_bytes_total").context("a counter of hashed bytes")?;
    Ok(format!("{bytes:.0}").parse()?)
}

/// Changes one byte of a file.
fn damage(path: &Path) -> Result<()> {
    let mut bytes = std::fs::read(path)?;
    bytes[700_000] ^= 1;
    Ok(std::fs::write(path, bytes)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_changed_files_are_hashed_again_and_repaired() -> Result<()> {
    let (fixture, mut server) = complete().await?;
    let hash = &fixture.torrent.info_hash;
    fixture.lies_at(&fixture.downloaded())?;
    // No event says that the stamps are taken: the rule is a time without writes.
    tokio::time::sleep(SETTLED).await;
    ensure!(server.terminal.interrupt().await?.code() == Some(0), "it ends in order");
    let mut server = fixture.serve(&[]).await?;
    server.complete(hash).await?;
    ensure!(hashed(&server).await? == 0, "something was hashed that nobody had touched");
    ensure!(server.terminal.interrupt().await?.code() == Some(0), "it ends in order");

    // Changes one byte; one byte with the old time; cuts a file short. The last two files stay.
    let path = |file: usize| fixture.downloaded().join(NAMES[file]);
    damage(&path(0))?;
    let modified = std::fs::metadata(path(1))?.modified()?;
    damage(&path(1))?;
    std::fs::File::options().write(true).open(path(1))?.set_modified(modified)?;
    std::fs::File::options().write(true).open(path(2))?.set_len(1_000_000)?;
    let server = fixture.serve(&[]).await?;
    server.complete(hash).await?;
    fixture.lies_at(&fixture.downloaded())?;
    // A damaged piece is hashed twice, on disk and after the download. A file shares its first and
    // last piece with its neighbours.
    let most = 3 * (LENGTH as u64 + 4 * PIECE_LENGTH as u64);
    let bytes = hashed(&server).await?;
    ensure!(bytes <= most, "{bytes} bytes were hashed, at most {most} are in question");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_files_stop_a_torrent_until_they_are_back() -> Result<()> {
    let (fixture, mut server) = complete().await?;
    let hash = &fixture.torrent.info_hash;
    tokio::time::sleep(SETTLED).await;
    ensure!(server.terminal.interrupt().await?.code() == Some(0), "it ends in order");
    let (show, away) = (fixture.home.downloads.join("show"), fixture.home.downloads.join("away"));
    std::fs::rename(&show, &away)?;
    let passed = fixture.passed();
    let server = fixture.serve(&[]).await?;
    let stopped =
        server.torrent_when(hash, "it to stop", |torrent| torrent["state"] == "error").await?;
    ensure!(
        stopped["message"].as_str().is_some_and(|words| words.contains("can't be found")),
        "{stopped}"
    );
    ensure!(fixture.passed() == passed && !show.exists(), "something was fetched or made");
    std::fs::rename(&away, &show)?;
    server.complete(hash).await?;
    fixture.lies_at(&show)?;
    let (passed, hashed) = (fixture.passed() - passed, hashed(&server).await?);
    ensure!(passed < 20_000, "{passed} bytes passed, more than peers say to each other");
    ensure!(hashed == 0, "{hashed} bytes were hashed, though nobody had touched them");
    Ok(())
}

#[test]
fn a_full_disk_stops_a_torrent_until_there_is_room() -> Result<()> {
    within(async {
        let fixture = show(0).await?;
        let hash = &fixture.torrent.info_hash;
        let disk = Disk::mount(&fixture.home.downloads, "size=2m").await?;
        let server = fixture.serve(&[]).await?;
        let added = server.add_file(&fixture.torrent_file()?, "?keep=1").await?;
        let stopped =
            server.torrent_when(hash, "it to stop", |torrent| torrent["state"] == "error").await?;
        ensure!(
            stopped["message"].as_str().is_some_and(|words| words.contains("disk is full")),
            "{stopped}"
        );
        let before = stopped["verified"].as_u64().context("a number")?;
        ensure!(before > 1 << 20, "{stopped}");
        disk.change("size=64m").await?;
        server.complete(hash).await?;
        fixture.lies_at(&fixture.home.downloads.join("show"))?;
        ensure!(http::get(url_of(&added)?).await?.body == fixture.truth[0], "it is served");
        let (passed, all) = (fixture.passed(), ALL);
        ensure!(passed < all + all / 2, "{passed} bytes passed for {all}");
        Ok(())
    })
}

#[test]
fn a_read_only_disk_stops_a_torrent_until_it_is_writable() -> Result<()> {
    within(async {
        let fixture = show(0).await?;
        let hash = &fixture.torrent.info_hash;
        let disk = Disk::mount(&fixture.home.downloads, "size=64m").await?;
        let server = fixture.serve(&[]).await?;
        disk.change("ro").await?;
        server.add_file(&fixture.torrent_file()?, "?keep=1").await?;
        let stopped =
            server.torrent_when(hash, "it to stop", |torrent| torrent["state"] == "error").await?;
        ensure!(
            stopped["message"].as_str().is_some_and(|words| words.contains("can't be written")),
            "{stopped}"
        );
        disk.change("rw").await?;
        server.complete(hash).await?;
        fixture.lies_at(&fixture.home.downloads.join("show"))
    })
}

/// Reads a file like a player: a broken reply is continued where it ended.
async fn watch(url: String, length: usize) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    for _ in 0..50 {
        let range = format!("bytes={}-", body.len());
        let mut open = http::open(&url, &[("Range", &range)]).await?;
        if open.status == 206 {
            while open.read_some(&mut body).await? > 0 {}
        } else {
            // The server asks for another request in a moment.
            ensure!(open.status == 503, "{}", open.status);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        if body.len() == length {
            break;
        }
    }
    Ok(body)
}

#[test]
fn a_torrent_moves_within_and_between_disks_during_download_and_playback() -> Result<()> {
    within(async {
        let fixture = show(700 << 10).await?;
        let hash = &fixture.torrent.info_hash;
        let _other = Disk::mount(&fixture.home.downloads.join("other"), "size=64m").await?;
        let server = fixture.serve(&[]).await?;
        let added = server.add_file(&fixture.torrent_file()?, "?keep=1").await?;
        let viewer = tokio::spawn(watch(url_of(&added)?.to_owned(), fixture.truth[0].len()));
        for folder in ["films/new", "", "other/films", "here"] {
            let half_there = |torrent: &Value| torrent["verified"].as_u64() > Some(100_000);
            server.torrent_when(hash, "bytes to come", half_there).await?;
            let (status, said) = server.put(hash, "location", &json!({ "folder": folder })).await?;
            ensure!(status == 204, "{folder}: {status} {said}");
            let lies_at = Path::new(folder).join("show");
            let is_there = |torrent: &Value| {
                torrent["moveProgress"].is_null()
                    && torrent["liesAt"] == lies_at.to_str().unwrap_or_default()
            };
            let torrent = server.torrent_when(hash, "it to lie there", is_there).await?;
            ensure!(
                torrent["state"] == "downloading" || torrent["state"] == "complete",
                "{torrent}"
            );
        }
        fixture.set_rate(0);
        server.complete(hash).await?;
        fixture.lies_at(&fixture.home.downloads.join("here/show"))?;
        ensure!(viewer.await?? == fixture.truth[0], "what the viewer saw is not what was seeded");
        let left: Vec<_> = std::fs::read_dir(&fixture.home.downloads)?.collect::<Result<_, _>>()?;
        let left: Vec<_> =
            left.iter().map(std::fs::DirEntry::file_name).filter(|name| name != "other").collect();
        ensure!(left == ["here"], "empty folders are left: {left:?}");
        let all = ALL;
        ensure!(fixture.passed() < all + all / 4, "{} bytes passed for {all}", fixture.passed());
        Ok(())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_onto_existing_files_is_refused_and_names_them() -> Result<()> {
    let (fixture, server) = complete().await?;
    let hash = &fixture.torrent.info_hash;
    std::fs::create_dir_all(fixture.home.downloads.join("films/show"))?;
    std::fs::write(fixture.home.downloads.join("films/show/two.bin"), "mine")?;
    let (status, said) = server.put(hash, "location", &json!({ "folder": "films" })).await?;
    ensure!(status == 409 && said.contains("films/show/two.bin"), "{status} {said}");
    for body in
        [json!({ "folder": "../up" }), json!({ "name": "a/b" }), json!({ "root": "nowhere" })]
    {
        let (status, said) = server.put(hash, "location", &body).await?;
        ensure!(status == 400, "{body}: {status} {said}");
    }
    fixture.lies_at(&fixture.home.downloads.join("show"))?;
    ensure!(
        std::fs::read_to_string(fixture.home.downloads.join("films/show/two.bin"))? == "mine",
        "it was replaced"
    );
    let (status, said) = server.put(hash, "location", &json!({ "name": "The Show" })).await?;
    ensure!(status == 204, "{status} {said}");
    let (status, said) = server.put(hash, "files/0/name", &json!("pilot.bin")).await?;
    ensure!(status == 204 || (status == 409 && said.contains("again")), "{status} {said}");
    server.torrent_when(hash, "its new name", |torrent| torrent["liesAt"] == "The Show").await?;
    if status == 409 {
        let (status, said) = server.put(hash, "files/0/name", &json!("pilot.bin")).await?;
        ensure!(status == 204, "{status} {said}");
    }
    server
        .torrent_when(hash, "a file's new name", |torrent| {
            torrent["files"][0]["path"] == "The Show/pilot.bin"
        })
        .await?;
    until("the file to have it", LIMIT, || async {
        Ok(fixture.home.downloads.join("The Show/pilot.bin").exists().then_some(()))
    })
    .await?;
    ensure!(
        std::fs::read(fixture.home.downloads.join("The Show/pilot.bin"))? == fixture.truth[0],
        "it is another file"
    );
    Ok(())
}
