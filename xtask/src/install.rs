//! The programs that a command needs, and their installation on Debian. On Debian's derivatives,
//! the installation is the same.
//!
//! The packages and the commands are printed before anything is installed. On other systems, or
//! with `--no-install`, the missing programs are named and the command stops.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use jstorrent_tests::browser;
use which::which;

use crate::consent::Consent;
use crate::{apt, shell, wasm};

/// A program that comes from a package.
struct Need {
    package: &'static str,
    is_there: fn() -> bool,
    /// The service that the package would start.
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
const FFMPEG: Need = Need::new("ffmpeg", || which("ffmpeg").is_ok());
const LIBTORRENT: Need = Need::new("python3-libtorrent", has_libtorrent);
const ARIA2: Need = Need::new("aria2", || which("aria2c").is_ok());
const TRANSMISSION: Need =
    Need::new("transmission-daemon", || which("transmission-daemon").is_ok())
        .with_service("transmission-daemon");
const QBITTORRENT: Need = Need::new("qbittorrent-nox", || which("qbittorrent-nox").is_ok());
const RTORRENT: Need = Need::new("rtorrent", || which("rtorrent").is_ok());
const DELUGE: Need = Need::new("deluged", || which("deluged").is_ok()).with_service("deluged");
const IPROUTE: Need = Need::new("iproute2", || which("ip").is_ok());
// It lies where only root's PATH leads.
const NGINX: Need =
    Need::new("nginx-light", || which("/usr/sbin/nginx").is_ok()).with_service("nginx");

/// What a command is going to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// Play a torrent of the user's.
    Playing,
    /// Make a film, seed it and play it.
    Demo,
    /// Run all tests.
    Tests,
    /// Run the benchmark.
    Bench,
}

/// Installs what is missing.
///
/// # Errors
/// A program is missing and can't be installed, or must not be; the message names the commands.
pub(crate) async fn ensure(purpose: For, consent: Consent) -> Result<()> {
    if which("npm").is_err() {
        bail!("Node.js with npm is missing (version 20 or newer): install it first");
    }
    let needs: Vec<&Need> = needs(purpose).iter().filter(|need| !(need.is_there)()).collect();
    let packages = missing(purpose, consent).await;
    if packages.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    let listed = names.join(", ");
    let commands = format!("  {}\n  {}", apt::update_command(), apt::install_command(&names));
    if consent == Consent::Never || which("apt-get").is_err() {
        bail!("missing: {listed}\nOn Debian and Ubuntu these commands install it:\n{commands}");
    }
    println!("These packages are missing and are installed now: {listed}\n{commands}");
    if consent == Consent::Ask && std::io::stdin().is_terminal() && !agrees()? {
        bail!("nothing was installed");
    }
    apt::install(&names).await?;
    apt::disable(needs.iter().filter_map(|need| need.service)).await;
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
        For::Tests => &[
            BROWSER,
            FFMPEG,
            LIBTORRENT,
            ARIA2,
            TRANSMISSION,
            QBITTORRENT,
            RTORRENT,
            DELUGE,
            IPROUTE,
            NGINX,
        ],
    }
}

async fn missing(purpose: For, consent: Consent) -> Vec<String> {
    let absent = needs(purpose).iter().filter(|need| !(need.is_there)());
    let mut packages: Vec<String> = absent.map(|need| need.package.to_owned()).collect();
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
    let status = shell::ask(&mut query, Duration::from_secs(30)).await;
    status.is_some_and(|status| status.ends_with(" installed"))
}

/// Looks for the Python binding as a file: importing it takes a second.
fn has_libtorrent() -> bool {
    let Ok(entries) = std::fs::read_dir("/usr/lib/python3/dist-packages") else { return false };
    let mut names = entries.flatten().map(|entry| entry.file_name());
    Path::new("/usr/bin/python3").exists()
        && names.any(|name| name.to_string_lossy().starts_with("libtorrent."))
}

fn agrees() -> Result<bool> {
    print!("Go on? [Y/n] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(!answer.trim().to_lowercase().starts_with('n'))
}
