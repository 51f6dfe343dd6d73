//! `cargo xtask mutants`: whether the tests notice when the code is wrong.
//!
//! cargo-mutants changes the code in a copy of the checkout, one place at a time, and runs the
//! tests. A mutant that they don't catch survives. A survivor that no test can tell from the code
//! is listed with its reason in `xtask/mutants-explained.txt`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use jstorrent_tests::steps::heading;
use jstorrent_tests::{process, workspace};
use serde::Deserialize;

use crate::shell;

/// Unexplained survivors that are tolerated, in percent of the mutants that compile.
const MAX_SURVIVORS: f64 = 5.0;

/// How long cargo-mutants may take to list the mutants of a glob.
const LISTS_WITHIN: Duration = Duration::from_secs(60);

/// Code whose tests have to notice everything.
struct Part {
    name: &'static str,
    package: &'static str,
    /// Globs of files, from the root on. Each matches code that can be mutated.
    files: &'static [&'static str],
    /// Arguments of cargo that choose what is built and which tests judge the part.
    targets: &'static [&'static str],
}

const PARTS: &[Part] = &[
    Part {
        name: "ledger",
        package: "engine-wasm",
        files: &[
            "engine-wasm/src/pick/piece_map.rs",
            "engine-wasm/src/pick/piece_map/**",
            "engine-wasm/src/torrent/ledger/**",
        ],
        targets: &["--lib"],
    },
    Part {
        name: "watch",
        package: "engine-wasm",
        files: &["engine-wasm/src/torrent/watch/**"],
        targets: &["--lib"],
    },
    Part {
        name: "fetch",
        package: "engine-wasm",
        files: &[
            "engine-wasm/src/pick/picker.rs",
            "engine-wasm/src/pick/scheduler.rs",
            "engine-wasm/src/torrent/fetch/**",
        ],
        targets: &["--lib"],
    },
    Part { name: "wire", package: "shared-proto", files: &["shared-proto/src/**"], targets: &[] },
    Part { name: "files", package: "io-shim", files: &["io-shim/src/files/**"], targets: &[] },
    Part {
        name: "ranges",
        package: "io-shim",
        files: &[
            "io-shim/src/control/desk/**",
            "io-shim/src/http/conditions.rs",
            "io-shim/src/http/multipart.rs",
            "io-shim/src/http/ranges.rs",
            "io-shim/src/http/stream.rs",
        ],
        targets: &[],
    },
    Part {
        name: "guards",
        package: "io-shim",
        files: &[
            "io-shim/src/control/unidentified.rs",
            "io-shim/src/http/auth.rs",
            "io-shim/src/http/connections.rs",
            "io-shim/src/policy/dial.rs",
            "io-shim/src/policy/secrets.rs",
            "io-shim/src/sockets/divert.rs",
        ],
        targets: &[],
    },
];

/// What the user asked for.
pub(crate) struct Options {
    /// The part; all without one.
    pub(crate) part: Option<String>,
    /// Only files that match this glob.
    pub(crate) file: Option<String>,
}

/// Mutates and tests; whether few enough mutants survive.
///
/// # Errors
/// There is no such part, one of its globs matches no code, cargo-mutants can't be installed, or
/// the tests fail without a mutation.
pub(crate) async fn run(options: Options) -> Result<bool> {
    let wanted = |part: &&Part| options.part.as_deref().is_none_or(|name| name == part.name);
    let chosen: Vec<&Part> = PARTS.iter().filter(wanted).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
        bail!("there is no such part; there are: {}", names.join(", "));
    }
    let program = installed().await?;
    for part in &chosen {
        check_globs(&program, part).await?;
    }
    let explained = Explained::read()?;
    let mut passed = true;
    for part in chosen {
        heading(part.name);
        let outcome = mutate(&program, part, options.file.as_deref()).await?;
        let survivors: Vec<&String> =
            outcome.missed.iter().filter(|mutant| !explained.covers(mutant)).collect();
        for mutant in &survivors {
            println!("survives: {mutant}");
        }
        println!("{}", outcome.summary(survivors.len()));
        passed &= outcome.share(survivors.len()) <= MAX_SURVIVORS;
    }
    Ok(passed)
}

