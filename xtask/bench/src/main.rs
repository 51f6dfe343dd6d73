//! The benchmark of what the user waits for in Chrome. `cargo xtask bench` builds and starts it.
//!
//! Each figure stands beside what the swarm or another program allows on the same machine in the
//! same run.
//!
//! Everything runs on loopback, bounded in count and time, with the release builds of `cargo xtask
//! build`. The program knows the product only from outside, like the tests.
#![forbid(unsafe_code)]

mod checking;
mod film;
mod floor;
mod path;
mod plan;
mod report;
mod serving;
mod throughput;
mod watching;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use jstorrent_tests::signals;
use jstorrent_tests::steps::{Step, heading};
use jstorrent_tests::swarm::{Client, Swarm};

use plan::{FULL, LINE, PIECE_LENGTH, QUICK, SEEDERS};
use report::Report;

/// Measure what a person feels in Chrome.
#[derive(Parser)]
struct Options {
    /// Measure less often and with smaller files, in under a minute.
    #[arg(long)]
    quick: bool,
    /// Print one line of JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    tokio::select! {
        result = run(&options) => match result {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("\nerror: {error:#}");
                ExitCode::FAILURE
            }
        },
        code = signals::asked_to_end() => {
            eprintln!("\nstopped");
            ExitCode::from(code)
        }
    }
}

/// Measures and prints.
async fn run(options: &Options) -> Result<()> {
    let plan = if options.quick { QUICK } else { FULL };
    let mut report = Report::start().await;
    heading("a film from a slow swarm");
    let step = Step::start("film");
    let film = film::film(plan.film_repeats).await?;
    step.done();
    let step = Step::start(format!("{SEEDERS} seeders"));
    let swarm = Swarm::of_file(&film, PIECE_LENGTH, &[(Client::Libtorrent, LINE); SEEDERS]).await?;
    step.done();
    let floor = floor::measure(&swarm, &plan, &mut report).await?;
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
        println!("{}", report.json());
    } else {
        report.table();
    }
    Ok(())
}
