//! The project's own commands: `cargo xtask build`, `run`, `test`, `bench`, `fuzz` and `bindings`.
//!
//! Each does everything it needs, from a fresh machine on, and says what it is doing. Whatever it
//! starts ends with it: a signal drops the command's future, and every child process is killed by
//! its owner's drop.
#![forbid(unsafe_code)]

mod bench;
mod bindings;
mod build;
mod demo;
mod fuzz;
mod install;
mod run;
mod shell;
mod tally;
mod test;
mod tidy;
mod ui;
mod wasm;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

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
    Build,
    /// Play a torrent in Chrome; without one, a demo film from a slow seeder on this machine.
    Run {
        /// The torrent to add.
        torrent: Option<PathBuf>,
        /// Install nothing: say what is missing and stop.
        #[arg(long)]
        no_install: bool,
        /// Without a window: measure, take pictures, end. The default where there is no display.
        #[arg(long)]
        headless: bool,
        /// Install what is missing without asking.
        #[arg(long, short)]
        yes: bool,
    },
    /// Run everything that proves the project, as CI does; the last line counts what passed and
    /// what failed.
    Test {
        /// Only tests whose name contains this.
        filter: Option<String>,
        /// Install nothing: say what is missing and stop.
        #[arg(long)]
        no_install: bool,
    },
    /// Measure what a person feels in Chrome, beside what the swarm and other programs allow: 3
    /// minutes or so.
    Bench {
        /// Fewer and smaller, in under a minute.
        #[arg(long)]
        quick: bool,
        /// One line of JSON at the end instead of a table.
        #[arg(long)]
        json: bool,
        /// Measure what is built already.
        #[arg(long)]
        no_build: bool,
        /// Install nothing: say what is missing and stop.
        #[arg(long)]
        no_install: bool,
    },
    /// Let a fuzzer look for bytes that make the engine panic; what it learns goes into
    /// tests/fuzz/corpus.
    Fuzz {
        /// Only targets whose name contains this.
        filter: Option<String>,
        /// For all targets together.
        #[arg(long, default_value_t = 3_600)]
        seconds: u64,
    },
    /// Check what a program can check: cycles, sizes, widths, headers, links, licences and more.
    Tidy {
        /// Tolerate what is found now: write xtask/tidy-baseline.txt anew.
        #[arg(long)]
        baseline: bool,
        /// Leave out `cargo doc`, which takes longest.
        #[arg(long)]
        no_doc: bool,
    },
    /// Write the TypeScript types of the engine's views into the extension.
    Bindings,
}

/// How what was built comes into a person's own Chrome.
const NEXT: &str = "\nFor your own Chrome, once: `target/release/jstorrent-io-daemon install`, then on chrome://extensions switch on \
                    developer mode and load extension/dist as an unpacked extension.";

#[tokio::main]
async fn main() -> ExitCode {
    let command = Cli::parse().command;
    let work = async {
        match command {
            Command::Build => build::all(install::Consent::Given).await.map(|()| {
                println!("{NEXT}");
                true
            }),
            Command::Run { torrent, no_install, headless, yes } => {
                run::run(run::Options { torrent, no_install, headless, yes }).await.map(|()| true)
            }
            Command::Test { filter, no_install } => test::run(filter.as_deref(), no_install).await,
            Command::Bench { quick, json, no_build, no_install } => {
                bench::run(bench::Options { quick, json, no_build, no_install })
                    .await
                    .map(|()| true)
            }
            Command::Fuzz { filter, seconds } => {
                fuzz::run(fuzz::Options { filter, seconds }).await.map(|()| true)
            }
            Command::Tidy { baseline, no_doc } => {
                tidy::run(tidy::Options { baseline, no_doc }).await
            }
            Command::Bindings => bindings::write().await.map(|()| true),
        }
    };
    tokio::select! {
        result = work => match result {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("\nerror: {error:#}");
                ExitCode::FAILURE
            }
        },
        code = stopped() => {
            eprintln!("\nstopped");
            ExitCode::from(code)
        }
    }
}

/// Waits for Ctrl+C or a request to end; the exit code that a shell expects for it.
async fn stopped() -> u8 {
    let mut interrupt = signal(SignalKind::interrupt()).expect("the runtime handles signals");
    let mut terminate = signal(SignalKind::terminate()).expect("the runtime handles signals");
    let mut hangup = signal(SignalKind::hangup()).expect("the runtime handles signals");
    tokio::select! {
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
        _ = hangup.recv() => 129,
    }
}
