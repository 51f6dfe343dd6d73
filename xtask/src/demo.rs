//! The demo: a film made here, seeded by a real client behind a slow line, so that it can be watched while it is
//! visibly incomplete.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use jstorrent_tests::media;
use jstorrent_tests::proxy::Line;
use jstorrent_tests::swarm::{Client, Swarm};
use jstorrent_tests::workspace;

use crate::ui::Step;

const SECONDS: u32 = 150;
const PICTURE: &str = "testsrc2=size=1280x720:rate=24,noise=alls=3:allf=t";
const RATE: &[&str] =
    &["-b:v", "3M", "-minrate", "3M", "-maxrate", "3M", "-bufsize", "3M", "-movflags", "+faststart", "-f", "mp4"];
const PIECE_LENGTH: usize = 256 << 10;
/// Twice what the film needs.
const LINE: Line = Line { rate_bps: 800 << 10, delay: Duration::from_millis(20) };

/// Where the film and the pictures of a headless run lie.
pub(crate) fn folder() -> PathBuf {
    workspace::target().join("demo")
}

/// Makes the film, once, and seeds it.
///
/// # Errors
/// ffmpeg or the seeder fails.
pub(crate) async fn swarm() -> Result<Swarm> {
    let film = folder().join("demo-film.mp4");
    let step = Step::start("demo film");
    if film.exists() {
        step.up_to_date();
    } else {
        media::make(&film, SECONDS, PICTURE, &[media::H264, RATE].concat()).await?;
        step.done();
    }
    let step = Step::start("seeder");
    let swarm = Swarm::of_file(&film, PIECE_LENGTH, &[(Client::Libtorrent, LINE)]).await?;
    step.done();
    Ok(swarm)
}
