//! Collects the figures and prints them at the end. The output is a table or one line of JSON.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use jstorrent_tests::{browser, workspace};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Less is better.
    Seconds,
    /// Less is better.
    Milliseconds,
    /// More is better.
    MibPerSecond,
    /// Processor time; less is better.
    CpuSeconds,
    /// Less is better.
    Percent,
    /// Less is better.
    Kib,
}

impl Unit {
    fn sign(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::MibPerSecond => "MiB/s",
            Self::CpuSeconds => "CPU s",
            Self::Percent => "%",
            Self::Kib => "KiB",
        }
    }

    fn digits(self) -> usize {
        match self {
            Self::Seconds | Self::Milliseconds => 3,
            Self::CpuSeconds | Self::Percent => 2,
            Self::MibPerSecond | Self::Kib => 0,
        }
    }
}

struct Figure {
    what: String,
    unit: Unit,
    n: usize,
    median: f64,
    p90: f64,
    /// The name and the median of the figure to compare with.
    against: Option<(&'static str, f64)>,
}

/// All figures of a run, and a description of the machine.
pub(crate) struct Report {
    start: Instant,
    machine: String,
    load: Vec<f64>,
    figures: Vec<Figure>,
}

impl Report {
    /// Begins a run.
    pub(crate) async fn start() -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let commit = output("git", &["describe", "--always", "--dirty"]).await;
        let commit = commit.unwrap_or_else(|| "no commit".into());
        let browser = match browser::find() {
            Ok(path) => output(path, &["--version"]).await,
            Err(_) => None,
        };
        let browser =
            browser.unwrap_or_default().split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        Self {
            start: Instant::now(),
            machine: format!("{cores} cores, {browser}, commit {commit}"),
            load: vec![load()],
            figures: Vec::new(),
        }
    }

    /// Adds a figure, unless there are no samples, and returns its median.
    pub(crate) fn add(
        &mut self,
        what: impl Into<String>,
        unit: Unit,
        samples: &[f64],
        against: Option<(&'static str, f64)>,
    ) -> f64 {
        self.load.push(load());
        let figure = Figure {
            what: what.into(),
            unit,
            n: samples.len(),
            median: median(samples),
            p90: worst_tenth(samples, unit),
            against,
        };
        let median = figure.median;
        if !samples.is_empty() {
            self.figures.push(figure);
        }
        median
    }

    /// Adds the size of the engine, which Chrome loads before the first torrent.
    pub(crate) async fn size_of_engine(&mut self) -> Result<()> {
        let path = workspace::extension()?.join("engine/engine_wasm_bg.wasm");
        let raw = path.metadata()?.len() as f64 / 1024.0;
        let output =
            command("gzip").args(["-9", "-c"]).arg(&path).stdout(Stdio::piped()).output().await;
        let packed = output.context("gzip")?.stdout.len() as f64 / 1024.0;
        self.add("engine as WebAssembly", Unit::Kib, &[raw], None);
        self.add("engine as WebAssembly, gzip -9", Unit::Kib, &[packed], Some(("raw", raw)));
        Ok(())
    }

    /// Ends a run.
    pub(crate) fn finish(&mut self) {
        self.load.push(load());
    }

    /// Prints the figures for people.
    pub(crate) fn table(&self) {
        println!(
            "\n{:<46} {:>3} {:>9} {:>9}  {:<6} {:>26} {:>6}",
            "", "n", "median", "p90", "", "against", "ratio"
        );
        for figure in &self.figures {
            let digits = figure.unit.digits();
            let (against, ratio) = match figure.against {
                Some((name, value)) => {
                    (format!("{name} {value:.digits$}"), format!("{:.2}", figure.median / value))
                }
                None => (String::new(), String::new()),
            };
            println!(
                "{:<46} {:>3} {:>9.digits$} {:>9.digits$}  {:<6} {against:>26} {ratio:>6}",
                figure.what,
                figure.n,
                figure.median,
                figure.p90,
                figure.unit.sign()
            );
        }
        println!("\np90: nine in ten are as good or better. {}", self.machine);
        println!(
            "load average {:.1} to {:.1}; took {:.0} s",
            self.least_load(),
            self.most_load(),
            self.seconds()
        );
    }

    /// The figures for programs.
    pub(crate) fn json(&self) -> Value {
        let figure = |figure: &Figure| {
            let mut value = json!({ "what": figure.what, "unit": figure.unit.sign(), "n": figure.n,
                "median": figure.median, "p90": figure.p90 });
            if let Some((name, median)) = figure.against {
                value["against"] = json!({ "what": name, "median": median });
                value["ratio"] = json!(figure.median / median);
            }
            value
        };
        let figures: Vec<Value> = self.figures.iter().map(figure).collect();
        json!({
            "machine": self.machine,
            "load": { "least": self.least_load(), "most": self.most_load() },
            "seconds": self.seconds(),
            "figures": figures,
        })
    }

    fn least_load(&self) -> f64 {
        self.load.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn most_load(&self) -> f64 {
        self.load.iter().copied().fold(0.0, f64::max)
    }

    fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

/// A command in the checkout, without input, that ends with this process.
fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace::root()).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// The output of a program that succeeds within ten seconds.
async fn output(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    let mut command = command(program);
    let ended = timeout(Duration::from_secs(10), command.args(arguments).output()).await;
    let ended = ended.ok()?.ok()?;
    let text = String::from_utf8_lossy(&ended.stdout).trim().to_owned();
    ended.status.success().then_some(text)
}

/// The load average of the last minute; zero where the system does not tell.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
}

/// The middle sample, or the mean of the middle two.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let sorted = sorted(samples);
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

/// The sample that nine in ten are as good as, or better than.
fn worst_tenth(samples: &[f64], unit: Unit) -> f64 {
    let mut sorted = sorted(samples);
    if unit == Unit::MibPerSecond {
        sorted.reverse();
    }
    let rank = (sorted.len() * 9).div_ceil(10);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(samples: &[f64], unit: Unit, middle: f64, tenth: f64) {
        assert_eq!((median(samples), worst_tenth(samples, unit)), (middle, tenth));
    }

    #[test]
    fn of_times_the_long_ones_are_the_bad_ones() {
        check(&[3.0, 1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0], Unit::Seconds, 5.5, 9.0);
        check(&[7.0], Unit::Seconds, 7.0, 7.0);
    }

    #[test]
    fn of_rates_the_low_ones_are_the_bad_ones() {
        check(&[30.0, 10.0, 20.0], Unit::MibPerSecond, 20.0, 10.0);
    }
}
