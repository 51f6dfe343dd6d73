//! BitTorrent v2, hybrids and padding files, from libtorrent: byte for byte what was seeded, and
//! read after one block.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use jstorrent_tests::http;
use jstorrent_tests::made::{Made, Version};
use jstorrent_tests::proxy::{Line, Proxy};
use jstorrent_tests::swarm::{Client, Seeder};
use jstorrent_tests::terminal::{Terminal, run};
use jstorrent_tests::workspace::Scratch;

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

/// Bytes that look random and are the same every time.
fn content(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).flatten().take(length).collect()
}

/// A folder `set` with all files.
fn folder(scratch: &Scratch) -> Result<PathBuf> {
    let root = scratch.dir("content")?;
    for (seed, (path, length)) in (1..).zip(FILES) {
        let path = root.join("set").join(path);
        std::fs::create_dir_all(path.parent().expect("a file lies in a folder"))?;
        std::fs::write(path, content(*length, seed))?;
    }
    Ok(root)
}

/// All files below a folder, by path, with their bytes.
fn tree(folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.strip_prefix(folder)?.to_owned(), std::fs::read(&path)?));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Downloads from libtorrent what it made, and compares.
async fn check(version: Version, by_link: bool) -> Result<()> {
    let scratch = Scratch::new("v2")?;
    let content = folder(&scratch)?;
    let made = Made::new(&content, "set", PIECE_LENGTH, version).await?;
    let seeder = Seeder::start(Client::Libtorrent, &made.torrent).await?;
    let source = if by_link {
        format!("magnet:?{}", made.topics.join("&"))
    } else {
        made.torrent.write_to(scratch.path())?.to_str().expect("a plain name").to_owned()
    };
    let (state, target) = (scratch.dir("state")?, scratch.dir("downloads")?);
    let peer = seeder.address().to_string();
    let args = ["get", &source, "--peer", &peer, "--dir", target.to_str().expect("a plain name")];
    let mut terminal = Terminal::start(&state, args)?;
    let status = terminal.ended().await?;
    ensure!(status.success(), "{version:?}, by link: {by_link}: {status}");
    ensure!(
        tree(&target)? == tree(&content)?,
        "{version:?}, by link: {by_link}: not what was seeded"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_comes_from_libtorrent_as_it_was_seeded() -> Result<()> {
    for version in Version::ALL {
        check(version, false).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_enough_for_every_version() -> Result<()> {
    for version in Version::ALL {
        check(version, true).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hybrid_comes_by_its_v2_hash_alone() -> Result<()> {
    let scratch = Scratch::new("v2")?;
    let content = folder(&scratch)?;
    let made = Made::new(&content, "set", PIECE_LENGTH, Version::Hybrid).await?;
    let seeder = Seeder::start(Client::Libtorrent, &made.torrent).await?;
    let link = format!("magnet:?{}", made.topics[1]);
    let (state, target) = (scratch.dir("state")?, scratch.dir("downloads")?);
    let peer = seeder.address().to_string();
    let args = ["get", &link, "--peer", &peer, "--dir", target.to_str().expect("a plain name")];
    ensure!(Terminal::start(&state, args)?.ended().await?.success());
    ensure!(tree(&target)? == tree(&content)?, "not what was seeded");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_many_pieces_gets_its_layer_from_peers_part_by_part() -> Result<()> {
    let scratch = Scratch::new("v2")?;
    let root = scratch.dir("content")?;
    // More pieces than are asked for at once, and not a whole number of parts.
    std::fs::write(root.join("many.bin"), content(16 * KIB * 1_300 + 77, 9))?;
    let made = Made::new(&root, "many.bin", 16 * KIB, Version::V2).await?;
    let seeder = Seeder::start(Client::Libtorrent, &made.torrent).await?;
    let (state, target) = (scratch.dir("state")?, scratch.dir("downloads")?);
    let (link, peer) = (format!("magnet:?{}", made.topics[0]), seeder.address().to_string());
    let args = ["get", &link, "--peer", &peer, "--dir", target.to_str().expect("a plain name")];
    ensure!(Terminal::start(&state, args)?.ended().await?.success());
    ensure!(tree(&target)? == tree(&root)?, "not what was seeded");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_of_v2_reads_its_first_block_long_before_the_piece_is_there() -> Result<()> {
    const RATE_BPS: u64 = 64 << 10;
    for version in [Version::Hybrid, Version::V2] {
        let scratch = Scratch::new("v2")?;
        let root = scratch.dir("content")?;
        let film = content(4 << 20, 7);
        std::fs::write(root.join("film.mkv"), &film)?;
        let made = Made::new(&root, "film.mkv", 1 << 20, version).await?;
        let seeder = Seeder::start(Client::Libtorrent, &made.torrent).await?;
        let line = Proxy::start(seeder.address(), Line::of_rate(RATE_BPS))?;
        let torrent = made.torrent.write_to(scratch.path())?;
        let (state, peer) = (scratch.dir("state")?, line.address().to_string());
        let args = ["stream", torrent.to_str().expect("a plain name"), "--peer", &peer];
        let mut terminal = Terminal::start(&state, args)?;
        let url = terminal.url().await?;
        // The second time it is a block in the middle of a piece.
        for start in [0, (2 << 20) + 700 * KIB as u64] {
            let begun = Instant::now();
            let reply = http::get_range(&url, start, start + 16 * KIB as u64 - 1).await?;
            let took = begun.elapsed();
            let at = usize::try_from(start)?;
            ensure!(reply.body == film[at..at + 16 * KIB], "{version:?}: not the film");
            // At this rate the whole piece takes sixteen seconds.
            ensure!(
                took < Duration::from_secs(6),
                "{version:?}: the first block at {start} took {took:?}"
            );
        }
        terminal.interrupt().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn info_names_the_version_and_shows_no_padding() -> Result<()> {
    let scratch = Scratch::new("v2")?;
    let content = folder(&scratch)?;
    let state = scratch.dir("state")?;
    for version in Version::ALL {
        let made = Made::new(&content, "set", PIECE_LENGTH, version).await?;
        let torrent = made.torrent.write_to(scratch.path())?;
        let (status, out, errors) =
            run(&state, ["info", torrent.to_str().expect("a plain name"), "--json"]).await?;
        ensure!(status == 0, "{errors}");
        let info: serde_json::Value = serde_json::from_str(&out)?;
        ensure!(info["version"] == version.word(), "{info}");
        ensure!(info["infoHash"] == made.torrent.info_hash, "{info}");
        ensure!(info["length"] == FILES.iter().map(|(_, length)| length).sum::<usize>(), "{info}");
        ensure!(info["files"].as_array().is_some_and(|files| files.len() == FILES.len()), "{info}");
    }
    Ok(())
}
