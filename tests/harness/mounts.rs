//! Tests that mount file systems. Each test runs in a user and mount namespace of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use crate::namespaces;
use crate::terminal::output;

/// Runs the body of a test where it may mount file systems. The caller is a plain `#[test]` and
/// passes its body as an `async` block:
///
/// ```no_run
/// # use anyhow::Result;
/// use jstorrent_tests::mounts::{Disk, within};
///
/// fn a_full_disk_is_named() -> Result<()> {
///     within(async {
///         let disk = Disk::mount("/some/folder".as_ref(), "size=2m").await?;
///         // ... fill it, look ...
///         disk.change("size=64m").await
///     })
/// }
/// ```
///
/// The body and its child processes run as root of the namespace, so permission bits do not hold
/// them back.
///
/// # Errors
/// The test fails, or the system allows no namespace.
pub fn within<F: Future<Output = Result<()>>>(body: F) -> Result<()> {
    namespaces::within(namespaces::MOUNTS, body)
}

/// A file system in memory, inside [`within`]; dropping it unmounts it.
#[derive(Debug)]
pub struct Disk(PathBuf);

impl Disk {
    /// Mounts a file system at a folder, which is made if needed.
    ///
    /// Options are those of tmpfs, such as `size=2m` or `size=2m,nr_inodes=100`.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn mount(at: &Path, options: &str) -> Result<Self> {
        ensure!(namespaces::is_inside(), "only a test within a namespace may mount");
        std::fs::create_dir_all(at)?;
        mount(&["-t", "tmpfs", "-o", options], at).await?;
        Ok(Self(at.to_owned()))
    }

    /// Changes its options while it is mounted: another `size=`, `ro` or `rw`.
    ///
    /// # Errors
    /// The system refuses, as it does for `ro` while a file is open for writing.
    pub async fn change(&self, options: &str) -> Result<()> {
        mount(&["-o", &format!("remount,{options}")], &self.0).await
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

async fn mount(options: &[&str], at: &Path) -> Result<()> {
    // If its source is named, `mount` adds no options of the present mount. A namespace would
    // refuse one of them, the unmapped owner.
    let (status, _, errors) =
        output(tokio::process::Command::new("mount").args(options).arg("tmpfs").arg(at)).await?;
    ensure!(status == 0, "mount {options:?}: {errors}");
    Ok(())
}
