//! `cargo xtask fuzz`: runs the targets of `tests/fuzz` under libFuzzer.
//!
//! A few inputs that cover more than the corpora of the repository are added to the corpora, as
//! long as these stay small; the others are kept in the target folder for the next run. An input
//! that makes a target panic is kept beside the corpora and ends the run. A stable compiler does
//! the instrumentation. No sanitizer runs, since the engine has no unsafe code.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use jstorrent_tests::steps::heading;
use jstorrent_tests::workspace;

use crate::shell;

/// The compiler's flags that count coverage, as cargo-fuzz sets them.
const INSTRUMENTATION: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 \
     -Cdebug-assertions -Coverflow-checks";
/// The longest input, in bytes.
const LONGEST: u32 = 4 << 10;

/// Bytes that the fuzzer lets the corpus of one target grow to.
const CORPUS_BYTES: u64 = 32 << 10;
/// Inputs that one run adds to a corpus.
const MOST_ADDED: usize = 48;

/// What the user asked for.
pub(crate) struct Options {
    /// Only targets whose name contains this.
    pub(crate) filter: Option<String>,
    /// Seconds for all targets together.
    pub(crate) seconds: u64,
}

/// Runs the chosen targets one after the other.
///
/// # Errors
/// A target panics; the message names the input.
pub(crate) async fn run(options: Options) -> Result<()> {
    let all = targets()?;
    let filter = options.filter.as_deref();
    let wanted = |name: &&String| filter.is_none_or(|filter| name.contains(filter));
    let chosen: Vec<&String> = all.iter().filter(wanted).collect();
    if chosen.is_empty() {
        bail!("there is no such target; there are: {}", all.join(", "));
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

/// The names of all targets: each has a corpus, as `tests/fuzz/short.rs` makes sure.
fn targets() -> Result<Vec<String>> {
    let folder = workspace::root().join("tests/fuzz/corpus");
    let entries = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let name = |entry: std::io::Result<std::fs::DirEntry>| Ok(entry?.file_name());
    let names = entries.map(name).collect::<std::io::Result<Vec<_>>>()?;
    let mut names: Vec<String> =
        names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// Builds the program with instrumentation, in a folder of its own.
///
/// Because the target is named, cargo leaves build scripts without instrumentation.
async fn build() -> Result<PathBuf> {
    let machine = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let folder = workspace::target().join("fuzz");
    let mut command = shell::cargo();
    command.args([
        "build",
        "--package",
        "jstorrent-fuzz",
        "--features",
        "libfuzzer",
        "--bin",
        "fuzz",
        "--release",
    ]);
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
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{} can't be made", folder.display()))?;
    }
    let command = || {
        let mut command = shell::command(program);
        command.env("FUZZ_TARGET", name);
        command
    };
    let mut finding = command();
    finding.args([
        format!("-max_total_time={seconds}"),
        format!("-max_len={LONGEST}"),
        "-timeout=10".into(),
    ]);
    finding.args([
        "-print_final_stats=1".to_owned(),
        format!("-artifact_prefix={}/{name}-", crashes.display()),
    ]);
    finding.arg(&working).arg(&corpus);
    let mut last = String::new();
    let passed = shell::each_line(&mut finding, |line| {
        if line.starts_with("stat::")
            || line.contains("panicked")
            || line.contains("Test unit written")
        {
            println!("{line}");
        } else {
            line.clone_into(&mut last);
        }
    })
    .await?;
    if !passed {
        bail!("{name} fails: {last}");
    }
    let chosen = workspace::target().join("fuzz/chosen").join(name);
    let _ = std::fs::remove_dir_all(&chosen);
    std::fs::create_dir_all(&chosen)?;
    let mut choosing = command();
    choosing
        .args(["-set_cover_merge=1", &format!("-max_len={LONGEST}")])
        .args([&chosen, &corpus, &working]);
    shell::step("choose what covers most", &mut choosing).await?;
    let added = adopt(&chosen, &corpus)?;
    println!("{added} inputs added to the corpus");
    let _ = std::fs::remove_dir(&crashes);
    Ok(())
}

/// Copies new inputs of all lengths into a corpus, up to [`CORPUS_BYTES`]. Returns how many it
/// copied.
fn adopt(chosen: &Path, corpus: &Path) -> Result<usize> {
    let inputs = |folder: &Path| -> Result<Vec<(u64, PathBuf)>> {
        let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        entries
            .map(|entry| {
                entry.and_then(|it| Ok((it.metadata()?.len(), it.path()))).map_err(Into::into)
            })
            .collect()
    };
    let known: Vec<Vec<u8>> = inputs(corpus)?
        .iter()
        .map(|(_, path)| std::fs::read(path))
        .collect::<std::io::Result<_>>()?;
    let mut bytes: u64 = known.iter().map(|input| input.len() as u64).sum();
    let mut found = inputs(chosen)?;
    found.sort();
    let mut added = 0;
    let every = found.len().div_ceil(MOST_ADDED).max(1);
    for (length, path) in found.into_iter().step_by(every) {
        let (input, name) = (std::fs::read(&path)?, path.file_name().context("a file has a name")?);
        if known.contains(&input) {
            continue;
        }
        bytes += length;
        if bytes > CORPUS_BYTES {
            break;
        }
        std::fs::write(corpus.join(name), input)?;
        added += 1;
    }
    Ok(added)
}
