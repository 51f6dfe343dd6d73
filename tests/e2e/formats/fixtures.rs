//! The torrents of npm's `webtorrent-fixtures`, read like by `parse-torrent` and verified.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use data_encoding::HEXLOWER;
use engine_wasm::metainfo::{Magnet, Metainfo};
use jstorrent_tests::terminal::{Terminal, output, run};
use jstorrent_tests::workspace::{self, Scratch};
use serde::Deserialize;
use tokio::process::Command;

/// A script that prints the package's fixtures as JSON.
const DUMP: &str = "\
    import fixtures from 'webtorrent-fixtures'\n\
    const all = Object.entries(fixtures).filter(([, it]) => it.torrentPath)\n\
    console.log(JSON.stringify(all.map(([key, it]) => ({\n\
      key, torrentPath: it.torrentPath, contentPath: it.contentPath,\n\
      parsed: it.parsedTorrent, magnetUri: it.magnetURI,\n\
    }))))\n";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fixture {
    key: String,
    torrent_path: PathBuf,
    content_path: Option<PathBuf>,
    /// `None` for the corrupt fixture.
    parsed: Option<Parsed>,
    magnet_uri: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parsed {
    name: String,
    info_hash: String,
    length: u64,
    piece_length: u32,
    pieces: Vec<String>,
    files: Vec<ParsedFile>,
    #[serde(default)]
    private: bool,
    url_list: Vec<String>,
    announce: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct ParsedFile {
    path: String,
    length: u64,
}

async fn fixtures() -> Result<Vec<Fixture>> {
    let mut node = Command::new("node");
    node.args(["--input-type=module", "-e", DUMP]).current_dir(workspace::root().join("extension"));
    let (status, out, errors) = output(&mut node).await?;
    ensure!(status == 0, "the package can't be read (npm ci in extension/ installs it): {errors}");
    serde_json::from_str(&out).context("not what was expected of the package")
}

fn check(meta: &Metainfo, parsed: &Parsed) -> Result<()> {
    ensure!(meta.info_hash.to_string() == parsed.info_hash, "it is {}", meta.info_hash);
    ensure!(meta.name == parsed.name, "it is called {}", meta.name);
    ensure!(
        (meta.total_length(), meta.piece_length) == (parsed.length, parsed.piece_length),
        "lengths"
    );
    let pieces: Vec<String> = meta.pieces.iter().map(|hash| HEXLOWER.encode(hash)).collect();
    ensure!(pieces == parsed.pieces, "hashes of pieces");
    let files = meta.files.iter().map(|file| (file.path.join("/"), file.length));
    let expected = parsed.files.iter().map(|file| (file.path.clone(), file.length));
    ensure!(files.eq(expected), "files: {:?}", meta.files);
    ensure!(meta.private == parsed.private, "private: {}", meta.private);
    ensure!(meta.web_seeds == parsed.url_list, "web seeds: {:?}", meta.web_seeds);
    let trackers: Vec<&String> = meta.trackers.iter().flatten().collect();
    ensure!(
        trackers.iter().all(|tracker| parsed.announce.contains(tracker)),
        "trackers: {trackers:?}"
    );
    ensure!(trackers.len() == parsed.announce.len(), "trackers: {trackers:?}");
    Ok(())
}

#[tokio::test]
async fn every_fixture_is_read_like_by_another_parser() -> Result<()> {
    let fixtures = fixtures().await?;
    let mut checked = 0;
    for Fixture { key, torrent_path, parsed, magnet_uri, .. } in &fixtures {
        let (Some(parsed), Some(link)) = (parsed, magnet_uri) else { continue };
        let meta = Metainfo::parse(&std::fs::read(torrent_path)?).with_context(|| key.clone())?;
        check(&meta, parsed).with_context(|| key.clone())?;
        let magnet = Magnet::parse(link).with_context(|| link.clone())?;
        ensure!(magnet.identity() == meta.identity(), "{key}: {link}");
        ensure!(
            magnet.name.as_deref() == Some(&meta.name) && magnet.web_seeds == meta.web_seeds,
            "{key}: {magnet:?}"
        );
        checked += 1;
    }
    ensure!(checked >= 8, "only {checked} fixtures were read by the package");
    Ok(())
}

#[tokio::test]
async fn the_corrupt_fixture_is_refused_with_the_reason() -> Result<()> {
    let fixtures = fixtures().await?;
    let corrupt =
        fixtures.iter().find(|fixture| fixture.key == "corrupt").context("the corrupt one")?;
    let error =
        Metainfo::parse(&std::fs::read(&corrupt.torrent_path)?).err().context("it was taken")?;
    ensure!(error.to_string() == "the torrent file lacks \"name\"", "{error}");
    let scratch = Scratch::new("fixtures")?;
    let (status, _, errors) =
        run(scratch.path(), [Path::new("info"), &corrupt.torrent_path]).await?;
    ensure!(status == 1 && errors.contains("lacks \"name\""), "status {status}, {errors}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_content_beside_the_fixtures_is_complete() -> Result<()> {
    let mut verified = 0;
    for Fixture { key, torrent_path, content_path, .. } in fixtures().await? {
        let Some(content) = content_path else { continue };
        let scratch = Scratch::new("fixtures")?;
        let (state, dir) = (scratch.dir("state")?, scratch.dir("content")?);
        copy(&content, &dir.join(content.file_name().context("a name")?))?;
        let text = |path: &Path| path.to_str().context("a plain path").map(str::to_owned);
        let args =
            ["get", &text(&torrent_path)?, "--dir", &text(&dir)?, "--no-trackers", "--no-lsd"];
        let status = Terminal::start(&state, args)?.ended().await?;
        ensure!(status.success(), "{key}: {status}");
        verified += 1;
    }
    ensure!(verified >= 6, "only {verified} have content");
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if from.is_file() {
        std::fs::copy(from, to)?;
        return Ok(());
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