/// cargo-mutants, from the PATH or the target folder, where it is installed once.
async fn installed() -> Result<PathBuf> {
    if let Ok(program) = which::which("cargo-mutants") {
        return Ok(program);
    }
    let tools = workspace::target().join("tools");
    let program = tools.join("bin/cargo-mutants");
    if !program.exists() {
        let mut cargo = shell::cargo();
        cargo.args(["install", "cargo-mutants", "--locked", "--root"]).arg(&tools);
        shell::step("cargo-mutants", &mut cargo).await?;
    }
    Ok(program)
}

/// Checks that each glob of a part matches code, because files move.
async fn check_globs(program: &Path, part: &Part) -> Result<()> {
    for glob in part.files {
        let mut command = shell::command(program);
        shell::clear_cargo_env(&mut command);
        command.args(["mutants", "--list", "--package", part.package, "--file", glob]);
        let list = shell::ask(&mut command, LISTS_WITHIN).await;
        let list = list.with_context(|| format!("cargo-mutants can't list {glob}"))?;
        ensure!(!list.is_empty(), "part {}: {glob} matches no code to mutate", part.name);
    }
    Ok(())
}

async fn mutate(program: &Path, part: &Part, only: Option<&str>) -> Result<Outcome> {
    let folder = workspace::target().join("mutants").join(part.name);
    std::fs::create_dir_all(&folder)?;
    let mut command = shell::command(program);
    shell::clear_cargo_env(&mut command);
    command.args(["mutants", "--colors", "never", "--package", part.package]);
    for glob in only.map_or(part.files.to_vec(), |only| vec![only]) {
        command.args(["--file", glob]);
    }
    command.args(part.targets.iter().map(|argument| format!("--cargo-arg={argument}")));
    command.arg("--output").arg(&folder);
    // The dependencies are compiled once for all mutants and all runs.
    command.env("CARGO_TARGET_DIR", workspace::target().join("mutants/build"));
    command.env("CARGO_INCREMENTAL", "1");
    // cargo-mutants starts each cargo in a group of its own, which would outlive this process.
    let mark = Mark(std::process::id().to_string());
    command.env(MARK, &mark.0);
    // Its exit status says whether mutants survive, which the report says, too.
    shell::each_line(&mut command, |line| println!("{line}")).await?;
    Outcome::read(&folder.join("mutants.out"))
}

/// The variable of the environment that marks the processes of a run.
const MARK: &str = "JSTORRENT_MUTANTS";

/// Kills the marked processes when it is dropped.
struct Mark(String);

impl Drop for Mark {
    fn drop(&mut self) {
        process::kill_marked(MARK, &self.0);
    }
}

/// The results of all mutants.
#[derive(Debug, Default)]
struct Outcome {
    caught: usize,
    unviable: usize,
    missed: Vec<String>,
}

/// cargo-mutants' own report, as far as it is needed.
#[derive(Deserialize)]
struct Report {
    outcomes: Vec<Tried>,
}

#[derive(Deserialize)]
struct Tried {
    scenario: Scenario,
    summary: String,
}

#[derive(Deserialize)]
enum Scenario {
    Baseline,
    Mutant { name: String },
}

impl Outcome {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("outcomes.json");
        let text = std::fs::read_to_string(path).context("cargo-mutants wrote no report")?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self> {
        let report: Report = serde_json::from_str(text).context("cargo-mutants' report")?;
        let mut outcome = Self::default();
        for Tried { scenario, summary } in report.outcomes {
            match (scenario, summary.as_str()) {
                (Scenario::Baseline, "Success") => {}
                (Scenario::Baseline, _) => bail!("the tests fail without a mutation"),
                (Scenario::Mutant { name }, "MissedMutant") => outcome.missed.push(name),
                (Scenario::Mutant { .. }, "Unviable") => outcome.unviable += 1,
                // A mutant that hangs is noticed.
                (Scenario::Mutant { .. }, "CaughtMutant" | "Timeout") => outcome.caught += 1,
                (Scenario::Mutant { name }, other) => bail!("{name}: {other}"),
            }
        }
        ensure!(outcome.caught + outcome.missed.len() > 0, "there is nothing to mutate");
        Ok(outcome)
    }

