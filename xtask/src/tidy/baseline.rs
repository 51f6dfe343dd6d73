//! Findings that are tolerated for now: a list that only gets shorter.
//!
//! One line a finding: the rule, the file, and the name of the thing where a file can have several.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::finding::{Finding, Rule};

const HEADER: &str = "\
# What `cargo xtask tidy` tolerates for now. A line that no longer holds has to go;
# `cargo xtask tidy --baseline` writes this file anew.
";

/// The tolerated findings, as [`Finding::key`] writes them.
#[derive(Debug, Default)]
pub(super) struct Baseline(BTreeSet<String>);

impl Baseline {
    /// Reads the list; a missing file is an empty one.
    pub(super) fn read(path: &Path) -> Self {
        Self::parse(&std::fs::read_to_string(path).unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|it| !it.is_empty() && !it.starts_with('#'));
        Self(lines.map(str::to_owned).collect())
    }

    /// Whether a finding is in the list.
    pub(super) fn tolerates(&self, finding: &Finding) -> bool {
        self.0.contains(&finding.key())
    }

    /// Lines of rules that have run and found nothing of the kind.
    pub(super) fn stale(&self, findings: &[Finding], ran: &[Rule]) -> Vec<&str> {
        let found: BTreeSet<String> = findings.iter().map(Finding::key).collect();
        let ran = |line: &str| ran.iter().any(|rule| line.split(' ').next() == Some(rule.name()));
        let stale = self.0.iter().filter(|line| !found.contains(*line) && ran(line));
        stale.map(String::as_str).collect()
    }

    /// Writes a list of exactly these findings. Lines of rules that have not run stay.
    ///
    /// # Errors
    /// The file can't be written.
    pub(super) fn rewrite(mut self, path: &Path, found: &[Finding], ran: &[Rule]) -> Result<()> {
        let stale: Vec<String> = self.stale(found, ran).into_iter().map(str::to_owned).collect();
        for line in stale {
            self.0.remove(&line);
        }
        self.0.extend(found.iter().map(Finding::key));
        let lines: String = self.0.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(path, format!("{HEADER}{lines}")).context("the baseline can't be written")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_finding_is_tolerated_and_an_unlisted_one_is_not() {
        let list = Baseline::parse("# why\ncycle a.rs\nstruct-fields a.rs Big\n");
        assert!(list.tolerates(&Finding::new(Rule::Cycle, "a.rs", 7, "…")));
        assert!(list.tolerates(&Finding::new(Rule::StructFields, "a.rs", 9, "…").about("Big")));
        let other = Finding::new(Rule::StructFields, "a.rs", 9, "…").about("Bigger");
        assert!(!list.tolerates(&other));
        assert!(!list.tolerates(&Finding::new(Rule::Cycle, "b.rs", 7, "…")));
    }

    #[test]
    fn a_line_that_no_longer_holds_is_stale_once_its_rule_has_run() {
        let list = Baseline::parse("cycle a.rs\ncycle b.rs\nrustdoc c.rs x\n");
        let found = [Finding::new(Rule::Cycle, "a.rs", 7, "…")];
        assert_eq!(list.stale(&found, &[Rule::Cycle]), ["cycle b.rs"]);
        assert_eq!(list.stale(&found, &[Rule::Cycle, Rule::Rustdoc]).len(), 2);
    }
}
