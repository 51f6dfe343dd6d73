//! The demo: a film made here, seeded by a real client behind a slow line, so that it can be
//! watched while it is visibly incomplete.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use jstorrent_tests::media;
use jstorrent_tests::proxy::Line;
use jstorrent_tests::steps::Step;
use jstorrent_tests::swarm::{Client, Swarm};
use jstorrent_tests::workspace;

const SECONDS: u32 = 150;
/// A slow play of colours with a clock and a little noise. Noise does not compress.
const PICTURE: &str = "gradients=size=960x540:rate=24:speed=0.012:\
    nb_colors=4:c0=0x0b1d51:c1=0x725cad:c2=0x8ccdeb:\
    c3=0xd9705f:x0=0:y0=0:x1=960:y1=540,\
    drawtext=text='%{pts\\:hms}':fontsize=72:fontcolor=white:\
    x=(w-tw)/2:y=(h-th)/2:shadowx=3:shadowy=3,\
    drawtext=text='JSTorrent demo':fontsize=28:fontcolor=white:x=(w-tw)/2:y=h*0.64,\
    noise=alls=6:allf=t";
const RATE: &[&str] = &[
    "-b:v",
    "3M",
    "-minrate",
    "3M",
    "-maxrate",
    "3M",
    "-bufsize",
    "3M",
    "-movflags",
    "+faststart",
    "-f",
    "mp4",
];
const PIECE_LENGTH: usize = 256 << 10;
/// A line that carries twice the rate of the film.
const LINE: Line = Line { rate_bps: 800 << 10, delay: Duration::from_millis(20) };

/// The folder of the film and of the pictures of a headless run.
pub(crate) fn folder() -> PathBuf {
    workspace::target().join("demo")
}

/// Makes the film, unless it is there, and seeds it.
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
