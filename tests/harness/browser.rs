//! Chrome with the extension in a temporary profile, and the extension's daemon.
//!
//! The daemon's own `install` installs the native messaging host, the debugging pipe loads the
//! extension (branded Chrome knows no other way), and environment variables configure the daemon.
//! Dropping a [`Browser`] ends the browser and its daemon and deletes their folders.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;
use tokio::process::Command;

use crate::cdp::{Cdp, Session};
use crate::daemon::{self, Endpoint, Reaper};
use crate::process::{Group, log_to};
use crate::workspace::{self, Scratch};

/// The extension's id: the key in its manifest fixes it.
pub(crate) const EXTENSION_ID: &str = "cpallhfnafgboofejffacjngdjldepmp";

/// Paths of browsers, best first. Debian's wrapper script adds flags, so its browser itself comes
/// first.
const BROWSERS: &[&str] = &[
    "/usr/lib/chromium/chromium",
    "/usr/bin/google-chrome-stable",
    "/usr/bin/google-chrome",
    "/opt/google/chrome/chrome",
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

const FLAGS: &[&str] = &[
    "--remote-debugging-pipe",
    "--enable-unsafe-extension-debugging",
    "--disable-quic",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--window-size=1280,860",
];

/// How to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether to run without a window.
    pub headless: bool,
    /// Whether to install the native messaging host, without which the extension has no daemon.
    pub native_host: bool,
    /// Whether the daemon dials peers on this machine, and takes none from elsewhere.
    pub loopback_peers: bool,
    /// Whether to load the extension.
    pub extension: bool,
    /// Optional permissions that the extension has: without a window Chrome can't ask for them.
    pub granted: Vec<&'static str>,
    /// The only language of the extension. Some browsers have no other language than English, but
    /// then show the extension in the only one that it has.
    pub language: Option<&'static str>,
    /// Further environment variables of the browser and the daemon.
    pub daemon_env: Vec<(&'static str, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            headless: true,
            native_host: true,
            loopback_peers: true,
            extension: true,
            granted: Vec::new(),
            language: None,
            daemon_env: Vec::new(),
        }
    }
}

/// A running browser with the extension loaded.
#[derive(Debug)]
pub struct Browser {
    cdp: Cdp,
    group: Group,
    _reaper: Reaper,
    state: PathBuf,
    downloads: PathBuf,
    _scratch: Scratch,
}

/// The browser to use: `$CHROME`, or the first that is installed.
///
/// # Errors
/// There is none.
pub fn find() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("CHROME") {
        return Ok(path.into());
    }
    match BROWSERS.iter().map(Path::new).find(|path| path.exists()) {
        Some(path) => Ok(path.to_owned()),
        None => {
            bail!("no Chrome or Chromium is installed (set CHROME to name one that lies elsewhere)")
        }
    }
}

impl Browser {
    /// Starts it with default options.
    ///
    /// # Errors
    /// As [`Browser::start`].
    pub async fn headless() -> Result<Self> {
        Self::start(Options::default()).await
    }

    /// Starts a browser without the extension.
    ///
    /// # Errors
    /// As [`Browser::start`].
    pub async fn bare() -> Result<Self> {
        Self::start(Options { extension: false, native_host: false, ..Options::default() }).await
    }

    /// Starts it and loads the extension.
    ///
    /// # Errors
    /// There is no browser, the product was not built, or the browser does not take the extension.
    pub async fn start(options: Options) -> Result<Self> {
        let scratch = Scratch::new("browser")?;
        let (profile, state, downloads) =
            (scratch.dir("profile")?, scratch.dir("state")?, scratch.dir("downloads")?);
        let mut extension = options.extension.then(workspace::extension).transpose()?;
        if let Some(built) =
            extension.as_mut().filter(|_| !options.granted.is_empty() || options.language.is_some())
        {
            *built = changed(built, &options, scratch.dir("extension")?)?;
        }
        if options.native_host {
            install_native_host(&profile).await?;
        }
        let mut command = launch_command(&find()?, &profile, options.headless);
        command.env("JSTORRENT_STATE", &state).env("JSTORRENT_DOWNLOADS", &downloads);
        command.env("JSTORRENT_NOTES", state.join("notes"));
        if options.loopback_peers {
            command.env("JSTORRENT_ALLOW_LOOPBACK_PEERS", "1");
            command.env("JSTORRENT_PEER_ADDRESS", workspace::LOOPBACK);
        }
        command.envs(options.daemon_env.iter().map(|(name, value)| (*name, value)));
        command.stderr(log_to(&scratch.path().join("browser.log"))?);
        let mut group = Group::spawn(&mut command)?;
        let cdp = Cdp::new(group.stdin()?, group.stdout()?);
        let browser = Self {
            cdp,
            group,
            _reaper: Reaper(state.clone()),
            state,
            downloads,
            _scratch: scratch,
        };
        if let Some(extension) = extension {
            let reply =
                browser.cdp.call("Extensions.loadUnpacked", json!({ "path": extension })).await?;
            ensure!(reply["id"] == EXTENSION_ID, "the extension got the id {}", reply["id"]);
        }
        Ok(browser)
    }

