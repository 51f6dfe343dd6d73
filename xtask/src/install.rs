//! What other programs are needed, and how they are installed on Debian and its kin.
//!
//! It says what and how before it does anything. Elsewhere, or when told to install nothing, it
//! names the missing programs and stops. No service of a package that it installs is started, now
//! or with the machine.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, bail};
use jstorrent_tests::browser;
use tokio::process::Command;

use crate::{shell, wasm};

/// A program that comes from a package.
struct Need {
    package: &'static str,
    is_there: fn() -> bool,
    /// What the package would have the machine run.
    service: Option<&'static str>,
}

impl Need {
    const fn new(package: &'static str, is_there: fn() -> bool) -> Self {
        Self { package, is_there, service: None }
    }

    const fn with_service(self, service: &'static str) -> Self {
        Self { service: Some(service), ..self }
    }
}

const BROWSER: Need = Need::new("chromium", || browser::find().is_ok());
const FFMPEG: Need = Need::new("ffmpeg", || shell::is_there("ffmpeg"));
const LIBTORRENT: Need = Need::new("python3-libtorrent", has_libtorrent);
const ARIA2: Need = Need::new("aria2", || shell::is_there("aria2c"));
const TRANSMISSION: Need =
    Need::new("transmission-daemon", || shell::is_there("transmission-daemon"))
        .with_service("transmission-daemon");
const NGINX: Need =
    Need::new("nginx-light", || shell::is_there("/usr/sbin/nginx")).with_service("nginx");

/// What a command is going to need.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// Playing a torrent of the user's.
    Playing,
    /// The demo: a film, and a client that seeds it.
    Demo,
    /// All tests.
    Tests,
    /// The benchmark.
    Bench,
}

/// How to go about it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consent {
    /// Say what is missing and stop.
    Never,
    /// Ask on a terminal; elsewhere go on, as in CI.
    Ask,
    /// Go on.
    Given,
}

/// Installs what is missing.
///
/// # Errors
/// Something is missing and may or can not be installed; the message names the commands.
pub(crate) async fn ensure(purpose: For, consent: Consent) -> Result<()> {
    if !shell::is_there("npm") {
        bail!("Node.js with npm is missing (version 20 or newer): install it first");
    }
    let needs: Vec<&Need> = needs(purpose).iter().filter(|need| !(need.is_there)()).collect();
    let packages = missing(purpose, consent).await;
    if packages.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    let commands = format!("  {}\n  {}", privileged("apt-get update"), apt_command(&names));
    if consent == Consent::Never || !shell::is_there("apt-get") {
        bail!(
            "missing: {}\nOn Debian and Ubuntu these commands install it:\n{commands}",
            packages.join(", ")
        );
    }
    println!(
        "These packages are missing and are installed now: {}\n{commands}",
        packages.join(", ")
    );
    if consent == Consent::Ask && std::io::stdin().is_terminal() && !agrees()? {
        bail!("nothing was installed");
    }
    apt(&["update"]).await?;
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(names);
    apt(&install).await?;
    disable(needs.iter().filter_map(|need| need.service)).await;
    let left = missing(purpose, consent).await;
    if !left.is_empty() {
        bail!("installed, and still not found: {}", left.join(", "));
    }
    Ok(())
}

fn needs(purpose: For) -> &'static [Need] {
    match purpose {
        For::Playing => &[BROWSER],
        For::Demo => &[BROWSER, FFMPEG, LIBTORRENT],
        For::Bench => &[BROWSER, FFMPEG, LIBTORRENT, NGINX],
        For::Tests => &[BROWSER, FFMPEG, LIBTORRENT, ARIA2, TRANSMISSION, NGINX],
    }
}

async fn missing(purpose: For, consent: Consent) -> Vec<String> {
    let mut packages: Vec<String> = needs(purpose)
        .iter()
        .filter(|need| !(need.is_there)())
        .map(|need| need.package.to_owned())
        .collect();
    if wasm::needs_debian_packages(consent).await {
        for package in wasm::DEBIAN_PACKAGES {
            if !is_installed(package).await {
                packages.push((*package).to_owned());
            }
        }
    }
    packages
}

async fn is_installed(package: &str) -> bool {
    let mut query = shell::command("dpkg-query");
    query.args(["-W", "-f", "${Status}", package]);
    shell::ask(&mut query, Duration::from_secs(30))
        .await
        .is_some_and(|status| status.ends_with(" installed"))
}

/// The binding is looked for as a file: importing it takes a second.
fn has_libtorrent() -> bool {
    let Ok(entries) = std::fs::read_dir("/usr/lib/python3/dist-packages") else { return false };
    Path::new("/usr/bin/python3").exists()
        && entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("libtorrent."))
}

/// The command that installs these packages, for people to read.
pub(crate) fn apt_command(packages: &[&str]) -> String {
    privileged(&format!("apt-get install -y --no-install-recommends {}", packages.join(" ")))
}

fn privileged(command: &str) -> String {
    if is_root() { command.to_owned() } else { format!("sudo {command}") }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn agrees() -> Result<bool> {
    print!("Go on? [Y/n] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(!answer.trim().to_lowercase().starts_with('n'))
}

/// What runs apt-get so that no service starts.
const APT_GET: &str = include_str!("apt-get.sh");
/// Where Debian looks for what may be started.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Runs apt-get, once more if it fails: mirrors do at times. It keeps the terminal, since sudo may
/// ask for a password there.
async fn apt(args: &[&str]) -> Result<()> {
    for attempt in 1..=2 {
        let mut command = as_root("sh");
        command
            .args(["-c", APT_GET, "apt-get.sh", POLICY, "-q", "-o", "DPkg::Lock::Timeout=300"])
            .args(args);
        // Not killed on drop: a package manager that dies half-way leaves a broken system; Ctrl+C
        // reaches it by itself.
        if command.status().await?.success() {
            return Ok(());
        }
        if attempt == 1 {
            println!("apt-get {} failed; once more", args[0]);
        }
    }
    bail!("apt-get {} failed twice", args[0])
}

/// Keeps services that were just installed from starting with the machine, too: the tests start
/// what they need themselves.
async fn disable(services: impl Iterator<Item = &str>) {
    for service in services {
        let disabled = as_root("update-rc.d").args([service, "disable"]).status().await;
        if !disabled.is_ok_and(|status| status.success()) {
            println!("the service {service} may start with the machine: it could not be disabled");
        }
    }
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

    /// Runs the script with an `apt-get` that asks the policy, as dpkg does, and then does `deed`.
    /// What the policy said, and what is left of it.
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