    /// Survivors in percent of the mutants that compile.
    fn share(&self, survivors: usize) -> f64 {
        100.0 * survivors as f64 / (self.caught + self.missed.len()) as f64
    }

    fn summary(&self, survivors: usize) -> String {
        format!(
            "{} caught, {} missed ({} explained), {} unviable: {:.1} % survive without a reason",
            self.caught,
            self.missed.len(),
            self.missed.len() - survivors,
            self.unviable,
            self.share(survivors),
        )
    }
}

/// Mutants that no test can tell from the code, and why.
struct Explained(Vec<String>);

impl Explained {
    fn read() -> Result<Self> {
        let path = workspace::root().join("xtask/mutants-explained.txt");
        Self::parse(&std::fs::read_to_string(&path).unwrap_or_default())
    }

    /// Reads pairs of lines: a part of a mutant's name, and the reason, which is indented.
    fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let mut patterns: Vec<(String, bool)> = Vec::new();
        for line in lines {
            match (line.starts_with(' '), patterns.last_mut()) {
                (true, Some((_, has_reason))) => *has_reason = true,
                (true, None) => bail!("a reason without a mutant: {}", line.trim()),
                (false, _) => patterns.push((line.trim().to_owned(), false)),
            }
        }
        let without = patterns.iter().find(|(_, has_reason)| !has_reason);
        ensure!(without.is_none(), "no reason is given for {:?}", without.map(|(it, _)| it));
        Ok(Self(patterns.into_iter().map(|(pattern, _)| pattern).collect()))
    }

    /// Whether a mutant, named as `file:line:column: change`, is explained.
    fn covers(&self, mutant: &str) -> bool {
        let mut parts = mutant.splitn(4, ':');
        let file = parts.next().unwrap_or_default();
        let named = format!("{file}:{}", parts.nth(2).unwrap_or_default());
        self.0.iter().any(|pattern| named.contains(pattern.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survivors_are_counted_by_what_compiles() {
        let mutant = |name: &str, summary: &str| {
            format!(r#",{{"scenario":{{"Mutant":{{"name":"{name}"}}}},"summary":"{summary}"}}"#)
        };
        let baseline = r#"{"outcomes":[{"scenario":"Baseline","summary":"Success"}"#;
        let caught = [mutant("a", "CaughtMutant"), mutant("b", "Timeout")].concat();
        let rest = [mutant("c", "MissedMutant"), mutant("d", "Unviable")].concat();
        let outcome = Outcome::parse(&format!("{baseline}{caught}{rest}]}}")).unwrap();
        assert_eq!((outcome.caught, outcome.unviable), (2, 1));
        assert_eq!(outcome.missed, ["c"]);
        assert!((outcome.share(1) - 100.0 / 3.0).abs() < 1e-9);
        assert!(Outcome::parse(&format!("{baseline}]}}")).is_err(), "nothing was tried");
        let failed = baseline.replace("Success", "Failure");
        assert!(Outcome::parse(&format!("{failed}{caught}]}}")).is_err(), "the tests fail");
    }

    #[test]
    fn a_survivor_is_explained_wherever_its_line_is() {
        let list = "# Why.\na/b.rs: replace > with >= in Ledger::next\n    Both are the same.\n";
        let explained = Explained::parse(list).unwrap();
        assert!(explained.covers("a/b.rs:12:34: replace > with >= in Ledger::next"));
        assert!(!explained.covers("a/b.rs:12:34: replace > with < in Ledger::next"));
        assert!(!explained.covers("a/c.rs:12:34: replace > with >= in Ledger::next"));
    }

    #[test]
    fn an_explanation_has_a_reason() {
        assert!(Explained::parse("a/b.rs: replace\n").is_err());
        assert!(Explained::parse("   a reason\n").is_err());
    }
}
