//! What is downloaded: a film that Chrome plays, long enough to stay incomplete, and bytes by
//! chance. Each is made once.

use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use jstorrent_tests::media;

use super::{MIB, folder};

/// Noise does not compress: the film has the rate that it is given.
const PICTURE: &str = "testsrc2=size=1280x720:rate=24,noise=alls=12:allf=t";
const RATE: &[&str] =
    &["-b:v", "4M", "-minrate", "4M", "-maxrate", "4M", "-bufsize", "2M", "-f", "mp4"];
const CLIP_SECONDS: u32 = 30;

/// An MP4 with its index first: a clip of 30 s and some 15 MiB, repeated.
///
/// # Errors
/// ffmpeg is missing or fails.
pub(super) async fn film(repeats: u32) -> Result<PathBuf> {
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

/// A file of bytes by chance.
///
/// # Errors
/// It cannot be written.
pub(super) async fn payload(mib: u64) -> Result<PathBuf> {
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

/// A place in a film, as an offset, around which nothing was downloaded yet.
///
/// # Errors
/// There is none: the film is nearly complete, and nothing can be measured in it.
pub(super) fn untouched(
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

/// Whether a piece has nothing on disk: what was not written yet reads as zeros, which a film has
/// not.
fn is_empty(file: &std::fs::File, at: u64) -> bool {
    let mut block = [0; 64];
    (0..64).all(|turn| match file.read_at(&mut block, at + turn * (16 << 10)) {
        Ok(read) => block[..read].iter().all(|byte| *byte == 0),
        Err(_) => false,
    })
}

/// Numbers that look like chance and are the same in each run (xorshift).
pub(super) struct Chance(u64);

impl Chance {
    /// The numbers of a round.
    pub(super) fn of(round: usize) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ ((round as u64 + 1) << 17))
    }

    /// The next number, smaller than `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end.max(1)
    }
}
