//! `cargo xtask bindings`: the TypeScript types of what pages see, made from the engine's views.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use jstorrent_tests::workspace::{self, Scratch};

use crate::{build, shell};

/// Writes the types into the extension.
///
/// # Errors
/// The engine does not compile.
pub(crate) async fn write() -> Result<()> {
    generate(&folder()).await
}

/// Checks that the types in the extension are the engine's.
///
/// # Errors
/// They differ; the message names the files and the command that mends them.
pub(crate) async fn check() -> Result<()> {
    let scratch = Scratch::new("bindings")?;
    generate(scratch.path()).await?;
    let (fresh, kept) = (read(scratch.path())?, read(&folder())?);
    let names: std::collections::BTreeSet<_> = fresh.keys().chain(kept.keys()).collect();
    let stale: Vec<_> =
        names.into_iter().filter(|name| fresh.get(*name) != kept.get(*name)).cloned().collect();
    if !stale.is_empty() {
        bail!(
            "extension/src/model/generated is stale ({}): run `cargo xtask bindings`",
            stale.join(", ")
        );
    }
    Ok(())
}

fn folder() -> PathBuf {
    build::folder().join("src/model/generated")
}

async fn generate(into: &Path) -> Result<()> {
    let mut command = shell::cargo();
    // Of the whole workspace, as the tests are: for one package alone, cargo would build the
    // dependencies once more with other features.
    command.args(["test", "--workspace", "--lib", "export_bindings"]);
    command.env("TS_RS_EXPORT_DIR", into).current_dir(workspace::root());
    shell::step("TypeScript types", &mut command).await
}

fn read(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "ts") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(name, std::fs::read_to_string(&path)?);
        }
    }
    Ok(files)
}
