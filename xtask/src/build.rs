//! What `cargo xtask build` and the tests need: the engine, the extension, and the native programs, in that order, each only if it is not up to date.

use anyhow::{Context as _, Result};
use jstorrent_tests::workspace;

use crate::ui::Step;
use crate::{shell, wasm};

/// Builds everything that the browser and the terminal load.
///
/// # Errors
/// A step fails; what it wrote has been shown.
pub(crate) async fn all() -> Result<()> {
    unpacked_extension().await?;
    let mut native = shell::cargo();
    native.args(["build", "--release", "--package", "io-shim", "--package", "engine-wasm", "--bins"]);
    shell::step("daemon and terminal", &mut native).await
}

/// Builds everything that the tests load, and the tests. The native programs come with the checks that a release leaves out (overflows, assertions),
/// and share what they are made of with the tests.
///
/// # Errors
/// As [`all`].
pub(crate) async fn for_tests() -> Result<()> {
    unpacked_extension().await?;
    shell::step("programs and tests", shell::cargo().args(["build", "--workspace", "--all-targets"])).await
}

/// The extension, ready to be loaded, with its engine.
async fn unpacked_extension() -> Result<()> {
    wasm::build().await?;
    extension().await
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
