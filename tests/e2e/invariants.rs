//! No torrent word enters the daemon: neither as a dependency nor as a name.

use std::path::Path;

use anyhow::{Result, ensure};
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
