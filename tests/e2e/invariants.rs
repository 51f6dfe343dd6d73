//! What holds for the text of the project: no torrent word enters the daemon, and the example in
//! CONTRIBUTING.md is a test that runs.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use jstorrent_tests::workspace;

/// Words of a world that the daemon does not know.
const WORDS: &[&str] =
    &["torrent", "piece", "infohash", "info_hash", "bittorrent", "picker", "tracker"];

#[test]
fn the_daemon_does_not_depend_on_the_engine() -> Result<()> {
    let manifest = std::fs::read_to_string(workspace::root().join("io-shim/Cargo.toml"))?;
    ensure!(!manifest.contains("engine-wasm"), "io-shim/Cargo.toml names engine-wasm");
    Ok(())
}

#[test]
fn the_example_for_newcomers_is_a_test_that_runs() -> Result<()> {
    let text = std::fs::read_to_string(workspace::root().join("CONTRIBUTING.md"))?;
    let (_, rest) = text.split_once("```rust\n").context("an example")?;
    let (example, _) = rest.split_once("```").context("the end of the example")?;
    let tests = include_str!("peers/finding.rs");
    ensure!(tests.contains(example), "CONTRIBUTING.md shows another test than there is");
    Ok(())
}

#[test]
fn the_daemon_knows_no_torrents() -> Result<()> {
    let mut found = Vec::new();
    search(&workspace::root().join("io-shim/src"), &mut found)?;
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

fn search(folder: &Path, found: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            search(&path, found)?;
            continue;
        }
        for (number, line) in (1..).zip(std::fs::read_to_string(&path)?.lines()) {
            let line = line.to_lowercase().replace("jstorrent", "");
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            if let Some(word) = words.flat_map(singular).find(|word| WORDS.contains(word)) {
                found.push(format!("{}:{number}: “{word}”", path.display()));
            }
        }
    }
    Ok(())
}

fn singular(word: &str) -> [&str; 2] {
    [word, word.strip_suffix('s').unwrap_or(word)]
}
