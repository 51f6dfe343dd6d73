//! A film beyond 4 GiB in pieces of 16 MiB, beside an empty file.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::dice::Dice;
use jstorrent_tests::http;
use jstorrent_tests::made::{Made, Version};
use jstorrent_tests::swarm::{Client, Seeder};
use jstorrent_tests::terminal::Terminal;
use jstorrent_tests::workspace::Scratch;

/// The first offset that 32 bits can't hold.
const EDGE: u64 = 1 << 32;
const LENGTH: u64 = EDGE + (33 << 20) + 5;
const PIECE_LENGTH: usize = 16 << 20;
/// Length of the content around each place that is read, bytes. The rest of the file is a hole.
const NOISE: usize = 64 << 10;

/// Makes the film, which takes little room on the disk.
fn film(path: &Path) -> Result<File> {
    let film = File::options().create_new(true).read(true).write(true).open(path)?;
    film.set_len(LENGTH)?;
    for at in [0, EDGE - NOISE as u64 / 2, LENGTH - NOISE as u64] {
        film.write_all_at(&Dice::new(at).bytes(NOISE), at)?;
    }
    Ok(film)
}

/// Makes sure that the reply for a range has the film's bytes.
async fn check(url: &str, film: &File, range: &str, first: u64, length: usize) -> Result<()> {
    let reply = http::request(url, &[("Range", &format!("bytes={range}"))]).await?;
    ensure!(reply.status == 206, "{range}: status {}", reply.status);
    let expected = format!("bytes {first}-{}/{LENGTH}", first + length as u64 - 1);
    ensure!(reply.header("content-range") == Some(&expected), "{range}: {:?}", reply.headers);
    let mut truth = vec![0; length];
    film.read_exact_at(&mut truth, first)?;
    ensure!(reply.whole && reply.body == truth, "{range}: wrong bytes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_beyond_four_gib_is_read_at_both_ends_while_it_downloads() -> Result<()> {
    let scratch = Scratch::new("vast")?;
    let folder = scratch.dir("content")?;
    std::fs::create_dir(folder.join("Vast"))?;
    let film = film(&folder.join("Vast/film.bin"))?;
    File::create(folder.join("Vast/nothing.txt"))?;
    let made = Made::new(&folder, "Vast", PIECE_LENGTH, Version::Hybrid).await?;
    let seeder = Seeder::start(Client::Libtorrent, &made.torrent).await?;
    let file = made.torrent.write_to(scratch.path())?;
    let (state, downloads) = (scratch.dir("state")?, scratch.dir("downloads")?);
    let args: [PathBuf; 8] = [
        "stream".into(),
        file,
        "--dir".into(),
        downloads.clone(),
        "--file".into(),
        "film.bin".into(),
        "--peer".into(),
        seeder.address().to_string().into(),
    ];
    let mut terminal = Terminal::start(&state, args)?;
    let url = terminal.url().await?;
    check(&url, &film, &format!("{}-{}", EDGE - 10, EDGE + 9), EDGE - 10, 20).await?;
    check(&url, &film, &format!("{}-", LENGTH - 1), LENGTH - 1, 1).await?;
    check(&url, &film, "-70000", LENGTH - 70_000, 70_000).await?;
    check(&url, &film, "0-0", 0, 1).await?;
    let beyond = http::request(&url, &[("Range", &format!("bytes={LENGTH}-"))]).await?;
    ensure!(beyond.status == 416, "beyond the end: {}", beyond.status);
    ensure!(
        beyond.header("content-range") == Some(&format!("bytes */{LENGTH}")),
        "{:?}",
        beyond.headers
    );
    let laid = downloads.join("Vast/film.bin").metadata().context("our copy of the film")?;
    ensure!(
        laid.len() <= LENGTH && laid.blocks() * 512 < LENGTH / 8,
        "{} blocks for four short reads",
        laid.blocks()
    );
    ensure!(terminal.interrupt().await?.code() == Some(0), "Ctrl+C is the way to end a stream");
    Ok(())
}
