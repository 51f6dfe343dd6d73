//! `cargo xtask build`: the engine, the extension, and the native programs, in that order, each only if it is not up to date.

use anyhow::{Context as _, Result};
use jstorrent_tests::workspace;

use crate::ui::Step;
use crate::{shell, wasm};

/// Builds everything that the browser, the terminal and the tests load.
///
/// # Errors
/// A step fails; what it wrote has been shown.
pub(crate) async fn all() -> Result<()> {
    wasm::build().await?;
    extension().await?;
    let mut native = shell::cargo();
    native.args(["build", "--release", "--package", "io-shim", "--package", "engine-wasm", "--bins"]);
    shell::step("daemon and terminal", &mut native).await
}

async fn extension() -> Result<()> {
    npm_packages().await?;
    shell::step("extension", shell::command("npm").args(["run", "build"]).current_dir(folder())).await
}

/// Installs the extension's npm packages, unless they are those of the lock file already.
///
/// # Errors
/// npm fails.
pub(crate) async fn npm_packages() -> Result<()> {
    let lock = std::fs::read(folder().join("package-lock.json")).context("extension/package-lock.json")?;
    let stamp = folder().join("node_modules/.installed-lock.json");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        Step::start("npm packages").up_to_date();
        return Ok(());
    }
    let mut command = shell::command("npm");
    command.args(["ci", "--no-audit", "--no-fund"]).current_dir(folder());
    shell::step("npm packages", &mut command).await?;
    Ok(std::fs::write(stamp, lock)?)
}

/// Where the extension lies.
pub(crate) fn folder() -> std::path::PathBuf {
    workspace::root().join("extension")
}
