//! `jstorrent`: the engine as a terminal program.
//!
//! It starts `jstorrent-io-daemon` and connects to it like the engine in the browser.

mod choose;
mod cli;
mod commands;
mod config;
mod daemon;
mod linked;
mod logging;
mod place;
mod player;
mod problem;
mod reach;
mod report;
mod server;
mod session;
mod source;
mod stop;

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{CommandFactory as _, Parser as _};

use cli::{Cli, Command};

fn main() -> ExitCode {
    logging::start();
    match run(Cli::parse().command) {
        Ok(status) => status,
        // The reader of the output, such as `head`, has closed the pipe.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", words(&error));
            ExitCode::FAILURE
        }
    }
}

/// Joins an error and its causes, without causes that an error already quotes.
fn words(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| {
        if said.is_empty() {
            cause
        } else if said.ends_with(&cause) {
            said
        } else {
            format!("{said}: {cause}")
        }
    })
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "jstorrent", &mut script);
            io::stdout().write_all(&script)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Man { command } => {
            man(command.as_deref())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Stream(args) => block_on(commands::stream(args)),
        Command::Get(args) => block_on(commands::get(args)),
        Command::Serve(args) => block_on(server::serve(args)),
        Command::Info(args) => block_on(commands::info(args)),
        Command::Report(args) => block_on(problem::report(args)),
    }
}

fn block_on(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

fn man(command: Option<&str>) -> Result<()> {
    let mut cli = Cli::command();
    cli.build();
    let page = match command {
        None => cli,
        Some(name) => cli
            .find_subcommand(name)
            .with_context(|| format!("there is no command {name:?}"))?
            .clone(),
    };
    Ok(clap_mangen::Man::new(page).render(&mut io::stdout())?)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_wasm::metainfo::Metainfo;

    #[test]
    fn each_cause_is_printed_once() {
        let error =
            Metainfo::parse(b"garbage").context("x is not a usable .torrent file").unwrap_err();
        assert_eq!(
            words(&error),
            "x is not a usable .torrent file: not a torrent file: unexpected byte at 0"
        );
        assert_eq!(words(&anyhow::anyhow!("inner").context("outer")), "outer: inner");
    }
}
