//! The workspace's packages and their files, and all crates' sources and licences.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use spdx::{Expression, ParseMode};

use super::finding::{Finding, Rule};
use crate::shell;

/// Where cargo takes crates from unless it is told otherwise.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// The part of `cargo metadata` that the rules need.
#[derive(Deserialize)]
pub(super) struct Metadata {
    /// All packages, others' included.
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    workspace_root: String,
}

/// A package.
#[derive(Deserialize)]
pub(super) struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    manifest_path: String,
    /// What it builds.
    pub(super) targets: Vec<Target>,
}

/// A library, program, test, bench or example.
#[derive(Deserialize)]
pub(super) struct Target {
    kind: Vec<String>,
    src_path: String,
}

impl Metadata {
    /// Asks cargo.
    ///
    /// # Errors
    /// The lock file does not fit the manifests, or a package can't be had.
    pub(super) async fn read() -> Result<Self> {
        let mut cargo = shell::cargo();
        cargo.args(["metadata", "--format-version", "1", "--locked"]);
        let text = shell::ask(&mut cargo, Duration::from_secs(300)).await;
        let text = text.context("`cargo metadata --locked` fails")?;
        serde_json::from_str(&text).context("cargo metadata")
    }

    /// The packages of the workspace.
    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// The root file of a target, from the root of the checkout on.
    pub(super) fn root_file<'a>(&self, target: &'a Target) -> &'a str {
        relative(&target.src_path, &self.workspace_root)
    }
}

impl Target {
    /// Whether other crates can use it.
    pub(super) fn is_library(&self) -> bool {
        self.kind.iter().any(|kind| ["lib", "rlib", "cdylib"].contains(&kind.as_str()))
    }
}

/// What `deny.toml` allows.
#[derive(Deserialize)]
pub(super) struct Allowed {
    licenses: Licences,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    allow: Vec<String>,
    #[serde(rename = "crate")]
    package: String,
}

impl Allowed {
    /// Reads `deny.toml`.
    ///
    /// # Errors
    /// The text is not of its form.
    pub(super) fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).context("deny.toml")
    }

    fn of(&self, package: &str) -> BTreeSet<&str> {
        let exceptions = self.licenses.exceptions.iter().filter(|it| it.package == package);
        let more = exceptions.flat_map(|exception| &exception.allow);
        self.licenses.allow.iter().chain(more).map(String::as_str).collect()
    }
}

/// Checks licences and sources of all packages.
pub(super) fn check(metadata: &Metadata, allowed: &Allowed) -> Vec<Finding> {
    let mut found = BTreeMap::new();
    for package in &metadata.packages {
        let name = format!("{} {}", package.name, package.version);
        let mut add = |rule, says| {
            found.insert((rule, name.clone()), Finding::new(rule, "Cargo.lock", 1, says));
        };
        match &package.source {
            Some(source) if source == CRATES_IO => {}
            None if package.manifest_path.starts_with(&metadata.workspace_root) => {}
            Some(source) => add(Rule::Source, format!("`{name}` comes from {source}")),
            None => add(Rule::Source, format!("`{name}` lies outside the checkout")),
        }
        let allowed = allowed.of(&package.name);
        let licence = package.license.as_deref().unwrap_or_default();
        // `MIT/Apache-2.0` is how one wrote `OR` once.
        let expression = Expression::parse_mode(licence, ParseMode::LAX);
        let fits = |wanted: &spdx::LicenseReq| allowed.contains(wanted.to_string().as_str());
        if !expression.is_ok_and(|expression| expression.evaluate(fits)) {
            let says = format!("`{name}` has the licence “{licence}”, which is not allowed");
            add(Rule::Licence, says);
        }
    }
    let named = found.into_iter().map(|((_, name), finding)| {
        let package = name.split(' ').next().unwrap_or_default().to_owned();
        finding.about(package)
    });
    named.collect()
}

fn relative<'a>(path: &'a str, root: &str) -> &'a str {
    path.strip_prefix(root).map_or(path, |inside| inside.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_package(licence: &str, source: &str, manifest: &str, expected: &[Rule]) {
        let metadata = serde_json::from_str(&format!(
            r#"{{ "workspace_members": [], "workspace_root": "/w", "packages": [{{
                "id": "p", "name": "p", "version": "1.0.0", "license": {licence},
                "source": {source}, "manifest_path": "{manifest}", "targets": [] }}] }}"#
        ));
        let allowed = r#"
            [licenses]
            allow = ["MIT", "Apache-2.0 WITH LLVM-exception"]
            exceptions = [{ allow = ["MPL-2.0"], crate = "other" }]"#;
        let found = check(&metadata.unwrap(), &Allowed::parse(allowed).unwrap());
        let rules: Vec<_> = found.iter().map(|finding| finding.rule).collect();
        assert_eq!(rules, expected, "{licence} {source} {manifest}");
    }

    #[test]
    fn licences_are_those_that_are_allowed() {
        for licence in ["MIT", "GPL-3.0-only OR MIT", "MIT/Apache-2.0"] {
            check_package(&format!("\"{licence}\""), "null", "/w/Cargo.toml", &[]);
        }
        check_package("\"Apache-2.0 WITH LLVM-exception\"", "null", "/w/Cargo.toml", &[]);
        for licence in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "MPL-2.0", "Apache-2.0", "?"] {
            let found = [Rule::Licence];
            check_package(&format!("\"{licence}\""), "null", "/w/Cargo.toml", &found);
        }
        check_package("null", "null", "/w/Cargo.toml", &[Rule::Licence]);
    }

    #[test]
    fn crates_come_from_crates_io_or_from_the_checkout() {
        check_package("\"MIT\"", &format!("\"{CRATES_IO}\""), "/home/p/Cargo.toml", &[]);
        for source in ["\"registry+https://example.org\"", "\"git+https://example.org/p\""] {
            check_package("\"MIT\"", source, "/home/p/Cargo.toml", &[Rule::Source]);
        }
        check_package("\"MIT\"", "null", "/elsewhere/Cargo.toml", &[Rule::Source]);
    }
}
