//! `cargo xtask bench`: installs and builds, then becomes the benchmark program of `xtask/bench`.

use std::os::unix::process::CommandExt as _;

use anyhow::{Error, Result};
use jstorrent_tests::steps::heading;
use jstorrent_tests::workspace;

use crate::consent::Consent;
use crate::install::{For, ensure};
use crate::{build, shell};

/// What the user asked for.
pub(crate) struct Options {
    /// Measure less often and with smaller files, in under a minute.
    pub(crate) quick: bool,
    /// Print one line of JSON at the end instead of a table.
    pub(crate) json: bool,
    /// Measure what is built already.
    pub(crate) no_build: bool,
    /// Install nothing.
    pub(crate) no_install: bool,
}

/// Installs and builds; returns only if that fails.
///
/// # Errors
/// Something is missing or does not build.
pub(crate) async fn run(options: Options) -> Result<()> {
    let consent = if options.no_install { Consent::Never } else { Consent::Given };
    ensure(For::Bench, consent).await?;
    heading("build");
    if !options.no_build {
        build::all(consent).await?;
    }
    let mut cargo = shell::cargo();
    cargo.args(["build", "--release", "--package", "jstorrent-bench"]);
    shell::step("benchmark", &mut cargo).await?;
    let mut program =
        std::process::Command::new(workspace::target().join("release/jstorrent-bench"));
    program.args(options.quick.then_some("--quick")).args(options.json.then_some("--json"));
    // Signals reach the benchmark itself, which then ends what it has started.
    Err(Error::new(program.exec()).context("the benchmark does not start"))
}
