//! Paths: the checkout, its target folder, the built programs, and temporary folders.
//!
//! Nothing a test or the demo writes lies outside the target folder.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail};

/// The addresses at which tested programs take peers. Nothing is reachable from outside.
pub(crate) const LOOPBACK: &str = "127.0.0.1,::1";

/// The environment variable that names the native programs' folder. The folder lies below Cargo's
/// target folder; the default is `release`.
pub const PROGRAMS: &str = "JSTORRENT_TEST_PROGRAMS";

/// The checkout.
///
/// # Panics
/// Never: this crate lies one folder below it.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the workspace")
}

/// Cargo's target folder.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The daemon as `cargo xtask build` made it. [`PROGRAMS`] may name another folder.
///
/// # Errors
/// It was not built.
pub fn daemon() -> Result<PathBuf> {
    program("jstorrent-io-daemon")
}

/// The terminal host as `cargo xtask build` made it. [`PROGRAMS`] may name another folder.
///
/// # Errors
/// It was not built.
pub fn terminal() -> Result<PathBuf> {
    program("jstorrent")
}

fn program(name: &str) -> Result<PathBuf> {
    let folder = std::env::var_os(PROGRAMS).unwrap_or_else(|| "release".into());
    built(target().join(folder).join(name))
}

/// The extension, ready to be loaded, as `cargo xtask build` made it.
///
/// # Errors
/// It was not built.
pub fn extension() -> Result<PathBuf> {
    let dist = root().join("extension/dist");
    built(dist.join("manifest.json"))?;
    built(dist.join("engine/engine_wasm_bg.wasm"))?;
    Ok(dist)
}

fn built(path: PathBuf) -> Result<PathBuf> {
    if !path.exists() {
        bail!("{} is not there: run `cargo xtask build`", path.display());
    }
    Ok(path)
}

/// A temporary folder below the target folder; dropping it deletes it.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A fresh, empty folder whose name starts with `name`.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(name: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique =
            format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = target().join("scratch").join(unique);
        std::fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A folder in it, made if it is not there.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn dir(&self, name: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A killed program may still write a file into the folder, so deleting is tried again.
        for _ in 0..20 {
            if std::fs::remove_dir_all(&self.0).is_ok() || !self.0.exists() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}
