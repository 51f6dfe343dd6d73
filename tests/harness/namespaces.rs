//! Tests in namespaces of their own, where they may do what only root may.
//!
//! Only a process with one thread can enter a namespace. So [`within`] starts the test binary again
//! below `unshare`, for this one test. It fails where that is not possible, so such a test never
//! passes without having run.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Set in the process inside the namespace.
const INSIDE: &str = "JSTORRENT_TEST_INSIDE_NAMESPACE";

/// Options of `unshare`, and a command that works inside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    namespaces: &'static [&'static str],
    probe: &'static [&'static str],
}

/// Namespaces in which file systems can be mounted.
pub(crate) const MOUNTS: Kind = Kind {
    namespaces: &["--user", "--map-root-user", "--mount", "--"],
    probe: &["mount", "-t", "tmpfs", "tmpfs", "/mnt"],
};

/// Namespaces with network interfaces of their own, all of them down at first.
pub(crate) const NETWORKS: Kind = Kind {
    namespaces: &["--user", "--map-root-user", "--net", "--"],
    probe: &["ip", "link", "set", "lo", "up"],
};

/// Whether this process is inside.
pub(crate) fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs the body of a test inside such namespaces.
///
/// # Errors
/// The test fails, or the system allows no namespace.
pub(crate) fn within<F: Future<Output = Result<()>>>(kind: Kind, body: F) -> Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        return runtime.block_on(body);
    }
    // The type name is `binary::module::test::{{closure}}`; the test's name is its middle.
    let name = std::any::type_name::<F>().trim_end_matches("::{{closure}}");
    let (_, name) = name.split_once("::").context("the path of a test")?;
    let probe = Command::new("unshare").args(kind.namespaces).args(kind.probe).output();
    let probe = probe.context("unshare (package util-linux) is missing")?;
    ensure!(
        probe.status.success(),
        "this system allows no such namespace (see \
         kernel.apparmor_restrict_unprivileged_userns and user.max_user_namespaces): {}",
        String::from_utf8_lossy(&probe.stderr)
    );
    let mut again = Command::new("unshare");
    again.args(kind.namespaces).arg(std::env::current_exe()?).args([
        "--exact",
        name,
        "--nocapture",
    ]);
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
