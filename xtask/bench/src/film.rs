//! The files that are downloaded, made once: a film that stays incomplete, and random bytes.

use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use jstorrent_tests::media;

use crate::plan::{MIB, folder};

/// A picture with noise. Noise does not compress, so the film has exactly the rate below.
const PICTURE: &str = "testsrc2=size=1280x720:rate=24,noise=alls=12:allf=t";
const RATE: &[&str] =
    &["-b:v", "4M", "-minrate", "4M", "-maxrate", "4M", "-bufsize", "2M", "-f", "mp4"];
const CLIP_SECONDS: u32 = 30;

/// Makes an MP4 with its index first: a clip of 30 s and some 15 MiB, repeated.
///
/// # Errors
/// ffmpeg is missing or fails.
pub(crate) async fn film(repeats: u32) -> Result<PathBuf> {
    let path = folder().join(format!("film-{repeats}.mp4"));
    if path.exists() {
        return Ok(path);
    }
    let clip = folder().join("clip.mp4");
    if !clip.exists() {
        media::make(&clip, CLIP_SECONDS, PICTURE, &[media::H264, RATE].concat()).await?;
    }
    media::repeat(&path, &clip, repeats).await?;
    Ok(path)
}

/// Makes a file of random bytes.
///
/// # Errors
/// The file can't be written.
pub(crate) async fn payload(mib: u64) -> Result<PathBuf> {
    let path = folder().join(format!("payload-{mib}-mib.bin"));
    if path.metadata().is_ok_and(|meta| meta.len() == mib * MIB) {
        return Ok(path);
    }
    std::fs::create_dir_all(folder())?;
    let to = path.clone();
    tokio::task::spawn_blocking(move || -> Result<()> {
        let mut random = std::fs::File::open("/dev/urandom")?.take(mib * MIB);
        std::io::copy(&mut random, &mut std::fs::File::create(to)?)?;
        Ok(())
    })
    .await??;
    Ok(path)
}

/// Picks an offset in a film around which nothing is downloaded yet.
///
/// # Errors
/// There is no such offset: the film is nearly complete, and nothing can be measured in it.
pub(crate) fn untouched(
    downloads: &Path,
    name: &str,
    chance: &mut Chance,
    aligned: bool,
) -> Result<u64> {
    let file = std::fs::File::open(downloads.join(name)).context("the film on its way")?;
    let length = file.metadata()?.len();
    for _ in 0..200 {
        let piece = 2 + chance.below(length / MIB - 5);
        let inside = if aligned { 0 } else { MIB / 8 + chance.below(MIB / 4 * 3) };
        if (piece - 1..piece + 3).all(|piece| is_empty(&file, piece * MIB)) {
            return Ok(piece * MIB + inside);
        }
    }
    bail!("the film is nearly complete: no place in it is untouched")
}

/// Whether nothing of a piece is on disk: unwritten bytes read as zeros, which a film hardly has.
fn is_empty(file: &std::fs::File, at: u64) -> bool {
    let mut block = [0; 64];
    (0..64).all(|turn| match file.read_at(&mut block, at + turn * (16 << 10)) {
        Ok(read) => block[..read].iter().all(|byte| *byte == 0),
        Err(_) => false,
    })
}

/// Pseudo-random numbers that are the same in each run (xorshift).
pub(crate) struct Chance(u64);

impl Chance {
    /// The numbers of a round.
    pub(crate) fn of(round: usize) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ ((round as u64 + 1) << 17))
    }

    /// The next number, smaller than `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }
}
