//! BitTorrent v2, hybrids and padding files, from libtorrent: byte for byte what was seeded, and
//! read after one block.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::fixture::{FILM_RATE_BPS, Fixture};
use jstorrent_tests::http;
use jstorrent_tests::made::Version;
use jstorrent_tests::swarm::Client;
use jstorrent_tests::terminal::run;

const KIB: usize = 1 << 10;
/// Odd lengths: nothing, less than a block, a block, a piece and a byte, many pieces.
const FILES: &[(&str, usize)] = &[
    ("a/empty", 0),
    ("a/film.mkv", 3_000_001),
    ("b.srt", 5),
    ("c.block", 16 * KIB),
    ("d/e/more", 64 * KIB + 1),
    ("f.exact", 128 * KIB),
    ("g.empty", 0),
];
const PIECE_LENGTH: usize = 64 * KIB;

/// A folder of all files, in one version, from libtorrent.
async fn set(version: Version) -> Result<Fixture> {
    let set = Fixture::random_files("set", FILES).pieces_of(PIECE_LENGTH).version(version);
    set.seeded(Client::Libtorrent, 0).build().await
}

/// Downloads a file or what a link names from the fixture's seeder, and compares.
async fn downloads(fixture: &Fixture, source: impl AsRef<OsStr>) -> Result<()> {
    let peer = fixture.lines[0].address().to_string();
    let mut terminal = fixture.home.get(source, &["--peer", &peer])?;
    let status = terminal.ended().await?;
    ensure!(status.success(), "{status}");
    ensure!(
        fixture.home.files()? == fixture.torrent.paths.len(),
        "more was made than the torrent names"
    );
    fixture.is_in(&fixture.home.downloads)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_downloads_from_libtorrent() -> Result<()> {
    for version in Version::ALL {
        let fixture = set(version).await?;
        downloads(&fixture, fixture.torrent_file()?).await.context(version.word())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_enough_for_every_version() -> Result<()> {
    for version in Version::ALL {
        let fixture = set(version).await?;
        downloads(&fixture, fixture.magnet()).await.context(version.word())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hybrid_downloads_by_its_v2_hash_alone() -> Result<()> {
    let fixture = set(Version::Hybrid).await?;
    downloads(&fixture, format!("magnet:?{}", fixture.topics()[1])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_piece_layer_of_a_large_file_comes_from_peers_in_parts() -> Result<()> {
    // More pieces than are asked for at once, and not a whole number of parts.
    let many = Fixture::random("many.bin", 16 * KIB * 1_300 + 77).pieces_of(16 * KIB);
    let fixture = many.version(Version::V2).seeded(Client::Libtorrent, 0).build().await?;
    downloads(&fixture, fixture.magnet()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_of_v2_gets_a_block_before_the_piece_is_complete() -> Result<()> {
    /// Bytes that may pass for a block: more than a block and a request queue, less than a piece.
    const ENOUGH: u64 = 768 << 10;
    for version in [Version::Hybrid, Version::V2] {
        let film = Fixture::random("film.mkv", 4 << 20).pieces_of(1 << 20).version(version);
        let fixture = film.seeded(Client::Libtorrent, FILM_RATE_BPS).build().await?;
        let peer = fixture.lines[0].address().to_string();
        let mut terminal = fixture.stream(&["--peer", &peer])?;
        let url = terminal.url().await?;
        // The second time it is a block in the middle of a piece.
        for start in [0, (2 << 20) + 700 * KIB as u64] {
            fixture.lines[0].hold_at(fixture.passed() + ENOUGH);
            let reply = http::get_range(&url, start, start + 16 * KIB as u64 - 1).await?;
            let at = usize::try_from(start)?;
            let truth = &fixture.truth[0][at..at + 16 * KIB];
            ensure!(reply.body == *truth, "{version:?}: not the film at {start}");
        }
        terminal.interrupt().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn info_names_the_version_and_shows_no_padding() -> Result<()> {
    for version in Version::ALL {
        let set = Fixture::random_files("set", FILES).pieces_of(PIECE_LENGTH).version(version);
        let fixture = set.build().await?;
        let file = fixture.torrent_file()?;
        let args = [Path::new("info"), &file, Path::new("--json")];
        let (status, out, errors) = run(&fixture.home.state, args).await?;
        ensure!(status == 0, "{errors}");
        let info: serde_json::Value = serde_json::from_str(&out)?;
        ensure!(info["version"] == version.word(), "{info}");
        ensure!(info["infoHash"] == fixture.torrent.info_hash, "{info}");
        ensure!(info["length"] == fixture.torrent.length, "{info}");
        let files = info["files"].as_array().map(Vec::len);
        ensure!(files == Some(FILES.len()), "{info}");
    }
    Ok(())
}
