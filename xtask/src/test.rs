//! `cargo xtask test`: everything that CI runs, on a fresh machine as on an old one.
//!
//! The command goes on after a failure, so that its summary is complete. The summary is the last
//! line.

use anyhow::Result;
use jstorrent_tests::steps::heading;
use jstorrent_tests::workspace;

use crate::consent::Consent;
use crate::install::{For, ensure};
use crate::tally::Tally;
use crate::{bindings, build, shell, tidy};

/// Installs, builds, checks and tests; whether all of it passed.
///
/// # Errors
/// A program that is needed is missing and can't be installed.
pub(crate) async fn run(filter: Option<&str>, no_install: bool) -> Result<bool> {
    let consent = if no_install { Consent::Never } else { Consent::Given };
    ensure(For::Tests, consent).await?;
    let mut tally = Tally::default();
    heading("build");
    let built = said(build::for_tests(consent).await);
    tally.check("build", built);
    if filter.is_none() {
        checks(&mut tally).await;
    }
    heading("extension tests");
    tally.add(extension_tests(filter).await?);
    if filter.is_none() && built {
        heading("the pages in the browser");
        for script in ["list", "controls", "shots:short", "media:short"] {
            tally.add(in_browser(script).await?);
        }
    }
    heading("Rust and end to end tests");
    tally.add(rust_tests(filter, built).await?);
    for name in &tally.names {
        println!("failed: {name}");
    }
    println!("\n{} passed, {} failed", tally.passed, tally.failed);
    Ok(tally.failed == 0)
}

async fn checks(tally: &mut Tally) {
    heading("checks");
    let fmt = shell::step("format", shell::cargo().args(["fmt", "--all", "--check"])).await;
    tally.check("cargo fmt --check", said(fmt));
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    tally.check("cargo clippy", said(shell::step("lints", shell::cargo().args(clippy)).await));
    // What is installed has no debug assertions, and leaves out code that the tests need.
    let release = ["check", "--release", "-p", "io-shim", "-p", "engine-wasm", "--lib", "--bins"];
    let checked = shell::step("release programs", shell::cargo().args(release)).await;
    tally.check("the release programs compile", said(checked));
    tally.check("TypeScript types are those of the engine", said(bindings::check().await));
    let tidy = tidy::run(tidy::Options::default()).await;
    let tidy = tidy.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        false
    });
    tally.check("cargo xtask tidy", tidy);
}

async fn extension_tests(filter: Option<&str>) -> Result<Tally> {
    let report = workspace::target().join("vitest.json");
    let _ = std::fs::remove_file(&report);
    let mut command = shell::command("npm");
    command
        .args(["test", "--", "--reporter=default", "--reporter=json"])
        .current_dir(build::folder());
    command.arg(format!("--outputFile.json={}", report.display()));
    if let Some(filter) = filter {
        command.args(["--passWithNoTests", "-t", filter]);
    }
    let succeeded = shell::each_line(&mut command, |line| println!("{line}")).await?;
    let mut tally = Tally::default();
    let reported = said(tally.vitest_report(&report));
    blame(&mut tally, "npm test", succeeded && reported);
    Ok(tally)
}

/// Runs a script that tries the extension's pages in a real browser: one check, named by its
/// failures.
async fn in_browser(script: &str) -> Result<Tally> {
    let mut command = shell::command("npm");
    command.args(["run", script]).current_dir(build::folder());
    // Here the script finds the films of earlier runs.
    command.env("MEDIA_SCRATCH", workspace::target().join("test-media/table"));
    let mut name = format!("npm run {script}");
    let passed = shell::each_line(&mut command, |line| {
        println!("{line}");
        if line.contains("FAILS") {
            name.push_str("\n    ");
            name.push_str(line);
        }
    })
    .await?;
    let mut tally = Tally::default();
    tally.check(&name, passed);
    Ok(tally)
}

async fn rust_tests(filter: Option<&str>, built: bool) -> Result<Tally> {
    let mut command = shell::cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]);
    if !built {
        // An old daemon with a new engine fails in ways that say nothing about either.
        println!("the build failed: no end to end tests");
        command.args(["--exclude", "jstorrent-tests"]);
    }
    command.args(filter).env(workspace::PROGRAMS, "debug");
    // A scenario's failure tells its own story; a backtrace of the harness hides it.
    command.env("RUST_LIB_BACKTRACE", "0");
    let mut tally = Tally::default();
    let succeeded = shell::each_line(&mut command, |line| {
        println!("{line}");
        tally.cargo_line(line);
    })
    .await?;
    blame(&mut tally, "cargo test", succeeded);
    Ok(tally)
}

/// Counts a command that failed without a failed test: it did not compile, or it crashed.
fn blame(tally: &mut Tally, command: &str, succeeded: bool) {
    if !succeeded && tally.failed == 0 {
        tally.check(command, false);
    }
}

fn said(result: Result<()>) -> bool {
    if let Err(error) = &result {
        eprintln!("{error:#}");
    }
    result.is_ok()
}
