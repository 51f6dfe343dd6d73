//! The project's own commands, as `cargo xtask COMMAND`.
//!
//! Each command does everything it needs, even on a fresh machine, and says what it is doing. Its
//! child processes end with it: a signal drops the command's future, and dropping the owner of a
//! child process kills the process.
#![forbid(unsafe_code)]

mod apt;
mod bench;
mod bindings;
mod build;
mod consent;
mod demo;
mod fuzz;
mod install;
mod mutants;
mod run;
mod shell;
mod tally;
mod test;
mod tidy;
mod wasm;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use consent::Consent;
use jstorrent_tests::signals;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "The project's own commands",
    disable_help_subcommand = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build everything: the engine as WebAssembly, the extension, the daemon.
    Build {
        /// Install nothing: name what is missing and stop.
        #[arg(long)]
        no_install: bool,
    },
    /// Play a torrent in Chrome. Without one, play a demo film from a slow seeder on this machine.
    Run {
        /// The torrent to add.
        torrent: Option<PathBuf>,
        /// Install nothing: name what is missing and stop.
        #[arg(long)]
        no_install: bool,
        /// Open no window: measure, take pictures, end. The default where there is no display.
        #[arg(long)]
        headless: bool,
        /// Install what is missing without asking.
        #[arg(long, short)]
        yes: bool,
    },
    /// Run everything that CI runs; the last line counts what passed and what failed.
    Test {
        /// Only tests whose name contains this.
        filter: Option<String>,
        /// Install nothing: name what is missing and stop.
        #[arg(long)]
        no_install: bool,
    },
    /// Check sizes, widths, headers, cycles of modules, unused `pub`, links, licences, rustdoc.
    Tidy {
        /// Tolerate what is found now: write xtask/tidy-baseline.txt anew.
        #[arg(long)]
        baseline: bool,
        /// Leave out `cargo doc`, which takes longest.
        #[arg(long)]
        no_doc: bool,
    },
    /// Change the code in many small ways and see whether the tests notice: takes hours.
    Mutants {
        /// Only this part of the code; a wrong name lists all parts.
        part: Option<String>,
        /// Only files that match this glob, instead of all of the part.
        #[arg(long)]
        file: Option<String>,
    },
    /// Measure what a person feels in Chrome. What the swarm and other programs allow stands beside
    /// it.
    Bench {
        /// Measure less often and with smaller files: under a minute instead of three.
        #[arg(long)]
        quick: bool,
        /// Print one line of JSON at the end instead of a table.
        #[arg(long)]
        json: bool,
        /// Measure what is built already.
        #[arg(long)]
        no_build: bool,
        /// Install nothing: name what is missing and stop.
        #[arg(long)]
        no_install: bool,
    },
    /// Let a fuzzer look for bytes that make the engine panic. Keep what the fuzzer learns.
    Fuzz {
        /// Only targets whose name contains this.
        filter: Option<String>,
        /// Seconds for all targets together.
        #[arg(long, default_value_t = 3_600)]
        seconds: u64,
    },
    /// Write the TypeScript types of the engine's views into the extension.
    Bindings,
}

/// How to use the build.
const NEXT: &str = "
For your own Chrome, once: `target/release/jstorrent-io-daemon install`, then on \
chrome://extensions switch on developer mode and load extension/dist as an unpacked extension.";

#[tokio::main]
async fn main() -> ExitCode {
    let command = Cli::parse().command;
    tokio::select! {
        result = carry_out(command) => match result {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
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

/// Runs a command; returns whether its checks passed.
async fn carry_out(command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Build { no_install } => {
            let consent = if no_install { Consent::Never } else { Consent::Given };
            build::all(consent).await?;
            println!("{NEXT}");
        }
        Command::Run { torrent, no_install, headless, yes } => {
            run::run(run::Options { torrent, no_install, headless, yes }).await?;
        }
        Command::Test { filter, no_install } => {
            return test::run(filter.as_deref(), no_install).await;
        }
        Command::Tidy { baseline, no_doc } => {
            return tidy::run(tidy::Options { baseline, no_doc }).await;
        }
        Command::Mutants { part, file } => {
            return mutants::run(mutants::Options { part, file }).await;
        }
        Command::Bench { quick, json, no_build, no_install } => {
            bench::run(bench::Options { quick, json, no_build, no_install }).await?;
        }
        Command::Fuzz { filter, seconds } => fuzz::run(fuzz::Options { filter, seconds }).await?,
        Command::Bindings => bindings::write().await?,
    }
    Ok(true)
}
