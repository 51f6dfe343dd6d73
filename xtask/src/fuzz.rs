//! `cargo xtask fuzz`: the targets of `tests/fuzz` under libFuzzer, for as long as one likes.
//!
//! What is found anew and covers more is merged into the corpora of the repository; an input that panics is kept beside them and ends the run. The instrumentation
//! is the compiler's own and needs no nightly one; no sanitizer runs, since the engine has no unsafe code.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use jstorrent_fuzz::TARGETS;
use jstorrent_tests::workspace;

use crate::shell;
use crate::ui::heading;

/// What counts coverage, as cargo-fuzz sets it.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks";
/// Longest input, bytes.
const LONGEST: u32 = 4 << 10;

/// How to run.
pub(crate) struct Options {
    /// Only targets whose name contains this.
    pub(crate) filter: Option<String>,
    /// Seconds for all targets together.
    pub(crate) seconds: u64,
}

/// Runs them one after the other.
///
/// # Errors
/// A target panics; the message names the input.
pub(crate) async fn run(options: Options) -> Result<()> {
    let chosen: Vec<&str> = TARGETS
        .iter()
        .map(|target| target.name)
        .filter(|name| options.filter.as_deref().is_none_or(|filter| name.contains(filter)))
        .collect();
    if chosen.is_empty() {
        let all: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        bail!("no such target; there are: {}", all.join(", "));
    }
    let program = build().await?;
    let each = options.seconds / u64::try_from(chosen.len())?;
    for name in chosen {
        heading(name);
        fuzz(&program, name, each.max(1)).await?;
    }
    println!("\nno finding");
    Ok(())
}

/// Builds the program with instrumentation, in a folder of its own; naming the machine keeps build scripts without it.
async fn build() -> Result<PathBuf> {
    let machine = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let folder = workspace::target().join("fuzz");
    let mut command = shell::cargo();
    command.args(["build", "--package", "jstorrent-fuzz", "--features", "libfuzzer", "--bin", "fuzz", "--release"]);
    command.args(["--target", &machine, "--target-dir"]).arg(&folder);
    command.env("RUSTFLAGS", INSTRUMENTATION).env("CARGO_PROFILE_RELEASE_LTO", "off");
    shell::step("fuzz targets", &mut command).await?;
    Ok(folder.join(machine).join("release/fuzz"))
}

async fn fuzz(program: &Path, name: &str, seconds: u64) -> Result<()> {
    let corpora = workspace::root().join("tests/fuzz");
    let (corpus, crashes) = (corpora.join("corpus").join(name), corpora.join("crashes"));
    let working = workspace::target().join("fuzz/corpus").join(name);
    for folder in [&corpus, &crashes, &working] {
        std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    }
    let command = || {
        let mut command = shell::command(program);
        command.env("FUZZ_TARGET", name);
        command
    };
    let mut finding = command();
    finding.args([format!("-max_total_time={seconds}"), format!("-max_len={LONGEST}"), "-timeout=10".into()]);
    finding.args(["-print_final_stats=1".to_owned(), format!("-artifact_prefix={}/{name}-", crashes.display())]);
    finding.arg(&working).arg(&corpus);
    let mut last = String::new();
    let passed = shell::each_line(&mut finding, |line| {
        if line.starts_with("stat::") || line.contains("panicked") || line.contains("Test unit written") {
            println!("{line}");
        } else {
            line.clone_into(&mut last);
        }
    })
    .await?;
    if !passed {
        bail!("{name} fails: {last}");
    }
    let mut merging = command();
    merging.args(["-merge=1", &format!("-max_len={LONGEST}")]).arg(&corpus).arg(&working);
    shell::step("merge what is new", &mut merging).await?;
    let _ = std::fs::remove_dir(&crashes);
    Ok(())
}
