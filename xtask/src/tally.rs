//! Counts the checks that passed and failed. The counts come from the output of `cargo test` and
//! from vitest's report.
//!
//! `cargo test` has no report in a stable format, so its lines are counted. A runner that has one,
//! such as nextest, runs no examples in documentation, would have to be compiled on each fresh
//! machine, and starts each test in a process of its own, where tests share nothing.

use std::path::Path;

use anyhow::{Context as _, Result};

/// How many checks passed and failed, and the names of failed ones.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many passed.
    pub(crate) passed: u64,
    /// How many failed.
    pub(crate) failed: u64,
    /// The names of failed ones, as far as they are known.
    pub(crate) names: Vec<String>,
}

impl Tally {
    /// Counts a check that passes or fails as a whole.
    pub(crate) fn check(&mut self, name: &str, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
            self.names.push(name.to_owned());
        }
    }

    /// Reads a line of the output of cargo or of a test binary.
    pub(crate) fn cargo_line(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.passed += count(result, " passed");
            self.failed += count(result, " failed");
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.names.push(name.to_owned());
        }
    }

    /// Adds vitest's JSON report.
    ///
    /// # Errors
    /// The report is not there or is no JSON.
    pub(crate) fn vitest_report(&mut self, path: &Path) -> Result<()> {
        let text = std::fs::read_to_string(path).context("vitest wrote no report")?;
        let report: serde_json::Value = serde_json::from_str(&text)?;
        self.passed += report["numPassedTests"].as_u64().unwrap_or(0);
        self.failed += report["numFailedTests"].as_u64().unwrap_or(0);
        let tests = report["testResults"].as_array().into_iter().flatten();
        for test in tests.flat_map(|file| file["assertionResults"].as_array().into_iter().flatten())
        {
            if test["status"] == "failed" {
                self.names.push(test["fullName"].as_str().unwrap_or("?").to_owned());
            }
        }
        Ok(())
    }

    /// Adds another tally.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.names.extend(other.names);
    }
}

fn count(result: &str, what: &str) -> u64 {
    let part = result.split([';', '.']).find_map(|part| part.trim().strip_suffix(what));
    part.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &str, passed: u64, failed: u64, names: &[&str]) {
        let mut tally = Tally::default();
        lines.lines().for_each(|line| tally.cargo_line(line));
        let names = names.iter().map(ToString::to_string).collect();
        assert_eq!(tally, Tally { passed, failed, names });
    }

    #[test]
    fn results_of_several_test_binaries_add_up() {
        check(
            "test a::b ... ok\ntest c::d ... FAILED\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; finished in 0.00s\n\
             test result: ok. 40 passed; 0 failed; 0 ignored; 2 filtered out; finished in 1.20s",
            41,
            1,
            &["c::d"],
        );
    }

    #[test]
    fn other_lines_count_nothing() {
        check("   Compiling x v0.1.0\nrunning 3 tests\nno test result: here", 0, 0, &[]);
    }
}
