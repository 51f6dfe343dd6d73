//! `cargo xtask bench`: what a person feels in Chrome, in figures, each beside what the swarm or
//! another program allows on the same machine in the same run.
//!
//! Everything is on loopback, bounded in count and time, and measured with what `cargo xtask build`
//! makes. It knows the product only from outside, as the tests do.

mod checking;
mod film;
mod path;
mod report;
mod serving;
mod throughput;
mod watching;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use jstorrent_tests::floor::Leecher;
use jstorrent_tests::proxy::{Line, Proxy};
use jstorrent_tests::swarm::{Client, Swarm};
use jstorrent_tests::workspace;

use crate::build;
use crate::install::{Consent, For, ensure};
use crate::ui::{Step, heading};
use report::{Report, Unit};

/// The seeders' lines: together what a good line at home carries, with the delay of a continent.
const LINE: Line = Line { rate_bps: MIB, delay: Duration::from_millis(25) };
const SEEDERS: usize = 4;
const PIECE_LENGTH: usize = 1 << 20;
const MIB: u64 = 1 << 20;

/// What the user asked for.
pub(crate) struct Options {
    /// Fewer and smaller, in under a minute.
    pub(crate) quick: bool,
    /// One line of JSON at the end instead of a table.
    pub(crate) json: bool,
    /// Measure what is built already.
    pub(crate) no_build: bool,
    /// Install nothing.
    pub(crate) no_install: bool,
}

/// How much of everything.
struct Plan {
    /// Starts on a cold film, each in a browser of its own.
    rounds: usize,
    /// Seeks in a round.
    seeks: usize,
    /// How often the clip is repeated in the film: 15 MiB each.
    film_repeats: u32,
    /// What is downloaded at full speed.
    payload_mib: u64,
    downloads: usize,
    serves: usize,
    /// Small ranges in each turn.
    small_ranges: usize,
}

const FULL: Plan = Plan {
    rounds: 3,
    seeks: 4,
    film_repeats: 18,
    payload_mib: 512,
    downloads: 3,
    serves: 5,
    small_ranges: 900,
};
const QUICK: Plan = Plan {
    rounds: 1,
    seeks: 3,
    film_repeats: 7,
    payload_mib: 128,
    downloads: 1,
    serves: 3,
    small_ranges: 500,
};

/// Installs, builds, measures, and prints.
///
/// # Errors
/// Something is missing, does not build, or does not play.
pub(crate) async fn run(options: Options) -> Result<()> {
    let consent = if options.no_install { Consent::Never } else { Consent::Given };
    ensure(For::Bench, consent).await?;
    if !options.no_build {
        heading("build");
        build::all(consent).await?;
    }
    let plan = if options.quick { QUICK } else { FULL };
    let mut report = Report::start().await;
    heading("a film from a slow swarm");
    let step = Step::start("film");
    let film = film::film(plan.film_repeats).await?;
    step.done();
    let step = Step::start(format!("{SEEDERS} seeders"));
    let swarm = Swarm::of_file(&film, PIECE_LENGTH, &[(Client::Libtorrent, LINE); SEEDERS]).await?;
    step.done();
    let floor = floor(&swarm, &plan, &mut report).await?;
    path::measure(&swarm, &plan, &floor, &mut report).await?;
    watching::measure(&swarm, &plan, &floor, &mut report).await?;
    drop(swarm);
    heading("as fast as it can");
    let finished = throughput::measure(&plan, &mut report).await?;
    serving::measure(&finished, &plan, &mut report).await?;
    checking::measure(&plan, &mut report).await?;
    report.size_of_engine().await?;
    report.finish();
    if options.json {
        println!("{}", report.json())
    } else {
        report.table()
    }
    Ok(())
}

/// What the slow swarm itself allows, medians in seconds.
struct Floor {
    /// From connecting to the first piece whole.
    cold_s: f64,
    /// One piece on open connections, from asking to whole.
    piece_s: f64,
    /// The first of two pieces that were asked for together.
    first_of_two_s: f64,
    /// Two pieces: what an unaligned MiB needs.
    two_s: f64,
}

async fn floor(swarm: &Swarm, plan: &Plan, report: &mut Report) -> Result<Floor> {
    let step = Step::start("floor: what the swarm allows");
    let last = u32::try_from(swarm.torrent.piece_count())? - 3;
    let (mut cold, mut one, mut first, mut two) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        let start = std::time::Instant::now();
        let mut leecher =
            Leecher::connect(&swarm.torrent, swarm.lines.iter().map(Proxy::address)).await?;
        leecher.fetch(0..1).await?;
        cold.push(start.elapsed().as_secs_f64());
        for seek in 0..plan.seeks {
            let piece = 1 + u32::try_from(round * plan.seeks + seek)? * 7 % last;
            one.push(leecher.fetch(piece..piece + 1).await?.all.as_secs_f64());
            let both = leecher.fetch(piece + 1..piece + 3).await?;
            first.push(both.first.as_secs_f64());
            two.push(both.all.as_secs_f64());
        }
    }
    step.done();
    let floor = Floor {
        cold_s: report.add("floor: connect, then the first MiB", Unit::Seconds, &cold, None),
        piece_s: report.add("floor: seek, 1 MiB in 1 piece", Unit::Seconds, &one, None),
        first_of_two_s: report.add(
            "floor: seek, 1 MiB across 2 pieces, 1st piece",
            Unit::Seconds,
            &first,
            None,
        ),
        two_s: report.add("floor: seek, 1 MiB across 2 pieces, whole", Unit::Seconds, &two, None),
    };
    Ok(floor)
}

/// Where what the bench makes once is kept.
fn folder() -> PathBuf {
    workspace::target().join("bench")
}
