//! `cargo xtask tidy`: what a program can check about how the project is written.
//!
//! Each rule has a file that says what it demands. Findings that `xtask/tidy-baseline.txt` lists
//! are tolerated; a line of that list which no longer holds is a failure, so that the list only
//! gets shorter.

mod baseline;
mod checkout;
mod cycles;
mod finding;
mod markdown;
mod modules;
mod packages;
mod parsed;
mod parts;
mod public;
mod rustdoc;
mod structs;
mod text;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use jstorrent_tests::workspace;

use baseline::Baseline;
use checkout::Checkout;
use finding::{Finding, Rule};
use modules::Modules;
use packages::{Allowed, Metadata, Target};
use parsed::Parsed;

const BASELINE: &str = "xtask/tidy-baseline.txt";

/// What the user asked for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Options {
    /// Write the baseline anew.
    pub(crate) baseline: bool,
    /// Leave out what takes long: `cargo doc`.
    pub(crate) no_doc: bool,
}

/// Checks everything and prints what is found; whether the tree is tidy.
///
/// # Errors
/// A file can't be read or parsed, or cargo fails.
pub(crate) async fn run(options: Options) -> Result<bool> {
    let mut found = sources().await?;
    let mut ran = Rule::ALL.to_vec();
    if options.no_doc {
        ran.retain(|rule| *rule != Rule::Rustdoc);
    } else {
        found.extend(rustdoc::check().await?);
    }
    found.sort();
    let path = workspace::root().join(BASELINE);
    let baseline = Baseline::read(&path);
    if options.baseline {
        baseline.rewrite(&path, &found, &ran)?;
        println!("{} findings, all in {BASELINE} now", found.len());
        return Ok(true);
    }
    let (tolerated, new): (Vec<_>, Vec<_>) =
        found.iter().partition(|finding| baseline.tolerates(finding));
    for finding in &new {
        println!("{finding}");
    }
    let stale = baseline.stale(&found, &ran);
    for line in &stale {
        println!("{BASELINE}: remove the line “{line}”, which no longer holds");
    }
    println!("\n{:<14} {:>5} {:>10}", "rule", "found", "tolerated");
    for rule in ran {
        let count = |findings: &[&Finding]| findings.iter().filter(|it| it.rule == rule).count();
        println!("{:<14} {:>5} {:>10}", rule.name(), count(&new), count(&tolerated));
    }
    Ok(new.is_empty() && stale.is_empty())
}

/// What all rules but rustdoc find.
async fn sources() -> Result<Vec<Finding>> {
    let checkout = Checkout::read(workspace::root()).await?;
    let parsed = Parsed::parse(&checkout)?;
    let metadata = Metadata::read().await?;
    let deny = std::fs::read_to_string(workspace::root().join("deny.toml")).context("deny.toml")?;
    let mut found = text::check(&checkout);
    found.extend(markdown::check(&checkout));
    found.extend(structs::check(&parsed));
    found.extend(packages::check(&metadata, &Allowed::parse(&deny)?));
    let targets = metadata.members().flat_map(|package| &package.targets);
    let crates: Vec<(&Target, Modules)> =
        targets.map(|it| (it, Modules::of(&parsed, metadata.root_file(it)))).collect();
    for (target, modules) in &crates {
        found.extend(cycles::check(modules));
        found.extend(parts::check(modules));
        if target.is_library() {
            let root = metadata.root_file(target);
            let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
            let others = crates.iter().filter(|(other, _)| !std::ptr::eq(*other, *target));
            let others = others.flat_map(|(_, modules)| modules.files()).collect::<BTreeSet<_>>();
            // Unit tests of other crates are users, too; the library's own are not.
            let users = parsed.files().map(|(file, _)| file);
            let users = users.filter(|file| !file.starts_with(folder) || others.contains(file));
            found.extend(public::check(&parsed, modules.files(), users));
        }
    }
    Ok(found)
}
