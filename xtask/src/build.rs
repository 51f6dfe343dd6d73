//! `cargo xtask build`, and what the tests need.
//!
//! The order is the engine, the extension, the native programs; what is up to date is not built.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use jstorrent_tests::steps::Step;
use jstorrent_tests::workspace;

use crate::consent::Consent;
use crate::{shell, wasm};

/// Builds everything that the browser and the terminal load.
///
/// # Errors
/// A step fails; what it wrote has been shown.
pub(crate) async fn all(consent: Consent) -> Result<()> {
    unpacked_extension(consent).await?;
    let mut native = shell::cargo();
    native.args([
        "build",
        "--release",
        "--package",
        "io-shim",
        "--package",
        "engine-wasm",
        "--bins",
    ]);
    shell::step("daemon and terminal", &mut native).await
}

/// Builds the tests and everything that they load.
///
/// The native programs are debug builds: they check for overflows and assertions, and share their
/// dependencies with the tests.
///
/// # Errors
/// As [`all`].
pub(crate) async fn for_tests(consent: Consent) -> Result<()> {
    unpacked_extension(consent).await?;
    npm_packages(&workspace::root().join("tests/harness/peers/webtorrent"), consent).await?;
    shell::step(
        "programs and tests",
        shell::cargo().args(["build", "--workspace", "--all-targets"]),
    )
    .await
}

/// Builds the extension with its engine, ready to be loaded.
async fn unpacked_extension(consent: Consent) -> Result<()> {
    wasm::build(consent).await?;
    extension(consent).await
}

async fn extension(consent: Consent) -> Result<()> {
    npm_packages(&folder(), consent).await?;
    shell::step("extension", shell::command("npm").args(["run", "build"]).current_dir(folder()))
        .await
}

/// Installs a folder's npm packages, unless they are the lock file's already.
///
/// # Errors
/// npm fails, or nothing may be installed.
async fn npm_packages(folder: &Path, consent: Consent) -> Result<()> {
    let shown = folder.strip_prefix(workspace::root()).unwrap_or(folder).display();
    let lock = std::fs::read(folder.join("package-lock.json"))
        .with_context(|| format!("{shown}/package-lock.json"))?;
    let stamp = folder.join("node_modules/.installed-lock.json");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        Step::start("npm packages").up_to_date();
        return Ok(());
    }
    if consent == Consent::Never {
        bail!(
            "the npm packages of {shown}/package-lock.json are not installed: run `npm ci` there"
        );
    }
    let mut command = shell::command("npm");
    command.args(["ci", "--no-audit", "--no-fund"]).current_dir(folder);
    shell::step("npm packages", &mut command).await?;
    Ok(std::fs::write(stamp, lock)?)
}

/// The folder of the extension.
pub(crate) fn folder() -> std::path::PathBuf {
    workspace::root().join("extension")
}

#[cfg(test)]
mod tests {
    use jstorrent_tests::workspace::Scratch;

    use super::*;

    #[tokio::test]
    async fn without_consent_npm_installs_nothing() {
        let scratch = Scratch::new("npm").unwrap();
        std::fs::write(scratch.path().join("package-lock.json"), "{}").unwrap();
        let refused = npm_packages(scratch.path(), Consent::Never).await.unwrap_err();
        assert!(refused.to_string().contains("not installed"), "npm was asked: {refused}");
        let modules = scratch.dir("node_modules").unwrap();
        assert_eq!(std::fs::read_dir(&modules).unwrap().count(), 0);
        std::fs::write(modules.join(".installed-lock.json"), "{}").unwrap();
        npm_packages(scratch.path(), Consent::Never).await.expect("there is nothing to install");
    }
}
