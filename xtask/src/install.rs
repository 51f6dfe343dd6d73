//! What other programs are needed, and how they are installed on Debian and its kin.
//!
//! It says what and how before it does anything. Elsewhere, or when told to install nothing, it names the missing
//! programs and stops.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, bail};
use jstorrent_tests::browser;

use crate::{shell, wasm};

/// A program that comes from a package.
struct Need {
    package: &'static str,
    is_there: fn() -> bool,
}

const BROWSER: Need = Need { package: "chromium", is_there: || browser::find().is_ok() };
const FFMPEG: Need = Need { package: "ffmpeg", is_there: || shell::is_there("ffmpeg") };
const LIBTORRENT: Need = Need { package: "python3-libtorrent", is_there: has_libtorrent };
const ARIA2: Need = Need { package: "aria2", is_there: || shell::is_there("aria2c") };
const TRANSMISSION: Need = Need { package: "transmission-daemon", is_there: || shell::is_there("transmission-daemon") };

const NGINX: Need = Need { package: "nginx-light", is_there: || shell::is_there("/usr/sbin/nginx") };

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
    let packages = missing(purpose).await;
    if packages.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    let commands = format!("  {}\n  {}", privileged("apt-get update"), apt_command(&names));
    if consent == Consent::Never || !shell::is_there("apt-get") {
        bail!("missing: {}\nOn Debian and Ubuntu these commands install it:\n{commands}", packages.join(", "));
    }
    println!("These packages are missing and are installed now: {}\n{commands}", packages.join(", "));
    if consent == Consent::Ask && std::io::stdin().is_terminal() && !agrees()? {
        bail!("nothing was installed");
    }
    apt(&["update"]).await?;
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(names);
    apt(&install).await?;
    let left = missing(purpose).await;
    if !left.is_empty() {
        bail!("installed, and still not found: {}", left.join(", "));
    }
    Ok(())
}

async fn missing(purpose: For) -> Vec<String> {
    let needs: &[Need] = match purpose {
        For::Playing => &[BROWSER],
        For::Demo => &[BROWSER, FFMPEG, LIBTORRENT],
        For::Bench => &[BROWSER, FFMPEG, LIBTORRENT, NGINX],
        For::Tests => &[BROWSER, FFMPEG, LIBTORRENT, ARIA2, TRANSMISSION, NGINX],
    };
    let mut packages: Vec<String> =
        needs.iter().filter(|need| !(need.is_there)()).map(|need| need.package.to_owned()).collect();
    if wasm::needs_debian_packages().await {
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
    shell::ask(&mut query, Duration::from_secs(30)).await.is_some_and(|status| status.ends_with(" installed"))
}

/// The binding is looked for as a file: importing it takes a second.
fn has_libtorrent() -> bool {
    let Ok(entries) = std::fs::read_dir("/usr/lib/python3/dist-packages") else { return false };
    Path::new("/usr/bin/python3").exists()
        && entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libtorrent."))
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

/// Runs apt-get, once more if it fails: mirrors do at times. It keeps the terminal, since sudo may ask for a password there.
async fn apt(args: &[&str]) -> Result<()> {
    for attempt in 1..=2 {
        let mut command = if is_root() {
            tokio::process::Command::new("apt-get")
        } else {
            let mut sudo = tokio::process::Command::new("sudo");
            sudo.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
            sudo
        };
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-o", "DPkg::Lock::Timeout=300"]).args(args);
        let input = if is_root() { Stdio::null() } else { Stdio::inherit() };
        // Not killed on drop: a package manager that dies half-way leaves a broken system; Ctrl+C reaches it by itself.
        if command.stdin(input).status().await?.success() {
            return Ok(());
        }
        if attempt == 1 {
            println!("apt-get {} failed; once more", args[0]);
        }
    }
    bail!("apt-get {} failed twice", args[0])
}
