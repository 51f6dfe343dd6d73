//! Runs apt-get so that it starts no service. An installed package's service starts neither now nor
//! with the machine.

use std::process::Stdio;

use anyhow::{Result, bail};
use tokio::process::Command;

/// The shell script that runs apt-get under a policy.
const APT_GET: &str = include_str!("apt-get.sh");
/// The policy that Debian asks before it starts a service.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// The command that fetches the lists of packages, for people to read.
pub(crate) fn update_command() -> String {
    privileged("apt-get update")
}

/// The command that installs these packages, for people to read.
pub(crate) fn install_command(packages: &[&str]) -> String {
    privileged(&format!("apt-get install -y --no-install-recommends {}", packages.join(" ")))
}

/// Installs packages.
///
/// # Errors
/// apt-get fails twice.
pub(crate) async fn install(packages: &[&str]) -> Result<()> {
    run(&["update"]).await?;
    run(&[&["install", "-y", "--no-install-recommends"], packages].concat()).await
}

/// Keeps services that were just installed from starting with the machine: the tests start what
/// they need themselves.
pub(crate) async fn disable(services: impl Iterator<Item = &str>) {
    for service in services {
        let disabled = as_root("update-rc.d").args([service, "disable"]).status().await;
        if !disabled.is_ok_and(|status| status.success()) {
            println!("the service {service} may start with the machine: it could not be disabled");
        }
    }
}

/// Runs apt-get, and a second time if it fails. Mirrors fail at times. The terminal stays with
/// apt-get, since sudo may ask for a password there.
async fn run(args: &[&str]) -> Result<()> {
    for attempt in 1..=2 {
        let mut command = as_root("sh");
        command.args(["-c", APT_GET, "apt-get.sh", POLICY]);
        command.args(["-q", "-o", "DPkg::Lock::Timeout=300"]).args(args);
        // Not killed on drop: a package manager that dies half-way leaves a broken system. Ctrl+C
        // reaches it by itself.
        if command.status().await?.success() {
            return Ok(());
        }
        if attempt == 1 {
            println!("apt-get {} failed; trying again", args[0]);
        }
    }
    bail!("apt-get {} failed twice", args[0])
}

fn privileged(command: &str) -> String {
    if is_root() { command.to_owned() } else { format!("sudo {command}") }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn as_root(program: &str) -> Command {
    let mut command = if is_root() { Command::new(program) } else { Command::new("sudo") };
    if is_root() {
        command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    } else {
        command.args(["DEBIAN_FRONTEND=noninteractive", program]);
    }
    command
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use jstorrent_tests::workspace::Scratch;

    use super::*;

    /// Runs the script with a pretended `apt-get`. The pretended program asks the policy, as dpkg
    /// does, and then does `deed`. Returns what the policy said, and the policy that is left.
    async fn asked(scratch: &Scratch, deed: &str) -> (String, Option<String>) {
        let (policy, said) = (scratch.path().join("policy-rc.d"), scratch.path().join("said"));
        let apt = scratch.path().join("apt-get");
        let (ask, note) = (policy.display(), said.display());
        fs::write(&apt, format!("#!/bin/sh\n{ask} nginx start\necho $* $? > {note}\n{deed}\n"))
            .unwrap();
        fs::set_permissions(&apt, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", scratch.path().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        let script = command
            .args(["-c", APT_GET, "apt-get.sh"])
            .arg(&policy)
            .args(["install", "x"])
            .env("PATH", path);
        script.status().await.unwrap();
        (fs::read_to_string(said).unwrap(), fs::read_to_string(policy).ok())
    }

    #[tokio::test]
    async fn nothing_that_is_installed_is_started_and_nothing_is_left() {
        let scratch = Scratch::new("policy").unwrap();
        for deed in ["exit 0", "exit 1", "kill -TERM $PPID", "kill -INT $PPID"] {
            assert_eq!(asked(&scratch, deed).await, ("install x 101\n".into(), None), "{deed}");
        }
    }

    #[tokio::test]
    async fn what_a_killed_run_left_behind_forbids_nothing_and_is_replaced() {
        let scratch = Scratch::new("policy").unwrap();
        assert!(asked(&scratch, "kill -KILL $PPID").await.1.is_some());
        let left = Command::new(scratch.path().join("policy-rc.d")).status().await.unwrap();
        assert!(left.success(), "it forbids what others install");
        assert_eq!(asked(&scratch, "exit 0").await, ("install x 101\n".into(), None));
    }

    #[tokio::test]
    async fn a_policy_of_the_administrators_stays_and_decides() {
        let scratch = Scratch::new("policy").unwrap();
        let (policy, own) = (scratch.path().join("policy-rc.d"), "#!/bin/sh\nexit 104\n");
        fs::write(&policy, own).unwrap();
        fs::set_permissions(&policy, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(asked(&scratch, "exit 0").await, ("install x 104\n".into(), Some(own.into())));
    }
}
