//! The user's ffmpeg: its path, its version, and the encoders that work here.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// The oldest version with all options that are used.
const OLDEST: (u32, u32) = (4, 1);
/// How long ffmpeg may take to describe itself.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// Folders to search besides the search path. Programs that a browser starts have a short one.
const FURTHER: [&str; 4] = [
    "/usr/local/bin/ffmpeg",
    "/opt/homebrew/bin/ffmpeg",
    "/opt/local/bin/ffmpeg",
    "/usr/bin/ffmpeg",
];
/// Encoders of H.264, the fastest first. A listed encoder may lack its hardware, so each is tried.
const VIDEO: [&str; 7] = [
    "h264_videotoolbox",
    "h264_nvenc",
    "h264_qsv",
    "h264_amf",
    "h264_mf",
    "libx264",
    "libopenh264",
];
const SOUND: [&str; 2] = ["aac", "libopus"];

/// An ffmpeg that works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ffmpeg {
    pub(crate) program: PathBuf,
    /// The version that it prints.
    pub(crate) version: String,
    /// The encoder for H.264; `None` if none works.
    pub(crate) video: Option<&'static str>,
    pub(crate) sound: &'static str,
}

impl Ffmpeg {
    /// Finds the program that the user named, or the first one installed.
    ///
    /// # Errors
    /// A sentence for a person: there is none, it is too old, or it does not work.
    pub(super) async fn find(named: Option<&Path>) -> Result<Self, String> {
        let programs: Vec<&Path> = match named {
            Some(program) => vec![program],
            None => {
                [Path::new("ffmpeg")].into_iter().chain(FURTHER.iter().map(Path::new)).collect()
            }
        };
        for program in &programs {
            match ask(program, &["-version"]).await {
                Ok(said) => return Self::examine(program, &said).await,
                Err(Unasked::Absent) => {}
                Err(Unasked::Mute(why)) => return Err(format!("ffmpeg does not work: {why}.")),
            }
        }
        Err(match named {
            Some(program) => format!("There is no ffmpeg at {}.", program.display()),
            None => format!("This film needs ffmpeg, which is not installed. {INSTALL}"),
        })
    }

    async fn examine(program: &Path, said: &str) -> Result<Self, String> {
        let version = version(said).ok_or("What is called ffmpeg here is another program.")?;
        if number(&version).is_some_and(|number| number < OLDEST) {
            let (major, minor) = OLDEST;
            return Err(format!(
                "ffmpeg {version} is too old: version {major}.{minor} or newer is needed."
            ));
        }
        let listed = match ask(program, &["-hide_banner", "-encoders"]).await {
            Ok(listed) => listed,
            Err(_) => return Err("ffmpeg does not say what it can encode.".to_owned()),
        };
        let has = |encoder: &&str| {
            listed.lines().any(|line| line.split_whitespace().nth(1) == Some(encoder))
        };
        let sound = SOUND
            .into_iter()
            .find(has)
            .ok_or("This ffmpeg can't encode sound as browsers play it.")?;
        let mut video = None;
        for encoder in VIDEO.into_iter().filter(|encoder| has(encoder)) {
            if works(program, encoder).await {
                video = Some(encoder);
                break;
            }
        }
        Ok(Self { program: program.to_owned(), version, video, sound })
    }
}

#[cfg(target_os = "linux")]
const INSTALL: &str = "Install it, for example with: sudo apt install ffmpeg";
#[cfg(target_os = "macos")]
const INSTALL: &str = "Install it, for example with: brew install ffmpeg";
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
const INSTALL: &str = "Install it, for example with: winget install ffmpeg";

enum Unasked {
    Absent,
    Mute(String),
}

/// Runs ffmpeg and returns its output.
async fn ask(program: &Path, args: &[&str]) -> Result<String, Unasked> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(ANSWERS_WITHIN, command.output()).await {
        Ok(Ok(output)) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(Ok(output)) => Err(Unasked::Mute(format!("it ended with {}", output.status))),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Err(Unasked::Absent),
        Ok(Err(error)) => Err(Unasked::Mute(error.to_string())),
        Err(_) => Err(Unasked::Mute("it does not answer".to_owned())),
    }
}

/// Whether an encoder works: it encodes a few pictures.
async fn works(program: &Path, encoder: &str) -> bool {
    let picture = [
        "-hide_banner",
        "-nostdin",
        "-loglevel",
        "error",
        "-f",
        "lavfi",
        "-i",
        "color=black:s=320x180:d=0.2",
    ];
    let args: Vec<&str> = picture
        .into_iter()
        .chain(["-pix_fmt", "yuv420p", "-c:v", encoder, "-f", "null", "-"])
        .collect();
    ask(program, &args).await.is_ok()
}

/// The version in the output of `-version`.
fn version(said: &str) -> Option<String> {
    let rest = said.lines().next()?.strip_prefix("ffmpeg version ")?;
    rest.split_whitespace().next().map(str::to_owned)
}

/// Major and minor number; `None` for a build from a revision.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('n').split(|letter: char| !letter.is_ascii_digit());
    let major = parts.next()?.parse().ok()?;
    Some((major, parts.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_distributions_write_them() {
        let check = |line: &str, expected| {
            assert_eq!(version(line).as_deref().map(number), Some(expected), "{line}");
        };
        check(
            "ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026 the FFmpeg developers",
            Some((5, 1)),
        );
        check("ffmpeg version n7.0 Copyright", Some((7, 0)));
        check("ffmpeg version 8 Copyright", Some((8, 0)));
        check("ffmpeg version N-109542-g8f1d2c1 Copyright", None);
        assert_eq!(version("mpv 0.35"), None);
    }
}
