//! Tests that mount file systems. Each test runs in a user and mount namespace of its own.
//!
//! Only a process with one thread can enter a namespace. So [`within`] starts the test binary again
//! below `unshare`, for this one test. It fails where that is not possible, so such a test never
//! passes without having run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::terminal::output;

/// Set in the process inside the namespace.
const INSIDE: &str = "JSTORRENT_TEST_INSIDE_NAMESPACE";

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
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        return runtime.block_on(body);
    }
    // The type name is `binary::module::test::{{closure}}`; the test's name is its middle.
    let name = std::any::type_name::<F>().trim_end_matches("::{{closure}}");
    let (_, name) = name.split_once("::").context("the path of a test")?;
    let namespace = ["--user", "--map-root-user", "--mount", "--"];
    let probe = Command::new("unshare")
        .args(namespace)
        .args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"])
        .output();
    let probe = probe.context("unshare (package util-linux) is missing")?;
    ensure!(
        probe.status.success(),
        "this system allows no user namespace with mounts (see \
         kernel.apparmor_restrict_unprivileged_userns and user.max_user_namespaces): {}",
        String::from_utf8_lossy(&probe.stderr)
    );
    let mut again = Command::new("unshare");
    again.args(namespace).arg(std::env::current_exe()?).args(["--exact", name, "--nocapture"]);
    // The process stays in this process group, and ends with the test run.
    let ran = again.env(INSIDE, "yes").stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&ran.stdout);
    ensure!(
        ran.status.success() && said.contains("\ntest result: ok. 1 passed;"),
        "{name} in a namespace of its own: {}\n{said}{}",
        ran.status,
        String::from_utf8_lossy(&ran.stderr)
    );
    Ok(())
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
        ensure!(std::env::var_os(INSIDE).is_some(), "only a test within a namespace may mount");
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
