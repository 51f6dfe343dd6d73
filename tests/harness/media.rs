//! Films that ffmpeg makes once and that stay in the target folder.
//!
//! Each film is large for its length (noise does not compress), so that a slow swarm can't complete
//! it before it is watched.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::process::Group;
use crate::workspace;

/// Kinds of film, with different containers, codecs and places of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Film {
    /// H.264 and AAC in MP4, index first.
    Mp4MoovFirst,
    /// H.264 and AAC in MP4, index last: a player asks for the tail first.
    Mp4MoovLast,
    /// VP9 and Opus in WebM, cues at the end.
    Webm,
    /// H.264 and AAC in Matroska, cues at the end.
    Matroska,
    /// H.264 and AC-3 in Matroska: a browser has no decoder for its sound.
    Dolby,
    /// H.264 and DTS in Matroska: a browser has no decoder for its sound either.
    Dts,
}

impl Film {
    /// Seconds of film.
    pub const SECONDS: u32 = 60;

    /// Its file name.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Mp4MoovFirst => "moov-first.mp4",
            Self::Mp4MoovLast => "moov-last.mp4",
            Self::Webm => "film.webm",
            Self::Matroska => "film.mkv",
            Self::Dolby => "dolby.mkv",
            Self::Dts => "dts.mkv",
        }
    }

    /// The film on disk, made if it is not there yet.
    ///
    /// # Errors
    /// ffmpeg is missing or fails.
    pub async fn file(self) -> Result<PathBuf> {
        // Two tests at the same time must not write the same film.
        static MAKING: Mutex<()> = Mutex::const_new(());
        let _turn = MAKING.lock().await;
        let folder = workspace::target().join("test-media");
        let path = folder.join(self.file_name());
        if path.exists() {
            return Ok(path);
        }
        std::fs::create_dir_all(&folder)?;
        make(&path, Self::SECONDS, PICTURE, &self.encoding()).await?;
        Ok(path)
    }

    fn encoding(self) -> Vec<&'static str> {
        let (codec, container): (&[&str], &[&str]) = match self {
            Self::Mp4MoovFirst => (H264, &["-movflags", "+faststart", "-f", "mp4"]),
            Self::Mp4MoovLast => (H264, &["-f", "mp4"]),
            Self::Matroska => (H264, &["-f", "matroska"]),
            Self::Dolby => (H264, &["-c:a", "ac3", "-f", "matroska"]),
            Self::Dts => (H264, &["-c:a", "dca", "-strict", "-2", "-f", "matroska"]),
            Self::Webm => (VP9, &["-f", "webm"]),
        };
        let rate = ["-b:v", "2M", "-minrate", "2M", "-maxrate", "2M", "-bufsize", "1M"];
        [codec, &rate, container].concat()
    }
}

/// H.264 and AAC, fast to make, a key frame every two seconds.
pub const H264: &[&str] =
    &["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "48", "-c:a", "aac"];
/// VP9 and Opus, fast to make, a key frame every two seconds.
const VP9: &[&str] = &[
    "-c:v",
    "libvpx-vp9",
    "-deadline",
    "realtime",
    "-cpu-used",
    "8",
    "-row-mt",
    "1",
    "-g",
    "48",
    "-c:a",
    "libopus",
];

/// A test pattern with a clock running in it, and noise.
const PICTURE: &str = "testsrc2=size=640x360:rate=24,noise=alls=14:allf=t";

/// Makes a film of a video source of ffmpeg and a tone. The film is written to `path`.
///
/// # Errors
/// ffmpeg is missing or fails.
pub async fn make(path: &Path, seconds: u32, picture: &str, encoding: &[&str]) -> Result<()> {
    let mut command = Command::new("ffmpeg");
    command.args([
        "-hide_banner",
        "-loglevel",
        "error",
        "-nostdin",
        "-y",
        "-f",
        "lavfi",
        "-i",
        picture,
    ]);
    command.args([
        "-f",
        "lavfi",
        "-i",
        "sine=frequency=330:beep_factor=2",
        "-t",
        &seconds.to_string(),
    ]);
    command.args(encoding);
    finish(command, path).await
}

/// Makes a long MP4 by repeating a short film. The film is not encoded again, and its index comes
/// first.
///
/// # Errors
/// ffmpeg is missing or fails.
pub async fn repeat(path: &Path, clip: &Path, times: u32) -> Result<()> {
    let mut command = Command::new("ffmpeg");
    command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]);
    command.args(["-stream_loop", &times.saturating_sub(1).to_string(), "-i"]).arg(clip);
    command.args(["-c", "copy", "-movflags", "+faststart", "-f", "mp4"]);
    finish(command, path).await
}

/// Lets ffmpeg write to `path`.
async fn finish(mut command: Command, path: &Path) -> Result<()> {
    let folder = path.parent().context("a film lies in a folder")?;
    std::fs::create_dir_all(folder)?;
    let name = path.file_name().context("a film has a name")?.display();
    // Under another name first, so that Ctrl+C leaves no incomplete film.
    let part = folder.join(format!("part-{}-{name}", std::process::id()));
    command.arg(&part).stdin(Stdio::null());
    let status = Group::spawn(&mut command)?.wait().await?;
    if !status.success() {
        let _ = std::fs::remove_file(&part);
        bail!("ffmpeg could not make {name}: {status}");
    }
    Ok(std::fs::rename(&part, path)?)
}