    /// The browser's protocol connection.
    pub fn cdp(&self) -> &Cdp {
        &self.cdp
    }

    /// The browser's process, the leader of the group of all its processes.
    pub fn pid(&self) -> u32 {
        self.group.pid()
    }

    /// The daemon's state folder.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The folder that it downloads to.
    pub fn downloads(&self) -> &Path {
        &self.downloads
    }

    /// The daemon that the extension started, as soon as it is there.
    ///
    /// # Errors
    /// None came in time.
    pub async fn daemon(&self) -> Result<Endpoint> {
        Endpoint::wait(&self.state, Duration::from_secs(20)).await.with_context(|| self.report())
    }

    /// Opens a page of the extension, in front.
    ///
    /// # Errors
    /// The browser is gone.
    pub async fn open(&self, page: &str) -> Result<Session> {
        let session = self.cdp.open(&extension_url(page)).await?;
        session.bring_to_front().await?;
        Ok(session)
    }

    /// The offscreen document that holds the engine's worker.
    ///
    /// # Errors
    /// There is none in time.
    pub async fn offscreen(&self) -> Result<Session> {
        let target =
            self.cdp.wait_target("background_page", &extension_url("offscreen.html"), WAIT).await?;
        self.cdp.attach(&target.id).await
    }

    /// Kills the browser at once, as a crash would; the daemon is left alone.
    pub async fn kill(&mut self) {
        self.group.kill().await;
    }

    /// Waits until the user closes the browser.
    ///
    /// # Errors
    /// The operating system does not report it.
    pub async fn closed(&mut self) -> Result<()> {
        self.group.wait().await.map(drop)
    }

    /// The pages' consoles and the daemon's log, for the report of a failure.
    pub fn report(&self) -> String {
        format!("{}\n{}", self.cdp.console(), daemon::log(&self.state))
    }
}

const WAIT: Duration = Duration::from_secs(20);

/// The address of a page of the extension.
pub fn extension_url(page: &str) -> String {
    format!("chrome-extension://{EXTENSION_ID}/{page}")
}

async fn install_native_host(profile: &Path) -> Result<()> {
    let mut command = Command::new(workspace::daemon()?);
    command
        .arg("install")
        .arg("--user-data-dir")
        .arg(profile)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let status = Group::spawn(&mut command)?.wait().await?;
    ensure!(
        status.success(),
        "the daemon could not install itself as native messaging host: {status}"
    );
    Ok(())
}

/// Copies an extension, with some optional permissions granted or with one language only.
fn changed(extension: &Path, options: &Options, copy: PathBuf) -> Result<PathBuf> {
    copy_folder(extension, &copy)?;
    let path = copy.join("manifest.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    for permission in &options.granted {
        let optional =
            manifest["optional_permissions"].as_array_mut().context("optional permissions")?;
        let at = optional
            .iter()
            .position(|named| named == permission)
            .context("it is not an optional permission")?;
        let permission = optional.remove(at);
        manifest["permissions"].as_array_mut().context("permissions")?.push(permission);
    }
    if let Some(language) = options.language {
        for other in std::fs::read_dir(copy.join("_locales"))? {
            let other = other?;
            if other.file_name() != language {
                std::fs::remove_dir_all(other.path())?;
            }
        }
        manifest["default_locale"] = language.into();
    }
    std::fs::write(&path, manifest.to_string())?;
    Ok(copy)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// Chrome uses descriptors 3 and 4. A shell sets them up, because safe Rust can't.
fn launch_command(browser: &Path, profile: &Path, headless: bool) -> Command {
    let mut user_data = OsString::from("--user-data-dir=");
    user_data.push(profile);
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", r#"exec "$@" 3<&0 4>&1 </dev/null >&2"#, "sh"])
        .arg(browser)
        .args(FLAGS)
        .arg(user_data);
    if headless {
        command.args(["--headless=new", "--disable-gpu", "--mute-audio"]);
    }
    if rustix::process::geteuid().is_root() {
        // Chrome refuses to run its sandbox as root.
        command.arg("--no-sandbox");
    }
    command.arg("about:blank").stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}
